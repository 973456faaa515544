"""Tests of `reports.figures.across_problems`."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from reports.figures.across_problems import critical_difference, performance_profiles, superiority_of_best
from reports.statistics import across_problems

LABELS = ["A", "B", "C", "D"]


def test_the_diagram_joins_ranks_within_the_critical_difference(ax, styles) -> None:
    """With ranks 1, 2.1, 2.9, 4 and a critical difference of 1.2, bars join the first, middle and last two."""
    ranks = across_problems.Ranks(np.array([2.1, 1.0, 4.0, 2.9]), 1.2, 0.01, 10, 0.95)
    critical_difference(ranks, LABELS, ax, styles)
    bars = sorted(tuple(line.get_xdata()) for line in ax.get_lines() if line.get_linewidth() == 3.2)
    assert bars == [pytest.approx(ends) for ends in [(0.96, 2.14), (2.06, 2.94), (2.86, 4.04)]]
    assert "critical difference 1.20" in [text.get_text() for text in ax.texts]


def test_the_plot_has_the_intervals_of_the_best(ax, styles) -> None:
    """There is a marker and an interval per other optimizer; the interval is dashed without a significant difference."""
    pairs = pd.DataFrame(
        [
            ("B", "A", 0.9, 0.6, 0.97, "better"),
            ("B", "C", 0.7, 0.4, 0.9, "undecided"),
            ("A", "C", 0.2, 0.1, 0.6, "undecided"),
        ],
        columns=["first", "second", "superiority", "superiority_low", "superiority_high", "verdict"],
    )
    superiority_of_best(SimpleNamespace(labels=("B", "A", "C"), parts=("one", "two"), pairs=pairs), ax, styles)
    drawn = {
        tuple(map(float, line.get_xdata())): line.get_linestyle()
        for line in ax.get_lines()
        if line.get_linewidth() == 1.6
    }
    assert drawn == {(0.6, 0.97): "-", (0.4, 0.9): "--"}
    assert [text.get_text() for text in ax.get_yticklabels()] == ["A", "C"]
    assert ax.get_xlabel() == "P(B better), mean over 2 problems"


def test_the_plot_has_the_given_profiles(ax, styles) -> None:
    """There is a step line per optimizer with its shares, and the number of cases in the axis title."""
    costs = np.array([[[1.0, 2.0, 4.0, math.inf], [2.0, 1.0, 8.0, math.inf]]])
    found = across_problems.performance_profiles(costs, [1.0, 2.0, 4.0, 8.0], np.random.default_rng(0), resamples=20)
    performance_profiles(found, LABELS, ax, styles)
    drawn = {line.get_color(): list(line.get_ydata()) for line in ax.get_lines()}
    assert drawn[styles["C"].color] == [0.0, 0.0, 0.5, 1.0]
    assert drawn[styles["D"].color] == [0.0] * 4
    assert ax.get_ylabel() == "Share of 2 cases within τ"
