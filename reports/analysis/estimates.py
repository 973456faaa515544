"""Estimates with confidence intervals from scores and curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.analysis import verdicts
from reports.frames.scores import higher_is_better
from reports.frames.study_frames import MISSING
from reports.statistics.bad_runs import bad_runs
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
from reports.statistics.step_down import MIN_REPEATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.frames.study_frames import Frames

SEED = 0
"""The seed of resamples and sign patterns: the same scores give the same bounds."""

WINDOWS = 100
"""The maximal number of windows into which `by_update` divides a run."""


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
    """Return a row per label, the best mean of `score` first, labels without a score last.

    Args:
        frames: The plan and its records.
        scores: A row per trial (`scores.final`).
        metrics: The metrics to estimate.
        score: The study's score, by which rows are sorted; ties keep the order of the plan.
        settings: The settings of each label in words.
        published: Values of a reference by label and metric.
        level: Confidence level.

    Returns:
        `label`, `kind`, `settings`; the numbers of trials `ok`, `run` (started) and `planned`; `success`, `success_low`,
        `success_high`, the share of started trials that ended ok with its Clopper-Pearson bounds; the number of trials with
        each other outcome; `bad`, the number of started trials that ended far below the others of the label or did not end ok
        (`bad_runs`), with the Clopper-Pearson bounds `bad_low`, `bad_high` of their probability, missing below
        `step_down.MIN_REPEATS` trials; for each metric the mean over the ok trials and `<metric>_low`, `<metric>_high`;
        `examples_per_second`, the median; `<metric>_published` if there is a reference; `level` and `method`.
    """
    rows = []
    final = verdicts.wide(scores, score, frames.labels) * (1 if higher_is_better(score) else -1)
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
        bad = bad_runs(final[label].to_numpy(), level)
        bounds = (bad.count, bad.low, bad.high) if bad.n >= MIN_REPEATS else (np.nan, np.nan, np.nan)
        row |= dict(zip(("bad", "bad_low", "bad_high"), bounds, strict=True))
        for metric in metrics:
            interval = t_interval(ok[metric].to_numpy(), level)
            row |= {metric: interval.mean, f"{metric}_low": interval.low, f"{metric}_high": interval.high}
        row["examples_per_second"] = float(np.median(speeds)) if len(speeds) else float("nan")
        if published:
            values = published.get(label, {})
            row |= {f"{m}_published": float(values.get(m, np.nan)) for m in [*metrics, "examples_per_second"]}
        rows.append(row | {"level": level, "method": METHOD})
    table = pd.DataFrame(rows)
    sign = -1.0 if higher_is_better(score) else 1.0
    order = (sign * table[score]).sort_values(kind="stable", na_position="last").index
    return table.loc[order].reset_index(drop=True)


def score_under_other_intervals(
    scores: pd.DataFrame, score: str, labels: Sequence[str], level: float = LEVEL
) -> pd.DataFrame:
    """Return the score of each label with three kinds of interval, for the sensitivity to the interval method.

    Args:
        scores: A row per trial (`scores.final`); only ok trials count.
        score: The metric.
        labels: The labels, in their order.
        level: Confidence level.

    Returns:
        A row per label: `label`, `n`; `mean`, `low`, `high` (Student t); `bootstrap_low`, `bootstrap_high` (studentised);
        `median`, `median_low`, `median_high` (order statistics) and the attained `median_level`; `level`.
    """
    rows = []
    for label in labels:
        values = scores.loc[(scores["label"] == label) & (scores["outcome"] == "ok"), score].to_numpy()
        mean = t_interval(values, level)
        bootstrap = studentised_interval(values, np.random.default_rng(SEED), level)
        median = median_interval(values, level)
        row = {"label": label, "n": len(values), "mean": mean.mean, "low": mean.low, "high": mean.high}
        row |= {"bootstrap_low": bootstrap.low, "bootstrap_high": bootstrap.high}
        row |= {"median": median.value, "median_low": median.low, "median_high": median.high}
        rows.append(row | {"median_level": median.level, "level": level})
    return pd.DataFrame(rows)


def against_reference(
    estimates: pd.DataFrame,
    scores: pd.DataFrame,
    published: Mapping[str, Mapping[str, float]],
    metrics: Sequence[str],
) -> pd.DataFrame:
    """Return a row per published value of a label of the study.

    Returns:
        `label`, `metric`, `ours` (the mean; for `examples_per_second` the median), `low`, `high`, `n`, `minimum` and
        `maximum` of our repeats, `published`, `difference` (ours − published) and `within`: whether the published value
        lies between our minimum and maximum. A further run of ours does with probability (n − 1)/(n + 1). `within` is
        missing for fewer than two repeats, and for speeds, because they come from other devices.
    """
    rows = []
    for _, estimate in estimates.iterrows():
        label = estimate["label"]
        ok = scores[(scores["label"] == label) & (scores["outcome"] == "ok")]
        for metric in [*metrics, "examples_per_second"]:
            if metric not in published.get(label, {}):
                continue
            value, values = float(published[label][metric]), ok[metric].dropna()
            low, high = (values.min(), values.max()) if len(values) else (np.nan, np.nan)
            row = {"label": label, "metric": metric, "ours": estimate[metric], "n": len(values)}
            row |= {bound: estimate.get(f"{metric}_{bound}", np.nan) for bound in ("low", "high")}
            row |= {"minimum": low, "maximum": high, "published": value, "difference": estimate[metric] - value}
            within = bool(low <= value <= high) if len(values) > 1 and metric in metrics else None
            rows.append(row | {"within": within})
    columns = "label metric ours low high n minimum maximum published difference within"
    return pd.DataFrame(rows, columns=columns.split())


def by_epoch(points: pd.DataFrame, metric: str, level: float = LEVEL, *, simultaneous: bool = False) -> pd.DataFrame:
    """Return mean curves over epochs with pointwise t intervals.

    Args:
        points: A row per measured value (`Frames.points`); only ok trials count.
        metric: The metric.
        level: Confidence level.
        simultaneous: Whether to add the simultaneous band: `simultaneous_low`, `simultaneous_high`.

    Returns:
        `label`, `epoch`, `mean`, `low`, `high`, `n`, in the order of the plan and of the epochs.
    """
    rows = points[(points["metric"] == metric) & (points["outcome"] == "ok")]
    band_columns = ["simultaneous_low", "simultaneous_high"] if simultaneous else []
    tables = [pd.DataFrame(columns=["label", "epoch", "mean", "low", "high", "n", *band_columns])]
    for label, group in rows.groupby("label", sort=False):
        wide = group.pivot_table(index="repeat", columns="epoch", values="value", aggfunc="last", dropna=False)
        band = t_band(wide.to_numpy(), level)
        columns = {"label": label, "epoch": wide.columns, "mean": band.mean, "low": band.low, "high": band.high}
        table = pd.DataFrame(columns | {"n": band.n})
        if simultaneous:
            wider = simultaneous_band(wide.to_numpy(), np.random.default_rng(SEED), level)
            table = table.assign(simultaneous_low=wider.low, simultaneous_high=wider.high)
        tables.append(table)
    return pd.concat(tables[1:], ignore_index=True) if len(tables) > 1 else tables[0]


def by_update(updates: pd.DataFrame, level: float = LEVEL, windows: int = WINDOWS) -> pd.DataFrame:
    """Return mean curves of the loss of each update with pointwise t intervals.

    The updates of a run are divided into at most `windows` windows of equal length (the last may be shorter). Each repeat
    contributes its mean over the window, and no value is in two windows. With up to `windows` updates nothing is averaged.

    Args:
        updates: A row per update (`Frames.updates`); only ok trials count.
        level: Confidence level.
        windows: The maximal number of windows.

    Returns:
        `label`, `update` (the middle of the window, from 1), `mean`, `low`, `high`, `n`, `window` (its length in updates).
    """
    tables = [pd.DataFrame(columns=["label", "update", "mean", "low", "high", "n", "window"])]
    ok = updates[updates["outcome"] == "ok"]
    for label in ok["label"].unique():
        rows = ok[ok["label"] == label]  # one label at a time, because `groupby` would sort a copy of all rows
        length = -(-int(rows["step"].max()) // windows)
        rows = rows.assign(window=(rows["step"] - 1) // length)
        means = rows.pivot_table(index="window", columns="repeat", values="value", aggfunc="mean")
        bounds = rows.groupby("window")["step"].agg(["min", "max"])
        band = t_band(means.to_numpy().T, level)
        columns = {"label": str(label), "update": bounds.mean(axis=1).to_numpy(), "mean": band.mean, "low": band.low}
        tables.append(pd.DataFrame(columns | {"high": band.high, "n": band.n, "window": length}))
    return pd.concat(tables[1:], ignore_index=True) if len(tables) > 1 else tables[0]
