"""AdaMax: Adam with a maximum instead of the mean square."""

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_quotient_


def adamax_update(
    theta: Tensor, g: Tensor, m: Tensor, u: Tensor, *, t: Number, lr: Number, betas: tuple[float, float], eps: float
) -> None:
    """Update θ, m and u in place at step t >= 1; tensors of the same shape, symbols as in `AdaMax`."""
    beta1, beta2 = betas
    m.lerp_(g, 1 - beta1)  # m ← β₁ m + (1−β₁) g
    torch.maximum(u.mul_(beta2), g.abs().add_(eps), out=u)  # u ← max(β₂ u, |g| + ε)
    m_hat = m / (1 - beta1**t)  # m̂ = m / (1−β₁ᵗ)
    add_quotient_(theta, -lr, m_hat, u)  # θ ← θ − η m̂ / u


class AdaMax(Rule):
    """AdaMax: divides a running mean of the gradient by a decaying maximum of its absolute value.

    For each parameter θ with gradient g, moment m and maximum u, of the same shape, element by element, m and u starting
    at zero, t counted from 1::

        m ← β₁ m + (1−β₁) g
        u ← max(β₂ u, |g| + ε)
        m̂ = m / (1−β₁ᵗ)
        θ ← θ − η m̂ / u

    u is the limit p → ∞ of the p-norm of the discounted past gradients; it needs no bias correction. Equals torch's Adamax
    with the same options.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        betas: β₁ and β₂ in [0, 1), the decay rates of m and u.
        eps: ε > 0, in units of g. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0; replaces g by g + λ θ.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, -200.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> AdaMax([x], lr=0.5).step()
        >>> [round(value, 6) for value in x.tolist()]
        [0.5, -199.5]

    References:
        Kingma and Ba 2014, Adam: a method for stochastic optimization, arXiv 1412.6980, section 7; P 4.5 in
        docs/sources.md.
    """

    rule = staticmethod(adamax_update)
    state_names = ("m", "u")

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
