"""Tests of `reports.statistics.pairwise_tests`."""

import itertools
import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from reports.statistics import pairwise_tests
from reports.statistics.bootstrap_t import bootstrap_t_tests
from reports.statistics.rank_tests import paired_rank_tests, unpaired_rank_tests

RNG = np.random.default_rng
PAIRED = pytest.mark.parametrize("paired", [True, False])
TESTS = pytest.mark.parametrize("test", pairwise_tests.TESTS)
SCORES = arrays(np.float64, (7, 3), elements=st.sampled_from([-np.inf, -2.0, -0.25, 0.0, 0.5, 1.0, 4.0]))


def scores(n=10, means=(0.0, 0.0, 2.0, 5.0), seed=0) -> np.ndarray:
    """Return normal scores with a standard deviation of 1 and a common component per repeat."""
    rng = RNG(seed)
    return rng.normal(size=(n, 1)) + rng.normal(means, 1.0, (n, len(means)))


def random_family(seed):
    """Return scores of two to five optimizers in 6 to 15 repeats: continuous or with ties, of unequal spread."""
    rng = RNG(seed)
    n, k = int(rng.integers(6, 16)), int(rng.integers(2, 6))
    table = rng.normal(size=(n, k)) * np.geomspace(1, 4, k) * rng.random() + np.linspace(0, 3, k) * rng.random()
    return np.round(table, int(rng.integers(0, 5)))


# Estimates.


