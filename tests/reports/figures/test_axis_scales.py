"""Tests of `reports.figures.axis_scales`."""

import math

import numpy as np
import pandas as pd
import pytest

from reports.figures import axis_scales


def test_far_worse_is_four_times_as_far_from_the_best_as_the_median() -> None:
    """Of four means or more; equal ones, or fewer, have none that is far worse."""
    assert axis_scales.cutoff(np.array([0.9, 0.88, 0.86, 0.5])) == pytest.approx(0.9 - 4 * (0.9 - 0.87))
    assert axis_scales.cutoff(np.array([0.9, 0.88, 0.5])) == -math.inf
    assert axis_scales.cutoff(np.array([0.9, 0.9, 0.9, 0.5])) == -math.inf


def test_a_band_that_reaches_far_down_does_not_squeeze_a_logarithmic_axis(ax) -> None:
    """The axis begins at nine tenths of the least mean, or of a bound that lies less than a factor of 2 below."""
    ax.plot([2.0, 0.2])
    axis_scales.value_scale(ax, "train/loss", [2.0, 0.2], [1.5, 1e-9])
    assert ax.get_ylim()[0] == pytest.approx(0.9 * 0.2)
    axis_scales.value_scale(ax, "train/loss", [2.0, 0.2], [1.5, 0.15])
    assert ax.get_ylim()[0] == pytest.approx(0.9 * 0.15)


def test_what_is_no_number_does_not_choose_the_scale(ax) -> None:
    """A diverged mean is left out; with nothing left the axis is linear."""
    for values, scale in (([2.0, math.inf, 1.9], "linear"), ([2.0, math.nan, 0.2], "log"), ([math.nan], "linear")):
        ax.set_yscale("linear")
        axis_scales.value_scale(ax, "train/loss", values, values)
        assert ax.get_yscale() == scale


@pytest.mark.parametrize(
    ("which", "metric", "ends"), [("x", "test/accuracy", (-0.015, 1.015)), ("y", "train/loss", (-0.5, 1.5))]
)
def test_an_accuracy_ends_at_one(ax, which, metric, ends) -> None:
    """An interval that reaches beyond 0 or 1 does not stretch the axis; a loss has no such ends."""
    ax.set(**{f"{which}lim": (-0.5, 1.5)})
    axis_scales.within(ax, metric, which)
    assert getattr(ax, f"get_{which}lim")() == pytest.approx(ends)


def test_epochs_are_whole(ax) -> None:
    """Ticks at whole numbers, for one epoch, too."""
    for last in (1, 3, 25):
        curves = pd.DataFrame({"label": "A", "epoch": range(1, last + 1)})
        axis_scales.along_scale(ax, curves, "epoch")
        ticks = [tick for tick in ax.get_xticks() if 1 <= tick <= last]
        assert ticks
        assert all(tick == int(tick) for tick in ticks)


@pytest.mark.parametrize(("ends", "scale"), [((100, 100, 300), "linear"), ((100, 100, 301), "log")])
def test_many_more_updates_of_one_label_take_a_logarithmic_axis(ax, ends, scale) -> None:
    """From three times the median on: else the others would be drawn in a corner."""
    curves = pd.DataFrame({"label": list("ABC"), "step": ends})
    ax.plot([1, max(ends)], [1, 1])
    axis_scales.along_scale(ax, curves, "step")
    assert ax.get_xscale() == scale


@pytest.mark.parametrize(
    ("high", "ticks"), [(50.0, {"1", "2", "5", "10", "20", "50"}), (1e4, {"1", "10", "100", "1,000", "10,000"})]
)
def test_numbers_on_a_logarithmic_axis_are_plain(ax, high, ticks) -> None:
    """1, 2, 5 of each power of ten, or the powers alone where there are many; no 10², no minor numbers."""
    ax.set_yscale("log")
    ax.set_ylim(1, high)
    axis_scales.plain_log(ax, "y")
    ax.get_figure().draw_without_rendering()
    assert {label.get_text() for label in ax.get_yticklabels() if 1 <= label.get_position()[1] <= high} == ticks
    assert not any(label.get_text() for label in ax.get_yticklabels(minor=True))
