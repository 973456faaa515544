"""NAdamW: NAdam with weight decay apart from the gradient, with a constant β₁ or with torch's schedule of it."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_, add_quotient_, decay_, root


def momentum(t: Number, beta1: float, momentum_decay: float, *, momentum_schedule: bool) -> Number:
    """Return μ of step t >= 1: β₁ (1 − ½ 0.96^(t ψ)) with the schedule, else β₁."""
    return beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)) if momentum_schedule else beta1


def momentum_weight(
    w: Number, *, t: Number, betas: tuple[float, float], momentum_schedule: bool, momentum_decay: float
) -> tuple[Number]:
    """Return w after step t >= 1, w ← μ w + 1 − μ; symbols as in `NAdamW`."""
    mu = momentum(t, betas[0], momentum_decay, momentum_schedule=momentum_schedule)
    return (mu * w + (1 - mu),)


def nadamw_update(
    theta: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    t: Number,
    w: Number,
    lr: Number,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    momentum_schedule: bool,
    momentum_decay: float,
) -> None:
    """Update θ, m and v in place at step t >= 1, with w of this step; tensors of one shape, symbols as in `NAdamW`."""
    beta1, beta2 = betas
    mu, following = (
        momentum(k, beta1, momentum_decay, momentum_schedule=momentum_schedule) for k in (t, t + 1)
    )  # μ and μ₁
    w1 = following * w + (1 - following) if momentum_schedule else w
    m.lerp_(g, 1 - beta1)  # m ← β₁ m + (1−β₁) g
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)  # v ← β₂ v + (1−β₂) g²
    v_hat = v / (1 - beta2**t)  # v̂ = v / (1−β₂ᵗ)
    n = add_(m * (following / w1), (1 - mu) / w, g)  # n = μ₁ m / w₁ + (1−μ) g / w
    decay_(theta, lr, weight_decay)  # θ ← θ − η λ θ
    add_quotient_(theta, -lr, n, root(v_hat, eps, inside=False))  # θ ← θ − η n / (√v̂ + ε)


class NAdamW(Rule):
    """NAdamW: NAdam's step, and a decay of the parameter that does not pass through the moments.

    For each parameter θ with gradient g and moments m and v, of the same shape, element by element, m and v starting at
    zero, the number w starting at 0, t counted from 1::

        μ = β₁ (1 − 0.5 · 0.96^(t ψ)) with momentum_schedule, else β₁
        μ₁ = β₁ (1 − 0.5 · 0.96^((t + 1) ψ)) with momentum_schedule, else β₁
        w ← μ w + 1 − μ
        w₁ = μ₁ w + 1 − μ₁ with momentum_schedule, else w
        m ← β₁ m + (1−β₁) g
        v ← β₂ v + (1−β₂) g²
        v̂ = v / (1−β₂ᵗ)
        n = μ₁ m / w₁ + (1−μ) g / w
        θ ← θ − η (n / (√v̂ + ε) + λ θ)

    Without the schedule, w is 1−β₁ᵗ, n is that of `NAdam`, and the rule is that of AlgoPerf. With the schedule, w is one
    minus the product of all μ, and the rule equals torch's NAdam with decoupled_weight_decay=True.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        betas: β₁ and β₂ in [0, 1), the decay rates of m and v.
        eps: ε > 0, in units of g. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0, per unit of η: a step without gradient multiplies θ by 1 − η λ.
        momentum_schedule: Whether μ rises from about β₁/2 to β₁.
        momentum_decay: ψ >= 0, the rate at which μ rises; it has no effect without the schedule.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> NAdamW([x], lr=0.5, betas=(0.5, 0.999), weight_decay=0.1).step()  # 3 - 0.5 * (0.5 + 0.5 / 0.5 + 0.1 * 3)
        >>> round(x.item(), 6)
        2.1

    References:
        Dahl et al. 2023, Benchmarking neural network training algorithms, arXiv 2306.07179; after Dozat 2016, Incorporating
        Nesterov momentum into Adam; docs/sources.md.
    """

    rule = staticmethod(nadamw_update)
    state_names = ("m", "v")
    number_names = ("w",)
    next_numbers = staticmethod(momentum_weight)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        momentum_schedule: bool = False,
        momentum_decay: float = 0.004,
    ) -> None:
        options = {"momentum_schedule": momentum_schedule, "momentum_decay": momentum_decay}
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, **options})
