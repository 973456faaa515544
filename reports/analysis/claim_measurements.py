"""The measurements of claims: two columns of scores for each test, and a number for each run on a test function."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from reports.analysis.verdicts import wide
from reports.frames import scores, trajectories
from reports.frames.study_frames import CLAIMED_SCORE, MISSING, SURFACES, claim_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.frames.study_frames import Claim, Frames, Statement, Study

Labels = tuple[str, ...]
Verdict = Literal["supported", "refuted", "mixed", "undecided", "not tested here"]
SUPPORTED: Verdict = "supported"
REFUTED: Verdict = "refuted"
UNDECIDED: Verdict = "undecided"
UNTESTED: Verdict = "not tested here"

SPEED = "examples_per_second"
INFINITE = 700.0
"""Logarithm of the change of the loss of a run that diverged or failed; e⁷⁰⁰ is almost the largest float."""


@dataclass(frozen=True, slots=True)
class PartResults:
    """The results of one part of a study.

    Attributes:
        study: The study.
        frames: The plan and its records.
        trajectories: The points on a test function (`trajectories.trajectory_points`).
        stated: The time at which each claim was first recorded, by digest, in seconds since 1970.
    """

    study: Study
    frames: Frames
    trajectories: pd.DataFrame
    stated: Mapping[str, float]

    def trials(self, labels: Labels) -> pd.DataFrame:
        """Return the rows of the recorded trials of these labels."""
        trials = self.frames.trials
        return trials[trials["label"].isin(labels) & (trials["outcome"] != MISSING)]

    def is_stated_before(self, claim: Claim, labels: Labels) -> bool | None:
        """Return whether a claim was recorded before the first trial of these labels began; None if it is unknown."""
        time = self.stated.get(claim_digest(claim, self.study))
        return None if time is None else bool(time < self.trials(labels)["started"].min())


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a statement says about one or two optimizers on one part.

    Attributes:
        statement: The statement.
        part: The results that it is measured on.
        labels: The compared labels, or the only one.
        what: The quantity in words.
        metric: The metric as it is named in the statement; empty for a measure.
        first: Scores of the first optimizer by repeat, −∞ for a lost run; higher supports the statement. None without a test.
        second: The scores that are compared with `first`. If only one optimizer is measured, these are `first` with the
            opposite sign, and the test is about symmetry around 0.
        margin: Equivalence margin of the scores; 0 if there is none.
        sign: −1 if the scores are negated values.
        ratio: The ratio at which the scores are equal, if they are logarithms of ratios; else 0.
        verdict: The verdict on the statement from this measurement alone.
        reason: Why it is not tested; else empty.
        expected: The claimed range of a number without a test; else empty.
        n: Number of shared repeats; 1 for a number without a test.
        effect: The shift between the scores in units of the metric, the ratio, or the number without a test.
        low: Lower bound of its simultaneous interval; NaN without a test.
        high: Upper bound.
        probability: Probability that a run of the first optimizer is better than one of the second; NaN for equivalence.
        probability_low: Lower bound of its simultaneous interval.
        probability_high: Upper bound.
        adjusted_p: p-value adjusted for the family.
        repeats_needed: Number of repeats that would decide an undecided measurement; else NaN.
        clarity: Distance of the shift from 0, or from the equivalence margin, in half-widths of its interval.
    """

    statement: Statement
    part: PartResults
    labels: Labels
    what: str
    metric: str = ""
    first: pd.Series[float] | None = None
    second: pd.Series[float] | None = None
    margin: float = 0.0
    sign: float = 1.0
    ratio: float = 0.0
    verdict: Verdict = UNDECIDED
    reason: str = ""
    expected: str = ""
    n: int = 0
    effect: float = math.nan
    low: float = math.nan
    high: float = math.nan
    probability: float = math.nan
    probability_low: float = math.nan
    probability_high: float = math.nan
    adjusted_p: float = math.nan
    repeats_needed: float = math.nan
    clarity: float = 0.0

    @property
    def part_name(self) -> str:
        """Return the name of the part, or of the problem if the study has no parts."""
        return self.part.study.part or self.part.study.problem

    @property
    def is_equivalence(self) -> bool:
        """Return whether the statement is that there is no difference."""
        return bool(self.statement.equivalent or self.statement.equals)

    def in_units(self, shift: float) -> float:
        """Return a shift of the scores in units of the metric, or as a ratio."""
        value = self.sign * shift / (2 if self.statement.measure else 1)  # the shift between `first` and −`first`
        return self.ratio * math.exp(min(value, INFINITE)) if self.ratio else value


