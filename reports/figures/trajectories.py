"""Paths on surfaces become pictures, over contour lines and as height over steps. Nothing to cite is computed here."""

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
from reports.figures.style import INK, QUIET, single_panel
from reports.frames.study_frames import SURFACES
from reports.frames.trajectories import best_label, rows_by_label, clip_far_points, ends_outside, window
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
ALARM = "#a3341f"
_GRID = 141
_ROW, _TOP, _BOTTOM, _LEFT, _WIDTH = 1.05, 0.34, 0.45, 1.34, 7.6
_FEW = 61
_FLOOR = 1e-14
"""Heights below are drawn here: what is left of a minimum is rounding."""


@functools.lru_cache(maxsize=8)
def contours(surface: Surface, shown: Window) -> tuple[Array, ...]:
    """Contour lines of a surface; each of shape (places, 2), the lowest first.

    They have as few places as can be without moving the line by more than what is seen in a figure of 1,000 dots.
    """
    x1, x2 = np.meshgrid(np.linspace(*shown[:2], _GRID), np.linspace(*shown[2:], _GRID))
    height = surface.formula(x1, x2) - surface.lowest
    drawn = Figure().subplots().contour(x1, x2, height, levels=levels(height))
    corner, size = np.array([shown[0], shown[2]]), np.array([shown[1] - shown[0], shown[3] - shown[2]]) / 1_000
    lines = (np.asarray(line) for level in drawn.allsegs for line in level if len(line) > 1)
    return tuple(_fewer((line - corner) / size) * size + corner for line in lines)


def _fewer(line: Array) -> Array:
    """The line without places that say nothing, by matplotlib's own simplification; in dots."""
    whole = Path(line)
    whole.simplify_threshold = 1.0
    drawn = whole.cleaned(simplify=True)
    kept = np.asarray(drawn.vertices)[np.isin(np.asarray(drawn.codes), (Path.MOVETO, Path.LINETO))]
    return kept if np.array_equal(kept[-1], line[-1]) else np.vstack([kept, line[-1:]])


def levels(height: Array) -> list[float]:
    """The levels of contour lines: below the i-th of n lies (i/n)² of all that is shown, so a bowl's are evenly far apart."""
    return [float(level) for level in np.quantile(height, (np.arange(1, LEVELS) / LEVELS) ** 2)]


def contour_plot(surface: Surface, ax: Axes, shown: Window) -> Axes:
    """What paths are drawn over: contour lines, and a star at each known minimum."""
    lines = LineCollection(contours(surface, shown), colors=CONTOUR, linewidths=0.6, zorder=1)
    ax.add_collection(lines, autolim=False)
    inside = [at for at in surface.minima if shown[0] <= at[0] <= shown[1] and shown[2] <= at[1] <= shown[3]]
    ax.plot(*np.transpose(inside), "*", color=INK, ms=6.5, mec="white", mew=0.5, zorder=4)
    ax.set(xlim=shown[:2], ylim=shown[2:])
    ax.grid(visible=False)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=3))
    return ax


def trajectory(way: pd.DataFrame, ax: Axes, style: Style, shown: Window, *, dashed: bool = False) -> Axes:
    """One path with dots (`marker_interval`), a ring at the start; a path that leaves is drawn as far as it stays in the window.

    Args:
        way: `x1`, `x2` of one label, in the order of its steps.
        ax: Where to draw.
        style: The label's style.
        shown: The limits of the axes.
        dashed: Whether the line has the label's dash, so that two of one way are both seen.
    """
    x1, x2 = clip_far_points(way, shown).T
    dash = style.line if dashed else "-"
    ax.plot(
        x1, x2, color=style.color, ls=dash, lw=1.0, marker="o", ms=2.4, mec="none", markevery=marker_interval(len(x1)), zorder=3
    )
    ax.plot(x1[:1], x2[:1], "o", mfc="white", mec=style.color, ms=4.2, zorder=4)
    ax.set(xlim=shown[:2], ylim=shown[2:])
    return ax


def marker_interval(places: int) -> int:
    """A dot at every so many steps of a path."""
    return 1 if places <= _FEW else 10


