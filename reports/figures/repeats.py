"""The repeats of one label as lines, with their mean; the means of the other labels are in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from reports.figures.axis_scales import STEPS, set_time_scale, set_value_scale
from reports.figures.convergence import is_curve, point_estimate
from reports.figures.style import FAINT, QUIET
from reports.frames.scores import title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from reports.figures.style import Style


def repeats(
    points: pd.DataFrame,
    curves: pd.DataFrame,
    ax: Axes,
    style: Style,
    *,
    label: str,
    metric: str,
) -> Axes:
    """Plot a thin line per repeat and the mean with its band, in front of the grey means of the other labels.

    A repeat whose outcome is not ok is a dashed grey line that ends in a cross at its last finite value.

    Args:
        points: A row per measured value (`Frames.points`).
        curves: The mean curves of all labels (`estimates.by_epoch`).
        ax: The axes.
        style: The style of the label.
        label: The label.
        metric: The metric.
    """
    points = points[(points["label"] == label) & (points["metric"] == metric) & np.isfinite(points["value"])]
    mean, others = curves[curves["label"] == label], curves[curves["label"] != label]
    ax.set_ylabel(title(metric))
    if not is_curve(curves) and points.groupby("repeat").size().max() < 2:
        return _final_values(points, mean, others, ax, style)
    for _, curve in others.groupby("label", sort=False):
        ax.plot(curve["epoch"], curve["mean"], "-" if len(curve) > 1 else ".", ms=4, color=FAINT, lw=0.8, zorder=1)
    values, is_ok = points[["epoch", "value"]].to_numpy(dtype=float), (points["outcome"] == "ok").to_numpy()
    lines = []
    for rows in points.groupby("repeat", sort=True).indices.values():
        run, ok = values[rows], is_ok[rows].all()
        if ok and len(run) > 1:
            lines.append(run)
        elif ok:
            ax.plot(*run.T, "o", color=style.color, ms=2.6, mec="none", alpha=0.35, zorder=3)
        else:
            ax.plot(*run.T, color=QUIET, ls=(0, (2, 1.5)), lw=0.7, alpha=0.9, zorder=3)
            ax.plot(*run[-1:].T, "x", color=QUIET, ms=4, mew=1, zorder=4)
    ax.add_collection(LineCollection(lines, colors=style.color, linewidths=0.7, alpha=0.55, zorder=3))
    ax.autoscale_view()
    x, y, low, high = (mean[name].to_numpy(dtype=float) for name in ("epoch", "mean", "low", "high"))
    if len(mean) > 1:
        ax.fill_between(x, low, high, color=style.color, alpha=0.22, linewidth=0, zorder=2)
        ax.plot(x, y, color=style.color, lw=1.7, zorder=5)
    elif len(mean):
        point_estimate(ax, float(x[0]), mean.iloc[0], style)
    ok_values = points.loc[points["outcome"] == "ok", "value"].tolist()
    set_value_scale(ax, metric, curves["mean"].tolist() + ok_values, curves["low"])
    set_time_scale(ax, curves if len(curves) else points, "epoch")
    ax.set_xlabel("Epoch")
    return ax


def _final_values(points: pd.DataFrame, mean: pd.DataFrame, others: pd.DataFrame, ax: Axes, style: Style) -> Axes:
    """Plot values that were measured once per trial: repeats, mean with interval, and the other means as grey ticks."""
    ax.hlines(others["mean"], 0.25, 0.5, color=FAINT, lw=1.6)
    values = points.loc[points["outcome"] == "ok", "value"]
    ax.plot(np.full(len(values), -0.3), values, "o", color=style.color, ms=3.2, mec="none", alpha=0.5)
    if len(mean):
        point_estimate(ax, 0, mean.iloc[0], style)
    ax.set_xticks([-0.3, 0, 0.375], ["repeats", "mean", "others"])
    ax.set_xlim(-0.7, 0.7)
    ax.grid(visible=False, axis="x")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
    ax.set_xlabel("After the last epoch")
    return ax
