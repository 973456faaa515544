"""Verdicts become pictures: differences from the best with their tiers, and the matrix of all pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.analysis.verdicts import BETTER, TIED, UNDECIDED, WORSE
from reports.figures.axis_scales import STEPS
from reports.figures.style import FAINT, INK, QUIET, mark, short
from reports.frames.scores import title
from reports.statistics.letter_display import names_of
from reports.text import notes
from reports.text.conclusions import p_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from reports.analysis.before_after import BeforeAfter
    from reports.analysis.verdicts import Comparison
    from reports.figures.style import Style

FILLS: Mapping[str, str] = {BETTER: "#bcd9ee", WORSE: "#f9d3b4", TIED: "#e3e6ea", UNDECIDED: "#ffffff"}
"""The colour of a verdict: blue against orange, which the colour-blind tell apart; the text says it as well."""

SIGNS: Mapping[str, str] = {BETTER: "▲", WORSE: "▼", TIED: "=", UNDECIDED: ""}


def differences_from_best(found: Comparison, ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """How far each optimizer lies from the best, with the interval of the difference; at the right its tiers.

    The intervals are made for all pairs together, so that all of them hold with the level of the family. The shaded strip is
    the margin, within which a difference does not count. A line at the right joins the optimizers of a tier.

    Args:
        found: The verdicts.
        ax: Where to draw.
        styles: A style per label.
    """
    order = list(found.means)
    best, heights = order[0], {label: len(order) - 1 - at for at, label in enumerate(order)}
    rows = {label: _towards(found, label, best) for label in order[1:]}
    distances = [abs(middle) for middle, *_ in rows.values()]
    cut = 4 * float(np.median(distances)) if len(distances) > 3 and np.median(distances) > 0 else math.inf
    beyond = False
    digits = notes.decimals((high - low) / 2 for _, low, high, _ in rows.values())
    beside = ax.get_yaxis_transform()
    for label, height in heights.items():
        style = styles[label]
        if label == best:
            mark(ax, 0, height, style)
            continue
        middle, low, high, verdict = rows[label]
        if abs(middle) > cut:
            beyond = True
            at, side, arrow = (0.0, "left", "◂ {}") if middle < 0 else (1.0, "right", "{} ▸")
            told = arrow.format(notes.number(middle, digits))
            ax.text(at, height, told, transform=beside, ha=side, va="center", fontsize=7, color=style.color)
            continue
        _interval(ax, height, (middle, low, high), verdict, style)
    _tiers(ax, found, heights)
    _dress(ax, heights, found.margin)
    edge = f"  ({'◂' if found.higher else '▸'} beyond the axis)" if beyond else ""
    ax.set_xlabel(f"{title(found.score)}: difference from {short(best)}{edge}", parse_math=False)
    return ax


def pair_matrix(found: Comparison, ax: Axes) -> Axes:
    """All pairs: the row's mean minus the column's, its verdict on the row as colour and sign, and the adjusted p beneath.

    Args:
        found: The verdicts.
        ax: Where to draw.
    """
    order = list(found.means)
    k = len(order)
    digits = min(notes.decimals((found.pairs["simultaneous_high"] - found.pairs["simultaneous_low"]) / 2), 4)
    size = 7.2 if k <= 9 else max(4.2, 7.2 * 9 / k)
    for y, row in enumerate(order):
        for x, column in enumerate(order):
            if x == y:
                ax.add_patch(_square(x, y, FAINT))
                continue
            verdict, pair = found.verdict(row, column), found.pair(row, column)
            ax.add_patch(_square(x, y, FILLS[verdict]))
            difference = float(pair["difference"]) * (1 if pair["first"] == row else -1)
            shown = notes.number(difference, digits)
            shown = f"+{shown}" if difference > 0 else shown
            bold = "bold" if verdict in {BETTER, WORSE} else "normal"
            ax.text(
                x, y - 0.13, f"{SIGNS[verdict]} {shown}".strip(), ha="center", va="center", fontsize=size, weight=bold
            )
            told = f"p {p_value(float(pair['adjusted_p']))}"
            ax.text(x, y + 0.23, told, ha="center", va="center", fontsize=0.8 * size, color=QUIET)
    ax.xaxis.tick_top()
    ax.set_xticks(range(k), [short(label) for label in order], rotation=35, ha="left", rotation_mode="anchor")
    ax.set_yticks(range(k), [f"{short(label)}  {found.letters[label]}" for label in order])
    for tick in [*ax.get_yticklabels(), *ax.get_xticklabels()]:
        tick.set_parse_math(False)
    ax.set_xlim(-0.5, k - 0.5)
    ax.set_ylim(k - 0.5, -0.5)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    key = "row against column:  ▲ better   ▼ worse   = tied   plain: undecided"
    ax.text(0, -0.02, key, transform=ax.transAxes, ha="left", va="top", fontsize=7.2, color=INK)
    return ax


def _towards(found: Comparison, label: str, best: str) -> tuple[float, float, float, str]:
    """The difference `label` − `best`, its joint interval, and the verdict on `label`."""
    row = found.pair(label, best)
    ends = [float(row[name]) for name in ("difference", "simultaneous_low", "simultaneous_high")]
    if row["first"] == label:
        return ends[0], ends[1], ends[2], found.verdict(label, best)
    return -ends[0], -ends[2], -ends[1], found.verdict(label, best)


def _interval(ax: Axes, height: int, ends: tuple[float, float, float], verdict: str, style: Style) -> None:
    """A difference as a mark with its interval (middle, low, high): a whole line where there is a verdict on who is better."""
    middle, low, high = ends
    if math.isfinite(low) and math.isfinite(high):
        line = "-" if verdict in {BETTER, WORSE} else (0, (2.2, 1.2))
        ax.plot([low, high], [height, height], color=style.color, lw=1.6, ls=line, solid_capstyle="butt", zorder=4)
    mark(ax, middle, height, style)


def _dress(ax: Axes, heights: Mapping[str, int], margin: float) -> None:
    """The axes of differences: a label at each height, a line at 0, and the strip within which a difference does not count."""
    ax.axvspan(-margin, margin, color=FAINT, alpha=0.45, lw=0, zorder=0)
    ax.axvline(0, color=QUIET, lw=0.8, zorder=1)
    ax.set_yticks(list(heights.values()), [short(label) for label in heights])
    for tick in ax.get_yticklabels():
        tick.set_parse_math(False)
    ax.set_ylim(-0.65, len(heights) - 0.45)
    ax.margins(x=0.06)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.6g}".replace("-", "−") if value else "0"))


def _tiers(ax: Axes, found: Comparison, heights: Mapping[str, int]) -> None:
    """A column at the right for each tier: a dot for each member, joined by a line, its letter on top."""
    beside = ax.get_yaxis_transform()
    step, names = min(0.035, 0.5 / max(len(found.tiers), 1)), list(names_of(len(found.tiers)))
    for at, tier in enumerate(found.tiers):
        x, own = 1.03 + at * step, [heights[label] for label in tier]
        lines: dict[str, Any] = {"transform": beside, "clip_on": False, "color": INK, "zorder": 5}
        ax.plot([x, x], [min(own), max(own)], lw=1.4, **lines)
        ax.plot([x] * len(own), own, "o", ms=3.4, **lines)
        ax.annotate(
            names[at],
            (x, max(own)),
            (0, 5),
            xycoords=beside,
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7.5,
        )


def _square(x: int, y: int, color: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor="#c9ced6", lw=0.6)


def changes(found: BeforeAfter, ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """How each optimizer's mean changed from one version to the other, with intervals that hold for all together.

    Args:
        found: The changes.
        ax: Where to draw.
        styles: A style per label.
    """
    table = found.changes
    heights = range(len(table) - 1, -1, -1)
    for height, (_, row) in zip(heights, table.iterrows(), strict=True):
        middle, low, high = (float(row[name]) for name in ("difference", "simultaneous_low", "simultaneous_high"))
        _interval(ax, height, (middle, low, high), row["verdict"], styles[row["label"]])
        told = f"{SIGNS[row['verdict']]} {row['verdict']}".strip()
        ax.text(1.01, height, told, transform=ax.get_yaxis_transform(), va="center", fontsize=7.5, color=INK)
    _dress(ax, dict(zip(table["label"], heights, strict=True)), found.margin)
    better = "▸ better" if found.higher else "◂ better"
    ax.set_xlabel(
        f"{title(found.score)}: {short(found.after)} minus {short(found.before)}  ({better})", parse_math=False
    )
    return ax