def test_paired_means_and_intervals_are_scipys() -> None:
    """Mean, standard deviation, t, degrees of freedom and bounds of each pair are those of SciPy's paired t test."""
    table = scores()
    result = pairwise_tests.compare(table, RNG(0))
    low, high = result.mean_interval()
    narrow = result.mean_interval(0.8)
    for at, (one, other) in enumerate(zip(result.first, result.second, strict=True)):
        expected = stats.ttest_rel(table[:, one], table[:, other])
        bounds, bounds80 = expected.confidence_interval(0.95), expected.confidence_interval(0.8)
        assert result.mean[at] == pytest.approx(table[:, one].mean() - table[:, other].mean())
        assert result.sd[at] == pytest.approx((table[:, one] - table[:, other]).std(ddof=1))
        assert result.df[at] == expected.df == 9
        assert result.mean[at] / result.se[at] == pytest.approx(expected.statistic)
        assert (low[at], high[at]) == pytest.approx((bounds.low, bounds.high))
        assert (narrow[0][at], narrow[1][at]) == pytest.approx((bounds80.low, bounds80.high))
    assert list(zip(result.first, result.second, strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_unpaired_means_and_intervals_are_welchs() -> None:
    """Mean, t, degrees of freedom and bounds are SciPy's for unequal n and variances; the order of runs does not matter."""
    table = scores() * np.array([1.0, 2.0, 0.5, 4.0])
    table[7:, 2] = np.nan
    result = pairwise_tests.compare(table, RNG(0), paired=False)
    low, high = result.mean_interval()
    for at, (one, other) in enumerate(zip(result.first, result.second, strict=True)):
        x, y = (column[~np.isnan(column)] for column in (table[:, one], table[:, other]))
        expected = stats.ttest_ind(x, y, equal_var=False)
        bounds = expected.confidence_interval(0.95)
        assert result.mean[at] == pytest.approx(x.mean() - y.mean())
        assert result.sd[at] == pytest.approx(math.hypot(x.std(ddof=1), y.std(ddof=1)))
        assert result.df[at] == pytest.approx(expected.df)
        assert result.mean[at] / result.se[at] == pytest.approx(expected.statistic)
        assert (low[at], high[at]) == pytest.approx((bounds.low, bounds.high))
    shuffled = table.copy()
    shuffled[:, 0] = shuffled[::-1, 0]
    again = pairwise_tests.compare(shuffled, RNG(0), paired=False)
    assert again.mean == pytest.approx(result.mean)
    assert again.df == pytest.approx(result.df)
    assert again.p == pytest.approx(result.p)
    assert pairwise_tests.compare(shuffled, RNG(0)).p != pytest.approx(pairwise_tests.compare(table, RNG(0)).p)


@PAIRED
def test_lost_runs_are_not_in_the_mean_and_mark_it_incomplete(paired) -> None:
    """A run of −inf has no score: the mean is over the others, and the pairs of its optimizer are not complete."""
    table = scores()
    table[4, 1] = -np.inf
    result = pairwise_tests.compare(table, RNG(0), paired=paired)
    assert result.complete.tolist() == [False, True, True, False, False, True]
    assert result.n.tolist() == [10] * 6
    rest = np.delete(table, 4, axis=0)
    assert result.mean[0] == pytest.approx((rest[:, 0] if paired else table[:, 0]).mean() - rest[:, 1].mean())
    assert result.df[0] == 8 if paired else 16 < result.df[0] < 17
    assert result.in_family.all()
    assert np.isfinite(result.adjusted_p).all()


def test_a_lost_run_without_a_partner_is_not_compared() -> None:
    """The other optimizer of the pair has no run in this repeat. Without pairing the lost run counts."""
    table = scores()
    table[4, :2] = -np.inf, np.nan
    result = pairwise_tests.compare(table, RNG(0))
    assert result.complete.tolist() == [True, False, False, True, True, True]
    unpaired = pairwise_tests.compare(table, RNG(0), paired=False)
    assert unpaired.complete.tolist() == [False, False, False, True, True, True]


@TESTS
def test_a_pair_uses_the_shared_repeats(test) -> None:
    """A repeat that one optimizer lacks is omitted from its pairs, and not from the others."""
    table = scores()
    table[4, 1] = np.nan
    result = pairwise_tests.compare(table, RNG(0), test=test)
    assert result.n.tolist() == [9, 10, 10, 9, 9, 10]
    rest = np.delete(table, 4, axis=0)
    assert result.mean[0] == pytest.approx((rest[:, 0] - rest[:, 1]).mean())
    assert np.isfinite(result.adjusted_p).all()
    assert result.complete.all()
    assert pairwise_tests.variance_reduction(table)[0] == pytest.approx(pairwise_tests.variance_reduction(rest)[0])


@PAIRED
def test_equal_differences_have_a_standard_deviation_of_zero(paired) -> None:
    """Three scores of −0.1 and a missing one have a standard deviation of exactly 0; the bounds are equal to the mean."""
    table = np.array([[-0.1, 0.0], [-0.1, 0.0], [np.nan, 0.0], [-0.1, 0.0]])
    result = pairwise_tests.compare(table, RNG(0), paired=paired)
    assert (result.mean[0], result.sd[0], result.se[0]) == (-0.1, 0.0, 0.0)
    assert [bound[0] for bound in result.mean_interval()] == [-0.1, -0.1]
    assert math.isnan(result.effect[0])


@PAIRED
@TESTS
def test_degenerate_scores(test, paired) -> None:
    """Equal optimizers have p = 1; one repeat has neither p nor bounds; a column without scores has NaN in its pairs alone."""
    equal = pairwise_tests.compare(np.ones((6, 3)), RNG(0), test=test, paired=paired)
    assert (equal.adjusted_p == 1).all()
    assert (equal.mean_interval()[0] == 0).all()
    assert not equal.above.any()
    single = pairwise_tests.compare(scores(n=1), RNG(0), test=test, paired=paired)
    assert np.isnan(single.adjusted_p).all()
    assert np.isnan(single.mean_interval()[0]).all()
    table = scores(n=8)
    table[:, 1] = np.nan
    empty = pairwise_tests.compare(table, RNG(0), test=test, paired=paired)
    assert np.isnan(empty.adjusted_p).tolist() == [True, False, False, True, True, False]
    assert np.isnan(empty.mean).tolist() == [True, False, False, True, True, False]
    for shape in ((4, 1), (4, 0), (0, 0), (0, 3)):
        result = pairwise_tests.compare(np.ones(shape), RNG(0), test=test, paired=paired)
        assert len(result.n) == len(result.adjusted_p) == (3 if shape == (0, 3) else 0)


def test_the_effect_size_is_unbiased() -> None:
    """J(9) = Γ(4.5)/(√4.5 Γ(4)) = 0.91387; s = 0 gives NaN; the mean of g is the true effect (Hedges 1981)."""
    result = pairwise_tests.effect_size([1.0, 1.0, 1.0], [0.5, 0.0, 0.5], [9, 9, 0])
    assert result == pytest.approx([2 * 0.91387, math.nan, math.nan], abs=1e-4, nan_ok=True)
    draws = RNG(4).normal(0.7, 1.0, (10, 20_000))
    g = pairwise_tests.effect_size(draws.mean(axis=0), draws.std(axis=0, ddof=1), 9)
    assert abs(g.mean() - 0.7) < 4 * g.std() / math.sqrt(20_000)
    table = scores()
    paired = pairwise_tests.compare(table, RNG(0))
    assert paired.effect == pytest.approx(pairwise_tests.effect_size(paired.mean, paired.sd, 9))


def test_the_unpaired_effect_size_uses_the_pooled_standard_deviation() -> None:
    """Means 3 and 1, s² = 1 and 4, n = 3 and 5: s² pooled = (2 + 16)/6 = 3, J(6) = Γ(3)/(√3 Γ(2.5)) = 0.86863."""
    one, other = np.array([2.0, 3.0, 4.0]), 1 + 2 * np.array([-1.0, 0.0, 1.0, -1.0, 1.0])
    table = np.full((5, 2), np.nan)
    table[:3, 0], table[:, 1] = one, other
    result = pairwise_tests.compare(table, RNG(0), paired=False)
    assert result.effect == pytest.approx([0.86863 * 2 / math.sqrt(3)], abs=1e-4)


def test_superiority_counts_ties_as_one_half() -> None:
    """1 and 3 against 2, 3 and 0: 1 is above one of three, and 3 is above two and equal to one: 3.5 of 6 combinations."""
    assert pairwise_tests.wins(np.array([2.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0])).tolist() == [1.0, 0.5, 0.0]
    table = np.array([[1.0, 2.0], [3.0, 3.0], [np.nan, 0.0]])
    unpaired = pairwise_tests.compare(table, RNG(0), paired=False)
    assert unpaired.superiority[0] == pytest.approx((0 + 0 + 1 + 1 + 0.5 + 1) / 6)
    paired = pairwise_tests.compare(table, RNG(0))
    assert paired.superiority[0] == pytest.approx((0 + 0 + 1 + 0.5) / 4), "two shared repeats"
    assert math.isnan(pairwise_tests.compare([[math.nan, 1.0]], RNG(0)).superiority[0])


def test_the_variance_reduction_from_pairing_is_a_ratio_of_variances() -> None:
    """0, 2, 4 and 1, 3, 8: variances 4 and 13, of the difference (−1, −1, −4) 3, so 17/3; equal columns have none."""
    table = np.array([[0.0, 1.0, 0.0], [2.0, 3.0, 2.0], [4.0, 8.0, 4.0]])
    assert pairwise_tests.variance_reduction(table) == pytest.approx([17 / 3, math.nan, 17 / 3], nan_ok=True)
    chosen = pairwise_tests.variance_reduction(table, (np.array([1]), np.array([2])))
    assert chosen == pytest.approx([17 / 3])


# Tests and intervals.


@PAIRED
@TESTS
def test_the_test_is_that_of_its_module(test, paired) -> None:
    """p, verdict, interval of the shift and level are those of the rank tests or of the bootstrap-t."""
    table, rng = scores(n=7), RNG(3)
    result = pairwise_tests.compare(table, RNG(3), test=test, paired=paired, level=0.9)
    ranks = (paired_rank_tests if paired else unpaired_rank_tests)(table, rng, level=0.9)
    for name in ("n", "superiority", "superiority_low", "superiority_high"):
        np.testing.assert_array_equal(getattr(result, name), getattr(ranks, name))
    if test == "rank":
        expected, shift, bounds = ranks, ranks.shift, (ranks.shift_low, ranks.shift_high)
        above = ranks.superiority > 0.5
    else:
        expected = bootstrap_t_tests(table, rng, paired=paired, level=0.9)
        shift, bounds, above = expected.difference, (expected.low, expected.high), expected.difference > 0
    for name in ("in_family", "p", "adjusted_p", "rejected", "pair_level"):
        np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))
    np.testing.assert_array_equal(result.shift, shift)
    np.testing.assert_array_equal([result.shift_low, result.shift_high], bounds)
    np.testing.assert_array_equal(result.above, above)
    assert (result.test, result.level, result.paired) == (test, 0.9, paired)
    assert result.exact == (test == "rank" and paired)
    if test == "bootstrap-t":
        assert result.shift == pytest.approx(result.mean)


