"""A study: what is run, loaded from TOML and checked before anything runs.

What needs an optimizer's or a problem's own knowledge (its options, its number of examples) is checked by `suite.plan`.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tomllib
from collections import Counter
from importlib import resources
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

from suite import naming, reading
from suite.errors import UserError, did_you_mean, shown
from suite.records import IMPORTED, Precision
from suite.sweeps import spread

if TYPE_CHECKING:
    from collections.abc import Sequence


def _size(value: Any) -> Any:
    if value == "full" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f'expected a whole number > 0, or "full", got {shown(value)}. For example 256')


Size = Annotated[int | Literal["full"], BeforeValidator(_size)]


LONGEST_LABEL = 80
MOST_LINES = 20
"""So many mistakes are told at a time."""

Share = Annotated[float, Field(gt=0, lt=1)]


class Schedule(BaseModel):
    """How the learning rate changes, by update: a linear warm-up, then one of torch's schedulers (`suite.schedules`)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: Literal["constant", "linear", "cosine", "exponential", "step"] = "constant"
    warmup: float = Field(default=0.0, ge=0, lt=1)
    """Share of all updates in which the rate rises from 0 to its full value."""
    final: float = Field(default=0.0, ge=0, le=1)
    """`linear`, `cosine`: the factor of the learning rate that the end of the run comes up to."""
    gamma: float = Field(default=0.1, gt=0, le=1)
    """`exponential`: the factor over the whole run; `step`: the factor at each milestone."""
    milestones: Annotated[tuple[Share, ...], Field(strict=False)] = (0.5, 0.75)
    """`step`: after which shares of the updates the rate is multiplied by `gamma`."""


def _ends(value: Any) -> Any:
    """Two different finite numbers, the low one first."""
    numbers = isinstance(value, list | tuple) and all(map(_is_number, value))
    if not numbers or len(value) != 2:
        raise ValueError(f"expected the two ends of a range, got {shown(value)}. For example [0.001, 1.0]")
    low, high = map(float, value)
    if low == high:
        raise ValueError(f"the range {shown(value)} is empty. Write two different ends, or values = [{value[0]}]")
    if low > high:
        raise ValueError(f"the range {shown(value)} is inverted. Write [{value[1]}, {value[0]}]")
    return (low, high)


