"""Memory of an optimizer's state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer

if TYPE_CHECKING:
    from torch import nn


def state_bytes_per_parameter(optimizer: Optimizer, network: nn.Module) -> float:
    """Return the bytes that an optimizer keeps from one update to the next for each value that it updates.

    All tensors count that can be reached from the optimizer and the optimizers that it wraps, each once. Parameters and their
    gradients do not count. The space between the parameters in a flat tensor (`suite.training.flat_parameters`) counts as
    values, because the state has it, too. So Adam in float32 needs 8 bytes. Without values to update, the result is 0.

    Args:
        optimizer: After an update, in which most optimizers allocate their state.
        network: Its parameters and their gradients do not count.
    """
    found: dict[int, Tensor] = {}
    visited: set[int] = set()

    def visit(value: Any) -> None:
        if isinstance(value, Tensor):
            found[id(value)] = value
        elif id(value) not in visited:
            visited.add(id(value))
            if isinstance(value, Optimizer) or value is optimizer:
                visit(vars(value))
            elif isinstance(value, Mapping):
                for item in value.values():
                    visit(item)
            elif isinstance(value, list | tuple | set | frozenset):
                for item in value:
                    visit(item)

    visit(optimizer)
    updated = {id(p): p for group in optimizer.param_groups for p in group["params"]}
    excluded = _with_gradients([*updated.values(), *network.parameters()])
    values = sum(p.numel() for p in updated.values())
    used = sum(x.numel() * x.element_size() for key, x in found.items() if key not in excluded)
    return used / values if values else 0.0


def _with_gradients(parameters: Iterable[Tensor]) -> set[int]:
    return {id(x) for p in parameters for x in (p, p.grad) if x is not None}
