"""What the tests of figures share: axes, estimates to draw, looks."""

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure
from surface_paths import WAYS, of

from reports.figures import style
from reports.sections import trajectories


@pytest.fixture
def ax():
    """Axes of a figure without a window, in the reports' style."""
    with mpl.rc_context(dict(style.STYLE)):
        yield Figure().subplots()


@pytest.fixture
def curves():
    """Mean curves with bounds a tenth away."""

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
    """Estimates with bounds a hundredth away."""

    def make(metric="test/accuracy", **means) -> pd.DataFrame:
        table = pd.DataFrame({"label": list(means), metric: list(means.values())})
        return table.assign(**{f"{metric}_low": table[metric] - 0.01, f"{metric}_high": table[metric] + 0.01})

    return make


@pytest.fixture
def looks():
    """A style for each of four labels."""
    return style.assign_styles(["A", "B", "C", "D"])


@pytest.fixture
def ground():
    """Paths that come in, run off, leave the numbers and come back on the valley."""
    return trajectories.surface_results(of(WAYS))[0]


@pytest.fixture
def racing():
    """A look for each label and each optimizer of those paths."""
    return trajectories.trajectory_styles(of(WAYS))
