"""What the optimizers of this folder share: the walk over the parameters, the checks of options and gradients.

A rule is a function `<name>_update` in a file of its own, which moves a parameter and its state in place and reads
like the formula. The class beside it holds the options; `Rule` calls the function for each parameter with a gradient.

All rules are element by element, so it does not matter how the elements are cut: many small tensors, or all parameters
of a network flat in one (`suite.training.flat_parameters`), which makes one short chain of kernels out of one for each tensor. Large
tensors on a CPU are worked through in pieces that fit the cache.
"""

import collections
import functools
import inspect
import math
import types
from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

PIECE = 2**19
"""Elements that a CPU moves at a time: with state and temporaries some ten megabytes, which its caches hold."""

Number = float | Tensor
"""A number, or a tensor of one element on the parameter's device, as a captured or compiled step has it."""


def root(x: Tensor, eps: float, *, inside: bool) -> Tensor:
    """A root to divide by: √(x + ε) with ε inside, √x + ε with ε outside."""
    return (x + eps).sqrt_() if inside else x.sqrt().add_(eps)


def add_(x: Tensor, factor: Number, y: Tensor) -> Tensor:
    """Add in place: x ← x + factor · y."""
    return x.add_(factor * y) if isinstance(factor, Tensor) else x.add_(y, alpha=factor)


def add_quotient_(x: Tensor, factor: Number, a: Tensor, b: Tensor) -> Tensor:
    """Add in place: x ← x + factor · a / b."""
    return x.add_(factor * (a / b)) if isinstance(factor, Tensor) else x.addcdiv_(a, b, value=factor)


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


def _indefinite(value: object) -> bool:
    return isinstance(value, str) and value in {"absolute", "shift", "keep"}


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
    "damping": ("a number >= 0", _at_least_zero),
    "indefinite": ('"absolute", "shift" or "keep"', _indefinite),
    "diagonal": ("True or False", _flag),
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


def _move(
    rule: Callable[..., None], tensors: tuple[Tensor, ...], weight_decay: float, options: Mapping[str, Any]
) -> None:
    """Apply a rule once to (θ, g, state...)."""
    theta, g, *state = tensors
    if weight_decay != 0:
        g = g.add(theta, alpha=weight_decay)  # g + λ θ, the gradient with ½ λ |θ|² in the loss
    rule(theta, g, *state, **options)


def _pieces(tensors: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    """Tensors of one shape in pieces that fit a CPU's cache, where they lie alike in memory; else as they are."""
    first = tensors[0]
    if first.device.type == "cpu" and first.numel() > PIECE and all(x.is_contiguous() for x in tensors):
        return zip(*(x.view(-1).split(PIECE) for x in tensors), strict=True)
    return iter((tensors,))


@functools.cache
def _arguments(rule: Callable[..., None]) -> frozenset[str]:
    """What a rule takes by name."""
    return frozenset(name for name, p in inspect.signature(rule).parameters.items() if p.kind is p.KEYWORD_ONLY)


class Rule(Optimizer):
    """An optimizer that moves each parameter by a rule of its own gradient and its own state.

    A subclass names its `rule` and the rule's state tensors. The rule is called as
    `rule(theta, g, *state, **options)`: all tensors of one shape, to be changed in place but for g; of the options
    `lr`, `t` (the number of the parameter's steps, 1 in the first), and those of the constructor it gets what it has
    arguments for. State starts at zero with the parameter's shape, dtype and device, beside the step count `step`.
    """

    rule: ClassVar[Callable[..., None]]
    state_names: ClassVar[tuple[str, ...]] = ()
    _by_tensor = _compiled = False
    _move = staticmethod(_move)

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        check_options(defaults)
        super().__init__(params, defaults)

    def capturable(self) -> None:
        """From now on step counts and learning rates are tensors beside the parameters, read where a step computes.

        So a step can be captured in a CUDA graph, and a compiled one is not compiled anew for each number. Construct
        learning-rate schedulers before: they take a tensor for their own arithmetic otherwise. Load a state before a step
        is captured: it brings tensors of its own. A copy or an unpickled optimizer is not capturable until it is told.
        """
        self._by_tensor = True
        for group in self.param_groups:
            if group["params"]:
                group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float64, device=group["params"][0].device)
        for param, state in self.state.items():
            state["step"] = torch.as_tensor(state["step"], dtype=torch.float64, device=param.device)

    def compile(self) -> None:
        """From now on steps run compiled: one pass over the elements. It takes seconds once, and a C++ compiler.

        The bits of a compiled step differ from those of a plain one. A copy or an unpickled optimizer steps plainly.
        """
        self.capturable()
        self._compiled = True  # one pass needs no pieces
        # The threshold has the powers βᵗ computed once for a step; the compiler would do it for every element.
        # What is compiled is kept by function, eight versions at most: each optimizer has a function of its own.
        own = types.FunctionType(_move.__code__.replace(), globals(), _move.__name__)
        self._move = torch.compile(own, fullgraph=True, options={"realize_opcount_threshold": 0})

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
        taken = _arguments(self.rule)
        for group in self.param_groups:
            options = {name: group[name] for name in taken if name in group}
            if not self._by_tensor:
                options["lr"] = float(options["lr"])
            for param in group["params"]:
                if param.grad is not None:
                    state = self._state(param)
                    if "t" in taken:
                        options["t"] = state["step"] if self._by_tensor else int(state["step"])
                    tensors = (param.detach(), param.grad, *(state[name] for name in self.state_names))
                    for pieces in (tensors,) if self._compiled else _pieces(tensors):
                        self._move(self.rule, pieces, group["weight_decay"], options)
        return loss

    def _state(self, param: Tensor) -> dict[str, Any]:
        """The state of a parameter, with this step counted."""
        state: dict[str, Any] = self.state[param]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float64, device=param.device) if self._by_tensor else 0
            for name in self.state_names:
                state[name] = torch.zeros_like(param, memory_format=torch.preserve_format)
        state["step"] += 1
        return state

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
            check_parameters(type(self).__name__, param_group)
        except ValueError:
            self.param_groups.pop()
            raise
        if self._by_tensor:
            self.capturable()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a copy of what load_state_dict or pickle brings, if it is of this class."""
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
        own = {
            key: {name: x.clone() if isinstance(x, Tensor) else x for name, x in found.items()}
            for key, found in state["state"].items()
        }
        kept = collections.defaultdict(dict[str, Any], own)
        super().__setstate__(state | {"state": kept})  # steps write in place, so nothing of it may be another's
        if self._by_tensor:
            self.capturable()


def check_parameters(optimizer: str, group: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the parameter, for the first of a group that is sparse, complex or of integers."""
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
