"""Animated trajectories on a test function: the data of the page's animation, and the same animation as a GIF.

The SVG of the page has the complete trajectories, for readers without its script, in print, or with reduced motion;
`templates/animation.js` animates them. Lengths are in units of the view box.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.figures.style import INK
from reports.figures.trajectories import CONTOUR, levels, trajectory_axes
from reports.frames.study_frames import SURFACES
from reports.frames.trajectories import best_label, clip_far_points, window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from reports.figures.style import Style
    from reports.frames.study_frames import Surface
    from reports.frames.trajectories import Family, Window

WIDTH, HEIGHT = 720, 440
_GRID_POINTS = 121
_MAX_FRAMES, _FRAME_MILLISECONDS, _LAST_FRAME_MILLISECONDS = 60, 80, 2_500
_GIF_DPI = 100


@dataclass(frozen=True, slots=True)
class AnimatedTrajectory:
    """The trajectory of a label: its points in the view box, f minus minimum at each step, whether it diverges."""

    label: str
    points: tuple[tuple[float, float], ...]
    heights: tuple[str, ...]
    diverges: bool

    @property
    def line(self) -> str:
        """The points in the format of SVG."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class AnimatedOptimizer:
    """An optimizer in an animation.

    Attributes:
        name: Its name.
        color: The colour of its trajectory.
        dash: The dash of its trajectory.
        best: The trajectory with the learning rate that ends lowest; None if none is recorded or all diverge.
        rates: The learning rate of each label, as text.
    """

    name: str
    color: str
    dash: tuple[float, ...]
    best: AnimatedTrajectory | None
    rates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Animation:
    """The data of an animation.

    Attributes:
        surface: The name of the test function.
        bands: Shapes in the view box of what is below each level, the highest level first.
        start: The common starting point.
        minima: The minima.
        ticks: The ticks of both axes: text, x, y, anchor.
        optimizers: The optimizers in the order of the plan.
        choices: Selectable sets of trajectories: a text, and the label of each optimizer or None. The first is the best.
        trajectories: The trajectories by label.
        steps: The number of steps of the longest trajectory.
    """

    surface: str
    bands: tuple[str, ...]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    ticks: tuple[tuple[str, float, float, str], ...]
    optimizers: tuple[AnimatedOptimizer, ...]
    choices: tuple[tuple[str, tuple[str | None, ...]], ...]
    trajectories: Mapping[str, AnimatedTrajectory]
    steps: int

    @property
    def data(self) -> str:
        """The JSON that the script of the page reads."""
        return json.dumps(
            {
                "steps": self.steps,
                "choices": [labels for _, labels in self.choices],
                "rates": {label: rate for optimizer in self.optimizers for label, rate in optimizer.rates.items()},
                "trajectories": {
                    label: {"at": [x for point in path.points for x in point], "f": path.heights, "off": path.diverges}
                    for label, path in self.trajectories.items()
                },
            },
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )


def animation(
    paths: pd.DataFrame, ended: pd.DataFrame, families: Sequence[Family], styles: Mapping[str, Style]
) -> Animation | None:
    """Return the animation of the optimizers on one surface; None if nothing is recorded.

    Args:
        paths: The points on the surface (`trajectories.trajectory_points`).
        ended: The final points on it (`trajectories.final_points`).
        families: The optimizers on it.
        styles: The style of each label.
    """
    if paths.empty:
        return None
    from reports.text.notes import compact

    surface = SURFACES[families[0].surface]
    shown = window(surface, paths)
    diverges = dict(zip(ended["label"], ended["diverges"], strict=True))
    trajectories = {}
    for label, points in paths.groupby("label", sort=False):
        scaled = tuple((float(x), float(y)) for x, y in _to_view_box(clip_far_points(points, shown), shown))
        heights = tuple(compact(height) for height in points["height"])
        trajectories[str(label)] = AnimatedTrajectory(str(label), scaled, heights, bool(diverges[label]))
    optimizers = []
    best_labels = tuple(best_label(family, ended) for family in families)
    for family, best in zip(families, best_labels, strict=True):
        rates = {label: f"{rate:g}" if np.isfinite(rate) else "" for rate, label in family.labels.items()}
        style = styles[next(iter(family.labels.values()))]
        trajectory = trajectories[best] if best else None
        optimizers.append(AnimatedOptimizer(family.name, style.color, style.dash, trajectory, rates))
    choices: list[tuple[str, tuple[str | None, ...]]] = [("each at its best learning rate", best_labels)]
    all_rates = sorted({rate for family in families for rate in family.labels if np.isfinite(rate)})
    for rate in all_rates:
        labels = tuple(family.labels.get(rate) for family in families)
        recorded = tuple(label if label in trajectories else None for label in labels)
        if len(recorded) - recorded.count(None) > 1 and len(all_rates) > 1:
            choices.append((f"all at η = {rate:g}", recorded))
    return Animation(
        surface=families[0].surface,
        bands=_bands(surface, shown),
        start=next(iter(trajectories.values())).points[0],
        minima=tuple((float(x), float(y)) for x, y in _to_view_box(np.array(surface.minima), shown)),
        ticks=_ticks(shown),
        optimizers=tuple(optimizers),
        choices=tuple(choices),
        trajectories=trajectories,
        steps=int(paths["step"].max()),
    )


