"""Two versions of a study: the change of each optimizer that both have, and all pairs of both versions.

Repeats are paired if both versions draw the same random numbers: problem, options, data, root seed, stage and repeat agree.
Repeat r then has the same initial weights and batches in both versions. Otherwise repeats are independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.analysis import verdicts
from reports.frames import scores
from reports.frames.study_frames import ENVIRONMENT, IMPORTED, MISSING, UserError, settings
from reports.statistics import pairwise_tests, step_down
from reports.statistics.intervals import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.analysis.verdicts import Comparison
    from reports.frames.study_frames import Frames, Study, Trial
    from reports.statistics.pairwise_tests import Test

_SETUP_KEYS = (
    *("problem", "problem_options", "repeats", "epochs", "batch_size", "chunk", "train_examples", "precision"),
    *("compiled", "seed", "margin", "updates_per_epoch", "accumulate", "clip", "label_smoothing", "ema"),
)


@dataclass(frozen=True, slots=True)
class StudyVersion:
    """One of the two versions: its display name, its study, its plan and its records."""

    name: str
    study: Study
    trials: Sequence[Trial]
    frames: Frames


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """A comparison of two versions.

    Attributes:
        before: The name of the first version.
        after: The name of the second; differences are after − before, and verdicts are on it.
        score: The metric that is compared.
        higher: Whether a higher score is better.
        margin: Equivalence margin, in units of the score.
        level: Confidence level of each family.
        test: The test, one of `pairwise_tests.TESTS`.
        paired: Whether repeats are paired.
        unpaired_reason: Why repeats are not paired; empty if they are.
        changes: A row per label that both versions have, in the order of the second: `label`, `before` and `after` (means
            over ok runs; if paired, over the repeats that ended ok in both), `n_before`, `n_after`, and the columns of
            `Comparison.pairs` of the pair with the second version first. The labels are one family.
        excluded: Labels of both versions that have fewer than two runs in one.
        identical: Labels whose trials are identical in both versions.
        all_pairs: Verdicts on all pairs of all labels, such as `Adam · before` and `Adam · after`, as a second family.
        setup_differences: What differs between the two setups: `what`, `before`, `after`.
        min_repeats: The number of repeats that a verdict needs.
        imported: Whether the results of a version are third-party results.
    """

    before: str
    after: str
    score: str
    higher: bool
    margin: float
    level: float
    test: Test
    paired: bool
    unpaired_reason: str
    changes: pd.DataFrame
    excluded: tuple[str, ...]
    identical: tuple[str, ...]
    all_pairs: Comparison
    setup_differences: pd.DataFrame
    min_repeats: int
    imported: bool = False

    @property
    def has_verdicts(self) -> bool:
        """Return whether any label has the repeats that a verdict needs."""
        return bool(len(self.changes) and (self.changes["n"] >= self.min_repeats).any())


def compare_versions(
    before: StudyVersion, after: StudyVersion, test: Test | None = None, level: float = LEVEL
) -> BeforeAfter:
    """Return the comparison of two versions of a study, or of two studies.

    Args:
        before: The first version.
        after: The second; differences are after − before, and verdicts are on it.
        test: One of `pairwise_tests.TESTS`, in its paired form if repeats are paired. Default: `rank`.
        level: Confidence level of each family.

    Raises:
        UserError: The scores of the two differ.
    """
    score = after.study.score
    if before.study.score != score:
        problem = (
            f"the studies must have the same score, got {before.study.score} ({before.name}) and {score} ({after.name})"
        )
        raise UserError("score", problem, "Write the same score into both studies")
    higher, margin = scores.higher_is_better(score), min(before.study.margin, after.study.margin)
    unpaired_reason = why_unpaired(before.frames.trials, after.frames.trials)
    test, paired = test or "rank", not unpaired_reason
    old, new = (verdicts.wide(scores.final(v.frames, [score]), score, v.frames.labels) for v in (before, after))
    wide = pd.concat([new.add_suffix(" · after"), old.add_suffix(" · before")], axis=1)
    shared = [label for label in after.frames.labels if label in before.frames.planned]
    compared = [label for label in shared if old[label].count() > 1 and new[label].count() > 1]
    return BeforeAfter(
        before=before.name,
        after=after.name,
        score=score,
        higher=higher,
        margin=margin,
        level=level,
        test=test,
        paired=paired,
        unpaired_reason=unpaired_reason,
        changes=_changes(compared, wide, higher=higher, margin=margin, level=level, test=test, paired=paired),
        excluded=tuple(label for label in shared if label not in compared),
        identical=_identical(before.frames.trials, after.frames.trials, shared, paired=paired),
        all_pairs=verdicts.compare(
            wide, score=score, higher=higher, margin=margin, test=test, paired=paired, level=level, seeded=paired
        ),
        setup_differences=setup_differences(before, after),
        min_repeats=step_down.min_repeats_for_verdict(level),
        imported=before.frames.imported or after.frames.imported,
    )


def why_unpaired(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Return why the repeats of two tables of trials (`Frames.trials`) are not paired; empty if they are."""
    old, new = (table[table["outcome"] != MISSING] for table in (before, after))
    if IMPORTED in {*old["kind"], *new["kind"]}:
        return "the random numbers of imported runs are unknown"
    if set(old["random_stream_key"]) != set(new["random_stream_key"]):
        return "the problems, their data, options or root seeds differ"
    old_keys, new_keys = ({*zip(t["label"], t["random_stream_key"], strict=True)} for t in (old, new))
    if len(set(old["random_stream_key"])) != 1 and old_keys != new_keys:
        return "optimizers differ in their options of the problem"
    if not set(old["repeat"]) & set(new["repeat"]):
        return "they share no repeat"
    return ""


