"""Find, read and write study files. A study that is written reads back as the same study."""

from __future__ import annotations

import datetime as dt
import math
import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from suite.errors import UserError, did_you_mean, format_value
from suite.spec.study import validate_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from suite.spec.study import Study

MAX_FILE_SIZE = 1_000_000
"""Bytes. The largest shipped study has 10,000; a hundred optimizers with all options have 50,000."""
MAX_TEXT_LENGTH = 500
MAX_DEPTH = 20
MAX_INTEGER = 2**63 - 1
"""The limit of TOML, which tables, databases and random generators share."""

OLD_KEYS = {"test_every": "eval_every"}
"""New names of renamed keys of studies, parts and optimizers; the old ones are read with a warning."""


def load_study(study: str | Path, generated: Path | None = None) -> Study:
    """Return a study by its name or by the path of its file.

    Args:
        study: A name (looked up in `generated`, then among the shipped studies), or a path, which ends in `.toml` or
            contains a slash.
        generated: The folder of generated studies.

    Raises:
        UserError: There is no such study, the file is not TOML, or a key or value is invalid.
    """
    path = find_study(str(study), generated)
    values = read_study(path)
    if "part" in values:
        raise UserError(str(path), "the study has parts", "Load it with suite.spec.parts.load_study_file")
    return validate_study(values, location=str(path), origin={"name": path.stem, "path": path.resolve()})


def read_study(path: Path, warn: Callable[[str], object] | None = None) -> dict[str, Any]:
    """Return the tables of a study file; a byte order mark is skipped.

    Args:
        path: The file.
        warn: Is called with a warning about each renamed key.

    Raises:
        UserError: The file cannot be read, is too large, is not UTF-8 or not TOML, or has a value that no study can have.
    """
    hint = "Give the path of a study file"
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise UserError(str(path), f"cannot be read: {error.strerror}", hint) from None
    if len(raw) > MAX_FILE_SIZE:
        raise UserError(str(path), f"larger than {MAX_FILE_SIZE:,} bytes, the limit of study files", hint)
    return parse_study(raw, str(path), warn)


