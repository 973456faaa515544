"""Writes the tables of docs/study_files.md, every key of a study file: `python tests/measurements/study_keys.py`."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_tables import put
from pydantic_core import PydanticUndefined

from suite.spec import claims, study

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

DOCUMENT = Path(__file__).parents[2] / "docs" / "study_files.md"
TABLES: dict[str, type[BaseModel]] = {
    "study": study.Study,
    "optimizer": study.Entry,
    "group": study.Group,
    "schedule": study.Schedule,
    "tune": study.Tune,
    "range": study.Range,
    "claim": claims.Claim,
    "statement": claims.Statement,
    "requires": claims.Requires,
}
DEFAULT = re.compile(r" ?\bDefault: (.*?)\.(?= |$)")
"""The sentence of a docstring that states what a missing key means."""
WRITTEN = {"tuned", "imported"}
"""The tables that commands write."""


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each field of a model, in one line."""
    (tree,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return found


def shown_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model that a user may write, without those of the model that it extends."""
    written = inspect.get_annotations(model)
    return {
        name: field
        for name, field in model.model_fields.items()
        if name in written and not field.exclude and name not in WRITTEN
    }


def keys(model: type[BaseModel]) -> str:
    """Return a row for each key: its name, its default or an example, and its meaning."""
    texts = descriptions(model)
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, field in shown_fields(model).items():
        stated = DEFAULT.search(texts[name])
        meaning = DEFAULT.sub("", texts[name]).strip()
        rows.append(f"| `{name}` | {_default(field, stated[1] if stated else 'none')} | {meaning} |")
    return "\n".join(rows)


def _default(field: FieldInfo, stated: str) -> str:
    """Return the default as it is written in a file, or what a missing key means, with an example, or that it is required.

    Args:
        field: The field.
        stated: The default that its docstring states.
    """
    value = (
        field.get_default(call_default_factory=True, validated_data={})
        if not field.is_required()
        else PydanticUndefined
    )
    value = None if value in ((), "") else value
    example = f"for example `{str(field.examples[0]).partition(' with ')[0]}`" if field.examples else ""
    if value is PydanticUndefined:
        return f"required, {example}"
    if isinstance(value, bool | int | float | str | tuple):
        return f"`{_toml(value)}`"
    return f"{stated}; {example}" if example else stated


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else f"{value:g}"


def main() -> None:
    """Write the tables into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, model in TABLES.items():
        text = put(text, name, keys(model))
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
