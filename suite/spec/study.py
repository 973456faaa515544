"""A study: what is run, checked before anything runs; `suite.spec.study_file` reads it from TOML.

What needs an optimizer's or a problem's own knowledge (its options, its number of examples) is checked by `suite.spec.plan`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from suite.errors import UserError, did_you_mean, format_value
from suite.spec import names
from suite.spec.validation_errors import format_validation_error, truncate_errors
from suite.trials import IMPORTED, Precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def _size(value: Any) -> Any:
    if value == "full" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f'expected a whole number > 0, or "full", got {format_value(value)}. For example 256')


Size = Annotated[int | Literal["full"], BeforeValidator(_size)]


MAX_LABEL_LENGTH = 80

Share = Annotated[float, Field(gt=0, lt=1)]


class Schedule(BaseModel):
    """How the learning rate changes, by update: a linear warm-up, then one of torch's schedulers (`suite.optimizers.schedules`)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: Literal["constant", "linear", "cosine", "exponential", "step"] = Field(
        default="constant", examples=['kind = "cosine"']
    )
    """What the learning rate follows after the warm-up: `constant`, `linear`, `cosine`, `exponential` or `step`."""
    warmup: float = Field(default=0.0, ge=0, lt=1, examples=["warmup = 0.05"])
    """Share of all updates in which the rate rises linearly to its full value."""
    final: float = Field(default=0.0, ge=0, le=1, examples=["final = 0.1"])
    """`linear`, `cosine`: the factor that the learning rate has come down to at the end of the run."""
    gamma: float = Field(default=0.1, gt=0, le=1)
    """`exponential`: the factor over the whole run; `step`: the factor at each milestone."""
    milestones: Annotated[tuple[Share, ...], Field(strict=False)] = (0.5, 0.75)
    """`step`: after which shares of the updates behind the warm-up the rate is multiplied by `gamma`."""


def _ends(value: Any) -> Any:
    """Two different finite numbers, the low one first."""
    numbers = isinstance(value, list | tuple) and all(map(_is_number, value))
    if not numbers or len(value) != 2:
        raise ValueError(f"expected the two ends of a range, got {format_value(value)}. For example [0.001, 1.0]")
    low, high = map(float, value)
    if low == high:
        raise ValueError(
            f"the range {format_value(value)} is empty. Write two different ends, or values = [{value[0]}]"
        )
    if low > high:
        raise ValueError(f"the range {format_value(value)} is inverted. Write [{value[1]}, {value[0]}]")
    return (low, high)


