"""Tests of `suite.tracking.store`: records in a real MLflow store."""

import dataclasses
import json
import math
import os
import socket
import subprocess
import sys

import pandas as pd
import pytest
from mlflow import MlflowClient

from suite.errors import UserError
from suite.records import SCHEMA, Outcome, Point, Timing, TrialResult
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking import lock
from suite.tracking import store as store_module
from suite.tracking.store import Store, StoreUnavailableError, exists, locate

IDENTITY = "from suite.tracking.lease import process; print(process())"


@pytest.fixture
def study(write_study):
    """A study of two optimizers and two repeats."""
    return load_study(write_study())


def _result(trial, outcome=Outcome.OK, points=None, **changes):
    points = points or tuple(Point("train/step_loss", 1, i, 1 / i) for i in range(1, 501))
    values = {
        "weights": "ab" * 32,
        "timing": Timing(1.5, 0.5, 2.25, 96),
        "environment": {"device": "cpu", "torch": "2"},
    }
    return TrialResult(**{"trial": trial, "outcome": outcome, "points": points, "started": 1e9, **values, **changes})


def test_a_record_is_read_back_exactly(store, study):
    """Outcome, description, weights, times and environment are bit-for-bit identical."""
    trial = plan(study)[1]
    result = _result(trial, timing=Timing(0.1 + 0.2, 1 / 3, 2 / 3, 7, state_bytes=8 / 3, evaluations=2.5))
    store.write(study, result)
    record = store.records([trial.id])[trial.id]
    assert record.trial.id == trial.id
    assert record.trial.label == "Adam"
    assert (record.outcome, record.weights, record.timing) == (Outcome.OK, result.weights, result.timing)
    assert dict(record.environment) == result.environment
    (run,) = store._runs(f"tags.`ravine.trial` = '{trial.id}'")
    assert run.data.metrics["memory/state_bytes_per_parameter"] == 8 / 3
    assert run.data.metrics["speed/evaluations_per_example"] == 2.5


def test_a_record_without_the_size_of_the_state(store, study):
    """As in older versions: there is no metric, and the timing is read without it."""
    trial = plan(study)[1]
    store.write(study, _result(trial))
    (run,) = store._runs(f"tags.`ravine.trial` = '{trial.id}'")
    assert "memory/state_bytes_per_parameter" not in run.data.metrics
    assert "speed/evaluations_per_example" not in run.data.metrics
    assert "state_bytes" not in run.data.tags["ravine.timing"]
    assert store.records([trial.id])[trial.id].timing.state_bytes is None


def test_the_complete_history_is_kept(store, study):
    """All 500 step losses are read back exactly from the Parquet artifact, infinities and NaN included."""
    trial = plan(study)[0]
    points = tuple(Point("train/step_loss", 1, i, 1 / i) for i in range(1, 499))
    points += (Point("train/step_loss", 1, 499, math.inf), Point("train/step_loss", 1, 500, math.nan))
    store.write(study, _result(trial, points=points))
    frame = store.points(store.records([trial.id]).values())
    assert list(frame.columns) == ["trial_id", "metric", "epoch", "step", "value"]
    assert frame["value"].tolist()[:499] == [p.value for p in points[:499]]
    assert math.isnan(frame["value"].iloc[-1])


