"""AdaMax: Adam with a maximum in place of the mean square."""

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_quotient_


def adamax_update(
    theta: Tensor, g: Tensor, m: Tensor, u: Tensor, *, t: Number, lr: Number, betas: tuple[float, float], eps: float
) -> None:
    """Move θ, m and u in place by step t >= 1; all of one shape, symbols as in `AdaMax`."""
    beta1, beta2 = betas
    m.lerp_(g, 1 - beta1)  # m ← β₁ m + (1−β₁) g
    torch.maximum(u.mul_(beta2), g.abs().add_(eps), out=u)  # u ← max(β₂ u, |g| + ε)
    m_hat = m / (1 - beta1**t)  # m̂ = m / (1−β₁ᵗ)
    add_quotient_(theta, -lr, m_hat, u)  # θ ← θ − η m̂ / u


class AdaMax(Rule):
    """AdaMax: divides the running mean of the gradients by their fading maximum.

    For each parameter θ with gradient g, moment m and maximum u, of any one shape, element by element, m and u starting
    at zero, t counted from 1::

        m ← β₁ m + (1−β₁) g
        u ← max(β₂ u, |g| + ε)
        m̂ = m / (1−β₁ᵗ)
        θ ← θ − η m̂ / u

    u is the limit p → ∞ of the p-norm of the discounted past gradients; it needs no correction for its start. Equals
    torch's Adamax with the same options. The source paper's formula has no ε, its listing has; it names no value.

    Args:
        params: parameters, named parameters, or groups of them with options of their own.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        betas: β₁ and β₂ in [0, 1), the shares of m and of u that are kept.
        eps: ε > 0, in units of g. In float16 anything below 3e-8 rounds to 0.
        weight_decay: λ >= 0; g + λ θ stands for g above.

    Raises:
        ValueError: an option is out of its range, or a parameter is not dense, real and of floating point.
        RuntimeError: from `step`, a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, -200.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> AdaMax([x], lr=0.5).step()
        >>> [round(value, 6) for value in x.tolist()]
        [0.5, -199.5]

    References:
        Kingma and Ba 2014, Adam: a method for stochastic optimization, arXiv 1412.6980, section 7; the source paper,
        4.5.
    """

    rule = staticmethod(adamax_update)
    state_names = ("m", "u")

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
