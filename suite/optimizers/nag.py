"""Nesterov's accelerated gradient, as derived."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_


def nag_update(theta: Tensor, g: Tensor, v: Tensor, *, lr: Number, momentum: float) -> None:
    """Move θ and v in place; all of one shape, symbols as in `NAG`."""
    add_(v.mul_(momentum), lr, g)  # v ← γ v + η g
    add_(add_(theta, -momentum, v), -lr, g)  # θ ← θ − γ v − η g


class NAG(Rule):
    """NAG: momentum that looks one step ahead along its velocity.

    For each parameter θ with gradient g and velocity v, of any one shape, v starting at zero::

        v ← γ v + η g
        θ ← θ − (γ v + η g)

    θ is the point ahead, where the gradient is taken. At constant η this is torch's SGD(momentum=γ, nesterov=True); η
    lies inside v, so it differs while η changes, as `Momentum` does.

    Follows the derivation in 3.5 of the source paper, which 4.6 prints. Departs from the paper in its listing 3.5.1,
    which drops a term of the change of variable: that one is `NAGPaper`.

    Args:
        params: parameters, named parameters, or groups of them with options of their own.
        lr: η >= 0, in units of θ² per unit of the loss; a float or a tensor of one element.
        momentum: γ in [0, 1), the share of v that is kept.
        weight_decay: λ >= 0; g + λ θ stands for g above.

    Raises:
        ValueError: an option is out of its range, or a parameter is not dense, real and of floating point.
        RuntimeError: from `step`, a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([4.0], requires_grad=True)
        >>> (x**2).sum().backward()  # g = 8
        >>> NAG([x], lr=0.25, momentum=0.5).step()  # v = 2, change = 0.5 * 2 + 2 = 3
        >>> x.item()
        1.0

    References:
        Nesterov 1983, A method for solving the convex programming problem with convergence rate O(1/k²); the source
        paper, 3.5 and 4.6.
    """

    rule = staticmethod(nag_update)
    state_names = ("v",)

    def __init__(
        self, params: ParamsT, lr: float | Tensor = 0.01, *, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
