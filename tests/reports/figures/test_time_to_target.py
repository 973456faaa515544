"""Tests of `reports.figures.time_to_target`."""

import pytest

from reports.figures.time_to_target import share_reached
from reports.statistics import time_to_target


def test_the_curve_ends_at_the_share_of_runs_that_reached_the_target(ax, styles) -> None:
    """Two of three runs reached it: the line ends at 2/3 with a cross; a label without any such run is listed only."""
    curves = {
        "A": time_to_target.survival([1.0, 2.0, 4.0], [True, True, False]),
        "B": time_to_target.survival([4.0], [False]),
    }
    share_reached(curves, ax, styles, unit="epoch", horizon=4)
    colours = {line.get_color() for line in ax.get_lines()}
    assert colours == {styles["A"].color}
    (cross,) = [line for line in ax.get_lines() if line.get_marker() == "x"]
    assert (list(cross.get_xdata()), cross.get_ydata()[0]) == ([4.0], pytest.approx(2 / 3))
    assert ax.get_xlabel() == "Epoch\nnot reached: B"
