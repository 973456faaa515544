"""Comparisons over several problems: P(A > B) averaged over the problems, critical differences and performance profiles.

Two questions are kept apart. On these problems: is P(A > B), averaged over the problems, above ½ (`average_superiority`)? The
repeats are the sample. On other problems like these: do the mean ranks differ (`mean_ranks`)? The problems are the sample.

Pure statistics on arrays. Scores have an array per problem, with a row per repeat and a column per optimizer. Higher is better.
NaN is a run that does not exist. −inf is a run that diverged, stalled or failed. Costs of repeats have the shape (problems,
repeats, optimizers), NaN if there is no run.

References:
    Konietschke and Pauly 2012, Electronic Journal of Statistics 6, 1358-1372 (paired effect and its variance).
    Neubert and Brunner 2007, Computational Statistics and Data Analysis 51, 5192-5204 (unpaired effect and its variance).
    Wallace 1959, Annals of Mathematical Statistics 30, 1124-1130 (normal approximation of t).
    Zou and Donner 2008, Statistics in Medicine 27, 1693-1702 (interval of a mean from intervals of its parts).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from reports.statistics import rank_tests, sign_flips, step_down
from reports.statistics.intervals import LEVEL
from reports.statistics.pairwise_tests import wins
from reports.statistics.step_down import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

MIN_REPEATS = 3
"""The smallest number of runs on every problem with which a pair is tested."""

MIN_TOTAL_REPEATS = 8
"""The smallest number of runs over all problems with which a pair is tested: fewer have too few permutations."""

MIN_SCALE = 0.25
"""The smallest factor by which permuted effects of a problem are multiplied: with 0, separated scores would lose all power."""


@dataclass(frozen=True, slots=True)
class AverageSuperiority:
    """P(A > B) averaged over problems, with tests; arrays have one entry per pair (A, B), unless a shape is given.

    Attributes:
        first: Column of A.
        second: Column of B.
        n: Smallest number of runs over the problems; of paired repeats those that A and B share.
        in_family: Whether the pair is tested: it has `MIN_REPEATS` on every problem and `MIN_TOTAL_REPEATS` over all.
        by_problem: P̂(A > B) on each problem, ties counting half, shape (problems, pairs).
        superiority: Mean of `by_problem` over the problems.
        low: Lower simultaneous bound of the mean; NaN if the pair is not tested.
        high: Upper simultaneous bound.
        p: Unadjusted p-value.
        adjusted_p: p-value of the step-down test.
        rejected: Whether `adjusted_p` is at most 1 − `level`.
        level: Level of the family: of the tests together and of the intervals together.
    """

    first: Indices
    second: Indices
    n: NDArray[np.int_]
    in_family: Mask
    by_problem: Array
    superiority: Array
    low: Array
    high: Array
    p: Array
    adjusted_p: Array
    rejected: Mask
    level: float

    def against_others(self) -> Array:
        """Return the mean of P̂(A > B) over the other optimizers B, shape (problems, optimizers), rounded."""
        k = int(max(self.first.max(), self.second.max())) + 1
        total = np.zeros((len(self.by_problem), k))
        for column, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            total[:, first] += self.by_problem[:, column]
            total[:, second] += 1 - self.by_problem[:, column]
        return np.asarray((total / (k - 1)).round(12))


@dataclass(frozen=True, slots=True)
class Ranks:
    """Mean ranks over problems.

    Attributes:
        mean: Mean rank of each optimizer; 1 is the best.
        critical: The critical difference: two optimizers differ significantly if their mean ranks differ by more.
        friedman: p-value of Friedman's test that all optimizers have the same mean rank.
        problems: Number of problems.
        level: Confidence level of the family of all pairs.
    """

    mean: Array
    critical: float
    friedman: float
    problems: int
    level: float


@dataclass(frozen=True, slots=True)
class Profiles:
    """Performance profiles: optimizer j solves `share[i, j]` of the cases within `ratio[i]` times the lowest cost.

    `low` and `high` are pointwise bounds, shape (ratios, optimizers).
    """

    ratio: Array
    share: Array
    low: Array
    high: Array
    cases: int
    level: float


def average_superiority(
    scores: Sequence[ArrayLike],
    rng: np.random.Generator,
    *,
    paired: Sequence[bool],
    level: float = LEVEL,
    permutations: int = sign_flips.MAX_PATTERNS,
) -> AverageSuperiority:
    """Test for every pair of optimizers whether P(A > B), averaged over these problems, is ½.

    On problem p the estimate is P̂_p = P̂(A > B), with the standard error σ̂_p and f_p degrees of freedom: n − 1 for n paired
    repeats, n + m − 2 for n and m unpaired runs. The statistic is t = Σ(P̂_p − ½)/√Σσ̂_p². Problems have equal weights. Under
    the null hypothesis P_p can differ from ½ if the differences cancel over the problems.

    A permutation swaps A and B in random repeats of every problem, independently between problems, in all pairs together. In an
    unpaired problem it distributes the pooled runs of a pair at random. All ranks are computed again. If nearly all runs of A
    are above those of B on a problem, its observed σ̂_p is near 0, but that of a permutation is not. So the permuted P̂_p − ½
    and σ̂_p are multiplied by the observed σ̂_p over the root mean square of the permuted P̂_p − ½, but by ¼ at least. Every
    problem then has about the same part in the variance of a permutation as in the observed one.

    Pairs are compared on the scale z of a normal quantile, by Wallace's formula with Satterthwaite's degrees of freedom:
    z = (8f + 1)/(8f + 3) √(f log(1 + t²/f)), f = (Σσ̂_p²)²/Σ(σ̂_p⁴/f_p). The adjusted p is that of the step-down maximum of z
    over the pairs.

    Intervals. q is the `level` quantile of the maximum of z, and c the t whose z is q. On problem p the bounds are the outer
    ones of P̂_p ± cσ̂_p and of the P with (P̂_p − P)² ≤ q²(1/n + 1/m) P(1 − P)/3, as in `rank_tests.paired_rank_tests`. This q
    is at least that of a single test. The interval of the mean over N problems is from P̂ − √Σ(P̂_p − low_p)²/N to P̂ +
    √Σ(high_p − P̂_p)²/N. It agrees with the step-down test: ½ is outside exactly if the test rejects.

    Args:
        scores: The scores on each problem, shape (repeats, k); higher is better.
        rng: Draws the permutations.
        paired: Whether entry r of every column comes from the same repeat, for each problem.
        level: Confidence level of the family of all pairs.
        permutations: Number of permutations, the observed data among them.

    Raises:
        ValueError: There is no problem, the problems have unequal numbers of optimizers, a score is +inf, or `level` is not
            between 0 and 1.
    """
    matrices = [step_down.check_scores(problem, level) for problem in scores]
    if len({matrix.shape[1] for matrix in matrices}) != 1 or len(matrices) != len(paired):
        raise ValueError('"scores" and "paired" must have an entry per problem, with the same number of columns')
    first, second = step_down.pairs(matrices[0].shape[1])
    sizes = [_sizes(matrix, first, second, paired=pair) for matrix, pair in zip(matrices, paired, strict=True)]
    runs = np.array([np.minimum(n, m) for n, m in sizes])
    smallest = runs.min(axis=0)
    in_family = (smallest >= MIN_REPEATS) & (runs.sum(axis=0) >= MIN_TOTAL_REPEATS)
    by_problem = np.array([_superiority(m, first, second, paired=p) for m, p in zip(matrices, paired, strict=True)])
    estimate = by_problem.mean(axis=0)
    p, adjusted, low, high = (np.full(len(first), np.nan) for _ in range(4))
    if in_family.any():
        pairs = first[in_family], second[in_family]
        drawn = [
            rank_tests.paired_effects(matrix, _patterns(len(matrix), permutations, rng), pairs)
            if pair
            else rank_tests.unpaired_effects(matrix, rng, permutations, pairs)
            for matrix, pair in zip(matrices, paired, strict=True)
        ]
        counts = [(n[in_family], m[in_family]) for n, m in sizes]
        df = [n - 1.0 if pair else n + m - 2.0 for (n, m), pair in zip(counts, paired, strict=True)]
        z, freedom = _combined(drawn, df)
        p[in_family], adjusted[in_family] = step_down.raw_p(z), step_down.step_down_p(z)
        q = float(step_down.critical_values(z, [], level)[0])
        errors = np.array([error[0] for _, error in drawn])
        low[in_family], high[in_family] = _bounds(by_problem[:, in_family], errors, counts, q, freedom, level)
    rejected = adjusted <= 1 - level + ROUNDING
    low, high, _ = step_down.agree_with_test(low, high, rejected, estimate - 0.5, 0.5)
    return AverageSuperiority(
        first, second, smallest, in_family, by_problem, estimate, low, high, p, adjusted, rejected, level
    )


def _patterns(n: int, permutations: int, rng: np.random.Generator) -> Array:
    """Return random sign patterns, shape (permutations, n); the first swaps nothing."""
    patterns: Array = 1.0 - 2.0 * rng.integers(0, 2, size=(permutations, n)).astype(np.float64)
    patterns[0] = 1.0
    return patterns


def _sizes(matrix: Array, first: Indices, second: Indices, *, paired: bool) -> tuple[Indices, Indices]:
    """Return the number of compared runs of A and of B, of each pair."""
    known = ~np.isnan(matrix)
    if paired:
        n = (known[:, first] & known[:, second]).sum(axis=0)
        return n, n
    n = known.sum(axis=0)
    return n[first], n[second]


def _superiority(matrix: Array, first: Indices, second: Indices, *, paired: bool) -> Array:
    """Return P̂(A > B) over all combinations of compared runs, of each pair; NaN if there are none."""
    shares = []
    for i, j in zip(first, second, strict=True):
        a, b = matrix[:, i], matrix[:, j]
        if paired:
            shared = ~np.isnan(a) & ~np.isnan(b)
            a, b = a[shared], b[shared]
        better = wins(a[~np.isnan(a), np.newaxis], b[~np.isnan(b)])
        shares.append(better.mean() if better.size else np.nan)
    return np.array(shares)


def _combined(drawn: Sequence[tuple[Array, Array]], df: Sequence[Array]) -> tuple[Array, Array]:
    """Return z, shape (permutations, pairs), and the degrees of freedom f of the observed data; see `average_superiority`.

    Args:
        drawn: P̂_p − ½ and σ̂_p of each problem, shape (permutations, pairs); row 0 is observed.
        df: f_p of each problem, shape (pairs,).
    """
    shape = drawn[0][0].shape
    effect, variance, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for (effects, errors), freedom in zip(drawn, df, strict=True):
        rms = np.sqrt((effects[1:] ** 2).mean(axis=0))
        scale = np.maximum(errors[0] / np.where(rms > 0, rms, 1.0), MIN_SCALE)
        scale = np.where(np.arange(shape[0])[:, np.newaxis] == 0, 1.0, scale)
        effect += scale * effects
        variance += (scale * errors) ** 2
        squares += (scale * errors) ** 4 / freedom
    f = variance**2 / squares
    return (8 * f + 1) / (8 * f + 3) * np.sqrt(f * np.log1p(effect**2 / variance / f)), f[0]


def _bounds(
    shares: Array, errors: Array, counts: Sequence[tuple[Indices, Indices]], q: float, f: Array, level: float
) -> tuple[Array, Array]:
    """Return the simultaneous bounds of the mean of P(A > B) over problems; see `average_superiority`.

    Args:
        shares: P̂_p, shape (problems, pairs).
        errors: σ̂_p, shape (problems, pairs).
        counts: n and m of each problem, shape (pairs,).
        q: The quantile of the maximum of z.
        f: Degrees of freedom of each pair.
        level: Confidence level of the family.
    """
    if not np.isfinite(q):
        return np.zeros(shares.shape[1]), np.ones(shares.shape[1])
    c = np.sqrt(f * np.expm1((q * (8 * f + 3) / (8 * f + 1)) ** 2 / f))
    v = max(q, float(stats.norm.isf((1 - level) / 2))) ** 2 / 3 * np.array([1 / n + 1 / m for n, m in counts])
    centre, half = (shares + v / 2) / (1 + v), np.sqrt(v * shares * (1 - shares) + v**2 / 4) / (1 + v)
    below = shares - np.minimum(centre - half, shares - c * errors)
    above = np.maximum(centre + half, shares + c * errors) - shares
    mean, num_problems = shares.mean(axis=0), len(shares)
    low = mean - np.sqrt((below**2).sum(axis=0)) / num_problems
    high = mean + np.sqrt((above**2).sum(axis=0)) / num_problems
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def mean_ranks(scores: ArrayLike, *, level: float = LEVEL) -> Ranks:
    """Return mean ranks, Friedman's test and Nemenyi's critical difference (Demšar 2006).

    CD = q √(k(k + 1)/(6N)) for k optimizers on N problems. q is the `level` quantile of the studentised range of k groups,
    divided by √2. Ties share their mean rank. The test is asymptotic: with fewer than about ten problems it is approximate,
    and on two problems it cannot reject.

    Args:
        scores: A score of each optimizer on each problem, shape (N, k); higher is better.
        level: Confidence level of the family of all pairs.

    Raises:
        ValueError: Fewer than two problems or three optimizers, or a score is missing.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3:
        raise ValueError(f'"scores" must have at least 2 rows and 3 columns, got {table.shape}. Pass a row per problem')
    if np.isnan(table).any():
        raise ValueError('"scores" must be complete. Omit the problems on which an optimizer has no score')
    n, k = table.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # if all scores are equal, Friedman's statistic is 0/0
        friedman = float(stats.friedmanchisquare(*table.T).pvalue)
    q = float(stats.studentized_range.ppf(level, k, np.inf)) / np.sqrt(2)
    critical = q * np.sqrt(k * (k + 1) / (6 * n))
    ranks = stats.rankdata(-table, axis=1).mean(axis=0)
    return Ranks(ranks, float(critical), friedman if np.isfinite(friedman) else 1.0, n, level)


