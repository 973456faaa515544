"""Tests of `reports.figures.axis_scales`."""

import math

import numpy as np
import pandas as pd
import pytest

from reports.figures import axis_scales


def test_the_cutoff_is_four_times_as_far_from_the_best_as_the_median() -> None:
    """Fewer than four means, or a median equal to the best, have no outlier."""
    assert axis_scales.outlier_cutoff(np.array([0.9, 0.88, 0.86, 0.5])) == pytest.approx(0.9 - 4 * (0.9 - 0.87))
    assert axis_scales.outlier_cutoff(np.array([0.9, 0.88, 0.5])) == -math.inf
    assert axis_scales.outlier_cutoff(np.array([0.9, 0.9, 0.9, 0.5])) == -math.inf


def test_a_low_band_does_not_compress_a_logarithmic_axis(ax) -> None:
    """The axis begins at 0.9 times the lowest mean, or the lowest bound within a factor of 2 of it."""
    ax.plot([2.0, 0.2])
    axis_scales.set_value_scale(ax, "train/loss", [2.0, 0.2], [1.5, 1e-9])
    assert ax.get_ylim()[0] == pytest.approx(0.9 * 0.2)
    axis_scales.set_value_scale(ax, "train/loss", [2.0, 0.2], [1.5, 0.15])
    assert ax.get_ylim()[0] == pytest.approx(0.9 * 0.15)


def test_values_that_are_not_finite_do_not_determine_the_scale(ax) -> None:
    """A diverged mean is excluded; without any mean the axis is linear."""
    for values, scale in (([2.0, math.inf, 1.9], "linear"), ([2.0, math.nan, 0.2], "log"), ([math.nan], "linear")):
        ax.set_yscale("linear")
        axis_scales.set_value_scale(ax, "train/loss", values, values)
        assert ax.get_yscale() == scale


@pytest.mark.parametrize(
    ("which", "metric", "ends"), [("x", "test/accuracy", (-0.015, 1.015)), ("y", "train/loss", (-0.5, 1.5))]
)
def test_an_accuracy_ends_at_one(ax, which, metric, ends) -> None:
    """An interval beyond 0 or 1 does not extend the axis; the axis of a loss has no limits."""
    ax.set(**{f"{which}lim": (-0.5, 1.5)})
    axis_scales.clip_accuracy_axis(ax, metric, which)
    assert getattr(ax, f"get_{which}lim")() == pytest.approx(ends)


def test_epochs_have_integer_ticks(ax) -> None:
    """This includes a single epoch."""
    for last in (1, 3, 25):
        curves = pd.DataFrame({"label": "A", "epoch": range(1, last + 1)})
        axis_scales.set_time_scale(ax, curves, "epoch")
        ticks = [tick for tick in ax.get_xticks() if 1 <= tick <= last]
        assert ticks
        assert all(tick == int(tick) for tick in ticks)


@pytest.mark.parametrize(("ends", "scale"), [((100, 100, 300), "linear"), ((100, 100, 301), "log")])
def test_many_more_updates_of_one_label_give_a_logarithmic_axis(ax, ends, scale) -> None:
    """More than 3 times the median would leave little room for the others."""
    curves = pd.DataFrame({"label": list("ABC"), "step": ends})
    ax.plot([1, max(ends)], [1, 1])
    axis_scales.set_time_scale(ax, curves, "step")
    assert ax.get_xscale() == scale


@pytest.mark.parametrize(
    ("high", "ticks"), [(50.0, {"1", "2", "5", "10", "20", "50"}), (1e4, {"1", "10", "100", "1,000", "10,000"})]
)
def test_numbers_on_a_logarithmic_axis_are_plain(ax, high, ticks) -> None:
    """Ticks are 1, 2, 5 times each power of ten, or the powers alone on a wide axis; minor ticks have no labels."""
    ax.set_yscale("log")
    ax.set_ylim(1, high)
    axis_scales.set_log_ticks(ax, "y")
    ax.get_figure().draw_without_rendering()
    assert {label.get_text() for label in ax.get_yticklabels() if 1 <= label.get_position()[1] <= high} == ticks
    assert not any(label.get_text() for label in ax.get_yticklabels(minor=True))
