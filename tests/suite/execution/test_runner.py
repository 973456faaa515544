"""`suite.execution.runner`: missing trials run, and each result is recorded immediately."""

from concurrent.futures import Future

from suite.execution import runner
from suite.execution.local import LocalProcesses
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trial


class InProcess:
    """An executor that runs trials in this process."""

    workers = 2

    def __init__(self, folder):
        self.folder = folder

    def submit(self, trial):
        """Run a trial and return a finished future."""
        future = Future()
        future.set_result(run_trial(trial, folder=self.folder))
        return future


def test_a_study_runs_once(store, write_study):
    """All trials of a plan are recorded; then none is missing, and of a plan with more repeats only the new ones."""
    path = write_study()
    study = load_study(path)
    trials = plan(study)
    outcomes = runner.run(study, runner.missing(trials, {}), store, InProcess(path.parent))
    assert outcomes == {Outcome.OK: 4}
    done = store.records([trial.id for trial in trials])
    assert runner.missing(trials, done) == []
    more = plan(study.override(repeats=3))
    assert [trial.name for trial in runner.missing(more, done)] == ["SGD r2", "Adam r2"]


def test_each_result_is_recorded_before_it_is_reported(store, write_study):
    """When `on_result` is called with a trial, its record is complete."""
    path = write_study()
    study = load_study(path)
    recorded = []
    runner.run(
        study,
        plan(study),
        store,
        InProcess(path.parent),
        lambda result: recorded.append(result.trial.id in store.records([result.trial.id])),
    )
    assert recorded == [True] * 4


def test_a_trial_that_is_twice_in_a_plan_runs_once(write_study):
    """Two labels for the same settings are one trial."""
    path = write_study(repeats=1, extra='\n[[optimizer]]\nname = "SGD again"\nkind = "sgd"\nlr = 0.1\n')
    assert len(runner.missing(plan(load_study(path)), {})) == 2


def test_a_failed_trial_is_missing(store, write_study):
    """A failed trial is recorded with its reason, and is missing for the next run."""
    path = write_study(repeats=1, extra='\n[[optimizer]]\nname = "mine"\nkind = "toy:Broken"\nlr = 0.1\n')
    study = load_study(path)
    trials = plan(study)
    outcomes = runner.run(study, trials, store, InProcess(path.parent))
    assert outcomes == {Outcome.OK: 2, Outcome.FAILED: 1}
    done = store.records([trial.id for trial in trials])
    assert "a bug in the third step" in done[trials[2].id].reason
    assert runner.missing(trials, done) == [trials[2]]


def test_a_lost_worker_is_a_failed_trial(store, write_study, wording):
    """The trial of a killed worker is recorded as failed with the reason; once the cause is fixed, the next run replaces it."""
    path = write_study("DEADLY_BLOBS", repeats=1)
    study = load_study(path)
    trials = plan(study)
    with LocalProcesses(1, "cpu", None, path.parent) as executor:
        assert runner.run(study, trials, store, executor) == {Outcome.FAILED: 2}
    record = store.records([trials[0].id])[trials[0].id]
    wording(record.reason)
    (path.parent / "spare").touch()
    with LocalProcesses(1, "cpu", None, path.parent) as executor:
        assert runner.run(study, trials, store, executor) == {Outcome.OK: 2}
    assert store.records([trials[0].id])[trials[0].id].outcome is Outcome.OK
