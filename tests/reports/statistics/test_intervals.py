"""Tests of `reports.statistics.intervals`."""

import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics.intervals import (
    median_interval,
    simultaneous_band,
    studentised_band,
    studentised_interval,
    success_interval,
    t_band,
    t_interval,
)


def test_an_interval_is_the_mean_plus_minus_t_times_the_standard_error() -> None:
    """1, 2, 3 have the mean 2 and s = 1; t for 97.5% and 2 degrees of freedom is 4.302653, so the half-width is 4.302653/√3."""
    result = t_interval([1.0, 2.0, 3.0])
    assert (result.mean, result.n, result.level, result.method) == (2.0, 3, 0.95, "Student t")
    assert result.high - result.mean == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)
    assert result.mean - result.low == pytest.approx(2.484138, abs=1e-6)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_an_interval_agrees_with_scipy_at_every_level(level) -> None:
    """SciPy's interval from the one-sample t test is equal."""
    values = np.random.default_rng(1).normal(0.87, 0.01, 7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(level)
    actual = t_interval(values, level)
    assert (actual.low, actual.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize(("n", "level"), [(2, 0.95), (5, 0.95), (5, 0.8), (10, 0.95)])
def test_t_intervals_have_nominal_coverage(n, level) -> None:
    """The coverage in 20,000 studies with normal scores is the level, within four binomial standard errors.

    At n = 5 a normal instead of a t quantile covers 88%, and a standard deviation with n instead of n - 1 covers 93%:
    both lie outside the tolerance of 0.6 points.
    """
    studies = 20_000
    band = t_band(np.random.default_rng(2).normal(3.0, 2.0, (n, studies)), level)
    hits = np.mean((band.low <= 3.0) & (band.high >= 3.0))
    assert abs(hits - level) < 4 * math.sqrt(level * (1 - level) / studies)


def test_one_repeat_has_a_mean_and_no_interval() -> None:
    """One value has no standard deviation: bounds are NaN, never of width zero."""
    result = t_interval([0.9])
    assert result.mean == 0.9
    assert result.n == 1
    assert math.isnan(result.low)
    assert math.isnan(result.high)


def test_without_repeats_everything_is_nan() -> None:
    """Without values even the mean is NaN."""
    result = t_interval([])
    assert result.n == 0
    assert all(math.isnan(value) for value in (result.mean, result.low, result.high))


def test_equal_values_have_bounds_at_the_mean() -> None:
    """Equal scores give s = 0 exactly, although a naive mean of 0.1, 0.1, 0.1 is wrong in its last bit."""
    result = t_interval([0.1, 0.1, 0.1])
    assert (result.low, result.mean, result.high) == (0.1, 0.1, 0.1)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_non_finite_value_gives_no_finite_interval(odd) -> None:
    """No mean omits a run: with a NaN or an infinity among the scores no bound is finite."""
    result = t_interval([0.9, odd, 0.8])
    assert not math.isfinite(result.mean)
    assert not math.isfinite(result.low)


@pytest.mark.parametrize("exponent", [-1000, -600, 600, 1000])
def test_extreme_scores_have_the_same_intervals(exponent) -> None:
    """Scores multiplied by a power of two have intervals with exactly this factor, although their squares are 0 or infinite."""
    values, scale = np.array([0.1, 0.7, 0.3, 0.35, 0.9, 0.2]), 2.0**exponent
    for interval in (t_interval, lambda x: studentised_interval(x, np.random.default_rng(0))):
        one, scaled = interval(values), interval(values * scale)
        assert (scaled.mean, scaled.low, scaled.high) == (one.mean * scale, one.low * scale, one.high * scale)


def test_a_band_is_the_interval_at_each_position() -> None:
    """Column by column, the band has the mean and the bounds of the interval."""
    matrix = np.random.default_rng(3).normal(size=(4, 3))
    band = t_band(matrix)
    for at in range(3):
        single = t_interval(matrix[:, at])
        assert (band.mean[at], band.low[at], band.high[at]) == (single.mean, single.low, single.high)
    assert band.n == 4


def test_invalid_shapes_and_levels_are_errors() -> None:
    """The message names the argument."""
    with pytest.raises(ValueError, match='"values" must have one dimension'):
        t_interval([[1.0, 2.0]])
    with pytest.raises(ValueError, match='"matrix" must have two dimensions'):
        t_band([1.0, 2.0])
    with pytest.raises(ValueError, match='"level" must be between 0 and 1, got 95'):
        t_interval([1.0, 2.0], 95)


def test_the_studentised_interval_uses_the_opposite_quantiles() -> None:
    """Three given resamples of 0, 0, 0, 0, 10, worked by hand: the bounds use the opposite quantiles of t*.

    x̄ = 2, s² = 20. Resample (0, 0, 0, 10, 10): mean 4, s*² = 30, t* = 2/√6. (0, 10, 10, 10, 10): mean 8, s*² = 20, so
    t* = 6/√4 = 3.
    The sample itself: t* = 0. Linear quantiles of (0, 0.816497, 3) at 97.5% and 2.5%: 2.890825 and 0.040825.
    """
    counts = np.array([[0, 0, 1, 2, 2], [0, 0, 0, 1, 4], [1, 1, 1, 1, 1]])
    band = studentised_band(np.array([[0.0], [0.0], [0.0], [0.0], [10.0]]), counts)
    assert band.low[0] == pytest.approx(2 - 2.890825 * 2, abs=1e-5)
    assert band.high[0] == pytest.approx(2 - 0.040825 * 2, abs=1e-5)


def test_the_studentised_interval_covers_skewed_scores_better_than_t() -> None:
    """Of 1,000 studies with 20 exponential scores its coverage is higher than that of t, and between 92% and 97%."""
    rng = np.random.default_rng(6)
    scores = rng.exponential(size=(20, 1000))
    counts = rng.multinomial(20, np.full(20, 0.05), size=999)
    hits = [np.mean((band.low <= 1) & (band.high >= 1)) for band in (t_band(scores), studentised_band(scores, counts))]
    assert hits[1] > hits[0]
    assert 0.92 < hits[1] < 0.97


def test_the_studentised_interval_is_reproducible_and_names_its_method() -> None:
    """The same generator gives the same bounds."""
    values = np.random.default_rng(7).exponential(size=12)
    one, two = (studentised_interval(values, np.random.default_rng(8), resamples=999) for _ in range(2))
    assert one == two
    assert one.method == "studentised bootstrap"
    assert one.mean == t_interval(values).mean
    assert one.high - one.mean > one.mean - one.low


@pytest.mark.parametrize("values", [[], [0.9], [0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.7, 0.6, math.nan]])
def test_too_few_or_unknown_scores_have_no_studentised_interval(values) -> None:
    """Below five repeats, or with a NaN among them, the bounds are NaN."""
    result = studentised_interval(values, np.random.default_rng(0), resamples=99)
    assert math.isnan(result.low)
    assert math.isnan(result.high)


def test_equal_scores_have_a_studentised_interval_at_the_mean() -> None:
    """The bounds equal the mean, like those of t."""
    result = studentised_interval([0.1] * 5, np.random.default_rng(0), resamples=99)
    assert (result.low, result.mean, result.high) == (0.1, 0.1, 0.1)


@pytest.mark.parametrize("n", [6, 7, 10, 25])
def test_the_interval_of_the_median_agrees_with_scipy(n) -> None:
    """SciPy's interval from its quantile test has the same order statistics."""
    values = np.random.default_rng(n).exponential(size=n)
    expected = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    actual = median_interval(values)
    assert (actual.low, actual.high) == (expected.low, expected.high)
    assert actual.value == np.median(values)


def test_the_interval_of_the_median_has_its_attained_level() -> None:
    """Of ten values the second and the ninth: 1 − 2 · (1 + 10)/1024 = 97.85%; of five not even the extremes reach 95%."""
    result = median_interval(np.arange(10.0))
    assert (result.low, result.high) == (1.0, 8.0)
    assert result.level == pytest.approx(1 - 22 / 1024)
    few = median_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert few.value == 3.0
    assert math.isnan(few.low)
    assert math.isnan(few.high)
    assert math.isnan(median_interval([1.0, math.nan] * 5).low)


def test_the_interval_of_a_success_rate_is_clopper_and_pearsons() -> None:
    """10 of 10: from 0.025^(1/10) = 0.6915 to 1; 0 of 10 the mirror image; 0 of 0 NaN."""
    every, none = success_interval(10, 10), success_interval(0, 10)
    assert (every.low, every.high) == (pytest.approx(0.025 ** (1 / 10)), 1.0)
    assert (none.low, none.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert math.isnan(success_interval(0, 0).value)
    with pytest.raises(ValueError, match='"successes" must be between 0 and 3, got 4'):
        success_interval(4, 3)


def test_a_simultaneous_band_covers_complete_curves_and_a_pointwise_one_does_not() -> None:
    """Of 300 studies of 10 curves with 15 independent positions it covers 95% ± 4 standard errors; pointwise, below 70%."""
    rng, hits = np.random.default_rng(9), np.zeros(2)
    for _ in range(300):
        curves = rng.normal(size=(10, 15))
        for at, band in enumerate((t_band(curves), simultaneous_band(curves, rng))):
            hits[at] += np.all((band.low <= 0) & (band.high >= 0))
    assert abs(hits[1] / 300 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 300)
    assert hits[0] / 300 < 0.7


def test_a_simultaneous_band_of_one_position_is_the_t_interval() -> None:
    """No adjustment is needed, and a position with equal values has width zero."""
    column = np.random.default_rng(10).normal(size=(8, 1))
    rng = np.random.default_rng(0)
    assert simultaneous_band(column, rng).low == pytest.approx(t_band(column).low)
    both = simultaneous_band(np.hstack([column, np.ones((8, 1))]), rng)
    assert both.low[1] == both.high[1] == 1.0
    assert both.level == 0.95
    assert "simultaneous" in both.method


def test_a_position_with_a_missing_value_has_no_bounds_and_does_not_affect_others() -> None:
    """Only the position with the NaN has no bounds; a single curve has none at all."""
    curves = np.random.default_rng(11).normal(size=(8, 4))
    complete = simultaneous_band(curves[:, 1:], np.random.default_rng(0))
    curves[0, 0] = np.nan
    result = simultaneous_band(curves, np.random.default_rng(0))
    assert math.isnan(result.low[0])
    assert result.low[1:] == pytest.approx(complete.low)
    assert np.isnan(simultaneous_band(curves[:1, 1:], np.random.default_rng(0)).low).all()
