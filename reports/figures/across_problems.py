"""Plots over several problems: P(better) of the best optimizer, the critical-difference diagram and performance profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullFormatter, PercentFormatter

from reports.analysis.verdicts import UNDECIDED
from reports.figures.style import INK, QUIET, label_rows, plain_text, plot_marker, shorten
from reports.statistics.letter_display import tiers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.analysis.ranking import Ranking
    from reports.figures.style import Style
    from reports.statistics.across_problems import Profiles, Ranks


def superiority_of_best(ranking: Ranking, ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """Plot the mean P(better) of the best optimizer against each other one with its simultaneous interval.

    An interval is dashed unless the two differ significantly.

    Args:
        ranking: The ranking.
        ax: The axes.
        styles: The style of each label.
    """
    best, *others = ranking.labels
    rows = range(len(others) - 1, -1, -1)
    pairs = ranking.pairs[ranking.pairs["first"] == best]
    for y, (_, pair) in zip(rows, pairs.iterrows(), strict=True):
        line, style = (0, (2.2, 1.2)) if pair["verdict"] == UNDECIDED else "-", styles[pair["second"]]
        ends = [pair["superiority_low"], pair["superiority_high"]]
        ax.plot(ends, [y, y], color=style.color, lw=1.6, ls=line, solid_capstyle="butt", zorder=4)
        plot_marker(ax, float(pair["superiority"]), y, style)
    ax.axvline(0.5, color=QUIET, lw=0.8, zorder=1)
    label_rows(ax, rows, others)
    ax.set_ylim(-0.65, len(others) - 0.35)
    ax.set_xlim(-0.02, 1.02)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel(f"P({shorten(best)} better), mean over {len(ranking.parts)} problems", parse_math=False)
    return ax


def critical_difference(ranks: Ranks, labels: Sequence[str], ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """Plot mean ranks on a line, the best at the left; a bar joins those within the critical difference.

    Args:
        ranks: The ranks, in the order of `labels`.
        labels: The optimizers.
        ax: The axes.
        styles: The style of each label.
    """
    k, mean = len(labels), ranks.mean
    order = sorted(range(k), key=lambda index: (mean[index], index))
    distinguished = [
        (first, second)
        for first in order
        for second in order
        if first < second and abs(mean[first] - mean[second]) > ranks.critical
    ]
    y = 0.0
    for tier in tiers(order, distinguished):  # bars below the line, each in its own row
        if len(tier) > 1:
            y -= 0.32
            ends = [mean[tier[0]] - 0.04, mean[tier[-1]] + 0.04]
            ax.plot(ends, [y, y], color=INK, lw=3.2, solid_capstyle="butt", zorder=3)
    top, half = y - 0.25, -(-k // 2)
    text_options: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8, "parse_math": False}
    for position, index in enumerate(order):
        is_left = position < half
        row = position if is_left else k - 1 - position
        y, x_text = top - 0.5 * (row + 1), 0.8 if is_left else k + 0.2
        style, rank, name = styles[labels[index]], float(mean[index]), shorten(labels[index])
        ax.plot([rank, rank, x_text], [0, y, y], color=style.color, lw=1.1, zorder=2)
        ax.plot([rank], [0], style.marker, color=style.color, ms=5.6, mec="white", mew=0.6, zorder=6, clip_on=False)
        text = f"{name}  {rank:.2f}" if is_left else f"{rank:.2f}  {name}"
        ax.annotate(text, (x_text, y), (-4 if is_left else 4, 0), ha="right" if is_left else "left", **text_options)
    ax.plot([1, 1 + ranks.critical], [0.75, 0.75], color=QUIET, lw=1.2, marker="|", ms=7)
    middle = (1 + ranks.critical / 2, 0.75)
    text = f"critical difference {ranks.critical:.2f}"
    ax.annotate(text, middle, (0, 5), textcoords="offset points", ha="center", fontsize=7.5)
    ax.set_xlim(0.7, k + 0.3)
    ax.set_ylim(top - 0.5 * half - 0.3, 1.15)
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
    ax.set_title(f"Mean rank over {ranks.problems} problems", pad=8)
    return ax


def performance_profiles(profiles: Profiles, labels: Sequence[str], ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """Plot the share of cases that are solved within τ times the best cost, with its band, on a logarithmic axis.

    Args:
        profiles: The profiles, in the order of `labels`.
        labels: The optimizers.
        ax: The axes.
        styles: The style of each label.
    """
    ratio = profiles.ratio
    for index, label in enumerate(labels):
        style, low, high = styles[label], profiles.low[:, index], profiles.high[:, index]
        ax.fill_between(ratio, low, high, step="post", color=style.color, alpha=0.1, lw=0)
        ax.step(ratio, profiles.share[:, index], where="post", color=style.color, ls=style.line, lw=1.5)
    ax.set_xscale("log")
    powers_only = ratio[-1] / ratio[0] > 100
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if powers_only else (1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(float(ratio[0]), float(ratio[-1]))
    ax.set_ylim(-0.02, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("Cost as a multiple of the best, τ")
    ax.set_ylabel(f"Share of {profiles.cases} cases within τ")
    by_area = [labels[index] for index in np.argsort(-profiles.share.sum(axis=0), kind="stable")]
    handles = [Line2D([], [], color=styles[n].color, ls=styles[n].line, label=shorten(n)) for n in by_area]
    position: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    legend = ax.legend(handles=handles, **position, frameon=False, fontsize=7.5, handlelength=3)
    plain_text(legend.get_texts())
    return ax
