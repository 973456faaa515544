"""The style of all figures: colours, dashes and markers, the style of each label, and shared elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.frames.scores import title
from reports.frames.study_frames import TUNED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text

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
    "figure.dpi": 300,  # as saved, so that the layout measures text at its final size
    "savefig.facecolor": "white",
    "savefig.dpi": 300,
    "svg.fonttype": "path",
    "svg.hashsalt": "ravine",
    "pdf.fonttype": 42,
}
"""The style of all figures, on top of matplotlib's defaults, so that the settings of the user have no effect."""

Dash = tuple[float, ...]
_SOLID: Dash = ()
_DASHED: Dash = (5, 1.8)
_DOTTED: Dash = (1.3, 1.5)
_MIXED: Dash = (5, 1.5, 1.2, 1.5)
_TUNED_DASHES = {_SOLID: _DOTTED, _DASHED: _SOLID, _MIXED: _SOLID, _DOTTED: _SOLID}

_STYLES: tuple[tuple[str, Dash, str], ...] = (
    ("#0072b2", _SOLID, "o"),  # The first seven hues are those of Okabe and Ito without their yellow.
    ("#d55e00", _SOLID, "s"),  # Light ones are darker, because a line on white needs contrast.
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
_MAX_LABEL_LENGTH = 26


@dataclass(frozen=True, slots=True)
class Style:
    """The style of a label in every figure: colour, and dash and marker for readers and printers without colour."""

    color: str
    dash: Dash
    marker: str

    @property
    def line(self) -> Any:
        """The dash as a line style of matplotlib."""
        return (0, self.dash) if self.dash else "-"


def assign_styles(labels: Sequence[str]) -> dict[str, Style]:
    """Return the style of each label by its position in the plan; from the 13th on, colours repeat with other dashes.

    A tuned entry has the colour and the marker of the entry that it was tuned from, with another dash.
    """
    styles: dict[str, Style] = {}
    untuned = [label for label in labels if not (label.endswith(TUNED) and label.removesuffix(TUNED) in labels)]
    for index, label in enumerate(untuned):
        color, _, marker = _STYLES[index % len(_STYLES)]
        _, dash, _ = _STYLES[(index + 3 * (index // len(_STYLES))) % len(_STYLES)]
        styles[label] = Style(color, dash, marker)
    for label in labels:
        if label not in styles:
            default = styles[label.removesuffix(TUNED)]
            styles[label] = Style(default.color, _TUNED_DASHES[default.dash], default.marker)
    return {label: styles[label] for label in labels}


def shorten(label: str) -> str:
    """Return a label that fits beside a line."""
    return label if len(label) <= _MAX_LABEL_LENGTH else label[: _MAX_LABEL_LENGTH - 1].rstrip() + "…"


def axis_title(metric: str, *, along: str = "epoch") -> str:
    """Return the name of a metric, with its unit if it needs one."""
    if along == "update":
        return f"{title('train/loss')} (of the update's batch)"
    return f"{title(metric)} (fraction correct)" if metric.endswith("accuracy") else title(metric)


def single_panel(width: float = 6.4, height: float = 3.7) -> tuple[Figure, Axes]:
    """Return an empty figure with one panel; width and height in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def shared_legend(figure: Figure, labels: Sequence[str], styles: Mapping[str, Style]) -> None:
    """Add one legend below all panels of a figure."""
    handles = []
    for label in labels:
        style: dict[str, Any] = {"color": styles[label].color, "ls": styles[label].line, "marker": styles[label].marker}
        handles.append(Line2D([], [], **style, mec="white", mew=0.4, label=shorten(label)))
    max_length = max(len(shorten(label)) for label in labels)
    columns = max(2, min(len(labels), 6, int(108 / (max_length + 8))))
    position: dict[str, Any] = {"loc": "outside lower left", "ncols": columns}
    plain_text(figure.legend(handles=handles, **position, frameon=False, fontsize=7.5, handlelength=3).get_texts())


def plain_text(texts: Iterable[Text]) -> None:
    """Draw texts with labels as they are: a dollar sign begins no formula."""
    for text in texts:
        text.set_parse_math(False)


def label_rows(ax: Axes, positions: Iterable[float], labels: Iterable[str]) -> None:
    """Name the rows of a plot, and remove the line, ticks and grid of the vertical axis."""
    ax.set_yticks(list(positions), [shorten(label) for label in labels])
    plain_text(ax.get_yticklabels())
    hide_row_axis(ax)


def hide_row_axis(ax: Axes) -> None:
    """Remove the line, ticks and grid of a vertical axis whose values are names."""
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)


def format_difference(value: float, _: object = None) -> str:
    """Return a tick of an axis of differences, with its sign."""
    return f"{value:+.6g}".replace("-", "−") if value else "0"


def plot_marker(ax: Axes, x: float, y: float, style: Style) -> None:
    """Plot one value of a label in front of everything else."""
    ax.plot([x], [y], style.marker, color=style.color, ms=5.6, mec="white", mew=0.6, zorder=6)
