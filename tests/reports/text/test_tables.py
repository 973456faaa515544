"""Tests of `reports.text.tables`."""

import csv
import dataclasses
import io
import shutil
import subprocess

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from reports.analysis.estimates import by_label
from reports.frames.scores import METRICS, final, measured
from reports.frames.study_frames import load, settings
from reports.text import tables

HOSTILE = (
    "<script>alert(1)</script>",
    "[link](javascript:alert(1)) **bold** `code`",
    r"\input{secret} $x_1$ 100% #1 & ~ ^ {} \\",
    "a | b",
    "- 1. https://example.org www.example.org a@b.org",
    '--- ?`quote` "é Ω 中"',
)


def sheet_of(labels, notes=()) -> tables.Table:
    """A sheet with these labels and one number each."""
    columns = (tables.Column("Optimizer", "left"), tables.Column("ok/run"), tables.Column("Test accuracy"))
    rows = tuple(
        (tables.Cell(x, x), tables.Cell("3/3", 1.0), tables.Cell("0.50", 0.5, best=not i)) for i, x in enumerate(labels)
    )
    return tables.Table("estimates", "A title", columns, rows, tuple(notes))


def printed_on_screen(sheet, width=80) -> str:
    """What a terminal of this width shows of a sheet, without colours, as in a pipe."""
    console = Console(file=io.StringIO(), width=width)
    console.print(tables.screen(sheet, width))
    return console.file.getvalue()


@pytest.fixture(scope="module")
def quick(sample):
    """The table of the quick sample."""
    study, trials, store = sample.quick()
    frames = load(store, trials)
    metrics = measured(frames, study.score)
    table = by_label(frames, final(frames, metrics), metrics, study.score, settings=settings(study, trials))
    return table, tables.overview(table, metrics, study.score, heading=study.title, remarks=["A note."])


def test_the_csv_has_full_precision(quick) -> None:
    """Read again, every number is the same to the bit."""
    table, _ = quick
    rows = list(csv.DictReader(io.StringIO(tables.csv(table))))
    for metric in METRICS:
        assert [float(row[metric]) for row in rows] == table[metric].tolist()
    assert [row["label"] for row in rows] == table["label"].tolist()


def test_the_best_mean_of_the_score_alone_is_bold(quick) -> None:
    """Bold is the highest mean of the study's score and marks nothing else."""
    table, sheet = quick
    bold = [
        (row[0].text, column.title)
        for row in sheet.rows
        for cell, column in zip(row, sheet.columns, strict=True)
        if cell.best
    ]
    assert bold == [(table["label"].iloc[0], "Test accuracy")]


def test_a_column_has_one_number_of_digits(quick) -> None:
    """All means of a column, and all its half-widths, end at the same decimal."""
    _, sheet = quick
    for at, column in enumerate(sheet.columns):
        if column.title in {"Test accuracy", "Training loss"}:
            parts = {tuple(len(part.split(".")[1]) for part in row[at].text.split(" ± ")) for row in sheet.rows}
            assert len(parts) == 1
            assert len(set(parts.pop())) == 1


def test_incomplete_labels_say_how_many_trials_are_planned(sample) -> None:
    """`2/2 of 3`: two ran, both ok, one is missing."""
    study = sample.study(["Adam"])
    trials = sample.plan(study)
    frames = load(sample.fill(sample.Store(), trials[:2]), trials)
    table = by_label(frames, final(frames), METRICS, study.score)
    sheet = tables.overview(table, METRICS, study.score, heading="t")
    assert sheet.rows[0][1].text == "2/2 of 3"


def test_the_screen_keeps_to_80_columns(quick) -> None:
    """No line is longer, every label and the score are there, and what has no room is named."""
    _, sheet = quick
    text = printed_on_screen(sheet)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert all(row[0].text in text and row[2].text in text for row in sheet.rows)
    assert "Not shown for want of room: Test loss, Settings." in text
    assert "Examples/s" in text
    assert "Settings" in printed_on_screen(sheet, 140).splitlines()[2]


