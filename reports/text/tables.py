"""Estimates become tables: one `Sheet` of finished text, and a writer of it for each format.

Nothing is estimated here, and no number is rounded twice: `Cell.value` keeps what the text was made from.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reports.frames.scores import title
from reports.text import notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from rich.console import Group

NO_VALUE = "–"
_WIDEST_LABEL = 24
_FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head, its side, and its rank: columns of a higher rank are the first to go where there is no room."""

    title: str
    align: Literal["left", "right"] = "right"
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """Finished text; `value` is what it sorts by (NaN: always last); `best` makes it bold."""

    text: str
    value: float | str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to be written. Each row begins with a label; `name` is its key in file names and in LaTeX."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


def overview(
    estimates: pd.DataFrame, metrics: Sequence[str], score: str, *, heading: str, remarks: Iterable[str] = ()
) -> Table:
    """The table of estimates: a row per label, the score's column first among the metrics and its best mean bold."""
    ordered = [score, *(metric for metric in metrics if metric != score)]
    digits = {metric: notes.column_decimals(estimates, metric) for metric in ordered}
    best = notes.best_labels(estimates, score)
    columns = [Column("Optimizer", "left"), Column("ok/run")]
    columns += [Column(title(metric), rank=rank) for rank, metric in enumerate(ordered)]
    timed, told = estimates["examples_per_second"].notna().any(), bool(any(estimates["settings"]))
    columns += [Column("Examples/s", rank=2)] if timed else []
    columns += [Column("Settings", "left", rank=len(ordered))] if told else []
    rows = []
    for _, row in estimates.iterrows():
        runs = f"{row['ok']}/{row['run']}" + (f" of {row['planned']}" if row["run"] < row["planned"] else "")
        cells = [Cell(row["label"], row["label"]), Cell(runs, row["ok"] / row["planned"])]
        for metric in ordered:
            text = notes.plus_minus(row[metric], row[f"{metric}_low"], row[f"{metric}_high"], digits[metric])
            cells.append(Cell(text, row[metric], best=metric == score and row["label"] in best))
        speed = float(row["examples_per_second"])
        cells += [Cell(notes.number(speed, 0 if not speed < 100 else 1), speed)] if timed else []
        cells += [Cell(row["settings"], row["settings"])] if told else []
        rows.append(tuple(cells))
    return Table("estimates", heading, tuple(columns), tuple(rows), tuple(remarks))


def printed(compared: pd.DataFrame, estimates: pd.DataFrame, *, heading: str, remarks: Iterable[str] = ()) -> Table:
    """The table of printed numbers beside ours: a row per label and metric (`estimates.against_reference`)."""
    heads = ("Metric", "Ours", "Our repeats", "Printed", "Ours − printed", "Printed within our repeats")
    columns = (Column("Optimizer", "left"), *(Column(head, "left" if head == "Metric" else "right") for head in heads))
    rows = []
    for _, row in compared.iterrows():
        speed = row["metric"] == "examples_per_second"
        digits = 0 if speed else max(3, notes.column_decimals(estimates, row["metric"]))
        spread = f"{notes.number(row['minimum'], digits)} to {notes.number(row['maximum'], digits)}"
        within = {True: "yes", False: "no"}.get(row["within"], NO_VALUE)
        sign = "+" if row["difference"] > 0 else ""
        rows.append(
            (
                Cell(row["label"], row["label"]),
                Cell(title(row["metric"]) + (" (median)" if speed else ""), row["metric"]),
                Cell(notes.plus_minus(row["ours"], row["low"], row["high"], digits), row["ours"]),
                Cell(spread if row["n"] > 1 else NO_VALUE, row["minimum"]),
                Cell(_as_printed(row["published"]), row["published"]),
                Cell(sign + notes.number(row["difference"], digits), row["difference"]),
                Cell(within, within),
            )
        )
    return Table("reference", heading, columns, tuple(rows), tuple(remarks))


def csv(frame: pd.DataFrame) -> str:
    """The raw numbers in full precision; an empty field is a number that does not exist.

    A text that a spreadsheet would run as a formula, since it begins with = + - or @, gets an apostrophe before it.
    """
    texts = [name for name in frame.columns if frame[name].dtype.kind not in "biuf"]
    inert = frame.assign(**{str(name): frame[name].map(_inert) for name in texts})
    return str(inert.to_csv(index=False, lineterminator="\n"))


