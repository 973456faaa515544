"""One label's repeats: a line for each, with the mean of them and the means of all others behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from reports.figures.axis_scales import STEPS, along_scale, value_scale
from reports.figures.convergence import is_curve, standing
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
    """One label: a thin line per repeat, their mean with its band, and the other labels' means in grey behind.

    A repeat that did not end ok is drawn in grey and dashed as far as it came, with a cross at its last finite value.

    Args:
        points: A row per measured value (`Frames.points`).
        curves: Mean curves of all labels (`estimates.by_epoch`).
        ax: Where to draw.
        style: The label's style.
        label: Which label.
        metric: What to show.
    """
    own = points[(points["label"] == label) & (points["metric"] == metric) & np.isfinite(points["value"])]
    mean = curves[curves["label"] == label]
    if not is_curve(curves) and own.groupby("repeat").size().max() < 2:
        return _once(own, curves, ax, style, label=label, metric=metric)
    for _, curve in curves[curves["label"] != label].groupby("label", sort=False):
        ax.plot(curve["epoch"], curve["mean"], "-" if len(curve) > 1 else ".", ms=4, color=FAINT, lw=0.8, zorder=1)
    whole, runs, ended_ok = [], own[["epoch", "value"]].to_numpy(dtype=float), (own["outcome"] == "ok").to_numpy()
    for at in own.groupby("repeat", sort=True).indices.values():
        run, ok = runs[at], ended_ok[at].all()
        if ok and len(run) > 1:
            whole.append(run)
        elif ok:
            ax.plot(*run.T, "o", color=style.color, ms=2.6, mec="none", alpha=0.35, zorder=3)
        else:
            ax.plot(*run.T, color=QUIET, ls=(0, (2, 1.5)), lw=0.7, alpha=0.9, zorder=3)
            ax.plot(*run[-1:].T, "x", color=QUIET, ms=4, mew=1, zorder=4)
    ax.add_collection(
        LineCollection(whole, colors=style.color, linewidths=0.7, alpha=0.55, zorder=3)
    )  # a hundred are one
    ax.autoscale_view()
    x, y, low, high = (mean[name].to_numpy(dtype=float) for name in ("epoch", "mean", "low", "high"))
    if len(mean) > 1:
        ax.fill_between(x, low, high, color=style.color, alpha=0.22, linewidth=0, zorder=2)
        ax.plot(x, y, color=style.color, lw=1.7, zorder=5)
    elif len(mean):
        standing(ax, float(x[0]), mean.iloc[0], style)
    value_scale(ax, metric, curves["mean"].tolist() + own.loc[own["outcome"] == "ok", "value"].tolist(), curves["low"])
    along_scale(ax, curves if len(curves) else own, "epoch")
    ax.set_xlabel("Epoch")
    ax.set_ylabel(title(metric))
    return ax


def _once(own: pd.DataFrame, curves: pd.DataFrame, ax: Axes, style: Style, *, label: str, metric: str) -> Axes:
    """What was measured once in a run: the repeats beside their mean and interval, the other means as grey ticks."""
    mean, others = curves[curves["label"] == label], curves[curves["label"] != label]
    ax.hlines(others["mean"], 0.25, 0.5, color=FAINT, lw=1.6)
    ok = own[own["outcome"] == "ok"]
    ax.plot(np.full(len(ok), -0.3), ok["value"], "o", color=style.color, ms=3.2, mec="none", alpha=0.5)
    if len(mean):
        standing(ax, 0, mean.iloc[0], style)
    ax.set_xticks([-0.3, 0, 0.375], ["repeats", "mean", "others"])
    ax.set_xlim(-0.7, 0.7)
    ax.grid(visible=False, axis="x")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
    ax.set_xlabel("After the last epoch")
    ax.set_ylabel(title(metric))
    return ax
