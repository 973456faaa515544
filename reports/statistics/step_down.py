"""Step-down maximum tests: adjusted p-values, critical values, and bounds that agree with the test.

The arrays of statistics have a row per pattern (a permutation or a resample) and a column per pair. Row 0 is observed.

References:
    Westfall and Young 1993, Resampling-Based Multiple Testing.
    Romano and Wolf 2005, Econometrica 73, 1237-1282.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special, stats

from reports.statistics import sign_flips
from reports.statistics.intervals import LEVEL

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

MIN_REPEATS = 6
"""The smallest number of repeats for a verdict at any level; see `min_repeats_for_verdict`."""

ROUNDING = 1e-9
"""Tolerance for the rounding of shares and of relative standard deviations."""

TOLERANCE = 1e-6
"""Two values of |T| within this relative distance count as equal, because only rounding separates them."""


def pairs(k: int) -> tuple[Indices, Indices]:
    """Return the columns of all k(k − 1)/2 pairs, the smaller column first."""
    first, second = np.triu_indices(k, 1)
    return first, second


def min_repeats_for_verdict(level: float = LEVEL) -> int:
    """Return the smallest number of repeats from which a pair can get a verdict at the confidence level `level`."""
    return max(MIN_REPEATS, sign_flips.min_repeats_for_rejection(level))


def check_scores(scores: ArrayLike, level: float) -> Array:
    """Return the scores as a matrix of floats.

    Args:
        scores: Shape (repeats, optimizers); higher is better.
        level: Confidence level of the family.

    Raises:
        ValueError: `scores` does not have two dimensions or contains +inf, or `level` is not between 0 and 1.
    """
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f'"scores" must have two dimensions, got {matrix.ndim}. Pass a row per repeat')
    if np.any(matrix == np.inf):
        raise ValueError('"scores" must not contain +inf. Negate losses, so that a diverged run is -inf')
    if not 0 < level < 1:
        raise ValueError(f'"level" must be between 0 and 1, got {level}. Write 0.95 for 95%')
    return matrix


def raw_p(statistics: NDArray[Any]) -> Array:
    """Return the unadjusted p-value of each pair: the share of patterns in which |T| is at least the observed value.

    Args:
        statistics: |T|, shape (patterns, pairs); row 0 is observed.
    """
    return np.asarray((statistics >= threshold(statistics[0])).mean(axis=0), dtype=np.float64)


def step_down_p(strength: NDArray[Any]) -> Array:
    """Return the p-values of the step-down max-|T| test (Westfall and Young 1993, algorithm 2.8).

    Pairs are ordered by their observed |T|, the largest first. Pair i is compared with the maximum over the pairs i, i + 1,
    and so on. Adjusted p-values are monotone in this order. The family-wise error rate is controlled for every set of true null
    hypotheses, because the maximum over a larger set is larger (Romano and Wolf 2005).

    Args:
        strength: |T| on a scale that is comparable between pairs (`comparable`), shape (patterns, pairs); row 0 is observed.

    Returns:
        An adjusted p-value per pair, at least `raw_p`.
    """
    rising = np.argsort(-strength[0], kind="stable")[::-1]
    maximum = np.maximum.accumulate(strength[:, rising], axis=1)
    reached = (maximum >= threshold(strength[0, rising])).mean(axis=0)
    adjusted = np.empty(len(rising))
    adjusted[rising[::-1]] = np.maximum.accumulate(reached[::-1])
    return adjusted


def threshold(observed: NDArray[Any]) -> Array:
    """Return the observed statistic minus a tolerance for rounding; infinity stays infinity."""
    return np.asarray(observed - TOLERANCE * np.clip(observed, 1e-3, 1e30), dtype=np.float64)


def comparable(
    statistics: NDArray[Any], n: NDArray[np.int_], m: NDArray[np.int_], *, paired: bool, bounded: bool = True
) -> tuple[NDArray[Any], list[tuple[Array, Array]]]:
    """Return |T| on a scale that is comparable between pairs of unequal size, and the scale of each pair.

    If all pairs have the same size, the scale is |T|, and the list of scales is empty. Otherwise the scale is −log p, where p
    is the two-sided p-value of a t test. The test has n − 1 degrees of freedom if repeats are paired, otherwise n + m − 2.

    Args:
        statistics: |T|, shape (patterns, pairs).
        n: Number of runs of A of each pair, shape (pairs,).
        m: Number of runs of B.
        paired: Whether repeats are paired.
        bounded: Whether the scale ends at the smallest p that permutations of n and m runs can give.

    Returns:
        |T| on the scale, shape (patterns, pairs), and for each pair increasing values of |T| with their values on the scale.
    """
    sizes = list(zip(n.tolist(), m.tolist(), strict=True))
    scales = {size: _comparable_scale(*size, paired=paired, bounded=bounded) for size in set(sizes)}
    if len(scales) == 1:
        return statistics, []
    compared = np.empty(statistics.shape)
    for size, scale in scales.items():
        at = np.array([other == size for other in sizes])
        compared[:, at] = np.interp(statistics[:, at], *scale)
    return compared, [scales[size] for size in sizes]


def _comparable_scale(n: int, m: int, *, paired: bool, bounded: bool) -> tuple[Array, Array]:
    """Return increasing values of |T|, and −log p of the two-sided t test at each; see `comparable`.

    Beyond the smallest p, the scale increases by 0.001 when |T| increases by a factor of ten. This preserves the order of |T|.
    """
    freedom = n - 1 if paired else n + m - 2
    patterns = (n - 1) * math.log(2) if paired else float(-np.log(2) - special.betaln(n + 1, m + 1) - np.log(n + m + 1))
    largest = min(patterns, 600.0) if bounded else 600.0
    last = float(stats.t.isf(math.exp(-largest) / 2, freedom))
    t = np.concatenate([np.linspace(0, min(last, 20), 2001), np.geomspace(20, last, 500)[1:] if last > 20 else []])
    strength = -np.log(2) - stats.t.logsf(t, freedom)
    decades = np.arange(1, 14)
    return np.concatenate([t, last * 10.0**decades]), np.concatenate([strength, strength[-1] + 1e-3 * decades])


def critical_values(strength: NDArray[Any], scales: list[tuple[Array, Array]], level: float) -> Array:
    """Return the critical value q of each pair: the `level` quantile of the maximum of |T| over the pairs.

    Row 0 is the observed value, which is compared with q. It is not in the quantile, but it counts as a pattern.

    Args:
        strength: |T| on the scale of `comparable`, shape (patterns, pairs).
        scales: The scales of the pairs from `comparable`.
        level: Confidence level of the family.

    Returns:
        q on the scale of |T|, shape (pairs,); infinite if the patterns are too few for the quantile.
    """
    maximum = np.sort(strength[1:].max(axis=1))[::-1]
    allowed = math.floor((1 - level) * len(strength) + ROUNDING)
    quantile = float(maximum[allowed - 1]) if 1 <= allowed <= len(maximum) else math.inf
    if not scales:
        return np.full(strength.shape[1], quantile)
    return np.array([np.interp(quantile, s, t) if quantile < s[-1] else math.inf for t, s in scales])


def pair_level(statistics: NDArray[Any], critical: Array, level: float) -> float:
    """Return 1 − α, where α is the probability that the test rejects one true null hypothesis, averaged over the pairs.

    α is the share of patterns in which |T| of a pair exceeds q. Patterns with |T| = q count only if the family then has a
    p-value of at most 1 − `level`.

    Args:
        statistics: |T|, shape (patterns, pairs); row 0 is observed. It counts as a pattern, but is not compared with q.
        critical: q, shape (pairs,).
        level: Confidence level of the family.

    Returns:
        NaN if α is 0: the repeats are then too few for a family of this size.
    """
    attains = statistics[1:] >= threshold(critical)
    if attains.any(axis=1).sum() > math.floor((1 - level) * len(statistics) + ROUNDING):
        attains = statistics[1:] > critical + TOLERANCE * critical
    alpha = float(attains.sum() / (len(statistics) * len(critical)))
    return 1 - alpha if alpha > 0 else math.nan


def agree_with_test(low: Array, high: Array, rejected: Mask, side: Array, null: float) -> tuple[Array, Array, Mask]:
    """Return bounds that exclude the value of the null hypothesis if, and only if, the step-down test rejects.

    If the test rejects, a bound beyond `null` is moved to the next number on the side of the estimate, as in confidence bounds
    of step-down tests (Stefansson, Kim and Hsu 1988). If it does not reject, the interval is extended to `null`.

    Args:
        low: Lower bounds, shape (pairs,).
        high: Upper bounds, shape (pairs,).
        rejected: Whether the step-down test rejects the null hypothesis, shape (pairs,).
        side: The estimate minus `null`, or any number with the same sign, shape (pairs,).
        null: The value of the null hypothesis.

    Returns:
        The lower bounds, the upper bounds, and whether a bound was moved.
    """
    above, below = np.nextafter(null, np.inf), np.nextafter(null, -np.inf)
    new_low = np.where(rejected & (side > 0), np.maximum(low, above), np.where(rejected, low, np.minimum(low, null)))
    new_high = np.where(
        rejected & (side < 0), np.minimum(high, below), np.where(rejected, high, np.maximum(high, null))
    )
    return new_low, new_high, (new_low != low) | (new_high != high)
