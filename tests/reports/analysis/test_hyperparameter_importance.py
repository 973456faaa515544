"""Tests of `reports.analysis.hyperparameter_importance`."""

import math

import numpy as np
import pytest

from reports.analysis import hyperparameter_importance


def test_each_optimizer_has_shares_of_its_own_hyperparameters(made) -> None:
    """Hyperparameters that it lacks and failed trials are excluded; a single hyperparameter has no importance."""
    rng = np.random.default_rng(0)
    u = rng.random((41, 2))
    rows = [((x - 0.5) ** 2, {"lr": 10 ** (4 * x - 4), "momentum": 0.5 + y / 3}) for x, y in u]
    rows[-1] = (("failed", math.nan), rows[-1][1])
    trials = made({"Momentum": rows, "SGD": [(v, {"lr": s["lr"]}) for v, s in rows]})
    trials["param.rho"] = math.nan
    table = hyperparameter_importance.by_optimizer(trials)
    assert table[["label", "parameter", "n"]].values.tolist() == [["Momentum", "lr", 40], ["Momentum", "momentum", 40]]
    assert table["importance"].sum() == pytest.approx(1)
    assert table.loc[0, "importance"] > 0.8


def test_without_enough_trials_the_table_is_empty(made, rates) -> None:
    """Few trials, or only failed ones."""
    assert hyperparameter_importance.by_optimizer(made({"A": rates([1.0, 2.0])})).empty
    assert hyperparameter_importance.by_optimizer(made({"A": rates([("failed", math.nan)] * 9)})).empty
