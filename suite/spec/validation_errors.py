"""How mistakes in what a file says are told: a line for each, with its place, what was expected, what was found, the mend.

They are pydantic's, of any model: what could stand in a field's place is its first example, or its default.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from suite.errors import did_you_mean, format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LINES = 20
"""So many mistakes are told at a time."""

_WORDS = {
    "tuple_type": "a list, or tables in double brackets",
    "model_type": "a table",
    "dict_type": "a table",
    "string_type": "text in quotes",
    "string_too_short": "some text",
    "too_short": "at least one",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


def truncate_errors(place: object, lines: Sequence[str]) -> str:
    """The first mistakes, and how many more there are."""
    more = len(lines) - MAX_LINES
    return "\n".join([*lines[:MAX_LINES], *([f"{place}: {more} more mistakes. Mend these first"] if more > 0 else [])])


def format_validation_error(place: str, root: type[BaseModel], values: dict[str, Any], mistake: dict[str, Any]) -> str:
    """One line for one of pydantic's errors: where, what was expected, what was found, the mend.

    Args:
        place: What the line begins with.
        root: The model of the whole file.
        values: What the file says.
        mistake: One of `ValidationError.errors`.
    """
    loc, given, kind = mistake["loc"], mistake["input"], mistake["type"]
    where = _where(loc, values)
    at = f"{place}: {where}: " if where else f"{place}: "
    if kind == "extra_forbidden":
        known = [name for name, field in _model(root, loc).model_fields.items() if not field.exclude]
        return f"{at}unknown key.{did_you_mean(str(loc[-1]), known)} Known keys: {', '.join(known)}"
    if kind == "missing":
        return f"{at}missing. Write it, for example {_example(root, loc)}"
    wanted = mistake["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "string_too_long":
        wanted = f"at most {mistake['ctx']['max_length']} characters"
    wanted = _WORDS.get(kind, wanted)
    if kind == "value_error":
        return f"{place}: {where}.{wanted}" if where and re.match(r"[a-z_]+: ", wanted) else f"{at}{wanted}"
    mend = f"For example {_example(root, loc)}"
    if isinstance(given, str) and re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", given.strip(), re.IGNORECASE):
        mend = f"Write it without quotes: {loc[-1]} = {given.strip()}"
    return f"{at}expected {wanted}, got {format_value(given)}. {mend}"


def example(model: type[BaseModel], key: str) -> str:
    """How a field could be written, empty where it has neither an example nor a default that says it."""
    field = model.model_fields.get(key)
    if field is None or (not field.examples and field.default in {None, PydanticUndefined}):
        return ""
    return str(field.examples[0]) if field.examples else f"{key} = {format_value(field.default)}"


def _model(root: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel]:
    """Whose key the last word of a place is."""
    model = root
    for word in loc[:-1]:
        field = model.model_fields.get(word) if isinstance(word, str) else None
        model = (field and _inner(field.annotation)) or model
    return model


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, maybe in a list or a table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_inner, get_args(annotation))), None)


def _example(root: type[BaseModel], loc: Sequence[int | str]) -> str:
    """What could stand at a place: an example of its last key that is a field and has one, here or at the top of the file."""
    found = ""
    for end, word in enumerate(loc, 1):
        owner = _model(root, loc[:end])
        if isinstance(word, str) and word in owner.model_fields:
            found = example(owner, word) or example(root, word) or found
    return found


def _where(loc: Sequence[int | str], values: dict[str, Any]) -> str:
    """The path of a value as people write it; optimizers are counted from 1 and named by their label."""
    parts: list[str] = []
    for key in loc:
        if isinstance(key, int) and parts == ["optimizer"]:
            entries = values.get("optimizer")
            entry = entries[key] if isinstance(entries, list) and key < len(entries) else None
            label = entry.get("name") if isinstance(entry, dict) else None
            parts[-1] += f"[{key + 1}]" + (f' ("{label}")' if isinstance(label, str) else "")
        elif isinstance(key, int):
            parts[-1] += f"[{key + 1}]"
        else:
            parts.append(key)
    return ".".join(parts)
