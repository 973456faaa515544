"""Nesterov's accelerated gradient."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_


def nag_update(theta: Tensor, g: Tensor, v: Tensor, *, lr: Number, momentum: float) -> None:
    """Update θ and v in place; tensors of the same shape, symbols as in `NAG`."""
    add_(v.mul_(momentum), lr, g)  # v ← γ v + η g
    add_(add_(theta, -momentum, v), -lr, g)  # θ ← θ − γ v − η g


class NAG(Rule):
    """NAG: momentum with the gradient at the point one step ahead along the velocity.

    For each parameter θ with gradient g and velocity v, of the same shape, v starting at zero::

        v ← γ v + η g
        θ ← θ − (γ v + η g)

    θ is the point ahead, at which the gradient is computed. With a constant η this equals torch's
    SGD(momentum=γ, nesterov=True); with a changing η it differs, because η is inside v (see `Momentum`). `NAGPaper` is the
    published listing, which omits a term of the change of variable.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ² per unit of the loss; a float or a tensor of one element.
        momentum: γ in [0, 1), the decay rate of v.
        weight_decay: λ >= 0; replaces g by g + λ θ.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([4.0], requires_grad=True)
        >>> (x**2).sum().backward()  # g = 8
        >>> NAG([x], lr=0.25, momentum=0.5).step()  # v = 2, change = 0.5 * 2 + 2 = 3
        >>> x.item()
        1.0

    References:
        Nesterov 1983, A method for solving the convex programming problem with convergence rate O(1/k²); P 3.5
        (derivation) and 4.6 in docs/sources.md.
    """

    rule = staticmethod(nag_update)
    state_names = ("v",)

    def __init__(self, params: ParamsT, lr: Number = 0.01, *, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
