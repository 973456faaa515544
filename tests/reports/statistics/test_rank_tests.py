"""Tests of `reports.statistics.rank_tests`: against plain ranks, against published values, and by their invariances."""

import itertools
import math
import tracemalloc
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from naive_step_down import naive_step_down_p
from scipy import optimize, stats

from reports.statistics import sign_flips
from reports.statistics.rank_tests import paired_effects, paired_rank_tests, unpaired_effects, unpaired_rank_tests

RNG = np.random.default_rng
TESTS = [paired_rank_tests, unpaired_rank_tests]
SCORES = arrays(np.float64, (7, 3), elements=st.sampled_from([-np.inf, -2.0, -1.0, -0.25, 0.0, 0.5, 1.0, 1.5, 4.0]))

PAIN_A = [1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1]
PAIN_B = [3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4]
"""Pain scores of Brunner and Munzel 2000, Table 1: T = 3.1375, P = 0.7890."""

SLEEP_A = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_B = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
"""R's data set `sleep`: unpaired T = 2.1447, P = 0.745, permutation p = 0.0522 (TOSTER 0.8, 10,000 permutations)."""


def plain_statistic(a, b):
    """Return P̂(A > B) and T of Konietschke and Pauly from midranks, as `npar.t.test.paired` of nparcomp computes them."""
    n = len(a)
    pooled = stats.rankdata(np.concatenate([a, b]))
    placement_a = (pooled[:n] - stats.rankdata(a)) / n
    placement_b = (pooled[n:] - stats.rankdata(b)) / n
    difference = placement_a - placement_b
    error = difference.std(ddof=1) / np.sqrt(n)
    if error < 1e-12:
        error = np.sqrt(0.5 / (n - 1)) / (4 * n**2)
    return float(placement_a.mean()), float((placement_a.mean() - 0.5) / error)


def plain_swaps(a, b):
    """Return T of all 2ⁿ swaps, with all ranks computed again."""
    swaps = itertools.product([False, True], repeat=len(a))
    return np.array([plain_statistic(np.where(swap, b, a), np.where(swap, a, b))[1] for swap in swaps])


def scores_of(kind, n=7, k=4, seed=3):
    """Return scores of k optimizers with increasing means: normal, with ties, or with lost runs."""
    rng = RNG(seed)
    scores = rng.normal(size=(n, k)) + np.linspace(0, 1.5, k)
    if kind == "ties":
        scores = np.round(scores)
    if kind == "lost":
        scores[rng.random(scores.shape) < 0.25] = -np.inf
    return scores


def assert_same(result, other, names=None) -> None:
    """Compare the fields of two results exactly."""
    for name in names or [field.name for field in fields(result)]:
        np.testing.assert_array_equal(getattr(result, name), getattr(other, name), err_msg=name)


# The formulas.


@pytest.mark.parametrize("kind", ["normal", "ties", "lost"])
@pytest.mark.parametrize("seed", range(5))
def test_formulas_equal_plain_ranks(kind, seed) -> None:
    """Estimate, T, p and adjusted p equal those from midranks, computed again after every swap."""
    scores = scores_of(kind, seed=seed)
    result = paired_rank_tests(scores, RNG(0))
    swaps = []
    for at, (i, j) in enumerate(zip(result.first, result.second, strict=True)):
        share, statistic = plain_statistic(scores[:, i], scores[:, j])
        assert result.superiority[at] == pytest.approx(share, abs=1e-12)
        assert result.statistic[at] == pytest.approx(statistic, rel=1e-9, abs=1e-12)
        swaps.append(np.abs(plain_swaps(scores[:, i], scores[:, j])))
        assert result.p[at] == pytest.approx((swaps[-1] >= swaps[-1][0] - 1e-6).mean(), abs=1e-12)
    assert result.adjusted_p == pytest.approx(naive_step_down_p(np.array(swaps).T), abs=1e-12)
    assert result.exact


@pytest.mark.parametrize("n", [6, 8, 10])
def test_p_of_complete_separation_by_hand(n) -> None:
    """If all runs of A are above all runs of B, only the swap of all repeats has the same |T|: p = 2/2ⁿ."""
    scores = np.arange(2.0 * n).reshape(2, n).T
    result = paired_rank_tests(scores, RNG(0))
    assert result.p[0] == 2 / 2**n
    assert result.superiority[0] == 0


