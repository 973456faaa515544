"""Tests of `reports.frames.scores`."""

import math

from reports.frames.scores import final, higher_is_better, measured, title
from reports.frames.study_frames import load
from suite.records import Outcome, Point


def test_the_score_is_that_of_the_last_epoch(sample) -> None:
    """An accuracy of 0.9 after the second of three epochs is ignored; 0.7 at the end is the score."""
    trials = sample.plan(sample.study(["Adam"], repeats=1, epochs=3))
    store = sample.Store()
    store.add(
        trials[0], [Point("test/accuracy", epoch, epoch, value) for epoch, value in ((1, 0.5), (2, 0.9), (3, 0.7))]
    )
    assert final(load(store, trials))["test/accuracy"].tolist() == [0.7]


def test_an_entry_with_its_own_budget_is_scored_at_its_own_last_epoch(sample) -> None:
    """Batch 2 for one epoch has a score, although the others train for three."""
    trials = sample.plan(sample.study(["SGD, batch 2", "Adam"], repeats=1, epochs=3))
    store = sample.Store()
    for trial in trials:
        points = [Point("test/accuracy", e, e, 0.1 * e) for e in range(1, trial.epochs + 1)]
        store.add(trial, points)
    assert final(load(store, trials))["test/accuracy"].round(6).tolist() == [0.1, 0.3]


def test_a_trial_that_stopped_early_has_no_score(sample) -> None:
    """The last value of a diverged trial is not a final score, even if it reached its last epoch."""
    trials = sample.plan(sample.study(["Adam"], repeats=2, epochs=1))
    store = sample.Store()
    points = [Point("test/accuracy", 1, 1, 0.8), Point("train/loss", 1, 1, math.nan)]
    store.add(trials[0], points, Outcome.DIVERGED)
    scores = final(load(store, trials))
    assert list(scores["outcome"]) == ["diverged", "missing"]
    assert scores[["test/accuracy", "train/loss"]].isna().all(axis=None)


def test_a_metric_that_no_trial_has_is_a_column_of_nan(sample) -> None:
    """A regression problem has no accuracy; its column is NaN, not absent or 0."""
    trials = sample.plan(sample.study(["Adam"], repeats=1, epochs=1))
    store = sample.Store()
    store.add(trials[0], [Point("train/loss", 1, 1, 0.3)])
    frames = load(store, trials)
    scores = final(frames)
    assert scores["train/loss"].tolist() == [0.3]
    assert scores["test/accuracy"].isna().all()
    assert measured(frames, "train/loss") == ("train/loss",)


def test_another_score_is_the_first_metric(sample) -> None:
    """The score of a study may be any metric."""
    trials = sample.plan(sample.study(["Adam"], repeats=1, epochs=1))
    store = sample.Store()
    store.add(trials[0], [Point("test/rmse", 1, 1, 2.5), Point("train/loss", 1, 1, 0.3)])
    assert measured(load(store, trials), "test/rmse") == ("test/rmse", "train/loss")


def test_accuracy_is_better_when_higher_and_all_else_when_lower() -> None:
    """Losses and other metrics are better if lower."""
    assert higher_is_better("test/accuracy")
    assert not higher_is_better("test/loss")
    assert not higher_is_better("test/rmse")
    assert title("train/loss") == "Training loss"
    assert title("test/rmse") == "Test rmse"


def test_a_metric_that_was_not_measured_at_the_end_has_no_final_value(sample) -> None:
    """An accuracy after the first of two epochs does not replace the missing one."""
    trials = sample.plan(sample.study(["Adam"], repeats=1, epochs=2))
    store = sample.Store()
    store.add(trials[0], [Point("test/accuracy", 1, 1, 0.5), Point("train/loss", 2, 2, 0.3)])
    scores = final(load(store, trials))
    assert scores["test/accuracy"].isna().all()
    assert scores["train/loss"].tolist() == [0.3]
