"""Newton's method: each step goes to where the loss would be smallest if it were the quadratic that it looks like here."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import grad_and_value, jacrev
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from suite.optimizers.base import check_options, check_parameters

MOST_PARAMETERS = 1_000
"""The Hessian of so many has a million entries, and its eigenvalues take about a second."""

ROWS = 64
"""Rows of the Hessian that are computed at a time: all of 650 at once took twenty times as long, for want of cache."""


def newton_update(
    theta: Tensor,
    g: Tensor,
    H: Tensor,
    *,
    lr: float,
    damping: float,
    indefinite: str,
    diagonal: bool,
    eps: float,
) -> None:
    """Move θ in place; θ and g of shape (n,), H of shape (n, n) and symmetric, symbols as in `Newton`."""
    if diagonal:
        theta.sub_(lr * g / curvature(H.diagonal() + damping, indefinite, eps))  # θ ← θ − η diag(H + λ I)⁻¹ g
        return
    h, Q = torch.linalg.eigh(H)  # H = Q diag(h) Qᵀ
    theta.sub_(lr * (Q @ (Q.T @ g / curvature(h + damping, indefinite, eps))))  # θ ← θ − η (H + λ I)⁻¹ g


def curvature(h: Tensor, indefinite: str, eps: float) -> Tensor:
    """What the step along each direction is divided by: its curvature h, made positive as `indefinite` says."""
    if indefinite == "absolute":
        return h.abs().clamp_min(eps)
    if indefinite == "shift":
        return h + (eps - h.min()).clamp_min(0)
    return h


class Newton(Optimizer):
    """Newton: divides the gradient by the Hessian, so that one step solves a quadratic.

    For all parameters together as one vector θ, with the gradient g and the Hessian H of the loss at θ::

        θ ← θ − η (H + λ I)⁻¹ g

    and with diagonal = True, the diagonal preconditioner, diag(H + λ I) in place of H + λ I. With λ = 0 and η = 1 this
    is the note's rule: it is exact on a quadratic, and near a minimum the number of right digits doubles with each step.

    Where H is not positive definite, the rule as printed goes uphill along every direction of negative curvature, to
    a saddle or a maximum. `indefinite` says what then stands for the eigenvalues h of H + λ I (or for its diagonal)::

        "absolute"   max(|h|, ε): downhill along every direction, by as much as its curvature says (saddle-free Newton)
        "shift"      h + max(0, ε − min h): the smallest multiple of I that makes all at least ε; the steps along the
                     direction of min h are then g/ε, as large as ε is small: choose it with the loss in mind
        "keep"       h, as printed; ε is not used, and what is divided by zero is not finite

    λ > 0 is Levenberg's damping: for λ far above the eigenvalues a step is gradient descent's with learning rate η/λ.

    The step wants the loss as a function of the parameters, since a gradient alone says nothing of the curvature:
    `step(loss)` calls `loss(*values)` with one tensor for each parameter, in the order in which they were given, and
    reads or writes no `p.grad`. For a module that is `torch.func.functional_call` (second example). Gradient and
    Hessian come from `torch.func`; the linear algebra is done in float64, whatever the parameters' dtype.

    Args:
        params: parameters, or named ones, in one group: at most 1,000 values (`MOST_PARAMETERS`), of one dtype, on one
            device.
        lr: η >= 0, a pure number; a float or a tensor of one element.
        damping: λ >= 0, in units of the loss per θ²; added to the Hessian's diagonal.
        indefinite: "absolute", "shift" or "keep", see above.
        diagonal: whether only the Hessian's diagonal is used.
        eps: ε > 0, the least curvature that is divided by, in units of the loss per θ².
        weight_decay: ω >= 0; g + ω θ stands for g and H + ω I for H above: exact for ½ ω |θ|² in the loss.

    Raises:
        ValueError: an option is out of its range, a parameter is not dense, real and of floating point, they are too
            many or of several kinds, or there is a second group.

    Example:
        >>> import torch
        >>> x = torch.tensor([-5.0, -2.0], dtype=torch.float64, requires_grad=True)
        >>> loss = Newton([x]).step(lambda x: 0.1 * x[0] ** 2 + 2 * x[1] ** 2)
        >>> loss.item(), [round(value, 12) + 0.0 for value in x.tolist()]  # before the step, and where it went
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
        The note, 2; Zhang, Lipton, Li and Smola 2021, Dive into Deep Learning, arXiv 2106.11342, 11.3 (preconditioning);
        Levenberg 1944, A method for the solution of certain non-linear problems in least squares; Dauphin et al. 2014,
        Identifying and attacking the saddle point problem in high-dimensional non-convex optimization, arXiv 1406.2572.
    """

    requires_loss_fn = True
    """Whether `step` is handed the loss as a function of the parameters."""
    max_parameters = MOST_PARAMETERS

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        *,
        damping: float = 0.0,
        indefinite: str = "absolute",
        diagonal: bool = False,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "damping": damping,
            "indefinite": indefinite,
            "diagonal": diagonal,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        check_options(defaults)
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, loss: Callable[..., Tensor]) -> Tensor:  # type: ignore[override]
        """Move every parameter that wants a gradient, once.

        Args:
            loss: called with one tensor for each parameter; gives the loss there, a tensor of one element.

        Returns:
            The loss before the step.
        """
        (group,) = self.param_groups
        params: list[Tensor] = group["params"]
        moved = [param for param in params if param.requires_grad]
        sizes = [param.numel() for param in moved]

        def along(theta: Tensor) -> Tensor:
            values = iter(theta.split(sizes))
            return loss(*(next(values).view(param.shape) if param.requires_grad else param for param in params))

        def gradient(theta: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            g, value = grad_and_value(along)(theta)
            return g, (g, value)

        theta = torch.cat([param.detach().reshape(-1) for param in moved])
        value: Tensor
        H, (g, value) = jacrev(gradient, has_aux=True, chunk_size=ROWS)(theta)
        theta, g, H = theta.double(), g.double(), H.double()
        decay = group["weight_decay"]
        g, H = g + decay * theta, (H + H.T) / 2 + decay * torch.eye(len(g), dtype=H.dtype, device=H.device)
        if torch.isfinite(H).all():
            options = {name: group[name] for name in ("damping", "indefinite", "diagonal", "eps")}
            newton_update(theta, g, H, lr=float(group["lr"]), **options)
        else:
            theta.fill_(torch.nan)  # as any other rule makes of a gradient that is not finite
        for param, values in zip(moved, theta.split(sizes), strict=True):
            param.copy_(values.view(param.shape))
        return value

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take the parameters, in the one group that there is.

        Raises:
            ValueError: see the class.
        """
        check_options({**self.defaults, **param_group})
        super().add_param_group(param_group)
        try:
            check_parameters(type(self).__name__, param_group)
            if len(self.param_groups) > 1:
                raise ValueError("params: Newton solves for all parameters together. Give them in one group")  # noqa: TRY301
            _check_together(param_group["params"])
        except ValueError:
            self.param_groups.pop()
            raise

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a copy of what load_state_dict or pickle brings, if it is of this class."""
        if state["state"]:
            raise ValueError("state_dict: expected the state of Newton, which has none. Load one of the same class")
        for group in state["param_groups"]:
            if missing := (state if "defaults" in state else self.__dict__)["defaults"].keys() - group.keys():
                raise ValueError(f"state_dict: expected the options of Newton, {sorted(missing)} are missing")
            check_options(group)
        super().__setstate__(state)


def _check_together(params: list[Tensor]) -> None:
    """Refuse parameters that cannot lie in one vector, or would make too large a Hessian."""
    kinds = sorted({f"{param.dtype} on {param.device}" for param in params})
    if len(kinds) > 1:
        raise ValueError(f"params: Newton moves parameters of one dtype on one device, got {', '.join(kinds)}")
    if (count := sum(param.numel() for param in params if param.requires_grad)) > MOST_PARAMETERS:
        raise ValueError(f"params: Newton solves for at most {MOST_PARAMETERS:,} values, got {count:,}")
