"""Tests of `reports.statistics.pairwise_tests`."""

import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics import pairwise_tests

RNG = np.random.default_rng


def scores(n=10, means=(0.0, 0.0, 2.0, 5.0), seed=0) -> np.ndarray:
    """Normal scores with a spread of 1 that share a part of each repeat."""
    rng = RNG(seed)
    return rng.normal(size=(n, 1)) + rng.normal(means, 1.0, (n, len(means)))


def test_differences_are_paired_and_have_the_t_interval_of_the_pair() -> None:
    """Pair by pair, mean, bounds and p of Holm's t are those of SciPy's paired t test."""
    table = scores()
    found = pairwise_tests.compare(table, RNG(0), test="holm-t")
    low, high = found.interval(0.95)
    for at, (one, other) in enumerate(zip(found.first, found.second, strict=True)):
        theirs = stats.ttest_rel(table[:, one], table[:, other])
        bounds = theirs.confidence_interval(0.95)
        assert found.mean[at] == pytest.approx(table[:, one].mean() - table[:, other].mean())
        assert (low[at], high[at]) == pytest.approx((bounds.low, bounds.high))
        assert found.p[at] == pytest.approx(theirs.pvalue)
    assert list(zip(found.first, found.second, strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_holm_multiplies_the_smallest_p_by_most() -> None:
    """Worked by hand: .01, .04, .03, .005 become .03, .06, .06, .02 (Holm 1979); a NaN does not count; none exceeds 1."""
    assert pairwise_tests.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert pairwise_tests.holm([0.01, math.nan, 0.6, 0.7]) == pytest.approx([0.03, math.nan, 1.0, 1.0], nan_ok=True)


def test_the_default_holds_the_family_error_where_plain_t_tests_do_not() -> None:
    """Of 400 studies of nine equal optimizers at n = 8 with spreads from 1 to 9, 5% + 4 standard errors find a difference."""
    rng, wrong = RNG(1), np.zeros(2)
    for _ in range(400):
        table = rng.normal(size=(8, 9)) * np.geomspace(1, 9, 9)
        found = pairwise_tests.compare(table, rng)
        wrong += [(found.adjusted <= 0.05).any(), (found.p <= 0.05).any()]
    assert wrong[0] / 400 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 400)
    assert wrong[1] / 400 > 0.3


def test_the_default_finds_differences_of_six_standard_errors() -> None:
    """Of 150 studies of nine at n = 10, one of them 6 standard errors of a difference away, at least 80% of its pairs."""
    rng, hits = RNG(2), 0.0
    for _ in range(150):
        table = rng.normal(size=(10, 9))
        table[:, 0] += 6 * math.sqrt(2 / 10)
        hits += float((pairwise_tests.compare(table, rng).adjusted[:8] <= 0.05).mean())
    assert hits / 150 >= 0.8


@pytest.mark.parametrize("test", pairwise_tests.TESTS)
def test_no_test_depends_on_the_order_of_optimizers_or_repeats(test) -> None:
    """Columns and rows in another order give the same adjusted p for the same pairs."""
    table = scores(n=7)
    before = pairwise_tests.compare(table, RNG(0), test=test)
    after = pairwise_tests.compare(table[::-1, ::-1], RNG(0), test=test)
    for at, (one, other) in enumerate(zip(before.first, before.second, strict=True)):
        there = [(3 - b, 3 - a) for a, b in zip(after.first, after.second, strict=True)].index((one, other))
        assert before.adjusted[at] == pytest.approx(after.adjusted[there])
        assert before.mean[at] == pytest.approx(-after.mean[there])


def test_a_pair_counts_the_repeats_that_both_have() -> None:
    """One failed repeat of one optimizer leaves its pairs n − 1, the others n, and no value of the failed repeat."""
    table = scores()
    table[4, 1] = np.nan
    found = pairwise_tests.compare(table, RNG(0))
    assert found.n.tolist() == [9, 10, 10, 9, 9, 10]
    kept = np.delete(table, 4, axis=0)
    assert found.mean[0] == pytest.approx((kept[:, 0] - kept[:, 1]).mean())
    assert np.isfinite(found.adjusted).all()
    assert pairwise_tests.variance_reduction(table)[0] == pytest.approx(pairwise_tests.variance_reduction(kept)[0])


def test_equal_differences_have_no_spread_also_beside_a_gap() -> None:
    """−0.1 three times is a spread of exactly 0, whatever repeat is missing."""
    found = pairwise_tests.family(np.array([[-0.1], [-0.1], [np.nan], [-0.1]]), RNG(0))
    assert (found.mean[0], found.sd[0]) == (-0.1, 0.0)


@pytest.mark.parametrize("test", pairwise_tests.TESTS)
def test_degenerate_scores_give_no_wrong_number(test) -> None:
    """Equal optimizers have p = 1; one repeat has neither p nor bounds; a column without scores has NaN alone."""
    equal = pairwise_tests.compare(np.ones((6, 3)), RNG(0), test=test)
    assert (equal.adjusted == 1).all()
    assert (equal.interval(0.95)[0] == 0).all()
    single = pairwise_tests.compare(scores(n=1), RNG(0), test=test)
    assert np.isnan(single.adjusted).all()
    assert np.isnan(single.interval(0.95)[0]).all()
    table = scores(n=8)
    table[:, 1] = np.nan
    gone = pairwise_tests.compare(table, RNG(0), test=test)
    assert np.isnan(gone.adjusted).tolist() == [True, False, False, True, True, False]
    assert pairwise_tests.compare(np.ones((4, 1)), RNG(0), test=test).n.tolist() == []


def test_welch_is_scipys_and_ignores_the_pairing() -> None:
    """The unpaired variant has SciPy's p and bounds, whatever the order of one optimizer's repeats, also for unlike n."""
    table = scores()
    table[7:, 2] = np.nan
    found = pairwise_tests.compare(table, RNG(0), test="welch")
    low, high = found.interval(0.95)
    theirs = stats.ttest_ind(table[:, 0], table[:7, 2], equal_var=False)
    bounds = theirs.confidence_interval(0.95)
    assert found.p[1] == pytest.approx(theirs.pvalue)
    assert (low[1], high[1]) == pytest.approx((bounds.low, bounds.high))
    shuffled = table.copy()
    shuffled[:, 0] = shuffled[::-1, 0]
    assert pairwise_tests.compare(shuffled, RNG(0), test="welch").p == pytest.approx(found.p)
    assert pairwise_tests.compare(shuffled, RNG(0)).p != pytest.approx(pairwise_tests.compare(table, RNG(0)).p)


def test_the_gain_of_pairing_is_the_ratio_of_variances() -> None:
    """0, 2, 4 and 1, 3, 8: variances 4 and 13, of the difference (−1, −1, −4) 3, so 17/3; equal columns have none."""
    table = np.array([[0.0, 1.0, 0.0], [2.0, 3.0, 2.0], [4.0, 8.0, 4.0]])
    assert pairwise_tests.variance_reduction(table) == pytest.approx([17 / 3, math.nan, 17 / 3], nan_ok=True)


def test_the_effect_is_the_standardised_difference_without_its_bias() -> None:
    """J(9) = Γ(4.5)/(√4.5 Γ(4)) = 0.91387; d̄/s is 2; no spread, no effect; on average g is the true effect (Hedges 1981)."""
    found = pairwise_tests.effect_size([1.0, 1.0, 1.0], [0.5, 0.0, 0.5], [9, 9, 0])
    assert found == pytest.approx([2 * 0.91387, math.nan, math.nan], abs=1e-4, nan_ok=True)
    draws = RNG(4).normal(0.7, 1.0, (10, 20_000))
    g = pairwise_tests.effect_size(draws.mean(axis=0), draws.std(axis=0, ddof=1), 9)
    assert abs(g.mean() - 0.7) < 4 * g.std() / math.sqrt(20_000)


def test_unpaired_the_effect_is_in_pooled_standard_deviations() -> None:
    """By hand: means 3 and 1, s² = 1 and 4, n = 3 and 5: s² pooled = (2 + 16)/6 = 3, J(6) = Γ(3)/(√3 Γ(2.5)) = 0.86863."""
    one, other = np.array([2.0, 3.0, 4.0]), 1 + 2 * np.array([-1.0, 0.0, 1.0, -1.0, 1.0])
    table = np.full((5, 2), np.nan)
    table[:3, 0], table[:, 1] = one, other
    found = pairwise_tests.compare(table, RNG(0), test="welch")
    assert found.effect == pytest.approx([0.86863 * 2 / math.sqrt(3)], abs=1e-4)


def test_superiority_counts_repeats_and_halves_ties() -> None:
    """Better in 2 of 4 and equal in 1: 5/8, with Clopper-Pearson's bounds for whole counts; unpaired all combinations count."""
    share, low, high = pairwise_tests.superiority([3.0, 2.0, 1.0, 5.0], [1.0, 1.0, 1.0, 9.0])
    assert share == 5 / 8
    assert low < share < high
    whole = pairwise_tests.superiority([1.0] * 9 + [0.0], [0.5] * 10)
    theirs = stats.binomtest(9, 10).proportion_ci(method="exact")
    assert whole == pytest.approx((0.9, theirs.low, theirs.high))
    assert pairwise_tests.superiority([1.0, 2.0], [0.0, 0.0])[2] == 1.0
    unpaired = pairwise_tests.superiority([1.0, 3.0], [2.0, 3.0, 0.0], paired=False)
    assert unpaired[0] == pytest.approx((0 + 0 + 1 + 1 + 0.5 + 1) / 6)  # 1 against 2, 3, 0; then 3 against them
    assert all(math.isnan(value) for value in pairwise_tests.superiority([math.nan], [1.0]))


def test_the_detectable_difference_is_found_as_often_as_it_says() -> None:
    """Of 20,000 single pairs at n = 8 with that true difference a t test finds 80%, within 4 standard errors."""
    away = pairwise_tests.minimum_detectable_difference([2.0], [8], 0.95)[0]
    draws = RNG(5).normal(away, 2.0, (8, 20_000))
    hits = np.mean(stats.ttest_1samp(draws, 0).pvalue <= 0.05)
    assert abs(hits - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 20_000)
    assert math.isnan(pairwise_tests.minimum_detectable_difference([2.0], [1], 0.95)[0])


def test_the_repeats_that_are_needed_are_the_fewest_that_do() -> None:
    """A difference of half a standard deviation takes 34 repeats for 80% at 95% (Cohen 1988, paired t), not 33."""
    assert pairwise_tests.repeats_needed(0.5, 1.0, 0.95) == 34
    assert pairwise_tests.repeats_needed(-0.5, 1.0, 0.95) == 34
    assert pairwise_tests.repeats_needed(50.0, 1.0, 0.95) == 8, "below that sign flips find less"
    assert pairwise_tests.repeats_needed(0.0, 1.0, 0.95) == math.inf
    assert pairwise_tests.repeats_needed(0.5, 0.0, 0.95) == 6
    assert math.isnan(pairwise_tests.repeats_needed(0.0, 0.0, 0.95))
    assert math.isnan(pairwise_tests.repeats_needed(math.nan, 1.0, 0.95))


def test_wrong_arguments_are_refused_by_name() -> None:
    """The message names the argument and what it may be."""
    with pytest.raises(ValueError, match='"matrix" must have two dimensions, got 1'):
        pairwise_tests.compare([1.0, 2.0], RNG(0))
    with pytest.raises(ValueError, match='"test" must be one of max-t, holm-t, welch, got "anova"'):
        pairwise_tests.compare(np.ones((3, 2)), RNG(0), test="anova")
