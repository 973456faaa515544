"""Comparisons over several problems: mean ranks, performance profiles and the probability of improvement.

Pure statistics on arrays. A table of mean scores has a row per problem and a column per optimizer, without gaps. Costs of
repeats have the shape (problems, repeats, optimizers), NaN if there is no run.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from reports.statistics.intervals import LEVEL
from reports.statistics.pairwise_tests import wins

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


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


def mean_ranks(means: ArrayLike, *, higher: bool, level: float = LEVEL) -> Ranks:
    """Return mean ranks, Friedman's test and Nemenyi's critical difference (Demšar 2006).

    CD = q √(k(k + 1)/(6N)) for k optimizers on N problems. q is the `level` quantile of the studentised range of k groups,
    divided by √2. Ties share their mean rank. The test is asymptotic: with fewer than about ten problems it is approximate,
    and on two problems it cannot reject.

    Args:
        means: Mean scores, shape (N, k).
        higher: Whether a higher score is better.
        level: Confidence level of the family of all pairs.

    Raises:
        ValueError: Fewer than two problems or three optimizers, or a score is missing.
    """
    table = np.asarray(means, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3:
        raise ValueError(f'"means" must have at least 2 rows and 3 columns, got {table.shape}. Pass a row per problem')
    if np.isnan(table).any():
        raise ValueError('"means" must be complete. Omit the problems on which an optimizer has no score')
    n, k = table.shape
    goodness = table if higher else -table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # if all scores are equal, Friedman's statistic is 0/0
        friedman = float(stats.friedmanchisquare(*goodness.T).pvalue)
    q = float(stats.studentized_range.ppf(level, k, np.inf)) / np.sqrt(2)
    critical = q * np.sqrt(k * (k + 1) / (6 * n))
    ranks = stats.rankdata(-goodness, axis=1).mean(axis=0)
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


def probability_of_improvement(
    first: ArrayLike, second: ArrayLike, rng: np.random.Generator, *, level: float = LEVEL, resamples: int = 2000
) -> tuple[float, float, float]:
    """Return the mean over problems of P(X > Y) + ½ P(X = Y) with a percentile bootstrap interval (Agarwal et al. 2021).

    X and Y are the scores of a run of each optimizer on one problem; all combinations of runs count. The bootstrap resamples
    the runs of each optimizer within each problem.

    Args:
        first: X, higher is better, shape (problems, repeats), NaN if there is no run.
        second: Y, the same of the other optimizer.
        rng: Draws the resamples.
        level: Confidence level.
        resamples: Number of resamples.

    Returns:
        The probability and the bounds of its interval. All are NaN if an optimizer has no run of a problem. The bounds are NaN
        if each optimizer has one run on every problem, or if on every problem all runs of one are better than all runs of the
        other: the resamples then show no variation.

    Raises:
        ValueError: The two do not have a row for each of the same problems.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b):
        raise ValueError(f'"first" and "second" must have a row per problem, got shapes {a.shape} and {b.shape}')
    probabilities, resampled = [], np.zeros(resamples)
    single = True
    for x, y in zip(a, b, strict=True):
        x, y = x[np.isfinite(x)], y[np.isfinite(y)]  # noqa: PLW2901
        if not (len(x) and len(y)):
            return np.nan, np.nan, np.nan
        better = wins(x[:, np.newaxis], y)
        probabilities.append(float(better.mean()))
        single = single and len(x) == 1 and len(y) == 1
        rows = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=resamples) / len(x)
        columns = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=resamples) / len(y)
        resampled += np.einsum("bi,ij,bj->b", rows, better, columns) / len(a)
    probability = float(np.mean(probabilities))
    if single or set(probabilities) <= {0.0, 1.0}:
        return probability, np.nan, np.nan
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return probability, float(low), float(high)