def part_results(study: Study, frames: Frames, stated: Mapping[str, float]) -> PartResults:
    """Return the results of a study, or of a part of one."""
    return PartResults(study, frames, trajectories.trajectory_points(frames), stated)


def measure_statement(statement: Statement, parts: Sequence[PartResults]) -> list[Measurement]:
    """Return the measurements of a statement on the parts that have its optimizers; at least one, with a reason if none does.

    Metrics and `late_loss_change` are measured on problems with examples, the other measures on test functions.
    """
    on_surface = statement.measure not in {None, "late_loss_change"}
    measured = [
        measurement
        for part in parts
        if part.frames.on_surfaces == on_surface and (not statement.problem or part.study.part in statement.problem)
        for pair in statement.pairs
        if {*pair} - {""} <= part.frames.planned.keys()
        for measurement in _measurements(statement, part, tuple(filter(None, pair)))
    ]
    labels = tuple(dict.fromkeys(label for pair in statement.pairs for label in pair if label))
    reason = f"no {'test function' if on_surface else 'problem with training examples'} here has these optimizers"
    return measured or [Measurement(statement, parts[0], labels, ", ".join(labels), verdict=UNTESTED, reason=reason)]


def _measurements(statement: Statement, part: PartResults, labels: Labels) -> Iterator[Measurement]:
    metrics: dict[str, str] = {}
    for name in statement.metric:
        metrics.setdefault(part.study.score if name == CLAIMED_SCORE else name, name)
    unmet = _unmet(statement, part, labels)
    for metric, name in () if statement.measure else metrics.items():
        yield replace(_with_reason(_compared(statement, part, labels, metric), unmet), metric=name)
    if statement.measure:
        measure = _late_change if statement.measure == "late_loss_change" else _number
        yield _with_reason(measure(statement, part, labels), unmet)


def _with_reason(measurement: Measurement, unmet: str) -> Measurement:
    reason = unmet or measurement.reason
    return replace(measurement, reason=reason, verdict=UNTESTED, n=0, effect=math.nan) if reason else measurement


def _unmet(statement: Statement, part: PartResults, labels: Labels) -> str:
    """Return the first condition that the trials do not meet, with their value; empty if all are met."""
    trials = part.trials(labels)
    if set(trials["label"]) != {*labels}:
        return "nothing is recorded"
    for key, required in statement.requires or ():
        values = {part.study.problem} if key == "problem" else {str(value).partition(":")[0] for value in trials[key]}
        if required is not None and values != {str(required)}:
            return f"requires {key} = {required}, got {', '.join(sorted(values))}"
    return ""


def _compared(statement: Statement, part: PartResults, labels: Labels, metric: str) -> Measurement:
    """Return the scores of two labels by repeat; logarithms for a ratio."""
    frames, epoch, factor = part.frames, statement.epoch, statement.factor or 1.0
    frames = replace(frames, trials=frames.trials.assign(epochs=epoch)) if epoch else frames
    table = wide(scores.final(frames, () if metric == SPEED else (metric,)), metric, labels)
    quantity = scores.title(metric).lower() + (f" after epoch {epoch}" if epoch else "")
    margin = (
        (part.study.margin if metric == part.study.score else 0.0) if statement.margin is None else statement.margin
    )
    what = f"{' − '.join(labels)}, {quantity}"
    if statement.ratio:
        logarithms = table.clip(lower=np.finfo(float).tiny, upper=np.finfo(float).max).apply(np.log)
        table = logarithms.where(np.isfinite(table), table)
        margin, what = math.log(statement.within or 1.0), f"{quantity}, {' over '.join(labels)}"
    sign = 1.0 if scores.higher_is_better(metric) else -1.0
    reason = "" if table.notna().all(axis=1).any() else f"no {quantity} is recorded for both"
    if metric == SPEED and part.trials(labels)["packed"].astype(bool).any():
        reason = "trials shared a GPU, so they have no speed of their own"
    return Measurement(
        statement,
        part,
        labels,
        what,
        first=sign * table[labels[0]],
        second=sign * (table[labels[1]] + math.log(factor)),
        margin=margin,
        sign=sign,
        ratio=factor if statement.ratio else 0.0,
        reason=reason,
    )


