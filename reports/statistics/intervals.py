"""Intervals of means, medians, curves and success rates: pure statistics on arrays.

Every function takes the scores of one optimizer's repeats, says how many there were, and gives NaN bounds, never bounds
of no width, where there are too few of them. How often each interval holds the truth is measured in `docs/statistics.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from reports.statistics import sign_flips

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

METHOD = "Student t"
"""The name of the method, to stand beside every number that comes from here."""

SIMULTANEOUS = "simultaneous, joint sign flips"
STUDENTISED = "studentised bootstrap"
MEDIAN = "order statistics"
SUCCESS = "Clopper-Pearson"

FEWEST_RESAMPLED = 5
"""The repeats that a studentised bootstrap takes: fewer have too few resamples."""

LEVEL = 0.95
"""The default level: the share of such intervals, over many studies, that hold the true mean."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the bounds of its interval."""

    mean: float
    low: float
    high: float
    n: int
    level: float = LEVEL
    method: str = METHOD


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that is no mean, and the bounds of its interval; `level` is the level that the interval really has."""

    value: float
    low: float
    high: float
    n: int
    level: float
    method: str


@dataclass(frozen=True, slots=True)
class Band:
    """Means and bounds, position by position."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: int
    level: float = LEVEL
    method: str = METHOD


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """The mean of independent repeats and its Student t interval: x̄ ± t₍₁₊level₎/₂,ₙ₋₁ · s/√n.

    Exact for normal scores; how often it holds the mean of others is measured (`docs/statistics.md`). It speaks of the mean
    over what varied between the repeats, and of nothing that all of them share.

    Args:
        values: One score per repeat, shape (n,). A NaN among them makes everything NaN: no mean leaves a run out.
        level: Between 0 and 1.

    Returns:
        The interval. For n = 0 the mean is NaN; for n < 2 the bounds are NaN, since one repeat tells nothing about the
        spread. Equal values give bounds that equal the mean: that is what t gives, not a proof of certainty.

    Raises:
        ValueError: `level` is not between 0 and 1, or `values` is not one-dimensional.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f'"values" must have one dimension, got {array.ndim}. Pass the scores of one optimizer')
    band = t_band(array[:, np.newaxis], level)
    return Interval(float(band.mean[0]), float(band.low[0]), float(band.high[0]), band.n, level)


def t_band(matrix: ArrayLike, level: float = LEVEL) -> Band:
    """`t_interval` at each position of a curve, apart from all other positions.

    Pointwise: each position is covered with probability `level`, the whole curve with less.

    Args:
        matrix: A row per repeat, a column per position, shape (n, positions).
        level: Between 0 and 1.

    Raises:
        ValueError: `level` is not between 0 and 1, or `matrix` does not have two dimensions.
    """
    array = np.asarray(matrix, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f'"matrix" must have two dimensions, got {array.ndim}. Pass a row per repeat')
    _check_level(level)
    n, positions = array.shape
    unknown = np.full(positions, np.nan)
    if n == 0:
        return Band(unknown, unknown, unknown, n, level)
    with np.errstate(invalid="ignore", over="ignore"):
        centred = array - array[0]  # so that equal values have a spread of exactly 0, whatever their last bit
        mean = array[0] + centred.mean(axis=0)
        if n == 1:
            return Band(mean, unknown, unknown, n, level)
        half = stats.t.ppf((1 + level) / 2, n - 1) * centred.std(axis=0, ddof=1) / np.sqrt(n)
        return Band(mean, mean - half, mean + half, n, level)


def simultaneous_band(matrix: ArrayLike, rng: np.random.Generator, level: float = LEVEL) -> Band:
    """A band that holds the whole mean curve with probability `level`: x̄ ± c · s/√n, one c for all positions.

    c is the quantile of the maximal |t| over the positions under joint sign flips of whole repeats, so it uses how the
    positions hang together; below 6 repeats (at 95%) Bonferroni's. See `reports.statistics.sign_flips` for what is assumed.

    Args:
        matrix: A row per repeat, a column per position, shape (n, positions). Positions with a NaN get no bounds.
        rng: Draws the flips where there are too many to make them all.
        level: Between 0 and 1.
    """
    array = np.asarray(matrix, dtype=np.float64)
    band = t_band(array, level)
    known = np.isfinite(band.low) & np.isfinite(band.high)
    if not known.any():
        return replace(band, method=SIMULTANEOUS)
    each = sign_flips.per_comparison_level(array[:, known], level, sign_flips.signs(band.n, rng))
    wide = t_band(array, each)
    return replace(wide, level=level, method=SIMULTANEOUS)


def studentised_interval(
    values: ArrayLike, rng: np.random.Generator, level: float = LEVEL, resamples: int = 9999
) -> Interval:
    """The mean and its studentised bootstrap interval: [x̄ − t*₁₋α/₂ · s/√n, x̄ − t*α/₂ · s/√n].

    t* = (x̄* − x̄)/(s*/√n) over resamples of the repeats; closer to its level than t for skewed scores, and too narrow for
    measured ones. Few values make some resamples almost without spread, and then very wide bounds.

    Args:
        values: One score per repeat, shape (n,).
        rng: Draws the resamples.
        level: Between 0 and 1.
        resamples: How many; those without any spread are left out.

    Returns:
        Bounds are NaN below 5 repeats, whose resamples are too few to have such quantiles, and
        where a value is not finite; equal values give bounds that equal the mean.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f'"values" must have one dimension, got {array.ndim}. Pass the scores of one optimizer')
    counts = rng.multinomial(len(array), np.full(len(array), 1 / len(array)), size=resamples) if len(array) else None
    band = studentised_band(array[:, np.newaxis], counts, level)
    return Interval(float(band.mean[0]), float(band.low[0]), float(band.high[0]), band.n, level, STUDENTISED)


