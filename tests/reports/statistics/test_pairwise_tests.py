"""Tests of `reports.statistics.pairwise_tests`."""

import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics import pairwise_tests

RNG = np.random.default_rng


def scores(n=10, means=(0.0, 0.0, 2.0, 5.0), seed=0) -> np.ndarray:
    """Return normal scores with a standard deviation of 1 and a common component per repeat."""
    rng = RNG(seed)
    return rng.normal(size=(n, 1)) + rng.normal(means, 1.0, (n, len(means)))


def test_differences_are_paired_and_have_the_t_interval_of_the_pair() -> None:
    """Mean, bounds and p of each pair agree with SciPy's paired t test."""
    table = scores()
    result = pairwise_tests.compare(table, RNG(0), test="holm-t")
    low, high = result.interval(0.95)
    for at, (one, other) in enumerate(zip(result.first, result.second, strict=True)):
        expected = stats.ttest_rel(table[:, one], table[:, other])
        bounds = expected.confidence_interval(0.95)
        assert result.mean[at] == pytest.approx(table[:, one].mean() - table[:, other].mean())
        assert (low[at], high[at]) == pytest.approx((bounds.low, bounds.high))
        assert result.p[at] == pytest.approx(expected.pvalue)
    assert list(zip(result.first, result.second, strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_holm_adjustment_by_hand() -> None:
    """.01, .04, .03, .005 become .03, .06, .06, .02 (Holm 1979); a NaN is ignored; none exceeds 1."""
    assert pairwise_tests.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert pairwise_tests.holm([0.01, math.nan, 0.6, 0.7]) == pytest.approx([0.03, math.nan, 1.0, 1.0], nan_ok=True)


def test_the_default_controls_the_family_wise_error_rate_and_plain_t_tests_do_not() -> None:
    """Nine equal optimizers, n = 8, standard deviations from 1 to 9: at most 5% + 4 standard errors of 400 studies reject."""
    rng, wrong = RNG(1), np.zeros(2)
    for _ in range(400):
        table = rng.normal(size=(8, 9)) * np.geomspace(1, 9, 9)
        result = pairwise_tests.compare(table, rng)
        wrong += [(result.adjusted <= 0.05).any(), (result.p <= 0.05).any()]
    assert wrong[0] / 400 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 400)
    assert wrong[1] / 400 > 0.3


def test_the_default_finds_differences_of_six_standard_errors() -> None:
    """One optimizer of nine differs by 6 standard errors at n = 10: 80% of its pairs or more are detected in 150 studies."""
    rng, hits = RNG(2), 0.0
    for _ in range(150):
        table = rng.normal(size=(10, 9))
        table[:, 0] += 6 * math.sqrt(2 / 10)
        hits += float((pairwise_tests.compare(table, rng).adjusted[:8] <= 0.05).mean())
    assert hits / 150 >= 0.8


@pytest.mark.parametrize("test", pairwise_tests.TESTS)
def test_no_test_depends_on_the_order_of_optimizers_or_repeats(test) -> None:
    """Reversed columns and rows give the same adjusted p for the same pairs."""
    table = scores(n=7)
    before = pairwise_tests.compare(table, RNG(0), test=test)
    after = pairwise_tests.compare(table[::-1, ::-1], RNG(0), test=test)
    for at, (one, other) in enumerate(zip(before.first, before.second, strict=True)):
        there = [(3 - b, 3 - a) for a, b in zip(after.first, after.second, strict=True)].index((one, other))
        assert before.adjusted[at] == pytest.approx(after.adjusted[there])
        assert before.mean[at] == pytest.approx(-after.mean[there])


def test_a_pair_uses_the_shared_repeats() -> None:
    """A failed repeat of one optimizer is omitted from its pairs, and not from the others."""
    table = scores()
    table[4, 1] = np.nan
    result = pairwise_tests.compare(table, RNG(0))
    assert result.n.tolist() == [9, 10, 10, 9, 9, 10]
    kept = np.delete(table, 4, axis=0)
    assert result.mean[0] == pytest.approx((kept[:, 0] - kept[:, 1]).mean())
    assert np.isfinite(result.adjusted).all()
    assert pairwise_tests.variance_reduction(table)[0] == pytest.approx(pairwise_tests.variance_reduction(kept)[0])


def test_equal_differences_have_a_standard_deviation_of_zero() -> None:
    """Three differences of −0.1 and a missing one have a standard deviation of exactly 0."""
    result = pairwise_tests.family(np.array([[-0.1], [-0.1], [np.nan], [-0.1]]), RNG(0))
    assert (result.mean[0], result.sd[0]) == (-0.1, 0.0)


@pytest.mark.parametrize("test", pairwise_tests.TESTS)
def test_degenerate_scores(test) -> None:
    """Equal optimizers have p = 1; one repeat has neither p nor bounds; only a column without scores has NaN."""
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


def test_welch_agrees_with_scipy_and_ignores_the_pairing() -> None:
    """Bounds and p are SciPy's, for any order of one optimizer's repeats and for unequal n."""
    table = scores()
    table[7:, 2] = np.nan
    result = pairwise_tests.compare(table, RNG(0), test="welch")
    low, high = result.interval(0.95)
    expected = stats.ttest_ind(table[:, 0], table[:7, 2], equal_var=False)
    bounds = expected.confidence_interval(0.95)
    assert result.p[1] == pytest.approx(expected.pvalue)
    assert (low[1], high[1]) == pytest.approx((bounds.low, bounds.high))
    shuffled = table.copy()
    shuffled[:, 0] = shuffled[::-1, 0]
    assert pairwise_tests.compare(shuffled, RNG(0), test="welch").p == pytest.approx(result.p)
    assert pairwise_tests.compare(shuffled, RNG(0)).p != pytest.approx(pairwise_tests.compare(table, RNG(0)).p)


def test_the_variance_reduction_from_pairing_is_a_ratio_of_variances() -> None:
    """0, 2, 4 and 1, 3, 8: variances 4 and 13, of the difference (−1, −1, −4) 3, so 17/3; equal columns have none."""
    table = np.array([[0.0, 1.0, 0.0], [2.0, 3.0, 2.0], [4.0, 8.0, 4.0]])
    assert pairwise_tests.variance_reduction(table) == pytest.approx([17 / 3, math.nan, 17 / 3], nan_ok=True)


def test_the_effect_size_is_unbiased() -> None:
    """J(9) = Γ(4.5)/(√4.5 Γ(4)) = 0.91387; s = 0 gives NaN; the mean of g is the true effect (Hedges 1981)."""
    result = pairwise_tests.effect_size([1.0, 1.0, 1.0], [0.5, 0.0, 0.5], [9, 9, 0])
    assert result == pytest.approx([2 * 0.91387, math.nan, math.nan], abs=1e-4, nan_ok=True)
    draws = RNG(4).normal(0.7, 1.0, (10, 20_000))
    g = pairwise_tests.effect_size(draws.mean(axis=0), draws.std(axis=0, ddof=1), 9)
    assert abs(g.mean() - 0.7) < 4 * g.std() / math.sqrt(20_000)


def test_the_unpaired_effect_size_uses_the_pooled_standard_deviation() -> None:
    """Means 3 and 1, s² = 1 and 4, n = 3 and 5: s² pooled = (2 + 16)/6 = 3, J(6) = Γ(3)/(√3 Γ(2.5)) = 0.86863."""
    one, other = np.array([2.0, 3.0, 4.0]), 1 + 2 * np.array([-1.0, 0.0, 1.0, -1.0, 1.0])
    table = np.full((5, 2), np.nan)
    table[:3, 0], table[:, 1] = one, other
    result = pairwise_tests.compare(table, RNG(0), test="welch")
    assert result.effect == pytest.approx([0.86863 * 2 / math.sqrt(3)], abs=1e-4)


def test_superiority_counts_ties_as_one_half() -> None:
    """Better in 2 of 4 and equal in 1: 5/8. Bounds are Clopper-Pearson's for integers. Unpaired, all combinations count."""
    share, low, high = pairwise_tests.superiority([3.0, 2.0, 1.0, 5.0], [1.0, 1.0, 1.0, 9.0])
    assert share == 5 / 8
    assert low < share < high
    complete = pairwise_tests.superiority([1.0] * 9 + [0.0], [0.5] * 10)
    expected = stats.binomtest(9, 10).proportion_ci(method="exact")
    assert complete == pytest.approx((0.9, expected.low, expected.high))
    assert pairwise_tests.superiority([1.0, 2.0], [0.0, 0.0])[2] == 1.0
    unpaired = pairwise_tests.superiority([1.0, 3.0], [2.0, 3.0, 0.0], paired=False)
    assert unpaired[0] == pytest.approx((0 + 0 + 1 + 1 + 0.5 + 1) / 6)  # 1 against 2, 3, 0; then 3 against them
    assert all(math.isnan(value) for value in pairwise_tests.superiority([math.nan], [1.0]))


def test_the_minimum_detectable_difference_is_detected_with_its_power() -> None:
    """A t test at n = 8 detects that true difference in 80% of 20,000 simulations, within 4 standard errors."""
    away = pairwise_tests.minimum_detectable_difference([2.0], [8], 0.95)[0]
    draws = RNG(5).normal(away, 2.0, (8, 20_000))
    hits = np.mean(stats.ttest_1samp(draws, 0).pvalue <= 0.05)
    assert abs(hits - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 20_000)
    assert math.isnan(pairwise_tests.minimum_detectable_difference([2.0], [1], 0.95)[0])


def test_the_repeats_needed_are_the_smallest_number_with_the_power() -> None:
    """Half a standard deviation needs 34 repeats for 80% power at 95% (Cohen 1988, paired t), not 33."""
    assert pairwise_tests.repeats_needed(0.5, 1.0, 0.95) == 34
    assert pairwise_tests.repeats_needed(-0.5, 1.0, 0.95) == 34
    assert pairwise_tests.repeats_needed(50.0, 1.0, 0.95) == 8, "sign-flip tests of fewer repeats have less power"
    assert pairwise_tests.repeats_needed(0.0, 1.0, 0.95) == math.inf
    assert pairwise_tests.repeats_needed(0.5, 0.0, 0.95) == 6
    assert math.isnan(pairwise_tests.repeats_needed(0.0, 0.0, 0.95))
    assert math.isnan(pairwise_tests.repeats_needed(math.nan, 1.0, 0.95))


def test_invalid_arguments_are_errors() -> None:
    """The message has the argument and its valid values."""
    with pytest.raises(ValueError, match='"matrix" must have two dimensions, got 1'):
        pairwise_tests.compare([1.0, 2.0], RNG(0))
    with pytest.raises(ValueError, match='"test" must be one of max-t, holm-t, welch, got "anova"'):
        pairwise_tests.compare(np.ones((3, 2)), RNG(0), test="anova")
