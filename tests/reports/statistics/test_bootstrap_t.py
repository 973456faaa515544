"""Tests of `reports.statistics.bootstrap_t`."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_step_down import naive_step_down_p
from scipy import stats

from reports.statistics.bootstrap_t import RESAMPLES, bootstrap_t_tests

RNG = np.random.default_rng
PAIRED = pytest.mark.parametrize("paired", [True, False])
ARRAYS = ["difference", "low", "high", "p", "adjusted_p"]


def scores_of(n=9, k=4, seed=5):
    """Return skewed scores of k optimizers with increasing means and spreads."""
    return RNG(seed).exponential(size=(n, k)) * np.geomspace(0.5, 2, k) + np.linspace(0, 2, k)


def naive_resamples(rng, n, resamples):
    """Return the rows of each resample of n rows, from the same random numbers as the tests."""
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    return [np.repeat(np.arange(n), row) for row in counts]


def naive_paired(scores, i, j, rows):
    """Return |t| of the observed differences and |t*| of each resample, by the formulas."""

    def t(table, centre):
        x = table[:, i] - table[:, j]
        x = x[~np.isnan(x)]
        if len(x) < 2 or np.ptp(x) < 1e-9:
            return 1e12
        return abs(x.mean() - centre) / (x.std(ddof=1) / math.sqrt(len(x)))

    centre = np.nanmean(scores[:, i] - scores[:, j])
    return [t(scores, 0.0), *(t(scores[at], centre) for at in rows)]


def naive_unpaired(x, y, rows_x, rows_y):
    """Return |t| of two samples and |t*| of each resample with Welch's standard error, by the formulas."""

    def t(a, b, centre):
        se = math.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
        return abs(a.mean() - b.mean() - centre) / se if se > 1e-9 else 1e12

    centre = x.mean() - y.mean()
    return [t(x, y, 0.0), *(t(x[at], y[other], centre) for at, other in zip(rows_x, rows_y, strict=True))]


def on_p_scale(statistics, freedom):
    """Return −log p of the t test, on which pairs of unequal size are compared."""
    return -np.log(2) - stats.t.logsf(np.array(statistics).T, freedom)


@pytest.mark.parametrize("missing", [0, 3])
def test_paired_p_agrees_with_a_naive_loop(missing) -> None:
    """The p-values equal those of resampled tables, also if an optimizer lacks three of the repeats."""
    scores = scores_of()
    scores[:missing, 2] = np.nan
    result = bootstrap_t_tests(scores, RNG(3), resamples=300)
    rows = naive_resamples(RNG(3), 9, 299)
    naive = [naive_paired(scores, i, j, rows) for i, j in zip(result.first, result.second, strict=True)]
    assert result.p == pytest.approx(np.mean(np.array(naive) >= np.array(naive)[:, :1] - 1e-9, axis=1))
    strength = on_p_scale(naive, result.n - 1) if missing else np.array(naive).T
    assert result.adjusted_p == pytest.approx(naive_step_down_p(strength))
    assert result.in_family.all()


@pytest.mark.parametrize("sizes", [(9, 9, 9), (9, 6, 12)])
def test_unpaired_p_agrees_with_a_naive_loop(sizes) -> None:
    """The p-values equal those of resampled optimizers, with equal and unequal numbers of runs."""
    columns = [RNG(seed).exponential(size=n) + 0.5 * seed for seed, n in enumerate(sizes)]
    scores = np.full((max(sizes), 3), np.nan)
    for at, column in enumerate(columns):
        scores[: len(column), at] = column
    result = bootstrap_t_tests(scores, RNG(3), paired=False, resamples=300)
    rng = RNG(3)
    rows = [naive_resamples(rng, n, 299) for n in sizes]
    pairs = list(zip(result.first, result.second, strict=True))
    naive = [naive_unpaired(columns[i], columns[j], rows[i], rows[j]) for i, j in pairs]
    assert result.p == pytest.approx(np.mean(np.array(naive) >= np.array(naive)[:, :1] - 1e-9, axis=1))
    freedom = np.array([sizes[i] + sizes[j] - 2 for i, j in pairs])
    strength = on_p_scale(naive, freedom) if len(set(sizes)) > 1 else np.array(naive).T
    assert result.adjusted_p == pytest.approx(naive_step_down_p(strength))
    assert result.n.tolist() == [min(sizes[i], sizes[j]) for i, j in pairs]
    means = [column.mean() for column in columns]
    assert result.difference == pytest.approx([means[i] - means[j] for i, j in pairs])


