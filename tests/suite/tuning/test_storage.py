"""`suite.tuning.storage`: where it lies, who holds it, and what it is not."""

import sqlite3

import optuna
import pytest

from suite.errors import UserError
from suite.spec.study_file import load_study
from suite.tuning import search, storage


def _no_database(path):
    path.write_text("not a database, but long enough to be read as one\n" * 100, encoding="utf-8")


def _another_database(path):
    with sqlite3.connect(path) as connection:
        connection.execute("create table songs (name text)")
    connection.close()


def _another_optuna_version(path):
    optuna.storages.RDBStorage(f"sqlite:///{path}").engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("update version_info set schema_version = 99")
        connection.execute("update alembic_version set version_num = 'v99'")
    connection.close()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_no_database, "it is a file, but no SQLite database. Move it away; --storage chooses another"),
        (_another_database, "it is a database of something else (tables songs, ...), not of Optuna. --storage chooses"),
        (_another_optuna_version, "Optuna's storage cannot be opened: "),
        (lambda path: path.mkdir(), "Optuna's storage cannot be opened: [Errno 21] Is a directory"),
    ],
)
def test_a_broken_or_foreign_storage_is_one_line(here, make, told):
    """It names the storage, says what is wrong and the mend, and what was there is left as it was."""
    make(here / "o.db")
    with pytest.raises(UserError) as caught, storage.Storage(storage.locate(str(here / "o.db"), here)):
        pass
    assert str(caught.value).startswith(f"{here}/o.db: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql+none://me:secret@127.0.0.1:9/db", "nothing://x"])
def test_a_storage_without_a_driver_is_one_line(here, url):
    """A missing driver or an unknown kind of database is told without the password."""
    with pytest.raises(UserError, match=r"://") as caught, storage.Storage(storage.locate(url, here)):
        pass
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_optuna_study_of_others_is_left_alone(tune, write_study):
    """A study of the same name with a trial that Ravine did not make is refused in one line."""
    study = load_study(write_study(extra="[tune]\ntrials = 7\nbatch = 3\nrepeats = 2\n"))
    store, _, _ = tune(study, most=4)
    name = search.make_searches(study)[0].optuna
    url = storage.locate(None, store.root)
    foreign = optuna.load_study(study_name=name, storage=url)
    foreign.add_trial(optuna.trial.create_trial(value=0.0))
    with pytest.raises(
        UserError, match=r'optuna.db: the Optuna study "toy_study/SGD .*" holds what Ravine did not put'
    ):
        tune(study)


def test_one_holder_at_a_time(here):
    """While a process holds Optuna's storage, a second one is told who does."""
    url = storage.locate(None, here)
    with (
        storage.Storage(url),
        pytest.raises(UserError, match=r"optuna.db: held by `.*` \(process \d+, since .*--storage chooses another"),
        storage.Storage(url),
    ):
        pass


def test_the_place_of_the_storage(here):
    """--storage takes a URL or a file; the default lies beside the store."""
    assert storage.locate(None, here / "out") == f"sqlite:///{here}/out/optuna.db"
    assert storage.locate("mine.db", here / "out") == f"sqlite:///{here}/mine.db"
    assert storage.locate("sqlite:///mine.db", here) == f"sqlite:///{here}/mine.db"
    assert storage.locate("postgresql://x/y", here) == "postgresql://x/y"
