"""The one exception for mistakes that a user can mend, how it shows what was written, and the guess at what was meant."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_LINE = 1_000
LONGEST_VALUE = 80


class UserError(Exception):
    """A mistake of the user's, told in one line: what is wrong, where, and what to write or do instead.

    Several mistakes are several lines. The command line prints them without a traceback and ends with exit status 2. What
    does not print (a control character in a file's name, say) stands as its escape, and a line has at most
    `LONGEST_LINE` characters.
    """

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(printable(line, LONGEST_LINE) for line in message.split("\n")))


def printable(text: str, most: int) -> str:
    """`text` on one line of at most `most` characters, cut in its middle, and with escapes for what does not print."""
    if len(text) > most:
        text = f"{text[: most - most // 4 - 1]}…{text[-(most // 4) :]}"
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def shown(value: object) -> str:
    """A value as a study file has it, short enough for a message."""
    if isinstance(value, str):
        return json.dumps(printable(value, LONGEST_VALUE), ensure_ascii=False).replace("\\\\", "\\")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        most = 8
        return f"[{', '.join([*map(shown, value[:most]), *(['…'] if len(value) > most else [])])}]"
    return printable(str(value), LONGEST_VALUE)


def did_you_mean(word: str, known: Iterable[str], other_names: Mapping[str, str] | None = None) -> str:
    """A sentence, after a space, with the known word that was likely meant; empty where none is near.

    Args:
        word: What was written.
        known: What could have been.
        other_names: What others call some of the known words.
    """
    names = list(known)
    if other_names and (other := other_names.get(word.lower())) in names:
        return f' Did you mean "{other}"?'
    near = {name: difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio() for name in names}
    meant = [name for name in names if near[name] >= 0.6]
    meant.sort(key=lambda name: near[name] - 0.1 * abs(len(name) - len(word)), reverse=True)  # adma: adam, not adamax
    return f' Did you mean "{meant[0]}"?' if meant else ""
