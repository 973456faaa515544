"""Plots of trajectories on test functions: over contour lines, and f minus minimum over steps."""

from __future__ import annotations

import functools
import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from reports.figures.convergence import convergence
from reports.figures.style import INK, QUIET, plain_text, single_panel
from reports.frames.study_frames import SURFACES
from reports.frames.trajectories import best_label, clip_far_points, ends_outside, rows_by_label, window
from reports.text import notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from reports.figures.style import Style
    from reports.frames.study_frames import Surface
    from reports.frames.trajectories import Family, Window

Array = np.ndarray[Any, Any]

LEVELS = 14
CONTOUR = "#c3c9d1"
_ALARM = "#a3341f"
_GRID_POINTS = 141
_ROW, _TOP, _BOTTOM, _LEFT, _WIDTH = 1.05, 0.34, 0.45, 1.34, 7.6  # inches
_MAX_POINTS_WITH_DOTS = 61
_FLOOR = 1e-14
"""Smaller values are drawn at this one, because they are rounding errors."""
_Y_LABEL = "f − minimum"


@functools.lru_cache(maxsize=8)
def contours(surface: Surface, shown: Window) -> tuple[Array, ...]:
    """Return the contour lines of a surface, each of shape (points, 2), the lowest first.

    Points that do not move a line by a visible distance, at 1,000 dots per axis, are omitted.
    """
    x1, x2 = np.meshgrid(np.linspace(*shown[:2], _GRID_POINTS), np.linspace(*shown[2:], _GRID_POINTS))
    height = surface.formula(x1, x2) - surface.lowest
    drawn = Figure().subplots().contour(x1, x2, height, levels=levels(height))
    corner, size = np.array([shown[0], shown[2]]), np.array([shown[1] - shown[0], shown[3] - shown[2]]) / 1_000
    lines = (np.asarray(line) for level in drawn.allsegs for line in level if len(line) > 1)
    return tuple(_simplify((line - corner) / size) * size + corner for line in lines)


def _simplify(line: Array) -> Array:
    """Return the line, in dots, without redundant points (matplotlib's simplification)."""
    path = Path(line)
    path.simplify_threshold = 1.0
    cleaned = path.cleaned(simplify=True)
    kept = np.asarray(cleaned.vertices)[np.isin(np.asarray(cleaned.codes), (Path.MOVETO, Path.LINETO))]
    return kept if np.array_equal(kept[-1], line[-1]) else np.vstack([kept, line[-1:]])


def levels(height: Array) -> list[float]:
    """Return the levels of contour lines: a share (i/n)² of the values is below level i of n, so a bowl's are equidistant."""
    return [float(level) for level in np.quantile(height, (np.arange(1, LEVELS) / LEVELS) ** 2)]


def contour_plot(surface: Surface, ax: Axes, shown: Window) -> Axes:
    """Plot contour lines, and a star at each known minimum."""
    lines = LineCollection(contours(surface, shown), colors=CONTOUR, linewidths=0.6, zorder=1)
    ax.add_collection(lines, autolim=False)
    inside = [(x, y) for x, y in surface.minima if shown[0] <= x <= shown[1] and shown[2] <= y <= shown[3]]
    ax.plot(*np.transpose(inside), "*", color=INK, ms=6.5, mec="white", mew=0.5, zorder=4)
    ax.set(xlim=shown[:2], ylim=shown[2:])
    ax.grid(visible=False)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=3))
    return ax


def trajectory(points: pd.DataFrame, ax: Axes, style: Style, shown: Window, *, dashed: bool = False) -> Axes:
    """Plot one trajectory with dots (`marker_interval`) and a ring at the start; points far outside are clipped.

    Args:
        points: `x1`, `x2` of one label, in the order of the steps.
        ax: The axes.
        style: The style of the label.
        shown: The limits of the axes.
        dashed: Whether the line has the dash of the label, so that coinciding trajectories are visible.
    """
    x1, x2 = clip_far_points(points, shown).T
    line: dict[str, Any] = {"color": style.color, "ls": style.line if dashed else "-", "lw": 1.0}
    ax.plot(x1, x2, **line, marker="o", ms=2.4, mec="none", markevery=marker_interval(len(x1)), zorder=3)
    ax.plot(x1[:1], x2[:1], "o", mfc="white", mec=style.color, ms=4.2, zorder=4)
    ax.set(xlim=shown[:2], ylim=shown[2:])
    return ax


def marker_interval(num_points: int) -> int:
    """Return N if a trajectory has a dot at every Nth step."""
    return 1 if num_points <= _MAX_POINTS_WITH_DOTS else 10


