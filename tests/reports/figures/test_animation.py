"""Tests of `reports.figures.animation`: what is drawn of paths on the page and in a GIF."""

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


def test_a_race_has_every_optimizer_at_its_best_rate_and_all_at_a_shared_one(ground, racing):
    """The choices of the page: each one's best first, then a rate that several have; where a racer has no path, none."""
    found = animation.animation(ground.paths, ground.ended, ground.families, racing)
    assert [racer.name for racer in found.racers] == ["GD", "Adam", "Gone"]
    assert found.choices == (
        ("each at its best learning rate", ("GD 0.4", "Adam 0.4", None)),
        ("all at η = 0.4", ("GD 0.4", "Adam 0.4", None)),
    )
    data = json.loads(found.data)
    assert data["steps"] == 3
    assert data["ways"]["GD 2"]["off"] is True
    assert data["ways"]["GD 0.4"]["f"] == ["10", "3.6", "0.9", "0.0012"]
    a, b, c, d = window(SURFACES["valley"], ground.paths)
    x, y = data["ways"]["GD 0.4"]["at"][:2]
    assert a + x / animation.WIDTH * (b - a) == pytest.approx(-5, abs=0.01)
    assert d - y / animation.HEIGHT * (d - c) == pytest.approx(-2, abs=0.01)
    assert found.start == (x, y)


def test_the_bands_of_a_race_nest(ground, racing):
    """Each shape lies within the one before it, so that the lowest ground is the darkest."""
    found = animation.animation(ground.paths, ground.ended, ground.families, racing)
    widths = []
    for band in found.bands:
        numbers = np.array([float(part) for part in band.replace("M", " ").replace("L", " ").replace("Z", " ").split()])
        widths.append(np.ptp(numbers[::2]))
    assert len(widths) == drawn.LEVELS - 1
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.2 * animation.WIDTH


def test_between_two_steps_an_optimizer_moves_straight():
    """At time 1.25 it is a quarter of the way from step 1 to step 2; beyond its last step it rests."""
    way = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 4.0]])
    assert animation.until(way, 1.25).tolist() == [[0, 0], [1, 0], [1, 1]]
    assert animation.until(way, 1).tolist() == [[0, 0], [1, 0]]
    assert animation.until(way, 7).tolist() == way.tolist()


def test_the_gif_plays_from_the_start_to_the_end(ground, racing):
    """Frames differ, the last one rests longest, and it is the same file each time."""
    data = animation.gif(ground.paths, ground.racers(), racing)
    assert data == animation.gif(ground.paths, ground.racers(), racing)
    image = Image.open(io.BytesIO(data))
    assert image.n_frames == 10
    assert image.info["loop"] == 0
    frames, lasting = [], []
    for at in range(image.n_frames):
        image.seek(at)
        frames.append(np.asarray(image.convert("RGB"), dtype=int))
        lasting.append(image.info["duration"])
    assert min(abs(one - two).sum() for one, two in itertools.pairwise(frames)) > 0
    assert lasting[-1] == max(lasting) > 10 * lasting[0]


def test_each_optimizer_keeps_its_color_in_the_gif():
    """Twelve colors, some of them alike and each on a few points of a picture with all shades of grey, come through."""
    colors = [look.color for look in assign_styles([f"optimizer {at}" for at in range(12)]).values()]
    points = np.broadcast_to(np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis], (256, 256, 3)).copy()
    for at, color in enumerate(colors):
        points[at, :20] = np.round(255 * np.array(to_rgb(color)))
    found = (
        Image.fromarray(points).quantize(palette=animation._palette(colors), dither=Image.Dither.NONE).convert("RGB")
    )
    assert abs(np.asarray(found, dtype=int) - points)[:12, :20].max() <= 1