def parse_study(raw: bytes, location: str, warn: Callable[[str], object] | None = None) -> dict[str, Any]:
    """Return the tables of the text of a study file.

    Args:
        raw: The text, in UTF-8.
        location: Start of the location in error messages.
        warn: Is called with a warning about each renamed key.

    Raises:
        UserError: The text is not UTF-8 or not TOML, or has a value that no study can have.
    """
    try:
        values = tomllib.loads(raw.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        hint = "Fix the file there; https://toml.io shows the format"
        raise UserError(location, f"invalid TOML: {error}", hint) from None
    except UnicodeDecodeError as error:
        raise UserError(location, f"not UTF-8 text (byte {error.start})", "Save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
        hint = "Write shorter numbers and lists"
        raise UserError(location, f"cannot be read: {str(error).partition(';')[0]}", hint) from None
    errors = list(_invalid_values(values))
    if errors:
        raise UserError.combine(errors).within(f"{location}: ")
    try:
        renamed = dict.fromkeys(_rename_old_keys(values))
        removed = dict.fromkeys(_remove_claims(values))
    except UserError as error:
        raise error.within(f"{location}: ") from None
    if warn:
        for key in renamed:
            warn(f"{location}: the key {key} is now called {OLD_KEYS[key]}. Rename it in the file")
        for key in removed:
            problem = f"the key {key} has no effect: claims are now [[claim]] tables"
            warn(f"{location}: {problem}. Write those of the study (docs/study_files.md), and remove the key")
    return values


def _rename_old_keys(table: dict[str, Any], path: str = "") -> Iterator[str]:
    """Rename the old keys of a study, its parts and its optimizers in place, and yield each."""
    for old, new in OLD_KEYS.items():
        if old in table:
            if new in table:
                raise UserError(
                    f"{path}{old}", f"this is the old name of {new}, which is given as well", f"Remove {old}"
                )
            table[new] = table.pop(old)
            yield old
    for key in ("part", "optimizer"):
        tables = table.get(key)
        for number, inner in enumerate(tables if isinstance(tables, list) else (), 1):
            if isinstance(inner, dict):
                yield from _rename_old_keys(inner, f"{path}{key}[{number}].")


def _remove_claims(values: dict[str, Any]) -> Iterator[str]:
    """Remove the old key `claims` of a study and its parts in place, and yield it if it is true."""
    parts = values.get("part")
    for table in (values, *(parts if isinstance(parts, list) else ())):
        if isinstance(table, dict) and isinstance(table.get("claims"), bool) and table.pop("claims"):
            yield "claims"


def _invalid_values(value: Any, path: str = "", depth: int = 0) -> Iterator[UserError]:
    """Yield an error for each key and value that no study can have, with its path in the file.

    Keys and texts are short and printable, because they become names in tables, pages and databases, and parts of
    messages. Integers have 64 bits, as in TOML. There are no dates. Values that a study passes on to a problem are
    finite, as in JSON.
    """
    if depth > MAX_DEPTH:
        yield UserError(path, f"more than {MAX_DEPTH} nested tables and lists", "Write fewer")
    elif isinstance(value, dict):
        for key, item in value.items():
            problem = _invalid_text(key) if key else "is empty"
            if problem:
                yield UserError(path, f"the key {format_value(key)} {problem}", "Write a word, or remove the key")
            else:
                yield from _invalid_values(item, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _invalid_values(item, f"{path}[{number}]", depth + 1)
    else:
        yield from _invalid_scalar(value, path)


def _invalid_scalar(value: Any, path: str) -> Iterator[UserError]:
    if isinstance(value, str) and (problem := _invalid_text(value)):
        hint = f"Write at most {MAX_TEXT_LENGTH} printable characters on one line"
        yield UserError(path, f"the text {format_value(value)} {problem}", hint)
    elif isinstance(value, dt.date | dt.time):
        yield UserError(path, f"expected a number or a text, got the date or time {value}", "Write a text in quotes")
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield UserError(path, "expected an integer of at most 64 bits (2^63 − 1)", "Write a smaller one")
    elif isinstance(value, float) and not math.isfinite(value) and "problem_options" in path:
        yield UserError(path, f"expected a finite number, got {value}", "Write a number")


def _invalid_text(text: str) -> str:
    """Return what is wrong with a key or a text; empty if it is valid."""
    if len(text) > MAX_TEXT_LENGTH:
        return f"has {len(text):,} characters"
    unprintable = next((mark for mark in text if not mark.isprintable()), "")
    return f"contains the unprintable character U+{ord(unprintable):04X}" if unprintable else ""


def shipped_studies() -> dict[str, Path]:
    """Return the files of the studies that come with Ravine, by name."""
    folder = Path(str(resources.files("studies")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_reference(name: str) -> dict[str, Any]:
    """Return a file of published values: `source`, `note`, and `results`, by label and metric.

    Raises:
        UserError: There is no such file.
    """
    folder = Path(str(resources.files("studies"))) / "references"
    names = sorted(file.stem for file in folder.glob("*.toml"))
    if name not in names:
        hint = f"Choose from: {', '.join(names)}"
        raise UserError("reference", f"there is no {format_value(name)}", did_you_mean(name, names), hint)
    return tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))


def find_study(study: str, generated: Path | None) -> Path:
    """Return the file of a study; see `load_study`."""
    if study.endswith(".toml") or "/" in study:
        path = Path(study)
        if not os.path.isfile(path):  # noqa: PTH113 (never raises)
            raise UserError(
                str(path), "no such file", "Give the path of a study file, or a name of `ravine list studies`"
            )
        return path
    if generated and os.path.isfile(generated / f"{study}.toml"):  # noqa: PTH113
        return generated / f"{study}.toml"
    known = shipped_studies()
    if study not in known:
        hint = f"Choose from: {', '.join(known)}. Give another study as the path of its file, with .toml"
        raise UserError("STUDY", f'there is no study "{study}"', did_you_mean(study, known), hint)
    return known[study]


def study_to_toml(study: Study) -> str:
    """Return the study as TOML, with overrides and defaults written out.

    `[tune]` and `[[claim]]` have only the keys that are set, because some defaults are invalid beside other keys.
    """
    document = tomlkit.document()
    values = study.model_dump(exclude={"optimizer", "modules", "tune", "tuned", "claim"})
    values |= study.model_dump(exclude_unset=True, include={"tune", "tuned", "claim"})
    for key, value in values.items():
        if value is not None:
            document.add(key, plain(value))
    entries = tomlkit.aot()
    for entry in study.optimizer:
        entries.append(table(entry.model_dump(exclude_unset=True)))
    document.add("optimizer", entries)  # last: a key below a table would belong to the table
    return tomlkit.dumps(document)


def table(values: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> Any:
    """Return the values that are not None as a TOML table, with comments behind some of them."""
    written = tomlkit.table()
    for key, value in values.items():
        if value is not None:
            written.add(key, plain(value))
            if comments and key in comments:
                written[key].comment(comments[key])
    return written


def plain(value: Any) -> Any:
    """Return a value as TOML has it: lists instead of tuples, inline tables; floats read back exactly."""
    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        for key, item in value.items():
            if item is not None:
                inline.add(key, plain(item))
        return inline
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
