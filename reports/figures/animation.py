"""Optimizers racing on a surface: what the page animates, and the same as a file for a slide.

The page gets an SVG with the whole paths, which is what is seen without its script, in print and by those who want no motion;
`templates/animation.js` plays them. Lengths are those of the view box.
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
_GRID = 121
_FRAMES, _MILLISECONDS, _HOLD = 60, 80, 2_500
_SHARP = 100


@dataclass(frozen=True, slots=True)
class AnimatedTrajectory:
    """A path as the page draws it: label, place of each step in the view box, height at each step, whether it diverges."""

    label: str
    points: tuple[tuple[float, float], ...]
    heights: tuple[str, ...]
    diverges: bool

    @property
    def line(self) -> str:
        """The points as SVG has them."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class AnimatedOptimizer:
    """An optimizer in a race.

    Attributes:
        name: What it is called.
        color: Of its path.
        dash: Of its line in the legend.
        best: The way with the learning rate that ends lowest; None where none is recorded or all diverge.
        rates: The text of each learning rate, by label.
    """

    name: str
    color: str
    dash: tuple[float, ...]
    best: AnimatedTrajectory | None
    rates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Animation:
    """All that the page needs of a race.

    Attributes:
        surface: Its name.
        bands: Shapes in the view box, each of what lies below a level, the highest first.
        start: Where all begin.
        stars: The minima.
        ticks: Text with its place and its anchor, of both axes.
        racers: In the order of the plan.
        choices: A text with the label of each racer, or None, in their order; the first is each one's best.
        ways: By label.
        steps: How many steps the longest has.
    """

    surface: str
    bands: tuple[str, ...]
    start: tuple[float, float]
    stars: tuple[tuple[float, float], ...]
    ticks: tuple[tuple[str, float, float, str], ...]
    racers: tuple[AnimatedOptimizer, ...]
    choices: tuple[tuple[str, tuple[str | None, ...]], ...]
    ways: Mapping[str, AnimatedTrajectory]
    steps: int

    @property
    def data(self) -> str:
        """What the page's script reads."""
        ways = {
            label: {"at": [part for point in way.points for part in point], "f": way.heights, "off": way.diverges}
            for label, way in self.ways.items()
        }
        return json.dumps(
            {
                "steps": self.steps,
                "choices": [labels for _, labels in self.choices],
                "rates": {label: text for racer in self.racers for label, text in racer.rates.items()},
                "ways": ways,
            },
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )


def animation(
    paths: pd.DataFrame, ended: pd.DataFrame, families: Sequence[Family], styles: Mapping[str, Style]
) -> Animation | None:
    """The race of optimizers on one surface; None where nothing is recorded.

    Args:
        paths: `paths.places`, of that surface.
        ended: `paths.ends` of the same.
        families: The optimizers on it.
        styles: A style per label.
    """
    if paths.empty:
        return None
    from reports.text.notes import compact

    surface = SURFACES[families[0].surface]
    shown = window(surface, paths)
    diverged = dict(zip(ended["label"], ended["diverges"], strict=True))
    ways = {}
    for label, way in paths.groupby("label", sort=False):
        places = [(float(x), float(y)) for x, y in _scaled(clip_far_points(way, shown), shown)]
        told = tuple(compact(height) for height in way["height"])
        ways[str(label)] = AnimatedTrajectory(str(label), tuple(places), told, bool(diverged[label]))
    racers, chosen = [], []
    for family in families:
        first = next(iter(family.labels.values()))
        winner = best_label(family, ended)
        chosen.append(winner)
        rates = {label: f"{rate:g}" if np.isfinite(rate) else "" for rate, label in family.labels.items()}
        style = styles[first]
        racers.append(AnimatedOptimizer(family.name, style.color, style.dash, ways[winner] if winner else None, rates))
    choices: list[tuple[str, tuple[str | None, ...]]] = [("each at its best learning rate", tuple(chosen))]
    every = sorted({rate for family in families for rate in family.labels if np.isfinite(rate)})
    for rate in every:
        of_rate = tuple(family.labels.get(rate) for family in families)
        present = tuple(label if label in ways else None for label in of_rate)
        if sum(label is not None for label in present) > 1 and len(every) > 1:
            choices.append((f"all at η = {rate:g}", present))
    return Animation(
        surface=families[0].surface,
        bands=_bands(surface, shown),
        start=next(iter(ways.values())).points[0],
        stars=tuple((float(x), float(y)) for x, y in _scaled(np.array(surface.minima), shown)),
        ticks=_ticks(shown),
        racers=tuple(racers),
        choices=tuple(choices),
        ways=ways,
        steps=int(paths["step"].max()),
    )


