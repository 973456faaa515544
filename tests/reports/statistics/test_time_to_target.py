"""Tests of `reports.statistics.time_to_target`."""

import math

import numpy as np
import pandas as pd
import pytest

from reports.statistics import time_to_target
from reports.statistics.intervals import t_interval

# Remission times in weeks under 6-mercaptopurine (Freireich et al. 1963), as Kaplan-Meier's textbooks print them.
WEEKS = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
RELAPSED = [True] * 9 + [False] * 12


def points(**runs) -> pd.DataFrame:
    """Return values by epoch of the runs of each label, 10 steps an epoch; None ends a run that diverged."""
    rows = []
    for label, series in runs.items():
        for repeat, values in enumerate(series):
            outcome = "diverged" if values[-1] is None else "ok"
            for epoch, value in enumerate(values, 1):
                if value is not None:
                    row = {"label": label, "repeat": repeat, "outcome": outcome, "metric": "m", "epoch": epoch}
                    rows.append(row | {"step": 10 * epoch, "value": value})
    return pd.DataFrame(rows)


def trials(frame: pd.DataFrame, seconds: float = 100.0) -> pd.DataFrame:
    """Return the trials of these points."""
    return frame.drop_duplicates(["label", "repeat"])[["label", "repeat", "outcome"]].assign(train_seconds=seconds)


def test_the_curve_is_the_kaplan_meier_estimate() -> None:
    """The published estimates of the 6-MP arm: .857, .807, .753, .690, .627, .538, .448 at 6, 7, 10, 13, 16, 22, 23 weeks."""
    result = time_to_target.survival(WEEKS, RELAPSED)
    at = dict(zip(result.time, result.not_reached, strict=True))
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {week: at[week] for week in expected} == pytest.approx(expected, abs=6e-4)
    assert (result.n, result.reached, result.followed) == (21, 9, 35)
    low, high = (dict(zip(result.time, ends, strict=True)) for ends in (result.low, result.high))
    assert (low[10], high[10]) == pytest.approx((0.503, 0.889), abs=1e-3)  # log-log, as R's survfit prints them


def test_shares_are_one_minus_the_curves() -> None:
    """1 − S with exchanged bounds, for each unit, target and label that has runs."""
    times = pd.DataFrame({"target": "easy", "label": "6-MP", "epoch": WEEKS, "step": WEEKS, "reached": RELAPSED})
    table = time_to_target.shares(times, ("epoch", "step"), ["6-MP", "placebo"])
    result = time_to_target.survival(WEEKS, RELAPSED)
    assert table.groupby("unit").size().to_dict() == {"epoch": len(result.time), "step": len(result.time)}
    assert set(table["label"]) == {"6-MP"}
    row = table[(table["unit"] == "epoch") & (table["time"] == 10)].iloc[0]
    assert tuple(row[["share", "low", "high"]]) == pytest.approx((1 - 0.753, 1 - 0.889, 1 - 0.503), abs=1e-3)
    empty = time_to_target.shares(times[:0], ("epoch",), ["6-MP"])
    assert list(empty.columns) == list(table.columns)


def test_without_censoring_the_restricted_mean_is_a_mean_of_clipped_times() -> None:
    """Times 1, 2, 3 and two runs censored at 4: the mean and the t interval of 1, 2, 3, 4, 4."""
    result = time_to_target.restricted_mean([1, 2, 3, 4, 4], [True, True, True, False, False], 4.0)
    plain = t_interval([1.0, 2.0, 3.0, 4.0, 4.0])
    assert (result.value, result.low, result.high) == pytest.approx((plain.mean, plain.low, 4.0))
    wide = time_to_target.restricted_mean([1, 2, 3, 5, 8], [True] * 5, 10.0)
    plain = t_interval([1.0, 2.0, 3.0, 5.0, 8.0])
    assert (wide.value, wide.low, wide.high) == pytest.approx((plain.mean, plain.low, plain.high))


def test_a_run_that_does_not_reach_the_target_is_censored() -> None:
    """Times 1, 3 and 4 and a run censored at 2: S is 3/4 from 1, 3/8 from 3, 0 from 4, so the mean is 1 + 3/2 + 3/8."""
    result = time_to_target.restricted_mean([1, 2, 3, 4], [True, False, True, True], 4.0)
    assert result.value == pytest.approx(1 + 2 * 3 / 4 + 3 / 8)


def test_each_target_has_a_curve_for_each_label_that_has_runs() -> None:
    """The labels are in the given order, and every curve has the runs of its label."""
    rows = [("hard", "A", 3.0, True), ("easy", "B", 1.0, True), ("easy", "A", 2.0, True), ("easy", "A", 4.0, False)]
    times = pd.DataFrame(rows, columns=["target", "label", "epoch", "reached"])
    result = time_to_target.survivals(times, "epoch", ["B", "A", "C"])
    assert {target: list(curves) for target, curves in result.items()} == {"hard": ["A"], "easy": ["B", "A"]}
    assert (result["easy"]["A"].time.tolist(), result["easy"]["A"].not_reached.tolist()) == ([2.0, 4.0], [0.5, 0.5])
    assert result["hard"]["A"].reached == 1


