"""The part of the report on how much hangs on the kind of interval: the score under three of them, whole curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.analysis import estimates as estimating
from reports.frames.scores import title
from reports.sections import Section
from reports.statistics.intervals import MIN_REPEATS_BOOTSTRAP, LEVEL
from reports.text import notes
from reports.text.tables import NO_VALUE, Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence


def robustness(
    scores: pd.DataFrame,
    score: str,
    order: Sequence[str],
    curves: Mapping[str, pd.DataFrame],
    *,
    varied: str = notes.VARIED,
) -> Section | None:
    """The score of each optimizer under three intervals, and files of them and of all mean curves with both bands.

    Args:
        scores: A row per trial.
        score: The metric that the study is judged by.
        order: The labels, the best first.
        curves: From metric to its mean curves with both bands (`estimates.by_epoch`), for the file.
        varied: What varies between repeats, in a sentence.

    Returns:
        None where no optimizer has the repeats that a second interval takes.
    """
    found = estimating.score_under_other_intervals(scores, score, order)
    if not (found["n"] >= MIN_REPEATS_BOOTSTRAP).any():
        return None
    every = [curve.assign(metric=metric) for metric, curve in curves.items()]
    kinds = (
        f"How much hangs on the kind of interval, for the {title(score).lower()}: Student's t, as everywhere else here; the "
        "studentised bootstrap, which is nearer to its level for skewed scores and falls short for contaminated ones; and "
        f"the median with the interval of order statistics, which holds for any distribution with at least {LEVEL:.0%}. An "
        "en dash: too few repeats. How often each holds the truth is measured (docs/statistics.md)."
    )
    files = (
        "curves.csv has every mean curve with its pointwise band, as the figures show it, and with the band that holds the "
        "whole curve."
    )
    return Section(
        "robustness",
        "Other intervals",
        (kinds, files),
        (_sheet(found, score, varied),),
        data={"intervals": found, "curves": pd.concat(every, ignore_index=True)},
    )


def _sheet(found: pd.DataFrame, score: str, varied: str) -> Table:
    name = title(score)
    columns = (
        Column("Optimizer", "left"),
        Column("n"),
        Column("Mean"),
        Column("Student t"),
        Column("Studentised bootstrap"),
        Column("Median", rank=1),
        Column("Order statistics", rank=1),
    )
    digits = notes.decimals((found["high"] - found["low"]) / 2)

    def bounds(row: Mapping[Hashable, Any], kind: str) -> Cell:
        low, high = float(row[f"{kind}low"]), float(row[f"{kind}high"])
        text = f"{notes.number(low, digits)} to {notes.number(high, digits)}"
        return Cell(text if math.isfinite(low) else NO_VALUE, low)

    rows = [
        (
            Cell(row["label"], row["label"]),
            Cell(str(row["n"]), row["n"]),
            Cell(notes.number(row["mean"], digits), row["mean"]),
            bounds(row, ""),
            bounds(row, "bootstrap "),
            Cell(notes.number(row["median"], digits), row["median"]),
            bounds(row, "median "),
        )
        for row in found.to_dict(orient="records")
    ]
    return Table("intervals", f"{name} under three intervals", columns, tuple(rows), (varied,))