def gif(paths: pd.DataFrame, optimizers: Sequence[tuple[str, str]], styles: Mapping[str, Style]) -> bytes:
    """Return the animation as a GIF in an endless loop, with a longer last frame; a dot is the position of an optimizer.

    Args:
        paths: The points on one surface, of these labels or more.
        optimizers: The name and the label of each; at least one.
        styles: The style of each label.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure, ax, shown = trajectory_axes(paths, optimizers, styles)
    figure.dpi = _GIF_DPI
    trajectories = [clip_far_points(paths[paths["label"] == label], shown) for _, label in optimizers]
    steps = max(map(len, trajectories)) - 1
    lines, heads = [], []
    for (_, label), points in zip(optimizers, trajectories, strict=True):
        style = styles[label]
        ax.plot(*points[:1].T, "o", mfc="white", mec=style.color, ms=4.2, zorder=4)
        lines += ax.plot([], [], color=style.color, ls=style.line, lw=1.4, zorder=3)
        heads += ax.plot([], [], "o", color=style.color, mec="white", mew=0.6, ms=6, zorder=5)
    counter = ax.text(0.99, 0.985, "", transform=ax.transAxes, ha="right", va="top", fontsize=8, zorder=6)
    ax.set(xlim=shown[:2], ylim=shown[2:])
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)
    images = []
    for time in np.linspace(0, steps, min(_MAX_FRAMES, 3 * steps) + 1):
        canvas.restore_region(background)
        counter.set_text(f"step {int(time)} of {steps}")
        for line, head, points in zip(lines, heads, trajectories, strict=True):
            trail = until(points, float(time))
            line.set_data(*trail.T)
            head.set_data(*trail[-1:].T)
        for artist in (*lines, *heads, counter):
            ax.draw_artist(artist)
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    palette = _palette([styles[label].color for _, label in optimizers])
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    durations = [_FRAME_MILLISECONDS] * (len(frames) - 1) + [_LAST_FRAME_MILLISECONDS]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False)
    return buffer.getvalue()


def _palette(colors: Sequence[str]) -> Any:
    """Return a palette with each colour and the shades between it and white, which anti-aliased edges have."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    unique = [to_rgb(color) for color in dict.fromkeys([*colors, INK, CONTOUR])]
    shades = [1 - share * (1 - np.array(color)) for color in unique for share in (1.0, 0.75, 0.5, 0.25)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([round(255 * float(part)) for shade in (*shades[:255], np.ones(3)) for part in shade])
    return palette


def until(points: np.ndarray[Any, Any], time: float) -> np.ndarray[Any, Any]:
    """Return the part of a trajectory up to a time in steps, linearly interpolated between two steps.

    Args:
        points: Shape (points, 2).
        time: At least 0; beyond the last step the trajectory is complete.
    """
    step = min(int(time), len(points) - 1)
    trail = points[: step + 1]
    if step == len(points) - 1 or time == step:
        return trail
    position = points[step] + (time - step) * (points[step + 1] - points[step])
    return np.vstack([trail, position])


def _to_view_box(points: np.ndarray[Any, Any], shown: Window) -> np.ndarray[Any, Any]:
    """Return points of the surface in the view box, rounded to a tenth."""
    left, right, bottom, top = shown
    x, y = (points[:, 0] - left) / (right - left) * WIDTH, (top - points[:, 1]) / (top - bottom) * HEIGHT
    return np.round(np.column_stack([x, y]), 1)


def _bands(surface: Surface, shown: Window) -> tuple[str, ...]:
    """Return what is below each level as SVG paths for the even-odd fill rule, the highest level first."""
    from matplotlib.figure import Figure

    x1, x2 = np.meshgrid(np.linspace(*shown[:2], _GRID_POINTS), np.linspace(*shown[2:], _GRID_POINTS))
    height = surface.formula(x1, x2) - surface.lowest
    ax = Figure().subplots()
    shapes = []
    for level in levels(height)[::-1]:
        (region,) = ax.contourf(x1, x2, height, levels=[-1.0, level]).get_paths()
        outlines = [_to_view_box(np.asarray(outline), shown) for outline in region.to_polygons(closed_only=False)]
        shapes.append("".join("M" + "L".join(f"{x:g} {y:g}" for x, y in outline) + "Z" for outline in outlines))
    return tuple(shape for shape in shapes if shape)


def _ticks(shown: Window) -> tuple[tuple[str, float, float, str], ...]:
    """Return the names and the ticks of both axes: text, x, y, anchor. Ticks near the corners are omitted."""
    from matplotlib.ticker import MaxNLocator

    left, right, bottom, top = shown
    y_edge, x_edge = HEIGHT - 6.0, 6.0
    ticks = [("x₁", WIDTH - 8.0, y_edge, "end"), ("x₂", x_edge, 16.0, "start")]
    for value in MaxNLocator(6).tick_values(left, right):
        share = (value - left) / (right - left)
        if 0.06 < share < 0.94:
            ticks.append((f"{value:g}", round(share * WIDTH, 1), y_edge, "middle"))
    for value in MaxNLocator(5).tick_values(bottom, top):
        share = (value - bottom) / (top - bottom)
        if 0.08 < share < 0.92:
            ticks.append((f"{value:g}", x_edge, round((1 - share) * HEIGHT + 4, 1), "start"))
    return tuple((text.replace("-", "−"), x, y, anchor) for text, x, y, anchor in ticks)
