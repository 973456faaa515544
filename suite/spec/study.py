"""A study: what is run. It is checked before anything runs; `suite.spec.study_file` reads it from TOML.

`suite.spec.plan` checks what depends on an optimizer or a problem: its options, its number of examples.
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
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from suite.errors import UserError, did_you_mean, format_value
from suite.spec.claims import Claim, claim_errors
from suite.spec.names import MAX_NAME_BYTES, check_name
from suite.spec.validation_errors import InvalidValueError, Table, validation_error
from suite.trials import IMPORTED, Precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_LABEL_LENGTH = 80


def _check_size(value: Any) -> Any:
    if value == "full" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    problem = f'expected an integer > 0, or "full", got {format_value(value)}'
    raise InvalidValueError("", problem, 'Write, for example, 256 or "full"')


def _check_dimensions(value: Any) -> Any:
    values = value if isinstance(value, list | tuple) else (value,)
    if values and all(type(item) is int and item >= 0 for item in values):
        return tuple(values)
    problem = f"expected an integer >= 0, or a list of them, got {format_value(value)}"
    raise InvalidValueError("", problem, "Write, for example, 1 or [0, 1]")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_number, value))


def _check_bounds(value: Any) -> Any:
    """Return the bounds of a range as two floats; they are finite, and the lower one comes first."""
    if not _is_numbers(value) or len(value) != 2:
        problem = f"expected the two bounds of a range, got {format_value(value)}"
        raise InvalidValueError("", problem, "Write, for example, [0.001, 1.0]")
    low, high = map(float, value)
    if low == high:
        hint = f"Write two different bounds, or values = [{value[0]}]"
        raise InvalidValueError("", f"the range {format_value(value)} is empty", hint)
    if low > high:
        hint = f"Write [{value[1]}, {value[0]}]"
        raise InvalidValueError("", f"the range {format_value(value)} is inverted", hint)
    return (low, high)


def _check_choices(value: Any) -> Any:
    """Return a list of different finite numbers as floats."""
    if not _is_numbers(value) or not value or len(set(value)) < len(value):
        problem = f"expected a list of different numbers, got {format_value(value)}"
        raise InvalidValueError("", problem, "Write, for example, [0.9, 0.99]")
    return tuple(map(float, value))


def _flatten_groups(spaces: Any) -> Any:
    """Return spaces in which the tables `group.N` have become keys such as `group.1.lr`."""
    if not isinstance(spaces, dict):
        return spaces
    return {key: _flat_space(space) if isinstance(space, dict) else space for key, space in spaces.items()}


def _flat_space(space: dict[str, Any]) -> dict[str, Any]:
    groups = space.get("group")
    if not isinstance(groups, dict) or not all(isinstance(group, dict) for group in groups.values()):
        return space
    flat = {f"group.{number}.{name}": values for number, group in groups.items() for name, values in group.items()}
    return {name: values for name, values in space.items() if name != "group"} | flat


Size = Annotated[int | Literal["full"], BeforeValidator(_check_size)]
Epochs = Annotated[int, Field(gt=0, le=1_000_000)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Smoothing = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Bounds = Annotated[tuple[float, float], BeforeValidator(_check_bounds)]


class Schedule(Table):
    """The learning rate by update: a linear warm-up, then one of torch's schedulers (`suite.optimizers.schedules`)."""

    kind: Literal["constant", "linear", "cosine", "exponential", "step", "wsd"] = Field(
        default="constant", examples=['kind = "cosine"']
    )
    """Schedule after the warm-up: `constant`, `linear`, `cosine`, `exponential`, `step` or `wsd` (warm-up, stable, decay)."""
    warmup: float = Field(default=0.0, ge=0, lt=1, examples=["warmup = 0.05"])
    """Length of the warm-up, as a fraction of all updates. During the warm-up, the learning rate rises linearly to `lr`."""
    final: float = Field(default=0.0, ge=0, le=1, examples=["final = 0.1"])
    """For `linear`, `cosine` and `wsd`: learning rate at the end of the run, as a fraction of `lr`."""
    gamma: float = Field(default=0.1, gt=0, le=1)
    """For `exponential`: final learning rate divided by `lr`. For `step`: factor at each milestone."""
    milestones: Annotated[tuple[Fraction, ...], Field(strict=False)] = (0.5, 0.75)
    """For `step`: positions of the milestones, as fractions of the updates after the warm-up."""
    decay: float = Field(default=0.2, gt=0, le=1)
    """For `wsd`: length of the linear decay at the end of the run, as a fraction of the updates after the warm-up."""


