"""Tests of `reports.analysis.lr_sensitivity`."""

import math

import pytest

from reports.analysis import lr_sensitivity

DECADES = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


def only(frame):
    """Return the only row of a frame."""
    assert len(frame) == 1
    return frame.iloc[0]


def test_the_range_has_a_known_width(made, rates) -> None:
    """Best 1.000 at 10⁻², good up to 1.01: 10⁻³ to 10⁻² is 1 decade, a ratio of 10; the next rates tried bound it at 3."""
    row = only(lr_sensitivity.ranges(made({"A": rates([1.5, 1.009, 1.0, 1.02, 1.6], DECADES)})))
    assert (row["lr"], row["low"], row["high"], row["below"], row["above"]) == (1e-2, 1e-3, 1e-2, 1e-4, 1e-1)
    assert row["ratio"] == pytest.approx(10)
    assert row["decades"] == pytest.approx(1)
    assert row["at_most"] == pytest.approx(3)
    assert not row["open_low"]
    assert not row["open_high"]


def test_one_percent_is_of_the_best_score_itself(made, rates) -> None:
    """Of an accuracy of 0.8: 0.7921 is within 0.792, 0.7919 is not; of a loss of −2, −1.981 is and −1.979 is not."""
    accuracy = made({"A": rates([0.7919, 0.8, 0.7921], DECADES)}, goal="maximise")
    assert only(lr_sensitivity.ranges(accuracy))[["low", "high"]].tolist() == [1e-3, 1e-2]
    loss = made({"A": rates([-1.979, -2.0, -1.981], DECADES)})
    assert only(lr_sensitivity.ranges(loss))[["low", "high"]].tolist() == [1e-3, 1e-2]


@pytest.mark.parametrize(
    ("values", "ends"),
    [([1.0, 1.0, 2.0], (True, False)), ([2.0, 1.0, 1.0], (False, True)), ([1.0, 1.0, 1.0], (True, True))],
)
def test_a_range_that_reaches_a_bound_is_open_there(made, rates, values, ends) -> None:
    """The upper bound of its width is infinite."""
    row = only(lr_sensitivity.ranges(made({"A": rates(values, DECADES)})))
    assert (row["open_low"], row["open_high"]) == ends
    assert row["at_most"] == math.inf


def test_a_rate_that_diverged_closes_the_range(made, rates) -> None:
    """It was tried and is not good, whatever its value; a failed trial is ignored, so the range stays open."""
    closed = only(lr_sensitivity.ranges(made({"A": rates([2.0, 1.0, ("diverged", 0.0)], DECADES)})))
    assert (closed["high"], closed["above"], bool(closed["open_high"])) == (1e-3, 1e-2, False)
    still = only(lr_sensitivity.ranges(made({"A": rates([2.0, 1.0, ("failed", 0.0)], DECADES)})))
    assert bool(still["open_high"])


def test_a_pruned_trial_is_never_good(made, rates) -> None:
    """Its value is a mean of fewer repeats, however low."""
    row = only(lr_sensitivity.ranges(made({"A": rates([2.0, 1.0, ("pruned", 0.5), 2.0], DECADES)})))
    assert row[["lr", "low", "high"]].tolist() == [1e-3, 1e-3, 1e-3]


def test_a_gap_in_the_range_is_counted(made, rates) -> None:
    """Good, bad, good: two of the three rates in the range are good."""
    row = only(lr_sensitivity.ranges(made({"A": rates([3.0, 1.0, 2.0, 1.0, 3.0], DECADES)})))
    assert (row["within"], row["inside"], row["tried"]) == (2, 3, 5)


def test_the_range_depends_on_the_optimizers_own_best_score(made, rates) -> None:
    """A much better optimizer does not narrow the range of another; the default rate is in the row."""
    table = lr_sensitivity.ranges(made({"A": rates([1.0, 1.0, 2.0], DECADES), "B": rates([0.1, 0.2], DECADES)}))
    assert table["decades"].tolist() == pytest.approx([1, 0])
    assert table["default"].tolist() == [1e-4, 1e-4]


def test_an_optimizer_without_scores_is_a_row_without_numbers(made, rates) -> None:
    """All failed, all diverged, no learning rate among the hyperparameters, no default setting, one trial."""
    failed = only(lr_sensitivity.ranges(made({"A": rates([("failed", math.nan)] * 3, DECADES)})))
    assert (failed["tried"], math.isnan(failed["score"])) == (0, True)
    diverged = only(lr_sensitivity.ranges(made({"A": rates([("diverged", math.nan)] * 3, DECADES)})))
    assert (diverged["tried"], math.isnan(diverged["decades"])) == (3, True)
    assert only(lr_sensitivity.ranges(made({"A": [(1.0, {"rho": 0.9})]})))["tried"] == 0
    one = only(lr_sensitivity.ranges(made({"A": rates([1.0], DECADES)}, own=False)))
    assert (one["decades"], bool(one["open_low"]), bool(one["open_high"])) == (0, True, True)
    assert math.isnan(one["default"])


def test_in_a_sweep_a_learning_rate_has_the_mean_of_its_trials(made, rates) -> None:
    """1 and 3 have the mean 2; a learning rate with a diverged trial has no score."""
    trials = made({"A": rates([1.0, 3.0, 5.0, ("diverged", 0.0)], [0.1, 0.1, 0.2, 0.2])}, sampler="grid")
    points = lr_sensitivity.points(trials)
    assert points["lr"].tolist() == [0.1, 0.2]
    assert points["score"].iloc[0] == pytest.approx(2)
    assert math.isnan(points["score"].iloc[1])
    assert points["default"].tolist() == [True, False]


def test_outside_a_sweep_every_trial_is_a_point(made) -> None:
    """If another hyperparameter varies, two trials of one learning rate are two points."""
    rows = [(1.0, {"lr": 0.1, "momentum": 0.5}), (3.0, {"lr": 0.1, "momentum": 0.9})]
    assert not lr_sensitivity.swept(made({"A": rows}))
    assert len(lr_sensitivity.points(made({"A": rows}))) == 2
    fixed = {"A": [(1.0, {"lr": 0.1, "momentum": 0.9})], "B": [(1.0, {"lr": 0.1, "momentum": 0.5})]}
    assert lr_sensitivity.swept(made(fixed))


def test_a_share_must_be_positive(made, rates) -> None:
    """The message shows how to write 1%."""
    with pytest.raises(ValueError, match=r"^\"share\" must be greater than 0, got 0. Write 0.01 for 1%$"):
        lr_sensitivity.ranges(made({"A": rates([1.0])}), share=0)
