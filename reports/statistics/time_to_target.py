"""Time to target: how long until a run reaches a score. A run that never does is censored, never given a time.

Pure statistics on frames and arrays. A target is set from the data, by one rule for all optimizers (`from_data`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from reports.statistics.intervals import LEVEL, Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

Unit = Literal["epoch", "step", "second"]
UNITS: tuple[Unit, ...] = get_args(Unit)

MIDDLE = "middle"
QUANTILES: Mapping[str, float] = {"easy": 0.25, MIDDLE: 0.5, "hard": 0.75}
"""Names of targets: which quantile of the optimizers' median final scores each one is."""

METHOD = "restricted mean of Kaplan-Meier, t"


@dataclass(frozen=True, slots=True)
class Survival:
    """A Kaplan-Meier curve of misses: at `time[i]` the share of runs that have not reached the target falls to `missing[i]`.

    `low` and `high` bound it pointwise (log-log). `followed`: the latest time of any run, at the target or still under way; ∞
    of one that can never reach it.
    """

    time: Array
    missing: Array
    low: Array
    high: Array
    n: int
    reached: int
    followed: float


def from_data(points: pd.DataFrame, metric: str, *, higher: bool) -> dict[str, float]:
    """Targets by name: quantiles, over the optimizers, of the median final value of each one's runs.

    Of the optimizers whose median run ended ok, about half end at the target `middle` or beyond in it, three quarters at
    `easy`, a quarter at `hard`. A run that diverged or stalled ends nowhere and counts as worse than all. So targets depend on
    who takes part, and on nobody in particular; one optimizer sets `middle` alone.

    Args:
        points: A row per measured value: `label`, `repeat`, `outcome`, `metric`, `epoch`, `value`.
        metric: Which metric.
        higher: Whether more is better.
    """
    own = points[(points["metric"] == metric) & points["outcome"].isin(["ok", "diverged", "stalled"])]
    if own.empty:
        return {}
    last = own.sort_values("epoch").groupby(["label", "repeat"], sort=False).tail(1)
    sign = 1.0 if higher else -1.0
    goodness = np.where(last["outcome"] == "ok", sign * last["value"], -np.inf)
    by_label = pd.Series(goodness, index=last["label"].to_numpy()).groupby(level=0, sort=True)
    medians = by_label.quantile(0.5, interpolation="lower").to_numpy(dtype=np.float64)
    medians = medians[np.isfinite(medians)]
    if not len(medians):
        return {}
    names = list(QUANTILES) if len(medians) > 1 else [MIDDLE]
    found = np.quantile(medians, [QUANTILES[name] for name in names], method="median_unbiased")
    return {name: float(sign * value) for name, value in zip(names, found, strict=True)}


