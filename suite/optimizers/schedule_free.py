"""What the Schedule-Free rules share: the average x, its weights, and the two modes.

The parameters of a network are y in training mode, where gradients are taken, and x in evaluation mode. Both are computed
from z and x, so an evaluation between two steps changes neither of the steps.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from suite.optimizers.base import Number, Rule, add_, larger

TINY = 1e-300
"""Added to W, so that c is 0 and not 0/0 while every η was 0; far below the spacing of W in float64."""


def average_weights(w: Number, W: Number, *, lr: Number) -> tuple[Number, Number]:
    """Return w and W after a step: w ← max(w, η), the largest learning rate so far, and W ← W + w²."""
    w = larger(w, lr)
    return w, W + w**2


def average_update(theta: Tensor, z: Tensor, x: Tensor, *, beta: float, w: Number, W: Number) -> None:
    """Update x and θ in place after z; tensors of the same shape, w and W as `average_weights` returns them."""
    add_(x, w**2 / (W + TINY), z - x)  # x ← (1−c) x + c z with c = w² / W
    theta.copy_(z.lerp(x, beta))  # θ ← (1−β) z + β x


class ScheduleFree(Rule):
    """A rule whose state has z and x, both starting at the parameter, and whose parameters are y or x."""

    copied_names = ("z", "x")
    number_names = ("w", "W")
    next_numbers = staticmethod(average_weights)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient; arguments, result and errors are those of `Rule.step`.

        Raises:
            RuntimeError: The optimizer is in evaluation mode.
        """
        if not all(group.get("is_training", True) for group in self.param_groups):
            raise RuntimeError(f"{type(self).__name__} is in evaluation mode. Call train() before step()")
        return super().step(closure)

    @torch.no_grad()
    def train(self) -> None:
        """Write y, at which gradients are taken, into the parameters."""
        for group in self.param_groups:
            group["is_training"] = True  # in the group, so that copies and state_dict have it
            beta = group["betas"][0] if "betas" in group else group["momentum"]
            for param, state in self._states(group):
                param.copy_(state["z"].lerp(state["x"], beta))

    @torch.no_grad()
    def eval(self) -> None:
        """Write x, the average, into the parameters."""
        for group in self.param_groups:
            group["is_training"] = False
            for param, state in self._states(group):
                param.copy_(state["x"])

    def _states(self, group: Mapping[str, Any]) -> list[tuple[Tensor, dict[str, Tensor]]]:
        """Return each parameter of a group that has made a step, with its state; y and x of the others are the parameter."""
        return [(param, self.state[param]) for param in group["params"] if self.state.get(param)]
