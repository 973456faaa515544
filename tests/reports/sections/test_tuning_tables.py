"""Tests of `reports.sections.tuning_tables`."""

import math

import pytest

from reports.analysis import lr_sensitivity, tuning
from reports.sections import tuning_tables
from reports.text.tables import latex, markdown


@pytest.fixture
def sheets(made, rates, final):
    """The sheets of three optimizers: one better tuned, one kept, one that never ended."""
    rows = {"A": rates([1.0, 0.5, 2.0]), "B": rates([0.5, 1.0, 2.0]), "C": rates([("diverged", math.nan)] * 3)}
    trials = made(rows)
    chosen = tuning.best(trials)
    scores = final({"A": [0.9, 1.0, 1.1], "A, tuned": [0.6, 0.8, 0.7], "B": [0.5, 0.6, 0.7]})
    compared = tuning.tuned_vs_default(scores, "test/loss", list(chosen["label"]), ["B"])
    gaps = tuning.validation_test_gap(chosen, scores)
    return (
        tuning_tables.choices(chosen, compared, gaps, metric="test/loss", remarks=["A note."]),
        tuning_tables.ranges(lr_sensitivity.ranges(trials)),
        tuning_tables.budget(tuning.budget(trials)),
    )


def texts(sheet):
    """The texts of a sheet, by label."""
    return {row[0].text: [cell.text for cell in row[1:]] for row in sheet.rows}


def test_the_choices_have_setting_difference_and_gap_with_intervals(sheets) -> None:
    """A: differences −0.3, −0.2, −0.4; gap 0.7 − 0.5, own gap 1 − 1 without a sign. B was kept; C has dashes, not zeros."""
    rows = texts(sheets[0])
    differences = ["−0.30 ± 0.25", "+0.20 ± 0.25", "0.00 ± 0.25"]
    assert rows["A"] == ["lr 0.001", "0.50", "1.00 ± 0.25", "0.70 ± 0.25", *differences]
    assert rows["B"][4] == "kept"
    assert set(rows["C"]) == {"–"}


def test_what_the_gap_is_taken_of_stands_there_once(made, rates, final) -> None:
    """Chosen by loss and scored by accuracy, the test loss has a column of its own; scored by loss, it has one already."""
    chosen = tuning.best(made({"A": rates([1.0, 0.5, 2.0])}))
    scores = final({"A": [0.9, 1.0, 1.1], "A, tuned": [0.6, 0.8, 0.7]})
    compared = tuning.tuned_vs_default(scores, "test/loss", ["A"])
    heads = {
        metric: [
            column.title
            for column in tuning_tables.choices(
                chosen, compared, tuning.validation_test_gap(chosen, scores), metric=metric
            ).columns
        ]
        for metric in ("test/loss", "test/accuracy")
    }
    assert heads["test/loss"].count("Test loss, tuned") == 1
    assert {"Test loss, tuned", "Test accuracy, tuned"} <= set(heads["test/accuracy"])


def test_the_widths_are_told_with_their_ends(sheets) -> None:
    """A's best lies between rates that were tried; B's is the lowest, so open below."""
    rows = texts(sheets[1])
    assert rows["A"] == ["0.001", "0.0001", "0.001", "0.001", "1.0", "0.0 to 2.0 decades", "1/1"]
    assert rows["B"][5] == "at least 0.0 decades, open below"
    assert rows["C"][5] == "no score"


def test_the_budget_has_every_state(sheets) -> None:
    """Configurations, complete, pruned, diverged, stalled, failed, repeats, examples, seconds."""
    assert texts(sheets[2])["C"] == ["3", "0", "0", "3", "0", "0", "6", "600", "1.5"]


def test_the_sheets_can_be_written_in_every_format(sheets) -> None:
    """Each has a name of its own, notes included."""
    assert len({sheet.name for sheet in sheets}) == 3
    assert "- A note." in markdown(sheets[0])
    for sheet in sheets:
        assert rf"\label{{tab:{sheet.name}}}" in latex(sheet)


def test_cells_sort_by_their_numbers(sheets) -> None:
    """What is told as text keeps its number; what has none sorts last."""
    width = [row[6].value for row in sheets[1].rows]
    assert width[:2] == [0.0, 0.0]
    assert math.isnan(width[2])


def test_a_sign_is_that_of_the_number_that_is_printed():
    """Also where a narrow interval takes more digits than its column; what reads as 0 has none."""
    told = [
        tuning_tables._signed(mean, mean - half, mean + half, 2) for mean, half in ((-0.0004, 0.0003), (0.0004, 0.0003))
    ]
    assert told == ["−0.00040 ± 0.00030", "+0.00040 ± 0.00030"]
    assert tuning_tables._signed(-0.001, -0.301, 0.299, 2) == "0.00 ± 0.30"
    assert tuning_tables._signed(0.5, 0.2, 0.8, 1) == "+0.5 ± 0.3"
