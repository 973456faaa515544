"""RMSProp: AdaGrad that forgets."""

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
    """Move θ and E in place by step t >= 1; all of one shape, symbols as in `RMSProp`."""
    E.mul_(alpha).addcmul_(g, g, value=1 - alpha)  # E ← α E + (1−α) g²
    E_hat = E / (1 - alpha**t) if bias_correction else E  # Ê = E / (1−αᵗ), else E
    add_quotient_(theta, -lr, g, root(E_hat, eps, inside=eps_inside_sqrt))  # θ ← θ − η g / √(Ê + ε)


class RMSProp(Rule):
    """RMSProp: divides by the root of a running mean of the squared gradients.

    For each parameter θ with gradient g and mean square E, of any one shape, element by element, E starting at zero::

        E ← α E + (1−α) g²
        Ê = E / (1−αᵗ) with bias_correction, else E
        θ ← θ − η g / √(Ê + ε)

    Without the correction the first step is η/√(1−α) in every coordinate, with it η, whatever the scale of g. With it
    this is `Adam` with β₁ = 0 and β₂ = α, if both have ε on the same side of the root.

    ε lies inside the root and α is 0.9, as in the source paper, the lecture notes and Dive into Deep Learning; torch's
    RMSprop has √E + ε (eps_inside_sqrt = False, which equals it) and α = 0.99. The note divides E by 1−αᵗ
    (bias_correction = True) and has ε = 0, which is refused here: a gradient of zero would be stepped by 0/0.

    Args:
        params: parameters, named parameters, or groups of them with options of their own.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        alpha: α in [0, 1), the share of E that is kept.
        eps: ε > 0, in units of g² inside the root, of g outside. In float16 anything below 3e-8 rounds to 0.
        weight_decay: λ >= 0; g + λ θ stands for g above.
        eps_inside_sqrt: whether the divisor is √(Ê + ε) or √Ê + ε.
        bias_correction: whether E is divided by 1−αᵗ, t the number of the parameter's steps.

    Raises:
        ValueError: an option is out of its range, or a parameter is not dense, real and of floating point.
        RuntimeError: from `step`, a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> RMSProp([x], lr=0.5, alpha=0.75).step()  # 0.5 / √0.25 = 1
        >>> round(x.item(), 6)
        2.0

    References:
        Hinton 2012, Neural networks for machine learning, Coursera, lecture 6e; the source paper, 4.2.
    """

    rule = staticmethod(rmsprop_update)
    state_names = ("E",)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.01,
        *,
        alpha: float = 0.9,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        eps_inside_sqrt: bool = True,
        bias_correction: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "eps_inside_sqrt": eps_inside_sqrt,
            "bias_correction": bias_correction,
        }
        super().__init__(params, defaults)
