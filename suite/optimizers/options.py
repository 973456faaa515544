"""Checks the options that a study gives an optimizer, and fills in the rest."""

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

# What other libraries and the papers call our options.
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
    """The constructor's options by name: every parameter but the first, which takes what is to be optimized."""
    _, *options = inspect.signature(cls).parameters.values()
    return {p.name: p for p in options if p.kind in {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}}


def resolve_options(cls: type[Optimizer], given: Mapping[str, object]) -> dict[str, object]:
    """Every option of an optimizer's constructor: its defaults with what is given over them, checked.

    Numbers where a float is meant become floats and lists tuples, so that lr = 1 and lr = 1.0 are one setting. At the
    end the class is constructed once on a small parameter, so what its constructor refuses is refused here.

    Args:
        cls: the class; where its constructor takes `**kwargs`, names that it does not list are handed on as they are.
        given: options by name, as read from TOML.

    Returns:
        Options by name, in the constructor's order, ready for `cls(params, **options)`.

    Raises:
        UserError: in one line that starts with the option's name; it is unknown, missing, of a wrong type or value.
    """
    known = constructor_options(cls)
    for name in given.keys() - known.keys():
        if not any(p.kind is Parameter.VAR_KEYWORD for p in inspect.signature(cls).parameters.values()):
            raise UserError(
                f"{name}: {cls.__name__} has no such option.{did_you_mean(name, known, _OTHER_NAMES)} It has {', '.join(known)}"
            )
    if missing := [name for name, p in known.items() if p.default is Parameter.empty and name not in given]:
        raise UserError(f"{missing[0]}: {cls.__name__} has no default for it. Write {missing[0]} = a value")
    options = {name: _checked(cls, name, given[name], p) if name in given else _default(p) for name, p in known.items()}
    options |= {name: _finite(name, _frozen(given[name])) for name in given if name not in known}
    _construct(cls, options, given)
    closure = inspect.signature(cls.step).parameters.get("closure")
    if closure is not None and closure.default is Parameter.empty:
        raise UserError(
            f"kind: {cls.__name__} evaluates the loss many times a step, by a closure. Use one that does not"
        )
    return options


def _default(option: Parameter) -> object:
    """The default as `_checked` would give it, so that naming the default and leaving it out are one setting."""
    default = option.default
    if _kind(option) == "float" and isinstance(default, int):
        return float(default)
    return _frozen(default)


def _checked(cls: type[Optimizer], name: str, value: Any, option: Parameter) -> object:
    """The value in the type that the option's default and annotation ask for."""
    default, kind = option.default, _kind(option)
    if kind == "bool":
        if not isinstance(value, bool):
            raise UserError(_wrong(name, "true or false", value, "true"))
        return value
    if kind != "other" and not (value is None and default is None):
        return _number(cls, name, value, option)
    if _are_numbers(default) and not (_are_numbers(value) and len(value) == len(default)):
        raise UserError(_wrong(name, f"{len(default)} finite numbers", value, format_value(default)))
    if isinstance(default, str) and not isinstance(value, str):
        raise UserError(_wrong(name, "a text", value, format_value(default)))
    return _finite(name, _frozen(value))


def _number(cls: type[Optimizer], name: str, value: Any, option: Parameter) -> float:
    kind = _kind(option)
    expected = "a whole number" if kind == "int" else _expected_number(cls, name)
    if isinstance(value, str) and _is_numeral(value):
        raise UserError(
            f"{name}: expected {expected}, got {format_value(value)}. Write it without quotes: {name} = {value}"
        )
    if not _is_number(value) or (kind == "int" and value != int(value)) or (name == "lr" and value <= 0):
        example = option.default if _is_number(option.default) else 0.01
        raise UserError(_wrong(name, expected, value, format_value(example)))
    whole = kind == "int" or (kind == "number" and value == int(value))
    return int(value) if whole else float(value)


def _kind(option: Parameter) -> str:
    """What an option takes: "bool", "int", "float", "number" (0 without annotation says no more than that), "other"."""
    default = option.default
    if option.annotation is Parameter.empty:
        named: dict[Any, str] = {bool: "bool", int: "number", float: "float"}
        return named.get(type(default), "other")
    text = option.annotation.__name__ if isinstance(option.annotation, type) else str(option.annotation)
    words: set[str] = set(re.findall(r"\w+", text)) - {"typing", "Optional", "Union", "None", "NoneType"}
    if words in ({"bool"}, {"int"}):
        return words.pop()
    return "float" if "float" in words and words <= {"float", "int", "torch", "Tensor"} else "other"


def _expected_number(cls: type[Optimizer], name: str) -> str:
    if name == "lr":
        return "a number > 0"
    return OPTIONS[name][0] if issubclass(cls, Rule) and name in OPTIONS else "a number"


def _is_number(value: object) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _is_numeral(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _are_numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(_is_number, value))


def _frozen(value: Any) -> Any:
    """Lists as tuples, with floats in them where they hold numbers alone."""
    if _are_numbers(value):
        return tuple(map(float, value))
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _finite(name: str, value: Any) -> Any:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for each in inner:
        _finite(name, each)
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{name}: expected a finite number, got {value}. Write a number")
    return value


def _wrong(name: str, expected: str, value: object, example: str) -> str:
    return f"{name}: expected {expected}, got {format_value(value)}. Write, for instance, {name} = {example}"


def _construct(cls: type[Optimizer], options: Mapping[str, Any], given: Mapping[str, object]) -> None:
    """Construct the class once; name the given option at fault if it refuses."""
    refusal = _refusal(cls, options)
    if refusal is None:
        return
    known = constructor_options(cls)
    needed = {name for name, p in known.items() if p.default is Parameter.empty}
    for name in given:
        alone = _refusal(cls, {n: v for n, v in options.items() if n == name or n not in given or n in needed})
        if alone is not None:
            raise UserError(_told(cls, name, alone)) from alone
    raise UserError(_told(cls, ", ".join(given) or cls.__name__, refusal)) from refusal


def _told(cls: type[Optimizer], name: str, refusal: Exception) -> str:
    text = " ".join(str(refusal).split()) or type(refusal).__name__
    named = text if text.startswith(f"{name}: ") else f"{name}: {cls.__name__} refuses it: {text}"
    return f"{named.rstrip('.')}. Write another value"


def _refusal(cls: type[Optimizer], options: Mapping[str, Any]) -> Exception | None:
    constructor: Any = cls  # Optimizer's own signature is not its subclasses'
    try:
        if cls.__module__.startswith("suite.optimizers."):  # all that its constructor would refuse; torch's own
            check_options(options)  # constructor imports the compiler first, which takes two seconds
            return None
        constructor([torch.nn.Parameter(torch.zeros(1, 1))], **options)  # two dimensions: torch's Muon wants a matrix
    except Exception as error:  # noqa: BLE001 - another's constructor may raise anything; all of it is told in one line
        return error
    return None
