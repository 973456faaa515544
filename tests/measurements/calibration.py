"""Measures coverage, family-wise error rate and power of the statistics of `reports`: `tox -e calibration`.

Studies with known truth are simulated and analysed by the functions that a report uses. The shares of correct results are
written to the tables of `docs/statistics.md`, between the marks with their names. Every number depends only on the seeds below.
`python tests/measurements/calibration.py errors ties` writes two tables. With `--factor=0.1` it simulates a tenth of the
studies and only prints the tables.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markdown_tables import grid, put
from scipy import optimize, stats

from reports.analysis import verdicts
from reports.statistics import intervals, pairwise_tests, step_down, time_to_target
from reports.statistics.bad_runs import bad_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
    DrawStudy = Callable[[np.random.Generator, int], Array]

DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"
ROOT, K = 2026, 9
SIZES, PAIR_SIZES = (3, 5, 6, 10, 20), (6, 8, 10, 20)
MEANS, MEDIANS, BANDS, TIMES_STUDIES, DIFFERENCES = 20_000, 4_000, 1_000, 2_000, 20_000
ERRORS, COVERAGE = {6: 500, 8: 500, 10: 4_000, 20: 500}, {6: 500, 8: 500, 10: 1_000, 20: 500}
TIES, UNPAIRED, UNPAIRED_TIES, BOOTSTRAP, BOOTSTRAP_UNPAIRED, BAD_RUNS = 800, 500, 100, 500, 200, 2_000
POWER = {2: {6: 2_000, 8: 2_000, 10: 2_000, 20: 500}, 9: {6: 1_000, 8: 1_000, 10: 1_000, 20: 100}}
POWER_UNPAIRED = {2: 300, 9: 100}
"""Number of simulated studies of each measurement, by number of repeats or of optimizers."""

MARGIN = 8
"""Equivalence margin in standard errors of a difference, √(2/n) times the scale of the scores."""


@cache
def paper() -> Array:
    """Return the test accuracies of the shipped runs of `paper`, shape (repeats, optimizers)."""
    from reports.frames import scores, study_frames
    from suite.transfer import archive

    read = archive.read(archive.baselines()["paper"])
    frames = study_frames.load(read, read.trials)
    table = verdicts.wide(scores.final(frames, [read.study.score]), read.study.score, frames.labels)
    return table.to_numpy()


@cache
def measured() -> Array:
    """Return the shipped scores, centred and scaled to unit standard deviation by optimizer, in one dimension."""
    residuals = paper() - paper().mean(axis=0)
    return np.asarray(residuals / residuals.std(axis=0, ddof=1)).ravel()


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return normal scores."""
    return rng.normal(size=shape)


