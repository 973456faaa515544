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
from suite.training.provenance import check_same_environment, environment, environment_changes

HERE = {"device": "cpu", "device_name": "X", "threads": "1", "cpu_capability": "AVX2", "torch": "2.15", "commit": "a"}


def _record(trial, **more):
    values = {"run_id": "r", "outcome": Outcome.OK, "reason": "", "weights": "ab" * 32, "timing": Timing()}
    return TrialRecord(**{"trial": trial, "environment": HERE, "started": 0.0, **values, **more})


def _check(trial, weights, current=HERE, **more):
    values = {"outcome": Outcome.OK, "environment": current, **more}
    return Check(_record(trial), TrialResult(trial=trial, weights=weights, **values))


@pytest.fixture
def trial(write_study):
    """Return a trial of a toy problem."""
    return plan(load_study(write_study()))[0]


def test_identical_weights_in_another_environment(trial):
    """Identical weights with another torch are the same, and the change is shown; another commit is not shown."""
    assert _check(trial, "ab" * 32).same
    assert _check(trial, "ab" * 32, HERE | {"commit": "b"}).differences == ""
    other = _check(trial, "ab" * 32, HERE | {"torch": "2.16"})
    assert (other.same, other.differences) == (True, "torch 2.15 → 2.16")


def test_other_weights_have_the_differences_of_the_environment(trial):
    """Versions, device, threads and CPU capability come first, then all other keys; or no recorded key differs."""
    current = HERE | {"commit": "b", "cpu_capability": "AVX512", "threads": "2", "torch": ""}
    check = _check(trial, "cd" * 32, current)
    assert not check.same
    assert check.differences == "threads 1 → 2; cpu_capability AVX2 → AVX512; torch 2.15 → not recorded; commit a → b"
    assert check.row()[2:5] == ["ab" * 6, "cd" * 6, "differs"]
    assert _check(trial, "cd" * 32).differences == "nothing that is recorded"
    compiled = dataclasses.replace(trial, compiled=True)
    assert _check(compiled, "cd" * 32).differences == "compiled steps, whose compiler is not recorded"


def test_another_outcome_differs(trial):
    """A trial that now fails differs; the reason is shown, and it has no weights."""
    check = _check(trial, "", outcome=Outcome.FAILED, reason="a bug")
    assert not check.same
    assert check.differences == "outcome ok → failed (a bug)"
    assert check.row()[3] == "none"


def test_a_sample_is_spread_over_optimizers_first(write_study):
    """Two trials of two optimizers and three repeats: one of each, of different repeats; failed trials are left out."""
    trials = plan(load_study(write_study(repeats=3)))
    records = [_record(trial) for trial in trials]
    assert [record.trial.name for record in sample(records, 2)] == ["SGD r0", "Adam r1"]
    assert len(sample(records, 4)) == 4
    all_records = sample(records, None)
    assert sorted(record.trial.name for record in all_records) == sorted(trial.name for trial in trials)
    records[0] = dataclasses.replace(records[0], outcome=Outcome.FAILED)
    assert "SGD r0" not in {record.trial.name for record in sample(records, None)}


@pytest.mark.parametrize("key", REPRODUCIBILITY_KEYS)
def test_strict_requires_the_same_environment(trial, key, wording):
    """A difference in one of these keys is an error with both values."""
    with pytest.raises(UserError) as error:
        check_same_environment([_record(trial), _record(trial, environment=HERE | {key: "other"})], HERE)
    wording(error.value)


def test_strict_allows_another_commit(trial):
    """Commit and Python version cannot change the weights of a trial, so they may differ."""
    check_same_environment([_record(trial, environment=HERE | {"commit": "b", "python": "3.12"})], HERE)
    check_same_environment([], HERE)


def test_changes_have_both_values():
    """The value of a key that one environment lacks is empty."""
    assert environment_changes({"a": "1", "torch": "2"}, {"a": "1", "torch": "3", "z": "4"}) == {
        "torch": ("2", "3"),
        "z": ("", "4"),
    }
    assert set(REPRODUCIBILITY_KEYS) <= set(environment("cpu"))


def _falsify(store, name, **tags):
    client = MlflowClient(store.uri)
    (run,) = client.search_runs([client.get_experiment_by_name("toy_study").experiment_id], f"run_name = '{name}'")
    for key, value in tags.items():
        client.set_tag(run.info.run_id, f"ravine.{key}", value)


def test_verify_finds_the_trial_with_a_false_record(call, write_study, store, wording):
    """All agree: status 0, and nothing is recorded. One digest changed: status 1 and that trial, in JSON as well."""
    path = write_study()
    assert call("verify", path)[0] == 2
    call("run", path, "--workers", 2)
    status, out, err = call("verify", path)
    assert status == 0
    wording(out.splitlines()[-1])
    assert "4 trials on " in err
    falsified = json.dumps(environment("cpu") | {"torch": "1.0"})
    _falsify(store, "Adam r1", weights="ab" * 32, environment=falsified)
    status, out, _ = call("verify", path)
    assert status == 1
    (line,) = [line for line in out.splitlines() if "\tdiffers\t" in line]
    assert line.startswith("Adam r1\t")
    assert f"torch 1.0 → {environment('cpu')['torch']}" in line
    wording(out.splitlines()[-1])
    status, out, _ = call("verify", path, "--json")
    content = json.loads(out)
    assert (status, content["checked"], content["differing"]) == (1, 4, 1)
    (differing,) = [row for row in content["trials"] if not row["same"]]
    assert (differing["trial"], differing["recorded"]["weights"]) == ("Adam r1", "ab" * 32)
    assert differing["environment"]["torch"]["recorded"] == "1.0"
    status, out, _ = call("verify", path, "--sample", 1)
    assert status == 0
    wording(out.splitlines()[-1])
    client = MlflowClient(store.uri)
    runs = client.search_runs(
        [client.get_experiment_by_name("toy_study").experiment_id], "tags.`ravine.kind` = 'trial'"
    )
    assert len(runs) == 4


@pytest.mark.usefixtures("no_figures")
def test_strict_keeps_a_study_to_one_environment(call, write_study, store, here, wording):
    """--strict is an error for a study with a trial from another environment; without it the report warns."""
    path = write_study(repeats=1)
    assert call("run", path, "--strict")[0] == 0
    _falsify(store, "SGD r0", environment=json.dumps(environment("cpu") | {"torch": "1.0"}))
    status, _, err = call("run", path, "--strict", "--repeats", 2)
    assert (status, err.count("\n")) == (2, 1)
    wording(err, {environment("cpu")["torch"]: "<torch>"})
    assert call("run", path, "--strict")[0] == 0, "nothing is added"
    assert call("run", path, "--repeats", 2)[0] == 0
    page = (here / "out/reports/toy_study@repeats=2/index.html").read_text(encoding="utf-8")
    assert "Mixed: the trials ran in 2 environments, which differ in PyTorch (" in page
