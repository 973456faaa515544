"""Tests of `reports.sections.tuning`: its tables, and the section in a report."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from reports.analysis import lr_sensitivity, tuning
from reports.pages import study as building
from reports.sections import tuning as tuning_section
from reports.text.tables import latex, markdown
from suite.records import Point

LABELS = ["Adam", "Adam, tuned", "AdaGrad", "AdaGrad, tuned"]


@pytest.fixture(scope="module")
def run(sample):
    """A function that returns a study of these labels, its plan and three recorded repeats of each."""

    def record(labels):
        study = sample.study(labels, name="tuned", epochs=1, batch_size=64, train_examples=256)
        trials, store = sample.plan(study, apart=True), sample.Store()
        for trial in trials:
            accuracy = 0.8 + 0.01 * labels.index(trial.label) + 0.002 * trial.repeat
            points = [Point("test/accuracy", 1, 4, accuracy), Point("test/loss", 1, 4, 1 - accuracy)]
            store.add(trial, points)
        return study, trials, store

    return record


@pytest.fixture(scope="module")
def trials(made):
    """Twelve random trials of two optimizers, the default setting first."""
    rows = {}
    for at, label in enumerate(("Adam", "AdaGrad")):
        lrs = [0.01] + [10 ** (-4 + 0.33 * k) for k in range(11)]
        rows[label] = [(0.2 + 0.1 * at + (math.log10(lr) + 2.2) ** 2, {"lr": lr}) for lr in lrs]
    return made(rows)


@pytest.fixture(scope="module")
def build():
    """`reports.pages.study.build` without any figures but those of tuning."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.pages.study._draw_study_figures", lambda _: iter(()))
        yield building.build


@pytest.fixture(scope="module")
def report(build, run, trials, tmp_path_factory):
    """A report with the section."""
    return build(*run(LABELS), tmp_path_factory.mktemp("tuned") / "report", tuning=trials)


def test_page_and_markdown_have_the_section(report) -> None:
    """The selection note, the three tables, and every figure in its place."""
    for name in ("index.html", "report.md"):
        text = (report.folder / name).read_text()
        assert "No setting was selected on the test set." in text
        for part in ("Tuned settings on new repeats", "Learning rates", "Tuning budget"):
            assert part in text, (name, part)
    page = (report.folder / "index.html").read_text()
    assert [page.count(f"<h3>{part}</h3>") for part in ("Tuned settings on new repeats", "Learning rates")] == [1, 1]
    markdown = (report.folder / "report.md").read_text()
    figures = ["tuned-against-default", "learning-rates", "learning-rate-ranges", "tunability", "tuning-best"]
    places = [markdown.index(f"(figures/{figure}.png)") for figure in figures]
    assert places == sorted(places)
    assert (report.folder / "figures" / "tunability.pdf").is_file()


def test_every_number_is_in_a_file_in_full_precision(report, trials) -> None:
    """The file has the exact values; the difference is 0.01 in accuracy between neighbours of the plan."""
    recorded = pd.read_csv(report.folder / "tuning-trials.csv", dtype={"value": str})  # pandas 2 reads floats inexactly
    assert recorded["value"].map(float).tolist() == trials["value"].tolist()
    compared = pd.read_csv(report.folder / "tuning.csv").set_index("label")
    assert compared["difference"].tolist() == pytest.approx([0.01, 0.01])
    names = {path.name for path in Path(report.folder).iterdir()}
    assert {"tuning.md", "tuning.tex", "tuning-gaps.csv", "learning-rates.csv", "tunability.csv"} <= names
    files = json.loads((report.folder / "manifest.json").read_text())["files"]
    assert "tuning-budget.csv" in files


@pytest.mark.usefixtures("no_figures")
def test_warnings_are_at_the_top_of_page_and_markdown(build, run, trials, tmp_path) -> None:
    """An optimizer that was not tuned is named before the conclusion."""
    report = build(*run([*LABELS, "MBSGD"]), tmp_path / "report", tuning=trials)
    for name, answer in (("index.html", 'class="says"'), ("report.md", f"\n**{report.answer[:9]}")):
        text = (report.folder / name).read_text()
        assert text.index("Not tuned: MBSGD.") < text.index(answer), name


@pytest.mark.usefixtures("no_figures")
def test_dependent_trials_have_a_note_instead_of_curves(build, run, trials, tmp_path) -> None:
    """Trials of TPE have no tunability files, and the page gives the reason."""
    report = build(*run(LABELS), tmp_path / "report", tuning=trials.assign(sampler="tpe"))
    assert "TPE" in report.page.read_text().partition('id="tuning"')[2].partition("<table")[0]
    assert not (report.folder / "tunability.csv").exists()
    assert not (report.folder / "figures" / "tunability.png").exists()


@pytest.mark.usefixtures("no_figures")
def test_without_tuning_there_is_no_section(build, run, tmp_path) -> None:
    """An empty frame is like no frame."""
    for at, frame in enumerate((None, pd.DataFrame())):
        report = build(*run(["Adam"]), tmp_path / str(at), tuning=frame)
        assert "uning" not in report.page.read_text()
        assert not list(report.folder.glob("tuning*"))


