"""Make the section on speed and memory: examples per second, time of an update, and size of the optimizer's state."""

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


def speed(scores: pd.DataFrame, order: Sequence[str], *, shared_device: str = "") -> Section | None:
    """Return the speed of each optimizer: the median over its repeats with the order-statistic interval; and its memory.

    The speed is the median, because other load on a machine only slows a run down.

    Args:
        scores: A row per trial (`scores.final`); only completed ones count.
        order: The labels; of equal medians the first comes first.
        shared_device: The note on trials that shared a device (`notes.shared_device_note`).

    Returns:
        None if no speed is recorded.
    """
    summary = medians(scores, order)
    if summary.empty:
        return None

    def draw(styles: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures.scores import dot_plot
        from reports.figures.style import single_panel

        figure, ax = single_panel(height=1.1 + 0.24 * len(summary))
        dot_plot(summary, ax, styles, metric=METRIC, scores=scores[scores["outcome"] == "ok"])
        caption = (
            f"Examples per second of training: median over the repeats with its {LEVEL:.0%} interval (bar), and the repeats "
            "(small dots). Fastest on top."
        )
        yield FigureSpec(
            figure, "speed", caption, f"Dot plot: speed of {len(summary)} optimizers, median and interval."
        )

    description = (
        f"Examples per second of training, without evaluation.{shared_device} Speed depends on the device, on these "
        "implementations and on other load. It compares the cost of a step, not its effect. State is the memory that an "
        "optimizer keeps from one update to the next."
    )
    return Section("speed", "Speed", (description,), (_table(summary),), draw, {"speed": summary})


def medians(scores: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Return a row per label with a recorded speed, the fastest first.

    Returns:
        `label`, `n`, `examples_per_second` (the median) with `…_low` and `…_high`, `slowest`, `fastest`. `train_seconds`,
        `seconds_per_update` and `state_bytes` (per parameter) are medians over complete runs, the last over the
        `n_state_bytes` runs whose records have it.
    """
    rows = []
    for label in order:
        runs = scores[(scores["label"] == label) & (scores["outcome"] == "ok")].dropna(subset=[METRIC])
        if len(runs):
            median = median_interval(runs[METRIC])
            row = {"label": label, "n": len(runs), METRIC: median.value, f"{METRIC}_low": median.low}
            row |= {f"{METRIC}_high": median.high, "slowest": runs[METRIC].min(), "fastest": runs[METRIC].max()}
            row |= {name: runs[name].median() for name in ("train_seconds", "seconds_per_update", "state_bytes")}
            rows.append(row | {"n_state_bytes": int(runs["state_bytes"].count())})
    table = pd.DataFrame(rows)
    return table.sort_values(METRIC, ascending=False, kind="stable", ignore_index=True) if rows else table


def _table(summary: pd.DataFrame) -> Table:
    columns = (
        Column("Optimizer", "left"),
        Column("n", rank=1),
        Column("Examples/s"),
        Column("Interval"),
        Column("Slowest", rank=2),
        Column("Fastest", rank=2),
        Column("Seconds per run", rank=1),
        Column("ms per update", rank=1),
        Column("State, bytes per parameter", rank=1),
        Column("n of state", rank=2),
    )
    rows = []
    for _, row in summary.iterrows():
        low, high, seconds = row[f"{METRIC}_low"], row[f"{METRIC}_high"], float(row["train_seconds"])
        milliseconds, state, n_state = (
            1e3 * float(row["seconds_per_update"]),
            float(row["state_bytes"]),
            int(row["n_state_bytes"]),
        )
        interval = f"{notes.number(low, 0)} to {notes.number(high, 0)}" if math.isfinite(low) else NO_VALUE
        median, slowest, fastest = (
            Cell(notes.number(row[name], 0), float(row[name])) for name in (METRIC, "slowest", "fastest")
        )
        rows.append(
            (
                Cell(str(row["label"]), str(row["label"])),
                Cell(str(row["n"]), float(row["n"])),
                median,
                Cell(interval, float(low)),
                slowest,
                fastest,
                Cell(notes.number(seconds, 0 if seconds >= 10 else 2), seconds),
                Cell(notes.number(milliseconds, 0 if milliseconds >= 100 else 2), milliseconds),
                Cell(notes.number(state, 1) if n_state else NO_VALUE, state),
                Cell(str(n_state), float(n_state)),
            )
        )
    remark = (
        "Examples/s, seconds per run and ms per update: median over completed repeats. State: median over the repeats whose "
        f"record has it; older records do not ({NO_VALUE}). Parameters and gradients are not part of it. Interval: order "
        f"statistics, confidence level at least {LEVEL:.0%}; fewer than six repeats have none ({NO_VALUE})."
    )
    return Table("speed", "Speed", columns, tuple(rows), (remark,))
