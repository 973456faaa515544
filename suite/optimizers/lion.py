"""Lion: steps of one size in every coordinate, in the direction of the sign of a mean gradient."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_, decay_


def lion_update(
    theta: Tensor, g: Tensor, m: Tensor, *, lr: Number, betas: tuple[float, float], weight_decay: float
) -> None:
    """Update θ and m in place; tensors of the same shape, symbols as in `Lion`."""
    beta1, beta2 = betas
    c = m.lerp(g, 1 - beta1)  # c = β₁ m + (1−β₁) g
    decay_(theta, lr, weight_decay)  # θ ← θ − η λ θ
    add_(theta, -lr, c.sign_())  # θ ← θ − η sign(c)
    m.lerp_(g, 1 - beta2)  # m ← β₂ m + (1−β₂) g


class Lion(Rule):
    """Lion: follows the sign of a mean of the gradient and its past, with weight decay apart from the gradient.

    For each parameter θ with gradient g and momentum m, of the same shape, element by element, m starting at zero::

        c = β₁ m + (1−β₁) g
        θ ← θ − η (sign(c) + λ θ)
        m ← β₂ m + (1−β₂) g

    Without decay, every step is η in every coordinate; it is 0 where c is 0. The authors recommend an η that is 3 to 10
    times smaller than that of AdamW, and a λ that is as many times larger.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        betas: β₁ and β₂ in [0, 1), the share of the past in c and the decay rate of m.
        weight_decay: λ >= 0, per unit of η: a step without gradient multiplies θ by 1 − η λ.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([3.0, -100.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> Lion([x], lr=0.5).step()
        >>> x.tolist()
        [2.5, -99.5]

    References:
        Chen et al. 2023, Symbolic discovery of optimization algorithms, arXiv 2302.06675; docs/sources.md.
    """

    rule = staticmethod(lion_update)
    state_names = ("m",)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.0001,
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})
