"""Tests of all pairs of optimizers: P(A > B), differences, adjusted p-values, simultaneous intervals, effect sizes and power.

Pure functions on arrays. A matrix has a row per repeat and a column per optimizer. Higher is better. NaN is a run that does not
exist. −inf is a run that diverged, stalled or failed. `docs/statistics.md` has the measured error rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import optimize, special, stats

from reports.statistics import step_down
from reports.statistics.bootstrap_t import bootstrap_t_tests
from reports.statistics.intervals import LEVEL, scale_of
from reports.statistics.rank_tests import paired_rank_tests, unpaired_rank_tests
from reports.statistics.step_down import MIN_REPEATS, ROUNDING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from reports.statistics.bootstrap_t import MeanTests
    from reports.statistics.rank_tests import RankTests

    Array = NDArray[np.float64]
    Columns = tuple[NDArray[np.intp], NDArray[np.intp]]

Test = Literal["rank", "bootstrap-t"]
TESTS: tuple[Test, ...] = get_args(Test)
"""`rank` (default): studentised permutation test of P(A > B) = ½, step-down. `bootstrap-t`: test of equal means, step-down."""

POWER = 0.8
"""The power for which `minimum_detectable_difference` and `repeats_needed` are computed."""

RECOMMENDED_REPEATS = 8
"""From this number of repeats a test of three or more optimizers has useful power; see the power table of the documentation."""


@dataclass(frozen=True, slots=True)
class PairTests:
    """The tests of the pairs (A, B) of a family; every array has an entry per pair.

    Attributes:
        first: Column of A.
        second: Column of B.
        n: Number of shared repeats; of independent repeats the smaller number of the two.
        in_family: Whether the pair has the repeats for a verdict. Pairs with fewer have no p and no simultaneous interval.
        mean: Mean of A − mean of B over finite scores, of shared repeats if paired, in units of the score.
        sd: Standard deviation of the paired differences; of independent repeats √(s_A² + s_B²).
        se: Standard error of `mean`.
        df: Degrees of freedom of its t interval: n − 1, or Welch's.
        complete: Whether no compared run of the pair diverged, stalled or failed, so that `mean` leaves no run out.
        effect: Hedges' g (`effect_size`).
        superiority: Estimate of P(A > B) + ½ P(A = B) for runs with independent seeds.
        superiority_low: Lower simultaneous bound of it.
        superiority_high: Upper simultaneous bound.
        shift: `rank`: the median of all differences between a run of A and one of B. `bootstrap-t`: the mean difference.
        shift_low: Lower simultaneous bound of the shift, or of the mean difference.
        shift_high: Upper simultaneous bound.
        p: Unadjusted p-value.
        adjusted_p: p-value of the step-down test.
        rejected: Whether `adjusted_p` is at most 1 − `level`.
        above: Whether the test finds A above B: the sign of P(A > B) − ½, or of the mean difference.
        pair_level: Confidence level of the test of one pair at the critical value of the family, averaged over the pairs.
        test: The test.
        level: Confidence level of the family.
        paired: Whether repeats are paired.
        exact: Whether p comes from all permutations, not from a random sample of them.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    n: NDArray[np.int_]
    in_family: NDArray[np.bool_]
    mean: Array
    sd: Array
    se: Array
    df: Array
    complete: NDArray[np.bool_]
    effect: Array
    superiority: Array
    superiority_low: Array
    superiority_high: Array
    shift: Array
    shift_low: Array
    shift_high: Array
    p: Array
    adjusted_p: Array
    rejected: NDArray[np.bool_]
    above: NDArray[np.bool_]
    pair_level: float
    test: Test
    level: float
    paired: bool
    exact: bool

    def mean_interval(self, level: float | None = None) -> tuple[Array, Array]:
        """Return the bounds of the t interval of each mean difference, not adjusted; NaN with fewer than two repeats."""
        with np.errstate(invalid="ignore"):
            quantile = stats.t.ppf((1 + (level or self.level)) / 2, np.where(self.df > 0, self.df, np.nan))
            return self.mean - quantile * self.se, self.mean + quantile * self.se

    def equivalent(self, margin: ArrayLike) -> NDArray[np.bool_]:
        """Return which pairs are equivalent: the simultaneous interval of the shift lies inside ±`margin`.

        The same test then rejects every shift of `margin` or more. A pair whose shift is at the margin is called equivalent
        with probability 1 − `level` at most.

        Args:
            margin: Equivalence margin in units of the score, one for all pairs or one per pair; with 0 no pair is equivalent.
        """
        limit = np.asarray(margin, dtype=np.float64) * (1 - ROUNDING)  # a bound at the margin is not inside
        return np.asarray(self.in_family & (self.shift_low > -limit) & (self.shift_high < limit), dtype=np.bool_)


