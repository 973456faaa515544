"""Synthetic studies and built reports, shared by the tests of `reports`."""

from types import ModuleType

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """Return the module `sample.py` of `tests/support`."""
    import sample as module

    return module


@pytest.fixture(scope="session")
def compared():
    """Return a comparison of four optimizers: A and B close, C and D worse."""
    import numpy as np

    from reports.analysis import verdicts

    rng, means = np.random.default_rng(1), {"A": 0.9, "B": 0.898, "C": 0.85, "D": 0.8}
    table = pd.DataFrame({label: rng.normal(mean, 0.01, 10) for label, mean in means.items()})
    return verdicts.compare(table, score="test/accuracy", higher=True, margin=0.002)


@pytest.fixture(scope="session")
def small(sample, tmp_path_factory):
    """Return a report of three optimizers with three repeats each."""
    from reports.pages.study import build

    return build(*sample.small(), tmp_path_factory.mktemp("reports") / "small")


@pytest.fixture(scope="session")
def large(sample, tmp_path_factory):
    """Return a report, without figures, of twelve optimizers with ten repeats each; one always diverges."""
    from reports.pages.study import build

    with pytest.MonkeyPatch.context() as patch:
        for part in ("study._draw_study_figures", "files.draw_sections"):
            patch.setattr(f"reports.pages.{part}", lambda *_: iter(()))
        return build(*sample.large(), tmp_path_factory.mktemp("reports") / "large")


def _part(sample, tmp_path, name, scores, diverges=()):
    """Return a part with one score per label and repeat; labels in `diverges` have none."""
    from reports.pages.study import build
    from suite.records import Outcome, Point

    study = sample.study(list(scores), name=f"all.{name}", repeats=len(next(iter(scores.values()))))
    study = study.model_copy(update={"part": name})
    trials, store = sample.plan(study), sample.Store()
    for trial in trials:
        lost = trial.label in diverges
        value = scores[trial.label][trial.repeat]
        curve = [Point("test/accuracy", epoch, 4 * epoch, value - 0.01 * (trial.epochs - epoch)) for epoch in (1, 2, 3)]
        store.add(trial, [] if lost else curve, Outcome.DIVERGED if lost else Outcome.OK, reason="up" if lost else "")
    return study, build(study, trials, store, tmp_path / f"all.{name}")


@pytest.fixture
def reports(sample, tmp_path, no_figures):
    """Return three parts: Adam is best on two of them, AdaGrad on the third, on which MBSGD diverges."""
    good = {"Adam": [0.9, 0.91], "AdaGrad": [0.8, 0.81], "MBSGD": [0.7, 0.71]}
    bad = {"Adam": [0.5, 0.61], "AdaGrad": [0.55, 0.65], "MBSGD": [0.1, 0.1]}
    one, two = _part(sample, tmp_path, "one", good), _part(sample, tmp_path, "two", good)
    return [one, two, _part(sample, tmp_path, "odd", bad, diverges=("MBSGD",))]


@pytest.fixture(scope="session")
def made():
    """Return a function from rows of (value or outcome, hyperparameters) by label to a frame with a row per Optuna trial.

    A number is the value of a complete trial, a pair (state, value) that of any other. The first row of a label is the
    default setting unless `own` is False.
    """

    def make(rows, *, goal="minimise", sampler="random", own=True, objective="validation/loss", **other):
        table = []
        for label, trials in rows.items():
            for number, (result, settings) in enumerate(trials):
                state, value = result if isinstance(result, tuple) else ("complete", result)
                row = {"optimizer": label, "kind": label.lower(), "number": number, "state": state, "value": value}
                row |= {"objective": objective, "goal": goal, "sampler": sampler, "is_default": own and number == 0}
                row |= {"repeats": 2, "examples": 100 * (number + 1), "seconds": 0.5}
                row |= {f"param.{name}": float(setting) for name, setting in settings.items()}
                row |= {f"range.{name}": "{ log = [0.0001, 0.5] }" for name in settings}
                row |= {f"at_bound.{name}": not 0.00012 < setting < 0.42 for name, setting in settings.items()}
                table.append(row | other)
        return pd.DataFrame(table)

    return make


@pytest.fixture(scope="session")
def rates():
    """Return a function from values to rows with the learning rates 10⁻⁴, 10⁻³, ..., or the given ones."""

    def make(values, lrs=None):
        return [(value, {"lr": lr}) for value, lr in zip(values, lrs or [10.0**e for e in range(-4, 9)], strict=False)]

    return make


@pytest.fixture(scope="session")
def final():
    """Return a function from scores by label (None: diverged) to a frame like that of `scores.final`."""

    def make(values, metric="test/loss", **others):
        rows = [
            {"label": label, "repeat": repeat, "outcome": "diverged" if score is None else "ok", metric: score} | others
            for label, scores in values.items()
            for repeat, score in enumerate(scores)
        ]
        return pd.DataFrame(rows).astype({metric: float})

    return make
