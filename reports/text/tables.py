"""Turn estimates into tables of formatted text, and write them as CSV, Markdown, LaTeX and terminal output.

Nothing is estimated here. `Cell.value` keeps the unrounded value of a formatted number.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reports.frames.scores import title
from reports.text import notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from rich.console import Group

NO_VALUE = "–"
_MAX_LABEL_WIDTH = 24
_FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Column:
    """A column title, its alignment, and its rank: on a narrow terminal, columns of a higher rank are dropped first."""

    title: str
    align: Literal["left", "right"] = "right"
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """Formatted text, the value that it is sorted by (NaN is always last), and whether it is bold."""

    text: str
    value: float | str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of formatted text. The first cell of a row is a label; `name` is used in file names and LaTeX labels."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


def estimates_table(
    estimates: pd.DataFrame, metrics: Sequence[str], score: str, *, heading: str, remarks: Iterable[str] = ()
) -> Table:
    """Return the table of estimates: a row per label, the score first among the metrics, its best mean bold."""
    ordered = [score, *(metric for metric in metrics if metric != score)]
    digits = {metric: notes.column_decimals(estimates, metric) for metric in ordered}
    best = notes.best_labels(estimates, score)
    has_speed, has_settings = estimates["examples_per_second"].notna().any(), bool(any(estimates["settings"]))
    columns = [Column("Optimizer", "left"), Column("completed/started")]
    columns += [Column(title(metric), rank=rank) for rank, metric in enumerate(ordered)]
    has_risk = estimates["bad"].notna().any()
    columns += [Column("Bad runs", rank=2)] if has_risk else []
    columns += [Column("Examples/s", rank=2)] if has_speed else []
    columns += [Column("Settings", "left", rank=len(ordered))] if has_settings else []
    rows = []
    for _, row in estimates.iterrows():
        count = f"{row['ok']}/{row['run']}" + (f" of {row['planned']}" if row["run"] < row["planned"] else "")
        cells = [Cell(row["label"], row["label"]), Cell(count, row["ok"] / row["planned"])]
        for metric in ordered:
            text = notes.plus_minus(row[metric], row[f"{metric}_low"], row[f"{metric}_high"], digits[metric])
            cells.append(Cell(text, row[metric], best=metric == score and row["label"] in best))
        cells += [_bad_runs(row)] if has_risk else []
        speed = float(row["examples_per_second"])
        cells += [Cell(notes.number(speed, 1 if speed < 100 else 0), speed)] if has_speed else []
        cells += [Cell(row["settings"], row["settings"])] if has_settings else []
        rows.append(tuple(cells))
    return Table("estimates", heading, tuple(columns), tuple(rows), tuple(remarks))


def _bad_runs(row: pd.Series[Any]) -> Cell:
    """Return the number of bad runs with the interval of their probability, in percent."""
    count = float(row["bad"])
    if math.isnan(count):
        return Cell(NO_VALUE, count)
    return Cell(f"{count:.0f}/{row['run']} [{100 * row['bad_low']:.0f}, {100 * row['bad_high']:.0f}]%", count)


def reference_table(
    compared: pd.DataFrame, estimates: pd.DataFrame, *, heading: str, remarks: Iterable[str] = ()
) -> Table:
    """Return published values beside ours: a row per label and metric of `estimates.against_reference`."""
    titles = ("Ours", "Range of our repeats", "Published", "Ours − published", "Published within our range")
    columns = (Column("Optimizer", "left"), Column("Metric", "left"), *map(Column, titles))
    rows = []
    for _, row in compared.iterrows():
        speed = row["metric"] == "examples_per_second"
        digits = 0 if speed else max(3, notes.column_decimals(estimates, row["metric"]))
        repeats = f"{notes.number(row['minimum'], digits)} to {notes.number(row['maximum'], digits)}"
        within = {True: "yes", False: "no"}.get(row["within"], NO_VALUE)
        sign = "+" if row["difference"] > 0 else ""
        rows.append(
            (
                Cell(row["label"], row["label"]),
                Cell(title(row["metric"]) + (" (median)" if speed else ""), row["metric"]),
                Cell(notes.plus_minus(row["ours"], row["low"], row["high"], digits), row["ours"]),
                Cell(repeats if row["n"] > 1 else NO_VALUE, row["minimum"]),
                Cell(f"{row['published']:,.10g}".replace("-", "−"), row["published"]),  # the published digits
                Cell(sign + notes.number(row["difference"], digits), row["difference"]),
                Cell(within, within),
            )
        )
    return Table("reference", heading, columns, tuple(rows), tuple(remarks))


def csv(frame: pd.DataFrame) -> str:
    """Return a frame as CSV in full precision; a missing number is an empty field.

    A text that begins with = + - or @ gets an apostrophe before it, because a spreadsheet would run it as a formula.
    """
    texts = [name for name in frame.columns if frame[name].dtype.kind not in "biuf"]
    escaped = frame.assign(**{str(name): frame[name].map(_escape_formula) for name in texts})
    return str(escaped.to_csv(index=False, lineterminator="\n"))


def _escape_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.lstrip().startswith(_FORMULA) else value


def markdown(table: Table) -> str:
    """Return a table in GitHub's Markdown, followed by its notes as a list."""
    rule = ["---" if column.align == "left" else "---:" for column in table.columns]
    lines = [[escape_markdown(column.title) for column in table.columns], rule]
    for row in table.rows:
        texts = [escape_markdown(cell.text) or " " for cell in row]
        lines.append([f"**{text}**" if cell.best else text for cell, text in zip(row, texts, strict=True)])
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    remarks = "\n".join(f"- {escape_markdown(note)}" for note in table.notes)
    return f"{body}\n\n{remarks}\n" if remarks else f"{body}\n"


