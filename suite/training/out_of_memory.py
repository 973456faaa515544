"""When memory runs out: how that is recognised, and how many examples at a time would have fitted."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


OUT_OF_MEMORY_MESSAGES = (
    "can't allocate memory",  # torch's CPU allocator
    "CUDA error: out of memory",  # a graph, a context
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "unable to find an engine",  # of cuDNN: each that there is wants more workspace than is left
)
"""What a RuntimeError says where memory ran out."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out: torch's own, Python's own, or a library's in words."""
    told = isinstance(error, RuntimeError) and any(saying in str(error) for saying in OUT_OF_MEMORY_MESSAGES)
    return told or isinstance(error, torch.OutOfMemoryError | MemoryError)


def largest_fitting_batch(step: Callable[[int], object], most: int) -> int | None:
    """The largest of `most`, `most`/2, `most`/4, ... with which a step has the memory that it needs; found by trying.

    Args:
        step: Makes one training step on so many examples.
        most: What was asked for.

    Returns:
        The number of examples; None where even one is too many, or where a step breaks for another reason.
    """
    size = most
    while size >= 1:
        release()
        try:
            step(size)
        except Exception as error:  # noqa: BLE001 (a problem of the user's own may raise anything)
            if not is_out_of_memory(error):
                return None
        else:
            release()
            return size
        size //= 2
    return None


def release() -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
