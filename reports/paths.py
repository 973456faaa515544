"""The paths of optimizers on functions of two variables: where they went, over contour lines.

`places` takes the paths from the records; the other functions draw and compute nothing that a reader could cite.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import INK, QUIET, short
from reports.frame import SURFACES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from reports.figures import Style
    from reports.frame import Frames, Surface

X1, X2 = "path/x1", "path/x2"
COLUMNS = 4
LEVELS = 12
CONTOUR = "#c3c9d1"
Window = tuple[float, float, float, float]


def places(frames: Frames) -> pd.DataFrame:
    """Every recorded place, the start of its surface first.

    Args:
        frames: A plan and what is recorded of it, of trials that are ok: a path that diverged has no end to show.

    Returns:
        `label`, `repeat`, `surface`, `step` (0 at the start), `x1`, `x2`, in the order of the plan; empty where the
        trials have no paths.
    """
    keys = ["label", "repeat", "step"]
    points = frames.points[frames.points["metric"].isin([X1, X2]) & (frames.points["outcome"] == "ok")]
    table = points.pivot_table(index=keys, columns="metric", values="value", sort=False)
    table = table.reindex(columns=[X1, X2]).set_axis(["x1", "x2"], axis=1).reset_index()
    on = frames.trials[["label", "repeat"]].assign(
        surface=[options.get("surface", "") for options in frames.trials["problem_options"]]
    )
    table = table.merge(on[on["surface"].isin(list(SURFACES))], on=["label", "repeat"])
    starts = table.drop_duplicates(["label", "repeat"]).assign(step=0)
    for at, name in enumerate(("x1", "x2")):
        starts[name] = [SURFACES[surface].start[at] for surface in starts["surface"]]
    both = pd.concat([starts, table], ignore_index=True)
    order = {label: at for at, label in enumerate(frames.labels)}
    both = both.sort_values(keys, key=lambda column: column.map(order) if column.name == "label" else column)
    return both[["label", "repeat", "surface", "step", "x1", "x2"]].reset_index(drop=True)


def window(surface: Surface, paths: pd.DataFrame) -> Window:
    """What is shown of a surface: its start, its minima, and the paths as far as they stay as near to these as the start.

    Returns:
        The least and the greatest x₁, then those of x₂.
    """
    middle = np.mean(surface.minima, axis=0)
    known = np.array([surface.start, *surface.minima])
    reach = np.maximum(np.abs(known - middle).max(axis=0), 0.5 * np.abs(known - middle).max())
    places_ = paths[["x1", "x2"]].to_numpy(dtype=float)
    near = places_[(np.abs(places_ - middle) <= 1.1 * reach).all(axis=1)]
    seen = np.vstack([known, near])
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = np.maximum(0.08 * (high - low), 0.15 * reach)
    (a, c), (b, d) = (low - margin).tolist(), (high + margin).tolist()
    return (a, b, c, d)


def contours(surface: Surface, ax: Axes, shown: Window) -> Axes:
    """Contour lines of a surface, denser towards its lowest value, and a star at each known minimum."""
    x1, x2 = np.meshgrid(np.linspace(*shown[:2], 161), np.linspace(*shown[2:], 161))
    height = surface.formula(x1, x2) - surface.lowest
    levels = float(height.max()) * np.geomspace(1e-3, 1, LEVELS)
    ax.contour(x1, x2, height, levels=levels, colors=CONTOUR, linewidths=0.7, zorder=1)
    inside = [at for at in surface.minima if shown[0] <= at[0] <= shown[1] and shown[2] <= at[1] <= shown[3]]
    ax.plot(*np.transpose(inside), "*", color=INK, ms=7, mec="white", mew=0.5, zorder=4)
    ax.set(xlim=shown[:2], ylim=shown[2:])
    ax.grid(visible=False)
    return ax


def path(places: pd.DataFrame, ax: Axes, look: Style) -> Axes:
    """One label's way, each update a dot, each repeat a line; a ring at the start.

    Args:
        places: `repeat`, `step`, `x1`, `x2` of one label.
        ax: Where to draw; its limits stay as they are.
        look: The label's style.
    """
    limits = ax.get_xlim(), ax.get_ylim()
    for _, way in places.groupby("repeat"):
        ax.plot(way["x1"], way["x2"], "-o", color=look.color, lw=1.1, ms=2.4, mec="none", zorder=3)
        ax.plot(way["x1"].iloc[:1], way["x2"].iloc[:1], "o", mfc="white", mec=look.color, ms=4.5, zorder=4)
    ax.set(xlim=limits[0], ylim=limits[1])
    return ax


def small_multiples(paths: pd.DataFrame, looks: Mapping[str, Style]) -> Figure:
    """A panel for each label: its path over the contour lines of its surface, all of one surface with the same limits."""
    labels = [label for label in looks if label in set(paths["label"])]
    columns = min(COLUMNS, len(labels))
    rows = math.ceil(len(labels) / columns)
    figure = Figure(figsize=(7.6, 0.3 + 1.75 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    shown = {str(name): window(SURFACES[str(name)], on) for name, on in paths.groupby("surface")}
    for ax, label in zip(axes, labels, strict=False):
        own = paths[paths["label"] == label]
        name = own["surface"].iloc[0]
        path(own, contours(SURFACES[name], ax, shown[name]), looks[label])
        ax.set_title(short(label), color=looks[label].color, parse_math=False)
        a, b, c, d = shown[name]
        if not (own["x1"].between(a, b) & own["x2"].between(c, d)).all():
            backed = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            beneath = {"transform": ax.transAxes, "ha": "right", "va": "bottom", "fontsize": 6.5, "zorder": 5}
            ax.text(0.99, 0.01, "leaves the frame", color=QUIET, bbox=backed, **beneath)
    for ax in axes[len(labels) :]:
        ax.remove()
    figure.supxlabel("$x_1$", fontsize=8)
    figure.supylabel("$x_2$", fontsize=8, rotation=0)
    return figure
