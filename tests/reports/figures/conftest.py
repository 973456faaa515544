"""Axes, estimates and styles for the tests of figures."""

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure
from surface_paths import TRAJECTORIES, trajectory_frames

from reports.figures import style
from reports.sections import trajectories


@pytest.fixture
def ax():
    """Axes in the style of the reports, without a window."""
    with mpl.rc_context(dict(style.STYLE)):
        yield Figure().subplots()


@pytest.fixture
def curves():
    """A function: mean curves with bounds at ± 0.1."""

    def make(**series) -> pd.DataFrame:
        rows = [
            {"label": label, "epoch": at, "mean": value, "low": value - 0.1, "high": value + 0.1, "n": 3}
            for label, values in series.items()
            for at, value in enumerate(values, 1)
        ]
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def estimates():
    """A function: estimates with bounds at ± 0.01."""

    def make(metric="test/accuracy", **means) -> pd.DataFrame:
        table = pd.DataFrame({"label": list(means), metric: list(means.values())})
        return table.assign(**{f"{metric}_low": table[metric] - 0.01, f"{metric}_high": table[metric] + 0.01})

    return make


@pytest.fixture
def styles():
    """A style for each of four labels."""
    return style.assign_styles(["A", "B", "C", "D"])


@pytest.fixture
def surface():
    """Trajectories on the valley that converge, leave the window, overflow and return."""
    return trajectories.surface_results(trajectory_frames(TRAJECTORIES))[0]


@pytest.fixture
def trajectory_styles():
    """A style for each label and each optimizer of these trajectories."""
    return trajectories.trajectory_styles(trajectory_frames(TRAJECTORIES))
