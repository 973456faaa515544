"""Several problems: who is better on average over problems, how often, and by how much. Pure statistics on arrays.

A table of mean scores has a row per problem and a column per optimizer, all known. Costs and scores of repeats have the shape
(problems, repeats, optimizers), NaN where there is none.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from reports.statistics.intervals import LEVEL

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranks:
    """Mean ranks over problems.

    Attributes:
        mean: Mean rank of each optimizer; 1 is the best.
        critical: The critical difference: mean ranks that lie further apart than this differ.
        friedman: p of Friedman's test that all rank alike.
        problems: How many.
        level: Of the family.
    """

    mean: Array
    critical: float
    friedman: float
    problems: int
    level: float


@dataclass(frozen=True, slots=True)
class Profiles:
    """Performance profiles: `share[i, j]` of the cases optimizer j solves within `ratio[i]` times the best cost."""

    ratio: Array
    share: Array
    low: Array
    high: Array
    cases: int
    level: float


def mean_ranks(means: ArrayLike, *, higher: bool, level: float = LEVEL) -> Ranks:
    """Mean ranks, Friedman's test and Nemenyi's critical difference (Demšar 2006).

    CD = q √(k(k + 1)/(6N)) for k optimizers on N problems, q the quantile of the studentised range over √2. Ties share their
    mean rank. The test is asymptotic: below about ten problems it is a rough guide, and it can find nothing on two.

    Args:
        means: A row per problem, a column per optimizer.
        higher: Whether more is better.
        level: Of the family of all pairs.

    Raises:
        ValueError: Fewer than two problems or three optimizers, or a score is missing.
    """
    table = np.asarray(means, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3:
        raise ValueError(f'"means" must have at least 2 rows and 3 columns, got {table.shape}. Pass a row per problem')
    if np.isnan(table).any():
        raise ValueError('"means" must be complete. Leave out the problems on which an optimizer has no score')
    n, k = table.shape
    goodness = table if higher else -table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all equal: Friedman's statistic is 0/0
        friedman = float(stats.friedmanchisquare(*goodness.T).pvalue)
    q = float(stats.studentized_range.ppf(level, k, np.inf)) / np.sqrt(2)
    critical = q * np.sqrt(k * (k + 1) / (6 * n))
    ranks = stats.rankdata(-goodness, axis=1).mean(axis=0)
    return Ranks(ranks, float(critical), friedman if np.isfinite(friedman) else 1.0, n, level)


def performance_profiles(
    costs: ArrayLike, ratios: ArrayLike, rng: np.random.Generator, *, level: float = LEVEL, resamples: int = 2000
) -> Profiles:
    """Dolan-Moré performance profiles with pointwise percentile bootstrap bands.

    A case is a repeat of a problem, in which all optimizers start alike; its ratio is an optimizer's cost over the lowest cost
    of that case. The profile ρ(τ) is the share of cases, each problem weighing the same, whose ratio is at most τ. The
    bootstrap draws repeats within each problem, so the bands speak of these problems, and of other seeds.

    Args:
        costs: Above 0, such as the time to a target; infinite where the target was missed, NaN where there was no run (the
            case is left out then, for all). Shape (problems, repeats, optimizers).
        ratios: τ, from 1 up.
        rng: Draws the resamples.
        level: Of the bands, at each τ by itself.
        resamples: How many.

    Raises:
        ValueError: A cost is not above 0, the shape is another, or no case has all optimizers.
    """
    values = np.asarray(costs, dtype=np.float64)
    if values.ndim != 3:
        raise ValueError(f'"costs" must have three dimensions, got {values.ndim}. Pass problems × repeats × optimizers')
    if (values <= 0).any():
        raise ValueError('"costs" must be above 0: a ratio of costs means nothing else. Pass times, or losses')
    tau = np.asarray(ratios, dtype=np.float64)
    known: NDArray[np.bool_] = np.asarray(~np.isnan(values).any(axis=2))
    if not known.any():
        raise ValueError(
            '"costs" must have a case of all optimizers. Leave out those that share no repeat with the others'
        )
    best = values.min(axis=2, keepdims=True)
    with np.errstate(invalid="ignore"):
        ratio: Array = np.where(np.isfinite(values), values / best, np.inf)
    kept = [problem for problem in range(len(values)) if known[problem].any()]
    within: list[NDArray[np.bool_]] = [
        np.asarray(ratio[problem][known[problem]][np.newaxis] <= tau[:, np.newaxis, np.newaxis] * (1 + 1e-12))
        for problem in kept
    ]
    share = np.mean([part.mean(axis=1) for part in within], axis=0)
    drawn = np.zeros((resamples, *share.shape))
    for part in within:
        cases = part.shape[1]
        weights = rng.multinomial(cases, np.full(cases, 1 / cases), size=resamples) / cases
        drawn += np.einsum("bc,tck->btk", weights, part.astype(np.float64)) / len(within)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Profiles(tau, share, low, high, int(known.sum()), level)


def probability_of_improvement(
    one: ArrayLike, other: ArrayLike, rng: np.random.Generator, *, level: float = LEVEL, resamples: int = 2000
) -> tuple[float, float, float]:
    """How likely a run of `one` beats a run of `other` on a problem drawn at random, with a percentile bootstrap interval.

    The mean over problems of P(X > Y) + ½ P(X = Y), over all combinations of their runs (Agarwal et al. 2021); the bootstrap
    draws runs of each within each problem.

    Args:
        one: Goodness, more is better; a row per problem, a column per repeat; NaN where there is none.
        other: The same of the other optimizer.
        rng: Draws the resamples.
        level: Of the interval.
        resamples: How many.

    Returns:
        The probability and the bounds of its interval; NaN where a problem has no run of either. Bounds are NaN where each has
        one run, and where on each problem all runs of one beat all of the other: no resample shows then how it would vary.
    """
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b):
        raise ValueError(f'"one" and "other" must have a row per problem, got shapes {a.shape} and {b.shape}')
    values, drawn = [], np.zeros(resamples)
    single = True
    for x, y in zip(a, b, strict=True):
        x, y = x[np.isfinite(x)], y[np.isfinite(y)]  # noqa: PLW2901
        if not (len(x) and len(y)):
            return np.nan, np.nan, np.nan
        wins = np.asarray((x[:, np.newaxis] > y) + 0.5 * (x[:, np.newaxis] == y))
        values.append(float(wins.mean()))
        single = single and len(x) == 1 and len(y) == 1
        rows = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=resamples) / len(x)
        columns = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=resamples) / len(y)
        drawn += np.einsum("bi,ij,bj->b", rows, wins, columns) / len(a)
    if single or set(values) <= {0.0, 1.0}:
        return float(np.mean(values)), np.nan, np.nan
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(np.mean(values)), float(low), float(high)
