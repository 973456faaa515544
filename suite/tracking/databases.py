"""Databases and servers: what an address says, whether a file is ours, and what went wrong with one, in a line."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from suite.errors import UserError, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SQLITE = "sqlite:///"
DRIVER = 'Install that database\'s driver; for PostgreSQL, in a clone of Ravine: pip install ".[postgresql]"'
"""The mend where an address is right and its driver is missing."""


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite database; None if the address is a server's."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def place(uri: str) -> str:
    """Where a database is, as people are told it: the path of a file, else the address without its password."""
    return str(sqlite_file(uri) or without_password(uri))


def cause(error: BaseException) -> str:
    """Why a database did not do as asked: what it said itself, without SQL, passwords or more than 200 characters."""
    from sqlalchemy.exc import SQLAlchemyError

    below = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
    said = without_password(" ".join(str(getattr(below, "orig", None) or below).split()))
    return said[:200].rstrip(".")


@contextlib.contextmanager
def create_atomically(file: Path) -> Iterator[str]:
    """The address of a SQLite database to make beside its place; moved there whole when the block ends.

    A process that is killed in its migrations leaves no half. No connection may outlive the block.
    """
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    yield f"{SQLITE}{new}"
    new.rename(file)


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
        raise UserError(f"{what}: {format_value(without_password(uri))}: no such address. {mend}")


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


def whole_address(given: str, what: str) -> str:
    """The address of a SQLite database by its whole path; of an address or a path alone. Raises what `resolved` does."""
    return f"{SQLITE}{resolved(given.removeprefix(SQLITE), what)}"


def without_password(text: str) -> str:
    """Text in which `//user:password@` of a URI shows no password."""
    return re.sub(r"(://[^/\s:@]+):[^/\s@]+@", r"\1:***@", text)
