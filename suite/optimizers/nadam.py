"""NAdam: Adam with Nesterov momentum."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_, add_quotient_, root


def nadam_update(
    theta: Tensor, g: Tensor, m: Tensor, v: Tensor, *, t: Number, lr: Number, betas: tuple[float, float], eps: float
) -> None:
    """Update θ, m and v in place at step t >= 1; tensors of the same shape, symbols as in `NAdam`."""
    beta1, beta2 = betas
    m.lerp_(g, 1 - beta1)  # m ← β₁ m + (1−β₁) g
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)  # v ← β₂ v + (1−β₂) g²
    m_hat = m / (1 - beta1**t)  # m̂ = m / (1−β₁ᵗ)
    v_hat = v / (1 - beta2**t)  # v̂ = v / (1−β₂ᵗ)
    n = add_(beta1 * m_hat, (1 - beta1) / (1 - beta1**t), g)  # n = β₁ m̂ + (1−β₁) g / (1−β₁ᵗ)
    add_quotient_(theta, -lr, n, root(v_hat, eps, inside=False))  # θ ← θ − η n / (√v̂ + ε)


class NAdam(Rule):
    """NAdam: Adam with a mean gradient that includes the next step's share of the current gradient.

    For each parameter θ with gradient g and moments m and v, of the same shape, element by element, m and v starting at
    zero, t counted from 1::

        m ← β₁ m + (1−β₁) g
        v ← β₂ v + (1−β₂) g²
        m̂ = m / (1−β₁ᵗ)
        v̂ = v / (1−β₂ᵗ)
        θ ← θ − η / (√v̂ + ε) · (β₁ m̂ + (1−β₁) g / (1−β₁ᵗ))

    `NAdamPaper` is the listing in P, which divides β₁ m̂ by 1−β₁ᵗ again. Torch's NAdam is a different rule. It has a
    schedule for β₁, which momentum_decay = 0 does not disable, and another divisor for the current gradient.

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
        >>> NAdam([x], lr=0.5, betas=(0.5, 0.999)).step()  # m̂ = g: 0.5 * (0.5 + 0.5 / 0.5) = 0.75
        >>> round(x.item(), 6)
        2.25

    References:
        Dozat 2016, Incorporating Nesterov momentum into Adam; P 4.6 in docs/sources.md.
    """

    rule = staticmethod(nadam_update)
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