def test_a_tuning_without_completed_trials_has_a_report(build, run, made, tmp_path) -> None:
    """All trials of one diverged, all of the other failed. There are tables of dashes, warnings, and no figure of scores."""
    failed = made(
        {"Adam": [(("diverged", math.nan), {"lr": 0.1})] * 2, "AdaGrad": [(("failed", math.nan), {"lr": 0.1})] * 2}
    )
    report = build(*run(["Adam", "AdaGrad"]), tmp_path / "report", tuning=failed)
    text = (report.folder / "report.md").read_text()
    assert "No setting was selected for Adam and AdaGrad" in text
    assert "Failed tuning trials, which have no score: AdaGrad (2 of 2)." in text
    assert "figures/learning-rates.png" not in text


def test_one_trial_of_an_optimizer_outside_the_plan_makes_a_report(build, run, made, tmp_path) -> None:
    """Without a default setting and new repeats, the report names what is missing and has the other figures."""
    single = made({"RMSProp": [(0.5, {"lr": 0.1})]}, own=False, sampler="tpe")
    report = build(*run(["Adam"]), tmp_path / "report", tuning=single)
    text = (report.folder / "report.md").read_text()
    assert "No new repeats of the tuned setting yet: RMSProp." in text
    assert "Not tuned: Adam." in text
    assert "figures/learning-rate-ranges.png" in text


@pytest.fixture
def tables(made, rates, final):
    """The tables of three optimizers: one is better tuned, one keeps its default, one has no completed trial."""
    rows = {"A": rates([1.0, 0.5, 2.0]), "B": rates([0.5, 1.0, 2.0]), "C": rates([("diverged", math.nan)] * 3)}
    trials = made(rows)
    chosen = tuning.best(trials)
    scores = final({"A": [0.9, 1.0, 1.1], "A, tuned": [0.6, 0.8, 0.7], "B": [0.5, 0.6, 0.7]})
    compared = tuning.tuned_vs_default(scores, "test/loss", list(chosen["label"]), ["B"])
    gaps = tuning.validation_test_gap(chosen, scores)
    return (
        tuning_section.choices_table(chosen, compared, gaps, metric="test/loss", remarks=["A note."]),
        tuning_section.learning_rates_table(lr_sensitivity.ranges(trials)),
        tuning_section.budget_table(tuning.budget(trials)),
    )


def texts(table):
    """Return the texts of a table by label."""
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_the_choices_have_setting_difference_and_gap_with_intervals(tables) -> None:
    """A: differences −0.3, −0.2, −0.4; gap 0.7 − 0.5, default gap 1 − 1 without a sign. B was kept; C has dashes."""
    rows = texts(tables[0])
    differences = ["−0.30 ± 0.25", "+0.20 ± 0.25", "0.00 ± 0.25"]
    assert rows["A"] == ["lr 0.001", "0.50", "1.00 ± 0.25", "0.70 ± 0.25", *differences]
    assert rows["B"][4] == "kept"
    assert set(rows["C"]) == {"–"}


def test_the_metric_of_the_gap_has_one_column(made, rates, final) -> None:
    """Selected by loss and scored by accuracy, the test loss has a separate column; scored by loss, it has one already."""
    chosen = tuning.best(made({"A": rates([1.0, 0.5, 2.0])}))
    scores = final({"A": [0.9, 1.0, 1.1], "A, tuned": [0.6, 0.8, 0.7]})
    compared = tuning.tuned_vs_default(scores, "test/loss", ["A"])
    titles = {
        metric: [
            column.title
            for column in tuning_section.choices_table(
                chosen, compared, tuning.validation_test_gap(chosen, scores), metric=metric
            ).columns
        ]
        for metric in ("test/loss", "test/accuracy")
    }
    assert titles["test/loss"].count("Test loss, tuned") == 1
    assert {"Test loss, tuned", "Test accuracy, tuned"} <= set(titles["test/accuracy"])


def test_widths_have_their_bounds(tables) -> None:
    """The best rate of A lies between others that were tried; that of B is the lowest, so its range is open below."""
    rows = texts(tables[1])
    assert rows["A"] == ["0.001", "0.0001", "0.001", "0.001", "1.0", "0.0 to 2.0 decades", "1/1"]
    assert rows["B"][5] == "at least 0.0 decades, open below"
    assert rows["C"][5] == "no score"


def test_the_budget_has_every_state(tables) -> None:
    """Configurations, complete, pruned, diverged, stalled, failed, repeats, examples, seconds."""
    assert texts(tables[2])["C"] == ["3", "0", "0", "3", "0", "0", "6", "600", "1.5"]


def test_the_tables_are_written_in_every_format(tables) -> None:
    """Each has a unique name, and its notes."""
    assert len({table.name for table in tables}) == 3
    assert "- A note." in markdown(tables[0])
    for table in tables:
        assert rf"\label{{tab:{table.name}}}" in latex(table)


def test_cells_sort_by_their_numbers(tables) -> None:
    """A formatted width keeps its number; a missing one sorts last."""
    width = [row[6].value for row in tables[1].rows]
    assert width[:2] == [0.0, 0.0]
    assert math.isnan(width[2])


def test_the_sign_is_that_of_the_printed_number() -> None:
    """Also if a narrow interval has more digits than its column; a printed 0 has no sign."""
    signed = [
        tuning_section._signed(mean, mean - half, mean + half, 2)
        for mean, half in ((-0.0004, 0.0003), (0.0004, 0.0003))
    ]
    assert signed == ["−0.00040 ± 0.00030", "+0.00040 ± 0.00030"]
    assert tuning_section._signed(-0.001, -0.301, 0.299, 2) == "0.00 ± 0.30"
    assert tuning_section._signed(0.5, 0.2, 0.8, 1) == "+0.5 ± 0.3"
