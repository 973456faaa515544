"""Tests of `reports.figures.trajectories`."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from surface_paths import TRAJECTORIES

from reports.figures import trajectories as drawn
from reports.frames.study_frames import SURFACES
from reports.frames.trajectories import window


def test_the_contours_are_those_of_the_function():
    """Every line has a constant value, and a share (i/n)² of the window is below level i of n."""
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


def test_small_multiples_have_a_row_for_each_optimizer_and_a_column_for_each_rate(surface, trajectory_styles):
    """Each trajectory is complete and has its colour; a diverging one has a mark; limits are shared."""
    figure = drawn.small_multiples(surface.paths, surface.ended, surface.families, trajectory_styles)
    grid = np.array(figure.axes).reshape(3, 4)
    assert [ax.get_title() for ax in grid[0]] == ["η = 0.1", "η = 0.4", "η = 0.6", "η = 2"]
    assert [text.get_text() for text in figure.texts[:3]] == ["GD", "Adam", "Gone"]
    texts = [[text.get_text() for text in ax.texts] for ax in grid[0]]
    assert texts == [[], ["0.0012"], ["diverges"], ["diverges"]]
    assert [text.get_text() for text in grid[2, 0].texts] == ["not recorded"]
    assert not grid[0, 0].axison
    way = grid[0, 1].lines[1]
    assert way.get_xydata().tolist() == [[-5.0, -2.0], *map(list, TRAJECTORIES["GD 0.4"][3])]
    assert (
        to_hex(way.get_color())
        == trajectory_styles["GD"].color
        == trajectory_styles["GD 2"].color
        != trajectory_styles["Adam"].color
    )
    off = grid[0, 2].lines[1].get_xydata()
    assert off[:2].tolist() == [[-5.0, -2.0], [-4.0, 90.0]]
    assert grid[0, 1].get_xlim() == grid[0, 2].get_xlim() == window(SURFACES["valley"], surface.paths)[:2]


def test_objective_values_share_a_logarithmic_scale(surface, trajectory_styles):
    """There is a panel per optimizer and a line per rate with every value; higher rates are darker."""
    figure = drawn.objective_panels(surface.paths, surface.ended, surface.families, trajectory_styles)
    gd = figure.axes[0]
    assert gd.get_title(loc="left") or gd.get_title() == "GD"
    assert gd.get_yscale() == "log"
    points = surface.paths[surface.paths["label"] == "GD 0.4"]
    assert gd.lines[0].get_xydata().tolist() == [[s, h] for s, h in zip(points["step"], points["height"], strict=True)]
    assert len(gd.lines) == 3
    light = [sum(line.get_color()) for line in gd.lines]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == 3


def test_a_star_marks_each_minimum_inside():
    """The saddle has two; a window with one of them shows one."""
    both, one = Figure().subplots(), Figure().subplots()
    drawn.contour_plot(SURFACES["saddle"], both, (-1.5, 1.5, -1.5, 1.5))
    drawn.contour_plot(SURFACES["saddle"], one, (-1.5, 1.5, 0.0, 1.5))
    assert both.lines[0].get_xydata().tolist() == [[0, 1], [0, -1]]
    assert one.lines[0].get_xydata().tolist() == [[0, 1]]
