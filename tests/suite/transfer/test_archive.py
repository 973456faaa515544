"""Tests of `suite.transfer.archive` and `suite.transfer.merge`: the records of a study as one file, and into a store."""

import hashlib
import io
import json
import math
import re
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from suite.errors import UserError
from suite.records import Outcome, Point, Timing, TrialResult
from suite.spec import study_file
from suite.spec.plan import plan
from suite.spec.study import validate_study
from suite.spec.study_file import load_study, parse_study
from suite.tracking import serialization
from suite.tracking.store import Store, locate
from suite.transfer import archive
from suite.transfer.merge import merge


def _points(trial, epochs=None):
    """Return the history of a trial as training records it: float32 losses, metrics at the last step of each epoch."""
    points, steps = [], trial.updates_per_epoch
    rng = np.random.default_rng(trial.repeat + 1)
    for epoch in range(1, (epochs or trial.epochs) + 1):
        first = (epoch - 1) * steps
        points += [
            Point("train/step_loss", epoch, first + i + 1, float(np.float32(v)))
            for i, v in enumerate(rng.random(steps))
        ]
        for metric in ("train/loss", "train/accuracy", "test/loss", "test/accuracy"):
            points.append(Point(metric, epoch, epoch * steps, float(rng.random())))
    return tuple(points)


def _result(trial, outcome=Outcome.OK, **changes):
    values = {
        "points": _points(trial),
        "weights": hashlib.sha256(trial.id.encode()).hexdigest(),
        "timing": Timing(0.1 + 0.2, 1 / 3, 2 / 3, 7, state_bytes=8 / 3, evaluations=2.5),
        "environment": {"device": "cpu", "device_name": "A CPU", "torch": "2"},
        "started": 1700000000.123,
    }
    return TrialResult(trial=trial, outcome=outcome, **{**values, **changes})


@pytest.fixture
def study(write_study):
    """A study of two optimizers and two repeats."""
    return load_study(write_study())


@pytest.fixture
def filled(store, study):
    """The store with all records of the study, one of them diverged."""
    *others, last = plan(study)
    for trial in others:
        store.write(study, _result(trial))
    points = (*_points(last, 1), Point("train/step_loss", 2, 5, math.nan))
    store.write(study, _result(last, Outcome.DIVERGED, points=points, reason="the training loss was nan at update 5"))
    return store


@pytest.fixture
def other(here, migrated):
    """A second, empty store."""
    return Store(locate("other", here), here)


@pytest.fixture
def exported(filled, study, here):
    """An export of all records."""
    path = here / "study.zip"
    assert archive.write(study, plan(study), filled, path) == 4
    return path


def _contents(path):
    """Return the files of an export by name."""
    with zipfile.ZipFile(path) as source:
        return {name: source.read(name) for name in source.namelist()}


def _write_zip(path, contents):
    with zipfile.ZipFile(path, "w") as target:
        for name, data in contents.items():
            target.writestr(name, data)


def _seal(path, contents):
    """Write an export with correct digests in its manifest, as a forger would."""
    manifest = json.loads(contents["manifest.json"])
    for name, entry in manifest["files"].items():
        if name in contents:
            entry["sha256"] = hashlib.sha256(contents[name]).hexdigest()
    _write_zip(path, contents | {"manifest.json": json.dumps(manifest).encode()})


def _forge(path, **changes):
    """Change files of an export and correct the digests in its manifest."""
    contents = _contents(path)
    for name, change in changes.items():
        if name == "study":
            contents["study.toml"] = change(contents["study.toml"])
            continue
        values = json.loads(contents[f"{name}.json"])
        change(values)
        contents[f"{name}.json"] = json.dumps(values).encode()
    _seal(path, contents)


def _without_ids(error):
    """Return a message with `<id>` for each id of a trial; ids depend on the file of the problem."""
    return re.sub(r"\b[0-9a-f]{16}\b", "<id>", str(error))


