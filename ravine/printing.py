"""How a command speaks: tables and JSON on the standard output, notes and warnings on the standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

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

    console = Console(highlight=False)
    if not console.is_terminal:
        for row in [columns, *rows]:
            print(*row, sep="\t")
        return
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)


def numbers(told: Any) -> None:
    """JSON, for scripts."""
    print(json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False))


def note(text: str) -> None:
    """A sentence for who watches."""
    print(f"ravine: {text}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """A sentence on what may surprise."""
    note(f"warning: {text}")
