"""`suite.tuning`: the same chance for every optimizer, the same search whatever happens, and nothing of the test set."""

import dataclasses
import math
import shutil
import sqlite3
from concurrent.futures import Future

import optuna
import pytest
import torch
from mlflow import MlflowClient

from reports import frame
from suite import trial as trials
from suite.errors import UserError
from suite.plan import plan
from suite.records import Outcome, State, TrialResult
from suite.store import Store, locate
from suite.study_file import load
from suite.tuning import optuna_storage, proposals, searching, tuner

TUNE = """
[tune]
trials = 7
batch = 3
repeats = 2
"""


class Here:
    """Runs trials in this process; `workers` at a time are pending, and end in no order."""

    def __init__(self, folder, workers=2, most=math.inf, broken=()):
        self.folder, self.workers, self.most, self.broken, self.ran = folder, workers, most, broken, []

    def submit(self, trial):
        """A future that is done; Ctrl-C where there were enough."""
        if len(self.ran) >= self.most:
            raise KeyboardInterrupt
        self.ran.append(trial)
        future = Future()
        if trial.hyperparameters["lr"] in self.broken:
            future.set_result(TrialResult(trial=trial, outcome=Outcome.FAILED, reason="out of memory", started=1e9))
        else:
            future.set_result(trials.run_trial(trial, folder=self.folder))
        return future


@pytest.fixture
def tune(here, migrated):
    """Tune a study in a store of its own; returns what the store has of it, the failed results and the executor."""

    def run(study, place="first", storage=None, **how):
        if not (here / place).exists():
            (here / place).mkdir()
            shutil.copy(migrated, here / place / "mlflow.db")
        store = Store(locate(place, here), here)
        executor = Here(study.folder, **how)
        url = optuna_storage.locate(storage, store.root)
        try:
            with store.held(), optuna_storage.Storage(url) as held:
                failed = tuner.tune(study, searching.searches(study), store, held, executor)
        except KeyboardInterrupt:
            failed = None
        return store, failed, executor

    return run


def _facts(store, name="toy_study"):
    """All that must not depend on how a search was run: not where and when, nor the seconds."""
    return [dataclasses.replace(each, seconds=0.0, run_id="", recorded=0.0) for each in store.configurations(name)]


def test_every_optimizer_gets_the_same_chance(tune, write_study):
    """As many configurations, the own setting first, under the same cap of examples; unpruned, all of them spend it."""
    study = load(write_study(extra=TUNE + "prune = false\nvalidation_examples = 20\n"))
    searches = searching.searches(study)
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
    study = load(write_study(extra=TUNE))
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
    study = load(write_study(extra=TUNE.replace("trials = 7", "trials = 12")))
    one = _facts(tune(study, "one", workers=1)[0])
    assert one == _facts(tune(study, "five", workers=5)[0])
    assert State.PRUNED in {each.state for each in one}
    assert {(len(each.trials), each.state) for each in one} >= {(1, State.PRUNED), (2, State.COMPLETE)}


def test_an_interrupted_search_is_the_undisturbed_one(tune, write_study, monkeypatch):
    """Killed between any two of its writes, again and again, it ends with the same numbers, and no trial is run twice."""
    study = load(write_study(extra=TUNE.replace("7", "5")))
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
    study = load(write_study(extra=TUNE))
    more = study.override(trials=11)
    at_once, _, whole = tune(more, "at_once")
    _, _, before = tune(study)
    store, _, after = tune(more)
    assert _facts(store) == _facts(at_once)
    assert len(before.ran) + len(after.ran) == len(whole.ran)
    with optuna_storage.Storage(optuna_storage.locate(None, store.root)) as held:
        search = searching.searches(study)[0]
        assert [each.number for each in optuna_storage.configurations(held, search)] == list(range(7)), (
            "as the study asks"
        )


