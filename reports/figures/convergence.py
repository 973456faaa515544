"""Mean curves with their bands over epochs or updates, each labelled at its end."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from reports.figures.axis_scales import outlier_cutoff, set_time_scale, set_value_scale
from reports.figures.style import axis_title, plot_marker, shorten
from reports.frames.scores import higher_is_better
from reports.text import notes

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import seaborn as sns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.transforms import Affine2DBase

    from reports.figures.style import Style


def convergence(
    curves: pd.DataFrame,
    ax: Axes,
    styles: Mapping[str, Style],
    *,
    metric: str,
    along: str = "epoch",
    named: bool = True,
) -> Axes:
    """Plot mean curves with their pointwise bands, all labels together.

    A label with a single mean that is far worse than the ends of the others is an arrow at the edge (see `beyond`).

    Args:
        curves: `label`, `epoch` or `update`, `mean`, `low`, `high` (`estimates.by_epoch`, `estimates.by_update`).
        ax: The axes.
        styles: The style of each label.
        metric: The metric; a loss gets a logarithmic axis if its means span a factor of 5.
        along: The column of the horizontal axis.
        named: Whether to write each label at the end of its line; without labels the figure needs a legend.
    """
    labels = [label for label in styles if label in set(curves["label"])]
    sizes = curves.groupby("label", sort=False).size()
    outside = beyond(curves, metric)
    sns.lineplot(
        data=curves[curves["label"].map(sizes) > 1].astype({along: float}),
        x=along,
        y="mean",
        hue="label",
        style="label",
        hue_order=labels,
        style_order=labels,
        palette={label: styles[label].color for label in labels},
        dashes={label: styles[label].dash or (None, None) for label in labels},
        markers={label: styles[label].marker for label in labels},
        markevery=1 if sizes.max() <= 12 else 0.12,
        markeredgecolor="white",
        markeredgewidth=0.4,
        estimator=None,
        errorbar=None,
        legend=False,
        ax=ax,
    )
    for label in labels:
        style, curve = styles[label], curves[curves["label"] == label]
        x, low, high = (curve[name].to_numpy(dtype=float) for name in (along, "low", "high"))
        if label in outside:
            continue
        if len(curve) > 1:
            ax.fill_between(x, low, high, color=style.color, alpha=0.15 if len(labels) < 7 else 0.1, linewidth=0)
        else:
            point_estimate(ax, float(x[0]), curve.iloc[0], style)
    inside = curves[~curves["label"].isin(outside)]
    set_value_scale(ax, metric, inside["mean"], inside["low"])
    set_time_scale(ax, curves, along)
    for label in outside:
        point = curves[curves["label"] == label].iloc[0]
        name = f"{shorten(label)}: " if named else ""
        _mark_beyond_axis(ax, float(point[along]), float(point["mean"]), styles[label], metric, name)
    ax.set_xlabel("Epoch" if along == "epoch" else "Update")
    ax.set_ylabel(axis_title(metric, along=along))
    if named:
        ends = inside.groupby("label", sort=False).tail(1)
        _label_ends(ax, {row["label"]: (row[along], row["mean"]) for _, row in ends.iterrows()}, styles)
    return ax


def is_curve(curves: pd.DataFrame) -> bool:
    """Return whether any label has more than one point."""
    return bool(len(curves) and curves.groupby("label").size().max() > 1)


def beyond(curves: pd.DataFrame, metric: str) -> list[str]:
    """Return the labels with a single mean that is an outlier among the ends of the curves; none without a curve."""
    sizes = curves.groupby("label", sort=False).size()
    if not len(sizes) or sizes.max() < 2:
        return []
    ends = (1 if higher_is_better(metric) else -1) * curves.groupby("label", sort=False)["mean"].last()
    cutoff = outlier_cutoff(ends.dropna().to_numpy())
    return [str(label) for label in ends[ends < cutoff].index if sizes[label] == 1]


def point_estimate(ax: Axes, x: float, estimate: pd.Series[Any], style: Style) -> None:
    """Plot one mean, with a bar for its interval if it has one."""
    mean, low, high = (float(estimate[name]) for name in ("mean", "low", "high"))
    if math.isfinite(low) and math.isfinite(high):
        ax.plot([x, x], [low, high], color=style.color, lw=1.6, solid_capstyle="butt", zorder=5)
    plot_marker(ax, x, mean, style)


def _mark_beyond_axis(ax: Axes, x: float, value: float, style: Style, metric: str, name: str) -> None:
    """Plot a marker at the worse edge of the axes, with the value that is beyond it."""
    y, arrow = (0.04, "▾") if higher_is_better(metric) else (0.96, "▴")
    edge = ax.get_xaxis_transform()
    ax.plot([x], [y], style.marker, color=style.color, ms=5.6, mec="white", mew=0.6, zorder=6, transform=edge)
    text, offset = f"{name}{notes.number(value, 3)} {arrow}", "offset points"
    annotation = ax.annotate(text, (x, y), (6, 0), xycoords=edge, textcoords=offset, va="center", fontsize=7)
    annotation.set(color=style.color, parse_math=False)


def _label_ends(ax: Axes, ends: Mapping[str, tuple[float, float]], styles: Mapping[str, Style]) -> None:
    """Write the labels at the right in the order of the ends of their lines, without overlap.

    Each label has a sample of its line, like a legend. A thin line connects it to its end unless the curve ends early.
    """
    ends = {label: end for label, end in ends.items() if np.isfinite(end).all()}
    if not ends:
        return
    figure = ax.get_figure()
    if not isinstance(figure, Figure):
        raise TypeError("ax must belong to a figure, not to a subfigure")
    gap = min(11.0 / (0.78 * 72 * figure.get_figheight()), 1.0 / max(len(ends) - 1, 1))
    ax.get_xlim(), ax.get_ylim()  # updates the limits, on which the heights depend
    to_axes = (ax.transData + ax.transAxes.inverted()).transform
    heights = {label: float(to_axes(end)[1]) for label, end in ends.items()}
    order = sorted(heights, key=lambda label: (heights[label], label))
    last = max(x for x, _ in ends.values())
    # Horizontal: inches from the right edge of the axes; vertical: fraction of their height.
    axes_transform = cast("Affine2DBase", ax.transAxes)  # the types of matplotlib do not have that it is affine
    beside = blended_transform_factory(figure.dpi_scale_trans + ScaledTranslation(1, 0, axes_transform), ax.transAxes)
    for label, y in zip(order, _spread([heights[label] for label in order], gap), strict=True):
        style = styles[label]
        line: dict[str, Any] = {"transform": beside, "clip_on": False, "color": style.color}
        if ends[label][0] == last:
            tie = {"arrowstyle": "-", "color": style.color, "lw": 0.6, "alpha": 0.6, "shrinkA": 0, "shrinkB": 3}
            ax.annotate("", ends[label], xytext=(0.12, y), textcoords=beside, arrowprops=tie, annotation_clip=False)
        ax.plot([0.14, 0.46], [y, y], ls=style.line, lw=1.5, **line)
        ax.plot([0.30], [y], style.marker, ms=4.2, mec="white", mew=0.4, **line)
        ax.text(0.52, y, shorten(label), transform=beside, va="center_baseline", fontsize=7.5, parse_math=False)


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Return sorted heights, moved as little as possible (least squares) to be `gap` apart within [0, 1].

    The pool-adjacent-violators algorithm runs on the heights minus the offset of their rank.
    """
    blocks: list[tuple[float, int]] = []
    for rank, height in enumerate(heights):
        value, size = height - rank * gap, 1
        while blocks and blocks[-1][0] > value:
            previous, num = blocks.pop()
            value, size = (previous * num + value * size) / (num + size), num + size
        blocks.append((value, size))
    top = 1 - (len(heights) - 1) * gap
    flat = [min(max(value, 0.0), max(top, 0.0)) for value, size in blocks for _ in range(size)]
    return [value + rank * gap for rank, value in enumerate(flat)]
