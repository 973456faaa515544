"""Tests of `reports.analysis.tunability`."""

import itertools
import math

import numpy as np
import pytest

from reports.analysis import tunability

TIED = [0.3, 0.9, 0.3, 0.1, 0.9, 0.5, 0.2]


def best_of_subsets(values, k) -> float:
    """Return the mean of the best over all subsets of k."""
    return float(np.mean([max(subset) for subset in itertools.combinations(values, k)]))


@pytest.mark.parametrize("values", [TIED, [1.0], [2.0, 2.0], [-5.0, 3.0, 1e-3]])
def test_the_expected_best_is_the_mean_over_all_subsets(values) -> None:
    """The formula agrees with enumeration for every k, also with ties."""
    band = tunability.expected_best(values)
    assert band.mean == pytest.approx([best_of_subsets(values, k) for k in range(1, len(values) + 1)], rel=1e-12)


def test_weights_are_those_of_the_binomial_formula() -> None:
    """C(i−1, k−1)/C(n, k) for n = 60, where naive products of factorials would lose digits."""
    n = 60
    exact = [[math.comb(i - 1, k - 1) / math.comb(n, k) for i in range(1, n + 1)] for k in range(1, n + 1)]
    assert tunability.weights(n) == pytest.approx(np.array(exact), rel=1e-11)


def test_the_band_is_the_jackknife_of_the_enumerated_mean() -> None:
    """Each trial omitted in turn, n = 7, k = 3: t₀.₉₇₅,₆ = 2.446912 times √(6/7 · Σ(θⱼ − mean)²)."""
    left = np.array([best_of_subsets(np.delete(TIED, j), 3) for j in range(7)])
    half = 2.446912 * math.sqrt(6 / 7 * ((left - left.mean()) ** 2).sum())
    band = tunability.expected_best(TIED)
    assert band.high[2] - band.mean[2] == pytest.approx(half, rel=1e-6)
    assert band.mean[2] - band.low[2] == pytest.approx(half, rel=1e-6)


def test_the_band_ends_at_half_of_the_trials() -> None:
    """For k > n/2 there are no bounds, because they would narrow to zero; one trial has none at all."""
    band = tunability.expected_best(TIED)
    assert np.isfinite(band.low).tolist() == np.isfinite(band.high).tolist() == [True] * 3 + [False] * 4
    assert np.isfinite(tunability.expected_best([1.0, 2.0]).low).tolist() == [True, False]
    one = tunability.expected_best([0.4])
    assert (one.mean.tolist(), np.isnan(one.low).tolist(), one.n) == ([0.4], [True], 1)
    assert tunability.expected_best([]).mean.tolist() == []


@pytest.mark.parametrize(("k", "lowest"), [(1, 0.9), (5, 0.88), (10, 0.83)])
def test_the_band_covers_the_true_expectation(k, lowest) -> None:
    """The best of k scores −Exp(1) has the expectation −1/k; 800 bands of n = 20 have the documented coverage."""
    rng = np.random.default_rng(k)
    bands = [tunability.expected_best(-rng.exponential(size=20)) for _ in range(800)]
    assert lowest <= np.mean([band.low[k - 1] <= -1 / k <= band.high[k - 1] for band in bands]) <= 0.98


def test_invalid_values_are_errors() -> None:
    """A score that is not finite, and a level that is no probability."""
    with pytest.raises(ValueError, match=r'^"values" must be finite'):
        tunability.expected_best([1.0, -math.inf])
    with pytest.raises(ValueError, match=r'^"level" must be between 0 and 1, got 95'):
        tunability.expected_best([1.0, 2.0], level=95)


def test_the_probability_of_the_best_is_the_share_of_all_draws() -> None:
    """Three optimizers with ties, failures and unequal numbers of trials: every combination of subsets is counted."""
    values = [[0.5, 0.7, -math.inf, 0.9], [0.9, 0.7, 0.1, -math.inf, 0.7], [-math.inf, 0.7, -math.inf, 0.9]]
    found = tunability.probability_of_best(values)
    assert found.shape == (3, 4)
    for k in range(1, 5):
        wins, draws = np.zeros(3), 0
        for subsets in itertools.product(*(itertools.combinations(scores, k) for scores in values)):
            best = np.array([max(subset) for subset in subsets])
            top = (best == best.max()) & np.isfinite(best)
            wins += top / max(top.sum(), 1)
            draws += 1
        assert found[:, k - 1] == pytest.approx(wins / draws, abs=1e-12)
    assert found[:, 0].sum() == pytest.approx(1 - 1 / 4 * 1 / 5 * 2 / 4)  # less that of three failures