def small_multiples(
    paths: pd.DataFrame, ended: pd.DataFrame, families: Sequence[Family], styles: Mapping[str, Style]
) -> Figure:
    """Return a figure with a row per optimizer, a column per learning rate, common limits and the final values.

    Args:
        paths: The points on one surface (`trajectories.trajectory_points`).
        ended: The final points on it (`trajectories.final_points`).
        families: The optimizers on it.
        styles: The style of each label.
    """
    rates = sorted({rate for family in families for rate in family.labels})
    inches = _TOP + _BOTTOM + _ROW * len(families)
    figure = Figure(figsize=(_WIDTH, inches))
    left, right, top, bottom = _LEFT / _WIDTH, 0.995, 1 - _TOP / inches, _BOTTOM / inches
    grid = {"left": left, "right": right, "top": top, "bottom": bottom, "wspace": 0.06, "hspace": 0.1}
    axes = figure.subplots(len(families), len(rates), squeeze=False, gridspec_kw=grid)
    surface = SURFACES[families[0].surface]
    shown = window(surface, paths)
    by_label, final = dict(iter(paths.groupby("label"))), rows_by_label(ended)
    title: dict[str, Any] = {"weight": "bold", "va": "center", "fontsize": 8, "parse_math": False}
    for row, family in enumerate(families):
        position, name = axes[row, 0].get_position(), textwrap.fill(family.name, 15)
        color = styles[next(iter(family.labels.values()))].color
        figure.text(0.006, (position.y0 + position.y1) / 2, name, color=color, **title)
        lowest = best_label(family, ended)
        for column, rate in enumerate(rates):
            ax, label = axes[row, column], family.labels.get(rate)
            if row == 0:
                ax.set_title(_rate(rate), fontsize=8.5, loc="center", pad=5)
            if label is None:
                ax.set_axis_off()
                continue
            contour_plot(surface, ax, shown)
            ax.tick_params(labelleft=column == 0, labelbottom=row == len(families) - 1, labelsize=6.5, length=2)
            if label in by_label:
                points = by_label[label]
                trajectory(points, ax, styles[label], shown)
                is_outside = ends_outside(points, shown)
                _write_final_value(ax, final[label], is_lowest=label == lowest, is_outside=is_outside)
            else:
                ax.text(0.5, 0.5, "not recorded", transform=ax.transAxes, ha="center", color=QUIET, fontsize=6.5)
    figure.text((left + right) / 2, 0.08 / inches, "$x_1$", ha="center", fontsize=8)
    figure.text(1.0 / _WIDTH, (top + bottom) / 2, "$x_2$", va="center", fontsize=8)
    return figure


def trajectory_map(
    paths: pd.DataFrame, optimizers: Sequence[tuple[str, str]], styles: Mapping[str, Style]
) -> tuple[Figure, Axes]:
    """Return a figure of the complete trajectories of several optimizers over contour lines, with a legend.

    Args:
        paths: The points on one surface, of these labels or more.
        optimizers: The name and the label of each; at least one.
        styles: The style of each label.
    """
    figure, ax, shown = trajectory_axes(paths, optimizers, styles)
    for _, label in optimizers:
        trajectory(paths[paths["label"] == label], ax, styles[label], shown, dashed=True)
    return figure, ax


def trajectory_axes(
    paths: pd.DataFrame, optimizers: Sequence[tuple[str, str]], styles: Mapping[str, Style]
) -> tuple[Figure, Axes, Window]:
    """Return a figure with contour lines and a legend, its axes and their limits, for the trajectories of optimizers."""
    points = paths[paths["label"].isin([label for _, label in optimizers])]
    surface = SURFACES[points["surface"].iloc[0]]
    shown = window(surface, points)
    figure = Figure(figsize=(7.2, 4.05))
    ax = figure.add_axes((0.05, 0.1, 0.675, 0.84))
    contour_plot(surface, ax, shown)
    ax.set_xlabel("$x_1$", labelpad=1)
    ax.set_title("$x_2$", fontsize=8, pad=3)
    handles = []
    for name, label in optimizers:
        line: dict[str, Any] = {"color": styles[label].color, "ls": styles[label].line}
        handles.append(Line2D([], [], **line, marker="o", ms=4, mec="none", label=textwrap.fill(name, 24)))
    position: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.735, 0.97)}
    legend = figure.legend(handles=handles, **position, frameon=False, fontsize=7.5, handlelength=1.6)
    plain_text(legend.get_texts())
    return figure, ax, shown


