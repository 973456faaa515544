"""Runs trials in worker processes of this machine: `submit(trial)` returns a `concurrent.futures.Future` of the result."""

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
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from suite.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pebble import ProcessPool

    from suite.records import TrialResult
    from suite.trials import Trial


T = TypeVar("T")

BATCHING_SECONDS = 0.05
"""Seconds to wait for further trials for a process with several slots."""
EXIT_STATUS_ZERO = 256
"""Stands for exit status 0 of a worker, which pebble would overlook; no process can have it."""


class WorkerLostError(Exception):
    """A worker process ended during a trial, and so did the process of its second try; the text says how."""


class Executor(Protocol):
    """Runs trials somewhere; the interface that the runner needs."""

    workers: int
    """The number of trials at a time; a few more may be submitted, so that no worker has to wait for the runner."""

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial later; its future raises only if the worker itself was lost repeatedly."""
        ...


class LocalProcesses:
    """Worker processes of this machine: on a CPU with one thread each; else one for each GPU, whose trials share it.

    If a worker is killed, only its own trials run a second time. Workers end by themselves when this process ends,
    whatever the cause.

    Args:
        workers: The number of trials at a time; None for one for each core on a CPU, one for each device on CUDA.
        device: As `suite.training.devices.resolve_device` returns it; `cuda` stands for all CUDA devices.
        data: The folder of the data set.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.
    """

    def __init__(self, workers: int | None, device: str, data: Path | None, folder: Path | None) -> None:
        devices = _devices(device)
        self.workers = workers or default_workers(device)
        shares = [self.workers // len(devices) + (i < self.workers % len(devices)) for i in range(len(devices))]
        self._pools = [
            DevicePool(share, 1, name, data, folder) if name == "cpu" else DevicePool(1, share, name, data, folder)
            for share, name in zip(shares, devices, strict=True)
            if share
        ]

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial on the device with the lowest load."""
        return min(self._pools, key=lambda pool: pool.pending / pool.capacity).submit(trial)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers, also during trials."""
        for pool in self._pools:
            pool.stop()


@dataclass(slots=True, eq=False)
class _PendingTrial:
    """A submitted trial whose future has no result yet."""

    trial: Trial
    future: Future[TrialResult] = field(default_factory=Future)
    second_try: bool = False
    """Whether it runs for the second time, alone in its process; there is no third time."""


class DevicePool:
    """Processes of one device, each with a number of slots for trials.

    A trial runs a second time, alone in its process, if its first run says nothing about it: its process was lost, or it
    failed beside other trials, with which it shares memory and the device's context.

    Args:
        processes: The number of processes.
        slots: The number of trials at a time in each process; see `suite.training.interleaving`. They start together and
            return together: trials that are submitted within `BATCHING_SECONDS` are collected.
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
        self._num_running = 0
        self._stopped = False
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None

    @property
    def pending(self) -> int:
        """The number of submitted trials that have not ended."""
        return len(self._waiting) + self._num_running

    def submit(self, trial: Trial) -> Future[TrialResult]:
        """Run a trial when a slot is free."""
        pending = _PendingTrial(trial)
        with self._lock:
            if self._stopped:
                pending.future.set_exception(RuntimeError("the workers were stopped"))
                return pending.future
            self._waiting.append(pending)
        self._dispatch(full_batches=True)
        return pending.future

    def stop(self) -> None:
        """End the processes."""
        with self._lock:
            self._stopped = True
            if self._timer is not None:
                self._timer.cancel()
            for pending in self._waiting:
                pending.future.cancel()
            self._waiting.clear()
        for process in self._processes:
            process.restart()
        for process in self._processes:
            process.join()

    def _dispatch(self, *, full_batches: bool) -> None:
        """Give trials to idle processes while there are both.

        Args:
            full_batches: Whether to wait `BATCHING_SECONDS` if there are fewer trials than slots.
        """
        while True:
            with self._lock:
                if self._stopped or not self._waiting or not self._idle:
                    return
                if full_batches and not self._waiting[0].second_try and len(self._waiting) < self._slots:
                    if self._timer is None:
                        self._timer = threading.Timer(BATCHING_SECONDS, self._on_timer)
                        self._timer.daemon = True
                        self._timer.start()
                    return
                batch, process = self._next_batch(), self._idle.pop(0)
                self._num_running += len(batch)
                task = process.schedule(_run, [pending.trial for pending in batch], *self._arguments)
            task.add_done_callback(partial(self._on_done, process, batch))

    def _on_timer(self) -> None:
        with self._lock:
            self._timer = None
        self._dispatch(full_batches=False)

    def _next_batch(self) -> list[_PendingTrial]:
        """Return the next trials for a process: of one precision, which is the process's; a second try is alone."""
        batch = [self._waiting.popleft()]
        while self._waiting and len(batch) < self._slots and not (batch[0].second_try or self._waiting[0].second_try):
            if self._waiting[0].trial.precision != batch[0].trial.precision:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _on_done(
        self, process: _WorkerProcess, batch: list[_PendingTrial], task: Future[tuple[list[TrialResult], bool]]
    ) -> None:
        """Set the results of the futures, or put the trials back for a second try."""
        error = CancelledError() if task.cancelled() else task.exception()
        results, usable = ([], False) if error else task.result()
        if not usable:
            process.restart()
        ended: list[tuple[_PendingTrial, TrialResult | None]] = []
        with self._lock:
            for pending, result in itertools.zip_longest(batch, results):
                if not pending.second_try and (result is None or (len(batch) > 1 and result.outcome is Outcome.FAILED)):
                    pending.second_try = True
                    self._waiting.append(pending)
                else:
                    ended.append((pending, result))
            self._num_running -= len(batch)
            self._idle.append(process)
        self._dispatch(full_batches=True)
        for pending, result in ended:
            if result is None:
                pending.future.set_exception(WorkerLostError(_describe_loss(error)))
            else:
                pending.future.set_result(result)


