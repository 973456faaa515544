"""`suite.tuning.tuner`: the same chance for every optimizer, the same search whatever happens, and nothing of the test set."""

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

TUNE = """
[tune]
trials = 7
batch = 3
repeats = 2
"""


def _facts(store, name="toy_study"):
    """All that must not depend on how a search was run: not where and when, nor the seconds."""
    return [dataclasses.replace(each, seconds=0.0, run_id="", recorded=0.0) for each in store.configurations(name)]


def test_every_optimizer_gets_the_same_chance(tune, write_study):
    """As many configurations, the own setting first, under the same cap of examples; unpruned, all of them spend it."""
    study = load_study(write_study(extra=TUNE + "prune = false\nvalidation_examples = 20\n"))
    searches = searching.make_searches(study)
    assert {search.configurations for search in searches} == {7}
    assert {search.examples for search in searches} == {7 * 2 * 2 * 214}, "repeats, epochs, and 256 less a sixth"
    store, failed, executor = tune(study)
    assert failed == []
    assert {trial.evaluate_examples for trial in executor.ran} == {20}
    for search, own in zip(searches, plan(study)[:2], strict=True):
        found = [each for each in store.configurations(study.name) if each.label == search.label]
        assert [each.number for each in found] == list(range(7))
        assert {each.state for each in found} == {State.COMPLETE}
        assert sum(each.examples for each in found) == search.examples
        assert [each.is_default for each in found] == [True] + 6 * [False]
        first = [trial for trial in executor.ran if trial.id in found[0].trials]
        assert [trial.hyperparameters for trial in first] == [own.hyperparameters] * 2
        assert len({tuple(each.hyperparameters.values()) for each in found}) == 7


def test_no_test_image_reaches_an_objective(tune, write_study, monkeypatch):
    """With a test set that is not a number the tuning is the same, number for number, and no tensor of it gets to the loop."""
    study = load_study(write_study(extra=TUNE))
    expected = _facts(tune(study)[0])
    seen = []
    train, load_all = trials.train, type(trials.problems.find(study.problem, study.folder)).load

    def spoilt(self, root):
        data = load_all(self, root)
        return dataclasses.replace(data, test_inputs=torch.full_like(data.test_inputs, math.nan))

    def watched(trial, problem, data, *rest):
        seen.append((trial, data))
        return train(trial, problem, data, *rest)

    monkeypatch.setattr(type(trials.problems.find(study.problem, study.folder)), "load", spoilt)
    monkeypatch.setattr(trials, "train", watched)
    trials._data.cache_clear()
    store, _, executor = tune(study, "spoilt")
    trials._data.cache_clear()
    assert _facts(store) == expected
    assert len(seen) == len(executor.ran) > 20
    for trial, data in seen:
        assert (trial.stage, trial.evaluate_on) == ("tuning", "validation")
        assert (len(data.train_inputs), len(data.test_inputs)) == (214, 42)
        assert not data.train_inputs.isnan().any()
        assert not data.test_inputs.isnan().any()
    records = store.tuning_records()
    metrics = set(store.points(records.values())["metric"])
    assert metrics == {"train/loss", "train/accuracy", "train/step_loss", "validation/loss", "validation/accuracy"}


def test_the_workers_change_nothing(tune, write_study):
    """One worker or five, whichever order trials end in: the same proposals, values and pruned configurations."""
    study = load_study(write_study(extra=TUNE.replace("trials = 7", "trials = 12")))
    one = _facts(tune(study, "one", workers=1)[0])
    assert one == _facts(tune(study, "five", workers=5)[0])
    assert State.PRUNED in {each.state for each in one}
    assert {(len(each.trials), each.state) for each in one} >= {(1, State.PRUNED), (2, State.COMPLETE)}


def test_an_interrupted_search_is_the_undisturbed_one(tune, write_study, monkeypatch):
    """Killed between any two of its writes, again and again, it ends with the same numbers, and no trial is run twice."""
    study = load_study(write_study(extra=TUNE.replace("7", "5")))
    undisturbed, _, alone = tune(study, "undisturbed")
    places = {
        "trial": None,
        "propose": (optuna.Study, "add_trial"),
        "record": (Store, "write_configuration"),
        "tell": (optuna.Study, "tell"),
        "attribute": (optuna.trial.Trial, "set_user_attr"),
    }
    for place, owner in places.items():
        ran, store = [], None
        for after in (1, 4, math.inf):
            with monkeypatch.context() as patch:
                if owner:
                    _dies_after(patch, *owner, after)
                store, _, executor = tune(study, place, workers=1, most=math.inf if owner else after)
            ran += [trial.id for trial in executor.ran]
        assert _facts(store) == _facts(undisturbed), place
        assert sorted(ran) == sorted(trial.id for trial in alone.ran), place