def test_an_export_has_what_was_recorded(filled, study, exported):
    """Plan, outcomes, weights, times, environments, the study and every value, NaN included, are bit-for-bit identical."""
    read = archive.read(exported)
    trials = plan(study)
    assert [(t.label, t.id) for t in read.trials] == [(t.label, t.id) for t in trials]
    before = filled.records([trial.id for trial in trials])
    for key, record in read.records(before).items():
        assert serialization.to_dict(record) == serialization.to_dict(before[key])
    keys = ["trial_id", "metric", "epoch", "step"]
    one = read.points(read.records_by_id.values()).sort_values(keys).reset_index(drop=True)
    two = (
        filled.points(before.values()).astype({"trial_id": str, "metric": str}).sort_values(keys).reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(one, two, check_dtype=False, check_exact=True, check_categorical=False)
    assert [trial.id for trial in plan(read.study.model_copy(update={"path": study.path}))] == [t.id for t in trials]


def test_the_same_records_give_the_same_bytes(filled, study, exported, other, here):
    """A second export has the same bytes, also from another store into which the first was merged."""
    merge(archive.read(exported), other)
    for store in (filled, other):
        archive.write(study, plan(study), store, here / "again.zip")
        assert (here / "again.zip").read_bytes() == exported.read_bytes()


def test_an_incomplete_study_can_be_exported(store, study, here):
    """The plan is complete, the records are those in the store, and the manifest has their number."""
    trials = plan(study)
    store.write(study, _result(trials[1]))
    assert archive.write(study, trials, store, here / "part.zip") == 1
    read = archive.read(here / "part.zip")
    assert (len(read.trials), list(read.records_by_id)) == (4, [trials[1].id])
    manifest = json.loads(_contents(here / "part.zip")["manifest.json"])
    assert (manifest["planned"], manifest["recorded"]) == (4, 1)


def test_overrides_and_defaults_are_part_of_an_export(store, study, here):
    """The export has the study that was run, with the name of its report, even if the study's file is deleted."""
    short = study.override(epochs=1, repeats=1)
    for trial in plan(short):
        store.write(short, _result(trial))
    archive.write(short, plan(short), store, here / "short.zip")
    study.path.unlink()
    read = archive.read(here / "short.zip")
    assert (read.study.epochs, read.study.repeats, read.study.report_name) == (1, 1, "toy_study@repeats=1,epochs=1")
    assert 'score = "test/accuracy"' in study_file.study_to_toml(read.study)


def test_a_study_is_read_back_exactly(write_study):
    """Every key survives writing and reading: schedules, options, spaces, exact floats."""
    extra = (
        '\n[[optimizer]]\nname = "x [\\"é\\"]"\nkind = "adam"\nlr = 0.1234567890123456789\nbetas = [0.9, 0.999]\n'
        'schedule = { kind = "step", milestones = [0.1, 0.7] }\nproblem_options = { a = 1 }\n'
        "[tune]\ntrials = 3\n[tune.space.adam]\nlr = { log = [1e-5, 1] }\n"
    )
    study = load_study(write_study(extra=extra))
    again = validate_study(
        parse_study(study_file.study_to_toml(study).encode(), "x"), location="x", origin={"name": study.name}
    )
    assert again.model_dump() == study.model_dump()


def test_step_losses_can_be_means(filled, study, here, wording):
    """On request, they are means over equal windows, at the last step of each. Such an export cannot be merged."""
    long = study.override(epochs=150)  # 600 updates, shown in windows of 6
    trial = plan(long)[0]
    filled.write(long, _result(trial))
    archive.write(long, plan(long), filled, here / "thin.zip", 250)
    read = archive.read(here / "thin.zip")
    assert read.step_losses == 250
    kept = read.points([read.records_by_id[trial.id]]).query("metric == 'train/step_loss'")
    losses = filled.points([filled.records([trial.id])[trial.id]]).query("metric == 'train/step_loss'")["value"]
    assert kept["step"].tolist() == list(range(3, 601, 3)), (
        "the shortest window that divides 6 and gives at most 250 means"
    )
    means = losses.to_numpy().reshape(-1, 3).mean(axis=1)
    assert kept["value"].to_numpy() == pytest.approx(means, rel=1e-7)
    with pytest.raises(UserError) as error:
        merge(read, filled)
    wording(error.value)


def test_a_merge_records_only_what_is_missing(exported, other, study):
    """It adds all records at first and none the second time; times and environments are those of the measurement."""
    read = archive.read(exported)
    assert (merge(read, other).added, merge(read, other).added) == (4, 0)
    ids = [trial.id for trial in plan(study)]
    records = other.records(ids)
    assert {key: r.weights for key, r in records.items()} == {key: r.weights for key, r in read.records_by_id.items()}
    assert {r.timing for r in records.values()} == {
        Timing(0.1 + 0.2, 1 / 3, 2 / 3, 7, state_bytes=8 / 3, evaluations=2.5)
    }
    assert {r.environment["device_name"] for r in records.values()} == {"A CPU"}
    from mlflow import MlflowClient

    client = MlflowClient(other.uri)
    runs = client.search_runs([client.get_experiment_by_name("toy_study").experiment_id])
    assert len(runs) == 4


def test_a_result_replaces_a_failure_and_never_the_reverse(exported, other, filled, study, here):
    """A result replaces a failure of the store; a result of the store is not changed, times included."""
    first, second, *_ = plan(study)
    other.write(study, _result(first, Outcome.FAILED, points=(), weights="", reason="memory"))
    other.write(study, _result(second, timing=Timing(9.0, 9.0, 9.0, 9)))
    assert merge(archive.read(exported), other).added == 3
    records = other.records([first.id, second.id])
    assert records[first.id].outcome is Outcome.OK
    assert records[second.id].timing.train == 9.0
    third = Store(locate("third", here), here)
    third.write(study, _result(first, Outcome.FAILED, points=(), weights="", reason="memory"))
    archive.write(study, plan(study), third, here / "failed.zip")
    assert merge(archive.read(here / "failed.zip"), filled).added == 0
    assert filled.records([first.id])[first.id].outcome is Outcome.OK


def test_another_result_of_a_trial_is_refused(exported, other, study, here, wording):
    """The message has both results with their environments; nothing is merged and the store is not changed."""
    trial = plan(study)[1]
    other.write(study, _result(trial, weights="0" * 64, environment={"device_name": "Another CPU", "torch": "3"}))
    weights = _result(trial).weights[:8]
    with pytest.raises(UserError) as error:
        merge(archive.read(exported), other)
    wording(_without_ids(error.value), {weights: "<weights>", str(here): "<folder>"})
    assert list(other.records([t.id for t in plan(study)])) == [trial.id]


def _first(values):
    return values["records"][min(values["records"])]


FORGERIES = {
    "a newer version": {"manifest": lambda m: m.update(version=2)},
    "a newer schema": {"manifest": lambda m: m.update(schema=9)},
    "another format": {"manifest": lambda m: m.update(format="x")},
    "a path as the name": {"manifest": lambda m: m.update(study="../../x")},
    "dots as the name": {"manifest": lambda m: m.update(study="..")},
    "an unknown key": {"manifest": lambda m: m.update(extra=1)},
    "a file without a digest": {"manifest": lambda m: m["files"].pop("study.toml")},
    "another seed": {"records": lambda r: next(iter(r["trials"].values())).update(seed=1)},
    "text as epochs": {"records": lambda r: next(iter(r["trials"].values())).update(epochs="2")},
    "an unknown field": {"records": lambda r: next(iter(r["trials"].values())).update(more="2")},
    "a record without a trial": {"records": lambda r: r["trials"].pop(min(r["records"]))},
    "an empty plan": {"records": lambda r: r.update(plan=[])},
    "no weights": {"records": lambda r: _first(r).update(weights="")},
    "an unknown outcome": {"records": lambda r: _first(r).update(outcome="fine")},
    "unknown times": {"records": lambda r: _first(r)["timing"].update(idle=1.0)},
    "a missing environment": {"records": lambda r: _first(r).update(environment=7)},
    "a missing record": {"records": lambda r: r["records"].pop(min(r["records"]))},
    "an invalid study": {"study": lambda s: s.replace(b"repeats = 2", b"repeats = 0")},
}


@pytest.mark.parametrize("case", FORGERIES)
def test_an_inconsistent_export_is_refused(exported, case, wording):
    """Another version, a description with another hash, an unknown name or value: one error, and no record is read."""
    _forge(exported, **FORGERIES[case])
    with pytest.raises(UserError) as error:
        archive.read(exported)
    assert str(error.value).startswith(str(exported))
    wording(_without_ids(error.value))


def test_a_changed_byte_is_found(exported, wording):
    """A file without the digest of the manifest is refused by name."""
    contents = _contents(exported)
    contents["records.json"] = contents["records.json"].replace(b"A CPU", b"B CPU")
    _write_zip(exported, contents)
    with pytest.raises(UserError) as error:
        archive.read(exported)
    wording(error.value)


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "more.pkl"])
def test_an_additional_file_is_refused(exported, here, name, wording):
    """Only the five files of an export are read, whatever their path, and nothing is written."""
    with zipfile.ZipFile(exported, "a") as target:
        target.writestr(name, b"cos\nsystem\n(S'touch hacked'\ntR.")
    before = sorted(here.rglob("*"))
    with pytest.raises(UserError) as error:
        archive.read(exported)
    wording(error.value)
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(exported, share):
    """A partial download is one error."""
    data = exported.read_bytes()
    exported.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=r"not an export of Ravine|damaged"):
        archive.read(exported)


