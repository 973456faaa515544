"""Tests of `reports.figures.across_problems`."""

import math

import numpy as np
import pytest

from reports.figures.across_problems import critical_difference, performance_profiles
from reports.statistics import across_problems

LABELS = ["A", "B", "C", "D"]


def test_the_diagram_joins_ranks_within_the_critical_difference(ax, styles) -> None:
    """With ranks 1, 2.1, 2.9, 4 and a critical difference of 1.2, bars join the first, middle and last two."""
    ranks = across_problems.Ranks(np.array([2.1, 1.0, 4.0, 2.9]), 1.2, 0.01, 10, 0.95)
    critical_difference(ranks, LABELS, ax, styles)
    bars = sorted(tuple(line.get_xdata()) for line in ax.get_lines() if line.get_linewidth() == 3.2)
    assert bars == [pytest.approx(ends) for ends in [(0.96, 2.14), (2.06, 2.94), (2.86, 4.04)]]
    assert "critical difference 1.20" in [text.get_text() for text in ax.texts]


def test_the_plot_has_the_given_profiles(ax, styles) -> None:
    """There is a step line per optimizer with its shares, and the number of cases in the axis title."""
    costs = np.array([[[1.0, 2.0, 4.0, math.inf], [2.0, 1.0, 8.0, math.inf]]])
    found = across_problems.performance_profiles(costs, [1.0, 2.0, 4.0, 8.0], np.random.default_rng(0), resamples=20)
    performance_profiles(found, LABELS, ax, styles)
    drawn = {line.get_color(): list(line.get_ydata()) for line in ax.get_lines()}
    assert drawn[styles["C"].color] == [0.0, 0.0, 0.5, 1.0]
    assert drawn[styles["D"].color] == [0.0] * 4
    assert ax.get_ylabel() == "Share of 2 cases within τ"