def test_a_run_that_can_never_reach_the_target_stays_at_risk() -> None:
    """An infinite time keeps its share to any horizon; censored at its last step it would lose it."""
    result = time_to_target.survival([1.0, 2.0, math.inf, math.inf], [True, True, False, False])
    assert result.not_reached.tolist() == [0.75, 0.5]
    assert (
        time_to_target.restricted_mean([1.0, 2.0, math.inf, math.inf], [True, True, False, False], 10.0).value == 5.75
    )
    none = time_to_target.restricted_mean([math.inf] * 3, [False] * 3, 10.0)
    assert none.value == 10.0
    assert math.isnan(none.low)


@pytest.mark.parametrize(
    ("time", "reached", "value"),
    [([], [], math.nan), ([3.0], [True], 3.0), ([3.0, 3.0], [True, True], 3.0), ([2.0, 2.0], [False, False], math.nan)],
)
def test_too_little_information_gives_no_interval(time, reached, value) -> None:
    """No run, one run or equal times: no bounds; censored before the horizon: no mean either."""
    result = time_to_target.restricted_mean(time, reached, 5.0)
    assert result.value == pytest.approx(value, nan_ok=True)
    assert math.isnan(result.low)
    assert math.isnan(result.high)


def test_the_interval_of_the_restricted_mean_has_coverage() -> None:
    """In 400 studies of 20 exponential times, half of them censored early, 90% to 98% cover the true value 1 − e⁻¹."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        true, lost = rng.exponential(size=20), np.where(rng.random(20) < 0.5, rng.uniform(0.5, 1.5, 20), 9.0)
        result = time_to_target.restricted_mean(np.minimum(true, lost), true <= lost, 1.0)
        hits += result.low <= 1 - math.exp(-1) <= result.high
    assert 0.90 < hits / 400 < 0.98


def test_the_first_measurement_that_shows_the_target_counts() -> None:
    """Reached in epoch 2 of 4 and lost again: epoch 2, step 20, half of the seconds; never reached: censored at the end."""
    frame = points(A=[[0.1, 0.6, 0.4, 0.7]], B=[[0.1, 0.2, 0.3, 0.4]])
    result = time_to_target.times(frame, trials(frame), "m", 0.5, higher=True)
    followed = {"epoch_followed": 4.0, "step_followed": 40.0, "second_followed": 100.0}
    assert result.to_dict("records") == [
        {"label": "A", "repeat": 0, "reached": True, "epoch": 2.0, "step": 20.0, "second": 50.0} | followed,
        {"label": "B", "repeat": 0, "reached": False, "epoch": 4.0, "step": 40.0, "second": 100.0} | followed,
    ]
    low = time_to_target.times(frame, trials(frame), "m", 0.1, higher=False)
    assert low["reached"].tolist() == [True, True]
    assert low["epoch"].tolist() == [1.0, 1.0]


def test_a_run_that_diverges_before_the_target_has_an_infinite_time() -> None:
    """One that diverges later has its own time; failed and missing trials have no row."""
    frame = points(A=[[0.1, None], [0.6, None], [0.1, 0.6, 0.7]])
    runs = trials(frame)
    runs = pd.concat([runs, pd.DataFrame([{"label": "A", "repeat": 3, "outcome": "failed", "train_seconds": 1.0}])])
    result = time_to_target.times(frame, runs, "m", 0.5, higher=True)
    assert result["reached"].tolist() == [False, True, True]
    assert result["epoch"].tolist() == [math.inf, 1.0, 2.0]
    assert result["second"].tolist()[0] == math.inf


def test_the_seconds_of_a_run_that_diverged_are_those_of_all_its_updates() -> None:
    """Reached at step 10, measured to step 10, diverged at update 19 of 20: half of its 100 seconds."""
    frame = points(A=[[0.6, None]])
    steps = pd.DataFrame([{"label": "A", "repeat": 0, "outcome": "diverged", "step": step} for step in range(1, 21)])
    result = time_to_target.times(frame, trials(frame), "m", 0.5, higher=True, updates=steps)
    assert result[["second", "second_followed"]].to_numpy().tolist() == [[50.0, 50.0]]


def test_targets_are_quantiles_of_the_optimizers_median_final_scores() -> None:
    """Medians 1, 2, 3, 4, 5 have the middle 3; half of the labels reach it; if lower is better, the order is reversed."""
    frame = points(**{name: [[0.0, at - 0.5], [0.0, at], [0.0, at + 9]] for at, name in enumerate("ABCDE", 1)})
    result = time_to_target.choose_targets(frame, "m", higher=True)
    assert list(result) == ["easy", "middle", "hard"]
    assert result["middle"] == pytest.approx(3.0)
    assert result["easy"] < result["middle"] < result["hard"]
    turned = time_to_target.choose_targets(frame, "m", higher=False)
    assert turned["middle"] == pytest.approx(3.0)
    assert turned["easy"] == pytest.approx(result["hard"])


def test_diverged_runs_count_as_the_worst_for_targets() -> None:
    """An optimizer with two diverged runs of three sets no target, whatever the third reached."""
    frame = points(A=[[1.0]], B=[[2.0]], C=[[3.0]], lost=[[99.0, None], [99.0, None], [50.0]])
    assert time_to_target.choose_targets(frame, "m", higher=True) == time_to_target.choose_targets(
        frame[frame["label"] != "lost"], "m", higher=True
    )
    assert time_to_target.choose_targets(points(A=[[9.0, None]]), "m", higher=True) == {}
    assert time_to_target.choose_targets(points(A=[[9.0]], lost=[[9.0, None]]), "m", higher=True) == {"middle": 9.0}
    assert time_to_target.choose_targets(frame, "other", higher=True) == {}
