"""The parameters of a network side by side in one tensor, which an optimizer moves in one short chain of kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

ALIGNMENT = 512
"""Bytes. Each parameter starts at a multiple, so kernels find it aligned as if it had been allocated alone."""


def flatten(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Lay parameters side by side: one tensor for each dtype, of which they become views, and their gradients likewise.

    Give the result to an optimizer whose rule is element by element (`suite.optimizers.base.Rule`) in place of the
    parameters: it moves them all. Gradients stay where they are, so they are to be filled with zeros and not dropped:
    `optimizer.zero_grad(set_to_none=False)`. A parameter that the loss does not reach has the gradient zero.

    Args:
        parameters: Of one device. Those that want no gradient stay as they are.

    Returns:
        One-dimensional parameters with their gradients, zeros between and behind the values.
    """
    kinds: dict[torch.dtype, list[Parameter]] = {}
    for parameter in parameters:
        if parameter.requires_grad:
            kinds.setdefault(parameter.dtype, []).append(parameter)
    return [_lay(alike) for alike in kinds.values()]


def _lay(parameters: list[Parameter]) -> Parameter:
    first = parameters[0]
    unit = ALIGNMENT // first.element_size()
    places, total = [], 0
    for parameter in parameters:
        places.append(total)
        total += -(-parameter.numel() // unit) * unit
    flat = Parameter(torch.zeros(total, dtype=first.dtype, device=first.device))
    flat.grad = torch.zeros_like(flat)
    for parameter, place in zip(parameters, places, strict=True):
        strides = torch.empty_like(parameter).stride()  # its own, channels last included
        values, grad = (x.as_strided(parameter.shape, strides, place) for x in (flat.data, flat.grad))
        values.copy_(parameter.data)
        parameter.data, parameter.grad = values, grad
    return flat
