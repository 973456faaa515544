"""A dot plot of final scores: mean and interval of each label, with its repeats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from reports.figures.axis_scales import STEPS, clip_accuracy_axis, outlier_cutoff
from reports.figures.style import QUIET, axis_title, label_rows, plot_marker
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
    """Plot the mean of each label with its interval, the best on top, and the repeats as small dots.

    The mean of an outlier is an arrow with a number at the edge, so that the others remain readable.

    Args:
        estimates: A row per label (`estimates.by_label`).
        ax: The axes.
        styles: The style of each label.
        metric: The metric.
        scores: A row per trial (`scores.final`), for the dots of the repeats.
        numbers: Whether to write mean and interval at the right.
    """
    sign = 1 if higher_is_better(metric) else -1
    table = estimates.sort_values(metric, key=lambda values: -sign * values, kind="stable", na_position="last")[::-1]
    cutoff = outlier_cutoff(sign * table[metric].dropna().to_numpy())
    digits = notes.column_decimals(estimates, metric)
    x_edge, align, arrow = (0.0, "left", "◂") if sign > 0 else (1.0, "right", "▸")
    beside, has_outlier = ax.get_yaxis_transform(), False
    for y, (_, row) in enumerate(table.iterrows()):
        style, mean, low, high = styles[row["label"]], *(float(row[metric + end]) for end in ("", "_low", "_high"))
        if not sign * mean >= cutoff:
            text, color = "no score", QUIET
            if math.isfinite(mean):
                number, color, has_outlier = notes.number(mean, digits), style.color, True
                text = f"{arrow} {number}" if sign > 0 else f"{number} {arrow}"
            ax.text(x_edge, y, text, transform=beside, ha=align, va="center", fontsize=7, color=color)
        else:
            if scores is not None:
                values = scores.loc[scores["label"] == row["label"], metric].dropna()
                ax.plot(values, np.full(len(values), y - 0.27), "o", ms=2.4, mfc=style.color, mec="none", alpha=0.45)
            if math.isfinite(low) and math.isfinite(high):
                ax.plot([low, high], [y, y], color=style.color, lw=1.6, solid_capstyle="butt")
            plot_marker(ax, mean, y, style)
        if numbers:
            text = notes.plus_minus(mean, low, high, digits)
            ax.annotate(text, (1, y), (9, 0), xycoords=beside, textcoords="offset points", va="center", fontsize=7.5)
    label_rows(ax, range(len(table)), table["label"])
    ax.set_ylim(-0.65, len(table) - 0.45)
    ax.margins(x=0.06)
    clip_accuracy_axis(ax, metric, "x")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3, steps=STEPS))
    ax.set_xlabel(axis_title(metric) + (f"  ({arrow} beyond the axis)" if has_outlier else ""))
    return ax
