"""What a part of the report is made of: sentences, tables, figures, raw numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from reports.figures.style import Style
    from reports.text.tables import Table

SectionPosition = Literal["first", "results", "end"]


@dataclass(frozen=True, slots=True)
class FigureSpec:
    """A figure that is not written yet: its file's name, its caption, what it shows, and files of it in further formats."""

    figure: Figure
    name: str
    caption: str
    alt: str
    extra_files: Mapping[str, bytes] = field(default_factory=dict)
    below_table: str = ""
    """The name of the table that it stands under; without one it comes before all tables of its part."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: its anchor, heading, sentences, tables, the figures it draws when asked."""

    anchor: str
    heading: str
    description: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    draw: Callable[[Mapping[str, Style]], Iterator[FigureSpec]] = field(default=lambda _: iter(()))
    data: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Raw numbers by file name, without an ending."""
    position: SectionPosition = "end"
    """Before all else, after the study's results, or at the end."""
    warnings: tuple[str, ...] = ()
    """What nobody may overlook: it stands on top of the page."""
    caution: str = ""
    """What stands beside the page's answer."""
