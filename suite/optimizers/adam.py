"""Adam: momentum and RMSProp combined, both with bias correction."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_quotient_, root


def adam_update(
    theta: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    t: Number,
    lr: Number,
    betas: tuple[float, float],
    eps: float,
    eps_inside_sqrt: bool,
) -> None:
    """Update θ, m and v in place at step t >= 1; tensors of the same shape, symbols as in `Adam`."""
    beta1, beta2 = betas
    m.lerp_(g, 1 - beta1)  # m ← β₁ m + (1−β₁) g
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)  # v ← β₂ v + (1−β₂) g²
    m_hat = m / (1 - beta1**t)  # m̂ = m / (1−β₁ᵗ)
    v_hat = v / (1 - beta2**t)  # v̂ = v / (1−β₂ᵗ)
    add_quotient_(theta, -lr, m_hat, root(v_hat, eps, inside=eps_inside_sqrt))  # θ ← θ − η m̂ / (√v̂ + ε)


class Adam(Rule):
    """Adam: divides a running mean of the gradient by the root of a running mean of its square.

    For each parameter θ with gradient g and moments m and v, of the same shape, element by element, m and v starting at
    zero, t counted from 1::

        m ← β₁ m + (1−β₁) g
        v ← β₂ v + (1−β₂) g²
        m̂ = m / (1−β₁ᵗ)
        v̂ = v / (1−β₂ᵗ)
        θ ← θ − η m̂ / (√v̂ + ε)

    The first step is η in every coordinate, for any scale of g. With a constant gradient every step is η. Equals torch's
    Adam with the same options.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        betas: β₁ and β₂ in [0, 1), the decay rates of m and v.
        eps: ε > 0, in units of g outside the root, of g² inside. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0; replaces g by g + λ θ (not the decay of AdamW).
        eps_inside_sqrt: True for the divisor √(v̂ + ε), False for √v̂ + ε.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, -200.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> Adam([x], lr=0.5).step()
        >>> [round(value, 6) for value in x.tolist()]
        [0.5, -199.5]

    References:
        Kingma and Ba 2014, Adam: a method for stochastic optimization, arXiv 1412.6980; P 4.4 in docs/sources.md.
    """

    rule = staticmethod(adam_update)
    state_names = ("m", "v")

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.01,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        eps_inside_sqrt: bool = False,
    ) -> None:
        options = {"betas": betas, "eps": eps, "eps_inside_sqrt": eps_inside_sqrt}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **options})