def test_paired_p_of_many_resamples() -> None:
    """4096 resamples agree with 400,000 of a second implementation: p = .155, .041, .160; adjusted .261, .099, .261."""
    scores = RNG(5).normal(size=(10, 3)) + np.array([0, 0.4, 1.5])
    for seed in range(3):
        result = bootstrap_t_tests(scores, RNG(seed))
        assert result.p == pytest.approx([0.155, 0.041, 0.160], abs=0.02)
        assert result.adjusted_p == pytest.approx([0.261, 0.099, 0.261], abs=0.03)


def test_both_agree_with_t_tests_for_many_normal_scores() -> None:
    """With 60 normal scores, p and bounds are near those of the paired t test and of Welch's test."""
    scores = RNG(5).normal(size=(60, 2))
    scores[:, 0] += 0.3
    for paired in (True, False):
        expected = stats.ttest_rel(*scores.T) if paired else stats.ttest_ind(*scores.T, equal_var=False)
        result = bootstrap_t_tests(scores, RNG(0), paired=paired, resamples=20_000)
        assert result.p[0] == pytest.approx(expected.pvalue, abs=0.015)
        bounds = expected.confidence_interval(0.95)
        assert (result.low[0], result.high[0]) == pytest.approx((bounds.low, bounds.high), abs=0.03)


@PAIRED
def test_intervals_agree_with_tests(paired) -> None:
    """0 is outside the interval of the mean difference if, and only if, the test rejects."""
    rejected = 0
    for seed in range(40):
        result = bootstrap_t_tests(scores_of(k=5, seed=seed), RNG(seed), paired=paired)
        assert np.array_equal((result.low > 0) | (result.high < 0), result.rejected)
        assert ((result.low <= result.difference) & (result.difference <= result.high)).all()
        assert (result.p <= result.adjusted_p + 1e-12).all()
        rejected += int(result.rejected.sum())
    assert 0 < rejected < 400


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([0.25, 8.0, 2.0**500, 2.0**-500]), st.sampled_from([0.0, -3.0, 64.0]), st.integers(0, 99))
@PAIRED
def test_scale_and_shift_of_all_scores_change_no_p(paired, scale, shift, seed) -> None:
    """The differences and their bounds are multiplied by the scale."""
    scores = np.round(scores_of(n=7, k=3, seed=seed) * 64) / 64
    scores[5:, 1] = np.nan if seed % 2 else scores[5:, 1]
    result, other = (
        bootstrap_t_tests(x, RNG(0), paired=paired, min_repeats=5, resamples=500)
        for x in (scores, scale * (scores + shift))
    )
    assert other.p == pytest.approx(result.p)
    assert other.adjusted_p == pytest.approx(result.adjusted_p)
    assert other.difference / scale == pytest.approx(result.difference, abs=1e-9)
    assert other.low / scale == pytest.approx(result.low, abs=1e-9)
    assert other.high / scale == pytest.approx(result.high, abs=1e-9)
    assert other.pair_level == result.pair_level


@PAIRED
def test_reversed_pairs_are_mirrored(paired) -> None:
    """B − A is the negative of A − B, with the same p-values."""
    first, second = np.array([0, 0, 2]), np.array([1, 3, 1])
    scores = scores_of()
    result, reverse = (
        bootstrap_t_tests(scores, RNG(0), paired=paired, pairs=pairs) for pairs in ((first, second), (second, first))
    )
    for name in ("n", "in_family", "p", "adjusted_p", "rejected"):
        np.testing.assert_array_equal(getattr(result, name), getattr(reverse, name))
    assert result.difference == pytest.approx(-reverse.difference, rel=1e-12)
    assert result.low == pytest.approx(-reverse.high, rel=1e-12)
    assert result.high == pytest.approx(-reverse.low, rel=1e-12)
    assert result.pair_level == reverse.pair_level


