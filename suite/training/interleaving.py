"""Interleaves several runs in one process, so that small networks fill a GPU.

A run is a generator that yields whenever it would next wait for the device. Each run has its own random state and, on
CUDA, its own stream. Its results are bit-for-bit identical to those of the run alone.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

T = TypeVar("T")


def run_interleaved(runs: Iterable[InterleavedRun[T]], slots: int) -> list[T]:
    """Run all runs to their ends, at most `slots` at a time, and return their values in the order of `runs`.

    Args:
        runs: Taken from the iterable one by one, when a slot is free.
        slots: The number of runs at a time; the next run begins when one ends.
    """
    waiting, active = enumerate(runs), deque[tuple[int, InterleavedRun[T]]]()
    values: dict[int, T] = {}
    while True:
        while len(active) < slots and (following := next(waiting, None)) is not None:
            active.append(following)
        if not active:
            return [values[index] for index in range(len(values))]
        index, run = active.popleft()
        try:
            run.advance()
        except StopIteration as end:
            values[index] = end.value
        else:
            active.append((index, run))


class InterleavedRun(Generic[T]):
    """A run with its random state and its stream.

    Args:
        run: Computes on `device`, and yields whenever it would next wait for it.
        seed: The seed of torch's global random numbers inside the run, which dropout or a noisy optimizer draws.
        device: `cpu`, or the current CUDA device.
    """

    def __init__(self, run: Generator[None, None, T], seed: int, device: str) -> None:
        self._run = run
        self._rng_state = torch.Generator().manual_seed(seed).get_state()
        self._cuda = _CudaState(device, seed) if device.startswith("cuda") else None

    def advance(self) -> None:
        """Continue the run until it yields.

        Raises:
            StopIteration: The run has ended; the exception has its value.
        """
        before = torch.random.get_rng_state()
        torch.random.set_rng_state(self._rng_state)
        try:
            with self._cuda.current() if self._cuda else contextlib.nullcontext():
                next(self._run)
        finally:
            self._rng_state = torch.random.get_rng_state()
            torch.random.set_rng_state(before)


class _CudaState:
    """A stream and a random state of a device. A graph keeps the random state that it was captured with."""

    def __init__(self, device: str, seed: int) -> None:
        self._default: Any = torch.cuda.default_generators[torch.cuda.current_device()]
        self._stream: Any = torch.cuda.Stream(device)
        self._stream.wait_stream(torch.cuda.current_stream())
        self._rng_state: Any = self._default.clone_state()
        self._rng_state.manual_seed(seed)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Send kernels to this stream, and draw random numbers from this state."""
        before = self._default.graphsafe_get_state()
        self._default.graphsafe_set_state(self._rng_state)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            self._default.graphsafe_set_state(before)
