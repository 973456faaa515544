"""Tests of `reports.figures.trajectories`: what is drawn of paths, on paper."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from surface_paths import WAYS

from reports.figures import trajectories as drawn
from reports.frames.study_frames import SURFACES
from reports.frames.trajectories import window


def test_the_contours_are_of_the_function():
    """Every drawn line has one height, and below the i-th of n levels lies the share (i/n)² of the window."""
    shown = (-6.0, 1.0, -3.0, 3.0)
    lines = drawn.contours(SURFACES["valley"], shown)
    f = SURFACES["valley"].formula
    means = [float(f(*line.T).mean()) for line in lines]
    for line, mean in zip(lines, means, strict=True):
        assert np.ptp(f(*line.T)) <= 0.02 * mean + 0.02
    x1, x2 = np.meshgrid(np.linspace(*shown[:2], 400), np.linspace(*shown[2:], 400))
    levels = sorted({round(mean, 1) for mean in means})
    assert (f(x1, x2) < levels[0]).mean() == pytest.approx(1 / drawn.LEVELS**2, abs=0.01)
    assert len(levels) >= drawn.LEVELS - 2


def test_small_multiples_have_a_row_for_each_optimizer_and_a_column_for_each_rate(ground, racing):
    """A path is drawn whole in its colour; one that diverges is drawn as well and marked; limits are shared."""
    figure = drawn.small_multiples(ground.paths, ground.ended, ground.families, racing)
    grid = np.array(figure.axes).reshape(3, 4)
    assert [ax.get_title() for ax in grid[0]] == ["η = 0.1", "η = 0.4", "η = 0.6", "η = 2"]
    assert [text.get_text() for text in figure.texts[:3]] == ["GD", "Adam", "Gone"]
    told = [[text.get_text() for text in ax.texts] for ax in grid[0]]
    assert told == [[], ["0.0012"], ["diverges"], ["diverges"]]
    assert [text.get_text() for text in grid[2, 0].texts] == ["not recorded"]
    assert not grid[0, 0].axison
    way = grid[0, 1].lines[1]
    assert way.get_xydata().tolist() == [[-5.0, -2.0], *map(list, WAYS["GD 0.4"][3])]
    assert to_hex(way.get_color()) == racing["GD"].color == racing["GD 2"].color != racing["Adam"].color
    off = grid[0, 2].lines[1].get_xydata()
    assert off[:2].tolist() == [[-5.0, -2.0], [-4.0, 90.0]]
    assert grid[0, 1].get_xlim() == grid[0, 2].get_xlim() == window(SURFACES["valley"], ground.paths)[:2]


def test_heights_are_drawn_over_steps_on_one_logarithmic_scale(ground, racing):
    """A panel for each optimizer, a line for each rate with every height; the higher the rate the darker the line."""
    figure = drawn.objective_panels(ground.paths, ground.ended, ground.families, racing)
    gd = figure.axes[0]
    assert gd.get_title(loc="left") or gd.get_title() == "GD"
    assert gd.get_yscale() == "log"
    own = ground.paths[ground.paths["label"] == "GD 0.4"]
    assert gd.lines[0].get_xydata().tolist() == [[s, h] for s, h in zip(own["step"], own["height"], strict=True)]
    assert len(gd.lines) == 3
    light = [sum(line.get_color()) for line in gd.lines]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == 3


def test_a_star_marks_each_minimum_inside():
    """The saddle has two; a window that holds one shows one."""
    both, one = Figure().subplots(), Figure().subplots()
    drawn.contour_plot(SURFACES["saddle"], both, (-1.5, 1.5, -1.5, 1.5))
    drawn.contour_plot(SURFACES["saddle"], one, (-1.5, 1.5, 0.0, 1.5))
    assert both.lines[0].get_xydata().tolist() == [[0, 1], [0, -1]]
    assert one.lines[0].get_xydata().tolist() == [[0, 1]]