class Range(Table):
    """The values of a hyperparameter that the tuning tries, in one of four forms; see `suite.tuning.search_space`."""

    log: Bounds | None = None
    """Bounds of the value. The scale is logarithmic."""
    one_minus_log: Bounds | None = None
    """Bounds of 1 − value. The scale is logarithmic. This form suits β, because an average with β has a memory of 1/(1−β)
    steps."""
    uniform: Bounds | None = None
    """Bounds of the value. The scale is linear."""
    values: Annotated[tuple[float, ...], BeforeValidator(_check_choices)] | None = None
    """List of the possible values."""

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        if len(self.model_fields_set) != 1:
            problem = f"expected one of {', '.join(Range.model_fields)}, got {len(self.model_fields_set)} of them"
            raise InvalidValueError("", problem, "Write, for example, { log = [0.001, 1.0] }")
        if self.log and self.log[0] <= 0:
            problem = f"the lower bound of a logarithmic range must be > 0, got {self.log[0]}"
            raise InvalidValueError("", problem, "Write, for example, 1e-5")
        if self.one_minus_log and not 0 < self.one_minus_log[0] < self.one_minus_log[1] <= 1:
            problem = f"1 − value must lie in (0, 1], got {format_value(self.one_minus_log)}"
            raise InvalidValueError("", problem, "Write, for example, [0.001, 0.5]")
        return self


class Tune(Table):
    """`[tune]`: how `ravine tune` searches. All optimizers get the same."""

    trials: int = Field(default=20, gt=0, le=10_000)
    """Number of configurations for each optimizer. The first one is the default setting. This key is not allowed with
    `grid`, which tries the default setting and every grid point."""
    batch: int = Field(default=4, gt=0, le=1_000)
    """Number of configurations that are proposed together, from the results of earlier batches. The proposals do not
    depend on the number of workers."""
    repeats: int = Field(default=1, gt=0, le=1_000)
    """Number of runs of each configuration, with different seeds. The tuned study uses new seeds."""
    objective: Literal["validation/loss", "validation/accuracy"] = "validation/loss"
    """Metric that the search optimizes: `validation/loss` or `validation/accuracy` after the last epoch."""
    sampler: Literal["tpe", "random", "qmc", "grid"] = "tpe"
    """Method that proposes configurations. `tpe`, `random` and `qmc` (quasi-Monte Carlo) are samplers of Optuna. `grid`
    tries every point of a grid."""
    prune: bool = True
    """Whether Ravine skips the remaining runs of a clearly worse configuration. The rule is in `suite.tuning.pruning`."""
    points: int | None = Field(default=None, gt=1, le=1_000, examples=["points = 9"])
    """For `grid`: number of values of each hyperparameter. Default: 9."""
    parameters: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, examples=['parameters = ["lr"]']
    )
    """Names of the hyperparameters to tune. Default: `lr`, `momentum`, `alpha`, `rho`, `beta1`, `beta2`, and the
    hyperparameters in `space`."""
    epochs: Epochs | None = None
    """Number of epochs of each run of the tuning. Default: that of the study."""
    train_examples: PositiveInt | None = None
    """Number of training examples of each run of the tuning. Default: that of the study, but at most all examples outside
    the validation split."""
    validation_examples: PositiveInt | None = Field(default=None, examples=["validation_examples = 1_000"])
    """Number of validation examples, taken from the start of the validation split. Default: all."""
    space: Annotated[dict[str, dict[str, Range]], BeforeValidator(_flatten_groups)] = Field(
        default_factory=dict, examples=["[tune.space.adam] with lr = { log = [1e-5, 1.0] }"]
    )
    """Range of each hyperparameter, by the name or the kind of an optimizer; see *Ranges*. Default: built-in ranges."""

    @model_validator(mode="after")
    def _check_sampler(self) -> Self:
        if self.sampler == "grid" and "trials" in self.model_fields_set:
            problem = "a grid has as many configurations as points"
            raise InvalidValueError("trials", problem, "Remove it, and write, for example, points = 9")
        if self.sampler != "grid" and self.points is not None:
            raise InvalidValueError(
                "points", f'the sampler "{self.sampler}" has none', 'Remove it, or write sampler = "grid"'
            )
        return self


