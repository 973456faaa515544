"""Tests of `reports.statistics.across_problems`."""

import math

import numpy as np
import pytest

from reports.statistics import across_problems

RNG = np.random.default_rng


def test_the_critical_difference_is_demsars() -> None:
    """Four classifiers on 14 data sets: 2.569 √(4 · 5/(6 · 14)) = 1.25 (Demšar 2006, section 3.2.4)."""
    found = across_problems.mean_ranks(RNG(0).normal(size=(14, 4)), higher=True)
    assert found.critical == pytest.approx(1.25, abs=0.005)
    assert found.mean.sum() == pytest.approx(10.0)


def test_ranks_count_from_the_best_and_ties_share_theirs() -> None:
    """Rows (3, 2, 1) and (5, 5, 4): ranks 1, 2, 3 and 1.5, 1.5, 3; where less is better, the other way round."""
    table = [[3.0, 2.0, 1.0], [5.0, 5.0, 4.0]]
    assert across_problems.mean_ranks(table, higher=True).mean.tolist() == [1.25, 1.75, 3.0]
    assert across_problems.mean_ranks(table, higher=False).mean.tolist() == [2.75, 2.25, 1.0]


def test_pairs_differ_by_nemenyi_where_their_ranks_are_further_apart_than_the_critical_difference() -> None:
    """A library's p and the difference agree, on both sides of the line."""
    from scikit_posthocs import posthoc_nemenyi_friedman

    table = RNG(1).normal(size=(12, 6)) + np.arange(6) * 0.7
    found = across_problems.mean_ranks(table, higher=True)
    apart = np.abs(found.mean[:, np.newaxis] - found.mean) > found.critical
    assert np.array_equal(np.asarray(posthoc_nemenyi_friedman(table)) < 0.05, apart)
    assert apart.any()
    assert not apart.all()
    assert found.friedman < 0.01


def test_equal_optimizers_have_equal_ranks_and_no_difference() -> None:
    """All the same everywhere: the middle rank, p = 1."""
    found = across_problems.mean_ranks(np.ones((5, 3)), higher=True)
    assert found.mean.tolist() == [2.0, 2.0, 2.0]
    assert found.friedman == 1.0


@pytest.mark.parametrize("table", [[[1.0, 2.0, 3.0]], [[1.0, 2.0], [2.0, 1.0]]])
def test_too_small_a_table_is_refused(table) -> None:
    """One problem has no ranks to average; two optimizers are compared as a pair."""
    with pytest.raises(ValueError, match="at least 2 rows and 3 columns"):
        across_problems.mean_ranks(table, higher=True)
    with pytest.raises(ValueError, match="must be complete"):
        across_problems.mean_ranks([[1.0, 2.0, math.nan]] * 2, higher=True)


def test_a_profile_counts_the_cases_within_a_multiple_of_the_best() -> None:
    """Ratios of A: 1, 2, miss, 1; of B: 2, 1, 1, 3. One problem has three cases and the other one, and both weigh the same."""
    costs = np.full((2, 3, 2), np.nan)
    costs[0] = [[1.0, 2.0], [4.0, 2.0], [math.inf, 7.0]]
    costs[1, 0] = [3.0, 9.0]
    found = across_problems.performance_profiles(costs, [1.0, 2.0, 3.0], RNG(0), resamples=50)
    assert found.share[:, 0] == pytest.approx([(1 / 3 + 1) / 2, (2 / 3 + 1) / 2, (2 / 3 + 1) / 2])
    assert found.share[:, 1] == pytest.approx([(2 / 3 + 0) / 2, (1 + 0) / 2, (1 + 1) / 2])
    assert found.cases == 4


def test_a_case_that_nobody_solves_is_solved_by_nobody() -> None:
    """Two misses are no draw at the best cost."""
    costs = np.array([[[math.inf, math.inf], [1.0, 2.0]]])
    found = across_problems.performance_profiles(costs, [1.0, 10.0], RNG(0), resamples=50)
    assert found.share.tolist() == [[0.5, 0.0], [0.5, 0.5]]


def test_the_band_of_a_profile_covers_its_true_share() -> None:
    """Of 200 studies of 30 cases where one of two is faster with probability 0.7, 90% to 99% of bands hold that at τ = 1."""
    rng, hits = RNG(2), 0
    for _ in range(200):
        first = rng.random(30) < 0.7
        costs = np.where(first[:, np.newaxis], [1.0, 2.0], [2.0, 1.0])[np.newaxis]
        found = across_problems.performance_profiles(costs, [1.0], rng, resamples=400)
        hits += found.low[0, 0] <= 0.7 <= found.high[0, 0]
    assert 0.90 < hits / 200 < 0.99


def test_costs_of_zero_or_of_another_shape_are_refused() -> None:
    """A ratio to zero is nothing."""
    with pytest.raises(ValueError, match='"costs" must be above 0'):
        across_problems.performance_profiles(np.zeros((1, 1, 2)), [1.0], RNG(0))
    with pytest.raises(ValueError, match='"costs" must have a case of all optimizers'):
        across_problems.performance_profiles([[[1.0, np.nan], [np.nan, 1.0]]], [1.0], RNG(0))
    with pytest.raises(ValueError, match='"costs" must have three dimensions, got 2'):
        across_problems.performance_profiles(np.ones((1, 2)), [1.0], RNG(0))


def test_the_probability_of_improvement_is_the_mean_over_problems() -> None:
    """Of (1, 2, 3) against (2, 2, 0) 1/3 + (½ + ½ + 1 + 1 + 1 + 1)/9 = 6/9; of 1 against 0 it is 1: the mean is 5/6."""
    one, other = [[1.0, 2.0, 3.0], [1.0, math.nan, math.nan]], [[2.0, 2.0, 0.0], [0.0, math.nan, math.nan]]
    value, low, high = across_problems.probability_of_improvement(one, other, RNG(0))
    assert value == pytest.approx((6 / 9 + 1) / 2)
    assert low < value < high
    assert across_problems.probability_of_improvement(other, one, RNG(0))[0] == pytest.approx(1 - value)


def test_what_always_wins_has_no_interval() -> None:
    """Three runs all above three others: no resample shows how often that would be otherwise."""
    assert across_problems.probability_of_improvement([[3.0, 4.0, 5.0]], [[0.0, 1.0, 2.0]], RNG(0)) == pytest.approx(
        (1.0, math.nan, math.nan), nan_ok=True
    )
    assert math.isnan(
        across_problems.probability_of_improvement([[3.0, 4.0], [0.0, 1.0]], [[1.0, 2.0], [3.0, 4.0]], RNG(0))[1]
    )


def test_one_run_each_has_no_interval_and_a_gap_no_value() -> None:
    """Nothing varies in a single run; a problem without runs of one cannot be counted."""
    value, low, _ = across_problems.probability_of_improvement([[1.0]], [[0.0]], RNG(0))
    assert value == 1.0
    assert math.isnan(low)
    assert math.isnan(across_problems.probability_of_improvement([[math.nan]], [[0.0]], RNG(0))[0])
    with pytest.raises(ValueError, match="a row per problem"):
        across_problems.probability_of_improvement([[1.0]], [[0.0], [1.0]], RNG(0))