def objective_panels(
    paths: pd.DataFrame, ended: pd.DataFrame, families: Sequence[Family], styles: Mapping[str, Style]
) -> Figure:
    """Return a figure of f minus minimum over steps: a panel per optimizer, a line per learning rate, the highest darkest.

    Args:
        paths: The points on one surface (`trajectories.trajectory_points`).
        ended: The final points on it (`trajectories.final_points`).
        families: The optimizers on it.
        styles: The style of each label.
    """
    rates = sorted({rate for family in families for rate in family.labels})
    columns = min(4, len(families))
    rows = math.ceil(len(families) / columns)
    inches = 0.8 + 1.45 * rows
    figure = Figure(figsize=(_WIDTH, inches))
    grid = {
        "left": 0.085,
        "right": 0.99,
        "top": 1 - 0.5 / inches,
        "bottom": 0.45 / inches,
        "wspace": 0.1,
        "hspace": 0.32,
    }
    axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True, gridspec_kw=grid)).ravel()
    by_label = dict(iter(paths.groupby("label")))
    for ax, family in zip(axes, families, strict=False):
        for rate, label in family.labels.items():
            if label in by_label:
                color = _shade(styles[label].color, rates.index(rate), len(rates))
                points = by_label[label]
                ax.plot(points["step"], np.clip(points["height"], _FLOOR, 1e30), color=color, lw=1.4)
        ax.set_title(family.name, color=styles[next(iter(family.labels.values()))].color, parse_math=False)
    for ax in axes[len(families) :]:
        ax.remove()
    for ax in axes[max(0, len(families) - columns) : len(families)]:
        ax.tick_params(labelbottom=True)
    finite = ended.loc[~ended["diverges"], "height"]
    lowest = float(finite.min()) / 3 if len(finite) else _FLOOR
    axes[0].set_yscale("log")
    axes[0].set_ylim(max(lowest, _FLOOR / 2), 30 * float(paths["height"].iloc[0]))
    axes[0].yaxis.set_major_locator(LogLocator(numticks=6))
    axes[0].yaxis.set_minor_locator(NullLocator())
    axes[0].xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    shades = [_shade(INK, index, len(rates)) for index in range(len(rates))]
    handles = [
        Line2D([], [], color=shade, lw=1.6, label=_rate(rate)) for shade, rate in zip(shades, rates, strict=True)
    ]
    figure.legend(handles=handles, loc="upper center", ncols=len(rates), frameon=False, fontsize=7.5)
    figure.text(0.54, 0.06 / inches, "Step", ha="center", fontsize=8)
    figure.text(0.008, 0.5, _Y_LABEL, va="center", rotation=90, fontsize=8)
    return figure


def objective_curves(paths: pd.DataFrame, optimizers: Sequence[tuple[str, str]], styles: Mapping[str, Style]) -> Figure:
    """Return a figure of f minus minimum over steps for several optimizers, each labelled at its end."""
    names = {label: name for name, label in optimizers}
    points = paths[paths["label"].isin(names)]
    curves = points.assign(
        label=points["label"].map(names), mean=points["height"].clip(lower=_FLOOR), low=np.nan, high=np.nan
    )
    figure, ax = single_panel(width=7.2, height=4.2)
    by_name = {name: styles[label] for name, label in optimizers}
    convergence(curves.rename(columns={"step": "update"}), ax, by_name, metric="test/loss", along="update")
    ax.set_ylabel(_Y_LABEL)
    ax.set_xlabel("Step")
    return figure


def _write_final_value(ax: Axes, final: Mapping[str, Any], *, is_lowest: bool, is_outside: bool) -> None:
    """Write the final value into a panel, in bold if it is the lowest of its row, or that the trajectory diverges."""
    if final["diverges"]:
        text, color = "diverges", _ALARM
    else:
        text = notes.compact(float(final["height"])) + (", ends outside" if is_outside else "")
        color = INK if is_lowest else QUIET
    options: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": 6.5, "color": color, "zorder": 5}
    options["weight"] = "bold" if is_lowest or final["diverges"] else "normal"
    options["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.85}
    ax.text(0.985, 0.03, text, transform=ax.transAxes, **options)


def _rate(rate: float) -> str:
    return f"η = {rate:g}" if math.isfinite(rate) else "no η"


def _shade(color: str, index: int, num_shades: int) -> tuple[float, float, float]:
    """Return a shade of a colour: the lower the index, the closer to white."""
    white = 0.8 * (1 - (index + 1) / num_shades)
    red, green, blue = (part + (1 - part) * white for part in to_rgb(color))
    return red, green, blue
