"""Synthetic studies for the tests. `python tests/support/sample.py quick FOLDER` builds a sample report.

The numbers are synthetic: each optimizer has a speed and a final accuracy, and a seeded generator adds noise.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from suite.records import Outcome, Point, Timing, TrialRecord
from suite.spec.study import Study
from suite.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

ENVIRONMENT = {
    "device": "cpu",
    "device_name": "Example CPU with 2 cores",
    "threads": "1",
    "cpu_capability": "AVX512",
    "python": "3.11.7",
    "torch": "2.15.0",
    "torchvision": "0.29.2",
    "ravine": "0.1.0",
    "commit": "0123456789ab",
    "platform": "Linux-x86_64",
}

# kind, options, speed of training, final accuracy
KINDS = {
    "MBSGD": ("sgd", {"lr": 0.01}, 0.25, 0.842),
    "Momentum": ("momentum", {"lr": 0.01, "momentum": 0.9}, 0.9, 0.884),
    "NAG": ("nag", {"lr": 0.01, "momentum": 0.9}, 0.95, 0.885),
    "AdaGrad": ("adagrad", {"lr": 0.01, "eps": 1e-10}, 1.3, 0.897),
    "RMSProp": ("rmsprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-8}, 0.75, 0.868),
    "AdaDelta": ("adadelta", {"lr": 1.0, "rho": 0.9, "eps": 1e-6}, 1.0, 0.882),
    "Adam": ("adam", {"lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}, 1.0, 0.881),
    "AdaMax": ("adamax", {"lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}, 1.1, 0.891),
    "NAdam": ("nadam", {"lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}, 0.95, 0.879),
    "NAG (as printed)": ("nag_printed", {"lr": 0.01, "momentum": 0.9}, 0.85, 0.88),
    "SGD, batch 2": ("sgd", {"lr": 0.01}, 0.05, 0.79),
    "SGD, lr 10": ("sgd", {"lr": 10.0}, 0.3, 0.1),
}


class Store:
    """A store of records and points in memory, which a report can read."""

    def __init__(self) -> None:
        self.all: dict[str, TrialRecord] = {}
        self.measured: dict[str, tuple[Point, ...]] = {}

    def add(self, trial: Trial, points: Iterable[Point] = (), outcome: Outcome = Outcome.OK, **other: object) -> None:
        """Record a trial."""
        values = {
            "reason": "",
            "weights": trial.id * 4,
            "timing": Timing(2.0, 1.0, 3.5, 1000),
            "environment": ENVIRONMENT,
        }
        values |= {"started": 1_700_000_000.0, "run_id": f"run-{trial.id}"} | other
        self.all[trial.id] = TrialRecord(trial=trial, outcome=outcome, **values)  # type: ignore[arg-type]
        self.measured[trial.id] = tuple(points)

    def records(self, ids: Collection[str]) -> dict[str, TrialRecord]:
        """Return the records of these ids."""
        return {key: record for key, record in self.all.items() if key in ids}

    def points(self, records: Iterable[TrialRecord]) -> pd.DataFrame:
        """Return the points of these records."""
        rows = [
            (record.trial.id, p.metric, p.epoch, p.step, p.value)
            for record in records
            for p in self.measured[record.trial.id]
        ]
        return pd.DataFrame(rows, columns=["trial_id", "metric", "epoch", "step", "value"])


def study(labels: Collection[str], *, name: str = "sample", **keys: object) -> Study:
    """Return a study of these labels; unknown labels have Adam's options."""
    entries = []
    for label in labels:
        kind, options, *_ = KINDS.get(label, KINDS["Adam"])
        budget = {"batch_size": 2, "epochs": 1} if label == "SGD, batch 2" else {}
        written = {key: value for key, value in options.items() if key in {"lr", "momentum"}}
        entries.append({"name": label, "kind": kind, **written, **budget})
    keys = {"title": "A sample of made-up numbers", "problem": "fashion_mnist_cnn", "repeats": 3, "epochs": 3} | keys
    return Study.model_validate({**keys, "optimizer": entries, "name": name})


