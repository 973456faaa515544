"""Figures with a panel per metric: all labels together, and one label alone."""

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

_MAX_TITLE_LENGTH, _MAX_LINE_LENGTH = 60, 100


def overview(
    panels: Mapping[str, pd.DataFrame],
    estimates: pd.DataFrame,
    scores: pd.DataFrame,
    styles: Mapping[str, Style],
) -> Figure:
    """Return a figure of all labels with a panel per metric and one legend below, in the order of the table.

    A metric that was measured once per trial gets a dot plot of its final values.

    Args:
        panels: The mean curves by metric, in the order of the panels.
        estimates: A row per label.
        scores: A row per trial.
        styles: The style of each label.
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
    """Return a figure of the repeats of one label with a panel per metric; long settings are omitted."""
    figure = Figure(figsize=(7.6, 2.45), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for ax, (metric, curves) in zip(axes, panels.items(), strict=True):
        repeats(points, curves, ax, style, label=label, metric=metric)
        ax.set_ylabel("")
        ax.set_title(title(metric))
    name = label if len(label) <= _MAX_TITLE_LENGTH else label[: _MAX_TITLE_LENGTH - 1] + "…"
    figure.suptitle(name, x=0.008, ha="left", fontsize=9.5, fontweight="bold", color=style.color, parse_math=False)
    if len(name) + len(settings) < _MAX_LINE_LENGTH:
        figure.text(0.992, 0.98, settings, ha="right", va="top", fontsize=8, color=QUIET, parse_math=False)
    return figure
