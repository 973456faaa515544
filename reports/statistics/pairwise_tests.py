"""Tests of all pairs of optimizers: differences, adjusted p-values, simultaneous intervals, effect sizes and power.

Pure functions on arrays. A matrix has a row per repeat and a column per optimizer, NaN if a repeat has no score. A pair uses
the repeats that both optimizers have. Pairs are in the order of `pairs(k)`. `docs/statistics.md` has the measured error rates.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import optimize, special, stats

from reports.statistics import sign_flips
from reports.statistics.intervals import LEVEL

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Columns = tuple[NDArray[np.int_], NDArray[np.int_]]

Test = Literal["max-t", "holm-t", "welch"]
TESTS: tuple[Test, ...] = get_args(Test)
"""`max-t` (default): step-down max-|t| test with sign-flip permutations. `holm-t`: paired t tests with Holm's adjustment.
`welch`: unpaired Welch t tests with Holm's adjustment, for repeats that share no seeds."""

NAMES: dict[Test, str] = {
    "max-t": "step-down max-|t| test with sign-flip permutations",
    "holm-t": "paired t tests with Holm's adjustment",
    "welch": "unpaired Welch t tests with Holm's adjustment",
}

POWER = 0.8
"""The power for which `minimum_detectable_difference` and `repeats_needed` are computed."""

MIN_REPEATS = 6
"""No test gives a verdict from fewer repeats: sign flips cannot reject at 95%, and the distribution of scores is unknown."""

