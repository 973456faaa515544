"""Tests of `suite.tracking.outbox`: results are kept on disk while the store is unavailable."""

import dataclasses
import math

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from suite.errors import UserError
from suite.records import Outcome, Point, Timing, TrialResult
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking import outbox
from suite.tracking.outbox import Outbox

LOCKED = MlflowException("(sqlite3.OperationalError) database is locked")


@pytest.fixture
def study(write_study):
    """A study of two optimizers and two repeats."""
    return load_study(write_study())


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(outbox, "MIN_RETRY_SECONDS", 0.01)


def _result(trial, **changes):
    values = {"outcome": Outcome.OK, "weights": "ab" * 32, "timing": Timing(0.1 + 0.2, 1 / 3, 2.0, 7), "started": 1e9}
    return TrialResult(**{"trial": trial, "points": (Point("train/loss", 1, 1, 0.5),), **values, **changes})


def _runs(store):
    client = MlflowClient(store.uri)
    return client.search_runs([client.get_experiment_by_name("toy_study").experiment_id], order_by=["start_time"])


def _fail(store, monkeypatch, method, times, *, after=False):
    """Make the first N calls of a client's method raise, before or after they do their work."""
    real, calls = getattr(store._client, method), []

    def failing(*arguments, **options):
        calls.append(arguments)
        if len(calls) > times:
            return real(*arguments, **options)
        if after:
            real(*arguments, **options)
        raise LOCKED

    monkeypatch.setattr(store._client, method, failing)


def _folders(store):
    """Return what varies in a message: the folder of the pending results."""
    return {str(store.pending_dir): "<pending>"}


def test_results_are_kept_in_order_and_written_when_the_store_is_available_again(store, study, monkeypatch, wording):
    """Three attempts fail. The results of that time are kept in files; then each is recorded once, and no file is left."""
    messages = []
    box = Outbox(store, study, messages.append)
    _fail(store, monkeypatch, "create_run", 3)
    for number, trial in enumerate(plan(study)):
        box.add(_result(trial, started=1e9 + number))
        if number == 0:
            assert len(list(store.pending_dir.glob("*.json"))) == 1
    box.flush()
    runs = _runs(store)
    assert [run.info.run_name for run in runs] == ["SGD r0", "Adam r0", "SGD r1", "Adam r1"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert list(store.pending_dir.iterdir()) == []
    assert len(messages) == 2
    wording(messages[0], _folders(store))
    assert "the store is available again; " in messages[1]


def test_a_kept_result_is_read_back_exactly(store, study, monkeypatch):
    """Floats, infinities, NaN, the trial's id and its label survive the file; nothing in it is executed."""
    points = (Point("train/step_loss", 1, 1, math.inf), Point("train/step_loss", 1, 2, 0.1 + 0.2))
    result = _result(plan(study)[1], points=points, reason="it was inf", outcome=Outcome.DIVERGED)
    _fail(store, monkeypatch, "create_run", 1)
    Outbox(store, study).add(result, "a name")
    (file,) = store.pending_dir.iterdir()
    again, name = outbox._read(file)
    assert dataclasses.replace(again, trial=result.trial) == result
    assert (again.trial.id, again.trial.label, name) == (result.trial.id, "Adam", "a name")


def test_a_record_whose_response_was_lost_is_not_written_twice(store, study, monkeypatch):
    """The store had the complete record when it became unavailable: it stays the only one."""
    box = Outbox(store, study)
    _fail(store, monkeypatch, "set_terminated", 1, after=True)
    box.add(_result(plan(study)[0]))
    (run,) = _runs(store)
    assert run.info.status == "FINISHED"
    assert len(list(store.pending_dir.iterdir())) == 1
    box.flush()
    assert [run.info.run_id for run in _runs(store)] == [run.info.run_id]


def test_a_partial_record_is_replaced(store, study, monkeypatch):
    """The store became unavailable during writing: the partial record is deleted before the complete one is written."""
    box = Outbox(store, study)
    _fail(store, monkeypatch, "log_batch", 1)
    box.add(_result(plan(study)[0]))
    (partial,) = _runs(store)
    assert partial.info.status == "RUNNING"
    box.flush()
    (run,) = _runs(store)
    assert (run.info.status, run.info.run_id != partial.info.run_id) == ("FINISHED", True)


def test_the_next_process_writes_what_was_kept(store, study, monkeypatch, wording):
    """Results outlive their process and belong to their study; an incomplete file is deleted."""
    monkeypatch.setattr(outbox, "TIMEOUT_SECONDS", 0.0)
    _fail(store, monkeypatch, "create_run", 2)
    box = Outbox(store, study)
    box.add(_result(plan(study)[0]))
    with pytest.raises(UserError) as error:
        box.flush()
    wording(error.value, _folders(store))
    (store.pending_dir / "1-1-x.part").write_text("{", encoding="utf-8")
    assert Outbox(store, study.override(repeats=1)).pending == []
    messages = []
    Outbox(store, study, messages.append).flush()
    (message,) = messages
    wording(message)
    assert [run.info.run_name for run in _runs(store)] == ["SGD r0"]
    assert list(store.pending_dir.iterdir()) == []


def test_results_that_the_previous_version_kept_are_written_first(store, study, monkeypatch):
    """That version kept them in `waiting`, in the same format."""
    first, second, *_ = plan(study)
    _fail(store, monkeypatch, "create_run", 2)
    Outbox(store, study).add(_result(second), "of the previous version")
    previous = store.pending_dir.parents[1] / "waiting" / store.pending_dir.name
    previous.parent.mkdir()
    store.pending_dir.rename(previous)
    Outbox(store, study.override(repeats=1)).add(_result(first))
    box = Outbox(store, study)
    assert [file.parent for file in box.pending] == [previous]
    box.add(_result(first, started=1e9 + 1))
    box.flush()
    assert [run.info.run_name for run in _runs(store)] == ["of the previous version", "SGD r0"]
    assert list(previous.iterdir()) == []


def test_a_search_waits_for_the_store_and_gets_its_run(store, study, monkeypatch):
    """`write` returns the run that the result has in the end."""
    _fail(store, monkeypatch, "create_run", 2)
    run_id = Outbox(store, study).write(_result(plan(study)[0]), "SGD #0 r0")
    (run,) = _runs(store)
    assert (run.info.run_id, run.info.run_name) == (run_id, "SGD #0 r0")


def test_an_error_that_waiting_cannot_fix_is_raised_at_once(store, study, monkeypatch, wording):
    """A full disk is reported at once; the result is kept if there is still space for it."""

    def full(*_, **__):
        raise MlflowException("(sqlite3.OperationalError) database or disk is full")

    monkeypatch.setattr(store._client, "create_run", full)
    with pytest.raises(UserError) as error:
        Outbox(store, study).add(_result(plan(study)[0]))
    wording(error.value, _folders(store))
    monkeypatch.undo()
    Outbox(store, study).flush()
    assert len(_runs(store)) == 1


def test_a_foreign_file_is_refused(store, study, wording):
    """A file that Ravine did not write is not read further."""
    store.pending_dir.mkdir(parents=True)
    (store.pending_dir / "a.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError) as error:
        Outbox(store, study)
    wording(error.value, _folders(store))
