"""Tests of `suite.tuning.storage`: address, lock, and refused databases."""

import sqlite3

import optuna
import pytest

from suite.errors import UserError
from suite.spec.study_file import load_study
from suite.tuning import search, storage


def _write_text(path):
    path.write_text("not a database, but long enough to be read as one\n" * 100, encoding="utf-8")


def _write_other_tables(path):
    with sqlite3.connect(path) as connection:
        connection.execute("create table songs (name text)")
    connection.close()


def _write_newer_optuna(path):
    optuna.storages.RDBStorage(f"sqlite:///{path}").engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("update version_info set schema_version = 99")
        connection.execute("update alembic_version set version_num = 'v99'")
    connection.close()


CASES = {
    "text": _write_text,
    "other tables": _write_other_tables,
    "a newer Optuna": _write_newer_optuna,
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_or_foreign_storage_is_one_error(here, case, wording):
    """The error starts with the storage."""
    CASES[case](here / "o.db")
    with pytest.raises(UserError) as error, storage.Storage(storage.locate(str(here / "o.db"), here)):
        pass
    assert str(error.value).startswith(f"{here}/o.db: ")
    assert "\n" not in str(error.value)
    if case == "a newer Optuna":  # the rest is the message of Optuna
        assert "Optuna's storage cannot be opened: " in str(error.value)
    else:
        wording(error.value)


@pytest.mark.parametrize("url", ["postgresql+none://me:secret@127.0.0.1:9/db", "nothing://x"])
def test_a_storage_without_a_driver_is_one_error(here, url, wording):
    """A missing driver or an unknown scheme is reported without the password."""
    with pytest.raises(UserError) as error, storage.Storage(storage.locate(url, here)):
        pass
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)
    wording(error.value)


def test_a_foreign_optuna_study_is_refused(tune, write_study, wording):
    """It has the name of a search, and a trial that Ravine did not write."""
    study = load_study(write_study(extra="[tune]\ntrials = 7\nbatch = 3\nrepeats = 2\n"))
    store, _, _ = tune(study, max_trials=4)
    name = search.make_searches(study)[0].optuna
    url = storage.locate(None, store.root)
    foreign = optuna.load_study(study_name=name, storage=url)
    foreign.add_trial(optuna.trial.create_trial(value=0.0))
    with pytest.raises(UserError) as error:
        tune(study)
    wording(error.value, {name: "<name>"})


def test_one_process_at_a_time_locks_the_storage(here):
    """The error of a second one names the first."""
    url = storage.locate(None, here)
    message = r"optuna.db: locked by `.*` \(process \d+, since .*choose another with --storage"
    with storage.Storage(url), pytest.raises(UserError, match=message), storage.Storage(url):
        pass


def test_the_address_of_the_storage(here):
    """--storage accepts a URL or a file; the default is beside the store."""
    assert storage.locate(None, here / "out") == f"sqlite:///{here}/out/optuna.db"
    assert storage.locate("mine.db", here / "out") == f"sqlite:///{here}/mine.db"
    assert storage.locate("sqlite:///mine.db", here) == f"sqlite:///{here}/mine.db"
    assert storage.locate("postgresql://x/y", here) == "postgresql://x/y"
