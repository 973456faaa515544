"""Gradient descent, whatever the batch: full (BGD), of a few examples (SGD) or in between (MBSGD)."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, Rule, add_


def sgd_update(theta: Tensor, g: Tensor, *, lr: Number) -> None:
    """Move θ in place; symbols as in `SGD`."""
    add_(theta, -lr, g)  # θ ← θ − η g


class SGD(Rule):
    """SGD: steps against the gradient, η times as long as it is.

    For each parameter θ with gradient g, of any one shape::

        θ ← θ − η g

    Batch, stochastic and mini-batch gradient descent are this rule with gradients of all, few or some examples.

    Args:
        params: parameters, named parameters, or groups of them with options of their own.
        lr: η >= 0, in units of θ² per unit of the loss; a float or a tensor of one element.
        weight_decay: λ >= 0; g + λ θ stands for g above.

    Raises:
        ValueError: an option is out of its range, or a parameter is not dense, real and of floating point.
        RuntimeError: from `step`, a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> (x**2).sum().backward()  # g = 2
        >>> SGD([x], lr=0.25).step()
        >>> x.item()
        0.5

    References:
        Robbins and Monro 1951, A stochastic approximation method; the source paper, 3.1 to 3.3.
    """

    rule = staticmethod(sgd_update)

    def __init__(self, params: ParamsT, lr: float | Tensor = 0.01, *, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
