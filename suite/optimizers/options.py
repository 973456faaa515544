"""Options of an optimizer: check those that a study gives, add the defaults, record them, and construct the class.

A recorded option is a JSON value, because it is part of a trial's description. `constructor_arguments` returns what it
stands for.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial
from inspect import Parameter
from numbers import Integral, Real
from typing import Any

import torch

from suite.errors import UserError, did_you_mean, format_value
from suite.optimizers.base import OPTIONS, Rule, check_options
from suite.trials import canonical

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


def constructor_options(cls: type) -> dict[str, Parameter]:
    """Return the options of the constructor by name: every parameter except the first, the tensors to optimize."""
    return {p.name: p for p in _parameters(cls) if p.kind in {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}}


def _parameters(cls: type) -> list[Parameter]:
    try:
        return list(inspect.signature(cls).parameters.values())[1:]
    except (TypeError, ValueError) as error:
        problem = f"the options of {cls.__name__} cannot be read: {error}"
        raise UserError("kind", problem, "Write a subclass with a constructor in Python") from error


def resolve_options(
    cls: type,
    given: Mapping[str, object],
    extra: Iterable[str] = (),
    *,
    reserved: Iterable[str] = (),
    construct: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, object]:
    """Return every option of an optimizer as it is recorded: the given ones, checked, and the defaults of the others.

    If an option is a float, integers become floats; lists become tuples. So lr = 1 and lr = 1.0 are one setting. An
    infinite number is recorded as the text `inf` or `-inf`, a dtype by its name. A default that is none of these, such as
    a function, is recorded by its qualified name. A recorded default is accepted as a given value. Finally the class is
    constructed once on a small parameter, so that values it rejects are errors here.

    Args:
        cls: The class.
        given: Options by name, as read from TOML.
        extra: Names in `given` that are passed to the `**kwargs` of the constructor although it does not list them.
        reserved: Arguments of the constructor that are no options (`suite.optimizers.wrappers`).
        construct: Constructs the class once with recorded options. Default: on a small parameter.

    Returns:
        Options by name, in the order of the constructor; `constructor_arguments` returns the keyword arguments.

    Raises:
        UserError: An option is unknown, missing, or has an invalid type or value. There is a line for each; its location is
            the name of the option.
    """
    known = {name: option for name, option in constructor_options(cls).items() if name not in set(reserved)}
    others = [name for name in given if name not in known]
    errors = [
        _unknown(cls, name, given[name], known) for name in others if name not in extra or not _accepts_others(cls)
    ]
    options = dict[str, object]()
    for name in (*known, *others):
        try:
            options[name] = _resolved(cls, name, given, known.get(name))
        except UserError as error:
            errors.append(error)
    if errors:
        raise UserError.combine(errors)
    _construct(cls, options, given, construct or partial(_construct_on_a_parameter, cls))
    return options


def requires_closure(cls: Any) -> bool:
    """Return whether the step of an optimizer has a required argument `closure`."""
    closure = inspect.signature(cls.step).parameters.get("closure")
    return closure is not None and closure.default is Parameter.empty


def _accepts_others(cls: type) -> bool:
    """Return whether the constructor has `**kwargs`."""
    return any(p.kind is Parameter.VAR_KEYWORD for p in _parameters(cls))


def _unknown(cls: type, name: str, value: object, known: Iterable[str]) -> UserError:
    names = list(known)
    hints = [did_you_mean(name, names, _OTHER_NAMES), f"Choose from: {', '.join(names)}" if names else ""]
    problem = f"{cls.__name__} has no such option"
    if _accepts_others(cls):
        problem += " in its signature"
        hints[1] += (
            f"{'. ' if names else ''}If its **kwargs takes it, write extra = {{ {name} = {format_value(value)} }}"
        )
    return UserError(name, problem, *(hints if any(hints) else ["Remove it"]))


def _resolved(cls: type, name: str, given: Mapping[str, object], option: Parameter | None) -> object:
    """Return an option as it is recorded; the recorded default as a given value stands for the default."""
    if option is None:
        return record(_without_nan(name, given[name], is_finite=False))
    if option.default is Parameter.empty:
        if name not in given:
            raise UserError(name, f"missing; {cls.__name__} has no default for it", f"Write {name} = VALUE")
    elif name not in given or _is_same(given[name], _default(option)):
        return _default(option)
    return record(_checked(cls, name, given[name], option))


def _is_same(a: object, b: object) -> bool:
    """Return whether two values are one recorded value: 1, 1.0 and true are three."""
    try:
        return canonical(record(a)) == canonical(record(b))
    except (TypeError, ValueError):
        return False


def record(value: Any) -> Any:
    """Return a value as it is recorded: a JSON value, with tuples for lists; see `resolve_options`."""
    if isinstance(value, Mapping) and all(isinstance(key, str | int | float) for key in value):
        return {str(key): record(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(map(record, value))
    return value if value is None or type(value) in {bool, int, str} else _record_object(value)


def _record_object(value: Any) -> float | str:
    """Return a number, or the name of an object that is none."""
    if isinstance(value, torch.dtype):
        return str(value)
    if isinstance(value, Enum):
        return f"{type(value).__module__}.{type(value).__qualname__}.{value.name}"
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else str(float(value))
    described = value if hasattr(value, "__qualname__") else type(value)
    return ".".join(filter(None, (getattr(described, "__module__", None), described.__qualname__)))


def constructor_arguments(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments that recorded options stand for; a default that is no number or text is omitted.

    Args:
        cls: The class.
        options: Options as `resolve_options` returns them, or as they are read back from JSON.
    """
    known = constructor_options(cls)
    arguments = {}
    for name, value in options.items():
        option = known.get(name)
        if option is None:
            arguments[name] = _given(value)
        elif _is_passed(option) or not _is_same(value, _default(option)):
            arguments[name] = _given(value, option)
    return arguments


