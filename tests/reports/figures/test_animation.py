"""Tests of `reports.figures.animation`: trajectories on the page and in a GIF."""

import io
import itertools
import json

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from reports.figures import animation
from reports.figures import trajectories as drawn
from reports.figures.style import assign_styles
from reports.frames.study_frames import SURFACES
from reports.frames.trajectories import window


def test_an_animation_has_the_best_learning_rates_and_the_shared_ones(surface, trajectory_styles):
    """The choices of the page are the best rates, then each rate of several optimizers; None has no trajectory."""
    found = animation.animation(surface.paths, surface.ended, surface.families, trajectory_styles)
    assert [optimizer.name for optimizer in found.optimizers] == ["GD", "Adam", "Gone"]
    assert found.choices == (
        ("each at its best learning rate", ("GD 0.4", "Adam 0.4", None)),
        ("all at η = 0.4", ("GD 0.4", "Adam 0.4", None)),
    )
    data = json.loads(found.data)
    assert data["steps"] == 3
    assert data["trajectories"]["GD 2"]["off"] is True
    assert data["trajectories"]["GD 0.4"]["f"] == ["10", "3.6", "0.9", "0.0012"]
    a, b, c, d = window(SURFACES["valley"], surface.paths)
    x, y = data["trajectories"]["GD 0.4"]["at"][:2]
    assert a + x / animation.WIDTH * (b - a) == pytest.approx(-5, abs=0.01)
    assert d - y / animation.HEIGHT * (d - c) == pytest.approx(-2, abs=0.01)
    assert found.start == (x, y)


def test_the_bands_are_nested(surface, trajectory_styles):
    """Each shape is within the previous one, so that the lowest values are the darkest."""
    found = animation.animation(surface.paths, surface.ended, surface.families, trajectory_styles)
    widths = []
    for band in found.bands:
        numbers = np.array([float(part) for part in band.replace("M", " ").replace("L", " ").replace("Z", " ").split()])
        widths.append(np.ptp(numbers[::2]))
    assert len(widths) == drawn.LEVELS - 1
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.2 * animation.WIDTH


def test_positions_between_steps_are_interpolated():
    """Time 1.25 is a quarter of the way from step 1 to step 2; after the last step the position is constant."""
    way = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 4.0]])
    assert animation.until(way, 1.25).tolist() == [[0, 0], [1, 0], [1, 1]]
    assert animation.until(way, 1).tolist() == [[0, 0], [1, 0]]
    assert animation.until(way, 7).tolist() == way.tolist()


def test_the_gif_has_all_frames(surface, trajectory_styles):
    """Frames differ, the last one has the longest duration, and the file is reproducible."""
    data = animation.gif(surface.paths, surface.best_labels(), trajectory_styles)
    assert data == animation.gif(surface.paths, surface.best_labels(), trajectory_styles)
    image = Image.open(io.BytesIO(data))
    assert image.n_frames == 10
    assert image.info["loop"] == 0
    frames, durations = [], []
    for at in range(image.n_frames):
        image.seek(at)
        frames.append(np.asarray(image.convert("RGB"), dtype=int))
        durations.append(image.info["duration"])
    assert min(abs(one - two).sum() for one, two in itertools.pairwise(frames)) > 0
    assert durations[-1] == max(durations) > 10 * durations[0]


def test_each_optimizer_keeps_its_color_in_the_gif():
    """Twelve colors on a few pixels each, in an image with all shades of grey, are unchanged."""
    colors = [style.color for style in assign_styles([f"optimizer {at}" for at in range(12)]).values()]
    points = np.broadcast_to(np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis], (256, 256, 3)).copy()
    for at, color in enumerate(colors):
        points[at, :20] = np.round(255 * np.array(to_rgb(color)))
    found = (
        Image.fromarray(points).quantize(palette=animation._palette(colors), dither=Image.Dither.NONE).convert("RGB")
    )
    assert abs(np.asarray(found, dtype=int) - points)[:12, :20].max() <= 1
