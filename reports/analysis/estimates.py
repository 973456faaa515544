"""Scores and curves become estimates with intervals. Nothing is drawn or worded here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.frames.scores import higher_is_better
from reports.frames.study_frames import MISSING
from reports.statistics.intervals import (
    LEVEL,
    METHOD,
    median_interval,
    simultaneous_band,
    studentised_interval,
    success_interval,
    t_band,
    t_interval,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.frames.study_frames import Frames

SEED = 0
"""Of the random numbers of resamples and sign flips: the same scores give the same bounds."""

WINDOWS = 100
"""Into how many windows of equal length `by_update` cuts a run at most."""


def by_label(
    frames: Frames,
    scores: pd.DataFrame,
    metrics: Sequence[str],
    score: str,
    *,
    settings: Mapping[str, str] | None = None,
    published: Mapping[str, Mapping[str, float]] | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """A row per label, the best mean of `score` first, labels without a score last.

    Args:
        frames: A plan and what is recorded of it.
        scores: A row per trial (`scores.final`).
        metrics: Which metrics to estimate.
        score: The study's score, by which the rows are sorted; ties keep the order of the plan.
        settings: What sets each label apart, in words.
        printed: Numbers of a reference: label, then metric.
        level: Of the intervals.

    Returns:
        `label`, `kind`, `settings`; `ok`, `run`, `planned`, `success`, the share of the runs that ended ok, with
        its Clopper-Pearson bounds, and a count of each other outcome; for each metric its mean
        over the ok trials and `<metric> low`, `<metric> high`; `examples_per_second`, the median; `<metric> printed`
        where a reference has it; `level` and `method` of the intervals.
    """
    rows = []
    for label in frames.labels:
        trials = frames.trials[frames.trials["label"] == label]
        ok = scores[(scores["label"] == label) & (scores["outcome"] == "ok")]
        counts = trials["outcome"].value_counts()
        speeds = ok["examples_per_second"].dropna()
        row: dict[str, Any] = {
            "label": label,
            "kind": trials["kind"].iloc[0],
            "settings": (settings or {}).get(label, ""),
            "ok": len(ok),
            "run": len(trials) - int(counts.get(MISSING, 0)),
            "planned": frames.planned[label],
        }
        rate = success_interval(row["ok"], row["run"], level)
        row |= {"success": rate.value, "success_low": rate.low, "success_high": rate.high}
        row |= {outcome: int(counts.get(outcome, 0)) for outcome in ("diverged", "stalled", "failed", MISSING)}
        for metric in metrics:
            interval = t_interval(ok[metric].to_numpy(), level)
            row |= {metric: interval.mean, f"{metric}_low": interval.low, f"{metric}_high": interval.high}
        row["examples_per_second"] = float(np.median(speeds)) if len(speeds) else float("nan")
        for metric in [*metrics, "examples_per_second"] if published else []:
            row[f"{metric}_published"] = float((published or {}).get(label, {}).get(metric, float("nan")))
        rows.append(row | {"level": level, "method": METHOD})
    table = pd.DataFrame(rows)
    sign = -1.0 if higher_is_better(score) else 1.0
    order = (sign * table[score]).sort_values(kind="stable", na_position="last").index
    return table.loc[order].reset_index(drop=True)


def score_under_other_intervals(
    scores: pd.DataFrame, score: str, labels: Sequence[str], level: float = LEVEL
) -> pd.DataFrame:
    """The score under three intervals, a row per label: what is said of it when the interval is another.

    Args:
        scores: A row per trial (`scores.final`); only ok ones count.
        score: Which metric.
        labels: Which labels, in this order.
        level: Of the intervals.

    Returns:
        `label`, `n`; `mean`, `low`, `high` (Student t); `bootstrap_low`, `bootstrap_high` (studentised); `median`, `median
        low`, `median_high` (order statistics), `median_level`, which that interval really has; `level`.
    """
    rows = []
    for label in labels:
        values = scores.loc[(scores["label"] == label) & (scores["outcome"] == "ok"), score].to_numpy()
        mean = t_interval(values, level)
        resampled = studentised_interval(values, np.random.default_rng(SEED), level)
        middle = median_interval(values, level)
        rows.append(
            {
                "label": label,
                "n": len(values),
                "mean": mean.mean,
                "low": mean.low,
                "high": mean.high,
                "bootstrap_low": resampled.low,
                "bootstrap_high": resampled.high,
                "median": middle.value,
                "median_low": middle.low,
                "median_high": middle.high,
                "median_level": middle.level,
                "level": level,
            }
        )
    return pd.DataFrame(rows)


def against_reference(
    estimates: pd.DataFrame,
    scores: pd.DataFrame,
    published: Mapping[str, Mapping[str, float]],
    metrics: Sequence[str],
) -> pd.DataFrame:
    """A row per printed number that belongs to a label of the study.

    Returns:
        `label`, `metric`, `ours` (the mean; of `examples_per_second` the median), `low`, `high`, `n`, `minimum` and
        `maximum` of our repeats, `printed`, `difference` (ours minus printed) and `within`: whether the printed number
        lies between our lowest and our highest repeat, as one more run of ours would with probability (n − 1)/(n + 1); it is
        missing below two repeats, and of speeds, which are those of other devices.
    """
    rows = []
    for _, estimate in estimates.iterrows():
        label = estimate["label"]
        ok = scores[(scores["label"] == label) & (scores["outcome"] == "ok")]
        for metric in [*metrics, "examples_per_second"]:
            if metric not in published.get(label, {}):
                continue
            number, values = float(published[label][metric]), ok[metric].dropna()
            low, high = (values.min(), values.max()) if len(values) else (np.nan, np.nan)
            rows.append(
                {
                    "label": label,
                    "metric": metric,
                    "ours": estimate[metric],
                    "low": estimate.get(f"{metric}_low", np.nan),
                    "high": estimate.get(f"{metric}_high", np.nan),
                    "n": len(values),
                    "minimum": low,
                    "maximum": high,
                    "published": number,
                    "difference": estimate[metric] - number,
                    "within": bool(low <= number <= high) if len(values) > 1 and metric in metrics else None,
                }
            )
    columns = "label metric ours low high n minimum maximum published difference within"
    return pd.DataFrame(rows, columns=columns.split())


def by_epoch(points: pd.DataFrame, metric: str, level: float = LEVEL, *, simultaneous: bool = False) -> pd.DataFrame:
    """Mean curves over epochs with pointwise intervals.

    Args:
        points: A row per measured value (`Frames.points`); only those of ok trials count.
        metric: Which metric.
        level: Of the intervals.
        whole: With the bounds of the simultaneous band, too, which holds the whole curve: `simultaneous_low`, `simultaneous_high`.

    Returns:
        `label`, `epoch`, `mean`, `low`, `high`, `n`, in the order of the plan and of the epochs.
    """
    chosen = points[(points["metric"] == metric) & (points["outcome"] == "ok")]
    columns = [
        "label",
        "epoch",
        "mean",
        "low",
        "high",
        "n",
        *(["simultaneous_low", "simultaneous_high"] if simultaneous else []),
    ]
    parts = [pd.DataFrame(columns=columns)]
    for label, group in chosen.groupby("label", sort=False):
        matrix = group.pivot_table(index="repeat", columns="epoch", values="value", aggfunc="last", dropna=False)
        band = t_band(matrix.to_numpy(), level)
        part = {
            "label": label,
            "epoch": matrix.columns,
            "mean": band.mean,
            "low": band.low,
            "high": band.high,
            "n": band.n,
        }
        if simultaneous:
            wide = simultaneous_band(matrix.to_numpy(), np.random.default_rng(SEED), level)
            part |= {"simultaneous_low": wide.low, "simultaneous_high": wide.high}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts[1:], ignore_index=True) if len(parts) > 1 else parts[0]


def by_update(updates: pd.DataFrame, level: float = LEVEL, windows: int = WINDOWS) -> pd.DataFrame:
    """Mean curves of each update's own loss with pointwise intervals.

    The updates of a run are cut into at most `windows` windows of equal length (the last may be shorter), and each
    repeat counts with its mean over the window: no value enters two windows. Up to `windows` updates nothing is
    averaged.

    Args:
        updates: A row per update (`Frames.updates`); only those of ok trials count.
        level: Of the intervals.
        windows: How many at most.

    Returns:
        `label`, `update` (the middle of the window, from 1), `mean`, `low`, `high`, `n`, `window` (its length).
    """
    parts = [pd.DataFrame(columns=["label", "update", "mean", "low", "high", "n", "window"])]
    chosen = updates[updates["outcome"] == "ok"]
    for label in chosen["label"].unique():
        own = chosen[chosen["label"] == label]  # a part at a time: `groupby` would sort a copy of all
        length = -(-int(own["step"].max()) // windows)
        own = own.assign(block=(own["step"] - 1) // length)
        means = own.pivot_table(index="block", columns="repeat", values="value", aggfunc="mean")
        edges = own.groupby("block")["step"].agg(["min", "max"])
        band = t_band(means.to_numpy().T, level)
        part = {"label": str(label), "update": edges.mean(axis=1).to_numpy(), "mean": band.mean, "low": band.low}
        parts.append(pd.DataFrame(part | {"high": band.high, "n": band.n, "window": length}))
    return pd.concat(parts[1:], ignore_index=True) if len(parts) > 1 else parts[0]