def plan(study: Study, *, apart: bool = False) -> tuple[Trial, ...]:
    """Return the trials of a study in the order of `suite.spec.plan`: by optimizer, then by repeat.

    Labels that are not in `KINDS` share Adam's options, and so their trials, unless `apart` gives each optimizer its own seed.
    """
    return tuple(
        Trial(
            label=entry.name,
            problem=study.problem,
            optimizer=entry.kind,
            hyperparameters=KINDS.get(entry.name, KINDS["Adam"])[1] | entry.options,
            batch_size=entry.batch_size or study.batch_size,
            epochs=entry.epochs or study.epochs,
            train_examples=study.train_examples or 60_000,
            repeat=repeat,
            seed=at if apart else 0,
            eval_every=study.eval_every,
            data={"train": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"},
        )
        for at, entry in enumerate(study.optimizer)
        for repeat in range(study.repeats)
    )


def curve(trial: Trial, *, every: int = 1, until: int | None = None) -> list[Point]:
    """Return plausible points of a trial: a decaying loss and a rising accuracy with noise; NaN after the update `until`."""
    _, _, speed, accuracy = KINDS.get(trial.label, KINDS["Adam"])
    rng = np.random.default_rng([trial.repeat, list(KINDS).index(trial.label) if trial.label in KINDS else 99])
    steps = np.arange(1, trial.updates + 1)
    shift = rng.normal(0, 0.05)
    floor = 0.02 + 2.2 * (1 - accuracy) ** 1.5
    mean = floor + (2.35 - floor) * np.exp(shift) * (1 + steps * speed / 40) ** -0.9
    loss = mean * np.exp(rng.normal(0, 0.12, len(steps)))
    if until is not None:
        loss[until:] = np.nan
    points = []
    for step, value in zip(steps, loss, strict=True):
        if until is None or step <= until + 1:
            epoch = int(-(-step // trial.updates_per_epoch))
            if step % every == 0 or step == 1:
                points.append(Point("train/step_loss", epoch, int(step), float(value)))
    tested = trial.tested_epochs()
    for epoch in range(1, trial.epochs + 1):
        end = epoch * trial.updates_per_epoch
        if until is not None and end > until:
            break
        value = float(loss[end - trial.updates_per_epoch : end].mean())
        right = float(np.clip(0.99 - 0.36 * value + rng.normal(0, 0.002), 0.1, 1))
        points += [Point("train/loss", epoch, end, value), Point("train/accuracy", epoch, end, right)]
        if epoch in tested:
            test = float(np.clip(accuracy - 0.28 * max(value - floor, 0) + rng.normal(0, 0.006), 0.1, 1))
            points += [Point("test/loss", epoch, end, value + 0.08), Point("test/accuracy", epoch, end, test)]
    return points


def fill(
    store: Store, trials: Iterable[Trial], *, every: int = 1, diverges: Callable[[Trial], bool] | None = None
) -> Store:
    """Record every trial; those for which `diverges` is true stop at update 17."""
    for trial in trials:
        if diverges and diverges(trial):
            reason = "the training loss was not finite at update 18"
            store.add(trial, curve(trial, until=17), Outcome.DIVERGED, reason=reason)
        else:
            rng = np.random.default_rng([trial.repeat, 7])
            seconds = trial.epochs * trial.train_examples / (1400 if trial.batch_size != 2 else 130)
            seconds *= float(np.exp(rng.normal(0, 0.03)))
            timing = Timing(seconds, 3.0, seconds + 5, trial.epochs * trial.train_examples)
            store.add(trial, curve(trial, every=every), timing=timing)
    return store


def quick() -> tuple[Study, tuple[Trial, ...], Store]:
    """Return nine optimizers, six repeats, four epochs of eight updates, evaluated after the last."""
    title = "Quick look: nine optimizers on the Fashion-MNIST CNN, a small training set"
    sample = study(
        list(KINDS)[:9], name="quick", title=title, repeats=6, epochs=4, batch_size=64, train_examples=512, eval_every=4
    )
    trials = plan(sample)
    return sample, trials, fill(Store(), trials)


def large() -> tuple[Study, tuple[Trial, ...], Store]:
    """Return twelve optimizers, ten repeats, 25 epochs and published values; one diverges, one has batch 2 for one epoch."""
    title = "Twelve optimizers on the Fashion-MNIST CNN, 25 epochs"
    sample = study(
        list(KINDS), name="large", title=title, repeats=10, epochs=25, train_examples=6000, reference="paper"
    )
    trials = plan(sample)
    store = fill(
        Store(), trials, diverges=lambda t: t.label == "SGD, lr 10" or (t.label == "RMSProp" and t.repeat == 3)
    )
    return sample, trials, store


def small() -> tuple[Study, tuple[Trial, ...], Store]:
    """Return three optimizers, three repeats, three epochs, which are quick to build."""
    sample = study(["MBSGD", "Adam", "AdaGrad"], name="small", batch_size=64, train_examples=256)
    trials = plan(sample)
    return sample, trials, fill(Store(), trials)


def main() -> None:
    """Build one of the samples."""
    from reports.pages.study import build

    which, folder = sys.argv[1:]
    report = build(*{"quick": quick, "large": large, "small": small}[which](), Path(folder))
    print(report.page)  # noqa: T201


if __name__ == "__main__":
    main()
