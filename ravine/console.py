"""How a command speaks: tables and JSON on the standard output, notes and warnings on the standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from reports.text.tables import Sheet

PIPED_WIDTH = 120


def console() -> Console:
    """The standard output, as wide as the terminal."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def table(columns: list[str], rows: list[list[Any]]) -> None:
    """A table on a terminal; tab-separated lines where the output is piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = Console(highlight=False)
    if not out.is_terminal:
        for row in [columns, *rows]:
            print(*row, sep="\t")
        return
    shown = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        shown.add_row(*(Text(str(cell)) for cell in row))
    out.print(shown)


def finding(sheet: Sheet | None, answer: str) -> None:
    """A table, if there is one, and what it says."""
    from reports.text import tables

    out = console()
    if sheet:
        out.print(tables.screen(sheet, out.width))
    out.print(answer, markup=False)


def report(sheet: Sheet | None, answer: str, page: Path, name: str = "Report") -> None:
    """What a report comes to: its table, the answer, where its page is."""
    finding(sheet, answer)
    console().print(f"{name}: {page}", soft_wrap=True, markup=False)


def as_json(told: Any) -> None:
    """JSON, for scripts; letters beyond ASCII are escaped, so that no encoding of a pipe loses them."""
    print(json.dumps(told, indent=1, allow_nan=False))


def note(text: str) -> None:
    """A sentence for who watches."""
    print(f"ravine: {text}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """A sentence on what may surprise."""
    note(f"warning: {text}")