def times(
    points: pd.DataFrame,
    trials: pd.DataFrame,
    metric: str,
    target: float,
    *,
    higher: bool,
    updates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """When each run first reached a target, by the first measurement that shows it.

    Args:
        points: A row per measured value: `label`, `repeat`, `metric`, `epoch`, `step`, `value`.
        trials: A row per trial: `label`, `repeat`, `outcome`, `train_seconds`.
        metric: Which metric.
        target: The value to reach.
        higher: Whether more is better.
        updates: A row per update: `label`, `repeat`, `outcome`, `step`; a run that diverged has more of them than its last
            measurement shows, and its seconds are of all.

    Returns:
        A row per run that ended ok, diverged or stalled: `label`, `repeat`, `reached`, and `epoch`, `step`, `second`: the time
        to the target, or how long the run was watched in vain; infinite where it diverged or stalled before, since such a run
        never reaches it, however long one waits. Seconds are of training alone, as if each step took equally long. `epoch
        watched`, `step watched`, `second watched`: how long the run was watched, whether or not it reached the target.
    """
    keys = ["label", "repeat"]
    runs = trials.loc[trials["outcome"].isin(["ok", "diverged", "stalled"]), [*keys, "outcome", "train_seconds"]]
    own = points.loc[points["metric"] == metric, [*keys, "epoch", "step", "value"]].sort_values(["epoch", "step"])
    there = own["value"] >= target if higher else own["value"] <= target
    last = own.groupby(keys, sort=False).tail(1).set_index(keys)
    first = own[there].groupby(keys, sort=False).head(1).set_index(keys)
    table = runs.set_index(keys)
    table["reached"] = table.index.isin(first.index)
    ended = table["reached"] | (table["outcome"] == "ok")
    for unit in ("epoch", "step"):
        when = first[unit].reindex(table.index).fillna(last[unit].reindex(table.index)).astype("float64")
        table[unit] = when.where(ended, np.inf)
        table[f"{unit} watched"] = last[unit].reindex(table.index).astype("float64")
    ran = table["step watched"]
    if updates is not None:
        cut = updates[updates["outcome"] != "ok"].groupby(keys, observed=True)["step"].max()
        ran = ran.combine(cut.reindex(table.index), np.fmax)
    table["second"] = (table["train_seconds"] * table["step"] / ran).where(ended, np.inf)
    table["second watched"] = table["train_seconds"] * table["step watched"] / ran
    return table.reset_index()[[*keys, "reached", *UNITS, *(f"{unit} watched" for unit in UNITS)]]


def survival(time: ArrayLike, reached: ArrayLike, level: float = LEVEL) -> Survival | None:
    """The Kaplan-Meier curve of the runs that have not reached a target; None without any run.

    Args:
        time: To the target, or how long the run was watched in vain.
        reached: Whether it reached the target.
        level: Of the pointwise bounds.
    """
    t, hit = _known(time, reached)
    if not len(t):
        return None
    ends = t[np.isfinite(t)]
    shown = np.where(np.isfinite(t), t, ends.max(initial=0.0) + 1.0)  # SciPy wants numbers; nothing happens at these
    curve = stats.ecdf(stats.CensoredData(uncensored=shown[hit], right=shown[~hit])).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no bounds where the curve is 1 or 0
        bounds: Any = curve.confidence_interval(level, method="log-log")
    kept = curve.quantiles <= ends.max(initial=-np.inf)
    moments, missing, low, high = (
        np.asarray(part, dtype=np.float64)[kept]
        for part in (curve.quantiles, curve.probabilities, bounds.low.probabilities, bounds.high.probabilities)
    )
    return Survival(moments, missing, low, high, len(t), int(hit.sum()), float(t.max()))


def survivals(times: pd.DataFrame, unit: Unit, labels: Sequence[str]) -> dict[str, dict[str, Survival]]:
    """The curves of each target by label, of those labels that have runs.

    Args:
        times: A row per run and target: `target`, `label`, `reached` and the unit, as of `times`.
        unit: What time is counted in.
        labels: Which, in their order.
    """
    found: dict[str, dict[str, Survival]] = {}
    for target, own in times.groupby("target", sort=False):
        runs = {label: own[own["label"] == label] for label in labels}
        curves = {label: survival(table[unit], table["reached"]) for label, table in runs.items()}
        found[str(target)] = {label: curve for label, curve in curves.items() if curve is not None}
    return found


def shares(times: pd.DataFrame, units: Sequence[Unit], labels: Sequence[str]) -> pd.DataFrame:
    """The share of runs that have reached each target at each moment, 1 − Kaplan-Meier, with its pointwise bounds.

    Args:
        times: As of `survivals`.
        units: What time is counted in.
        labels: Which, in their order.

    Returns:
        `target`, `label`, `unit`, `time`, `share`, `low`, `high`; no bounds where the share is 0 or 1.
    """
    found = [
        pd.DataFrame(
            {"time": curve.time, "share": 1 - curve.missing, "low": 1 - curve.high, "high": 1 - curve.low}
        ).assign(target=target, label=label, unit=unit)
        for unit in units
        for target, curves in survivals(times, unit, labels).items()
        for label, curve in curves.items()
    ]
    columns = ["target", "label", "unit", "time", "share", "low", "high"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def restricted_mean(time: ArrayLike, reached: ArrayLike, horizon: float, level: float = LEVEL) -> Estimate:
    """The mean time to the target within a horizon τ, a run that is not there by then counting τ: ∫₀^τ S(t) dt.

    Its variance is Greenwood's, Σ A(tᵢ)² dᵢ/(nᵢ(nᵢ − dᵢ)) with A(t) = ∫ₜ^τ S, times n/(n − 1), with Student's t of n − 1
    degrees of freedom: where no run is lost before τ, this is the mean of min(T, τ) and its t interval.

    Returns:
        NaN where no run was watched up to τ and some are still under way; bounds are NaN for n < 2, and where all runs have
        one time: nothing shows then how it would vary, least of all where none reached the target.
    """
    curve = survival(time, reached, level)
    if curve is None or (curve.followed < horizon and curve.reached < curve.n):
        return Estimate(np.nan, np.nan, np.nan, curve.n if curve else 0, level, METHOD)
    t, hit = _known(time, reached)
    inside = curve.time < horizon
    edges = np.concatenate([[0.0], curve.time[inside], [horizon]])
    heights = np.concatenate([[1.0], curve.missing[inside]])
    areas = heights * np.diff(edges)
    value, after = float(areas.sum()), areas[::-1].cumsum()[::-1]
    variance = 0.0
    for at, moment in enumerate(curve.time[inside]):
        events, risk = int((hit & (t == moment)).sum()), int((t >= moment).sum())
        if events and risk > events:
            variance += float(after[at + 1]) ** 2 * events / (risk * (risk - events))
    n = curve.n
    if n < 2 or variance == 0:
        return Estimate(value, np.nan, np.nan, n, level, METHOD)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * np.sqrt(variance * n / (n - 1))
    return Estimate(value, float(max(value - half, 0.0)), float(min(value + half, horizon)), n, level, METHOD)


def _known(time: ArrayLike, reached: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """Times and whether the target was reached, of the runs that have a time."""
    t, hit = np.asarray(time, dtype=np.float64), np.asarray(reached, dtype=bool)
    return t[~np.isnan(t)], hit[~np.isnan(t)]
