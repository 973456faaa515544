"""`[[claim]]`: hypotheses about the optimizers of a study, which can be recorded before its trials.

`reports.analysis.claims` judges them. Trials do not depend on claims.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from suite.errors import UserError, did_you_mean, format_value
from suite.spec.validation_errors import InvalidValueError, Table
from suite.trials import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

METRICS = ("test/accuracy", "test/loss", "train/accuracy", "train/loss")
SCORE = "score"
"""Stands for the study's score among the metrics of a claim."""
CLAIM_METRICS = (SCORE, *METRICS, "examples_per_second")
FACTOR = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_COMPARED = {"metric", "epoch", "margin", "ratio", "factor", "within"}
_KEYS: dict[str, set[str]] = {
    "better": {"than", "measure", "step", *_COMPARED} - {"within"},
    "not_worse": {"than", *_COMPARED},
    "equivalent": _COMPARED,
    "reverses": {"metric", "epoch", "margin"},
    "optimizer": {"measure", "step", "equals", "tolerance", "above", "below"},
}
"""The forms of a statement, and the further keys of each."""
_WITH_STEP = ("step_over_gradient", "height")


def _check_words(value: Any) -> Any:
    """Return a text or a list of different texts as a tuple."""
    words = (value,) if isinstance(value, str) else value
    is_list = isinstance(words, list | tuple) and words and all(isinstance(word, str) and word for word in words)
    if not is_list or len(set(words)) < len(words):
        problem = f"expected a text in quotes, or a list of different texts, got {format_value(value)}"
        raise InvalidValueError("", problem, 'Write, for example, "A", or ["A", "B"]')
    return tuple(words)


def _check_labels(value: Any) -> Any:
    """Return a list of at least two different labels as a tuple."""
    labels = _check_words(value)
    if len(labels) < 2:
        problem = f"expected at least two labels, got {format_value(value)}"
        raise InvalidValueError("", problem, 'Write, for example, ["A", "B"]')
    return labels


def _check_metrics(value: Any) -> Any:
    metrics = _check_words(value)
    for metric in metrics:
        if metric not in CLAIM_METRICS:
            hint = f"Choose from: {', '.join(CLAIM_METRICS)}"
            raise InvalidValueError(
                "", f"there is no {format_value(metric)}", did_you_mean(metric, CLAIM_METRICS), hint
            )
    return metrics


Words = Annotated[tuple[str, ...], BeforeValidator(_check_words)]
Labels = Annotated[tuple[str, ...], BeforeValidator(_check_labels)]


class Requires(Table):
    """Conditions on the compared trials. If one is not met, the statement is not tested."""

    problem: str | None = Field(default=None, examples=['problem = "fashion_mnist_cnn"'])
    """Key of the problem."""
    train_examples: PositiveInt | None = Field(default=None, examples=["train_examples = 60_000"])
    """Number of training examples."""
    epochs: PositiveInt | None = Field(default=None, examples=["epochs = 5"])
    """Number of epochs."""
    batch_size: PositiveInt | Literal["full"] | None = Field(default=None, examples=["batch_size = 256"])
    """Number of examples per update."""
    device: str | None = Field(default=None, examples=['device = "cuda"'])
    """Kind of the device: `cpu` or `cuda`."""


