"""`suite.tracking.databases`: what went wrong with a database, in a line."""

import pytest
import sqlalchemy.exc

from suite.tracking.databases import cause, create_atomically


def test_a_cause_has_no_password_even_where_it_is_cut():
    """What a database said is cut only after the password is gone: half a password is one, too."""
    said = "x" * 180 + " postgresql://me:a-very-long-secret-password@host/db"
    assert "a-very" not in cause(OSError(said))
    assert len(cause(OSError(said))) == 200


def test_a_cause_is_what_the_database_said():
    """Without the statement that SQLAlchemy puts around it, and without line breaks."""
    error = RuntimeError("outside")
    error.__cause__ = sqlalchemy.exc.OperationalError("SELECT secret", {}, OSError("disk\n is full."))
    assert cause(error) == cause(error.__cause__) == "disk is full"


def test_a_database_is_there_whole_or_not_at_all(tmp_path):
    """What a block left half-made is not at its place; the next one begins anew."""
    file = tmp_path / "store.db"
    for _ in range(2):
        with pytest.raises(InterruptedError):
            _make(file, "half")
        assert not file.exists()
    _make(file, "")
    assert file.read_text() == "whole"


def _make(file, half):
    with create_atomically(file) as uri:
        new = file.parent / uri.rpartition("/")[2]
        with new.open("x") as content:
            content.write(half or "whole")
        if half:
            raise InterruptedError
