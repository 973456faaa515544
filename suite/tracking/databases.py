"""Addresses of databases and servers, SQLite files, and causes of database errors in one line."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from suite.errors import UserError, format_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

SQLITE = "sqlite:///"
DRIVER = 'Install the driver of that database; for PostgreSQL, in a clone of Ravine: pip install ".[postgresql]"'
"""The hint if the driver of a database is missing."""


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite database, or None for the address of a server."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def place(uri: str) -> str:
    """Return the location of a database for messages: the path of a file, else the address without its password."""
    return str(sqlite_file(uri) or without_password(uri))


def cause(error: BaseException) -> str:
    """Return the database's own error message, without SQL or passwords, in at most 200 characters."""
    from sqlalchemy.exc import SQLAlchemyError

    inner = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
    message = without_password(" ".join(str(getattr(inner, "orig", None) or inner).split()))
    return message[:200].rstrip(".")


@contextlib.contextmanager
def create_atomically(file: Path) -> Iterator[str]:
    """Yield the address of a temporary SQLite database; rename it to `file` when the block ends without an error.

    A process that is killed during migrations leaves no partial database. No connection may outlive the block.
    """
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    yield f"{SQLITE}{new}"
    new.rename(file)


def check_sqlite(file: Path, tables: set[str], owner: str, option: str) -> None:
    """Check that a file is a SQLite database of `owner` before tables are created in it; a missing or empty file passes.

    Args:
        file: The file to open.
        tables: Tables that a database of `owner` has.
        owner: The program whose tables these are.
        option: The option that chooses another file.

    Raises:
        UserError: It is no SQLite database, or one of another program.
        OSError: It cannot be read.
    """
    import sqlite3

    if not file.exists() or not file.stat().st_size:
        return
    with file.open("rb") as content:
        is_sqlite = content.read(16) == b"SQLite format 3\0"
    if not is_sqlite:
        raise UserError(str(file), "not a SQLite database", f"Move it away, or choose another with {option}")
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return  # locked or broken: opening it reports that
    check_tables(str(file), names, tables, owner, option)


def check_tables(location: str, names: Collection[str], expected: set[str], owner: str, option: str) -> None:
    """Check that a database has no tables, or those of `owner`.

    Raises:
        UserError: It has the tables of another program.
    """
    if names and not expected <= set(names):
        problem = f"a database of another program (tables {', '.join(sorted(names)[:3])}, ...), not of {owner}"
        raise UserError(location, problem, f"Choose another with {option}")


def parse_address(given: str, schemes: Sequence[str], location: str, hint: str) -> str:
    """Return the address of a database or server; that of a SQLite file has its absolute path.

    Args:
        given: An address, or the path of a SQLite file.
        schemes: The valid schemes of servers.
        location: The option or variable for messages.
        hint: What to write instead of an invalid address.

    Raises:
        UserError: It is empty, its scheme is not one of `schemes`, it has no host, or see `absolute_path`.
    """
    if given in {"", SQLITE}:
        raise UserError(location, "expected an address or a path, got an empty text", f"{hint}, or omit it")
    if given.startswith(SQLITE) or "://" not in given:
        return f"{SQLITE}{absolute_path(given.removeprefix(SQLITE), location)}"
    try:
        parts = urlparse(given)
        is_valid = parts.scheme.partition("+")[0] in schemes and bool(parts.netloc)
    except ValueError:  # http://[::1
        is_valid = False
    if not is_valid:
        raise UserError(location, f"invalid address {format_value(without_password(given))}", hint)
    return given


def absolute_path(path: str, location: str) -> Path:
    """Return the absolute path of a database or its folder; a circle of symbolic links stays unresolved.

    Raises:
        UserError: The path has a question mark, which ends the path in a SQLite address.
    """
    try:
        absolute = Path(path).resolve()
    except RuntimeError:
        absolute = Path(path).absolute()
    if "?" in str(absolute):
        problem = f"the path of a database must not contain a question mark, got {absolute}"
        raise UserError(location, problem, "Choose another folder")
    return absolute


def without_password(text: str) -> str:
    """Return the text with each `//user:password@` of a URI as `//user:***@`."""
    return re.sub(r"(://[^/\s:@]+):[^/\s@]+@", r"\1:***@", text)
