"""Several optimizers as one, each over its own parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer

from suite.optimizers.base import Rule
from suite.optimizers.wrappers import mode_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class CombinedOptimizer(Optimizer):
    """Optimizers that step together. Their groups are those of this optimizer, so a scheduler drives all of them.

    Args:
        optimizers: Over different parameters. None requires a closure.
    """

    def __init__(
        self, optimizers: Sequence[Optimizer]
    ) -> None:  # the constructor of Optimizer would make groups of its own
        self.optimizers = tuple(optimizers)
        super().__setstate__({"defaults": {}})

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the groups of all optimizers, the same objects."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    @property
    def state(self) -> dict[Any, Any]:  # type: ignore[override]
        """Return the states of all parameters."""
        return {key: value for optimizer in self.optimizers for key, value in optimizer.state.items()}

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make a step of each optimizer; raise ValueError for a closure, which each would evaluate at other weights."""
        if closure is not None:
            raise ValueError("closure: several optimizers cannot share one")
        for optimizer in self.optimizers:
            optimizer.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients; those of a rule, which may be flat, keep their addresses."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=set_to_none and not isinstance(optimizer, Rule))

    def train(self) -> None:
        """Switch the optimizers that have modes to training mode."""
        self._switch("train")

    def eval(self) -> None:
        """Switch the optimizers that have modes to evaluation mode."""
        self._switch("eval")

    def _switch(self, mode: str) -> None:
        for optimizer in self.optimizers:
            if mode_methods(optimizer) == ("train", "eval"):
                getattr(optimizer, mode)()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the optimizers, in order."""
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the states of the optimizers."""
        for optimizer, state in zip(self.optimizers, state_dict["optimizers"], strict=True):
            optimizer.load_state_dict(state)

    def add_param_group(self, param_group: dict[str, Any]) -> None:  # noqa: ARG002
        """Raise TypeError: it is not known which optimizer would get the group."""
        raise TypeError("add the group to one of the optimizers")


def inner_optimizers(optimizer: Optimizer) -> tuple[Optimizer, ...]:
    """Return the optimizers of a combined one, or the optimizer alone."""
    return optimizer.optimizers if isinstance(optimizer, CombinedOptimizer) else (optimizer,)


def is_capturable(optimizer: Optimizer) -> bool:
    """Return whether steps may be captured in a CUDA graph: all optimizers are rules with the step of `Rule`.

    A rule writes in place. Another optimizer may replace parameters and gradients by new tensors, or read numbers from Python.
    """
    return all(
        isinstance(inner, Rule) and type(inner).step.__module__.startswith("suite.optimizers.")
        for inner in inner_optimizers(optimizer)
    )
