"""A study written as the text of a study file, which reads back as the same study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.study import Study


def text(study: Study) -> str:
    """The study with all that the command line changed and its defaults spelt out; `suite.study.parse` reads it back.

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