class Statement(Table):
    """What is claimed. It has exactly one of the keys `better`, `not_worse`, `equivalent`, `reverses` and `optimizer`."""

    text: str = Field(default="", examples=['text = "Momentum is faster than gradient descent."'])
    """The statement in words."""
    better: str | None = Field(default=None, examples=['better = "Momentum"'])
    """Label of the optimizer that is claimed to be better than `than`."""
    not_worse: str | None = Field(default=None, examples=['not_worse = "Momentum"'])
    """Label of the optimizer that is claimed to be better than `than`, equal to it, or worse by less than the margin."""
    than: Words = Field(default=(), examples=['than = "SGD"'])
    """For `better` and `not_worse`: one or more labels. The statement is tested against each of them."""
    equivalent: Labels = Field(default=(), examples=['equivalent = ["NAG", "Momentum"]'])
    """Labels. The first optimizer is claimed to differ from each of the others by less than the margin."""
    reverses: Labels = Field(default=(), examples=['reverses = ["SGD", "Momentum", "Adam"]'])
    """Labels. The claim is that at least one pair has opposite orders on two problems, by the same metric."""
    optimizer: Words = Field(default=(), examples=['optimizer = "Momentum"'])
    """One or more labels. The claim is about the `measure` of each, with one of the keys `equals`, `above` and `below`."""
    metric: Annotated[tuple[str, ...], BeforeValidator(_check_metrics)] = Field(
        default=(SCORE,), examples=['metric = "train/loss"']
    )
    """Metric after the last epoch, `examples_per_second`, or `score` for the score of the study. A list is one measurement for
    each metric."""
    epoch: PositiveInt | None = Field(default=None, examples=["epoch = 1"])
    """Number of the epoch after which the metric is compared. Default: the last."""
    margin: float | None = Field(default=None, ge=0, allow_inf_nan=False, examples=["margin = 0.01"])
    """Equivalence margin in the unit of the metric. Default: that of the study if the metric is its score. With `better`, a
    difference that lies within the margin refutes the statement."""
    ratio: bool = False
    """Whether ratios are compared instead of differences."""
    factor: FACTOR | None = Field(default=None, examples=["factor = 65"])
    """For `ratio`: the claimed ratio of the first optimizer to the other. Default: 1."""
    within: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = Field(default=None, examples=["within = 1.5"])
    """For `ratio`: ratios between 1/`within` and `within` count as equivalent."""
    measure: Literal["late_loss_change", "step_over_gradient", "step_ratio", "height"] | None = Field(
        default=None, examples=['measure = "height"']
    )
    """Quantity that is measured instead of a metric; see *Measures*."""
    step: PositiveInt | None = Field(default=None, examples=["step = 20"])
    """For the measures `step_over_gradient` and `height`: number of the step, counted from 1. Default: the last."""
    equals: FACTOR | None = Field(default=None, examples=["equals = 10.0"])
    """For `optimizer`: the claimed value of the measure."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """For `equals`: the relative deviation that counts as equal."""
    above: FACTOR | None = Field(default=None, examples=["above = 1.0"])
    """For `optimizer`: the measure is claimed to be greater than this number."""
    below: FACTOR | None = Field(default=None, examples=["below = 1.0"])
    """For `optimizer`: the measure is claimed to be less than this number."""
    problem: Words = Field(default=(), examples=['problem = ["digits", "cnn"]'])
    """Names of the parts (not keys of problems) on which the statement is judged. Default: every part that has the labels."""
    requires: Requires | None = Field(default=None, examples=["requires = { train_examples = 60_000 }"])
    """Conditions on the compared trials: `problem` (a key), `train_examples`, `epochs`, `batch_size` and `device`. If one is
    not met, the statement is not tested."""

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        self._check_statement()
        return self

    def _check_statement(self) -> None:
        keys = [key for key in Statement.model_fields if key in self.model_fields_set]
        forms = [key for key in keys if key in _KEYS]
        if len(forms) != 1:
            problem = f"expected one of {', '.join(_KEYS)}, got {', '.join(forms) or 'none'}"
            raise InvalidValueError("", problem, 'Write, for example, better = "Momentum" and than = "SGD"')
        for key in keys:
            if key not in _KEYS[self.form] | {"text", "problem", "requires", self.form}:
                allowed = ", ".join(sorted(_KEYS[self.form]))
                raise InvalidValueError(key, f"not allowed with {self.form}", f"Keys of {self.form}: {allowed}")
        bounds = [key for key in ("equals", "above", "below") if getattr(self, key) is not None]
        for key, missing, hint in (
            ("than", self.form in {"better", "not_worse"} and not self.than, 'than = "SGD"'),
            ("measure", self.optimizer and not self.measure, 'measure = "height"'),
            ("equals", self.optimizer and not bounds, "equals = 1.0, above = 1.0 or below = 1.0"),
            ("within", self.form in {"equivalent", "not_worse"} and self.ratio and not self.within, "within = 1.5"),
        ):
            if missing:
                raise InvalidValueError(key, "missing", f"Write, for example, {hint}")
        only = "is allowed only with"
        for key, invalid, problem in (
            ("than", self.better in self.than or self.not_worse in self.than, "contains the optimizer itself"),
            ("measure", self.better and self.measure not in {None, "height"}, 'must be "height" with better'),
            ("measure", self.measure and _COMPARED & set(keys), f"is not allowed with {', '.join(sorted(_COMPARED))}"),
            ("step", self.step and self.measure not in _WITH_STEP, f"{only} the measures {' and '.join(_WITH_STEP)}"),
            ("tolerance", "tolerance" in keys and self.equals is None, f"{only} equals"),
            ("factor", self.factor and not self.ratio, f"{only} ratio = true"),
            ("within", self.within and not self.ratio, f"{only} ratio = true"),
            ("margin", self.margin is not None and self.ratio, "is not allowed with ratio = true, which has within"),
            ("".join(bounds[1:2]), len(bounds) > 1, f"is not allowed with {''.join(bounds[:1])}"),
        ):
            if invalid:
                raise InvalidValueError(key, problem, "Change or remove it")

    @property
    def form(self) -> str:
        """Return the key that says what kind of statement it is."""
        return next(key for key in _KEYS if getattr(self, key))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the labels of each measurement; the second one is empty if only one optimizer is measured."""
        if self.form == "reverses":
            return tuple(combinations(self.reverses, 2))
        if self.form == "optimizer":
            return tuple((label, "") for label in self.optimizer)
        if self.form == "equivalent":
            return tuple((self.equivalent[0], other) for other in self.equivalent[1:])
        return tuple((self.better or self.not_worse or "", other) for other in self.than)


