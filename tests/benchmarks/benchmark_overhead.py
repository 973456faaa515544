"""The time outside training: recording, workers, start-up, and a study of a thousand tiny trials."""

import os
import subprocess
import sys

import pytest

from suite.execution.local import LocalProcesses, keep_memory
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking.store import Store, locate
from suite.training.run_trial import run_trial

TINY = """
title = "Tiny trials"
problem = "digits_mlp"
repeats = {repeats}
epochs = 1
batch_size = 73
score = "test/accuracy"
"""
TINY_KINDS = ("sgd", "momentum", "nag", "nag_paper", "adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam")


def benchmark_recording(benchmark, fashion_mnist, tmp_path):
    """Measure the recording of a one-epoch trial of the CNN, and its share of the time of such a trial."""
    study = load_study("paper").override(repeats=1, epochs=1, train_examples=2048, optimizers=("Adam",))
    (trial,) = plan(study)
    keep_memory()  # as a worker does
    result = run_trial(trial, data=fashion_mnist)
    store = Store(locate(str(tmp_path), tmp_path), tmp_path)
    store.write(study, result)
    benchmark.group = "recording a one-epoch trial"
    benchmark.pedantic(store.write, args=(study, result), rounds=50)
    trial_seconds = result.timing.total + result.timing.train * (60_000 / 2048 - 1)
    benchmark.extra_info |= {"who": "store.write", "trial_seconds": trial_seconds}
    benchmark.extra_info["share"] = benchmark.stats.stats.median / trial_seconds


@pytest.mark.parametrize("workers", [1, 2])
def benchmark_workers(benchmark, fashion_mnist, workers):
    """Measure four trials with 1,024 images and an evaluation on 10,000, on one worker and on two."""
    study = load_study("paper").override(repeats=4, epochs=1, train_examples=1024, optimizers=("Adam",))
    trials = plan(study)
    with LocalProcesses(workers, "cpu", fashion_mnist, None) as executor:

        def run():
            for future in [executor.submit(trial) for trial in trials]:
                future.result()

        executor.submit(plan(load_study("digits"))[0]).result()  # the workers have started
        benchmark.group = "four trials"
        benchmark.extra_info["who"] = f"{workers} workers"
        benchmark.pedantic(run, rounds=3)


def benchmark_start_up(benchmark):
    """Measure `ravine --help`."""
    benchmark.group = "start-up"
    benchmark.extra_info["who"] = "ravine --help"
    benchmark.pedantic(
        lambda: subprocess.run([sys.executable, "-m", "ravine", "--help"], check=True, capture_output=True), rounds=5
    )


@pytest.mark.parametrize("trials", [1000])
def benchmark_tiny_trials(benchmark, tmp_path, trials):
    """Measure `ravine run` on trials of 20 steps, with records and report: seconds for each trial outside training."""
    entries = "".join(f'[[optimizer]]\nname = "{kind}"\nkind = "{kind}"\n' for kind in TINY_KINDS)
    path = tmp_path / "tiny.toml"
    path.write_text(TINY.format(repeats=trials // len(TINY_KINDS)) + entries, encoding="utf-8")
    workers = 2
    # An installed Python has compiled modules; the first run writes them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def study(*options):
        command = [sys.executable, "-m", "ravine", "run", path, "--workers", str(workers), *options]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)

    study("--repeats", "1", "--store", "first")
    benchmark.group = "a study of tiny trials"
    benchmark.pedantic(study, rounds=1)
    planned = plan(load_study(str(path)))
    store = Store(locate(str(tmp_path / "out"), tmp_path), tmp_path, create=False)
    records = store.records([trial.id for trial in planned])
    assert len(records) == trials
    training = sum(record.timing.train + record.timing.evaluate for record in records.values()) / workers
    benchmark.extra_info |= {"who": "ravine run", "trials": trials, "training_seconds": training}
    benchmark.extra_info["seconds_outside_a_trial"] = (benchmark.stats.stats.median - training) / trials
