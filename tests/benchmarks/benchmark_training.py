"""Training of the CNN at batch 256: Ravine's loop compared with the usual loop in the same run.

The usual loop is that of tutorials: torchvision's data set with ToTensor, a shuffling DataLoader, `loss.item()` and the
accuracy of each batch. It gets its best settings: all cores as threads, no loader process or as many as cores, pinned
memory on a GPU. Ravine's number on a CPU is the sum over one-thread workers, one for each core, because a study has many
trials; a single worker is measured, too. On a GPU it is one trial alone, and several interleaved ones.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PEER = Path(__file__).with_name("peer.py")
CORES = len(os.sched_getaffinity(0))
CUDA = torch.cuda.is_available()
EXAMPLES = 60_000 if CUDA else 2048
EVALUATED = EXAMPLES // 6
ROUNDS = 5

USUAL = [("float32", loaders) for loaders in sorted({0, CORES, *((4, 8) if CUDA else ())})]
PRECISIONS = ("float32", "tf32", "bfloat16") if CUDA else ("float32", "bfloat16")
RAVINE = [
    (precision, count) for precision in PRECISIONS for count in ((1, 2, 4, 8, 16) if CUDA else sorted({1, CORES}))
]


@pytest.mark.parametrize("evaluated", [0, EVALUATED], ids=["training", "with evaluation"])
@pytest.mark.parametrize(("precision", "loaders"), USUAL)
def benchmark_usual_loop(benchmark, fashion_mnist, precision, loaders, evaluated):
    """Measure the usual loop: one image at a time, channels first, a synchronisation for each batch, all cores."""
    _measure(benchmark, [["usual", "--threads", CORES, "--loaders", loaders]], 1, evaluated)
    benchmark.extra_info |= {"who": f"usual loop, loaders: {loaders}", "precision": precision}


@pytest.mark.parametrize("evaluated", [0, EVALUATED], ids=["training", "with evaluation"])
@pytest.mark.parametrize(("precision", "trials"), RAVINE)
def benchmark_ravine(benchmark, fashion_mnist, precision, trials, evaluated):
    """Measure Ravine: images resident as bytes, batches by index, channels last, metrics on the device, N trials at a time."""
    if CUDA:
        peers = [["ravine", "--precision", precision, "--slots", trials]]
    else:
        peers = [["ravine", "--precision", precision]] * trials
    _measure(benchmark, peers, trials, evaluated)
    benchmark.extra_info |= {"who": f"Ravine, {trials} at a time", "precision": precision}


def _measure(benchmark, peers, trials, evaluated):
    common = ["--examples", EXAMPLES, "--evaluated", evaluated, "--device", "cuda" if CUDA else "cpu"]
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_started([*peer, *common])) for peer in peers]

        def epoch():
            for process in running:
                print(file=process.stdin, flush=True)
            for process in running:
                assert float(process.stdout.readline()) > 0

        benchmark.group = "training with evaluation" if evaluated else "training"
        benchmark.pedantic(epoch, rounds=ROUNDS, warmup_rounds=1)
    speed = trials * EXAMPLES / benchmark.stats.stats.median
    benchmark.extra_info |= {"trials": trials, "training_examples_per_second": speed}


@contextlib.contextmanager
def _started(arguments):
    """Start a peer and wait until it is ready."""
    command = [sys.executable, PEER, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()
