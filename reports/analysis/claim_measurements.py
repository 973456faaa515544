"""What is measured of each claim: scores, steps and speeds of trials become differences with a repeat each.

Settings are found by the kind of an optimizer and its hyperparameters, never by a label. An optimizer's own setting is the
one at the learning rate that most entries of the part share (the paper has one for all), AdaDelta's the one at 1.
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
    from collections.abc import Iterator, Sequence

    from reports.frames.study_frames import Frames, Study

TRAIN_LOSS, ACCURACY = "train/loss", "test/accuracy"
SGD_FAMILY = ("sgd", "momentum", "nag", "nag_paper")
ADAPTIVE = ("adagrad", "rmsprop", "adadelta", "adamax", "nadam")
RANKED = ("sgd", "momentum", "nag", "adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam")
"""The rules that are ranked over problems: each once, none in a printed form."""

Direction = Literal["above", "below", "near", "not below"]

SLOWER, ABOUT = 65.0, 1.5
"""How many times slower the paper's batches of 2 were, and within which factor a ratio counts as that."""
SMALL_BATCH, LARGE_BATCH = 2, 256
STILL = 0.01
"""A loss that changes by less than this share stands still."""
STEPS, THERE = 20, 0.01
"""The steps that the course goes on the valley, and the share of f's start below which a path has arrived."""
EXACT = 0.01
"""How far a number that a rule fixes may be from its limit after finitely many steps, as a share."""
PLANE, VALLEY = "absolute", "valley"
ADADELTA_EPS = 1e-6


@dataclass(frozen=True, slots=True)
class ClaimTest:
    """A quantity of each repeat, and where its mean has to lie for the claim to hold.

    Attributes:
        claim: The claim's key.
        half: Which half of it, in words.
        part: Where.
        what: What the quantity is.
        by_repeat: The quantity; NaN where a trial did not end ok. Of a ratio its logarithm.
        wanted: `above` or `below` 0, `near` 0 (within the margin), `not below` 0 by more than the margin.
        margin: What counts as no difference.
        ratio: Above 0: the values are logarithms of ratios over this number.
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
        """A mean as people read it: of logarithms, the ratio."""
        return self.ratio * math.exp(mean) if self.ratio else mean


@dataclass(frozen=True, slots=True)
class DeterministicCheck:
    """A number that a rule fixes, the same in every repeat, and whether it is as the claim says."""

    claim: str
    sub_claim: str
    part: str
    what: str
    value: float
    expected: str
    agrees: bool


@dataclass(frozen=True, slots=True)
class PartResults:
    """What one part of a study has measured.

    Attributes:
        part: Its name.
        problem: The key of its problem.
        score: The study's score.
        margin: What counts as no difference of it.
        batch_size: Of the part; an entry with another is no rival of the rest.
        epochs: The same.
        frames: Plan and records.
        finals: A row per trial (`scores.final`).
        ways: The paths on a surface (`paths.places`).
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
        """Whether something is learnt from examples."""
        return not self.surface and not self.frames.trials.empty

    @property
    def surface(self) -> str:
        """The function of two variables, where this is one."""
        given = self.frames.trials["problem_options"].iloc[0]
        return str(given.get("surface", VALLEY)) if self.problem == "surface" else ""

    def settings(self, kind: str, *, own_budget: bool = True, **options: float) -> dict[str, dict[str, Any]]:
        """From label to hyperparameters: all entries of a kind with these options, at the part's own budget."""
        found = {}
        for _, row in self.frames.trials.drop_duplicates("label").iterrows():
            given = dict(row["hyperparameters"])
            like = all(_is(given.get(name), value) for name, value in options.items())
            usual = str(row["batch_size"]) == self.batch_size and row["epochs"] == self.epochs
            if row["kind"] == kind and like and (usual or not own_budget):
                found[str(row["label"])] = given | {"batch_size": str(row["batch_size"])}
        return found

    @property
    def rate(self) -> float:
        """The learning rate that most entries share, AdaDelta's aside; NaN without any."""
        rows = self.frames.trials.drop_duplicates("label")
        rates = [
            float(given["lr"])
            for kind, given in zip(rows["kind"], rows["hyperparameters"], strict=True)
            if kind != "adadelta" and "lr" in given
        ]
        return Counter(rates).most_common(1)[0][0] if rates else math.nan

    def own(self, kind: str) -> str | None:
        """The label of a kind's own setting, see the top of this file; None where there is none."""
        if kind == "adadelta":
            known = self.settings(kind, lr=1.0)
            return min(known, key=lambda label: _decades(known[label].get("eps"), ADADELTA_EPS), default=None)
        return next(iter(self.settings(kind, lr=self.rate)), None)

    def values(self, label: str, metric: str) -> pd.Series[float]:
        """The final values of a label by repeat; NaN where a trial did not end ok, or lacks the metric."""
        own = self.finals[self.finals["label"] == label].set_index("repeat")
        if metric not in own:
            return pd.Series(np.nan, index=own.index, dtype=np.float64)
        return own[metric].astype("float64").where(own["outcome"] == "ok")

    def at(self, label: str, metric: str, epoch: int) -> pd.Series[float]:
        """The values of a label after an epoch, by repeat; empty where it was not measured then."""
        points = self.frames.points
        chosen = points[(points["label"] == label) & (points["metric"] == metric) & (points["epoch"] == epoch)]
        return chosen[chosen["outcome"] == "ok"].drop_duplicates("repeat").set_index("repeat")["value"]

    def updates_per_epoch(self, label: str) -> int:
        """How many updates an epoch of a label has."""
        row = self.frames.trials[self.frames.trials["label"] == label].iloc[0]
        examples, batch = int(row["train_examples"]), str(row["batch_size"])
        return 1 if batch == "full" else math.ceil(examples / int(batch))

    def less(self, one: str, other: str, metric: str) -> pd.Series[float]:
        """The paired differences of two labels."""
        return self.values(one, metric) - self.values(other, metric)


