"""One holder of a store at a time."""

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
def file_lock(uri: str, mend: str) -> Iterator[None]:
    """Hold a store for writing; no second process of this machine gets it meanwhile.

    Args:
        uri: What is held: a database file, beside which the lock lies, or a server, whose lock lies in the user's cache.
        mend: What the one who does not get it can do besides waiting.

    Raises:
        UserError: Another process holds it, which is named.
        OSError: The lock cannot be written.
    """
    from filelock import FileLock, Timeout

    file = sqlite_file(uri)
    path = Path(f"{file}.lock") if file else _lock_of_server(uri)
    holder = path.with_suffix(".holder")
    lock = FileLock(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        raise UserError(f"{place(uri)}: held by {who}. Wait until it ends or stop it; {mend}") from None
    try:
        since = time.strftime("%H:%M:%S")
        holder.write_text(f"`{own_command()}` (process {os.getpid()}, since {since})", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _lock_of_server(uri: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("ravine") / "locks" / f"{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"


def own_command() -> str:
    """This process's command line, as others are told it: however it was started, and without passwords."""
    started = Path(sys.argv[0])
    name = started.parent.name if started.name == "__main__.py" else started.name
    return without_password(" ".join([name, *sys.argv[1:]]))