def test_a_run_reads_well_in_mlflow(store, study):
    """A run has a name, every resolved hyperparameter, `ravine.` tags, and metrics by epoch of at most about 100 points."""
    trial = plan(study)[1]
    points = [Point("train/step_loss", 1 + i // 100, i + 1, 1.0) for i in range(5000)]
    for name in ("train/loss", "train/accuracy", "test/loss", "test/accuracy"):
        points += [Point(name, epoch, 100 * epoch, 0.5) for epoch in range(1, 51)]
    store.write(study, _result(trial, points=tuple(points)))
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name("toy_study")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "Adam r0"
    assert run.info.status == "FINISHED"
    assert {
        "optimizer": "Adam",
        "repeat": "0",
        "lr": "0.05",
        "eps": "1e-08",
        "betas": "(0.9, 0.999)",
    }.items() <= run.data.params.items()
    assert run.data.tags["ravine.kind"] == "trial"
    assert run.data.tags["ravine.trial"] == trial.id
    assert run.data.tags["ravine.schema"] == str(SCHEMA)
    history = client.get_metric_history(run.info.run_id, "test/accuracy")
    assert [metric.step for metric in history][:3] == [1, 4, 6]
    assert history[-1].step == 50
    assert sum(len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics) <= 101
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {"history.parquet", "trial.json"}
    assert "Two optimizers on a toy" in experiment.tags["mlflow.note.content"]
    assert list(store.links("toy_study")) == ["toy_study"]


def test_values_that_are_not_finite_are_nan_in_mlflow(store, study):
    """MLflow returns infinity as 1.8e308, so the metric is NaN; the history keeps the value."""
    trial = plan(study)[0]
    store.write(
        study, _result(trial, Outcome.DIVERGED, (Point("train/step_loss", 1, 1, math.inf),), reason="it was inf")
    )
    client = MlflowClient(store.uri)
    record = store.records([trial.id])[trial.id]
    assert math.isnan(client.get_run(record.run_id).data.metrics["train/step_loss"])
    assert (record.outcome, record.reason) == (Outcome.DIVERGED, "it was inf")


def test_only_the_requested_records_are_returned(store, study):
    """A report covers exactly the ids of its plan."""
    first, second, *_ = plan(study)
    store.write(study, _result(first))
    store.write(study, _result(second))
    assert list(store.records([second.id, "0" * 16])) == [second.id]


def test_a_result_is_preferred_to_a_failure(store, study):
    """If a trial failed and was run again, its result counts, whichever was written last."""
    trial = plan(study)[0]
    store.write(study, _result(trial))
    store.write(study, _result(trial, Outcome.FAILED, started=2e9, reason="lost"))
    assert store.records([trial.id])[trial.id].outcome is Outcome.OK


def test_an_incomplete_run_is_not_a_record(store, study):
    """It does not count, and is deleted once its process has exited, on this machine only."""
    trial = plan(study)[0]
    store.write(study, _result(trial))
    client = MlflowClient(store.uri)
    record = store.records([trial.id])[trial.id]
    client.update_run(record.run_id, status="KILLED")
    assert store.records([trial.id]) == {}
    client.update_run(record.run_id, status="RUNNING")
    assert store.records([trial.id]) == {}
    assert store.delete_incomplete_runs() == 0, "this process, which writes it, is running"
    exited = subprocess.run([sys.executable, "-c", IDENTITY], capture_output=True, text=True, check=True).stdout.strip()
    client.set_tag(record.run_id, "ravine.process", exited)
    client.set_tag(record.run_id, "ravine.owner", "another-machine")
    assert store.delete_incomplete_runs() == 0
    client.set_tag(record.run_id, "ravine.owner", socket.gethostname())
    assert store.delete_incomplete_runs() == 1
    assert client.get_run(record.run_id).info.lifecycle_stage == "deleted"


def test_a_record_of_a_newer_version_is_refused(store, study, wording):
    """A record of a newer version of Ravine is not misread."""
    trial = plan(study)[0]
    store.write(study, _result(trial))
    record = store.records([trial.id])[trial.id]
    MlflowClient(store.uri).set_tag(record.run_id, "ravine.schema", str(SCHEMA + 1))
    with pytest.raises(UserError) as error:
        store.records([trial.id])
    wording(error.value, {record.run_id: "<run>"})


def test_a_moved_store_keeps_its_histories(store, study, here):
    """MLflow stores absolute paths; a folder that was moved is read at its new path."""
    trial = plan(study)[0]
    store.write(study, _result(trial))
    (here / "out").rename(here / "elsewhere")
    moved = Store(locate(str(here / "elsewhere"), here), here, create=False)
    assert len(moved.points(moved.records([trial.id]).values())) == 500


def test_two_studies_share_a_trial(store, study):
    """A trial of another study is found by its id."""
    trial = plan(study)[0]
    store.write(study, _result(trial))
    renamed = dataclasses.replace(trial, label="another label")
    assert store.records([renamed.id]).keys() == {trial.id}


def test_a_report_is_an_artifact_of_the_study(store, study, here):
    """The newest report replaces an older one, in a run of kind `report`."""
    study = study.model_copy(update={"name": "it's"})
    folder = here / "report"
    folder.mkdir()
    for text in ("old", "new"):
        (folder / "index.html").write_text(text, encoding="utf-8")
        store.write_report(study, folder)
    client = MlflowClient(store.uri)
    runs = client.search_runs([client.get_experiment_by_name("it's").experiment_id], "tags.`ravine.kind` = 'report'")
    assert len(runs) == 1
    from pathlib import Path

    path = client.download_artifacts(runs[0].info.run_id, "index.html", str(here))
    assert Path(path).read_text(encoding="utf-8") == "new"
    assert len(list((here / "out" / "artifacts").rglob("index.html"))) == 1, "the files of the older one are deleted"


def test_a_view_shows_the_trials_of_its_plan(store, study):
    """A study and each of its overrides have a view. A trial of both is in both views; another budget has its own view."""
    first, second, *_ = plan(study)
    short = study.override(epochs=1)
    store.write(study, _result(first))
    store.write(short, _result(plan(short)[0]))
    store.write(study.override(repeats=1), _result(second))
    store.tag_with_study(study, store.records([first.id, second.id]).values())
    store.tag_with_study(study, store.records([first.id, second.id]).values())
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name("toy_study")
    ids_by_view = {}
    for name, link in store.links("toy_study").items():
        key = link.partition("viewStateShareKey=")[2]
        view = json.loads(experiment.tags[f"mlflow.sharedViewState.{key}"])
        runs = client.search_runs([experiment.experiment_id], view["searchFilter"])
        ids_by_view[name] = {run.data.tags["ravine.trial"] for run in runs}
    assert ids_by_view["toy_study"] == {first.id, second.id}
    assert ids_by_view["toy_study@epochs=1"] == {plan(short)[0].id}
    assert ids_by_view["toy_study@repeats=1"] == {second.id}


def test_no_message_shows_a_password(here, wording):
    """A missing driver is reported with the store's address, without the password."""
    with pytest.raises(UserError) as error:
        Store("postgresql+nodriver://me:secret@127.0.0.1:9/db", here)
    assert "secret" not in str(error.value)
    wording(error.value)


def test_a_second_process_cannot_lock_the_store(store):
    """The error names the command and the process that has locked it."""
    code = f"""
from pathlib import Path
from suite.tracking.store import Store
with Store({store.uri!r}, Path("out")).lock():
    pass
"""
    with store.lock():
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert f"locked by `{lock.command_line()}` (process {os.getpid()}, since " in second.stderr
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_address_of_the_store(here, monkeypatch):
    """--store has priority over MLFLOW_TRACKING_URI, and that over the file in out/; a folder contains its SQLite file."""
    out = here / "out"
    assert locate(None, out) == f"sqlite:///{out}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert locate(None, out) == "http://127.0.0.1:1"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///own.db")
    assert locate(None, out) == f"sqlite:///{here}/own.db"
    assert locate("other", out) == f"sqlite:///{here}/other/mlflow.db"
    assert not exists(locate("other", out))


def test_reading_does_not_create_a_store(here, wording):
    """The error says how to start, and no file is left."""
    with pytest.raises(UserError) as error:
        Store(locate("other", here), here, create=False)
    wording(error.value)
    assert not (here / "other").exists()


def test_a_store_that_cannot_be_created_is_one_error(here, wording):
    """A file has the path of the folder."""
    (here / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UserError) as error:
        Store(locate("file/below", here), here)
    wording(error.value)


def test_an_unavailable_server_is_one_error(here, monkeypatch):
    """No server listens at the address."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    hint = "Check that the server is running, or choose another store with --store"
    with pytest.raises(StoreUnavailableError, match=rf"^http://127.0.0.1:9: the store cannot be opened: .*\. {hint}$"):
        Store("http://127.0.0.1:9", here)


def test_no_records_have_an_empty_frame(store):
    """It has the columns and no row."""
    frame = store.points([])
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["trial_id", "metric", "epoch", "step", "value"]


def test_pages_grow_and_give_each_record_once(monkeypatch):
    """None of a thousand records is skipped or repeated, in far fewer pages than pages of the first size."""
    from mlflow.store.entities import PagedList

    sizes = []

    def search(max_results, page_token):
        sizes.append(max_results)
        start = int(page_token or 0)
        return PagedList(
            range(start, min(start + max_results, 1000)),
            str(start + max_results) if start + max_results < 1000 else None,
        )

    monkeypatch.setattr(store_module, "PAGE", 2)
    assert list(store_module._pages(search)) == list(range(1000))
    assert (sizes[0], max(sizes)) == (2, 20)
    assert len(sizes) < 100
