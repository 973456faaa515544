"""Where trials run: `submit(trial)` gives a `concurrent.futures.Future` of its result."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import CancelledError, Future
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext
    from pathlib import Path

    from pebble import ProcessPool

    from suite.records import Trial, TrialResult


GATHERING = 0.05
"""Seconds that trials for a process with several slots are gathered."""


class Executor(Protocol):
    """What the runner wants of a place to run trials."""

    workers: int
    """How many trials run at a time; a few more may be submitted, so that none has to wait for the runner."""

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial some time from now; its future raises only where the worker itself was lost."""
        ...


class LocalProcesses:
    """Worker processes of this machine: one-thread ones on a CPU; one for each GPU otherwise, where trials take turns.

    A worker that is killed loses its own trials alone. Workers end by themselves when this process dies, however it dies.

    Args:
        workers: How many trials at a time; None for one a core on a CPU, one a device on CUDA.
        device: As `suite.devices.resolve` gives it; `cuda` stands for every CUDA device here.
        data: The folder of the data set.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.
    """

    def __init__(self, workers: int | None, device: str, data: Path | None, folder: Path | None) -> None:
        devices = _devices(device)
        self.workers = workers or default_workers(device)
        shares = [self.workers // len(devices) + (i < self.workers % len(devices)) for i in range(len(devices))]
        self._places = [
            Place(share, 1, name, data, folder) if name == "cpu" else Place(1, share, name, data, folder)
            for share, name in zip(shares, devices, strict=True)
            if share
        ]

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial on the device that has the least to do."""
        return min(self._places, key=lambda place: place.pending / place.capacity).submit(trial)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers, in the middle of their trials where they have some."""
        for place in self._places:
            place.stop()


class Place:
    """Processes of one device, each with so many trials at a time.

    Args:
        processes: How many.
        slots: How many trials take turns in each; see `suite.packing`. They start together, and their results come
            together: what is submitted within a moment is gathered.
        device: The device.
        data: The folder of the data set.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.
    """

    def __init__(self, processes: int, slots: int, device: str, data: Path | None, folder: Path | None) -> None:
        self.capacity, self._slots = processes * slots, slots
        self._arguments = (slots, device, data, folder)
        self._pool = _pool(processes, device)
        self._free = 2 * processes  # each process has its next trials at hand while its results are being recorded
        self._waiting: deque[tuple[Trial, Future[TrialResult]]] = deque()
        self._running = 0
        self._lock = threading.RLock()
        self._gathering: threading.Timer | None = None

    @property
    def pending(self) -> int:
        """How many trials were submitted and have not ended."""
        return len(self._waiting) + self._running

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial when there is a slot for it."""
        future: Future[TrialResult] = Future()
        with self._lock:
            self._waiting.append((trial, future))
            self._dispatch(whole=True)
        return future

    def stop(self) -> None:
        """End the processes."""
        with self._lock:
            if self._gathering is not None:
                self._gathering.cancel()
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()
        self._pool.stop()
        self._pool.join()

    def _dispatch(self, *, whole: bool) -> None:
        """Hand trials to processes as long as both are there; `whole` waits a moment for fewer trials than slots."""
        with self._lock:
            while self._waiting and self._free:
                if whole and len(self._waiting) < self._slots:
                    if self._gathering is None:
                        self._gathering = threading.Timer(GATHERING, self._gathered)
                        self._gathering.daemon = True
                        self._gathering.start()
                    return
                batch = self._batch()
                try:
                    task = self._pool.schedule(_run, args=([trial for trial, _ in batch], *self._arguments))
                except RuntimeError as error:  # the pool has stopped or broken: whoever waits is told
                    for _, future in batch:
                        future.set_exception(error)
                    continue
                self._free -= 1
                self._running += len(batch)
                task.add_done_callback(partial(self._done, batch))

    def _gathered(self) -> None:
        with self._lock:
            self._gathering = None
            self._dispatch(whole=False)

    def _batch(self) -> list[tuple[Trial, Future[TrialResult]]]:
        """The next trials for a process: of one precision, which is the process's."""
        batch = [self._waiting.popleft()]
        while self._waiting and len(batch) < self._slots and self._waiting[0][0].precision == batch[0][0].precision:
            batch.append(self._waiting.popleft())
        return batch

    def _done(self, batch: list[tuple[Trial, Future[TrialResult]]], task: Future[list[TrialResult]]) -> None:
        with self._lock:
            self._free += 1
            self._running -= len(batch)
        lost = CancelledError() if task.cancelled() else task.exception()
        for index, (_, future) in enumerate(batch):
            if lost is None:
                future.set_result(task.result()[index])
            else:
                future.set_exception(lost)
        self._dispatch(whole=True)


def default_workers(device: str) -> int:
    """One process for each core that this one may use on a CPU, one for each device on CUDA."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else len(_devices(device))


def _devices(device: str) -> list[str]:
    if device != "cuda":
        return [device]
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


def begin(device: str) -> None:
    """Start what workers will be forked from, which imports torch while this process goes on."""
    _context(device)
    forkserver.ensure_running()


def _pool(workers: int, device: str) -> ProcessPool:
    from pebble import ProcessPool

    return ProcessPool(max_workers=workers, initializer=prepare_worker, context=_context(device))


def _context(device: str) -> ForkServerContext:
    # A server process imports torch once and forks workers, which costs 10 ms each instead of a second. It must run no
    # tensor operation and never touch CUDA: neither survives a fork. Constructing the first optimizer imports torch's
    # compiler, which takes seconds; on a CPU the server does it for all, on CUDA it might ask for devices.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["suite.trial", *(["torch._dynamo"] if device == "cpu" else [])])
    return context


def _run(trials: list[Trial], slots: int, device: str, data: Path | None, folder: Path | None) -> list[TrialResult]:
    from suite.trial import run_trials

    if not _sound(device):
        os._exit(1)  # whatever it ran from now on would fail; another process takes its place
    return run_trials(trials, slots, device=device, data=data, folder=folder)


def _sound(device: str) -> bool:
    """Whether the device still works for this process: an illegal access on CUDA breaks it for good."""
    if device == "cpu":
        return True
    import torch

    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return False
    return True


def prepare_worker() -> None:
    """What each worker process does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the coordinator ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_memory()


def _end_with_parent() -> None:
    """End this process as soon as the one that started the pool is gone, killed included."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def keep_memory() -> None:
    """Tell glibc to keep freed memory: large activations would be page-faulted anew at each step, up to a third of it."""
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    with contextlib.suppress(OSError, AttributeError):  # another C library has no mallopt, and needs none
        libc = ctypes.CDLL(None)
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
        libc.mallopt(m_top_pad, 2**28)
