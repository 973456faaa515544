"""The measurements of each claim: scores, steps and speeds of trials as one number per repeat.

Settings are found by the kind of an optimizer and its hyperparameters, never by a label. The default setting of a kind has
the learning rate that most entries of the part share (the paper has one for all); AdaDelta's is 1.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from reports.frames import scores, trajectories
from reports.frames.study_frames import SURFACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from reports.frames.study_frames import Frames, Study

TRAIN_LOSS, ACCURACY = "train/loss", "test/accuracy"
SGD_FAMILY = ("sgd", "momentum", "nag", "nag_paper")
ADAPTIVE = ("adagrad", "rmsprop", "adadelta", "adamax", "nadam")
RANKED = ("sgd", "momentum", "nag", "adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam")
"""The rules that are ranked over problems: each once, without the misprinted forms."""

Direction = Literal["above", "below", "near", "not below"]

SLOWER, ABOUT = 65.0, 1.5
"""How many times slower the paper's batches of 2 are, and the factor within which a ratio counts as equal to that."""
SMALL_BATCH, LARGE_BATCH = 2, 256
STILL = 0.01
"""A loss stalls if its relative change is smaller than this."""
STEPS, THERE = 20, 0.01
"""The number of steps that the course takes on the valley, and the share of the initial f below which it is solved."""
EXACT = 0.01
"""Relative tolerance for the limit of a deterministic number after finitely many steps."""
PLANE, VALLEY = "absolute", "valley"
ADADELTA_EPS = 1e-6


@dataclass(frozen=True, slots=True)
class ClaimTest:
    """A quantity with a value per repeat, and the range of its mean if the claim is true.

    Attributes:
        claim: The key of the claim.
        sub_claim: The sub-claim in words; empty if the claim has only one.
        part: The name of the part of the study.
        what: The quantity in words.
        by_repeat: The quantity by repeat; NaN if a trial did not end ok. For a ratio its natural logarithm.
        direction: `above` or `below` 0, `near` 0 (within the margin), or `not below` 0 by more than the margin.
        margin: Equivalence margin, in the unit of `by_repeat`.
        ratio: If above 0, `by_repeat` has logarithms of ratios divided by this number.
    """

    claim: str
    sub_claim: str
    part: str
    what: str
    by_repeat: pd.Series[float]
    direction: Direction
    margin: float = 0.0
    ratio: float = 0.0

    def to_display_scale(self, mean: float) -> float:
        """Return a mean on the scale of a report: for logarithms the ratio."""
        return self.ratio * math.exp(mean) if self.ratio else mean


@dataclass(frozen=True, slots=True)
class DeterministicCheck:
    """A number that is equal in every repeat, and whether it agrees with the claim."""

    claim: str
    sub_claim: str
    part: str
    what: str
    value: float
    expected: str
    agrees: bool