def evidence(study: Study, frames: Frames) -> PartResults:
    """What a study, or a part of one, has measured."""
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


def asked(parts: Sequence[PartResults]) -> list[ClaimTest]:
    """The family: all that varies from repeat to repeat, of all claims but the eighth, and what the misprints did."""
    found = []
    for part in parts:
        if part.is_network:
            for measure in (_momentum, _nag, _adagrad, _small_batches, _stalls, _adadelta, _adam, _nadam, _oracle):
                found += list(measure(part))
    return [each for each in found if each.by_repeat.notna().any()]


def pairs(parts: Sequence[PartResults]) -> list[ClaimTest]:
    """Every pair of rules that a problem has, on every problem; above 0 the first is better; `half` names the pair."""
    found = list[ClaimTest]()
    for part in parts:
        labels = {kind: label for kind in RANKED if (label := part.own(kind))}
        for one, other in combinations(labels, 2):
            found.append(_better("8", f"{one} {other}", part, labels[one], labels[other]))
    return [each for each in found if each.by_repeat.notna().any()]


def exact(parts: Sequence[PartResults]) -> list[DeterministicCheck]:
    """What rules do on surfaces, where nothing varies."""
    found: list[DeterministicCheck] = []
    for part in parts:
        if part.surface == PLANE:
            found += [*_constant_gradient(part), *_shrinking(part), *_first_steps(part)]
        elif part.surface == VALLEY:
            found += [*_alternating(part), *_divergence(part), *_bounds(part), *_in_the_valley(part)]
    return found


def _momentum(part: PartResults) -> Iterator[ClaimTest]:
    yield from _compared("1", part, "momentum", "sgd")


def _nag(part: PartResults) -> Iterator[ClaimTest]:
    yield from _compared("2", part, "nag", "momentum")
    yield from _compared("2, as printed", part, "nag_paper", "momentum")


def _adagrad(part: PartResults) -> Iterator[ClaimTest]:
    for kind in SGD_FAMILY:
        yield from _compared("3", part, "adagrad", kind)


def _nadam(part: PartResults) -> Iterator[ClaimTest]:
    yield from _compared("C", part, "nadam", "adam")
    yield from _compared("C, as printed", part, "nadam_paper", "adam")


def _oracle(part: PartResults) -> Iterator[ClaimTest]:
    """The printed NAG against momentum at (1+γ)η, which it should equal; the printed NAdam against the true one."""
    for label, given in part.settings("nag_paper", lr=part.rate).items():
        gamma = float(given.get("momentum", math.nan))
        same = part.settings("momentum", lr=(1 + gamma) * part.rate, momentum=gamma)
        usual = part.own("momentum")
        for twin in same:
            yield _loss("printed NAG and its twin", "", part, label, twin)
            if usual:
                yield _loss("momentum's two rates", "", part, twin, usual)
    yield from _compared("printed NAdam and true", part, "nadam_paper", "nadam")


