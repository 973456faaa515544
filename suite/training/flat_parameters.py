"""The parameters of a network in one flat tensor, which an optimizer updates with few kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

ALIGNMENT = 512
"""Bytes. Each parameter starts at a multiple, so it is aligned as if it had been allocated by itself."""


def flatten(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Move parameters into one tensor for each dtype and make them views of it; likewise their gradients.

    Give the result to an optimizer with an elementwise rule (`Rule.elementwise`) instead of the parameters: it
    then updates them all. Gradients keep their addresses, so fill them with zeros instead of dropping them:
    `optimizer.zero_grad(set_to_none=False)`. A parameter that the loss does not depend on has the gradient zero.

    Args:
        parameters: Parameters of one device. Those that require no gradient are not changed.

    Returns:
        One-dimensional parameters with their gradients, zero between and behind the values.
    """
    groups: dict[torch.dtype, list[Parameter]] = {}
    for parameter in parameters:
        if parameter.requires_grad:
            groups.setdefault(parameter.dtype, []).append(parameter)
    return [_flatten_group(group) for group in groups.values()]


def _flatten_group(parameters: list[Parameter]) -> Parameter:
    first = parameters[0]
    unit = ALIGNMENT // first.element_size()
    offsets, total = [], 0
    for parameter in parameters:
        offsets.append(total)
        total += -(-parameter.numel() // unit) * unit
    flat = Parameter(torch.zeros(total, dtype=first.dtype, device=first.device))
    flat.grad = torch.zeros_like(flat)
    for parameter, offset in zip(parameters, offsets, strict=True):
        strides = torch.empty_like(parameter).stride()  # those of the parameter, channels last included
        values, grad = (x.as_strided(parameter.shape, strides, offset) for x in (flat.data, flat.grad))
        values.copy_(parameter.data)
        parameter.data, parameter.grad = values, grad
    return flat
