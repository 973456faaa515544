"""Tests of `reports.statistics.sign_flips`."""

import itertools

import numpy as np
import pytest
from scipy import stats

from reports.statistics import sign_flips

RNG = np.random.default_rng


def test_few_repeats_have_all_sign_patterns_once() -> None:
    """With the opposites, five repeats have 2⁵ patterns; the first flips nothing, and the first repeat is never flipped."""
    patterns = sign_flips.signs(5, RNG(0))
    both = {tuple(row) for row in np.vstack([patterns, -patterns])}
    assert patterns.shape == (16, 5)
    assert both == set(itertools.product([1.0, -1.0], repeat=5))
    assert (patterns[0] == 1).all()
    assert (patterns[:, 0] == 1).all()


def test_many_repeats_have_seeded_random_patterns() -> None:
    """20 repeats have half a million patterns: the requested number is drawn from the generator; the first flips nothing."""
    one, two, other = (sign_flips.signs(20, RNG(seed), max_patterns=500) for seed in (1, 1, 2))
    assert one.shape == (500, 20)
    assert (one[0] == 1).all()
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert set(np.unique(one)) == {-1.0, 1.0}
    assert abs(one[1:, 1:].mean()) < 4 / np.sqrt(499 * 19)


@pytest.mark.parametrize(("n", "exact"), [(1, True), (13, True), (14, False), (40, False)])
def test_up_to_13_repeats_have_all_patterns(n, exact) -> None:
    """13 repeats have 2¹² = 4096 patterns, 14 have twice as many; one repeat has one."""
    assert sign_flips.exact(n) is exact
    assert len(sign_flips.signs(n, RNG(0))) == min(2 ** (n - 1), sign_flips.MAX_PATTERNS)
    assert sign_flips.exact(14, max_patterns=2**13)


@pytest.mark.parametrize(("level", "min_repeats"), [(0.95, 6), (0.9, 5), (0.875, 4), (0.99, 8)])
def test_the_smallest_number_of_repeats_that_can_reject(level, min_repeats) -> None:
    """2 · 2⁻ⁿ: .0625 at 5 repeats, .03125 at 6, so 6 at 95% and 5 at 90%; .0078 at 8, so 8 at 99%; .125 at 4."""
    assert sign_flips.min_repeats_for_rejection(level) == min_repeats


def test_zero_repeats_are_an_error() -> None:
    """The message has the argument."""
    with pytest.raises(ValueError, match='"n" must be at least 1, got 0'):
        sign_flips.signs(0, RNG(0))


@pytest.mark.parametrize("missing", [False, True])
def test_the_per_comparison_level_agrees_with_brute_force(missing) -> None:
    """1 − the 5% quantile of the smallest p of the centred columns, over all sign patterns, from SciPy's t test."""
    columns = RNG(6).normal(size=(8, 5))
    if missing:
        columns[2, 1] = columns[5, 3] = np.nan
    centred = columns - np.nanmean(columns, axis=0)
    patterns = sign_flips.signs(8, RNG(0))
    smallest = [
        stats.ttest_1samp(pattern[:, np.newaxis] * centred, 0, nan_policy="omit").pvalue.min() for pattern in patterns
    ]
    expected = 1 - np.quantile(smallest, 0.05, method="lower")
    assert sign_flips.per_comparison_level(columns, 0.95, patterns) == pytest.approx(expected, rel=1e-9)


def test_the_per_comparison_level_lies_between_the_level_and_bonferroni() -> None:
    """One column and its copies need no adjustment; independent columns need nearly Bonferroni's; few repeats exactly that."""
    rng = RNG(5)
    columns = rng.normal(size=(10, 8))
    patterns = sign_flips.signs(10, rng)
    assert sign_flips.per_comparison_level(columns[:, :1], 0.95, patterns) == 0.95
    copies = sign_flips.per_comparison_level(np.repeat(columns[:, :1], 8, axis=1), 0.95, patterns)
    apart = sign_flips.per_comparison_level(columns, 0.95, patterns)
    assert copies < 0.96
    assert 0.98 < apart < 0.997
    few = sign_flips.per_comparison_level(columns[:5], 0.95, sign_flips.signs(5, rng))
    assert few == pytest.approx(1 - 0.05 / 8)


def test_the_per_comparison_level_is_at_least_the_level() -> None:
    """Proportional columns need no adjustment, and few patterns may not give a lower level."""
    for seed in range(20):
        column = RNG(seed).normal(size=(6, 1))
        same = np.hstack([column, 2 * column, 3 * column])
        assert sign_flips.per_comparison_level(same, 0.95, sign_flips.signs(6, RNG(0))) >= 0.95


def test_the_per_comparison_level_does_not_depend_on_the_scale() -> None:
    """Columns multiplied by 2⁵⁰⁰ and by 2⁻⁵⁰⁰ give the same level."""
    columns, patterns = RNG(4).normal(0.7, 1.0, (7, 3)), sign_flips.signs(7, RNG(0))
    plain = sign_flips.per_comparison_level(columns, 0.95, patterns)
    scaled = sign_flips.per_comparison_level(columns * [2.0**-500, 1.0, 2.0**500], 0.95, patterns)
    assert scaled == pytest.approx(plain)
