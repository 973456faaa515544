"""The ranking of optimizers over several problems, from the results of a study's parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.frames.scores import higher_is_better
from reports.statistics import across_problems
from reports.statistics.time_to_target import MIDDLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.frames.study_frames import Frames, Study
    from reports.statistics.across_problems import Array, Profiles, Ranks

RATIOS = np.geomspace(1, 100, 201)
SEED = 0


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
    """A ranking over problems.

    Attributes:
        labels: The labels that all problems have, by mean rank.
        parts: The names of the parts, in their order.
        table: A row per label: `label`, `mean_rank`; for each part `rank_<part>`, `ok_<part>` and `run_<part>` (numbers of
            trials that ended ok and that started); `probability_of_improvement` with `_low` and `_high` (how often a run of the
            first label is better than a run of this one).
        ranks: Mean ranks with their test, in the order of `labels`.
        profiles: Performance profiles of the time to a target; None if no part was followed over time, or if no part has a
            repeat that all labels ran (third-party results may share none).
        timed: Number of parts in the profiles.
        unit: The unit of time of the profiles.
    """

    labels: tuple[str, ...]
    parts: tuple[str, ...]
    table: pd.DataFrame
    ranks: Ranks
    profiles: Profiles | None
    timed: int
    unit: str


def rank_optimizers(problems: Sequence[ProblemResults]) -> Ranking | None:
    """Return the ranking over problems; None for fewer than two problems with a score or three optimizers that all have.

    An optimizer whose repeats on a problem all diverged or stalled ranks last there. Test functions are not ranked, because
    they have different learning rates and were chosen to be different.
    """
    if any(results.frames.on_surfaces for results in problems):
        return None
    scored = [results for results in problems if results.estimates[results.study.score].notna().any()]
    shared = [label for label in (scored[0].frames.labels if scored else ()) if _has_results_on_all(label, scored)]
    if len(scored) < 2 or len(shared) < 3:
        return None
    means = np.array([_goodness(results, shared) for results in scored])
    ranks = across_problems.mean_ranks(means, higher=True)
    order = sorted(range(len(shared)), key=lambda column: (ranks.mean[column], column))
    labels = [shared[column] for column in order]
    ranks = replace(ranks, mean=ranks.mean[order])
    table = pd.DataFrame({"label": labels, "mean_rank": ranks.mean})
    for results, row in zip(scored, means[:, order], strict=True):
        table[f"rank_{results.study.part}"] = pd.Series(-row).rank().to_numpy()
    for results in scored:
        counts = results.estimates.set_index("label").reindex(labels)
        for count in ("ok", "run"):
            table[f"{count}_{results.study.part}"] = counts[count].to_numpy()
    runs = [_runs(scored, label) for label in labels]
    name = "probability_of_improvement"
    table[[name, f"{name}_low", f"{name}_high"]] = [(np.nan,) * 3] + [
        across_problems.probability_of_improvement(runs[0], other, np.random.default_rng(SEED)) for other in runs[1:]
    ]
    costs = _costs(scored, labels)
    profiles = across_problems.performance_profiles(costs, RATIOS, np.random.default_rng(SEED)) if len(costs) else None
    unit = "epochs" if any(results.frames.imported for results in scored) else "updates"
    parts = tuple(results.study.part for results in scored)
    return Ranking(tuple(labels), parts, table, ranks, profiles, len(costs), unit)


def _has_results_on_all(label: str, problems: Sequence[ProblemResults]) -> bool:
    """Return whether every problem has a score of an optimizer, or only repeats that diverged or stalled."""
    for results in problems:
        row = results.estimates[results.estimates["label"] == label]
        if row.empty or (pd.isna(row[results.study.score].iloc[0]) and not _all_lost(results, label)):
            return False
    return True


def _all_lost(results: ProblemResults, label: str) -> bool:
    """Return whether every repeat of an optimizer diverged or stalled."""
    outcomes = results.scores.loc[results.scores["label"] == label, "outcome"]
    return bool(outcomes.isin(["diverged", "stalled"]).all())


def _goodness(results: ProblemResults, labels: Sequence[str]) -> Array:
    """Return mean scores so that higher is better; −∞ if every repeat was lost."""
    score = results.study.score
    means = results.estimates.set_index("label")[score].reindex(list(labels)).to_numpy(dtype=np.float64)
    return np.where(np.isnan(means), -np.inf, means if higher_is_better(score) else -means)


def _runs(problems: Sequence[ProblemResults], label: str) -> Array:
    """Return the scores of an optimizer so that higher is better, shape (problems, repeats).

    A run that diverged or stalled has a value below all others; a run that does not exist is NaN.
    """
    rows = []
    for results in problems:
        score = results.study.score
        repeats = results.scores[results.scores["label"] == label].sort_values("repeat")
        sign = 1.0 if higher_is_better(score) else -1.0
        values = sign * repeats[score].to_numpy(dtype=np.float64)
        worst = (sign * results.scores[score]).min() - 1
        rows.append(np.where(repeats["outcome"].isin(["diverged", "stalled"]), worst, values))
    width = max(map(len, rows))
    return np.array([np.pad(row, (0, width - len(row)), constant_values=np.nan) for row in rows])


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
