"""The ranking of optimizers over several problems, from the results of a study's parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.analysis import verdicts
from reports.analysis.verdicts import BETTER, SEED, UNDECIDED, WORSE
from reports.frames.scores import higher_is_better
from reports.statistics import across_problems, letter_display
from reports.statistics.time_to_target import MIDDLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.frames.study_frames import Frames, Study
    from reports.statistics.across_problems import Array, AverageSuperiority, Profiles, Ranks

RATIOS = np.geomspace(1, 100, 201)
MIN_PROBLEMS = 10
"""From this number of problems on, a report has critical differences without request. With fewer they are approximate."""


@dataclass(frozen=True, slots=True)
class ProblemResults:
    """The results on one problem that the ranking reads.

    Attributes:
        study: The study, or the part of it, on this problem.
        frames: The plan and its records.
        scores: A row per trial.
        estimates: A row per label.
        times: A row per target and trial with its time to the target; None if nothing was followed over time.
    """

    study: Study
    frames: Frames
    scores: pd.DataFrame
    estimates: pd.DataFrame
    times: pd.DataFrame | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking over problems; P(better) is the probability that a run of one optimizer ends better than a run of another.

    Attributes:
        labels: The labels that have a run on every problem, the best first.
        parts: The names of the parts, in their order.
        paired: The names of the parts whose repeats are paired by seed.
        table: A row per label: `label`; `superiority`, its P(better) against the other labels, averaged over labels and
            problems; `best_superiority`, the P(better) of the first label against this one, averaged over the problems, with
            its simultaneous interval `best_superiority_low` and `_high`; `letters` (labels that share one do not differ
            significantly); for each part `rank_<part>`, `ok_<part>` and `run_<part>` (numbers of trials that ended ok and that
            started).
        pairs: A row per pair, `first` before `second` in the order of `labels`: `n` (the smallest number of runs over the
            problems), `superiority` (P(better) of `first`, averaged over the problems) with its simultaneous interval
            `superiority_low` and `superiority_high`, `p`, `adjusted_p`, the `verdict` on `first`, and for each part
            `superiority_<part>`.
        tested: Whether any pair has the runs that a test needs.
        level: Confidence level of the family of all pairs.
        critical: Mean ranks with the critical difference, in the order of `labels`; None for fewer than three labels, and
            for fewer than `MIN_PROBLEMS` problems if they are not requested.
        profiles: Performance profiles of the time to a target; None if no part was followed over time, or if no part has a
            repeat that all labels ran (third-party results may share none).
        timed: Number of parts in the profiles.
        unit: The unit of time of the profiles.
    """

    labels: tuple[str, ...]
    parts: tuple[str, ...]
    paired: tuple[str, ...]
    table: pd.DataFrame
    pairs: pd.DataFrame
    tested: bool
    level: float
    critical: Ranks | None
    profiles: Profiles | None
    timed: int
    unit: str


def rank_optimizers(problems: Sequence[ProblemResults], *, critical_difference: bool = False) -> Ranking | None:
    """Return the ranking over problems; None for fewer than two problems with a score, or two optimizers with a run on each.

    A run that diverged, stalled or failed is worse than all others. A part is compared by paired repeats, unless it has
    third-party results, or two optimizers have the runs that a test needs but share fewer of them. Test functions are not
    ranked, because they have different learning rates and were chosen to be different.

    Args:
        problems: The results on each problem.
        critical_difference: Whether the critical difference is requested for any number of problems.
    """
    if any(results.frames.on_surfaces for results in problems):
        return None
    scored = [results for results in problems if results.estimates[results.study.score].notna().any()]
    tables = [_goodness(results) for results in scored]
    shared = [
        label
        for label in (scored[0].frames.labels if scored else ())
        if all(_has_run(label, table) for table in tables)
    ]
    if len(scored) < 2 or len(shared) < 2:
        return None
    matrices = [table[shared].to_numpy(dtype=np.float64) for table in tables]
    paired = [_paired(results, matrix) for results, matrix in zip(scored, matrices, strict=True)]
    tests = across_problems.average_superiority(matrices, np.random.default_rng(SEED), paired=paired)
    by_problem = tests.against_others()
    mean = by_problem.mean(axis=0)
    order = sorted(range(len(shared)), key=lambda column: (-mean[column], column))
    labels = [shared[column] for column in order]
    parts = tuple(results.study.part for results in scored)
    pairs = _pairs(tests, order, labels, parts)
    critical = None
    if (critical_difference or len(scored) >= MIN_PROBLEMS) and len(shared) > 2:
        ranks = across_problems.mean_ranks(by_problem)
        critical = replace(ranks, mean=ranks.mean[order])
    costs = _costs(scored, labels)
    return Ranking(
        labels=tuple(labels),
        parts=parts,
        paired=tuple(part for part, pair in zip(parts, paired, strict=True) if pair),
        table=_table(scored, labels, by_problem[:, order], pairs),
        pairs=pairs,
        tested=bool(tests.in_family.any()),
        level=tests.level,
        critical=critical,
        profiles=across_problems.performance_profiles(costs, RATIOS, np.random.default_rng(SEED))
        if len(costs)
        else None,
        timed=len(costs),
        unit="epochs" if any(results.frames.imported for results in scored) else "updates",
    )