def aligned(scores):
    """Return |T| of all swaps of an aligned pair, except the two that swap nothing and everything, the largest first."""
    a, b = scores.T
    return np.sort(np.abs(plain_swaps(a - np.median(a[:, np.newaxis] - b), b))[1:-1])[::-1]


def test_the_critical_value_equals_plain_ranks() -> None:
    """The quantile of |T| is over the swaps of the aligned pair. Opposite patterns have the same |T|; one of them counts."""
    scores = scores_of("normal", n=8, k=2)
    result = paired_rank_tests(scores, RNG(0))
    assert result.shift[0] == pytest.approx(np.median(scores[:, :1] - scores[:, 1]), abs=1e-12)
    allowed = int(0.05 * 2**7)
    assert result.critical[0] == pytest.approx(aligned(scores)[2 * (allowed - 1)], rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_the_level_of_a_pair_equals_plain_ranks(seed) -> None:
    """1 − 25/512 with ten repeats of one pair, or less if |T| of several patterns is equal to q."""
    scores = RNG(seed).normal(size=(10, 2))
    result = paired_rank_tests(scores, RNG(0))
    statistics = aligned(scores)[::2]
    reaching = int((statistics >= result.critical[0] * (1 - 1e-5)).sum())
    exceeding = int((statistics > result.critical[0] * (1 + 1e-5)).sum())
    assert result.pair_level == 1 - (reaching if reaching <= 25 else exceeding) / 512
    assert reaching >= 25


def test_the_interval_has_the_shifts_that_are_not_rejected() -> None:
    """The bounds of δ separate the shifts that T rejects from the others."""
    scores = scores_of("normal", n=8, k=2)
    result = paired_rank_tests(scores, RNG(0))
    a, b = scores.T

    def rejected(shift):
        return abs(plain_statistic(a - shift, b)[1]) > result.critical[0] + 1e-6

    width = 1e-6
    assert not result.reconciled[0]
    assert not rejected(result.shift_low[0] + width)
    assert not rejected(result.shift_high[0] - width)
    assert all(rejected(result.shift_low[0] - step) for step in np.geomspace(width, 10, 200))
    assert all(rejected(result.shift_high[0] + step) for step in np.geomspace(width, 10, 200))


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("separate", [False, True])
def test_the_interval_of_superiority_by_its_formula(test, separate) -> None:
    """It contains P̂ ± q σ̂ and all P with (P̂ − P)² ≤ z²(1/n + 1/m)P(1 − P)/3, and it agrees with the test."""
    scores = scores_of("normal", n=9, k=3) + np.array([0, 0, 20 * separate])
    if test is unpaired_rank_tests:
        scores[7:, 1] = np.nan
    result = test(scores, RNG(0))
    size = (~np.isnan(scores)).sum(axis=0)
    for at, (i, j) in enumerate(zip(result.first, result.second, strict=True)):
        freedom = 8 if test is paired_rank_tests else size[i] + size[j] - 2
        z = max(-stats.norm.ppf(stats.t.sf(result.critical[at], freedom)), stats.norm.ppf(0.975))
        share, error = result.superiority[at], (result.superiority[at] - 0.5) / result.statistic[at]

        def excess(p, share=share, z=z, inverse=1 / size[i] + 1 / size[j]):
            return (share - p) ** 2 - z**2 * inverse * p * (1 - p) / 3

        inside = np.clip(share, 1e-9, 1 - 1e-9)  # at 0 and 1 the estimate itself is a root
        low = 0.0 if share == 0 else min(optimize.brentq(excess, 0, inside), share - result.critical[at] * error)
        high = 1.0 if share == 1 else max(optimize.brentq(excess, inside, 1), share + result.critical[at] * error)
        if result.rejected[at]:  # ½ is outside
            low, high = (max(low, 0.5), high) if share > 0.5 else (low, min(high, 0.5))
        else:
            low, high = min(low, 0.5), max(high, 0.5)
        assert result.superiority_low[at] == pytest.approx(max(0, low))
        assert result.superiority_high[at] == pytest.approx(min(1, high))
    assert (result.superiority[-1] == 0) == separate


@pytest.mark.parametrize(("a", "b"), [(PAIN_A, PAIN_B), (SLEEP_A, SLEEP_B), (SLEEP_B, [2.0, 7.0, 0.1])])
def test_the_unpaired_statistic_is_brunner_and_munzels(a, b) -> None:
    """|T| is SciPy's, and its sign is that of A − B."""
    scores = np.full((len(a), 2), np.nan)
    scores[:, 0], scores[: len(b), 1] = a, b
    result = unpaired_rank_tests(scores, RNG(0), min_repeats=2)
    assert result.statistic[0] == pytest.approx(-stats.brunnermunzel(a, b).statistic, rel=1e-12)
    assert result.n[0] == min(len(a), len(b))


def test_published_values() -> None:
    """T, P(A > B) and p agree with published examples."""
    scores = np.full((14, 2), np.nan)
    scores[:11, 0], scores[:, 1] = PAIN_B, PAIN_A
    result = unpaired_rank_tests(scores, RNG(0), permutations=20_000)
    assert result.statistic[0] == pytest.approx(3.1375, abs=1e-4)
    assert result.superiority[0] == pytest.approx(0.7889610, abs=1e-6)
    assert result.p[0] == pytest.approx(0.008, abs=0.0025)
    result = unpaired_rank_tests(np.column_stack([SLEEP_B, SLEEP_A]), RNG(0), permutations=20_000)
    assert result.statistic[0] == pytest.approx(2.1447, abs=1e-4)
    assert result.superiority[0] == pytest.approx(0.745, abs=1e-9)
    assert result.p[0] == pytest.approx(0.0522, abs=0.006)


@pytest.mark.parametrize("kind", ["normal", "ties", "lost"])
def test_unpaired_permutations_have_the_exact_distribution(kind) -> None:
    """The p of 40,000 random permutations agrees with that of all C(12, 6)."""
    scores = scores_of(kind, n=6, k=2, seed=1)
    pooled = scores.T.ravel()
    exact = []
    for chosen in itertools.combinations(range(12), 6):
        a, b = pooled[list(chosen)], np.delete(pooled, chosen)
        sign = np.nan_to_num(np.sign(np.subtract.outer(np.where(np.isinf(a), -1e9, a), np.where(np.isinf(b), -1e9, b))))
        g, h = sign.sum(axis=1), sign.sum(axis=0)
        exact.append(sign.sum() / np.sqrt(max(6 * g.var(ddof=1) + 6 * h.var(ddof=1), 0.1)))
    exact = np.abs(np.array(exact))
    result = unpaired_rank_tests(scores, RNG(0), permutations=40_000)
    assert result.p[0] == pytest.approx((exact >= exact[0] - 1e-9).mean(), abs=0.008)


def test_effects_are_numerator_and_denominator_of_the_statistic() -> None:
    """Row 0 has P̂ − ½ and its standard error; the other rows have those of swaps or permutations."""
    scores = scores_of("ties", n=8, k=3)
    pairs = np.array([0, 0, 1]), np.array([1, 2, 2])
    patterns = sign_flips.signs(8, RNG(0))
    effect, error = paired_effects(scores, patterns, pairs)
    result = paired_rank_tests(scores, RNG(0))
    assert effect[0] == pytest.approx(result.superiority - 0.5)
    assert effect[0] / error[0] == pytest.approx(result.statistic)
    for row in (5, 77):
        swapped = np.where(patterns[row] > 0, scores[:, :2].T, scores[:, 1::-1].T)
        share, statistic = plain_statistic(*swapped)
        assert effect[row, 0] == pytest.approx(share - 0.5, abs=1e-12)
        assert effect[row, 0] / error[row, 0] == pytest.approx(statistic, abs=1e-9)
    effect, error = unpaired_effects(scores, RNG(0), 50, pairs)
    result = unpaired_rank_tests(scores, RNG(0), permutations=50)
    assert effect.shape == error.shape == (50, 3)
    assert effect[0] == pytest.approx(result.superiority - 0.5)
    assert effect[0] / error[0] == pytest.approx(result.statistic)
    reached = np.abs(effect / error) >= np.abs(result.statistic) - 1e-6
    assert reached.mean(axis=0) == pytest.approx(result.p)


# Intervals and verdicts.


def test_interval_and_test_agree_for_seed_28() -> None:
    """For these scores, a step-down test with plain simultaneous intervals has p = 0.06 and an interval without 0."""
    scores = RNG(28).normal(size=(6, 3))
    result = paired_rank_tests(scores, RNG(0))
    at = int(np.flatnonzero((result.first == 0) & (result.second == 2))[0])
    assert not result.rejected[at]
    assert result.shift_low[at] <= 0 <= result.shift_high[at]


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("n", [6, 8, 15])
def test_intervals_agree_with_tests(test, n) -> None:
    """0 and ½ are outside the intervals if, and only if, the test rejects."""
    for seed in range(40):
        rng = RNG(seed)
        scores = np.round(rng.normal(size=(n, 5)) + np.linspace(0, 3, 5) * rng.random(), rng.integers(0, 4))
        scores[rng.random(scores.shape) < 0.1 * rng.random()] = -np.inf
        result = test(scores, rng)
        assert np.array_equal((result.shift_low > 0) | (result.shift_high < 0), result.rejected)
        assert np.array_equal((result.superiority_low > 0.5) | (result.superiority_high < 0.5), result.rejected)
        assert (result.shift_low <= result.shift_high).all()
        assert ((result.superiority_low <= result.superiority) & (result.superiority <= result.superiority_high)).all()
        assert (result.p <= result.adjusted_p + 1e-12).all()
        inside = (result.shift_low <= result.shift) & (result.shift <= result.shift_high) | np.isnan(result.shift)
        assert (inside | result.reconciled).all()


# Invariances.


@settings(deadline=None, max_examples=60)
@given(SCORES)
@pytest.mark.parametrize("test", TESTS)
def test_an_increasing_transform_changes_no_test(test, scores) -> None:
    """The tests use only the order of the scores."""
    result, again = test(scores, RNG(0)), test(np.where(np.isinf(scores), scores, np.exp(scores) - 3), RNG(0))
    assert_same(result, again, ["superiority", "statistic", "p", "adjusted_p", "rejected"])


@settings(deadline=None, max_examples=60)
@given(SCORES, st.sampled_from([-8.0, 0.5, 1024.0]))
@pytest.mark.parametrize("test", TESTS)
def test_a_constant_changes_nothing(test, scores, constant) -> None:
    """A constant that is added to all scores changes no field of the result."""
    assert_same(test(scores, RNG(0)), test(scores + constant, RNG(0)))


@settings(deadline=None, max_examples=60)
@given(arrays(np.int64, (9, 2), elements=st.integers(-4, 4)), st.integers(10, 990))
@example(np.array([[-4, 4], [0, -4], [0, 2], [-4, -4], [2, 2], [-3, -2], [3, 3], [-3, 1], [0, 0]]), 346)
@pytest.mark.parametrize("test", TESTS)
def test_the_rounding_of_fractions_changes_nothing(test, counts, base) -> None:
    """Fractions of 1,000 images have the results of their counts, although equal differences are rounded differently."""
    result, fractions = test(counts, RNG(0)), test((counts + base) / 1000, RNG(0))
    assert_same(
        result, fractions, ["superiority", "statistic", "p", "adjusted_p", "rejected", "critical", "pair_level"]
    )
    for name in ("shift", "shift_low", "shift_high"):
        np.testing.assert_allclose(1000 * getattr(fractions, name), getattr(result, name), atol=1e-9, err_msg=name)
    np.testing.assert_allclose(fractions.superiority_low, result.superiority_low, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(SCORES)
@pytest.mark.parametrize("test", TESTS)
def test_reversed_pairs_are_mirrored(test, scores) -> None:
    """B against A is the mirror image of A against B."""
    pairs = (np.array([0, 0, 1]), np.array([1, 2, 2]))
    result, reverse = test(scores, RNG(0), pairs=pairs), test(scores, RNG(0), pairs=pairs[::-1])
    assert_same(
        result, reverse, ["n", "in_family", "p", "adjusted_p", "rejected", "critical", "reconciled", "pair_level"]
    )
    assert np.allclose(result.superiority, 1 - reverse.superiority)
    assert np.allclose(result.statistic, -reverse.statistic)
    np.testing.assert_array_equal(result.shift, -reverse.shift)
    np.testing.assert_array_equal(result.shift_low, -reverse.shift_high)
    np.testing.assert_array_equal(result.shift_high, -reverse.shift_low)
    assert np.allclose(result.superiority_low, 1 - reverse.superiority_high)
    assert np.allclose(result.superiority_high, 1 - reverse.superiority_low)


@settings(deadline=None, max_examples=40)
@given(SCORES, st.permutations(range(7)))
def test_the_order_of_repeats_does_not_matter(scores, order) -> None:
    """With all swaps, the same repeats in another order give the same result."""
    result, again = (paired_rank_tests(table, RNG(0)) for table in (scores, scores[order]))
    assert np.allclose(result.adjusted_p, again.adjusted_p)
    assert np.array_equal(result.shift_low, again.shift_low)


def test_the_order_of_optimizers_does_not_matter() -> None:
    """The same optimizers in another order have the same p-values."""
    scores = scores_of("normal", n=8, k=4)
    result = paired_rank_tests(scores, RNG(0))
    again = paired_rank_tests(scores[:, ::-1], RNG(0))
    p = {frozenset((i, j)): q for i, j, q in zip(result.first, result.second, result.adjusted_p, strict=True)}
    q = {frozenset((3 - i, 3 - j)): q for i, j, q in zip(again.first, again.second, again.adjusted_p, strict=True)}
    assert p == pytest.approx(q)


@settings(deadline=None, max_examples=40)
@given(SCORES)
@pytest.mark.parametrize("test", TESTS)
def test_lost_runs_are_worst_and_tied(test, scores) -> None:
    """−inf and one finite score below all others give the same estimate, T and p."""
    result, finite = test(scores, RNG(0)), test(np.maximum(scores, -1e6), RNG(0))
    assert_same(result, finite, ["superiority", "statistic", "p", "adjusted_p", "rejected"])


@settings(deadline=None, max_examples=40)
@given(SCORES, st.integers(0, 7), st.integers(1, 9))
@pytest.mark.parametrize("test", TESTS)
def test_empty_repeats_change_nothing(test, scores, at, count) -> None:
    """Rows of NaN among the repeats leave every number as it is, also if there are more than 13 rows with them."""
    padded = np.insert(scores, np.full(count, at), np.nan, axis=0)
    assert_same(test(scores, RNG(0)), test(padded, RNG(0)))


# Unequal and small samples, ties, lost runs, extreme values.


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_too_few_repeats_have_no_verdict(test, n) -> None:
    """Below six repeats there is no p, and the intervals are unbounded."""
    result = test(RNG(0).normal(size=(n, 3)), RNG(0))
    assert not result.in_family.any()
    assert not result.rejected.any()
    assert np.isnan(result.p).all()
    assert np.isnan(result.adjusted_p).all()
    assert np.isnan(result.statistic).all() or n > 1
    assert np.isneginf(result.shift_low).all()
    assert (result.superiority_high == 1).all()
    assert math.isnan(result.pair_level)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("k", [0, 1])
def test_without_a_pair_the_result_is_empty(test, k) -> None:
    """No optimizer and one optimizer have no pair."""
    assert len(test(np.zeros((8, k)), RNG(0)).p) == 0


@pytest.mark.parametrize("test", TESTS)
def test_equal_scores_have_p_1(test) -> None:
    """If all runs are tied, nothing is rejected."""
    result = test(np.full((8, 3), 0.9), RNG(0))
    assert (result.p == 1).all()
    assert (result.adjusted_p == 1).all()
    assert not result.rejected.any()
    assert (result.superiority == 0.5).all()


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("other", [0.9, 0.8, -np.inf])
def test_tied_scores_leave_superiority_uncertain(test, other) -> None:
    """If no score of an optimizer varies, P(A > B) has at least Wilson's interval of a single test: v = 1.96² ⅔/10."""
    result = test(np.tile([0.9, other], (10, 1)), RNG(0))
    v, share = stats.norm.ppf(0.975) ** 2 * 2 / 30, result.superiority[0]
    assert share == (0.5 if other == 0.9 else 1.0)
    half = np.sqrt(v * share * (1 - share) + v**2 / 4) / (1 + v)
    assert result.superiority_low[0] <= (share + v / 2) / (1 + v) - half + 1e-12
    assert result.superiority_high[0] >= min(1.0, (share + v / 2) / (1 + v) + half) - 1e-12


@pytest.mark.parametrize("test", TESTS)
def test_constant_columns_are_compared_by_their_order(test) -> None:
    """Columns without spread that differ are completely separated."""
    result = test(np.tile([0.0, 0.0, 1.0], (8, 1)), RNG(0))
    assert result.superiority.tolist() == [0.5, 0.0, 0.0]
    assert result.rejected.tolist() == [False, True, True]
    assert result.shift.tolist() == [0.0, -1.0, -1.0]
    assert result.shift_high[1] == -1.0
    assert np.isfinite(result.statistic).all()


@pytest.mark.parametrize("test", TESTS)
def test_scores_near_the_largest_float(test) -> None:
    """Scores multiplied by 2⁹⁹⁶ have the same tests, and intervals with this factor."""
    scores = scores_of("normal", n=8, k=3)
    result, huge = test(scores, RNG(0)), test(scores * 2.0**996, RNG(0))
    assert_same(result, huge, ["superiority", "statistic", "p", "adjusted_p", "rejected", "superiority_low"])
    assert np.allclose(huge.shift_low / 2.0**996, result.shift_low)
    assert np.allclose(huge.shift_high / 2.0**996, result.shift_high)


@pytest.mark.parametrize("test", TESTS)
def test_lost_runs_by_hand(test) -> None:
    """12 of 20 runs of A and 3 of 20 of B are lost, and A is above B otherwise: P(A > B) = (8 · 20 + ½ · 12 · 3)/400."""
    scores = RNG(4).normal(size=(20, 2))
    scores[:12, 0] = -np.inf
    scores[12:, 0] += 100
    scores[:3, 1] = -np.inf
    result = test(scores, RNG(0))
    assert result.superiority[0] == pytest.approx((8 * 20 + 0.5 * 12 * 3) / 400)
    low = test(np.where(np.isinf(scores), -1e6, scores), RNG(0))
    assert result.adjusted_p[0] == low.adjusted_p[0]


@pytest.mark.parametrize("test", TESTS)
def test_an_optimizer_that_lost_all_runs_is_worse_by_an_infinite_shift(test) -> None:
    """It is rejected against the others, and the others are compared as before."""
    scores = RNG(4).normal(size=(10, 3))
    scores[:, 0] = -np.inf
    result = test(scores, RNG(0))
    assert result.rejected.tolist() == [True, True, False]
    assert result.shift_high[0] == -np.inf
    assert result.superiority[:2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("test", TESTS)
def test_two_optimizers_that_lost_all_runs_are_tied(test) -> None:
    """P(A > B) is ½, p is 1, and no shift is excluded."""
    result = test(np.full((10, 2), -np.inf), RNG(0))
    assert result.superiority[0] == 0.5
    assert result.p[0] == 1
    assert np.isneginf(result.shift_low[0])
    assert np.isposinf(result.shift_high[0])


@pytest.mark.parametrize("test", TESTS)
def test_invalid_arguments_are_errors(test) -> None:
    """+inf, one dimension and a level of 95 are errors."""
    with pytest.raises(ValueError, match=r'"scores" must not contain \+inf'):
        test(np.array([[1.0, np.inf]] * 8), RNG(0))
    with pytest.raises(ValueError, match='"scores" must have two dimensions'):
        test(np.zeros(8), RNG(0))
    with pytest.raises(ValueError, match='"level" must be between 0 and 1'):
        test(np.zeros((8, 2)), RNG(0), level=95)


def test_a_pair_outside_the_family_does_not_change_the_others() -> None:
    """A pair with five shared repeats has estimates only; the family is that of the other pairs."""
    scores = scores_of("normal", n=8, k=4)
    scores[5:, 3] = np.nan
    result = paired_rank_tests(scores, RNG(0))
    alone = paired_rank_tests(scores[:, :3], RNG(0))
    outside = ~result.in_family
    assert result.in_family.tolist() == [True, True, False, True, False, False]
    assert np.array_equal(result.adjusted_p[result.in_family], alone.adjusted_p)
    assert result.pair_level == alone.pair_level
    assert np.array_equal(result.n, [8, 8, 5, 8, 5, 5])
    assert np.isnan(result.p[outside]).all()
    assert (result.superiority_high[outside] == 1).all()
    assert np.isneginf(result.shift_low[outside]).all()
    assert np.isposinf(result.critical[outside]).all()
    share, statistic = plain_statistic(scores[:5, 0], scores[:5, 3])
    assert result.superiority[2] == pytest.approx(share)
    assert result.statistic[2] == pytest.approx(statistic)


def test_pairs_of_unequal_n_use_their_shared_repeats() -> None:
    """T and p of a pair are those of its shared repeats alone."""
    scores = scores_of("normal", n=12, k=3)
    scores[6:, 2] = np.nan
    result = paired_rank_tests(scores, RNG(0))
    assert result.in_family.all()
    for at, n in ((0, 12), (1, 6), (2, 6)):
        i, j = result.first[at], result.second[at]
        alone = paired_rank_tests(scores[:n][:, [i, j]], RNG(0))
        assert result.p[at] == pytest.approx(alone.p[0])
        assert result.statistic[at] == pytest.approx(alone.statistic[0])


def test_few_repeats_of_one_optimizer_do_not_hide_a_difference_of_others() -> None:
    """An optimizer with six repeats leaves the adjusted p small for pairs with twelve."""
    scores = RNG(0).normal(size=(12, 4))
    scores[:, 0] += 8
    scores[6:, 3] = np.nan
    assert paired_rank_tests(scores, RNG(0)).rejected[:2].all()


# Random patterns, and large families.


@pytest.mark.parametrize(("n", "exact"), [(13, True), (14, False)])
def test_from_14_repeats_patterns_are_random_and_reproducible(n, exact) -> None:
    """With 13 repeats the generator is not used. With 14 the result depends on its seed alone."""
    scores = RNG(1).normal(size=(n, 3)) + np.array([0, 0.5, 1])
    result, again, other = (paired_rank_tests(scores, RNG(seed)) for seed in (0, 0, 1))
    assert result.exact is exact
    assert_same(result, again)
    assert np.array_equal(result.p, other.p) is exact
    assert result.p == pytest.approx(other.p, abs=0.05)
    assert not unpaired_rank_tests(scores, RNG(0)).exact
    assert_same(*(unpaired_rank_tests(scores, RNG(0)) for _ in range(2)))


def test_random_patterns_are_close_to_all() -> None:
    """The p from 4096 random patterns differs by at most 0.03 from that of 2,000 of all 2¹⁵ patterns."""
    scores = RNG(1).normal(size=(16, 3)) + np.array([0, 0.5, 1])
    result = paired_rank_tests(scores, RNG(0))
    assert not result.exact
    patterns = sign_flips.signs(16, RNG(0), max_patterns=2**15)
    assert patterns.shape == (2**15, 16)
    assert (patterns[0] == 1).all()
    a, b = scores[:, 0], scores[:, 1]
    swaps = [
        abs(plain_statistic(np.where(s > 0, a, b), np.where(s > 0, b, a))[1])
        for s in patterns[np.r_[0, RNG(0).integers(2**15, size=2000)]]
    ]
    assert result.p[0] == pytest.approx(np.mean(np.array(swaps) >= swaps[0] - 1e-6), abs=0.03)


@pytest.mark.parametrize("test", TESTS)
def test_sixty_optimizers_need_less_than_a_gigabyte(test) -> None:
    """1,770 pairs with 13 repeats are computed in blocks of pairs."""
    scores = RNG(1).normal(size=(13, 60))
    tracemalloc.start()
    try:
        result = test(scores, RNG(0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(result.p) == 1770
    assert result.in_family.all()
    assert peak < 1e9
