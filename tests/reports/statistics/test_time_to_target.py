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
    """Values by epoch of the runs of each label: 10 steps an epoch; None instead of a value ends a run that diverged."""
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
    """The trials that these points belong to."""
    return frame.drop_duplicates(["label", "repeat"])[["label", "repeat", "outcome"]].assign(train_seconds=seconds)


def test_the_curve_is_kaplan_and_meiers() -> None:
    """The published estimates of the 6-MP arm: .857, .807, .753, .690, .627, .538, .448 at 6, 7, 10, 13, 16, 22, 23 weeks."""
    found = time_to_target.survival(WEEKS, RELAPSED)
    at = dict(zip(found.time, found.not_reached, strict=True))
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {week: at[week] for week in expected} == pytest.approx(expected, abs=6e-4)
    assert (found.n, found.reached, found.followed) == (21, 9, 35)
    low, high = (dict(zip(found.time, ends, strict=True)) for ends in (found.low, found.high))
    assert (low[10], high[10]) == pytest.approx((0.503, 0.889), abs=1e-3)  # log-log, as R's survfit prints them


def test_the_shares_are_what_the_curves_leave() -> None:
    """1 − S with bounds turned round, for each unit, target and label that has runs."""
    times = pd.DataFrame({"target": "easy", "label": "6-MP", "epoch": WEEKS, "step": WEEKS, "reached": RELAPSED})
    table = time_to_target.shares(times, ("epoch", "step"), ["6-MP", "placebo"])
    found = time_to_target.survival(WEEKS, RELAPSED)
    assert table.groupby("unit").size().to_dict() == {"epoch": len(found.time), "step": len(found.time)}
    assert set(table["label"]) == {"6-MP"}
    row = table[(table["unit"] == "epoch") & (table["time"] == 10)].iloc[0]
    assert tuple(row[["share", "low", "high"]]) == pytest.approx((1 - 0.753, 1 - 0.889, 1 - 0.503), abs=1e-3)
    empty = time_to_target.shares(times[:0], ("epoch",), ["6-MP"])
    assert list(empty.columns) == list(table.columns)


def test_without_censoring_the_restricted_mean_is_the_mean_of_what_is_left_of_the_horizon() -> None:
    """Times 1, 2, 3 and two misses watched to 4: the mean of 1, 2, 3, 4, 4 and its own t interval."""
    found = time_to_target.restricted_mean([1, 2, 3, 4, 4], [True, True, True, False, False], 4.0)
    plain = t_interval([1.0, 2.0, 3.0, 4.0, 4.0])
    assert (found.value, found.low, found.high) == pytest.approx((plain.mean, plain.low, 4.0))
    wide = time_to_target.restricted_mean([1, 2, 3, 5, 8], [True] * 5, 10.0)
    plain = t_interval([1.0, 2.0, 3.0, 5.0, 8.0])
    assert (wide.value, wide.low, wide.high) == pytest.approx((plain.mean, plain.low, plain.high))


def test_a_miss_is_censored_and_not_given_a_time() -> None:
    """A run lost at 2 of 1, 3 and 4 counts half-way: S is 3/4 from 1, 3/8 from 3, 0 from 4, so the mean is 1 + 3/2 + 3/8."""
    found = time_to_target.restricted_mean([1, 2, 3, 4], [True, False, True, True], 4.0)
    assert found.value == pytest.approx(1 + 2 * 3 / 4 + 3 / 8)


def test_each_target_has_a_curve_for_each_label_that_has_runs() -> None:
    """In the order that is asked for; every curve is that of its own runs."""
    rows = [("hard", "A", 3.0, True), ("easy", "B", 1.0, True), ("easy", "A", 2.0, True), ("easy", "A", 4.0, False)]
    times = pd.DataFrame(rows, columns=["target", "label", "epoch", "reached"])
    found = time_to_target.survivals(times, "epoch", ["B", "A", "C"])
    assert {target: list(curves) for target, curves in found.items()} == {"hard": ["A"], "easy": ["B", "A"]}
    assert (found["easy"]["A"].time.tolist(), found["easy"]["A"].not_reached.tolist()) == ([2.0, 4.0], [0.5, 0.5])
    assert found["hard"]["A"].reached == 1


