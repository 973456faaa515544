"""Study files: found and read; and written, so that they read back as the same study."""

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
    from collections.abc import Iterator, Mapping

    from suite.spec.study import Study

MAX_FILE_SIZE = 1_000_000
"""Bytes. The largest study that ships has ten thousand; a hundred optimizers with all options have fifty thousand."""
MAX_TEXT_LENGTH = 500
MAX_DEPTH = 20
MAX_INTEGER = 2**63 - 1
"""TOML's limit, which tables, databases and random generators share."""


def load_study(study: str | Path, generated: Path | None = None) -> Study:
    """Load a study by its name or by the path of its file.

    Args:
        study: A name (looked up in `generated`, where tuned studies lie, then among the shipped ones), or a path that
            ends in `.toml` or holds a slash.
        generated: The folder of generated studies.

    Raises:
        UserError: No such study, not TOML, or one line for each mistake in it with its place and the mend.
    """
    path = find_study(str(study), generated)
    values = read_study(path)
    if "part" in values:
        raise UserError(f"{path}: the study has parts. Load it with suite.spec.parts.load")
    return validate_study(values, place=str(path), own={"name": path.stem, "path": path.resolve()})


def read_study(path: Path) -> dict[str, Any]:
    """Return the tables of a study file; a byte order mark is skipped.

    Raises:
        UserError: The file cannot be read, is too large, is not UTF-8 or not TOML, or has a value that no study can have.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise UserError(str(path), f"cannot be read: {error.strerror}", "Give the path of a study file") from None
    if len(raw) > MAX_FILE_SIZE:
        raise UserError(str(path), f"a study file has at most {MAX_FILE_SIZE:,} bytes", "Give the path of a study file")
    return parse_study(raw, str(path))


def parse_study(raw: bytes, location: str) -> dict[str, Any]:
    """Return the tables of the text of a study file.

    Args:
        raw: The text, in UTF-8.
        location: What error messages begin with.

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
        raise UserError(location, f"cannot be read: {str(error)[:100]}", hint) from None
    errors = list(_invalid_values(values))
    if errors:
        raise UserError.combine(errors).within(f"{location}: ")
    return values


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
    elif isinstance(value, str) and (problem := _invalid_text(value)):
        hint = f"Write at most {MAX_TEXT_LENGTH} printable characters on one line"
        yield UserError(path, f"the text {format_value(value)} {problem}", hint)
    elif isinstance(value, dt.date | dt.time):
        yield UserError(path, f"expected a number or a text, got the date or time {value}", "Write a text in quotes")
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield UserError(path, "an integer has at most 64 bits (2^63 − 1)", "Write a smaller one")
    elif isinstance(value, float) and not math.isfinite(value) and "problem_options" in path:
        yield UserError(path, f"expected a finite number, got {value}", "Write a number")


def _invalid_text(text: str) -> str:
    """Return what is wrong with a key or a text; empty if it is valid."""
    if len(text) > MAX_TEXT_LENGTH:
        return f"has {len(text):,} characters"
    unprintable = next((mark for mark in text if not mark.isprintable()), "")
    return f"contains the unprintable character U+{ord(unprintable):04X}" if unprintable else ""


def shipped_studies() -> dict[str, Path]:
    """The studies that come with Ravine, by name."""
    folder = Path(str(resources.files("studies")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_reference(name: str) -> dict[str, Any]:
    """A file of printed numbers: `source`, `note`, and `results`, from label to metric to number.

    Raises:
        UserError: There is no such file.
    """
    folder = Path(str(resources.files("studies"))) / "references"
    path = folder / f"{name}.toml"
    names = sorted(file.stem for file in folder.glob("*.toml"))
    if name not in names:
        raise UserError(f'reference: there is no "{name}".{did_you_mean(name, names)} There are: {", ".join(names)}')
    return tomllib.loads(path.read_text(encoding="utf-8"))


def find_study(study: str, generated: Path | None) -> Path:
    """The file of a study, by its name or its path; see `load`."""
    if study.endswith(".toml") or "/" in study:
        path = Path(study)
        if not os.path.isfile(path):  # noqa: PTH113 (never raises)
            raise UserError(f"{path}: no such file. Give the path of a study file, or a name of `ravine list studies`")
        return path
    if generated and os.path.isfile(generated / f"{study}.toml"):  # noqa: PTH113
        return generated / f"{study}.toml"
    known = shipped_studies()
    if study not in known:
        names = ", ".join(known)
        raise UserError(
            f'no study is named "{study}".{did_you_mean(study, known)} '
            f"There are: {names}; for a file of your own, give its path with .toml"
        )
    return known[study]


def study_to_toml(study: Study) -> str:
    """The study with all that the command line changed and its defaults spelt out; `parse` reads it back.

    Of `[tune]` it has what the study has: a default there may not stand beside another key.
    """
    document = tomlkit.document()
    values = study.model_dump(exclude={"optimizer", "modules", "tune", "tuned"})
    values |= study.model_dump(exclude_unset=True, include={"tune", "tuned"})
    for key, value in values.items():
        if value is not None:
            document.add(key, plain(value))
    entries = tomlkit.aot()
    for entry in study.optimizer:
        entries.append(table(entry.model_dump(exclude_unset=True)))
    document.add("optimizer", entries)  # last: a key below a table would belong to it
    return tomlkit.dumps(document)


def table(values: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> Any:
    """A table of what is there, with comments behind some of its values."""
    written = tomlkit.table()
    for key, value in values.items():
        if value is None:
            continue
        written.add(key, plain(value))
        if comments and key in comments:
            written[key].comment(comments[key])
    return written


def plain(value: Any) -> Any:
    """What TOML can hold: lists for tuples, tables in one line, floats that read back to the last bit."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for key, item in value.items():
            if item is not None:
                table.add(key, plain(item))
        return table
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
