"""`suite.transfer.archive` and `suite.transfer.merge`: a study's records as one file, and into a store."""

import hashlib
import io
import json
import math
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
from suite.tracking.store import Store, locate
from suite.transfer import archive
from suite.transfer.merge import merge


def _points(trial, epochs=None):
    """The history of a trial as the engine records it: float32 losses, an epoch's metrics after its last step."""
    points, steps = [], trial.updates_per_epoch
    draw = np.random.default_rng(trial.repeat + 1)
    for epoch in range(1, (epochs or trial.epochs) + 1):
        first = (epoch - 1) * steps
        points += [
            Point("train/step_loss", epoch, first + i + 1, float(np.float32(v)))
            for i, v in enumerate(draw.random(steps))
        ]
        for metric in ("train/loss", "train/accuracy", "test/loss", "test/accuracy"):
            points.append(Point(metric, epoch, epoch * steps, float(draw.random())))
    return tuple(points)


def _result(trial, outcome=Outcome.OK, **changes):
    values = {
        "points": _points(trial),
        "weights": hashlib.sha256(trial.id.encode()).hexdigest(),
        "timing": Timing(0.1 + 0.2, 1 / 3, 2 / 3, 7),
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
    """The store with all of the study, one trial of it diverged."""
    *most, last = plan(study)
    for trial in most:
        store.write(study, _result(trial))
    odd = (*_points(last, 1), Point("train/step_loss", 2, 5, math.nan))
    store.write(study, _result(last, Outcome.DIVERGED, points=odd, reason="the training loss was nan at update 5"))
    return store


@pytest.fixture
def other(here, migrated):
    """A second, empty store."""
    return Store(locate("other", here), here)


@pytest.fixture
def exported(filled, study, here):
    """An export of all of it."""
    path = here / "study.zip"
    assert archive.write(study, plan(study), filled, path) == 4
    return path


def _changed(path, **files):
    """The export with files changed, and the manifest's digests made right again, as who means to deceive would."""
    with zipfile.ZipFile(path) as source:
        whole = {name: source.read(name) for name in source.namelist()}
    for name, change in files.items():
        key = {"records": "records.json", "manifest": "manifest.json", "study": "study.toml"}[name]
        if key.endswith(".toml"):
            whole[key] = change(whole[key])
            continue
        value = json.loads(whole[key])
        change(value)
        whole[key] = json.dumps(value).encode()
    _seal(path, whole)
    return path


def _seal(path, whole):
    manifest = json.loads(whole["manifest.json"])
    for name, said in manifest["files"].items():
        if name in whole:
            said["sha256"] = hashlib.sha256(whole[name]).hexdigest()
    whole["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as target:
        for name, data in whole.items():
            target.writestr(name, data)


def test_an_export_gives_back_what_was_recorded(filled, study, exported):
    """Plan, outcome, weights, times, place and every value come back to the last bit, NaN and the study included."""
    read = archive.read(exported)
    trials = plan(study)
    assert [(t.label, t.id) for t in read.trials] == [(t.label, t.id) for t in trials]
    before = filled.records([trial.id for trial in trials])
    for key, record in read.records(before).items():
        was = before[key]
        told = (record.outcome, record.reason, record.weights, record.timing, record.started, record.trial.label)
        assert told == (was.outcome, was.reason, was.weights, was.timing, was.started, was.trial.label)
        assert dict(record.environment) == dict(was.environment)
    keys = ["trial_id", "metric", "epoch", "step"]
    one = read.points(read.found.values()).sort_values(keys).reset_index(drop=True)
    two = (
        filled.points(before.values()).astype({"trial_id": str, "metric": str}).sort_values(keys).reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(one, two, check_dtype=False, check_exact=True, check_categorical=False)
    assert [trial.id for trial in plan(read.study.model_copy(update={"path": study.path}))] == [t.id for t in trials]


def test_the_same_records_give_the_same_bytes(filled, study, exported, other, here):
    """A second export is equal byte by byte, also from another store into which the first was merged."""
    merge(archive.read(exported), other)
    for store in (filled, other):
        archive.write(study, plan(study), store, here / "again.zip")
        assert (here / "again.zip").read_bytes() == exported.read_bytes()


def test_an_unfinished_study_is_exported_as_far_as_it_is(store, study, here):
    """The plan is whole, the records are those that there are, and the manifest says how many."""
    trials = plan(study)
    store.write(study, _result(trials[1]))
    assert archive.write(study, trials, store, here / "part.zip") == 1
    read = archive.read(here / "part.zip")
    assert (len(read.trials), list(read.found)) == (4, [trials[1].id])
    with zipfile.ZipFile(here / "part.zip") as source:
        manifest = json.loads(source.read("manifest.json"))
    assert (manifest["planned"], manifest["recorded"]) == (4, 1)


def test_overrides_and_defaults_are_part_of_an_export(store, study, here):
    """The study in the file is the one that was run, under the name of its report, whatever the study's file says later."""
    short = study.override(epochs=1, repeats=1)
    for trial in plan(short):
        store.write(short, _result(trial))
    archive.write(short, plan(short), store, here / "short.zip")
    study.path.unlink()
    read = archive.read(here / "short.zip")
    assert (read.study.epochs, read.study.repeats, read.study.report_name) == (1, 1, "toy_study@repeats=1,epochs=1")
    assert 'score = "test/accuracy"' in study_file.study_to_toml(read.study)


def test_a_study_is_written_as_it_reads_back(write_study):
    """Every key survives the way through a study file: schedules, options, spaces, exact floats."""
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


def test_step_losses_may_be_kept_as_means(filled, study, here):
    """On request, means over equal windows that end at the step that is kept; the manifest says so; merging refuses them."""
    long = study.override(epochs=150)  # 600 updates, shown in windows of 6
    trial = plan(long)[0]
    filled.write(long, _result(trial))
    archive.write(long, plan(long), filled, here / "thin.zip", 250)
    read = archive.read(here / "thin.zip")
    assert read.step_losses == 250
    kept = read.points([read.found[trial.id]]).query("metric == 'train/step_loss'")
    whole = filled.points([filled.records([trial.id])[trial.id]]).query("metric == 'train/step_loss'")["value"]
    assert kept["step"].tolist() == list(range(3, 601, 3)), "the shortest window that divides 6 and keeps at most 250"
    means = whole.to_numpy().reshape(-1, 3).mean(axis=1)
    assert kept["value"].to_numpy() == pytest.approx(means, rel=1e-7)
    with pytest.raises(UserError, match=r"means over windows in place of the step losses"):
        merge(read, filled)


def test_a_merge_records_what_is_missing_and_twice_does_nothing_twice(exported, other, study):
    """All of it the first time, nothing the second; times and place are those of the first measurement."""
    read = archive.read(exported)
    assert (merge(read, other).added, merge(read, other).added) == (4, 0)
    ids = [trial.id for trial in plan(study)]
    found = other.records(ids)
    assert {key: r.weights for key, r in found.items()} == {key: r.weights for key, r in read.found.items()}
    assert {r.timing for r in found.values()} == {Timing(0.1 + 0.2, 1 / 3, 2 / 3, 7)}
    assert {r.environment["device_name"] for r in found.values()} == {"A CPU"}
    from mlflow import MlflowClient

    client = MlflowClient(other.uri)
    runs = client.search_runs([client.get_experiment_by_name("toy_study").experiment_id])
    assert len(runs) == 4


def test_a_result_takes_the_place_of_a_failure_and_never_the_other_way(exported, other, filled, study, here):
    """A trial that failed here and ended there is merged; one that ended here stays, times included."""
    first, second, *_ = plan(study)
    other.write(study, _result(first, Outcome.FAILED, points=(), weights="", reason="memory"))
    other.write(study, _result(second, timing=Timing(9.0, 9.0, 9.0, 9)))
    assert merge(archive.read(exported), other).added == 3
    found = other.records([first.id, second.id])
    assert found[first.id].outcome is Outcome.OK
    assert found[second.id].timing.train == 9.0
    third = Store(locate("third", here), here)
    third.write(study, _result(first, Outcome.FAILED, points=(), weights="", reason="memory"))
    archive.write(study, plan(study), third, here / "failed.zip")
    assert merge(archive.read(here / "failed.zip"), filled).added == 0
    assert filled.records([first.id])[first.id].outcome is Outcome.OK


def test_a_trial_with_other_weights_is_told_and_nothing_is_merged(exported, other, study):
    """The line says which trial, how each ended and where; the store keeps what it had."""
    trial = plan(study)[1]
    other.write(study, _result(trial, weights="0" * 64, environment={"device_name": "Another CPU", "torch": "3"}))
    with pytest.raises(UserError) as caught:
        merge(archive.read(exported), other)
    told = str(caught.value)
    assert f"Adam r0 ({trial.id}) does not fit" in told
    assert "(torch 2, A CPU) there, ok, weights 00000000 (torch 3, Another CPU) here" in told
    assert "\n" not in told
    assert list(other.records([t.id for t in plan(study)])) == [trial.id]


def _first(value):
    return value["records"][min(value["records"])]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"manifest": lambda m: m.update(version=2)}, "its version is 2, this Ravine reads 1"),
        ({"manifest": lambda m: m.update(schema=9)}, "its schema is 9, this Ravine reads 1"),
        ({"manifest": lambda m: m.update(format="x")}, "no export of Ravine"),
        ({"manifest": lambda m: m.update(study="../../x")}, "'../../x' is no name of a study"),
        ({"manifest": lambda m: m.update(study="..")}, "'..' is no name of a study"),
        ({"manifest": lambda m: m.update(extra=1)}, "manifest.json: extra: Extra inputs are not permitted"),
        ({"manifest": lambda m: m["files"].pop("study.toml")}, "are not those of manifest.json"),
        ({"records": lambda r: next(iter(r["trials"].values())).update(seed=1)}, "is that of "),
        ({"records": lambda r: next(iter(r["trials"].values())).update(epochs="2")}, "describes no trial"),
        ({"records": lambda r: next(iter(r["trials"].values())).update(more="2")}, "is that of "),
        ({"records": lambda r: r["trials"].pop(min(r["records"]))}, "has no trial or no environment"),
        ({"records": lambda r: r.update(plan=[])}, "the plan names trials that are not in it"),
        ({"records": lambda r: _first(r).update(weights="")}, "without weights"),
        ({"records": lambda r: _first(r).update(outcome="fine")}, "unknown outcome"),
        ({"records": lambda r: _first(r).update(environment=7)}, "no environment"),
        ({"records": lambda r: r["records"].pop(min(r["records"]))}, "values of trials that it has no record of"),
        (
            {"study": lambda s: s.replace(b"repeats = 2", b"repeats = 0")},
            "study.toml: repeats: expected greater than 0",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(exported, files, told):
    """Another version, a description that does not hash to its id, a strange name or value: one line each, no record read."""
    with pytest.raises(UserError) as caught:
        archive.read(_changed(exported, **files))
    assert str(exported) in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_byte_is_found(exported):
    """A file whose digest is not that of the manifest is refused, and named."""
    with zipfile.ZipFile(exported) as source:
        whole = {name: source.read(name) for name in source.namelist()}
    whole["records.json"] = whole["records.json"].replace(b"A CPU", b"B CPU")
    with zipfile.ZipFile(exported, "w") as target:
        for name, data in whole.items():
            target.writestr(name, data)
    with pytest.raises(UserError, match=r"records.json has not the digest that manifest.json says"):
        archive.read(exported)


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "more.pkl"])
def test_a_file_that_no_export_has_is_refused(exported, here, name):
    """Nothing beside the five files is read, wherever it claims to lie, and nothing is written."""
    with zipfile.ZipFile(exported, "a") as target:
        target.writestr(name, b"cos\nsystem\n(S'touch hacked'\ntR.")
    before = sorted(here.rglob("*"))
    with pytest.raises(UserError, match="files that no export has"):
        archive.read(exported)
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_refused(exported, share):
    """Half a download is told in one line."""
    data = exported.read_bytes()
    exported.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=r"no export of Ravine|damaged"):
        archive.read(exported)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.slice(0, t.num_rows - 1), "a partial run: its history does not cover the 2 epochs"),
        (lambda t: t.drop_columns(["step"]), "points.parquet: "),
        (lambda t: t.set_column(4, "value", pa.array([None] * t.num_rows, pa.float64())), "values are missing"),
        (lambda t: t.set_column(2, "epoch", pa.array([3] * t.num_rows)), "a partial run"),
        (lambda t: pa.concat_tables([t, t]), "a partial run"),
        (lambda t: t.set_column(4, "value", pa.array(["x"] * t.num_rows)), "points.parquet: "),
    ],
)
def test_a_partial_run_is_refused(exported, change, told):
    """A history that ends before the epochs that its record claims, or says something twice, is no whole run."""
    with zipfile.ZipFile(exported) as source:
        whole = {name: source.read(name) for name in source.namelist()}
    table = pq.read_table(io.BytesIO(whole["points.parquet"]))
    order = np.argsort(table["trial_id"].to_numpy() != table["trial_id"][0].as_py(), kind="stable")[::-1]
    target = io.BytesIO()
    pq.write_table(change(table.take(order)), target)
    whole["points.parquet"] = target.getvalue()
    _seal(exported, whole)
    with pytest.raises(UserError) as caught:
        archive.read(exported)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_history_that_was_lost_is_not_exported(filled, study, here):
    """Where the store has a record and no longer its history, the export says so and writes nothing."""
    next((here / "out/artifacts").rglob("history.parquet")).unlink()
    with pytest.raises(UserError, match="the store cannot be read"):
        archive.write(study, plan(study), filled, here / "study.zip")
    assert not (here / "study.zip").exists()