def test_a_run_that_can_never_reach_the_target_stays_under_way() -> None:
    """An infinite time keeps its share to the end, however long the horizon; lost at its last step it would vanish."""
    found = time_to_target.survival([1.0, 2.0, math.inf, math.inf], [True, True, False, False])
    assert found.not_reached.tolist() == [0.75, 0.5]
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
def test_too_little_gives_no_interval(time, reached, value) -> None:
    """No run, one run, runs of one time: no bounds; runs watched for less than the horizon: no mean either."""
    found = time_to_target.restricted_mean(time, reached, 5.0)
    assert found.value == pytest.approx(value, nan_ok=True)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_the_restricted_mean_covers() -> None:
    """Of 400 studies of 20 exponential times, half of them lost early, 90% to 98% hold the true restricted mean 1 − e⁻¹."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        true, lost = rng.exponential(size=20), np.where(rng.random(20) < 0.5, rng.uniform(0.5, 1.5, 20), 9.0)
        found = time_to_target.restricted_mean(np.minimum(true, lost), true <= lost, 1.0)
        hits += found.low <= 1 - math.exp(-1) <= found.high
    assert 0.90 < hits / 400 < 0.98


def test_the_first_measurement_that_shows_the_target_counts() -> None:
    """Reached in epoch 2 of 4 and lost again: epoch 2, step 20, half of the seconds; never reached: watched to the end."""
    frame = points(A=[[0.1, 0.6, 0.4, 0.7]], B=[[0.1, 0.2, 0.3, 0.4]])
    found = time_to_target.times(frame, trials(frame), "m", 0.5, higher=True)
    watched = {"epoch_followed": 4.0, "step_followed": 40.0, "second_followed": 100.0}
    assert found.to_dict("records") == [
        {"label": "A", "repeat": 0, "reached": True, "epoch": 2.0, "step": 20.0, "second": 50.0} | watched,
        {"label": "B", "repeat": 0, "reached": False, "epoch": 4.0, "step": 40.0, "second": 100.0} | watched,
    ]
    low = time_to_target.times(frame, trials(frame), "m", 0.1, higher=False)
    assert low["reached"].tolist() == [True, True]
    assert low["epoch"].tolist() == [1.0, 1.0]


def test_a_run_that_diverged_first_never_arrives_and_one_that_diverged_later_has() -> None:
    """Infinite before, its own time after; failed and missing trials are no results and have no row."""
    frame = points(A=[[0.1, None], [0.6, None], [0.1, 0.6, 0.7]])
    told = trials(frame)
    told = pd.concat([told, pd.DataFrame([{"label": "A", "repeat": 3, "outcome": "failed", "train_seconds": 1.0}])])
    found = time_to_target.times(frame, told, "m", 0.5, higher=True)
    assert found["reached"].tolist() == [False, True, True]
    assert found["epoch"].tolist() == [math.inf, 1.0, 2.0]
    assert found["second"].tolist()[0] == math.inf


def test_the_seconds_of_a_run_that_diverged_are_those_of_all_its_updates() -> None:
    """Reached at step 10, measured to step 10, diverged at update 19 of 20: half of its 100 seconds, not all of them."""
    frame = points(A=[[0.6, None]])
    steps = pd.DataFrame([{"label": "A", "repeat": 0, "outcome": "diverged", "step": step} for step in range(1, 21)])
    found = time_to_target.times(frame, trials(frame), "m", 0.5, higher=True, updates=steps)
    assert found[["second", "second_followed"]].to_numpy().tolist() == [[50.0, 50.0]]


def test_targets_are_quantiles_of_the_optimizers_median_final_scores() -> None:
    """Medians 1, 2, 3, 4, 5 have the middle 3; half of the labels end there or beyond; less is better turns the order."""
    frame = points(**{name: [[0.0, at - 0.5], [0.0, at], [0.0, at + 9]] for at, name in enumerate("ABCDE", 1)})
    found = time_to_target.choose_targets(frame, "m", higher=True)
    assert list(found) == ["easy", "middle", "hard"]
    assert found["middle"] == pytest.approx(3.0)
    assert found["easy"] < found["middle"] < found["hard"]
    turned = time_to_target.choose_targets(frame, "m", higher=False)
    assert turned["middle"] == pytest.approx(3.0)
    assert turned["easy"] == pytest.approx(found["hard"])


def test_runs_that_diverged_count_as_worse_than_all_when_targets_are_set() -> None:
    """An optimizer of which two of three runs diverged sets no target, whatever the third reached."""
    frame = points(A=[[1.0]], B=[[2.0]], C=[[3.0]], lost=[[99.0, None], [99.0, None], [50.0]])
    assert time_to_target.choose_targets(frame, "m", higher=True) == time_to_target.choose_targets(
        frame[frame["label"] != "lost"], "m", higher=True
    )
    assert time_to_target.choose_targets(points(A=[[9.0, None]]), "m", higher=True) == {}
    assert time_to_target.choose_targets(points(A=[[9.0]], lost=[[9.0, None]]), "m", higher=True) == {"middle": 9.0}
    assert time_to_target.choose_targets(frame, "other", higher=True) == {}
