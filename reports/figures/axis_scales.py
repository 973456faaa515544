"""Axis limits, scales and ticks that fit the values: plain numbers, logarithmic axes for wide ranges, accuracy up to 1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from reports.frames.scores import higher_is_better

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STEPS = [1, 2, 2.5, 5, 10]
"""The allowed tick steps, times a power of ten."""


def outlier_cutoff(goodness: np.ndarray[Any, Any]) -> float:
    """Return the value below which means are outliers: 4 times as far from the best as the median, -inf below 4 means."""
    if len(goodness) < 4:
        return -math.inf
    best, median = float(goodness.max()), float(np.median(goodness))
    return best - 4 * (best - median) if best > median else -math.inf


def set_value_scale(ax: Axes, metric: str, values: Any, low: Any) -> None:
    """Use a logarithmic axis for a loss whose means span a factor of 5 or more; lower bounds may be below 0."""
    means = np.asarray(values, dtype=float)
    means = means[np.isfinite(means)]
    if higher_is_better(metric) or not len(means) or means.min() <= 0 or means.max() / means.min() < 5:
        ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
        clip_accuracy_axis(ax, metric, "y")
        return
    bounds = np.asarray(low, dtype=float)
    bounds = bounds[np.isfinite(bounds) & (bounds > means.min() / 2)]
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.9 * min(means.min(), bounds.min() if len(bounds) else math.inf))
    set_log_ticks(ax, "y")


def clip_accuracy_axis(ax: Axes, metric: str, which: Literal["x", "y"]) -> None:
    """Limit the axis of an accuracy to [0, 1] with a small margin; intervals may extend beyond it."""
    if metric.endswith("accuracy"):
        low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
        ax.set(**{f"{which}lim": (max(low, -0.015), min(high, 1.015))})


def set_time_scale(ax: Axes, curves: pd.DataFrame, along: str) -> None:
    """Use integer ticks for epochs; use a logarithmic axis if one label has over 3 times the median number of updates."""
    if along == "epoch":
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        last = float(curves["epoch"].max()) if len(curves) else 1.0
        ax.set_xlim(1 - 0.03 * max(last - 1, 1), last + 0.03 * max(last - 1, 1))
        return
    ends = curves.groupby("label")[along].max()
    if ends.max() > 3 * ends.median():
        ax.set_xscale("log")
        set_log_ticks(ax, "x")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.margins(x=0.02)


def set_log_ticks(ax: Axes, which: Literal["x", "y"]) -> None:
    """Use plain numbers on a logarithmic axis, such as 0.1, 0.2, 0.5, 1; only powers of ten on a wide range."""
    axis = ax.yaxis if which == "y" else ax.xaxis
    low, high = axis.get_view_interval()
    powers_only = high / low > 3e2
    axis.set_major_locator(LogLocator(subs=(1.0,) if powers_only else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())
