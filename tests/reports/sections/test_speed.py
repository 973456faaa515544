"""Tests of `reports.sections.speed`."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports.figures.style import assign_styles
from reports.sections.speed import medians, speed
from reports.statistics.intervals import median_interval

SPEEDS = [900.0, 910.0, 920.0, 930.0, 940.0, 500.0]


@pytest.fixture
def scores():
    """Six runs of one optimizer, one of them slowed down; two of a faster one and a diverged one; one without a speed.

    Only one run of the faster one, and its diverged run, have the size of the state.
    """
    rows = [("slow", "ok", value, 60e3 / value, 60 / value, np.nan) for value in SPEEDS]
    rows += [("fast", "ok", 1000.0, 60.0, 0.06, np.nan), ("fast", "ok", 1100.0, 54.5, 0.0545, 8.0)]
    rows += [("fast", "diverged", 9999.0, 1.0, np.nan, 99.0), ("none", "ok", np.nan, np.nan, np.nan, np.nan)]
    names = ["label", "outcome", "examples_per_second", "train_seconds", "seconds_per_update", "state_bytes"]
    return pd.DataFrame(rows, columns=names)


def test_speed_is_the_median_with_the_order_statistic_interval(scores) -> None:
    """Over completed runs, the fastest first; a run that was slowed down does not shift it; two runs have no interval."""
    summary = medians(scores, ["slow", "fast", "none"])
    assert summary["label"].tolist() == ["fast", "slow"]
    fast, slow = (row for _, row in summary.iterrows())
    assert (fast["examples_per_second"], fast["n"], fast["fastest"]) == (1050.0, 2, 1100.0)
    assert np.isnan(fast["examples_per_second_low"])
    median = median_interval(SPEEDS)
    assert (
        (slow["examples_per_second"], slow["examples_per_second_low"]) == (median.value, median.low) == (915.0, 500.0)
    )
    assert slow["train_seconds"] == pytest.approx(np.median([60e3 / value for value in SPEEDS]))


def test_the_section_has_a_table_and_a_figure(scores, wording) -> None:
    """The fastest is on top of both; shared devices are mentioned; without speeds there is no section."""
    section = speed(scores, ["slow", "fast", "none"], shared_device=" Four trials shared it.")
    assert "Four trials shared it." in section.description[0]
    rows = [[cell.text for cell in row] for row in section.tables[0].rows]
    assert rows[0] == ["fast", "2", "1,050", "–", "1,000", "1,100", "57", "57.25", "8.0", "1"]
    assert rows[1][:4] == ["slow", "6", "915", "500 to 940"]
    assert rows[1][7:] == ["65.58", "–", "0"]  # 60 s over the mean of 910 and 920, of the durations
    (spec,) = section.draw(assign_styles(["slow", "fast", "none"]))
    assert isinstance(spec.figure, Figure)
    names = [label.get_text() for label in spec.figure.axes[0].get_yticklabels()]
    assert names == ["slow", "fast"]  # from below
    wording("\n".join([*section.description, *section.tables[0].notes, spec.caption]))
    assert speed(scores[scores["label"] == "none"], ["none"]) is None