def test_p_is_exact_up_to_13_repeats() -> None:
    """14 repeats have random patterns."""
    assert pairwise_tests.compare(scores(n=13), RNG(0)).exact
    assert not pairwise_tests.compare(scores(n=14), RNG(0)).exact


@PAIRED
@TESTS
def test_intervals_agree_with_tests(test, paired) -> None:
    """0 is outside the simultaneous interval if, and only if, the test rejects; so is P = ½ of the rank test."""
    rejected = total = 0
    for seed in range(40):
        table = random_family(seed)
        result = pairwise_tests.compare(table, RNG(seed), test=test, paired=paired)
        assert np.array_equal((result.shift_low > 0) | (result.shift_high < 0), result.rejected), seed
        assert np.array_equal(result.rejected, result.adjusted_p <= 0.05 + 1e-9)
        assert ((result.shift_low > 0) == (result.rejected & result.above)).all()
        ranks = result if test == "rank" else pairwise_tests.compare(table, RNG(seed), paired=paired)
        assert np.array_equal((result.superiority_low > 0.5) | (result.superiority_high < 0.5), ranks.rejected), seed
        rejected, total = rejected + int(result.rejected.sum()), total + len(result.p)
    assert 0.1 < rejected / total < 0.9


@PAIRED
@TESTS
def test_interval_and_verdict_agree_for_seed_28(test, paired) -> None:
    """A − B and A − C of these six repeats: the interval excludes 0 if, and only if, the adjusted p is at most 5%."""
    result = pairwise_tests.compare(RNG(28).normal(size=(6, 3)), RNG(0), test=test, paired=paired)
    assert np.array_equal((result.shift_low > 0) | (result.shift_high < 0), result.adjusted_p <= 0.05)
    assert np.array_equal(result.rejected, result.adjusted_p <= 0.05)