class Claim(Statement):
    """One `[[claim]]`: a statement, or several in `[[claim.statement]]` tables."""

    text: str = Field(min_length=1, examples=['text = "Momentum is faster than gradient descent."'])
    """The claim in words."""
    id: str | None = Field(default=None, min_length=1, max_length=20, examples=['id = "2a"'])
    """Name of the claim in tables, unique within the file. Default: its number, from 1."""
    source: str = Field(default="", examples=['source = "Qian 1999"'])
    """Where the claim is made."""
    note: str = Field(default="", examples=['note = "At the same learning rate."'])
    """Remark for the report."""
    statement: Annotated[tuple[Statement, ...], Field(strict=False)] = Field(
        default=(), examples=['[[claim.statement]] with better = "A" and than = "B"']
    )
    """The statements of a compound claim."""

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        keys = [key for key in Statement.model_fields if key in self.model_fields_set and key != "text"]
        if not self.statement:
            self._check_statement()
        elif keys:
            raise InvalidValueError(keys[0], "not allowed beside [[claim.statement]]", "Write it in each statement")
        return self

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Return the statements; a claim without `[[claim.statement]]` tables is one statement."""
        return self.statement or (self,)

    def name(self, number: int) -> str:
        """Return the name of the claim in tables; `number` is its position, from 1."""
        return self.id or str(number)


class Claims(Table):
    """The `[[claim]]` tables above the parts of a file."""

    claim: Annotated[tuple[Claim, ...], Field(strict=False)] = ()


class ClaimedEntry(Protocol):
    """What the check of claims reads of `suite.spec.study.Entry`."""

    @property
    def name(self) -> str:
        """The label."""

    @property
    def schedule(self) -> object:
        """The schedule of the learning rate, if there is one."""


class ClaimedStudy(Protocol):
    """What the check of claims reads of `suite.spec.study.Study`, which imports this module."""

    @property
    def score(self) -> str:
        """The metric that optimizers are compared by."""

    @property
    def margin(self) -> float:
        """Its equivalence margin."""

    @property
    def optimizer(self) -> Sequence[ClaimedEntry]:
        """The optimizers."""


def claim_digest(claim: Claim, study: ClaimedStudy) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a claim's text, its statements, and the study's score and margin."""
    described = [
        item.model_dump(exclude_defaults=True, include=set(Statement.model_fields)) for item in claim.statements
    ]
    content = canonical([claim.text, described, study.score, study.margin])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def claim_errors(claims: Sequence[Claim], studies: Mapping[str, ClaimedStudy]) -> Iterator[UserError]:
    """Yield an error for each label, part, margin and id that does not fit the studies.

    Args:
        claims: The claims.
        studies: The studies that the claims are about by the name of their part; the only name may be empty.
    """
    names = Counter(claim.name(number) for number, claim in enumerate(claims, 1))
    for number, claim in enumerate(claims, 1):
        if names[claim.name(number)] > 1:
            problem = f'{names[claim.name(number)]} claims have the name "{claim.name(number)}"'
            yield UserError(f"claim[{number}].id", problem, "Give each another id")
        for position, statement in enumerate(claim.statements, 1):
            inner = f".statement[{position}]" if claim.statement else ""
            yield from (error.within(f"claim[{number}]{inner}.") for error in _statement_errors(statement, studies))


