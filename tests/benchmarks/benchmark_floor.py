"""The operations and bytes of a training step of the CNN, the peak rates of the device, and a profile.

torch counts FLOPs from the shapes of matrix products and convolutions; a multiplication and an addition are two. Bytes
are those that each operation reads and writes, as if there were no cache: an upper bound.
"""

import pytest
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from suite.execution.local import keep_memory
from suite.problems import PROBLEMS
from suite.training.devices import deterministic_mode
from suite.training.step import autocast

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BATCH = 256
PROBLEM = PROBLEMS["fashion_mnist_cnn"]
PRECISIONS = ("float32", "tf32", "bfloat16") if DEVICE == "cuda" else ("float32", "bfloat16")
SIDE = 8192 if DEVICE == "cuda" else 2048
COPY_BYTES = 2**30 if DEVICE == "cuda" else 2**28


@pytest.fixture(autouse=True)
def _as_a_worker():
    keep_memory()


@pytest.mark.parametrize("precision", PRECISIONS)
def benchmark_peak_matrix_product(benchmark, precision):
    """Measure a large matrix product: the peak FLOP/s of the device, on one thread of a CPU."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(SIDE, SIDE, device=DEVICE).to(dtype) for _ in range(2))
    _measure(benchmark, precision, lambda: a @ b)
    benchmark.extra_info |= {"who": "matrix product", "flops": 2 * SIDE**3}


def benchmark_peak_copy(benchmark):
    """Measure a large copy: the peak bytes per second of the memory, on one thread of a CPU."""
    source = torch.ones(COPY_BYTES // 4, device=DEVICE)
    target = torch.empty_like(source)
    _measure(benchmark, "float32", lambda: target.copy_(source))
    benchmark.extra_info |= {"who": "copy", "bytes": 2 * COPY_BYTES}


@pytest.mark.parametrize("precision", PRECISIONS)
def benchmark_training_step(benchmark, precision):
    """Measure forward and backward pass of a batch of 256, and profile its operations."""
    network = PROBLEM.network().to(DEVICE)
    inputs, targets = (x.to(DEVICE) for x in PROBLEM.synthetic_batch(BATCH))
    inputs = torch.randint_like(inputs, 256)

    def step():
        network.zero_grad()
        with autocast(precision, DEVICE):
            loss = PROBLEM.loss(network(PROBLEM.prepare(inputs)), targets)
        loss.backward()

    with FlopCounterMode(display=False) as flops:
        step()
    with _Traffic() as traffic:
        step()
    _measure(benchmark, precision, step)
    with deterministic_mode(precision), profile(activities=list(_activities())) as profiled:
        step()
    benchmark.extra_info |= {
        "who": "training step",
        "examples": BATCH,
        "flops": flops.get_total_flops(),
        "bytes": traffic.bytes,
        "profile": _shares(profiled),
    }


def _measure(benchmark, precision, work):
    def once():
        work()
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    benchmark.group = "the floor"
    benchmark.extra_info["precision"] = precision
    with deterministic_mode(precision):
        benchmark.pedantic(once, rounds=9, warmup_rounds=2)


class _Traffic(TorchDispatchMode):
    """Adds up the bytes that operations read and write."""

    bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if not function.is_view:
            for x in tree_leaves((args, kwargs, result)):
                if isinstance(x, torch.Tensor):
                    self.bytes += x.numel() * x.element_size()
        return result


def _activities():
    yield ProfilerActivity.CPU
    if DEVICE == "cuda":
        yield ProfilerActivity.CUDA


def _shares(profiled):
    """Return the share of the time by operation, largest first; the sum of the small ones is one entry."""
    attribute = f"self_{'device' if DEVICE == 'cuda' else 'cpu'}_time_total"
    device = DeviceType.CUDA if DEVICE == "cuda" else DeviceType.CPU  # the time of a kernel is also in its operation
    times = {event.key: getattr(event, attribute) for event in profiled.key_averages() if event.device_type == device}
    total = sum(times.values())
    largest = sorted(times, key=times.get, reverse=True)[:8]
    shares = {name: times[name] / total for name in largest}
    return shares | {"all others": 1 - sum(shares.values())}
