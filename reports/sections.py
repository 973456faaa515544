"""What a part of the report is made of: sentences, tables, figures, raw numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from reports.figures import Style
    from reports.tables import Sheet


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure that is not written yet: its file's name, its caption, what it shows, and files of it in further formats."""

    figure: Figure
    name: str
    caption: str
    alt: str
    also: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: its anchor, heading, sentences, tables, the figures it draws when asked; `first`: before all else."""

    anchor: str
    heading: str
    words: tuple[str, ...]
    sheets: tuple[Sheet, ...] = ()
    draw: Callable[[Mapping[str, Style]], Iterator[Drawing]] = field(default=lambda _: iter(()))
    data: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Raw numbers by file name, without an ending."""
    first: bool = False