def test_equal_optimizers_have_equal_probabilities() -> None:
    """Seven optimizers with equal trials: 1/7 each, at every k."""
    assert tunability.probability_of_best([[0.5, 0.5, 0.5]] * 7) == pytest.approx(np.full((7, 3), 1 / 7), abs=1e-14)


def test_without_scores_the_probabilities_are_zero() -> None:
    """If all trials diverged, the probabilities are 0; without optimizers the table is empty."""
    assert tunability.probability_of_best([[-math.inf] * 2, [-math.inf] * 2]).tolist() == [[0.0, 0.0]] * 2
    assert tunability.probability_of_best([]).shape == (0, 0)


def test_a_curve_uses_random_trials_and_the_unit_of_the_objective(made, rates) -> None:
    """The default setting and the failed trial are excluded; 3, 1, 2 remain: the lowest of k = 2 is 1, 1 or 2, mean 4/3."""
    trials = made({"A": rates([9.0, 3.0, 1.0, 2.0, ("failed", math.nan)])})
    curve = tunability.curves(trials)
    assert curve["mean"].tolist() == pytest.approx([2, 4 / 3, 1])
    assert set(curve["n"]) == {3}
    assert curve["low"].iloc[0] < 2 < curve["high"].iloc[0]


def test_the_expected_best_accuracy_rises(made, rates) -> None:
    """If the goal is to maximise, the expected best of more trials is higher."""
    trials = made({"A": rates([0.1, 0.5, 0.7])}, goal="maximise", objective="validation/accuracy")
    assert tunability.curves(trials)["mean"].tolist() == pytest.approx([0.6, 0.7])


def test_a_trial_without_a_score_counts_as_the_worst(made, rates) -> None:
    """A diverged trial, and one worse than the worst default setting (5), both count as 5, and their number is reported."""
    trials = made(
        {"A": rates([5.0, ("diverged", 0.0), 1000.0, 1.0]), "B": rates([2.0, 3.0, 4.0, ("stalled", math.nan)])}
    )
    curves = tunability.curves(trials).set_index(["label", "trials"])
    assert curves.loc[("A", 1), ["mean", "worst", "capped"]].tolist() == pytest.approx([11 / 3, 5, 2])
    assert curves.loc[("B", 1), ["mean", "worst", "capped"]].tolist() == pytest.approx([4, 5, 1])


def test_the_worst_is_that_of_the_default_settings(made, rates) -> None:
    """The worst default setting is used; without one, the worst trial."""
    rows = {"A": rates([1.0, 50.0, 2.0])}
    assert tunability.worst(made(rows)) == -1.0
    assert tunability.worst(made(rows, goal="maximise")) == 1.0
    assert tunability.worst(made(rows, own=False)) == -50.0


def test_dependent_trials_are_an_error(made, rates) -> None:
    """TPE, grid and quasi-random trials have no curve; a run of both kinds has one of its random trials."""
    rows = {"A": rates([1.0, 2.0, 3.0])}
    for sampler in ("tpe", "grid", "qmc"):
        for function in (tunability.curves, tunability.probabilities):
            with pytest.raises(ValueError, match="because no trial was drawn at random"):
                function(made(rows, sampler=sampler))
    mixed = made(rows)
    mixed.loc[2, "sampler"] = "tpe"
    assert tunability.curves(mixed)["mean"].tolist() == [1.0]  # 2.0 counts as the 1.0 of the default setting


def test_an_optimizer_whose_trials_all_diverged_has_no_curve_and_is_never_best(made, rates) -> None:
    """The other one is always best."""
    trials = made({"A": rates([1.0, 0.5, 0.7]), "B": rates([("diverged", math.nan)] * 3)})
    assert set(tunability.curves(trials)["label"]) == {"A"}
    chances = tunability.probabilities(trials).pivot_table(index="trials", columns="label", values="probability")
    assert chances["A"].tolist() == pytest.approx([1, 1])
    assert chances["B"].tolist() == [0, 0]
    lost = made({"A": rates([("diverged", math.nan)] * 3)})
    assert tunability.curves(lost).empty
    assert tunability.probabilities(lost)["probability"].tolist() == [0, 0]
