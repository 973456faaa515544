"""Tests of `suite.tracking.databases`."""

import pytest
import sqlalchemy.exc

from suite.tracking.databases import cause, create_atomically


def test_a_truncated_cause_has_no_password():
    """The password is removed before the message is truncated, because half a password is confidential, too."""
    message = "x" * 180 + " postgresql://me:a-very-long-secret-password@host/db"
    assert "a-very" not in cause(OSError(message))
    assert len(cause(OSError(message))) == 200


def test_a_cause_is_the_message_of_the_database():
    """The SQL statement that SQLAlchemy adds is omitted, and so are line breaks."""
    error = RuntimeError("outside")
    error.__cause__ = sqlalchemy.exc.OperationalError("SELECT secret", {}, OSError("disk\n is full."))
    assert cause(error) == cause(error.__cause__) == "disk is full"


def test_a_database_is_created_completely_or_not_at_all(tmp_path):
    """A block that raises leaves no database in place, and the next block starts anew."""
    file = tmp_path / "store.db"
    for _ in range(2):
        with pytest.raises(InterruptedError):
            _create(file, "partial")
        assert not file.exists()
    _create(file, "")
    assert file.read_text() == "complete"


def _create(file, partial):
    with create_atomically(file) as uri:
        new = file.parent / uri.rpartition("/")[2]
        with new.open("x") as content:
            content.write(partial or "complete")
        if partial:
            raise InterruptedError
