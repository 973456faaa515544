"""The sections of a report: each has notes, tables, figures and raw numbers."""

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
    """A figure that is not rendered yet.

    Attributes:
        figure: The figure.
        name: Its file name without a suffix.
        caption: Its caption.
        alt: Its alternative text.
        extra_files: Its content in further formats, by suffix.
        below_table: The name of the table that it stands below; empty to stand before all tables of its section.
    """

    figure: Figure
    name: str
    caption: str
    alt: str
    extra_files: Mapping[str, bytes] = field(default_factory=dict)
    below_table: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a page.

    Attributes:
        anchor: Its id on the page.
        heading: Its heading.
        description: The paragraphs below the heading, the conclusion first.
        tables: Its tables.
        draw: Takes the style of each label and yields the figures.
        data: Raw numbers by file name without a suffix.
        position: Before all else, after the study's results, or at the end.
        warnings: Sentences to stand at the top of the page.
        caution: A sentence to stand beside the conclusion of the page.
    """

    anchor: str
    heading: str
    description: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    draw: Callable[[Mapping[str, Style]], Iterator[FigureSpec]] = field(default=lambda _: iter(()))
    data: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    position: SectionPosition = "end"
    warnings: tuple[str, ...] = ()
    caution: str = ""