def discrete(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return fractions of 100 test images, with many ties."""
    return rng.binomial(100, 0.88, size=shape) / 100


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return exponential scores, of skewness 2."""
    return rng.exponential(size=shape)


def bimodal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return scores of which one in five is six standard deviations lower."""
    return rng.normal(size=shape) - 6 * (rng.random(shape) < 0.2)


def contaminated(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return scores of which one in twenty has ten times the standard deviation."""
    return rng.normal(size=shape) * np.where(rng.random(shape) < 0.05, 10.0, 1.0)


def resampled(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return resamples of the shipped runs."""
    return rng.choice(measured(), size=shape)


KINDS: dict[str, Draw] = {
    "normal": normal,
    "discrete": discrete,
    "skewed": skewed,
    "bimodal": bimodal,
    "contaminated": contaminated,
    "resampled": resampled,
}


def truths(draw: Draw) -> tuple[float, float]:
    """Return mean and median of a distribution."""
    known = {
        "normal": (0.0, 0.0),
        "discrete": (0.88, float(stats.binom.ppf(0.5, 100, 0.88)) / 100),
        "skewed": (1.0, np.log(2)),
        "contaminated": (0.0, 0.0),
    }
    if draw is resampled:
        return 0.0, float(np.quantile(measured(), 0.5, method="inverted_cdf"))
    if draw.__name__ in known:
        return known[draw.__name__]
    # bimodal: 0.2 Φ(x + 6) + 0.8 Φ(x) = ½
    return -1.2, optimize.brentq(lambda x: 0.2 * stats.norm.cdf(x + 6) + 0.8 * stats.norm.cdf(x) - 0.5, -6, 3)


def share(value: float, n: int) -> str:
    """Return a share in percent with its Monte Carlo standard error."""
    return f"{100 * value:.1f} ± {100 * np.sqrt(value * (1 - value) / n):.1f}"


def covered(low: Array, high: Array, truth: float) -> float:
    """Return the share of intervals that cover the truth, up to rounding."""
    close = 1e-12 * max(1.0, abs(truth))
    return float(np.mean((low <= truth + close) & (truth - close <= high)))


def coverage_of_means(draw: Draw, n: int, seed: int, studies: int) -> tuple[float, float]:
    """Return the coverage of the t interval and of the studentised bootstrap."""
    rng, truth = np.random.default_rng([ROOT, seed, n]), truths(draw)[0]
    scores = draw(rng, (n, studies))
    t = intervals.t_band(scores)
    hits = []
    for part in np.array_split(scores, max(studies // 500, 1), axis=1):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=999)
        band = intervals.studentised_band(part, counts)
        hits.append(covered(band.low, band.high, truth) * part.shape[1])
    return covered(t.low, t.high, truth), sum(hits) / studies


def coverage_of_medians(draw: Draw, n: int, seed: int, studies: int) -> float:
    """Return the coverage of the interval of order statistics; NaN if there is none."""
    rng, truth = np.random.default_rng([ROOT, seed, n, 1]), truths(draw)[1]
    found = [intervals.median_interval(scores) for scores in draw(rng, (studies, n))]
    if not np.isfinite(found[0].low):
        return float("nan")
    return covered(np.array([one.low for one in found]), np.array([one.high for one in found]), truth)


def curves(draw: Draw, rng: np.random.Generator, n: int, epochs: int = 25) -> Array:
    """Return curves around 0 whose neighbouring epochs have correlation 0.9."""
    noise = draw(rng, (n, epochs)) - truths(draw)[0]
    found = noise.copy()
    for epoch in range(1, epochs):
        found[:, epoch] = 0.9 * found[:, epoch - 1] + np.sqrt(1 - 0.81) * noise[:, epoch]
    return found


def coverage_of_bands(draw: Draw, n: int, seed: int, studies: int) -> tuple[float, float]:
    """Return the share of curves completely inside the pointwise band, and inside the simultaneous band."""
    rng = np.random.default_rng([ROOT, seed, n, 2])
    hits = np.zeros(2)
    for _ in range(studies):
        found = curves(draw, rng, n)
        for at, band in enumerate((intervals.t_band(found), intervals.simultaneous_band(found, rng))):
            hits[at] += bool(np.all((band.low <= 0) & (band.high >= 0)))
    return float(hits[0] / studies), float(hits[1] / studies)


def coverage_of_rates(p: float, n: int) -> float:
    """Return the coverage of the Clopper-Pearson interval, as the exact sum over all counts."""
    inside = 0.0
    for count in range(n + 1):
        found = intervals.success_interval(count, n)
        inside += stats.binom.pmf(count, n, p) * (found.low <= p <= found.high)
    return float(inside)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Scores of a family with known truth. Most are centred: P(A > B) is ½ for every pair of independent runs.

    Attributes:
        draw: Draws the scores of n repeats, shape (n, optimizers).
        shift: δ of every two optimizers, shape (optimizers, optimizers): P(A − δ > B) = ½.
        superiority: P(A > B) of every two optimizers.
        null: Which pairs are equal, so that a significant difference is an error.
        apart: δ in standard errors √(2/n) of normal scores, instead of `shift` and `superiority`.
        scale: The standard deviation that margins are measured in.
        shared: Whether runs of one repeat are correlated.
    """

    draw: DrawStudy
    shift: Array = field(default_factory=lambda: np.zeros((K, K)))
    superiority: Array = field(default_factory=lambda: np.full((K, K), 0.5))
    null: NDArray[np.bool_] = field(default_factory=lambda: np.ones((K, K), dtype=np.bool_))
    apart: Array | None = None
    scale: float = 1.0
    shared: bool = False

    def truth(self, n: int) -> tuple[Array, Array]:
        """Return δ and P(A > B) of every two optimizers in a study of n repeats."""
        if self.apart is None:
            return np.round(self.shift, 12), np.round(self.superiority, 12)  # so that 0 and ½ are exact
        shift = self.apart * np.sqrt(2 / n)
        return shift, stats.norm.cdf(shift / np.sqrt(2))


def root(superiority: Callable[[float], float]) -> float:
    """Return the δ for which P(A − δ > B), a decreasing function of δ, is ½."""
    return float(optimize.brentq(lambda shift: superiority(shift) - 0.5, -40, 40))


def bad_run_centre(rate: float, drop: float) -> float:
    """Return δ between normal runs that end lower by `drop` with probability `rate`, and normal runs."""
    cdf = stats.norm.cdf
    return root(lambda x: (1 - rate) * cdf(-x / np.sqrt(2)) + rate * cdf((-drop - x) / np.sqrt(2)))


def dead_superiority(rate: float, other: float, shift: float) -> float:
    """Return P(A > B) of normal runs that are `shift` apart and of which the shares `rate` and `other` are dead."""
    return (1 - rate) * (1 - other) * stats.norm.cdf(shift / np.sqrt(2)) + (1 - rate) * other + rate * other / 2


def dead_centre(rate: float, other: float) -> float:
    """Return δ between two samples of normal runs of which the shares `rate` and `other` are dead."""
    return root(lambda x: dead_superiority(rate, other, -x))


def dead(rates: Array, centres: Array, rng: np.random.Generator, n: int) -> Array:
    """Return normal scores of which the shares `rates` are −∞."""
    scores = rng.normal(size=(n, K)) - centres
    return np.where(rng.random(scores.shape) < rates, -np.inf, scores)


def exponential(low: float, high: float, correlation: float = 0.0) -> Scenario:
    """Return exponential scores with spreads from `low` to `high`; runs of a repeat are correlated by a normal copula.

    For X ~ s·Exp and Y ~ t·Exp, P(X − δ > Y) = s e^(−δ/s)/(s + t) if δ ≥ 0. No centres make P(A > B) = ½ for all pairs, so the
    centres are those of weighted least squares, and `shift` and `superiority` are what remains.
    """
    spreads = np.geomspace(low, high, K)
    s, t = np.meshgrid(spreads, spreads, indexing="ij")
    shift = np.where(s >= t, s * np.log(2 * s / (s + t)), -t * np.log(2 * t / (s + t)))
    weights = 1 / (s**2 + t**2)
    centres = np.linalg.lstsq(np.diag(weights.sum(axis=1)) - weights, (weights * shift).sum(axis=1), rcond=None)[0]
    apart = centres[:, np.newaxis] - centres
    above, below = s / (s + t) * np.exp(-np.maximum(apart, 0) / s), t / (s + t) * np.exp(np.minimum(apart, 0) / t)

    def draw(rng: np.random.Generator, n: int) -> Array:
        shared = np.sqrt(correlation) * rng.normal(size=(n, 1)) + np.sqrt(1 - correlation) * rng.normal(size=(n, K))
        return np.asarray(-np.log(stats.norm.sf(shared)) * spreads - centres)

    return Scenario(draw, shift - apart, np.where(apart >= 0, above, 1 - below), shared=correlation > 0)


def unequal_n(draw: DrawStudy, rng: np.random.Generator, n: int) -> Array:
    """Return scores of which optimizer i has n − 4 + i repeats, but at least 6."""
    scores, counts = draw(rng, n + 4), np.maximum(n - 4 + np.arange(K), 6)
    return np.where(np.arange(n + 4)[:, np.newaxis] < counts, scores, np.nan)


def resampled_columns(pool: Array, rng: np.random.Generator, n: int) -> Array:
    """Return a study that resamples each optimizer from its own runs."""
    return np.take_along_axis(pool, rng.integers(len(pool), size=(n, pool.shape[1])), axis=0)


def differences_of_runs(pool: Array) -> Array:
    """Return the difference between each run of A and each run of B, shape (optimizers, optimizers, runs, runs)."""
    return np.asarray(pool.T[:, np.newaxis, :, np.newaxis] - pool.T[np.newaxis, :, np.newaxis, :])


def shipped() -> Scenario:
    """Return the shipped runs, each optimizer resampled from its own runs and centred; pairs with |P − ½| ≤ 0.02 are equal."""
    centres = np.median(differences_of_runs(paper()), axis=(2, 3)).mean(axis=1)
    pool = paper() - centres
    differences = differences_of_runs(pool)
    superiority = 0.5 + np.sign(differences).mean(axis=(2, 3)) / 2
    return Scenario(
        partial(resampled_columns, pool),
        np.median(differences, axis=(2, 3)),
        superiority,
        np.abs(superiority - 0.5) <= 0.02,
        scale=float(np.median(pool.std(axis=0))),
    )


@cache
def scenarios() -> dict[str, Scenario]:
    """Return the scenarios by name; the seeds depend on their order."""
    one, three, group = np.eye(K)[0], (np.arange(K) < 3).astype(float), np.repeat(np.arange(3), 3)
    rates = np.repeat([0.0, 0.1, 0.2], 3)
    lower, lower_fails, lower_dead = bad_run_centre(0.2, 6), bad_run_centre(0.1, 30), dead_centre(0.1, 0)
    centres = np.array([dead_centre(rate, 0) for rate in rates])
    apart = centres[:, np.newaxis] - centres
    with_dead = Scenario(
        partial(dead, rates, centres),
        np.array([[dead_centre(a, b) for b in rates] for a in rates]) - apart,
        dead_superiority(rates[:, np.newaxis], rates, -apart),
    )
    skewed_4 = exponential(0.5, 2)

    def normals(rng: np.random.Generator, n: int) -> Array:
        return rng.normal(size=(n, K))

    return {
        "equal normal": Scenario(normals),
        "skewed, spreads 1:4": skewed_4,
        "skewed, spreads 1:25": exponential(0.2, 5),
        "3 of 9: 20% of runs end 6 SD lower": Scenario(
            lambda g, n: g.normal(size=(n, K)) - three * (6.0 * (g.random((n, K)) < 0.2) + lower)
        ),
        "1 of 9: 10% of runs end 30 SD lower": Scenario(
            lambda g, n: g.normal(size=(n, K)) - one * (30.0 * (g.random((n, K)) < 0.1) + lower_fails)
        ),
        "shared seeds, correlation 0.8": Scenario(
            lambda g, n: 2 * g.normal(size=(n, 1)) + g.normal(size=(n, K)), shared=True
        ),
        "heavy tails, t with 3 degrees of freedom": Scenario(lambda g, n: g.standard_t(3, size=(n, K))),
        "discrete, of 100 images": Scenario(lambda g, n: g.binomial(100, 0.88, size=(n, K)) / 100, scale=0.0325),
        "three groups of three, 6 standard errors apart": Scenario(
            lambda g, n: g.normal(size=(n, K)) + group * 6 * np.sqrt(2 / n),
            null=group[:, np.newaxis] == group,
            apart=6.0 * (group[:, np.newaxis] - group),
        ),
        "1 of 9: 10% of runs unsuccessful": Scenario(partial(dead, 0.1 * one, lower_dead * one)),
        "0, 10 and 20% of runs unsuccessful, 3 of 9 each": with_dead,
        "skewed 1:25 and shared seeds, correlation 0.8": exponential(0.2, 5, 0.8),
        "skewed 1:25 and shared seeds, correlation 0.95": exponential(0.2, 5, 0.95),
        "skewed 1:4 and shared seeds, correlation 0.95": exponential(0.5, 2, 0.95),
        "unequal n, normal": Scenario(partial(unequal_n, normals)),
        "unequal n, skewed 1:4": Scenario(partial(unequal_n, skewed_4.draw), skewed_4.shift, skewed_4.superiority),
        "shipped runs, resampled within each optimizer": shipped(),
    }


def equal_means() -> dict[str, DrawStudy]:
    """Return draws of studies with equal means, by name."""
    one, three = np.eye(K)[0], (np.arange(K) < 3).astype(float)
    names = ("equal normal", "shared seeds, correlation 0.8", "heavy tails, t with 3 degrees of freedom")
    return {
        **{name: scenarios()[name].draw for name in (*names, "discrete, of 100 images")},
        "skewed, spreads 1:4, equal means": lambda g, n: (g.exponential(size=(n, K)) - 1) * np.geomspace(0.5, 2, K),
        "skewed, spreads 1:25, equal means": lambda g, n: (g.exponential(size=(n, K)) - 1) * np.geomspace(0.2, 5, K),
        "3 of 9: 20% of runs end 6 SD lower, equal means": lambda g, n: (
            g.normal(size=(n, K)) - three * 6.0 * ((g.random((n, K)) < 0.2) - 0.2)
        ),
        "1 of 9: 10% of runs end 30 SD lower, equal means": lambda g, n: (
            g.normal(size=(n, K)) - one * 30.0 * ((g.random((n, K)) < 0.1) - 0.1)
        ),
        "shipped runs, resampled within each optimizer, equal means": partial(
            resampled_columns, paper() - paper().mean(axis=0)
        ),
    }


def generator(name: str, *others: int) -> np.random.Generator:
    """Return the generator of a measurement of a scenario."""
    return np.random.default_rng([ROOT, list({**scenarios(), **equal_means()}).index(name), *others])


def contain(low: Array, high: Array, truth: Array, null: float) -> bool:
    """Return whether all intervals contain their true values, up to rounding; the value of the null hypothesis is exact."""
    close = np.where(truth == null, 0.0, 1e-9)
    return bool(((low <= truth + close) & (truth - close <= high)).all())


@cache
def errors(name: str, n: int, studies: int, *, paired: bool = True) -> tuple[float, float, float]:
    """Return the family-wise error rate, and the simultaneous coverage of the intervals of δ and of P(A > B).

    These are the shares of studies in which an equal pair differs significantly, and in which the intervals of all pairs
    contain their true values.
    """
    scenario, rng = scenarios()[name], generator(name, n)
    pairs = step_down.pairs(len(scenario.null))
    null, (shift, superiority) = scenario.null[pairs], (truth[pairs] for truth in scenario.truth(n))
    hits = np.zeros(3)
    for _ in range(studies):
        tests = pairwise_tests.compare(scenario.draw(rng, n), rng, paired=paired)
        hits[0] += (tests.rejected & null).any()
        hits[1] += contain(tests.shift_low, tests.shift_high, shift, 0.0)
        hits[2] += contain(tests.superiority_low, tests.superiority_high, superiority, 0.5)
    return tuple(hits / studies)


def ties(name: str, n: int, studies: int, *, paired: bool = True) -> tuple[float, float]:
    """Return the shares of false and of true ties at a margin of `MARGIN` standard errors.

    False: optimizer 0 is moved by the margin, so that its true δ to each other is at the limit. The share of studies that call
    one of these pairs tied. True: the share of tied pairs among those of which δ is smaller than half the margin.
    """
    scenario, rng = scenarios()[name], generator(name, n, 1)
    pairs = step_down.pairs(len(scenario.null))
    limit, shift = MARGIN * np.sqrt(2 / n) * scenario.scale, scenario.truth(n)[0][pairs]
    moved = pairs[0] == 0
    if scenario.apart is not None:
        moved &= scenario.null[pairs]
    false, true, at_margin = 0.0, 0.0, np.where(moved, np.abs(limit + shift), 0.0)
    for _ in range(studies):
        scores = scenario.draw(rng, n)
        true += pairwise_tests.compare(scores, rng, paired=paired).equivalent(limit)[np.abs(shift) < limit / 2].mean()
        scores[:, 0] += limit
        false += (pairwise_tests.compare(scores, rng, paired=paired).equivalent(at_margin) & moved).any()
    return false / studies, true / studies


def power(away: float, k: int, n: int, studies: int, *, paired: bool = True) -> float:
    """Return the share of true differences that are found: one of k optimizers is `away` standard errors above the others."""
    rng, found = np.random.default_rng([ROOT, round(1000 * away), k, n]), 0.0
    for _ in range(studies):
        scores = rng.normal(size=(n, k))
        scores[:, 0] += away * np.sqrt(2 / n)
        tests = pairwise_tests.compare(scores, rng, paired=paired)
        found += float((tests.rejected & tests.above)[: k - 1].mean())
    return found / studies


def errors_of_means(name: str, n: int, studies: int, *, paired: bool = True) -> float:
    """Return the family-wise error rate of the bootstrap-t test of equal means."""
    draw, rng, wrong = equal_means()[name], generator(name, n), 0
    for _ in range(studies):
        wrong += pairwise_tests.compare(draw(rng, n), rng, test="bootstrap-t", paired=paired).rejected.any()
    return wrong / studies


def coverage_of_differences(name: str, n: int, studies: int) -> tuple[float, float]:
    """Return the coverage of the t intervals of the mean differences: the mean of all pairs, and that of the worst pair."""
    draw, rng, hits, parts = equal_means()[name], generator(name, n, 2), 0.0, 20
    for _ in range(parts):
        scores = np.stack([draw(rng, n) for _ in range(studies // parts)], axis=1)
        first, second = step_down.pairs(scores.shape[2])
        differences = scores[:, :, first] - scores[:, :, second]
        band = intervals.t_band(differences.reshape(n, -1))
        hits += ((band.low <= 0) & (band.high >= 0)).reshape(differences.shape[1:]).mean(axis=0) / parts
    return float(np.mean(hits)), float(np.min(hits))


def detection(n: int, studies: int) -> list[str]:
    """Return the share of normal runs called bad, of the bad runs detected, and the coverage of the interval of their rate.

    A tenth of the runs is bad: they end ten standard deviations lower.
    """
    rng = np.random.default_rng([ROOT, n, 2])
    false = found = bad = covers = 0
    for _ in range(studies):
        scores = rng.normal(size=n)
        false += bad_runs(scores).count
        low = rng.random(n) < 0.1
        result = bad_runs(scores - 10 * low)
        found, bad = found + min(result.count, int(low.sum())), bad + int(low.sum())
        covers += result.low <= 0.1 <= result.high
    return [share(false / (studies * n), studies * n), share(found / bad, bad), share(covers / studies, studies)]


TIMES: dict[str, tuple[DrawStudy, float]] = {
    "exponential, 39% miss": (lambda rng, n: rng.exponential(size=n), 1.0),
    "whole epochs, 29% miss": (lambda rng, n: rng.geometric(0.22, size=n).astype(float), 5.0),
    "whole epochs, 1% miss": (lambda rng, n: rng.geometric(0.6, size=n).astype(float), 5.0),
    "whole epochs, 80% in the first": (lambda rng, n: rng.geometric(0.8, size=n).astype(float), 5.0),
}
"""Times to a target, and the horizon τ at which misses are censored."""


def coverage_of_times(name: str, n: int, studies: int) -> tuple[float, float]:
    """Return the coverage of the intervals of the restricted mean, and the share of studies without an interval."""
    rng, (draw, horizon) = np.random.default_rng([ROOT, list(TIMES).index(name), n, 4]), TIMES[name]
    truth = float(np.minimum(draw(np.random.default_rng(ROOT), 4_000_000), horizon).mean())
    found = []
    for _ in range(studies):
        times = draw(rng, n)
        found.append(time_to_target.restricted_mean(np.minimum(times, horizon), times <= horizon, horizon))
    ends = np.array([(one.low, one.high) for one in found if np.isfinite(one.low)])
    return covered(ends[:, 0], ends[:, 1], truth), 1 - len(ends) / studies


def many(studies: int, factor: float) -> int:
    """Return the number of studies of a run with a factor."""
    return max(round(studies * factor), 20)


def at_sizes(sizes: tuple[int, ...], prefix: str = "") -> list[str]:
    """Return the heads of the columns by number of repeats."""
    return [f"{prefix}n = {n}" for n in sizes]


def means_table(factor: float) -> str:
    """Return the coverage of the intervals of means."""
    rows, studies = [], many(MEANS, factor)
    for seed, (name, draw) in enumerate(KINDS.items()):
        found = [coverage_of_means(draw, n, seed, studies) for n in SIZES]
        for method, at in (("Student t", 0), ("studentised bootstrap", 1)):
            cells = [
                share(pair[at], studies) if at == 0 or n >= 5 else "none" for n, pair in zip(SIZES, found, strict=True)
            ]
            rows.append([f"{name}, {method}", *cells])
    return grid(["scores and interval", *at_sizes(SIZES)], rows)


def medians_table(factor: float) -> str:
    """Return the coverage of the intervals of medians."""
    rows, studies = [], many(MEDIANS, factor)
    for seed, (name, draw) in enumerate(KINDS.items()):
        found = [coverage_of_medians(draw, n, seed, studies) for n in SIZES]
        rows.append([name, *(share(value, studies) if np.isfinite(value) else "none" for value in found)])
    return grid(["scores", *at_sizes(SIZES)], rows)


def bands_table(factor: float) -> str:
    """Return the simultaneous coverage of the bands of curves."""
    rows, studies = [], many(BANDS, factor)
    for seed, (name, draw) in enumerate(KINDS.items()):
        found = [coverage_of_bands(draw, n, seed, studies) for n in SIZES]
        for method, at in (("pointwise band", 0), ("simultaneous band", 1)):
            rows.append([f"{name}, {method}", *(share(pair[at], studies) for pair in found)])
    return grid(["scores and band", *at_sizes(SIZES)], rows)


def rates_table(_: float) -> str:
    """Return the coverage of the interval of the success rate."""
    rates = (0.5, 0.8, 0.9, 0.95)
    rows = [[f"{p:.0%}", *(f"{100 * coverage_of_rates(p, n):.1f}" for n in SIZES)] for p in rates]
    return grid(["true rate", *at_sizes(SIZES)], rows)


def errors_table(factor: float) -> str:
    """Return the family-wise error rate of each scenario."""
    rows = []
    for name in scenarios():
        counts = [many(ERRORS[n], factor) for n in PAIR_SIZES]
        cells = [share(errors(name, n, count)[0], count) for n, count in zip(PAIR_SIZES, counts, strict=True)]
        rows.append([name, *cells])
    return grid(["scores", *at_sizes(PAIR_SIZES)], rows)


def coverage_table(factor: float) -> str:
    """Return the simultaneous coverage of the intervals of δ and of P(A > B) in each scenario."""
    rows = []
    for name in scenarios():
        counts = [many(COVERAGE[n], factor) for n in PAIR_SIZES]
        found = [errors(name, n, count) for n, count in zip(PAIR_SIZES, counts, strict=True)]
        rows.append([name, *(share(one[at], count) for at in (1, 2) for one, count in zip(found, counts, strict=True))])
    return grid(["scores", *at_sizes(PAIR_SIZES, "δ, "), *at_sizes(PAIR_SIZES, "P, ")], rows)


def power_table(factor: float) -> str:
    """Return the power of the rank test at two true differences, for two and nine optimizers."""
    rows = []
    for k, word in ((2, "two"), (9, "nine")):
        for n, paired_studies in POWER[k].items():
            cells = []
            for paired, studies in ((True, paired_studies), (False, POWER_UNPAIRED[k])):
                count = many(studies, factor)
                cells += [share(power(away, k, n, count, paired=paired), count) for away in (3, 6)]
            rows.append([f"{word}, n = {n}", *cells])
    return grid(["optimizers", "3 SE", "6 SE", "unpaired, 3 SE", "unpaired, 6 SE"], rows)


def ties_table(factor: float) -> str:
    """Return the shares of false and of true ties of each scenario."""
    studies = many(TIES, factor)
    rows = [[name, *(share(value, studies) for value in ties(name, 10, studies))] for name in scenarios()]
    return grid(["scores, n = 10", "false ties", "true ties"], rows)


def unpaired_table(factor: float) -> str:
    """Return error rate, coverage and ties of the test of independent runs."""
    studies, tie_studies, rows = many(UNPAIRED, factor), many(UNPAIRED_TIES, factor), []
    for name in (name for name, scenario in scenarios().items() if not scenario.shared):
        found = [share(value, studies) for value in errors(name, 10, studies, paired=False)]
        rows.append([name, *found, *(share(value, tie_studies) for value in ties(name, 10, tie_studies, paired=False))])
    columns = ["scores, n = 10", "family-wise error", "coverage of δ", "coverage of P", "false ties", "true ties"]
    return grid(columns, rows)


def differences_table(factor: float) -> str:
    """Return the coverage of the t intervals of mean differences: the average over the pairs, and the worst pair."""
    studies, rows = many(DIFFERENCES, factor), []
    for name in equal_means():
        found = [coverage_of_differences(name, n, studies) for n in PAIR_SIZES]
        rows.append([name, *(share(pair[at], studies) for at in (0, 1) for pair in found)])
    return grid(["scores", *at_sizes(PAIR_SIZES, "average, "), *at_sizes(PAIR_SIZES, "worst, ")], rows)


def bootstrap_table(factor: float) -> str:
    """Return the family-wise error rate of the bootstrap-t test of means, for paired and for independent repeats."""
    rows = []
    for name in equal_means():
        counts = ((True, many(BOOTSTRAP, factor)), (False, many(BOOTSTRAP_UNPAIRED, factor)))
        cells = [
            "–"
            if name.startswith("shared") and not paired
            else share(errors_of_means(name, 10, count, paired=paired), count)
            for paired, count in counts
        ]
        rows.append([name, *cells])
    return grid(["scores, n = 10", "paired", "unpaired"], rows)


def bad_runs_table(factor: float) -> str:
    """Return how reliably bad runs are detected."""
    rows = [[f"n = {n}", *detection(n, many(BAD_RUNS, factor))] for n in PAIR_SIZES]
    return grid(["repeats", "normal runs called bad", "bad runs detected", "coverage of the rate"], rows)


def times_table(factor: float) -> str:
    """Return the coverage of the restricted mean time to a target, and the share of studies without an interval."""
    studies, rows = many(TIMES_STUDIES, factor), []
    for name in TIMES:
        found = [coverage_of_times(name, n, studies) for n in SIZES[1:]]
        rows.append([name, *(share(value, studies) for value, _ in found), *(f"{none:.1%}" for _, none in found)])
    return grid(["times", *at_sizes(SIZES[1:]), *at_sizes(SIZES[1:], "no interval, ")], rows)


TABLES: dict[str, Callable[[float], str]] = {
    "means": means_table,
    "medians": medians_table,
    "rates": rates_table,
    "bands": bands_table,
    "errors": errors_table,
    "coverage": coverage_table,
    "power": power_table,
    "ties": ties_table,
    "unpaired": unpaired_table,
    "bad runs": bad_runs_table,
    "differences": differences_table,
    "bootstrap-t": bootstrap_table,
    "times": times_table,
}


def main() -> None:
    """Measure the tables named on the command line, default all, and write them into the document."""
    parser = argparse.ArgumentParser(description="Measure the tables of docs/statistics.md.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"Choose tables: {', '.join(TABLES)}. Default: all.")
    parser.add_argument(
        "--factor", type=float, default=1.0, help="Multiply the number of studies; other than 1: only print."
    )
    arguments = parser.parse_args()
    for name in arguments.tables or TABLES:
        found = TABLES[name](arguments.factor)
        if arguments.factor == 1:
            DOCUMENT.write_text(put(DOCUMENT.read_text(encoding="utf-8"), name, found), encoding="utf-8")
        print(found, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
