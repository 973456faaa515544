"""Make the section on time to target: how long each optimizer takes to reach targets that are set from the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.frames.scores import higher_is_better, title
from reports.sections import FigureSpec, Section
from reports.statistics import time_to_target as targeting
from reports.text import notes, tables
from reports.text.tables import Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.figures.style import Style
    from reports.frames.study_frames import Frames


def time_to_target(frames: Frames, score: str, order: Sequence[str]) -> Section | None:
    """Return the times to up to three targets that are set from the data; None if no metric was measured over time.

    The metric is the score if it was measured more than once in a run, else the training loss.
    """
    metric = _metric_over_time(frames, score)
    if metric is None:
        return None
    higher = higher_is_better(metric)
    targets = targeting.choose_targets(frames.points, metric, higher=higher)
    if not targets:
        return None
    parts = [
        targeting.times(frames.points, frames.trials, metric, value, higher=higher, updates=frames.updates).assign(
            target=name, value=value
        )
        for name, value in targets.items()
    ]
    times = pd.concat(parts, ignore_index=True)
    units: tuple[targeting.Unit, ...] = targeting.UNITS if not frames.imported else ("epoch",)
    summary, name = _summary(times, order, units), title(metric).lower()

    def draw(styles: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures.time_to_target import target_panels

        curves = targeting.survivals(times, "epoch", order)
        figure = target_panels(curves, targets, styles, metric=metric, unit="epoch", order=order)
        caption = (
            f"Share of runs that have reached the target {name}, over epochs (Kaplan-Meier). Curves are shifted slightly "
            "so that equal ones remain visible. Cross: some runs were censored before they reached the target."
        )
        alt = f"Panels: share of runs that have reached {len(targets)} targets, of {len(order)} optimizers."
        yield FigureSpec(figure, "time-to-target", caption, alt)

    rule = (
        f"Each optimizer has a median final {name} of its runs. The three targets are the quartiles of these medians. About "
        "a quarter of the optimizers reach the hard target in their median run, half reach the middle one, and three "
        "quarters the easy one. Optimizers whose median run did not complete do not count here."
        if len(targets) > 1
        else f"The target is the median final {name} of the only optimizer whose median run completed."
    )
    censoring = (
        "A run that misses a target is right-censored at its last measurement. A run that diverged or stalled is treated as "
        "never reaching the target."
    )
    return Section(
        "targets",
        "Time to target",
        (
            f"{rule} {censoring}",
            "The file reached.csv has the curves with pointwise 95% bounds (log-log transformation).",
        ),
        (_table(summary, metric, frames),),
        draw,
        {"targets": summary, "times": times, "reached": targeting.shares(times, units, order)},
    )


def _metric_over_time(frames: Frames, score: str) -> str | None:
    for metric in (score, "train/loss"):
        points = frames.points[frames.points["metric"] == metric]
        if len(points) and points.groupby(["label", "repeat"])["epoch"].nunique().max() > 1:
            return metric
    return None


def _summary(times: pd.DataFrame, order: Sequence[str], units: Sequence[str]) -> pd.DataFrame:
    """Return a row per target and label: `reached`, `n`, and per unit the restricted mean, its bounds and its horizon."""
    horizons = {unit: _horizon(times, unit) for unit in units}
    rows = []
    for name in times["target"].unique():
        for label in order:
            runs = times[(times["target"] == name) & (times["label"] == label)]
            if runs.empty:
                continue
            row: dict[str, Any] = {"target": name, "value": runs["value"].iloc[0], "label": label}
            row |= {"reached": int(runs["reached"].sum()), "n": len(runs)}
            for unit, horizon in horizons.items():
                mean = targeting.restricted_mean(runs[unit], runs["reached"], horizon)
                row |= {unit: mean.value, f"{unit}_low": mean.low, f"{unit}_high": mean.high}
                row |= {f"{unit}_horizon": horizon}
            rows.append(row)
    return pd.DataFrame(rows)


def _horizon(times: pd.DataFrame, unit: str) -> float:
    """Return the horizon of restricted means: the median, over labels, of how long the longest run was followed."""
    finite = times[np.isfinite(times[unit])]  # without runs that diverged or stalled before the target
    longest = finite.groupby("label")[f"{unit}_followed"].max().dropna()
    return float(longest.median()) if len(longest) else 1.0


def _table(summary: pd.DataFrame, metric: str, frames: Frames) -> Table:
    titles = {"epoch": "Epochs", "step": "Updates", "second": "Seconds"}
    titles = {unit: text for unit, text in titles.items() if unit in summary}
    columns = (
        Column("Optimizer", "left"),
        Column("Target", "left"),
        Column(title(metric)),
        Column("Reached"),
        *(Column(text, rank=rank) for rank, text in enumerate(titles.values())),
    )
    digits = {unit: notes.decimals((summary[f"{unit}_high"] - summary[f"{unit}_low"]) / 2, 1) for unit in titles}
    rows = []
    for _, row in summary.iterrows():
        cells = [Cell(row["label"], row["label"]), Cell(row["target"], row["target"])]
        cells.append(Cell(notes.number(row["value"], 4), float(row["value"])))
        cells.append(Cell(f"{row['reached']}/{row['n']}", row["reached"] / row["n"]))
        for unit in titles:
            never = row["reached"] == 0
            text = notes.plus_minus(row[unit], row[f"{unit}_low"], row[f"{unit}_high"], digits[unit])
            cells.append(Cell("not reached" if never else text, float("inf") if never else float(row[unit])))
        rows.append(tuple(cells))
    horizons = {unit: float(summary[f"{unit}_horizon"].iloc[0]) for unit in titles}
    limits = ", ".join(
        f"{horizon:,.{0 if horizon.is_integer() else digits[unit]}f} {titles[unit].lower()}"
        for unit, horizon in horizons.items()
    )
    remarks = [
        (
            f"Times are restricted means (Kaplan-Meier) with 95% t intervals. They are cut off at {limits}. A run that has "
            "not reached the target by then counts with the cut-off. Intervals end at 0 and at the cut-off. There is no "
            f"interval if all times are equal. An en dash ({tables.NO_VALUE}) marks a mean that cannot be estimated, because "
            "runs are censored before the cut-off."
        ),
        "Reached: the number of runs that reached the target, of all runs that completed, diverged or stalled.",
    ]
    if "second" in titles:
        remarks.append(
            "Seconds count training only. They assume that all updates of a run took equally long, and they depend on the "
            f"device.{notes.shared_device_note(frames)}"
        )
    remarks.append(notes.variation_note(imported=frames.imported))
    return Table("time_to_target", "Time to target", columns, tuple(rows), tuple(remarks))