def gif(paths: pd.DataFrame, racers: Sequence[tuple[str, str]], styles: Mapping[str, Style]) -> bytes:
    """The race as a GIF that plays for ever, resting at its end; a dot is where an optimizer is.

    Args:
        paths: `paths.places`, of one surface, of the racers or more.
        racers: Names with labels; at least one.
        styles: A style per label.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure, ax, shown = trajectory_axes(paths, racers, styles)
    figure.dpi = _SHARP
    ways = [clip_far_points(paths[paths["label"] == label], shown) for _, label in racers]
    steps = max(map(len, ways)) - 1
    moving = []
    for (_, label), way in zip(racers, ways, strict=True):
        style = styles[label]
        ax.plot(*way[:1].T, "o", mfc="white", mec=style.color, ms=4.2, zorder=4)
        (line,) = ax.plot([], [], color=style.color, ls=style.line, lw=1.4, zorder=3)
        (head,) = ax.plot([], [], "o", color=style.color, mec="white", mew=0.6, ms=6, zorder=5)
        moving.append((line, head))
    counter = ax.text(0.99, 0.985, "", transform=ax.transAxes, ha="right", va="top", fontsize=8, zorder=6)
    ax.set(xlim=shown[:2], ylim=shown[2:])
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)
    images = []
    for time in np.linspace(0, steps, min(_FRAMES, 3 * steps) + 1):
        canvas.restore_region(ground)
        counter.set_text(f"step {int(time)} of {steps}")
        for (line, head), way in zip(moving, ways, strict=True):
            trail = until(way, float(time))
            line.set_data(*trail.T)
            head.set_data(*trail[-1:].T)
        for artist in (*(line for line, _ in moving), *(head for _, head in moving), counter):
            ax.draw_artist(artist)
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    palette = _palette([styles[label].color for _, label in racers])
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    lasting = [_MILLISECONDS] * (len(frames) - 1) + [_HOLD]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=lasting, loop=0, optimize=False)
    return buffer.getvalue()


def _palette(colors: Sequence[str]) -> Any:
    """A palette in which each color keeps its own, with the shades between it and the white that its edges have."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    several = [to_rgb(color) for color in dict.fromkeys([*colors, INK, CONTOUR])]
    shades = [1 - share * (1 - np.array(color)) for color in several for share in (1.0, 0.75, 0.5, 0.25)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([round(255 * float(part)) for shade in (*shades[:255], np.ones(3)) for part in shade])
    return palette


def until(way: np.ndarray[Any, Any], time: float) -> np.ndarray[Any, Any]:
    """The part of a path up to a time in steps; between two steps the place moves straight.

    Args:
        way: Shape (places, 2).
        time: From 0; beyond the last step the path is whole.
    """
    whole = min(int(time), len(way) - 1)
    trail = way[: whole + 1]
    if whole == len(way) - 1 or time == whole:
        return trail
    between = way[whole] + (time - whole) * (way[whole + 1] - way[whole])
    return np.vstack([trail, between])


def _scaled(at: np.ndarray[Any, Any], shown: Window) -> np.ndarray[Any, Any]:
    """Places of the surface in the view box, to a tenth."""
    a, b, c, d = shown
    return np.round(np.column_stack([(at[:, 0] - a) / (b - a) * WIDTH, (d - at[:, 1]) / (d - c) * HEIGHT]), 1)


def _bands(surface: Surface, shown: Window) -> tuple[str, ...]:
    """What lies below each level, as SVG paths to be filled by the even-odd rule, the highest level first."""
    from matplotlib.figure import Figure

    x1, x2 = np.meshgrid(np.linspace(*shown[:2], _GRID), np.linspace(*shown[2:], _GRID))
    height = surface.formula(x1, x2) - surface.lowest
    ax = Figure().subplots()
    shapes = []
    for level in levels(height)[::-1]:
        (region,) = ax.contourf(x1, x2, height, levels=[-1.0, level]).get_paths()
        outlines = [_scaled(np.asarray(outline), shown) for outline in region.to_polygons(closed_only=False)]
        shapes.append("".join("M" + "L".join(f"{x:g} {y:g}" for x, y in outline) + "Z" for outline in outlines))
    return tuple(shape for shape in shapes if shape)


def _ticks(shown: Window) -> tuple[tuple[str, float, float, str], ...]:
    from matplotlib.ticker import MaxNLocator

    a, b, c, d = shown
    found = [("x₁", WIDTH - 8.0, HEIGHT - 6.0, "end"), ("x₂", 6.0, 16.0, "start")]
    for low, high, many in ((a, b, 6), (c, d, 5)):
        across = many == 6
        for value in MaxNLocator(many).tick_values(low, high):
            share = (value - low) / (high - low)
            if across and 0.06 < share < 0.94:
                found.append((f"{value:g}", round(share * WIDTH, 1), HEIGHT - 6.0, "middle"))
            elif not across and 0.08 < share < 0.92:
                found.append((f"{value:g}", 6.0, round((1 - share) * HEIGHT + 4, 1), "start"))
    return tuple((text.replace("-", "−"), x, y, anchor) for text, x, y, anchor in found)
