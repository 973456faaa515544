"""Reads a study file, and refuses what no study can hold, whatever its keys mean."""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from typing import TYPE_CHECKING, Any

from suite.errors import UserError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_FILE = 1_000_000
"""Bytes. The largest study that comes with Ravine has four thousand; a hundred optimizers with all options have fifty."""
LONGEST_TEXT = 500
DEEPEST = 20
LARGEST_INTEGER = 2**63 - 1
"""What TOML allows; tables, databases and generators of random numbers have no room for more."""


def read(path: Path) -> dict[str, Any]:
    """The values of a TOML file; a byte order mark, as some editors write it, is passed over.

    Raises:
        UserError: The file cannot be read, is too large, no UTF-8 text, or not TOML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Give the path of a study file") from None
    if len(raw) > LARGEST_FILE:
        raise UserError(f"{path}: a study file has at most {LARGEST_FILE:,} bytes. Give the path of a study file")
    return parse(raw, str(path))


def parse(raw: bytes, place: str) -> dict[str, Any]:
    """The values of the text of a TOML file, which messages call `place`.

    Raises:
        UserError: It is no UTF-8 text, or not TOML.
    """
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{place}: not TOML: {error}. Mend the file there; https://toml.io shows the format") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{place}: not UTF-8 text (byte {error.start}). Save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
        raise UserError(f"{place}: cannot be read: {str(error)[:100]}. Write shorter numbers and lists") from None


def mistakes(value: Any, where: str = "", depth: int = 0) -> Iterator[str]:
    """A line for each key and each value that no study can hold, with its place in the file.

    Keys and texts are short and print on one line: they become names in tables, pages and databases, and parts of
    messages. Whole numbers are TOML's, of 64 bits; there are no dates; and what a study hands on to a problem as it is
    has to be finite, as JSON is.
    """
    if depth > DEEPEST:
        yield f"{where}: more than {DEEPEST} tables and lists within each other. Write fewer"
    elif isinstance(value, dict):
        for key, inner in value.items():
            told = "is empty" if not key else _odd(key)
            if told:
                yield f"{f'{where}: ' if where else ''}the key {shown(key)} {told}. Write a word, or remove it"
            else:
                yield from mistakes(inner, f"{where}.{key}" if where else key, depth + 1)
    elif isinstance(value, list):
        for at, inner in enumerate(value, 1):
            yield from mistakes(inner, f"{where}[{at}]", depth + 1)
    elif told := _wrong(value, where):
        yield f"{where}: {told}"


def _wrong(value: Any, where: str) -> str:
    """What is wrong with a text, a number or a date; nothing where all is well."""
    if isinstance(value, str):
        told = _odd(value)
        return f"the text {shown(value)} {told}. Write at most {LONGEST_TEXT} characters on one line" if told else ""
    if isinstance(value, dt.date | dt.time):
        return f"expected a number or a text, got the date or time {value}. Write a text in quotes"
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "a whole number beyond those of TOML (2^63 − 1). Write a smaller one"
    if isinstance(value, float) and not math.isfinite(value) and "problem_options" in where:
        return f"expected a finite number, got {value}. Write a number"
    return ""


def _odd(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        return f"has {len(text):,} characters"
    odd = next((mark for mark in text if not mark.isprintable()), "")
    return f"holds the character U+{ord(odd):04X}, which does not print" if odd else ""