@PAIRED
@TESTS
def test_equivalence_needs_the_interval_inside_the_margin(test, paired) -> None:
    """The first two optimizers differ by less than 0.05; the third by 1. The smallest margin is the wider bound."""
    table = RNG(0).normal(size=(20, 3)) * 0.01 + np.array([0, 0, 1])
    result = pairwise_tests.compare(table, RNG(0), test=test, paired=paired)
    assert result.equivalent(0.05).tolist() == [True, False, False]
    assert result.equivalent(2.0).all()
    assert not result.equivalent(0.0).any()
    assert result.equivalent([0.0, 2.0, 0.05]).tolist() == [False, True, False]
    wider = np.maximum(-result.shift_low, result.shift_high)
    assert not result.equivalent(wider).any(), "the interval must be inside, not at the margin"
    assert result.equivalent(wider * (1 + 1e-8)).all()


@pytest.mark.parametrize("base", [0.0, 0.02, 0.3, 0.89])
@pytest.mark.parametrize("sign", [1, -1])
def test_rounding_does_not_move_a_bound_inside_the_margin(base, sign) -> None:
    """0.03 − 0.02 is below 0.01, and 0.9 − 0.89 is above it; a difference of the margin is never equivalent."""
    table = np.tile([round(base + 0.01, 2), base], (8, 1))[:, ::sign]
    result = pairwise_tests.compare(table, RNG(0))
    assert abs(result.shift[0]) == pytest.approx(0.01)
    assert not result.equivalent(0.01).any()
    assert result.equivalent(0.0101).all()


