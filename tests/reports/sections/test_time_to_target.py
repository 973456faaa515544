"""Tests of `reports.sections.time_to_target`."""

import re

import numpy as np
import pandas as pd
import pytest

from reports.frames import study_frames
from reports.sections.time_to_target import _summary, time_to_target
from reports.statistics.time_to_target import restricted_mean


def test_the_metric_is_the_score_or_else_the_training_loss(sample) -> None:
    """A score measured only after the last epoch has no time to target; without any other metric there is no section."""
    _, trials, store = sample.small()
    frames = study_frames.load(store, trials)
    section = time_to_target(frames, "test/accuracy", list(frames.labels))
    assert section.tables[0].columns[2].title == "Test accuracy"
    _, trials, store = sample.quick()
    late = study_frames.load(store, trials)
    section = time_to_target(late, "test/accuracy", list(late.labels))
    assert section.tables[0].columns[2].title == "Training loss"
    times, table = section.data["times"], section.data["targets"]
    assert len(times) == 3 * 9 * 6
    assert len(table) == 3 * 9
    row = table[(table["target"] == "middle") & (table["label"] == "Adam")].iloc[0]
    runs = times[(times["target"] == "middle") & (times["label"] == "Adam")]
    expected = restricted_mean(runs["epoch"], runs["reached"], row["epoch_horizon"])
    assert row["epoch"] == expected.value
    once = study_frames.Frames(late.trials, late.points[late.points["epoch"] == 4], late.planned)
    assert time_to_target(once, "test/accuracy", list(late.labels)) is None


def test_means_are_restricted_to_the_time_that_runs_were_followed() -> None:
    """All were followed for 5 epochs: a censored run counts 5, even if the runs that reached the target took 3."""
    rows = [("A", 1, True), ("A", 2, True), ("B", 3, True), ("B", 3, True), ("C", 4, True), ("C", 5, False)]
    times = pd.DataFrame(rows, columns=["label", "epoch", "reached"])
    times = times.assign(target="middle", value=0.5, epoch_followed=5.0)
    table = _summary(times, ["A", "B", "C"], ["epoch"]).set_index("label")
    assert table["epoch_horizon"].tolist() == [5.0] * 3
    assert table["epoch"].to_dict() == {"A": 1.5, "B": 3.0, "C": 4.5}
    diverged = pd.DataFrame([(label, np.inf, False) for label in "DEFG"], columns=["label", "epoch", "reached"])
    diverged = diverged.assign(target="middle", value=0.5, epoch_followed=1.0)
    more = _summary(pd.concat([times, diverged]), list("ABCDEFG"), ["epoch"])
    assert set(more["epoch_horizon"]) == {5.0}, "runs that diverged after an epoch do not shorten the horizon"


def test_the_horizon_is_printed_in_full(sample, wording) -> None:
    """Complete epochs and updates have no decimals; 0.4 seconds are not "0 seconds"."""
    _, trials, store = sample.small()
    frames = study_frames.load(store, trials)
    section = time_to_target(frames, "test/accuracy", list(frames.labels))
    row = section.data["targets"].iloc[0]
    epochs, steps, seconds = (float(row[f"{unit}_horizon"]) for unit in ("epoch", "step", "second"))
    text = section.tables[0].notes[0]
    printed = re.search(rf"at {epochs:.0f} epochs, {steps:,.0f} updates, (\S+) seconds", text)
    assert float(printed[1]) == pytest.approx(seconds, rel=0.05)
    assert seconds != round(seconds)
    wording("\n".join([*section.description, *section.tables[0].notes]))


def test_an_optimizer_that_never_reaches_the_target_has_no_mean_time(large) -> None:
    """The table has "not reached" instead."""
    frames = large.frames
    section = time_to_target(frames, "test/accuracy", list(frames.labels))
    rows = {(row[0].text, row[1].text): [cell.text for cell in row] for row in section.tables[0].rows}
    assert rows["SGD, lr 10", "hard"][3:] == ["0/10", "not reached", "not reached", "not reached"]
    assert rows["AdaGrad", "easy"][3] == "10/10"
