"""The complete report of a large study: 1,000 trials of 25 epochs, each with the losses of its 5,875 updates."""

import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from suite.records import Outcome, Point, Timing, TrialResult
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking.store import Store, locate

KINDS = ("sgd", "momentum", "nag", "nag_paper", "adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam")
STUDY = """
title = "Ten optimizers, 25 epochs"
problem = "fashion_mnist_cnn"
repeats = {repeats}
epochs = 25
batch_size = 256
"""


def _result(trial):
    """Return a synthetic result with the size of a real one; losses fall as 1/√t with noise. Only its report is measured."""
    rng = np.random.default_rng([trial.repeat, KINDS.index(trial.optimizer)])
    updates = trial.updates_per_epoch
    losses = (
        (2 + rng.normal(0, 0.1))
        / np.sqrt(1 + np.arange(updates * trial.epochs) / 50)
        * rng.lognormal(0, 0.1, updates * trial.epochs)
    )
    points = [Point("train/step_loss", 1 + at // updates, at + 1, float(loss)) for at, loss in enumerate(losses)]
    for epoch in range(1, trial.epochs + 1):
        mean = float(losses[(epoch - 1) * updates : epoch * updates].mean())
        values = {
            "train/loss": mean,
            "train/accuracy": 1 - mean / 3,
            "test/loss": mean + 0.1,
            "test/accuracy": 0.97 - mean / 3,
        }
        points += [Point(metric, epoch, epoch * updates, value) for metric, value in values.items()]
    timing = Timing(train=60.0, evaluate=5.0, total=66.0, examples=trial.epochs * trial.train_examples)
    return TrialResult(trial=trial, outcome=Outcome.OK, points=tuple(points), weights="0" * 64, timing=timing)


@pytest.mark.parametrize("trials", [1000])
def benchmark_large_report(benchmark, tmp_path, trials):
    """Measure `ravine report`: seconds from the command to the last file, CPU seconds, and the peak memory."""
    entries = "".join(f'[[optimizer]]\nname = "{kind}"\nkind = "{kind}"\n' for kind in KINDS)
    path = tmp_path / "large.toml"
    path.write_text(STUDY.format(repeats=trials // len(KINDS)) + entries, encoding="utf-8")
    study = load_study(path)
    store = Store(locate(str(tmp_path / "out"), tmp_path), tmp_path)
    for trial in plan(study):
        store.write(study, _result(trial))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    cpu_seconds = []

    def report():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "ravine", "report", path],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)

    benchmark.group = "a large report"
    benchmark.pedantic(report, rounds=3, warmup_rounds=0)
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    benchmark.extra_info |= {"who": "ravine report", "trials": trials, "gigabytes": kilobytes * 1024 / 1e9}
    benchmark.extra_info |= {"cpu_seconds": min(cpu_seconds)}
