"""Adam: momentum and RMSProp together, both corrected for their start at zero."""

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
    """Move θ, m and v in place by step t >= 1; all of one shape, symbols as in `Adam`."""
    beta1, beta2 = betas
    m.lerp_(g, 1 - beta1)  # m ← β₁ m + (1−β₁) g
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)  # v ← β₂ v + (1−β₂) g²
    m_hat = m / (1 - beta1**t)  # m̂ = m / (1−β₁ᵗ)
    v_hat = v / (1 - beta2**t)  # v̂ = v / (1−β₂ᵗ)
    add_quotient_(theta, -lr, m_hat, root(v_hat, eps, inside=eps_inside_sqrt))  # θ ← θ − η m̂ / (√v̂ + ε)


class Adam(Rule):
    """Adam: divides the running mean of the gradients by the root of that of their squares.

    For each parameter θ with gradient g and moments m and v, of any one shape, element by element, m and v starting at
    zero, t counted from 1::

        m ← β₁ m + (1−β₁) g
        v ← β₂ v + (1−β₂) g²
        m̂ = m / (1−β₁ᵗ)
        v̂ = v / (1−β₂ᵗ)
        θ ← θ − η m̂ / (√v̂ + ε)

    The first step is η in every coordinate, whatever the scale of g, and so is every step under a constant gradient.
    Equals torch's Adam with the same options.

    Where the documents differ: the lecture notes have ε inside the root, √(v̂ + ε), which is eps_inside_sqrt = True;
    Dive into Deep Learning has ε = 1e-6; the note has ε = 0, which is refused here: a gradient of zero would be stepped
    by 0/0.

    Args:
        params: parameters, named parameters, or groups of them with options of their own.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        betas: β₁ and β₂ in [0, 1), the shares of m and of v that are kept.
        eps: ε > 0, in units of g outside the root, of g² inside. In float16 anything below 3e-8 rounds to 0.
        weight_decay: λ >= 0; g + λ θ stands for g above (not AdamW's decay).
        eps_inside_sqrt: whether the divisor is √(v̂ + ε) or √v̂ + ε.

    Raises:
        ValueError: an option is out of its range, or a parameter is not dense, real and of floating point.
        RuntimeError: from `step`, a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, -200.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> Adam([x], lr=0.5).step()
        >>> [round(value, 6) for value in x.tolist()]
        [0.5, -199.5]

    References:
        Kingma and Ba 2014, Adam: a method for stochastic optimization, arXiv 1412.6980; the source paper, 4.4.
    """

    rule = staticmethod(adam_update)
    state_names = ("m", "v")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.01,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        eps_inside_sqrt: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "eps_inside_sqrt": eps_inside_sqrt,
        }
        super().__init__(params, defaults)
