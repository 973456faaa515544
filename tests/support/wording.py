"""Texts that users read, compared with one snapshot file: `pytest --update-wording` writes it anew.

A test passes a message to the fixture `wording`. So the sentences can change without a change of any test, and a change of
a sentence is seen in the diff of `tests/wording.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).parents[1] / "wording.json"


class Wording:
    """Compares the texts of one test with the snapshot file.

    Args:
        test: The id of the test, with which its keys begin.
        update: Whether to write the texts instead of comparing them.
        folder: What is replaced by `<folder>` in each text: the test's own folder.
    """

    def __init__(self, test: str, folder: Path, *, update: bool) -> None:
        self.test, self.folder, self.update, self.count = test, folder, update, 0

    def __call__(self, text: object, replace: Mapping[str, str] | None = None) -> None:
        """Compare one text; those of a test are counted in the order of the calls.

        Args:
            text: The text, or what has it as its `str`.
            replace: Further replacements, for what differs from run to run (a port, a process id).
        """
        words = str(text)
        for old, new in {**(replace or {}), str(self.folder): "<folder>"}.items():
            words = words.replace(old, new)
        key = f"{self.test} {self.count}" if self.count else self.test
        self.count += 1
        if self.update:
            with FileLock(f"{FILE}.lock"):
                known = load()
                known[key] = words
                content = json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
                FILE.write_text(content, encoding="utf-8")
        known = load()
        assert key in known, "no snapshot of this text yet: run pytest --update-wording"
        assert words == known[key]


def load() -> dict[str, str]:
    """Return the snapshots by key."""
    known: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    return known
