"""Tests of `suite.tuning.importance`."""

import math

import numpy as np
import pytest

from suite.tuning.importance import MIN_CONFIGURATIONS, importances


def draw(n, seed=0, **weights):
    """Return log-uniform learning rates and 1 − β, and scores that fall with the squared distance from the middle."""
    rng = np.random.default_rng(seed)
    u = {name: rng.random(n) for name in weights}
    goodness = -sum(weight * (u[name] - 0.5) ** 2 for name, weight in weights.items())
    scale = {"lr": lambda x: 10 ** (-5 + 6 * x), "beta1": lambda x: 1 - 10 ** (-3 * x)}
    settings = [{name: float(scale.get(name, float)(u[name][i])) for name in weights} for i in range(n)]
    return settings, goodness.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_hyperparameter_that_decides_the_score_has_the_largest_share(seed) -> None:
    """The rate has 20 times the weight of β, the third has none. Shares add up to 1."""
    shares = importances(*draw(60, seed, lr=20, beta1=1, weight_decay=0))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["lr"] > 0.6 > shares["beta1"] + shares["weight_decay"]
    turned = importances(*draw(60, seed, lr=1, beta1=20, weight_decay=0))
    assert turned["beta1"] > 0.6


def test_more_is_better() -> None:
    """Only the best quarter counts: what distinguishes the worst trials has no weight."""
    rng = np.random.default_rng(1)
    settings = [{"a": float(a), "b": float(b)} for a, b in rng.random((80, 2))]
    scores = [-100.0 if s["a"] > 0.8 else -((s["b"] - 0.4) ** 2) for s in settings]
    shares = importances(settings, scores)
    assert shares["b"] > shares["a"]


def test_a_trial_without_a_score_counts_like_any_bad_one() -> None:
    """−∞ and a huge loss give the same shares, because only ranks count."""
    settings, scores = draw(40, lr=10, beta1=1)
    worst = sorted(scores)[9]
    infinite = importances(settings, [-math.inf if score <= worst else score for score in scores])
    huge = importances(settings, [-1e9 if score <= worst else score for score in scores])
    assert infinite == huge


def test_the_same_trials_give_the_same_shares() -> None:
    """The computation is deterministic."""
    trials = draw(30, lr=5, beta1=5)
    assert importances(*trials) == importances(*trials)


def test_shares_that_cannot_be_computed_are_empty() -> None:
    """Too few trials, equal scores, no scores, or nothing that varies. A single varying hyperparameter has share 1."""
    settings, scores = draw(MIN_CONFIGURATIONS, lr=5, beta1=5)
    assert importances(settings[1:], scores[1:]) == {}
    assert len(importances(settings, scores)) == 2
    assert importances(settings, [0.5] * MIN_CONFIGURATIONS) == {}
    assert importances(settings, [-math.inf] * MIN_CONFIGURATIONS) == {}
    assert importances([{"lr": 0.1}] * MIN_CONFIGURATIONS, scores) == {}
    assert importances([{"lr": s["lr"], "eps": 1e-8} for s in settings], scores) == {"lr": pytest.approx(1)}


def test_the_verbosity_of_optuna_is_restored(caplog) -> None:
    """Nothing is logged meanwhile."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.INFO)
    importances(*draw(20, lr=5, beta1=5))
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert caplog.text == ""
