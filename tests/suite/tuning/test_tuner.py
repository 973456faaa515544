"""Tests of `suite.tuning.tuner`: equal budgets, searches that interruptions do not change, and no use of the test set."""

import dataclasses
import math

import optuna
import pytest
import torch
from mlflow import MlflowClient

from reports.frames import study_frames
from suite.records import State
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking.store import Store
from suite.training import run_trial as trials
from suite.tuning import search as searching
from suite.tuning import storage

pytestmark = pytest.mark.integration

TUNE = """
[tune]
trials = 7
batch = 3
repeats = 2
"""


def _results(store, name="toy_study"):
    """Return all that must not depend on how a search was run: everything except seconds, runs and times."""
    return [dataclasses.replace(item, seconds=0.0, run_id="", recorded=0.0) for item in store.configurations(name)]


def test_every_optimizer_has_the_same_budget(tune, write_study):
    """Each has the same number of configurations and examples, its default setting first; without pruning all are used."""
    study = load_study(write_study(extra=TUNE + "prune = false\nvalidation_examples = 20\n"))
    searches = searching.make_searches(study)
    assert {search.configurations for search in searches} == {7}
    assert {search.examples for search in searches} == {7 * 2 * 2 * 214}, "repeats, epochs, and 256 less a sixth"
    store, failed, executor = tune(study)
    assert failed == []
    assert {trial.evaluate_examples for trial in executor.ran} == {20}
    for search, default in zip(searches, plan(study)[:2], strict=True):
        configurations = [item for item in store.configurations(study.name) if item.label == search.label]
        assert [item.number for item in configurations] == list(range(7))
        assert {item.state for item in configurations} == {State.COMPLETE}
        assert sum(item.examples for item in configurations) == search.examples
        assert [item.is_default for item in configurations] == [True] + 6 * [False]
        first = [trial for trial in executor.ran if trial.id in configurations[0].trials]
        assert [trial.hyperparameters for trial in first] == [default.hyperparameters] * 2
        assert len({tuple(item.hyperparameters.values()) for item in configurations}) == 7


def test_a_tuning_does_not_use_the_test_set(tune, write_study, monkeypatch):
    """With NaN as the test set the results are identical, and no tensor of it reaches the training loop."""
    study = load_study(write_study(extra=TUNE))
    expected = _results(tune(study)[0])
    calls = []
    train, load_all = trials.train, type(trials.problems.find_problem(study.problem, study.folder)).load

    def without_test_set(self, root):
        data = load_all(self, root)
        return dataclasses.replace(data, test_inputs=torch.full_like(data.test_inputs, math.nan))

    def recorded(trial, problem, data, *rest, **options):
        calls.append((trial, data))
        return train(trial, problem, data, *rest, **options)

    monkeypatch.setattr(type(trials.problems.find_problem(study.problem, study.folder)), "load", without_test_set)
    monkeypatch.setattr(trials, "train", recorded)
    trials._load_data.cache_clear()
    store, _, executor = tune(study, "without_test_set")
    trials._load_data.cache_clear()
    assert _results(store) == expected
    assert len(calls) == len(executor.ran) > 20
    for trial, data in calls:
        assert (trial.stage, trial.evaluate_on) == ("tuning", "validation")
        assert (len(data.train_inputs), len(data.test_inputs)) == (214, 42)
        assert not data.train_inputs.isnan().any()
        assert not data.test_inputs.isnan().any()
    records = store.tuning_records()
    metrics = set(store.points(records.values())["metric"])
    assert metrics == {"train/loss", "train/accuracy", "train/step_loss", "validation/loss", "validation/accuracy"}


def test_the_number_of_workers_does_not_change_the_results(tune, write_study):
    """One worker and five have the same proposals, values and pruned configurations."""
    study = load_study(write_study(extra=TUNE.replace("trials = 7", "trials = 12")))
    one = _results(tune(study, "one", workers=1)[0])
    assert one == _results(tune(study, "five", workers=5)[0])
    assert State.PRUNED in {item.state for item in one}
    assert {(len(item.trials), item.state) for item in one} >= {(1, State.PRUNED), (2, State.COMPLETE)}


def test_an_interrupted_search_has_the_same_results(tune, write_study, monkeypatch):
    """It is killed after each kind of write, repeatedly. The results are the same, and no trial is run twice."""
    study = load_study(write_study(extra=TUNE.replace("7", "5")))
    uninterrupted, _, alone = tune(study, "uninterrupted")
    writes = {
        "trial": None,
        "propose": (optuna.Study, "add_trial"),
        "record": (Store, "write_configuration"),
        "tell": (optuna.Study, "tell"),
        "attribute": (optuna.trial.Trial, "set_user_attr"),
    }
    for write, owner in writes.items():
        ran, store = [], None
        for after in (1, 4, math.inf):
            with monkeypatch.context() as patch:
                if owner:
                    _interrupt_after(patch, *owner, after)
                store, _, executor = tune(study, write, workers=1, max_trials=math.inf if owner else after)
            ran += [trial.id for trial in executor.ran]
        assert _results(store) == _results(uninterrupted), write
        assert sorted(ran) == sorted(trial.id for trial in alone.ran), write