@settings(deadline=None, max_examples=25)
@given(
    arrays(np.float64, (7, 3), elements=st.sampled_from([-2.0, -0.25, 0.0, 0.5, 1.0, 4.0])),
    st.sampled_from([-900, 900]),
)
@PAIRED
def test_extreme_scores_have_the_same_estimates(paired, table, exponent) -> None:
    """Scores multiplied by 2⁻⁹⁰⁰ or 2⁹⁰⁰ have the same effects, and standard errors with this factor; no square overflows."""
    scale = 2.0**exponent
    result, scaled = (pairwise_tests.compare(x, RNG(0), paired=paired) for x in (table, table * scale))
    for name, factor in (("mean", scale), ("sd", scale), ("se", scale), ("df", 1.0), ("effect", 1.0)):
        np.testing.assert_allclose(getattr(scaled, name), getattr(result, name) * factor, rtol=1e-9, err_msg=name)


@PAIRED
@TESTS
def test_pairs_without_an_interval_are_not_equivalent(test, paired) -> None:
    """Five repeats have no interval; an optimizer that lost all runs has an infinite shift or no mean."""
    assert not pairwise_tests.compare(scores(n=5), RNG(0), test=test, paired=paired).equivalent(math.inf).any()
    table = scores()
    table[:, 0] = -np.inf
    result = pairwise_tests.compare(table, RNG(0), test=test, paired=paired)
    assert result.equivalent(100.0).tolist() == [False, False, False, True, True, True]


@settings(deadline=None, max_examples=25)
@given(SCORES)
@PAIRED
@TESTS
def test_reversed_pairs_are_mirrored(test, paired, table) -> None:
    """Every number on B against A is the mirror image of that on A against B."""
    columns = np.array([0, 0, 1]), np.array([1, 2, 2])
    result, reverse = (
        pairwise_tests.compare(table, RNG(0), test=test, paired=paired, columns=pair)
        for pair in (columns, columns[::-1])
    )
    _check_mirrored(result, reverse)


@pytest.mark.parametrize("n", [8, 14])
@TESTS
def test_exchanged_columns_are_mirrored(test, n) -> None:
    """The columns of two optimizers are exchanged in the table: paired tests use the same patterns and resamples."""
    table = scores(n=n, means=(0.0, 1.0))
    _check_mirrored(*(pairwise_tests.compare(x, RNG(0), test=test) for x in (table, table[:, ::-1])))


