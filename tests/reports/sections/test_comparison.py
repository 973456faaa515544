"""Tests of `reports.sections.comparison`."""

import dataclasses
import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from reports.analysis import verdicts
from reports.figures.style import assign_styles
from reports.sections.comparison import comparison
from reports.statistics import pairwise_tests
from reports.text import conclusions


def test_the_table_of_pairs_has_the_numbers_of_the_comparison(compared, wording) -> None:
    """A row per pair with verdict, P(better), p and differences; the notes have the method."""
    section = comparison(compared)
    (table,) = section.tables
    assert len(table.rows) == 6
    wording("\n".join(column.title for column in table.columns))
    names = ["first", "second", "verdict", "superiority", "adjusted_p", "difference", "shift", "p", "n", "effect"]
    names += ["minimum_detectable_difference", "variance_reduction"]
    for row, (_, pair) in zip(table.rows, compared.pairs.iterrows(), strict=True):
        assert [cell.value for cell in row] == pair[names].tolist()
        assert [cell.text for cell in row if cell.best] == [pair["verdict"]] * (pair["verdict"] != "undecided")
    texts = {column.title: cell.text for column, cell in zip(table.columns, table.rows[0], strict=True)}
    pair = compared.pairs.iloc[0]
    shares = [pair[f"superiority{end}"] for end in ("", "_low", "_high")]
    assert texts["P(better)"] == "{:.0%} [{:.0%}, {:.0%}]".format(*shares)
    numbers = [pair[name] for name in ("shift", "simultaneous_low", "simultaneous_high")]
    assert texts["Median difference"] == "{:.3f} [{:.3f}, {:.3f}]".format(*numbers).replace("-", "−")
    assert section.description[0] == conclusions.QUESTIONS["rank"]
    assert conclusions.ERROR_RATES["rank"] in table.notes
    assert "family-wise error rate (FWER) at most 5%" in table.notes[0]
    wording("\n".join(table.notes))
    assert section.data["pairs"] is compared.pairs


def test_independent_repeats_have_no_variance_reduction(compared) -> None:
    """The column and its note need seeds that repeats share."""
    (table,) = comparison(dataclasses.replace(compared, seeded=False, paired=False)).tables
    assert "Variance reduction from pairing" not in [column.title for column in table.columns]
    assert not [note for note in table.notes if "pairing" in note]


@pytest.mark.parametrize("test", pairwise_tests.TESTS)
def test_every_note_of_the_pairs_is_about_a_column(test, wording) -> None:
    """The two differences have the titles that the notes explain."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({label: rng.normal(mean, 0.01, 8) for label, mean in (("A", 0.9), ("B", 0.8))})
    (table,) = comparison(verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.0, test=test)).tables
    titles = {column.title for column in table.columns}
    assert {note.partition(":")[0] for note in table.notes if "simultaneous 95% interval" in note} <= titles
    assert ("Median difference" in titles) == (test == "rank")
    assert conclusions.ERROR_RATES[test] in table.notes
    wording("\n".join(table.notes))


@pytest.mark.parametrize("higher", [True, False])
def test_lost_runs_have_infinite_differences(higher, wording) -> None:
    """B lost all runs and C four of ten: ∞ has its sign and a note; a table without infinite numbers has no such note."""
    rng, sign = np.random.default_rng(0), 1 if higher else -1
    frame = pd.DataFrame({label: rng.normal(0.9, 0.01, 10) for label in "AC"}).assign(B=-math.inf)
    frame.loc[:3, "C"] = -math.inf
    score = "test/accuracy" if higher else "test/loss"
    found = verdicts.compare(sign * frame, score=score, higher=higher, margin=0.0)
    (table,) = comparison(found).tables
    at = [column.title for column in table.columns].index("Median difference")
    texts = {(row[0].text, row[1].text): row[at].text for row in table.rows}
    infinity = "∞" if higher else "−∞"
    assert texts["A", "B"] == texts["C", "B"] == infinity
    interval = r"\[−?0\.\d+, ∞\]$" if higher else r"\[−∞, −?0\.\d+\]$"
    assert re.search(interval, texts["A", "C"])
    assert any("∞ marks" in note for note in table.notes)
    captions = [spec.caption for spec in comparison(found).draw(assign_styles(list("ABC")))]
    assert "An arrow marks" in captions[0]
    wording("\n".join(" | ".join(cell.text for cell in row) for row in table.rows))
    finite = verdicts.compare(sign * frame[["A"]].assign(D=0.5 + frame["A"]), score=score, higher=higher, margin=0.0)
    (other,) = comparison(finite).tables
    assert not any("∞" in note for note in other.notes)


def test_the_figures_of_lost_runs_are_drawn() -> None:
    """An optimizer that lost all runs, some that lost a few, and two that share no repeat."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({label: rng.normal(0.9, 0.01, 20) for label in "ABCDE"}).assign(lost=-math.inf)
    frame.loc[:5, "B"] = -math.inf
    frame.loc[:11, "C"] = -math.inf
    frame.loc[10:, "D"], frame.loc[:9, "E"] = np.nan, np.nan
    found = verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.002)
    assert found.pair("D", "E")["n"] == 0
    specs = list(comparison(found).draw(assign_styles(list(found.means))))
    assert [spec.name for spec in specs] == ["differences", "pairs"]
    for spec in specs:
        spec.figure.canvas.draw()
        plt.close(spec.figure)


@pytest.mark.parametrize("tied", [False, True])
def test_captions_mention_ties_only_if_there_are_any(compared, tied, wording) -> None:
    """Dashed intervals and joined optimizers are undecided, or tied."""
    if tied:
        pairs = compared.pairs
        compared = dataclasses.replace(
            compared, pairs=pairs.assign(verdict=[verdicts.TIED, *pairs["verdict"].iloc[1:]])
        )
    specs = list(comparison(compared).draw(assign_styles(list(compared.means))))
    assert ("tied" in specs[0].caption) is tied
    wording("\n".join(f"{spec.caption}\n{spec.alt}" for spec in specs))
    for spec in specs:
        plt.close(spec.figure)