def _compared(claim: str, part: PartResults, one: str, other: str) -> Iterator[ClaimTest]:
    """The training loss of one kind's own setting below that of another's."""
    first, second = part.own(one), part.own(other)
    if first and second:
        yield _loss(claim, "", part, first, second)


def _loss(claim: str, half: str, part: PartResults, one: str, other: str) -> ClaimTest:
    return ClaimTest(
        claim, half, part.part, f"{one} − {other}, training loss", part.less(one, other, TRAIN_LOSS), "below"
    )


def _small_batches(part: PartResults) -> Iterator[ClaimTest]:
    """Batches of 2 against batches of 256, at the same learning rate: speed, and the test accuracy after one epoch."""
    every = part.settings("sgd", own_budget=False, lr=part.rate)
    by_size = {given["batch_size"]: label for label, given in every.items()}
    small, large = by_size.get(str(SMALL_BATCH)), by_size.get(str(LARGE_BATCH))
    if not (small and large):
        return
    trials = part.frames.trials
    if not trials.loc[trials["label"].isin([small, large]), "packed"].any():  # trials that take turns have no own speed
        ratio = part.values(large, "examples_per_second") / part.values(small, "examples_per_second")
        slower, what = ratio.map(math.log, na_action="ignore"), f"examples/s, {large} over {small}"
        yield ClaimTest("4", "slower", part.part, what, slower, "above", ratio=1.0)
        about = slower - math.log(SLOWER)
        yield ClaimTest("4", f"about {SLOWER:g} times", part.part, what, about, "near", math.log(ABOUT), ratio=SLOWER)
    behind = part.at(small, ACCURACY, 1) - part.at(large, ACCURACY, 1)
    updates = " and ".join(f"{part.updates_per_epoch(label):,}" for label in (small, large))
    what = f"{small} − {large}, test accuracy after epoch 1 of {updates} updates"
    yield ClaimTest("4", "behind", part.part, what, behind, "below")


def _stalls(part: PartResults) -> Iterator[ClaimTest]:
    """The loss of the updates in the last quarter of a run over that in the quarter before."""
    stalls, goes_on = "AdaGrad stalls on networks", "RMSProp and AdaDelta go on"
    wants: tuple[tuple[str, str, Direction], ...] = (
        ("adagrad", stalls, "near"),
        ("rmsprop", goes_on, "below"),
        ("adadelta", goes_on, "below"),
    )
    for kind, half, wanted in wants:
        label = part.own(kind)
        if label:
            values, what = _late_change(part, label), f"{label}, loss in the last quarter over the quarter before"
            margin = math.log1p(STILL)
            yield ClaimTest("5", half, part.part, what, values, wanted, margin, 1.0)


def _late_change(part: PartResults, label: str) -> pd.Series[float]:
    updates = part.frames.updates
    own = updates[(updates["label"] == label) & (updates["outcome"] == "ok")]
    found = {}
    for repeat, run in own.groupby("repeat"):
        losses = run.sort_values("step")["value"].to_numpy(dtype=np.float64)
        quarter = len(losses) // 4
        if quarter and (losses > 0).all():
            found[repeat] = math.log(losses[-quarter:].mean() / losses[-2 * quarter : -quarter].mean())
    return pd.Series(found, dtype=np.float64)


def _adadelta(part: PartResults) -> Iterator[ClaimTest]:
    """AdaDelta at 1 against itself at other learning rates, and with other ε."""
    own = part.own("adadelta")
    if not own:
        return
    every = part.settings("adadelta")
    for label, given in every.items():
        if not _is(given.get("lr"), 1.0):
            yield replace(_better("6", "no other learning rate is better", part, own, label), direction="not below")
        elif label != own and not _is(given.get("eps"), every[own].get("eps")):
            yield replace(_better("6", "nor does ε take its place", part, own, label), direction="near")


def _adam(part: PartResults) -> Iterator[ClaimTest]:
    """Adam against each other adaptive method, in the training loss and in the part's score."""
    adam = part.own("adam")
    for kind in ADAPTIVE:
        other = part.own(kind)
        if adam and other:
            yield _loss("7", "in training loss", part, adam, other)
            if part.score != TRAIN_LOSS:
                yield _better("7", f"in {_named(part.score)}", part, adam, other)


