"""The exception for invalid input, and how values are shown in messages."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_LINE_LENGTH = 1_000
MAX_VALUE_LENGTH = 80
MAX_ERRORS = 20
"""At most N errors are printed at a time."""


class ErrorLine(NamedTuple):
    """One error: where it is, what is wrong, and how to fix it."""

    location: str
    problem: str
    hint: str

    def __str__(self) -> str:
        """Return the error as one line; non-printable characters are escaped."""
        problem = ": ".join(filter(None, (self.location, self.problem)))
        line = f"{problem}{'' if problem.endswith((':', '?')) else '.'} {self.hint}" if self.hint else problem
        return printable(line.rstrip("."), MAX_LINE_LENGTH)


class UserError(Exception):
    """Invalid input, an unusable file, device or server: something that the user can fix.

    The command line prints a line for each error, without a traceback, and exits with status 2. A line reads
    `<location>: <problem>. <hint>` and has at most `MAX_LINE_LENGTH` characters.

    Args:
        location: The option, variable, file or key that is wrong, for example `--device` or `study.toml: epochs`.
        problem: What is wrong, with the value and what is allowed.
        hints: How to fix it, as imperative sentences. Empty ones are omitted.
    """

    def __init__(self, location: str, problem: str, *hints: str) -> None:
        hint = " ".join(filter(None, (hint.strip() for hint in hints)))
        self.lines: tuple[ErrorLine, ...] = (ErrorLine(location, problem, hint),)
        super().__init__(location, problem, *hints)

    def __str__(self) -> str:
        """Return a line for each error; after `MAX_ERRORS` lines, the number of the others."""
        lines = [str(line) for line in dict.fromkeys(self.lines)]
        more = len(lines) - MAX_ERRORS
        if more > 0:
            location = self.lines[0].location.partition(": ")[0]
            lines[MAX_ERRORS:] = [str(ErrorLine(location, f"{more} more errors", "Fix the errors above first"))]
        return "\n".join(lines)

    def within(self, prefix: str) -> UserError:
        """Return the same errors with `prefix` in front of each location; it ends with its own separator."""
        return _of(
            line._replace(location=f"{prefix}{line.location}" if line.location else prefix.rstrip(":. "))
            for line in self.lines
        )

    @classmethod
    def combine(cls, errors: Iterable[UserError]) -> UserError:
        """Return one exception with the lines of several; there is at least one."""
        return _of(line for error in errors for line in error.lines)


def _of(lines: Iterable[ErrorLine]) -> UserError:
    lines = tuple(lines)
    error = UserError(*lines[0])
    error.lines = lines
    return error


def printable(text: str, max_length: int) -> str:
    """Return `text` on one line of at most `max_length` characters: shortened in its middle, with escapes for controls."""
    if len(text) > max_length:
        text = f"{text[: max_length - max_length // 4 - 1]}…{text[-(max_length // 4) :]}"
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def format_value(value: object) -> str:
    """Return a value as it is written in a study file, shortened for a message."""
    if isinstance(value, str):
        return json.dumps(printable(value, MAX_VALUE_LENGTH), ensure_ascii=False).replace("\\\\", "\\")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        max_items = 8
        items = [*map(format_value, value[:max_items]), *(["…"] if len(value) > max_items else [])]
        return f"[{', '.join(items)}]"
    return printable(str(value), MAX_VALUE_LENGTH)


def did_you_mean(word: str, known: Iterable[str], other_names: Mapping[str, str] | None = None) -> str:
    """Return a hint with the known word that is most similar to `word`; empty if none is similar.

    Args:
        word: The word that was given.
        known: The words that are allowed.
        other_names: Other names of some of the known words, in lower case.
    """
    names = list(known)
    if other_names and (other := other_names.get(word.lower())) in names:
        return f'Did you mean "{other}"?'
    ratios = {name: difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio() for name in names}
    similar = [name for name in names if ratios[name] >= 0.6]
    similar.sort(key=lambda name: ratios[name] - 0.1 * abs(len(name) - len(word)), reverse=True)  # adma: not adamax
    return f'Did you mean "{similar[0]}"?' if similar else ""
