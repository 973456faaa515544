"""Gradient descent with any batch size: full batches (BGD), single examples (SGD) or mini-batches (MBSGD)."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_


def sgd_update(theta: Tensor, g: Tensor, *, lr: Number) -> None:
    """Update θ in place; symbols as in `SGD`."""
    add_(theta, -lr, g)  # θ ← θ − η g


class SGD(Rule):
    """SGD: steps along the negative gradient, scaled by the learning rate.

    For each parameter θ with gradient g, of the same shape::

        θ ← θ − η g

    Batch, stochastic and mini-batch gradient descent are this rule with gradients of all, few or some examples.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ² per unit of the loss; a float or a tensor of one element.
        weight_decay: λ >= 0; replaces g by g + λ θ.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> (x**2).sum().backward()  # g = 2
        >>> SGD([x], lr=0.25).step()
        >>> x.item()
        0.5

    References:
        Robbins and Monro 1951, A stochastic approximation method; P 3.1 to 3.3 in docs/sources.md.
    """

    rule = staticmethod(sgd_update)

    def __init__(self, params: ParamsT, lr: Number = 0.01, *, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