def compare(
    matrix: ArrayLike,
    rng: np.random.Generator,
    *,
    test: Test = "rank",
    paired: bool = True,
    level: float = LEVEL,
    columns: Columns | None = None,
) -> PairTests:
    """Test the pairs of a family with control of the family-wise error rate.

    Some true null hypothesis is rejected with probability 1 − `level` at most. `docs/statistics.md` has the measured rates.

    Args:
        matrix: Scores, shape (repeats, optimizers); higher is better.
        rng: Draws permutations or resamples if there are too many to enumerate.
        test: One of `TESTS`.
        paired: Whether entry r of every column comes from the same repeat.
        level: Confidence level of the family.
        columns: The columns of A and of B of each pair; default: all pairs.

    Raises:
        ValueError: `matrix` does not have two dimensions or contains +inf, or `test` is unknown.
    """
    if test not in TESTS:
        raise ValueError(f'"test" must be one of {", ".join(TESTS)}, got "{test}"')
    scores = step_down.check_scores(matrix, level)
    first, second = columns or step_down.pairs(scores.shape[1])
    rank_tests = paired_rank_tests if paired else unpaired_rank_tests
    ranks = rank_tests(scores, rng, level=level, pairs=(first, second))
    tests: RankTests | MeanTests = ranks
    shift, low, high, above = ranks.shift, ranks.shift_low, ranks.shift_high, ranks.superiority > 0.5
    if test == "bootstrap-t":
        means = bootstrap_t_tests(scores, rng, paired=paired, level=level, pairs=(first, second))
        tests = means
        shift, low, high, above = means.difference, means.low, means.high, means.difference > 0
    mean, sd, se, df, effect = _means(scores, first, second, paired=paired)
    lost = np.isneginf(scores)
    known = ~np.isnan(scores)
    counted = known[:, first] & known[:, second] if paired else np.ones_like(known[:, first])
    return PairTests(
        first=first,
        second=second,
        n=ranks.n,
        in_family=tests.in_family,
        mean=mean,
        sd=sd,
        se=se,
        df=df,
        complete=~np.asarray(((lost[:, first] | lost[:, second]) & counted).any(axis=0), dtype=np.bool_),
        effect=effect,
        superiority=ranks.superiority,
        superiority_low=ranks.superiority_low,
        superiority_high=ranks.superiority_high,
        shift=shift,
        shift_low=low,
        shift_high=high,
        p=tests.p,
        adjusted_p=tests.adjusted_p,
        rejected=tests.rejected,
        above=above,
        pair_level=tests.pair_level,
        test=test,
        level=level,
        paired=paired,
        exact=ranks.exact and test == "rank",
    )


def _means(
    scores: Array, first: NDArray[np.intp], second: NDArray[np.intp], *, paired: bool
) -> tuple[NDArray[Any], ...]:
    """Return mean difference, standard deviation, standard error, degrees of freedom and Hedges' g of each pair."""
    finite = np.where(np.isfinite(scores), scores, np.nan)
    if paired:
        mean, sd, n = _moments(finite[:, first] - finite[:, second])
        df = n - 1.0
        with np.errstate(invalid="ignore", divide="ignore"):
            return mean, sd, sd / np.sqrt(n), df, effect_size(mean, sd, df)
    column_mean, column_sd, counts = _moments(finite)
    n_a, n_b, sd_a, sd_b = counts[first], counts[second], column_sd[first], column_sd[second]
    pooled_df, mean = n_a + n_b - 2.0, column_mean[first] - column_mean[second]
    with np.errstate(invalid="ignore", divide="ignore"):
        se_a, se_b = sd_a / np.sqrt(n_a), sd_b / np.sqrt(n_b)
        se = np.hypot(se_a, se_b)
        df = 1 / ((se_a / se) ** 4 / (n_a - 1) + (se_b / se) ** 4 / (n_b - 1))
        pooled = np.hypot(np.sqrt((n_a - 1) / pooled_df) * sd_a, np.sqrt((n_b - 1) / pooled_df) * sd_b)
    df = np.where(se == 0, pooled_df, df)
    return mean, np.hypot(sd_a, sd_b), se, df, effect_size(mean, pooled, pooled_df)


