"""AdaGrad: divides by the root of the sum of all squared gradients."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_quotient_, root


def adagrad_update(theta: Tensor, g: Tensor, G: Tensor, *, lr: Number, eps: float, eps_inside_sqrt: bool) -> None:
    """Update θ and G in place; tensors of the same shape, symbols as in `AdaGrad`."""
    G.addcmul_(g, g)  # G ← G + g²
    add_quotient_(theta, -lr, g, root(G, eps, inside=eps_inside_sqrt))  # θ ← θ − η g / √(G + ε)


class AdaGrad(Rule):
    """AdaGrad: divides the gradient by the root of the sum of all squared gradients.

    For each parameter θ with gradient g and sum G, of the same shape, element by element, G starting at zero::

        G ← G + g²
        θ ← θ − η g / √(G + ε)

    The first step is η in every coordinate, for any scale of g. With a constant gradient, step t is η/√t.

    With eps_inside_sqrt = False, ε is outside the root, √G + ε, and the rule equals torch's Adagrad. To first order in ε
    the relative difference between the two steps is ε/√G − ε/(2 G).

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        eps: ε > 0, in units of g² inside the root, of g outside. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0; replaces g by g + λ θ.
        eps_inside_sqrt: True for the divisor √(G + ε), False for √G + ε.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, -200.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> AdaGrad([x], lr=0.5).step()
        >>> [round(value, 6) for value in x.tolist()]
        [0.5, -199.5]

    References:
        Duchi, Hazan and Singer 2011, Adaptive subgradient methods for online learning and stochastic optimization; P 4.1
        in docs/sources.md.
    """

    rule = staticmethod(adagrad_update)
    state_names = ("G",)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.01,
        *,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        eps_inside_sqrt: bool = True,
    ) -> None:
        defaults = {"lr": lr, "eps": eps, "weight_decay": weight_decay, "eps_inside_sqrt": eps_inside_sqrt}
        super().__init__(params, defaults)