def test_pairing_is_used_and_order_of_runs_is_not() -> None:
    """Another order of the runs of an optimizer changes the paired p, and the unpaired estimates do not change."""
    scores = scores_of(k=2)
    shuffled = np.column_stack([scores[:, 0], scores[::-1, 1]])
    paired, again = (bootstrap_t_tests(x, RNG(0)) for x in (scores, shuffled))
    assert paired.difference == pytest.approx(again.difference)
    assert paired.high[0] - paired.low[0] != pytest.approx(again.high[0] - again.low[0], rel=0.01)
    independent, other = (bootstrap_t_tests(x, RNG(0), paired=False) for x in (scores, shuffled))
    assert independent.difference == pytest.approx(other.difference)
    assert independent.p == pytest.approx(other.p, abs=0.03)


@PAIRED
def test_a_pair_with_a_lost_run_is_outside_the_family(paired) -> None:
    """A run of −inf has no mean: its pairs have no p and unbounded intervals. The other pair is tested as if alone."""
    scores = scores_of(n=10, k=3)
    scores[3, 2] = -np.inf
    result = bootstrap_t_tests(scores, RNG(0), paired=paired)
    alone = bootstrap_t_tests(scores[:, :2], RNG(0), paired=paired)
    assert result.in_family.tolist() == [True, False, False]
    assert not result.rejected[1:].any()
    for name in ("difference", "p", "adjusted_p"):
        assert np.isnan(getattr(result, name)[1:]).all(), name
    assert result.low[1:].tolist() == [-np.inf, -np.inf]
    assert result.high[1:].tolist() == [np.inf, np.inf]
    assert [getattr(result, name)[0] for name in ARRAYS] == pytest.approx([getattr(alone, name)[0] for name in ARRAYS])
    assert result.pair_level == alone.pair_level


def test_lost_runs_outside_the_shared_repeats_do_not_count() -> None:
    """The run of −inf has no partner, so that the paired means of the nine others are compared."""
    scores = scores_of(n=10, k=2)
    scores[3] = -np.inf, np.nan
    assert bootstrap_t_tests(scores, RNG(0)).in_family.tolist() == [True]
    assert bootstrap_t_tests(scores, RNG(0), paired=False).in_family.tolist() == [False]


def test_constant_differences_have_no_spread() -> None:
    """A constant paired difference of 0.25 is outside the family. Independent runs with the same means have a spread."""
    scores = RNG(5).normal(size=(10, 3))
    scores[:, 1] = scores[:, 0] + 0.25
    result = bootstrap_t_tests(scores, RNG(0))
    assert result.in_family.tolist() == [False, True, True]
    assert not result.rejected[0]
    assert result.difference[0] == pytest.approx(-0.25)
    assert bootstrap_t_tests(scores, RNG(0), paired=False).in_family.all()


@PAIRED
def test_constant_columns(paired) -> None:
    """Equal constants have p = 1; unequal constants are outside the family; a constant and a varying column are compared."""
    scores = np.column_stack([np.zeros(8), np.zeros(8), np.ones(8), RNG(0).normal(-3.0, 0.5, 8)])
    result = bootstrap_t_tests(scores, RNG(0), paired=paired)
    assert result.in_family.tolist() == [True, False, True, False, True, True]
    assert (result.p[0], result.adjusted_p[0], result.low[0], result.high[0]) == (1.0, 1.0, 0.0, 0.0)
    assert result.rejected.tolist() == [False, False, True, False, True, True]
    assert result.p[2] == result.p[4]


@PAIRED
def test_equal_scores_have_p_1(paired) -> None:
    """A mean of 0.9 that is inexact in its last bit is no difference."""
    result = bootstrap_t_tests(np.full((8, 3), 0.9), RNG(0), paired=paired)
    assert (result.p == 1).all()
    assert (result.adjusted_p == 1).all()
    assert not result.rejected.any()


