"""AdamW: Adam with weight decay apart from the gradient."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.adam import adam_update
from suite.optimizers.base import Number, Rule, decay_


def adamw_update(
    theta: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    t: Number,
    lr: Number,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    """Update θ, m and v in place at step t >= 1; tensors of the same shape, symbols as in `AdamW`."""
    decay_(theta, lr, weight_decay)  # θ ← θ − η λ θ
    adam_update(theta, g, m, v, t=t, lr=lr, betas=betas, eps=eps, eps_inside_sqrt=False)  # θ ← θ − η m̂ / (√v̂ + ε)


class AdamW(Rule):
    """AdamW: Adam's step, and a decay of the parameter that does not pass through Adam's moments.

    For each parameter θ with gradient g and moments m and v, of the same shape, element by element, m and v starting at
    zero, t counted from 1::

        m ← β₁ m + (1−β₁) g
        v ← β₂ v + (1−β₂) g²
        m̂ = m / (1−β₁ᵗ)
        v̂ = v / (1−β₂ᵗ)
        θ ← θ − η (m̂ / (√v̂ + ε) + λ θ)

    In `Adam`, the decay is part of g, so it is divided by √v̂ like the gradient. Here every coordinate decays at the same
    rate η λ. Equals torch's AdamW with the same options. Without decay it is `Adam`. The paper multiplies λ by the factor
    of the schedule alone, not by η. Its λ is therefore η₀ times the λ of this class, where η₀ is the constant `lr`.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        betas: β₁ and β₂ in [0, 1), the decay rates of m and v.
        eps: ε > 0, in units of g. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0, per unit of η: a step without gradient multiplies θ by 1 − η λ.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> AdamW([x], lr=0.5, weight_decay=0.1).step()  # 2 - 0.5 * (1 + 0.1 * 2)
        >>> round(x.item(), 6)
        1.4

    References:
        Loshchilov and Hutter 2019, Decoupled weight decay regularization, arXiv 1711.05101; docs/sources.md.
    """

    rule = staticmethod(adamw_update)
    state_names = ("m", "v")

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
