"""`suite.execution.verification` and `ravine verify`: recorded trials run again, bit for bit."""

import dataclasses
import json

import pytest
from mlflow import MlflowClient

from suite.errors import UserError
from suite.execution.verification import Check, sample
from suite.records import REPRODUCIBILITY_KEYS, Outcome, Timing, TrialRecord, TrialResult
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.provenance import changed, check_same_environment, environment

HERE = {"device": "cpu", "device_name": "X", "threads": "1", "cpu_capability": "AVX2", "torch": "2.15", "commit": "a"}


def _record(trial, **more):
    values = {"run_id": "r", "outcome": Outcome.OK, "reason": "", "weights": "ab" * 32, "timing": Timing()}
    return TrialRecord(**{"trial": trial, "environment": HERE, "started": 0.0, **values, **more})


def _check(trial, weights, place=HERE, **more):
    values = {"outcome": Outcome.OK, "environment": place, **more}
    return Check(_record(trial), TrialResult(trial=trial, weights=weights, **values))


@pytest.fixture
def trial(write_study):
    """A trial of a toy."""
    return plan(load_study(write_study()))[0]


def test_the_same_weights_are_the_same_and_changed_places_are_told(trial):
    """Agreement on another torch is agreement, with the change beside it; a new commit alone is no news then."""
    assert _check(trial, "ab" * 32).same
    assert _check(trial, "ab" * 32, HERE | {"commit": "b"}).why == ""
    other = _check(trial, "ab" * 32, HERE | {"torch": "2.16"})
    assert (other.same, other.why) == (True, "torch 2.15 → 2.16")


def test_other_weights_are_named_with_what_differs(trial):
    """Versions, device, threads and CPU capability first, then all else that is recorded; or that nothing recorded does."""
    place = HERE | {"commit": "b", "cpu_capability": "AVX512", "threads": "2", "torch": ""}
    check = _check(trial, "cd" * 32, place)
    assert not check.same
    assert check.why == "threads 1 → 2; cpu_capability AVX2 → AVX512; torch 2.15 → not recorded; commit a → b"
    assert check.row()[2:5] == ["ab" * 6, "cd" * 6, "differs"]
    assert _check(trial, "cd" * 32).why == "nothing that is recorded"
    compiled = dataclasses.replace(trial, compiled=True)
    assert _check(compiled, "cd" * 32).why == "compiled steps, whose compiler is not recorded"


def test_another_outcome_is_a_difference(trial):
    """A trial that breaks now is told with the reason; its weights are none."""
    check = _check(trial, "", outcome=Outcome.FAILED, reason="a bug")
    assert not check.same
    assert check.why == "outcome ok → failed (a bug)"
    assert check.row()[3] == "none"


def test_a_sample_takes_every_optimizer_before_it_takes_one_twice(write_study):
    """Two of two optimizers and three repeats: one of each, on different repeats; a failed trial is never taken."""
    trials = plan(load_study(write_study(repeats=3)))
    records = [_record(trial) for trial in trials]
    assert [record.trial.name for record in sample(records, 2)] == ["SGD r0", "Adam r1"]
    assert len(sample(records, 4)) == 4
    everything = sample(records, None)
    assert sorted(record.trial.name for record in everything) == sorted(trial.name for trial in trials)
    records[0] = dataclasses.replace(records[0], outcome=Outcome.FAILED)
    assert "SGD r0" not in {record.trial.name for record in sample(records, None)}


@pytest.mark.parametrize("key", REPRODUCIBILITY_KEYS)
def test_strict_refuses_what_the_bits_may_depend_on(trial, key):
    """Each of these keys alone makes another environment, and is named with both values."""
    with pytest.raises(UserError) as caught:
        check_same_environment([_record(trial), _record(trial, environment=HERE | {key: "other"})], HERE)
    assert str(caught.value).startswith("--strict: 1 of 2 recorded trials of this study are from another environment (")
    assert f"{key} other there, {HERE.get(key, 'none')} here" in str(caught.value)


def test_strict_takes_another_commit(trial):
    """What cannot change the bits of a described trial is no other environment."""
    check_same_environment([_record(trial, environment=HERE | {"commit": "b", "python": "3.12"})], HERE)
    check_same_environment([], HERE)


def test_what_changed_is_told_with_both_values():
    """A key that one side lacks counts as empty."""
    assert changed({"a": "1", "torch": "2"}, {"a": "1", "torch": "3", "z": "4"}) == {
        "torch": ("2", "3"),
        "z": ("", "4"),
    }
    assert set(REPRODUCIBILITY_KEYS) <= set(environment("cpu"))


def _falsify(store, name, **tags):
    client = MlflowClient(store.uri)
    (run,) = client.search_runs([client.get_experiment_by_name("toy_study").experiment_id], f"run_name = '{name}'")
    for key, value in tags.items():
        client.set_tag(run.info.run_id, f"ravine.{key}", value)


def test_verify_finds_the_trial_whose_record_is_false(call, write_study, store):
    """All agree: status 0 and nothing recorded anew. One digest changed: status 1, that trial named, in JSON as well."""
    path = write_study()
    assert call("verify", path)[0] == 2
    call("run", path, "--workers", 2)
    status, out, err = call("verify", path)
    assert (status, out.splitlines()[-1]) == (0, "4 of 4 trials came to the recorded weights.")
    assert "4 trials on " in err
    place = json.dumps(environment("cpu") | {"torch": "1.0"})
    _falsify(store, "Adam r1", weights="ab" * 32, environment=place)
    status, out, _ = call("verify", path)
    assert status == 1
    (line,) = [line for line in out.splitlines() if "\tdiffers\t" in line]
    assert line.startswith("Adam r1\t")
    assert f"torch 1.0 → {environment('cpu')['torch']}" in line
    assert out.splitlines()[-1] == "3 of 4 trials came to the recorded weights."
    status, out, _ = call("verify", path, "--json")
    told = json.loads(out)
    assert (status, told["checked"], told["differing"]) == (1, 4, 1)
    (odd,) = [row for row in told["trials"] if not row["same"]]
    assert (odd["trial"], odd["recorded"]["weights"]) == ("Adam r1", "ab" * 32)
    assert odd["environment"]["torch"]["recorded"] == "1.0"
    status, out, _ = call("verify", path, "--sample", 1)
    assert (status, out.splitlines()[-1]) == (
        0,
        "1 of 1 trials came to the recorded weights. 3 other recorded trials were not run.",
    )
    client = MlflowClient(store.uri)
    runs = client.search_runs(
        [client.get_experiment_by_name("toy_study").experiment_id], "tags.`ravine.kind` = 'trial'"
    )
    assert len(runs) == 4


@pytest.mark.usefixtures("no_figures")
def test_strict_keeps_a_study_to_one_environment(call, write_study, store, here):
    """A study with a trial from elsewhere is refused more; without --strict it is mixed, which its report says."""
    path = write_study(repeats=1)
    assert call("run", path, "--strict")[0] == 0
    _falsify(store, "SGD r0", environment=json.dumps(environment("cpu") | {"torch": "1.0"}))
    status, _, err = call("run", path, "--strict", "--repeats", 2)
    assert (status, err.count("\n")) == (2, 1)
    assert "--strict: 1 of 2 recorded trials of this study are from another environment (torch 1.0 there, " in err
    assert call("run", path, "--strict")[0] == 0, "nothing is added"
    assert call("run", path, "--repeats", 2)[0] == 0
    page = (here / "out/reports/toy_study@repeats=2/index.html").read_text(encoding="utf-8")
    assert "Mixed: the trials ran in 2 environments, which differ in PyTorch (" in page