def _interrupt_after(patch, owner, name, num_calls):
    """Interrupt the process after N + 1 calls of a method; the last one has written, so its write is repeated."""
    original, calls = getattr(owner, name), []

    def interrupted(self, *arguments, **options):
        result = original(self, *arguments, **options)
        calls.append(1)
        if len(calls) > num_calls and type(self) is owner and not _is_in_memory(self):
            raise KeyboardInterrupt
        return result

    patch.setattr(owner, name, interrupted)


def _is_in_memory(item):
    return isinstance(item, optuna.Study) and isinstance(item._storage, optuna.storages.InMemoryStorage)


def test_a_search_is_continued_with_more_trials(tune, write_study):
    """Seven configurations and later eleven are the same as eleven at once, and only the new ones run."""
    study = load_study(write_study(extra=TUNE))
    more = study.override(trials=11)
    at_once, _, complete = tune(more, "at_once")
    _, _, before = tune(study)
    store, _, after = tune(more)
    assert _results(store) == _results(at_once)
    assert len(before.ran) + len(after.ran) == len(complete.ran)
    with storage.Storage(storage.locate(None, store.root)) as optuna_storage:
        search = searching.make_searches(study)[0]
        assert [item.number for item in storage.configurations(optuna_storage, search)] == list(range(7)), (
            "as many as the study requests"
        )


def test_lost_records_are_restored(tune, write_study, here):
    """Optuna's storage is restored from the recorded trials, and the records of another store from Optuna's storage."""
    study = load_study(write_study(extra=TUNE))
    store, _, _ = tune(study)
    expected = _results(store)
    (here / "first/optuna.db").rename(here / "kept.db")
    again, _, executor = tune(study)
    assert executor.ran == []
    assert _results(again) == expected
    other, _, executor = tune(study, "other", storage=str(here / "kept.db"))
    assert executor.ran == []
    assert _results(other) == expected


def test_a_diverged_trial_has_the_worst_value(tune, write_study):
    """It ends its configuration after one repeat with the chance loss, ln 4, and is never the best."""
    extra = TUNE + 'sampler = "grid"\n[tune.space.sgd]\nlr = { values = [0.1, 1e30] }\n'
    study = load_study(write_study(extra=extra.replace("trials = 7\n", ""))).override(optimizers=("SGD",))
    (search,) = searching.make_searches(study)
    assert search.configurations == 3
    store, failed, _ = tune(study)
    states = [item.state for item in store.configurations(study.name)]
    assert states == [State.COMPLETE, State.COMPLETE, State.DIVERGED]
    diverged = store.configurations(study.name)[2]
    assert (diverged.value, len(diverged.trials), failed) == (math.log(4), 1, [])
    assert "the training loss was" in diverged.reason
    assert diverged.examples < 2 * 214
    assert searching.best_configuration(store.configurations(study.name), search).number == 0


def test_a_stalled_trial_has_the_worst_value(tune, write_study):
    """With random labels a trial stalls: its accuracy is 0, lower than any measured one."""
    extra = TUNE + 'objective = "validation/accuracy"\nepochs = 4\n'
    path = write_study("NOISE", extra=extra.replace("trials = 7", "trials = 2"))
    path.write_text(path.read_text(encoding="utf-8").replace("batch_size = 64", "batch_size = 4"), encoding="utf-8")
    study = load_study(path).override(optimizers=("SGD",), trials=2)
    configurations = tune(study)[0].configurations(study.name)
    assert {(item.state, item.value, len(item.trials)) for item in configurations} == {(State.STALLED, 0.0, 1)}


def test_an_accuracy_is_maximised(tune, write_study):
    """If the objective is an accuracy, the highest is the best, and lower ones are pruned."""
    study = load_study(write_study(extra=TUNE.replace("7", "12") + 'objective = "validation/accuracy"\n'))
    store = tune(study)[0]
    for search in searching.make_searches(study):
        configurations = [item for item in store.configurations(study.name) if item.label == search.label]
        best = searching.best_configuration(configurations, search)
        assert best.value == max(item.value for item in configurations if item.state is State.COMPLETE)
        assert all(item.value < best.value for item in configurations if item.state is State.PRUNED)
    assert set(study_frames.tuning(study, store)["goal"]) == {"maximise"}


