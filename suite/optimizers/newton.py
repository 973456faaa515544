"""Newton's method: each step goes to the minimum of the quadratic approximation of the loss."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import grad_and_value, jacrev
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import Number, check_options, check_parameters, check_state_options

MAX_PARAMETERS = 1_000
"""The Hessian of 1,000 parameters has a million entries; its eigenvalues take about a second."""

ROWS = 64
"""Rows of the Hessian that are computed at a time. All 650 at once took 20 times as long, because they exceed the cache."""


def newton_update(
    theta: Tensor, g: Tensor, H: Tensor, *, lr: float, damping: float, indefinite: str, diagonal: bool, eps: float
) -> None:
    """Update θ in place; θ and g of shape (n,), H symmetric of shape (n, n), symbols as in `Newton`."""
    if diagonal:
        theta.sub_(lr * g / curvature(H.diagonal() + damping, indefinite, eps))  # θ ← θ − η diag(H + λ I)⁻¹ g
        return
    h, Q = torch.linalg.eigh(H)  # H = Q diag(h) Qᵀ
    theta.sub_(lr * (Q @ (Q.T @ g / curvature(h + damping, indefinite, eps))))  # θ ← θ − η (H + λ I)⁻¹ g


def curvature(h: Tensor, indefinite: str, eps: float) -> Tensor:
    """Return the divisors of the step: the curvatures h, shape (n,), made positive according to `indefinite`."""
    if indefinite == "absolute":
        return h.abs().clamp_min(eps)
    if indefinite == "shift":
        return h + (eps - h.min()).clamp_min(0)
    return h


class Newton(Optimizer):
    """Newton: multiplies the gradient by the inverse of the Hessian, so that one step solves a quadratic.

    For all parameters as one vector θ, with the gradient g and the Hessian H of the loss at θ::

        θ ← θ − η (H + λ I)⁻¹ g

    With diagonal = True, diag(H + λ I) replaces H + λ I (diagonal preconditioning). With λ = 0 and η = 1 this is the
    published rule. It is exact on a quadratic, and near a minimum each step doubles the number of correct digits.

    If H is not positive definite, the published rule goes uphill along each direction of negative curvature, towards a
    saddle or a maximum. `indefinite` selects what replaces the eigenvalues h of H + λ I (or its diagonal)::

        "absolute"   max(|h|, ε): downhill in every direction, scaled by the absolute curvature (saddle-free Newton)
        "shift"      h + max(0, ε − min h): adds the smallest multiple of I that makes every h at least ε. Steps along
                     the direction of min h are g/ε, so choose ε in proportion to the curvature of the loss
        "keep"       h, as published; ε is not used, and a division by zero is not finite

    λ > 0 is Levenberg's damping: if λ is far above the eigenvalues, a step is gradient descent with learning rate η/λ.

    The step needs the loss as a function of the parameters, because a gradient has no information about the curvature.
    `step(loss)` calls `loss(*values)` with one tensor for each parameter, in their order, and does not use `p.grad`. For a
    module, use `torch.func.functional_call` (second example). Gradient and Hessian come from `torch.func`. The linear
    algebra is done in float64 for every dtype of the parameters.

    Args:
        params: Parameters or named parameters in one group: at most 1,000 values (`MAX_PARAMETERS`), of one dtype, on one
            device.
        lr: η >= 0, dimensionless; a float or a tensor of one element.
        damping: λ >= 0, in units of the loss per θ²; added to the diagonal of the Hessian.
        indefinite: "absolute", "shift" or "keep", see above.
        diagonal: Whether only the diagonal of the Hessian is used.
        eps: ε > 0, the smallest divisor, in units of the loss per θ².
        weight_decay: ω >= 0; replaces g by g + ω θ and H by H + ω I, which is exact for ½ ω |θ|² in the loss.

    Raises:
        ValueError: An option is out of its range, a parameter is not a dense, real, floating-point tensor, there are too
            many values, several dtypes or devices, or a second group.

    Example:
        >>> import torch
        >>> x = torch.tensor([-5.0, -2.0], dtype=torch.float64, requires_grad=True)
        >>> loss = Newton([x]).step(lambda x: 0.1 * x[0] ** 2 + 2 * x[1] ** 2)
        >>> loss.item(), [round(value, 12) + 0.0 for value in x.tolist()]  # the loss before the step, x after it
        (10.5, [0.0, 0.0])

        >>> from torch.func import functional_call
        >>> network = torch.nn.Linear(1, 1).double()
        >>> inputs = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
        >>> targets = 3 * inputs + 1
        >>> names = [name for name, _ in network.named_parameters()]
        >>> def loss(*theta):
        ...     outputs = functional_call(network, dict(zip(names, theta)), (inputs,))
        ...     return torch.nn.functional.mse_loss(outputs, targets)
        >>> _ = Newton(network.parameters()).step(loss)
        >>> round(network.weight.item(), 9), round(network.bias.item(), 9)
        (3.0, 1.0)

    References:
        Zhang, Lipton, Li and Smola 2021, Dive into Deep Learning, arXiv 2106.11342, 11.3 (preconditioning); Levenberg 1944,
        A method for the solution of certain non-linear problems in least squares; Dauphin et al. 2014, Identifying and
        attacking the saddle point problem in high-dimensional non-convex optimization, arXiv 1406.2572; N 2 in
        docs/sources.md.
    """

    requires_loss_fn = True
    """Whether `step` gets the loss as a function of the parameters."""
    max_parameters = MAX_PARAMETERS

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1.0,
        *,
        damping: float = 0.0,
        indefinite: str = "absolute",
        diagonal: bool = False,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"damping": damping, "indefinite": indefinite, "diagonal": diagonal, "eps": eps}
        defaults = {"lr": lr, "weight_decay": weight_decay, **options}
        check_options(defaults)
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, loss: Callable[..., Tensor]) -> Tensor:  # type: ignore[override]
        """Update every parameter that requires a gradient.

        Args:
            loss: Called with one tensor for each parameter; returns the loss, a tensor of one element.

        Returns:
            The loss before the step.
        """
        (group,) = self.param_groups
        params: list[Tensor] = group["params"]
        trainable = [param for param in params if param.requires_grad]
        sizes = [param.numel() for param in trainable]

        def flat_loss(theta: Tensor) -> Tensor:
            values = iter(theta.split(sizes))
            return loss(*(next(values).view(param.shape) if param.requires_grad else param for param in params))

        def gradient(theta: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            g, value = grad_and_value(flat_loss)(theta)
            return g, (g, value)

        theta = torch.cat([param.detach().reshape(-1) for param in trainable])
        value: Tensor
        H, (g, value) = jacrev(gradient, has_aux=True, chunk_size=ROWS)(theta)
        theta, g, H = theta.double(), g.double(), H.double()
        decay = group["weight_decay"]
        g, H = g + decay * theta, (H + H.T) / 2 + decay * torch.eye(len(g), dtype=H.dtype, device=H.device)
        if torch.isfinite(H).all():
            options = {name: group[name] for name in ("damping", "indefinite", "diagonal", "eps")}
            newton_update(theta, g, H, lr=float(group["lr"]), **options)
        else:
            theta.fill_(torch.nan)  # as with the other rules after a gradient that is not finite
        for param, values in zip(trainable, theta.split(sizes), strict=True):
            param.copy_(values.view(param.shape))
        return value

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Set the parameters, in a single group; raise ValueError as described for the class."""
        check_options({**self.defaults, **param_group})
        super().add_param_group(param_group)
        try:
            check_parameters("Newton", param_group)
            if len(self.param_groups) > 1:
                raise ValueError("params: Newton requires all parameters in one group")  # noqa: TRY301
            _check_solvable(param_group["params"])
        except ValueError:
            self.param_groups.pop()
            raise

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the options of `load_state_dict` or pickle; raise ValueError if they are another class's."""
        if state["state"]:
            raise ValueError("state_dict: expected no state, because Newton has none. Load a state_dict of Newton")
        check_state_options(self, state)
        super().__setstate__(state)


def _check_solvable(params: list[Tensor]) -> None:
    """Raise ValueError for parameters that do not fit in one vector, or whose Hessian is too large."""
    kinds = sorted({f"{param.dtype} on {param.device}" for param in params})
    if len(kinds) > 1:
        raise ValueError(f"params: Newton requires one dtype and one device, got {', '.join(kinds)}")
    count = sum(param.numel() for param in params if param.requires_grad)
    if count > MAX_PARAMETERS:
        raise ValueError(f"params: Newton solves for at most {MAX_PARAMETERS:,} values, got {count:,}")
