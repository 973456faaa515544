"""`suite.tracking.lock`: who holds a store, as the others are told it."""

import pytest

from suite.tracking.lock import own_command


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/usr/bin/ravine", "run", "quick"], "ravine run quick"),
        (["/site-packages/ravine/__main__.py", "run", "quick"], "ravine run quick"),
        (
            ["ravine", "run", "--store", "postgresql://me:secret@host/db"],
            "ravine run --store postgresql://me:***@host/db",
        ),
        (["-c"], "-c"),
    ],
)
def test_the_command_of_a_holder(monkeypatch, words, told):
    """However it was started it is the command that a user would type, without passwords."""
    monkeypatch.setattr("sys.argv", words)
    assert own_command() == told
