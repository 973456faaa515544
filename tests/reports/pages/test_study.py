"""Tests of `reports.pages.study`."""

import hashlib
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from reports.frames.study_frames import UserError
from reports.pages import files
from reports.pages import study as building
from reports.pages.json_summary import summary
from reports.pages.study import build
from reports.pages.study_figures import slugs
from reports.text import notes
from suite.records import Outcome

SAMPLE = Path(__file__).parents[2] / "support" / "sample.py"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_report_has_its_files(small) -> None:
    """Page, tables, scores and manifest; each figure as PNG, SVG and PDF; a figure for each optimizer."""
    names = set(contents(small.folder))
    expected = {
        "index.html",
        "report.md",
        "table.csv",
        "table.md",
        "table.tex",
        "table.html",
        "scores.csv",
        "manifest.json",
        "pairs.csv",
        "targets.csv",
        "times.csv",
        "reached.csv",
        "speed.csv",
        *(f"{name}.{ending}" for name in ("pairs", "speed", "time_to_target") for ending in ("md", "tex", "html")),
    }
    assert expected <= names
    figures = {name for name in names if name.startswith("figures/")}
    assert names - figures == expected
    stems = {name.rpartition(".")[0] for name in figures}
    assert figures == {f"{stem}.{ending}" for stem in stems for ending in ("png", "svg", "pdf")}
    assert {f"figures/optimizer-{name}" for name in ("mbsgd", "adam", "adagrad")} <= stems
    assert {"figures/convergence", "figures/final-score", "figures/training-loss-by-update"} <= stems
    assert {"figures/differences", "figures/pairs", "figures/time-to-target"} <= stems
    assert small.page.is_file()


