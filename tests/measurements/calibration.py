"""Measures coverage, family-wise error rate and power of the statistics of `reports`: `tox -e calibration`.

Studies with known truth are simulated and analysed by the functions that a report uses. The shares of correct results are
written to the tables of `docs/statistics.md`, between the marks with their names. Every number depends only on the seeds below.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markdown_tables import grid, put
from scipy import stats

from reports.analysis import verdicts
from reports.statistics import intervals, pairwise_tests, time_to_target

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"
SIZES = (3, 5, 6, 10, 20)
INTERVALS, BANDS, STUDIES, ERRORS = 20_000, 1_000, 2_000, 20_000
ROOT = 2026


@cache
def residuals() -> np.ndarray:
    """Return the scores of the shipped runs of `paper`, centred by optimizer: shape (repeats, optimizers)."""
    from reports.frames import scores, study_frames
    from suite.transfer import archive

    read = archive.read(archive.baselines()["paper"])
    frames = study_frames.load(read, read.trials)
    table = verdicts.wide(scores.final(frames, [read.study.score]), read.study.score, frames.labels)
    return (table - table.mean()).to_numpy()


@cache
def measured() -> np.ndarray:
    """Return the same scores scaled to unit standard deviation by optimizer, in one dimension."""
    return (residuals() / residuals().std(axis=0, ddof=1)).ravel()


def each_from_itself(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return a study that resamples each optimizer from its own runs, with equal means."""
    return np.column_stack([rng.choice(column, size=n) for column in residuals().T])


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return normal scores."""
    return rng.normal(size=shape)


def discrete(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return fractions of 100 test images, with many ties."""
    return rng.binomial(100, 0.88, size=shape) / 100


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return exponential scores, of skewness 2."""
    return rng.exponential(size=shape)


def bimodal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return scores of which one in five is six standard deviations lower."""
    return rng.normal(size=shape) - 6 * (rng.random(shape) < 0.2)