def test_lost_records_are_made_again(tune, write_study, here):
    """Without Optuna's storage the same search is found from the recorded trials; another store gets Optuna's records."""
    study = load(write_study(extra=TUNE))
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
    study = load(write_study(extra=extra.replace("trials = 7\n", ""))).override(optimizers=("SGD",))
    (search,) = searching.searches(study)
    assert search.configurations == 3
    store, failed, _ = tune(study)
    states = [each.state for each in store.configurations(study.name)]
    assert states == [State.COMPLETE, State.COMPLETE, State.DIVERGED]
    diverged = store.configurations(study.name)[2]
    assert (diverged.value, len(diverged.trials), failed) == (math.log(4), 1, [])
    assert "the training loss was" in diverged.reason
    assert diverged.examples < 2 * 214
    assert searching.best(store.configurations(study.name), search).number == 0


def test_a_trial_at_chance_counts_as_the_worst(tune, write_study):
    """On labels that are noise it is stalled: accuracy 0, less than any that was trained, where more is better."""
    extra = TUNE + 'objective = "validation/accuracy"\nepochs = 4\n'
    path = write_study("NOISE", extra=extra.replace("trials = 7", "trials = 2"))
    path.write_text(path.read_text(encoding="utf-8").replace("batch_size = 64", "batch_size = 4"), encoding="utf-8")
    study = load(path).override(optimizers=("SGD",), trials=2)
    found = tune(study)[0].configurations(study.name)
    assert {(each.state, each.value, len(each.trials)) for each in found} == {(State.STALLED, 0.0, 1)}


def test_an_accuracy_is_maximised(tune, write_study):
    """With an accuracy as the objective the highest is the best, and a worse one is pruned."""
    study = load(write_study(extra=TUNE.replace("7", "12") + 'objective = "validation/accuracy"\n'))
    store = tune(study)[0]
    for search in searching.searches(study):
        found = [each for each in store.configurations(study.name) if each.label == search.label]
        best = searching.best(found, search)
        assert best.value == max(each.value for each in found if each.state is State.COMPLETE)
        assert all(each.value < best.value for each in found if each.state is State.PRUNED)
    assert set(frame.tuning(study, store)["goal"]) == {"maximise"}


def test_a_loss_above_chance_is_no_worse_than_chance(write_study):
    """The objective ends at the chance loss, and at the worst where the evaluation gives no number."""
    search = searching.searches(load(write_study(extra=TUNE)))[0]
    assert search.value(0.25) == 0.25
    assert search.value(40.0) == search.value(math.inf) == search.value(math.nan) == search.worst == math.log(4)


def test_a_failed_trial_holds_up_its_own_search_alone(tune, write_study):
    """The batch waits, told as failed, the others go on; mended, it ends as if nothing had been."""
    study = load(write_study(extra=TUNE))
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


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_proposals_depend_on_the_number_alone_and_lie_in_their_ranges(tune, write_study, sampler):
    """A proposal is a function of the batches before, so it can be made again; another study seed makes others."""
    most = 14 if sampler == "tpe" else 7  # TPE draws at random until ten are told
    study = load(write_study(extra=TUNE + f'sampler = "{sampler}"\n')).override(trials=most, optimizers=("Adam",))
    store = tune(study)[0]
    (search,) = searching.searches(study)
    with optuna_storage.Storage(optuna_storage.locate(None, store.root)) as held:
        history = held.study(search).get_trials()
    tried = [each.hyperparameters for each in store.configurations(study.name)]
    assert [proposals.proposal(search, history[:n], n) for n in range(most)] == tried
    other = dataclasses.replace(search, base=dataclasses.replace(search.base, seed=1))
    assert proposals.proposal(other, history[: most - 1], most - 1) != tried[-1]
    for values in tried[1:]:
        for name, (low, high) in {"lr": (1e-5, 1), "beta1": (0.5, 0.995), "beta2": (0.5, 0.9999)}.items():
            assert low <= values[name] <= high
    lr = sorted(math.log10(values["lr"]) for values in tried)
    assert lr[-1] - lr[0] > 2


