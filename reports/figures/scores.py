"""Final scores: a mean with its interval for each label, the repeats as small dots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from reports.figures.axis_scales import STEPS, cutoff, within
from reports.figures.style import QUIET, axis_title, mark, short
from reports.frames.scores import higher_is_better
from reports.text import notes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from reports.figures.style import Style


def dot_plot(
    estimates: pd.DataFrame,
    ax: Axes,
    styles: Mapping[str, Style],
    *,
    metric: str,
    scores: pd.DataFrame | None = None,
    numbers: bool = True,
) -> Axes:
    """The mean of each label with its interval, the best on top; small dots are the repeats.

    Labels far worse than most are told at the edge, with an arrow, so that the rest can be read.

    Args:
        estimates: A row per label (`estimates.by_label`).
        ax: Where to draw.
        styles: A style per label.
        metric: What to show.
        scores: A row per trial (`scores.final`), for the dots of the repeats.
        numbers: Whether to write mean and interval at the right.
    """
    sign = 1 if higher_is_better(metric) else -1
    table = estimates.sort_values(metric, key=lambda values: -sign * values, kind="stable", na_position="last")[::-1]
    cut = cutoff(sign * table[metric].dropna().to_numpy())
    digits = notes.column_decimals(estimates, metric)
    worse, side, arrow = (0.0, "left", "◂ {}") if sign > 0 else (1.0, "right", "{} ▸")
    beside = ax.get_yaxis_transform()
    beyond = False
    for at, (_, row) in enumerate(table.iterrows()):
        style, mean, low, high = styles[row["label"]], *(float(row[f"{metric}{end}"]) for end in ("", " low", " high"))
        if not sign * mean >= cut:
            beyond = beyond or math.isfinite(mean)
            text = arrow.format(notes.number(mean, digits)) if math.isfinite(mean) else "no score"
            color = style.color if math.isfinite(mean) else QUIET
            ax.text(worse, at, text, transform=beside, ha=side, va="center", fontsize=7, color=color)
        else:
            if scores is not None:
                single = scores.loc[scores["label"] == row["label"], metric].dropna()
                ax.plot(single, np.full(len(single), at - 0.27), "o", ms=2.4, mfc=style.color, mec="none", alpha=0.45)
            if math.isfinite(low) and math.isfinite(high):
                ax.plot([low, high], [at, at], color=style.color, lw=1.6, solid_capstyle="butt")
            mark(ax, mean, at, style)
        if numbers:
            text = notes.plus_minus(mean, low, high, digits)
            ax.annotate(text, (1, at), (9, 0), xycoords=beside, textcoords="offset points", va="center", fontsize=7.5)
    ax.set_yticks(range(len(table)), [short(label) for label in table["label"]])
    for tick in ax.get_yticklabels():
        tick.set_parse_math(False)
    ax.set_ylim(-0.65, len(table) - 0.45)
    ax.margins(x=0.06)
    within(ax, metric, "x")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3, steps=STEPS))
    ax.set_xlabel(axis_title(metric) + (f"  ({'◂' if sign > 0 else '▸'} beyond the axis)" if beyond else ""))
    return ax
