"""Nesterov's accelerated gradient, as the source paper's listing prints it."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_


def nag_paper_update(theta: Tensor, g: Tensor, v: Tensor, *, lr: Number, momentum: float) -> None:
    """Move θ and v in place; all of one shape, symbols as in `NAGPaper`."""
    add_(v.mul_(momentum), lr, g)  # v ← γ v + η g
    add_(theta, -(1 + momentum), v)  # θ ← θ − (1+γ) v


class NAGPaper(Rule):
    """NAG as printed in the source paper: momentum with the learning rate (1+γ) η.

    For each parameter θ with gradient g and velocity v, of any one shape, v starting at zero::

        v ← γ v + η g
        θ ← θ − (1+γ) v

    As the paper's listing 3.5.1 has it, to reproduce its numbers. Departs from the paper in its own derivation, where
    the change of variable gives (1+γ) v less γ times the last v, that is γ v + η g: `NAG`. The listing drops that last
    term, so nothing looks ahead: v is momentum's, and every step is momentum's with (1+γ) η. The paper's comparison of
    NAG with momentum, both at η = 0.01 and γ = 0.9, compares momentum at 0.019 with momentum at 0.01.

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
        >>> NAGPaper([x], lr=0.25, momentum=0.5).step()  # v = 2, change = 1.5 * 2
        >>> x.item()
        1.0

    References:
        The source paper, listing 3.5.1; after Nesterov 1983, A method for solving the convex programming problem with
        convergence rate O(1/k²).
    """

    rule = staticmethod(nag_paper_update)
    state_names = ("v",)

    def __init__(
        self, params: ParamsT, lr: float | Tensor = 0.01, *, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