MIN_REPEATS_T_APPROXIMATION = 8
"""From this number of repeats the power of sign-flip tests is about that of t tests; with fewer it is lower."""


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences of the pairs of a family; every array has an entry per pair.

    Attributes:
        first: Column of the first optimizer of a pair.
        second: Column of the second optimizer.
        n: Number of shared repeats; for Welch's test the smaller of the two numbers of repeats.
        mean: Mean difference, first minus second, in units of the score.
        sd: Standard deviation s of the paired differences; for Welch's test √(s₁² + s₂²), its value without shared seeds.
        se: Standard error of `mean`.
        df: Degrees of freedom of t: n − 1, or Welch's.
        p: Unadjusted p-value.
        adjusted: p-value adjusted for the family; NaN outside the family.
        effect: Hedges' g (`effect_size`) of the paired differences, or of two independent groups.
        in_family: Whether the pair belongs to the family; see `min_repeats` of `compare`.
        simultaneous_level: Confidence level of each interval at which all intervals of the family cover simultaneously.
        paired: Whether repeats are paired.
        exact: Whether p-values use all sign patterns, or none; False for random patterns.
    """

    first: NDArray[np.int_]
    second: NDArray[np.int_]
    n: NDArray[np.int_]
    mean: Array
    sd: Array
    se: Array
    df: Array
    p: Array
    adjusted: Array
    effect: Array
    in_family: NDArray[np.bool_]
    simultaneous_level: float
    paired: bool
    exact: bool = True

    def interval(self, level: float) -> tuple[Array, Array]:
        """Return the bounds of the t interval of each difference at `level`; NaN with fewer than two repeats."""
        with np.errstate(invalid="ignore"):
            half_width = stats.t.ppf((1 + level) / 2, np.where(self.df > 0, self.df, np.nan)) * self.se
        return self.mean - half_width, self.mean + half_width

    def simultaneous_interval(self) -> tuple[Array, Array]:
        """Return bounds that cover all true differences simultaneously at the level of the family; NaN outside the family."""
        low, high = self.interval(self.simultaneous_level)
        return np.where(self.in_family, low, np.nan), np.where(self.in_family, high, np.nan)


def pairs(k: int) -> Columns:
    """Return the columns of all pairs of k optimizers: (0, 1), (0, 2), ..., (k − 2, k − 1)."""
    first, second = np.triu_indices(k, 1)
    return first, second


def compare(
    matrix: ArrayLike,
    rng: np.random.Generator,
    *,
    test: Test = "max-t",
    level: float = LEVEL,
    columns: Columns | None = None,
    min_repeats: int = 2,
) -> Differences:
    """Test the pairs of a family with control of the family-wise error rate.

    Some true null hypothesis is rejected with probability 1 − `level` at most, under the assumptions in `docs/statistics.md`.

    Args:
        matrix: Scores, shape (repeats, optimizers).
        rng: Draws the sign patterns of `max-t` if there are too many to enumerate.
        test: One of `TESTS`.
        level: Confidence level of the family.
        columns: The columns of the first and of the second optimizer of each pair; default: all pairs.
        min_repeats: If any pair has at least this number of repeats, pairs with fewer are excluded from the family: they
            have few sign patterns, which would reduce the power for all pairs.

    Raises:
        ValueError: `matrix` does not have two dimensions, or `test` is unknown.
    """
    scores = np.asarray(matrix, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(f'"matrix" must have two dimensions, got {scores.ndim}. Pass a column per optimizer')
    if test not in TESTS:
        raise ValueError(f'"test" must be one of {", ".join(TESTS)}, got "{test}"')
    first, second = columns or pairs(scores.shape[1])
    if test == "welch":
        return _welch(scores, level, (first, second), min_repeats)
    differences = scores[:, first] - scores[:, second]
    return replace(
        family(differences, rng, test=test, level=level, min_repeats=min_repeats), first=first, second=second
    )


def family(
    differences: ArrayLike,
    rng: np.random.Generator,
    *,
    test: Test = "max-t",
    level: float = LEVEL,
    min_repeats: int = 2,
) -> Differences:
    """Test a family of paired differences, which need not be all pairs of one matrix; see `compare`.

    Args:
        differences: Shape (repeats, differences), NaN if a difference lacks the repeat.
        rng: See `compare`.
        test: `max-t` or `holm-t`.
        level: Confidence level of the family.
        min_repeats: See `compare`.

    Returns:
        An entry per column; `first` and `second` are both the number of the column.
    """
    differences = np.array(differences, dtype=np.float64)
    column = np.arange(differences.shape[1])
    known = np.isfinite(differences)
    differences[~known] = np.nan
    n = known.sum(axis=0)
    centre = np.where(n > 0, np.where(known, differences, -np.inf).max(axis=0, initial=-np.inf), np.nan)
    centred = differences - centre  # so that equal differences have a standard deviation of exactly 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pairs with one shared repeat or none
        mean = centre + np.nanmean(centred, axis=0) if len(differences) else np.full(len(column), np.nan)
        sd = np.nanstd(centred, axis=0, ddof=1) if len(differences) else np.full(len(column), np.nan)
        se = sd / np.sqrt(n)
    df = n - 1.0
    in_family = _in_family(n, min_repeats)
    p, adjusted = np.full((2, len(column)), np.nan)
    simultaneous_level, exact = level, True
    paired_t = (n > 1) & (~in_family | (test == "holm-t"))
    p[paired_t] = _t_p(mean[paired_t], se[paired_t], df[paired_t])
    if in_family.any():
        rows = known[:, in_family].any(axis=1)  # repeats that no pair has are ignored
        table = differences[np.ix_(rows, in_family)]
        patterns = sign_flips.signs(len(table), rng)
        simultaneous_level = sign_flips.per_comparison_level(table, level, patterns)
        if test == "max-t":
            exact = sign_flips.exact(len(table))
            statistic = sign_flips.test_statistic(table, patterns)
            p[in_family], adjusted[in_family] = sign_flips.raw_p(statistic), sign_flips.step_down_p(statistic)
        else:
            adjusted = holm(np.where(in_family, p, np.nan))
    g = effect_size(mean, sd, df)
    result = (column, column, n, mean, sd, se, df, p, adjusted, g, in_family, simultaneous_level)
    return Differences(*result, paired=True, exact=exact)


def holm(p: ArrayLike) -> Array:
    """Return the p-values of Holm's step-down adjustment (Holm 1979).

    p̃₍ᵢ₎ = min(1, max_{j ≤ i} (m − j + 1) p₍ⱼ₎), where p₍₁₎ ≤ ... ≤ p₍ₘ₎ are the m finite entries of `p`. A NaN stays NaN.
    """
    values = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def effect_size(mean: ArrayLike, sd: ArrayLike, df: ArrayLike) -> Array:
    """Return Hedges' g = J(m) · d̄/s: the difference in standard deviations, corrected for bias (Hedges 1981).

    J(m) = Γ(m/2)/(√(m/2) Γ((m − 1)/2)) removes the bias of d̄/s, which is 9% for m = 9. NaN if s is 0.

    Args:
        mean: d̄, the mean difference.
        sd: s, the standard deviation of the paired differences (g is then g_z), or the pooled one of two groups.
        df: m, the degrees of freedom of s: n − 1, or n₁ + n₂ − 2.
    """
    m = np.asarray(df, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        j = np.exp(special.gammaln(m / 2) - special.gammaln((m - 1) / 2)) / np.sqrt(m / 2)
        g = j * np.asarray(mean) / np.asarray(sd)
    return np.asarray(np.where(np.isfinite(g), g, np.nan), dtype=np.float64)


def superiority(
    first: ArrayLike, second: ArrayLike, *, paired: bool = True, level: float = LEVEL
) -> tuple[float, float, float]:
    """Return the probability of superiority P(X > Y) + ½ P(X = Y) and the bounds of its interval.

    Paired: the share of shared repeats in which X > Y, with the Clopper-Pearson interval (1934). Ties count one half; the
    beta quantiles then have half-integer parameters. Unpaired: the Mann-Whitney statistic over n₁n₂, with NaN bounds,
    because its n₁n₂ combinations are not independent.

    Args:
        first: X, a score per repeat, shape (repeats,), NaN if there is none; more is better.
        second: Y, the scores of the other optimizer.
        paired: Whether entry r of both comes from the same repeat.
        level: Confidence level.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not paired:
        x, y = x[np.isfinite(x)], y[np.isfinite(y)]
        if not (len(x) and len(y)):
            return (np.nan, np.nan, np.nan)
        return float(wins(x[:, np.newaxis], y).mean()), np.nan, np.nan
    shared = np.isfinite(x) & np.isfinite(y)
    n = int(shared.sum())
    if n == 0:
        return (np.nan, np.nan, np.nan)
    won = float(wins(x[shared], y[shared]).sum())
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, won, n - won + 1)) if won > 0 else 0.0
    high = float(stats.beta.isf(tail, won + 1, n - won)) if won < n else 1.0
    return won / n, low, high


