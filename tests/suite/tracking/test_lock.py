"""Tests of `suite.tracking.lock`."""

import pytest

from suite.tracking.lock import command_line


@pytest.mark.parametrize(
    ("arguments", "command"),
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
def test_the_command_line_is_what_a_user_types(monkeypatch, arguments, command):
    """It is the same however Ravine was started, and has no passwords."""
    monkeypatch.setattr("sys.argv", arguments)
    assert command_line() == command
