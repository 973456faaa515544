"""NAdam as the listing of document P (docs/sources.md) has it."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_, add_quotient_, root


def nadam_paper_update(
    theta: Tensor, g: Tensor, m: Tensor, v: Tensor, *, t: Number, lr: Number, betas: tuple[float, float], eps: float
) -> None:
    """Update θ, m and v in place at step t >= 1; tensors of the same shape, symbols as in `NAdamPaper`."""
    beta1, beta2 = betas
    m.lerp_(g, 1 - beta1)  # m ← β₁ m + (1−β₁) g
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)  # v ← β₂ v + (1−β₂) g²
    m_hat = m / (1 - beta1**t)  # m̂ = m / (1−β₁ᵗ)
    v_hat = v / (1 - beta2**t)  # v̂ = v / (1−β₂ᵗ)
    n = add_(beta1 * m_hat, 1 - beta1, g).div_(1 - beta1**t)  # n = (β₁ m̂ + (1−β₁) g) / (1−β₁ᵗ), m̂ corrected twice
    add_quotient_(theta, -lr, n, root(v_hat, eps, inside=False))  # θ ← θ − η n / (√v̂ + ε)


class NAdamPaper(Rule):
    """NAdamPaper: NAdam as published in listing 4.6.1 of P, with the bias of the mean gradient corrected twice.

    For each parameter θ with gradient g and moments m and v, of the same shape, element by element, m and v starting at
    zero, t counted from 1::

        m ← β₁ m + (1−β₁) g
        v ← β₂ v + (1−β₂) g²
        m̂ = m / (1−β₁ᵗ)
        v̂ = v / (1−β₂ᵗ)
        θ ← θ − η (β₁ m̂ + (1−β₁) g) / (1−β₁ᵗ) / (√v̂ + ε)

    This rule reproduces the numbers of P. The formula in P gives `NAdam`, which divides only g by 1−β₁ᵗ. The listing
    divides the corrected m̂ again, so the first steps are too long. With a constant gradient step t is η/(1−β₁ᵗ): 10,
    5.26, 3.69 η for β₁ = 0.9. After about 40 steps 1−β₁ᵗ is near 1, and the rule is Adam for such a gradient.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        betas: β₁ and β₂ in [0, 1), the decay rates of m and v.
        eps: ε > 0, in units of g. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0; replaces g by g + λ θ.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> NAdamPaper([x], lr=0.5, betas=(0.5, 0.999)).step()  # m̂ = g: 0.5 * (0.5 + 0.5) / 0.5 = 1
        >>> round(x.item(), 6)
        2.0

    References:
        P, listing 4.6.1, in docs/sources.md; after Dozat 2016, Incorporating Nesterov momentum into Adam.
    """

    rule = staticmethod(nadam_paper_update)
    state_names = ("m", "v")

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.01,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
