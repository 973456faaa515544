"""Gradient descent with momentum, in the plain and the averaged form."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_


def momentum_update(
    theta: Tensor,
    g: Tensor,
    v: Tensor,
    *,
    t: Number,
    lr: Number,
    momentum: float,
    dampening: float,
    bias_correction: bool,
) -> None:
    """Update θ and v in place at step t >= 1; tensors of the same shape, symbols as in `Momentum`."""
    add_(v.mul_(momentum), (1 - dampening) * lr, g)  # v ← γ v + (1−d) η g
    theta.sub_(v / (1 - momentum**t) if bias_correction else v)  # θ ← θ − v / (1−γᵗ), or θ − v


class Momentum(Rule):
    """Momentum: steps along a velocity, the exponentially decaying sum of past gradients.

    For each parameter θ with gradient g and velocity v, of the same shape, v starting at zero::

        v ← γ v + (1−d) η g
        v̂ = v / (1−γᵗ) with bias_correction, else v
        θ ← θ − v̂

    In the limit, steps are 1/(1−γ) times those of SGD if the gradient is constant, 1/(1+γ) times if its sign alternates.

    With the defaults (d = 0, no correction) and a constant η, this equals torch's SGD(momentum=γ). Here η is inside v, so
    past gradients keep the η of their step; in torch η is outside. dampening = γ gives the averaged form
    v ← γ v + (1−γ) g. d acts from the first step on (in torch from the second).

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ² per unit of the loss; a float or a tensor of one element.
        momentum: γ in [0, 1), the decay rate of v.
        dampening: d in [0, 1); gradients enter v with the factor 1 − d.
        weight_decay: λ >= 0; replaces g by g + λ θ.
        bias_correction: Whether v is divided by 1−γᵗ; t counts the steps of the parameter, γ is the current value.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([4.0], requires_grad=True)
        >>> optimizer = Momentum([x], lr=0.25, momentum=0.5)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     (x**2).sum().backward()
        ...     optimizer.step()
        >>> x.item()  # v = 0.25 * 8 = 2, x = 2; v = 0.5 * 2 + 0.25 * 4 = 2, x = 0
        0.0

    References:
        Qian 1999, On the momentum term in gradient descent learning algorithms; P 3.4 in docs/sources.md.
    """

    rule = staticmethod(momentum_update)
    state_names = ("v",)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.01,
        *,
        momentum: float = 0.9,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        bias_correction: bool = False,
    ) -> None:
        options = {"momentum": momentum, "dampening": dampening, "bias_correction": bias_correction}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **options})
