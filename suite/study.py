"""A study: what is run, loaded from TOML and checked before anything runs.

What needs an optimizer's or a problem's own knowledge (its options, its number of examples) is checked by `suite.plan`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from suite.errors import UserError, did_you_mean
from suite.records import Precision  # noqa: TC001 (pydantic reads it)


def _size(value: Any) -> Any:
    if value == "full" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f'expected a whole number > 0, or "full", got {_toml(value)}. For example 256')


Size = Annotated[int | Literal["full"], BeforeValidator(_size)]


LONGEST_NAME = 120

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


class Entry(BaseModel):
    """One `[[optimizer]]`: its label, its kind, its own budget where it has one; all other keys are its options."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str = Field(min_length=1, max_length=80)
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
    seed: int = Field(default=0, ge=0)
    score: str = "test/accuracy"
    margin: float = Field(default=0.002, ge=0, allow_inf_nan=False)
    """What counts as no difference of the score."""
    reference: str | None = None
    """A file of `studies/references/` whose printed numbers stand beside ours, matched by label."""
    optimizer: Annotated[tuple[Entry, ...], Field(strict=False, min_length=1)]

    name: str = Field(default="study", exclude=True)
    path: Path | None = Field(default=None, exclude=True)
    overrides: tuple[str, ...] = Field(default=(), exclude=True)

    @model_validator(mode="after")
    def _labels_are_unique(self) -> Self:
        twice = [name for name, count in Counter(entry.name for entry in self.optimizer).items() if count > 1]
        if twice:
            raise ValueError(f'two optimizers are named "{twice[0]}". Give each a name of its own')
        return self

    @property
    def folder(self) -> Path | None:
        """Where the study's own optimizers and problems are looked up: the folder of its file."""
        return self.path.parent if self.path else None

    @property
    def place(self) -> str:
        """What messages call the study: the path of its file, short where it lies below the current directory."""
        if self.path is None:
            return self.name
        here = Path.cwd()
        return str(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)

    @property
    def report_name(self) -> str:
        """The name of the report's folder: the study's, and after an @ what the command line changed."""
        if not self.overrides:
            return self.name
        name = re.sub(r"[^\w.,=+@-]+", "_", f"{self.name}@{','.join(self.overrides)}")
        if len(name) > LONGEST_NAME:
            name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return name

    def override(
        self,
        *,
        repeats: int | None = None,
        epochs: int | None = None,
        train_examples: int | None = None,
        precision: str | None = None,
        optimizers: tuple[str, ...] = (),
    ) -> Study:
        """The study with what the command line changed; `epochs` and `train_examples` hold for every entry.

        Args:
            optimizers: Labels or kinds; only these entries are kept.

        Raises:
            UserError: A value out of range, or a label that the study does not have.
        """
        changed = {"repeats": repeats, "epochs": epochs, "train_examples": train_examples, "precision": precision}
        changed = {key: value for key, value in changed.items() if value is not None}
        entries = [self._named(name) for name in optimizers]
        kept = [entry for entry in self.optimizer if not optimizers or any(entry in found for found in entries)]
        budget = [key for key in ("epochs", "train_examples") if key in changed]
        if not changed and not optimizers:
            return self
        tables = [
            {key: value for key, value in entry.model_dump(exclude_unset=True).items() if key not in budget}
            for entry in kept
        ]
        values = self.model_dump(exclude_unset=True, exclude={"optimizer"}) | changed | {"optimizer": tables}
        told = tuple(f"{key}={value}" for key, value in changed.items())
        told += (f"optimizer={'+'.join(optimizers)}",) if optimizers else ()
        return _check(values, place="command line", name=self.name, path=self.path, overrides=self.overrides + told)

    def _named(self, wanted: str) -> list[Entry]:
        found = [entry for entry in self.optimizer if wanted in {entry.name, entry.kind}]
        found = found or [e for e in self.optimizer if wanted.casefold() in {e.name.casefold(), e.kind.casefold()}]
        if not found:
            names = [entry.name for entry in self.optimizer]
            raise UserError(
                f'--optimizer: "{wanted}" is neither a label nor a kind of the study {self.name}.'
                f"{did_you_mean(wanted, names + [e.kind for e in self.optimizer])} It has: {', '.join(names)}"
            )
        return found


