"""Two versions of a study: what a change did to each optimizer that both have, and how all of both compare.

Repeats are paired where both versions drew the same random numbers: problem, options, data, root seed, stage and repeat
agree, so repeat r starts from the same weights and sees the same batches in both. Else they count as independent (Welch).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.analysis import verdicts
from reports.frames import scores
from reports.frames.study_frames import ENVIRONMENT, IMPORTED, MISSING, UserError, settings
from reports.statistics import pairwise_tests
from reports.statistics.intervals import LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.analysis.verdicts import Comparison
    from reports.frames.study_frames import Frames, Study, Trial
    from reports.statistics.pairwise_tests import Test

WELCH: Test = "welch"


@dataclass(frozen=True, slots=True)
class StudyVersion:
    """One of the two versions: what people call it, its study, its plan, and what is recorded of it."""

    name: str
    study: Study
    trials: Sequence[Trial]
    frames: Frames


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """What was found.

    Attributes:
        before: The name of the version that differences are taken from.
        after: The name of the other.
        score: What was compared.
        higher: Whether more of it is better.
        margin: What counts as no difference.
        level: Of each family.
        test: The name of the test.
        unpaired: Why repeats are not paired; empty where they are.
        changes: A row per label that both versions have, in the order of `after`: `label`, `before`, `after` (means, over the
            repeats that both have, but for Welch's test), `n before`, `n after`, and what `Comparison.pairs` has of the pair
            with `after` first: so `difference` is after − before, and `verdict` is on after. The labels are one family.
        left_out: Labels of both without two scores on each side.
        same: Labels whose trials are the very same on both sides.
        all: Verdicts on all pairs of all labels of both versions, `Adam · before` and `Adam · after`, as a family of its own.
        differs: What differs in how the two were measured: `what`, `before`, `after`.
        fewest: So many repeats are needed before a label gets a verdict.
        imported: Whether the results of either came from elsewhere.
    """

    before: str
    after: str
    score: str
    higher: bool
    margin: float
    level: float
    test: Test
    unpaired: str
    changes: pd.DataFrame
    left_out: tuple[str, ...]
    same: tuple[str, ...]
    all: Comparison
    differs: pd.DataFrame
    fewest: int
    imported: bool = False

    @property
    def has_verdicts(self) -> bool:
        """Whether any label has the repeats that a verdict needs."""
        return bool(len(self.changes) and (self.changes["n"] >= self.fewest).any())


def compare_versions(
    before: StudyVersion, after: StudyVersion, test: Test | None = None, level: float = LEVEL
) -> BeforeAfter:
    """Compare two versions of a study, or two studies.

    Args:
        before: Differences are taken from it.
        after: Verdicts are on it.
        test: See `comparison.TESTS`. Default: `max-t` where repeats are paired, else `welch`.
        level: Of each family.

    Raises:
        UserError: The two have different scores, or a paired test is asked for and the repeats are not paired.
    """
    score = after.study.score
    if before.study.score != score:
        raise UserError(
            f"{before.name} is judged by {before.study.score}, {after.name} by {score}. Write the same score into both studies"
        )
    higher, margin = scores.higher_is_better(score), min(before.study.margin, after.study.margin)
    both = [label for label in after.frames.labels if label in before.frames.planned]
    unpaired = why_unpaired(before.frames.trials, after.frames.trials)
    if unpaired and test not in {None, WELCH}:
        raise UserError(
            f"--test {test}: it wants paired repeats, and {unpaired}. Leave --test out, or write --test welch"
        )
    test = test or (WELCH if unpaired else "max-t")
    one, two = (verdicts.wide(scores.final(s.frames, [score]), score, s.frames.labels) for s in (before, after))
    wide = pd.concat([two.add_suffix(" · after"), one.add_suffix(" · before")], axis=1)
    enough = [label for label in both if one[label].count() > 1 and two[label].count() > 1]
    columns = [f"{label} · {side}" for label in enough for side in ("after", "before")]
    matrix = wide[columns].to_numpy(dtype=np.float64)
    changes, fewest = _changes(
        enough, matrix, higher=higher, margin=margin, level=level, test=test, seeded=not unpaired
    )
    return BeforeAfter(
        before=before.name,
        after=after.name,
        score=score,
        higher=higher,
        margin=margin,
        level=level,
        test=test,
        unpaired=unpaired,
        changes=changes,
        left_out=tuple(label for label in both if label not in enough),
        same=_same(before.frames.trials, after.frames.trials, both, paired=test != WELCH),
        all=verdicts.compare(
            wide, score=score, higher=higher, margin=margin, test=test, level=level, seeded=not unpaired
        ),
        differs=differs(before, after),
        fewest=fewest,
        imported=before.frames.imported or after.frames.imported,
    )


def why_unpaired(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Why the repeats of two tables of trials (`Frames.trials`) are not paired; empty where they are."""
    one, two = (table[table["outcome"] != MISSING] for table in (before, after))
    if IMPORTED in {*one["kind"], *two["kind"]}:
        return "what random numbers an imported run drew is not known"
    if set(one["draws"]) != set(two["draws"]):
        return "the problems, their data, options or root seeds differ"
    if len(set(one["draws"])) != 1 and {*zip(one["label"], one["draws"], strict=True)} != {
        *zip(two["label"], two["draws"], strict=True)
    }:
        return "optimizers differ in their options of the problem"
    if not set(one["repeat"]) & set(two["repeat"]):
        return "they share no repeat"
    return ""


def differs(before: StudyVersion, after: StudyVersion) -> pd.DataFrame:
    """What differs in how two versions were measured: `what`, `before`, `after`; where and with what versions included."""
    pairs = [
        (key.replace("_", " "), _of(before.study, key), _of(after.study, key))
        for key in (
            *("problem", "problem_options", "repeats", "epochs", "batch_size", "chunk", "train_examples", "precision"),
            *("compiled", "seed", "margin"),
        )
    ]
    one, two = settings(before.study, before.trials), settings(after.study, after.trials)
    pairs += [(f"settings of {label}", one[label], two[label]) for label in two if label in one]
    pairs += [(f"{label}", "", "not there") for label in one if label not in two]
    pairs += [(f"{label}", "not there", "") for label in two if label not in one]
    for key in ENVIRONMENT:
        old, new = (", ".join(sorted(set(side.frames.trials[key]) - {""})) for side in (before, after))
        pairs.append((key.replace("_", " "), old, new))
    rows = [(what, old, new) for what, old, new in pairs if old != new]
    return pd.DataFrame(rows, columns=["what", "before", "after"])


def _of(study: Study, key: str) -> str:
    value = getattr(study, key)
    if isinstance(value, dict):
        return ", ".join(f"{name} = {item}" for name, item in value.items())
    return "" if value is None else str(value)


def _same(before: pd.DataFrame, after: pd.DataFrame, labels: Sequence[str], *, paired: bool) -> tuple[str, ...]:
    """The labels of which all that is compared are the very same trials: the shared repeats, or unpaired all of them."""

    def known(table: pd.DataFrame, label: str) -> dict[int, tuple[Any, ...]]:
        own = table[(table["label"] == label) & (table["outcome"] != MISSING)]
        return dict(zip(own["repeat"], zip(own["trial_id"], own["weights"], strict=True), strict=True))

    found = []
    for label in labels:
        one, two = known(before, label), known(after, label)
        used = one.keys() & two.keys() if paired else one.keys() | two.keys()
        if used and all(repeat in one and one[repeat] == two.get(repeat) for repeat in used):
            found.append(label)
    return tuple(found)


def _changes(
    labels: Sequence[str],
    matrix: pairwise_tests.Array,
    *,
    higher: bool,
    margin: float,
    level: float,
    test: Test,
    seeded: bool,
) -> tuple[pd.DataFrame, int]:
    """The table of changes, and the fewest repeats at which it has verdicts; columns are after, before, after, ..."""
    k = len(labels)
    after, before = range(0, 2 * k, 2), range(1, 2 * k, 2)
    which = (np.asarray(after, dtype=np.int_), np.asarray(before, dtype=np.int_))
    known = np.isfinite(matrix)
    one, two = known[:, which[0]], known[:, which[1]]
    shared = np.minimum(one.sum(axis=0), two.sum(axis=0)) if test == WELCH else (one & two).sum(axis=0)
    fewest = pairwise_tests.fewest_of(test, shared.tolist(), lambda many: many, level)
    found = pairwise_tests.compare(
        matrix, np.random.default_rng(verdicts.SEED), test=test, level=level, which=which, fewest=fewest
    )
    verdict = verdicts.judge(found, higher=higher, margin=margin, level=level, fewest=fewest)
    names = [name for label in labels for name in (label, label)]
    table = verdicts.rows(
        names, matrix, found, verdict=verdict, sign=1.0 if higher else -1.0, level=level, seeded=seeded
    )
    columns: Mapping[str, Any] = {
        "label": list(labels),
        "before": [_mean(matrix, one, two, paired=found.paired) for two, one in zip(after, before, strict=True)],
        "after": [_mean(matrix, two, one, paired=found.paired) for two, one in zip(after, before, strict=True)],
        "n before": [int(np.isfinite(matrix[:, at]).sum()) for at in before],
        "n after": [int(np.isfinite(matrix[:, at]).sum()) for at in after],
    }
    return pd.concat([pd.DataFrame(columns), table.drop(columns=["first", "second"])], axis=1), fewest


def _mean(matrix: pairwise_tests.Array, column: int, other: int, *, paired: bool) -> float:
    """The mean of a column; paired, over the repeats that the other has as well, so that means and change agree."""
    values = np.where(np.isfinite(matrix[:, other]), matrix[:, column], np.nan) if paired else matrix[:, column]
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
