"""Made-up tuning runs, shared by the tests of `reports.tuning`."""

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def made():
    """A function: label -> rows of (value or outcome, hyperparameters) to a frame with a row per Optuna trial.

    A number is the value of a complete trial, a pair (state, value) anything else. The first row of a label is the
    study's own setting unless `own` is False.
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
                row |= {f"edge.{name}": not 0.00012 < setting < 0.42 for name, setting in settings.items()}
                table.append(row | other)
        return pd.DataFrame(table)

    return make


@pytest.fixture(scope="session")
def rates():
    """A function: values to rows with the learning rates 10⁻⁴, 10⁻³, ... (a decade apart, or as given)."""

    def make(values, lrs=None):
        return [(value, {"lr": lr}) for value, lr in zip(values, lrs or [10.0**e for e in range(-4, 9)], strict=False)]

    return make


@pytest.fixture(scope="session")
def final():
    """A function: label -> score per repeat (None: diverged) to a frame with a row per trial, as `scores.final` gives it."""

    def make(values, metric="test/loss", **others):
        rows = [
            {"label": label, "repeat": repeat, "outcome": "diverged" if score is None else "ok", metric: score} | others
            for label, scores in values.items()
            for repeat, score in enumerate(scores)
        ]
        return pd.DataFrame(rows).astype({metric: float})

    return make