class _WorkerProcess:
    """A worker process with its own queues and locks, so that one that is killed while it has them stops no other."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._pool = _process_pool(device)
        self._ending: list[threading.Thread] = []
        self._lock = threading.Lock()

    def schedule(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Run a function in the process, which is started if there is none."""
        for _ in range(2):  # it may have ended while it was idle
            try:
                with _block_ctrl_c():
                    return self._pool.schedule(function, args=arguments)
            except (RuntimeError, OSError) as caught:
                self.restart()
                error = caught
        future: Future[T] = Future()
        future.set_exception(error)
        return future

    def restart(self) -> None:
        """End the process without waiting; the next task starts another one."""
        with self._lock:
            pool, self._pool = self._pool, _process_pool(self._device)

        def stop() -> None:
            pool.stop()
            pool.join()

        self._ending.append(threading.Thread(target=stop, daemon=True))
        self._ending[-1].start()

    def join(self) -> None:
        """Wait until all processes that were ended have exited."""
        for ending in self._ending:
            ending.join()


def call_in_process(
    function: Callable[..., T], calls: Iterable[tuple[Any, ...]], device: str
) -> list[T | WorkerLostError]:
    """Return the results of calls in one process of its own; a call that ends it gives an error, and the next gets another.

    Args:
        function: A function of a module.
        calls: The arguments of each call.
        device: The device that the process uses.
    """
    process, results = _WorkerProcess(device), list[T | WorkerLostError]()
    try:
        for arguments in calls:
            task = process.schedule(function, *arguments)
            error = task.exception()
            if error is not None:
                process.restart()
            results.append(WorkerLostError(f"the process ended ({_exit_name(error)})") if error else task.result())
    finally:
        process.restart()
        process.join()
    return results


def _describe_loss(error: BaseException | None) -> str:
    """Return how a worker was lost, with a hint if memory is the likely cause."""
    code = getattr(error, "exitcode", None)
    if code == -signal.SIGKILL:
        return "killed twice (SIGKILL), probably because memory ran out. Use fewer --workers"
    how = _exit_name(error)
    return f"the process ended twice during the trial ({how})" if isinstance(code, int) else how


def _exit_name(error: BaseException | None) -> str:
    """Return the signal or the exit status that ended a process, or the error that has neither."""
    code = getattr(error, "exitcode", None)
    if isinstance(code, int):
        return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit status {code % EXIT_STATUS_ZERO}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def default_workers(device: str) -> int:
    """Return the number of cores that this process may use on a CPU, the number of devices on CUDA."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else len(_devices(device))


def _devices(device: str) -> list[str]:
    if device != "cuda":
        return [device]
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


def start_fork_server(device: str) -> None:
    """Start the server that workers are forked from; it imports torch while this process continues."""
    _context(device)
    with _block_ctrl_c():
        forkserver.ensure_running()


@contextlib.contextmanager
def _block_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C for processes that are started inside, whose imports it would interrupt; this process gets it after."""
    resource_tracker.ensure_running()  # its start would end the blocking
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker(ForkServerProcess):
    """A worker process. It never ends by itself, so it counts as lost even if a library ends it with status 0."""

    @property
    def exitcode(self) -> int | None:
        """The exit status, `EXIT_STATUS_ZERO` for 0; minus the signal that ended it; None while it runs."""
        code = super().exitcode
        return EXIT_STATUS_ZERO if code == 0 else code


class _Context(ForkServerContext):
    """How workers are started."""

    Process = _Worker


def _process_pool(device: str) -> ProcessPool:
    from pebble import ProcessPool

    return ProcessPool(max_workers=1, initializer=prepare_worker, context=_context(device))


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
    """Return the results, and whether this process is still usable; if not, every further trial in it would fail."""
    from suite.training.run_trial import run_trials

    return run_trials(trials, slots, device=device, data=data, folder=folder), device_works(device)


def device_works(device: str) -> bool:
    """Return whether the device still works for this process: an illegal access on CUDA breaks it permanently."""
    if device == "cpu":
        return True
    import torch

    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return False
    return True


def prepare_worker() -> None:
    """Prepare a worker process: signals, its end with the parent process, memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the coordinator ends the workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # at once, also during a long kernel
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_memory()


def _end_with_parent() -> None:
    """End this process as soon as the one that started the pool has exited or was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def keep_memory() -> None:
    """Make glibc keep freed memory: page faults of large activations at each step take up to a third of its time."""
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    with contextlib.suppress(OSError, AttributeError):  # another C library has no mallopt, and needs none
        libc = ctypes.CDLL(None)
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
        libc.mallopt(m_top_pad, 2**28)
