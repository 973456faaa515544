"""Tests of `reports.sections.other_intervals`."""

import numpy as np
import pandas as pd
import pytest

from reports.analysis import estimates
from reports.statistics.intervals import median_interval, studentised_interval, t_interval

SKEWED = [0.10, 0.11, 0.12, 0.14, 0.17, 0.60]


@pytest.fixture
def scores():
    """Six skewed scores, five others of which one repeat diverged, and two."""
    rows = [("skewed", "ok", value) for value in SKEWED]
    rows += [("five", "ok", 0.5 + 0.01 * at) for at in range(5)] + [("five", "diverged", np.nan)]
    rows += [("two", "ok", 0.8), ("two", "ok", 0.9)]
    return pd.DataFrame(rows, columns=["label", "outcome", "test/accuracy"])


def test_three_intervals_of_the_same_scores(scores):
    """Each equals the result of its function on completed repeats; the bootstrap interval is wider on the long tail."""
    intervals = estimates.score_under_other_intervals(scores, "test/accuracy", ["skewed", "five", "two"]).set_index(
        "label"
    )
    row = intervals.loc["skewed"]
    mean, median = t_interval(SKEWED), median_interval(SKEWED)
    bootstrap = studentised_interval(SKEWED, np.random.default_rng(0))
    assert [row["mean"], row["low"], row["high"]] == [mean.mean, mean.low, mean.high]
    assert [row["bootstrap_low"], row["bootstrap_high"]] == [bootstrap.low, bootstrap.high]
    assert [row["median"], row["median_low"], row["median_high"]] == [median.value, 0.10, 0.60]
    assert row["median_level"] == pytest.approx(1 - 2 / 2**6)
    assert row["bootstrap_high"] - row["mean"] > 2 * (row["mean"] - row["bootstrap_low"])
    assert intervals.loc["five", "n"] == 5
    assert np.isfinite(intervals.loc["five", "bootstrap_low"])
    assert np.isnan(intervals.loc["five", "median_low"])
    assert intervals.loc["two", ["bootstrap_low", "median_low"]].isna().all()


def test_the_simultaneous_band_contains_the_pointwise_band(sample):
    """The simultaneous band is wider; mean and pointwise band are those of the figures."""
    from reports.frames.study_frames import load

    study = sample.study(["Adam", "MBSGD"], repeats=6)
    trials = sample.plan(study)
    points = load(sample.fill(sample.Store(), trials), trials).points
    both, plain = estimates.by_epoch(points, "train/loss", simultaneous=True), estimates.by_epoch(points, "train/loss")
    pd.testing.assert_frame_equal(both[plain.columns], plain)
    wider = both["simultaneous_high"] - both["high"]
    assert (wider >= 0).all()
    assert (wider > 0).any()
    np.testing.assert_allclose(both["low"] - both["simultaneous_low"], wider)


def test_the_section_needs_five_repeats(sample, tmp_path, no_figures):
    """It has a table, and files of the intervals and of every measured curve; with fewer repeats there is no section."""
    from reports.pages.study import build

    for repeats in (4, 5):
        study = sample.study(["Adam", "MBSGD"], repeats=repeats)
        trials = sample.plan(study)
        built = build(study, trials, sample.fill(sample.Store(), trials), tmp_path / str(repeats))
        page = built.page.read_text(encoding="utf-8")
        assert ("Sensitivity to the interval method" in page) == (repeats == 5)
        assert (built.folder / "curves.csv").exists() == (repeats == 5)
    curves = pd.read_csv(built.folder / "curves.csv")
    assert {"train/loss", "train/accuracy", "test/loss", "test/accuracy"} == set(curves["metric"])
    assert len(curves[curves["metric"] == "train/loss"]) == 2 * study.epochs
    table = (built.folder / "intervals.md").read_text(encoding="utf-8")
    assert table.count(" to ") == 4, "Student t and the bootstrap of two optimizers; the median takes six repeats"


def test_equal_scores_give_equal_bounds(scores):
    """Resamples come from a seed and do not depend on other labels."""
    labels = ["skewed", "five", "two"]
    one = estimates.score_under_other_intervals(scores, "test/accuracy", labels).set_index("label")
    two = estimates.score_under_other_intervals(scores, "test/accuracy", labels[:0:-1]).set_index("label")
    pd.testing.assert_frame_equal(one.loc[labels[1:]], two.loc[labels[1:]])
