"""Sign-flip permutations of complete repeats: the patterns of the paired rank tests, and the level of simultaneous bands.

Assumption of simultaneous bands. Let d_r be the vector of the values of repeat r at all positions, and δ the vector of their
true means. Repeats are independent, and d_r − δ has the same distribution as −(d_r − δ), jointly in all components.
Then flipping the signs of complete repeats does not change the distribution of the components with δ = 0. This holds for any
correlation and for unequal variances, also between repeats. If all optimizers have the same skewness, each difference is
symmetric, although not jointly with the others. Scores that are skewed and have unequal variances violate the assumption.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MAX_PATTERNS = 4096
"""The maximal number of sign patterns: all of them up to 13 repeats, a random sample of this size above."""

_TOLERANCE = 1e-9  # of rounding, in shares that should be equal


def min_repeats_for_rejection(level: float) -> int:
    """Return the smallest n at which a sign-flip test can reject: 2 · 2⁻ⁿ ≤ 1 − `level`, so 6 at 95%."""
    return math.ceil(1 - math.log2(1 - level) - _TOLERANCE)


def signs(n: int, rng: np.random.Generator, max_patterns: int = MAX_PATTERNS) -> Array:
    """Return sign patterns over n repeats, shape (patterns, n); the first pattern flips no sign.

    A pattern and its opposite give the same |t|, so the first repeat is never flipped: there are 2ⁿ⁻¹ patterns. If these are
    more than `max_patterns`, the others are a random sample. The share of patterns that reach the observed statistic is a
    valid p-value in both cases.

    Args:
        n: Number of repeats, at least 1.
        rng: Draws the patterns if they are not enumerated.
        max_patterns: The maximal number of patterns.

    Raises:
        ValueError: `n` is below 1.
    """
    if n < 1:
        raise ValueError(f'"n" must be at least 1, got {n}. Pass the number of repeats')
    if exact(n, max_patterns):
        bits = (np.arange(2 ** (n - 1))[:, np.newaxis] >> np.arange(n - 1)) & 1
        free = 1.0 - 2.0 * bits
    else:
        free = 1.0 - 2.0 * rng.integers(0, 2, size=(max_patterns, n - 1))
        free[0] = 1.0
    return np.hstack([np.ones((len(free), 1)), free])


def exact(n: int, max_patterns: int = MAX_PATTERNS) -> bool:
    """Return whether `signs` enumerates all patterns of n repeats."""
    return bool(2 ** (n - 1) <= max_patterns)


def per_comparison_level(differences: Array, level: float, patterns: Array) -> float:
    """Return the confidence level of each t interval at which all of them cover simultaneously with probability `level`.

    It follows from the `level` quantile of the maximal |t| of the centred differences under `patterns`. It is at least
    `level`, although few patterns of nearly equal columns can give a lower quantile. A single column needs no adjustment. If a
    column has fewer than `min_repeats_for_rejection(level)` repeats, there are too few patterns for a quantile, and the level
    is Bonferroni's, 1 − (1 − `level`)/m for m columns that vary.

    Args:
        differences: Shape (repeats, columns), NaN if a column lacks the repeat.
        level: Simultaneous confidence level, between 0 and 1.
        patterns: From `signs`, shape (patterns, repeats).
    """
    with np.errstate(invalid="ignore"):
        sd = np.nanstd(differences, axis=0) if len(differences) else np.zeros(differences.shape[1])
    varied = differences[:, sd > 0]
    m = varied.shape[1]
    if m <= 1:
        return level
    n = np.isfinite(varied).sum(axis=0)
    if n.min() < min_repeats_for_rejection(level):
        return float(1 - (1 - level) / m)
    a = _standardised(varied - np.nanmean(varied, axis=0), patterns)
    log_p = _log_p(a.max(axis=1), n[0]) if _equal(n) else _log_p(a, n).min(axis=1)
    return max(level, 1 - math.exp(float(np.quantile(log_p, 1 - level, method="lower"))))


def _equal(n: NDArray[np.int_]) -> bool:
    """Return whether all pairs have the same number of repeats."""
    return bool(np.all(n == n[0])) if len(n) else True


def _standardised(differences: Array, patterns: Array) -> Array:
    """Return a = |Σ s d|/√Σd² of each pair under each pattern, shape (patterns, pairs)."""
    d = np.where(np.isfinite(differences), differences, 0.0)
    largest = np.abs(d).max(axis=0)
    d /= np.where(largest > 0, largest, 1.0)  # so that no square overflows or underflows
    norm = np.sqrt((d**2).sum(axis=0))
    return np.asarray(np.abs(patterns @ (d / np.where(norm > 0, norm, 1.0))), dtype=np.float64)


def _log_p(a: Array, n: Any) -> Array:
    """Return log p of the two-sided one-sample t test of n repeats, from a; 0 for n < 2."""
    df = np.maximum(n - 1, 1)
    t = a * np.sqrt(df / np.maximum(n - a**2, _TOLERANCE * np.maximum(n, 1)))
    return np.asarray(np.where(n > 1, np.log(2) + stats.t.logsf(t, df), 0.0), dtype=np.float64)
