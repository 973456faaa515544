"""`suite.execution.runner`: what is missing runs, and each result is recorded at once."""

from concurrent.futures import Future

from suite.execution import runner
from suite.execution.local import LocalProcesses
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trial


class Here:
    """Runs trials in this process: enough of an executor for what the runner wants."""

    workers = 2

    def __init__(self, folder):
        self.folder = folder

    def submit(self, trial):
        """A future that is done."""
        future = Future()
        future.set_result(run_trial(trial, folder=self.folder))
        return future


def test_a_study_is_run_once(store, write_study):
    """All trials of a plan are recorded; a second look finds nothing to do, and the next repeats alone after more."""
    path = write_study()
    study = load_study(path)
    trials = plan(study)
    outcomes = runner.run(study, runner.missing(trials, {}), store, Here(path.parent))
    assert outcomes == {Outcome.OK: 4}
    done = store.records([trial.id for trial in trials])
    assert runner.missing(trials, done) == []
    more = plan(study.override(repeats=3))
    assert [trial.name for trial in runner.missing(more, done)] == ["SGD r2", "Adam r2"]


def test_each_result_is_recorded_before_the_next_is_told(store, write_study):
    """When the progress hears of a trial, its record is complete: nothing is lost after that."""
    path = write_study()
    study = load_study(path)
    recorded = []
    runner.run(
        study,
        plan(study),
        store,
        Here(path.parent),
        lambda r: recorded.append(r.trial.id in store.records([r.trial.id])),
    )
    assert recorded == [True] * 4


def test_a_trial_that_stands_twice_in_a_plan_runs_once(write_study):
    """Two labels for the same settings are one trial."""
    path = write_study(repeats=1, extra='\n[[optimizer]]\nname = "SGD again"\nkind = "sgd"\nlr = 0.1\n')
    assert len(runner.missing(plan(load_study(path)), {})) == 2


def test_a_failed_trial_is_run_again_and_replaced(store, write_study):
    """A failure is recorded with its reason; the next run tries it again, and only the good record is left."""
    path = write_study(repeats=1, extra='\n[[optimizer]]\nname = "mine"\nkind = "toy:Broken"\nlr = 0.1\n')
    study = load_study(path)
    trials = plan(study)
    outcomes = runner.run(study, trials, store, Here(path.parent))
    assert outcomes == {Outcome.OK: 2, Outcome.FAILED: 1}
    done = store.records([trial.id for trial in trials])
    assert "a bug in the third step" in done[trials[2].id].reason
    assert runner.missing(trials, done) == [trials[2]]


def test_a_lost_worker_is_a_failed_trial(store, write_study):
    """A killed worker's trial is recorded as failed with the reason; where the cause is gone, the next run mends it."""
    path = write_study("DEADLY_BLOBS", repeats=1)
    study = load_study(path)
    trials = plan(study)
    with LocalProcesses(1, "cpu", None, path.parent) as executor:
        assert runner.run(study, trials, store, executor) == {Outcome.FAILED: 2}
    record = store.records([trials[0].id])[trials[0].id]
    assert record.reason.startswith(
        "the worker was lost: killed twice (SIGKILL), as the system does when memory runs out"
    )
    (path.parent / "spare").touch()
    with LocalProcesses(1, "cpu", None, path.parent) as executor:
        assert runner.run(study, trials, store, executor) == {Outcome.OK: 2}
    assert store.records([trials[0].id])[trials[0].id].outcome is Outcome.OK
