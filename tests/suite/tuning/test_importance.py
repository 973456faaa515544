"""Tests of `suite.tuning.importance`."""

import math

import numpy as np
import pytest

from suite.tuning.importance import MIN_CONFIGURATIONS, importances


def drawn(n, seed=0, **weights):
    """Settings with log-uniform learning rates and 1 − β, and scores that fall with the squared distance from the middle."""
    rng = np.random.default_rng(seed)
    u = {name: rng.random(n) for name in weights}
    goodness = -sum(weight * (u[name] - 0.5) ** 2 for name, weight in weights.items())
    scale = {"lr": lambda x: 10 ** (-5 + 6 * x), "beta1": lambda x: 1 - 10 ** (-3 * x)}
    settings = [{name: float(scale.get(name, float)(u[name][at])) for name in weights} for at in range(n)]
    return settings, goodness.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_what_decides_the_score_gets_the_most(seed) -> None:
    """The rate's weight is 20 times that of the β; the third has none. Shares add up to 1."""
    found = importances(*drawn(60, seed, lr=20, beta1=1, weight_decay=0))
    assert sum(found.values()) == pytest.approx(1)
    assert found["lr"] > 0.6 > found["beta1"] + found["weight_decay"]
    turned = importances(*drawn(60, seed, lr=1, beta1=20, weight_decay=0))
    assert turned["beta1"] > 0.6


def test_more_is_better() -> None:
    """Only the best quarter counts: what parts the worst from the rest has no weight."""
    rng = np.random.default_rng(1)
    settings = [{"a": float(a), "b": float(b)} for a, b in rng.random((80, 2))]
    scores = [-100.0 if s["a"] > 0.8 else -((s["b"] - 0.4) ** 2) for s in settings]
    found = importances(settings, scores)
    assert found["b"] > found["a"]


def test_a_trial_without_a_score_is_as_bad_as_any_bad_one() -> None:
    """−∞ and a huge loss give the same shares, since only ranks count."""
    settings, scores = drawn(40, lr=10, beta1=1)
    worst = sorted(scores)[9]
    infinite = importances(settings, [-math.inf if score <= worst else score for score in scores])
    huge = importances(settings, [-1e9 if score <= worst else score for score in scores])
    assert infinite == huge


def test_the_same_trials_give_the_same_shares() -> None:
    """Nothing random is in it."""
    trials = drawn(30, lr=5, beta1=5)
    assert importances(*trials) == importances(*trials)


def test_no_answer_is_empty() -> None:
    """Too few trials, equal scores, no score at all, nothing that varies; what alone varies has it all."""
    settings, scores = drawn(MIN_CONFIGURATIONS, lr=5, beta1=5)
    assert importances(settings[1:], scores[1:]) == {}
    assert len(importances(settings, scores)) == 2
    assert importances(settings, [0.5] * MIN_CONFIGURATIONS) == {}
    assert importances(settings, [-math.inf] * MIN_CONFIGURATIONS) == {}
    assert importances([{"lr": 0.1}] * MIN_CONFIGURATIONS, scores) == {}
    assert importances([{"lr": s["lr"], "eps": 1e-8} for s in settings], scores) == {"lr": pytest.approx(1)}


def test_optunas_log_is_left_as_it_was(caplog) -> None:
    """It neither speaks nor stays silent afterwards."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.INFO)
    importances(*drawn(20, lr=5, beta1=5))
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert caplog.text == ""