def test_a_failed_trial_blocks_its_own_search_only(tune, write_study):
    """Its batch is recorded as failed and the other searches continue. Run again without the failure, results are the same."""
    study = load_study(write_study(extra=TUNE))
    expected = _results(tune(study, "uninterrupted")[0])
    lr = expected[4].hyperparameters["lr"]
    label = expected[4].label
    store, failed, _ = tune(study, failing=(lr,))
    assert [result.trial.label for result in failed] == [label]
    configurations = [item for item in store.configurations(study.name) if item.label == label]
    assert [item.number for item in configurations] == [0, 1, 2, 4]
    last = configurations[-1]
    assert (last.state, last.value, last.reason) == (State.FAILED, None, "out of memory")
    assert len(store.configurations(study.name)) == 7 + 4
    assert _results(tune(study)[0]) == expected


def test_a_search_is_complete_in_mlflow(tune, write_study):
    """Each configuration is a run with its hyperparameters and state, above its trials and linked with Optuna's trial."""
    study = load_study(write_study(extra=TUNE))
    store = tune(study)[0]
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name("toy_study").experiment_id
    parents = client.search_runs([experiment], "tags.`ravine.kind` = 'tuning'", max_results=100)
    assert sorted(run.info.run_name for run in parents) == sorted(
        f"{o} #{n}" for o in ("SGD", "Adam") for n in range(7)
    )
    with storage.Storage(storage.locate(None, store.root)) as optuna_storage:
        optuna_trials = {
            (s.label, t.number): t for s in searching.make_searches(study) for t in optuna_storage.study(s).get_trials()
        }
    for run in parents:
        trial = optuna_trials[run.data.params["optimizer"], int(run.data.tags["ravine.number"])]
        assert trial.user_attrs["ravine.run"] == run.info.run_id
        assert float(run.data.params["lr"]) == trial.params["lr"]
        assert run.data.params["state"] == run.data.tags["ravine.state"]
        value = trial.value if trial.value is not None else list(trial.intermediate_values.values())[-1]
        assert run.data.metrics["validation/loss"] == pytest.approx(value)
        assert "mlflow.parentRunId" not in run.data.tags
        children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
        assert len(children) == len(trial.intermediate_values)
        names = {f"{run.info.run_name} r{i}" for i in range(len(children))}
        assert {child.info.run_name for child in children} == names
    everything = client.search_runs([experiment], max_results=1000)
    assert len(everything) == len(parents) + sum(len(t.intermediate_values) for t in optuna_trials.values())
    in_view = client.search_runs([experiment], "tags.`ravine.plans` LIKE '%|toy_study|%'")
    assert in_view == [], "a view of the study has its final trials only"


def test_a_frame_has_a_row_for_each_optuna_trial(tune, write_study):
    """Reports rely on it: rows by optimizer and number, NaN for hyperparameters that an optimizer does not have."""
    study = load_study(write_study(extra=TUNE))
    store = tune(study)[0]
    table = study_frames.tuning(study, store)
    assert list(table["optimizer"]) == 7 * ["SGD"] + 7 * ["Adam"]
    assert list(table["number"]) == [*range(7), *range(7)]
    assert set(table["goal"]) == {"minimise"}
    assert set(table["state"]) <= {"complete", "pruned", "diverged", "stalled"}
    assert table["param.beta1"].isna().tolist() == 7 * [True] + 7 * [False]
    assert table["param.lr"].iloc[0] == 0.1
    assert table["is_default"].sum() == 2
    assert set(table["range.lr"]) == {"{ log = [0.0001, 10.0] }", "{ log = [1e-05, 1.0] }"}
    assert table["at_bound.beta1"].notna().tolist() == table["param.beta1"].notna().tolist()
    assert study_frames.tuning(study.override(trials=3, optimizers=("Adam",)), store)["number"].tolist() == [0, 1, 2]
    assert (table["value"] < math.log(4)).any()
    columns = {"kind", "objective", "sampler", "repeats", "examples", "seconds"}
    assert columns <= set(study_frames.tuning(study.model_copy(update={"name": "none"}), store).columns)


def test_another_protocol_starts_another_search(tune, write_study):
    """With another batch size nothing is mixed; the frame has the newer search only."""
    study = load_study(write_study(extra=TUNE))
    tune(study)
    other = load_study(write_study(extra=TUNE.replace("batch = 3", "batch = 4")))
    store = tune(other)[0]
    assert len(store.configurations(study.name)) == 28
    assert len(study_frames.tuning(other, store)) == 14
    newest = {search.optuna for search in searching.make_searches(other)}
    chosen = {item.run_id for item in store.configurations(study.name) if item.optuna in newest}
    assert set(study_frames.tuning(other, store)["run_id"]) == chosen
