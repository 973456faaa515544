"""`suite.trials` and `suite.records`: the identity of a trial, and what its record computes."""

import dataclasses
import subprocess
import sys

import pytest

from suite.records import Timing
from suite.trials import TRAINING_VERSION, Trial, canonical

TRIAL = Trial(
    label="Adam",
    problem="p",
    optimizer="adam",
    hyperparameters={"lr": 0.1, "betas": (0.9, 0.999)},
    batch_size=256,
    epochs=5,
    train_examples=60_000,
    repeat=0,
)


def test_the_label_is_not_part_of_the_identity():
    """Two studies with different names for the same optimizer share its trials."""
    assert dataclasses.replace(TRIAL, label="other").id == TRIAL.id


@pytest.mark.parametrize(
    "change",
    [
        {"problem": "q"},
        {"optimizer": "sgd"},
        {"hyperparameters": {"lr": 0.1000001, "betas": (0.9, 0.999)}},
        {"batch_size": "full"},
        {"epochs": 6},
        {"train_examples": 59_999},
        {"repeat": 1},
        {"seed": 1},
        {"stage": "tuning"},
        {"chunk": 256},
        {"schedule": {"kind": "cosine"}},
        {"eval_every": 2},
        {"evaluate_on": "validation"},
        {"evaluate_examples": 100},
        {"precision": "bfloat16"},
        {"compiled": True},
        {"problem_options": {"width": 2}},
        {"data": {"images": "abc"}},
        {"code": {"faraway": "1.2"}},
        {"epoch_updates": 10},
        {"clip": 1.0},
        {"label_smoothing": 0.1},
        {"ema": 0.9},
        {"closure": True},
        {"create_graph": True},
        {"wraps": [{"kind": "a:B", "hyperparameters": {"k": 5}}]},
        {"groups": [{"roles": ["bias"], "hyperparameters": {"lr": 0.1}}]},
        {"contract": TRAINING_VERSION + 1},
    ],
)
def test_every_other_field_is_part_of_the_identity(change):
    """Another value of any other field gives another id."""
    assert dataclasses.replace(TRIAL, **change).id != TRIAL.id


def test_the_changes_above_name_every_field():
    """Every new field must be added to the test above."""
    tested = {next(iter(mark)) for mark in test_every_other_field_is_part_of_the_identity.pytestmark[0].args[1]}
    assert tested | {"label"} == {field.name for field in dataclasses.fields(Trial)}


def test_a_description_gives_the_same_trial():
    """Lists instead of tuples, and the order of keys, do not change the identity after JSON."""
    import json

    text = json.dumps(TRIAL.description())
    again = Trial.from_description(json.loads(text), "Adam")
    assert again.id == TRIAL.id
    assert again.description() == TRIAL.description()


def test_ids_are_those_of_earlier_versions():
    """The field `eval_every` is stored under its old name, so the id of a trial has not changed."""
    trial = Trial(
        label="A",
        problem="p",
        optimizer="adam",
        hyperparameters={"lr": 0.1},
        batch_size=64,
        epochs=6,
        train_examples=100,
        repeat=2,
        eval_every=3,
    )
    assert trial.id == "93eacf396229faeb"
    assert trial.description()["test_every"] == 3
    assert Trial.from_description(trial.description(), "A") == trial


def test_floats_are_exact_and_canonical():
    """Floats that differ in the last bit differ in JSON, and equal values have equal JSON."""
    assert canonical(0.1) != canonical(0.1 + 2**-56)
    assert canonical({"a": 1e-3, "b": [1]}) == canonical({"b": (1,), "a": 0.001})


def test_updates_include_the_last_smaller_batch():
    """60,000 examples are 234 batches of 256 and one of 96."""
    assert (TRIAL.updates_per_epoch, TRIAL.updates) == (235, 1175)
    assert dataclasses.replace(TRIAL, batch_size="full").updates == 5


def test_the_last_epoch_is_always_evaluated():
    """With an evaluation every second epoch of five, the fifth is evaluated, too."""
    assert dataclasses.replace(TRIAL, eval_every=2).tested_epochs() == (2, 4, 5)


def test_the_speed_is_that_of_training():
    """Examples per second do not include evaluation, and are NaN if nothing was trained."""
    assert Timing(train=2.0, evaluate=8.0, total=11.0, examples=100).examples_per_second == 50
    assert Timing().examples_per_second != Timing().examples_per_second
    assert Timing(examples=100).evaluations == 1  # as in records of earlier versions


def test_records_import_the_standard_library_only():
    """The schema is importable without torch, mlflow or any other package."""
    code = "import sys, suite.records; print([m for m in ('torch','mlflow','pandas','pydantic','numpy') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