class Tuned(Table):
    """`[tuned]` of a tuned study: the tuning that its entries come from."""

    study: str = Field(examples=['study = "quick_tuning"'])
    """The study that was tuned."""
    trials: PositiveInt = Field(examples=["trials = 20"])
    """Number of configurations of each optimizer."""
    optuna: dict[str, str] = Field(examples=["[tuned.optuna] as `ravine tune` writes it"])
    """Names of the Optuna studies by label of the default entry. The tuned entry is `<label>, tuned`."""


class Imported(Table):
    """`[imported]`: the file of the study's results, which cannot be run (`suite.transfer.import_results`)."""

    file: str = Field(min_length=1, examples=['file = "results.csv"'])
    """The name of the file."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", examples=["[imported] as `ravine import` writes it"])
    """The SHA-256 of the file's content."""


TUNED = ", tuned"
"""The end of the label of a tuned entry."""


def tuned_label(label: str) -> str:
    """Return the label of an optimizer's tuned entry, which stands beside its default one."""
    return label + TUNED


class Wrap(Table):
    """An optimizer around another one; its other keys are its options."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(min_length=1, examples=['kind = "pytorch_optimizer:Lookahead"'])
    """The class, as `module:Class`."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Options that its constructor takes only through `**kwargs`."""

    @property
    def options(self) -> dict[str, Any]:
        """Return its options as written in the file, without `extra`."""
        return dict(self.model_extra or {})


Words = Annotated[tuple[Annotated[str, Field(strict=True, min_length=1)], ...], Field(strict=False, min_length=1)]


