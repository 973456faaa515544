"""Tests of `reports.statistics.step_down`."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from naive_step_down import naive_step_down_p
from scipy import stats

from reports.statistics import step_down
from reports.statistics.rank_tests import paired_rank_tests, unpaired_rank_tests

RNG = np.random.default_rng
STATISTICS = st.integers(1, 4).flatmap(
    lambda pairs: arrays(np.float64, (40, pairs), elements=st.integers(0, 9).map(float))
)


def test_p_by_hand() -> None:
    """Pair 0 is first: 3 is reached in two of four patterns. 2 is reached by pair 1 alone in three."""
    statistics = np.array([[3.0, 2.0], [1.0, 3.5], [2.0, 1.0], [2.5, 2.0]])
    assert step_down.raw_p(statistics).tolist() == [1 / 4, 3 / 4]
    assert step_down.step_down_p(statistics).tolist() == [2 / 4, 3 / 4]


@settings(deadline=None)
@given(STATISTICS)
def test_p_agrees_with_the_definition(statistics) -> None:
    """The vectorised p-values equal those of a loop over the pairs, also with ties."""
    adjusted = step_down.step_down_p(statistics)
    assert adjusted == pytest.approx(naive_step_down_p(statistics), abs=1e-12)
    assert (adjusted >= step_down.raw_p(statistics)).all()
    assert step_down.step_down_p(statistics[:, :1]) == step_down.raw_p(statistics[:, :1])


@settings(deadline=None)
@given(STATISTICS, st.randoms(use_true_random=False))
def test_p_does_not_depend_on_the_order_of_pairs(statistics, random) -> None:
    """A permutation of the pairs permutes the p-values."""
    order = list(range(statistics.shape[1]))
    random.shuffle(order)
    assert np.array_equal(step_down.step_down_p(statistics)[order], step_down.step_down_p(statistics[:, order]))


def test_rounding_does_not_change_p() -> None:
    """A pattern that differs from the observed value by rounding reaches it; infinity reaches infinity."""
    statistics = np.array([[3.0], [3.0 * (1 - 1e-9)], [2.99], [0.0]])
    assert step_down.raw_p(statistics)[0] == 2 / 4
    infinite = np.array([[math.inf], [math.inf], [1e300], [1.0]])
    assert step_down.raw_p(infinite)[0] == 2 / 4


@settings(deadline=None)
@given(STATISTICS)
def test_the_critical_value_agrees_with_p(statistics) -> None:
    """The largest |T| exceeds q if, and only if, its adjusted p is at most 1 − level."""
    q = step_down.critical_values(statistics, [], 0.9)
    assert len(set(q)) == 1
    assert (step_down.step_down_p(statistics).min() <= 0.1 + 1e-12) == (statistics[0].max() > q[0])


def test_the_critical_value_by_hand() -> None:
    """Of 100 patterns 5 may reach q: q is the fifth largest maximum without row 0. 19 patterns are too few for 95%."""
    statistics = np.column_stack([np.arange(100.0, 0.0, -1.0), np.zeros(100)])
    assert step_down.critical_values(statistics, [], 0.95).tolist() == [95.0, 95.0]  # 99, 98, 97, 96, 95
    assert step_down.critical_values(statistics[:20], [], 0.95).tolist() == [99.0, 99.0]
    assert step_down.critical_values(statistics[:19], [], 0.95).tolist() == [math.inf, math.inf]


@pytest.mark.parametrize("paired", [True, False])
def test_unequal_sizes_are_compared_as_p_values(paired) -> None:
    """The scale is −log p of SciPy's t distribution, and q has the same p in every pair."""
    n, m = np.array([6, 8, 8]), np.array([6, 8, 12]) if not paired else np.array([6, 8, 8])
    freedom = n - 1 if paired else n + m - 2
    statistics = np.abs(RNG(0).standard_t(freedom, size=(4000, 3)))
    strength, scales = step_down.comparable(statistics, n, m, paired=paired, bounded=False)
    assert np.exp(-strength) == pytest.approx(2 * stats.t.sf(statistics, freedom), rel=1e-3)
    q = step_down.critical_values(strength, scales, 0.95)
    p = 2 * stats.t.sf(q, freedom)
    assert p == pytest.approx(np.full(3, p[0]), rel=1e-3)
    assert p[0] == pytest.approx(1 - 0.95 ** (1 / 3), rel=0.2), "three independent pairs"


def test_equal_sizes_need_no_scale() -> None:
    """The statistics are returned unchanged."""
    statistics, n = RNG(0).random((5, 3)), np.full(3, 7)
    strength, scales = step_down.comparable(statistics, n, n, paired=True)
    assert strength is statistics
    assert scales == []


@pytest.mark.parametrize(("paired", "smallest"), [(True, 2.0**-5), (False, 2 / math.comb(12, 6))])
def test_the_scale_ends_at_the_smallest_p_of_permutations(paired, smallest) -> None:
    """Beyond the smallest p of six repeats, the scale increases by 0.001 for a factor of ten: the order remains."""
    statistics = np.geomspace(1, 1e12, 50)[:, np.newaxis] * np.ones(2)
    n, m = np.array([6, 20]), np.array([6, 20])
    strength = step_down.comparable(statistics, n, m, paired=paired)[0]
    assert (np.diff(strength, axis=0) > 0).all()
    assert -math.log(smallest) < strength[-1, 0] < -math.log(smallest) + 0.014
    assert (step_down.comparable(statistics, n, m, paired=paired, bounded=False)[0][-1] > 100).all()


