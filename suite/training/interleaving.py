"""Interleaves several runs in one process, so that small networks fill a GPU.

A run is a generator that yields whenever it would next wait for the device. Each run has its own random state and, on
CUDA, its own stream. Its results are bit-for-bit identical to those of the run alone.
"""

from __future__ import annotations

import contextlib
import random
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
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


class Seeds(NamedTuple):
    """Seeds of the global generators, from which dropout, a noisy optimizer or code of a user may draw."""

    torch: int
    random: int
    numpy: int


class RandomState:
    """A state of the global generators of the CPU: those of torch, `random` and NumPy."""

    def __init__(self, seeds: Seeds) -> None:
        self._torch = torch.Generator().manual_seed(seeds.torch).get_state()
        self._random = random.Random(seeds.random).getstate()  # noqa: S311 (no secret)
        bits = np.random.MT19937(np.random.SeedSequence(seeds.numpy))
        self._numpy: Any = np.random.RandomState(bits).get_state(legacy=False)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Draw random numbers from this state, which advances; the states before are restored at the end."""
        before: Any = torch.random.get_rng_state(), random.getstate(), _numpy_state()
        self._set(self._torch, self._random, self._numpy)
        try:
            yield
        finally:
            self._torch, self._random = torch.random.get_rng_state(), random.getstate()
            self._numpy = _numpy_state()
            self._set(*before)

    @staticmethod
    def _set(torch_state: torch.Tensor, random_state: Any, numpy_state: Any) -> None:
        torch.random.set_rng_state(torch_state)
        random.setstate(random_state)
        np.random.set_state(numpy_state)  # noqa: NPY002 (the global generator)


def _numpy_state() -> Any:
    return np.random.get_state(legacy=False)  # noqa: NPY002 (the global generator)


class InterleavedRun(Generic[T]):
    """A run with its random states and its stream.

    Args:
        run: Computes on `device`, and yields whenever it would next wait for it.
        seeds: Seeds of the global generators inside the run.
        device: `cpu`, or the current CUDA device.
    """

    def __init__(self, run: Generator[None, None, T], seeds: Seeds, device: str) -> None:
        self._run = run
        self._random_state = RandomState(seeds)
        self._cuda = _CudaState(device, seeds.torch) if device.startswith("cuda") else None

    def advance(self) -> None:
        """Continue the run until it yields.

        Raises:
            StopIteration: The run has ended; the exception has its value.
        """
        with self._random_state.current(), self._cuda.current() if self._cuda else contextlib.nullcontext():
            next(self._run)


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