def load(study: str | Path, generated: Path | None = None) -> Study:
    """Load a study by its name or by the path of its file.

    Args:
        study: A name (looked up in `generated`, where tuned studies lie, then among the shipped ones), or a path that
            ends in `.toml` or holds a slash.
        generated: The folder of generated studies.

    Raises:
        UserError: No such study, not TOML, or one line for each mistake in it with its place and the mend.
    """
    path = _find(str(study), generated)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not TOML: {error}. Mend the file there; https://toml.io shows the format") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}). Save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
        raise UserError(f"{path}: cannot be read: {str(error)[:100]}. Write shorter numbers and lists") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Give the path of a study file") from None
    return _check(values, place=str(path), name=path.stem, path=path.resolve())


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


def _find(study: str, generated: Path | None) -> Path:
    if study.endswith(".toml") or "/" in study:
        path = Path(study)
        if not path.is_file():
            raise UserError(f"{path}: no such file. Give the path of a study file, or a name of `ravine list studies`")
        return path
    if generated and (generated / f"{study}.toml").is_file():
        return generated / f"{study}.toml"
    known = shipped()
    if study not in known:
        names = ", ".join(known)
        raise UserError(
            f'no study is named "{study}".{did_you_mean(study, known)} '
            f"There are: {names}; for a file of your own, give its path with .toml"
        )
    return known[study]


def _check(
    values: dict[str, Any], *, place: str, name: str, path: Path | None, overrides: tuple[str, ...] = ()
) -> Study:
    own = {"name": name, "path": path, "overrides": overrides}
    if own.keys() & values.keys():
        raise UserError(
            f"{place}: {min(own.keys() & values.keys())}: unknown key. Remove it; a study is named by its file"
        )
    try:
        return Study.model_validate({**values, **own})
    except ValidationError as error:
        mistakes = [dict(mistake) for mistake in error.errors()]
        if len(mistakes) > 1:  # entries with mistakes are not counted as entries: that is no second mistake
            mistakes = [mistake for mistake in mistakes if mistake["type"] != "too_short"]
        raise UserError("\n".join(_line(place, values, mistake) for mistake in mistakes)) from None


def _line(place: str, values: dict[str, Any], mistake: dict[str, Any]) -> str:
    """One line for one of pydantic's errors: where, what was expected, what was found, the mend."""
    where = _where(mistake["loc"], values)
    given, kind = mistake["input"], mistake["type"]
    at = f"{place}: {where}: " if where else f"{place}: "
    if kind == "extra_forbidden":
        fields = list(Schedule.model_fields if "schedule" in where else Study.model_fields)
        known = [field for field in fields if field not in {"name", "path", "overrides"}]
        return f"{at}unknown key.{did_you_mean(str(mistake['loc'][-1]), known)} Known keys: {', '.join(known)}"
    if kind == "missing":
        return f"{at}missing. Write it, for example {_example(str(mistake['loc'][-1]))}"
    wanted = mistake["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    wanted = _WORDS.get(kind, wanted)
    if kind == "value_error":
        return f"{at}{wanted}"
    mend = ""
    if isinstance(given, str) and re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", given.strip(), re.IGNORECASE):
        mend = f". Write it without quotes: {mistake['loc'][-1]} = {given.strip()}"
    elif kind in {"literal_error", "greater_than", "int_type", "float_type", "string_type", "model_type", "tuple_type"}:
        mend = f". For example {_example(where.rsplit('.', 1)[-1])}"
    return f"{at}expected {wanted}, got {_toml(given)}{mend}"


_WORDS = {
    "tuple_type": "a list, or tables in double brackets",
    "model_type": "a table",
    "dict_type": "a table",
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
}

_EXAMPLES = {
    "title": 'title = "My study"',
    "problem": 'problem = "fashion_mnist_cnn"',
    "repeats": "repeats = 10",
    "epochs": "epochs = 5",
    "optimizer": '[[optimizer]] with name = "Adam", kind = "adam", lr = 0.001',
    "name": 'name = "Adam"',
    "kind": 'kind = "adam"',
    "precision": 'precision = "float32"',
    "schedule": 'schedule = { kind = "cosine", warmup = 0.05 }',
}


def _example(key: str) -> str:
    return _EXAMPLES.get(key, f"{key} = 1")


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


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    return str(value)
