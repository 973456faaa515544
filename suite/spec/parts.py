"""A study file with `[[part]]` tables: several studies in one, each with its own problem or budget.

A part is a study. What it does not say for itself it has from the top of the file:

    title      = "Two networks"
    repeats    = 6
    epochs     = 5
    [[part]]
    name    = "mlp"
    problem = "fashion_mnist_mlp"
    [[part]]
    name    = "digits"
    problem = "digits_mlp"
    epochs  = 20
    [[optimizer]]
    name = "Adam"
    kind = "adam"

A part may have `[[part.optimizer]]` tables of its own, which come in place of those at the top. A file without parts is a study
of one part, that has no name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from suite.errors import UserError, did_you_mean
from suite.spec.study import Study, report_name, validate_study
from suite.spec.study_file import find_study, read_study

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from suite.spec.study import Imported

NAME = r"[a-z0-9][a-z0-9_-]{0,39}"


@dataclass(frozen=True, slots=True)
class StudyFile:
    """The parts of a study file, in its order.

    Attributes:
        name: The file's name without its ending; a part is called `<name>.<part>` in the store and among the reports.
        title: Of the whole.
        parts: Studies, at least one.
        path: The file.
        overrides: What the command line changed, for all parts.
    """

    name: str
    title: str
    parts: tuple[Study, ...]
    path: Path
    overrides: tuple[str, ...] = ()

    @property
    def has_parts(self) -> bool:
        """Whether the file has parts."""
        return bool(self.parts[0].part)

    @property
    def imported(self) -> Imported | None:
        """Where the results came from, if they are imported: then those of all parts are."""
        return self.parts[0].imported

    @property
    def report_name(self) -> str:
        """The name of the folder of the report on the whole."""
        return report_name(self.name, self.overrides)

    def select(self, names: Sequence[str]) -> StudyFile:
        """These parts alone; all if there are no names.

        Raises:
            UserError: There is no such part.
        """
        known = [study.part for study in self.parts if study.part]
        for name in names:
            if name not in known:
                has = f"It has: {', '.join(known)}" if known else "It has no parts: leave --part out"
                raise UserError(f'--part: the study {self.name} has no part "{name}".{did_you_mean(name, known)} {has}')
        if not names:
            return self
        parts = tuple(study for study in self.parts if study.part in names)
        return replace(self, parts=parts, overrides=(*self.overrides, *(f"part={study.part}" for study in parts)))

    def single(self) -> Study:
        """The only part.

        Raises:
            UserError: There are several.
        """
        if len(self.parts) > 1:
            names = ", ".join(study.part for study in self.parts)
            raise UserError(
                f"the study {self.name} has several parts: {names}. Choose one: --part {self.parts[0].part}"
            )
        return self.parts[0]

    def override(self, *, optimizers: tuple[str, ...] = (), **changed: Any) -> StudyFile:
        """Every part with what the command line changed; see `Study.override`.

        Of parts, those are left that have one of the `optimizers`.

        Raises:
            UserError: A value out of range, or a label that no part has.
        """
        kept = []
        for study in self.parts:
            own = tuple(name for name in optimizers if not self.has_parts or study.has(name))
            if own or not optimizers:
                kept.append(study.override(optimizers=own, **changed))
        for name in optimizers:
            if self.has_parts and not any(study.has(name) for study in self.parts):
                names = dict.fromkeys(entry.name for study in self.parts for entry in study.optimizer)
                raise UserError(
                    f'--optimizer: "{name}" is neither a label nor a kind of the study {self.name}.'
                    f"{did_you_mean(name, list(names))} It has: {', '.join(names)}"
                )
        given = {key: value for key, value in changed.items() if value is not None}
        told = [f"{key}={value}" for key, value in given.items()] + [f"optimizer={name}" for name in optimizers]
        return replace(self, parts=tuple(kept), overrides=(*self.overrides, *told))


def load_study_file(study: str | Path, generated: Path | None = None) -> StudyFile:
    """Load a study file, with or without parts; the arguments are those of `suite.spec.study_file.load`.

    Raises:
        UserError: No such study, not TOML, or one line for each mistake in it with its place and the mend.
    """
    path = find_study(str(study), generated)
    values = read_study(path)
    own: dict[str, Any] = {"name": path.stem, "path": path.resolve()}
    if "part" not in values:
        whole = validate_study(values, place=str(path), own=own)
        return StudyFile(path.stem, whole.title, (whole,), path.resolve())
    tables = _tables(values.pop("part"), str(path))
    if "optimizer" in values and all("optimizer" in table for table in tables.values()):
        raise UserError(
            f"{path}: optimizer: every part has optimizers of its own. Remove those above the first [[part]]"
        )
    title = values.get("title")
    parts, mistakes = [], list[str]()
    for name, table in tables.items():
        given = {**values, **table}
        if "title" not in table and isinstance(title, str):
            given["title"] = f"{title}: {name}"
        inherited = frozenset(values.keys() - table.keys())
        try:
            parts.append(
                validate_study(
                    given,
                    place=f'{path}: part "{name}"',
                    own=own | {"name": f"{path.stem}.{name}", "part": name},
                    shared=str(path),
                    keys=inherited,
                )
            )
        except UserError as error:
            mistakes += str(error).splitlines()
    if mistakes:
        raise UserError("\n".join(dict.fromkeys(mistakes)))  # a mistake at the top is one, however many parts have it
    return StudyFile(path.stem, title if isinstance(title, str) else path.stem, tuple(parts), path.resolve())


def _tables(given: Any, path: str) -> dict[str, dict[str, Any]]:
    """The `[[part]]` tables by name, without their names."""
    if not (isinstance(given, list) and given and all(isinstance(table, dict) for table in given)):
        raise UserError(f'{path}: part: expected tables in double brackets. Write [[part]], and below it name = "a"')
    tables: dict[str, dict[str, Any]] = {}
    for number, table in enumerate(given, 1):
        name = table.get("name")
        if not (isinstance(name, str) and re.fullmatch(NAME, name)):
            told = "expected a name of small letters, digits, _ and -" if "name" in table else "missing"
            raise UserError(f'{path}: part[{number}].name: {told}. For example name = "part-{number}"')
        if name in tables:
            raise UserError(f'{path}: part[{number}].name: two parts are named "{name}". Give each a name of its own')
        tables[name] = {key: value for key, value in table.items() if key != "name"}
    return tables
