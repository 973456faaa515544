"""The part of the report about time: how long each optimizer takes to reach targets that are set from the data."""

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
    """How long it takes to reach three targets that are set from the data; None where no metric was measured over time.

    The metric is the score where it was measured more than once in a run, else the training loss.
    """
    metric = _followed(frames, score)
    if metric is None:
        return None
    higher = higher_is_better(metric)
    levels = targeting.choose_targets(frames.points, metric, higher=higher)
    if not levels:
        return None
    parts = [
        targeting.times(frames.points, frames.trials, metric, level, higher=higher, updates=frames.updates).assign(
            target=name, value=level
        )
        for name, level in levels.items()
    ]
    times = pd.concat(parts, ignore_index=True)
    units: tuple[targeting.Unit, ...] = targeting.UNITS if not frames.imported else ("epoch",)
    summary = _summary(times, order, units)

    def draw(looks: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures.time_to_target import target_panels

        curves = targeting.survivals(times, "epoch", order)
        figure = target_panels(curves, levels, looks, metric=metric, unit="epoch", order=order)
        caption = (
            f"Share of runs that have reached a {title(metric).lower()}, over epochs (Kaplan-Meier); curves are drawn a little "
            "apart, so that those that agree are seen. A cross: runs that were left without having reached it."
        )
        yield FigureSpec(
            figure,
            "time-to-target",
            caption,
            f"Panels: share of runs that have reached {len(levels)} targets, of {len(order)} optimizers.",
        )

    name = title(metric).lower()
    rule = (
        f"Targets are quantiles of the median final {name} of the optimizers whose median run ended ok: about a quarter of "
        "them ends beyond the hard one in that run, half beyond the middle one, three quarters beyond the easy one."
        if len(levels) > 1
        else f"The target is the median final {name} of the only optimizer whose median run ended ok."
    )
    words = (
        f"{rule} A run that misses a target is censored: it counts as under way for as long as it was watched, for ever where "
        "it diverged or stalled, and is given no time."
    )
    return Section(
        "targets",
        "Time to target",
        (words, "reached.csv has the curves with their pointwise 95% bounds (log-log)."),
        (_targets_sheet(summary, metric, frames),),
        draw,
        {"targets": summary, "times": times, "reached": targeting.shares(times, units, order)},
    )


def _followed(frames: Frames, score: str) -> str | None:
    for metric in (score, "train/loss"):
        own = frames.points[frames.points["metric"] == metric]
        if len(own) and own.groupby(["label", "repeat"])["epoch"].nunique().max() > 1:
            return metric
    return None


def _summary(times: pd.DataFrame, order: Sequence[str], units: Sequence[str]) -> pd.DataFrame:
    """A row per target and label: `reached`, `n`, and for each unit the restricted mean with its bounds and its horizon."""
    ends = {unit: _horizon(times, unit) for unit in units}
    rows = []
    for name in times["target"].unique():
        for label in order:
            own = times[(times["target"] == name) & (times["label"] == label)]
            if own.empty:
                continue
            row: dict[str, Any] = {"target": name, "value": own["value"].iloc[0], "label": label}
            row |= {"reached": int(own["reached"].sum()), "n": len(own)}
            for unit, horizon in ends.items():
                found = targeting.restricted_mean(own[unit], own["reached"], horizon)
                row |= {
                    unit: found.value,
                    f"{unit}_low": found.low,
                    f"{unit}_high": found.high,
                    f"{unit}_horizon": horizon,
                }
            rows.append(row)
    return pd.DataFrame(rows)


def _horizon(times: pd.DataFrame, unit: str) -> float:
    """Up to when means are restricted: the median, over labels, of how long each one's longest run was watched."""
    whole = times[np.isfinite(times[unit])]  # of a run that diverged or stalled on its way no time is known
    longest = whole.groupby("label")[f"{unit}_followed"].max().dropna()
    return float(longest.median()) if len(longest) else 1.0


def _whole(value: float, digits: int) -> str:
    """A number without decimals where it has none."""
    return f"{value:,.{0 if value == round(value) else digits}f}"


def _targets_sheet(summary: pd.DataFrame, metric: str, frames: Frames) -> Table:
    heads = {"epoch": "Epochs", "step": "Updates", "second": "Seconds"}
    heads = {unit: head for unit, head in heads.items() if unit in summary}
    columns = (
        Column("Optimizer", "left"),
        Column("Target", "left"),
        Column(title(metric)),
        Column("Reached"),
        *(Column(head, rank=rank) for rank, head in enumerate(heads.values())),
    )
    digits = {unit: notes.decimals((summary[f"{unit}_high"] - summary[f"{unit}_low"]) / 2, 1) for unit in heads}
    rows = []
    for _, row in summary.iterrows():
        cells = [Cell(row["label"], row["label"]), Cell(row["target"], row["target"])]
        cells.append(Cell(notes.number(row["value"], 4), float(row["value"])))
        cells.append(Cell(f"{row['reached']}/{row['n']}", row["reached"] / row["n"]))
        for unit in heads:
            never = row["reached"] == 0
            text = notes.plus_minus(row[unit], row[f"{unit}_low"], row[f"{unit}_high"], digits[unit])
            cells.append(Cell("not reached" if never else text, float("inf") if never else float(row[unit])))
        rows.append(tuple(cells))
    limits = ", ".join(
        f"{_whole(float(summary[f'{unit}_horizon'].iloc[0]), digits[unit])} {head.lower()}"
        for unit, head in heads.items()
    )
    remarks = [
        (
            "Restricted mean time of Kaplan-Meier's curve with its 95% interval (t): a run that is not there by then counts "
            f"{limits}. Intervals end at 0 and there; all at one time have none. {tables.NO_VALUE}: some are still under "
            "way, and none was watched that long."
        ),
        "Reached: runs that reached it, of those that ended ok, diverged or stalled.",
    ]
    if "second" in heads:
        told = "as if each update of a run took equally long; they belong to their device."
        remarks.append(f"Seconds: of training alone, {told}{notes.packed(frames)}")
    return Table(
        "time_to_target", "Time to target", columns, tuple(rows), (*remarks, notes.varied(imported=frames.imported))
    )
