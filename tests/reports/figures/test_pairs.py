"""Tests of `reports.figures.pairs`."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from reports.analysis import verdicts
from reports.figures import pairs
from reports.figures.style import assign_styles


def test_the_interval_plot_has_the_given_differences_from_the_best(ax, compared, styles) -> None:
    """Bars are simultaneous intervals with the best at 0; undecided ones are dashed; each tier has a letter."""
    assert pairs.differences_from_best(compared, ax, styles) is ax
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(compared.means)
    best, second, third, _ = compared.means
    bars = {
        line.get_color(): line
        for line in ax.get_lines()
        if len(set(line.get_ydata())) == 1 and len(line.get_xdata()) == 2
    }
    row = compared.pair(best, third)
    ends = sorted(bars[styles[third].color].get_xdata())
    assert ends == pytest.approx([-row["simultaneous_high"], -row["simultaneous_low"]])
    assert bars[styles[third].color].get_linestyle() == "-"
    assert bars[styles[second].color].get_linestyle() == "--"
    letters = [text.get_text() for text in ax.texts]
    assert letters == ["a", "b", "c"]
    assert ax.get_xlabel() == f"Test accuracy: difference from {best}"


def test_more_tiers_than_letters_have_names_of_two(ax) -> None:
    """28 optimizers that all differ have 28 tiers, named a to z, aa and ab, each at its own row."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame({f"O{at}": rng.normal(-at, 0.01, 10) for at in range(28)})
    found = verdicts.compare(table, score="x", higher=True, margin=0.0)
    assert len(found.tiers) == 28
    pairs.differences_from_best(found, ax, assign_styles(list(table.columns)))
    named = {round(text.xy[1]): text.get_text() for text in ax.texts if hasattr(text, "xy") and text.xy[0] > 1}
    assert [named[height] for height in sorted(named, reverse=True)] == [found.letters[label] for label in found.means]
    assert found.letters["O27"] == "ab"


def test_the_matrix_shows_each_pair_from_both_sides(ax, compared) -> None:
    """Better is above and worse below the diagonal, with their colours; k (k − 1) cells have a difference and a p."""
    pairs.pair_matrix(compared, ax)
    texts = [text.get_text() for text in ax.texts]
    assert sum(text.startswith("p ") for text in texts) == 12
    assert sum("▲" in text for text in texts[:-1]) == sum("▼" in text for text in texts[:-1]) == 5
    fills = [mpl.colors.to_hex(patch.get_facecolor()) for patch in ax.patches]
    assert fills.count(pairs.FILLS["better"]) == fills.count(pairs.FILLS["worse"]) == 5
    assert fills.count(pairs.FILLS["undecided"]) == 2
    difference = float(compared.pair("A", "D")["difference"])
    assert f"▲ +{abs(difference):.3f}" in texts


def test_an_outlier_is_an_arrow_at_the_edge(ax) -> None:
    """One mean at 0.1 among four near 0.9 leaves the others readable."""
    rng = np.random.default_rng(2)
    means = {"A": 0.9, "B": 0.89, "C": 0.88, "D": 0.885, "lost": 0.1}
    table = pd.DataFrame({label: rng.normal(mean, 0.005, 8) for label, mean in means.items()})
    found = verdicts.compare(table, score="test/accuracy", higher=True, margin=0.002)
    pairs.differences_from_best(found, ax, assign_styles(list(means)))
    assert ax.get_xlim()[0] > -0.1
    assert any(text.get_text().startswith("◂ −0.799") for text in ax.texts)
    assert "beyond the axis" in ax.get_xlabel()
