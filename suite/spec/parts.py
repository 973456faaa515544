"""A study file with `[[part]]` tables: several studies in one file, each with its own problem or budget.

A part is a study. Keys that it does not have are taken from the top of the file:

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

The `[[part.optimizer]]` tables of a part replace the optimizers at the top. A file without parts is a study with one
part that has no name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from suite.errors import UserError, did_you_mean
from suite.spec.claims import Claims, claim_errors
from suite.spec.study import Study, no_such_optimizer, report_name, validate_study
from suite.spec.study_file import find_study, read_study
from suite.spec.validation_errors import validation_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from suite.spec.claims import Claim
    from suite.spec.study import Imported

NAME = r"[a-z0-9][a-z0-9_-]{0,39}"


@dataclass(frozen=True, slots=True)
class StudyFile:
    """The parts of a study file, in its order.

    Attributes:
        name: The file's name without its suffix; a part is called `<name>.<part>` in the store and among the reports.
        title: The title of the complete file.
        parts: Studies, at least one.
        path: The file.
        claims: The claims above the parts, which are about all of them. A part can have its own.
        overrides: Changes of the command line, for all parts.
        warnings: Warnings about renamed keys.
    """

    name: str
    title: str
    parts: tuple[Study, ...]
    path: Path
    claims: tuple[Claim, ...] = ()
    overrides: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def has_parts(self) -> bool:
        """Return whether the file has parts."""
        return bool(self.parts[0].part)

    @property
    def imported(self) -> Imported | None:
        """Return where imported results come from; they are imported for all parts or for none."""
        return self.parts[0].imported

    @property
    def report_name(self) -> str:
        """Return the name of the folder of the report on all parts."""
        return report_name(self.name, self.overrides)

    def select(self, names: Sequence[str]) -> StudyFile:
        """Return the file with only these parts; with all of them if there are no names.

        Raises:
            UserError: There is no such part.
        """
        known = [study.part for study in self.parts if study.part]
        for name in names:
            if name not in known:
                hint = f"Choose from: {', '.join(known)}" if known else "It has no parts: omit --part"
                problem = f'the study {self.name} has no part "{name}"'
                raise UserError("--part", problem, did_you_mean(name, known), hint)
        if not names:
            return self
        parts = tuple(study for study in self.parts if study.part in names)
        return replace(self, parts=parts, overrides=(*self.overrides, *(f"part={study.part}" for study in parts)))

    def single(self) -> Study:
        """Return the only part.

        Raises:
            UserError: There are several.
        """
        if len(self.parts) > 1:
            names = ", ".join(study.part for study in self.parts)
            problem = f"the study {self.name} has several parts: {names}"
            raise UserError("--part", problem, f"Choose one, for example --part {self.parts[0].part}")
        return self.parts[0]

    def override(self, *, optimizers: tuple[str, ...] = (), **changes: Any) -> StudyFile:
        """Return the file with the changes of the command line in every part; see `Study.override`.

        Parts that have none of the `optimizers` are left out.

        Raises:
            UserError: A value is out of range, or no part has such an optimizer.
        """
        kept = []
        for study in self.parts:
            names = tuple(name for name in optimizers if not self.has_parts or study.has(name))
            if names or not optimizers:
                kept.append(study.override(optimizers=names, **changes))
        for name in optimizers:
            if self.has_parts and not any(study.has(name) for study in self.parts):
                raise no_such_optimizer(name, self.name, [entry for study in self.parts for entry in study.optimizer])
        overrides = [f"{key}={value}" for key, value in changes.items() if value is not None]
        overrides += [f"optimizer={name}" for name in optimizers]
        return replace(self, parts=tuple(kept), overrides=(*self.overrides, *overrides))


def load_study_file(study: str | Path, generated: Path | None = None) -> StudyFile:
    """Return a study file, with or without parts; the arguments are those of `suite.spec.study_file.load_study`.

    Raises:
        UserError: There is no such study, the file is not TOML, or a key or value is invalid.
    """
    path = find_study(str(study), generated)
    warnings: list[str] = []
    values = read_study(path, warnings.append)
    origin: dict[str, Any] = {"name": path.stem, "path": path.resolve()}
    if "part" not in values:
        single = validate_study(values, location=str(path), origin=origin)
        return StudyFile(path.stem, single.title, (single,), path.resolve(), warnings=tuple(warnings))
    tables = _tables(values.pop("part"), str(path))
    if "optimizer" in values and all("optimizer" in table for table in tables.values()):
        hint = "Remove those above the first [[part]]"
        raise UserError(f"{path}: optimizer", "unused, because every part has its own optimizers", hint)
    title, claim_tables = values.get("title"), values.pop("claim", [])
    parts, errors = [], list[UserError]()
    for name, table in tables.items():
        merged = {**values, **table}
        if "title" not in table and isinstance(title, str):
            merged["title"] = f"{title}: {name}"
        try:
            part = validate_study(
                merged,
                location=f'{path}: part "{name}"',
                origin=origin | {"name": f"{path.stem}.{name}", "part": name},
                inherited=frozenset(values.keys() - table.keys()),
                file=str(path),
            )
        except UserError as error:
            errors.append(error)
        else:
            parts.append(part)
    if errors:
        raise UserError.combine(errors)
    claims = _claims(claim_tables, parts, str(path))
    title = title if isinstance(title, str) else path.stem
    return StudyFile(path.stem, title, tuple(parts), path.resolve(), claims, warnings=tuple(warnings))


def _claims(tables: Any, parts: Sequence[Study], path: str) -> tuple[Claim, ...]:
    """Return the claims above the parts."""
    values = {"claim": tables}
    try:
        claims = Claims.model_validate(values).claim
    except ValidationError as error:
        details: list[dict[str, Any]] = [dict(item) for item in error.errors()]
        raise UserError.combine(
            validation_error(Claims, values, item).within(f"{path}: ") for item in details
        ) from None
    errors = list(claim_errors(claims, {study.part: study for study in parts}))
    if errors:
        raise UserError.combine(errors).within(f"{path}: ")
    return claims


def _tables(value: Any, path: str) -> dict[str, dict[str, Any]]:
    """Return the `[[part]]` tables by name, without their names."""
    if not (isinstance(value, list) and value and all(isinstance(table, dict) for table in value)):
        hint = 'Write [[part]], and below it name = "a"'
        raise UserError(f"{path}: part", "expected tables in double brackets", hint)
    tables: dict[str, dict[str, Any]] = {}
    for number, table in enumerate(value, 1):
        name, location = table.get("name"), f"{path}: part[{number}].name"
        if not (isinstance(name, str) and re.fullmatch(NAME, name)):
            expected = "expected at most 40 lower-case letters, digits, _ and -, with a letter or digit first"
            hint = f'Write, for example, name = "part-{number}"'
            raise UserError(location, expected if "name" in table else "missing", hint)
        if name in tables:
            raise UserError(location, f'two parts have the name "{name}"', "Give each part another name")
        tables[name] = {key: item for key, item in table.items() if key != "name"}
    return tables