def _better(claim: str, half: str, part: PartResults, one: str, other: str) -> ClaimTest:
    """A label's score better than that of another, by more than the margin or surely; above 0 is better."""
    sign = 1.0 if scores.higher_is_better(part.score) else -1.0
    what = f"{one} − {other}, {_named(part.score)}" + (" (sign turned)" if sign < 0 else "")
    return ClaimTest(claim, half, part.part, what, sign * part.less(one, other, part.score), "above", part.margin)


def _constant_gradient(part: PartResults) -> Iterator[DeterministicCheck]:
    for label, given in _own(part, "momentum"):
        wanted = 1 / (1 - float(given["momentum"]))
        value = _steps(part, label)[-1] / float(given["lr"])
        told = f"1/(1−γ) = {wanted:g}"
        what = f"{label}: last step over η times the gradient"
        yield DeterministicCheck("9", "constant", part.part, what, value, told, abs(value / wanted - 1) < EXACT)


def _shrinking(part: PartResults) -> Iterator[DeterministicCheck]:
    """The last step over the one after a quarter of the steps: 1/2 for a step that shrinks as 1/√t."""
    for kind, half in (("adagrad", "AdaGrad's step shrinks"), ("rmsprop", _NO), ("adadelta", _NO)):
        for label, _ in _own(part, kind):
            steps = _steps(part, label)
            quarter = len(steps) // 4
            value = float(steps[4 * quarter - 1] / steps[quarter - 1]) if quarter else math.nan
            shrinks = kind == "adagrad"
            holds = abs(value / 0.5 - 1) < EXACT if shrinks else value > 1 - EXACT
            what = f"{label}: step {4 * quarter} over step {quarter}"
            yield DeterministicCheck(
                "5", half, part.part, what, value, "1/2, as 1/√t" if shrinks else "no less than 1", holds
            )


_NO = "RMSProp's and AdaDelta's do not"


def _first_steps(part: PartResults) -> Iterator[DeterministicCheck]:
    """The printed NAdam's first steps over η: its listing corrects the bias twice."""
    for label, given in _own(part, "nadam_paper"):
        for at in (0, 1, 2):
            value = float(_steps(part, label)[at] / float(given["lr"]))
            yield DeterministicCheck(
                "printed NAdam's steps", "", part.part, f"{label}: step {at + 1} over η", value, "", agrees=True
            )


def _alternating(part: PartResults) -> Iterator[DeterministicCheck]:
    """Momentum at its bound η = 2(1+γ)/λ: there x₂ changes sides at every step, for ever, and so does its gradient λ x₂."""
    stiff = max(_curvatures(part.surface))
    for label, given in _own(part, "momentum"):
        gamma, rate = float(given["momentum"]), float(given["lr"])
        if not _is(rate, 2 * (1 + gamma) / stiff):
            continue
        x = _path(part, label)["x2"].to_numpy(dtype=np.float64)
        alternates = bool((x[-10:-1] * x[-9:] < 0).all()) if len(x) > 10 else False
        value = float(abs(x[-1] - x[-2]) / (rate * stiff * abs(x[-2])))
        wanted = 1 / (1 + gamma)
        what = f"{label}: last step over η times an alternating gradient"
        told = f"1/(1+γ) = {wanted:.4g}"
        yield DeterministicCheck(
            "9", "alternating", part.part, what, value, told, alternates and abs(value / wanted - 1) < EXACT
        )


def _divergence(part: PartResults) -> Iterator[DeterministicCheck]:
    for kind, half, grows in (
        ("sgd", "gradient descent diverges", True),
        ("momentum", "momentum does not", False),
    ):
        for label in _ended(part, kind, lr=0.6):
            value = _growth(part, label)
            what = f"{label}: f at the end over f at the start"
            yield DeterministicCheck(
                "10", half, part.part, what, value, "above 1" if grows else "below 1", (value > 1) == grows
            )