@dataclass(frozen=True, slots=True)
class PartResults:
    """The results of one part of a study.

    Attributes:
        part: The name of the part.
        problem: The key of its problem.
        score: The study's score.
        margin: Equivalence margin of the score.
        batch_size: The batch size of the part; entries with another one are not compared with the rest.
        epochs: The number of epochs of the part; likewise.
        frames: The plan and its records.
        finals: A row per trial (`scores.final`).
        trajectories: The points on a test function (`trajectories.trajectory_points`).
    """

    part: str
    problem: str
    score: str
    margin: float
    batch_size: str
    epochs: int
    frames: Frames
    finals: pd.DataFrame
    trajectories: pd.DataFrame

    @property
    def is_network(self) -> bool:
        """Return whether the problem is learnt from examples."""
        return not self.surface and not self.frames.trials.empty

    @property
    def surface(self) -> str:
        """Return the key of the test function; empty if the problem is another one."""
        options = self.frames.trials["problem_options"].iloc[0]
        return str(options.get("surface", VALLEY)) if self.problem == "surface" else ""

    def settings(self, kind: str, *, own_budget: bool = True, **options: float) -> dict[str, dict[str, Any]]:
        """Return the hyperparameters of each label of a kind with these options, at the budget of the part."""
        entries = {}
        for _, row in self.frames.trials.drop_duplicates("label").iterrows():
            hyperparameters = dict(row["hyperparameters"])
            matches = all(_equal(hyperparameters.get(name), value) for name, value in options.items())
            has_budget = str(row["batch_size"]) == self.batch_size and row["epochs"] == self.epochs
            if row["kind"] == kind and matches and (has_budget or not own_budget):
                entries[str(row["label"])] = hyperparameters | {"batch_size": str(row["batch_size"])}
        return entries

    @property
    def rate(self) -> float:
        """Return the learning rate that most entries except AdaDelta's share; NaN if there is none."""
        rows = self.frames.trials.drop_duplicates("label")
        rates = [
            float(hyperparameters["lr"])
            for kind, hyperparameters in zip(rows["kind"], rows["hyperparameters"], strict=True)
            if kind != "adadelta" and "lr" in hyperparameters
        ]
        return Counter(rates).most_common(1)[0][0] if rates else math.nan

    def default_label(self, kind: str) -> str | None:
        """Return the label with the default setting of a kind; None if there is none."""
        if kind == "adadelta":
            entries = self.settings(kind, lr=1.0)
            return min(entries, key=lambda label: _decades(entries[label].get("eps"), ADADELTA_EPS), default=None)
        return next(iter(self.settings(kind, lr=self.rate)), None)

    def values(self, label: str, metric: str) -> pd.Series[float]:
        """Return the final values of a label by repeat; NaN if a trial did not end ok or lacks the metric."""
        rows = self.finals[self.finals["label"] == label].set_index("repeat")
        if metric not in rows:
            return pd.Series(np.nan, index=rows.index, dtype=np.float64)
        return rows[metric].astype("float64").where(rows["outcome"] == "ok")

    def values_at_epoch(self, label: str, metric: str, epoch: int) -> pd.Series[float]:
        """Return the values of a label after an epoch by repeat; empty if it was not measured then."""
        points = self.frames.points
        rows = points[(points["label"] == label) & (points["metric"] == metric) & (points["epoch"] == epoch)]
        return rows[rows["outcome"] == "ok"].drop_duplicates("repeat").set_index("repeat")["value"]

    def updates_per_epoch(self, label: str) -> int:
        """Return the number of updates in an epoch of a label."""
        row = self.frames.trials[self.frames.trials["label"] == label].iloc[0]
        batch_size = str(row["batch_size"])
        return 1 if batch_size == "full" else math.ceil(int(row["train_examples"]) / int(batch_size))

    def paired_difference(self, first: str, second: str, metric: str) -> pd.Series[float]:
        """Return the final values of the first label minus those of the second, by repeat."""
        return self.values(first, metric) - self.values(second, metric)


def evidence(study: Study, frames: Frames) -> PartResults:
    """Return the results of a study, or of a part of one."""
    metrics = tuple(dict.fromkeys((*scores.measured(frames, study.score), TRAIN_LOSS, ACCURACY)))
    return PartResults(
        part=study.part or study.problem,
        problem=study.problem,
        score=study.score,
        margin=study.margin,
        batch_size=str(study.batch_size),
        epochs=study.epochs,
        frames=frames,
        finals=scores.final(frames, metrics),
        trajectories=trajectories.trajectory_points(frames),
    )


def claim_tests(parts: Sequence[PartResults]) -> list[ClaimTest]:
    """Return the family of tests of all claims but the eighth, and of the effects of the misprints."""
    measures = (_training_loss, _small_batches, _stalls, _adadelta, _adam, _nadam, _misprints)
    tests = [test for part in parts if part.is_network for measure in measures for test in measure(part)]
    return [test for test in tests if test.by_repeat.notna().any()]