def test_a_narrow_screen_still_shows_label_count_and_score(quick) -> None:
    """The first three columns are never dropped."""
    _, sheet = quick
    lines = [line.split() for line in printed_on_screen(sheet, 40).splitlines()]
    at = next(i for i, words in enumerate(lines) if words[:1] == ["Optimizer"])
    assert lines[at - 1][0] == "Test"
    assert lines[at][:3] == ["Optimizer", "ok/run", "accuracy"]


def test_title_and_notes_have_the_width_of_the_screen() -> None:
    """Beside a table of a few columns a sentence is not broken into a column of words."""
    sheet = dataclasses.replace(sheet_of(["Adam"], ["word " * 15]), title="Title " * 12)
    lines = [line.strip() for line in printed_on_screen(sheet, 80).splitlines()]
    assert lines[0] == ("Title " * 12).strip()
    assert lines[-1] == ("word " * 15).strip()


def test_labels_are_no_markup_on_the_screen() -> None:
    """Square brackets are printed, not obeyed."""
    assert "[bold]x[/bold]" in printed_on_screen(sheet_of(["[bold]x[/bold]"], ["[red]note"]))
    assert "[red]note" in printed_on_screen(sheet_of(["x"], ["[red]note"]))


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_are_inert_in_markdown(label) -> None:
    """A GitHub-flavoured reader shows the label itself: as many cells as columns, no link, no HTML, no emphasis."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = reader.parse(tables.markdown(sheet_of([label], [label])))
    inline = [token for token in tokens if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close"}
    texts = ["".join(child.content for child in token.children) for token in inline]
    assert texts == ["Optimizer", "ok/run", "Test accuracy", label, "3/3", "0.50", label]
    assert sum(token.type == "list_item_open" for token in tokens) == 1


def test_markdown_links_by_bare_addresses_are_broken_up() -> None:
    """GitHub makes links of bare addresses: a backslash after the scheme, after www and before @ stops that."""
    escaped = tables.escape_markdown("https://a.org www.a.org me@a.org")
    assert escaped == r"https\://a.org www\.a.org me\@a.org"


def test_line_breaks_in_a_text_do_not_start_a_block() -> None:
    """A title of several lines stays one heading."""
    assert tables.escape_markdown("a\n\n# b") == r"a \# b"
    assert "\n" not in tables.escape_latex("a\n\nb")


def test_latex_specials_are_spelled_out() -> None:
    """Each special mark becomes what prints it; what pdfLaTeX has no letter for becomes its code."""
    assert tables.escape_latex(r"\ _ % & # $ {}") == r"\textbackslash{} \_ \% \& \# \$ \{\}"
    assert tables.escape_latex("0.5 ± 0.1 – é 中") == r"0.5 $\pm$ 0.1 -- é [U+4E2D]"
    assert tables.escape_latex("Łęć") == "[U+0141][U+0119]ć"
    assert tables.escape_latex("a--b ?`") == r"a-{}-b ?{}\`{}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not here")
def test_latex_compiles_with_any_label(tmp_path) -> None:
    """A paper that loads booktabs and graphicx takes the table as it is, every accented letter in it."""
    letters = "".join(map(chr, range(0xC0, 0x180)))
    sheet = sheet_of([*HOSTILE, "[x", "*", letters], HOSTILE)
    (tmp_path / "table.tex").write_text(tables.latex(sheet), encoding="utf-8")
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


def test_what_has_no_value_sorts_as_nothing() -> None:
    """The page keeps empty keys last."""
    assert tables.sort_key(tables.Cell("–", float("nan"))) == ""
    assert tables.sort_key(tables.Cell("0.9", 0.9123)) == "0.9123"
    assert tables.sort_key(tables.Cell("Adam", "Adam")) == "Adam"