def _dies_after(patch, owner, name, calls):
    """After so many calls that came through, the next one writes and then dies: what is written is written twice."""
    true, count = getattr(owner, name), []

    def dying(self, *arguments, **more):
        given = true(self, *arguments, **more)
        count.append(1)
        if len(count) > calls and type(self) is owner and not _scratch(self):
            raise KeyboardInterrupt
        return given

    patch.setattr(owner, name, dying)


def _scratch(thing):
    return isinstance(thing, optuna.Study) and isinstance(thing._storage, optuna.storages.InMemoryStorage)


def test_more_trials_later_go_on(tune, write_study):
    """Seven configurations and later eleven are the eleven of one go, and only the new ones are run."""
    study = load_study(write_study(extra=TUNE))
    more = study.override(trials=11)
    at_once, _, whole = tune(more, "at_once")
    _, _, before = tune(study)
    store, _, after = tune(more)
    assert _facts(store) == _facts(at_once)
    assert len(before.ran) + len(after.ran) == len(whole.ran)
    with storage.Storage(storage.locate(None, store.root)) as held:
        search = searching.make_searches(study)[0]
        assert [each.number for each in storage.configurations(held, search)] == list(range(7)), "as the study asks"


def test_lost_records_are_made_again(tune, write_study, here):
    """Without Optuna's storage the same search is found from the recorded trials; another store gets Optuna's records."""
    study = load_study(write_study(extra=TUNE))
    store, _, _ = tune(study)
    expected = _facts(store)
    (here / "first/optuna.db").rename(here / "kept.db")
    again, _, executor = tune(study)
    assert executor.ran == []
    assert _facts(again) == expected
    other, _, executor = tune(study, "other", storage=str(here / "kept.db"))
    assert executor.ran == []
    assert _facts(other) == expected


def test_a_trial_that_diverges_counts_as_the_worst(tune, write_study):
    """It stops its configuration after one repeat, with the chance loss, ln 4, as its finite value, and is never picked."""
    extra = TUNE + 'sampler = "grid"\n[tune.space.sgd]\nlr = { values = [0.1, 1e30] }\n'
    study = load_study(write_study(extra=extra.replace("trials = 7\n", ""))).override(optimizers=("SGD",))
    (search,) = searching.make_searches(study)
    assert search.configurations == 3
    store, failed, _ = tune(study)
    states = [each.state for each in store.configurations(study.name)]
    assert states == [State.COMPLETE, State.COMPLETE, State.DIVERGED]
    diverged = store.configurations(study.name)[2]
    assert (diverged.value, len(diverged.trials), failed) == (math.log(4), 1, [])
    assert "the training loss was" in diverged.reason
    assert diverged.examples < 2 * 214
    assert searching.best_configuration(store.configurations(study.name), search).number == 0


def test_a_trial_at_chance_counts_as_the_worst(tune, write_study):
    """On labels that are noise it is stalled: accuracy 0, less than any that was trained, where more is better."""
    extra = TUNE + 'objective = "validation/accuracy"\nepochs = 4\n'
    path = write_study("NOISE", extra=extra.replace("trials = 7", "trials = 2"))
    path.write_text(path.read_text(encoding="utf-8").replace("batch_size = 64", "batch_size = 4"), encoding="utf-8")
    study = load_study(path).override(optimizers=("SGD",), trials=2)
    found = tune(study)[0].configurations(study.name)
    assert {(each.state, each.value, len(each.trials)) for each in found} == {(State.STALLED, 0.0, 1)}


