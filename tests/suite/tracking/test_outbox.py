"""`suite.tracking.outbox`: results wait on disk while the store is away."""

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

AWAY = MlflowException("(sqlite3.OperationalError) database is locked")


@pytest.fixture
def study(write_study):
    """A study of two optimizers and two repeats."""
    return load_study(write_study())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(outbox, "FIRST", 0.01)


def _result(trial, **more):
    values = {"outcome": Outcome.OK, "weights": "ab" * 32, "timing": Timing(0.1 + 0.2, 1 / 3, 2.0, 7), "started": 1e9}
    return TrialResult(**{"trial": trial, "points": (Point("train/loss", 1, 1, 0.5),), **values, **more})


def _runs(store):
    client = MlflowClient(store.uri)
    return client.search_runs([client.get_experiment_by_name("toy_study").experiment_id], order_by=["start_time"])


def _away(store, monkeypatch, method, times, *, after=False):
    """Make a method of the client fail so often, before or after it has done its work; returns the calls."""
    real, calls = getattr(store._client, method), []

    def failing(*arguments, **named):
        calls.append(arguments)
        if len(calls) > times:
            return real(*arguments, **named)
        if after:
            real(*arguments, **named)
        raise AWAY

    monkeypatch.setattr(store._client, method, failing)
    return calls


def test_results_are_kept_in_order_and_written_when_the_store_is_back(store, study, monkeypatch):
    """The store misses three attempts: what is added meanwhile waits in files; then all are there, once, and no file is."""
    told = []
    box = Outbox(store, study, told.append)
    _away(store, monkeypatch, "create_run", 3)
    for number, trial in enumerate(plan(study)):
        box.add(_result(trial, started=1e9 + number))
        if number == 0:
            assert len(list(store.waiting.glob("*.json"))) == 1
    box.flush()
    runs = _runs(store)
    assert [run.info.run_name for run in runs] == ["SGD r0", "Adam r0", "SGD r1", "Adam r1"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert list(store.waiting.iterdir()) == []
    assert len(told) == 2
    assert "Trials go on, their results wait in" in told[0]
    assert told[1].startswith("the store is back: ")


def test_a_kept_result_comes_back_to_the_last_bit(store, study, monkeypatch):
    """Floats, infinities, NaN, the trial's id and its label survive the file; nothing in it is executed."""
    points = (Point("train/step_loss", 1, 1, math.inf), Point("train/step_loss", 1, 2, 0.1 + 0.2))
    result = _result(plan(study)[1], points=points, reason="it was inf", outcome=Outcome.DIVERGED)
    _away(store, monkeypatch, "create_run", 1)
    Outbox(store, study).add(result, "a name")
    (file,) = store.waiting.iterdir()
    again, name = outbox._read(file)
    assert (again.points, again.timing, again.outcome, again.reason) == (
        points,
        result.timing,
        result.outcome,
        "it was inf",
    )
    assert (again.trial.id, again.trial.label, name) == (result.trial.id, "Adam", "a name")


def test_a_record_whose_answer_was_lost_is_not_written_twice(store, study, monkeypatch):
    """The store had it all when it went away: it stays the only record."""
    box = Outbox(store, study)
    _away(store, monkeypatch, "set_terminated", 1, after=True)
    box.add(_result(plan(study)[0]))
    (run,) = _runs(store)
    assert run.info.status == "FINISHED"
    assert len(list(store.waiting.iterdir())) == 1
    box.flush()
    assert [each.info.run_id for each in _runs(store)] == [run.info.run_id]


def test_a_record_that_was_cut_off_makes_room(store, study, monkeypatch):
    """The store went away in the middle of writing: the half is deleted before the whole is written."""
    box = Outbox(store, study)
    _away(store, monkeypatch, "log_batch", 1)
    box.add(_result(plan(study)[0]))
    (half,) = _runs(store)
    assert half.info.status == "RUNNING"
    box.flush()
    (run,) = _runs(store)
    assert (run.info.status, run.info.run_id != half.info.run_id) == ("FINISHED", True)


def test_the_next_process_writes_what_was_left(store, study, monkeypatch):
    """Results outlive their process, and belong to their own study; a file that was cut off is swept away."""
    monkeypatch.setattr(outbox, "PATIENCE", 0.0)
    _away(store, monkeypatch, "create_run", 2)
    box = Outbox(store, study)
    box.add(_result(plan(study)[0]))
    with pytest.raises(UserError, match=r"database is locked.* 1 result kept in .*/out/waiting/[0-9a-f]{16}: the same"):
        box.flush()
    (store.waiting / "1-1-x.part").write_text("{", encoding="utf-8")
    assert Outbox(store, study.override(repeats=1)).waiting == []
    told = []
    Outbox(store, study, told.append).flush()
    assert told == ["the store is back: 1 result that waited is written"]
    assert [run.info.run_name for run in _runs(store)] == ["SGD r0"]
    assert list(store.waiting.iterdir()) == []


def test_a_search_waits_for_the_store_and_gets_its_run(store, study, monkeypatch):
    """`write` comes back with the run that the result has in the end."""
    _away(store, monkeypatch, "create_run", 2)
    run_id = Outbox(store, study).write(_result(plan(study)[0]), "SGD #0 r0")
    (run,) = _runs(store)
    assert (run.info.run_id, run.info.run_name) == (run_id, "SGD #0 r0")


def test_what_will_not_pass_by_waiting_ends_at_once(store, study, monkeypatch):
    """A full disk is told at once; the result is kept where there is still room for it."""

    def full(*_, **__):
        raise MlflowException("(sqlite3.OperationalError) database or disk is full")

    monkeypatch.setattr(store._client, "create_run", full)
    with pytest.raises(UserError, match=r"disk is full\. Free some space .* 1 result kept in "):
        Outbox(store, study).add(_result(plan(study)[0]))
    monkeypatch.undo()
    Outbox(store, study).flush()
    assert len(_runs(store)) == 1


def test_a_file_of_something_else_is_told(store, study):
    """What nobody of Ravine wrote is not read further."""
    store.waiting.mkdir(parents=True)
    (store.waiting / "a.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match=r"a.json: it is no result that Ravine kept. Remove it"):
        Outbox(store, study)
