"""AdaDelta: RMSProp with a learning rate from the root mean square of its past steps."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_


def adadelta_update(theta: Tensor, g: Tensor, E: Tensor, U: Tensor, *, lr: Number, rho: float, eps: float) -> None:
    """Update θ, E and U in place; tensors of the same shape, symbols as in `AdaDelta`."""
    E.mul_(rho).addcmul_(g, g, value=1 - rho)  # E ← ρ E + (1−ρ) g²
    delta = (U + eps).sqrt_().div_((E + eps).sqrt_()).mul_(g)  # Δ ← √(U + ε) / √(E + ε) · g
    add_(theta, -lr, delta)  # θ ← θ − η Δ
    U.mul_(rho).addcmul_(delta, delta, value=1 - rho)  # U ← ρ U + (1−ρ) Δ²


class AdaDelta(Rule):
    """AdaDelta: scales the gradient by the ratio of the root mean squares of past steps and past gradients.

    For each parameter θ with gradient g, mean square E of g and mean square U of Δ, of the same shape, element by element,
    E and U starting at zero::

        E ← ρ E + (1−ρ) g²
        Δ ← √(U + ε) / √(E + ε) · g
        θ ← θ − η Δ
        U ← ρ U + (1−ρ) Δ²

    ε acts as a learning rate: the first step is about √(ε/(1−ρ)) in every coordinate, 0.003 by default. The publication
    has no η, which is η = 1. Equals torch's Adadelta with the same options.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, dimensionless; a float or a tensor of one element.
        rho: ρ in [0, 1), the decay rate of E and of U.
        eps: ε > 0, in units of θ² beside U and of g² beside E. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0; replaces g by g + λ θ.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> AdaDelta([x], rho=0.75, eps=0.0025).step()  # √(0.0025 / 0.25) = 0.1, slightly less due to ε beside E
        >>> round(x.item(), 4)
        0.9001

    References:
        Zeiler 2012, ADADELTA: an adaptive learning rate method, arXiv 1212.5701; P 4.3 in docs/sources.md.
    """

    rule = staticmethod(adadelta_update)
    state_names = ("E", "U")

    def __init__(
        self, params: ParamsT, lr: Number = 1.0, *, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay})
