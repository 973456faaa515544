"""Times to a target: the cumulative share of runs that have reached it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from reports.figures.style import shared_legend, shorten
from reports.frames.scores import title
from reports.text import notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.figures.style import Style
    from reports.statistics.time_to_target import Survival, Unit

AXES: Mapping[str, str] = {"epoch": "Epoch", "step": "Update", "second": "Seconds of training"}


def share_reached(
    curves: Mapping[str, Survival], ax: Axes, styles: Mapping[str, Style], *, unit: Unit, horizon: float
) -> Axes:
    """Plot the share of runs that have reached the target, 1 − Kaplan-Meier, from the first of them on.

    A cross ends a curve if some runs did not reach the target. Labels without any such run are listed below the axis.

    Args:
        curves: The survival curve of each label.
        ax: The axes.
        styles: The style of each label.
        unit: The unit of time.
        horizon: The end of the axis.
    """
    never = [shorten(label) for label, curve in curves.items() if not curve.reached]
    shown = {label: curve for label, curve in curves.items() if curve.reached}
    for index, (label, curve) in enumerate(shown.items()):
        style, end = styles[label], min(curve.followed, horizon)
        inside = curve.time <= end
        times, share = curve.time[inside], 1 - curve.not_reached[inside]
        first = int(np.argmax(share > 0))
        shift = 0.005 * (index - (len(shown) - 1) / 2)  # separates curves that coincide
        x = np.concatenate([times[first:][:1], times[first:], [end]])
        y = np.concatenate([[0.0], share[first:], share[-1:]]) + shift
        last = len(x) if curve.reached < curve.n else -1  # a complete curve ends at its last step
        ax.step(x[:last], y[:last], where="post", color=style.color, ls=style.line, lw=1.5)
        steps = np.flatnonzero(np.diff(y) > 0) + 1
        ax.plot(x[steps], y[steps], style.marker, color=style.color, ms=4.2, mec="white", mew=0.4)
        if curve.reached < curve.n:
            ax.plot([end], [share[-1] + shift], "x", color=style.color, ms=4, mew=1.1, clip_on=False)
    ax.set_xlim(0, horizon * 1.02)
    ax.set_ylim(-0.05, 1.05)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=unit != "second", steps=[1, 2, 5, 10]))
    second_line = textwrap.fill(f"not reached: {', '.join(never)}", 38) if never else ""
    ax.set_xlabel(f"{AXES[unit]}\n{second_line}".strip(), parse_math=False)
    return ax


def target_panels(
    curves: Mapping[str, Mapping[str, Survival]],
    targets: Mapping[str, float],
    styles: Mapping[str, Style],
    *,
    metric: str,
    unit: Unit,
    order: Sequence[str],
) -> Figure:
    """Return a figure with a panel per target and one legend below.

    Args:
        curves: The survival curves by target and label.
        targets: The value of each target, in the order of the panels.
        styles: The style of each label.
        metric: The metric of the targets.
        unit: The unit of time.
        order: The labels in the order of the legend.
    """
    rows = -(-len(order) // 5)
    figure = Figure(figsize=(7.6, 2.6 + 0.17 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(targets), sharey=True))
    ends = [float(curve.time.max(initial=0.0)) for by_label in curves.values() for curve in by_label.values()]
    for ax, (name, value) in zip(axes, targets.items(), strict=True):
        share_reached(curves[name], ax, styles, unit=unit, horizon=max([1.0, *ends]))
        ax.set_title(f"{name.capitalize()}: {title(metric).lower()} {notes.number(value, 3)}")
    axes[0].set_ylabel("Runs that reached it")
    shared_legend(figure, list(order), styles)
    return figure
