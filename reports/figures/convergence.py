"""Mean curves with their bands, over epochs or updates, each named at its end."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from reports.figures.axis_scales import along_scale, cutoff, value_scale
from reports.figures.style import axis_title, mark, short
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
    """Mean curves with their pointwise bands, all labels together.

    A label that was measured once, far worse than the others end, is told at the edge, so that the rest can be read.

    Args:
        curves: `label`, `epoch` or `update`, `mean`, `low`, `high` (`estimates.by_epoch`, `estimates.by_update`).
        ax: Where to draw.
        styles: A style per label.
        metric: What the curves show; a loss gets a logarithmic scale where it spans enough.
        along: The column of the horizontal axis.
        named: Whether to write each label at the end of its line; else the figure needs a legend.
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
        curve, style = curves[curves["label"] == label], styles[label]
        x, low, high = (curve[name].to_numpy(dtype=float) for name in (along, "low", "high"))
        if label in outside:
            continue
        if len(curve) > 1:
            ax.fill_between(x, low, high, color=style.color, alpha=0.15 if len(labels) < 7 else 0.1, linewidth=0)
        else:
            standing(ax, float(x[0]), curve.iloc[0], style)
    inside = curves[~curves["label"].isin(outside)]
    value_scale(ax, metric, inside["mean"], inside["low"])
    along_scale(ax, curves, along)
    for label in outside:
        point = curves[curves["label"] == label].iloc[0]
        name = f"{short(label)}: " if named else ""
        _at_the_edge(ax, float(point[along]), float(point["mean"]), styles[label], metric, name)
    ax.set_xlabel("Epoch" if along == "epoch" else "Update")
    ax.set_ylabel(axis_title(metric, along=along))
    if named:
        ends = inside.groupby("label", sort=False).tail(1)
        _name_ends(ax, {row["label"]: (row[along], row["mean"]) for _, row in ends.iterrows()}, styles)
    return ax


def is_curve(curves: pd.DataFrame) -> bool:
    """Whether any label has more than one point, so that a line says something."""
    return bool(len(curves) and curves.groupby("label").size().max() > 1)


def beyond(curves: pd.DataFrame, metric: str) -> list[str]:
    """Labels with a single mean that is far worse than the ends of most; none where all have single ones."""
    sizes = curves.groupby("label", sort=False).size()
    if not len(sizes) or sizes.max() < 2:
        return []
    ends = (1 if higher_is_better(metric) else -1) * curves.groupby("label", sort=False)["mean"].last()
    cut = cutoff(ends.dropna().to_numpy())
    return [str(label) for label in ends[ends < cut].index if sizes[label] == 1]


def standing(ax: Axes, at: float, estimate: pd.Series[Any], style: Style) -> None:
    """One mean, with a bar over its interval where it has one."""
    mean, low, high = (float(estimate[name]) for name in ("mean", "low", "high"))
    if math.isfinite(low) and math.isfinite(high):
        ax.plot([at, at], [low, high], color=style.color, lw=1.6, solid_capstyle="butt", zorder=5)
    mark(ax, at, mean, style)


def _at_the_edge(ax: Axes, at: float, value: float, style: Style, metric: str, name: str) -> None:
    """A mark at the worse edge of the axes, with the number that lies beyond it."""
    height, arrow = (0.04, "▾") if higher_is_better(metric) else (0.96, "▴")
    beside = ax.get_xaxis_transform()
    ax.plot([at], [height], style.marker, color=style.color, ms=5.6, mec="white", mew=0.6, zorder=6, transform=beside)
    text, far = f"{name}{notes.number(value, 3)} {arrow}", "offset points"
    told = ax.annotate(text, (at, height), (6, 0), xycoords=beside, textcoords=far, va="center", fontsize=7)
    told.set(color=style.color, parse_math=False)


def _name_ends(ax: Axes, ends: Mapping[str, tuple[float, float]], styles: Mapping[str, Style]) -> None:
    """Write the labels at the right, in the order of the lines' ends and far enough apart, each tied to its end.

    The order is a legend's as well: each name has its piece of line. A line that ends early has no tie.
    """
    ends = {label: end for label, end in ends.items() if np.isfinite(end).all()}
    if not ends:
        return
    figure = ax.get_figure()
    if not isinstance(figure, Figure):
        raise TypeError('"ax" must belong to a figure of its own. Take it from Figure().subplots()')
    gap = min(11.0 / (0.78 * 72 * figure.get_figheight()), 1.0 / max(len(ends) - 1, 1))
    ax.get_xlim(), ax.get_ylim()  # settles the limits, which the heights depend on
    to_axes = (ax.transData + ax.transAxes.inverted()).transform
    places = {label: float(to_axes(end)[1]) for label, end in ends.items()}
    order = sorted(places, key=lambda label: (places[label], label))
    furthest = max(x for x, _ in ends.values())
    # Across: inches from the right edge of the axes; up: the share of its height.
    beside = blended_transform_factory(figure.dpi_scale_trans + ScaledTranslation(1, 0, _affine(ax)), ax.transAxes)
    for label, height in zip(order, _apart([places[label] for label in order], gap), strict=True):
        style = styles[label]
        piece: dict[str, Any] = {"transform": beside, "clip_on": False, "color": style.color}
        if ends[label][0] == furthest:
            tie = {"arrowstyle": "-", "color": style.color, "lw": 0.6, "alpha": 0.6, "shrinkA": 0, "shrinkB": 3}
            ax.annotate(
                "", ends[label], xytext=(0.12, height), textcoords=beside, arrowprops=tie, annotation_clip=False
            )
        ax.plot([0.14, 0.46], [height, height], ls=style.line, lw=1.5, **piece)
        ax.plot([0.30], [height], style.marker, ms=4.2, mec="white", mew=0.4, **piece)
        ax.text(0.52, height, short(label), transform=beside, va="center_baseline", fontsize=7.5, parse_math=False)


def _affine(ax: Axes) -> Affine2DBase:
    """The axes' own transform: it is affine, which matplotlib's types do not say."""
    return cast("Affine2DBase", ax.transAxes)


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Sorted heights moved as little as possible (least squares) so that neighbours are `gap` apart, within [0, 1]."""
    blocks: list[tuple[float, int]] = []  # pool adjacent violators on the heights less their place's offset
    for at, height in enumerate(heights):
        value, size = height - at * gap, 1
        while blocks and blocks[-1][0] > value:
            before, many = blocks.pop()
            value, size = (before * many + value * size) / (many + size), many + size
        blocks.append((value, size))
    top = 1 - (len(heights) - 1) * gap
    flat = [min(max(value, 0.0), max(top, 0.0)) for value, size in blocks for _ in range(size)]
    return [value + at * gap for at, value in enumerate(flat)]
