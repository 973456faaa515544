"""Rank tests of families of optimizers: P(A > B) = ½, tested for every pair.

The question is whether a run of A usually ends above an independent run of B. The measure is P(A > B) + ½ P(A = B), the
relative effect. It is written P(A > B) below. A few bad runs change it little, although they can change a mean a lot.

Scores are arrays with a row per repeat and a column per optimizer. Higher is better. NaN is a run that does not exist. −inf is
a run that diverged, stalled or failed. Such runs are worse than all other runs and tied with each other.

References:
    Konietschke and Pauly 2012, Electronic Journal of Statistics 6, 1358-1372 (paired test).
    Neubert and Brunner 2007, Computational Statistics and Data Analysis 51, 5192-5204 (unpaired test).
    Brunner and Munzel 2000, Biometrical Journal 42, 17-25 (statistic).
    Westfall and Young 1993, Resampling-Based Multiple Testing; Romano and Wolf 2005, Econometrica 73 (step-down).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from reports.statistics import sign_flips, step_down
from reports.statistics.intervals import LEVEL
from reports.statistics.step_down import ROUNDING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

_ELEMENTS = 2_000_000
"""The maximal number of array elements of a block of pairs."""

_NULL_VARIANCE = 1 / 3
"""n m/(n + m) · Var P̂/(P(1 − P)) for independent samples of n and m runs from one continuous distribution: (1/12)/(1/4)."""

_EXACT_IN_SINGLE = 31
"""The largest n with 16 n⁴ < 2²⁴. Up to n repeats, 32-bit floats represent all integers of the paired statistic exactly."""


@dataclass(frozen=True, slots=True)
class RankTests:
    """Rank tests and intervals of the pairs (A, B) of a family; every array has an entry per pair.

    Attributes:
        first: Column of A.
        second: Column of B.
        n: Number of repeats that a pair shares; of independent repeats the smaller number of the two.
        in_family: Whether the pair has enough repeats for a verdict and therefore belongs to the family.
        superiority: Estimate of P(A > B), in which ties count half; NaN without a shared repeat.
        superiority_low: Lower simultaneous bound of P(A > B).
        superiority_high: Upper simultaneous bound.
        statistic: T, the estimate minus ½, divided by its standard error; NaN with fewer than two repeats.
        p: Unadjusted two-sided p-value; NaN outside the family.
        adjusted_p: p-value of the step-down max-|T| test; NaN outside the family.
        rejected: Whether P(A > B) = ½ is rejected: `adjusted_p` is at most 1 − `level`.
        shift: Median of all differences between a run of A and a run of B; it estimates the δ with P(A − δ > B) = ½.
        shift_low: Lower simultaneous bound of δ.
        shift_high: Upper simultaneous bound.
        critical: q, the critical value of |T| for the simultaneous intervals; infinite outside the family.
        reconciled: Whether a bound of δ was moved, because the interval disagreed with the step-down test.
        pair_level: Confidence level of the test of one pair at the critical value of the family, averaged over the pairs. NaN
            if the repeats are too few.
        level: Confidence level of the family.
        paired: Whether repeats are paired.
        exact: Whether p-values use all swaps, not a random sample of swaps or permutations.
    """

    first: Indices
    second: Indices
    n: NDArray[np.int_]
    in_family: Mask
    superiority: Array
    superiority_low: Array
    superiority_high: Array
    statistic: Array
    p: Array
    adjusted_p: Array
    rejected: Mask
    shift: Array
    shift_low: Array
    shift_high: Array
    critical: Array
    reconciled: Mask
    pair_level: float
    level: float
    paired: bool
    exact: bool


def paired_rank_tests(
    scores: ArrayLike,
    rng: np.random.Generator,
    *,
    level: float = LEVEL,
    min_repeats: int | None = None,
    pairs: tuple[Indices, Indices] | None = None,
) -> RankTests:
    """Test P(A > B) = ½ for every pair of optimizers by swaps of complete repeats (Konietschke and Pauly 2012).

    Statistic. A_r and B_r are the scores of a pair in its n shared repeats, and sg is the sign function. Let
    M_rt = sg(A_r − B_t) + sg(A_t − B_r), N_rt = sg(A_r − A_t) − sg(B_r − B_t), and c_r = Σ_t (M + N)_rt. A pattern s ∈ {−1, 1}ⁿ
    swaps A and B in the repeats with s_r = −1, in all pairs together. Let d_r(s) = s_r c_r + Σ_t (M − N)_rt s_t. After the
    swap, d_r is 4n times the difference of two placements, with all ranks computed again. The first is that of A's run r among
    the runs of B. The second is that of B's run r among the runs of A. The statistic is
    T(s) = ½ √(n − 1) Σd/√max(nΣd² − (Σd)², ½). The estimate is P̂(A > B) = ½ + Σd/(8n²), for d without swaps.

    p-values. The adjusted p-value is that of the step-down maximum of |T| over the pairs (`step_down.step_down_p`). If pairs
    have unequal n, |T| is compared on the scale of a p-value: that of a t test with n − 1 degrees of freedom. The scale ends at
    2¹⁻ⁿ, the smallest p-value that n repeats can give.

    Intervals. The simultaneous interval of the shift δ is from the smallest to the largest δ with |T(A − δ, B)| ≤ q. Here q is
    the `level` quantile of max|T| over the swaps of aligned pairs. An aligned pair is A − δ̂ and B, where δ̂ is the median of the
    n² differences. The simultaneous interval of P(A > B) contains two intervals. The first is P̂ ± q σ̂, with the standard error
    σ̂ = (P̂ − ½)/T. The second has all P with (P̂ − P)² ≤ z² ⅔ P(1 − P)/n. Here z is the normal quantile of the p-value that q has
    in a t test, at least that of a single test at `level`, because q is 0 if all aligned scores are tied. The second keeps the
    coverage if nearly all runs of A are above those of B, because σ̂ is then near 0.

    The intervals agree with the step-down test (`step_down.agree_with_test`). δ = 0 and P = ½ are outside if, and only if, the
    test rejects. `RankTests.reconciled` marks the pairs whose bound of δ was moved.

    Args:
        scores: Shape (repeats, optimizers); higher is better.
        rng: Draws the patterns if there are more than 13 repeats.
        level: Confidence level of the family.
        min_repeats: Number of shared repeats that a pair needs, at least 2. Default: `step_down.min_repeats_for_verdict`.
        pairs: Columns of A and of B. Default: all pairs.

    Returns:
        Estimates, tests and simultaneous intervals. A pair with fewer repeats is outside the family. Its p-values are NaN, and
        its intervals are unbounded.

    Raises:
        ValueError: `scores` does not have two dimensions or contains +inf, or `level` is not between 0 and 1.
    """
    matrix = step_down.check_scores(scores, level)
    first, second = pairs if pairs is not None else step_down.pairs(matrix.shape[1])
    shared = ~np.isnan(matrix[:, first]) & ~np.isnan(matrix[:, second])
    n = shared.sum(axis=0)
    in_family = n >= max(min_repeats or step_down.min_repeats_for_verdict(level), 2)
    used = shared[:, in_family].any(axis=1)
    family = _Family(
        a=np.where(shared, matrix[:, first], np.nan),
        b=np.where(shared, matrix[:, second], np.nan),
        n=n,
        m=n,
        first=first,
        second=second,
        in_family=in_family,
        level=level,
        paired=True,
        exact=sign_flips.exact(max(int(used.sum()), 1)),
    )
    estimates = _estimates(family)
    if not in_family.any():
        return _rank_tests(family, estimates, None)
    patterns = sign_flips.signs(int(used.sum()), rng).astype(np.float32)
    unshifted, centre = np.zeros(len(n)), np.where(np.isfinite(estimates.shift), estimates.shift, 0.0)
    swapped, aligned = (
        np.hstack(
            [
                np.abs(_swapped(family.a[used][:, at], family.b[used][:, at], n[at], shift[at], patterns))
                for at in family.blocks(patterns.size, np.flatnonzero(in_family))
            ]
        )
        for shift in (unshifted, centre)
    )
    return _rank_tests(family, estimates, (swapped, aligned))


def unpaired_rank_tests(
    scores: ArrayLike,
    rng: np.random.Generator,
    *,
    level: float = LEVEL,
    min_repeats: int | None = None,
    pairs: tuple[Indices, Indices] | None = None,
    permutations: int = sign_flips.MAX_PATTERNS,
) -> RankTests:
    """Test P(A > B) = ½ for every pair of independent samples by permutations (Neubert and Brunner 2007).

    Statistic. A_r are the n runs of A, B_t are the m runs of B, and sg is the sign function. Let g_r = Σ_t sg(A_r − B_t) and
    h_t = Σ_r sg(A_r − B_t). Brunner and Munzel's statistic is T = Σg/√(n s²(g) + m s²(h)), where s² is the sample variance. The
    estimate is P̂(A > B) = ½ + Σg/(2nm).

    Permutations. A permutation assigns the pooled scores of a pair to A and B at random. T is then computed again. All pairs
    use the same random numbers, a uniform number for every run of every optimizer. The pooled scores of a pair are assigned to
    its runs in the order of these numbers. The unadjusted p-value of a pair is therefore that of Neubert and Brunner's test.
    The maximum of |T| has the dependence of pairs of samples from one distribution.

    p-values. The adjusted p-value is that of the step-down maximum of |T| (`step_down.step_down_p`). If pairs have unequal
    sizes, |T| is compared on the scale of a p-value: that of a t test with n + m − 2 degrees of freedom. The scale ends at
    2/C(n + m, n), the smallest p-value that such samples can give.

    Intervals. They are those of `paired_rank_tests` with two changes: q is the quantile of the same maximum of |T|, and
    (1/n + 1/m)/3 replaces ⅔/n.

    Args:
        scores: Shape (runs, optimizers); higher is better. NaN fills the shorter columns.
        rng: Draws the permutations.
        level: Confidence level of the family.
        min_repeats: Number of runs that both samples need, at least 2. Default: `step_down.min_repeats_for_verdict`.
        pairs: Columns of A and of B. Default: all pairs.
        permutations: Number of permutations, the observed data among them.

    Returns:
        Estimates, tests and simultaneous intervals, as from `paired_rank_tests`.

    Raises:
        ValueError: `scores` does not have two dimensions or contains +inf, or `level` is not between 0 and 1.
    """
    matrix = step_down.check_scores(scores, level)
    first, second = pairs if pairs is not None else step_down.pairs(matrix.shape[1])
    known = [column[~np.isnan(column)] for column in matrix.T]
    size = np.array([len(column) for column in known], dtype=np.intp)
    family = _Family(
        a=matrix[:, first],
        b=matrix[:, second],
        n=size[first],
        m=size[second],
        first=first,
        second=second,
        in_family=np.minimum(size[first], size[second])
        >= max(min_repeats or step_down.min_repeats_for_verdict(level), 2),
        level=level,
        paired=False,
        exact=False,
    )
    estimates = _estimates(family)
    if not family.in_family.any():
        return _rank_tests(family, estimates, None)
    uniform = [np.sort(rng.random((len(column), permutations - 1)), axis=0) for column in known]
    statistics = np.empty((permutations, int(family.in_family.sum())))
    statistics[0] = np.abs(estimates.statistic[family.in_family])
    for at, (i, j) in enumerate(zip(first[family.in_family], second[family.in_family], strict=True)):
        effect, error = _permuted(known[i], known[j], uniform[i], uniform[j])
        statistics[1:, at] = np.abs(effect / error)
    return _rank_tests(family, estimates, (statistics, statistics))


def paired_effects(scores: Array, patterns: Array, pairs: tuple[Indices, Indices]) -> tuple[Array, Array]:
    """Return P̂(A > B) − ½ and its standard error under each swap of complete repeats, two arrays of shape (patterns, pairs).

    These are the numerator and the denominator of T(s) in `paired_rank_tests`. Every pair must share at least two repeats.

    Args:
        scores: Shape (repeats, optimizers); higher is better.
        patterns: s, entries 1 and −1, shape (patterns, repeats); a row of ones gives the result of the observed scores.
        pairs: Columns of A and of B.
    """
    first, second = pairs
    shared = ~np.isnan(scores[:, first]) & ~np.isnan(scores[:, second])
    a, b, n = (
        np.where(shared, scores[:, first], np.nan),
        np.where(shared, scores[:, second], np.nan),
        shared.sum(axis=0),
    )
    effect, error = np.empty((len(patterns), len(n))), np.empty((len(patterns), len(n)))
    size = max(1, _ELEMENTS // max(patterns.size, 1))
    for at in (slice(start, start + size) for start in range(0, len(n), size)):
        total, spread = _swapped_sums(a[:, at], b[:, at], n[at], np.zeros(len(n[at])), patterns.astype(np.float32))
        effect[:, at] = total.T / (8.0 * n[at] ** 2)
        error[:, at] = np.sqrt(spread.T / (n[at] - 1.0)) / (4.0 * n[at] ** 2)
    return effect, error


def unpaired_effects(
    scores: Array, rng: np.random.Generator, permutations: int, pairs: tuple[Indices, Indices]
) -> tuple[Array, Array]:
    """Return P̂(A > B) − ½ and its standard error under random permutations, two arrays of shape (permutations, pairs).

    These are the numerator and the denominator of T in `unpaired_rank_tests`. Row 0 is observed. Every optimizer must have at
    least two runs.

    Args:
        scores: Shape (runs, optimizers); higher is better. NaN fills the shorter columns.
        rng: Draws the permutations.
        permutations: Number of permutations, the observed data among them.
        pairs: Columns of A and of B.
    """
    known = [column[~np.isnan(column)] for column in scores.T]
    uniform = [np.sort(rng.random((len(column), permutations - 1)), axis=0) for column in known]
    effect, error = np.empty((permutations, len(pairs[0]))), np.empty((permutations, len(pairs[0])))
    for at, (i, j) in enumerate(zip(*pairs, strict=True)):
        sign = _sign(_differences(known[i][:, np.newaxis], known[j][:, np.newaxis]))[0]
        effect[0, at], error[0, at] = _effect(
            sign.sum(axis=1), sign.sum(axis=0), len(known[i]), len(known[j]), paired=False
        )
        effect[1:, at], error[1:, at] = _permuted(known[i], known[j], uniform[i], uniform[j])
    return effect, error


@dataclass(frozen=True, slots=True)
class _Family:
    """The samples `a` of A, of sizes `n`, and `b` of B, of sizes `m`; samples have the shape (runs, pairs)."""

    a: Array
    b: Array
    n: NDArray[np.int_]
    m: NDArray[np.int_]
    first: Indices
    second: Indices
    in_family: Mask
    level: float
    paired: bool
    exact: bool

    def blocks(self, elements: int, pairs: Indices | None = None) -> list[Indices]:
        """Return all pairs, or `pairs`, in blocks of limited size, for pairs that take `elements` array elements each."""
        at = np.arange(self.a.shape[1]) if pairs is None else pairs
        size = max(1, _ELEMENTS // max(elements, 1))
        return [at[start : start + size] for start in range(0, len(at), size)]


@dataclass(frozen=True, slots=True)
class _Estimates:
    """Estimates of every pair: P̂(A > B) − ½, its standard error, T, and the median difference."""

    effect: Array
    error: Array
    statistic: Array
    shift: Array


def _differences(a: Array, b: Array) -> Array:
    """Return A_r − B_t, shape (pairs, n, m); NaN for a run that does not exist, and for two runs of −inf."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(a.T[:, :, np.newaxis] - b.T[:, np.newaxis, :])


