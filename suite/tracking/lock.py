"""A lock file, by which one process of this machine at a time writes to a store."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from suite.errors import UserError
from suite.tracking.databases import place, sqlite_file, without_password

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def file_lock(uri: str, hint: str) -> Iterator[None]:
    """Lock a store for writing by this process, against all others of this machine.

    Args:
        uri: A database file, whose lock lies beside it, or a server, whose lock lies in the user's cache.
        hint: What to do if another process has locked it.

    Raises:
        UserError: Another process has locked it; the message names it.
        OSError: The lock file cannot be written.
    """
    from filelock import FileLock, Timeout

    file = sqlite_file(uri)
    path = Path(f"{file}.lock") if file else _server_lock(uri)
    holder = path.with_suffix(".holder")
    lock = FileLock(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        process = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        raise UserError(place(uri), f"locked by {process}", hint) from None
    try:
        since = time.strftime("%H:%M:%S")
        holder.write_text(f"`{command_line()}` (process {os.getpid()}, since {since})", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _server_lock(uri: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("ravine") / "locks" / f"{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"


def command_line() -> str:
    """Return the command of this process as a user would type it, without passwords."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return without_password(" ".join([name, *sys.argv[1:]]))