def _check_mirrored(result, reverse):
    """Compare every estimate and test with that for the opposite order of each pair."""
    mirrored = {name: -getattr(reverse, name) for name in ("mean", "effect", "shift")}
    mirrored |= {"shift_low": -reverse.shift_high, "shift_high": -reverse.shift_low}
    mirrored |= {"superiority": 1 - reverse.superiority}
    mirrored |= {"superiority_low": 1 - reverse.superiority_high, "superiority_high": 1 - reverse.superiority_low}
    for field in fields(result):
        if field.name in {"first", "second", "above"}:
            continue
        actual, expected = getattr(result, field.name), mirrored.get(field.name, getattr(reverse, field.name))
        if isinstance(actual, np.ndarray) and actual.dtype == np.float64:
            np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12, err_msg=field.name)
        else:
            np.testing.assert_array_equal(actual, expected, err_msg=field.name)
    tied = (result.superiority == 0.5) if result.test == "rank" else ~(np.abs(result.shift) > 0)
    np.testing.assert_array_equal(result.above, ~reverse.above & ~tied)
    for low, high in zip(result.mean_interval(), reverse.mean_interval()[::-1], strict=True):
        np.testing.assert_allclose(low, -high, rtol=1e-9, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(SCORES, st.sampled_from([-8.0, 0.5, 64.0]))
@PAIRED
@TESTS
def test_a_constant_changes_nothing(test, paired, table, constant) -> None:
    """A constant that is added to all scores changes no number."""
    result, again = (pairwise_tests.compare(x, RNG(0), test=test, paired=paired) for x in (table, table + constant))
    for field in fields(result):
        actual, expected = getattr(again, field.name), getattr(result, field.name)
        if isinstance(actual, np.ndarray) and actual.dtype == np.float64:
            np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9, err_msg=field.name)
        else:
            np.testing.assert_array_equal(actual, expected, err_msg=field.name)


@TESTS
def test_the_order_of_optimizers_and_repeats_does_not_matter(test) -> None:
    """Reversed columns and rows give the same means, and the same adjusted p up to the random numbers of resamples."""
    table = scores(n=7)
    before = pairwise_tests.compare(table, RNG(0), test=test)
    after = pairwise_tests.compare(table[::-1, ::-1], RNG(0), test=test)
    order = [(3 - b, 3 - a) for a, b in zip(after.first, after.second, strict=True)]
    for at, pair in enumerate(zip(before.first, before.second, strict=True)):
        there = order.index(pair)
        assert before.adjusted_p[at] == pytest.approx(after.adjusted_p[there], abs=1e-9 if test == "rank" else 0.03)
        assert before.mean[at] == pytest.approx(-after.mean[there])
        assert before.superiority[at] == pytest.approx(1 - after.superiority[there])


def test_chosen_pairs_are_a_smaller_family() -> None:
    """Comparisons with a baseline: unadjusted p-values are those of all pairs, and adjusted ones are not larger."""
    table = scores(means=(0.0, 0.3, 0.6, 0.9))
    every = pairwise_tests.compare(table, RNG(0))
    chosen = pairwise_tests.compare(table, RNG(0), columns=(np.array([0, 0, 0]), np.array([1, 2, 3])))
    assert chosen.p == pytest.approx(every.p[:3])
    assert (chosen.adjusted_p <= every.adjusted_p[:3]).all()


# Error rates and power.


def test_paired_rank_tests_control_the_family_wise_error_rate() -> None:
    """Nine equal optimizers, n = 8, standard deviations from 1 to 9: at most 5% + 4 standard errors of 400 studies reject."""
    rng, wrong = RNG(1), np.zeros(2)
    for _ in range(400):
        result = pairwise_tests.compare(rng.normal(size=(8, 9)) * np.geomspace(1, 9, 9), rng)
        wrong += [(result.adjusted_p <= 0.05).any(), (result.p <= 0.05).any()]
    assert wrong[0] / 400 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 400)
    assert wrong[1] / 400 > 0.3, "unadjusted tests"


@pytest.mark.parametrize(("test", "paired"), [("rank", False), ("bootstrap-t", True), ("bootstrap-t", False)])
def test_the_other_tests_control_the_family_wise_error_rate(test, paired) -> None:
    """Five equal optimizers, n = 8: at most 5% + 4 standard errors of 150 studies reject."""
    rng, wrong = RNG(1), 0
    for _ in range(150):
        result = pairwise_tests.compare(rng.normal(size=(8, 5)), rng, test=test, paired=paired)
        wrong += int((result.adjusted_p <= 0.05).any())
    assert wrong / 150 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 150)