def _sign(differences: Array) -> Array:
    """Return the sign of each difference; 0 for NaN."""
    return np.nan_to_num(np.sign(differences), nan=0.0)


def _shifted_sign(a: Array, b: Array, shift: Array) -> Array:
    """Return the sign of each A_r − `shift` − B_t; 0 also if only rounding separates the two scores of a shifted pair.

    Rounding is relative to the larger score, and to the median of all scores of the pair, of which `shift` is a difference.
    """
    differences, by = _differences(a, b), shift[:, np.newaxis, np.newaxis]
    size = np.abs(np.concatenate([a, b]))
    size = np.where(np.isfinite(size), size, np.nan).T[:, :, np.newaxis]
    typical = _median(size)[:, np.newaxis, np.newaxis]
    size = np.fmax(np.fmax(size[:, : len(a)], size[:, len(a) :].transpose(0, 2, 1)), typical)
    tied = (by != 0) & (np.abs(differences - by) <= 8 * np.finfo(float).eps * size)
    return np.where(tied, 0.0, _sign(differences - by))


def _median(differences: Array) -> Array:
    """Return the median difference of each pair without NaN; NaN if there is none, or between −inf and inf."""
    pairs, n, m = differences.shape
    ordered = np.sort(differences.reshape(pairs, n * m), axis=1)  # NaN comes last
    if n * m == 0:
        return np.full(pairs, np.nan)
    count = (~np.isnan(ordered)).sum(axis=1)
    at = np.arange(pairs)
    low, high = ordered[at, np.maximum(count - 1, 0) // 2], ordered[at, count // 2 * (count > 1)]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(low == high, low, low / 2 + high / 2))


def _effect(g: Array, h: Array, n: Any, m: Any, *, paired: bool, axis: int = -1) -> tuple[Array, Array]:
    """Return P̂(A > B) − ½ and its standard error from the sums of signs of the runs.

    Args:
        g: Σ_t sg(A_r − B_t) of each run of A; 0 for a run that does not exist.
        h: Σ_r sg(A_r − B_t) of each run of B.
        n: Number of runs of A, of a shape that broadcasts with the sums of `g`.
        m: Number of runs of B.
        paired: Whether the variance is that of Konietschke and Pauly; otherwise it is that of Brunner and Munzel.
        axis: Axis of the runs.
    """
    n, m = np.asarray(n, dtype=np.float64), np.asarray(m, dtype=np.float64)
    total = g.sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        if paired:
            d = 2 * (g + h)
            spread = np.maximum(n * (d**2).sum(axis=axis) - d.sum(axis=axis) ** 2, 0.5)
            return total / (2 * n**2), np.sqrt(spread / (n - 1)) / (4 * n**2)
        spread = (n * (g**2).sum(axis=axis) - total**2) / (n - 1) + (m * (h**2).sum(axis=axis) - total**2) / (m - 1)
        return total / (2 * n * m), np.sqrt(np.maximum(spread, 0.5 / (np.maximum(n, m) - 1))) / (2 * n * m)


def _estimates(family: _Family) -> _Estimates:
    """Return the estimates of every pair, also outside the family."""
    effect, error, shift = (np.full(len(family.first), np.nan) for _ in range(3))
    for at in family.blocks(len(family.a) ** 2):
        differences = _differences(family.a[:, at], family.b[:, at])
        sign = _sign(differences)
        n, m = family.n[at], family.m[at]
        effect[at], error[at] = _effect(sign.sum(axis=2), sign.sum(axis=1), n, m, paired=family.paired)
        shift[at] = _median(differences)
    enough = np.minimum(family.n, family.m) > 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return _Estimates(effect, error, np.where(enough, effect / error, np.nan), shift)


def _swapped(
    a: Array, b: Array, n: NDArray[np.int_], shift: Array, patterns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return T(s), shape (patterns, pairs), of A − `shift` and B; see `paired_rank_tests`."""
    total, spread = _swapped_sums(a, b, n, shift, patterns)
    statistic = np.sqrt(n[:, np.newaxis].astype(total.dtype) - 1) / 2 * total / np.sqrt(spread)
    return np.asarray(statistic.T, dtype=np.float32)


def _swapped_sums(
    a: Array, b: Array, n: NDArray[np.int_], shift: Array, patterns: NDArray[np.float32]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return Σd(s) and max(nΣd² − (Σd)², ½), shape (pairs, patterns), of A − `shift` and B; see `paired_rank_tests`."""
    dtype = np.float32 if len(a) <= _EXACT_IN_SINGLE else np.float64
    across = _shifted_sign(a, b, shift)
    M = across + across.transpose(0, 2, 1)
    N = _sign(_differences(a, a)) - _sign(_differences(b, b))
    matrix: NDArray[Any] = (M - N).astype(dtype)
    run = np.arange(len(a))
    matrix[:, run, run] += (M + N).sum(axis=2).astype(dtype)
    d = matrix @ patterns.T.astype(dtype)
    total = d.sum(axis=1)
    spread = n[:, np.newaxis].astype(dtype) * np.einsum("prs,prs->ps", d, d) - total**2
    return total, np.maximum(spread, dtype(0.5))


def _permuted(a: Array, b: Array, uniform_a: Array, uniform_b: Array) -> tuple[Array, Array]:
    """Return P̂(A > B) − ½ and its standard error under each permutation of the pooled scores of a pair.

    The pooled scores are assigned to the runs of A and B in the order of the uniform numbers.

    Args:
        a: Runs of A, shape (n,).
        b: Runs of B, shape (m,).
        uniform_a: Uniform numbers of the runs of A in increasing order, shape (n, permutations).
        uniform_b: Uniform numbers of the runs of B in increasing order, shape (m, permutations).

    Returns:
        Two arrays of shape (permutations,).
    """
    n, m = len(a), len(b)
    above = uniform_a[:, np.newaxis, :] > uniform_b[np.newaxis, :, :]
    dtype = np.int8 if max(n, m) < 128 else np.int64
    below_a = above.sum(axis=1, dtype=dtype).astype(np.float64)
    pooled = np.sort(np.concatenate([a, b]))
    if (pooled[1:] > pooled[:-1]).all():
        g, h = 2 * below_a - m, 2 * above.sum(axis=0, dtype=dtype).astype(np.float64) - n
    else:
        start, end = np.searchsorted(pooled, pooled, "left"), np.searchsorted(pooled, pooled, "right")
        is_a: Array = np.zeros((n + m, above.shape[2]))
        np.put_along_axis(is_a, np.arange(n)[:, np.newaxis] + below_a.astype(np.intp), 1.0, axis=0)
        of_a = np.vstack([np.zeros((1, above.shape[2])), is_a.cumsum(axis=0)])
        of_b = np.arange(n + m + 1)[:, np.newaxis] - of_a
        # The pooled score p is above the scores before start(p), and below the scores from end(p).
        g = (of_b[start] + of_b[end] - m) * is_a
        h = (n - of_a[start] - of_a[end]) * (1 - is_a)
    return _effect(g, h, n, m, paired=False, axis=0)


def _rank_tests(family: _Family, estimates: _Estimates, drawn: tuple[NDArray[Any], NDArray[Any]] | None) -> RankTests:
    """Return tests and intervals.

    Args:
        family: The samples.
        estimates: From `_estimates`.
        drawn: |T| under the null hypothesis and |T| of aligned pairs, two arrays of shape (patterns, pairs in the family). None
            if the family is empty.
    """
    in_family, count = family.in_family, len(family.first)
    p, adjusted, limit = np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.inf)
    pair_level = math.nan
    shift_low, shift_high = np.full(count, -np.inf), np.full(count, np.inf)
    if drawn is not None:
        n, m = family.n[in_family], family.m[in_family]
        p[in_family] = step_down.raw_p(drawn[0])
        adjusted[in_family] = step_down.step_down_p(step_down.comparable(drawn[0], n, m, paired=family.paired)[0])
        limit[in_family] = step_down.critical_values(
            *step_down.comparable(drawn[1], n, m, paired=family.paired), family.level
        )
        pair_level = step_down.pair_level(drawn[1], limit[in_family], family.level)
        for at in family.blocks(8 * len(family.a) ** 3, np.flatnonzero(in_family)):
            differences = _differences(family.a[:, at], family.b[:, at])
            bounds = _shift_bounds(differences, family.n[at], family.m[at], limit[at], paired=family.paired)
            shift_low[at], shift_high[at] = bounds
    empty = shift_low > shift_high  # runs of −inf decide every comparison, so no shift changes T
    shift_low, shift_high = np.where(empty, estimates.shift, shift_low), np.where(empty, estimates.shift, shift_high)
    low, high = _share_bounds(family, estimates, limit)
    rejected = adjusted <= 1 - family.level + ROUNDING
    shift_low, shift_high, moved = step_down.agree_with_test(shift_low, shift_high, rejected, estimates.effect, 0.0)
    low, high, _ = step_down.agree_with_test(low, high, rejected, estimates.effect, 0.5)
    return RankTests(
        first=family.first,
        second=family.second,
        n=np.minimum(family.n, family.m),
        in_family=in_family,
        superiority=0.5 + estimates.effect,
        superiority_low=low,
        superiority_high=high,
        statistic=estimates.statistic,
        p=p,
        adjusted_p=adjusted,
        rejected=rejected,
        shift=estimates.shift,
        shift_low=shift_low,
        shift_high=shift_high,
        critical=limit,
        reconciled=in_family & moved,
        pair_level=pair_level,
        level=family.level,
        paired=family.paired,
        exact=family.exact,
    )


def _share_bounds(family: _Family, estimates: _Estimates, limit: Array) -> tuple[Array, Array]:
    """Return the simultaneous bounds of P(A > B), see `paired_rank_tests`; 0 and 1 outside the family."""
    n, m = family.n.astype(np.float64), family.m.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = stats.norm.isf(np.minimum(stats.t.sf(limit, n - 1 if family.paired else n + m - 2), (1 - family.level) / 2))
        v = z**2 * _NULL_VARIANCE * (1 / n + 1 / m)
        share = 0.5 + estimates.effect
        centre, half = (share + v / 2) / (1 + v), np.sqrt(v * share * (1 - share) + v**2 / 4) / (1 + v)
        low = np.minimum(centre - half, share - limit * estimates.error)
        high = np.maximum(centre + half, share + limit * estimates.error)
    bounded = np.isfinite(limit)
    return np.where(bounded, np.clip(low, 0, 1), 0.0), np.where(bounded, np.clip(high, 0, 1), 1.0)


def _shift_bounds(
    differences: Array, n: NDArray[np.int_], m: NDArray[np.int_], limit: Array, *, paired: bool
) -> tuple[Array, Array]:
    """Return the smallest and the largest shift δ for which |T(A − δ, B)| is at most `limit`, for a block of pairs.

    As a function of δ, T changes only at the differences A_r − B_t. It is computed at each difference and between neighbours.

    Args:
        differences: From `_differences`, shape (pairs, n, m).
        n: Number of runs of A of each pair.
        m: Number of runs of B.
        limit: q, shape (pairs,).
        paired: Whether repeats are paired.
    """
    pairs, runs, others = differences.shape
    order = np.argsort(differences.reshape(pairs, -1), axis=1, kind="stable")
    values = np.take_along_axis(differences.reshape(pairs, -1), order, axis=1)
    values[np.isnan(values)] = np.inf
    finite = np.isfinite(values)
    # At δ = −∞ every finite difference is above δ. Infinite differences keep their sign.
    sign = np.where(np.isfinite(differences), 1.0, _sign(differences))
    steps = runs * others
    states = []
    for axis, places, length in ((2, order // others, runs), (1, order % others, others)):
        one_hot = np.zeros((pairs, steps + 1, length), dtype=np.int32)
        one_hot[np.arange(pairs)[:, np.newaxis], np.arange(1, steps + 1), places] = -2 * finite
        states.append(sign.sum(axis=axis)[:, np.newaxis, :] + one_hot.cumsum(axis=1))
    between = _absolute(states, n, m, paired=paired)
    # Equal differences are one step.
    last = np.ones((pairs, steps), dtype=bool)
    last[:, :-1] = values[:, 1:] > values[:, :-1]
    start = np.maximum.accumulate(
        np.where(np.roll(last, 1, axis=1) | (np.arange(steps) == 0), np.arange(steps), 0), axis=1
    )
    pair = np.arange(pairs)[:, np.newaxis]
    at = [(state[pair, start] + state[:, 1:]) / 2 for state in states]  # valid where `last`
    on = _absolute(at, n, m, paired=paired)
    bound = limit[:, np.newaxis]
    edge = np.full((pairs, 1), np.inf)
    closed = np.ones((pairs, 1), dtype=bool)
    lower, upper = np.hstack([-edge, values]), np.hstack([values, edge])
    accepted = (between * (1 - step_down.TOLERANCE) <= bound) & np.hstack([closed, last]) & (lower < upper)
    on_accepted = (on * (1 - step_down.TOLERANCE) <= bound) & last & finite
    low = np.minimum(np.where(accepted, lower, np.inf).min(axis=1), np.where(on_accepted, values, np.inf).min(axis=1))
    high = np.maximum(
        np.where(accepted, upper, -np.inf).max(axis=1), np.where(on_accepted, values, -np.inf).max(axis=1)
    )
    return low, high


def _absolute(sums: list[Array], n: NDArray[np.int_], m: NDArray[np.int_], *, paired: bool) -> Array:
    """Return |T| from g and h, shape (pairs, shifts, runs)."""
    effect, error = _effect(sums[0], sums[1], n[:, np.newaxis], m[:, np.newaxis], paired=paired)
    return np.asarray(np.abs(effect) / error)