def group_options(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that recorded options of a parameter group stand for; unlike `constructor_arguments`, also defaults."""
    known = constructor_options(cls)
    return {name: known[name].default for name in options if name in known} | constructor_arguments(cls, options)


def _is_passed(option: Parameter) -> bool:
    """Return whether the recorded default is itself an argument; others have another type, or stand for an object."""
    default = option.default
    if type(default) is float:
        return math.isfinite(default)
    return default is Parameter.empty or default is None or type(default) in {bool, int, str}


def _given(value: Any, option: Parameter | None = None) -> Any:
    """Return the argument that a recorded value stands for."""
    if isinstance(value, list | tuple):
        items = [_given(item, option) for item in value]
        return items if option and (isinstance(option.default, list) or "list" in _types(option)) else tuple(items)
    if isinstance(value, Mapping):
        return {key: _given(item) for key, item in value.items()}
    if value in {"inf", "-inf"} and not (option and (isinstance(option.default, str) or "str" in _types(option))):
        return float(value)
    if option and isinstance(value, str) and _takes_dtype(option):
        return getattr(torch, value.removeprefix("torch."), value)
    return value


def _default(option: Parameter) -> object:
    """Return the recorded default, in the type of a given value, so that stating it and omitting it are one setting."""
    default = option.default
    if _kind(option) == "float" and type(default) is int:
        return float(default)
    return record(_frozen(default, option))


def _checked(cls: type, name: str, value: Any, option: Parameter) -> object:
    """Return the value in the type of the option's default and annotation."""
    default, kind, types = option.default, _kind(option), _types(option)
    if kind == "bool":
        if not isinstance(value, bool):
            raise _invalid(name, "true or false", value, "true")
        return value
    if kind != "other":
        return _number(cls, name, value, option)
    if _takes_dtype(option) and "str" not in types:
        dtype = getattr(torch, value.removeprefix("torch."), None) if isinstance(value, str) else value
        if not isinstance(dtype, torch.dtype):
            raise _invalid(name, "the name of a torch dtype", value, '"float32"')
        return dtype
    if _takes_functions(option):
        problem = "expects a function or a class, which a study file cannot give"
        raise UserError(name, f"{problem}, got {format_value(value)}", "Write a subclass that passes it")
    has_length = not types & {"Sequence", "Iterable", "List", "list", "Callable"} and "..." not in str(
        option.annotation
    )
    if _are_numbers(default) and has_length and not (_are_numbers(value) and len(value) in _lengths(option)):
        expected = " or ".join(map(str, sorted(_lengths(option))))
        raise _invalid(name, f"{expected} finite numbers", value, format_value(default))
    if isinstance(default, str) and not isinstance(value, str) and types <= {"str", "Literal"}:
        raise _invalid(name, "text in quotes", value, format_value(default))
    return _without_nan(name, _frozen(value, option), is_finite=issubclass(cls, Rule))


def _lengths(option: Parameter) -> set[int]:
    """Return how many numbers an option has: as many as its default, or as a tuple in its annotation."""
    tuples = re.findall(r"[tT]uple\[([^\[\]]*)\]", str(option.annotation))
    return {len(option.default), *(inner.count(",") + 1 for inner in tuples)}


def _number(cls: type, name: str, value: Any, option: Parameter) -> float:
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
    is_infinite = isinstance(value, float) and math.isinf(value) and name != "lr" and not issubclass(cls, Rule)
    if kind == "float" and is_infinite:
        return float(value)
    if not _is_number(value) or (kind == "int" and value != int(value)) or (name == "lr" and value <= 0):
        raise _invalid(name, expected, value, format_value(option.default if _is_number(option.default) else 0.01))
    return int(value) if kind == "int" or (kind == "number" and value == int(value)) else float(value)


def _kind(option: Parameter) -> str:
    """Return the type of an option: "bool", "int", "float", "number" (a default of 0 without annotation) or "other"."""
    default = option.default
    if option.annotation is Parameter.empty:
        kinds: dict[Any, str] = {bool: "bool", int: "number", float: "float"}
        return kinds.get(type(default), "other")
    types = _types(option)
    if types in ({"bool"}, {"int"}):
        return "bool" if "bool" in types else "int"
    return "float" if "float" in types and types <= {"float", "int", "torch", "Tensor"} else "other"


def _types(option: Parameter) -> set[str]:
    """Return the words of an option's annotation, without those that only combine types."""
    annotation = option.annotation
    if annotation is Parameter.empty:
        return set()
    text = annotation.__name__ if type(annotation) is type else str(annotation)
    return set(re.findall(r"\w+", text)) - {"typing", "Optional", "Union", "None", "NoneType"}


def _takes_dtype(option: Parameter) -> bool:
    return isinstance(option.default, torch.dtype) or "dtype" in _types(option)


def _takes_functions(option: Parameter) -> bool:
    """Return whether an option takes functions or classes and no value of a study file."""
    types = _types(option)
    if not types:
        return callable(option.default) and option.default is not Parameter.empty
    others = {"str", "int", "float", "bool", "Literal", "dict", "Any", "object"}
    return bool(types & {"Callable", "callable", "Type", "type"}) and not types & others


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


def _frozen(value: Any, option: Parameter) -> Any:
    """Return lists as tuples; numbers of a list become floats unless the option's own list has integers alone."""
    if not isinstance(value, list | tuple):
        return value
    if _are_numbers(value) and not _has_integers(option):
        return tuple(map(float, value))
    return tuple(_frozen(item, option) for item in value)


def _has_integers(option: Parameter) -> bool:
    """Return whether the numbers of a list are integers, by annotation and default."""
    default, types = option.default, _types(option)
    if isinstance(default, list | tuple) and default:
        return all(type(item) is int for item in default)
    return "int" in types and "float" not in types


def _without_nan(name: str, value: Any, *, is_finite: bool) -> Any:
    """Return a value; raise UserError if one of its numbers is not a number, or with `is_finite` not finite."""
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _without_nan(name, item, is_finite=is_finite)
    if isinstance(value, float) and (math.isnan(value) or (is_finite and math.isinf(value))):
        raise UserError(name, f"expected a finite number, got {value}", "Write a finite number")
    return value


def _invalid(name: str, expected: str, value: object, example: str) -> UserError:
    return UserError(name, f"expected {expected}, got {format_value(value)}", f"Write, for example, {name} = {example}")


def _construct(
    cls: type,
    options: Mapping[str, Any],
    given: Mapping[str, object],
    construct: Callable[[Mapping[str, Any]], None],
) -> None:
    """Construct the class once; if it raises, raise a UserError for the given option that causes it."""
    error = _error_of(construct, options)
    if error is None:
        return
    required = {name for name, p in constructor_options(cls).items() if p.default is Parameter.empty}
    defaults = {name: value for name, value in options.items() if name not in given}
    default_error = None if required else _error_of(construct, defaults)
    if default_error and _one_line(default_error) == _one_line(error):  # whatever is given
        problem = f"{cls.__name__} cannot be constructed with a list of parameters: {_one_line(error)}"
        raise UserError("kind", problem, "Use another optimizer") from error
    location = ", ".join(given) or "kind"
    for name in given:
        alone = {key: value for key, value in options.items() if key == name or key not in given or key in required}
        if single_error := _error_of(construct, alone):
            location, error = name, single_error
            break
    message = _one_line(error)
    problem = message.removeprefix(f"{location}: ")
    if problem == message:
        problem = f"{cls.__name__} does not accept it: {message}"
    raise UserError(location, problem, "Write another value") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _error_of(construct: Callable[[Mapping[str, Any]], None], options: Mapping[str, Any]) -> Exception | None:
    try:
        construct(options)
    except Exception as error:  # noqa: BLE001 (other people's constructors may raise anything)
        return error
    return None


def _construct_on_a_parameter(cls: type, options: Mapping[str, Any]) -> None:
    if cls.__module__.startswith("suite.optimizers."):  # does all checks of its constructor; torch's constructor
        check_options(options)  # would import the compiler first, which takes two seconds
        return
    arguments = constructor_arguments(cls, options)
    cls([torch.nn.Parameter(torch.zeros(1, 1))], **arguments)  # 2-D, because torch's Muon requires a matrix