class Group(Table):
    """One `[[optimizer.group]]`: parameters with other options, or with another optimizer; other keys are options.

    A parameter belongs to the first group whose selectors all match it.
    """

    model_config = ConfigDict(extra="allow")

    roles: Words | None = Field(default=None, examples=['roles = ["bias", "norm"]'])
    """Roles of the parameters: `bias`, `norm`, `embedding`, `conv`, `linear`, `attention` or `output`; see *Parameter
    groups*."""
    names: Words | None = Field(default=None, examples=['names = ["*.bias"]'])
    """Names of the parameters, with `*` for any characters."""
    ndim: Annotated[tuple[int, ...], BeforeValidator(_check_dimensions)] | None = Field(
        default=None, examples=["ndim = 1"]
    )
    """Number of dimensions of the parameters, or a list of numbers: 1 for vectors, 2 for matrices."""
    kind: str | None = Field(default=None, min_length=1, examples=['kind = "adamw"'])
    """Optimizer of the group, as in an entry. It has the options of the group and its own defaults. Default: the optimizer of
    the entry, with the options of the group instead of those of the entry."""
    extra: dict[str, Any] = Field(default_factory=dict, examples=["extra = { rank = 4 }"])
    """With `kind`: as in an entry. Without `kind`: keys of the parameter group that are no options of the class. Ravine cannot
    check their names."""

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of the group as written in the file, without `extra`."""
        return dict(self.model_extra or {})


class Entry(Table):
    """One `[[optimizer]]`: its label, its kind, its budget if it differs from the study's; other keys are options.

    `lr = [0.1, 0.01]` makes an entry for each learning rate, named `<name> <rate>`.
    """

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1, max_length=MAX_LABEL_LENGTH, examples=['name = "Adam"'])
    """Label of the optimizer in tables and figures, unique within the study."""
    kind: str = Field(min_length=1, examples=['kind = "adam"'])
    """Update rule: a key of `ravine list optimizers`, or `module:Class` for a subclass of `torch.optim.Optimizer`."""
    batch_size: Size | None = None
    """`batch_size` for this optimizer. Default: that of the study."""
    chunk: Size | None = None
    """`chunk` for this optimizer. Default: that of the study."""
    epochs: Epochs | None = None
    """`epochs` for this optimizer. Default: that of the study."""
    train_examples: PositiveInt | None = None
    """`train_examples` for this optimizer. Default: that of the study."""
    eval_every: PositiveInt | None = None
    """`eval_every` for this optimizer. Default: that of the study."""
    updates_per_epoch: PositiveInt | None = None
    """`updates_per_epoch` for this optimizer. Default: that of the study."""
    accumulate: PositiveInt | None = None
    """`accumulate` for this optimizer. Default: that of the study."""
    clip: PositiveNumber | None = None
    """`clip` for this optimizer. Default: that of the study."""
    label_smoothing: Smoothing | None = None
    """`label_smoothing` for this optimizer. Default: that of the study."""
    ema: Decay | None = None
    """`ema` for this optimizer. Default: that of the study."""
    schedule: Schedule | None = Field(default=None, examples=['schedule = { kind = "cosine", warmup = 0.05 }'])
    """Schedule of the learning rate. Default: a constant learning rate."""
    problem_options: dict[str, Any] | None = None
    """Options of the problem for this optimizer. They replace the options of the study that have the same names."""
    closure: bool | None = Field(default=None, examples=["closure = true"])
    """Whether the optimizer's step evaluates the loss itself, at several points if it wants, as LBFGS and SAM do. See
    *Closures and second derivatives*. Default: true if the step of the class requires a closure."""
    create_graph: bool = Field(default=False, examples=["create_graph = true"])
    """Whether gradients are computed with `create_graph=True`, so that the optimizer can differentiate them, as AdaHessian
    and SophiaH do. An update then takes more time and memory."""
    wraps: Annotated[tuple[Wrap, ...], Field(strict=False)] = Field(
        default=(), examples=['wraps = [{ kind = "pytorch_optimizer:Lookahead", k = 5 }]']
    )
    """Optimizers around this one, from the innermost one, each with its kind and its options. See *Wrappers*."""
    extra: dict[str, Any] = Field(default_factory=dict, examples=["extra = { cautious = true }"])
    """Options that the class accepts only through `**kwargs`, and options whose name is a key of this table or of a study.
    Ravine cannot check their names."""
    group: Annotated[tuple[Group, ...], Field(strict=False)] = Field(
        default=(), examples=['[[optimizer.group]] with roles = ["bias"], weight_decay = 0.0']
    )
    """One table for each parameter group; see *Parameter groups*."""

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of the optimizer as written in the file, without `extra`."""
        return dict(self.model_extra or {})

    @field_validator("name")
    @classmethod
    def _check_label(cls, name: str) -> str:
        if name != name.strip() or not name.isprintable():
            problem = f"a label is one line without blanks at its ends, got {format_value(name)}"
            raise InvalidValueError("", problem, "Remove blanks at the ends and unprintable characters")
        return name


