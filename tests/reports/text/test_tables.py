"""Tests of `reports.text.tables`."""

import csv
import dataclasses
import io
import math
import shutil
import subprocess

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from rich.console import Console
from scipy import stats

from reports.analysis.estimates import by_label
from reports.frames.scores import METRICS, final, measured
from reports.frames.study_frames import load, settings
from reports.text import tables
from suite.records import Outcome, Point

HOSTILE = (
    "<script>alert(1)</script>",
    "[link](javascript:alert(1)) **bold** `code`",
    r"\input{secret} $x_1$ 100% #1 & ~ ^ {} \\",
    "a | b",
    "- 1. https://example.org www.example.org a@b.org",
    '--- ?`quote` "é Ω 中"',
)


def table_of(labels, notes=()) -> tables.Table:
    """Return a table with these labels and one number each."""
    columns = (tables.Column("Optimizer", "left"), tables.Column("completed/started"), tables.Column("Test accuracy"))
    rows = tuple(
        (tables.Cell(x, x), tables.Cell("3/3", 1.0), tables.Cell("0.50", 0.5, best=not i)) for i, x in enumerate(labels)
    )
    return tables.Table("estimates", "A title", columns, rows, tuple(notes))


def terminal_text(table, width=80) -> str:
    """Return the output of a table on a terminal of this width, without colours."""
    console = Console(file=io.StringIO(), width=width)
    console.print(tables.screen(table, width))
    return console.file.getvalue()


@pytest.fixture(scope="module")
def quick(sample):
    """Return the estimates of the quick sample, and the table of them."""
    study, trials, store = sample.quick()
    frames = load(store, trials)
    metrics = measured(frames, study.score)
    estimates = by_label(frames, final(frames, metrics), metrics, study.score, settings=settings(study, trials))
    return estimates, tables.estimates_table(estimates, metrics, study.score, heading=study.title, remarks=["A note."])


def test_the_csv_has_full_precision(quick) -> None:
    """Every number is bit-for-bit identical when it is read again."""
    estimates, _ = quick
    rows = list(csv.DictReader(io.StringIO(tables.csv(estimates))))
    for metric in METRICS:
        assert [float(row[metric]) for row in rows] == estimates[metric].tolist()
    assert [row["label"] for row in rows] == estimates["label"].tolist()


def test_the_best_mean_of_the_score_alone_is_bold(quick) -> None:
    """Only the highest mean of the study's score is bold."""
    estimates, table = quick
    bold = [
        (row[0].text, column.title)
        for row in table.rows
        for cell, column in zip(row, table.columns, strict=True)
        if cell.best
    ]
    assert bold == [(estimates["label"].iloc[0], "Test accuracy")]


def test_a_column_has_one_number_of_decimals(quick) -> None:
    """All means of a column, and all its half-widths, end at the same decimal."""
    _, table = quick
    for at, column in enumerate(table.columns):
        if column.title in {"Test accuracy", "Training loss"}:
            parts = {tuple(len(part.split(".")[1]) for part in row[at].text.split(" ± ")) for row in table.rows}
            assert len(parts) == 1
            assert len(set(parts.pop())) == 1


def test_incomplete_labels_have_the_number_of_planned_trials(sample) -> None:
    """`2/2 of 3`: two were started, both completed, one is missing."""
    study = sample.study(["Adam"])
    trials = sample.plan(study)
    frames = load(sample.fill(sample.Store(), trials[:2]), trials)
    estimates = by_label(frames, final(frames), METRICS, study.score)
    table = tables.estimates_table(estimates, METRICS, study.score, heading="t")
    assert table.rows[0][1].text == "2/2 of 3"


def test_bad_runs_have_a_column(sample) -> None:
    """`2/8 [3, 65]%`: two of eight runs are bad, with Clopper and Pearson's bounds; a dash below six started runs."""
    study = sample.study(["A", "B", "C"], repeats=8, epochs=1)
    trials, store = sample.plan(study, apart=True), sample.Store()
    for trial in trials:
        lost, bad = (trial.label, trial.repeat) == ("A", 0), (trial.label, trial.repeat) == ("A", 1)
        accuracy = 0.1 if bad else 0.8 + trial.repeat / 100
        if (trial.label, trial.repeat) not in {("B", 6), ("B", 7)} and not (trial.label == "C" and trial.repeat > 4):
            points = [] if lost else [Point("test/accuracy", 1, 1, accuracy)]
            store.add(trial, points, Outcome.FAILED if lost else Outcome.OK, reason="out of memory" if lost else "")
    frames = load(store, trials)

    def column_of(labels):
        estimates = by_label(frames, final(frames, ["test/accuracy"]), ["test/accuracy"], study.score)
        table = tables.estimates_table(
            estimates[estimates["label"].isin(list(labels))], ["test/accuracy"], study.score, heading="t"
        )
        titles = [column.title for column in table.columns]
        if "Bad runs" not in titles:
            return None
        return {row[0].text: row[titles.index("Bad runs")] for row in table.rows}

    cells = column_of("ABC")
    low, high = (100 * bound for bound in stats.beta.ppf([0.025, 0.975], [2, 3], [7, 6]))
    assert cells["A"].text == f"2/8 [{low:.0f}, {high:.0f}]%" == "2/8 [3, 65]%"
    assert cells["B"].text == "0/6 [0, 46]%"
    assert cells["C"].text == "–"
    assert [cells[label].value for label in "AB"] == [2.0, 0.0]
    assert tables.sort_key(cells["C"]) == ""
    assert column_of("C") is None


