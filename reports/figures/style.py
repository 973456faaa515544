"""The style of all figures: colours, dashes and markers, a label's own style, and the small things that figures share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.frames.scores import title
from reports.frames.study_frames import TUNED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

INK, QUIET, FAINT = "#1c2430", "#5b6470", "#d5d9df"

STYLE: Mapping[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": "#e7e9ec",
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.2,
    "figure.facecolor": "white",
    "figure.dpi": 300,  # as saved, so that the layout measures the text at the size it gets
    "savefig.facecolor": "white",
    "savefig.dpi": 300,
    "svg.fonttype": "path",
    "svg.hashsalt": "ravine",
    "pdf.fonttype": 42,
}
"""The style of all figures, on top of matplotlib's default style, so that a reader's own settings change nothing."""

Dash = tuple[float, ...]
_SOLID: Dash = ()
_DASHED: Dash = (5, 1.8)
_DOTTED: Dash = (1.3, 1.5)
_MIXED: Dash = (5, 1.5, 1.2, 1.5)
_OF_TUNED = {_SOLID: _DOTTED, _DASHED: _SOLID, _MIXED: _SOLID, _DOTTED: _SOLID}

_STYLES: tuple[tuple[str, Dash, str], ...] = (
    ("#0072b2", _SOLID, "o"),  # the first seven hues: Okabe and Ito, their yellow left out and the light ones deepened,
    ("#d55e00", _SOLID, "s"),  # since a line on white needs contrast
    ("#008f68", _SOLID, "^"),
    ("#b8528f", _DASHED, "D"),
    ("#c88400", _DASHED, "v"),
    ("#3a9bd6", _DASHED, "P"),
    ("#0d0d0d", _MIXED, "X"),
    ("#5a3fa0", _MIXED, "^"),
    ("#8c1d40", _MIXED, "o"),
    ("#7d8a1e", _DOTTED, "P"),
    ("#16807f", _DOTTED, "s"),
    ("#a05a2c", _DOTTED, "D"),
)
_LONG = 26


@dataclass(frozen=True, slots=True)
class Style:
    """How a label styles wherever it appears: hue, and dash and marker for eyes and printers without hues."""

    color: str
    dash: Dash
    marker: str

    @property
    def line(self) -> Any:
        """The dash as matplotlib takes it."""
        return (0, self.dash) if self.dash else "-"


def assign_styles(labels: Sequence[str]) -> dict[str, Style]:
    """A style for each label, by its place in the plan; from the thirteenth on, hues return with other dashes.

    A tuned entry has the hue and the marker of the entry that it was tuned from, with another dash.
    """
    styles: dict[str, Style] = {}
    first = [label for label in labels if not (label.endswith(TUNED) and label.removesuffix(TUNED) in labels)]
    for at, label in enumerate(first):
        color, _, marker = _STYLES[at % len(_STYLES)]
        _, dash, _ = _STYLES[(at + 3 * (at // len(_STYLES))) % len(_STYLES)]
        styles[label] = Style(color, dash, marker)
    for label in labels:
        if label not in styles:
            untuned = styles[label.removesuffix(TUNED)]
            styles[label] = Style(untuned.color, _OF_TUNED[untuned.dash], untuned.marker)
    return {label: styles[label] for label in labels}


def short(label: str) -> str:
    """A label that fits beside a line."""
    return label if len(label) <= _LONG else label[: _LONG - 1].rstrip() + "…"


def axis_title(metric: str, *, along: str = "epoch") -> str:
    """The name of a metric with what its numbers are."""
    if along == "update":
        return f"{title('train/loss')} (of the update's batch)"
    return f"{title(metric)} (fraction correct)" if metric.endswith("accuracy") else title(metric)


def single_panel(width: float = 6.4, height: float = 3.7) -> tuple[Figure, Axes]:
    """An empty figure of one panel."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def shared_legend(figure: Figure, labels: Sequence[str], styles: Mapping[str, Style]) -> None:
    """One legend beneath all panels of a figure."""
    handles = [
        Line2D(
            [], [], color=styles[n].color, ls=styles[n].line, marker=styles[n].marker, mec="white", mew=0.4, label=short(n)
        )
        for n in labels
    ]
    widest = max(len(short(name)) for name in labels)
    columns = max(2, min(len(labels), 6, int(108 / (widest + 8))))
    legend = figure.legend(
        handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize=7.5, handlelength=3
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def mark(ax: Axes, x: float, y: float, style: Style) -> None:
    """One value of a label, on top of all else."""
    ax.plot([x], [y], style.marker, color=style.color, ms=5.6, mec="white", mew=0.6, zorder=6)