def _bounds(part: PartResults) -> Iterator[DeterministicCheck]:
    """η < 2/λ for gradient descent, 2(1+γ)/λ for momentum, 2(1+γ)/((1+2γ)λ) for NAG, λ the largest eigenvalue."""
    stiff, right, told = max(_curvatures(part.surface)), 0, 0
    for kind in ("sgd", "momentum", "nag"):
        for label, given in _ended(part, kind).items():
            gamma = float(given.get("momentum", 0.0))
            bound = 2 * (1 + gamma) / (stiff * (1 + 2 * gamma if kind == "nag" else 1))
            value = _growth(part, label)
            if _is(given["lr"], bound):
                continue
            told += 1
            right += (float(given["lr"]) > bound) == (value > 1)
    if told:
        what = "settings that grow or shrink as the bounds say"
        yield DeterministicCheck(
            "10", "the bounds of stability", part.part, what, float(right), f"all {told}", right == told
        )


def _in_the_valley(part: PartResults) -> Iterator[DeterministicCheck]:
    for slow, given in _ended(part, "adagrad", lr=0.4).items():
        for quick in _ended(part, "rmsprop", lr=0.4):
            ends = [_reached(part, label, STEPS) for label in (quick, slow)]
            what = f"f at step {STEPS}, {quick} over {slow}"
            if not np.isnan(ends).any():
                yield DeterministicCheck("A", "", part.part, what, ends[0] / ends[1], "below 1", ends[0] < ends[1])
        for far in _ended(part, "adagrad", lr=2.0, eps=float(given.get("eps", math.nan))):
            value = _reached(part, far, STEPS) / _height(part, far, 0)
            what = f"{far}: f at step {STEPS} over f at the start"
            if not math.isnan(value):
                yield DeterministicCheck("B", "", part.part, what, value, f"below {THERE:g}", value < THERE)


def _ended(part: PartResults, kind: str, **options: float) -> dict[str, dict[str, Any]]:
    """Of the entries of `Evidence.settings`, those that were run and did not break: what is not there shows nothing."""
    recorded = set(trajectories.first_usable_trials(part.frames)["label"])
    return {
        label: given for label, given in part.settings(kind, own_budget=True, **options).items() if label in recorded
    }


def _own(part: PartResults, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All of these with a path."""
    for label, given in _ended(part, kind).items():
        if _has_path(part, label):
            yield label, given


def _path(part: PartResults, label: str) -> pd.DataFrame:
    """The path of a label, its start first; empty where there is none."""
    return part.trajectories[part.trajectories["label"] == label].sort_values("step")


def _has_path(part: PartResults, label: str) -> bool:
    return len(_path(part, label)) > 10


def _steps(part: PartResults, label: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The lengths of all steps in x₁, along which the gradient is 1."""
    return np.abs(np.diff(_path(part, label)["x1"].to_numpy(dtype=np.float64)))


def _height(part: PartResults, label: str, step: int) -> float:
    """Height f at a step of a label's path; NaN where it has none."""
    own = _path(part, label)
    at = own[own["step"] == step]
    formula = SURFACES[part.surface].formula
    return float(formula(float(at["x1"].iloc[0]), float(at["x2"].iloc[0]))) if len(at) else math.nan


def _growth(part: PartResults, label: str) -> float:
    """Height f at the end of a label's path over f at its start; infinite where it diverged."""
    return _reached(part, label, int(_path(part, label)["step"].max())) / _height(part, label, 0)


def _reached(part: PartResults, label: str, step: int) -> float:
    """Height f at a step of a label's path; infinite where it diverged, NaN where it was not run so long."""
    own = part.frames.trials[part.frames.trials["label"] == label]
    return math.inf if (own["outcome"] == "diverged").any() else _height(part, label, step)


def _curvatures(surface: str) -> tuple[float, float]:
    """The second derivatives of a quadratic without mixed terms, exact from second differences."""
    f = SURFACES[surface].formula
    return float(f(1.0, 0.0) - 2 * f(0.0, 0.0) + f(-1.0, 0.0)), float(f(0.0, 1.0) - 2 * f(0.0, 0.0) + f(0.0, -1.0))


def _named(metric: str) -> str:
    return scores.title(metric).lower()


def _is(value: Any, wanted: Any) -> bool:
    """Whether two numbers are one but for rounding."""
    return isinstance(value, int | float) and isinstance(wanted, int | float) and math.isclose(value, wanted)


def _decades(value: Any, wanted: float) -> float:
    return abs(math.log10(value / wanted)) if isinstance(value, int | float) and value > 0 else math.inf
