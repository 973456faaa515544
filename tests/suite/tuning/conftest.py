"""Searches that run in this process, for the tests of `suite.tuning`."""

import math
import shutil
from concurrent.futures import Future

import pytest

from suite.records import Outcome, TrialResult
from suite.tracking.store import Store, locate
from suite.training import run_trial as trials
from suite.tuning import search, tuner
from suite.tuning import storage as optuna_storage


class LocalExecutor:
    """Runs trials in this process; `workers` at a time are pending, and end in arbitrary order."""

    def __init__(self, folder, workers=2, max_trials=math.inf, failing=()):
        self.folder, self.workers, self.max_trials, self.failing, self.ran = folder, workers, max_trials, failing, []

    def submit(self, trial):
        """Return a completed future, or raise KeyboardInterrupt after `max_trials`."""
        if len(self.ran) >= self.max_trials:
            raise KeyboardInterrupt
        self.ran.append(trial)
        future = Future()
        if trial.hyperparameters["lr"] in self.failing:
            future.set_result(TrialResult(trial=trial, outcome=Outcome.FAILED, reason="out of memory", started=1e9))
        else:
            future.set_result(trials.run_trial(trial, folder=self.folder))
        return future


@pytest.fixture
def tune(here, migrated):
    """Tune a study in a separate store and return the store, the failed results and the executor."""

    def run(study, folder="first", storage=None, **options):
        if not (here / folder).exists():
            (here / folder).mkdir()
            shutil.copy(migrated, here / folder / "mlflow.db")
        store = Store(locate(folder, here), here)
        executor = LocalExecutor(study.folder, **options)
        url = optuna_storage.locate(storage, store.root)
        try:
            with store.lock(), optuna_storage.Storage(url) as optuna:
                failed = tuner.tune(study, search.make_searches(study), store, optuna, executor)
        except KeyboardInterrupt:
            failed = None
        return store, failed, executor

    return run
