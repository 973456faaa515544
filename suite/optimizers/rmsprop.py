"""RMSProp: AdaGrad with a running mean instead of the sum."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_quotient_, root


def rmsprop_update(
    theta: Tensor,
    g: Tensor,
    E: Tensor,
    *,
    t: Number,
    lr: Number,
    alpha: float,
    eps: float,
    eps_inside_sqrt: bool,
    bias_correction: bool,
) -> None:
    """Update θ and E in place at step t >= 1; tensors of the same shape, symbols as in `RMSProp`."""
    E.mul_(alpha).addcmul_(g, g, value=1 - alpha)  # E ← α E + (1−α) g²
    E_hat = E / (1 - alpha**t) if bias_correction else E  # Ê = E / (1−αᵗ), else E
    add_quotient_(theta, -lr, g, root(E_hat, eps, inside=eps_inside_sqrt))  # θ ← θ − η g / √(Ê + ε)


class RMSProp(Rule):
    """RMSProp: divides the gradient by the root of a running mean of its square.

    For each parameter θ with gradient g and mean square E, of the same shape, element by element, E starting at zero::

        E ← α E + (1−α) g²
        Ê = E / (1−αᵗ) with bias_correction, else E
        θ ← θ − η g / √(Ê + ε)

    The first step is η/√(1−α) in every coordinate for any scale of g; with bias correction it is η. With bias correction
    and ε on the same side of the root, this is `Adam` with β₁ = 0 and β₂ = α.

    Torch's RMSprop has ε outside the root, which is eps_inside_sqrt = False here, and α = 0.99 as its default.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        alpha: α in [0, 1), the decay rate of E.
        eps: ε > 0, in units of g² inside the root, of g outside. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0; replaces g by g + λ θ.
        eps_inside_sqrt: True for the divisor √(Ê + ε), False for √Ê + ε.
        bias_correction: Whether E is divided by 1−αᵗ; t counts the steps of the parameter.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> RMSProp([x], lr=0.5, alpha=0.75).step()  # 0.5 / √0.25 = 1
        >>> round(x.item(), 6)
        2.0

    References:
        Hinton 2012, Neural networks for machine learning, Coursera, lecture 6e; P 4.2 in docs/sources.md.
    """

    rule = staticmethod(rmsprop_update)
    state_names = ("E",)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.01,
        *,
        alpha: float = 0.9,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        eps_inside_sqrt: bool = True,
        bias_correction: bool = False,
    ) -> None:
        options = {"alpha": alpha, "eps": eps, "eps_inside_sqrt": eps_inside_sqrt, "bias_correction": bias_correction}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **options})
