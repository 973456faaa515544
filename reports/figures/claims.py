"""A forest plot of the effects behind the claims; positive effects support the claim."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from reports.analysis.claims import REFUTED, SUPPORTED, UNDECIDED
from reports.figures.style import FAINT, INK, QUIET, format_difference, hide_row_axis, plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.analysis.claims import Findings, Measurement

COLORS: Mapping[str, str] = {SUPPORTED: "#0072b2", REFUTED: "#d55e00", UNDECIDED: "#7a828c"}
"""Blue and vermilion (Okabe and Ito) are distinguishable for colour-blind readers; the marker differs as well."""
_MARKERS: Mapping[str, str] = {SUPPORTED: "o", REFUTED: "s", UNDECIDED: "o"}
_TICKS = (-100, -10, -3, -1, 0, 1, 3, 10, 100)
_ROW_INCHES, _GAP_INCHES = 0.125, 0.14
_MAX_NAME_LENGTH = 62


def forest_plot(findings: Findings) -> Figure:
    """Return a figure with a row per measurement that varies, in blocks by claim."""
    blocks = {}
    for finding in findings.claims:
        if varying := [measurement for measurement in finding.measurements if math.isfinite(measurement.size)]:
            blocks[finding.claim.key] = varying
    num_rows = sum(map(len, blocks.values()))
    height = 0.75 + _ROW_INCHES * num_rows + _GAP_INCHES * len(blocks)
    figure = Figure(figsize=(9.6, height), layout="constrained")
    plot_effects(blocks, figure.subplots())
    return figure


def plot_effects(blocks: Mapping[str, Sequence[Measurement]], ax: Axes) -> Axes:
    """Plot effects in standard deviations with their intervals and names, the first block on top.

    Args:
        blocks: The measurements by the key of their claim.
        ax: The axes.
    """
    y, centers, gap = 0.0, {}, _GAP_INCHES / _ROW_INCHES
    ax.set_xscale("symlog", linthresh=1.0, linscale=1.0)
    ax.axvline(0, color=QUIET, lw=0.8, zorder=1)
    name_options: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 6, "parse_math": False}
    for index, (key, measurements) in enumerate(blocks.items()):
        top = y
        for measurement in sorted(measurements, key=lambda measurement: -measurement.size):
            verdict, color = measurement.verdict, COLORS[measurement.verdict]
            ends = [measurement.size_low, measurement.size_high]
            ax.plot(ends, [y] * 2, color=color, lw=1.1, zorder=3, solid_capstyle="butt")
            fill = "white" if verdict == UNDECIDED else color
            ax.plot(measurement.size, y, _MARKERS[verdict], mfc=fill, mec=color, mew=0.9, ms=3.2, zorder=4)
            name = f"{measurement.part}: {measurement.what}" if measurement.part else measurement.what
            name = name if len(name) <= _MAX_NAME_LENGTH else f"{name[: _MAX_NAME_LENGTH - 1]}…"
            ax.annotate(name, (1, y), (6, 0), xycoords=ax.get_yaxis_transform(), **name_options)
            y -= 1
        centers[key] = (top + y + 1) / 2
        if index % 2 == 0:
            ax.axhspan(y + 1 - gap / 2 - 0.2, top + gap / 2 + 0.2, color=FAINT, alpha=0.28, lw=0, zorder=0)
        y -= gap
    ax.set_yticks(list(centers.values()), [f"Claim {key}" for key in centers])
    plain_text(ax.get_yticklabels())
    ax.set_ylim(y + gap / 2, 1.2)
    effects = [abs(end) for group in blocks.values() for one in group for end in (one.size_low, one.size_high)]
    limit = max(2.0, 1.3 * max(effects, default=1))
    ax.set_xlim(-limit, limit)
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if abs(tick) <= limit]))
    ax.xaxis.set_minor_locator(FixedLocator([]))
    ax.xaxis.set_major_formatter(FuncFormatter(format_difference))
    hide_row_axis(ax)
    label = "◂ against the claim      effect / standard deviation of the differences      for the claim ▸"
    ax.set_xlabel(label, color=INK)
    return ax
