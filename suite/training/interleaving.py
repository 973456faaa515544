"""Takes turns between several runs in one process, so that small networks fill a GPU.

A run is a generator that yields wherever it would next wait for the device. Each has a random state of its own and, on
CUDA, a stream of its own: it computes what it would alone, to the bit.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

T = TypeVar("T")


def run_interleaved(lanes: Iterable[InterleavedRun[T]], slots: int) -> list[T]:
    """Run lanes to their ends, so many at a time; the next begins when one ends.

    Args:
        lanes: Drawn one by one, when there is a slot for it.
        slots: How many at a time.

    Returns:
        What each run came to, in the order of the lanes.
    """
    waiting, going = enumerate(lanes), deque[tuple[int, InterleavedRun[T]]]()
    ends: dict[int, T] = {}
    while True:
        while len(going) < slots and (following := next(waiting, None)) is not None:
            going.append(following)
        if not going:
            return [ends[index] for index in range(len(ends))]
        index, lane = going.popleft()
        try:
            lane.advance()
        except StopIteration as end:
            ends[index] = end.value
        else:
            going.append((index, lane))


class InterleavedRun(Generic[T]):
    """A run on its way, with its random state and its stream.

    Args:
        run: Computes on `device`, and yields wherever it would next wait for it.
        seed: Of torch's global random numbers inside the run: dropout, or an optimizer that adds noise.
        device: `cpu`, or the present CUDA device.
    """

    def __init__(self, run: Generator[None, None, T], seed: int, device: str) -> None:
        self._run = run
        self._noise = torch.Generator().manual_seed(seed).get_state()
        self._cuda: _CudaInterleavedRun | None = (
            _CudaInterleavedRun(device, seed) if device.startswith("cuda") else None
        )

    def advance(self) -> None:
        """Let the run go on until it yields; StopIteration with its value where it ends."""
        before = torch.random.get_rng_state()
        torch.random.set_rng_state(self._noise)
        try:
            with self._cuda.current() if self._cuda else contextlib.nullcontext():
                next(self._run)
        finally:
            self._noise = torch.random.get_rng_state()
            torch.random.set_rng_state(before)


class _CudaInterleavedRun:
    """A stream and a random state of a device. Graphs keep to the random state that they were captured with."""

    def __init__(self, device: str, seed: int) -> None:
        self._default: Any = torch.cuda.default_generators[torch.cuda.current_device()]
        self._stream: Any = torch.cuda.Stream(device)
        self._stream.wait_stream(torch.cuda.current_stream())
        self._noise: Any = self._default.clone_state()
        self._noise.manual_seed(seed)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Inside, kernels go to this stream and random numbers come from this state."""
        before = self._default.graphsafe_get_state()
        self._default.graphsafe_set_state(self._noise)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            self._default.graphsafe_set_state(before)