def _expand_all(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    return tuple(single for number, entry in enumerate(entries, 1) for single in _expand(number, entry))


def _expand(number: int, entry: Entry) -> Iterator[Entry]:
    """Yield the entry; if it lists learning rates, yield one entry for each of them, named `<name> <rate>`."""
    rates = entry.options.get("lr")
    if not isinstance(rates, list | tuple):
        yield entry
        return
    location = f'[{number}] ("{entry.name}").lr'
    names = [f"{entry.name} {rate:g}" if _is_number(rate) else "" for rate in rates]
    if not names or "" in names or len(set(names)) < len(names):
        problem = f"expected a number, or a list of different numbers, got {format_value(rates)}"
        raise InvalidValueError(location, problem, "Write, for example, lr = [0.1, 0.01]")
    for rate, name in zip(rates, names, strict=True):
        if len(name) > MAX_LABEL_LENGTH:
            problem = f'the label with the learning rate, "{name}", has more than {MAX_LABEL_LENGTH} characters'
            raise InvalidValueError(location, problem, "Shorten the name")
        yield entry.model_copy(update={"name": name, "lr": float(rate)})


class Study(Table):
    """A study as its file has it, with where it came from (`name`, `part`, `path`) and the command line's `overrides`."""

    title: str = Field(min_length=1, examples=['title = "My study"'])
    """Title of the report."""
    problem: str = Field(min_length=1, examples=['problem = "fashion_mnist_cnn"'])
    """Data set and network: a key of `ravine list problems`, or `module:object` for a problem of your own."""
    problem_options: dict[str, Any] = Field(default_factory=dict, examples=['problem_options = { surface = "valley" }'])
    """Options of the problem."""
    repeats: int = Field(gt=0, le=10_000, examples=["repeats = 10"])
    """Number of runs of each optimizer, with different seeds. The report has significance tests from six repeats on."""
    epochs: Epochs = Field(examples=["epochs = 5"])
    """Number of passes through the training examples."""
    batch_size: Size = 256
    """Number of examples per update. `"full"` is all training examples."""
    chunk: Size | None = Field(default=None, examples=["chunk = 256"])
    """Number of examples per forward pass if `batch_size` is `"full"`. Default: 256."""
    train_examples: PositiveInt | None = Field(default=None, examples=["train_examples = 10_000"])
    """Number of training examples, taken from the start of the training set. Default: all."""
    eval_every: PositiveInt = 1
    """Number of epochs between evaluations on the test set. An evaluation always follows the last epoch."""
    updates_per_epoch: PositiveInt | None = Field(default=None, examples=["updates_per_epoch = 100"])
    """Number of updates in an epoch, so that `epochs` × `updates_per_epoch` updates are the budget. All batches have
    `batch_size` examples, and one pass through the training examples follows another. Default: an epoch is one pass."""
    accumulate: PositiveInt = 1
    """Number of parts into which a batch is divided. Each part goes through the network alone, and the gradients are summed
    before the update. This needs less memory. Batch normalisation uses the statistics of each part."""
    clip: PositiveNumber | None = Field(default=None, examples=["clip = 1.0"])
    """Largest norm of the gradient of all parameters together. A longer gradient is scaled to this norm before each update.
    Default: no clipping."""
    label_smoothing: Smoothing = 0.0
    """Share of the target distribution of a classification that is spread evenly over all classes, in the training loss alone.
    The test loss has no smoothing."""
    ema: Decay | None = Field(default=None, examples=["ema = 0.999"])
    """Decay per update of an exponential moving average of the weights. If it is given, the averaged weights are evaluated and
    are the result of a run. Default: no average."""
    precision: Precision = "float32"
    """Precision of the forward pass: `float32`, `bfloat16` (autocast), or `tf32` on CUDA."""
    compiled: bool = Field(default=False, examples=["compiled = true"])
    """Whether the steps of Ravine's elementwise optimizers are compiled with `torch.compile`. Compilation changes results in
    the last bits. It saves time if the step is a large part of an update."""
    seed: int = Field(default=0, ge=0)
    """Seed from which the seeds of all runs are derived."""
    score: str = "test/accuracy"
    """Metric by which the report compares optimizers: `test/accuracy`, `test/loss`, `train/accuracy` or `train/loss` after
    the last epoch."""
    margin: float = Field(default=0.002, ge=0, allow_inf_nan=False)
    """Equivalence margin, in the unit of the score. Two optimizers are tied if the confidence interval of their difference
    lies within ± this margin."""
    reference: str | None = Field(default=None, examples=['reference = "paper"'])
    """Name of a file in `studies/references/`. The report shows its published values beside the results of the optimizers
    with the same labels."""
    claim: Annotated[tuple[Claim, ...], Field(strict=False)] = Field(
        default=(), examples=['[[claim]] with text = "A is better.", better = "A" and than = "B"']
    )
    """One table for each hypothesis that the report judges; see *Claims*."""
    modules: str | None = Field(default=None, examples=['modules = "my_optimizers"'])
    """Folder of the modules in `module:object` and `module:Class`, relative to the folder of the study file. Default: the
    folder of the study file. `ravine tune` writes this key."""
    optimizer: Annotated[tuple[Entry, ...], Field(strict=False, min_length=1), AfterValidator(_expand_all)] = Field(
        examples=['[[optimizer]] with name = "Adam", kind = "adam", lr = 0.001']
    )
    """One table for each optimizer; see *An optimizer*."""
    tune: Tune = Field(default_factory=Tune, examples=["[tune] with trials = 20"])
    """Settings of `ravine tune`; see *Tuning*."""
    tuned: Tuned | None = Field(default=None, examples=["[tuned] as `ravine tune` writes it"])
    """In a tuned study: the tuning that it comes from."""
    imported: Imported | None = Field(default=None, examples=["[imported] as `ravine import` writes it"])
    """In a study of third-party results: the file that they come from."""

    name: str = Field(default="study", exclude=True)
    part: str = Field(default="", exclude=True)
    """The part of the file, if it has parts (`suite.spec.parts`)."""
    path: Path | None = Field(default=None, exclude=True)
    overrides: tuple[str, ...] = Field(default=(), exclude=True)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        return check_name(name)

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        name, count = Counter(entry.name for entry in self.optimizer).most_common(1)[0]
        if count > 1:
            raise InvalidValueError("optimizer", f'{count} optimizers have the name "{name}"', "Give each another name")
        return self

    @model_validator(mode="after")
    def _check_claims(self) -> Self:
        errors = [] if self.overrides else list(claim_errors(self.claim, {self.part: self}))  # an override drops labels
        if errors:
            error = InvalidValueError("", "")
            error.lines = UserError.combine(errors).lines
            raise error
        return self

    @model_validator(mode="after")
    def _check_imported(self) -> Self:
        for number, entry in enumerate(self.optimizer, 1):
            location = f'optimizer[{number}] ("{entry.name}")'
            if entry.kind == IMPORTED and not self.imported:
                problem = f'"{IMPORTED}" is for imported studies only'
                raise InvalidValueError(f"{location}.kind", problem, "Choose a kind of `ravine list optimizers`")
            if self.imported and entry.kind != IMPORTED:
                problem = f'must be "{IMPORTED}" in an imported study, got {format_value(entry.kind)}'
                raise InvalidValueError(f"{location}.kind", problem, "Write another study for this optimizer")
            repeats = entry.options.get("repeats", [])
            if self.imported and not (isinstance(repeats, list) and all(isinstance(repeat, int) for repeat in repeats)):
                problem = f"expected a list of integers, got {format_value(repeats)}"
                raise InvalidValueError(f"{location}.repeats", problem, "Import the file again")
        return self

    @model_validator(mode="after")
    def _check_spaces(self) -> Self:
        known = list(dict.fromkeys(word for entry in self.optimizer for word in (entry.kind, entry.name)))
        for key in self.tune.space:
            if key not in known:
                hint = f"Write a label or a kind of the study: {', '.join(known)}"
                problem = "the study has no such optimizer"
                raise InvalidValueError(f"tune.space.{key}", problem, did_you_mean(key, known), hint)
        return self

    @property
    def folder(self) -> Path | None:
        """Return the folder of the study's own optimizers and problems: that of its file, or `modules`."""
        return (self.path.parent / (self.modules or "")).resolve() if self.path else None

    @property
    def file_name(self) -> str:
        """Return the name of the study file without its suffix."""
        return self.name.removesuffix(f".{self.part}") if self.part else self.name

    @property
    def place(self) -> str:
        """Return the location of the study for messages: its file, relative to the current directory if it lies below it."""
        if self.path is None:
            return self.name
        here = Path.cwd()
        path = str(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)
        return f'{path}: part "{self.part}"' if self.part else path

    @property
    def report_name(self) -> str:
        """Return the name of the report's folder; see `report_name`."""
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
        """Return the study with the changes of the command line; the budget holds for every entry and for the tuning.

        Args:
            repeats: Number of repeats.
            epochs: Epochs of every entry.
            train_examples: Training examples of every entry.
            precision: Precision of the forward pass.
            trials: Number of configurations of each optimizer in the tuning.
            optimizers: Labels or kinds; only these entries are kept.

        Raises:
            UserError: A value is out of range, or the study has no such optimizer.
        """
        changes = {"repeats": repeats, "epochs": epochs, "train_examples": train_examples, "precision": precision}
        changes = {key: value for key, value in changes.items() if value is not None}
        selected = [entry for name in optimizers for entry in self._select(name)]
        kept = [entry for entry in self.optimizer if not optimizers or entry in selected]
        budget = [key for key in ("epochs", "train_examples") if key in changes]
        fixed = [key for key in changes if key != "repeats"]
        if self.imported and fixed:
            raise UserError(f"--{fixed[0].replace('_', '-')}", f"the results of {self.name} are imported", "Omit it")
        if not changes and not optimizers and trials is None:
            return self
        tables = [
            {key: value for key, value in entry.model_dump(exclude_unset=True).items() if key not in budget}
            for entry in kept
        ]
        values = self.model_dump(exclude_unset=True, exclude={"optimizer", "tune"}) | changes | {"optimizer": tables}
        values["tune"] = self._tune_with(trials, budget, kept)
        overrides = tuple(f"{key}={value}" for key, value in changes.items())
        overrides += (f"trials={trials}",) if trials is not None else ()
        overrides += (f"optimizer={'+'.join(optimizers)}",) if optimizers else ()
        origin = {"name": self.name, "part": self.part, "path": self.path, "overrides": self.overrides + overrides}
        return validate_study(values, location="command line", origin=origin)

    def _tune_with(self, trials: int | None, budget: Sequence[str], kept: list[Entry]) -> dict[str, Any]:
        """Return `[tune]` with the command line's number of trials and budget, and the spaces of the kept entries."""
        tune = self.tune.model_dump(exclude_unset=True)
        names = {entry.name for entry in kept} | {entry.kind for entry in kept}
        if "space" in tune:
            tune["space"] = {key: space for key, space in tune["space"].items() if key in names}
        tune = {key: value for key, value in tune.items() if key not in budget}
        return tune if trials is None else tune | {"trials": trials}

    def has(self, name: str) -> bool:
        """Return whether an entry has this label or kind."""
        return bool(self._matching(name))

    def _matching(self, name: str) -> list[Entry]:
        """Return the entries with this label or kind; if there is none, ignore case."""
        exact = [entry for entry in self.optimizer if name in {entry.name, entry.kind}]
        return exact or [
            entry for entry in self.optimizer if name.casefold() in {entry.name.casefold(), entry.kind.casefold()}
        ]

    def _select(self, name: str) -> list[Entry]:
        entries = self._matching(name)
        if not entries:
            raise no_such_optimizer(name, self.name, self.optimizer)
        return entries


def no_such_optimizer(name: str, study: str, entries: Sequence[Entry]) -> UserError:
    """Return the error for a label or kind that a study does not have."""
    labels = list(dict.fromkeys(entry.name for entry in entries))
    suggestion = did_you_mean(name, labels + [entry.kind for entry in entries])
    problem = f'"{name}" is neither a label nor a kind of the study {study}'
    return UserError("--optimizer", problem, suggestion, f"Choose from: {', '.join(labels)}")


def report_name(name: str, overrides: Sequence[str]) -> str:
    """Return the name of a report's folder: the study's name, and after an @ the changes of the command line."""
    if not overrides:
        return name
    name = re.sub(r"[^\w.,=+@-]+", "_", f"{name}@{','.join(overrides)}")
    if len(name.encode()) > MAX_NAME_BYTES:
        short = name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
        name = f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return name


_ORIGIN_KEYS = frozenset(name for name, field in Study.model_fields.items() if field.exclude)


def validate_study(
    values: dict[str, Any],
    *,
    location: str,
    origin: dict[str, Any],
    inherited: frozenset[str] = frozenset(),
    file: str = "",
) -> Study:
    """Return the study of the tables of a file.

    Args:
        values: Values by key, as TOML has them.
        location: Start of the location in error messages.
        origin: Values of `name`, `part`, `path` and `overrides`, which are no keys of a file.
        inherited: Keys that stand above the parts of a file.
        file: Start of the location in error messages about inherited keys.

    Raises:
        UserError: An error for each invalid key or value.
    """
    for key in sorted(_ORIGIN_KEYS & values.keys()):
        raise UserError(f"{location}: {key}", "unknown key", "Remove it; the file's name is the study's name")
    try:
        return Study.model_validate({**values, **origin})
    except ValidationError as error:
        details: list[dict[str, Any]] = [dict(item) for item in error.errors()]
        if len(details) > 1:  # an invalid entry also makes the list of entries too short
            details = [item for item in details if item["type"] != "too_short"]
        prefixes = [file if inherited.intersection(item["loc"][:1]) else location for item in details]
        raise UserError.combine(
            validation_error(Study, values, item).within(f"{prefix}: ")
            for item, prefix in zip(details, prefixes, strict=True)
        ) from None
