"""Tests of `reports.analysis.tuning`."""

import math

import pytest

from reports.analysis import tuning


def test_the_best_is_the_best_complete_trial(made, rates) -> None:
    """Pruned and diverged trials with lower values are not chosen; the row has the score of the default setting."""
    trials = made({"A": rates([1.0, 0.5, ("pruned", 0.1), ("diverged", 0.0), 0.7])})
    row = tuning.best(trials).iloc[0]
    assert (row["number"], row["score"], row["default"], row["kept"], row["complete"]) == (1, 0.5, 1.0, False, 3)
    assert row["param.lr"] == 1e-3


def test_the_goal_decides_what_is_best(made, rates) -> None:
    """An accuracy is maximised."""
    assert tuning.best(made({"A": rates([0.2, 0.9, 0.5])}, goal="maximise")).loc[0, "score"] == 0.9


def test_the_first_of_equal_trials_is_chosen(made, rates) -> None:
    """So a default setting that no trial improves on is kept, for any order of the rows."""
    trials = made({"A": rates([0.5, 0.7, 0.5])})[::-1]
    row = tuning.best(trials).iloc[0]
    assert (row["number"], bool(row["kept"])) == (0, True)


def test_an_optimizer_without_a_complete_trial_has_no_setting(made, rates) -> None:
    """It is still a row; so is one whose default setting was not tried."""
    table = tuning.best(made({"A": rates([("failed", math.nan), ("diverged", 3.0)]), "B": rates([0.5])}, own=False))
    assert table["label"].tolist() == ["A", "B"]
    assert table["score"].isna().tolist() == [True, False]
    assert table["default"].isna().all()
    assert not table["kept"].any()


def test_a_value_on_a_bound_of_its_range_is_reported(made) -> None:
    """A bound of the range counts, not the highest rate tried, and only for the best trial."""
    rows = [(4.0, 0.1), (3.0, 0.2), (2.0, 0.3), (1.0, 0.4)]
    trials = made({"A": [(v, {"lr": lr, "momentum": 0.3}) for v, lr in rows]})
    assert tuning.at_bounds(trials, tuning.best(trials)).empty
    edge = made({"A": [(v, {"lr": lr, "momentum": 0.3}) for v, lr in [*rows, (0.5, 0.45)]]})
    assert tuning.at_bounds(edge, tuning.best(edge)).values.tolist() == [["A", "lr", 0.45, "{ log = [0.0001, 0.5] }"]]
    other = made({"A": [(v, {"lr": lr}) for v, lr in [*rows, (5.0, 0.45)]]})
    assert tuning.at_bounds(other, tuning.best(other)).empty
    older = edge.drop(columns=[name for name in edge if name.startswith(("at_bound.", "range."))])
    assert tuning.at_bounds(older, tuning.best(older)).empty, "an older record has no ranges"


def test_the_budget_counts_trials_by_state(made, rates) -> None:
    """One of each state, two complete: 2 repeats each, 100 + ... + 600 examples, half a second each."""
    trials = made({"A": rates([1.0, 2.0, ("pruned", 3.0), ("diverged", 0), ("stalled", 0), ("failed", 0)])})
    row = tuning.budget(trials).iloc[0]
    assert row["configurations"] == 6
    assert row[list(tuning.STATES)].tolist() == [2, 1, 1, 1, 1]
    assert row[["repeats", "examples", "seconds"]].tolist() == [12, 2100, 3.0]


def test_the_difference_is_paired(final) -> None:
    """0.5, 0.7, 0.9 and 0.4, 0.5, 0.9: differences −0.1, −0.2, 0, so −0.1 ± 4.302653 · 0.1/√3."""
    scores = final({"A": [0.5, 0.7, 0.9], "A, tuned": [0.4, 0.5, 0.9]})
    row = tuning.tuned_vs_default(scores, "test/loss", ["A"]).iloc[0]
    assert row["difference"] == pytest.approx(-0.1)
    assert row["high"] - row["difference"] == pytest.approx(0.248414, abs=1e-6)
    assert (row["n"], row["pairs"], row["default"], row["tuned"]) == (3, 3, pytest.approx(0.7), pytest.approx(0.6))


def test_a_pair_with_a_diverged_trial_is_counted_not_averaged(final) -> None:
    """The default setting diverged on one repeat, the tuned one on another: one pair of three is left, without an interval."""
    scores = final({"A": [0.5, None, 0.9], "A, tuned": [0.4, 0.5, None]})
    row = tuning.tuned_vs_default(scores, "test/loss", ["A"]).iloc[0]
    assert (row["n"], row["pairs"], row["default_ok"], row["default_run"]) == (1, 3, 2, 3)
    assert row["difference"] == pytest.approx(-0.1)
    assert math.isnan(row["low"])


def test_a_kept_setting_or_one_without_new_repeats_has_no_difference(final) -> None:
    """It is NaN, not 0 ± 0."""
    scores = final({"A": [0.5, 0.7], "A, tuned": [0.5, 0.7], "B": [0.1, 0.2]})
    table = tuning.tuned_vs_default(scores, "test/loss", ["A", "B", "C"], kept=["A"])
    assert table["difference"].isna().all()
    assert table["kept"].tolist() == [True, False, False]
    assert table.set_index("label").loc["B", ["default_run", "tuned_run", "pairs"]].tolist() == [2, 0, 0]


def test_the_gap_is_test_minus_validation(made, rates, final) -> None:
    """Chosen at 0.5, new 0.6, 0.7, 0.8: gap 0.2 ± 0.248414; default setting 1.0, new 0.9, 1.0, 1.1: gap 0."""
    chosen = tuning.best(made({"A": rates([1.0, 0.5])}))
    row = tuning.validation_test_gap(chosen, final({"A": [0.9, 1.0, 1.1], "A, tuned": [0.6, 0.7, 0.8]})).iloc[0]
    assert (row["metric"], row["validation"], row["test"]) == ("test/loss", 0.5, pytest.approx(0.7))
    assert row["gap"] == pytest.approx(0.2)
    assert row["high"] - row["gap"] == row["gap"] - row["low"] == pytest.approx(0.248414, abs=1e-6)
    assert (row["default_gap"], row["default_n"]) == (pytest.approx(0, abs=1e-12), 3)


def test_a_kept_setting_has_the_gap_of_its_own_repeats(made, rates, final) -> None:
    """It was selected as well, so it may have an optimistic bias; without a tuned entry its default entry has the repeats."""
    chosen = tuning.best(made({"A": rates([0.5, 1.0])}))
    row = tuning.validation_test_gap(chosen, final({"A": [0.6, 0.8]})).iloc[0]
    assert row["gap"] == row["default_gap"] == pytest.approx(0.2)


def test_a_gap_needs_the_metric_of_the_objective(made, rates, final) -> None:
    """A loss as the objective has no gap to an accuracy."""
    chosen = tuning.best(made({"A": rates([1.0, 0.5])}))
    row = tuning.validation_test_gap(chosen, final({"A, tuned": [0.9, 0.8]}, metric="test/accuracy")).iloc[0]
    assert math.isnan(row["gap"])
    assert row["n"] == 0
