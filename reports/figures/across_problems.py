"""Several problems in pictures: the critical-difference diagram and performance profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullFormatter, PercentFormatter

from reports.figures.style import INK, QUIET, short
from reports.statistics.letter_display import tiers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.figures.style import Style
    from reports.statistics.across_problems import Profiles, Ranks


def critical_difference(found: Ranks, labels: Sequence[str], ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """Mean ranks on a line, the best at the left; a bar joins optimizers that lie less than the critical difference apart.

    Args:
        found: The ranks, in the order of `labels`.
        labels: Of the optimizers.
        ax: Where to draw.
        styles: A style per label.
    """
    k = len(labels)
    order = sorted(range(k), key=lambda at: (found.mean[at], at))
    apart = [
        (one, other)
        for one in order
        for other in order
        if one < other and abs(found.mean[one] - found.mean[other]) > found.critical
    ]
    groups = [tier for tier in tiers(order, apart) if len(tier) > 1]
    half = -(-k // 2)
    level = 0.0
    for tier in groups:  # bars beneath the line, each in a row of its own
        level -= 0.32
        low, high = (found.mean[at] for at in (tier[0], tier[-1]))
        ax.plot([low - 0.04, high + 0.04], [level, level], color=INK, lw=3.2, solid_capstyle="butt", zorder=3)
    below = level - 0.25
    for place, at in enumerate(order):
        left = place < half
        row = place if left else k - 1 - place
        height, edge = below - 0.5 * (row + 1), 0.8 if left else k + 0.2
        style, rank = styles[labels[at]], float(found.mean[at])
        ax.plot([rank, rank, edge], [0, height, height], color=style.color, lw=1.1, zorder=2)
        ax.plot([rank], [0], style.marker, color=style.color, ms=5.6, mec="white", mew=0.6, zorder=6, clip_on=False)
        gap: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8}
        text = f"{short(labels[at])}  {rank:.2f}" if left else f"{rank:.2f}  {short(labels[at])}"
        ax.annotate(
            text, (edge, height), (-4 if left else 4, 0), ha="right" if left else "left", parse_math=False, **gap
        )
    ax.plot([1, 1 + found.critical], [0.75, 0.75], color=QUIET, lw=1.2, marker="|", ms=7)
    ax.annotate(
        f"critical difference {found.critical:.2f}",
        (1 + found.critical / 2, 0.75),
        (0, 5),
        textcoords="offset points",
        ha="center",
        fontsize=7.5,
    )
    ax.set_xlim(0.7, k + 0.3)
    ax.set_ylim(below - 0.5 * half - 0.3, 1.15)
    ax.spines["bottom"].set_visible(False)
    ax.spines["left"].set_visible(False)
    ax.spines["top"].set_visible(True)
    ax.spines["top"].set_position(("data", 0))
    ax.spines["top"].set_bounds(1, k)
    ax.xaxis.set_ticks_position("top")
    ax.xaxis.set_major_locator(MultipleLocator(1))
    ax.set_xticks(range(1, k + 1))
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.set_title(f"Mean rank over {found.problems} problems", pad=8)
    return ax


def profiles(found: Profiles, labels: Sequence[str], ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """The share of cases solved within τ times the best cost, with its band, on a logarithmic axis.

    Args:
        found: The profiles, in the order of `labels`.
        labels: Of the optimizers.
        ax: Where to draw.
        styles: A style per label.
    """
    for at, label in enumerate(labels):
        style = styles[label]
        ax.fill_between(
            found.ratio, found.low[:, at], found.high[:, at], step="post", color=style.color, alpha=0.1, lw=0
        )
        ax.step(
            found.ratio, found.share[:, at], where="post", color=style.color, ls=style.line, lw=1.5, label=short(label)
        )
    ax.set_xscale("log")
    wide = found.ratio[-1] / found.ratio[0] > 100
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(float(found.ratio[0]), float(found.ratio[-1]))
    ax.set_ylim(-0.02, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("Cost as a multiple of the best, τ")
    ax.set_ylabel(f"Share of {found.cases} cases within τ")
    _name_profiles(found, labels, ax, styles)
    return ax


def _name_profiles(found: Profiles, labels: Sequence[str], ax: Axes, styles: Mapping[str, Style]) -> None:
    """A legend in the order of the curves' ends."""
    from matplotlib.lines import Line2D

    order = np.argsort(-found.share.sum(axis=0), kind="stable")
    handles = [
        Line2D([], [], color=styles[labels[at]].color, ls=styles[labels[at]].line, label=short(labels[at]))
        for at in order
    ]
    box = ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize=7.5,
        handlelength=3,
    )
    for text in box.get_texts():
        text.set_parse_math(False)
