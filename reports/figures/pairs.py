"""Plots of verdicts: differences from the best with the tiers, the matrix of all pairs, and changes between versions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.analysis.verdicts import (
    ABOVE,
    BELOW,
    BETTER,
    BETTER_WORSE_MEAN,
    TIED,
    UNDECIDED,
    WORSE,
    WORSE_BETTER_MEAN,
)
from reports.figures.axis_scales import STEPS
from reports.figures.style import FAINT, INK, QUIET, format_difference, label_rows, plain_text, plot_marker, shorten
from reports.frames.scores import title
from reports.statistics.letter_display import names_of
from reports.text import notes
from reports.text.conclusions import p_value
from reports.text.tables import NO_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from reports.analysis.before_after import BeforeAfter
    from reports.analysis.verdicts import Comparison
    from reports.figures.style import Style

FILLS: Mapping[str, str] = {
    BETTER: "#bcd9ee",
    BETTER_WORSE_MEAN: "#bcd9ee",
    WORSE: "#f9d3b4",
    WORSE_BETTER_MEAN: "#f9d3b4",
    TIED: "#e3e6ea",
    UNDECIDED: "#ffffff",
}
"""The colour of each verdict: blue and orange are distinguishable for colour-blind readers; the text differs as well."""

SIGNS: Mapping[str, str] = {
    BETTER: "▲",
    BETTER_WORSE_MEAN: "△",
    WORSE: "▼",
    WORSE_BETTER_MEAN: "▽",
    TIED: "=",
    UNDECIDED: "",
}


def differences_from_best(comparison: Comparison, ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """Plot the difference of each optimizer from the best with its simultaneous interval, and the tiers at the right.

    The shaded strip is the equivalence margin. A line at the right joins the optimizers of a tier. The difference of an
    outlier, or an infinite one, is an arrow with a number at the edge. An interval without a bound has an arrow to the edge.

    Args:
        comparison: The verdicts.
        ax: The axes.
        styles: The style of each label.
    """
    best, *others = comparison.means
    rows = {label: (len(others) - 1 - index) for index, label in enumerate(others)}
    differences = {label: _difference_from_best(comparison, label, best) for label in others}
    distances = [abs(difference) for difference, *_ in differences.values()]
    finite = [distance for distance in distances if math.isfinite(distance)]
    median = float(np.median(finite)) if finite else 0.0
    cutoff = 4 * median if len(finite) > 3 and median > 0 else math.inf
    digits = notes.decimals((high - low) / 2 for _, low, high, _ in differences.values())
    outliers = {
        difference for difference, *_ in differences.values() if abs(difference) > cutoff or math.isinf(difference)
    }
    plot_marker(ax, 0, len(others), styles[best])
    for label, (difference, low, high, verdict) in differences.items():
        y, style = rows[label], styles[label]
        if difference in outliers:
            x, align, arrow = (0.0, "left", "◂ {}") if difference < 0 else (1.0, "right", "{} ▸")
            text, edge = arrow.format(notes.bound(difference, digits)), ax.get_yaxis_transform()
            ax.text(x, y, text, transform=edge, ha=align, va="center", fontsize=7, color=style.color)
        else:
            _plot_interval(ax, y, (difference, low, high), verdict, style)
    rows = {best: len(others)} | rows
    _plot_tiers(ax, comparison, rows)
    _format_axes(ax, rows, comparison.margin)
    marks = "".join(mark for mark, sign in (("◂", -1), ("▸", 1)) if any(sign * outlier > 0 for outlier in outliers))
    arrow = f"  ({marks} beyond the axis)" if marks else ""
    kind = "median" if comparison.test == "rank" else "mean"
    ax.set_xlabel(f"{title(comparison.score)}: {kind} difference from {shorten(best)}{arrow}", parse_math=False)
    return ax


def pair_matrix(comparison: Comparison, ax: Axes) -> Axes:
    """Plot all pairs: P(better) of the row against the column, the verdict on the row as colour and sign, and the adjusted p.

    Args:
        comparison: The verdicts.
        ax: The axes.
    """
    order = list(comparison.means)
    k = len(order)
    size = 7.2 if k <= 9 else max(4.2, 7.2 * 9 / k)
    centered: dict[str, Any] = {"ha": "center", "va": "center"}
    for y, row in enumerate(order):
        for x, column in enumerate(order):
            if x == y:
                ax.add_patch(_square(x, y, FAINT))
                continue
            verdict, pair = comparison.verdict(row, column), comparison.pair(row, column)
            ax.add_patch(_square(x, y, FILLS[verdict]))
            share = float(pair["superiority"]) if pair["first"] == row else 1 - float(pair["superiority"])
            text = f"{SIGNS[verdict]} {share:.0%}".strip() if math.isfinite(share) else NO_VALUE
            weight = "bold" if verdict in ABOVE | BELOW else "normal"
            ax.text(x, y - 0.13, text, fontsize=size, weight=weight, **centered)
            text = f"p {p_value(float(pair['adjusted_p']))}"
            ax.text(x, y + 0.23, text, fontsize=0.8 * size, color=QUIET, **centered)
    ax.xaxis.tick_top()
    ax.set_xticks(range(k), [shorten(label) for label in order], rotation=35, ha="left", rotation_mode="anchor")
    ax.set_yticks(range(k), [f"{shorten(label)}  {comparison.letters[label]}" for label in order])
    plain_text([*ax.get_yticklabels(), *ax.get_xticklabels()])
    ax.set_xlim(-0.5, k - 0.5)
    ax.set_ylim(k - 0.5, -0.5)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    legend = "P(better) of the row against the column\n▲ better   ▼ worse   = tied   no sign: undecided"
    if comparison.pairs["verdict"].isin([BETTER_WORSE_MEAN, WORSE_BETTER_MEAN]).any():
        legend += "\n△ usually better   ▽ usually worse\n(the means differ in the other direction)"
    ax.text(0, -0.02, legend, transform=ax.transAxes, ha="left", va="top", fontsize=7.2, color=INK)
    return ax


def changes(comparison: BeforeAfter, ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """Plot the median change of each optimizer from one version to the other with simultaneous intervals.

    Args:
        comparison: The changes.
        ax: The axes.
        styles: The style of each label.
    """
    table = comparison.changes
    positions = range(len(table) - 1, -1, -1)
    for y, (_, row) in zip(positions, table.iterrows(), strict=True):
        difference, low, high = (float(row[name]) for name in ("shift", "simultaneous_low", "simultaneous_high"))
        _plot_interval(ax, y, (difference, low, high), row["verdict"], styles[row["label"]])
        text = f"{SIGNS[row['verdict']]} {row['verdict']}".strip()
        ax.text(1.01, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=7.5, color=INK)
    _format_axes(ax, dict(zip(table["label"], positions, strict=True)), comparison.margin)
    change = f"{shorten(comparison.after)} minus {shorten(comparison.before)}"
    better = "▸ better" if comparison.higher else "◂ better"
    ax.set_xlabel(f"{title(comparison.score)}: {change}  ({better})", parse_math=False)
    return ax


def _difference_from_best(comparison: Comparison, label: str, best: str) -> tuple[float, float, float, str]:
    """Return the shift `label` − `best`, its simultaneous interval, and the verdict on `label`."""
    pair, verdict = comparison.pair(label, best), comparison.verdict(label, best)
    difference, low, high = (float(pair[name]) for name in ("shift", "simultaneous_low", "simultaneous_high"))
    return (difference, low, high, verdict) if pair["first"] == label else (-difference, -high, -low, verdict)


def _plot_interval(ax: Axes, y: int, estimate: tuple[float, float, float], verdict: str, style: Style) -> None:
    """Plot a difference and its interval (difference, low, high): dashed unless the difference is significant."""
    difference, low, high = estimate
    look: dict[str, Any] = {"color": style.color, "lw": 1.6, "ls": "-" if verdict in ABOVE | BELOW else (0, (2.2, 1.2))}
    ends = [end if math.isfinite(end) else difference for end in (low, high)]
    if math.isfinite(difference) and not math.isnan(low):
        ax.plot(ends, [y, y], solid_capstyle="butt", zorder=4, **look)
        arrow: dict[str, Any] = {"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0, **look}
        places: dict[str, Any] = {"xycoords": ax.get_yaxis_transform(), "textcoords": "data", "arrowprops": arrow}
        for bound, edge in ((low, 0), (high, 1)):
            if math.isinf(bound):
                ax.annotate("", (edge, y), (difference, y), **places).set_in_layout(False)
    if math.isfinite(difference):
        plot_marker(ax, difference, y, style)


def _format_axes(ax: Axes, rows: Mapping[str, int], margin: float) -> None:
    """Add labels, the line at 0 and the strip of the equivalence margin to an axis of differences."""
    ax.axvspan(-margin, margin, color=FAINT, alpha=0.45, lw=0, zorder=0)
    ax.axvline(0, color=QUIET, lw=0.8, zorder=1)
    label_rows(ax, rows.values(), rows)
    ax.set_ylim(-0.65, len(rows) - 0.45)
    ax.margins(x=0.06)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
    ax.xaxis.set_major_formatter(FuncFormatter(format_difference))


def _plot_tiers(ax: Axes, comparison: Comparison, rows: Mapping[str, int]) -> None:
    """Plot a column at the right for each tier: a dot per member, joined by a line, with the tier's letter on top."""
    beside = ax.get_yaxis_transform()
    num_tiers = len(comparison.tiers)
    step = min(0.035, 0.5 / max(num_tiers, 1))
    line: dict[str, Any] = {"transform": beside, "clip_on": False, "color": INK, "zorder": 5}
    text: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 7.5}
    for index, (tier, name) in enumerate(zip(comparison.tiers, names_of(num_tiers), strict=True)):
        x, members = 1.03 + index * step, [rows[label] for label in tier]
        ax.plot([x, x], [min(members), max(members)], lw=1.4, **line)
        ax.plot([x] * len(members), members, "o", ms=3.4, **line)
        ax.annotate(name, (x, max(members)), (0, 5), xycoords=beside, **text)


def _square(x: int, y: int, color: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor="#c9ced6", lw=0.6)
