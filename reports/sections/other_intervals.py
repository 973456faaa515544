"""Make the section on the interval method: the score with three kinds of interval, and curves with two kinds of band."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.analysis import estimates as estimating
from reports.frames.scores import title
from reports.sections import Section
from reports.statistics.intervals import LEVEL, MIN_REPEATS_BOOTSTRAP
from reports.text import notes
from reports.text.tables import NO_VALUE, Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence


def interval_sensitivity(
    scores: pd.DataFrame,
    score: str,
    order: Sequence[str],
    curves: Mapping[str, pd.DataFrame],
    *,
    variation: str = notes.VARIATION,
) -> Section | None:
    """Return the score of each optimizer with three intervals, and files of these and of all mean curves.

    Args:
        scores: A row per trial.
        score: The study's score.
        order: The labels, the best first.
        curves: The mean curves of each metric with both bands (`estimates.by_epoch`).
        variation: What differs between repeats (`notes.variation_note`).

    Returns:
        None if no optimizer has enough repeats for a second interval.
    """
    intervals = estimating.score_under_other_intervals(scores, score, order)
    if not (intervals["n"] >= MIN_REPEATS_BOOTSTRAP).any():
        return None
    all_curves = [curve.assign(metric=metric) for metric, curve in curves.items()]
    methods = (
        f"The table has the {title(score).lower()} with three interval methods. All other tables use Student's t. For skewed "
        "scores, the coverage of the studentised bootstrap is closer to its nominal level. For scores with a few outliers "
        "it is too low. The interval of the median by order statistics covers the median with a probability of at least "
        f"{LEVEL:.0%}, whatever the distribution. An en dash marks too few repeats for a method. docs/statistics.md has the "
        "measured coverage."
    )
    files = (
        "The file curves.csv has two bands of each mean curve. The figures show the pointwise band. The simultaneous band "
        "covers the complete curve."
    )
    return Section(
        "robustness",
        "Sensitivity to the interval method",
        (methods, files),
        (_table(intervals, score, variation),),
        data={"intervals": intervals, "curves": pd.concat(all_curves, ignore_index=True)},
    )


def _table(intervals: pd.DataFrame, score: str, variation: str) -> Table:
    columns = (
        Column("Optimizer", "left"),
        Column("n"),
        Column("Mean"),
        Column("Student t"),
        Column("Studentised bootstrap"),
        Column("Median", rank=1),
        Column("Order statistics", rank=1),
    )
    digits = notes.decimals((intervals["high"] - intervals["low"]) / 2)

    def bounds(row: Mapping[Hashable, Any], method: str) -> Cell:
        low, high = float(row[f"{method}low"]), float(row[f"{method}high"])
        text = f"{notes.number(low, digits)} to {notes.number(high, digits)}"
        return Cell(text if math.isfinite(low) else NO_VALUE, low)

    rows = [
        (
            Cell(row["label"], row["label"]),
            Cell(str(row["n"]), row["n"]),
            Cell(notes.number(row["mean"], digits), row["mean"]),
            bounds(row, ""),
            bounds(row, "bootstrap_"),
            Cell(notes.number(row["median"], digits), row["median"]),
            bounds(row, "median_"),
        )
        for row in intervals.to_dict(orient="records")
    ]
    heading = f"{title(score)} with three {LEVEL:.0%} intervals"
    return Table("intervals", heading, columns, tuple(rows), (variation,))
