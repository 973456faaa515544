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
    assert ax.get_xlabel() == f"Test accuracy: median difference from {best}"


def test_the_plot_of_a_test_of_means_says_so(ax, styles) -> None:
    """The differences of `bootstrap-t` are those of the means."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({label: rng.normal(mean, 0.01, 10) for label, mean in (("A", 0.9), ("B", 0.8))})
    found = verdicts.compare(table, score="test/accuracy", higher=True, margin=0.0, test="bootstrap-t")
    pairs.differences_from_best(found, ax, styles)
    assert ax.get_xlabel() == "Test accuracy: mean difference from A"


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
    """Better is above and worse below the diagonal, with their colours; k (k − 1) cells have P(better) and a p."""
    pairs.pair_matrix(compared, ax)
    texts = [text.get_text() for text in ax.texts]
    assert sum(text.startswith("p ") for text in texts) == 12
    assert sum("▲" in text for text in texts[:-1]) == sum("▼" in text for text in texts[:-1]) == 5
    fills = [mpl.colors.to_hex(patch.get_facecolor()) for patch in ax.patches]
    assert fills.count(pairs.FILLS["better"]) == fills.count(pairs.FILLS["worse"]) == 5
    assert fills.count(pairs.FILLS["undecided"]) == 2
    share = float(compared.pair("A", "C")["superiority"])
    assert share > 0.5
    shares = [text for text in ax.texts[:-1] if "%" in text.get_text()]
    cells = {(round(text.get_position()[1] + 0.13), text.get_position()[0]): text.get_text() for text in shares}
    assert len(cells) == 12
    order = list(compared.means)
    a, c = order.index("A"), order.index("C")
    assert (cells[a, c], cells[c, a]) == (f"▲ {share:.0%}", f"▼ {1 - share:.0%}"), "the row against the column"
    assert not any(sign in texts[-1] for sign in "△▽"), "the legend has no sign that the matrix lacks"


@pytest.mark.parametrize("higher", [True, False])
def test_an_opposite_mean_has_its_own_sign(ax, higher) -> None:
    """Usually better with a worse mean is blue like better, with an open sign, which the legend explains."""
    rng, sign = np.random.default_rng(0), 1 if higher else -1
    table = pd.DataFrame({label: rng.normal(mean, 0.01, 12) for label, mean in (("A", 0.9), ("B", 0.85))})
    table.loc[3, "A"] = 0.1
    found = verdicts.compare(sign * table, score="test/accuracy", higher=higher, margin=0.0)
    assert list(found.means) == ["A", "B"]
    pairs.pair_matrix(found, ax)
    *texts, legend = [text.get_text() for text in ax.texts]
    assert (texts[0], texts[2]) == ("△ 92%", "▽ 8%")
    assert all(text.get_fontweight() == "bold" for text in ax.texts[:4:2])
    fills = [mpl.colors.to_hex(patch.get_facecolor()) for patch in ax.patches]
    assert (fills[1], fills[2]) == (pairs.FILLS["better"], pairs.FILLS["worse"])
    assert "△ usually better" in legend
    assert "▽ usually worse" in legend


def test_every_verdict_has_a_colour_and_a_sign() -> None:
    """A significant difference has a colour of its direction, and no two verdicts have one sign."""
    known = {*verdicts.ABOVE, *verdicts.BELOW, verdicts.TIED, verdicts.UNDECIDED}
    assert set(pairs.FILLS) == set(pairs.SIGNS) == known
    assert len(set(pairs.SIGNS.values())) == len(known)
    assert len({pairs.FILLS[verdict] for verdict in verdicts.ABOVE}) == 1
    assert len({pairs.FILLS[verdict] for verdict in verdicts.BELOW}) == 1
    assert len(set(pairs.FILLS.values())) == 4


@pytest.mark.parametrize("higher", [True, False])
def test_lost_runs_are_arrows_at_the_edge(ax, higher) -> None:
    """B lost all runs: an arrow with ∞ and its sign. C lost four of twelve: a marker, and an interval with an arrow."""
    rng, sign = np.random.default_rng(0), 1 if higher else -1
    table = pd.DataFrame({label: rng.normal(0.9, 0.01, 12) for label in "AC"}).assign(B=-np.inf)
    table.loc[:3, "C"] = -np.inf
    found = verdicts.compare(sign * table, score="test/accuracy", higher=higher, margin=0.0)
    assert next(iter(found.means)) == "A"
    styles = assign_styles(list("ABC"))
    pairs.differences_from_best(found, ax, styles)
    texts = [text for text in ax.texts if "∞" in text.get_text()]
    assert [(text.get_text(), text.get_position()[0]) for text in texts] == [("◂ −∞", 0.0) if higher else ("∞ ▸", 1.0)]
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert [arrow.xy for arrow in arrows] == [(0 if higher else 1, found_row(ax, "C"))]
    pair = found.pair("A", "C")
    assert np.isinf(pair["simultaneous_high" if higher else "simultaneous_low"])
    assert arrows[0].get_position()[0] == pytest.approx(-pair["shift"])
    line = next(line for line in ax.get_lines() if line.get_color() == styles["C"].color and len(line.get_xdata()) == 2)
    finite_end = pair["simultaneous_low" if higher else "simultaneous_high"]
    assert sorted(line.get_xdata()) == pytest.approx(sorted([-finite_end, -pair["shift"]]))
    assert ("◂ beyond the axis" if higher else "▸ beyond the axis") in ax.get_xlabel()
    assert np.isfinite(ax.get_xlim()).all()


def found_row(ax, label):
    """Return the height of the row of a label."""
    return next(
        tick for tick, text in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True) if text.get_text() == label
    )


def test_optimizers_without_a_shared_repeat_have_no_marker(ax) -> None:
    """A and B share no repeat, so their difference is unknown, and not infinite."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({label: rng.normal(mean, 0.01, 20) for label, mean in (("A", 0.9), ("B", 0.89), ("C", 0.8))})
    table.loc[10:, "A"], table.loc[:9, "B"] = np.nan, np.nan
    found = verdicts.compare(table, score="test/accuracy", higher=True, margin=0.0)
    styles = assign_styles(list("ABC"))
    pairs.differences_from_best(found, ax, styles)
    assert list(found.means) == ["A", "B", "C"]
    assert not any("∞" in text.get_text() or "◂" in text.get_text() for text in ax.texts)
    assert styles["B"].color not in {line.get_color() for line in ax.get_lines()}
    assert "beyond" not in ax.get_xlabel()


def test_an_outlier_is_an_arrow_at_the_edge(ax) -> None:
    """One mean at 0.1 among four near 0.9 leaves the others readable."""
    rng = np.random.default_rng(2)
    means = {"A": 0.9, "B": 0.89, "C": 0.88, "D": 0.885, "lost": 0.1}
    table = pd.DataFrame({label: rng.normal(mean, 0.005, 8) for label, mean in means.items()})
    found = verdicts.compare(table, score="test/accuracy", higher=True, margin=0.002)
    pairs.differences_from_best(found, ax, assign_styles(list(means)))
    assert ax.get_xlim()[0] > -0.1
    assert f"◂ −{found.pair('A', 'lost')['shift']:.3f}" in [text.get_text() for text in ax.texts]
    assert "beyond the axis" in ax.get_xlabel()
