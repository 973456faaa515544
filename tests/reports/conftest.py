"""Synthetic studies and built reports, shared by the tests of `reports`."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SAMPLE = Path(__file__).with_name("sample.py")


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The module `sample.py` beside this file."""
    spec = importlib.util.spec_from_file_location("ravine_sample", SAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def compared():
    """Four optimizers: A and B close, C and D behind."""
    import numpy as np
    import pandas as pd

    from reports.analysis import verdicts

    rng, means = np.random.default_rng(1), {"A": 0.9, "B": 0.898, "C": 0.85, "D": 0.8}
    table = pd.DataFrame({label: rng.normal(mean, 0.01, 10) for label, mean in means.items()})
    return verdicts.compare(table, score="test/accuracy", higher=True, margin=0.002)


@pytest.fixture(scope="session")
def small(sample, tmp_path_factory):
    """A built report of three optimizers with three repeats each."""
    from reports.pages.study import build

    return build(*sample.small(), tmp_path_factory.mktemp("reports") / "small")


@pytest.fixture(scope="session")
def large(sample, tmp_path_factory):
    """A built report, without figures, of twelve optimizers with ten repeats each, of which one always diverges."""
    from reports.pages.study import build

    with pytest.MonkeyPatch.context() as patch:
        for part in ("build._draw", "writing.draw_sections"):
            patch.setattr(f"reports.{part}", lambda *_: iter(()))
        return build(*sample.large(), tmp_path_factory.mktemp("reports") / "large")


def _part(sample, tmp_path, name, scores, diverges=()):
    """A part with one score per label and repeat; those of `diverges` have none."""
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
    """Three parts: Adam is best on two of them, AdaGrad on one, where MBSGD diverges."""
    good = {"Adam": [0.9, 0.91], "AdaGrad": [0.8, 0.81], "MBSGD": [0.7, 0.71]}
    bad = {"Adam": [0.5, 0.61], "AdaGrad": [0.55, 0.65], "MBSGD": [0.1, 0.1]}
    one, two = _part(sample, tmp_path, "one", good), _part(sample, tmp_path, "two", good)
    return [one, two, _part(sample, tmp_path, "odd", bad, diverges=("MBSGD",))]
