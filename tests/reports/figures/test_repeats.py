"""Tests of `reports.figures.repeats`."""

import pandas as pd

from reports.figures.repeats import repeats
from reports.figures.style import QUIET, assign_styles


def test_repeats_that_did_not_end_ok_are_drawn_spread(ax, curves) -> None:
    """A diverged repeat is a dashed grey line that ends in a cross at its last finite value."""
    points = pd.DataFrame(
        [
            {"label": "Adam", "repeat": r, "metric": "train/loss", "outcome": outcome, "epoch": e, "value": value}
            for r, outcome, values in ((0, "ok", (2.0, 1.5, 1.0)), (1, "diverged", (2.0, 3.0, float("nan"))))
            for e, value in enumerate(values, 1)
        ]
    )
    style = assign_styles(["Adam"])["Adam"]
    repeats(points, curves(Adam=[2.0, 1.5, 1.0]), ax, style, label="Adam", metric="train/loss")
    crosses = [line for line in ax.get_lines() if line.get_marker() == "x"]
    assert [list(line.get_ydata()) for line in crosses] == [[3.0]]
    assert [line.get_color() for line in ax.get_lines() if list(line.get_ydata()) == [2.0, 3.0]] == [QUIET]


def test_repeats_are_plotted_without_any_mean(ax) -> None:
    """If no repeat of any optimizer completed, each repeat is a dashed line with a cross."""
    points = pd.DataFrame(
        [
            {
                "label": "Adam",
                "repeat": r,
                "metric": "train/loss",
                "outcome": "diverged",
                "epoch": e,
                "value": 2.0 + r + e,
            }
            for r in range(3)
            for e in (1, 2)
        ]
    )
    none = pd.DataFrame(columns=["label", "epoch", "mean", "low", "high", "n"])
    repeats(points, none, ax, assign_styles(["Adam"])["Adam"], label="Adam", metric="train/loss")
    assert sorted(line.get_ydata()[0] for line in ax.get_lines() if line.get_marker() == "x") == [4.0, 5.0, 6.0]
    assert ax.get_xlabel() == "Epoch"
