"""Estimates of a tuning run become tables (`reports.text.tables.Sheet`). Nothing is estimated here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.analysis.tuning import PARAM, STATES
from reports.figures.tuning import format_width
from reports.frames.scores import title
from reports.text import notes
from reports.text.tables import NO_VALUE, Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


def settings(row: pd.Series) -> str:
    """A chosen setting in words: `lr 0.003162, beta1 0.92`; a dash where none was chosen."""
    values = {str(name).removeprefix(PARAM): row[name] for name in row.index if str(name).startswith(PARAM)}
    known = [f"{name} {_short(float(value))}" for name, value in values.items() if math.isfinite(value)]
    return ", ".join(known) or NO_VALUE


def choices(
    chosen: pd.DataFrame, compared: pd.DataFrame, gaps: pd.DataFrame, *, metric: str, remarks: Iterable[str] = ()
) -> Table:
    """The table of choices: a row per optimizer, from the setting to the test score of fresh repeats and the gap.

    Args:
        chosen: `choices.best`.
        compared: `choices.against_own`, of the score that the study names.
        gaps: `choices.gaps`; the rows of all three are in the same order.
        metric: What the scores of `compared` are.
        remarks: The notes beneath.
    """
    name, of = title(metric), title(str(gaps["metric"].iloc[0]))
    columns = (
        Column("Optimizer", "left"),
        Column("Best setting", "left", rank=4),
        Column(f"{title(str(chosen['objective'].iloc[0]))}, chosen by", rank=2),
        Column(f"{name}, own setting", rank=1),
        Column(f"{name}, tuned"),
        Column("Tuned − own"),
        *([Column(f"{of}, tuned", rank=3)] if of != name else []),  # what the gap is taken of, unless it stands there
        Column("Gap", rank=2),
        Column("Gap of own setting", rank=3),
    )
    own, tuned = (_digits(compared, f"{side}_low", f"{side}_high") for side in ("default", "tuned"))
    digits, gap = _digits(compared, "low", "high"), _digits(gaps, "low", "high")
    rows = []
    for (_, best), (_, pair), (_, left) in zip(chosen.iterrows(), compared.iterrows(), gaps.iterrows(), strict=True):
        difference = "kept" if pair["kept"] else _signed(pair["difference"], pair["low"], pair["high"], digits)
        test = notes.plus_minus(left["test"], left["test_low"], left["test_high"], gap)
        rows.append(
            (
                Cell(str(best["label"]), str(best["label"])),
                Cell(settings(best), settings(best)),
                Cell(notes.number(best["score"], gap), best["score"]),
                Cell(notes.plus_minus(pair["default"], pair["default_low"], pair["default_high"], own), pair["default"]),
                Cell(notes.plus_minus(pair["tuned"], pair["tuned_low"], pair["tuned_high"], tuned), pair["tuned"]),
                Cell(difference, pair["difference"]),
                *([Cell(test, left["test"])] if of != name else []),
                Cell(_signed(left["gap"], left["low"], left["high"], gap), left["gap"]),
                Cell(_signed(left["default_gap"], left["default_low"], left["default_high"], gap), left["default_gap"]),
            )
        )
    return Table("tuning", "Tuned settings on fresh repeats", columns, tuple(rows), tuple(remarks))


def ranges(table: pd.DataFrame, remarks: Iterable[str] = ()) -> Table:
    """The table of learning rates: the best one, the range of good ones and its width (`sensitivity.ranges`)."""
    columns = (
        Column("Optimizer", "left"),
        Column("Best learning rate"),
        Column("Own", rank=1),
        Column("Within 1%, lowest"),
        Column("Within 1%, highest"),
        Column("Ratio", rank=2),
        Column("Width", "left"),
        Column("Good/tried", rank=3),
    )
    rows = []
    for _, row in table.iterrows():
        known = math.isfinite(row["score"])
        good = f"{row['within']}/{row['inside']}" if known else NO_VALUE
        rows.append(
            (
                Cell(str(row["label"]), str(row["label"])),
                *(Cell(_short(row[name]), float(row[name])) for name in ("lr", "default", "low", "high")),
                Cell(notes.number(row["ratio"], 1), float(row["ratio"])),
                Cell(format_width(row), float(row["decades"])),
                Cell(good, row["within"] / row["inside"] if known else math.nan),
            )
        )
    return Table("learning-rates", "Learning rates", columns, tuple(rows), tuple(remarks))


def budget(table: pd.DataFrame, remarks: Iterable[str] = ()) -> Table:
    """The table of what each optimizer spent (`choices.budget`)."""
    heads = ["Configurations", *(state.capitalize() for state in STATES), "Repeats", "Training examples", "Seconds"]
    names = ["configurations", *STATES, "repeats", "examples", "seconds"]
    columns = (Column("Optimizer", "left"), *(Column(head, rank=rank) for rank, head in enumerate(heads)))
    rows = [
        (
            Cell(str(row["label"]), str(row["label"])),
            *(
                Cell(
                    notes.number(float(row[name]), int(0 < row[name] < 10) if name == "seconds" else 0),
                    float(row[name]),
                )
                for name in names
            ),
        )
        for _, row in table.iterrows()
    ]
    return Table("tuning-budget", "What tuning spent", columns, tuple(rows), tuple(remarks))


def _digits(table: pd.DataFrame, low: str, high: str) -> int:
    return notes.decimals((table[high] - table[low]) / 2)


def _signed(mean: float, low: float, high: float, digits: int) -> str:
    """With its sign, which a value that rounds to 0 does not have."""
    text = notes.plus_minus(mean, low, high, digits)
    if not set("123456789") & set(text.partition(" ")[0]):
        return text.removeprefix("−")
    return f"+{text}" if mean > 0 else text


def _short(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else NO_VALUE
