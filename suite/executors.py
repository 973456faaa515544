"""Where trials run: `submit(trial)` gives a `concurrent.futures.Future` of its result."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from pebble import ProcessPool

    from suite.records import Trial, TrialResult


class Executor(Protocol):
    """What the runner wants of a place to run trials."""

    workers: int

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial some time from now; its future raises only where the worker itself was lost."""
        ...


class LocalProcesses:
    """Worker processes of this machine: one-thread ones on a CPU, spread over the GPUs otherwise.

    A worker that is killed loses its own trial alone. Workers end by themselves when this process dies, however it dies.

    Args:
        workers: How many; None for one a core on a CPU, one a device on CUDA.
        device: As `suite.devices.resolve` gives it; `cuda` stands for every CUDA device here.
        data: The folder of the data set.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.
    """

    def __init__(self, workers: int | None, device: str, data: Path | None, folder: Path | None) -> None:
        self.data, self.folder = data, folder
        devices = _devices(device)
        self.workers = workers or default_workers(device)
        shares = [self.workers // len(devices) + (i < self.workers % len(devices)) for i in range(len(devices))]
        self._pools = [(_pool(share, device), name) for share, name in zip(shares, devices, strict=True) if share]
        self._pending = [0] * len(self._pools)

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial on the device that has the least to do."""
        index = self._pending.index(min(self._pending))
        pool, device = self._pools[index]
        self._pending[index] += 1
        future: Future[TrialResult] = pool.schedule(_run, args=(trial, device, self.data, self.folder))
        future.add_done_callback(lambda _: self._finished(index))
        return future

    def _finished(self, index: int) -> None:
        self._pending[index] -= 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers, in the middle of their trials where they have some."""
        for pool, _device in self._pools:
            pool.stop()
        for pool, _device in self._pools:
            pool.join()


def default_workers(device: str) -> int:
    """One process for each core that this one may use on a CPU, one for each device on CUDA."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else len(_devices(device))


def _devices(device: str) -> list[str]:
    if device != "cuda":
        return [device]
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


def _pool(workers: int, device: str) -> ProcessPool:
    from pebble import ProcessPool

    # A server process imports torch once and forks workers, which costs 10 ms each instead of a second. It must run no
    # tensor operation and never touch CUDA: neither survives a fork. Constructing the first optimizer imports torch's
    # compiler, which takes seconds; on a CPU the server does it for all, on CUDA it might ask for devices.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["suite.trial", *(["torch._dynamo"] if device == "cpu" else [])])
    return ProcessPool(max_workers=workers, initializer=prepare_worker, context=context)


def _run(trial: Trial, device: str, data: Path | None, folder: Path | None) -> TrialResult:
    from suite.trial import run_trial

    return run_trial(trial, device=device, data=data, folder=folder)


def prepare_worker() -> None:
    """What each worker process does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the coordinator ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_memory()


def _end_with_parent() -> None:
    """End this process as soon as the one that started the pool is gone, killed included."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _keep_memory() -> None:
    """Tell glibc to keep freed memory: large activations would be page-faulted anew at each step, up to a third of it."""
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    with contextlib.suppress(OSError, AttributeError):  # another C library has no mallopt, and needs none
        libc = ctypes.CDLL(None)
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
        libc.mallopt(m_top_pad, 2**28)