def small_multiples(
    paths: pd.DataFrame, ended: pd.DataFrame, families: Sequence[Family], styles: Mapping[str, Style]
) -> Figure:
    """A row for each optimizer and a column for each learning rate, all with the same limits; each says how it ended.

    Args:
        paths: `paths.places`, of one surface.
        ended: `paths.ends` of the same.
        families: The optimizers on it.
        styles: A style per label.
    """
    rates = sorted({rate for family in families for rate in family.labels})
    figure = Figure(figsize=(_WIDTH, _TOP + _BOTTOM + _ROW * len(families)))
    high = figure.get_figheight()
    axes = figure.subplots(
        len(families),
        len(rates),
        squeeze=False,
        gridspec_kw={
            "left": _LEFT / _WIDTH,
            "right": 0.995,
            "top": 1 - _TOP / high,
            "bottom": _BOTTOM / high,
            "wspace": 0.06,
            "hspace": 0.1,
        },
    )
    surface = SURFACES[families[0].surface]
    shown = window(surface, paths)
    ways = dict(iter(paths.groupby("label")))
    told = rows_by_label(ended)
    for row, family in enumerate(families):
        style = styles[next(iter(family.labels.values()))]
        middle = axes[row, 0].get_position()
        name = textwrap.fill(family.name, 15)
        figure.text(
            0.006,
            (middle.y0 + middle.y1) / 2,
            name,
            color=style.color,
            weight="bold",
            va="center",
            fontsize=8,
            parse_math=False,
        )
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
            if label in ways:
                trajectory(ways[label], ax, styles[label], shown)
                _tell(ax, told[label], lowest=label == lowest, away=ends_outside(ways[label], shown))
            else:
                ax.text(0.5, 0.5, "not recorded", transform=ax.transAxes, ha="center", color=QUIET, fontsize=6.5)
    figure.text((_LEFT / _WIDTH + 0.995) / 2, 0.08 / high, "$x_1$", ha="center", fontsize=8)
    figure.text(1.0 / _WIDTH, (1 - _TOP / high + _BOTTOM / high) / 2, "$x_2$", va="center", fontsize=8)
    return figure


def trajectory_map(paths: pd.DataFrame, racers: Sequence[tuple[str, str]], styles: Mapping[str, Style]) -> tuple[Figure, Axes]:
    """All racers' whole paths over one ground, with a legend beside it.

    Args:
        paths: `paths.places`, of one surface, of the racers or more.
        racers: Names with labels; at least one.
        styles: A style per label.
    """
    figure, ax, shown = trajectory_axes(paths, racers, styles)
    for _, label in racers:
        trajectory(paths[paths["label"] == label], ax, styles[label], shown, dashed=True)
    return figure, ax


def trajectory_axes(
    paths: pd.DataFrame, racers: Sequence[tuple[str, str]], styles: Mapping[str, Style]
) -> tuple[Figure, Axes, Window]:
    """The ground of a race with its legend, and what it shows."""
    own = paths[paths["label"].isin([label for _, label in racers])]
    surface = SURFACES[own["surface"].iloc[0]]
    shown = window(surface, own)
    figure = Figure(figsize=(7.2, 4.05))
    ax = figure.add_axes((0.05, 0.1, 0.675, 0.84))
    contour_plot(surface, ax, shown)
    ax.set_xlabel("$x_1$", labelpad=1)
    ax.set_title("$x_2$", fontsize=8, pad=3)
    handles = [
        Line2D(
            [],
            [],
            color=styles[label].color,
            ls=styles[label].line,
            marker="o",
            ms=4,
            mec="none",
            label=textwrap.fill(name, 24),
        )
        for name, label in racers
    ]
    legend = figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.735, 0.97), frameon=False, fontsize=7.5, handlelength=1.6
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure, ax, shown


