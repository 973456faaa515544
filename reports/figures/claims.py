"""A forest plot of the claims: for each test the probability that a run is better in the claimed direction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from reports.analysis.claim_measurements import REFUTED, SUPPORTED, UNDECIDED
from reports.figures.style import FAINT, INK, QUIET, hide_row_axis, plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.analysis.claim_measurements import Measurement
    from reports.analysis.claims import Findings

    Blocks = Mapping[str, Sequence[Measurement]]

COLORS: Mapping[str, str] = {SUPPORTED: "#0072b2", REFUTED: "#d55e00", UNDECIDED: "#7a828c"}
"""Blue and vermilion (Okabe and Ito) are distinguishable for colour-blind readers; the marker differs as well."""
_MARKERS: Mapping[str, str] = {SUPPORTED: "o", REFUTED: "s", UNDECIDED: "o"}
_ROW_INCHES, _GAP = 0.125, 1.1
_MAX_NAME_LENGTH = 62


def shown_measurements(findings: Findings) -> Blocks:
    """Return the measurements with a probability by the name of their claim; claims without one are omitted."""
    blocks = {f.name: [m for m in f.measurements if math.isfinite(m.probability)] for f in findings.claims}
    return {name: measurements for name, measurements in blocks.items() if measurements}


def forest_plot(blocks: Blocks) -> Figure:
    """Return a figure with a row per measurement, in blocks by claim."""
    height = 0.75 + _ROW_INCHES * (sum(map(len, blocks.values())) + _GAP * len(blocks))
    figure = Figure(figsize=(9.6, height), layout="constrained")
    plot_probabilities(blocks, figure.subplots())
    return figure


def plot_probabilities(blocks: Blocks, ax: Axes) -> Axes:
    """Plot probabilities in percent with their intervals and names, the first block on top.

    Args:
        blocks: The measurements by the name of their claim.
        ax: The axes.
    """
    y, centers = 0.0, {}
    name_options: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 6, "parse_math": False}
    ax.axvline(50, color=QUIET, lw=0.8, zorder=1)
    for index, (claim, measurements) in enumerate(blocks.items()):
        top = y
        for m in sorted(measurements, key=lambda m: (-m.probability, -m.clarity)):
            color = COLORS[m.verdict]
            ends = [100 * m.probability_low, 100 * m.probability_high]
            ax.plot(ends, [y] * 2, color=color, lw=1.1, zorder=3, solid_capstyle="butt")
            fill = "white" if m.verdict == UNDECIDED else color
            ax.plot(100 * m.probability, y, _MARKERS[m.verdict], mfc=fill, mec=color, mew=0.9, ms=3.2, zorder=4)
            name = f"{m.part_name}: {m.what}"
            name = name if len(name) <= _MAX_NAME_LENGTH else f"{name[: _MAX_NAME_LENGTH - 1]}…"
            ax.annotate(name, (1, y), (6, 0), xycoords=ax.get_yaxis_transform(), **name_options)
            y -= 1
        centers[f"Claim {claim}"] = (top + y + 1) / 2
        if index % 2 == 0:
            ax.axhspan(y + 1 - _GAP / 2, top + _GAP / 2, color=FAINT, alpha=0.28, lw=0, zorder=0)
        y -= _GAP
    ax.set_yticks(list(centers.values()), list(centers))
    plain_text(ax.get_yticklabels())
    ax.set_ylim(y + _GAP / 2, 1.2)
    ax.set_xlim(-2, 102)
    hide_row_axis(ax)
    ax.set_xlabel("◂ against the claim      P(as claimed) in %      for the claim ▸", color=INK)
    return ax
