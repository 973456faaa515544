"""Axes with scales that fit what they show: plain numbers, a logarithmic axis where values span much, no accuracy above 1."""

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
"""What a tick may be, times a power of ten."""


def cutoff(goodness: np.ndarray[Any, Any]) -> float:
    """Below which the means are far worse than most: four times as far from the best as the median is."""
    if len(goodness) < 4:
        return -math.inf
    best, middle = float(goodness.max()), float(np.median(goodness))
    return best - 4 * (best - middle) if best > middle else -math.inf


def value_scale(ax: Axes, metric: str, values: Any, low: Any) -> None:
    """A logarithmic axis for a loss that spans a factor of five or more; a band may reach below 0, a mean may not."""
    means = np.asarray(values, dtype=float)
    means = means[np.isfinite(means)]
    if higher_is_better(metric) or not len(means) or means.min() <= 0 or means.max() / means.min() < 5:
        ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
        within(ax, metric, "y")
        return
    bounds = np.asarray(low, dtype=float)
    bounds = bounds[np.isfinite(bounds) & (bounds > means.min() / 2)]
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.9 * min(means.min(), bounds.min() if len(bounds) else math.inf))
    plain_log(ax, "y")


def within(ax: Axes, metric: str, which: Literal["x", "y"]) -> None:
    """An accuracy's axis shows no more than 0 to 1, and a hair for the markers: a wide interval may reach beyond."""
    if metric.endswith("accuracy"):
        low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
        ax.set(**{f"{which}lim": (max(low, -0.015), min(high, 1.015))})


def along_scale(ax: Axes, curves: pd.DataFrame, along: str) -> None:
    """Whole epochs; updates on a logarithmic axis where one label makes many times more of them than the others."""
    if along == "epoch":
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        last = float(curves["epoch"].max()) if len(curves) else 1.0
        ax.set_xlim(1 - 0.03 * max(last - 1, 1), last + 0.03 * max(last - 1, 1))
        return
    ends = curves.groupby("label")[along].max()
    if ends.max() > 3 * ends.median():
        ax.set_xscale("log")
        plain_log(ax, "x")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.margins(x=0.02)


def plain_log(ax: Axes, which: str) -> None:
    """Plain numbers on a logarithmic axis: 0.1, 0.2, 0.5, 1; only the powers of ten where it spans many."""
    axis = ax.yaxis if which == "y" else ax.xaxis
    low, high = axis.get_view_interval()
    wide = high / low > 3e2
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())