def _inert(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.lstrip().startswith(_FORMULA) else value


def markdown(sheet: Table) -> str:
    """A GitHub table with its notes as a list."""
    rule = ["---" if column.align == "left" else "---:" for column in sheet.columns]
    lines = [[escape_markdown(column.title) for column in sheet.columns], rule]
    for row in sheet.rows:
        texts = [escape_markdown(cell.text) or " " for cell in row]
        lines.append([f"**{text}**" if cell.best else text for cell, text in zip(row, texts, strict=True)])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    remarks = "\n".join(f"- {escape_markdown(note)}" for note in sheet.notes)
    return f"{table}\n\n{remarks}\n" if remarks else f"{table}\n"


def latex(sheet: Table) -> str:
    """A `table` for a paper that loads booktabs and graphicx; it shrinks to the width of the text if it has to."""
    sides = "".join("l" if column.align == "left" else "r" for column in sheet.columns)
    head = " & ".join(escape_latex(column.title) for column in sheet.columns)
    body = []
    for row in sheet.rows:
        texts = [escape_latex(cell.text) for cell in row]
        body.append(" & ".join(rf"\textbf{{{text}}}" if c.best else text for c, text in zip(row, texts, strict=True)))
    # {} before a row's first cell: a label that begins with [ or * is not taken as an argument of the line break above.
    rows = "\n".join(rf"    {{}}{line} \\" for line in body)
    remarks = " ".join(escape_latex(note) for note in sheet.notes)
    return rf"""% Needs \usepackage{{booktabs}} and \usepackage{{graphicx}}.
\begin{{table}}
  \centering
  \caption{{{escape_latex(sheet.title)}}}
  \label{{tab:{sheet.name}}}
  \resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
  \begin{{tabular}}{{{sides}}}
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


def screen(sheet: Table, width: int = 80) -> Group:
    """A table for the terminal, of the columns that fit into `width`, its notes beneath; it reads as well when piped."""
    from rich import box
    from rich.cells import cell_len
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    def room(at: int) -> int:
        words = sheet.columns[at].title.split()  # a head stands on a line for each word
        return max(cell_len(text) for text in (*words, *(row[at].text for row in sheet.rows)))

    shown: list[int] = []
    used = -2  # two blanks between columns
    for at in sorted(range(len(sheet.columns)), key=lambda at: (sheet.columns[at].rank, at)):
        used += 2 + (min(room(at), _WIDEST_LABEL) if at == 0 else room(at))
        if used > width and len(shown) > 2:
            break
        shown.append(at)
    shown.sort()
    hidden = [column.title for at, column in enumerate(sheet.columns) if at not in shown]
    remarks = sheet.notes + ((f"Not shown for want of room: {', '.join(hidden)}.",) if hidden else ())
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for at in shown:
        column = sheet.columns[at]
        table.add_column(
            Text("\n".join(column.title.split())),
            justify=column.align,
            overflow="fold",
            max_width=_WIDEST_LABEL if at == 0 else None,
            no_wrap=at != 0,
        )
    for row in sheet.rows:
        table.add_row(*(Text(row[at].text or " ", style="bold" if row[at].best else "") for at in shown))
    title, notes = Text(sheet.title, style="bold"), Text("\n".join(remarks), style="dim")
    return Group(*([title] if sheet.title else []), table, *([notes] if remarks else []))


def sort_key(cell: Cell) -> str:
    """What a table sorts a cell by: text as it is, numbers in full; empty for what has no value."""
    if isinstance(cell.value, str):
        return cell.value
    return repr(float(cell.value)) if math.isfinite(cell.value) else ""


def escape_markdown(text: str) -> str:
    """`text` on one line, so that no Markdown reader finds markup, a link or HTML in it."""
    text = re.sub(r"([\\`*_\[\]<>#|~$&@])", r"\\\1", " ".join(text.split()))
    text = re.sub(r":(?=[\w/+-])", r"\:", text)  # https://..., :smile:
    text = re.sub(r"(?i)\bwww\.", lambda found: found[0][:-1] + r"\.", text)
    return re.sub(r"^(\d*)([-+=.)])(?=[\s\W]|$)", r"\1\\\2", text)  # the beginnings of lists and rules


_LATEX: Mapping[str, str] = {
    **{mark: f"\\{mark}" for mark in "{}$&#_%"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\`{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "·": r"$\cdot$",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
    "→": r"$\to$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "≈": r"$\approx$",
    "₁": r"$_1$",
    "₂": r"$_2$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "ε": r"$\epsilon$",
    "η": r"$\eta$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "ρ": r"$\rho$",
    "σ": r"$\sigma$",
    "θ": r"$\theta$",
}


def escape_latex(text: str) -> str:
    """`text` on one line, so that LaTeX prints it; a character that pdfLaTeX has no letter for becomes its code, `[U+4E2D]`."""
    parted = re.sub(
        r"-(?=-)|[?!](?=`)", lambda found: found[0] + "\0", " ".join(text.split())
    )  # no ligature across the mark
    marks = {**_LATEX, "\0": "{}"}
    return "".join(marks.get(mark, mark if _has_letter(mark) else f"[U+{ord(mark):04X}]") for mark in parted)


def _has_letter(mark: str) -> bool:
    """Whether pdfLaTeX's own fonts have it: ASCII and the accented letters of Western and Central Europe."""
    return mark.isascii() or (
        mark.isalpha() and "\u00c0" <= mark <= "\u017e" and mark not in "ÐðÞþĦħĸŁłŊŋŦŧŉĐđŀĿĄąĘęĮįŲų"
    )


def _as_printed(value: float) -> str:
    """A printed number with the digits that it was printed with, as far as a float remembers them."""
    return f"{value:,.10g}".replace("-", "−")