def test_a_grid_is_the_product_of_its_points(write_study):
    """After the own setting every combination once; grids of different size are refused, since the budget is one."""
    extra = '[tune]\nsampler = "grid"\npoints = 3\n'
    study = load(write_study(extra=extra + 'parameters = ["lr"]\n'))
    (sgd, adam) = searching.searches(study)
    assert [proposals.proposal(sgd, (), n)["lr"] for n in range(4)] == [0.1, 1e-4, 0.0316228, 10.0]
    assert adam.configurations == 4
    with pytest.raises(UserError, match=r"toy_study.toml: tune.sampler: the grids differ in size \(SGD 4, Adam 28\)"):
        searching.searches(load(write_study(extra=extra)))


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("epochs = 3\n[tune]\ntrials = 2", 'tune: "SGD" would train on 428 examples, "Adam" on 642. Write tune.epochs'),
        ("[tune]\ntrain_examples = 250", "tune.train_examples: the validation split of toy:BLOBS leaves 214, got 250"),
        (
            "[tune]\nvalidation_examples = 43",
            "tune.validation_examples: the validation split of toy:BLOBS leaves 42, got 43",
        ),
        ("[tune]\ntrain_examples = 65", "batch_size: 64 leaves 1 of 65 examples for the last batch"),
        ('[tune]\nparameters = ["lr", "momentum"]', "tune.parameters: no optimizer of the study has momentum"),
    ],
)
def test_a_tuning_that_cannot_be_fair_or_run_is_refused(write_study, extra, told):
    """Other budgets for some, more examples than the split leaves, a parameter that nobody has: told with its place."""
    with pytest.raises(UserError) as caught:
        searching.searches(load(write_study(extra=f"{extra}\n")))
    assert told in str(caught.value)
    assert all(line.startswith("toy_study.toml: ") for line in str(caught.value).splitlines())


def test_a_problem_that_is_tested_on_what_it_is_trained_on_is_refused(write_study, monkeypatch):
    """Its validation split would be a part of the test set."""
    study = load(write_study())
    assert searching.searches(study)
    monkeypatch.setattr(type(trials.problems.find(study.problem, study.folder)), "held_out", False)
    with pytest.raises(
        UserError, match=r"toy_study.toml: problem: toy:BLOBS is tested on the examples it is trained on"
    ):
        searching.searches(study)


def test_a_problem_too_small_to_split_is_refused(write_study, monkeypatch):
    """Of five training examples none can be held out."""
    study = load(write_study(extra="[tune]\ntrain_examples = 5\nepochs = 1\n"))
    study = study.model_copy(update={"batch_size": 5, "train_examples": 5})
    monkeypatch.setattr(type(trials.problems.find(study.problem, study.folder)), "train_examples", 5)
    with pytest.raises(UserError, match=r"tune.validation_examples: .* leaves 0, too few to tune on. Choose a problem"):
        searching.searches(study)


def test_the_search_reads_well_in_mlflow(tune, write_study):
    """Each configuration is a run with what it tried and how it ended, its trials below it, linked with Optuna's trial."""
    study = load(write_study(extra=TUNE))
    store = tune(study)[0]
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name("toy_study").experiment_id
    parents = client.search_runs([experiment], "tags.`ravine.kind` = 'tuning'", max_results=100)
    assert sorted(run.info.run_name for run in parents) == sorted(
        f"{o} #{n}" for o in ("SGD", "Adam") for n in range(7)
    )
    with optuna_storage.Storage(optuna_storage.locate(None, store.root)) as held:
        told = {(s.label, t.number): t for s in searching.searches(study) for t in held.study(s).get_trials()}
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
    study = load(write_study(extra=TUNE))
    store = tune(study)[0]
    table = frame.tuning(study, store)
    assert list(table["optimizer"]) == 7 * ["SGD"] + 7 * ["Adam"]
    assert list(table["number"]) == [*range(7), *range(7)]
    assert set(table["goal"]) == {"minimise"}
    assert set(table["state"]) <= {"complete", "pruned", "diverged", "stalled"}
    assert table["param.beta1"].isna().tolist() == 7 * [True] + 7 * [False]
    assert table["param.lr"].iloc[0] == 0.1
    assert table["is_default"].sum() == 2
    assert frame.tuning(study.override(trials=3, optimizers=("Adam",)), store)["number"].tolist() == [0, 1, 2]
    assert (table["value"] < math.log(4)).any()
    columns = {"kind", "objective", "sampler", "repeats", "examples", "seconds"}
    assert columns <= set(frame.tuning(study.model_copy(update={"name": "none"}), store).columns)