def test_an_accuracy_is_maximised(tune, write_study):
    """With an accuracy as the objective the highest is the best, and a worse one is pruned."""
    study = load_study(write_study(extra=TUNE.replace("7", "12") + 'objective = "validation/accuracy"\n'))
    store = tune(study)[0]
    for search in searching.make_searches(study):
        found = [each for each in store.configurations(study.name) if each.label == search.label]
        best = searching.best_configuration(found, search)
        assert best.value == max(each.value for each in found if each.state is State.COMPLETE)
        assert all(each.value < best.value for each in found if each.state is State.PRUNED)
    assert set(study_frames.tuning(study, store)["goal"]) == {"maximise"}


def test_a_failed_trial_holds_up_its_own_search_alone(tune, write_study):
    """The batch waits, told as failed, the others go on; mended, it ends as if nothing had been."""
    study = load_study(write_study(extra=TUNE))
    expected = _facts(tune(study, "undisturbed")[0])
    broken = expected[4].hyperparameters["lr"]
    label = expected[4].label
    store, failed, _ = tune(study, broken=(broken,))
    assert [result.trial.label for result in failed] == [label]
    found = [each for each in store.configurations(study.name) if each.label == label]
    assert [each.number for each in found] == [0, 1, 2, 4]
    assert (found[-1].state, found[-1].value, found[-1].reason) == (State.FAILED, None, "out of memory")
    assert len(store.configurations(study.name)) == 7 + 4
    assert _facts(tune(study)[0]) == expected


def test_the_search_reads_well_in_mlflow(tune, write_study):
    """Each configuration is a run with what it tried and how it ended, its trials below it, linked with Optuna's trial."""
    study = load_study(write_study(extra=TUNE))
    store = tune(study)[0]
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name("toy_study").experiment_id
    parents = client.search_runs([experiment], "tags.`ravine.kind` = 'tuning'", max_results=100)
    assert sorted(run.info.run_name for run in parents) == sorted(
        f"{o} #{n}" for o in ("SGD", "Adam") for n in range(7)
    )
    with storage.Storage(storage.locate(None, store.root)) as held:
        told = {(s.label, t.number): t for s in searching.make_searches(study) for t in held.study(s).get_trials()}
    for run in parents:
        trial = told[run.data.params["optimizer"], int(run.data.tags["ravine.number"])]
        assert trial.user_attrs["ravine.run"] == run.info.run_id
        assert float(run.data.params["lr"]) == trial.params["lr"]
        assert run.data.params["state"] == run.data.tags["ravine.state"]
        value = trial.value if trial.value is not None else list(trial.intermediate_values.values())[-1]
        assert run.data.metrics["validation/loss"] == pytest.approx(value)
        assert "mlflow.parentRunId" not in run.data.tags
        below = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
        assert len(below) == len(trial.intermediate_values)
        names = {f"{run.info.run_name} r{i}" for i in range(len(below))}
        assert {child.info.run_name for child in below} == names
    everything = client.search_runs([experiment], max_results=1000)
    assert len(everything) == len(parents) + sum(len(t.intermediate_values) for t in told.values())
    in_view = client.search_runs([experiment], "tags.`ravine.plans` LIKE '%|toy_study|%'")
    assert in_view == [], "a view of the study shows its final trials"


def test_a_frame_has_a_row_for_each_optuna_trial(tune, write_study):
    """The contract with the reports: by optimizer and number, NaN for a hyperparameter that an optimizer lacks."""
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
    assert table["edge.beta1"].notna().tolist() == table["param.beta1"].notna().tolist()
    assert study_frames.tuning(study.override(trials=3, optimizers=("Adam",)), store)["number"].tolist() == [0, 1, 2]
    assert (table["value"] < math.log(4)).any()
    columns = {"kind", "objective", "sampler", "repeats", "examples", "seconds"}
    assert columns <= set(study_frames.tuning(study.model_copy(update={"name": "none"}), store).columns)


def test_another_protocol_is_another_search(tune, write_study):
    """With another batch nothing is mixed; the frame shows the newer one alone."""
    study = load_study(write_study(extra=TUNE))
    tune(study)
    other = load_study(write_study(extra=TUNE.replace("batch = 3", "batch = 4")))
    store = tune(other)[0]
    assert len(store.configurations(study.name)) == 28
    assert len(study_frames.tuning(other, store)) == 14
    newest = {search.optuna for search in searching.make_searches(other)}
    chosen = {each.run_id for each in store.configurations(study.name) if each.optuna in newest}
    assert set(study_frames.tuning(other, store)["run_id"]) == chosen
