"""Tests of `reports.sections.comparison`."""

import dataclasses

import matplotlib.pyplot as plt
import pytest

from reports.analysis import verdicts
from reports.figures.style import assign_styles
from reports.sections.comparison import comparison


def test_the_table_of_pairs_has_the_numbers_of_the_comparison(compared, wording) -> None:
    """A row per pair with verdict, difference and p; the notes have the method."""
    section = comparison(compared)
    (table,) = section.tables
    assert len(table.rows) == 6
    wording("\n".join(column.title for column in table.columns))
    values = [cell.value for cell in table.rows[0]]
    first = compared.pairs.iloc[0]
    assert values[:3] == [first["first"], first["second"], first["verdict"]]
    assert values[3] == first["difference"]
    assert "family-wise error rate (FWER) at most 5%" in table.notes[0]
    wording("\n".join(table.notes))
    assert section.data["pairs"] is compared.pairs


def test_independent_repeats_have_no_variance_reduction(compared) -> None:
    """The column and its note need seeds that repeats share."""
    (table,) = comparison(dataclasses.replace(compared, seeded=False, test="welch")).tables
    assert "Variance reduction from pairing" not in [column.title for column in table.columns]
    assert not [note for note in table.notes if "pairing" in note]


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