def objective_panels(paths: pd.DataFrame, ended: pd.DataFrame, families: Sequence[Family], styles: Mapping[str, Style]) -> Figure:
    """Height over steps on a logarithmic scale: a panel for each optimizer, a line for each learning rate, the darkest highest.

    Args:
        paths: `paths.places`, of one surface.
        ended: `paths.ends` of the same.
        families: The optimizers on it.
        styles: A style per label.
    """
    rates = sorted({rate for family in families for rate in family.labels})
    columns = min(4, len(families))
    rows = math.ceil(len(families) / columns)
    high = 0.8 + 1.45 * rows
    figure = Figure(figsize=(_WIDTH, high))
    room = {"left": 0.085, "right": 0.99, "top": 1 - 0.5 / high, "bottom": 0.45 / high, "wspace": 0.1, "hspace": 0.32}
    axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True, gridspec_kw=room)).ravel()
    begin = float(paths["height"].iloc[0])
    ways = dict(iter(paths.groupby("label")))
    for ax, family in zip(axes, families, strict=False):
        for rate, label in family.labels.items():
            if label not in ways:
                continue
            shade = _shade(styles[label].color, rates.index(rate), len(rates))
            ax.plot(ways[label]["step"], np.clip(ways[label]["height"], _FLOOR, 1e30), color=shade, lw=1.4)
        ax.set_title(family.name, color=styles[next(iter(family.labels.values()))].color, parse_math=False)
    for ax in axes[len(families) :]:
        ax.remove()
    for ax in axes[max(0, len(families) - columns) : len(families)]:
        ax.tick_params(labelbottom=True)
    lowest = ended.loc[~ended["diverges"], "height"]
    axes[0].set_yscale("log")
    axes[0].set_ylim(max(float(lowest.min()) / 3 if len(lowest) else _FLOOR, _FLOOR / 2), 30 * begin)
    axes[0].yaxis.set_major_locator(LogLocator(numticks=6))
    axes[0].yaxis.set_minor_locator(NullLocator())
    axes[0].xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    handles = [
        Line2D([], [], color=_shade(INK, at, len(rates)), lw=1.6, label=_rate(rate)) for at, rate in enumerate(rates)
    ]
    figure.legend(handles=handles, loc="upper center", ncols=len(rates), frameon=False, fontsize=7.5)
    figure.text(0.54, 0.06 / high, "Step", ha="center", fontsize=8)
    figure.text(0.008, 0.5, "f − lowest", va="center", rotation=90, fontsize=8)
    return figure


def objective_curves(paths: pd.DataFrame, racers: Sequence[tuple[str, str]], styles: Mapping[str, Style]) -> Figure:
    """Height over steps of all racers on one logarithmic scale, each named at its end."""
    own = paths[paths["label"].isin([label for _, label in racers])]
    names = {label: name for name, label in racers}
    curves = own.assign(label=own["label"].map(names), mean=own["height"].clip(lower=_FLOOR), low=np.nan, high=np.nan)
    figure, ax = single_panel(width=7.2, height=4.2)
    by_name = {name: styles[label] for name, label in racers}
    convergence(curves.rename(columns={"step": "update"}), ax, by_name, metric="test/loss", along="update").set_ylabel(
        "f − lowest"
    )
    ax.set_xlabel("Step")
    return figure


def _tell(ax: Axes, end: Mapping[str, Any], *, lowest: bool, away: bool) -> None:
    """How a path ended: its height, in bold where it is the lowest of its row, or that it diverges."""
    text, color = (
        ("diverges", ALARM) if end["diverges"] else (notes.compact(float(end["height"])), INK if lowest else QUIET)
    )
    text += ", ends outside" if away and not end["diverges"] else ""
    backed = {"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.85}
    weight = "bold" if lowest or end["diverges"] else "normal"
    ax.text(
        0.985,
        0.03,
        text,
        transform=ax.transAxes,
        ha="right",
        va="bottom",
        fontsize=6.5,
        color=color,
        weight=weight,
        bbox=backed,
        zorder=5,
    )


def _rate(rate: float) -> str:
    return f"η = {rate:g}" if math.isfinite(rate) else "no η"


def _shade(color: str, at: int, many: int) -> tuple[float, float, float]:
    """A colour nearer to white the lower the learning rate."""
    light = 0.8 * (1 - (at + 1) / many)
    red, green, blue = (part + (1 - part) * light for part in to_rgb(color))
    return red, green, blue