def test_the_same_records_give_the_same_bytes(small, tmp_path) -> None:
    """A process with another hash seed, time zone and matplotlib settings writes bit-for-bit identical files."""
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nfont.size: 13\nsvg.fonttype: none\n")
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "MATPLOTLIBRC": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    words = [sys.executable, str(SAMPLE), "small", str(tmp_path / "report")]
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
    one, two = contents(small.folder), contents(tmp_path / "report")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_the_manifest_has_the_digest_of_every_other_file(small) -> None:
    """With it a reader can verify the folder."""
    manifest = json.loads((small.folder / "manifest.json").read_text())
    others = {name: data for name, data in contents(small.folder).items() if name != "manifest.json"}
    assert manifest["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in others.items()}


def test_the_manifest_describes_the_study_and_the_environment(sample, small) -> None:
    """It has the study with defaults, versions, commit, device, data and every trial with its digest."""
    manifest = json.loads((small.folder / "manifest.json").read_text())
    study, trials, store = sample.small()
    entry = manifest["study"]["optimizer"][0]
    assert entry == json.loads(study.optimizer[0].model_dump_json())
    assert (entry["name"], entry["kind"], entry["lr"], entry["schedule"]) == ("MBSGD", "sgd", 0.01, None)
    assert manifest["study"]["margin"] == 0.002
    assert (manifest["name"], manifest["overrides"], manifest["complete"]) == ("small", [], True)
    assert manifest["environment"]["commit"] == ["0123456789ab"]
    assert manifest["environment"]["device"] == ["cpu"]
    assert manifest["data"] == dict(trials[0].data)
    assert [row["trial_id"] for row in manifest["trials"]] == [trial.id for trial in trials]
    assert manifest["trials"][0]["weights"] == store.all[trials[0].id].weights
    assert manifest["study"]["title"] == study.title == "A sample of made-up numbers"


def test_a_study_without_records_is_an_error(sample, tmp_path, wording) -> None:
    """The message has the study and the command to run, and no folder is created."""
    study = sample.study(["Adam"], name="quick")
    with pytest.raises(UserError) as error:
        build(study, sample.plan(study), sample.Store(), tmp_path / "report")
    wording(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_figures")
def test_an_incomplete_study_is_reported_on_every_page(sample, tmp_path, wording) -> None:
    """With 4 of 6 trials, every page and table has the number of missing trials of each optimizer."""
    study, trials, _ = sample.small()
    trials = trials[:6]
    store = sample.fill(sample.Store(), trials[:4])
    report = build(study, trials, store, tmp_path / "report")
    sentence = notes.incomplete(report.frames)
    wording(sentence)
    for name in ("index.html", "report.md", "table.md", "table.html", "table.tex"):
        assert sentence in (report.folder / name).read_text(), name
    wording(next(note for note in report.table.notes if "No interval" in note))
    assert json.loads((report.folder / "manifest.json").read_text())["complete"] is False


def test_a_report_with_one_repeat_and_an_optimizer_that_always_diverges(sample, tmp_path, wording) -> None:
    """Missing intervals and scores are shown as missing, also in figures; the failure has its reason."""
    study = sample.study(["Adam", "SGD, lr 10"], repeats=1, epochs=2, batch_size=64, train_examples=256)
    trials = sample.plan(study)
    store = sample.fill(sample.Store(), trials, diverges=lambda trial: trial.label == "SGD, lr 10")
    report = build(study, trials, store, tmp_path / "report")
    table = (report.folder / "table.md").read_text()
    assert "| SGD, lr 10 | 0/1 | – | – | – | – | – | lr 10 |" in table
    assert "Bad runs" not in table, "one repeat says nothing on bad runs"
    wording(next(note for note in report.table.notes if "1 of 1 diverged" in note))
    assert "±" not in table.split("\n\n")[0]
    wording(report.answer)


@pytest.mark.parametrize("score", ["test/accuracy", "test/loss"])
def test_a_report_with_an_optimizer_that_lost_all_its_runs(sample, tmp_path, wording, score) -> None:
    """It is significantly worse on the page, in the figures, in the tables and in the CSV files."""
    labels = ["Adam", "MBSGD", "SGD, lr 10"]
    study = sample.study(labels, repeats=8, epochs=2, batch_size=64, train_examples=256, score=score, margin=0.0)
    trials = sample.plan(study)
    store = sample.fill(sample.Store(), trials, diverges=lambda trial: trial.label == "SGD, lr 10")
    report = build(study, trials, store, tmp_path / "report")
    assert {report.comparison.verdict("SGD, lr 10", other) for other in labels[:2]} == {"worse"}
    assert "SGD, lr 10" not in report.comparison.leaders
    wording(report.answer)
    assert report.answer in report.page.read_text(encoding="utf-8").replace("&#39;", "'")
    names = set(contents(report.folder))
    assert {"figures/differences.svg", "figures/pairs.svg", "pairs.csv"} <= names
    table = (report.folder / "pairs.md").read_text(encoding="utf-8")
    infinity = "∞" if score == "test/accuracy" else "−∞"
    assert f"| {infinity} |" in table
    assert "∞ marks" in table
    assert r"$\infty$" in (report.folder / "pairs.tex").read_text(encoding="utf-8")
    frame = pd.read_csv(report.folder / "pairs.csv")
    lost = frame[frame["second"] == "SGD, lr 10"]
    assert set(lost["shift"]) == {math.inf if score == "test/accuracy" else -math.inf}
    scores = pd.read_csv(report.folder / "scores.csv")
    assert scores.loc[scores["label"] == "SGD, lr 10", score].isna().all(), "a lost run has no score"


def test_a_report_whose_runs_were_all_lost(sample, tmp_path, wording) -> None:
    """Eight runs of two optimizers diverged: no verdict, and the page says why."""
    study = sample.study(["Adam", "MBSGD"], repeats=8, epochs=2, batch_size=64, train_examples=256)
    trials = sample.plan(study)
    report = build(study, trials, sample.fill(sample.Store(), trials, diverges=lambda _: True), tmp_path / "report")
    assert report.answer.startswith("No verdict, because no run ended ok.")
    assert "No verdict, because no run ended ok." in report.page.read_text(encoding="utf-8")
    wording(report.answer)
    assert summary(report, "lost")["pairs"] == []
    assert not (report.folder / "pairs.csv").exists()


@pytest.mark.usefixtures("no_figures")
def test_a_completed_run_of_an_excluded_optimizer_is_not_denied(sample, tmp_path, wording) -> None:
    """All runs of Adam failed, and the only run of MBSGD completed: a trial completed, although no pair is compared."""
    study = sample.study(["Adam", "MBSGD"], repeats=6, epochs=1, train_examples=256)
    trials, store = sample.plan(study), sample.Store()
    for trial in trials:
        if trial.label == "Adam":
            store.add(trial, [], Outcome.FAILED, reason="out of memory")
        elif trial.repeat == 0:
            store.add(trial, sample.curve(trial))
    report = build(study, trials, store, tmp_path / "report")
    assert "no trial completed" not in report.answer
    assert "MBSGD has the highest mean test accuracy" in report.answer
    wording(report.answer)


def test_a_study_whose_trials_all_failed_has_a_report(sample, tmp_path, wording) -> None:
    """There is no figure and no score, and the page has the reason."""
    study = sample.study(["Adam"], repeats=2, epochs=1)
    trials = sample.plan(study)
    store = sample.Store()
    for trial in trials:
        store.add(trial, [], Outcome.FAILED, reason="out of memory", weights="")
    report = build(study, trials, store, tmp_path / "report")
    page = report.page.read_text()
    wording(report.answer)
    assert report.answer in page
    assert "out of memory" in page


@pytest.mark.usefixtures("no_figures")
def test_published_values_have_a_table(sample, tmp_path, wording) -> None:
    """A study with a reference has a table with each published value beside ours, and the source."""
    study = sample.study(["Momentum", "Adam"], reference="paper", batch_size=64, train_examples=256)
    trials = sample.plan(study)
    report = build(study, trials, sample.fill(sample.Store(), trials), tmp_path / "report")
    text = (report.folder / "reference.md").read_text()
    assert report.reference is not None
    assert re.search(r"\| Momentum \| Test accuracy \| .* \| 0\.874 \|", text)
    for note in report.reference.notes:
        wording(note)
    assert report.reference.title in report.page.read_text()
    assert {"reference.csv", "reference.tex", "reference.html"} <= set(contents(report.folder))


@pytest.mark.usefixtures("no_figures")
def test_an_interrupted_build_leaves_the_old_report_intact(sample, tmp_path, monkeypatch) -> None:
    """Neither an error nor Ctrl-C during writing changes the existing report, and no temporary folder remains."""
    study, trials, store = sample.small()
    folder = tmp_path / "report"
    build(study, trials, store, folder)
    before = contents(folder)
    for error in (OSError("disk full"), KeyboardInterrupt()):

        def fail(folder, manifest, error=error):
            assert (folder / "index.html").is_file()
            raise error

        monkeypatch.setattr(files, "_write_manifest", fail)
        with pytest.raises(type(error)):
            build(study, trials, store, folder)
        assert contents(folder) == before
        assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.usefixtures("no_figures")
def test_the_old_report_is_restored_if_the_new_one_cannot_be_renamed(sample, tmp_path, monkeypatch) -> None:
    """The old folder has been renamed before the new one fails to replace it; its name is restored."""
    study, trials, store = sample.small()
    folder = tmp_path / "report"
    build(study, trials, store, folder)
    before = contents(folder)
    rename = Path.rename

    def refused(self, target):
        if self.name.endswith(".new"):
            raise PermissionError(self)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(PermissionError):
        build(study, trials, store, folder)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_panels_take_the_full_width_of_the_page_and_single_plots_less(small) -> None:
    """The width of the drawn figure decides, not its name."""
    page = small.page.read_text(encoding="utf-8")
    css_class = dict(re.findall(r'alt="(\w+ ?\w*):[^"]*"( class="narrow")?>', page))
    assert css_class["Dot plot"] == css_class["Curves"] == ' class="narrow"'
    assert css_class["Panels"] == ""


@pytest.mark.usefixtures("no_figures")
def test_a_new_build_replaces_the_complete_folder(sample, tmp_path) -> None:
    """No file of an older report remains."""
    study, trials, store = sample.small()
    folder = tmp_path / "deep" / "report"
    build(study, trials, store, folder)
    (folder / "figures" / "old.png").write_bytes(b"")
    build(study, trials, store, folder)
    assert not (folder / "figures" / "old.png").exists()
    assert (folder / "index.html").is_file()


@pytest.mark.usefixtures("no_figures")
def test_a_folder_with_other_files_is_not_replaced(sample, tmp_path, wording) -> None:
    """Only an empty folder or an older report is replaced."""
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError) as error:
        build(*sample.small(), tmp_path)
    wording(error.value)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path, wording) -> None:
    """The reason of the operating system is in the message."""
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError) as error:
        files.check_destination(tmp_path / "out" / "reports")
    wording(error.value)


