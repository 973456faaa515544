"""Check the options that a study gives an optimizer, and add the defaults."""

import inspect
import math
import re
from collections.abc import Mapping
from inspect import Parameter
from numbers import Real
from typing import Any

import torch
from torch.optim import Optimizer

from suite.errors import UserError, did_you_mean, format_value
from suite.optimizers.base import OPTIONS, Rule, check_options

# Names of these options in other libraries and in papers.
_OTHER_NAMES = {
    "learning_rate": "lr",
    "eta": "lr",
    "gamma": "momentum",
    "beta": "momentum",
    "beta1": "betas",
    "beta2": "betas",
    "epsilon": "eps",
    "decay": "weight_decay",
    "wd": "weight_decay",
}


def constructor_options(cls: type[Optimizer]) -> dict[str, Parameter]:
    """Return the options of the constructor by name: every parameter except the first, the tensors to optimize."""
    _, *options = inspect.signature(cls).parameters.values()
    return {p.name: p for p in options if p.kind in {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}}


def resolve_options(cls: type[Optimizer], given: Mapping[str, object]) -> dict[str, object]:
    """Return every option of an optimizer: the given ones, checked, and the defaults of the others.

    If an option is a float, integers become floats; lists become tuples. So lr = 1 and lr = 1.0 are one setting. Finally
    the class is constructed once on a small parameter, so that values it rejects are errors here.

    Args:
        cls: The class. If its constructor accepts `**kwargs`, names that it does not list are passed on unchanged.
        given: Options by name, as read from TOML.

    Returns:
        Options by name, in the order of the constructor, for `cls(params, **options)`.

    Raises:
        UserError: An option is unknown, missing, or has an invalid type or value; the location is its name.
    """
    known = constructor_options(cls)
    if not any(p.kind is Parameter.VAR_KEYWORD for p in inspect.signature(cls).parameters.values()):
        for name in given.keys() - known.keys():
            hint = f"Choose from: {', '.join(known)}" if known else "Remove it"
            raise UserError(name, f"{cls.__name__} has no such option", did_you_mean(name, known, _OTHER_NAMES), hint)
    if missing := [name for name, p in known.items() if p.default is Parameter.empty and name not in given]:
        raise UserError(missing[0], f"missing; {cls.__name__} has no default for it", f"Write {missing[0]} = VALUE")
    options = {name: _checked(cls, name, given[name], p) if name in given else _default(p) for name, p in known.items()}
    options |= {name: _finite(name, _frozen(given[name])) for name in given if name not in known}
    _construct(cls, options, given)
    closure = inspect.signature(cls.step).parameters.get("closure")
    if closure is not None and closure.default is Parameter.empty:
        raise UserError(
            "kind",
            f"{cls.__name__} evaluates the loss several times in a step (closure), which is not supported",
            "Use another optimizer",
        )
    return options


def _default(option: Parameter) -> object:
    """Return the default in the type of a given value, so that stating it and omitting it are one setting."""
    default = option.default
    if _kind(option) == "float" and isinstance(default, int):
        return float(default)
    return _frozen(default)


def _checked(cls: type[Optimizer], name: str, value: Any, option: Parameter) -> object:
    """Return the value in the type of the option's default and annotation."""
    default, kind = option.default, _kind(option)
    if kind == "bool":
        if not isinstance(value, bool):
            raise _invalid(name, "true or false", value, "true")
        return value
    if kind != "other" and not (value is None and default is None):
        return _number(cls, name, value, option)
    if _are_numbers(default) and not (_are_numbers(value) and len(value) == len(default)):
        raise _invalid(name, f"{len(default)} finite numbers", value, format_value(default))
    if isinstance(default, str) and not isinstance(value, str):
        raise _invalid(name, "text in quotes", value, format_value(default))
    return _finite(name, _frozen(value))


def _number(cls: type[Optimizer], name: str, value: Any, option: Parameter) -> float:
    kind = _kind(option)
    expected = "a number"
    if kind == "int":
        expected = "a whole number"
    elif name == "lr":
        expected = "a number > 0"
    elif issubclass(cls, Rule) and name in OPTIONS:
        expected = OPTIONS[name][0]
    if isinstance(value, str) and _is_numeral(value):
        raise UserError(
            name, f"expected {expected}, got {format_value(value)}", f"Write it without quotes: {name} = {value}"
        )
    if not _is_number(value) or (kind == "int" and value != int(value)) or (name == "lr" and value <= 0):
        raise _invalid(name, expected, value, format_value(option.default if _is_number(option.default) else 0.01))
    return int(value) if kind == "int" or (kind == "number" and value == int(value)) else float(value)


def _kind(option: Parameter) -> str:
    """Return the type of an option: "bool", "int", "float", "number" (a default of 0 without annotation) or "other"."""
    default = option.default
    if option.annotation is Parameter.empty:
        kinds: dict[Any, str] = {bool: "bool", int: "number", float: "float"}
        return kinds.get(type(default), "other")
    text = option.annotation.__name__ if isinstance(option.annotation, type) else str(option.annotation)
    words: set[str] = set(re.findall(r"\w+", text)) - {"typing", "Optional", "Union", "None", "NoneType"}
    if words in ({"bool"}, {"int"}):
        return words.pop()
    return "float" if "float" in words and words <= {"float", "int", "torch", "Tensor"} else "other"


def _is_number(value: object) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def _is_numeral(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _are_numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(_is_number, value))


def _frozen(value: Any) -> Any:
    """Return lists as tuples; the numbers of a list that has only numbers become floats."""
    if _are_numbers(value):
        return tuple(map(float, value))
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _finite(name: str, value: Any) -> Any:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _finite(name, item)
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(name, f"expected a finite number, got {value}", "Write a finite number")
    return value


def _invalid(name: str, expected: str, value: object, example: str) -> UserError:
    return UserError(name, f"expected {expected}, got {format_value(value)}", f"Write, for example, {name} = {example}")


def _construct(cls: type[Optimizer], options: Mapping[str, Any], given: Mapping[str, object]) -> None:
    """Construct the class once; if it raises, raise a UserError for the given option that causes it."""
    error = _constructor_error(cls, options)
    if error is None:
        return
    required = {name for name, p in constructor_options(cls).items() if p.default is Parameter.empty}
    location = ", ".join(given) or "kind"
    for name in given:
        alone = {key: value for key, value in options.items() if key == name or key not in given or key in required}
        if single_error := _constructor_error(cls, alone):
            location, error = name, single_error
            break
    message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    problem = message.removeprefix(f"{location}: ")
    if problem == message:
        problem = f"{cls.__name__} does not accept it: {message}"
    raise UserError(location, problem, "Write another value") from error


def _constructor_error(cls: type[Optimizer], options: Mapping[str, Any]) -> Exception | None:
    constructor: Any = cls  # the signature of Optimizer is not that of its subclasses
    try:
        if cls.__module__.startswith("suite.optimizers."):  # does all checks of its constructor; torch's constructor
            check_options(options)  # would import the compiler first, which takes two seconds
            return None
        constructor([torch.nn.Parameter(torch.zeros(1, 1))], **options)  # 2-D, because torch's Muon requires a matrix
    except Exception as error:  # noqa: BLE001 (other people's constructors may raise anything)
        return error
    return None