def test_infinite_numbers_are_readable_in_csv() -> None:
    """An infinite bound is `inf` or `-inf`, which spreadsheets and pandas read; a missing number is an empty field."""
    frame = pd.DataFrame({"label": ["-inf", "A"], "shift": [-math.inf, math.nan], "high": [math.inf, 0.5]})
    text = tables.csv(frame)
    assert text.splitlines()[1:] == ["'-inf,-inf,inf", "A,,0.5"]
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text))[["shift", "high"]], frame[["shift", "high"]])


def test_the_terminal_output_fits_80_columns(quick) -> None:
    """No line is longer, every label and the score are present, and dropped columns are listed."""
    _, table = quick
    text = terminal_text(table)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert all(row[0].text in text and row[2].text in text for row in table.rows)
    assert "Columns that do not fit: Test loss, Examples/s, Settings." in text
    assert "0/6 [0, 46]%" in text
    assert "Settings" in terminal_text(table, 140).splitlines()[2]


def test_a_narrow_terminal_has_label_count_and_score(quick) -> None:
    """The first three columns are never dropped."""
    _, table = quick
    lines = [line.split() for line in terminal_text(table, 40).splitlines()]
    at = next(i for i, words in enumerate(lines) if words[:1] == ["Optimizer"])
    assert lines[at - 1][:2] == ["completed/", "Test"]
    assert lines[at][:3] == ["Optimizer", "started", "accuracy"]


def test_title_and_notes_have_the_width_of_the_terminal() -> None:
    """They are not wrapped to the width of a narrow table."""
    table = dataclasses.replace(table_of(["Adam"], ["word " * 15]), title="Title " * 12)
    lines = [line.strip() for line in terminal_text(table, 80).splitlines()]
    assert lines[0] == ("Title " * 12).strip()
    assert lines[-1] == ("word " * 15).strip()


def test_labels_are_no_markup_on_the_terminal() -> None:
    """Square brackets are printed, not interpreted."""
    assert "[bold]x[/bold]" in terminal_text(table_of(["[bold]x[/bold]"], ["[red]note"]))
    assert "[red]note" in terminal_text(table_of(["x"], ["[red]note"]))


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_are_inert_in_markdown(label) -> None:
    """A Markdown reader shows the label unchanged: one cell per column, no link, no HTML, no emphasis."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = reader.parse(tables.markdown(table_of([label], [label])))
    inline = [token for token in tokens if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close"}
    texts = ["".join(child.content for child in token.children) for token in inline]
    assert texts == ["Optimizer", "completed/started", "Test accuracy", label, "3/3", "0.50", label]
    assert sum(token.type == "list_item_open" for token in tokens) == 1


def test_bare_addresses_are_not_links_in_markdown() -> None:
    """A backslash after the scheme, after www and before @ prevents GitHub's links."""
    escaped = tables.escape_markdown("https://a.org www.a.org me@a.org")
    assert escaped == r"https\://a.org www\.a.org me\@a.org"


def test_line_breaks_in_a_text_do_not_start_a_block() -> None:
    """A title of several lines becomes one heading."""
    assert tables.escape_markdown("a\n\n# b") == r"a \# b"
    assert "\n" not in tables.escape_latex("a\n\nb")


def test_latex_specials_are_escaped() -> None:
    """Each special character is printed; one that pdfLaTeX lacks becomes its code point."""
    assert tables.escape_latex(r"\ _ % & # $ {}") == r"\textbackslash{} \_ \% \& \# \$ \{\}"
    assert tables.escape_latex("0.5 ± 0.1 – é 中") == r"0.5 $\pm$ 0.1 -- é [U+4E2D]"
    assert tables.escape_latex("P(better) = ½") == r"P(better) = $\frac{1}{2}$", "it is in the name of the default test"
    assert tables.escape_latex("Łęć") == "[U+0141][U+0119]ć"
    assert tables.escape_latex("a--b ?`") == r"a-{}-b ?{}\`{}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not here")
def test_latex_compiles_with_any_label(tmp_path) -> None:
    """A document that loads booktabs and graphicx compiles with the table, every accented letter in it."""
    letters = "".join(map(chr, range(0xC0, 0x180)))
    table = table_of([*HOSTILE, "[x", "*", letters], HOSTILE)
    (tmp_path / "table.tex").write_text(tables.latex(table), encoding="utf-8")
    packages = r"\usepackage{booktabs}\usepackage{graphicx}"
    paper = rf"\documentclass{{article}}{packages}\begin{{document}}\input{{table.tex}}\end{{document}}"
    (tmp_path / "paper.tex").write_text(paper)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_cell_without_a_value_has_an_empty_sort_key() -> None:
    """The page sorts empty keys last."""
    assert tables.sort_key(tables.Cell("–", float("nan"))) == ""
    assert tables.sort_key(tables.Cell("0.9", 0.9123)) == "0.9123"
    assert tables.sort_key(tables.Cell("Adam", "Adam")) == "Adam"
