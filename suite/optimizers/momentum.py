"""Momentum: gradient descent with a velocity, plain or averaged."""

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
    """Move θ and v in place by step t >= 1; all of one shape, symbols as in `Momentum`."""
    add_(v.mul_(momentum), (1 - dampening) * lr, g)  # v ← γ v + (1−d) η g
    theta.sub_(v / (1 - momentum**t) if bias_correction else v)  # θ ← θ − v / (1−γᵗ), or θ − v


class Momentum(Rule):
    """Momentum: steps by a velocity that keeps a share of its past.

    For each parameter θ with gradient g and velocity v, of any one shape, v starting at zero::

        v ← γ v + (1−d) η g
        v̂ = v / (1−γᵗ) with bias_correction, else v
        θ ← θ − v̂

    A constant gradient is stepped 1/(1−γ) times as far as by SGD in the end, one that alternates in sign 1/(1+γ) times.

    The defaults (d = 0, no correction) are the source paper's rule. η lies inside v, as printed there: at constant η
    this is torch's SGD(momentum=γ), which has η outside; when η changes, v here holds old gradients with their old η.
    Where the documents differ: the blog page, the note and Dive into Deep Learning also print the averaged form
    v ← γ v + (1−γ) g, which is dampening = γ, and the note corrects its start by 1−γᵗ, which is bias_correction = True
    with it. d acts from the first step on (torch's dampening from the second).

    Args:
        params: parameters, named parameters, or groups of them with options of their own.
        lr: η >= 0, in units of θ² per unit of the loss; a float or a tensor of one element.
        momentum: γ in [0, 1), the share of v that is kept.
        dampening: d in [0, 1), the share of a new gradient that is left out.
        weight_decay: λ >= 0; g + λ θ stands for g above.
        bias_correction: whether v is divided by 1−γᵗ, t the number of the parameter's steps, γ the present one.

    Raises:
        ValueError: an option is out of its range, or a parameter is not dense, real and of floating point.
        RuntimeError: from `step`, a gradient is sparse or complex.

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
        Qian 1999, On the momentum term in gradient descent learning algorithms; the source paper, 3.4.
    """

    rule = staticmethod(momentum_update)
    state_names = ("v",)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.01,
        *,
        momentum: float = 0.9,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        bias_correction: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "bias_correction": bias_correction,
        }
        super().__init__(params, defaults)
