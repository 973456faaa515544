"""Names that become those of files and folders: a study's, and what is derived from it."""

from __future__ import annotations

import re

from suite.errors import UserError, shown

LONGEST_NAME = 120
"""Bytes: a file system takes 255, and endings, overrides and marks of unfinished files come to a name."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""What Windows keeps for its devices, with any ending; a report is often unpacked there."""


def check(name: str, place: str) -> str:
    """The name of a study, which its file gives it, if it can be the name of a folder on every system.

    Args:
        name: The name.
        place: What messages begin with.

    Raises:
        UserError: It is `..`, too long, reserved, or has other characters than letters, digits, blanks and `._,=+@-`.
    """
    mend = "Rename the file: letters, digits, blanks and ._,=+@- make a name"
    told = f"{place}: a study is named by its file, and {shown(name)}"
    if not re.fullmatch(r"\w[\w .,=+@-]*", name) or name.endswith((".", " ")):
        raise UserError(f"{told} cannot be the name of a folder everywhere. {mend}")
    if _RESERVED.fullmatch(name):
        raise UserError(f"{told} is reserved on Windows. {mend}")
    if len(name.encode()) > LONGEST_NAME:
        raise UserError(f"{told} is longer than {LONGEST_NAME} bytes. {mend}")
    return name
