"""Tests of `reports.statistics.bad_runs`."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.bad_runs import CUTOFF, bad_runs

RNG = np.random.default_rng


def test_runs_below_the_threshold_and_lost_runs_are_bad() -> None:
    """0.10 and a run of −inf are bad; NaN is no run. Median 0.91, MAD 0.01; bounds are SciPy's Clopper-Pearson bounds."""
    result = bad_runs([0.90, 0.91, 0.92, 0.90, 0.91, 0.93, 0.92, 0.10, -np.inf, np.nan])
    assert (result.count, result.n, result.level) == (2, 9, 0.95)
    assert result.threshold == pytest.approx(0.91 - 3.5 * 1.4826 * 0.01)
    assert (result.low, result.high) == pytest.approx(tuple(stats.binomtest(2, 9).proportion_ci(0.95, "exact")))


def test_no_bad_run_of_ten_has_an_upper_bound_of_31_percent() -> None:
    """The Clopper-Pearson bound of 0 of 10 is 1 − 0.025^(1/10) = 0.3085."""
    result = bad_runs(np.linspace(0, 1, 10))
    assert (result.count, result.low) == (0, 0.0)
    assert result.high == pytest.approx(1 - 0.025 ** (1 / 10))
    assert result.high == pytest.approx(0.3085, abs=1e-4)


def test_a_higher_level_has_a_wider_interval() -> None:
    """Bounds at 99% are SciPy's."""
    result = bad_runs([0.9, 0.91, 0.92, 0.93, 0.1], level=0.99)
    assert (result.low, result.high) == pytest.approx(tuple(stats.binomtest(1, 5).proportion_ci(0.99, "exact")))
    assert result.level == 0.99


def test_equal_scores() -> None:
    """If MAD is 0, the mean deviation is used, so that not every lower score is bad."""
    assert bad_runs(np.full(10, 0.9)).count == 0
    assert bad_runs([0.9] * 6 + [0.89] * 4).count == 0
    one = bad_runs([0.9] * 9 + [0.1])
    assert one.count == 1
    assert one.threshold == pytest.approx(0.9 - 3.5 * 1.2533 * 0.08)


def test_few_scores() -> None:
    """No run, only lost runs, and scores of 1e300 have a count."""
    result = bad_runs([])
    assert (result.count, result.n) == (0, 0)
    assert all(math.isnan(value) for value in (result.low, result.high, result.threshold))
    result = bad_runs([-np.inf] * 4)
    assert (result.count, result.n, result.high) == (4, 4, 1.0)
    assert math.isnan(result.threshold)
    assert bad_runs([1e300, 1e300, -1e300, 1e300]).count == 0, "of four runs, one is within 3.5 standard deviations"


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([-np.inf, np.nan, -64.0, -1.0, 0.0, 0.25, 0.5, 1.0, 2.0]), max_size=15),
    st.sampled_from([0.5, 4.0]),
    st.sampled_from([-8.0, 16.0]),
)
def test_the_count_does_not_depend_on_location_and_scale(scores, scale, shift) -> None:
    """A positive factor and a constant move the threshold with the scores, and leave the interval."""
    result, again = bad_runs(scores), bad_runs(scale * np.array(scores) + shift)
    assert (result.count, result.n) == (again.count, again.n)
    assert again.threshold == pytest.approx(scale * result.threshold + shift, nan_ok=True)
    assert (again.low, again.high) == pytest.approx((result.low, result.high), nan_ok=True)
    assert np.isneginf(scores).sum() <= result.count <= result.n == len(scores) - np.isnan(scores).sum()


def test_a_normal_run_is_rarely_bad() -> None:
    """1.4826 MAD estimates the standard deviation: of 100,000 normal scores, P(Z < −3.5) = 0.02% are bad."""
    result = bad_runs(RNG(0).normal(5.0, 2.0, 100_000))
    assert result.threshold == pytest.approx(5 - CUTOFF * 2, abs=0.1)
    assert result.low < stats.norm.cdf(-CUTOFF) < result.high


def test_invalid_scores_are_errors() -> None:
    """Scores have one dimension and no +inf; the level is between 0 and 1."""
    with pytest.raises(ValueError, match='"scores" must have one dimension, got 2'):
        bad_runs(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r'"scores" must not contain \+inf'):
        bad_runs([1.0, np.inf])
    with pytest.raises(ValueError, match='"level" must be between 0 and 1, got 95'):
        bad_runs([1.0], level=95)
