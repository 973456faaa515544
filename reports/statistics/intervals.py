"""Confidence intervals of means, medians, curves and success rates: pure statistics on arrays.

Every function takes the scores of one optimizer's repeats and returns their number with the bounds. Bounds are NaN, never
of width zero, if there are too few repeats. `docs/statistics.md` has the measured coverage of each interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from reports.statistics import sign_flips

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

METHOD = "Student t"
"""The default method; a report names it beside every number that has it."""

SIMULTANEOUS = "simultaneous, sign-flip permutations"
STUDENTISED = "studentised bootstrap"
MEDIAN = "order statistics"
SUCCESS = "Clopper-Pearson"

MIN_REPEATS_BOOTSTRAP = 5
"""The studentised bootstrap needs this number of repeats; fewer have too few distinct resamples."""

LEVEL = 0.95
"""The default confidence level: the share of studies whose interval covers the true value."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, in units of the score, and the bounds of its interval; `n` is the number of repeats."""

    mean: float
    low: float
    high: float
    n: int
    level: float = LEVEL
    method: str = METHOD


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate that is not a mean, and the bounds of its interval; `level` is the level that the interval attains."""

    value: float
    low: float
    high: float
    n: int
    level: float
    method: str


@dataclass(frozen=True, slots=True)
class Band:
    """Means and bounds at each position of a curve, shape (positions,)."""

    mean: Array
    low: Array
    high: Array
    n: int
    level: float = LEVEL
    method: str = METHOD


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the mean and its t interval x̄ ± t₍₁₊level₎/₂,ₙ₋₁ · s/√n (Student 1908).

    x̄ and s are the mean and the standard deviation of `values`. Coverage is exact for normal scores. The interval covers
    the mean over what varies between repeats, such as seeds; it does not cover variation that all repeats share.

    Args:
        values: A score per repeat, shape (n,). A NaN makes mean and bounds NaN, because no mean may omit a run.
        level: Confidence level, between 0 and 1.

    Returns:
        For n = 0 the mean is NaN. For n < 2 the bounds are NaN. Equal values give bounds equal to the mean; that follows
        from the formula and does not show certainty.

    Raises:
        ValueError: `level` is not between 0 and 1, or `values` is not one-dimensional.
    """
    return _interval(t_band(_column(values), level))