def pairs(parts: Sequence[PartResults]) -> list[ClaimTest]:
    """Return a test of every pair of rules on every problem; above 0 the first is better. `sub_claim` names the pair."""
    tests = list[ClaimTest]()
    for part in parts:
        labels = {kind: label for kind in RANKED if (label := part.default_label(kind))}
        for first, second in combinations(labels, 2):
            tests.append(_better("8", f"{first} {second}", part, labels[first], labels[second]))
    return [test for test in tests if test.by_repeat.notna().any()]


def deterministic_checks(parts: Sequence[PartResults]) -> list[DeterministicCheck]:
    """Return the checks of trajectories on test functions, which are equal in every repeat."""
    checks: list[DeterministicCheck] = []
    for part in parts:
        if part.surface == PLANE:
            checks += [*_constant_gradient(part), *_shrinking(part), *_first_steps(part)]
        elif part.surface == VALLEY:
            checks += [*_alternating(part), *_divergence(part), *_stability_bounds(part), *_on_the_valley(part)]
    return checks


def _training_loss(part: PartResults) -> Iterator[ClaimTest]:
    yield from _lower_loss("1", part, "momentum", "sgd")
    yield from _lower_loss("2", part, "nag", "momentum")
    yield from _lower_loss("2, as printed", part, "nag_paper", "momentum")
    for kind in SGD_FAMILY:
        yield from _lower_loss("3", part, "adagrad", kind)


def _nadam(part: PartResults) -> Iterator[ClaimTest]:
    yield from _lower_loss("C", part, "nadam", "adam")
    yield from _lower_loss("C, as printed", part, "nadam_paper", "adam")


def _misprints(part: PartResults) -> Iterator[ClaimTest]:
    """Compare the published NAG with its equal, momentum at (1+γ)η, and the published NAdam with the corrected one."""
    for label, hyperparameters in part.settings("nag_paper", lr=part.rate).items():
        gamma = float(hyperparameters.get("momentum", math.nan))
        momentum = part.default_label("momentum")
        for twin in part.settings("momentum", lr=(1 + gamma) * part.rate, momentum=gamma):
            yield _loss("printed NAG and its twin", part, label, twin)
            if momentum:
                yield _loss("momentum's two rates", part, twin, momentum)
    yield from _lower_loss("printed NAdam and true", part, "nadam_paper", "nadam")


def _lower_loss(claim: str, part: PartResults, kind: str, other: str) -> Iterator[ClaimTest]:
    """Test whether the default setting of one kind has a lower training loss than that of another."""
    first, second = part.default_label(kind), part.default_label(other)
    if first and second:
        yield _loss(claim, part, first, second)


def _loss(claim: str, part: PartResults, first: str, second: str, sub_claim: str = "") -> ClaimTest:
    what = f"{first} − {second}, training loss"
    return ClaimTest(claim, sub_claim, part.part, what, part.paired_difference(first, second, TRAIN_LOSS), "below")


def _small_batches(part: PartResults) -> Iterator[ClaimTest]:
    """Compare batches of 2 and of 256 at the same learning rate: speed, and test accuracy after one epoch."""
    entries = part.settings("sgd", own_budget=False, lr=part.rate)
    by_size = {options["batch_size"]: label for label, options in entries.items()}
    small, large = by_size.get(str(SMALL_BATCH)), by_size.get(str(LARGE_BATCH))
    if not (small and large):
        return
    trials = part.frames.trials
    if not trials.loc[
        trials["label"].isin([small, large]), "packed"
    ].any():  # trials that share a device have no own speed
        ratio = part.values(large, "examples_per_second") / part.values(small, "examples_per_second")
        slower, what = ratio.map(math.log, na_action="ignore"), f"examples/s, {large} over {small}"
        yield ClaimTest("4", "slower", part.part, what, slower, "above", ratio=1.0)
        about = slower - math.log(SLOWER)
        yield ClaimTest("4", f"about {SLOWER:g} times", part.part, what, about, "near", math.log(ABOUT), ratio=SLOWER)
    behind = part.values_at_epoch(small, ACCURACY, 1) - part.values_at_epoch(large, ACCURACY, 1)
    updates = " and ".join(f"{part.updates_per_epoch(label):,}" for label in (small, large))
    what = f"{small} − {large}, test accuracy after epoch 1 of {updates} updates"
    yield ClaimTest("4", "behind", part.part, what, behind, "below")


