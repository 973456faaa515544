"""Tests of `reports.sections.time_to_target`."""

import numpy as np
import pandas as pd
import pytest

from reports.frames import study_frames
from reports.sections.time_to_target import _summary, time_to_target
from reports.statistics import time_to_target as targets


def test_time_to_target_follows_the_score_or_else_the_training_loss(sample) -> None:
    """A score that is measured after the last epoch alone has no time; where nothing has, there is no such part."""
    _, trials, store = sample.small()
    frames = study_frames.load(store, trials)
    part = time_to_target(frames, "test/accuracy", list(frames.labels))
    assert part.tables[0].columns[2].title == "Test accuracy"
    _, trials, store = sample.quick()
    late = study_frames.load(store, trials)
    part = time_to_target(late, "test/accuracy", list(late.labels))
    assert part.tables[0].columns[2].title == "Training loss"
    times, table = part.data["times"], part.data["targets"]
    assert len(times) == 3 * 9 * 6
    assert len(table) == 3 * 9
    row = table[(table["target"] == "middle") & (table["label"] == "Adam")].iloc[0]
    own = times[(times["target"] == "middle") & (times["label"] == "Adam")]
    expected = targets.restricted_mean(own["epoch"], own["reached"], row["epoch horizon"])
    assert row["epoch"] == expected.value
    once = study_frames.Frames(late.trials, late.points[late.points["epoch"] == 4], late.planned)
    assert time_to_target(once, "test/accuracy", list(late.labels)) is None


def test_means_are_restricted_to_the_time_that_was_watched() -> None:
    """All were watched for 5 epochs: one that missed counts 5, also where those who arrived did so in 3."""
    rows = [("A", 1, True), ("A", 2, True), ("B", 3, True), ("B", 3, True), ("C", 4, True), ("C", 5, False)]
    times = pd.DataFrame(rows, columns=["label", "epoch", "reached"])
    times = times.assign(target="middle", value=0.5, **{"epoch_followed": 5.0})
    table = _summary(times, ["A", "B", "C"], ["epoch"]).set_index("label")
    assert table["epoch horizon"].tolist() == [5.0] * 3
    assert table["epoch"].to_dict() == {"A": 1.5, "B": 3.0, "C": 4.5}
    lost = [(label, np.inf, False) for label in "DEFG"]
    lost = pd.DataFrame(lost, columns=["label", "epoch", "reached"]).assign(
        target="middle", value=0.5, **{"epoch_followed": 1.0}
    )
    more = _summary(pd.concat([times, lost]), list("ABCDEFG"), ["epoch"])
    assert set(more["epoch horizon"]) == {5.0}, (
        "runs that diverged after an epoch tell nothing of how long others were watched"
    )


def test_the_time_that_counts_is_told_as_it_is(sample) -> None:
    """Whole epochs and updates without decimals; of 0.4 seconds not "0 seconds"."""
    _, trials, store = sample.small()
    frames = study_frames.load(store, trials)
    part = time_to_target(frames, "test/accuracy", list(frames.labels))
    told = part.data["targets"].iloc[0]
    epochs, steps, seconds = (float(told[f"{unit}_horizon"]) for unit in ("epoch", "step", "second"))
    (text,) = [remark for remark in part.tables[0].notes if remark.startswith("Restricted mean")]
    assert f"counts {epochs:.0f} epochs, {steps:,.0f} updates, " in text
    shown = float(text.partition(" updates, ")[2].partition(" seconds")[0])
    assert shown == pytest.approx(seconds, rel=0.05)
    assert seconds != round(seconds)


def test_an_optimizer_that_never_arrives_says_so_in_the_table(large) -> None:
    """No mean time stands where no run reached the target."""
    frames = large.frames
    part = time_to_target(frames, "test/accuracy", list(frames.labels))
    rows = {(row[0].text, row[1].text): [cell.text for cell in row] for row in part.tables[0].rows}
    assert rows["SGD, lr 10", "hard"][3:] == ["0/10", "not reached", "not reached", "not reached"]
    assert rows["AdaGrad", "easy"][3] == "10/10"