def _moments(values: Array) -> tuple[Array, Array, NDArray[np.int_]]:
    """Return mean, standard deviation and number of the finite entries of each column; that of equal entries is 0."""
    n = np.isfinite(values).sum(axis=0)
    centre = np.where(n > 0, np.where(np.isfinite(values), values, -np.inf).max(axis=0, initial=-np.inf), np.nan)
    deviation = np.where(np.isfinite(values), values - centre, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = deviation.sum(axis=0) / n
        centred = np.where(np.isfinite(values), deviation - offset, 0.0)
        scale = scale_of(centred)
        squares = ((centred / scale) ** 2).sum(axis=0)
        return centre + offset, np.where(n > 1, scale * np.sqrt(squares / (n - 1)), np.nan), n


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


def wins(x: Array, y: Array) -> Array:
    """Return 1 where x > y, ½ where they are equal, else 0."""
    return np.asarray((x > y) + 0.5 * (x == y), dtype=np.float64)


def minimum_detectable_difference(sd: ArrayLike, n: ArrayLike, pair_level: float, power: float = POWER) -> Array:
    """Return the smallest true difference δ that a two-sided paired t test detects with probability `power`.

    δ solves P(|T| > t) = power. T has a noncentral t distribution with n − 1 degrees of freedom and noncentrality δ√n/s; t is
    the critical value at the confidence level `pair_level`. With fewer than `RECOMMENDED_REPEATS` repeats the test of a family
    needs a larger difference.

    Args:
        sd: s, the standard deviation of the paired differences, shape (pairs,).
        n: Number of repeats, shape (pairs,).
        pair_level: Confidence level of each test in its family (`PairTests.pair_level`).
        power: Between 0 and 1.

    Returns:
        δ in units of `sd`, shape (pairs,); NaN for n < 2, and if the family has too few repeats to reject.
    """
    spreads, counts = np.broadcast_arrays(np.asarray(sd, dtype=np.float64), np.asarray(n))
    noncentrality = {int(m): _noncentrality(int(m), pair_level, power) for m in np.unique(counts)}
    return np.array([noncentrality[int(m)] * s / math.sqrt(max(m, 1)) for s, m in zip(spreads, counts, strict=True)])


def repeats_needed(
    mean: float, sd: float, pair_level: float, power: float = POWER, max_repeats: int = 100_000
) -> float:
    """Return the number of repeats n from which a true difference δ is detected with probability `power`.

    n is the smallest with P(|T| > t) ≥ power, for T and t as in `minimum_detectable_difference`. δ and s are estimated from
    few repeats, so this is an order of magnitude.

    Args:
        mean: δ, the difference.
        sd: s, the standard deviation of the paired differences.
        pair_level: See `minimum_detectable_difference`.
        power: Between 0 and 1.
        max_repeats: Larger numbers are returned as infinity.

    Returns:
        At least `RECOMMENDED_REPEATS`, because with fewer repeats permutation tests have less power. Infinity if δ is 0
        or `max_repeats` are too few; `MIN_REPEATS` if s is 0; NaN if both are 0, or if one or `pair_level` is not finite.
    """
    if not (math.isfinite(mean) and math.isfinite(sd) and pair_level < 1) or (sd == 0 and mean == 0):
        return math.nan
    if sd == 0:
        return float(MIN_REPEATS)

    def suffices(n: int) -> bool:
        return _power(n, abs(mean) / sd * math.sqrt(n), pair_level) >= power

    if not suffices(max_repeats):
        return math.inf
    low, high = RECOMMENDED_REPEATS - 1, max_repeats
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
    for first, second in zip(*(columns or step_down.pairs(scores.shape[1])), strict=True):
        shared = np.isfinite(scores[:, first]) & np.isfinite(scores[:, second])
        x, y = scores[shared, first], scores[shared, second]
        paired = np.var(x - y, ddof=1) if len(x) > 1 else 0.0
        unpaired = np.var(x, ddof=1) + np.var(y, ddof=1) if len(x) > 1 else 0.0
        ratios.append(unpaired / paired if paired > 0 else np.nan)
    return np.array(ratios)


def _power(n: int, noncentrality: float, level: float) -> float:
    """Return P(|T| > t) for noncentral T with n − 1 degrees of freedom and the critical value t at `level`."""
    critical = float(stats.t.isf((1 - level) / 2, n - 1))
    wrong_side = float(stats.nct.sf(critical, n - 1, -noncentrality)) if noncentrality < 5 else 0.0  # by symmetry
    return float(stats.nct.sf(critical, n - 1, noncentrality)) + wrong_side


def _noncentrality(n: int, level: float, power: float) -> float:
    """Return the true difference, in standard errors, that is detected with probability `power`; NaN if it is unknown."""
    if n < 2 or not level < 1:
        return math.nan
    high = 4.0
    while _power(n, high, level) < power and high < 1e6:
        high *= 2
    return float(optimize.brentq(lambda effect: _power(n, effect, level) - power, 0.0, high, xtol=1e-6))
