"""Study files: found and read; and written, so that they read back as the same study."""

from __future__ import annotations

import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from suite import reading
from suite.errors import UserError, did_you_mean
from suite.spec.study import check
from suite.spec.validation_errors import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.spec.study import Study


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
        raise UserError(f"{path}: the study has parts. Load it with suite.spec.parts.load")
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
        raise UserError(listed(place, told))
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


def text(study: Study) -> str:
    """The study with all that the command line changed and its defaults spelt out; `parse` reads it back.

    Of `[tune]` it has what the study has: a default there may not stand beside another key.
    """
    document = tomlkit.document()
    values = study.model_dump(exclude={"optimizer", "modules", "tune", "tuned"})
    values |= study.model_dump(exclude_unset=True, include={"tune", "tuned"})
    for key, value in values.items():
        if value is not None:
            document.add(key, plain(value))
    entries = tomlkit.aot()
    for entry in study.optimizer:
        entries.append(table(entry.model_dump(exclude_unset=True)))
    document.add("optimizer", entries)  # last: a key below a table would belong to it
    return tomlkit.dumps(document)


def table(values: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> Any:
    """A table of what is there, with comments behind some of its values."""
    written = tomlkit.table()
    for key, value in values.items():
        if value is None:
            continue
        written.add(key, plain(value))
        if comments and key in comments:
            written[key].comment(comments[key])
    return written


def plain(value: Any) -> Any:
    """What TOML can hold: lists for tuples, tables in one line, floats that read back to the last bit."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for key, item in value.items():
            if item is not None:
                table.add(key, plain(item))
        return table
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
