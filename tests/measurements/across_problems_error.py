"""Measures the comparison across problems: family-wise error rate, coverage and power, for `docs/statistics.md`.

Studies of nine optimizers with known truth are simulated and analysed by `reports.statistics.across_problems`. The earlier
method, which ranks mean scores and uses Nemenyi's critical difference, analyses the same studies. `write` puts the tables
between their marks. Every number depends only on the seeds below.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markdown_tables import grid, put
from scipy import optimize, stats

from reports.statistics.across_problems import average_superiority, mean_ranks

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.statistics.across_problems import AverageSuperiority

    Draw = Callable[[np.random.Generator, int, int], np.ndarray]

DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"
ROOT, K, LEVEL = 2026, 9, 0.95
PROBLEMS, REPEATS, STUDIES, PERMUTATIONS = (3, 5, 8), 10, 500, 1024
ONE, THREE = np.eye(K)[0], (np.arange(K) < 3).astype(float)


def centre(probability: Callable[[float], float]) -> float:
    """Return the δ for which P(A − δ > B), a falling function, is ½."""
    return float(optimize.brentq(lambda shift: probability(shift) - 0.5, -40, 40))


def above(shift: float) -> float:
    """Return P(A − shift > B) of standard normal scores."""
    return float(stats.norm.cdf(-shift / np.sqrt(2)))


def skewed(ratio: float) -> Draw:
    """Return a drawing of exponential scores; the spread s of four optimizers is `ratio` times the spread t of the others.

    All P(A > B) are ½, because scores with spread s are lower by s log(2s/(s + t)).
    """
    spreads = np.where(np.arange(K) < 4, ratio, 1.0)
    centres = np.where(np.arange(K) < 4, ratio * np.log(2 * ratio / (ratio + 1)), 0.0)
    return lambda rng, n, _: rng.exponential(size=(n, K)) * spreads - centres


def with_bad_runs(rng: np.random.Generator, n: int, _: int) -> np.ndarray:
    """Return normal scores; a fifth of the runs of three optimizers ends six standard deviations lower."""
    shift = centre(lambda x: 0.8 * above(x) + 0.2 * above(x + 6))
    return rng.normal(size=(n, K)) - THREE * (6.0 * (rng.random((n, K)) < 0.2) + shift)


def with_dead_runs(rng: np.random.Generator, n: int, _: int) -> np.ndarray:
    """Return normal scores; a tenth of the runs of one optimizer diverges."""
    scores = rng.normal(size=(n, K)) - ONE * centre(lambda x: 0.9 * above(x))
    return np.where(rng.random((n, K)) < 0.1 * ONE, -np.inf, scores)


def cancelling(rng: np.random.Generator, n: int, problem: int) -> np.ndarray:
    """Return normal scores with means 0, 1, ..., 8 on problem 0, the reverse on problem 1, and equal means on all others."""
    direction = (1.0, -1.0, 0.0)[min(problem, 2)]
    return rng.normal(size=(n, K)) + direction * np.arange(K)


SCENARIOS: dict[str, Draw] = {
    "equal normal": lambda rng, n, _: rng.normal(size=(n, K)),
    "skewed, spreads 1:4": skewed(4),
    "skewed, spreads 1:25": skewed(25),
    "3 of 9: 20% of runs end 6 SD lower": with_bad_runs,
    "1 of 9: 10% of runs unsuccessful": with_dead_runs,
    "effects that cancel over problems": cancelling,
}
"""Scores whose P(A > B), averaged over the problems, is ½ for all pairs: drawn for n repeats on a problem, numbered from 0."""


def by_means(scores: list[np.ndarray]) -> np.ndarray:
    """Return which pairs differ by the earlier method: mean scores of completed runs, Friedman's test, Nemenyi's difference."""
    completed = np.isfinite(scores)
    counts = completed.sum(axis=1)
    means = np.where(counts > 0, np.where(completed, scores, 0.0).sum(axis=1) / np.maximum(counts, 1), -np.inf)
    ranks = mean_ranks(means, level=LEVEL)
    first, second = np.triu_indices(K, 1)
    return (np.abs(ranks.mean[first] - ranks.mean[second]) > ranks.critical) & (ranks.friedman <= 1 - LEVEL)


def measure(draw: Draw, num_problems: int, seed: int, studies: int, n: int = REPEATS) -> np.ndarray:
    """Return two shares of studies: a pair is rejected, a pair differs by the earlier method."""
    rng, hits = np.random.default_rng([ROOT, seed, num_problems, n]), np.zeros(2)
    for _ in range(studies):
        scores = [draw(rng, n, problem) for problem in range(num_problems)]
        hits += [analyse(scores, rng).rejected.any(), by_means(scores).any()]
    return hits / studies


def power(away: float, num_problems: int, studies: int) -> np.ndarray:
    """Return the power of both methods and the simultaneous coverage of the intervals of P(A > B).

    On every problem, one of nine normal optimizers is better by `away` standard deviations. Power is the share of its eight
    pairs that is detected. Coverage is the share of studies in which all intervals contain the truth, Φ(away/√2) or ½.
    """
    rng, hits = np.random.default_rng([ROOT, 100, num_problems, round(100 * away)]), np.zeros(3)
    truth = np.where(np.arange(K * (K - 1) // 2) < K - 1, above(-away), 0.5)
    for _ in range(studies):
        scores = [rng.normal(size=(REPEATS, K)) + away * ONE for _ in range(num_problems)]
        tests = analyse(scores, rng)
        detected = (tests.rejected & (tests.superiority > 0.5))[: K - 1].mean()
        covers = ((tests.low <= truth) & (truth <= tests.high)).all()
        hits += [detected, by_means(scores)[: K - 1].mean(), covers]
    return hits / studies


def analyse(scores: list[np.ndarray], rng: np.random.Generator) -> AverageSuperiority:
    """Return the tests of paired repeats."""
    return average_superiority(scores, rng, paired=[True] * len(scores), level=LEVEL, permutations=PERMUTATIONS)


def percent(share: float, studies: int) -> str:
    """Return a share in percent with its Monte Carlo standard error."""
    return f"{100 * share:.1f} ± {100 * np.sqrt(share * (1 - share) / studies):.1f}"


def errors_table(studies: int = STUDIES) -> str:
    """Return the family-wise error rates of both methods, a row per scenario."""
    columns = ["scores", *(f"N = {size}" for size in PROBLEMS), *(f"means, N = {size}" for size in PROBLEMS)]
    rows = []
    for seed, (name, draw) in enumerate(SCENARIOS.items()):
        shares = [measure(draw, size, seed, studies) for size in PROBLEMS]
        rows.append([name, *(percent(share[method], studies) for method in range(2) for share in shares)])
    return grid(columns, rows)


def power_table(studies: int = STUDIES // 2) -> str:
    """Return the power of both methods and the coverage of the intervals, a row per true difference."""
    columns = [f"{name}N = {size}" for name in ("", "means, ", "coverage, ") for size in PROBLEMS]
    rows = []
    for away in (0.5, 1.0, 2.0):
        shares = [power(away, size, studies) for size in PROBLEMS]
        cells = [f"{100 * share[method]:.0f}" for method in range(2) for share in shares]
        rows.append([f"{away:g} SD", *cells, *(percent(share[2], studies) for share in shares)])
    return grid(["difference", *columns], rows)


def write() -> None:
    """Write both tables into the section "Several problems" of `docs/statistics.md`."""
    for name, table in (("across", errors_table()), ("across power", power_table())):
        DOCUMENT.write_text(put(DOCUMENT.read_text(encoding="utf-8"), name, table), encoding="utf-8")


if __name__ == "__main__":
    write()