def test_another_protocol_is_another_search(tune, write_study):
    """With another batch nothing is mixed; the frame shows the newer one alone."""
    study = load(write_study(extra=TUNE))
    tune(study)
    other = load(write_study(extra=TUNE.replace("batch = 3", "batch = 4")))
    store = tune(other)[0]
    assert len(store.configurations(study.name)) == 28
    assert len(frame.tuning(other, store)) == 14
    newest = {search.optuna for search in searching.searches(other)}
    chosen = {each.run_id for each in store.configurations(study.name) if each.optuna in newest}
    assert set(frame.tuning(other, store)["run_id"]) == chosen


def _no_database(path):
    path.write_text("not a database, but long enough to be read as one\n" * 100, encoding="utf-8")


def _another_database(path):
    with sqlite3.connect(path) as connection:
        connection.execute("create table songs (name text)")
    connection.close()


def _another_optuna_version(path):
    optuna.storages.RDBStorage(f"sqlite:///{path}").engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("update version_info set schema_version = 99")
        connection.execute("update alembic_version set version_num = 'v99'")
    connection.close()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_no_database, "it is a file, but no SQLite database. Move it away; --storage chooses another"),
        (_another_database, "it is a database of something else (tables songs, ...), not of Optuna. --storage chooses"),
        (_another_optuna_version, "Optuna's storage cannot be opened: "),
        (lambda path: path.mkdir(), "Optuna's storage cannot be opened: [Errno 21] Is a directory"),
    ],
)
def test_a_broken_or_foreign_storage_is_one_line(here, make, told):
    """It names the storage, says what is wrong and the mend, and what was there is left as it was."""
    make(here / "o.db")
    with pytest.raises(UserError) as caught, optuna_storage.Storage(optuna_storage.locate(str(here / "o.db"), here)):
        pass
    assert str(caught.value).startswith(f"{here}/o.db: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql+none://me:secret@127.0.0.1:9/db", "nothing://x"])
def test_a_storage_without_a_driver_is_one_line(here, url):
    """A missing driver or an unknown kind of database is told without the password."""
    with pytest.raises(UserError, match=r"://") as caught, optuna_storage.Storage(optuna_storage.locate(url, here)):
        pass
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_optuna_study_of_others_is_left_alone(tune, write_study):
    """A study of the same name with a trial that Ravine did not make is refused in one line."""
    study = load(write_study(extra=TUNE))
    store, _, _ = tune(study, most=4)
    name = searching.searches(study)[0].optuna
    url = optuna_storage.locate(None, store.root)
    foreign = optuna.load_study(study_name=name, storage=url)
    foreign.add_trial(optuna.trial.create_trial(value=0.0))
    with pytest.raises(
        UserError, match=r'optuna.db: the Optuna study "toy_study/SGD .*" holds what Ravine did not put'
    ):
        tune(study)


def test_one_holder_at_a_time(here):
    """While a process holds Optuna's storage, a second one is told who does."""
    url = optuna_storage.locate(None, here)
    with (
        optuna_storage.Storage(url),
        pytest.raises(UserError, match=r"optuna.db: held by `.*` \(process \d+, since .*--storage chooses another"),
        optuna_storage.Storage(url),
    ):
        pass


def test_the_place_of_the_storage(here):
    """--storage takes a URL or a file; the default lies beside the store."""
    assert optuna_storage.locate(None, here / "out") == f"sqlite:///{here}/out/optuna.db"
    assert optuna_storage.locate("mine.db", here / "out") == f"sqlite:///{here}/mine.db"
    assert optuna_storage.locate("sqlite:///mine.db", here) == f"sqlite:///{here}/mine.db"
    assert optuna_storage.locate("postgresql://x/y", here) == "postgresql://x/y"
