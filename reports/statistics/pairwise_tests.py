"""Pairs of optimizers: differences, tests of a family of them, and what the numbers can and cannot tell.

Pure statistics on arrays. A matrix has a row per repeat and a column per optimizer, NaN where a repeat has no score; a
pair counts the repeats that both have. Pairs come in the order of `pairs(k)`. Tests follow a name of `TESTS`.
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
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Columns = tuple[NDArray[np.int_], NDArray[np.int_]]

Test = Literal["max-t", "holm-t", "wilcoxon", "welch"]
TESTS: tuple[Test, ...] = get_args(Test)
"""`max-t`: step-down max-|t| over joint sign flips, the default. `holm-t`: paired t tests with Holm. `wilcoxon`: signed-rank
tests with Holm. `welch`: unpaired Welch t tests with Holm, for repeats that share no seeds."""

NAMES: dict[Test, str] = {
    "max-t": "step-down max-|t| over joint sign flips of whole repeats",
    "holm-t": "paired t tests, Holm",
    "wilcoxon": "Wilcoxon signed-rank tests, Holm",
    "welch": "unpaired Welch t tests, Holm",
}

POWER = 0.8
"""The chance of finding a difference for which `detectable` and `repeats_needed` ask."""

MIN_REPEATS = 6
"""Below so many repeats no test gives a verdict: flips cannot reject at 95%, and nothing shows how scores are spread."""

MIN_REPEATS_T_APPROXIMATION = 8
"""From so many repeats sign flips find about what t tests find; the power of fewer is lower (`docs/statistics.md`)."""


@dataclass(frozen=True, slots=True)
class Differences:
    """All pairs of a family, an entry per pair.

    Attributes:
        first: Column of the pair's first optimizer.
        second: Column of its second.
        n: Repeats that count: those that both have; unpaired, the smaller number of the two.
        mean: First minus second.
        sd: s of the paired differences; unpaired, √(s₁² + s₂²), which is what it would be for repeats without seeds in
            common.
        se: The standard error of `mean`.
        freedom: Degrees of freedom of t: n − 1, or Welch's.
        p: Of each pair by itself.
        adjusted: Adjusted for the family; NaN outside it.
        effect: Hedges' g (`effect_size`): of paired differences, or of two independent groups.
        judged: Whether the pair is of the family; see `fewest` of `compare`.
        joint: At this level each interval is made so that all of the family hold together.
        paired: Whether repeats were paired.
        exact: Whether p comes from all sign flips, or from no flips, and not from random ones.
    """

    first: NDArray[np.int_]
    second: NDArray[np.int_]
    n: NDArray[np.int_]
    mean: Array
    sd: Array
    se: Array
    freedom: Array
    p: Array
    adjusted: Array
    effect: Array
    judged: NDArray[np.bool_]
    joint: float
    paired: bool
    exact: bool = True

    def interval(self, level: float) -> tuple[Array, Array]:
        """The t interval of each difference by itself; NaN where there are fewer than two repeats."""
        with np.errstate(invalid="ignore"):
            half = stats.t.ppf((1 + level) / 2, np.where(self.freedom > 0, self.freedom, np.nan)) * self.se
        return self.mean - half, self.mean + half

    def simultaneous_interval(self) -> tuple[Array, Array]:
        """Intervals that all hold together with the level of the family; NaN outside it."""
        low, high = self.interval(self.joint)
        return np.where(self.judged, low, np.nan), np.where(self.judged, high, np.nan)


def pairs(k: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """The columns of all pairs of k optimizers: (0, 1), (0, 2), ..., (k − 2, k − 1)."""
    first, second = np.triu_indices(k, 1)
    return first, second


def compare(
    matrix: ArrayLike,
    rng: np.random.Generator,
    *,
    test: Test = "max-t",
    level: float = LEVEL,
    which: Columns | None = None,
    fewest: int = 2,
) -> Differences:
    """The pairs of a family, with p adjusted so that any false difference is found with probability 1 − `level` at most.

    That holds under the assumptions of `docs/statistics.md`, which also has what is found outside of them.

    Args:
        matrix: A row per repeat, a column per optimizer.
        rng: Draws the flips of `max-t` where there are too many to make them all.
        test: See `TESTS`.
        level: Of the family.
        which: The columns of each pair's first and second; default: all pairs.
        fewest: Where some pairs have so many repeats, pairs with fewer are not of the family: their few flips would hide all
            others.

    Raises:
        ValueError: The matrix has not two dimensions, or the test no such name.
    """
    scores = np.asarray(matrix, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(f'"matrix" must have two dimensions, got {scores.ndim}. Pass a column per optimizer')
    if test not in TESTS:
        raise ValueError(f'"test" must be one of {", ".join(TESTS)}, got "{test}"')
    chosen = pairs(scores.shape[1]) if which is None else which
    if test == "welch":
        return _unpaired(scores, level, chosen, fewest)
    first, second = chosen
    found = family(scores[:, first] - scores[:, second], rng, test=test, level=level, fewest=fewest)
    return replace(found, first=first, second=second)


def family(
    differences: ArrayLike,
    rng: np.random.Generator,
    *,
    test: Test = "max-t",
    level: float = LEVEL,
    fewest: int = 2,
) -> Differences:
    """A family of paired differences that are not all pairs of one matrix, as `compare` judges those.

    Args:
        differences: A row per repeat, a column per difference, NaN where a difference lacks the repeat.
        rng: See `compare`.
        test: One for paired repeats.
        level: Of the family.
        fewest: See `compare`.

    Returns:
        An entry per column, whose number stands as `first` and as `second`.
    """
    differences = np.array(differences, dtype=np.float64)
    own = np.arange(differences.shape[1])
    known = np.isfinite(differences)
    differences[~known] = np.nan
    n = known.sum(axis=0)
    centre = np.where(n > 0, np.where(known, differences, -np.inf).max(axis=0, initial=-np.inf), np.nan)
    centred = differences - centre  # equal differences have a spread of exactly 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pairs that share no repeat, or one
        mean = centre + np.nanmean(centred, axis=0) if len(differences) else np.full(len(own), np.nan)
        sd = np.nanstd(centred, axis=0, ddof=1) if len(differences) else np.full(len(own), np.nan)
        se = sd / np.sqrt(n)
    judged = _judged(n, fewest)
    alone = (n > 1) & ~judged
    p, adjusted, joint, exact = np.full(len(own), np.nan), np.full(len(own), np.nan), level, True
    p[alone] = _t_p(mean[alone], se[alone], n[alone] - 1.0)
    if judged.any():
        rows = known[:, judged].any(axis=1)  # a repeat that no pair has is none
        table = differences[np.ix_(rows, judged)]
        patterns = sign_flips.signs(len(table), rng)
        joint = sign_flips.per_comparison_level(table, level, patterns)
        if test == "max-t":
            exact = sign_flips.exact(len(table))
            found = sign_flips.test_statistic(table, patterns)
            p[judged], adjusted[judged] = sign_flips.raw_p(found), sign_flips.step_down_p(found)
        else:
            p[judged] = _t_p(mean[judged], se[judged], n[judged] - 1.0) if test == "holm-t" else _signed_ranks(table)
            adjusted = holm(np.where(judged, p, np.nan))
    g = effect_size(mean, sd, n - 1)
    return Differences(own, own, n, mean, sd, se, n - 1.0, p, adjusted, g, judged, joint, paired=True, exact=exact)


def holm(p: ArrayLike) -> Array:
    """Holm's step-down adjustment: the i-th smallest of m p-values times m − i + 1, none below the one before, at most 1.

    A NaN stays one and does not count.
    """
    values = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def effect_size(mean: ArrayLike, sd: ArrayLike, freedom: ArrayLike) -> Array:
    """Hedges' g = J(m) · d̄/s: a difference in standard deviations, those of the paired differences or of the groups.

    J(m) = Γ(m/2)/(√(m/2) Γ((m − 1)/2)) takes away the bias of d̄/s, which is 9% at m = 9 (Hedges 1981). NaN without a
    spread.

    Args:
        mean: d̄.
        sd: s: of paired differences theirs, so that g is also called g_z; of two groups the pooled one.
        freedom: m, the degrees of freedom of s: n − 1, or n₁ + n₂ − 2.
    """
    m = np.asarray(freedom, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        j = np.exp(special.gammaln(m / 2) - special.gammaln((m - 1) / 2)) / np.sqrt(m / 2)
        g = j * np.asarray(mean) / np.asarray(sd)
    return np.asarray(np.where(np.isfinite(g), g, np.nan), dtype=np.float64)


def superiority(
    one: ArrayLike, other: ArrayLike, *, paired: bool = True, level: float = LEVEL
) -> tuple[float, float, float]:
    """How often a repeat of `one` has the larger score than a repeat of `other`, ties counting half, with an interval.

    Paired, the share of shared repeats, with a Clopper-Pearson interval (its beta quantiles, where halves occur).
    Unpaired, the share of all combinations (the Mann-Whitney statistic over n₁n₂), without an interval: its combinations are
    not independent.
    """
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if not paired:
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        if not (len(a) and len(b)):
            return (np.nan, np.nan, np.nan)
        return float(_wins(a[:, np.newaxis], b).mean()), np.nan, np.nan
    shared = np.isfinite(a) & np.isfinite(b)
    n = int(shared.sum())
    if n == 0:
        return (np.nan, np.nan, np.nan)
    won = float(_wins(a[shared], b[shared]).sum())
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, won, n - won + 1)) if won > 0 else 0.0
    high = float(stats.beta.isf(tail, won + 1, n - won)) if won < n else 1.0
    return won / n, low, high


def detectable(sd: ArrayLike, n: ArrayLike, joint: float, power: float = POWER) -> Array:
    """The smallest true difference that so many repeats find with probability `power`.

    It solves P(|T| > t) = power, T noncentral t with n − 1 degrees of freedom and noncentrality δ √n/s, t the critical value
    of a two-sided test at `joint`, the level of each test in its family (`Differences.joint`). Below `LIKE_T` repeats sign
    flips need a larger one.
    """
    spreads, counts = np.broadcast_arrays(np.asarray(sd, dtype=np.float64), np.asarray(n))
    away = {int(m): _noncentrality(int(m), joint, power) for m in np.unique(counts)}
    return np.array(
        [away[int(m)] * s / math.sqrt(m) if m > 1 else np.nan for s, m in zip(spreads, counts, strict=True)]
    )


def repeats_needed(mean: float, sd: float, joint: float, power: float = POWER, most: int = 100_000) -> float:
    """So many repeats find a true difference of `mean` with probability `power`, given the spread s of the differences.

    By the power of t tests, and `LIKE_T` at least, below which sign flips find less. Infinite where the difference is 0 or
    more than `most` are needed; `FEWEST` where every difference is the same, NaN without any. The true difference and spread
    are known from few repeats only, so this is an order of magnitude.
    """
    if not (math.isfinite(mean) and math.isfinite(sd)) or (sd == 0 and mean == 0):
        return math.nan
    if sd == 0:
        return float(MIN_REPEATS)

    def finds(n: int) -> bool:
        return _power(n, abs(mean) / sd * math.sqrt(n), joint) >= power

    if not finds(most):
        return math.inf
    low, high = MIN_REPEATS_T_APPROXIMATION - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(middle) else (middle, high)
    return float(high)


def pairing_gain(matrix: ArrayLike, which: Columns | None = None) -> Array:
    """What pairing brought each pair: (s₁² + s₂²)/s_d², over the repeats that both have.

    So many times as many repeats would be needed without shared seeds; 1 where the pairing brought nothing, below 1 where
    it hurt. NaN where the differences have no spread. `which` is that of `compare`.
    """
    scores = np.asarray(matrix, dtype=np.float64)
    gains = []
    for one, other in zip(*(which or pairs(scores.shape[1])), strict=True):
        a, b = scores[:, one], scores[:, other]
        shared = np.isfinite(a) & np.isfinite(b)
        spread = np.var((a - b)[shared], ddof=1) if shared.sum() > 1 else 0.0
        apart = np.var(a[shared], ddof=1) + np.var(b[shared], ddof=1) if shared.sum() > 1 else 0.0
        gains.append(apart / spread if spread > 0 else np.nan)
    return np.array(gains)


def min_repeats(test: Test, many: int, level: float = LEVEL) -> int:
    """The fewest repeats at which a family of so many pairs gets a verdict: Wilcoxon with Holm needs 2 · 2⁻ⁿ ≤ α/pairs."""
    alpha = (1 - level) / (max(many, 1) if test == "wilcoxon" else 1)
    return max(MIN_REPEATS, sign_flips.min_repeats_for_rejection(1 - alpha))


def fewest_of(test: Test, counts: Sequence[int], family: Callable[[int], int], level: float = LEVEL) -> int:
    """So many repeats that all who have them can get a verdict together; fewer do not do.

    Args:
        test: See `TESTS`.
        counts: How many repeats each has.
        family: How many pairs so many of them make.
        level: Of the family.

    Returns:
        The smallest such number; where nobody has so many, what all together would need.
    """
    for least in range(min_repeats(test, 1, level), max(counts, default=0) + 1):
        pairs = family(sum(count >= least for count in counts))
        if pairs and min_repeats(test, pairs, level) <= least:
            return least
    return min_repeats(test, family(len(counts)), level)


def _judged(n: NDArray[np.int_], fewest: int) -> NDArray[np.bool_]:
    """Which pairs are of the family: those with so many repeats, where there are such, else all with two."""
    enough = n >= max(fewest, 2)
    return np.asarray(enough if enough.any() else n > 1)


def _unpaired(scores: Array, level: float, which: Columns, fewest: int) -> Differences:
    first, second = which
    columns = [column[np.isfinite(column)] for column in scores.T]
    n = np.array([len(column) for column in columns])
    mean = np.array([column.mean() if len(column) else np.nan for column in columns])
    variance = np.array([np.var(column, ddof=1) if len(column) > 1 else np.nan for column in columns])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = variance / n
        se = np.sqrt(share[first] + share[second])
        freedom = se**4 / (share[first] ** 2 / (n[first] - 1) + share[second] ** 2 / (n[second] - 1))
    freedom = np.where(se == 0, n[first] + n[second] - 2.0, freedom)
    difference = mean[first] - mean[second]
    p = _t_p(difference, se, freedom)
    sd = np.sqrt(variance[first] + variance[second])
    fewer = np.minimum(n[first], n[second])
    judged = _judged(fewer, fewest)
    adjusted = holm(np.where(judged, p, np.nan))
    joint = 1 - (1 - level) / max(int(np.isfinite(adjusted).sum()), 1)
    both = n[first] + n[second] - 2
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = np.sqrt(((n[first] - 1) * variance[first] + (n[second] - 1) * variance[second]) / both)
    g = effect_size(difference, pooled, both)
    return Differences(first, second, fewer, difference, sd, se, freedom, p, adjusted, g, judged, joint, paired=False)


def _t_p(mean: Array, se: Array, freedom: Array) -> Array:
    """Two-sided p of t = mean/se; a spread of 0 gives 1 for no difference and 0 for one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * stats.t.sf(np.abs(mean) / se, freedom)
    return np.asarray(np.where(se == 0, np.where(mean == 0, 1.0, 0.0), p), dtype=np.float64)


def _signed_ranks(differences: Array) -> Array:
    """Two-sided p of Wilcoxon's signed-rank test, exact for few repeats; 1 where no difference is other than 0."""
    p = []
    for column in differences.T:
        values = column[np.isfinite(column)]
        p.append(float(stats.wilcoxon(values).pvalue) if np.any(values != 0) else 1.0)
    return np.array(p)


def _wins(a: Array, b: Array) -> Array:
    return np.asarray((a > b) + 0.5 * (a == b), dtype=np.float64)


def _power(n: int, away: float, joint: float) -> float:
    """P(|T| > t) for noncentral T."""
    critical = float(stats.t.isf((1 - joint) / 2, n - 1))
    beyond = float(stats.nct.sf(critical, n - 1, -away)) if away < 5 else 0.0  # the wrong side, by symmetry
    return float(stats.nct.sf(critical, n - 1, away)) + beyond


def _noncentrality(n: int, joint: float, power: float) -> float:
    """How many standard errors away a true difference has to be to be found with probability `power`."""
    if n < 2:
        return math.nan
    high = 4.0
    while _power(n, high, joint) < power and high < 1e6:
        high *= 2
    return float(optimize.brentq(lambda away: _power(n, away, joint) - power, 0.0, high, xtol=1e-6))
