"""Tests of `reports.sections.tuning`, as a report holds it."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from reports.pages import study as building
from suite.records import Point

LABELS = ["Adam", "Adam, tuned", "AdaGrad", "AdaGrad, tuned"]


@pytest.fixture(scope="module")
def run(sample):
    """A function: labels to a study with its plan and three recorded repeats of each."""

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
    """Twelve random trials of two optimizers, the own setting first."""
    rows = {}
    for at, label in enumerate(("Adam", "AdaGrad")):
        lrs = [0.01] + [10 ** (-4 + 0.33 * k) for k in range(11)]
        rows[label] = [(0.2 + 0.1 * at + (math.log10(lr) + 2.2) ** 2, {"lr": lr}) for lr in lrs]
    return made(rows)


@pytest.fixture(scope="module")
def build():
    """`reports.pages.study.build` with no other figures than those of tuning."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.pages.study._draw", lambda _: iter(()))
        yield building.build


@pytest.fixture(scope="module")
def report(build, run, trials, tmp_path_factory):
    """A report with the section."""
    return build(*run(LABELS), tmp_path_factory.mktemp("tuned") / "report", tuning=trials)


def test_page_and_markdown_have_the_section(report) -> None:
    """What was chosen on what, the three tables, every figure in its place."""
    for name in ("index.html", "report.md"):
        text = (report.folder / name).read_text()
        assert "No setting was chosen on the test set." in text
        for part in ("Tuned settings on fresh repeats", "Learning rates", "What tuning spent"):
            assert part in text, (name, part)
    page = (report.folder / "index.html").read_text()
    assert [page.count(f"<h3>{part}</h3>") for part in ("Tuned settings on fresh repeats", "Learning rates")] == [1, 1]
    markdown = (report.folder / "report.md").read_text()
    figures = ["tuned-against-own", "learning-rates", "learning-rate-ranges", "tunability", "tuning-best"]
    places = [markdown.index(f"(figures/{figure}.png)") for figure in figures]
    assert places == sorted(places)
    assert (report.folder / "figures" / "tunability.pdf").is_file()


def test_every_number_lies_beside_in_full_precision(report, trials) -> None:
    """Read again, the trials are the same; so is the difference, 0.01 in accuracy between neighbours of the plan."""
    found = pd.read_csv(report.folder / "tuning-trials.csv", dtype={"value": str})  # pandas 2 reads floats inexactly
    assert found["value"].map(float).tolist() == trials["value"].tolist()
    compared = pd.read_csv(report.folder / "tuning.csv").set_index("label")
    assert compared["difference"].tolist() == pytest.approx([0.01, 0.01])
    names = {path.name for path in Path(report.folder).iterdir()}
    assert {"tuning.md", "tuning.tex", "tuning-gaps.csv", "learning-rates.csv", "tunability.csv"} <= names
    files = json.loads((report.folder / "manifest.json").read_text())["files"]
    assert "tuning-budget.csv" in files


@pytest.mark.usefixtures("no_figures")
def test_warnings_stand_on_top_of_page_and_markdown(build, run, trials, tmp_path) -> None:
    """An optimizer that was not tuned is named before the answer."""
    report = build(*run([*LABELS, "MBSGD"]), tmp_path / "report", tuning=trials)
    for name, answer in (("index.html", 'class="says"'), ("report.md", f"\n**{report.answer[:9]}")):
        text = (report.folder / name).read_text()
        assert text.index("Not tuned: MBSGD.") < text.index(answer), name


@pytest.mark.usefixtures("no_figures")
def test_dependent_trials_get_a_sentence_instead_of_curves(build, run, trials, tmp_path) -> None:
    """A run of TPE has no tunability files, and the page says why."""
    report = build(*run(LABELS), tmp_path / "report", tuning=trials.assign(sampler="tpe"))
    assert "A trial of TPE depends on those before it" in report.page.read_text()
    assert not (report.folder / "tunability.csv").exists()
    assert not (report.folder / "figures" / "tunability.png").exists()


@pytest.mark.usefixtures("no_figures")
def test_without_tuning_nothing_is_said_of_it(build, run, tmp_path) -> None:
    """No frame and an empty frame are the same."""
    for at, tuning in enumerate((None, pd.DataFrame())):
        report = build(*run(["Adam"]), tmp_path / str(at), tuning=tuning)
        assert "uning" not in report.page.read_text()
        assert not list(report.folder.glob("tuning*"))


def test_a_run_where_nothing_ended_still_has_a_report(build, run, made, tmp_path) -> None:
    """All trials of one diverged, all of the other failed: tables of dashes, the warnings, no figure of scores."""
    lost = made(
        {"Adam": [(("diverged", math.nan), {"lr": 0.1})] * 2, "AdaGrad": [(("failed", math.nan), {"lr": 0.1})] * 2}
    )
    report = build(*run(["Adam", "AdaGrad"]), tmp_path / "report", tuning=lost)
    text = (report.folder / "report.md").read_text()
    assert "Tuned in vain: no trial of Adam and AdaGrad came to its end" in text
    assert "Trials that broke and tell nothing: AdaGrad 2 of 2." in text
    assert "figures/learning-rates.png" not in text


def test_one_trial_of_an_optimizer_outside_the_plan_makes_a_report(build, run, made, tmp_path) -> None:
    """Neither an own setting nor fresh repeats: it says what is missing and draws what there is."""
    single = made({"RMSProp": [(0.5, {"lr": 0.1})]}, own=False, sampler="tpe")
    report = build(*run(["Adam"]), tmp_path / "report", tuning=single)
    text = (report.folder / "report.md").read_text()
    assert "No fresh repeats of the tuned setting yet: RMSProp." in text
    assert "Not tuned: Adam." in text
    assert "figures/learning-rate-ranges.png" in text
