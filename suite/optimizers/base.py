"""The base class of the update rules, and the checks of options, parameters and gradients.

A rule is a function `<name>_update` in its own file. It updates a parameter and its state in place and reads like the
formula. The class beside it has the options, and `Rule` calls the function for each parameter with a gradient.

A rule that works element by element says so (`Rule.elementwise`). The grouping of the elements then does not matter: the
parameters of a group can be one flat tensor (`suite.training.flat_parameters`), which needs fewer kernels, and on a CPU, large
tensors are updated in blocks that fit the cache.
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

BLOCK_SIZE = 2**19
"""Elements that a CPU updates at a time: some 10 MB with state and temporaries, which fit its caches."""

Number = float | Tensor
"""A number, or a tensor of one element (on the parameter's device in a captured or compiled step)."""


def root(x: Tensor, eps: float, *, inside: bool) -> Tensor:
    """Return a divisor: √(x + ε) with ε inside the root, √x + ε with ε outside."""
    return (x + eps).sqrt_() if inside else x.sqrt().add_(eps)


def add_(x: Tensor, factor: Number, y: Tensor) -> Tensor:
    """Compute x ← x + factor · y in place."""
    return x.add_(factor * y) if isinstance(factor, Tensor) else x.add_(y, alpha=factor)


def add_quotient_(x: Tensor, factor: Number, a: Tensor, b: Tensor) -> Tensor:
    """Compute x ← x + factor · a / b in place."""
    return x.add_(factor * (a / b)) if isinstance(factor, Tensor) else x.addcdiv_(a, b, value=factor)


def larger(a: Number, b: Number) -> Number:
    """Return the larger of two floats, or of two tensors."""
    return torch.maximum(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else max(a, b)


def decay_(theta: Tensor, lr: Number, weight_decay: float) -> None:
    """Compute θ ← θ − η λ θ in place: weight decay apart from the gradient."""
    if weight_decay != 0:
        theta.mul_(1 - lr * weight_decay)


def _number(value: object) -> float:
    """Return a real number as a float, and NaN, which fails every comparison, for anything else."""
    return float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan


def _item(value: object) -> object:
    """Return the number in a tensor of one element; schedulers write it in place so that a step need not be recompiled."""
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value


_Check = tuple[str, Callable[[Any], bool]]
_NOT_NEGATIVE: _Check = ("a number >= 0", lambda x: 0 <= _number(x) < math.inf)
_DECAY: _Check = ("a number >= 0 and < 1", lambda x: 0 <= _number(x) < 1)  # at 1 nothing decays, and 1 − γᵗ = 0
_TWO_DECAYS: _Check = (
    "two numbers >= 0 and < 1",
    lambda x: isinstance(x, tuple | list) and len(x) == 2 and all(map(_DECAY[1], x)),
)
_POSITIVE: _Check = ("a number > 0", lambda x: 0 < _number(x) < math.inf)  # at 0 a zero gradient would give 0/0
_FLAG: _Check = ("True or False", lambda x: isinstance(x, bool))

OPTIONS: dict[str, _Check] = {
    "lr": ("a number >= 0", lambda x: 0 <= _number(_item(x)) < math.inf),
    "momentum": _DECAY,
    "dampening": _DECAY,
    "alpha": _DECAY,
    "rho": _DECAY,
    "betas": _TWO_DECAYS,
    "eps": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "bias_correction": _FLAG,
    "eps_inside_sqrt": _FLAG,
    "momentum_schedule": _FLAG,
    "momentum_decay": _NOT_NEGATIVE,
    "damping": _NOT_NEGATIVE,
    "indefinite": (
        '"absolute", "shift" or "keep"',
        lambda x: isinstance(x, str) and x in {"absolute", "shift", "keep"},
    ),
    "diagonal": _FLAG,
    "nesterov": _FLAG,
    "scale": ('"original" or "match_rms_adamw"', lambda x: isinstance(x, str) and x in {"original", "match_rms_adamw"}),
    "ns_dtype": (
        '"float32", "bfloat16" or "float64"',
        lambda x: isinstance(x, str) and x in {"float32", "bfloat16", "float64"},
    ),
    "adam_lr_ratio": _NOT_NEGATIVE,
    "adam_betas": _TWO_DECAYS,
    "adam_eps": _POSITIVE,
}
"""What is allowed for each option, in every class that has it: in words, and as a test of the value."""


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ValueError for the first option out of its range, with its name, what is allowed and the value."""
    for name, (expected, is_valid) in OPTIONS.items():
        if name in options and not is_valid(options[name]):
            raise ValueError(f"{name}: expected {expected}, got {options[name]!r}")


def _describe_parameter(group: Mapping[str, Any], index: int) -> str:
    """Return how a message refers to a parameter of a group: by name if it has one, otherwise by index."""
    shape = tuple(group["params"][index].shape)
    return f"parameter {group['param_names'][index] if 'param_names' in group else index} of shape {shape}"


def _apply_rule(
    rule: Callable[..., None], tensors: tuple[Tensor, ...], weight_decay: float, options: Mapping[str, Any]
) -> None:
    """Apply a rule once to (θ, g, state...)."""
    theta, g, *state = tensors
    if weight_decay != 0:
        g = g.add(theta, alpha=weight_decay)  # g + λ θ, the gradient with ½ λ |θ|² in the loss
    rule(theta, g, *state, **options)


def _blocks(tensors: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    """Yield tensors of one shape in blocks that fit a CPU's cache; undivided if they are small or not contiguous."""
    first = tensors[0]
    if first.device.type == "cpu" and first.numel() > BLOCK_SIZE and all(x.is_contiguous() for x in tensors):
        return zip(*(x.view(-1).split(BLOCK_SIZE) for x in tensors), strict=True)
    return iter((tensors,))


@functools.cache
def _keyword_arguments(rule: Callable[..., None]) -> frozenset[str]:
    return frozenset(name for name, p in inspect.signature(rule).parameters.items() if p.kind is p.KEYWORD_ONLY)


class Rule(Optimizer):
    """An optimizer that updates each parameter from its own gradient and state.

    A subclass sets `rule` and the names of its state tensors. The rule is called as `rule(theta, g, *state, **options)`.
    All tensors have the parameter's shape; the rule changes them in place, except g. Its keyword-only arguments select
    the options that it gets: those of the constructor, `t`, the number of the parameter's steps (1 in the first), and the
    numbers in `number_names`. Weight decay λ θ is added to g before the call, unless `weight_decay` is among the arguments:
    then the rule applies the decay itself.

    State tensors have the parameter's shape, dtype and device. They start at zero, those in `copied_names` at the
    parameter. The state also has the step count `step`, and the numbers in `number_names`, which start at 0. In each step
    they become the results of `next_numbers`, which is called with them and with options by name, like the rule.

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        defaults: The options by name.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
    """

    elementwise: ClassVar[bool] = True
    """Whether the rule works element by element and no other method depends on a parameter's shape or number of dimensions.

    If not, the class gets the parameters of the network as they are. It is False in a subclass outside `suite.optimizers`
    that does not set it, because its constructor may look at shapes.
    """
    rule: ClassVar[Callable[..., None]]
    state_names: ClassVar[tuple[str, ...]] = ()
    copied_names: ClassVar[tuple[str, ...]] = ()
    number_names: ClassVar[tuple[str, ...]] = ()
    next_numbers: ClassVar[Callable[..., tuple[Number, ...]]]
    _is_capturable = _is_compiled = False
    _apply = staticmethod(_apply_rule)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take a class outside `suite.optimizers` as not elementwise, unless it says that it is."""
        super().__init_subclass__(**kwargs)
        if "elementwise" not in vars(cls) and not cls.__module__.startswith("suite.optimizers."):
            cls.elementwise = False

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        check_options(defaults)
        super().__init__(params, defaults)

    def capturable(self) -> None:
        """Keep step counts, numbers of the state and learning rates in tensors beside the parameters from now on.

        A step can then be captured in a CUDA graph, and a compiled step is not compiled again for each value. Construct
        learning-rate schedulers before: they would compute with the tensor otherwise. Load a state before a step is
        captured, because loading replaces the tensors. Copies and unpickled optimizers are not capturable at first.
        """
        self._is_capturable = True
        for group in self.param_groups:
            if group["params"]:
                group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float64, device=group["params"][0].device)
        for param, state in self.state.items():
            for name in ("step", *self.number_names):
                state[name] = torch.as_tensor(state[name], dtype=torch.float64, device=param.device)

    def compile(self) -> None:
        """Compile the steps from now on: one pass over the elements. It needs a C++ compiler and takes seconds once.

        A compiled step differs from a plain one in the last bits. Copies and unpickled optimizers are not compiled.

        Raises:
            ValueError: The rule does not work element by element.
        """
        if not self.elementwise:
            raise ValueError(f"compile: {type(self).__name__} does not work element by element")
        self.capturable()
        self._is_compiled = True  # one pass needs no blocks
        # The threshold lets the powers βᵗ be computed once for a step; the compiler would do it for every element.
        # The compiler keeps at most eight versions of a function, so each optimizer compiles its own copy.
        copied = types.FunctionType(_apply_rule.__code__.replace(), globals(), _apply_rule.__name__)
        self._apply = torch.compile(copied, fullgraph=True, options={"realize_opcount_threshold": 0})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient.

        Args:
            closure: Evaluates the loss and its gradients again before the update.

        Returns:
            The result of the closure; None without one.

        Raises:
            RuntimeError: A gradient is sparse or complex. No parameter has changed then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            _check_gradients(type(self).__name__, group)
        for group in self.param_groups:
            options = {name: value for name, value in group.items() if name != "params"}
            if not self._is_capturable:
                options["lr"] = float(options["lr"])
            for param in group["params"]:
                if param.grad is not None:
                    rule, state_names = self.rule_of(param)
                    names = _keyword_arguments(rule)
                    weight_decay = 0.0 if "weight_decay" in names else group["weight_decay"]
                    state = self._next_state(param, options)
                    options["t"] = state["step"] if self._is_capturable else int(state["step"])
                    options |= {name: state[name] for name in self.number_names}
                    tensors = (param.detach(), param.grad, *(state[name] for name in state_names))
                    for block in _blocks(tensors) if self.elementwise and not self._is_compiled else (tensors,):
                        self._apply(rule, block, weight_decay, {n: options[n] for n in names if n in options})
        return loss

    def rule_of(self, param: Tensor) -> tuple[Callable[..., None], tuple[str, ...]]:  # noqa: ARG002
        """Return the rule of a parameter and the names of its state: `rule` and `state_names` for all parameters.

        A subclass that is not elementwise may return others, for example for parameters that are not matrices.
        """
        return self.rule, self.state_names

    def _next_state(self, param: Tensor, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of a parameter with its step count increased by 1, and with the next numbers."""
        state: dict[str, Any] = self.state[param]
        if not state:
            for name in ("step", *self.number_names):
                state[name] = torch.zeros((), dtype=torch.float64, device=param.device) if self._is_capturable else 0
            for name in self.rule_of(param)[1]:
                first = torch.clone if name in self.copied_names else torch.zeros_like
                state[name] = first(param.detach(), memory_format=torch.preserve_format)
        state["step"] += 1
        if self.number_names:
            self._update_numbers(state, {**options, "t": state["step"]})
        return state

    def _update_numbers(self, state: dict[str, Any], options: Mapping[str, Any]) -> None:
        """Replace the numbers of a state by the next ones, in place if they are tensors that a captured step reads."""
        given = {name: options[name] for name in _keyword_arguments(self.next_numbers)}
        numbers = self.next_numbers(*(state[name] for name in self.number_names), **given)
        for name, value in zip(self.number_names, numbers, strict=True):
            if self._is_capturable:
                state[name].copy_(value)
            else:
                state[name] = float(value)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with their own options; the constructor's options are the defaults.

        Args:
            param_group: `params`, and any option of the constructor.

        Raises:
            ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        """
        check_options({**self.defaults, **param_group})
        super().add_param_group(param_group)
        try:
            check_parameters(type(self).__name__, param_group)
        except ValueError:
            self.param_groups.pop()
            raise
        if self._is_capturable:
            self.capturable()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state; raise ValueError if it is another class's, or if an option is missing or out of its range."""
        state = {  # a tensor would be cast to the parameter's dtype
            key: {name: _item(x) if name in self.number_names else x for name, x in entries.items()}
            for key, entries in state_dict["state"].items()
        }
        super().load_state_dict({**state_dict, "state": state})

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set a copy of the state of `load_state_dict` or pickle; raise ValueError if it is another class's."""
        name = type(self).__name__
        for param, entries in state["state"].items():
            names = self.rule_of(param)[1] if isinstance(param, Tensor) else self.state_names
            expected = {"step", *names, *self.number_names}
            if entries.keys() != expected:
                raise ValueError(f"state_dict: expected the state of {name}, {sorted(expected)}, got {sorted(entries)}")
        check_state_options(self, state)
        copied = collections.defaultdict(  # steps write in place, so no tensor may be shared with another optimizer
            dict[str, Any],
            {
                key: {name: x.clone() if isinstance(x, Tensor) else x for name, x in entries.items()}
                for key, entries in state["state"].items()
            },
        )
        super().__setstate__(state | {"state": copied})
        if self._is_capturable:
            self.capturable()


def check_state_options(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Raise ValueError if a group of a state lacks an option of the optimizer, or has one out of its range."""
    names = (state if "defaults" in state else optimizer.__dict__)["defaults"].keys() & OPTIONS.keys()
    for group in state["param_groups"]:
        if missing := names - group.keys():
            raise ValueError(
                f"state_dict: expected the options of {type(optimizer).__name__}, {sorted(missing)} are missing"
            )
        check_options(group)


def check_parameters(optimizer: str, group: Mapping[str, Any]) -> None:
    """Raise ValueError for the first parameter of a group that is sparse, complex or an integer tensor."""
    for index, param in enumerate(group["params"]):
        if param.layout != torch.strided or not param.is_floating_point():
            raise ValueError(
                f"params: {optimizer} requires dense, real, floating-point tensors, "
                f"got {_describe_parameter(group, index)}, {param.dtype}, {param.layout}"
            )


def _check_gradients(optimizer: str, group: Mapping[str, Any]) -> None:
    for index, param in enumerate(group["params"]):
        grad = param.grad
        if grad is not None and (grad.layout != torch.strided or grad.is_complex()):
            raise RuntimeError(
                f"grad: {optimizer} requires dense, real gradients, "
                f"got {grad.dtype}, {grad.layout} for {_describe_parameter(group, index)}"
            )
