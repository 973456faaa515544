"""Where trials run: `submit(trial)` gives a `concurrent.futures.Future` of its result."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from suite.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pebble import ProcessPool

    from suite.records import TrialResult
    from suite.trials import Trial


T = TypeVar("T")

BATCHING_SECONDS = 0.05
"""Seconds that trials for a process with several slots are gathered."""
EXIT_STATUS_ZERO = 256
"""Stands for exit status 0 of a worker, which pebble would overlook; no process can have it."""


class WorkerLost(Exception):  # noqa: N818 (what happened is its name)
    """A worker process ended in the middle of a trial, and so did the one that ran it again; the text says how."""


class Executor(Protocol):
    """What the runner wants of a place to run trials."""

    workers: int
    """How many trials run at a time; a few more may be submitted, so that none has to wait for the runner."""

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial some time from now; its future raises only where the worker itself was lost, time and again."""
        ...


class LocalProcesses:
    """Worker processes of this machine: one-thread ones on a CPU; one for each GPU otherwise, where trials take turns.

    A worker that is killed costs its own trials a second try, no others. Workers end by themselves when this process dies,
    however it dies.

    Args:
        workers: How many trials at a time; None for one a core on a CPU, one a device on CUDA.
        device: As `suite.training.devices.resolve` gives it; `cuda` stands for every CUDA device here.
        data: The folder of the data set.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.
    """

    def __init__(self, workers: int | None, device: str, data: Path | None, folder: Path | None) -> None:
        devices = _devices(device)
        self.workers = workers or default_workers(device)
        shares = [self.workers // len(devices) + (i < self.workers % len(devices)) for i in range(len(devices))]
        self._places = [
            DevicePool(share, 1, name, data, folder) if name == "cpu" else DevicePool(1, share, name, data, folder)
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


@dataclass(slots=True, eq=False)
class _PendingTrial:
    """A trial that somebody waits for."""

    trial: Trial
    future: Future[TrialResult] = field(default_factory=Future)
    again: bool = False
    """Whether it runs for the second time, and alone in its process; there is no third."""


class DevicePool:
    """Processes of one device, each with so many trials at a time.

    A trial gets a second try, alone in its process, where its first one says nothing about it: its process was lost, or it
    failed among others, who share memory and the device's context with it.

    Args:
        processes: How many.
        slots: How many trials take turns in each; see `suite.training.interleaving`. They start together, and their results come
            together: what is submitted within a moment is gathered.
        device: The device.
        data: The folder of the data set.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.
    """

    def __init__(self, processes: int, slots: int, device: str, data: Path | None, folder: Path | None) -> None:
        self.capacity, self._slots = processes * slots, slots
        self._arguments = (slots, device, data, folder)
        self._idle = [_WorkerProcess(device) for _ in range(processes)]
        self._processes = list(self._idle)
        self._waiting: deque[_PendingTrial] = deque()
        self._running = 0
        self._stopped = False
        self._lock = threading.RLock()
        self._gathering: threading.Timer | None = None

    @property
    def pending(self) -> int:
        """How many trials were submitted and have not ended."""
        return len(self._waiting) + self._running

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial when there is a slot for it."""
        wanted = _PendingTrial(trial)
        with self._lock:
            if self._stopped:
                wanted.future.set_exception(RuntimeError("the workers were stopped"))
                return wanted.future
            self._waiting.append(wanted)
        self._dispatch(whole=True)
        return wanted.future

    def stop(self) -> None:
        """End the processes."""
        with self._lock:
            self._stopped = True
            if self._gathering is not None:
                self._gathering.cancel()
            for wanted in self._waiting:
                wanted.future.cancel()
            self._waiting.clear()
        for process in self._processes:
            process.restart()
        for process in self._processes:
            process.join()

    def _dispatch(self, *, whole: bool) -> None:
        """Hand trials to idle processes as long as there are both; `whole` waits a moment for fewer trials than slots."""
        while True:
            with self._lock:
                if self._stopped or not self._waiting or not self._idle:
                    return
                if whole and not self._waiting[0].again and len(self._waiting) < self._slots:
                    if self._gathering is None:
                        self._gathering = threading.Timer(BATCHING_SECONDS, self._gathered)
                        self._gathering.daemon = True
                        self._gathering.start()
                    return
                batch, process = self._batch(), self._idle.pop(0)
                self._running += len(batch)
                task = process.schedule(_run, [wanted.trial for wanted in batch], *self._arguments)
            task.add_done_callback(partial(self._done, process, batch))

    def _gathered(self) -> None:
        with self._lock:
            self._gathering = None
        self._dispatch(whole=False)

    def _batch(self) -> list[_PendingTrial]:
        """The next trials for a process: of one precision, which is the process's; one that runs again is alone."""
        batch = [self._waiting.popleft()]
        while self._waiting and len(batch) < self._slots and not (batch[0].again or self._waiting[0].again):
            if self._waiting[0].trial.precision != batch[0].trial.precision:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _done(
        self, process: _WorkerProcess, batch: list[_PendingTrial], task: Future[tuple[list[TrialResult], bool]]
    ) -> None:
        """Give the results to those who wait, or the trials a second try."""
        lost = CancelledError() if task.cancelled() else task.exception()
        results, sound = ([], False) if lost else task.result()
        if not sound:
            process.restart()
        ends: list[tuple[_PendingTrial, TrialResult | None]] = []
        with self._lock:
            for wanted, result in itertools.zip_longest(batch, results):
                if not wanted.again and (result is None or (len(batch) > 1 and result.outcome is Outcome.FAILED)):
                    wanted.again = True
                    self._waiting.append(wanted)
                else:
                    ends.append((wanted, result))
            self._running -= len(batch)
            self._idle.append(process)
        self._dispatch(whole=True)
        for wanted, result in ends:
            if result is None:
                wanted.future.set_exception(WorkerLost(_how(lost)))
            else:
                wanted.future.set_result(result)


class _WorkerProcess:
    """A worker process with queues and locks of its own, so that one that is killed while it holds them stops no other."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._pool = _pool(1, device)
        self._ending: list[threading.Thread] = []
        self._lock = threading.Lock()

    def schedule(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Run a function in the process, which is started where there is none."""
        future: Future[T] = Future()
        for _ in range(2):  # it may have ended while it was idle
            try:
                with _ctrl_c_later():
                    return self._pool.schedule(function, args=arguments)
            except (RuntimeError, OSError) as error:
                self.restart()
                lost = error
        future.set_exception(lost)
        return future

    def restart(self) -> None:
        """End the process; the next task has another. Does not wait."""
        with self._lock:
            pool, self._pool = self._pool, _pool(1, self._device)
        ending = threading.Thread(target=_end, args=(pool,), daemon=True)
        ending.start()
        self._ending.append(ending)

    def join(self) -> None:
        """Wait until all processes that were ended are gone."""
        for ending in self._ending:
            ending.join()


def _end(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


def _how(lost: BaseException | None) -> str:
    """How a worker was lost, in words, with what is likely to help."""
    code = getattr(lost, "exitcode", None)
    if code == -signal.SIGKILL:
        return "killed twice (SIGKILL), as the system does when memory runs out: fewer --workers need less"
    if isinstance(code, int):
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"exit status {code % EXIT_STATUS_ZERO}"
        return f"it ended twice in the middle of the trial ({name})"
    return f"{type(lost).__name__}: {' '.join(str(lost).split())}"


def default_workers(device: str) -> int:
    """One process for each core that this one may use on a CPU, one for each device on CUDA."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else len(_devices(device))


def _devices(device: str) -> list[str]:
    if device != "cuda":
        return [device]
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


def start_fork_server(device: str) -> None:
    """Start what workers will be forked from, which imports torch while this process goes on."""
    _context(device)
    with _ctrl_c_later():
        forkserver.ensure_running()


@contextlib.contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """What is started inside never hears Ctrl-C, which would interrupt the server's imports; this process hears it after."""
    resource_tracker.ensure_running()  # its start would end the blocking
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker(ForkServerProcess):
    """A worker process. It has no reason to end by itself, so that it is lost also where a library ends it with status 0."""

    @property
    def exitcode(self) -> int | None:
        """The exit status, `QUIET_END` for 0; minus the signal that ended it; None while it lives."""
        code = super().exitcode
        return EXIT_STATUS_ZERO if code == 0 else code


class _Context(ForkServerContext):
    """How workers are started."""

    Process = _Worker


def _pool(workers: int, device: str) -> ProcessPool:
    from pebble import ProcessPool

    return ProcessPool(max_workers=workers, initializer=prepare_worker, context=_context(device))


def _context(device: str) -> ForkServerContext:
    # A server process imports torch once and forks workers, which costs 10 ms each instead of a second. It must run no
    # tensor operation and never touch CUDA: neither survives a fork. Constructing the first optimizer imports torch's
    # compiler, which takes seconds; on a CPU the server does it for all, on CUDA it might ask for devices.
    context = _Context()
    context.set_forkserver_preload(["suite.training.run_trial", *(["torch._dynamo"] if device == "cpu" else [])])
    return context


def _run(
    trials: list[Trial], slots: int, device: str, data: Path | None, folder: Path | None
) -> tuple[list[TrialResult], bool]:
    """The results, and whether this process can go on: else whatever it ran would fail, and another takes its place."""
    from suite.training.run_trial import run_trials

    return run_trials(trials, slots, device=device, data=data, folder=folder), _sound(device)


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
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # at once, also in the middle of a long kernel
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