def _choices(value: Any) -> Any:
    """Different finite numbers."""
    numbers = isinstance(value, list | tuple) and all(map(_is_number, value))
    if not numbers or not value or len(set(value)) < len(value):
        raise ValueError(f"expected a list of different numbers, got {shown(value)}. For example [0.9, 0.99]")
    return tuple(map(float, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


Ends = Annotated[tuple[float, float], BeforeValidator(_ends)]


class Range(BaseModel):
    """Which values of a hyperparameter the tuning may try, in one of four forms; see `suite.spaces`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    log: Ends | None = None
    """Uniform on a logarithmic scale."""
    one_minus_log: Ends | None = None
    """One minus the value is uniform on a logarithmic scale between these ends: for β, of which 1/(1−β) is what counts."""
    uniform: Ends | None = None
    values: Annotated[tuple[float, ...], BeforeValidator(_choices)] | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if len(self.model_fields_set) != 1:
            given = f"got {len(self.model_fields_set)} of them. For example {{ log = [0.001, 1.0] }}"
            raise ValueError(f"expected one of {', '.join(Range.model_fields)}, {given}")
        if self.log and self.log[0] <= 0:
            raise ValueError(f"a logarithmic range starts above 0, got {self.log[0]}. Write, for example, 1e-5")
        if self.one_minus_log and not 0 < self.one_minus_log[0] < self.one_minus_log[1] <= 1:
            raise ValueError(
                f"1 − value has to lie in (0, 1], got {shown(list(self.one_minus_log))}. For example [0.001, 0.5]"
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
    sampler: Literal["tpe", "random", "qmc", "grid"] = "tpe"
    prune: bool = True
    """Whether a configuration that is hopeless after some repeats is spared the others (`suite.pruning`)."""
    points: int | None = Field(default=None, gt=1, le=1_000)
    """`grid`: how many values of each range."""
    parameters: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    """Tune these hyperparameters alone; default: the learning rate and the β values."""
    epochs: int | None = Field(default=None, gt=0, le=1_000_000)
    """The budget of a trial of the tuning; default: that of the study, less the validation split."""
    train_examples: PositiveInt | None = None
    validation_examples: PositiveInt | None = None
    """Judge on the first so many examples of the validation split; default: all."""
    space: dict[str, dict[str, Range]] = Field(default_factory=dict)
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

    study: str
    trials: PositiveInt
    optuna: dict[str, str]
    """From the label of an entry to the name of its Optuna study; its tuned entry is `<label>, tuned`."""


class Imported(BaseModel):
    """`[imported]`: the file whose results the study has; they cannot be run (`suite.importing`)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    file: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def tuned_label(label: str) -> str:
    """What the tuned entry of an optimizer is called."""
    return f"{label}, tuned"


class Entry(BaseModel):
    """One `[[optimizer]]`: its label, its kind, its own budget where it has one; all other keys are its options.

    `lr = [0.1, 0.01]` makes an entry of each learning rate, named `<name> <rate>` (`suite.sweeps`).
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str = Field(min_length=1, max_length=LONGEST_LABEL)
    kind: str = Field(min_length=1)
    batch_size: Size | None = None
    chunk: Size | None = None
    epochs: int | None = Field(default=None, gt=0, le=1_000_000)
    train_examples: PositiveInt | None = None
    test_every: PositiveInt | None = None
    schedule: Schedule | None = None
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
    return spread(entries, LONGEST_LABEL)


class Study(BaseModel):
    """A study, as its file has it; `name` and `path` say where it came from, `overrides` what the command line changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    title: str = Field(min_length=1)
    problem: str = Field(min_length=1)
    problem_options: dict[str, Any] = Field(default_factory=dict)
    repeats: int = Field(gt=0, le=10_000)
    epochs: int = Field(gt=0, le=1_000_000)
    batch_size: Size = 256
    chunk: Size | None = None
    """Under `batch_size = "full"`: how many examples go through the network at a time (default 256)."""
    train_examples: PositiveInt | None = None
    """The first so many examples of the training set; default: all."""
    test_every: PositiveInt = 1
    """Evaluate on the test set after every so many epochs, and after the last."""
    precision: Precision = "float32"
    compiled: bool = False
    """Compile the steps of Ravine's optimizers: other bits, and faster where a step is a good part of an update."""
    seed: int = Field(default=0, ge=0)
    score: str = "test/accuracy"
    margin: float = Field(default=0.002, ge=0, allow_inf_nan=False)
    """What counts as no difference of the score."""
    reference: str | None = None
    """A file of `studies/references/` whose printed numbers stand beside ours, matched by label."""
    claims: bool = False
    """Whether the report says what became of the claims of the source documents (`reports.claims`)."""
    modules: str | None = None
    """Where `module:name` is looked up, seen from the study's file; default: beside it. Tuned studies use it."""
    optimizer: Annotated[tuple[Entry, ...], Field(strict=False, min_length=1), AfterValidator(_spread)]
    tune: Tune = Field(default_factory=Tune)
    tuned: Tuned | None = None
    imported: Imported | None = None

    name: str = Field(default="study", exclude=True)
    part: str = Field(default="", exclude=True)
    """Which part of its file it is, where the file has parts (`suite.parts`)."""
    path: Path | None = Field(default=None, exclude=True)
    overrides: tuple[str, ...] = Field(default=(), exclude=True)

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        return naming.check(name)

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
        return check(values, place="command line", own=own)

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
    if len(name.encode()) > naming.LONGEST_NAME:
        short = name.encode()[: naming.LONGEST_NAME].decode(errors="ignore")
        name = f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return name


def load(study: str | Path, generated: Path | None = None) -> Study:
    """Load a study by its name or by the path of its file.

    Args:
        study: A name (looked up in `generated`, where tuned studies lie, then among the shipped ones), or a path that
            ends in `.toml` or holds a slash.
        generated: The folder of generated studies.

    Raises:
        UserError: No such study, not TOML, or one line for each mistake in it with its place and the mend.
    """
    path = find(str(study), generated)
    values = read(path)
    if "part" in values:
        raise UserError(f"{path}: the study has parts. Load it with suite.parts.load")
    return check(values, place=str(path), own={"name": path.stem, "path": path.resolve()})


def read(path: Path) -> dict[str, Any]:
    """The tables of a study file.

    Raises:
        UserError: It is not TOML, cannot be read, or holds what no study can.
    """
    return _known(reading.read(path), str(path))


def parse(text: bytes, place: str) -> dict[str, Any]:
    """The tables of the text of a study file, which messages call `place`.

    Raises:
        UserError: It is not TOML, or holds what no study can.
    """
    return _known(reading.parse(text, place), place)


def _known(values: dict[str, Any], place: str) -> dict[str, Any]:
    """The values, which a study can hold."""
    told = [f"{place}: {mistake}" for mistake in reading.mistakes(values)]
    if told:
        raise UserError(_told(place, told))
    return values


def shipped() -> dict[str, Path]:
    """The studies that come with Ravine, by name."""
    folder = Path(str(resources.files("studies")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def reference(name: str) -> dict[str, Any]:
    """A file of printed numbers: `source`, `note`, and `results`, from label to metric to number.

    Raises:
        UserError: There is no such file.
    """
    folder = Path(str(resources.files("studies"))) / "references"
    path = folder / f"{name}.toml"
    names = sorted(file.stem for file in folder.glob("*.toml"))
    if name not in names:
        raise UserError(f'reference: there is no "{name}".{did_you_mean(name, names)} There are: {", ".join(names)}')
    return tomllib.loads(path.read_text(encoding="utf-8"))


def find(study: str, generated: Path | None) -> Path:
    """The file of a study, by its name or its path; see `load`."""
    if study.endswith(".toml") or "/" in study:
        path = Path(study)
        if not os.path.isfile(path):  # noqa: PTH113 (never raises)
            raise UserError(f"{path}: no such file. Give the path of a study file, or a name of `ravine list studies`")
        return path
    if generated and os.path.isfile(generated / f"{study}.toml"):  # noqa: PTH113
        return generated / f"{study}.toml"
    known = shipped()
    if study not in known:
        names = ", ".join(known)
        raise UserError(
            f'no study is named "{study}".{did_you_mean(study, known)} '
            f"There are: {names}; for a file of your own, give its path with .toml"
        )
    return known[study]


_OWN_KEYS = frozenset({"name", "part", "path", "overrides"})


def check(
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
            _line(shared if keys.intersection(mistake["loc"][:1]) else place, values, mistake) for mistake in mistakes
        ]
        raise UserError(_told(place, lines)) from None


def _told(place: object, lines: Sequence[str]) -> str:
    """The first mistakes, and how many more there are."""
    more = len(lines) - MOST_LINES
    return "\n".join([*lines[:MOST_LINES], *([f"{place}: {more} more mistakes. Mend these first"] if more > 0 else [])])


def _line(place: str, values: dict[str, Any], mistake: dict[str, Any]) -> str:
    """One line for one of pydantic's errors: where, what was expected, what was found, the mend."""
    where = _where(mistake["loc"], values)
    given, kind = mistake["input"], mistake["type"]
    at = f"{place}: {where}: " if where else f"{place}: "
    if kind == "extra_forbidden":
        model = _model(mistake["loc"])
        fields = list(model.model_fields)
        known = [field for field in fields if field not in _OWN_KEYS]
        return f"{at}unknown key.{did_you_mean(str(mistake['loc'][-1]), known)} Known keys: {', '.join(known)}"
    if kind == "missing":
        return f"{at}missing. Write it, for example {_example(mistake['loc'])}"
    wanted = mistake["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    wanted = _WORDS.get(kind, wanted)
    if kind == "value_error":
        return f"{place}: {where}.{wanted}" if where and re.match(r"[a-z_]+: ", wanted) else f"{at}{wanted}"
    mend = f"For example {_example(mistake['loc'])}"
    if isinstance(given, str) and re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", given.strip(), re.IGNORECASE):
        mend = f"Write it without quotes: {mistake['loc'][-1]} = {given.strip()}"
    return f"{at}expected {wanted}, got {shown(given)}. {mend}"


def _model(loc: tuple[int | str, ...]) -> type[BaseModel]:
    """Whose key the last word of a place is."""
    if loc[0] == "optimizer" and len(loc) > 2:
        return Schedule if loc[2] == "schedule" and len(loc) > 3 else Entry
    if loc[:2] == ("tune", "space") and len(loc) > 4:
        return Range
    models: dict[str | int, type[BaseModel]] = {"tune": Tune, "tuned": Tuned, "imported": Imported}
    return models.get(loc[0], Study) if len(loc) > 1 else Study


_WORDS = {
    "tuple_type": "a list, or tables in double brackets",
    "model_type": "a table",
    "dict_type": "a table",
    "string_type": "text in quotes",
    "string_too_short": "some text",
    "string_too_long": f"at most {LONGEST_LABEL} characters",
    "too_short": "at least one",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}

_EXAMPLES: dict[type[BaseModel], dict[str, str]] = {
    Study: {
        "title": 'title = "My study"',
        "problem": 'problem = "fashion_mnist_cnn"',
        "problem_options": 'problem_options = { surface = "valley" }',
        "repeats": "repeats = 10",
        "epochs": "epochs = 5",
        "batch_size": "batch_size = 256",
        "chunk": "chunk = 256",
        "train_examples": "train_examples = 10_000",
        "test_every": "test_every = 1",
        "precision": 'precision = "float32"',
        "compiled": "compiled = true",
        "seed": "seed = 0",
        "score": 'score = "test/accuracy"',
        "margin": "margin = 0.002",
        "reference": 'reference = "paper"',
        "claims": "claims = true",
        "modules": 'modules = "my_optimizers"',
        "optimizer": '[[optimizer]] with name = "Adam", kind = "adam", lr = 0.001',
        "tune": "[tune] with trials = 20",
        "tuned": "[tuned] as `ravine tune` writes it",
        "imported": "[imported] as `ravine import` writes it",
    },
    Entry: {
        "name": 'name = "Adam"',
        "kind": 'kind = "adam"',
        "schedule": 'schedule = { kind = "cosine", warmup = 0.05 }',
    },
    Schedule: {
        "kind": 'kind = "cosine"',
        "warmup": "warmup = 0.05",
        "final": "final = 0.1",
        "gamma": "gamma = 0.1",
        "milestones": "milestones = [0.5, 0.75]",
    },
    Tune: {
        "trials": "trials = 20",
        "batch": "batch = 4",
        "repeats": "repeats = 1",
        "objective": 'objective = "validation/loss"',
        "sampler": 'sampler = "tpe"',
        "prune": "prune = true",
        "points": "points = 9",
        "parameters": 'parameters = ["lr"]',
        "validation_examples": "validation_examples = 1_000",
        "space": "[tune.space.adam] with lr = { log = [1e-5, 1.0] }",
    },
    Tuned: {
        "study": 'study = "quick_tuning"',
        "trials": "trials = 20",
        "optuna": "[tuned.optuna] as `ravine tune` writes it",
    },
    Imported: {
        "file": 'file = "results.csv"',
        "sha256": "[imported] as `ravine import` writes it",
    },
}


def _example(loc: tuple[int | str, ...]) -> str:
    """What could stand at a place."""
    if loc[:2] == ("tune", "space"):
        return "[tune.space.adam] with lr = { log = [1e-5, 1.0] }"
    model, key = _model(loc), str(next(word for word in reversed(loc) if isinstance(word, str) and "-" not in word))
    if model is Entry and len(loc) == 2:
        key = "optimizer"
    return _EXAMPLES[model].get(key) or _EXAMPLES[Study].get(key) or f"{key} = 1"


def _where(loc: tuple[int | str, ...], values: dict[str, Any]) -> str:
    """The path of a value as people write it; optimizers are counted from 1 and named by their label."""
    parts: list[str] = []
    for key in loc:
        if isinstance(key, int) and parts == ["optimizer"]:
            entries = values.get("optimizer")
            entry = entries[key] if isinstance(entries, list) and key < len(entries) else None
            label = entry.get("name") if isinstance(entry, dict) else None
            parts[-1] += f"[{key + 1}]" + (f' ("{label}")' if isinstance(label, str) else "")
        elif isinstance(key, int):
            parts[-1] += f"[{key + 1}]"
        elif not key.startswith(("constrained-", "literal[", "int", "function-")):
            parts.append(key)
    return ".".join(parts)
