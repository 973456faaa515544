"""Searches run in this process, shared by the tests of `suite.tuning`."""

import math
import shutil
from concurrent.futures import Future

import pytest

from suite.records import Outcome, TrialResult
from suite.tracking.store import Store, locate
from suite.training import run_trial as trials
from suite.tuning import search, tuner
from suite.tuning import storage as optuna_storage


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
            with store.lock(), optuna_storage.Storage(url) as held:
                failed = tuner.tune(study, search.make_searches(study), store, held, executor)
        except KeyboardInterrupt:
            failed = None
        return store, failed, executor

    return run
