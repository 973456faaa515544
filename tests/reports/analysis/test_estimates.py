"""Tests of `reports.analysis.estimates`."""

import math

import numpy as np
import pytest

from reports.analysis import estimates
from reports.frames.scores import final
from reports.frames.study_frames import load
from reports.statistics.bad_runs import bad_runs
from reports.statistics.intervals import success_interval
from suite.records import Outcome, Point, Timing


@pytest.fixture
def made(sample):
    """Return a function from final accuracies by label (None: diverged) to frames and scores."""

    def make(values: dict[str, list[float | None]], metric: str = "test/accuracy"):
        repeats = max(len(scores) for scores in values.values())
        trials = sample.plan(sample.study(values, repeats=repeats, epochs=1), apart=True)
        store = sample.Store()
        for trial in trials:
            scores = values[trial.label]
            if trial.repeat >= len(scores):
                continue
            value = scores[trial.repeat]
            timing = Timing(1.0, 0, 1, 100 * (trial.repeat + 1))
            if value is None:
                store.add(trial, [], Outcome.DIVERGED, reason="not finite", timing=timing)
            else:
                store.add(trial, [Point(metric, 1, 1, value)], timing=timing)
        frames = load(store, trials)
        return frames, final(frames, [metric])

    return make


def test_an_estimate_has_the_mean_and_the_interval_of_its_ok_repeats(made) -> None:
    """0.7, 0.8, 0.9: mean 0.8, half-width 4.302653 · 0.1/√3 = 0.248414; the diverged repeat is counted, but not averaged."""
    table = estimates.by_label(*made({"A": [0.7, 0.8, None, 0.9]}), ["test/accuracy"], "test/accuracy")
    row = table.iloc[0]
    assert (row["ok"], row["run"], row["planned"], row["diverged"], row["missing"]) == (3, 4, 4, 1, 0)
    assert row["test/accuracy"] == pytest.approx(0.8)
    assert row["test/accuracy_high"] - row["test/accuracy"] == pytest.approx(0.248414, abs=1e-6)
    assert row["examples_per_second"] == 200.0  # the median of 100, 200 and 400
    assert (row["level"], row["method"]) == (0.95, "Student t")
    rate = success_interval(3, 4)
    assert (row["success"], row["success_low"], row["success_high"]) == (0.75, rate.low, rate.high)


def test_bad_runs_are_counted_from_six_started_runs(made) -> None:
    """Runs far below the median of their optimizer and lost runs; bounds of Clopper and Pearson; none below six runs."""
    values = [0.90, 0.91, 0.92, 0.93, 0.94, 0.95]
    runs = {"A": [*values, 0.5, None], "B": values, "C": [None] * 6, "D": [*values[:4], None]}
    frames, scores = made(runs)
    table = estimates.by_label(frames, scores, ["test/accuracy"], "test/accuracy").set_index("label")
    for label, count, n in (("A", 2, 8), ("B", 0, 6), ("C", 6, 6)):
        rate = success_interval(count, n)
        assert table.loc[label, ["bad", "bad_low", "bad_high", "run"]].tolist() == [count, rate.low, rate.high, n]
    assert table.loc["D", ["bad", "bad_low", "bad_high"]].isna().all()
    assert bad_runs([*values, 0.5, -math.inf]).count == 2


def test_mirrored_scores_have_the_same_bad_runs(made) -> None:
    """An accuracy and its negative as a loss: the same runs are bad. A high loss is bad, a high accuracy is not."""
    values = {
        "A": [0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.2, None],
        "B": [0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.99, 0.16],
    }
    columns = ["bad", "bad_low", "bad_high", "ok", "run"]
    tables = []
    for metric, sign in (("test/accuracy", 1), ("test/loss", -1)):
        signed = {label: [v if v is None else sign * v for v in scores] for label, scores in values.items()}
        tables.append(estimates.by_label(*made(signed, metric), [metric], metric).set_index("label")[columns])
    assert tables[0].equals(tables[1])
    assert tables[0]["bad"].to_dict() == {"A": 2, "B": 0}


def test_labels_are_sorted_by_the_score_and_those_without_one_come_last(made) -> None:
    """A higher accuracy is better."""
    frames, scores = made({"A": [0.5, 0.6], "lost": [None, None], "B": [0.9, 0.8], "C": [0.7]})
    table = estimates.by_label(frames, scores, ["test/accuracy"], "test/accuracy")
    assert list(table["label"]) == ["B", "C", "A", "lost"]
    assert math.isnan(table["test/accuracy"].iloc[-1])


def test_less_loss_is_better_and_ties_keep_the_order_of_the_plan(made) -> None:
    """A study with a loss as its score has the lowest first."""
    frames, scores = made({"A": [0.5], "B": [0.2], "C": [0.5]}, "test/loss")
    assert list(estimates.by_label(frames, scores, ["test/loss"], "test/loss")["label"]) == ["B", "A", "C"]


def test_missing_trials_are_not_started_trials(made) -> None:
    """Planned, started and ok trials are counted separately."""
    frames, scores = made({"A": [0.5, 0.6, 0.7], "B": [0.9]})
    table = estimates.by_label(frames, scores, ["test/accuracy"], "test/accuracy").set_index("label")
    assert table.loc["B", ["ok", "run", "planned", "missing"]].tolist() == [1, 1, 3, 2]
    assert math.isnan(table.loc["B", "test/accuracy_low"])


