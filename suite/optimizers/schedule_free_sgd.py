"""Schedule-Free SGD: averages the points of gradient descent and needs no learning-rate schedule."""

from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, add_
from suite.optimizers.schedule_free import ScheduleFree, average_update


def schedule_free_sgd_update(
    theta: Tensor, g: Tensor, z: Tensor, x: Tensor, *, lr: Number, momentum: float, w: Number, W: Number
) -> None:
    """Update θ, z and x in place, with w and W of this step; tensors of one shape, symbols as in `ScheduleFreeSGD`."""
    add_(z, -lr, g)  # z ← z − η g
    average_update(theta, z, x, beta=momentum, w=w, W=W)  # x ← (1−c) x + c z; θ ← (1−β) z + β x


class ScheduleFreeSGD(ScheduleFree):
    """ScheduleFreeSGD: gradient descent on z, with gradients at a point between z and the average x of all z.

    For each parameter θ with gradient g and state z and x, of the same shape, element by element, z and x starting at θ,
    the numbers w and W starting at 0::

        z ← z − η g
        w ← max(w, η)
        W ← W + w²
        c = w² / W
        x ← (1−c) x + c z
        θ ← (1−β) z + β x

    `train()` sets θ to (1−β) z + β x, where gradients are taken, and `eval()` sets θ to x, which is the result. With a
    constant η, c is 1/t, and x is the mean of all z. After a warm-up, a point z of the warm-up counts with the square of
    its η. Equals the authors' SGDScheduleFree, whose warm-up is here that of the schedule.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ² per unit of the loss; a float or a tensor of one element. The authors recommend 10 to 50
            times the η of SGD with momentum.
        momentum: β in [0, 1), the share of x in the point of the gradient.
        weight_decay: λ >= 0; replaces g by g + λ θ.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex, or in evaluation mode.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = ScheduleFreeSGD([x], lr=0.25, momentum=0.5)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     (x**2).sum().backward()
        ...     optimizer.step()
        >>> x.item()  # z = 1 - 0.25 * 2 = 0.5, x = 0.5; z = 0.5 - 0.25 * 1 = 0.25, x = 0.375
        0.3125
        >>> optimizer.eval()
        >>> x.item()
        0.375

    References:
        Defazio et al. 2024, The road less scheduled, arXiv 2405.15682; docs/sources.md.
    """

    rule = staticmethod(schedule_free_sgd_update)
    state_names = ("z", "x")

    def __init__(self, params: ParamsT, lr: Number = 1.0, *, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
