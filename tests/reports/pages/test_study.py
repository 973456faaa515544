"""Tests of `reports.pages.study`."""

import hashlib
import json
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
from suite.records import Outcome

SAMPLE = Path(__file__).parents[2] / "support" / "sample.py"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_report_is_the_files_that_it_promises(small) -> None:
    """Page, tables, scores and manifest; each figure as PNG, SVG and PDF; a figure for each optimizer."""
    names = set(contents(small.folder))
    wanted = {
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
    assert wanted <= names
    figures = {name for name in names if name.startswith("figures/")}
    assert names - figures == wanted
    stems = {name.rpartition(".")[0] for name in figures}
    assert figures == {f"{stem}.{ending}" for stem in stems for ending in ("png", "svg", "pdf")}
    assert {f"figures/optimizer-{name}" for name in ("mbsgd", "adam", "adagrad")} <= stems
    assert {"figures/convergence", "figures/final-score", "figures/training-loss-by-update"} <= stems
    assert {"figures/differences", "figures/pairs", "figures/time-to-target"} <= stems
    assert small.page.is_file()


def test_the_same_records_give_the_same_bytes(small, tmp_path) -> None:
    """Another process with another hash seed, time zone and matplotlib settings writes the same files, byte for byte."""
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nfont.size: 13\nsvg.fonttype: none\n")
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "MATPLOTLIBRC": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    words = [sys.executable, str(SAMPLE), "small", str(tmp_path / "report")]
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
    one, two = contents(small.folder), contents(tmp_path / "report")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_the_manifest_holds_the_digest_of_every_other_file(small) -> None:
    """A reader can check the folder."""
    manifest = json.loads((small.folder / "manifest.json").read_text())
    others = {name: data for name, data in contents(small.folder).items() if name != "manifest.json"}
    assert manifest["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in others.items()}


def test_the_manifest_says_what_was_run_and_where(sample, small) -> None:
    """The study with all its keys, defaults included; versions, commit, device, data; every trial with its digest."""
    manifest = json.loads((small.folder / "manifest.json").read_text())
    study, trials, store = sample.small()
    assert manifest["study"]["optimizer"][0] == {"name": "MBSGD", "kind": "sgd", "lr": 0.01} | dict.fromkeys(
        ("batch_size", "chunk", "epochs", "train_examples", "test_every", "schedule", "problem_options")
    )
    assert manifest["study"]["margin"] == 0.002
    assert (manifest["name"], manifest["overrides"], manifest["complete"]) == ("small", [], True)
    assert manifest["environment"]["commit"] == ["0123456789ab"]
    assert manifest["environment"]["device"] == ["cpu"]
    assert manifest["data"] == dict(trials[0].data)
    assert [row["trial_id"] for row in manifest["trials"]] == [trial.id for trial in trials]
    assert manifest["trials"][0]["weights"] == store.all[trials[0].id].weights
    assert manifest["study"]["title"] == study.title == "A sample of made-up numbers"


def test_nothing_recorded_is_told_in_one_line(sample, tmp_path) -> None:
    """The message names the study and the command that mends it, and no folder is left."""
    study = sample.study(["Adam"], name="quick")
    with pytest.raises(
        UserError, match=r"^nothing is recorded for the study quick yet\. Run `ravine run quick` first$"
    ):
        build(study, sample.plan(study), sample.Store(), tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_figures")
def test_an_incomplete_study_says_so_on_every_page(sample, tmp_path) -> None:
    """4 of 6 trials: the page, the Markdown report and the table tell it, and which optimizer lacks how many."""
    study, trials, _ = sample.small()
    trials = trials[:6]
    store = sample.fill(sample.Store(), trials[:4])
    report = build(study, trials, store, tmp_path / "report")
    for name in ("index.html", "report.md", "table.md", "table.html", "table.tex"):
        text = (report.folder / name).read_text()
        assert "Incomplete: 4 of 6 trials recorded. Missing: Adam 2." in text, name
    assert "No interval: 1 repeat (Adam)." in (report.folder / "table.md").read_text()
    assert json.loads((report.folder / "manifest.json").read_text())["complete"] is False


def test_one_repeat_and_an_optimizer_that_always_diverged_make_a_report(sample, tmp_path) -> None:
    """No interval and no score are shown as such, figures included; the failure is told with its reason."""
    study = sample.study(["Adam", "SGD, lr 10"], repeats=1, epochs=2, batch_size=64, train_examples=256)
    trials = sample.plan(study)
    store = sample.fill(sample.Store(), trials, diverges=lambda trial: trial.label == "SGD, lr 10")
    report = build(study, trials, store, tmp_path / "report")
    table = (report.folder / "table.md").read_text()
    assert "| SGD, lr 10 | 0/1 | – | – | – | – | – | lr 10 |" in table
    assert "SGD, lr 10: 1 of 1 diverged (the training loss was not finite at update 18)" in table
    assert "±" not in table.split("\n\n")[0]
    assert "no interval: 1 repeat" in report.answer


def test_a_study_where_everything_failed_still_has_a_report(sample, tmp_path) -> None:
    """Diverged is a result: no figure, no score, and the page says why."""
    study = sample.study(["Adam"], repeats=2, epochs=1)
    trials = sample.plan(study)
    store = sample.Store()
    for trial in trials:
        store.add(trial, [], Outcome.FAILED, reason="out of memory", weights="")
    report = build(study, trials, store, tmp_path / "report")
    page = report.page.read_text()
    assert "No optimizer has a test accuracy: no trial reached the end of its budget." in page
    assert "out of memory" in page


@pytest.mark.usefixtures("no_figures")
def test_printed_numbers_get_a_table_of_their_own(sample, tmp_path) -> None:
    """A study with a reference prints its source, and each number beside ours."""
    study = sample.study(["Momentum", "Adam"], reference="paper", batch_size=64, train_examples=256)
    trials = sample.plan(study)
    report = build(study, trials, sample.fill(sample.Store(), trials), tmp_path / "report")
    text = (report.folder / "reference.md").read_text()
    assert report.reference is not None
    assert re.search(r"\| Momentum \| Test accuracy \| .* \| 0\.874 \|", text)
    assert "Printed: The paper's table of results" in text
    assert "Printed numbers beside ours" in report.page.read_text()
    assert {"reference.csv", "reference.tex", "reference.html"} <= set(contents(report.folder))


@pytest.mark.usefixtures("no_figures")
def test_an_interrupted_build_leaves_the_old_report(sample, tmp_path, monkeypatch) -> None:
    """Neither an error nor Ctrl-C in the middle of writing harms the report that is there, or leaves scraps."""
    study, trials, store = sample.small()
    folder = tmp_path / "report"
    build(study, trials, store, folder)
    before = contents(folder)
    for error in (OSError("disk full"), KeyboardInterrupt()):

        def broken(contents, fresh, error=error):
            (fresh / "index.html").write_text("half")
            raise error

        monkeypatch.setattr(building, "_write", broken)
        with pytest.raises(type(error)):
            build(study, trials, store, folder)
        assert contents(folder) == before
        assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.usefixtures("no_figures")
def test_an_old_report_comes_back_where_the_new_one_cannot_take_its_place(sample, tmp_path, monkeypatch) -> None:
    """The old folder has been moved aside when the new one fails to move in: it is put back."""
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


def test_panels_take_the_width_of_the_page_and_single_figures_less(small) -> None:
    """By the width that a figure was drawn with, whatever its name."""
    page = small.page.read_text(encoding="utf-8")
    told = dict(re.findall(r'alt="(\w+ ?\w*):[^"]*"( class="narrow")?>', page))
    assert told["Dot plot"] == told["Curves"] == ' class="narrow"'
    assert told["Panels"] == ""


@pytest.mark.usefixtures("no_figures")
def test_a_new_build_replaces_the_whole_folder(sample, tmp_path) -> None:
    """No file of an older report stays behind."""
    study, trials, store = sample.small()
    folder = tmp_path / "deep" / "report"
    build(study, trials, store, folder)
    (folder / "figures" / "old.png").write_bytes(b"")
    build(study, trials, store, folder)
    assert not (folder / "figures" / "old.png").exists()
    assert (folder / "index.html").is_file()


@pytest.mark.usefixtures("no_figures")
def test_a_folder_of_the_users_own_is_not_replaced(sample, tmp_path) -> None:
    """Only an empty folder or an older report gives way."""
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds something that is no report"):
        build(*sample.small(), tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_what_killed_builds_left_is_swept_and_nothing_of_others(tmp_path) -> None:
    """Of a process that is gone the unfinished folder goes and the one put aside comes back; living ones and others stay."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = tmp_path / "all"
    kept = [tmp_path / name for name in (f".all.{os.getppid()}.new", f".all.valley.{gone.pid}.new", ".all.mine.new")]
    aside, unfinished = tmp_path / f".all.{gone.pid}.old", tmp_path / f".all.{gone.pid}.new"
    for each in (*kept, aside, unfinished):
        each.mkdir()
    (aside / "index.html").write_text("the only copy")
    with pytest.raises(KeyboardInterrupt), files.replacing(folder):
        raise KeyboardInterrupt
    assert (folder / "index.html").read_text() == "the only copy"
    assert sorted(tmp_path.iterdir()) == sorted([folder, *kept])


def test_file_names_come_from_labels_safely_and_stay_unique() -> None:
    """Letters, digits and hyphens only, whatever the label; equal names are counted."""
    labels = ["Adam", "ADAM!", "../../etc/passwd", "SGD, batch 2", "Ω", "中", "é" * 80, "adam-2"]
    names = slugs(labels)
    assert list(names) == labels
    assert len(set(names.values())) == len(labels)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,64}", name) for name in names.values())
    assert names["SGD, batch 2"] == "sgd-batch-2"
    assert (names["Adam"], names["ADAM!"]) == ("adam", "adam-2")


@pytest.mark.usefixtures("no_figures")
def test_labels_titles_and_reasons_are_inert_in_html(sample, tmp_path) -> None:
    """What a user writes never becomes an element of a page."""
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


def test_no_file_names_a_folder_of_this_machine(small) -> None:
    """Neither the place of the report nor that of the program is in any text."""
    here = {str(small.folder.parent), str(Path(building.__file__).parent), str(Path.home()), sys.prefix} - {"/"}
    for name, data in contents(small.folder).items():
        if not name.endswith((".png", ".pdf")):
            text = data.decode()
            assert not [place for place in here if place in text], name


def test_a_report_answers_with_the_verdict_first(large) -> None:
    """Page, Markdown and table: the tiers' sentence, the pairs, what could be found; a failed optimizer's rate and place."""
    report = large
    text = (report.folder / "report.md").read_text()
    assert report.answer.startswith("By test accuracy, AdaMax cannot be told from the best, AdaGrad; ")
    assert text.index("cannot be told from the best") < text.index("## Results")
    page = (report.folder / "index.html").read_text()
    assert '<h2 id="comparison">Comparison</h2>' in page
    assert (
        page.index('id="convergence"')
        < page.index('id="comparison"')
        < page.index('id="targets"')
        < page.index('id="each"')
    )
    assert "Not compared, with fewer than 6 scores: SGD, lr 10 (0)." in page
    assert "SGD, lr 10 0 of 10 (0% to 31%)" in (report.folder / "table.md").read_text()
    assert "this study finds with probability 80%" in (report.folder / "table.md").read_text()
    pairs = pd.read_csv(report.folder / "pairs.csv")
    assert len(pairs) == 55
    assert set(pairs["verdict"]) <= {"better", "worse", "tied", "undecided"}


@pytest.mark.usefixtures("no_figures")
def test_one_optimizer_makes_a_report_without_a_comparison(sample, tmp_path) -> None:
    """Nothing is compared, and nothing says otherwise."""
    study = sample.study(["Adam"], name="alone", train_examples=256)
    trials = sample.plan(study)
    report = build(study, trials, sample.fill(sample.Store(), trials), tmp_path / "report")
    assert 'id="comparison"' not in report.page.read_text()
    assert report.answer.startswith("Adam has the highest mean test accuracy")
    assert summary(report, "alone")["pairs"] == []
