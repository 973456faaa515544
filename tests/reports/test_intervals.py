"""Tests of `reports.intervals`."""

import math

import numpy as np
import pytest
from scipy import stats

from reports.intervals import t_band, t_interval


def test_an_interval_is_the_mean_plus_minus_t_times_the_standard_error() -> None:
    """1, 2, 3 have the mean 2 and s = 1; t for 97.5% and 2 degrees of freedom is 4.302653, so the half is 4.302653/√3."""
    found = t_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.n, found.level, found.method) == (2.0, 3, 0.95, "Student t")
    assert found.high - found.mean == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)
    assert found.mean - found.low == pytest.approx(2.484138, abs=1e-6)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_an_interval_agrees_with_scipy_at_every_level(level) -> None:
    """SciPy's own confidence interval of the mean, from the one-sample t test, is the same."""
    values = np.random.default_rng(1).normal(0.87, 0.01, 7)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(level)
    ours = t_interval(values, level)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


@pytest.mark.parametrize(("n", "level"), [(2, 0.95), (5, 0.95), (5, 0.8), (10, 0.95)])
def test_intervals_hold_the_true_mean_as_often_as_their_level_says(n, level) -> None:
    """Of 20,000 studies with normal scores the share covered is the level, within four binomial standard errors.

    At n = 5 a normal instead of a t quantile covers 88%, and a standard deviation with n instead of n - 1 covers 93%:
    both lie outside the tolerance of 0.6 points.
    """
    studies = 20_000
    band = t_band(np.random.default_rng(2).normal(3.0, 2.0, (n, studies)), level)
    hits = np.mean((band.low <= 3.0) & (band.high >= 3.0))
    assert abs(hits - level) < 4 * math.sqrt(level * (1 - level) / studies)


def test_one_repeat_has_a_mean_and_no_interval() -> None:
    """One value tells nothing about the spread: NaN bounds, never bounds of no width."""
    found = t_interval([0.9])
    assert found.mean == 0.9
    assert found.n == 1
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_no_repeat_has_nothing() -> None:
    """Without values even the mean is NaN."""
    found = t_interval([])
    assert found.n == 0
    assert all(math.isnan(value) for value in (found.mean, found.low, found.high))


def test_equal_values_have_bounds_at_the_mean() -> None:
    """Equal scores give s = 0 exactly, also where a naive mean of 0.1, 0.1, 0.1 is off in its last bit."""
    found = t_interval([0.1, 0.1, 0.1])
    assert (found.low, found.mean, found.high) == (0.1, 0.1, 0.1)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_value_that_is_not_finite_leaves_no_interval(odd) -> None:
    """No mean leaves a run out in silence: a NaN or an infinity among the scores leaves no finite bounds."""
    found = t_interval([0.9, odd, 0.8])
    assert not math.isfinite(found.mean)
    assert not math.isfinite(found.low)


def test_a_band_is_the_interval_at_each_position() -> None:
    """Column by column, the band has the mean and the bounds of the interval."""
    matrix = np.random.default_rng(3).normal(size=(4, 3))
    band = t_band(matrix)
    for at in range(3):
        single = t_interval(matrix[:, at])
        assert (band.mean[at], band.low[at], band.high[at]) == (single.mean, single.low, single.high)
    assert band.n == 4


def test_wrong_shapes_and_levels_are_refused_by_name() -> None:
    """The message names the argument."""
    with pytest.raises(ValueError, match='"values" must have one dimension'):
        t_interval([[1.0, 2.0]])
    with pytest.raises(ValueError, match='"matrix" must have two dimensions'):
        t_band([1.0, 2.0])
    with pytest.raises(ValueError, match='"level" must be between 0 and 1, got 95'):
        t_interval([1.0, 2.0], 95)
