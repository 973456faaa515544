"""Recognises errors of exhausted memory, and finds how many examples at a time would have fitted."""

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
    "unable to find an engine",  # cuDNN: every engine needs more workspace than is free
)
"""Parts of the text of a RuntimeError if memory is exhausted."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory is exhausted: torch's, Python's, or a library's by its text."""
    if isinstance(error, RuntimeError) and any(message in str(error) for message in OUT_OF_MEMORY_MESSAGES):
        return True
    return isinstance(error, torch.OutOfMemoryError | MemoryError)


def largest_fitting_batch(step: Callable[[int], object], max_examples: int) -> int | None:
    """Return the largest of `max_examples`, `max_examples`/2, `max_examples`/4, ... for which a step has enough memory.

    Args:
        step: Makes one training step on the given number of examples.
        max_examples: The first number that is tried.

    Returns:
        The number of examples; None if even one is too many, or if a step fails for another reason.
    """
    size = max_examples
    while size >= 1:
        free_memory()
        try:
            step(size)
        except Exception as error:  # noqa: BLE001 (a user's problem may raise anything)
            if not is_out_of_memory(error):
                return None
        else:
            free_memory()
            return size
        size //= 2
    return None


def free_memory() -> None:
    """Free what is no longer referenced."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