def wins(x: Array, y: Array) -> Array:
    """Return 1 where x > y, ½ where they are equal, else 0."""
    return np.asarray((x > y) + 0.5 * (x == y), dtype=np.float64)


def minimum_detectable_difference(
    sd: ArrayLike, n: ArrayLike, simultaneous_level: float, power: float = POWER
) -> Array:
    """Return the smallest true difference δ that a two-sided paired t test detects with probability `power`.

    δ solves P(|T| > t) = power. T has a noncentral t distribution with n − 1 degrees of freedom and noncentrality δ√n/s; t is
    the critical value at the confidence level `simultaneous_level`. Sign-flip tests of fewer than
    `MIN_REPEATS_T_APPROXIMATION` repeats need a larger difference.

    Args:
        sd: s, the standard deviation of the paired differences, shape (pairs,).
        n: Number of repeats, shape (pairs,).
        simultaneous_level: Confidence level of each test in its family (`Differences.simultaneous_level`).
        power: Between 0 and 1.

    Returns:
        δ in units of `sd`, shape (pairs,); NaN for n < 2.
    """
    spreads, counts = np.broadcast_arrays(np.asarray(sd, dtype=np.float64), np.asarray(n))
    noncentrality = {int(m): _noncentrality(int(m), simultaneous_level, power) for m in np.unique(counts)}
    return np.array(
        [noncentrality[int(m)] * s / math.sqrt(m) if m > 1 else np.nan for s, m in zip(spreads, counts, strict=True)]
    )


def repeats_needed(
    mean: float, sd: float, simultaneous_level: float, power: float = POWER, max_repeats: int = 100_000
) -> float:
    """Return the number of repeats n from which a true difference δ is detected with probability `power`.

    n is the smallest with P(|T| > t) ≥ power, for T and t as in `minimum_detectable_difference`. δ and s are estimated from
    few repeats, so this is an order of magnitude.

    Args:
        mean: δ, the difference.
        sd: s, the standard deviation of the paired differences.
        simultaneous_level: See `minimum_detectable_difference`.
        power: Between 0 and 1.
        max_repeats: Larger numbers are returned as infinity.

    Returns:
        At least `MIN_REPEATS_T_APPROXIMATION`, because with fewer repeats sign-flip tests have less power. Infinity if δ is 0
        or `max_repeats` are too few; `MIN_REPEATS` if s is 0; NaN if both are 0 or one is not finite.
    """
    if not (math.isfinite(mean) and math.isfinite(sd)) or (sd == 0 and mean == 0):
        return math.nan
    if sd == 0:
        return float(MIN_REPEATS)

    def suffices(n: int) -> bool:
        return _power(n, abs(mean) / sd * math.sqrt(n), simultaneous_level) >= power

    if not suffices(max_repeats):
        return math.inf
    low, high = MIN_REPEATS_T_APPROXIMATION - 1, max_repeats
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return float(high)


