"""Tests of `reports.statistics.sign_flips`."""

import itertools

import numpy as np
import pytest
from scipy import stats

from reports.statistics import sign_flips


def every_pattern(n):
    """Return all 2ⁿ sign patterns by enumeration."""
    return np.array(list(itertools.product([1.0, -1.0], repeat=n)))


def t_statistics(differences, patterns):
    """Return |t| of each column under each pattern, by its definition."""
    result = []
    for pattern in patterns:
        flipped = pattern[:, np.newaxis] * differences
        n = np.isfinite(flipped).sum(axis=0)
        result.append(np.abs(np.nanmean(flipped, axis=0)) / (np.nanstd(flipped, axis=0, ddof=1) / np.sqrt(n)))
    return np.array(result)


def step_down(differences):
    """Return the p-values of Westfall and Young's algorithm 2.8 by brute force over all 2ⁿ patterns."""
    t = t_statistics(differences, every_pattern(len(differences)))
    order = sorted(range(t.shape[1]), key=lambda pair: -t[0, pair])
    p, least = np.zeros(t.shape[1]), 0.0
    for at, pair in enumerate(order):
        least = max(least, float(np.mean(t[:, order[at:]].max(axis=1) >= t[0, pair] * (1 - 1e-9))))
        p[pair] = least
    return p


def test_few_repeats_have_all_sign_patterns_once() -> None:
    """With the opposites, five repeats have 2⁵ patterns; the first flips nothing, and the first repeat is never flipped."""
    result = sign_flips.signs(5, np.random.default_rng(0))
    both = {tuple(row) for row in np.vstack([result, -result])}
    assert result.shape == (16, 5)
    assert both == {tuple(row) for row in every_pattern(5)}
    assert (result[0] == 1).all()
    assert (result[:, 0] == 1).all()


def test_many_repeats_have_seeded_random_patterns() -> None:
    """20 repeats have half a million patterns: the requested number is drawn from the generator; the first flips nothing."""
    one, two, other = (sign_flips.signs(20, np.random.default_rng(seed), max_patterns=500) for seed in (1, 1, 2))
    assert one.shape == (500, 20)
    assert (one[0] == 1).all()
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert set(np.unique(one)) == {-1.0, 1.0}
    assert abs(one[1:, 1:].mean()) < 4 / np.sqrt(499 * 19)


@pytest.mark.parametrize(("level", "min_repeats"), [(0.95, 6), (0.9, 5), (0.875, 4), (0.99, 8)])
def test_the_smallest_number_of_repeats_that_can_reject(level, min_repeats) -> None:
    """2 · 2⁻ⁿ: .0625 at 5 repeats, .03125 at 6, so 6 at 95% and 5 at 90%; .0078 at 8, so 8 at 99%; .125 at 4."""
    assert sign_flips.min_repeats_for_rejection(level) == min_repeats


@pytest.mark.parametrize("hole", [False, True])
def test_the_step_down_p_agrees_with_brute_force(hole) -> None:
    """Half of the patterns and a monotone statistic give the same p, for equal and for unequal n."""
    differences = np.random.default_rng(3).normal([0.0, 0.4, 0.8, 1.2, 2.0], 1.0, (6, 5))
    if hole:
        differences[2, 1] = np.nan
        result = sign_flips.test_statistic(differences, sign_flips.signs(6, np.random.default_rng(0)))
        t = t_statistics(differences, sign_flips.signs(6, np.random.default_rng(0)))
        n = np.isfinite(differences).sum(axis=0)
        assert np.allclose(np.exp(-result), 2 * stats.t.sf(t, n - 1), rtol=1e-6)
    else:
        result = sign_flips.test_statistic(differences, sign_flips.signs(6, np.random.default_rng(0)))
        assert sign_flips.step_down_p(result) == pytest.approx(step_down(differences))
        assert sign_flips.raw_p(result) == pytest.approx([step_down(differences[:, [at]])[0] for at in range(5)])


def test_the_p_of_one_difference_by_hand() -> None:
    """1 to 6: only the sum 21 and its opposite reach 21, so p is 2/64.

    With −1 instead of 1 the sum 19 is reached with the first flipped or not, and by the opposites: 4/64.
    """
    patterns = sign_flips.signs(6, np.random.default_rng(0))
    for values, expected in (([1, 2, 3, 4, 5, 6], 2 / 64), ([-1, 2, 3, 4, 5, 6], 4 / 64)):
        result = sign_flips.test_statistic(np.array(values, dtype=float)[:, np.newaxis], patterns)
        assert sign_flips.raw_p(result)[0] == expected


def test_differences_of_zero_have_p_1() -> None:
    """Two optimizers with equal scores have p = 1 in a family with one that differs."""
    differences = np.column_stack([np.zeros(6), np.full(6, 0.1)])
    result = sign_flips.test_statistic(differences, sign_flips.signs(6, np.random.default_rng(0)))
    assert sign_flips.step_down_p(result) == pytest.approx([1.0, 2 / 64])


def test_p_does_not_depend_on_the_scale() -> None:
    """Differences of 10²⁰⁰, whose squares overflow, give the same p."""
    differences = np.random.default_rng(4).normal(0.7, 1.0, (7, 3))
    patterns = sign_flips.signs(7, np.random.default_rng(0))
    plain = sign_flips.step_down_p(sign_flips.test_statistic(differences, patterns))
    scaled = sign_flips.step_down_p(sign_flips.test_statistic(differences * [1e-200, 1.0, 1e200], patterns))
    assert scaled == pytest.approx(plain)


def test_the_per_comparison_level_lies_between_the_level_and_bonferroni() -> None:
    """One column and its copies need no adjustment; independent columns need nearly Bonferroni's; few repeats exactly that."""
    rng = np.random.default_rng(5)
    columns = rng.normal(size=(10, 8))
    patterns = sign_flips.signs(10, rng)
    assert sign_flips.per_comparison_level(columns[:, :1], 0.95, patterns) == 0.95
    copies = sign_flips.per_comparison_level(np.repeat(columns[:, :1], 8, axis=1), 0.95, patterns)
    apart = sign_flips.per_comparison_level(columns, 0.95, patterns)
    assert copies < 0.96
    assert 0.98 < apart < 0.997
    few = sign_flips.per_comparison_level(columns[:5], 0.95, sign_flips.signs(5, rng))
    assert few == pytest.approx(1 - 0.05 / 8)


def test_zero_repeats_are_an_error() -> None:
    """The message has the argument."""
    with pytest.raises(ValueError, match='"n" must be at least 1, got 0'):
        sign_flips.signs(0, np.random.default_rng(0))


def test_the_per_comparison_level_is_at_least_the_level() -> None:
    """Proportional columns need no adjustment, and few patterns may not give a lower level."""
    for seed in range(20):
        column = np.random.default_rng(seed).normal(size=(6, 1))
        same = np.hstack([column, 2 * column, 3 * column])
        assert sign_flips.per_comparison_level(same, 0.95, sign_flips.signs(6, np.random.default_rng(0))) >= 0.95