def t_band(matrix: ArrayLike, level: float = LEVEL) -> Band:
    """Return `t_interval` at each position of a curve.

    The band is pointwise: it covers each position with probability `level`, and the complete curve with a lower one.

    Args:
        matrix: Shape (n, positions), a row per repeat.
        level: Confidence level, between 0 and 1.

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
        centred = array - array[0]  # so that equal values have a standard deviation of exactly 0
        mean = array[0] + centred.mean(axis=0)
        if n == 1:
            return Band(mean, unknown, unknown, n, level)
        scale = scale_of(centred)
        half_width = stats.t.ppf((1 + level) / 2, n - 1) * (scale * (centred / scale).std(axis=0, ddof=1)) / np.sqrt(n)
        return Band(mean, mean - half_width, mean + half_width, n, level)


def simultaneous_band(matrix: ArrayLike, rng: np.random.Generator, level: float = LEVEL) -> Band:
    """Return a band x̄ ± c · s/√n that covers the complete mean curve with probability `level`; c is the same everywhere.

    x̄ and s are mean and standard deviation at each position. c is the `level` quantile of the maximal |t| over positions
    under sign-flip permutations of complete repeats, so it uses the correlation between positions. With fewer than 6
    repeats (at 95%) c is Bonferroni's. `reports.statistics.sign_flips` states the assumptions.

    Args:
        matrix: Shape (n, positions), a row per repeat. Positions with a NaN get NaN bounds.
        rng: Draws the sign patterns if there are too many to enumerate.
        level: Confidence level, between 0 and 1.
    """
    array = np.asarray(matrix, dtype=np.float64)
    band = t_band(array, level)
    known = np.isfinite(band.low) & np.isfinite(band.high)
    if not known.any():
        return replace(band, method=SIMULTANEOUS)
    per_position = sign_flips.per_comparison_level(array[:, known], level, sign_flips.signs(band.n, rng))
    return replace(t_band(array, per_position), level=level, method=SIMULTANEOUS)


def studentised_interval(
    values: ArrayLike, rng: np.random.Generator, level: float = LEVEL, resamples: int = 9999
) -> Interval:
    """Return the mean and its bootstrap-t interval [x̄ − t*₁₋α/₂ · s/√n, x̄ − t*α/₂ · s/√n] (Efron and Tibshirani 1993).

    t* = (x̄* − x̄)/(s*/√n) over resamples of `values`, and α = 1 − `level`. Coverage is closer to nominal than that of the
    t interval for skewed scores, and too low for contaminated ones. Few values give some resamples with almost no
    variance, and then very wide bounds.

    Args:
        values: A score per repeat, shape (n,).
        rng: Draws the resamples.
        level: Confidence level, between 0 and 1.
        resamples: Number of resamples; those without variance are discarded.

    Returns:
        Bounds are NaN with fewer than `MIN_REPEATS_BOOTSTRAP` repeats or if a value is not finite. Equal values give bounds
        equal to the mean.

    Raises:
        ValueError: `level` is not between 0 and 1, or `values` is not one-dimensional.
    """
    column = _column(values)
    n = len(column)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples) if n else None
    return _interval(studentised_band(column, counts, level))


def studentised_band(matrix: ArrayLike, counts: NDArray[np.int_] | None, level: float = LEVEL) -> Band:
    """Return `studentised_interval` of each column.

    Args:
        matrix: Shape (n, positions), a row per repeat.
        counts: Shape (resamples, n): how often each resample contains each repeat; None for n = 0.
        level: Confidence level, between 0 and 1.
    """
    array = np.asarray(matrix, dtype=np.float64)
    band = replace(t_band(array, level), method=STUDENTISED)
    n, positions = array.shape
    low, high = np.full((2, positions), np.nan)
    if counts is None or n < MIN_REPEATS_BOOTSTRAP:
        return replace(band, low=low, high=high)
    centred = array - band.mean
    scale = scale_of(centred)
    centred /= scale
    sd = centred.std(axis=0, ddof=1)
    mean = counts @ centred / n
    variance = np.maximum(counts @ centred**2 / n - mean**2, 0.0) * n / (n - 1)
    constant = variance <= 1e-12 * sd**2  # all values of the resample are equal
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(constant, np.nan, mean / np.sqrt(variance / n))
    for position in np.flatnonzero(np.isfinite(sd)):
        drawn = t[np.isfinite(t[:, position]), position]
        bounds = np.quantile(drawn, [(1 + level) / 2, (1 - level) / 2]) if len(drawn) else np.zeros(2)
        low[position], high[position] = band.mean[position] - scale[position] * (bounds * sd[position]) / np.sqrt(n)
    return replace(band, low=low, high=high)


def median_interval(values: ArrayLike, level: float = LEVEL) -> Estimate:
    """Return the median and its interval of order statistics [x₍ᵣ₎, x₍ₙ₊₁₋ᵣ₎], valid for any distribution.

    r is the largest rank with 2 · P(B < r) ≤ 1 − `level`, for B binomial with n = len(`values`) and ½ (Conover 1999). The
    attained level, at least `level`, is in the result.

    Args:
        values: A score per repeat, shape (n,).
        level: Confidence level, between 0 and 1.

    Returns:
        Bounds are NaN if even the smallest and the largest value do not attain `level`: with fewer than 6 repeats at 95%.
        Everything is NaN if a value is not finite.

    Raises:
        ValueError: `level` is not between 0 and 1.
    """
    array = np.sort(np.asarray(values, dtype=np.float64))
    _check_level(level)
    n = len(array)
    if n == 0 or not np.isfinite(array).all():
        return Estimate(np.nan, np.nan, np.nan, n, level, MEDIAN)
    rank = int(stats.binom.ppf((1 - level) / 2, n, 0.5))
    median = float(np.median(array))
    if rank < 1:
        return Estimate(median, np.nan, np.nan, n, level, MEDIAN)
    attained = float(1 - 2 * stats.binom.cdf(rank - 1, n, 0.5))
    return Estimate(median, float(array[rank - 1]), float(array[n - rank]), n, attained, MEDIAN)


def success_interval(successes: int, trials: int, level: float = LEVEL) -> Estimate:
    """Return the success rate `successes`/`trials` and its Clopper-Pearson interval (1934), which covers at least `level`.

    A report shows it beside the scores, because a mean over successful repeats alone does not show how many failed.

    Raises:
        ValueError: Not 0 ≤ successes ≤ trials, or `level` is not between 0 and 1.
    """
    _check_level(level)
    if not 0 <= successes <= trials:
        raise ValueError(f'"successes" must be between 0 and {trials}, got {successes}. Pass a count of the trials')
    if trials == 0:
        return Estimate(np.nan, np.nan, np.nan, 0, level, SUCCESS)
    bounds = stats.binomtest(successes, trials).proportion_ci(level, method="exact")
    return Estimate(successes / trials, float(bounds.low), float(bounds.high), trials, level, SUCCESS)


def scale_of(values: Array) -> Array:
    """Return a power of two near the largest |value| of each column, by which no square overflows or underflows.

    Division by a power of two is exact. It is 1 for a column without a finite number other than 0.
    """
    largest = np.abs(values).max(axis=0, initial=0.0)
    usable = np.isfinite(largest) & (largest > 0)
    return np.where(usable, np.ldexp(1.0, np.frexp(np.where(usable, largest, 1.0))[1] - 1), 1.0)


def _column(values: ArrayLike) -> Array:
    """Return the scores of one optimizer as a matrix with one position."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f'"values" must have one dimension, got {array.ndim}. Pass the scores of one optimizer')
    return array[:, np.newaxis]


def _interval(band: Band) -> Interval:
    """Return the interval at the only position of a band."""
    return Interval(float(band.mean[0]), float(band.low[0]), float(band.high[0]), band.n, band.level, band.method)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f'"level" must be between 0 and 1, got {level}. Write 0.95 for 95%')
