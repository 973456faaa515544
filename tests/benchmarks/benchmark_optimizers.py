"""A step of each rule beside torch's own: on the parameters of the paper's CNN, and on 100 million.

Ravine's parameters lie flat, as its engine lays them; torch's are the list that its user has. One thread on a CPU.
"""

import pytest
import torch
from torch import nn

from suite.executors import keep_memory
from suite.flat import flatten
from suite.graphs import capture
from suite.optimizers import OPTIMIZERS
from suite.problems import PROBLEMS

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZES = ("CNN", "100 million")
RIVALS = {  # what torch has that computes as much; NAdam's rule is a relative
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
VARIANTS = [
    (kind, variant)
    for kind, (rival, _) in RIVALS.items()
    for variant in ("Ravine", "Ravine compiled", "torch loop", "torch foreach", "torch fused")
    if variant != "torch fused" or rival in FUSED
]


@pytest.fixture(autouse=True)
def _as_a_worker():
    keep_memory()  # the allocator's settings hold for both rivals
    torch.set_num_threads(1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "variant"), VARIANTS)
def benchmark_step(benchmark, kind, variant, size):
    """The median of many steps."""
    parameters = _parameters(size)
    if variant.startswith("Ravine"):
        optimizer = OPTIMIZERS[kind](flatten(parameters), lr=1e-4)
        for parameter in parameters:
            parameter.grad.normal_()
        if variant.endswith("compiled"):
            optimizer.compile()
        elif DEVICE == "cuda":
            optimizer.capturable()
    else:
        cls, options = RIVALS[kind]
        chosen = {"torch foreach": {"foreach": True}, "torch fused": {"fused": True}}.get(variant, {"foreach": False})
        if DEVICE == "cuda" and cls is not torch.optim.SGD:
            chosen["capturable"] = True
        optimizer = cls(parameters, lr=1e-4, **options, **chosen)
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
    benchmark.group = f"a step of {kind}, {size} parameters"
    benchmark.extra_info |= {"who": variant, "kind": kind, "size": size}
    benchmark.pedantic(_step(optimizer), rounds=7 if size == "100 million" else 200, warmup_rounds=3)


def _step(optimizer):
    if DEVICE == "cpu":
        return optimizer.step
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            optimizer.step()
        play = capture(optimizer.step, torch.device(DEVICE))

    def step():
        with torch.cuda.stream(stream):
            play()
        stream.synchronize()

    return step


def _parameters(size):
    """The CNN's eighteen, or a hundred matrices of a million."""
    if size == "CNN":
        return list(PROBLEMS["fashion_mnist_cnn"].network().to(DEVICE).parameters())
    return [nn.Parameter(torch.randn(1000, 1000, device=DEVICE)) for _ in range(100)]