def performance_profiles(
    costs: ArrayLike, ratios: ArrayLike, rng: np.random.Generator, *, level: float = LEVEL, resamples: int = 2000
) -> Profiles:
    """Return performance profiles (Dolan and Moré 2002) with pointwise percentile bootstrap bands.

    A case is a repeat of a problem; in it all optimizers start from the same weights. The performance ratio of an optimizer is
    its cost divided by the lowest cost of the case. The profile ρ(τ) is the share of cases with a ratio of at most τ; problems
    have equal weights. The bootstrap resamples repeats within each problem, so the bands cover other seeds, not other problems.

    Args:
        costs: Costs above 0, such as the time to a target, shape (problems, repeats, optimizers): infinite if the target was
            not reached, NaN if there was no run. A case with a NaN is excluded for all optimizers.
        ratios: τ, from 1 up, shape (ratios,).
        rng: Draws the resamples.
        level: Confidence level at each τ.
        resamples: Number of resamples.

    Raises:
        ValueError: A cost is not above 0, `costs` does not have three dimensions, or no case has all optimizers.
    """
    values = np.asarray(costs, dtype=np.float64)
    if values.ndim != 3:
        raise ValueError(f'"costs" must have three dimensions, got {values.ndim}. Pass problems × repeats × optimizers')
    if (values <= 0).any():
        raise ValueError('"costs" must be above 0, because they are compared by ratios. Pass times, or losses')
    tau = np.asarray(ratios, dtype=np.float64)
    known: NDArray[np.bool_] = np.asarray(~np.isnan(values).any(axis=2))
    if not known.any():
        raise ValueError('"costs" must have a case of all optimizers. Omit those that share no repeat with the others')
    lowest = values.min(axis=2, keepdims=True)
    with np.errstate(invalid="ignore"):
        ratio: Array = np.where(np.isfinite(values), values / lowest, np.inf)
    problems = [problem for problem in range(len(values)) if known[problem].any()]
    solved: list[NDArray[np.bool_]] = [  # for each problem: shape (ratios, cases, optimizers)
        np.asarray(ratio[problem][known[problem]][np.newaxis] <= tau[:, np.newaxis, np.newaxis] * (1 + 1e-12))
        for problem in problems
    ]
    share = np.mean([part.mean(axis=1) for part in solved], axis=0)
    resampled = np.zeros((resamples, *share.shape))
    for part in solved:
        cases = part.shape[1]
        weights = rng.multinomial(cases, np.full(cases, 1 / cases), size=resamples) / cases
        resampled += np.einsum("bc,tck->btk", weights, part.astype(np.float64)) / len(solved)
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Profiles(tau, share, low, high, int(known.sum()), level)