TABLES = {
    "a missing row": lambda t: t.slice(0, t.num_rows - 1),
    "a missing column": lambda t: t.drop_columns(["step"]),
    "no values": lambda t: t.set_column(4, "value", pa.array([None] * t.num_rows, pa.float64())),
    "epochs beyond the last": lambda t: t.set_column(2, "epoch", pa.array([3] * t.num_rows)),
    "every row twice": lambda t: pa.concat_tables([t, t]),
    "text as values": lambda t: t.set_column(4, "value", pa.array(["x"] * t.num_rows)),
}


@pytest.mark.parametrize("case", TABLES)
def test_an_incomplete_history_is_refused(exported, case, wording):
    """A history must have every epoch of its record exactly once."""
    contents = _contents(exported)
    table = pq.read_table(io.BytesIO(contents["points.parquet"]))
    order = np.argsort(table["trial_id"].to_numpy() != table["trial_id"][0].as_py(), kind="stable")[::-1]
    target = io.BytesIO()
    pq.write_table(TABLES[case](table.take(order)), target)
    contents["points.parquet"] = target.getvalue()
    _seal(exported, contents)
    with pytest.raises(UserError) as error:
        archive.read(exported)
    assert len(str(error.value).splitlines()) == 1
    if case not in {"a missing column", "text as values"}:  # those have the message of pyarrow
        wording(re.sub(r"(SGD|Adam) r\d", "<trial>", _without_ids(error.value)))  # the ids decide which one is first


