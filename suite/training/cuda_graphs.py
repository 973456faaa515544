"""Repeated work on the same tensors: on CUDA it is captured once as a graph and then replayed.

Python needs longer to launch the kernels of a small network one by one than a GPU needs to run them. A graph launches
them all at once. A replay runs the same kernels on the same addresses, so whatever changes between two replays must lie
in tensors that are written in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP_CALLS = 2
"""Calls without a graph before the capture: libraries initialise themselves, and optimizers allocate their state."""


def capture_cuda_graph(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Return a function that does `work` once a call: on a CPU `work` itself, on CUDA the replay of a graph.

    Capturing does not do the work. The current stream must not be the default one.
    """
    if device.type != "cuda":
        return work
    graph, work_errors = torch.cuda.CUDAGraph(), list[Exception]()
    try:
        # Other trials of this process use other streams meanwhile.
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream(device), capture_error_mode="thread_local"):
            try:
                work()
            except Exception as error:
                work_errors.append(error)
                raise
    except Exception:
        if work_errors:  # the end of a broken capture raises another error, which hides the cause
            raise work_errors[0] from None
        raise
    replay: Callable[[], None] = graph.replay
    return replay


class CapturableWork:
    """Work that is done many times: as it is at first, then through `capture_cuda_graph`.

    Args:
        work: Reads and writes tensors in place, the same ones each time, and never reads a value from the device.
        device: The device of these tensors.
        capture: Whether to capture the work at all.
    """

    def __init__(self, work: Callable[[], None], device: torch.device, *, capture: bool = True) -> None:
        self._work, self._device = work, device
        self._calls_before_capture = WARM_UP_CALLS if capture else -1

    def __call__(self) -> None:
        """Do the work once."""
        if self._calls_before_capture == 0:
            self._work = capture_cuda_graph(self._work, self._device)
        self._calls_before_capture -= 1
        self._work()
