"""Databases and servers: whether an address is one, whether a file is ours, and one holder at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from suite.errors import UserError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


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
        holder.write_text(f"`{own_command()}` (process {os.getpid()}, since {since})", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def own_command() -> str:
    """This process's command line, as others are told it: however it was started, and without passwords."""
    started = Path(sys.argv[0])
    name = started.parent.name if started.name == "__main__.py" else started.name
    return without_password(" ".join([name, *sys.argv[1:]]))


def check_sqlite(file: Path, tables: set[str], owner: str, option: str) -> None:
    """Refuse a file that is no SQLite database, or one of something else, before tables are made in it.

    Args:
        file: What would be opened; nothing is asked of one that is absent or empty.
        tables: Some of those that it has to have, if it has any.
        owner: Whose tables these are.
        option: What chooses another.

    Raises:
        UserError: It is something else.
        OSError: It cannot be read.
    """
    import sqlite3

    if not file.exists() or not file.stat().st_size:
        return
    with file.open("rb") as content:
        whole = content.read(16) == b"SQLite format 3\0"
    if not whole:
        raise UserError(f"{file}: it is a file, but no SQLite database. Move it away; {option} chooses another")
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            found = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return  # locked or broken: the one who opens it tells
    if found and not found >= tables:
        told = f"it is a database of something else (tables {', '.join(sorted(found)[:3])}, ...)"
        raise UserError(f"{file}: {told}, not of {owner}. {option} chooses another")


def check_address(uri: str, schemes: Sequence[str], what: str, mend: str) -> None:
    """Refuse the address of a database or a server that is none, before a library tells so in words of its own.

    Raises:
        UserError: Its beginning is not one of `schemes`, or no host comes after it.
    """
    try:
        parts = urlparse(uri)
        known = parts.scheme.partition("+")[0] in schemes and bool(parts.netloc)
    except ValueError:  # http://[::1
        known = False
    if not known:
        raise UserError(f"{what}: {shown(without_password(uri))}: no such address. {mend}")


def resolved(path: str, what: str) -> Path:
    """The whole path of a database or its folder; in a circle of links, as far as it goes.

    Raises:
        UserError: It holds a question mark, which ends the path in an address of SQLite.
    """
    try:
        whole = Path(path).resolve()
    except RuntimeError:
        whole = Path(path).absolute()
    if "?" in str(whole):
        raise UserError(
            f"{what}: {whole}: a database cannot lie where a path has a question mark. Choose another place"
        )
    return whole


def without_password(text: str) -> str:
    """Text in which `//user:password@` of a URI shows no password."""
    return re.sub(r"(://[^/\s:@]+):[^/\s@]+@", r"\1:***@", text)
