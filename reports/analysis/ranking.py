"""How optimizers stand over several problems: from the reports of a study's parts, numbers alone."""

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
    """How optimizers stand over problems.

    Attributes:
        labels: Those that all problems have, by mean rank.
        parts: The names of the parts, in their order.
        table: A row per label: `label`, `mean_rank`, for each part `rank <part>`, `ok <part>` and `run <part>` (how many of its
            repeats ended ok, of how many), and how often a run of the first label beats
            one of this: `probability_of_improvement`, `probability_of_improvement_low`, `probability_of_improvement_high`.
        ranks: Mean ranks with their test, in the order of `labels`.
        profiles: Of the time to a target; None where no part was followed over time, or none has a
            repeat that all of them ran (results from elsewhere may share none).
        timed: How many parts the profiles cover.
        unit: What their times are counted in.
    """

    labels: tuple[str, ...]
    parts: tuple[str, ...]
    table: pd.DataFrame
    ranks: Ranks
    profiles: Profiles | None
    timed: int
    unit: str


def rank_optimizers(problems: Sequence[ProblemResults]) -> Ranking | None:
    """How optimizers stand over the problems; None below two problems with a score, or three optimizers that all have.

    An optimizer whose every repeat of a part diverged or stalled ranks last there.
    """
    if any(results.frames.on_surfaces for results in problems):
        return (
            None  # each surface has learning rates of its own, and what can be said of four functions is said of each
        )
    known = [results for results in problems if results.estimates[results.study.score].notna().any()]
    shared = [label for label in (known[0].frames.labels if known else ()) if _is_everywhere(label, known)]
    if len(known) < 2 or len(shared) < 3:
        return None
    means = np.array([_goodness(results, shared) for results in known])
    ranks = across_problems.mean_ranks(means, higher=True)
    order = sorted(range(len(shared)), key=lambda at: (ranks.mean[at], at))
    labels = [shared[at] for at in order]
    ranks = replace(ranks, mean=ranks.mean[order])
    table = pd.DataFrame({"label": labels, "mean_rank": ranks.mean})
    for results, row in zip(known, means[:, order], strict=True):
        table[f"rank_{results.study.part}"] = pd.Series(-row).rank().to_numpy()
    for results in known:
        for count in ("ok", "run"):
            table[f"{count} {results.study.part}"] = (
                results.estimates.set_index("label")[count].reindex(labels).to_numpy()
            )
    runs = {label: _runs(known, label) for label in labels}
    beaten = [(np.nan,) * 3] + [
        across_problems.probability_of_improvement(runs[labels[0]], runs[label], np.random.default_rng(SEED))
        for label in labels[1:]
    ]
    table[["probability_of_improvement", "probability_of_improvement_low", "probability_of_improvement_high"]] = beaten
    costs = _costs(known, labels)
    profiles = across_problems.performance_profiles(costs, RATIOS, np.random.default_rng(SEED)) if len(costs) else None
    unit = "epochs" if any(results.frames.imported for results in known) else "updates"
    return Ranking(
        tuple(labels), tuple(results.study.part for results in known), table, ranks, profiles, len(costs), unit
    )


def _is_everywhere(label: str, problems: Sequence[ProblemResults]) -> bool:
    """Whether every part has results of an optimizer, good ones or none."""
    for results in problems:
        row = results.estimates[results.estimates["label"] == label]
        if row.empty or (pd.isna(row[results.study.score].iloc[0]) and not _lost(results, label)):
            return False
    return True


def _lost(results: ProblemResults, label: str) -> bool:
    """Whether every repeat of an optimizer diverged or stalled."""
    outcomes = results.scores.loc[results.scores["label"] == label, "outcome"]
    return bool(outcomes.isin(["diverged", "stalled"]).all())


def _goodness(results: ProblemResults, labels: Sequence[str]) -> Array:
    """Mean scores, more is better; minus infinity where every repeat was lost."""
    score = results.study.score
    means = results.estimates.set_index("label")[score].reindex(list(labels)).to_numpy(dtype=np.float64)
    return np.where(np.isnan(means), -np.inf, means if higher_is_better(score) else -means)


def _runs(problems: Sequence[ProblemResults], label: str) -> Array:
    """The scores of an optimizer's repeats, more is better, a row per part: NaN where there is none, a low value if lost."""
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
    """Updates to the target, by part, repeat and label: infinite where it was missed, NaN where there was no run.

    Only of parts that have a repeat which all of them ran.
    """
    found = []
    for results in problems:
        if results.times is None:
            continue
        times = results.times[results.times["target"] == MIDDLE]
        times = times.assign(cost=np.where(times["reached"], times["step"], np.inf))
        wide = times.pivot_table(index="repeat", columns="label", values="cost", aggfunc="last").reindex(
            columns=list(labels)
        )
        costs = wide.to_numpy(dtype=np.float64)
        if not np.isnan(costs).any(axis=1).all():
            found.append(costs)
    if not found:
        return np.empty((0, 0, len(labels)))
    deep = max(map(len, found))
    return np.array([np.pad(each, ((0, deep - len(each)), (0, 0)), constant_values=np.nan) for each in found])
