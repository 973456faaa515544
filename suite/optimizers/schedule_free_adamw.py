"""Schedule-Free AdamW: averages the points of AdamW without momentum and needs no learning-rate schedule."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, add_, root
from suite.optimizers.schedule_free import ScheduleFree, average_update


def schedule_free_adamw_update(
    theta: Tensor,
    g: Tensor,
    z: Tensor,
    x: Tensor,
    v: Tensor,
    *,
    t: Number,
    lr: Number,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    w: Number,
    W: Number,
) -> None:
    """Update θ, z, x and v in place at step t >= 1, with w and W of it; tensors of one shape, symbols as in the class."""
    beta1, beta2 = betas
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)  # v ← β₂ v + (1−β₂) g²
    v_hat = v / (1 - beta2**t)  # v̂ = v / (1−β₂ᵗ)
    step = g / root(v_hat, eps, inside=False)  # g / (√v̂ + ε)
    if weight_decay != 0:
        step.add_(theta, alpha=weight_decay)  # + λ θ
    add_(z, -lr, step)  # z ← z − η (g / (√v̂ + ε) + λ θ)
    average_update(theta, z, x, beta=beta1, w=w, W=W)  # x ← (1−c) x + c z; θ ← (1−β₁) z + β₁ x


class ScheduleFreeAdamW(ScheduleFree):
    """ScheduleFreeAdamW: AdamW without momentum on z, with gradients at a point between z and the average x of all z.

    For each parameter θ with gradient g and state z, x and v, of the same shape, element by element, z and x starting at
    θ, v at zero, the numbers w and W at 0, t counted from 1::

        v ← β₂ v + (1−β₂) g²
        v̂ = v / (1−β₂ᵗ)
        z ← z − η (g / (√v̂ + ε) + λ θ)
        w ← max(w, η)
        W ← W + w²
        c = w² / W
        x ← (1−c) x + c z
        θ ← (1−β₁) z + β₁ x

    `train()` sets θ to (1−β₁) z + β₁ x, where gradients are taken, and `eval()` sets θ to x, which is the result. With a
    constant η, c is 1/t, and x is the mean of all z. Equals the authors' AdamWScheduleFree, whose warm-up is here that of
    the schedule.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element. The authors recommend 1 to 10 times that of AdamW.
        betas: β₁ in [0, 1), the share of x in the point of the gradient, and β₂ in [0, 1), the decay rate of v.
        eps: ε > 0, in units of g. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0, per unit of η; the decay is computed at θ and applied to z.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex, or in evaluation mode.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, -200.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> ScheduleFreeAdamW([x], lr=0.5).step()
        >>> [round(value, 6) for value in x.tolist()]
        [0.5, -199.5]

    References:
        Defazio et al. 2024, The road less scheduled, arXiv 2405.15682; docs/sources.md.
    """

    rule = staticmethod(schedule_free_adamw_update)
    state_names = ("z", "x", "v")

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.0025,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