def _goodness(results: ProblemResults) -> pd.DataFrame:
    """Return scores so that higher is better, a row per repeat and a column per label; −∞ is a run that was lost."""
    table = verdicts.wide(results.scores, results.study.score, results.frames.labels)
    return table if higher_is_better(results.study.score) else -table


def _has_run(label: str, table: pd.DataFrame) -> bool:
    return label in table and bool(table[label].notna().any())


def _paired(results: ProblemResults, matrix: Array) -> bool:
    """Return whether the repeats of a problem are compared as pairs."""
    known = (~np.isnan(matrix)).astype(np.intp)
    shared, runs = known.T @ known, known.sum(axis=0)
    testable = np.minimum(np.minimum.outer(runs, runs), across_problems.MIN_REPEATS)
    return not results.frames.imported and bool((shared >= testable).all())


def _pairs(
    tests: AverageSuperiority, order: Sequence[int], labels: Sequence[str], parts: Sequence[str]
) -> pd.DataFrame:
    """Return a row per pair with the columns of `Ranking.pairs`."""
    position = np.argsort(order)
    flip = position[tests.first] > position[tests.second]
    first, second = np.where(flip, [tests.second, tests.first], [tests.first, tests.second])

    def oriented(share: Array, opposite: Array) -> Array:
        return np.where(flip, 1 - opposite, share)

    above = oriented(tests.superiority, tests.superiority) > 0.5
    columns = {
        "first": [labels[position[column]] for column in first],
        "second": [labels[position[column]] for column in second],
        "n": tests.n,
        "superiority": oriented(tests.superiority, tests.superiority),
        "superiority_low": oriented(tests.low, tests.high),
        "superiority_high": oriented(tests.high, tests.low),
        "p": tests.p,
        "adjusted_p": tests.adjusted_p,
        "verdict": np.where(tests.rejected, np.where(above, BETTER, WORSE), UNDECIDED).astype(object),
    }
    columns |= {f"superiority_{part}": oriented(row, row) for part, row in zip(parts, tests.by_problem, strict=True)}
    return pd.DataFrame(columns).iloc[np.lexsort((position[second], position[first]))].reset_index(drop=True)


def _table(
    problems: Sequence[ProblemResults], labels: Sequence[str], by_problem: Array, pairs: pd.DataFrame
) -> pd.DataFrame:
    """Return a row per label with the columns of `Ranking.table`.

    Args:
        problems: The results on each problem.
        labels: The labels, the best first.
        by_problem: P(better) of each label against the others, shape (problems, labels).
        pairs: `Ranking.pairs`.
    """
    different = pairs[pairs["verdict"] != UNDECIDED]
    tiers = letter_display.tiers(labels, set(zip(different["first"], different["second"], strict=True)))
    letters = letter_display.letters(labels, tiers)
    best = pairs[pairs["first"] == labels[0]].set_index("second").reindex(list(labels))
    table = pd.DataFrame({"label": labels, "superiority": by_problem.mean(axis=0)})
    for end in ("", "_low", "_high"):
        table[f"best_superiority{end}"] = best[f"superiority{end}"].to_numpy()
    table["letters"] = [letters[label] for label in labels]
    for results, row in zip(problems, by_problem, strict=True):
        table[f"rank_{results.study.part}"] = pd.Series(-row).rank().to_numpy()
    for results in problems:
        counts = results.estimates.set_index("label").reindex(list(labels))
        for count in ("ok", "run"):
            table[f"{count}_{results.study.part}"] = counts[count].to_numpy()
    return table


def _costs(problems: Sequence[ProblemResults], labels: Sequence[str]) -> Array:
    """Return the updates to the target, shape (problems, repeats, optimizers), of problems with a repeat that all labels ran.

    Costs are infinite if the target was not reached, and NaN if there was no run.
    """
    costs = []
    for results in problems:
        if results.times is None:
            continue
        times = results.times[results.times["target"] == MIDDLE]
        times = times.assign(cost=np.where(times["reached"], times["step"], np.inf))
        wide = times.pivot_table(index="repeat", columns="label", values="cost", aggfunc="last")
        matrix = wide.reindex(columns=list(labels)).to_numpy(dtype=np.float64)
        if not np.isnan(matrix).any(axis=1).all():
            costs.append(matrix)
    if not costs:
        return np.empty((0, 0, len(labels)))
    num_repeats = max(map(len, costs))
    return np.array([np.pad(m, ((0, num_repeats - len(m)), (0, 0)), constant_values=np.nan) for m in costs])
