"""The snapshot file of messages has no text of a test that is gone."""

from pathlib import Path

from wording import load

TESTS = Path(__file__).parent


def test_every_snapshot_belongs_to_a_test():
    """The key of a snapshot names a test file and a function in it."""
    for key in load():
        module, _, name = key.partition("::")
        assert (TESTS / module).is_file(), key
        function = name.partition("[")[0].split(" ")[0]
        assert f"def {function}(" in (TESTS / module).read_text(encoding="utf-8"), key
