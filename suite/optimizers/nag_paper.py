"""Nesterov's accelerated gradient as the listing of document P (docs/sources.md) has it."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_


def nag_paper_update(theta: Tensor, g: Tensor, v: Tensor, *, lr: Number, momentum: float) -> None:
    """Update θ and v in place; tensors of the same shape, symbols as in `NAGPaper`."""
    add_(v.mul_(momentum), lr, g)  # v ← γ v + η g
    add_(theta, -(1 + momentum), v)  # θ ← θ − (1+γ) v


class NAGPaper(Rule):
    """NAGPaper: NAG as published in listing 3.5.1 of P, which is momentum with the learning rate (1+γ) η.

    For each parameter θ with gradient g and velocity v, of the same shape, v starting at zero::

        v ← γ v + η g
        θ ← θ − (1+γ) v

    This rule reproduces the numbers of P. The derivation in P gives `NAG`: (1+γ) v minus γ times the previous v, which is
    γ v + η g. The listing omits the last term, so the gradient is not taken ahead, and each step is that of momentum with
    (1+γ) η. P compares NAG with momentum, both at η = 0.01 and γ = 0.9; that is momentum at 0.019 and momentum at 0.01.

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
        >>> NAGPaper([x], lr=0.25, momentum=0.5).step()  # v = 2, change = 1.5 * 2
        >>> x.item()
        1.0

    References:
        P, listing 3.5.1, in docs/sources.md; after Nesterov 1983, A method for solving the convex programming problem with
        convergence rate O(1/k²).
    """

    rule = staticmethod(nag_paper_update)
    state_names = ("v",)

    def __init__(self, params: ParamsT, lr: Number = 0.01, *, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