def studentised_band(matrix: ArrayLike, counts: NDArray[np.int_] | None, level: float = LEVEL) -> Band:
    """`studentised_interval` of each column: `counts`, shape (resamples, n), says how often a resample holds each repeat."""
    array = np.asarray(matrix, dtype=np.float64)
    band = replace(t_band(array, level), method=STUDENTISED)
    n, positions = array.shape
    unknown = np.full(positions, np.nan)
    if counts is None or n < FEWEST_RESAMPLED:
        return replace(band, low=unknown, high=unknown)
    centred = array - band.mean
    spread = centred.std(axis=0, ddof=1)
    mean = counts @ centred / n
    variance = np.maximum(counts @ centred**2 / n - mean**2, 0.0) * n / (n - 1)
    flat = variance <= 1e-12 * spread**2  # all drawn values are one
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(flat, np.nan, mean / np.sqrt(variance / n))
    low, high = unknown.copy(), unknown.copy()
    for at in np.flatnonzero(np.isfinite(spread)):
        drawn = t[np.isfinite(t[:, at]), at]
        ends = np.quantile(drawn, [(1 + level) / 2, (1 - level) / 2]) if len(drawn) else np.zeros(2)
        low[at], high[at] = band.mean[at] - ends * spread[at] / np.sqrt(n)
    return replace(band, low=low, high=high)


def median_interval(values: ArrayLike, level: float = LEVEL) -> Estimate:
    """The median and the interval [x₍ᵣ₎, x₍ₙ₊₁₋ᵣ₎] of order statistics, which holds for any distribution.

    r is the largest with 2 · P(B < r) ≤ 1 − level, B binomial with n and ½; the level that is reached, at least the one
    asked for, is in the result.

    Returns:
        Bounds are NaN where even the smallest and the largest value reach no such level: below 6 repeats at 95%.
    """
    array = np.sort(np.asarray(values, dtype=np.float64))
    _check_level(level)
    n = len(array)
    if n == 0 or not np.isfinite(array).all():
        return Estimate(np.nan, np.nan, np.nan, n, level, MEDIAN)
    rank = int(stats.binom.ppf((1 - level) / 2, n, 0.5))
    middle = float(np.median(array))
    if rank < 1:
        return Estimate(middle, np.nan, np.nan, n, level, MEDIAN)
    reached = float(1 - 2 * stats.binom.cdf(rank - 1, n, 0.5))
    return Estimate(middle, float(array[rank - 1]), float(array[n - rank]), n, reached, MEDIAN)


def success_interval(successes: int, trials: int, level: float = LEVEL) -> Estimate:
    """The share of repeats that succeeded and its Clopper-Pearson interval, which holds at least with `level`.

    Apart from the scores: where repeats fail, the mean of those that succeeded tells half of it.

    Raises:
        ValueError: Not 0 ≤ successes ≤ trials.
    """
    _check_level(level)
    if not 0 <= successes <= trials:
        raise ValueError(f'"successes" must be between 0 and {trials}, got {successes}. Pass a count of the trials')
    if trials == 0:
        return Estimate(np.nan, np.nan, np.nan, 0, level, SUCCESS)
    bounds = stats.binomtest(successes, trials).proportion_ci(level, method="exact")
    return Estimate(successes / trials, float(bounds.low), float(bounds.high), trials, level, SUCCESS)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f'"level" must be between 0 and 1, got {level}. Write 0.95 for 95%')
