"""Errors of pydantic models as user errors: the key, what was expected, the value, and an example."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticUndefined

from suite.errors import UserError, did_you_mean, format_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EXPECTED = {
    "tuple_type": "a list, or tables in double brackets",
    "model_type": "a table",
    "dict_type": "a table",
    "string_type": "a string in quotes",
    "string_too_short": "a non-empty string",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "a string that matches {pattern}",
    "too_short": "at least {min_length} entry",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number ≥ {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number ≤ {le}",
    "literal_error": "{expected}",
}
"""What each error type of pydantic expects, with the fields of its context."""


class Table(BaseModel):
    """A table of a study file: unknown keys and values of other types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class InvalidValueError(UserError, ValueError):
    """A user error that a validator of a model raises; its location starts at the validated value, and may be empty."""


def validation_error(root: type[BaseModel], values: Mapping[str, Any], details: Mapping[str, Any]) -> UserError:
    """Return one of pydantic's errors as a user error, with the dotted path of the key.

    Args:
        root: The model of the complete file.
        values: The values of the file.
        details: One of `ValidationError.errors()`.
    """
    loc, value, kind, context = details["loc"], details["input"], details["type"], details.get("ctx", {})
    path = _path(loc, values)
    if kind == "value_error":
        error: InvalidValueError = context["error"]
        return error.within(f"{path}." if path and error.lines[0].location[:1].isalpha() else path)
    if kind == "extra_forbidden":
        known = [name for name, field in _model(root, loc).model_fields.items() if not field.exclude]
        return UserError(path, "unknown key", did_you_mean(str(loc[-1]), known), f"Known keys: {', '.join(known)}")
    hint = f"Write, for example, {_example(root, loc)}"
    if kind == "missing":
        return UserError(path, "missing", hint)
    if isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", value.strip(), re.IGNORECASE):
        hint = f"Write it without quotes: {loc[-1]} = {value.strip()}"
    message = details["msg"].removeprefix("Input should be ")
    expected = _EXPECTED[kind].format(**context).replace("'", '"') if kind in _EXPECTED else message
    return UserError(path, f"expected {expected}, got {format_value(value)}", hint)


def example(model: type[BaseModel], key: str) -> str:
    """Return an example of a field, else its default; empty if it has neither."""
    field = model.model_fields.get(key)
    if field is None or (not field.examples and field.default in {None, PydanticUndefined}):
        return ""
    return str(field.examples[0]) if field.examples else f"{key} = {format_value(field.default)}"


def _model(root: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel]:
    """Return the model that the last key of a location belongs to."""
    model = root
    for key in loc[:-1]:
        field = model.model_fields.get(key) if isinstance(key, str) else None
        model = (field and _inner_model(field.annotation)) or model
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation, also if it stands in a tuple or a dictionary."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_inner_model, get_args(annotation))), None)


def _example(root: type[BaseModel], loc: Sequence[int | str]) -> str:
    """Return an example for a location: of its last key that is a field and has one, there or at the top of the file."""
    text = ""
    for end, key in enumerate(loc, 1):
        model = _model(root, loc[:end])
        if isinstance(key, str) and key in model.model_fields:
            text = example(model, key) or example(root, key) or text
    return text


def _path(loc: Sequence[int | str], values: Mapping[str, Any]) -> str:
    """Return a location as a dotted path; list items are counted from 1 and optimizers have their label behind them."""
    path: list[str] = []
    for key in loc:
        if isinstance(key, str):
            path.append(key)
            continue
        entries = values.get("optimizer") if path == ["optimizer"] else None
        entry = entries[key] if isinstance(entries, list) and key < len(entries) else None
        label = entry.get("name") if isinstance(entry, dict) else None
        path[-1] += f"[{key + 1}]" + (f' ("{label}")' if isinstance(label, str) else "")
    return ".".join(path)