def test_a_lost_history_is_not_exported(filled, study, here):
    """If the store has lost the history of a record, the export fails and writes nothing."""
    next((here / "out/artifacts").rglob("history.parquet")).unlink()
    with pytest.raises(UserError, match="the store cannot be read"):
        archive.write(study, plan(study), filled, here / "study.zip")
    assert not (here / "study.zip").exists()


@pytest.mark.usefixtures("no_figures")
def test_export_and_merge_from_the_command_line(call, write_study, here):
    """A study moves to another store, where its report has the same scores; a second merge adds nothing."""
    path = write_study()
    call("run", path)
    before = (here / "out/reports/toy_study/scores.csv").read_bytes()
    status, out, err = call("export", path)
    assert (status, err) == (0, "")
    assert out.startswith("4 of 4 trials of toy_study are in out/exports/toy_study.zip (")
    status, out, err = call("merge", "out/exports/toy_study.zip", "--store", "other")
    assert (status, err) == (0, "")
    assert "toy_study: 4 trials added to " in out
    assert "toy_study: 0 trials added to " in call("merge", "out/exports/toy_study.zip", "--store", "other")[1]
    assert call("report", path, "--store", "other")[0] == 0
    assert (here / "out/reports/toy_study/scores.csv").read_bytes() == before


