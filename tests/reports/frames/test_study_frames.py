"""Tests of `reports.frames.study_frames`."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reports
from reports.frames.study_frames import UserError, command, load, settings
from suite.records import Outcome
from suite.spec.study import Study


def test_there_is_a_row_for_every_planned_trial_in_the_order_of_the_plan(sample) -> None:
    """Each planned trial has a row; one without a record is `missing`."""
    study = sample.study(["Momentum", "Adam"], repeats=2)
    trials = sample.plan(study)
    store = sample.fill(sample.Store(), [trials[3], trials[0]])
    frames = load(store, trials)
    assert list(frames.trials["label"]) == ["Momentum", "Momentum", "Adam", "Adam"]
    assert list(frames.trials["repeat"]) == [0, 1, 0, 1]
    assert list(frames.trials["outcome"]) == ["ok", "missing", "missing", "ok"]
    assert frames.planned == {"Momentum": 2, "Adam": 2}
    assert frames.labels == ("Momentum", "Adam")
    assert frames.recorded == 2


def test_records_outside_the_plan_are_ignored(sample) -> None:
    """A store has several studies; a report has exactly the ids of its plan."""
    trials = sample.plan(sample.study(["Adam", "MBSGD"], repeats=2))
    store = sample.fill(sample.Store(), trials)
    frames = load(store, trials[:1])
    assert set(frames.points["trial_id"]) == {trials[0].id}
    assert frames.planned == {"Adam": 1}


def test_a_trial_that_two_labels_share_has_its_points_under_both(sample) -> None:
    """The label is not part of a trial's id, so one record may be in two rows."""
    study = sample.study(["A", "B"], repeats=1)
    trials = sample.plan(study)
    assert trials[0].id == trials[1].id
    frames = load(sample.fill(sample.Store(), trials), trials)
    for points in (frames.points, frames.updates):
        counts = points.groupby("label", observed=True).size()
        assert counts["A"] == counts["B"] > 0
    assert list(frames.trials["outcome"]) == ["ok", "ok"]


def test_the_environment_of_a_record_is_in_its_row(sample) -> None:
    """Environment, speed and digest come from the record; missing keys are empty strings."""
    trials = sample.plan(sample.study(["Adam"], repeats=1))
    store = sample.Store()
    store.add(trials[0], environment={"device": "cuda"}, timing=sample.Timing(4.0, 0, 5.0, 1000), weights="ab")
    row = load(store, trials).trials.iloc[0]
    assert (row["device"], row["commit"], row["weights"]) == ("cuda", "", "ab")
    assert row["examples_per_second"] == 250.0  # 1000 examples in 4 seconds
    assert row["seconds_per_update"] == 4.0 / trials[0].updates
    assert np.isnan(row["state_bytes"])  # as in records of older versions
    assert row["evaluations"] == 1
    store.add(trials[0], timing=sample.Timing(4.0, 0, 5.0, 1000, state_bytes=8.0))
    assert load(store, trials).trials.iloc[0]["state_bytes"] == 8.0


def test_a_trial_that_ended_early_has_no_time_of_an_update(sample) -> None:
    """Fewer updates than planned were made in its seconds."""
    trials = sample.plan(sample.study(["Adam"], repeats=1))
    store = sample.Store()
    store.add(trials[0], [], Outcome.DIVERGED, reason="not finite", timing=sample.Timing(4.0, 0, 5.0, 1000))
    row = load(store, trials).trials.iloc[0]
    assert (row["outcome"], row["train_seconds"]) == ("diverged", 4.0)
    assert np.isnan(row["seconds_per_update"])


def test_an_empty_store_gives_frames_without_points(sample) -> None:
    """It is not an error: every trial is missing."""
    frames = load(sample.Store(), sample.plan(sample.study(["Adam"])))
    assert frames.recorded == 0
    assert frames.points.empty


def test_an_empty_plan_is_an_error(sample) -> None:
    """The error has the fix."""
    with pytest.raises(UserError, match="the plan has no trials"):
        load(sample.Store(), [])


def test_settings_have_the_written_options_and_another_budget(sample) -> None:
    """Learning rate and momentum come first; an entry's own batch size and epochs follow; default values are omitted."""
    study = sample.study(["Momentum", "SGD, batch 2"])
    entry = settings(study, sample.plan(study))
    assert entry == {"Momentum": "lr 0.01, momentum 0.9", "SGD, batch 2": "lr 0.01, batch 2, 1 epoch"}


