"""Times to a target become pictures: the share of runs that have reached it, as time goes by."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from reports.figures.style import shared_legend, short
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
    """The share of runs that have reached the target, 1 − Kaplan-Meier, from the first that has.

    A cross ends a curve of which some runs had not reached it; labels of which no run reached it are named instead.

    Args:
        curves: By label.
        ax: Where to draw.
        styles: A style per label.
        unit: What time is counted in.
        horizon: The end of the axis.
    """
    never = [short(label) for label, curve in curves.items() if not curve.reached]
    shown = {label: curve for label, curve in curves.items() if curve.reached}
    for at, (label, curve) in enumerate(shown.items()):
        style, end = styles[label], min(curve.followed, horizon)
        inside = curve.time <= end
        share = 1 - curve.not_reached[inside]
        first = int(np.argmax(share > 0))  # before the first that arrives there is nothing to see
        lift = 0.005 * (at - (len(shown) - 1) / 2)  # so that curves that agree can be seen beside each other
        time = np.concatenate([curve.time[inside][first:][:1], curve.time[inside][first:], [end]])
        height = np.concatenate([[0.0], share[first:], share[-1:]]) + lift
        last = len(time) if curve.reached < curve.n else -1  # a curve that is complete ends there
        ax.step(time[:last], height[:last], where="post", color=style.color, ls=style.line, lw=1.5)
        rises = np.flatnonzero(np.diff(height) > 0) + 1
        ax.plot(time[rises], height[rises], style.marker, color=style.color, ms=4.2, mec="white", mew=0.4)
        if curve.reached < curve.n:
            ax.plot([end], [share[-1] + lift], "x", color=style.color, ms=4, mew=1.1, clip_on=False)
    ax.set_xlim(0, horizon * 1.02)
    ax.set_ylim(-0.05, 1.05)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=unit != "second", steps=[1, 2, 5, 10]))
    told = textwrap.fill(f"never: {', '.join(never)}", 38) if never else ""
    ax.set_xlabel(f"{AXES[unit]}\n{told}".strip(), parse_math=False)
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
    """A panel per target, with one legend beneath.

    Args:
        curves: By target and label (`targets.survivals`).
        targets: What is to be reached, by name, in the order of the panels.
        styles: A style per label.
        metric: Of what.
        unit: What time is counted in.
        order: The labels in the order of the legend.
    """
    rows = -(-len(order) // 5)
    figure = Figure(figsize=(7.6, 2.6 + 0.17 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(targets), sharey=True))
    horizon = max([1.0, *(float(curve.time.max(initial=0.0)) for own in curves.values() for curve in own.values())])
    for ax, (name, value) in zip(axes, targets.items(), strict=True):
        share_reached(curves[name], ax, styles, unit=unit, horizon=horizon)
        ax.set_title(f"{name.capitalize()}: {title(metric).lower()} {notes.number(value, 3)}")
    axes[0].set_ylabel("Runs that have reached it")
    shared_legend(figure, list(order), styles)
    return figure
