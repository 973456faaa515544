"""Writes the table of the registry in docs/sources.md: `tox -e theory`. The rest of the page is written by hand and tested."""

from __future__ import annotations

from pathlib import Path

from markdown_tables import put

from suite.optimizers import OPTIMIZERS, describe

DOCUMENT = Path(__file__).parents[2] / "docs" / "sources.md"


def registry() -> str:
    """Return the formula and the defaults of every optimizer, from its docstring and constructor."""
    rows = ["| key | formula | defaults |", "| --- | --- | --- |"]
    for key in OPTIMIZERS:
        entry = describe(key)
        formula = str(entry["formula"]).replace("|", r"\|")
        defaults = ", ".join(f"{name} = {_toml(value)}" for name, value in entry["defaults"].items())
        rows.append(f"| `{key}` | `{formula}` | {defaults} |")
    return "\n".join(rows)


def _toml(value: object) -> str:
    """Return a default as it is written in a study file."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else f"{value:g}"


def main() -> None:
    """Write the table."""
    DOCUMENT.write_text(put(DOCUMENT.read_text(encoding="utf-8"), "registry", registry()), encoding="utf-8")


if __name__ == "__main__":
    main()