@PAIRED
def test_every_pair_has_its_number_of_repeats(paired) -> None:
    """Seven repeats of the first optimizer and twelve of the others."""
    scores = RNG(5).normal(size=(12, 3)) + np.array([0, 0, 3])
    scores[7:, 0] = np.nan
    result = bootstrap_t_tests(scores, RNG(0), paired=paired)
    assert result.n.tolist() == [7, 7, 12]
    assert result.rejected.tolist() == [False, True, True]


@PAIRED
def test_empty_repeats_change_nothing(paired) -> None:
    """Rows of NaN leave every number as it is."""
    scores = scores_of(n=8)
    padded = np.insert(scores, [0, 3, 3, 8], np.nan, axis=0)
    result, again = (bootstrap_t_tests(x, RNG(0), paired=paired) for x in (scores, padded))
    for field in fields(result):
        np.testing.assert_array_equal(getattr(result, field.name), getattr(again, field.name), err_msg=field.name)


@PAIRED
def test_an_optimizer_without_runs(paired) -> None:
    """Its pairs have no difference; the pair of the others is tested."""
    scores = scores_of(n=8, k=3)
    scores[:, 1] = np.nan
    result = bootstrap_t_tests(scores, RNG(0), paired=paired)
    assert result.n.tolist() == [0, 8, 0]
    assert result.in_family.tolist() == [False, True, False]
    assert np.isnan(result.difference).tolist() == [True, False, True]


@PAIRED
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_too_few_repeats_have_no_verdict(n, paired) -> None:
    """Below six repeats there is no p, and the intervals are unbounded."""
    result = bootstrap_t_tests(RNG(0).normal(size=(n, 3)), RNG(0), paired=paired)
    assert not result.in_family.any()
    assert not result.rejected.any()
    assert np.isnan(result.p).all()
    assert np.isnan(result.adjusted_p).all()
    assert np.isnan(result.difference).all() == (n == 0)
    assert np.isneginf(result.low).all()
    assert math.isnan(result.pair_level)


@PAIRED
@pytest.mark.parametrize("shape", [(8, 0), (8, 1), (0, 0)])
def test_without_a_pair_the_result_is_empty(shape, paired) -> None:
    """No optimizer and one optimizer have no pair."""
    assert len(bootstrap_t_tests(np.zeros(shape), RNG(0), paired=paired).p) == 0


def test_the_level_of_a_pair() -> None:
    """With one pair, 5% of 4096 resamples exceed q: α = 204/4096. With six pairs α is between 5%/6 and 5%."""
    scores = scores_of()
    assert bootstrap_t_tests(scores[:, :2], RNG(0)).pair_level == 1 - math.floor(0.05 * RESAMPLES) / RESAMPLES
    assert 0.95 < bootstrap_t_tests(scores, RNG(0)).pair_level < 1 - 0.05 / 6 + 0.001


@PAIRED
def test_results_depend_on_the_seed_alone(paired) -> None:
    """The same seed gives the same p; another seed gives a similar one."""
    scores = scores_of()
    one, two, other = (bootstrap_t_tests(scores, RNG(seed), paired=paired) for seed in (0, 0, 1))
    assert np.array_equal(one.p, two.p)
    assert not np.array_equal(one.p, other.p)
    assert one.p == pytest.approx(other.p, abs=0.03)


@PAIRED
def test_invalid_arguments_are_errors(paired) -> None:
    """+inf, one dimension and a level of 95 are errors."""
    with pytest.raises(ValueError, match=r'"scores" must not contain \+inf'):
        bootstrap_t_tests(np.array([[1.0, np.inf]] * 8), RNG(0), paired=paired)
    with pytest.raises(ValueError, match='"scores" must have two dimensions'):
        bootstrap_t_tests(np.zeros(8), RNG(0), paired=paired)
    with pytest.raises(ValueError, match='"level" must be between 0 and 1'):
        bootstrap_t_tests(np.zeros((8, 2)), RNG(0), paired=paired, level=95)
