"""What the optimizers of this folder share: the walk over the parameters, the checks of options and gradients.

A rule is a pure function `<name>_update` in a file of its own. The class beside it looks up its options and state by
name and calls that function; `Rule` calls the class once for each parameter that has a gradient.
"""

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT


def root(x: Tensor, eps: float, *, inside: bool) -> Tensor:
    """A root to divide by: √(x + ε) with ε inside, √x + ε with ε outside."""
    return (x + eps).sqrt() if inside else x.sqrt() + eps


def _number(value: object) -> float:
    """The value as a float, NaN (which fails every comparison) for what is not one real number."""
    return float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan


def _at_least_zero(value: object) -> bool:
    return 0 <= _number(value) < math.inf


def _learning_rate(value: object) -> bool:
    """Schedulers write a tensor in place, so a compiled step need not be compiled anew; one element is a number."""
    return _at_least_zero(value.item() if isinstance(value, Tensor) and value.numel() == 1 else value)


def _positive(value: object) -> bool:
    return 0 < _number(value) < math.inf


def _decay(value: object) -> bool:
    return 0 <= _number(value) < 1


def _two_decays(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(_decay, value))


def _flag(value: object) -> bool:
    return isinstance(value, bool)


# What an option must be, the same in every class that has it: in words, and as a test of the value.
OPTIONS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "lr": ("a number >= 0", _learning_rate),
    "momentum": ("a number >= 0 and < 1", _decay),  # at 1 nothing is forgotten, and 1 − γᵗ = 0
    "dampening": ("a number >= 0 and < 1", _decay),
    "alpha": ("a number >= 0 and < 1", _decay),
    "rho": ("a number >= 0 and < 1", _decay),
    "betas": ("two numbers >= 0 and < 1", _two_decays),
    "eps": ("a number > 0", _positive),  # at 0 a gradient of zero would be stepped by 0/0
    "weight_decay": ("a number >= 0", _at_least_zero),
    "bias_correction": ("True or False", _flag),
    "eps_inside_sqrt": ("True or False", _flag),
}


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the option, what it must be and its value, for the first option out of its range."""
    for name, (expected, holds) in OPTIONS.items():
        if name in options and not holds(options[name]):
            raise ValueError(f"{name}: expected {expected}, got {options[name]!r}")


def _name(group: Mapping[str, Any], index: int) -> str:
    """How a message names the parameter at `index` of its group: by the user's name where there is one."""
    shape = tuple(group["params"][index].shape)
    return f"parameter {group['param_names'][index] if 'param_names' in group else index} of shape {shape}"


class Rule(Optimizer):
    """An optimizer that moves each parameter by a rule of its own gradient and its own state.

    A subclass names its state tensors in `state_names` and computes one change in `update`. State starts at zero with
    the parameter's shape, dtype and device, beside the step count `step` (an int, 1 in the first update). No state
    tensor is ever written in place, so optimizers that loaded the same state_dict do not disturb each other.
    """

    state_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        check_options(defaults)
        super().__init__(params, defaults)

    def update(self, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        """Renew the tensors of `state` and return the change to subtract from the parameter, all of grad's shape."""
        raise NotImplementedError

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient, once.

        Args:
            closure: evaluates the loss anew, with gradients enabled, before the move.

        Returns:
            What the closure returned; None without one.

        Raises:
            RuntimeError: a gradient is sparse or complex. No parameter has moved then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            _check_gradients(type(self).__name__, group)
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._move(param, group)
        return loss

    def _move(self, param: Tensor, group: dict[str, Any]) -> None:
        grad = param.grad
        assert grad is not None
        if group["weight_decay"] != 0:
            grad = grad.add(param, alpha=group["weight_decay"])  # g + λ θ, the gradient with ½ λ |θ|² in the loss
        state = self.state[param]
        if not state:
            state["step"] = 0
            for name in self.state_names:
                state[name] = torch.zeros_like(param, memory_format=torch.preserve_format)
        state["step"] += 1
        param.sub_(self.update(grad, state, group))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; the constructor's options hold for those it does not name.

        Args:
            param_group: `params`, and any option of the constructor.

        Raises:
            ValueError: an option is out of its range, or a parameter is sparse, complex or not of floating point.
        """
        check_options({**self.defaults, **param_group})
        super().add_param_group(param_group)
        try:
            _check_parameters(type(self).__name__, param_group)
        except ValueError:
            self.param_groups.pop()
            raise

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what load_state_dict or pickle brings, if it is of this class."""
        expected = {"step", *self.state_names}
        for found in state["state"].values():
            if found.keys() != expected:
                raise ValueError(
                    f"state_dict: expected the state of {type(self).__name__}, {sorted(expected)}, got {sorted(found)}"
                )
        for group in state["param_groups"]:
            options = (state if "defaults" in state else self.__dict__)["defaults"].keys() & OPTIONS.keys()
            if missing := options - group.keys():
                raise ValueError(
                    f"state_dict: expected the options of {type(self).__name__}, {sorted(missing)} are missing"
                )
            check_options(group)
        super().__setstate__(state)


def _check_parameters(optimizer: str, group: Mapping[str, Any]) -> None:
    for index, param in enumerate(group["params"]):
        if param.layout != torch.strided or not param.is_floating_point():
            raise ValueError(
                f"params: {optimizer} moves dense real floating-point tensors, got {_name(group, index)}, "
                f"{param.dtype}, {param.layout}"
            )


def _check_gradients(optimizer: str, group: Mapping[str, Any]) -> None:
    for index, param in enumerate(group["params"]):
        grad = param.grad
        if grad is not None and (grad.layout != torch.strided or grad.is_complex()):
            raise RuntimeError(
                f"grad: {optimizer} takes dense real gradients, got {grad.dtype}, {grad.layout} "
                f"for {_name(group, index)}"
            )