@pytest.mark.usefixtures("no_figures")
def test_export_and_merge_from_the_command_line(call, write_study, here):
    """A study moves to another store, where its report says the same numbers; a second merge adds nothing."""
    path = write_study()
    call("run", path)
    before = (here / "out/reports/toy_study/scores.csv").read_bytes()
    status, out, err = call("export", path)
    assert (status, err) == (0, "")
    assert out.startswith("4 of 4 trials of toy_study are in out/exports/toy_study.zip (")
    status, out, err = call("merge", "out/exports/toy_study.zip", "--store", "other")
    assert (status, err) == (0, "")
    assert "toy_study: 4 trials recorded in " in out
    assert "toy_study: 0 trials recorded in " in call("merge", "out/exports/toy_study.zip", "--store", "other")[1]
    assert call("report", path, "--store", "other")[0] == 0
    assert (here / "out/reports/toy_study/scores.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "quick"], "nothing is recorded for the study quick yet"),
        (["export", "quick", "toy.py"], "toy.py: something that is no export of Ravine is there"),
        (["export", "quick", "."], "something that is no export of Ravine is there"),
        (["merge", "nowhere.zip"], "nowhere.zip: no such file"),
        (["merge", "toy.py"], "toy.py: no export of Ravine: "),
        (["merge", "out"], "out: cannot be read: "),
    ],
)
def test_a_mistake_is_one_line(call, write_study, arguments, told):
    """No traceback: what, where, the mend."""
    write_study()
    status, out, err = call(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert told in err


@pytest.mark.usefixtures("no_figures")
def test_two_versions_are_compared_from_the_command_line(call, write_study, here):
    """An export kept from before a change against the study after it: a table, a page, and the same as JSON."""
    path = write_study(repeats=6)
    call("run", path, "--epochs", 1)
    call("export", path, "before.zip", "--epochs", 1)
    call("run", path)
    status, out, err = call("compare", "before.zip", path)
    assert (status, err) == (0, "")
    assert "From before to toy_study, by test accuracy: " in out
    assert "Report: out/reports/toy_study_against_before/index.html" in out
    told = json.loads(call("compare", f"{path}@epochs=1", path, "--json")[1])
    assert (told["before"], told["paired"], told["test"]) == ("toy_study@epochs=1", True, "max-t")
    assert [row["label"] for row in told["changes"]] == ["SGD", "Adam"]
    assert {"what": "epochs", "before": "1", "after": "2"} in told["setup_differences"]
    status, out, err = call("compare", path, path)
    assert (status, err.count("\n")) == (2, 1)
    assert "both are toy_study. Before a change, keep what was: ravine export toy_study before.zip" in err
    status, _, err = call("compare", f"{path}@epoch=1", path)
    assert (status, err.count("\n")) == (2, 1)
    assert 'expected changes after the @, got "epoch=1"' in err


@pytest.mark.usefixtures("no_figures")
def test_the_shipped_run_is_reported_without_a_store(call, write_study, here, monkeypatch):
    """`--baseline` needs no store and trains nothing; once there are own trials, they are set against the shipped ones."""
    path = write_study(repeats=6)
    call("run", path, "--epochs", 1)
    call("export", path, "shipped.zip", "--epochs", 1)
    monkeypatch.setattr(archive, "baselines", lambda: {"toy_study": here / "shipped.zip"})
    (here / "out/mlflow.db").rename(here / "kept.db")
    status, out, err = call("report", path, "--baseline")
    assert (status, err.count("\n")) == (0, 1)
    assert "nothing to compare with it. Run it as it was run: ravine run toy_study --epochs 1" in err
    assert "Report: out/reports/toy_study@baseline/index.html" in out
    assert not (here / "out/mlflow.db").exists()
    told = json.loads((here / "out/reports/toy_study@baseline/manifest.json").read_text(encoding="utf-8"))
    assert (told["overrides"], told["complete"], told["study"]["epochs"]) == (["epochs=1"], True, 1)
    (here / "kept.db").rename(here / "out/mlflow.db")
    told = json.loads(call("report", path, "--baseline", "--json")[1])
    assert told["yours"]["before"] == "shipped"  # the own trials of the changes that the shipped run has
    call("run", path)
    status, out, _ = call("report", path, "--baseline")
    assert status == 0
    assert "yours against shipped" in out
    assert "yours against shipped" in (here / "out/reports/toy_study@baseline/index.html").read_text(encoding="utf-8")
    told = json.loads(call("report", path, "--baseline", "--test", "welch", "--json")[1])
    assert (told["test"], told["yours"]["test"], told["yours"]["paired"]) == ("welch", "welch", True)
    status, _, err = call("report", "quick", "--baseline")
    assert (status, err) == (2, "ravine: no run of quick comes with Ravine. There are: toy_study\n")


@pytest.mark.parametrize("name", archive.baselines())
def test_a_run_that_comes_with_ravine_is_of_the_study_of_its_name(name):
    """It is read whole, and its plan is the study's today, with its overrides: trial by trial."""
    read = archive.read(archive.baselines()[name])
    changed = dict(override.split("=", 1) for override in read.study.overrides)
    assert changed.keys() <= {"repeats", "precision"}
    repeats = int(changed["repeats"]) if "repeats" in changed else None
    study = load_study(name).override(repeats=repeats, precision=changed.get("precision"))
    assert [(trial.label, trial.id) for trial in read.trials] == [(trial.label, trial.id) for trial in plan(study)]
    assert read.found
