"""`reports.path_figures` and `reports.race`: what is drawn of paths, on paper, on the page and in a GIF."""

import io
import itertools
import json

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image
from ways import WAYS, of

from reports import path_figures, path_section, race
from reports.figures import styles
from reports.frame import SURFACES
from reports.paths import window


@pytest.fixture
def ground():
    """Paths that come in, run off, leave the numbers and come back on the valley."""
    return path_section.grounds(of(WAYS))[0]


@pytest.fixture
def looks():
    """A look for each label and each optimizer."""
    return path_section.looks(of(WAYS))


def test_the_contours_are_of_the_function():
    """Every drawn line has one height, and below the i-th of n levels lies the share (i/n)² of the window."""
    shown = (-6.0, 1.0, -3.0, 3.0)
    lines = path_figures.contours(SURFACES["valley"], shown)
    f = SURFACES["valley"].formula
    means = [float(f(*line.T).mean()) for line in lines]
    for line, mean in zip(lines, means, strict=True):
        assert np.ptp(f(*line.T)) <= 0.02 * mean + 0.02
    x1, x2 = np.meshgrid(np.linspace(*shown[:2], 400), np.linspace(*shown[2:], 400))
    levels = sorted({round(mean, 1) for mean in means})
    assert (f(x1, x2) < levels[0]).mean() == pytest.approx(1 / path_figures.LEVELS**2, abs=0.01)
    assert len(levels) >= path_figures.LEVELS - 2


def test_small_multiples_have_a_row_for_each_optimizer_and_a_column_for_each_rate(ground, looks):
    """A path is drawn whole in its colour; one that diverges is drawn as well and marked; limits are shared."""
    figure = path_figures.small_multiples(ground.paths, ground.ended, ground.families, looks)
    grid = np.array(figure.axes).reshape(3, 4)
    assert [ax.get_title() for ax in grid[0]] == ["η = 0.1", "η = 0.4", "η = 0.6", "η = 2"]
    assert [text.get_text() for text in figure.texts[:3]] == ["GD", "Adam", "Gone"]
    told = [[text.get_text() for text in ax.texts] for ax in grid[0]]
    assert told == [[], ["0.0012"], ["diverges"], ["diverges"]]
    assert [text.get_text() for text in grid[2, 0].texts] == ["not recorded"]
    assert not grid[0, 0].axison
    way = grid[0, 1].lines[1]
    assert way.get_xydata().tolist() == [[-5.0, -2.0], *map(list, WAYS["GD 0.4"][3])]
    assert to_hex(way.get_color()) == looks["GD"].color == looks["GD 2"].color != looks["Adam"].color
    off = grid[0, 2].lines[1].get_xydata()
    assert off[:2].tolist() == [[-5.0, -2.0], [-4.0, 90.0]]
    assert grid[0, 1].get_xlim() == grid[0, 2].get_xlim() == window(SURFACES["valley"], ground.paths)[:2]


def test_heights_are_drawn_over_steps_on_one_logarithmic_scale(ground, looks):
    """A panel for each optimizer, a line for each rate with every height; the higher the rate the darker the line."""
    figure = path_figures.descent(ground.paths, ground.ended, ground.families, looks)
    gd = figure.axes[0]
    assert gd.get_title(loc="left") or gd.get_title() == "GD"
    assert gd.get_yscale() == "log"
    own = ground.paths[ground.paths["label"] == "GD 0.4"]
    assert gd.lines[0].get_xydata().tolist() == [[s, h] for s, h in zip(own["step"], own["height"], strict=True)]
    assert len(gd.lines) == 3
    light = [sum(line.get_color()) for line in gd.lines]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == 3


def test_a_race_has_every_optimizer_at_its_best_rate_and_all_at_a_shared_one(ground, looks):
    """The choices of the page: each one's best first, then a rate that several have; where a racer has no path, none."""
    found = race.race(ground.paths, ground.ended, ground.families, looks)
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
    assert a + x / race.WIDTH * (b - a) == pytest.approx(-5, abs=0.01)
    assert d - y / race.HEIGHT * (d - c) == pytest.approx(-2, abs=0.01)
    assert found.start == (x, y)


def test_the_bands_of_a_race_nest(ground, looks):
    """Each shape lies within the one before it, so that the lowest ground is the darkest."""
    found = race.race(ground.paths, ground.ended, ground.families, looks)
    widths = []
    for band in found.bands:
        numbers = np.array([float(part) for part in band.replace("M", " ").replace("L", " ").replace("Z", " ").split()])
        widths.append(np.ptp(numbers[::2]))
    assert len(widths) == path_figures.LEVELS - 1
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.2 * race.WIDTH


def test_between_two_steps_an_optimizer_moves_straight():
    """At time 1.25 it is a quarter of the way from step 1 to step 2; beyond its last step it rests."""
    way = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 4.0]])
    assert race.until(way, 1.25).tolist() == [[0, 0], [1, 0], [1, 1]]
    assert race.until(way, 1).tolist() == [[0, 0], [1, 0]]
    assert race.until(way, 7).tolist() == way.tolist()


def test_the_gif_plays_from_the_start_to_the_end(ground, looks):
    """Frames differ, the last one rests longest, and it is the same file each time."""
    data = race.gif(ground.paths, ground.racers(), looks)
    assert data == race.gif(ground.paths, ground.racers(), looks)
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
    colors = [look.color for look in styles([f"optimizer {at}" for at in range(12)]).values()]
    points = np.broadcast_to(np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis], (256, 256, 3)).copy()
    for at, color in enumerate(colors):
        points[at, :20] = np.round(255 * np.array(to_rgb(color)))
    found = Image.fromarray(points).quantize(palette=race._palette(colors), dither=Image.Dither.NONE).convert("RGB")
    assert abs(np.asarray(found, dtype=int) - points)[:12, :20].max() <= 1


def test_a_star_marks_each_minimum_inside():
    """The saddle has two; a window that holds one shows one."""
    both, one = Figure().subplots(), Figure().subplots()
    path_figures.ground(SURFACES["saddle"], both, (-1.5, 1.5, -1.5, 1.5))
    path_figures.ground(SURFACES["saddle"], one, (-1.5, 1.5, 0.0, 1.5))
    assert both.lines[0].get_xydata().tolist() == [[0, 1], [0, -1]]
    assert one.lines[0].get_xydata().tolist() == [[0, 1]]
