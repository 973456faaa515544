"""AdaDelta: RMSProp that takes its learning rate from its own past steps."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_


def adadelta_update(theta: Tensor, g: Tensor, E: Tensor, U: Tensor, *, lr: Number, rho: float, eps: float) -> None:
    """Move θ, E and U in place; all of one shape, symbols as in `AdaDelta`."""
    E.mul_(rho).addcmul_(g, g, value=1 - rho)  # E ← ρ E + (1−ρ) g²
    delta = (U + eps).sqrt_().div_((E + eps).sqrt_()).mul_(g)  # Δ ← √(U + ε) / √(E + ε) · g
    add_(theta, -lr, delta)  # θ ← θ − η Δ
    U.mul_(rho).addcmul_(delta, delta, value=1 - rho)  # U ← ρ U + (1−ρ) Δ²


class AdaDelta(Rule):
    """AdaDelta: scales each step by the root of the mean of its own past squared steps.

    For each parameter θ with gradient g, mean square E of g and U of Δ, of any one shape, element by element, E and U
    starting at zero::

        E ← ρ E + (1−ρ) g²
        Δ ← √(U + ε) / √(E + ε) · g
        θ ← θ − η Δ
        U ← ρ U + (1−ρ) Δ²

    ε acts as a learning rate: the first step is about √(ε/(1−ρ)) in every coordinate, 0.003 by default. Equals torch's
    Adadelta with the same options.

    The paper has no η (it is 1 here) and names neither ρ nor ε; Dive into Deep Learning has ε = 1e-5. The lecture notes
    print g² where the last line has Δ², a misprint.

    Args:
        params: parameters, named parameters, or groups of them with options of their own.
        lr: η >= 0, a pure number; a float or a tensor of one element.
        rho: ρ in [0, 1), the share of E and of U that is kept.
        eps: ε > 0, added both to θ² and to g². In float16 anything below 3e-8 rounds to 0.
        weight_decay: λ >= 0; g + λ θ stands for g above.

    Raises:
        ValueError: an option is out of its range, or a parameter is not dense, real and of floating point.
        RuntimeError: from `step`, a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> AdaDelta([x], rho=0.75, eps=0.0025).step()  # √(0.0025 / 0.25) = 0.1, a little less for the ε under g²
        >>> round(x.item(), 4)
        0.9001

    References:
        Zeiler 2012, ADADELTA: an adaptive learning rate method, arXiv 1212.5701; the source paper, 4.3.
    """

    rule = staticmethod(adadelta_update)
    state_names = ("E", "U")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        *,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay})