def latex(table: Table) -> str:
    """Return a LaTeX `table` environment that needs booktabs and graphicx; it is scaled to the text width if wider."""
    alignment = "".join("l" if column.align == "left" else "r" for column in table.columns)
    head = " & ".join(escape_latex(column.title) for column in table.columns)
    body = []
    for row in table.rows:
        texts = [escape_latex(cell.text) for cell in row]
        body.append(" & ".join(rf"\textbf{{{text}}}" if c.best else text for c, text in zip(row, texts, strict=True)))
    # {} before a row's first cell: a label that begins with [ or * is not read as an argument of the line break above.
    rows = "\n".join(rf"    {{}}{line} \\" for line in body)
    remarks = " ".join(escape_latex(note) for note in table.notes)
    return rf"""% Needs \usepackage{{booktabs}} and \usepackage{{graphicx}}.
\begin{{table}}
  \centering
  \caption{{{escape_latex(table.title)}}}
  \label{{tab:{table.name}}}
  \resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
  \begin{{tabular}}{{{alignment}}}
    \toprule
    {head} \\
    \midrule
{rows}
    \bottomrule
  \end{{tabular}}}}
  \par\medskip
  \parbox{{\linewidth}}{{\footnotesize {remarks}}}
\end{{table}}
"""


def screen(table: Table, width: int = 80) -> Group:
    """Return a table for a terminal: the columns that fit into `width` characters, and the notes."""
    from rich import box, console
    from rich import table as rich_table
    from rich.cells import cell_len
    from rich.text import Text

    titles = [re.sub(r"\s+|(?<=/)(?=\w{2})", "\n", column.title) for column in table.columns]  # a line for each word

    def column_width(at: int) -> int:
        return max(cell_len(text) for text in (*titles[at].split("\n"), *(row[at].text for row in table.rows)))

    shown: list[int] = []
    used = -2  # two blanks between columns
    for at in sorted(range(len(table.columns)), key=lambda at: (table.columns[at].rank, at)):
        used += 2 + (min(column_width(at), _MAX_LABEL_WIDTH) if at == 0 else column_width(at))
        if used > width and len(shown) > 2:
            break
        shown.append(at)
    shown.sort()
    hidden = [column.title for at, column in enumerate(table.columns) if at not in shown]
    remarks = table.notes + ((f"Columns that do not fit: {', '.join(hidden)}.",) if hidden else ())
    grid = rich_table.Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for at in shown:
        grid.add_column(
            Text(titles[at]),
            justify=table.columns[at].align,
            overflow="fold",
            max_width=_MAX_LABEL_WIDTH if at == 0 else None,
            no_wrap=at != 0,
        )
    for row in table.rows:
        grid.add_row(*(Text(row[at].text or " ", style="bold" if row[at].best else "") for at in shown))
    heading = [Text(table.title, style="bold")] if table.title else []
    return console.Group(*heading, grid, *([Text("\n".join(remarks), style="dim")] if remarks else []))


def sort_key(cell: Cell) -> str:
    """Return the sort key of a cell: text unchanged, a number in full precision, empty without a value."""
    if isinstance(cell.value, str):
        return cell.value
    return repr(float(cell.value)) if math.isfinite(cell.value) else ""


def escape_markdown(text: str) -> str:
    """Return `text` on one line, without anything that Markdown reads as markup, a link or HTML."""
    text = re.sub(r"([\\`*_\[\]<>#|~$&@])", r"\\\1", " ".join(text.split()))
    text = re.sub(r":(?=[\w/+-])", r"\:", text)  # https://..., :smile:
    text = re.sub(r"(?i)\bwww\.", lambda match: match[0][:-1] + r"\.", text)
    return re.sub(r"^(\d*)([-+=.)])(?=[\s\W]|$)", r"\1\\\2", text)  # the beginnings of lists and rules


_MATH = (
    "±pm ×times ≤leq ≥geq ·cdot →to ∞infty √surd ≈approx "
    "αalpha βbeta γgamma εepsilon ηeta λlambda μmu ρrho σsigma θtheta"
)
"""Characters, each followed by the name of its LaTeX symbol."""

_LATEX: Mapping[str, str] = {
    **{mark: f"\\{mark}" for mark in "{}$&#_%"},
    **{mark: rf"$\{name}$" for mark, name in re.findall(r"(\S)([a-z]+)", _MATH)},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\`{}",
    "−": "$-$",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
    "½": r"$\frac{1}{2}$",
    "₁": "$_1$",
    "₂": "$_2$",
}


def escape_latex(text: str) -> str:
    """Return `text` on one line for pdfLaTeX; a character that its fonts lack becomes its code point, `[U+4E2D]`."""
    separated = re.sub(r"-(?=-)|[?!](?=`)", lambda match: match[0] + "\0", " ".join(text.split()))  # no ligatures
    marks = {**_LATEX, "\0": "{}"}
    return "".join(marks.get(mark, mark if _has_glyph(mark) else f"[U+{ord(mark):04X}]") for mark in separated)


def _has_glyph(mark: str) -> bool:
    """Return whether pdfLaTeX's default fonts have a character: ASCII and accented letters of Latin-1 and Latin Extended-A."""
    return mark.isascii() or (
        mark.isalpha() and "\u00c0" <= mark <= "\u017e" and mark not in "ÐðÞþĦħĸŁłŊŋŦŧŉĐđŀĿĄąĘęĮįŲų"
    )