def contaminated(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return scores of which one in twenty has ten times the standard deviation."""
    return rng.normal(size=shape) * np.where(rng.random(shape) < 0.05, 10.0, 1.0)


def resampled(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
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
    from scipy.optimize import brentq

    return -1.2, brentq(lambda x: 0.2 * stats.norm.cdf(x + 6) + 0.8 * stats.norm.cdf(x) - 0.5, -6, 3)


def share(value: float, n: int) -> str:
    """Return a share in percent with its Monte Carlo standard error."""
    return f"{100 * value:.1f} ± {100 * np.sqrt(value * (1 - value) / n):.1f}"


def covered(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    """Return the share of intervals that cover the truth, up to rounding."""
    close = 1e-12 * max(1.0, abs(truth))
    return float(np.mean((low <= truth + close) & (truth - close <= high)))


def coverage_of_means(draw: Draw, n: int, seed: int, many: int = INTERVALS) -> tuple[float, float]:
    """Return the coverage of the t interval and of the studentised bootstrap."""
    rng, truth = np.random.default_rng([ROOT, seed, n]), truths(draw)[0]
    scores = draw(rng, (n, many))
    t = intervals.t_band(scores)
    hits = []
    for part in np.array_split(scores, max(many // 500, 1), axis=1):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=999)
        band = intervals.studentised_band(part, counts)
        hits.append(covered(band.low, band.high, truth) * part.shape[1])
    return covered(t.low, t.high, truth), sum(hits) / many


def coverage_of_medians(draw: Draw, n: int, seed: int, many: int = 4000) -> float:
    """Return the coverage of the interval of order statistics; NaN if there is none."""
    rng, truth = np.random.default_rng([ROOT, seed, n, 1]), truths(draw)[1]
    found = [intervals.median_interval(scores) for scores in draw(rng, (many, n))]
    if not np.isfinite(found[0].low):
        return float("nan")
    return covered(np.array([one.low for one in found]), np.array([one.high for one in found]), truth)


def curves(draw: Draw, rng: np.random.Generator, n: int, epochs: int = 25) -> np.ndarray:
    """Return curves around 0 whose neighbouring epochs have correlation 0.9."""
    noise = draw(rng, (n, epochs)) - truths(draw)[0]
    found = noise.copy()
    for epoch in range(1, epochs):
        found[:, epoch] = 0.9 * found[:, epoch - 1] + np.sqrt(1 - 0.81) * noise[:, epoch]
    return found


def coverage_of_bands(draw: Draw, n: int, seed: int, many: int = BANDS) -> tuple[float, float]:
    """Return the share of curves completely inside the pointwise band, and inside the simultaneous band."""
    rng = np.random.default_rng([ROOT, seed, n, 2])
    hits = np.zeros(2)
    for _ in range(many):
        found = curves(draw, rng, n)
        for at, band in enumerate((intervals.t_band(found), intervals.simultaneous_band(found, rng))):
            hits[at] += bool(np.all((band.low <= 0) & (band.high >= 0)))
    return float(hits[0] / many), float(hits[1] / many)


def coverage_of_rates(p: float, n: int) -> float:
    """Return the coverage of the Clopper-Pearson interval, as the exact sum over all counts."""
    inside = 0.0
    for count in range(n + 1):
        found = intervals.success_interval(count, n)
        inside += stats.binom.pmf(count, n, p) * (found.low <= p <= found.high)
    return float(inside)


UNEQUAL = np.geomspace(0.2, 5, 9)
NULLS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "equal variances": lambda rng, n: rng.normal(size=(n, 9)),
    "equal variances, shared seeds (correlation 0.8)": lambda rng, n: (
        2 * rng.normal(size=(n, 1)) + rng.normal(size=(n, 9))
    ),
    "unequal variances (SD ratio 25)": lambda rng, n: rng.normal(size=(n, 9)) * UNEQUAL,
    "unequal variances (one SD ten times larger)": lambda rng, n: rng.normal(size=(n, 9)) * np.r_[10, np.ones(8)],
    "same skewness (exponential)": lambda rng, n: rng.exponential(size=(n, 9)) - 1,
    "heavy tails (t with 3 degrees of freedom)": lambda rng, n: rng.standard_t(3, size=(n, 9)),
    "discrete (of 100 images)": lambda rng, n: rng.binomial(100, 0.88, size=(n, 9)) / 100,
    "resampled runs, one distribution for all": lambda rng, n: resampled(rng, (n, 9)),
    "three groups of three, 6 standard errors apart": lambda rng, n: (
        rng.normal(size=(n, 9)) + np.repeat([0, 1, 2], 3) * 6 * np.sqrt(2 / n)
    ),
    "three groups of three, unequal variances": lambda rng, n: (
        rng.normal(size=(n, 9)) * np.tile([0.5, 1, 2], 3) + np.repeat([0, 1, 2], 3) * 6 * np.sqrt(2 / n)
    ),
    "violated: skewed, unequal variances (SD ratio 4)": lambda rng, n: (
        (rng.exponential(size=(n, 9)) - 1) * np.geomspace(0.5, 2, 9)
    ),
    "violated: skewed, unequal variances (SD ratio 25)": lambda rng, n: (rng.exponential(size=(n, 9)) - 1) * UNEQUAL,
    "violated: resampled runs, each optimizer from itself": each_from_itself,
}


def family_error(name: str, test: pairwise_tests.Test, n: int = 10, many: int = ERRORS) -> float:
    """Return the share of studies in which a true null hypothesis is rejected."""
    rng = np.random.default_rng([ROOT, list(NULLS).index(name), n])
    k = NULLS[name](rng, n).shape[1]
    first, second = pairwise_tests.pairs(k)
    groups = np.repeat([0, 1, 2], 3) if "groups" in name else np.zeros(k)
    null = groups[first] == groups[second]
    wrong = 0
    for _ in range(many):
        found = pairwise_tests.compare(NULLS[name](rng, n), rng, test=test)
        wrong += bool((found.adjusted[null] <= 0.05).any())
    return wrong / many


DIFFERENCES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    **{name: lambda rng, n, draw=draw: draw(rng, (n, 9)) for name, draw in KINDS.items()},
    "skewed, unequal variances (SD ratio 4)": NULLS["violated: skewed, unequal variances (SD ratio 4)"],
    "resampled, each optimizer from itself": each_from_itself,
}


def coverage_of_differences(name: str, n: int, many: int = STUDIES) -> tuple[float, float]:
    """Return the mean pointwise coverage of the pairs, and the simultaneous coverage of all pairs; means are equal."""
    rng = np.random.default_rng([ROOT, list(DIFFERENCES).index(name), n, 3])
    alone = together = 0.0
    for _ in range(many):
        found = pairwise_tests.compare(DIFFERENCES[name](rng, n), rng)
        alone += covered(*found.interval(0.95), 0.0)
        together += covered(*found.simultaneous_interval(), 0.0) == 1.0
    return alone / many, together / many


TIMES: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
    "exponential, 39% miss": (lambda rng, n: rng.exponential(size=n), 1.0),
    "whole epochs, 29% miss": (lambda rng, n: rng.geometric(0.22, size=n).astype(float), 5.0),
    "whole epochs, 1% miss": (lambda rng, n: rng.geometric(0.6, size=n).astype(float), 5.0),
}
"""Times to a target, and the horizon τ at which misses are censored."""


def coverage_of_times(name: str, n: int, many: int = STUDIES) -> float:
    """Return the coverage of the restricted mean; studies whose runs all have the same time are not counted."""
    rng, (draw, horizon) = np.random.default_rng([ROOT, list(TIMES).index(name), n, 4]), TIMES[name]
    truth = float(np.minimum(draw(np.random.default_rng(ROOT), 4_000_000), horizon).mean())
    found = []
    for _ in range(many):
        times = draw(rng, n)
        found.append(time_to_target.restricted_mean(np.minimum(times, horizon), times <= horizon, horizon))
    ends = np.array([(one.low, one.high) for one in found if np.isfinite(one.low)])
    return covered(ends[:, 0], ends[:, 1], truth)


def power(away: float, k: int, n: int, test: pairwise_tests.Test = "max-t", many: int = STUDIES) -> float:
    """Return the share of significant true differences: one optimizer of k is `away` standard errors from the others."""
    rng = np.random.default_rng([ROOT, round(1000 * away), k, n])
    found = 0.0
    for _ in range(many):
        scores = rng.normal(size=(n, k))
        scores[:, 0] += away * np.sqrt(2 / n)
        found += float((pairwise_tests.compare(scores, rng, test=test).adjusted[: k - 1] <= 0.05).mean())
    return found / many


def studies(k: int, n: int, test: pairwise_tests.Test = "max-t") -> int:
    """Return the number of studies: all for two optimizers and for nine at n = 10, else a quarter."""
    return STUDIES if (k, n, test) == (9, 10, "max-t") or k == 2 else STUDIES // 4


def ties(away: float, margin: float, n: int, many: int = STUDIES) -> float:
    """Return the share of ties of a pair of nine; its true difference and the margin are in standard errors of a difference."""
    rng = np.random.default_rng([ROOT, round(10 * away), round(10 * margin), n])
    unit, hits = np.sqrt(2 / n), 0
    for _ in range(many):
        scores = rng.normal(size=(n, 9))
        scores[:, 0] += away * unit
        found = pairwise_tests.compare(scores, rng)
        verdict = verdicts.judge(found, higher=True, margin=margin * unit, level=0.95, min_repeats=6)
        hits += verdict[0] == verdicts.TIED
    return hits / many


def means_table() -> str:
    """Return the coverage of the intervals of means."""
    rows = []
    for seed, (name, draw) in enumerate(KINDS.items()):
        found = [coverage_of_means(draw, n, seed) for n in SIZES]
        for method, at in (("Student t", 0), ("studentised bootstrap", 1)):
            cells = [
                share(pair[at], INTERVALS) if at == 0 or n >= 5 else "none"
                for n, pair in zip(SIZES, found, strict=True)
            ]
            rows.append([f"{name}, {method}", *cells])
    return grid(["scores and interval", *(f"n = {n}" for n in SIZES)], rows)


def medians_table() -> str:
    """Return the coverage of the intervals of medians."""
    rows = []
    for seed, (name, draw) in enumerate(KINDS.items()):
        found = [coverage_of_medians(draw, n, seed) for n in SIZES]
        rows.append([name, *(share(value, 4000) if np.isfinite(value) else "none" for value in found)])
    return grid(["scores", *(f"n = {n}" for n in SIZES)], rows)


def bands_table() -> str:
    """Return the simultaneous coverage of the bands of curves."""
    rows = []
    for seed, (name, draw) in enumerate(KINDS.items()):
        found = [coverage_of_bands(draw, n, seed) for n in SIZES]
        for method, at in (("pointwise band", 0), ("simultaneous band", 1)):
            rows.append([f"{name}, {method}", *(share(pair[at], BANDS) for pair in found)])
    return grid(["scores and band", *(f"n = {n}" for n in SIZES)], rows)


def rates_table() -> str:
    """Return the coverage of the interval of the success rate."""
    rates = (0.5, 0.8, 0.9, 0.95)
    rows = [[f"{p:.0%}", *(f"{100 * coverage_of_rates(p, n):.1f}" for n in SIZES)] for p in rates]
    return grid(["true rate", *(f"n = {n}" for n in SIZES)], rows)


def differences_table() -> str:
    """Return the coverage of the intervals of differences."""
    rows = []
    for name in DIFFERENCES:
        found = [coverage_of_differences(name, n) for n in SIZES[1:]]
        for at, method in enumerate(("pointwise", "simultaneous")):
            rows.append([f"{name}, {method}", *(share(pair[at], STUDIES) for pair in found)])
    return grid(["scores and interval", *(f"n = {n}" for n in SIZES[1:])], rows)


def times_table() -> str:
    """Return the coverage of the restricted mean time to a target."""
    rows = [[name, *(share(coverage_of_times(name, n), STUDIES) for n in SIZES[1:])] for name in TIMES]
    return grid(["times", *(f"n = {n}" for n in SIZES[1:])], rows)


def errors_table() -> str:
    """Return the family-wise error rate of each scenario."""
    tests: tuple[pairwise_tests.Test, ...] = ("max-t", "holm-t", "welch")
    rows = [[name, *(share(family_error(name, test), ERRORS) for test in tests)] for name in NULLS]
    return grid(["scores", *tests], rows)


def power_table() -> str:
    """Return the power against n and the difference, for nine and two optimizers."""
    aways = (2, 3, 4, 5, 6, 8)
    sizes = (6, 8, 10, 15, 20)
    rows = [
        [
            f"{'nine' if k == 9 else 'two'}, n = {n}",
            *(f"{100 * power(away, k, n, many=studies(k, n)):.0f}" for away in aways),
        ]
        for k in (9, 2)
        for n in sizes
    ]
    rows += [
        [f"nine, n = 10, {test}", *(f"{100 * power(away, 9, 10, test, studies(9, 10, test)):.0f}" for away in aways)]
        for test in pairwise_tests.TESTS[1:]
    ]
    return grid(["family", *(f"{away} SE" for away in aways)], rows)


def promises_table() -> str:
    """Return two powers from more studies."""
    rows = []
    for name, away, k, many in (("nine, 6 standard errors", 6, 9, ERRORS), ("two, 3 standard errors", 3, 2, 40_000)):
        rows.append([name, *(share(power(away, k, 10, test, many), many) for test in ("max-t", "holm-t"))])
    return grid(["n = 10", "max-t", "holm-t"], rows)


def ties_table() -> str:
    """Return the share of ties."""
    margins = (4, 6, 8)
    rows = [
        ["none", *(share(ties(0, m, 10), STUDIES) for m in margins)],
        ["the margin", *(share(ties(m, m, 10), STUDIES) for m in margins)],
    ]
    return grid(["true difference", *(f"margin {m} SE" for m in margins)], rows)


TABLES = {
    "means": means_table,
    "medians": medians_table,
    "bands": bands_table,
    "rates": rates_table,
    "times": times_table,
    "differences": differences_table,
    "errors": errors_table,
    "power": power_table,
    "promises": promises_table,
    "ties": ties_table,
}


def main() -> None:
    """Measure the tables named on the command line, default all, and write them into the document."""
    for name in sys.argv[1:] or TABLES:
        found = TABLES[name]()
        DOCUMENT.write_text(put(DOCUMENT.read_text(encoding="utf-8"), name, found), encoding="utf-8")
        print(found, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
