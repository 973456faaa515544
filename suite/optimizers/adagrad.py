"""AdaGrad: each coordinate's steps shrink with the gradients it has seen."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_quotient_, root


def adagrad_update(theta: Tensor, g: Tensor, G: Tensor, *, lr: Number, eps: float, eps_inside_sqrt: bool) -> None:
    """Move θ and G in place; all of one shape, symbols as in `AdaGrad`."""
    G.addcmul_(g, g)  # G ← G + g²
    add_quotient_(theta, -lr, g, root(G, eps, inside=eps_inside_sqrt))  # θ ← θ − η g / √(G + ε)


class AdaGrad(Rule):
    """AdaGrad: divides by the root of the sum of all squared gradients so far.

    For each parameter θ with gradient g and sum G, of any one shape, element by element, G starting at zero::

        G ← G + g²
        θ ← θ − η g / √(G + ε)

    The first step is η in every coordinate, whatever the scale of g; under a constant gradient step t is η/√t.

    ε lies inside the root, as in the source paper, the lecture notes and Dive into Deep Learning. The blog page has it
    outside, √G + ε, as torch's Adagrad has: eps_inside_sqrt = False, which equals torch's. To first order in ε the two
    steps differ by ε/√G − ε/(2 G), relatively. The paper names no ε; 1e-10 is the lecture notes', the blog page has
    1e-7, Dive into Deep Learning 1e-6.

    Args:
        params: parameters, named parameters, or groups of them with options of their own.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        eps: ε > 0, in units of g² inside the root, of g outside. In float16 anything below 3e-8 rounds to 0.
        weight_decay: λ >= 0; g + λ θ stands for g above.
        eps_inside_sqrt: whether the divisor is √(G + ε) or √G + ε.

    Raises:
        ValueError: an option is out of its range, or a parameter is not dense, real and of floating point.
        RuntimeError: from `step`, a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, -200.0], dtype=torch.float64, requires_grad=True)
        >>> (x**2).sum().backward()
        >>> AdaGrad([x], lr=0.5).step()
        >>> [round(value, 6) for value in x.tolist()]
        [0.5, -199.5]

    References:
        Duchi, Hazan and Singer 2011, Adaptive subgradient methods for online learning and stochastic optimization; the
        source paper, 4.1.
    """

    rule = staticmethod(adagrad_update)
    state_names = ("G",)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.01,
        *,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        eps_inside_sqrt: bool = True,
    ) -> None:
        defaults = {"lr": lr, "eps": eps, "weight_decay": weight_decay, "eps_inside_sqrt": eps_inside_sqrt}
        super().__init__(params, defaults)