def _late_change(statement: Statement, part: PartResults, labels: Labels) -> Measurement:
    """Return the log ratio of the mean losses of the last quarter of all updates and of the quarter before, by repeat."""
    changes, trials = {}, part.trials(labels)
    updates = part.frames.updates.loc[lambda rows: rows["label"] == labels[0]].sort_values("step")
    losses = {repeat: rows["value"].to_numpy(dtype=np.float64) for repeat, rows in updates.groupby("repeat")}
    for repeat, outcome in zip(trials["repeat"], trials["outcome"], strict=True):
        run = losses.get(repeat, np.array([]))
        quarter = len(run) // 4
        if outcome in {"diverged", "failed"}:
            changes[repeat] = INFINITE
        elif quarter and (run > 0).all():
            changes[repeat] = math.log(run[-quarter:].mean() / run[-2 * quarter : -quarter].mean())
    claimed = statement.equals or statement.above or statement.below or 1.0
    sign = -1.0 if statement.below else 1.0
    first = sign * (pd.Series(changes, dtype=np.float64) - math.log(claimed))
    what = f"{labels[0]}, loss in the last quarter over the quarter before"
    margin = 2 * math.log1p(statement.tolerance) if statement.equals else 0.0
    reason = "" if changes else "the losses of the updates are not recorded"
    test: dict[str, Any] = {"first": first, "second": -first, "margin": margin, "sign": sign, "ratio": claimed}
    return Measurement(statement, part, labels, what, **test, reason=reason)


def _number(statement: Statement, part: PartResults, labels: Labels) -> Measurement:
    """Return a number of a test function; for two labels their ratio, which is below 1 if the first is better.

    The ratio of equal numbers is 1, also if both are 0 or infinite.
    """
    (value, what), *others = (_of_trajectory(statement, part, label) for label in labels)
    for other, _ in others:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = 1.0 if value == other else float(np.divide(value, other))
        what = f"{what}, divided by that of {labels[1]}"
    low, high, expected = statement.above or -math.inf, statement.below or math.inf, f"above {statement.above or 0:g}"
    if statement.equals:
        low, high = statement.equals / (1 + statement.tolerance), statement.equals * (1 + statement.tolerance)
        expected = f"{statement.equals:g} within {statement.tolerance:.0%}"
    elif not statement.above:
        high = statement.below or 1.0
        expected = f"below {high:g}"
    verdict = SUPPORTED if low < value < high or (value == math.inf and bool(statement.above)) else REFUTED
    reason = "the trajectory does not have these steps" if math.isnan(value) else ""
    stated: dict[str, Any] = {"expected": expected, "n": 1, "effect": value, "verdict": verdict, "reason": reason}
    return Measurement(statement, part, labels, what, **stated)


def _of_trajectory(statement: Statement, part: PartResults, label: str) -> tuple[float, str]:
    """Return a measure of a label's trajectory, and its name; NaN if the trajectory does not have it."""
    points = part.trajectories[part.trajectories["label"] == label].sort_values("step")
    x, heights = points[["x1", "x2"]].to_numpy(dtype=np.float64), points.set_index("step")["height"]
    end = int(points["step"].max()) if len(points) else 0
    at, when = statement.step or end, f"step {statement.step}" if statement.step else "the last step"
    if statement.measure == "height":
        diverged = (part.trials((label,))["outcome"] == "diverged").any()
        height = math.inf if diverged else heights.get(at, math.nan)
        return float(height / heights.get(0, math.nan)), f"{label}: height at {when} over that at the start"
    lengths = np.abs(np.diff(x, axis=0)).max(axis=1, initial=0.0)
    is_complete = len(points) == end + 1
    if statement.measure == "step_ratio":
        quarter = len(lengths) // 4
        value = lengths[4 * quarter - 1] / lengths[quarter - 1] if is_complete and quarter else math.nan
        return float(value), f"{label}: length of step {4 * quarter} over that of step {quarter}"
    what = f"{label}: {when} over η times the gradient"
    if not is_complete or not 1 <= at <= end:
        return math.nan, what
    rate = float(part.trials((label,))["hyperparameters"].iloc[0].get("lr", math.nan))
    formula, width = SURFACES[points["surface"].iloc[0]].formula, 1e-5
    slopes = [formula(*(x[at - 1] + h)) - formula(*(x[at - 1] - h)) for h in width * np.eye(2)]
    return float(lengths[at - 1] / (rate * np.abs(slopes).max() / (2 * width))), what