@pytest.mark.parametrize(
    "command",
    ["export quick", "export quick toy.py", "export quick .", "merge nowhere.zip", "merge toy.py", "merge out"],
)
def test_invalid_arguments_are_one_error(call, write_study, command, wording):
    """The exit status is 2, without a traceback."""
    write_study()
    status, out, err = call(*command.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    wording(err)


@pytest.mark.usefixtures("no_figures")
def test_two_versions_are_compared_from_the_command_line(call, write_study, here, wording):
    """An export from before a change is compared with the study after it: a table, a page, and the same as JSON."""
    path = write_study(repeats=6)
    call("run", path, "--epochs", 1)
    call("export", path, "before.zip", "--epochs", 1)
    call("run", path)
    status, out, err = call("compare", "before.zip", path)
    assert (status, err) == (0, "")
    assert "test accuracy is significantly better for SGD and Adam" in out
    assert "Report: out/reports/toy_study_against_before/index.html" in out
    comparison = json.loads(call("compare", f"{path}@epochs=1", path, "--json")[1])
    assert (comparison["before"], comparison["paired"], comparison["test"]) == ("toy_study@epochs=1", True, "rank")
    assert [row["label"] for row in comparison["changes"]] == ["SGD", "Adam"]
    assert {"what": "epochs", "before": "1", "after": "2"} in comparison["setup_differences"]
    for before in (path, f"{path}@epoch=1"):
        status, _, err = call("compare", before, path)
        assert (status, err.count("\n")) == (2, 1)
        wording(err)


@pytest.mark.usefixtures("no_figures")
def test_the_shipped_run_is_reported_without_a_store(call, write_study, here, monkeypatch, wording):
    """`--baseline` needs no store and trains nothing. If the store has trials, they are compared with the shipped ones."""
    path = write_study(repeats=6)
    call("run", path, "--epochs", 1)
    call("export", path, "shipped.zip", "--epochs", 1)
    monkeypatch.setattr(archive, "baselines", lambda: {"toy_study": here / "shipped.zip"})
    with (here / path).open("a", encoding="utf-8") as file:
        file.write('\n[[claim]]\ntext = "Adam wins."\nbetter = "Adam"\nthan = "SGD"\n')
    (here / "out/mlflow.db").rename(here / "kept.db")
    status, out, err = call("report", path, "--baseline")
    assert (status, err.count("\n")) == (0, 1)
    wording(err)
    assert "Report: out/reports/toy_study@baseline/index.html" in out
    assert not (here / "out/mlflow.db").exists()
    manifest = json.loads((here / "out/reports/toy_study@baseline/manifest.json").read_text(encoding="utf-8"))
    assert (manifest["overrides"], manifest["complete"], manifest["study"]["epochs"]) == (["epochs=1"], True, 1)
    (here / "kept.db").rename(here / "out/mlflow.db")
    report = json.loads(call("report", path, "--baseline", "--json")[1])
    assert report["yours"]["before"] == "shipped"  # the store's trials with the overrides of the shipped run
    assert [claim["text"] for claim in report["claims"]] == ["Adam wins."], "claims are those of the study's file"
    call("run", path)
    status, out, _ = call("report", path, "--baseline")
    assert status == 0
    assert "yours against shipped" in out
    assert "yours against shipped" in (here / "out/reports/toy_study@baseline/index.html").read_text(encoding="utf-8")
    report = json.loads(call("report", path, "--baseline", "--test", "bootstrap-t", "--json")[1])
    assert (report["test"], report["yours"]["test"], report["yours"]["paired"]) == ("bootstrap-t", "bootstrap-t", True)
    status, _, err = call("report", "quick", "--baseline")
    assert status == 2
    wording(err)


@pytest.mark.parametrize("name", archive.baselines())
def test_a_shipped_run_has_the_plan_of_its_study(name):
    """It can be read, and its plan is the current plan of the study with its overrides, trial by trial."""
    read = archive.read(archive.baselines()[name])
    changed = dict(override.split("=", 1) for override in read.study.overrides)
    assert changed.keys() <= {"repeats", "precision"}
    repeats = int(changed["repeats"]) if "repeats" in changed else None
    study = load_study(name).override(repeats=repeats, precision=changed.get("precision"))
    assert [(trial.label, trial.id) for trial in read.trials] == [(trial.label, trial.id) for trial in plan(study)]
    assert read.records_by_id
