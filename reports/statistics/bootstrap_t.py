"""Bootstrap-t tests of mean differences: every pair of a family, step-down.

Scores are arrays with a row per repeat and a column per optimizer. NaN is a run that does not exist. −inf is a run that
diverged, stalled or failed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.statistics import step_down
from reports.statistics.intervals import LEVEL
from reports.statistics.step_down import ROUNDING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

RESAMPLES = 4096
"""Number of bootstrap resamples, the observed data among them."""

_LARGEST_T = 1e12
"""Replaces an infinite |t|, because the scale of `step_down.comparable` is interpolated."""


@dataclass(frozen=True, slots=True)
class MeanTests:
    """Bootstrap-t tests and intervals of the mean differences of the pairs (A, B); every array has an entry per pair.

    Attributes:
        first: Column of A.
        second: Column of B.
        n: Number of repeats that a pair shares; of independent repeats the smaller number of the two.
        in_family: Whether the pair belongs to the family: it has enough repeats, finite scores, and differences that vary or
            are all 0.
        difference: Mean of A − mean of B.
        low: Lower simultaneous bound of the mean difference.
        high: Upper simultaneous bound.
        p: Unadjusted p-value; NaN outside the family.
        adjusted_p: p-value of the step-down max-|t| test; NaN outside the family.
        rejected: Whether equal means are rejected: `adjusted_p` is at most 1 − `level`.
        pair_level: Confidence level of the test of one pair at the critical value of the family, averaged over the pairs.
        level: Confidence level of the family.
    """

    first: Indices
    second: Indices
    n: NDArray[np.int_]
    in_family: Mask
    difference: Array
    low: Array
    high: Array
    p: Array
    adjusted_p: Array
    rejected: Mask
    pair_level: float
    level: float


def bootstrap_t_tests(
    scores: ArrayLike,
    rng: np.random.Generator,
    *,
    paired: bool = True,
    level: float = LEVEL,
    min_repeats: int | None = None,
    pairs: tuple[Indices, Indices] | None = None,
    resamples: int = RESAMPLES,
) -> MeanTests:
    """Test equal means of every pair of optimizers by the bootstrap-t, step-down (Efron and Tibshirani 1993, chapter 16).

    Statistic. x are the scores of A, y are the scores of B, and t = (x̄ − ȳ)/se. If repeats are paired, se = s/√n, where s is
    the standard deviation of x − y over the n shared repeats. If repeats are independent, se = √(s_x²/n_x + s_y²/n_y), as in
    Welch's test.

    Resamples. If repeats are paired, a resample draws complete repeats with replacement, for all pairs together. If repeats are
    independent, it draws the runs of each optimizer with replacement. With the means and the standard error of the resample,
    t* = ((x̄* − ȳ*) − (x̄ − ȳ))/se*. A resample without spread counts as reaching every t. Repeats that no pair shares are not
    drawn.

    p-values. The adjusted p-value is the share of resamples in which the maximum of |t*| reaches |t|, step-down
    (`step_down.step_down_p`). The observed t counts as a resample. If pairs have unequal n, |t| is compared on the scale of the
    p-value of a t test (`step_down.comparable`).

    Intervals. The simultaneous interval is x̄ − ȳ ± q se, where q is the `level` quantile of max|t*|. Its bounds agree with the
    test (`step_down.agree_with_test`).

    Args:
        scores: Shape (repeats, optimizers); higher is better.
        rng: Draws the resamples.
        paired: Whether entry r of every column comes from the same repeat.
        level: Confidence level of the family.
        min_repeats: Number of repeats that a pair needs, at least 2. Default: `step_down.min_repeats_for_verdict`.
        pairs: Columns of A and of B. Default: all pairs.
        resamples: Number of resamples, the observed data among them.

    Returns:
        Estimates, tests and simultaneous intervals. A pair with a run of −inf has no mean, and a pair with constant
        differences other than 0 has no spread. Both are outside the family.

    Raises:
        ValueError: `scores` does not have two dimensions or contains +inf, or `level` is not between 0 and 1.
    """
    matrix = step_down.check_scores(scores, level)
    first, second = pairs if pairs is not None else step_down.pairs(matrix.shape[1])
    known = ~np.isnan(matrix)
    with np.errstate(invalid="ignore"):
        samples = matrix[:, first] - matrix[:, second] if paired else matrix
    shared = known[:, first] & known[:, second] if paired else known
    used = shared.any(axis=1)
    samples, shared = samples[used], shared[used]
    n, lost = shared.sum(axis=0), np.asarray((shared & ~np.isfinite(samples)).any(axis=0))
    mean, unit, scale = _centre(np.where(shared & ~lost, samples, 0.0), shared)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = scale * np.sqrt((unit**2).sum(axis=0) / (n - 1) / n)
    if paired:
        weights = _weights(rng, resamples - 1, len(samples))
        drawn_mean, drawn_error = (scale * part for part in _resample(weights, unit, shared))
        difference, counts, others = mean, n, n
    else:
        columns = [
            _resample(_weights(rng, resamples - 1, int(size)), unit[rows][:, [column]], np.ones((size, 1), dtype=bool))
            for column, (size, rows) in enumerate(zip(n, shared.T, strict=True))
        ]
        none = np.empty((resamples - 1, 0))
        means, errors = (scale * np.hstack([none, *(column[part] for column in columns)]) for part in (0, 1))
        drawn_mean, drawn_error = means[:, first] - means[:, second], np.hypot(errors[:, first], errors[:, second])
        error, difference = np.hypot(error[first], error[second]), mean[first] - mean[second]
        lost, counts, others = np.asarray(lost[first] | lost[second]), n[first], n[second]
    spread_lost: Mask = np.asarray(drawn_error <= np.sqrt(ROUNDING) * error)
    num_repeats = np.minimum(counts, others)
    enough = num_repeats >= max(min_repeats or step_down.min_repeats_for_verdict(level), 2)
    in_family = enough & ~lost & ((error > 0) | (difference == 0))
    p, adjusted = np.full((2, len(first)), np.nan)
    critical, pair_level = np.full(len(first), np.inf), math.nan
    if in_family.any():
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = np.where(spread_lost, _LARGEST_T, np.abs(drawn_mean) / drawn_error)
            t = np.where(error > 0, np.vstack([np.abs(difference) / error, drawn]), 0.0)[:, in_family]
        p[in_family] = step_down.raw_p(t)
        strength, scales = step_down.comparable(t, counts[in_family], others[in_family], paired=paired, bounded=False)
        adjusted[in_family] = step_down.step_down_p(strength)
        critical[in_family] = step_down.critical_values(strength, scales, level)
        pair_level = step_down.pair_level(t, critical[in_family], level)
    with np.errstate(invalid="ignore"):
        half = np.where(error > 0, critical * error, 0.0)
    low, high = np.where(in_family, difference - half, -np.inf), np.where(in_family, difference + half, np.inf)
    rejected = adjusted <= 1 - level + ROUNDING
    low, high, _ = step_down.agree_with_test(low, high, rejected, difference, 0.0)
    difference = np.where(lost | (num_repeats == 0), np.nan, difference)
    result = (first, second, num_repeats, in_family, difference, low, high, p, adjusted, rejected, pair_level, level)
    return MeanTests(*result)


def _centre(samples: Array, shared: Mask) -> tuple[Array, Array, Array]:
    """Return the mean of each column, the deviations from it divided by the largest one, and the largest one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = samples.sum(axis=0) / shared.sum(axis=0)
        centred = np.where(shared, samples - mean, 0.0)
        scale = np.abs(centred).max(axis=0, initial=0.0)
        scale[scale <= ROUNDING * np.abs(samples).max(axis=0, initial=0.0)] = 0.0
        return mean, centred / np.where(scale > 0, scale, np.inf), scale


def _weights(rng: np.random.Generator, resamples: int, n: int) -> Array:
    """Return how often each of n rows is drawn in each resample, shape (resamples, n)."""
    rows = max(n, 1)
    return rng.multinomial(n, np.full(rows, 1 / rows), size=resamples)[:, :n].astype(np.float64)


def _resample(weights: Array, unit: Array, shared: Mask) -> tuple[Array, Array]:
    """Return the mean of each column in each resample, and its standard error, shape (resamples, columns)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        count, total = weights @ shared.astype(np.float64), weights @ unit
        variance = np.maximum(weights @ unit**2 - total**2 / count, 0.0) / (count - 1)
        return total / count, np.where(count > 1, np.sqrt(variance / count), 0.0)