def _stalls(part: PartResults) -> Iterator[ClaimTest]:
    """Test the ratio of the losses of the updates in the last quarter of a run and in the quarter before."""
    stalls, others = "AdaGrad stalls on networks", "RMSProp and AdaDelta do not stall on networks"
    sub_claims: Mapping[str, tuple[str, Direction]] = {
        "adagrad": (stalls, "near"),
        "rmsprop": (others, "below"),
        "adadelta": (others, "below"),
    }
    for kind, (sub_claim, direction) in sub_claims.items():
        if label := part.default_label(kind):
            what, change = f"{label}, loss in the last quarter over the quarter before", _late_change(part, label)
            yield ClaimTest("5", sub_claim, part.part, what, change, direction, math.log1p(STILL), ratio=1.0)


def _late_change(part: PartResults, label: str) -> pd.Series[float]:
    """Return the log ratio of the mean losses in the last quarter and in the quarter before, by repeat."""
    updates = part.frames.updates
    rows = updates[(updates["label"] == label) & (updates["outcome"] == "ok")]
    changes = {}
    for repeat, run in rows.groupby("repeat"):
        losses = run.sort_values("step")["value"].to_numpy(dtype=np.float64)
        quarter = len(losses) // 4
        if quarter and (losses > 0).all():
            changes[repeat] = math.log(losses[-quarter:].mean() / losses[-2 * quarter : -quarter].mean())
    return pd.Series(changes, dtype=np.float64)


def _adadelta(part: PartResults) -> Iterator[ClaimTest]:
    """Compare AdaDelta at the learning rate 1 with other learning rates and with other ε."""
    default = part.default_label("adadelta")
    if not default:
        return
    entries = part.settings("adadelta")
    for label, options in entries.items():
        if not _equal(options.get("lr"), 1.0):
            test = _better("6", "no other learning rate is better", part, default, label)
            yield replace(test, direction="not below")
        elif label != default and not _equal(options.get("eps"), entries[default].get("eps")):
            yield replace(_better("6", "ε makes no difference", part, default, label), direction="near")


def _adam(part: PartResults) -> Iterator[ClaimTest]:
    """Compare Adam with each other adaptive method: training loss, and the part's score."""
    adam = part.default_label("adam")
    for kind in ADAPTIVE:
        other = part.default_label(kind)
        if adam and other:
            yield _loss("7", part, adam, other, "in training loss")
            if part.score != TRAIN_LOSS:
                yield _better("7", f"in {_lower_title(part.score)}", part, adam, other)


def _better(claim: str, sub_claim: str, part: PartResults, first: str, second: str) -> ClaimTest:
    """Return a test whether the score of the first label is better than that of the second; above 0 it is better."""
    sign = 1.0 if scores.higher_is_better(part.score) else -1.0
    what = f"{first} − {second}, {_lower_title(part.score)}" + (" (sign reversed)" if sign < 0 else "")
    differences = sign * part.paired_difference(first, second, part.score)
    return ClaimTest(claim, sub_claim, part.part, what, differences, "above", part.margin)


def _constant_gradient(part: PartResults) -> Iterator[DeterministicCheck]:
    for label, options in _with_trajectory(part, "momentum"):
        limit = 1 / (1 - float(options["momentum"]))
        value = _steps(part, label)[-1] / float(options["lr"])
        what, expected = f"{label}: last step over η times the gradient", f"1/(1−γ) = {limit:g}"
        yield DeterministicCheck("9", "constant", part.part, what, value, expected, abs(value / limit - 1) < EXACT)


