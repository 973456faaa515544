"""Names that become those of files and folders: a study's, and what is derived from it."""

from __future__ import annotations

import re

from suite.errors import format_value

MAX_NAME_BYTES = 120
"""Bytes: a file system takes 255, and endings, overrides and marks of unfinished files come to a name."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""What Windows keeps for its devices, with any ending; a report is often unpacked there."""


def check_name(name: str) -> str:
    """The name of a study, which its file gives it, if it can be the name of a folder on every system.

    Raises:
        ValueError: It is `..`, too long, reserved, or has other characters than letters, digits, blanks and `._,=+@()-`.
    """
    told, mend = (
        f"{format_value(name)}, which is the file's name,",
        "Rename the file: letters, digits, blanks and ._,=+@()-",
    )
    if not re.fullmatch(r"\w[\w .,=+@()-]*", name) or name.endswith((".", " ")):
        raise ValueError(f"{told} cannot be the name of a folder everywhere. {mend} make a name")
    if _RESERVED.fullmatch(name):
        raise ValueError(f"{told} is reserved on Windows. {mend} make a name")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(f"{told} is longer than {MAX_NAME_BYTES} bytes. {mend} make a name")
    return name
