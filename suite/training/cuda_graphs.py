"""Work that is done again and again on the same tensors: on CUDA captured once as a graph, then played from there.

A small network keeps a GPU busy for less time than Python needs to launch its kernels one by one; a graph is launched
whole. What is played is what was captured: the same kernels on the same addresses, so all that changes from one time to
the next has to lie in tensors that are written in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP = 2
"""How often work is done plainly before it is captured: libraries set themselves up, and optimizers lay out their state."""


def capture_cuda_graph(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """A function that does `work` once each time it is called. On a CPU `work` itself; on CUDA the graph's replay.

    Capturing does not do the work. The present stream must not be the default one.
    """
    if device.type != "cuda":
        return work
    graph, broke = torch.cuda.CUDAGraph(), list[Exception]()
    try:
        # Other trials of this process go on meanwhile, on other streams.
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream(device), capture_error_mode="thread_local"):
            try:
                work()
            except Exception as error:
                broke.append(error)
                raise
    except Exception:
        if broke:  # the end of a broken capture raises another error over the one that tells what is wrong
            raise broke[0] from None
        raise
    replay: Callable[[], None] = graph.replay
    return replay


class CapturableWork:
    """Work to be done many times: plainly at first, then as `capture` gives it.

    Args:
        work: Reads and writes tensors in place, the same each time, and never asks the device for a value.
        device: Where these tensors lie.
        captured: Whether to capture at all; otherwise the work is done plainly each time.
    """

    def __init__(self, work: Callable[[], None], device: torch.device, *, captured: bool = True) -> None:
        self._work, self._device = work, device
        self._warm_up = WARM_UP if captured else -1

    def __call__(self) -> None:
        """Do the work once."""
        if self._warm_up == 0:
            self._work = capture_cuda_graph(self._work, self._device)
        self._warm_up -= 1
        self._work()
