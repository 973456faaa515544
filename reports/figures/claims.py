"""Claims as a picture: the effects behind them, towards the claim or away from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from reports.analysis.claims import OPEN, REFUTED, SUPPORTED
from reports.figures.style import FAINT, INK, QUIET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.analysis.claims import Findings, Measurement

COLORS: Mapping[str, str] = {SUPPORTED: "#0072b2", REFUTED: "#d55e00", OPEN: "#7a828c"}
"""Blue against vermilion (Okabe and Ito), which the colour-blind tell apart; the marker says it as well."""
_MARKS: Mapping[str, str] = {SUPPORTED: "o", REFUTED: "s", OPEN: "o"}
_TICKS = (-100, -10, -3, -1, 0, 1, 3, 10, 100)
_ROW, _GAP = 0.125, 0.14
_NAME = 62
"""So many characters of a measurement's name fit beside its line."""


def forest_plot(found: Findings) -> Figure:
    """A line for each measurement that varies, in blocks by claim, its name at the right."""
    blocks = {
        f"{finding.claim.key}": [each for each in finding.measurements if math.isfinite(each.size)]
        for finding in found.claims
    }
    blocks = {name: group for name, group in blocks.items() if group}
    lines = sum(map(len, blocks.values()))
    figure = Figure(figsize=(9.6, 0.75 + _ROW * lines + _GAP * len(blocks)), layout="constrained")
    effects(blocks, figure.subplots())
    return figure


def effects(blocks: Mapping[str, Sequence[Measurement]], ax: Axes) -> Axes:
    """Effects in standard deviations with their intervals, the first block on top.

    Args:
        blocks: Measurements by the key of their claim.
        ax: Where to draw.
    """
    height, places, step = 0.0, {}, _GAP / _ROW
    ax.set_xscale("symlog", linthresh=1.0, linscale=1.0)
    ax.axvline(0, color=QUIET, lw=0.8, zorder=1)
    for at, (name, group) in enumerate(blocks.items()):
        top = height
        for each in sorted(group, key=lambda one: -one.size):
            color = COLORS[each.verdict]
            ax.plot([each.size_low, each.size_high], [height] * 2, color=color, lw=1.1, zorder=3, solid_capstyle="butt")
            fill = "white" if each.verdict == OPEN else color
            ax.plot(each.size, height, _MARKS[each.verdict], mfc=fill, mec=color, mew=0.9, ms=3.2, zorder=4)
            what, beside = f"{each.part}: {each.what}" if each.part else each.what, ax.get_yaxis_transform()
            told = what if len(what) <= _NAME else f"{what[: _NAME - 1]}…"
            text = ax.annotate(
                told, (1, height), (6, 0), xycoords=beside, textcoords="offset points", va="center", fontsize=6
            )
            text.set_parse_math(False)
            height -= 1
        places[f"{name}"] = (top + height + 1) / 2
        if at % 2 == 0:
            ax.axhspan(height + 1 - step / 2 - 0.2, top + step / 2 + 0.2, color=FAINT, alpha=0.28, lw=0, zorder=0)
        height -= step
    ax.set_yticks(list(places.values()), [f"Claim {name}" for name in places])
    for tick in ax.get_yticklabels():
        tick.set_parse_math(False)
    ax.set_ylim(height + step / 2, 1.2)
    reach = max(
        (abs(end) for group in blocks.values() for one in group for end in (one.size_low, one.size_high)), default=1
    )
    reach = max(2.0, 1.3 * reach)
    ax.set_xlim(-reach, reach)
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if abs(tick) <= reach]))
    ax.xaxis.set_minor_locator(FixedLocator([]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"))
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(
        "◂ against the claim      effect / standard deviation of the differences      for the claim ▸", color=INK
    )
    return ax
