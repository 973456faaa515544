"""The part of the report on speed: examples per second of training, and seconds a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from reports.sections import FigureSpec, Section
from reports.statistics.intervals import LEVEL, median_interval
from reports.text import notes
from reports.text.tables import NO_VALUE, Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.figures.style import Style

METRIC = "examples_per_second"


def speed(scores: pd.DataFrame, order: Sequence[str], *, packed: str = "") -> Section | None:
    """How fast each optimizer trained: the median over its repeats with the interval of order statistics.

    The median, since what else runs on a machine can only slow a run down.

    Args:
        scores: A row per trial (`scores.final`); ok ones count.
        order: The labels; of equal medians the first comes first.
        packed: What stands behind the first sentence where trials took turns on a device (`notes.packed`).

    Returns:
        None where no speed is recorded.
    """
    found = medians(scores, order)
    if found.empty:
        return None

    def draw(looks: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures.scores import dot_plot
        from reports.figures.style import single_panel

        figure, ax = single_panel(height=1.1 + 0.24 * len(found))
        dot_plot(found, ax, looks, metric=METRIC, scores=scores[scores["outcome"] == "ok"])
        caption = (
            f"Examples per second of training: median of the repeats with its {LEVEL:.0%} interval (bar), and the repeats "
            "(small dots). Fastest on top."
        )
        yield FigureSpec(figure, "speed", caption, f"Dot plot: speed of {len(found)} optimizers, median and interval.")

    words = (
        f"Examples per second of training alone, without evaluation.{packed} They belong to the device, to these "
        "implementations and to what else ran there meanwhile: a comparison of steps, not of what they achieve."
    )
    return Section("speed", "Speed", (words,), (_sheet(found),), draw, {"speed": found})


def medians(scores: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """A row per label with a speed, the fastest first.

    Returns:
        `label`, `n`, `examples_per_second` (the median) with `… low` and `… high`, `slowest`, `fastest`, and `train_seconds`,
        the median of a whole run.
    """
    rows = []
    for label in order:
        own = scores[(scores["label"] == label) & (scores["outcome"] == "ok")].dropna(subset=[METRIC])
        if len(own):
            middle = median_interval(own[METRIC])
            row = {"label": label, "n": len(own), METRIC: middle.value, f"{METRIC}_low": middle.low}
            row |= {f"{METRIC}_high": middle.high, "slowest": own[METRIC].min(), "fastest": own[METRIC].max()}
            rows.append(row | {"train_seconds": own["train_seconds"].median()})
    table = pd.DataFrame(rows)
    return table.sort_values(METRIC, ascending=False, kind="stable", ignore_index=True) if rows else table


def _sheet(found: pd.DataFrame) -> Table:
    columns = (
        Column("Optimizer", "left"),
        Column("n", rank=1),
        Column("Examples/s"),
        Column("Interval"),
        Column("Slowest", rank=2),
        Column("Fastest", rank=2),
        Column("Seconds a run", rank=1),
    )
    rows = []
    for _, row in found.iterrows():
        low, high, seconds = row[f"{METRIC}_low"], row[f"{METRIC}_high"], float(row["train_seconds"])
        told = f"{notes.number(low, 0)} to {notes.number(high, 0)}" if math.isfinite(low) else NO_VALUE
        numbers = [(notes.number(row[name], 0), float(row[name])) for name in (METRIC, "slowest", "fastest")]
        middle, slowest, fastest = (Cell(*each) for each in numbers)
        rows.append(
            (
                Cell(str(row["label"]), str(row["label"])),
                Cell(str(row["n"]), float(row["n"])),
                middle,
                Cell(told, float(low)),
                slowest,
                fastest,
                Cell(notes.number(seconds, 0 if seconds >= 10 else 2), seconds),
            )
        )
    remark = (
        f"Examples/s and seconds a run: median over the ok repeats. Interval: order statistics, at least {LEVEL:.0%}; fewer "
        f"than six repeats have none ({NO_VALUE})."
    )
    return Table("speed", "Speed", columns, tuple(rows), (remark,))