def test_published_values_have_difference_and_range(made) -> None:
    """Ours 0.7, 0.8, 0.9: a published 0.85 lies within their range, 0.95 does not; one repeat has no range."""
    frames, scores = made({"A": [0.7, 0.8, 0.9], "B": [0.7, 0.8, 0.9], "C": [0.6]})
    published = {"A": {"test/accuracy": 0.85}, "B": {"test/accuracy": 0.95}, "C": {"test/accuracy": 0.6}}
    table = estimates.by_label(frames, scores, ["test/accuracy"], "test/accuracy", published=published)
    assert table.set_index("label")["test/accuracy_published"].to_dict() == {"A": 0.85, "B": 0.95, "C": 0.6}
    compared = estimates.against_reference(table, scores, published, ["test/accuracy"]).set_index("label")
    assert compared["within"].to_dict() == {"A": True, "B": False, "C": None}
    assert compared.loc["A", ["minimum", "maximum", "n"]].tolist() == [0.7, 0.9, 3]
    assert compared.loc["B", "difference"] == pytest.approx(0.8 - 0.95)


def test_only_published_metrics_of_labels_in_the_study_are_compared(made) -> None:
    """A reference may have more labels or fewer metrics than the study."""
    frames, scores = made({"A": [0.7, 0.8], "B": [0.5, 0.6]})
    published = {"A": {"examples_per_second": 150.0}, "elsewhere": {"test/accuracy": 1.0}}
    table = estimates.by_label(frames, scores, ["test/accuracy"], "test/accuracy", published=published)
    compared = estimates.against_reference(table, scores, published, ["test/accuracy"])
    assert compared[["label", "metric", "ours"]].values.tolist() == [["A", "examples_per_second", 150.0]]
    assert compared["low"].isna().all()  # a median has no interval here
    assert compared["within"].tolist() == [None], "published speeds come from other devices"


def test_a_curve_is_mean_and_band_at_each_epoch_over_ok_repeats(sample) -> None:
    """At epoch 2 the repeats have 1 and 3: mean 2, half-width 12.7062 · √2/√2 = 12.7062 (t at 97.5%, one degree)."""
    trials = sample.plan(sample.study(["Adam"], repeats=3, epochs=2))
    store = sample.Store()
    for trial, value in zip(trials, (1.0, 3.0, 100.0), strict=True):
        points = [Point("train/loss", epoch, epoch, value * epoch / 2) for epoch in (1, 2)]
        store.add(trial, points, Outcome.STALLED if value == 100.0 else Outcome.OK)
    curve = estimates.by_epoch(load(store, trials).points, "train/loss")
    assert curve["epoch"].tolist() == [1, 2]
    assert curve["mean"].tolist() == [1.0, 2.0]
    assert curve["high"].iloc[1] - 2.0 == pytest.approx(12.7062, abs=1e-4)
    assert curve["n"].tolist() == [2, 2]


def test_short_runs_show_every_update(sample) -> None:
    """With at most as many updates as windows nothing is averaged."""
    trials = sample.plan(sample.study(["Adam"], repeats=2, epochs=1, batch_size=64, train_examples=512))
    store = sample.fill(sample.Store(), trials)
    curve = estimates.by_update(load(store, trials).updates)
    assert curve["update"].tolist() == list(range(1, 9))  # 512 / 64 = 8 updates
    assert set(curve["window"]) == {1}
    losses = load(store, trials).updates.query("step == 5")["value"]
    assert curve["mean"].iloc[4] == pytest.approx(losses.mean())


def test_long_runs_are_averaged_over_windows_that_do_not_overlap(sample) -> None:
    """Updates 1 to 10 in at most 4 windows: length 3, so means of 1-3, 4-6, 7-9 and 10, at their middles."""
    trials = sample.plan(sample.study(["Adam"], repeats=2, epochs=1, batch_size=1, train_examples=10))
    store = sample.Store()
    for trial in trials:
        store.add(trial, [Point("train/step_loss", 1, step, step + 10.0 * trial.repeat) for step in range(1, 11)])
    curve = estimates.by_update(load(store, trials).updates, windows=4)
    assert curve["update"].tolist() == [2, 5, 8, 10]
    assert curve["mean"].tolist() == [7, 10, 13, 15]  # the mean of the repeats lies 5 above the first
    assert set(curve["window"]) == {3}


def test_without_points_curves_are_empty(sample) -> None:
    """A study whose trials all failed has no curves; that is not an error."""
    frames = load(sample.Store(), sample.plan(sample.study(["Adam"])))
    assert estimates.by_epoch(frames.points, "train/loss").empty
    assert estimates.by_update(frames.updates).empty


def test_means_do_not_depend_on_the_order_of_the_records(made) -> None:
    """Sorted and shuffled points give bit-for-bit identical curves."""
    frames, _ = made({"A": [0.7, 0.81, 0.9, 0.33]})
    shuffled = frames.points.sample(frac=1, random_state=np.random.default_rng(5).integers(1000))
    one, two = (estimates.by_epoch(points, "test/accuracy") for points in (frames.points, shuffled))
    assert one.equals(two)