def test_the_default_finds_differences_of_six_standard_errors() -> None:
    """One optimizer of nine differs by 6 standard errors at n = 10: 80% of its pairs or more are detected in 150 studies."""
    rng, hits = RNG(2), 0.0
    for _ in range(150):
        table = rng.normal(size=(10, 9))
        table[:, 0] += 6 * math.sqrt(2 / 10)
        hits += float((pairwise_tests.compare(table, rng).adjusted_p[:8] <= 0.05).mean())
    assert hits / 150 >= 0.8


def test_the_minimum_detectable_difference_is_detected_with_its_power() -> None:
    """A t test at n = 8 detects that true difference in 80% of 20,000 simulations, within 4 standard errors."""
    difference = pairwise_tests.minimum_detectable_difference([2.0], [8], 0.95)[0]
    draws = RNG(5).normal(difference, 2.0, (8, 20_000))
    hits = np.mean(stats.ttest_1samp(draws, 0).pvalue <= 0.05)
    assert abs(hits - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 20_000)
    assert math.isnan(pairwise_tests.minimum_detectable_difference([2.0], [1], 0.95)[0])


def test_a_family_that_cannot_reject_has_no_minimum_detectable_difference() -> None:
    """Six independent runs of nine optimizers: no pair can be rejected, so that the level of a pair is NaN."""
    result = pairwise_tests.compare(RNG(0).normal(size=(6, 9)), RNG(0), paired=False)
    assert math.isnan(result.pair_level)
    assert not result.rejected.any()
    assert np.isnan(pairwise_tests.minimum_detectable_difference(result.sd, result.n, result.pair_level)).all()
    assert math.isnan(pairwise_tests.repeats_needed(1.0, 1.0, result.pair_level))
    pair = pairwise_tests.compare(RNG(0).normal(size=(6, 2)), RNG(0))
    assert pair.pair_level == 1 - 1 / 32
    assert np.isfinite(pairwise_tests.minimum_detectable_difference(pair.sd, pair.n, pair.pair_level)).all()


def test_the_repeats_needed_are_the_smallest_number_with_the_power() -> None:
    """Half a standard deviation needs 34 repeats for 80% power at 95% (Cohen 1988, paired t), not 33."""
    assert pairwise_tests.repeats_needed(0.5, 1.0, 0.95) == 34
    assert pairwise_tests.repeats_needed(-0.5, 1.0, 0.95) == 34
    assert pairwise_tests.repeats_needed(50.0, 1.0, 0.95) == 8, "permutation tests of fewer repeats have less power"
    assert pairwise_tests.repeats_needed(0.0, 1.0, 0.95) == math.inf
    assert pairwise_tests.repeats_needed(0.5, 0.0, 0.95) == 6
    assert math.isnan(pairwise_tests.repeats_needed(0.0, 0.0, 0.95))
    assert math.isnan(pairwise_tests.repeats_needed(math.nan, 1.0, 0.95))


def test_invalid_arguments_are_errors() -> None:
    """The message has the argument and its valid values."""
    with pytest.raises(ValueError, match='"scores" must have two dimensions, got 1'):
        pairwise_tests.compare([1.0, 2.0], RNG(0))
    with pytest.raises(ValueError, match=r'"scores" must not contain \+inf'):
        pairwise_tests.compare([[1.0, math.inf]], RNG(0))
    with pytest.raises(ValueError, match='"test" must be one of rank, bootstrap-t, got "anova"'):
        pairwise_tests.compare(np.ones((3, 2)), RNG(0), test="anova")


def test_all_combinations_of_options_return_every_pair() -> None:
    """Each test, paired or not, has an entry per pair in every array."""
    for test, paired in itertools.product(pairwise_tests.TESTS, (True, False)):
        result = pairwise_tests.compare(scores(), RNG(0), test=test, paired=paired)
        for field in fields(result):
            value = getattr(result, field.name)
            assert not isinstance(value, np.ndarray) or value.shape == (6,), field.name
