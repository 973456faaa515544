"""Tests of `reports.sections.comparison`."""

from reports.sections.comparison import comparison


def test_the_table_of_pairs_holds_the_numbers_of_the_comparison(compared) -> None:
    """A row per pair with verdict, difference and p, and how they came about beneath."""
    part = comparison(compared)
    (sheet,) = part.tables
    assert len(sheet.rows) == 6
    assert [column.title for column in sheet.columns][:5] == [
        "Optimizer",
        "Against",
        "Verdict",
        "Difference",
        "Adjusted p",
    ]
    values = [cell.value for cell in sheet.rows[0]]
    first = compared.pairs.iloc[0]
    assert values[:3] == [first["first"], first["second"], first["verdict"]]
    assert values[3] == first["difference"]
    assert "family error at most 5%" in sheet.notes[0]
    assert part.data["pairs"] is compared.pairs