def test_the_level_of_a_pair_by_hand() -> None:
    """One pair with all patterns of six repeats: 1 of 32 patterns rejects. With ten repeats, 25 of 512 reject."""
    for patterns, rejecting in ((32, 1), (512, 25)):
        statistics = RNG(0).permutation(np.arange(float(patterns)))[:, np.newaxis]
        statistics[[0, np.argmin(statistics)]] = statistics[[np.argmin(statistics), 0]]  # row 0 is not compared
        q = step_down.critical_values(statistics, [], 0.95)
        assert step_down.pair_level(statistics, q, 0.95) == 1 - rejecting / patterns


def test_the_level_of_a_pair_with_ties() -> None:
    """22 of 512 patterns exceed q and six attain it: together 28, more than 5%, so that 22 reject: 1 − 22/512 = 0.957."""
    statistics = np.concatenate([np.zeros(484), np.full(6, 1.0), np.linspace(2, 3, 22)])[:, np.newaxis]
    q = step_down.critical_values(statistics, [], 0.95)
    assert q.tolist() == [1.0]
    assert step_down.pair_level(statistics, q, 0.95) == 1 - 22 / 512
    statistics[484:487] = 0.5  # 22 and three are 25, at most 5%
    assert step_down.pair_level(statistics, q, 0.95) == 1 - 25 / 512


def test_the_level_of_a_pair_is_an_average_over_the_pairs() -> None:
    """The maximum of 32 patterns is attained by one pair of two: α = 1/64. If two patterns attain it, no pair can reject."""
    statistics = np.zeros((32, 2))
    statistics[7, 1] = 4.0
    q = step_down.critical_values(statistics, [], 0.95)
    assert step_down.pair_level(statistics, q, 0.95) == 1 - 1 / 64
    statistics[9, 0] = 4.0
    assert math.isnan(step_down.pair_level(statistics, q, 0.95))


def test_too_few_patterns_have_no_level_of_a_pair() -> None:
    """16 patterns cannot reject at 95%: q is infinite."""
    statistics = np.arange(16.0)[:, np.newaxis]
    assert math.isnan(step_down.pair_level(statistics, step_down.critical_values(statistics, [], 0.95), 0.95))


@pytest.mark.parametrize("seed", range(6))
def test_the_level_of_a_pair_of_rank_tests(seed) -> None:
    """With six repeats one pair has 1 − 1/32. In a family of nine optimizers, one pattern rejects at most, or none (NaN)."""
    scores = RNG(seed).normal(size=(6, 9))
    assert paired_rank_tests(scores[:, :2], RNG(0)).pair_level == 1 - 1 / 32
    family = paired_rank_tests(scores, RNG(0)).pair_level
    assert math.isnan(family) or family >= 1 - 36 / (32 * 36)
    assert math.isnan(unpaired_rank_tests(scores, RNG(0)).pair_level)


def test_the_smallest_number_of_repeats_for_a_verdict() -> None:
    """Six repeats at 80% and 95%, eight at 99%."""
    assert [step_down.min_repeats_for_verdict(level) for level in (0.8, 0.95, 0.99)] == [6, 6, 8]


def test_pairs_are_in_the_order_of_columns() -> None:
    """Three optimizers have three pairs; one has none."""
    first, second = step_down.pairs(3)
    assert list(zip(first, second, strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert len(step_down.pairs(1)[0]) == len(step_down.pairs(0)[0]) == 0


def test_bounds_agree_with_the_test_by_hand() -> None:
    """A rejected pair gets the next number beyond the null value; a pair that is not rejected is extended to it."""
    low, high, moved = step_down.agree_with_test(
        np.array([-1.0, 2.0, -3.0, 0.5, -2.0]),
        np.array([3.0, 3.0, 1.0, 2.0, -0.5]),
        np.array([True, True, True, False, False]),
        np.array([1.0, 2.5, -1.0, 1.0, -1.0]),
        0.0,
    )
    tiny = np.nextafter(0.0, 1.0)
    assert low.tolist() == [tiny, 2.0, -3.0, 0.0, -2.0]
    assert high.tolist() == [3.0, 3.0, -tiny, 2.0, 0.0]
    assert moved.tolist() == [True, False, True, True, True]


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3).map(sorted), st.booleans(), st.sampled_from([-1.0, 0.0, 0.5]))
def test_the_null_value_is_outside_if_and_only_if_the_test_rejects(values, rejected, null) -> None:
    """The bounds stay in order, and the estimate stays inside."""
    low, estimate, high = (np.array([value]) for value in values)
    rejects = np.array([rejected]) & (estimate != null)
    new_low, new_high, moved = step_down.agree_with_test(low, high, rejects, estimate - null, null)
    assert ((new_low > null) | (new_high < null)) == rejects
    assert new_low <= estimate <= new_high
    assert moved == ((new_low != low) | (new_high != high))


def test_invalid_scores_are_errors() -> None:
    """The message has the argument, its value and the fix."""
    assert step_down.check_scores([[1, 2], [3, -np.inf]], 0.95).dtype == np.float64
    with pytest.raises(ValueError, match='"scores" must have two dimensions, got 1'):
        step_down.check_scores([1.0, 2.0], 0.95)
    with pytest.raises(ValueError, match=r'"scores" must not contain \+inf'):
        step_down.check_scores([[1.0, np.inf]], 0.95)
    for level in (0.0, 1.0, 95):
        with pytest.raises(ValueError, match=f'"level" must be between 0 and 1, got {level}'):
            step_down.check_scores([[1.0]], level)
