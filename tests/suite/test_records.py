"""`suite.records`: what a trial is."""

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
    """Two studies that name the same optimizer differently share its trials."""
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
        {"contract": TRAINING_VERSION + 1},
    ],
)
def test_everything_that_decides_what_is_computed_is(change):
    """Any other value of any other field is another trial."""
    assert dataclasses.replace(TRIAL, **change).id != TRIAL.id


def test_the_changes_above_name_every_field():
    """No field can be added without deciding whether it is part of the identity."""
    tested = {next(iter(mark)) for mark in test_everything_that_decides_what_is_computed_is.pytestmark[0].args[1]}
    assert tested | {"label"} == {field.name for field in dataclasses.fields(Trial)}


def test_a_description_gives_the_trial_back():
    """Lists and tuples, and the order of keys, do not change the identity on the way through JSON."""
    import json

    text = json.dumps(TRIAL.description())
    again = Trial.from_description(json.loads(text), "Adam")
    assert again.id == TRIAL.id
    assert again.description() == TRIAL.description()


def test_floats_are_exact_and_one_float_is_written_one_way():
    """Settings that print alike at a few digits stay apart, and equal ones never differ by their spelling."""
    assert canonical(0.1) != canonical(0.1 + 2**-56)
    assert canonical({"a": 1e-3, "b": [1]}) == canonical({"b": (1,), "a": 0.001})


def test_updates_count_the_last_smaller_batch():
    """60,000 examples in batches of 256 are 234 whole ones and one of 96."""
    assert (TRIAL.updates_per_epoch, TRIAL.updates) == (235, 1175)
    assert dataclasses.replace(TRIAL, batch_size="full").updates == 5


def test_the_last_epoch_is_always_tested():
    """With an evaluation every second epoch of five, the fifth is evaluated too."""
    assert dataclasses.replace(TRIAL, eval_every=2).tested_epochs() == (2, 4, 5)


def test_speed_counts_training_alone():
    """Examples per second leave evaluation out, and are NaN where nothing was trained."""
    assert Timing(train=2.0, evaluate=8.0, total=11.0, examples=100).examples_per_second == 50
    assert Timing().examples_per_second != Timing().examples_per_second


def test_records_import_the_standard_library_only():
    """The schema can be read without torch, mlflow or any other package."""
    code = "import sys, suite.records; print([m for m in ('torch','mlflow','pandas','pydantic','numpy') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
