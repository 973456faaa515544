"""A step of each rule compared with torch's: on the parameters of the CNN, and on 100 million.

Ravine's parameters are flat, as in its training loop; torch's are a list, as users have it. One thread on a CPU.
"""

import inspect
import statistics
import time
import warnings

import pytest
import torch
from torch import nn

from suite.execution.local import keep_memory
from suite.optimizers import OPTIMIZERS
from suite.problems import PROBLEMS
from suite.training.cuda_graphs import capture_cuda_graph
from suite.training.flat_parameters import flatten

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZES = ("CNN", "100 million")
TORCH_OPTIMIZERS = {  # optimizers of torch with as many operations; the rule of its NAdam is similar
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nag": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "nag_paper": (torch.optim.SGD, {"momentum": 0.9}),
    "adagrad": (torch.optim.Adagrad, {}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9}),
    "adadelta": (torch.optim.Adadelta, {}),
    "adam": (torch.optim.Adam, {}),
    "adamax": (torch.optim.Adamax, {}),
    "nadam": (torch.optim.NAdam, {}),
    "nadam_paper": (torch.optim.NAdam, {}),
}
FUSED = {torch.optim.SGD, torch.optim.Adagrad, torch.optim.Adam}


@pytest.fixture(autouse=True)
def _as_a_worker():
    keep_memory()  # the settings of the allocator are the same for all
    torch.set_num_threads(1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", TORCH_OPTIMIZERS)
def benchmark_step(benchmark, kind, size):
    """Measure a step of each in turn, round after round, so that other load of the machine affects all alike."""
    variants = _variants(kind, _parameters(size), _parameters(size))
    times = {name: [] for name in variants}

    def others():
        for name, step in variants.items():
            started = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - started)

    step_of_ravine = variants.pop("Ravine")
    benchmark.group = "steps of optimizers"
    benchmark.pedantic(step_of_ravine, setup=others, rounds=9 if size == "100 million" else 200, warmup_rounds=3)
    medians = {name: statistics.median(seconds[3:]) for name, seconds in times.items() if seconds}
    benchmark.extra_info |= {"kind": kind, "size": size, "medians": medians}


def _variants(kind, parameters, others):
    """Return functions that make a step, by name: Ravine's on flat parameters, torch's on a separate list."""
    variants = {}
    flat = flatten(parameters)
    for parameter in parameters:
        parameter.grad.normal_()
    for name in ("Ravine", "Ravine compiled"):
        optimizer = OPTIMIZERS[kind](flat, lr=1e-4)
        if name == "Ravine compiled":
            optimizer.compile()
        elif DEVICE == "cuda":
            optimizer.capturable()
        variants[name] = _step(optimizer)
    for parameter in others:
        parameter.grad = torch.randn_like(parameter)
    cls, options = TORCH_OPTIMIZERS[kind]
    for name, chosen in (("loop", {"foreach": False}), ("foreach", {"foreach": True}), ("fused", {"fused": True})):
        if name != "fused" or cls in FUSED:
            takes = "capturable" in inspect.signature(cls).parameters
            more = {"capturable": True} if DEVICE == "cuda" and takes else {}
            variants[f"torch {name}"] = _step(cls(others, lr=1e-4, **options, **chosen, **more))
    return variants


def _step(optimizer):
    if DEVICE == "cpu":
        return optimizer.step
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*capturable=True.*")  # the first steps are plain, to warm up
        for _ in range(3):
            optimizer.step()
        replay = capture_cuda_graph(optimizer.step, torch.device(DEVICE))

    def step():
        with torch.cuda.stream(stream):
            replay()
        stream.synchronize()

    return step


def _parameters(size):
    """Return the 18 parameters of the CNN, or 100 matrices with a million elements."""
    if size == "CNN":
        return list(PROBLEMS["fashion_mnist_cnn"].network().to(DEVICE).parameters())
    return [nn.Parameter(torch.randn(1000, 1000, device=DEVICE)) for _ in range(100)]