def setup_differences(before: StudyVersion, after: StudyVersion) -> pd.DataFrame:
    """Return what differs between the studies, settings and environments of two versions: `what`, `before`, `after`."""
    pairs = [(key.replace("_", " "), *(_text(v.study, key) for v in (before, after))) for key in _SETUP_KEYS]
    old, new = settings(before.study, before.trials), settings(after.study, after.trials)
    pairs += [(f"settings of {label}", old[label], new[label]) for label in new if label in old]
    pairs += [(label, "", "not there") for label in old if label not in new]
    pairs += [(label, "not there", "") for label in new if label not in old]
    for key in ENVIRONMENT:
        values = (", ".join(sorted(set(version.frames.trials[key]) - {""})) for version in (before, after))
        pairs.append((key.replace("_", " "), *values))
    rows = [(what, first, second) for what, first, second in pairs if first != second]
    return pd.DataFrame(rows, columns=["what", "before", "after"])


def _text(study: Study, key: str) -> str:
    value = getattr(study, key)
    if isinstance(value, dict):
        return ", ".join(f"{name} = {item}" for name, item in value.items())
    return "" if value is None else str(value)


def _identical(before: pd.DataFrame, after: pd.DataFrame, labels: Sequence[str], *, paired: bool) -> tuple[str, ...]:
    """Return the labels whose compared trials are identical: the shared repeats, or all repeats if they are unpaired."""

    def by_repeat(table: pd.DataFrame, label: str) -> dict[int, tuple[Any, ...]]:
        rows = table[(table["label"] == label) & (table["outcome"] != MISSING)]
        return dict(zip(rows["repeat"], zip(rows["trial_id"], rows["weights"], strict=True), strict=True))

    labels_found = []
    for label in labels:
        old, new = by_repeat(before, label), by_repeat(after, label)
        compared = old.keys() & new.keys() if paired else old.keys() | new.keys()
        if compared and all(repeat in old and old[repeat] == new.get(repeat) for repeat in compared):
            labels_found.append(label)
    return tuple(labels_found)


def _changes(
    labels: Sequence[str], wide: pd.DataFrame, *, higher: bool, margin: float, level: float, test: Test, paired: bool
) -> pd.DataFrame:
    """Return the table of changes; `wide` has a column for each label and version."""
    names = [name for label in labels for name in (label, label)]
    matrix = wide[[f"{label} · {version}" for label in labels for version in ("after", "before")]].to_numpy(np.float64)
    after, before = np.arange(0, len(names), 2), np.arange(1, len(names), 2)
    sign = 1.0 if higher else -1.0
    tests = pairwise_tests.compare(
        sign * matrix,
        np.random.default_rng(verdicts.SEED),
        test=test,
        paired=paired,
        level=level,
        columns=(after, before),
    )
    verdict = verdicts.judge(tests, margin=margin)
    table = verdicts.rows(names, sign * matrix, tests, verdict=verdict, sign=sign, seeded=paired)
    columns = list(zip(after.tolist(), before.tolist(), strict=True))
    means = pd.DataFrame(
        {
            "label": list(labels),
            "before": [_mean(matrix, old, new, paired=paired) for new, old in columns],
            "after": [_mean(matrix, new, old, paired=paired) for new, old in columns],
            "n_before": (~np.isnan(matrix[:, before])).sum(axis=0),
            "n_after": (~np.isnan(matrix[:, after])).sum(axis=0),
        }
    )
    return pd.concat([means, table.drop(columns=["first", "second"])], axis=1)


def _mean(matrix: pairwise_tests.Array, column: int, other: int, *, paired: bool) -> float:
    """Return the mean of the ok runs of a column; if paired, of the repeats that ended ok in `other` as well."""
    usable = np.isfinite(matrix[:, column]) & (np.isfinite(matrix[:, other]) | (not paired))
    values = np.where(usable, matrix[:, column], np.nan)
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
