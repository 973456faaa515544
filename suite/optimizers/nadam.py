"""NAdam: Adam with Nesterov's look ahead, as its formula has it."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_, add_quotient_, root


def nadam_update(
    theta: Tensor, g: Tensor, m: Tensor, v: Tensor, *, t: Number, lr: Number, betas: tuple[float, float], eps: float
) -> None:
    """Move θ, m and v in place by step t >= 1; all of one shape, symbols as in `NAdam`."""
    beta1, beta2 = betas
    m.lerp_(g, 1 - beta1)  # m ← β₁ m + (1−β₁) g
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)  # v ← β₂ v + (1−β₂) g²
    m_hat = m / (1 - beta1**t)  # m̂ = m / (1−β₁ᵗ)
    v_hat = v / (1 - beta2**t)  # v̂ = v / (1−β₂ᵗ)
    n = add_(beta1 * m_hat, (1 - beta1) / (1 - beta1**t), g)  # n = β₁ m̂ + (1−β₁) g / (1−β₁ᵗ)
    add_quotient_(theta, -lr, n, root(v_hat, eps, inside=False))  # θ ← θ − η n / (√v̂ + ε)


class NAdam(Rule):
    """NAdam: Adam whose mean gradient already counts the next step's share of the present gradient.

    For each parameter θ with gradient g and moments m and v, of any one shape, element by element, m and v starting at
    zero, t counted from 1::

        m ← β₁ m + (1−β₁) g
        v ← β₂ v + (1−β₂) g²
        m̂ = m / (1−β₁ᵗ)
        v̂ = v / (1−β₂ᵗ)
        θ ← θ − η / (√v̂ + ε) · (β₁ m̂ + (1−β₁) g / (1−β₁ᵗ))

    Follows the formula in 4.6 of the source paper. Departs from the paper in its listing 4.6.1, which divides β₁ m̂ by
    1−β₁ᵗ a second time: that one is `NAdamPaper`. Torch's NAdam is another rule: it has a schedule for β₁, which
    momentum_decay = 0 does not switch off, and divides the look ahead differently.

    Args:
        params: parameters, named parameters, or groups of them with options of their own.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        betas: β₁ and β₂ in [0, 1), the shares of m and of v that are kept.
        eps: ε > 0, in units of g. In float16 anything below 3e-8 rounds to 0.
        weight_decay: λ >= 0; g + λ θ stands for g above.

    Raises:
        ValueError: an option is out of its range, or a parameter is not dense, real and of floating point.
        RuntimeError: from `step`, a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> NAdam([x], lr=0.5, betas=(0.5, 0.999)).step()  # m̂ = g: 0.5 * (0.5 + 0.5 / 0.5) = 0.75
        >>> round(x.item(), 6)
        2.25

    References:
        Dozat 2016, Incorporating Nesterov momentum into Adam; the source paper, 4.6.
    """

    rule = staticmethod(nadam_update)
    state_names = ("m", "v")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.01,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