def _shrinking(part: PartResults) -> Iterator[DeterministicCheck]:
    """Check the last step divided by the one after a quarter of the steps: 1/2 if the step shrinks as 1/√t."""
    for kind in ("adagrad", "rmsprop", "adadelta"):
        for label, _ in _with_trajectory(part, kind):
            steps = _steps(part, label)
            quarter = len(steps) // 4
            value = float(steps[4 * quarter - 1] / steps[quarter - 1]) if quarter else math.nan
            what = f"{label}: step {4 * quarter} over step {quarter}"
            if kind == "adagrad":
                sub_claim, expected, agrees = "AdaGrad's step shrinks", "1/2, as 1/√t", abs(value / 0.5 - 1) < EXACT
            else:
                sub_claim, expected, agrees = "RMSProp's and AdaDelta's do not", "at least 1", value > 1 - EXACT
            yield DeterministicCheck("5", sub_claim, part.part, what, value, expected, agrees)


def _first_steps(part: PartResults) -> Iterator[DeterministicCheck]:
    """Measure the first steps of the published NAdam over η: its listing corrects the bias twice."""
    for label, options in _with_trajectory(part, "nadam_paper"):
        for step in (0, 1, 2):
            value, what = float(_steps(part, label)[step] / float(options["lr"])), f"{label}: step {step + 1} over η"
            yield DeterministicCheck("printed NAdam's steps", "", part.part, what, value, "", agrees=True)


def _alternating(part: PartResults) -> Iterator[DeterministicCheck]:
    """Check momentum at its stability bound η = 2(1+γ)/λ, where x₂ and its gradient λ x₂ change sign at every step."""
    largest = max(_curvatures(part.surface))
    for label, options in _with_trajectory(part, "momentum"):
        gamma, rate = float(options["momentum"]), float(options["lr"])
        if not _equal(rate, 2 * (1 + gamma) / largest):
            continue
        x = _trajectory(part, label)["x2"].to_numpy(dtype=np.float64)
        alternates = bool((x[-10:-1] * x[-9:] < 0).all()) if len(x) > 10 else False
        value = float(abs(x[-1] - x[-2]) / (rate * largest * abs(x[-2])))
        limit = 1 / (1 + gamma)
        what, expected = f"{label}: last step over η times an alternating gradient", f"1/(1+γ) = {limit:.4g}"
        agrees = alternates and abs(value / limit - 1) < EXACT
        yield DeterministicCheck("9", "alternating", part.part, what, value, expected, agrees)


def _divergence(part: PartResults) -> Iterator[DeterministicCheck]:
    for kind, sub_claim, diverges in (
        ("sgd", "gradient descent diverges", True),
        ("momentum", "momentum does not", False),
    ):
        expected = "above 1" if diverges else "below 1"
        for label in _usable(part, kind, lr=0.6):
            value, what = _growth(part, label), f"{label}: f at the end over f at the start"
            yield DeterministicCheck("10", sub_claim, part.part, what, value, expected, (value > 1) == diverges)


def _stability_bounds(part: PartResults) -> Iterator[DeterministicCheck]:
    """Check η < 2/λ for gradient descent, 2(1+γ)/λ for momentum, 2(1+γ)/((1+2γ)λ) for NAG; λ is the largest eigenvalue."""
    largest, agreeing, count = max(_curvatures(part.surface)), 0, 0
    for kind in ("sgd", "momentum", "nag"):
        for label, options in _usable(part, kind).items():
            gamma = float(options.get("momentum", 0.0))
            bound = 2 * (1 + gamma) / (largest * (1 + 2 * gamma if kind == "nag" else 1))
            if not _equal(options["lr"], bound):
                count += 1
                agreeing += (float(options["lr"]) > bound) == (_growth(part, label) > 1)
    if count:
        what, agrees = "settings that diverge or converge as the bounds predict", agreeing == count
        yield DeterministicCheck("10", "the stability bounds", part.part, what, float(agreeing), f"all {count}", agrees)