def _choices(value: Any) -> Any:
    """Different finite numbers."""
    numbers = isinstance(value, list | tuple) and all(map(_is_number, value))
    if not numbers or not value or len(set(value)) < len(value):
        raise ValueError(f"expected a list of different numbers, got {format_value(value)}. For example [0.9, 0.99]")
    return tuple(map(float, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


Ends = Annotated[tuple[float, float], BeforeValidator(_ends)]


class Range(BaseModel):
    """Which values of a hyperparameter the tuning may try, in one of four forms; see `suite.tuning.search_space`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    log: Ends | None = None
    """Uniform on a logarithmic scale."""
    one_minus_log: Ends | None = None
    """One minus the value is uniform on a logarithmic scale between these ends: for β, of which 1/(1−β) is what counts."""
    uniform: Ends | None = None
    """Uniform between these ends."""
    values: Annotated[tuple[float, ...], BeforeValidator(_choices)] | None = None
    """One of these."""

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if len(self.model_fields_set) != 1:
            given = f"got {len(self.model_fields_set)} of them. For example {{ log = [0.001, 1.0] }}"
            raise ValueError(f"expected one of {', '.join(Range.model_fields)}, {given}")
        if self.log and self.log[0] <= 0:
            raise ValueError(f"a logarithmic range starts above 0, got {self.log[0]}. Write, for example, 1e-5")
        if self.one_minus_log and not 0 < self.one_minus_log[0] < self.one_minus_log[1] <= 1:
            raise ValueError(
                f"1 − value has to lie in (0, 1], got {format_value(list(self.one_minus_log))}. For example [0.001, 0.5]"
            )
        return self


class Tune(BaseModel):
    """`[tune]`: how `ravine tune` searches; every optimizer gets the same."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    trials: int = Field(default=20, gt=0, le=10_000)
    """Configurations for each optimizer, its own setting in the study first. A grid has as many as it has points."""
    batch: int = Field(default=4, gt=0, le=1_000)
    """How many are proposed at a time, from the results of the batches before: part of the study, unlike the workers."""
    repeats: int = Field(default=1, gt=0, le=1_000)
    """How many repeats judge a configuration; they are apart from those of the final run."""
    objective: Literal["validation/loss", "validation/accuracy"] = "validation/loss"
    """`validation/loss` or `validation/accuracy`: judged on a sixth of the training set that is held out."""
    sampler: Literal["tpe", "random", "qmc", "grid"] = "tpe"
    """Who proposes: Optuna's `tpe`, `random`, `qmc` (quasi-random), or every point of a `grid`."""
    prune: bool = True
    """Whether a configuration that is hopeless after some repeats is spared the others (`suite.tuning.pruning`)."""
    points: int | None = Field(default=None, gt=1, le=1_000, examples=["points = 9"])
    """`grid`: how many values of each range."""
    parameters: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, examples=['parameters = ["lr"]']
    )
    """Tune these hyperparameters alone; default: the learning rate and the β values."""
    epochs: int | None = Field(default=None, gt=0, le=1_000_000)
    """The epochs of a trial of the tuning; default: those of the study."""
    train_examples: PositiveInt | None = None
    """The training examples of a trial of the tuning; default: those of the study, at most what the
    validation split leaves."""
    validation_examples: PositiveInt | None = Field(default=None, examples=["validation_examples = 1_000"])
    """Judge on the first so many examples of the validation split; default: all."""
    space: dict[str, dict[str, Range]] = Field(
        default_factory=dict, examples=["[tune.space.adam] with lr = { log = [1e-5, 1.0] }"]
    )
    """From an optimizer's label or kind to ranges that come in place of its default ones."""

    @model_validator(mode="after")
    def _fits_the_sampler(self) -> Self:
        if self.sampler == "grid" and "trials" in self.model_fields_set:
            raise ValueError("trials: a grid has as many configurations as points. Remove it, write points = 9")
        if self.sampler != "grid" and self.points is not None:
            raise ValueError(f'points: {self.sampler} has none. Remove it, or write sampler = "grid"')
        return self


class Tuned(BaseModel):
    """`[tuned]` of a tuned study: which tuning its entries came from."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    study: str = Field(examples=['study = "quick_tuning"'])
    """The study that was tuned."""
    trials: PositiveInt = Field(examples=["trials = 20"])
    """How many configurations of each optimizer its settings come from."""
    optuna: dict[str, str] = Field(examples=["[tuned.optuna] as `ravine tune` writes it"])
    """From the label of an entry to the name of its Optuna study; its tuned entry is `<label>, tuned`."""


class Imported(BaseModel):
    """`[imported]`: the file whose results the study has; they cannot be run (`suite.transfer.import_results`)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    file: str = Field(min_length=1, examples=['file = "results.csv"'])
    """The name of the file."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", examples=["[imported] as `ravine import` writes it"])
    """Of the file's content."""


TUNED = ", tuned"
"""How the label of a tuned entry ends."""


def tuned_label(label: str) -> str:
    """The label of the entry that has an optimizer's tuned setting, beside the one with the study's own."""
    return label + TUNED


class Entry(BaseModel):
    """One `[[optimizer]]`: its label, its kind, its own budget where it has one; all other keys are its options.

    `lr = [0.1, 0.01]` makes an entry of each learning rate, named `<name> <rate>`.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str = Field(min_length=1, max_length=MAX_LABEL_LENGTH, examples=['name = "Adam"'])
    """Its label in tables and figures, its own within the study."""
    kind: str = Field(min_length=1, examples=['kind = "adam"'])
    """A key of `ravine list optimizers`, or `module:Class`."""
    batch_size: Size | None = None
    """In place of the study's."""
    chunk: Size | None = None
    """In place of the study's."""
    epochs: int | None = Field(default=None, gt=0, le=1_000_000)
    """In place of the study's."""
    train_examples: PositiveInt | None = None
    """In place of the study's."""
    test_every: PositiveInt | None = None
    """In place of the study's."""
    schedule: Schedule | None = Field(default=None, examples=['schedule = { kind = "cosine", warmup = 0.05 }'])
    """How its learning rate changes; default: not at all."""
    problem_options: dict[str, Any] | None = None
    """Options of the problem that differ from the study's for this entry."""

    @property
    def options(self) -> dict[str, Any]:
        """The optimizer's own options, as written."""
        return dict(self.model_extra or {})

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if name != name.strip() or not name.isprintable():
            raise ValueError("expected one line of text without blanks at its ends")
        return name


def _spread(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """An entry that lists learning rates is one for each of them."""
    return tuple(single for entry in entries for single in _expand_learning_rates(entry))


def _expand_learning_rates(entry: Entry) -> Iterator[Entry]:
    """Yield the entry; if it lists learning rates, yield one entry for each of them, named `<name> <rate>`."""
    rates = entry.options.get("lr")
    if not isinstance(rates, list | tuple):
        yield entry
        return
    names = [f"{entry.name} {rate:g}" if _is_number(rate) else "" for rate in rates]
    if not names or "" in names or len(set(names)) < len(names):
        wanted = "a number, or a list of different numbers. For example lr = [0.1, 0.01]"
        raise ValueError(f'"{entry.name}": lr: expected {wanted}')
    for rate, name in zip(rates, names, strict=True):
        if len(name) > MAX_LABEL_LENGTH:
            raise ValueError(
                f'"{name}": a name with its learning rate has at most {MAX_LABEL_LENGTH} characters. Shorten it'
            )
        yield entry.model_copy(update={"name": name, "lr": float(rate)})


class Study(BaseModel):
    """A study, as its file has it; `name` and `path` say where it came from, `overrides` what the command line changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    title: str = Field(min_length=1, examples=['title = "My study"'])
    """What stands on top of its report."""
    problem: str = Field(min_length=1, examples=['problem = "fashion_mnist_cnn"'])
    """A key of `ravine list problems`, or `module:object`."""
    problem_options: dict[str, Any] = Field(default_factory=dict, examples=['problem_options = { surface = "valley" }'])
    """The problem's own options."""
    repeats: int = Field(gt=0, le=10_000, examples=["repeats = 10"])
    """How often each optimizer is run, with other seeds; a verdict takes six."""
    epochs: int = Field(gt=0, le=1_000_000, examples=["epochs = 5"])
    """Passes through the training examples."""
    batch_size: Size = 256
    """Examples for each update, or `"full"`: all of them."""
    chunk: Size | None = Field(default=None, examples=["chunk = 256"])
    """Under `batch_size = "full"`: how many examples go through the network at a time (default 256)."""
    train_examples: PositiveInt | None = Field(default=None, examples=["train_examples = 10_000"])
    """The first so many examples of the training set; default: all."""
    test_every: PositiveInt = 1
    """Evaluate on the test set after every so many epochs, and after the last."""
    precision: Precision = "float32"
    """What the forward pass computes in: `float32`, `bfloat16` (autocast), or `tf32` on CUDA."""
    compiled: bool = Field(default=False, examples=["compiled = true"])
    """Compile the steps of Ravine's optimizers: other bits, and faster where a step is a good part of an update."""
    seed: int = Field(default=0, ge=0)
    """The root of all seeds."""
    score: str = "test/accuracy"
    """What optimizers are judged by: a metric of the problem after the last epoch."""
    margin: float = Field(default=0.002, ge=0, allow_inf_nan=False)
    """What counts as no difference of the score."""
    reference: str | None = Field(default=None, examples=['reference = "paper"'])
    """A file of `studies/references/` whose printed numbers stand beside ours, matched by label."""
    claims: bool = Field(default=False, examples=["claims = true"])
    """Whether the report says what became of the claims of the source documents (`reports.analysis.claims`)."""
    modules: str | None = Field(default=None, examples=['modules = "my_optimizers"'])
    """Where `module:name` is looked up, seen from the study's file; default: beside it. Tuned studies use it."""
    optimizer: Annotated[tuple[Entry, ...], Field(strict=False, min_length=1), AfterValidator(_spread)] = Field(
        examples=['[[optimizer]] with name = "Adam", kind = "adam", lr = 0.001']
    )
    """A table for each optimizer."""
    tune: Tune = Field(default_factory=Tune, examples=["[tune] with trials = 20"])
    """How `ravine tune` searches."""
    tuned: Tuned | None = Field(default=None, examples=["[tuned] as `ravine tune` writes it"])
    """Of a tuned study: which tuning it came from."""
    imported: Imported | None = Field(default=None, examples=["[imported] as `ravine import` writes it"])
    """Of results from elsewhere: the file that they came from."""

    name: str = Field(default="study", exclude=True)
    part: str = Field(default="", exclude=True)
    """Which part of its file it is, where the file has parts (`suite.spec.parts`)."""
    path: Path | None = Field(default=None, exclude=True)
    overrides: tuple[str, ...] = Field(default=(), exclude=True)

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        return names.check_name(name)

    @model_validator(mode="after")
    def _labels_are_unique(self) -> Self:
        twice = [name for name, count in Counter(entry.name for entry in self.optimizer).items() if count > 1]
        if twice:
            raise ValueError(f'two optimizers are named "{twice[0]}". Give each a name of its own')
        return self

    @model_validator(mode="after")
    def _is_imported_as_a_whole(self) -> Self:
        for entry in self.optimizer:
            if entry.kind == IMPORTED and not self.imported:
                raise ValueError(
                    f'"{entry.name}" is imported, the study is not. Choose a kind of `ravine list optimizers`'
                )
            if self.imported and entry.kind != IMPORTED:
                raise ValueError(f'the study is imported, "{entry.name}" is not. Write a study of its own for it')
            own = entry.options.get("repeats", [])
            if self.imported and not (isinstance(own, list) and all(isinstance(repeat, int) for repeat in own)):
                raise ValueError(
                    f'"{entry.name}": repeats: expected a list of numbers, got {format_value(own)}. Import it again'
                )
        return self

    @model_validator(mode="after")
    def _spaces_have_their_optimizer(self) -> Self:
        known = [entry.kind for entry in self.optimizer] + [entry.name for entry in self.optimizer]
        for key in self.tune.space:
            if key not in known:
                raise ValueError(
                    f"tune.space.{key}: the study has no such optimizer.{did_you_mean(key, known)} "
                    f"Write a label or a kind of it: {', '.join(dict.fromkeys(known))}"
                )
        return self

    @property
    def folder(self) -> Path | None:
        """Where the study's own optimizers and problems are looked up: the folder of its file, or `modules`."""
        return (self.path.parent / (self.modules or "")).resolve() if self.path else None

    @property
    def file_name(self) -> str:
        """What the whole is called that it is a part of, or itself."""
        return self.name.removesuffix(f".{self.part}") if self.part else self.name

    @property
    def place(self) -> str:
        """What messages call the study: the path of its file, short where it lies below the current directory."""
        if self.path is None:
            return self.name
        here = Path.cwd()
        path = str(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)
        return f'{path}: part "{self.part}"' if self.part else path

    @property
    def report_name(self) -> str:
        """The name of the report's folder: the study's, and after an @ what the command line changed."""
        return report_name(self.name, self.overrides)

    def override(
        self,
        *,
        repeats: int | None = None,
        epochs: int | None = None,
        train_examples: int | None = None,
        precision: str | None = None,
        trials: int | None = None,
        optimizers: tuple[str, ...] = (),
    ) -> Study:
        """The study with what the command line changed; `epochs` and `train_examples` hold for every entry, and in tuning.

        Args:
            trials: How many configurations of each optimizer the tuning tries.
            optimizers: Labels or kinds; only these entries are kept.

        Raises:
            UserError: A value out of range, or a label that the study does not have.
        """
        changed = {"repeats": repeats, "epochs": epochs, "train_examples": train_examples, "precision": precision}
        changed = {key: value for key, value in changed.items() if value is not None}
        entries = [self._named(name) for name in optimizers]
        kept = [entry for entry in self.optimizer if not optimizers or any(entry in found for found in entries)]
        budget = [key for key in ("epochs", "train_examples") if key in changed]
        fixed = [key for key in changed if key != "repeats"]
        if self.imported and fixed:
            raise UserError(f"--{fixed[0].replace('_', '-')}: the results of {self.name} are imported. Leave it out")
        if not changed and not optimizers and trials is None:
            return self
        tables = [
            {key: value for key, value in entry.model_dump(exclude_unset=True).items() if key not in budget}
            for entry in kept
        ]
        values = self.model_dump(exclude_unset=True, exclude={"optimizer", "tune"}) | changed | {"optimizer": tables}
        values["tune"] = self._tune_with(trials, budget, kept)
        told = tuple(f"{key}={value}" for key, value in changed.items())
        told += (f"trials={trials}",) if trials is not None else ()
        told += (f"optimizer={'+'.join(optimizers)}",) if optimizers else ()
        own = {"name": self.name, "part": self.part, "path": self.path, "overrides": self.overrides + told}
        return validate_study(values, place="command line", own=own)

    def _tune_with(self, trials: int | None, budget: Sequence[str], kept: list[Entry]) -> dict[str, Any]:
        """`[tune]` with the command line's number of trials and budget, and the spaces of the entries that are kept."""
        tune = self.tune.model_dump(exclude_unset=True)
        names = {entry.name for entry in kept} | {entry.kind for entry in kept}
        if "space" in tune:
            tune["space"] = {key: space for key, space in tune["space"].items() if key in names}
        tune = {key: value for key, value in tune.items() if key not in budget}
        return tune if trials is None else tune | {"trials": trials}

    def has(self, wanted: str) -> bool:
        """Whether an entry has this label or kind."""
        return bool(self._fitting(wanted))

    def _fitting(self, wanted: str) -> list[Entry]:
        found = [entry for entry in self.optimizer if wanted in {entry.name, entry.kind}]
        return found or [e for e in self.optimizer if wanted.casefold() in {e.name.casefold(), e.kind.casefold()}]

    def _named(self, wanted: str) -> list[Entry]:
        found = self._fitting(wanted)
        if not found:
            names = [entry.name for entry in self.optimizer]
            raise UserError(
                f'--optimizer: "{wanted}" is neither a label nor a kind of the study {self.name}.'
                f"{did_you_mean(wanted, names + [e.kind for e in self.optimizer])} It has: {', '.join(names)}"
            )
        return found


def report_name(name: str, overrides: Sequence[str]) -> str:
    """The name of a report's folder: that of what it is about, and after an @ what the command line changed."""
    if not overrides:
        return name
    name = re.sub(r"[^\w.,=+@-]+", "_", f"{name}@{','.join(overrides)}")
    if len(name.encode()) > names.MAX_NAME_BYTES:
        short = name.encode()[: names.MAX_NAME_BYTES].decode(errors="ignore")
        name = f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return name


_OWN_KEYS = frozenset(name for name, field in Study.model_fields.items() if field.exclude)


def validate_study(
    values: dict[str, Any], *, place: str, own: dict[str, Any], shared: str = "", keys: frozenset[str] = frozenset()
) -> Study:
    """The study that these tables are.

    Args:
        values: By key, as TOML has them.
        place: What messages begin with.
        own: What is no key of a file: where the study came from.
        shared: What messages begin with instead where they speak of a key of `keys`.
        keys: See `shared`.

    Raises:
        UserError: One line for each mistake.
    """
    if _OWN_KEYS & values.keys():
        raise UserError(
            f"{place}: {min(_OWN_KEYS & values.keys())}: unknown key. Remove it; a study is named by its file"
        )
    try:
        return Study.model_validate({**values, **own})
    except ValidationError as error:
        mistakes: list[dict[str, Any]] = [dict(mistake) for mistake in error.errors()]
        if len(mistakes) > 1:  # entries with mistakes are not counted as entries: that is no second mistake
            mistakes = [mistake for mistake in mistakes if mistake["type"] != "too_short"]
        lines = [
            format_validation_error(shared if keys.intersection(mistake["loc"][:1]) else place, Study, values, mistake)
            for mistake in mistakes
        ]
        raise UserError(truncate_errors(place, lines)) from None