def variance_reduction(matrix: ArrayLike, columns: Columns | None = None) -> Array:
    """Return the variance reduction from pairing, (s₁² + s₂²)/s_d², of each pair.

    s₁, s₂ and s_d are the standard deviations of the two scores and of their difference over the shared repeats. Unpaired
    repeats would have to be this many times as many for the same precision. Below 1, pairing increased the variance.

    Args:
        matrix: Scores, shape (repeats, optimizers).
        columns: See `compare`.

    Returns:
        A ratio per pair; NaN if s_d is 0 or fewer than two repeats are shared.
    """
    scores = np.asarray(matrix, dtype=np.float64)
    ratios = []
    for first, second in zip(*(columns or pairs(scores.shape[1])), strict=True):
        x, y = scores[:, first], scores[:, second]
        shared = np.isfinite(x) & np.isfinite(y)
        paired = np.var((x - y)[shared], ddof=1) if shared.sum() > 1 else 0.0
        unpaired = np.var(x[shared], ddof=1) + np.var(y[shared], ddof=1) if shared.sum() > 1 else 0.0
        ratios.append(unpaired / paired if paired > 0 else np.nan)
    return np.array(ratios)


def min_repeats_for_verdict(level: float = LEVEL) -> int:
    """Return the smallest number of repeats from which a pair can get a verdict at the confidence level `level`."""
    return max(MIN_REPEATS, sign_flips.min_repeats_for_rejection(level))


def _in_family(n: NDArray[np.int_], min_repeats: int) -> NDArray[np.bool_]:
    """Return which pairs have `min_repeats` repeats; if none has, which have two."""
    enough = n >= max(min_repeats, 2)
    return np.asarray(enough if enough.any() else n > 1)


def _welch(scores: Array, level: float, columns: Columns, min_repeats: int) -> Differences:
    """Test unpaired differences: Welch's t (Welch 1947), Holm's adjustment, Bonferroni's simultaneous intervals."""
    first, second = columns
    samples = [column[np.isfinite(column)] for column in scores.T]
    n = np.array([len(sample) for sample in samples])
    mean = np.array([sample.mean() if len(sample) else np.nan for sample in samples])
    variance = np.array([np.var(sample, ddof=1) if len(sample) > 1 else np.nan for sample in samples])
    pooled_df = n[first] + n[second] - 2
    with np.errstate(invalid="ignore", divide="ignore"):
        of_mean = variance / n
        se = np.sqrt(of_mean[first] + of_mean[second])
        df = se**4 / (of_mean[first] ** 2 / (n[first] - 1) + of_mean[second] ** 2 / (n[second] - 1))
        pooled = np.sqrt(((n[first] - 1) * variance[first] + (n[second] - 1) * variance[second]) / pooled_df)
    df = np.where(se == 0, pooled_df, df)
    difference = mean[first] - mean[second]
    p = _t_p(difference, se, df)
    fewer = np.minimum(n[first], n[second])
    in_family = _in_family(fewer, min_repeats)
    adjusted = holm(np.where(in_family, p, np.nan))
    g = effect_size(difference, pooled, pooled_df)
    level_each = 1 - (1 - level) / max(int(np.isfinite(adjusted).sum()), 1)
    sd = np.sqrt(variance[first] + variance[second])
    result = (first, second, fewer, difference, sd, se, df, p, adjusted, g, in_family, level_each)
    return Differences(*result, paired=False)


def _t_p(mean: Array, se: Array, df: Array) -> Array:
    """Return the two-sided p-values of t = mean/se; for a standard error of 0, 1 if the mean is 0, else 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * stats.t.sf(np.abs(mean) / se, df)
    return np.asarray(np.where(se == 0, np.where(mean == 0, 1.0, 0.0), p), dtype=np.float64)


def _power(n: int, noncentrality: float, level: float) -> float:
    """Return P(|T| > t) for noncentral T with n − 1 degrees of freedom and the critical value t at `level`."""
    critical = float(stats.t.isf((1 - level) / 2, n - 1))
    wrong_side = float(stats.nct.sf(critical, n - 1, -noncentrality)) if noncentrality < 5 else 0.0  # by symmetry
    return float(stats.nct.sf(critical, n - 1, noncentrality)) + wrong_side


def _noncentrality(n: int, level: float, power: float) -> float:
    """Return the true difference, in standard errors, that is detected with probability `power`; NaN for n < 2."""
    if n < 2:
        return math.nan
    high = 4.0
    while _power(n, high, level) < power and high < 1e6:
        high *= 2
    return float(optimize.brentq(lambda effect: _power(n, effect, level) - power, 0.0, high, xtol=1e-6))
