"""Names of studies, which become names of files and folders."""

from __future__ import annotations

import re

from suite.errors import format_value
from suite.spec.validation_errors import InvalidValueError

MAX_NAME_BYTES = 120
"""A file system allows 255 bytes; suffixes, overrides and the marks of incomplete files are added to a name."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on Windows, with any suffix; reports are often unpacked there."""


def check_name(name: str) -> str:
    """Return the name of a study if it can be the name of a folder on every system.

    Raises:
        InvalidValueError: The name is `..`, too long, reserved, or has other characters than letters, digits, blanks
            and `._,=+@()-`.
    """
    problem = ""
    if not re.fullmatch(r"\w[\w .,=+@()-]*", name) or name.endswith((".", " ")):
        problem = "is not a valid folder name on every system"
    elif _RESERVED.fullmatch(name):
        problem = "is reserved on Windows"
    elif len(name.encode()) > MAX_NAME_BYTES:
        problem = f"is longer than {MAX_NAME_BYTES} bytes"
    if problem:
        hint = f"Rename the file: use at most {MAX_NAME_BYTES} letters, digits, blanks and ._,=+@()-"
        raise InvalidValueError("", f"the name of the file, {format_value(name)}, {problem}", hint)
    return name