def test_settings_have_the_groups() -> None:
    """Selectors, kind and written options of each group; all options of groups are among the settings of a trial."""
    from suite.tracking.tags import trial_parameters
    from suite.trials import Trial

    groups = [
        {"roles": ["bias", "norm"], "kind": "torch.optim:AdamW", "lr": 0.003},
        {"names": ["*.x"], "ndim": 1, "weight_decay": 0.0},
    ]
    entry = {"name": "M", "kind": "sgd", "lr": 0.1, "group": groups}
    study = Study.model_validate({"title": "t", "problem": "p", "repeats": 1, "epochs": 1, "optimizer": [entry]})
    resolved = (
        {"roles": ["bias", "norm"], "kind": "torch.optim:AdamW", "hyperparameters": {"lr": 0.003, "eps": 1e-8}},
        {"names": ["*.x"], "ndim": [1], "hyperparameters": {"weight_decay": 0.0}},
    )
    trial = Trial(
        label="M",
        problem="p",
        optimizer="sgd",
        hyperparameters={"lr": 0.1},
        groups=resolved,
        batch_size=256,
        epochs=1,
        train_examples=9,
        repeat=0,
    )
    text = "lr 0.1, group bias, norm: torch.optim:AdamW lr 0.003, group *.x, 1-D: weight_decay 0"
    assert settings(study, [trial]) == {"M": text}
    expected = {"lr": 0.1, "group.1.lr": 0.003, "group.1.eps": 1e-8, "group.2.weight_decay": 0.0}
    assert trial.settings == expected
    parameters = trial_parameters(trial)
    assert expected.items() <= parameters.items()
    assert parameters["group.1.kind"] == "torch.optim:AdamW"


def test_settings_have_lists_and_exact_floats() -> None:
    """A float is written so that it is read back exactly."""
    from suite.trials import Trial

    entry = {"name": "Adam", "kind": "adam", "lr": 0.1 + 0.2, "betas": [0.9, 0.999], "amsgrad": True}
    study = Study.model_validate({"title": "t", "problem": "p", "repeats": 1, "epochs": 1, "optimizer": [entry]})
    options = study.optimizer[0].options
    trial = Trial(
        label="Adam",
        problem="p",
        optimizer="adam",
        hyperparameters=options,
        batch_size=256,
        epochs=1,
        train_examples=9,
        repeat=0,
    )
    assert settings(study, [trial])["Adam"] == "lr 0.30000000000000004, betas (0.9, 0.999), amsgrad on"


def test_the_command_has_the_overrides_of_the_command_line(sample) -> None:
    """Overrides are options, and labels are quoted for a shell."""
    study = sample.study(["SGD, batch 2", "Adam"], name="quick")
    changed = study.override(repeats=2, optimizers=("SGD, batch 2",))
    assert command(changed) == "ravine run quick --repeats 2 --optimizer 'SGD, batch 2'"


def test_the_command_names_no_folder(sample, tmp_path) -> None:
    """A user's study is named by its file name, a shipped one by its name."""
    from suite.spec.study_file import shipped_studies

    own = sample.study(["Adam"], path=tmp_path / "mine.toml", name="mine")
    assert command(own) == "ravine run mine.toml"
    known = sample.study(["Adam"], path=shipped_studies()["quick"].resolve(), name="quick")
    assert command(known) == "ravine run quick"


def test_reports_load_neither_torch_nor_mlflow() -> None:
    """Importing every module of `reports` needs neither; `import reports` alone needs no plotting library either."""
    room = Path(reports.__file__).parent
    modules = [".".join(path.relative_to(room).with_suffix("").parts) for path in room.rglob("[a-z]*.py")]
    assert {"pages.study", "figures.style", "sections.trajectories", "sections.tuning"} <= set(modules)
    heavy = "import sys; print({'torch', 'mlflow', 'optuna'} & set(sys.modules))"
    light = "import reports, sys; print({'matplotlib', 'pandas', 'scipy', 'seaborn'} & set(sys.modules))"
    every = f"import {', '.join(f'reports.{name}' for name in modules)}; {heavy}"
    for code in (every, light):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"


def test_a_diverged_record_keeps_its_outcome_and_reason(sample) -> None:
    """A failure is a result."""
    trials = sample.plan(sample.study(["Adam"], repeats=1))
    store = sample.Store()
    store.add(trials[0], outcome=Outcome.DIVERGED, reason="the loss was not finite")
    row = load(store, trials).trials.iloc[0]
    assert (row["outcome"], row["reason"]) == ("diverged", "the loss was not finite")


def test_the_real_store_gives_the_same_frames(sample, store) -> None:
    """Records from MLflow, with a NaN and an outcome, give the same frames as records in memory."""
    from suite.records import TrialResult

    study = sample.study(["Adam", "SGD, lr 10"], repeats=2, epochs=2, batch_size=64, train_examples=128, name="small")
    trials = sample.plan(study)
    memory = sample.fill(sample.Store(), trials[1:], diverges=lambda trial: trial.label == "SGD, lr 10")
    for record in memory.all.values():
        parts = ("trial", "outcome", "reason", "weights", "timing", "environment", "started")
        points = memory.measured[record.trial.id]
        store.write(study, TrialResult(points=points, **{name: getattr(record, name) for name in parts}))
    ours, theirs = load(memory, trials), load(store, trials)
    pd.testing.assert_frame_equal(ours.trials, theirs.trials)
    order = ["label", "repeat", "metric", "step"]
    sort = [frames.points.sort_values(order, ignore_index=True) for frames in (ours, theirs)]
    pd.testing.assert_frame_equal(*sort)
    pd.testing.assert_frame_equal(ours.updates, theirs.updates)
