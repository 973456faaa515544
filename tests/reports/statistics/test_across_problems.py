"""Tests of `reports.statistics.across_problems`."""

import math

import numpy as np
import pytest

from reports.statistics import across_problems

RNG = np.random.default_rng


def test_the_critical_difference_is_demsars() -> None:
    """Four classifiers on 14 data sets: 2.569 √(4 · 5/(6 · 14)) = 1.25 (Demšar 2006, section 3.2.4)."""
    result = across_problems.mean_ranks(RNG(0).normal(size=(14, 4)), higher=True)
    assert result.critical == pytest.approx(1.25, abs=0.005)
    assert result.mean.sum() == pytest.approx(10.0)


def test_ranks_count_from_the_best_and_ties_share_theirs() -> None:
    """Rows (3, 2, 1) and (5, 5, 4): ranks 1, 2, 3 and 1.5, 1.5, 3; reversed if lower is better."""
    table = [[3.0, 2.0, 1.0], [5.0, 5.0, 4.0]]
    assert across_problems.mean_ranks(table, higher=True).mean.tolist() == [1.25, 1.75, 3.0]
    assert across_problems.mean_ranks(table, higher=False).mean.tolist() == [2.75, 2.25, 1.0]


def test_pairs_differ_if_their_mean_ranks_differ_by_more_than_the_critical_difference() -> None:
    """The p-values of scikit-posthocs agree, below and above the critical difference."""
    from scikit_posthocs import posthoc_nemenyi_friedman

    table = RNG(1).normal(size=(12, 6)) + np.arange(6) * 0.7
    result = across_problems.mean_ranks(table, higher=True)
    apart = np.abs(result.mean[:, np.newaxis] - result.mean) > result.critical
    assert np.array_equal(np.asarray(posthoc_nemenyi_friedman(table)) < 0.05, apart)
    assert apart.any()
    assert not apart.all()
    assert result.friedman < 0.01


def test_equal_optimizers_have_equal_ranks_and_no_difference() -> None:
    """Equal scores have the middle rank and p = 1."""
    result = across_problems.mean_ranks(np.ones((5, 3)), higher=True)
    assert result.mean.tolist() == [2.0, 2.0, 2.0]
    assert result.friedman == 1.0


@pytest.mark.parametrize("table", [[[1.0, 2.0, 3.0]], [[1.0, 2.0], [2.0, 1.0]]])
def test_a_small_or_incomplete_table_is_an_error(table) -> None:
    """At least two problems and three optimizers are needed, and no score may be missing."""
    with pytest.raises(ValueError, match="at least 2 rows and 3 columns"):
        across_problems.mean_ranks(table, higher=True)
    with pytest.raises(ValueError, match="must be complete"):
        across_problems.mean_ranks([[1.0, 2.0, math.nan]] * 2, higher=True)


def test_a_profile_counts_the_cases_within_a_multiple_of_the_best() -> None:
    """Ratios of A: 1, 2, miss, 1; of B: 2, 1, 1, 3. Problems with three cases and with one have equal weights."""
    costs = np.full((2, 3, 2), np.nan)
    costs[0] = [[1.0, 2.0], [4.0, 2.0], [math.inf, 7.0]]
    costs[1, 0] = [3.0, 9.0]
    result = across_problems.performance_profiles(costs, [1.0, 2.0, 3.0], RNG(0), resamples=50)
    assert result.share[:, 0] == pytest.approx([(1 / 3 + 1) / 2, (2 / 3 + 1) / 2, (2 / 3 + 1) / 2])
    assert result.share[:, 1] == pytest.approx([(2 / 3 + 0) / 2, (1 + 0) / 2, (1 + 1) / 2])
    assert result.cases == 4


def test_a_case_that_no_optimizer_solves_counts_for_none() -> None:
    """If no optimizer reaches the target, the lowest cost is infinite, and no ratio is 1."""
    costs = np.array([[[math.inf, math.inf], [1.0, 2.0]]])
    result = across_problems.performance_profiles(costs, [1.0, 10.0], RNG(0), resamples=50)
    assert result.share.tolist() == [[0.5, 0.0], [0.5, 0.5]]


def test_the_band_of_a_profile_covers_its_true_share() -> None:
    """In 200 studies of 30 cases, with a true share of 0.7 at τ = 1, 90% to 99% of the bands cover it."""
    rng, hits = RNG(2), 0
    for _ in range(200):
        first = rng.random(30) < 0.7
        costs = np.where(first[:, np.newaxis], [1.0, 2.0], [2.0, 1.0])[np.newaxis]
        result = across_problems.performance_profiles(costs, [1.0], rng, resamples=400)
        hits += result.low[0, 0] <= 0.7 <= result.high[0, 0]
    assert 0.90 < hits / 200 < 0.99


def test_invalid_costs_are_an_error() -> None:
    """Costs must be above 0, have three dimensions and a case of all optimizers."""
    with pytest.raises(ValueError, match='"costs" must be above 0'):
        across_problems.performance_profiles(np.zeros((1, 1, 2)), [1.0], RNG(0))
    with pytest.raises(ValueError, match='"costs" must have a case of all optimizers'):
        across_problems.performance_profiles([[[1.0, np.nan], [np.nan, 1.0]]], [1.0], RNG(0))
    with pytest.raises(ValueError, match='"costs" must have three dimensions, got 2'):
        across_problems.performance_profiles(np.ones((1, 2)), [1.0], RNG(0))


def test_the_probability_of_improvement_is_the_mean_over_problems() -> None:
    """(1, 2, 3) and (2, 2, 0) give 6/9; 1 and 0 give 1; the mean is 5/6."""
    one, other = [[1.0, 2.0, 3.0], [1.0, math.nan, math.nan]], [[2.0, 2.0, 0.0], [0.0, math.nan, math.nan]]
    value, low, high = across_problems.probability_of_improvement(one, other, RNG(0))
    assert value == pytest.approx((6 / 9 + 1) / 2)
    assert low < value < high
    assert across_problems.probability_of_improvement(other, one, RNG(0))[0] == pytest.approx(1 - value)


def test_an_optimizer_that_is_always_better_has_no_interval() -> None:
    """If all runs are better, no resample shows variation."""
    assert across_problems.probability_of_improvement([[3.0, 4.0, 5.0]], [[0.0, 1.0, 2.0]], RNG(0)) == pytest.approx(
        (1.0, math.nan, math.nan), nan_ok=True
    )
    assert math.isnan(
        across_problems.probability_of_improvement([[3.0, 4.0], [0.0, 1.0]], [[1.0, 2.0], [3.0, 4.0]], RNG(0))[1]
    )


def test_single_runs_have_no_interval_and_missing_runs_no_probability() -> None:
    """A single run shows no variation; a problem without runs of an optimizer gives NaN."""
    value, low, _ = across_problems.probability_of_improvement([[1.0]], [[0.0]], RNG(0))
    assert value == 1.0
    assert math.isnan(low)
    assert math.isnan(across_problems.probability_of_improvement([[math.nan]], [[0.0]], RNG(0))[0])
    with pytest.raises(ValueError, match="a row per problem"):
        across_problems.probability_of_improvement([[1.0]], [[0.0], [1.0]], RNG(0))