def test_leftovers_of_killed_builds_are_cleaned_up(tmp_path) -> None:
    """The new folder of a process that has exited is deleted and its old folder restored; others are kept."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = tmp_path / "all"
    kept = [tmp_path / name for name in (f".all.{os.getppid()}.new", f".all.valley.{gone.pid}.new", ".all.mine.new")]
    old, new = tmp_path / f".all.{gone.pid}.old", tmp_path / f".all.{gone.pid}.new"
    for path in (*kept, old, new):
        path.mkdir()
    (old / "index.html").write_text("the only copy")
    with pytest.raises(KeyboardInterrupt), files.replacing(folder):
        raise KeyboardInterrupt
    assert (folder / "index.html").read_text() == "the only copy"
    assert sorted(tmp_path.iterdir()) == sorted([folder, *kept])


def test_file_names_from_labels_are_safe_and_unique() -> None:
    """They have only letters, digits and hyphens; equal names get a number."""
    labels = ["Adam", "ADAM!", "../../etc/passwd", "SGD, batch 2", "Ω", "中", "é" * 80, "adam-2"]
    names = slugs(labels)
    assert list(names) == labels
    assert len(set(names.values())) == len(labels)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,64}", name) for name in names.values())
    assert names["SGD, batch 2"] == "sgd-batch-2"
    assert (names["Adam"], names["ADAM!"]) == ("adam", "adam-2")


@pytest.mark.usefixtures("no_figures")
def test_labels_titles_and_reasons_are_inert_in_html(sample, tmp_path) -> None:
    """Text of a user never becomes an element of a page."""
    nasty = '<img src=x onerror="alert(1)">{{ 7 * 7 }}'
    study = sample.study([nasty], title=f"</title>{nasty}", repeats=2, epochs=1)
    trials = sample.plan(study)
    store = sample.Store()
    store.add(trials[0], sample.curve(replace(trials[0], batch_size=60_000)))
    store.add(trials[1], [], Outcome.FAILED, reason=nasty)
    report = build(study, trials, store, tmp_path / "report")
    for name in ("index.html", "table.html"):
        text = (report.folder / name).read_text()
        assert "<img src=x" not in text
        assert "{{ 7 * 7 }}" in text
        assert text.count("</title>") == 1


def test_no_file_has_a_path_of_this_machine(small) -> None:
    """Neither the folder of the report nor that of the program is in any text."""
    here = {str(small.folder.parent), str(Path(building.__file__).parent), str(Path.home()), sys.prefix} - {"/"}
    for name, data in contents(small.folder).items():
        if not name.endswith((".png", ".pdf")):
            text = data.decode()
            assert not [path for path in here if path in text], name


def test_a_report_begins_with_the_verdicts(large, wording) -> None:
    """The answer precedes the results; the sections have their order; an optimizer that lost all runs is worse."""
    report = large
    text = (report.folder / "report.md").read_text()
    wording(report.answer)
    assert text.index("AdaGrad") < text.index("## Results")
    page = (report.folder / "index.html").read_text()
    assert '<h2 id="comparison">Comparison</h2>' in page
    assert (
        page.index('id="convergence"')
        < page.index('id="comparison"')
        < page.index('id="targets"')
        < page.index('id="optimizers"')
    )
    table = (report.folder / "table.md").read_text()
    assert "| 10/10 \\[69, 100\\]% |" in table, "the bad runs of SGD, lr 10"
    assert "up to 31%" in table
    assert "Not compared" not in page
    assert "80%" in table
    pairs = pd.read_csv(report.folder / "pairs.csv")
    assert len(pairs) == 66
    assert set(pairs["verdict"]) <= {"better", "worse", "tied", "undecided"}
    lost = pairs[pairs["second"] == "SGD, lr 10"]
    assert len(lost) == 11
    assert set(lost["verdict"]) == {"better"}
    assert (lost[["shift", "simultaneous_low", "simultaneous_high"]] == math.inf).all(axis=None)


@pytest.mark.usefixtures("no_figures")
def test_a_report_on_one_optimizer_has_no_comparison(sample, tmp_path) -> None:
    """There is no section, no verdict and no pair."""
    study = sample.study(["Adam"], name="alone", train_examples=256)
    trials = sample.plan(study)
    report = build(study, trials, sample.fill(sample.Store(), trials), tmp_path / "report")
    assert 'id="comparison"' not in report.page.read_text()
    assert report.answer.startswith("Adam has the ")
    assert summary(report, "alone")["pairs"] == []
