"""Tests of `reports.statistics.across_problems`."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from reports.statistics import across_problems, rank_tests

RNG = np.random.default_rng


def test_the_critical_difference_is_demsars() -> None:
    """Four classifiers on 14 data sets: 2.569 √(4 · 5/(6 · 14)) = 1.25 (Demšar 2006, section 3.2.4)."""
    result = across_problems.mean_ranks(RNG(0).normal(size=(14, 4)))
    assert result.critical == pytest.approx(1.25, abs=0.005)
    assert result.mean.sum() == pytest.approx(10.0)


def test_ranks_count_from_the_best_and_ties_share_theirs() -> None:
    """Rows (3, 2, 1) and (5, 5, 4): ranks 1, 2, 3 and 1.5, 1.5, 3."""
    assert across_problems.mean_ranks([[3.0, 2.0, 1.0], [5.0, 5.0, 4.0]]).mean.tolist() == [1.25, 1.75, 3.0]


def test_pairs_differ_if_their_mean_ranks_differ_by_more_than_the_critical_difference() -> None:
    """The p-values of scikit-posthocs agree, below and above the critical difference."""
    from scikit_posthocs import posthoc_nemenyi_friedman

    table = RNG(1).normal(size=(12, 6)) + np.arange(6) * 0.7
    result = across_problems.mean_ranks(table)
    apart = np.abs(result.mean[:, np.newaxis] - result.mean) > result.critical
    assert np.array_equal(np.asarray(posthoc_nemenyi_friedman(table)) < 0.05, apart)
    assert apart.any()
    assert not apart.all()
    assert result.friedman < 0.01


def test_equal_optimizers_have_equal_ranks_and_no_difference() -> None:
    """Equal scores have the middle rank and p = 1."""
    result = across_problems.mean_ranks(np.ones((5, 3)))
    assert result.mean.tolist() == [2.0, 2.0, 2.0]
    assert result.friedman == 1.0


@pytest.mark.parametrize("table", [[[1.0, 2.0, 3.0]], [[1.0, 2.0], [2.0, 1.0]]])
def test_a_small_or_incomplete_table_is_an_error(table) -> None:
    """At least two problems and three optimizers are needed, and no score may be missing."""
    with pytest.raises(ValueError, match="at least 2 rows and 3 columns"):
        across_problems.mean_ranks(table)
    with pytest.raises(ValueError, match="must be complete"):
        across_problems.mean_ranks([[1.0, 2.0, math.nan]] * 2)


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


def test_superiority_is_averaged_over_the_problems() -> None:
    """(1, 2, 3) and (2, 2, 0) give 6/9, one run of −inf loses and two are tied; the mean has equal weights."""
    one = [[1.0, 2.0], [2.0, 2.0], [3.0, 0.0]]
    other = [[1.0, -math.inf], [-math.inf, -math.inf], [math.nan, math.nan]]
    tests = across_problems.average_superiority([one, other], RNG(0), paired=[True, False])
    assert tests.by_problem[:, 0].tolist() == pytest.approx([6 / 9, 3 / 4])
    assert tests.superiority[0] == pytest.approx((6 / 9 + 3 / 4) / 2)
    assert tests.against_others().tolist() == [pytest.approx(row) for row in [[6 / 9, 3 / 9], [3 / 4, 1 / 4]]]


def test_on_one_problem_the_test_is_that_of_the_problem() -> None:
    """The adjusted p-values agree with those of all swaps, and the intervals with those of `paired_rank_tests`."""
    scores = RNG(1).normal(size=(10, 4)) + np.arange(4) * 0.9
    tests = across_problems.average_superiority([scores], RNG(0), paired=[True], permutations=20_000)
    alone = rank_tests.paired_rank_tests(scores, RNG(0))
    np.testing.assert_allclose(tests.superiority, alone.superiority)
    np.testing.assert_allclose(tests.adjusted_p, alone.adjusted_p, atol=0.015)
    assert tests.rejected.tolist() == alone.rejected.tolist()
    assert tests.rejected.any()
    np.testing.assert_allclose(tests.low, alone.superiority_low, atol=0.03)


def test_a_consistent_difference_is_detected_and_a_cancelling_one_is_not() -> None:
    """A is above B on every problem by two standard deviations; C is above D on one and below on the other."""
    rng = RNG(2)
    problems = [rng.normal([6, 4, 0, 3 * sign], size=(10, 4)) for sign in (1, -1)]
    tests = across_problems.average_superiority(problems, rng, paired=[True, True])
    rejected = {
        (int(a), int(b)) for a, b in zip(tests.first[tests.rejected], tests.second[tests.rejected], strict=True)
    }
    assert rejected == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)}
    assert (tests.rejected == ((tests.low > 0.5) | (tests.high < 0.5))).all()
    assert tests.low[5] < 0.5 < tests.high[5]


def test_one_bad_run_moves_a_mean_but_no_rank() -> None:
    """A run that ends 1,000 standard deviations lower gives the same tests as the lowest of its problem."""
    problems = [RNG(seed).normal([1.0, 0.0, 0.0], size=(8, 3)) for seed in (3, 4)]
    low, lower, dead = ([*map(np.copy, problems)] for _ in range(3))
    low[0][2, 0], lower[0][2, 0], dead[0][2, 0] = -50.0, -1000.0, -math.inf
    results = [across_problems.average_superiority(s, RNG(0), paired=[True] * 2) for s in (low, lower, dead)]
    for result in results[1:]:
        np.testing.assert_array_equal(result.adjusted_p, results[0].adjusted_p)
        np.testing.assert_array_equal(result.low, results[0].low)


def test_separable_scores_have_an_interval() -> None:
    """If all runs of A are above those of B on every problem, P̂ is 1 and the lower bound is between ½ and 1."""
    scores = [[[float(10 + r), float(r)] for r in range(6)]] * 2
    for paired in (True, False):
        tests = across_problems.average_superiority(scores, RNG(0), paired=[paired] * 2)
        assert tests.superiority[0] == 1.0
        assert 0.5 < tests.low[0] < 0.9
        assert tests.high[0] == 1.0
        assert tests.adjusted_p[0] < 0.01


def test_pairs_with_few_runs_are_not_tested() -> None:
    """A pair needs three runs on every problem and eight in all; the others keep their estimate."""
    four, two, three = RNG(5).normal(size=(4, 3)), RNG(6).normal(size=(4, 3)), RNG(7).normal(size=(3, 2))
    two[2:, 1] = math.nan
    tests = across_problems.average_superiority([four, two], RNG(0), paired=[True] * 2)
    assert tests.n.tolist() == [2, 4, 2]
    assert tests.in_family.tolist() == [False, True, False]
    assert np.isnan(tests.adjusted_p).tolist() == [True, False, True]
    assert np.isnan(tests.low).tolist() == [True, False, True]
    assert np.isfinite(tests.superiority).all()
    assert not across_problems.average_superiority([three] * 2, RNG(0), paired=[True] * 2).in_family.any()


def test_pairs_of_unequal_size_and_mixed_pairing_are_tested_together() -> None:
    """An optimizer with six of ten repeats, and a problem of independent runs, give finite p-values and intervals."""
    paired, unpaired = RNG(8).normal([3.0, 0.0, 0.0], size=(10, 3)), RNG(9).normal([3.0, 0.0, 0.0], size=(10, 3))
    paired[6:, 1], unpaired[7:, 2] = math.nan, math.nan
    tests = across_problems.average_superiority([paired, unpaired], RNG(0), paired=[True, False])
    assert tests.n.tolist() == [6, 7, 6]
    assert tests.rejected.tolist() == [True, True, False]
    assert (tests.low < tests.superiority).all()


def test_separated_scores_of_unequal_size_keep_their_power() -> None:
    """All runs of A are above those of B, ten on one problem and four on the other: the few repeats do not decide alone."""
    one = np.arange(20.0).reshape(2, 10).T
    tests = across_problems.average_superiority([one, one[:4]], RNG(0), paired=[True] * 2)
    assert tests.adjusted_p[0] < 0.01


def test_equal_scores_differ_nowhere() -> None:
    """Scores that are all equal have P = ½ and p = 1, and an interval as wide as that of a single test."""
    tests = across_problems.average_superiority([np.ones((6, 3))] * 2, RNG(0), paired=[True, False])
    assert tests.superiority.tolist() == [0.5] * 3
    assert tests.adjusted_p.tolist() == [1.0] * 3
    v = stats.norm.ppf(0.975) ** 2 / 9
    half = np.sqrt(v / 4 + v**2 / 4) / (1 + v) / np.sqrt(2)
    assert tests.low == pytest.approx([0.5 - half] * 3)
    assert tests.high == pytest.approx([0.5 + half] * 3)


@settings(deadline=None, max_examples=20)
@given(arrays(np.float64, (8, 4), elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])), st.permutations(range(4)))
def test_the_order_of_paired_optimizers_and_an_increasing_transform_change_nothing(scores, order) -> None:
    """Every pair keeps its results in any order of the columns; adjusted p is at least p, and intervals agree with tests."""
    problems = [scores, scores[:5] + np.array([0, 0, 0, 1])]
    turned = [np.where(np.isinf(part), part, np.exp(part))[:, order] for part in problems]
    one, other = (
        across_problems.average_superiority(x, RNG(0), paired=[True] * 2, permutations=500) for x in (problems, turned)
    )
    assert (one.adjusted_p >= one.p).all()
    assert np.array_equal((one.low > 0.5) | (one.high < 0.5), one.rejected)
    at = {(order[i], order[j]): k for k, (i, j) in enumerate(zip(other.first, other.second, strict=True))}
    for k, (i, j) in enumerate(zip(one.first, one.second, strict=True)):
        same = (i, j) in at
        match = at[(i, j) if same else (j, i)]
        assert other.adjusted_p[match] == one.adjusted_p[k]
        low, high = other.low[match], other.high[match]
        assert (one.low[k], one.high[k]) == pytest.approx((low, high) if same else (1 - high, 1 - low))


def test_problems_with_other_columns_are_an_error() -> None:
    """All problems have the same optimizers."""
    with pytest.raises(ValueError, match="same number of columns"):
        across_problems.average_superiority([np.ones((6, 3)), np.ones((6, 2))], RNG(0), paired=[True] * 2)
    with pytest.raises(ValueError, match="same number of columns"):
        across_problems.average_superiority([], RNG(0), paired=[])