def _on_the_valley(part: PartResults) -> Iterator[DeterministicCheck]:
    for adagrad, options in _usable(part, "adagrad", lr=0.4).items():
        for rmsprop in _usable(part, "rmsprop", lr=0.4):
            first, second = (_value_at(part, label, STEPS) for label in (rmsprop, adagrad))
            what = f"f at step {STEPS}, {rmsprop} over {adagrad}"
            if not (math.isnan(first) or math.isnan(second)):
                yield DeterministicCheck("A", "", part.part, what, first / second, "below 1", first < second)
        for label in _usable(part, "adagrad", lr=2.0, eps=float(options.get("eps", math.nan))):
            value = _value_at(part, label, STEPS) / _height(part, label, 0)
            what = f"{label}: f at step {STEPS} over f at the start"
            if not math.isnan(value):
                yield DeterministicCheck("B", "", part.part, what, value, f"below {THERE:g}", value < THERE)


def _usable(part: PartResults, kind: str, **options: float) -> dict[str, dict[str, Any]]:
    """Return the entries of `PartResults.settings` that ran and did not fail."""
    recorded = set(trajectories.first_usable_trials(part.frames)["label"])
    return {
        label: entry for label, entry in part.settings(kind, own_budget=True, **options).items() if label in recorded
    }


def _with_trajectory(part: PartResults, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the usable entries of a kind that have a trajectory."""
    for label, options in _usable(part, kind).items():
        if len(_trajectory(part, label)) > 10:
            yield label, options


def _trajectory(part: PartResults, label: str) -> pd.DataFrame:
    """Return the points of a label by step, from the starting point; empty if there are none."""
    return part.trajectories[part.trajectories["label"] == label].sort_values("step")


def _steps(part: PartResults, label: str) -> NDArray[np.float64]:
    """Return the lengths of all steps in x₁, along which the gradient is 1."""
    return np.abs(np.diff(_trajectory(part, label)["x1"].to_numpy(dtype=np.float64)))


def _height(part: PartResults, label: str, step: int) -> float:
    """Return f at a step of a label's trajectory; NaN if there is no such step."""
    rows = _trajectory(part, label)
    rows = rows[rows["step"] == step]
    formula = SURFACES[part.surface].formula
    return float(formula(float(rows["x1"].iloc[0]), float(rows["x2"].iloc[0]))) if len(rows) else math.nan


def _growth(part: PartResults, label: str) -> float:
    """Return f at the end of a label's trajectory divided by f at the start; infinite if it diverged."""
    return _value_at(part, label, int(_trajectory(part, label)["step"].max())) / _height(part, label, 0)


def _value_at(part: PartResults, label: str, step: int) -> float:
    """Return f at a step of a label's trajectory; infinite if the run diverged, NaN if it is shorter."""
    rows = part.frames.trials[part.frames.trials["label"] == label]
    return math.inf if (rows["outcome"] == "diverged").any() else _height(part, label, step)


def _curvatures(surface: str) -> tuple[float, float]:
    """Return the second derivatives of a quadratic without mixed terms; second differences are exact for it."""
    f = SURFACES[surface].formula
    return float(f(1.0, 0.0) - 2 * f(0.0, 0.0) + f(-1.0, 0.0)), float(f(0.0, 1.0) - 2 * f(0.0, 0.0) + f(0.0, -1.0))


def _lower_title(metric: str) -> str:
    return scores.title(metric).lower()


def _equal(value: Any, other: Any) -> bool:
    """Return whether both are numbers that are equal except for rounding."""
    return isinstance(value, int | float) and isinstance(other, int | float) and math.isclose(value, other)


def _decades(value: Any, other: float) -> float:
    """Return |log₁₀(value/other)|; infinite if `value` is not a positive number."""
    return abs(math.log10(value / other)) if isinstance(value, int | float) and value > 0 else math.inf
