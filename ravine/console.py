"""Console output: tables and JSON on standard output, notes and warnings on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from reports.text.tables import Table

PIPED_WIDTH = 120

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


def console() -> Console:
    """Return the standard output, as wide as the terminal."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def table(columns: list[str], rows: list[list[Any]]) -> None:
    """Print a table on a terminal; tab-separated lines if the output is piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = Console(highlight=False)
    if not out.is_terminal:
        for row in [columns, *rows]:
            print(*row, sep="\t")
        return
    printed = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        printed.add_row(*(Text(str(cell)) for cell in row))
    out.print(printed)


def conclusion(summary: Table | None, answer: str) -> None:
    """Print a table, if there is one, and the conclusion from it."""
    from reports.text import tables

    out = console()
    if summary:
        out.print(tables.screen(summary, out.width))
    out.print(answer, markup=False)


def report(summary: Table | None, answer: str, page: Path, name: str = "Report") -> None:
    """Print the table and the conclusion of a report, and the path of its page."""
    conclusion(summary, answer)
    console().print(f"{name}: {page}", soft_wrap=True, markup=False)


def stopped(note: str = "") -> int:
    """Print that Ctrl-C stopped the command, and return its exit status.

    Args:
        note: A sentence on what is kept.
    """
    print(f"\nravine: stopped{f'. {note}' if note else ''}", file=sys.stderr)
    return INTERRUPTED


def as_json(value: Any) -> None:
    """Print JSON for scripts; characters beyond ASCII are escaped, so that no encoding of a pipe loses them."""
    print(json.dumps(value, indent=1, allow_nan=False))


def note(text: str) -> None:
    """Print a note on standard error."""
    print(f"ravine: {text}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    note(f"warning: {text}")