def _statement_errors(statement: Statement, studies: Mapping[str, ClaimedStudy]) -> Iterator[UserError]:
    parts = [part for part in studies if part]
    for part in statement.problem:
        if part not in parts:
            hint = f"Choose from: {', '.join(parts)}" if parts else "Remove it"
            yield UserError("problem", f'the study has no part "{part}"', did_you_mean(part, parts), hint)
            return
    chosen = {part: study for part, study in studies.items() if not statement.problem or part in statement.problem}
    unknown = list(_unknown_labels(statement, list(chosen.values())))
    yield from unknown or _unfit_parts(statement, chosen)


def _unknown_labels(statement: Statement, studies: Sequence[ClaimedStudy]) -> Iterator[UserError]:
    known = list(dict.fromkeys(entry.name for study in studies for entry in study.optimizer))
    for key in (statement.form, "than"):
        labels = getattr(statement, key)
        for label in (labels,) if isinstance(labels, str) else labels:
            if label not in known:
                problem = (
                    f"{'these parts have' if len(studies) > 1 else 'the study has'} no optimizer {format_value(label)}"
                )
                yield UserError(key, problem, did_you_mean(label, known), f"Choose from: {', '.join(known)}")


def _unfit_parts(statement: Statement, studies: Mapping[str, ClaimedStudy]) -> Iterator[UserError]:
    """Yield an error for each pair and part that has no measurement, and for each that has no margin or learning rate."""
    entries = {part: {entry.name: entry for entry in study.optimizer} for part, study in studies.items()}
    parts = {pair: [part for part in studies if {*pair} - {""} <= entries[part].keys()] for pair in statement.pairs}
    for (first, second), measured in parts.items():
        if not measured and statement.form != "reverses":
            yield UserError(statement.form, f'no part has both "{first}" and "{second}"', "Compare others")
    used = list(dict.fromkeys(part for measured in parts.values() for part in measured))
    for part in statement.problem:
        if part not in used:
            yield UserError("problem", f'the part "{part}" does not have these optimizers', "Remove it")
    if statement.form in {"equivalent", "not_worse"} and not statement.ratio and statement.margin is None:
        for score in dict.fromkeys(studies[part].score for part in used):
            if set(statement.metric) - {SCORE, score}:
                problem = f"missing, because the margin of the study is for its score, {score}"
                yield UserError("margin", problem, "Write, for example, margin = 0.01")
    scheduled = [label for part in used for label in statement.optimizer if _has_schedule(entries[part].get(label))]
    if scheduled and statement.measure == "step_over_gradient":
        problem = f'"{scheduled[0]}" has a schedule, and the measure needs a constant learning rate'
        yield UserError("measure", problem, "Measure another optimizer")


def _has_schedule(entry: ClaimedEntry | None) -> bool:
    return entry is not None and entry.schedule is not None
