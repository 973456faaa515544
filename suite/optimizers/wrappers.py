"""Optimizers around another optimizer, such as Lookahead and SAM: `wraps` in a study file.

A wrapper's constructor takes the inner optimizer in one of two ways, which its signature shows:

- An optimizer is its first argument, as in `Lookahead(optimizer, k=5)`.
- It has the arguments `params` and `base_optimizer`, a class, and passes its `**kwargs` to that class, as in
  `SAM(params, base_optimizer=SGD, rho=0.05, lr=0.1)`. An argument `model` gets the network.
"""

from __future__ import annotations

import inspect
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import Optimizer

from suite.errors import UserError
from suite.optimizers.options import constructor_arguments, constructor_options, resolve_options
from suite.plugins import load_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_INNER_NAMES = ("base_optimizer", "wrapped_optimizer", "inner_optimizer", "optimizer")
MODES = (("train", "eval"), ("clear_and_load_backup", "backup_and_load_cache"))
"""Methods that switch to the weights of training and of evaluation; the second pair is that of Lookahead's implementations."""


def find_wrapper(kind: str, folder: Path | None) -> type:
    """Return the wrapper class that a study names "package.module:Class".

    Raises:
        UserError: There is no such class.
    """
    cls: type = load_object(kind, folder, key="kind", base=type, example="pytorch_optimizer:Lookahead")
    return cls


def resolve_wrapper_options(
    cls: type,
    given: Mapping[str, object],
    extra: Iterable[str],
    make_inner: Callable[[nn.Module], Any],
    inner: tuple[type[Optimizer], Mapping[str, Any]] | None,
) -> dict[str, object]:
    """Return every option of a wrapper as it is recorded, as `suite.optimizers.resolve_options` does for an optimizer.

    Args:
        cls: The class.
        given: Options by name.
        extra: Names in `given` that only `**kwargs` takes.
        make_inner: Returns the inner optimizer over the parameters of a network.
        inner: Class and recorded options of the inner optimizer; None if that is a wrapper.

    Raises:
        UserError: As for an optimizer, or the class cannot wrap this optimizer.
    """
    roles = _roles(cls)
    if "class" in roles.values():
        if inner is None:
            problem = f"{cls.__name__} constructs the inner optimizer itself, so it cannot wrap a wrapper"
            raise UserError("kind", problem, "Write it first in wraps")
        _check_shared_options(cls, *inner)

    def construct(options: Mapping[str, Any]) -> None:
        wrap(cls, options, nn.Linear(2, 2, bias=False), make_inner, inner)

    return resolve_options(cls, given, extra, reserved=roles, construct=construct)


def wrap(
    cls: type,
    options: Mapping[str, Any],
    network: nn.Module,
    make_inner: Callable[[nn.Module], Any],
    inner: tuple[type[Optimizer], Mapping[str, Any]] | None,
) -> Any:
    """Return a wrapper around an inner optimizer over the parameters of a network; arguments as above."""
    arguments = constructor_arguments(cls, options)
    for name, role in _roles(cls).items():
        if role == "class":
            assert inner is not None
            kind, inner_options = inner
            passed = {key: value for key, value in inner_options.items() if key not in constructor_options(cls)}
            arguments |= {name: kind} | constructor_arguments(kind, passed)
        elif role == "params":
            arguments[name] = list(network.parameters())
        else:
            arguments[name] = network if role == "network" else make_inner(network)
    return cls(**arguments)


def _roles(cls: type) -> dict[str, str]:
    """Return what the arguments of a wrapper get that are no options: "optimizer", "class", "params" or "network"."""
    try:
        parameters = inspect.signature(cls, eval_str=True).parameters
    except (TypeError, ValueError, NameError):
        parameters = inspect.signature(cls).parameters
    if "params" not in parameters:
        first = next(iter(parameters), None)
        if first is None:
            raise UserError("kind", f"{cls.__name__} has no argument for an optimizer", "Use another wrapper")
        return {first: "optimizer"}
    roles = {"params": "params"}
    if "model" in parameters and parameters["model"].default is Parameter.empty:
        roles["model"] = "network"
    name = next((name for name in _INNER_NAMES if name in parameters), None)
    if name is None:
        raise UserError("kind", f"{cls.__name__} wraps no optimizer", "Write it as the kind of an entry")
    annotation = parameters[name].annotation
    accepts_others = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
    is_class = accepts_others if annotation is Parameter.empty else str(annotation).lower().startswith("type[")
    is_class = is_class or str(annotation).startswith("typing.Type[")
    return roles | {name: "class" if is_class else "optimizer"}


def _check_shared_options(cls: type, kind: type[Optimizer], options: Mapping[str, Any]) -> None:
    """Check that no option of the inner optimizer has the name of one of the wrapper's, which would take its value."""
    defaults = resolve_options(kind, {}) if _has_defaults(kind) else {}
    for name, option in constructor_options(cls).items():
        if name in options and not (name in defaults and options[name] == defaults[name] == option.default):
            problem = f"{cls.__name__} and {kind.__name__} both have the option {name}"
            raise UserError(
                "kind", f"{problem}, so {cls.__name__} cannot pass it on", "Write a subclass of one of them"
            )


def _has_defaults(kind: type[Optimizer]) -> bool:
    return all(option.default is not Parameter.empty for option in constructor_options(kind).values())


def with_inner(optimizer: Any) -> Iterator[Any]:
    """Yield an optimizer and those inside it, from the outermost one: attributes, or items of a list or dict that is one."""
    yield optimizer
    for value in vars(optimizer).values():
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        for item in items:
            if isinstance(item, Optimizer) and item is not optimizer:
                yield from with_inner(item)


def scheduled(optimizer: Any) -> Optimizer:
    """Return the optimizer whose learning rates a schedule must write: the outer one if the inner ones share its groups.

    Raises:
        UserError: There are several inner optimizers with groups of their own.
    """
    inner = [other for other in with_inner(optimizer) if other is not optimizer]
    groups = {id(group) for group in optimizer.param_groups}
    shared = all(id(group) in groups for other in inner for group in other.param_groups)
    if isinstance(optimizer, Optimizer) and shared:
        return optimizer
    direct = [value for value in vars(optimizer).values() if isinstance(value, Optimizer)]
    if len({id(other) for other in direct}) == 1:
        return scheduled(direct[0])
    problem = f"the learning rates of the optimizers in {type(optimizer).__name__} cannot be written together"
    raise UserError("schedule", problem, "Remove it")


def modes(optimizer: Any) -> tuple[Any, str, str] | None:
    """Return the outermost optimizer with modes and the names of its methods for training and evaluation."""
    for other in with_inner(optimizer):
        if pair := mode_methods(other):
            return other, *pair
    return None


def mode_methods(optimizer: Any) -> tuple[str, str] | None:
    """Return the names of the methods of an optimizer, or of its class, that switch its weights."""
    return next((pair for pair in MODES if all(callable(getattr(optimizer, name, None)) for name in pair)), None)
