"""One holder at a time: a file lock that says who has it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def hold(uri: str, file: Path | None, mend: str) -> Iterator[None]:
    """Hold a store for writing; no second process of this machine gets it meanwhile.

    Args:
        uri: What is held.
        file: Its database file, beside which the lock lies; None for a server, whose lock lies in the user's cache.
        mend: What the one who does not get it can do besides waiting.

    Raises:
        UserError: Another process holds it, which is named.
        OSError: The lock cannot be written.
    """
    from filelock import FileLock, Timeout
    from platformdirs import user_cache_path

    key = hashlib.sha256(uri.encode()).hexdigest()[:16]
    path = Path(f"{file}.lock") if file else user_cache_path("ravine") / "locks" / f"{key}.lock"
    holder = path.with_suffix(".holder")
    lock = FileLock(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        place = without_password(str(file or uri))
        raise UserError(f"{place}: held by {who}. Wait until it ends or stop it; {mend}") from None
    try:
        since = time.strftime("%H:%M:%S")
        command = without_password(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))
        holder.write_text(f"`{command}` (process {os.getpid()}, since {since})", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def without_password(text: str) -> str:
    """Text in which `//user:password@` of a URI shows no password."""
    return re.sub(r"(://[^/\s:@]+):[^/\s@]+@", r"\1:***@", text)
