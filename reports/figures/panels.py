"""Whole figures with a panel for each metric: all labels together, and one label by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from reports.figures.convergence import convergence, is_curve
from reports.figures.repeats import repeats
from reports.figures.scores import dot_plot
from reports.figures.style import QUIET, shared_legend
from reports.frames.scores import title

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from reports.figures.style import Style


def overview(
    panels: Mapping[str, pd.DataFrame],
    estimates: pd.DataFrame,
    scores: pd.DataFrame,
    styles: Mapping[str, Style],
) -> Figure:
    """All labels side by side, a panel per metric, with one legend beneath in the order of the table.

    A metric that was measured once in a run gets a dot plot of its final values instead of a curve of one point.

    Args:
        panels: Mean curves by metric, in the order of the panels.
        estimates: A row per label.
        scores: A row per trial.
        styles: A style per label.
    """
    rows = -(-len(styles) // 5)
    figure = Figure(figsize=(7.6, 2.75 + 0.17 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for ax, (metric, curves) in zip(axes, panels.items(), strict=True):
        if is_curve(curves):
            convergence(curves, ax, styles, metric=metric, named=False)
        else:
            dot_plot(estimates, ax, styles, metric=metric, scores=scores, numbers=False)
            ax.set_xlabel("After the last epoch")
        ax.set_ylabel("")
        ax.set_title(title(metric))
    drawn = {label for curves in panels.values() for label in curves["label"]}
    shared_legend(figure, [str(label) for label in estimates["label"] if label in drawn], styles)
    return figure


def one_optimizer(
    points: pd.DataFrame,
    panels: Mapping[str, pd.DataFrame],
    style: Style,
    *,
    label: str,
    settings: str,
) -> Figure:
    """One label's repeats, a panel per metric."""
    figure = Figure(figsize=(7.6, 2.45), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for ax, (metric, curves) in zip(axes, panels.items(), strict=True):
        repeats(points, curves, ax, style, label=label, metric=metric)
        ax.set_ylabel("")
        ax.set_title(title(metric))
    name = label if len(label) <= 60 else label[:59] + "…"
    figure.suptitle(name, x=0.008, ha="left", fontsize=9.5, fontweight="bold", color=style.color, parse_math=False)
    if len(name) + len(settings) < 100:
        figure.text(0.992, 0.98, settings, ha="right", va="top", fontsize=8, color=QUIET, parse_math=False)
    return figure
