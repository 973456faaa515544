"""The one exception for mistakes that a user can mend, and the guess at what was meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class UserError(Exception):
    """A mistake of the user's, told in one line: what is wrong, where, and what to write or do instead.

    The command line prints the message without a traceback and ends with exit status 2.
    """


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
