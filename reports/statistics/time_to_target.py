"""Time to target: Kaplan-Meier curves and restricted means. A run that does not reach the target is right-censored.

Pure statistics on frames and arrays. `choose_targets` computes the targets from the data by one rule for all optimizers.
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
"""From the name of a target to its quantile of the optimizers' median final scores."""

METHOD = "restricted mean of Kaplan-Meier, t"

_RESULTS = ("ok", "diverged", "stalled")
"""The outcomes whose runs have a time to target; failed and missing trials have none."""


@dataclass(frozen=True, slots=True)
class Survival:
    """A Kaplan-Meier curve: after `time[i]` the share `not_reached[i]` of the runs has not reached the target.

    `low` and `high` are pointwise log-log bounds of this share. `n` runs were followed, and `reached` of them reached the
    target. `followed` is the latest time of any run, reached or censored; ∞ if a run can never reach the target.
    """

    time: Array
    not_reached: Array
    low: Array
    high: Array
    n: int
    reached: int
    followed: float


def choose_targets(points: pd.DataFrame, metric: str, *, higher: bool) -> dict[str, float]:
    """Return targets by name: quantiles, over the optimizers, of the median final value of each optimizer's runs.

    About half of the optimizers whose median run is ok reach the target `middle` with it, three quarters reach `easy`, and a
    quarter reaches `hard`. A run that diverged or stalled counts as worse than all others. So the targets depend on the set of
    optimizers, and on no single one. One optimizer alone gives only `middle`.

    Args:
        points: A row per measured value: `label`, `repeat`, `outcome`, `metric`, `epoch`, `value`.
        metric: The metric.
        higher: Whether a higher value is better.
    """
    values = points[(points["metric"] == metric) & points["outcome"].isin(_RESULTS)]
    if values.empty:
        return {}
    last = values.sort_values("epoch").groupby(["label", "repeat"], sort=False).tail(1)
    sign = 1.0 if higher else -1.0
    goodness = np.where(last["outcome"] == "ok", sign * last["value"], -np.inf)
    by_label = pd.Series(goodness, index=last["label"].to_numpy()).groupby(level=0, sort=True)
    medians = by_label.quantile(0.5, interpolation="lower").to_numpy(dtype=np.float64)
    medians = medians[np.isfinite(medians)]
    if not len(medians):
        return {}
    names = list(QUANTILES) if len(medians) > 1 else [MIDDLE]
    targets = np.quantile(medians, [QUANTILES[name] for name in names], method="median_unbiased")
    return {name: float(sign * target) for name, target in zip(names, targets, strict=True)}


def times(
    points: pd.DataFrame,
    trials: pd.DataFrame,
    metric: str,
    target: float,
    *,
    higher: bool,
    updates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return when each run first reached a target, at the first measurement that shows it.

    Args:
        points: A row per measured value: `label`, `repeat`, `metric`, `epoch`, `step`, `value`.
        trials: A row per trial: `label`, `repeat`, `outcome`, `train_seconds`.
        metric: The metric.
        target: The value to reach.
        higher: Whether a higher value is better.
        updates: A row per update: `label`, `repeat`, `outcome`, `step`. A run that diverged has more updates than its last
            measurement shows, and its seconds include all of them.

    Returns:
        A row per run that ended ok, diverged or stalled: `label`, `repeat`, `reached`, and its time in each unit: `epoch`,
        `step`, `second`. For a run that did not reach the target, the time is its last measurement if it ended ok, and
        infinite if it diverged or stalled, because it can never reach the target. Seconds are of training alone; all steps
        are assumed to take equally long. `epoch_followed`, `step_followed` and `second_followed` are the last measurement of
        every run.
    """
    keys = ["label", "repeat"]
    runs = trials.loc[trials["outcome"].isin(_RESULTS), [*keys, "outcome", "train_seconds"]]
    values = points.loc[points["metric"] == metric, [*keys, "epoch", "step", "value"]].sort_values(["epoch", "step"])
    hits = values[values["value"] >= target if higher else values["value"] <= target]
    last = values.groupby(keys, sort=False).tail(1).set_index(keys)
    first = hits.groupby(keys, sort=False).head(1).set_index(keys)
    table = runs.set_index(keys)
    table["reached"] = table.index.isin(first.index)
    is_finite = table["reached"] | (table["outcome"] == "ok")
    for unit in ("epoch", "step"):
        followed = last[unit].reindex(table.index)
        time = first[unit].reindex(table.index).fillna(followed).astype("float64")
        table[unit] = time.where(is_finite, np.inf)
        table[f"{unit}_followed"] = followed.astype("float64")
    num_steps = table["step_followed"]
    if updates is not None:
        ended_early = updates[updates["outcome"] != "ok"].groupby(keys, observed=True)["step"].max()
        num_steps = num_steps.combine(ended_early.reindex(table.index), np.fmax)
    table["second"] = (table["train_seconds"] * table["step"] / num_steps).where(is_finite, np.inf)
    table["second_followed"] = table["train_seconds"] * table["step_followed"] / num_steps
    return table.reset_index()[[*keys, "reached", *UNITS, *(f"{unit}_followed" for unit in UNITS)]]


def survival(time: ArrayLike, reached: ArrayLike, level: float = LEVEL) -> Survival | None:
    """Return the Kaplan-Meier curve (1958) of the runs that have not reached a target; None if there is no run.

    Args:
        time: Time to the target, or the censoring time, shape (runs,). Runs with a NaN are ignored.
        reached: Whether a run reached the target, shape (runs,).
        level: Confidence level of the pointwise log-log bounds.
    """
    t, is_reached = _known(time, reached)
    if not len(t):
        return None
    finite = t[np.isfinite(t)]
    clipped = np.where(np.isfinite(t), t, finite.max(initial=0.0) + 1.0)  # SciPy needs finite times; no event is here
    curve = stats.ecdf(stats.CensoredData(uncensored=clipped[is_reached], right=clipped[~is_reached])).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no bounds if the curve is 1 or 0
        bounds: Any = curve.confidence_interval(level, method="log-log")
    kept = curve.quantiles <= finite.max(initial=-np.inf)
    times, not_reached, low, high = (
        np.asarray(part, dtype=np.float64)[kept]
        for part in (curve.quantiles, curve.probabilities, bounds.low.probabilities, bounds.high.probabilities)
    )
    return Survival(times, not_reached, low, high, len(t), int(is_reached.sum()), float(t.max()))


def survivals(times: pd.DataFrame, unit: Unit, labels: Sequence[str]) -> dict[str, dict[str, Survival]]:
    """Return the curves of each target by label, for the labels that have runs.

    Args:
        times: A row per run and target: `target`, `label`, `reached` and the unit, from `times`.
        unit: The unit of time.
        labels: The labels, in their order.
    """
    curves: dict[str, dict[str, Survival]] = {}
    for target, rows in times.groupby("target", sort=False):
        curves[str(target)] = {}
        for label in labels:
            runs = rows[rows["label"] == label]
            if curve := survival(runs[unit], runs["reached"]):
                curves[str(target)][label] = curve
    return curves


def shares(times: pd.DataFrame, units: Sequence[Unit], labels: Sequence[str]) -> pd.DataFrame:
    """Return the share of runs that have reached each target by each time, 1 − Kaplan-Meier, with pointwise bounds.

    Args:
        times: See `survivals`.
        units: The units of time.
        labels: The labels, in their order.

    Returns:
        `target`, `label`, `unit`, `time`, `share`, `low`, `high`; no bounds if the share is 0 or 1.
    """
    tables = [
        pd.DataFrame(
            {"time": curve.time, "share": 1 - curve.not_reached, "low": 1 - curve.high, "high": 1 - curve.low}
        ).assign(target=target, label=label, unit=unit)
        for unit in units
        for target, curves in survivals(times, unit, labels).items()
        for label, curve in curves.items()
    ]
    columns = ["target", "label", "unit", "time", "share", "low", "high"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def restricted_mean(time: ArrayLike, reached: ArrayLike, horizon: float, level: float = LEVEL) -> Estimate:
    """Return the restricted mean time to the target, ∫₀^τ S(t) dt: a run that has not reached it by τ counts as τ.

    S is the Kaplan-Meier curve. The variance is Greenwood's (1926), Σ A(tᵢ)² dᵢ/(nᵢ(nᵢ − dᵢ)) with A(t) = ∫ₜ^τ S: dᵢ of the nᵢ
    runs followed up to tᵢ reach the target then. It is multiplied by n/(n − 1), and the interval uses Student's t with n − 1
    degrees of freedom. If no run is censored before τ, this is the mean of min(T, τ) and its t interval.

    Args:
        time: See `survival`.
        reached: See `survival`.
        horizon: τ, in the unit of `time`.
        level: Confidence level.

    Returns:
        The mean and its bounds, clipped to [0, τ]. All are NaN if some runs are censored and none was followed up to τ. The
        bounds are NaN for n < 2, and if all runs have the same time, because they then show no variation.
    """
    curve = survival(time, reached, level)
    if curve is None or (curve.followed < horizon and curve.reached < curve.n):
        return Estimate(np.nan, np.nan, np.nan, curve.n if curve else 0, level, METHOD)
    t, is_reached = _known(time, reached)
    inside = curve.time < horizon
    edges = np.concatenate([[0.0], curve.time[inside], [horizon]])
    heights = np.concatenate([[1.0], curve.not_reached[inside]])
    areas = heights * np.diff(edges)
    mean, area_after = float(areas.sum()), areas[::-1].cumsum()[::-1]
    variance = 0.0
    for i, moment in enumerate(curve.time[inside]):
        events, at_risk = int((is_reached & (t == moment)).sum()), int((t >= moment).sum())
        if events and at_risk > events:
            variance += float(area_after[i + 1]) ** 2 * events / (at_risk * (at_risk - events))
    n = curve.n
    if n < 2 or variance == 0:
        return Estimate(mean, np.nan, np.nan, n, level, METHOD)
    half_width = float(stats.t.ppf((1 + level) / 2, n - 1)) * np.sqrt(variance * n / (n - 1))
    return Estimate(mean, float(max(mean - half_width, 0.0)), float(min(mean + half_width, horizon)), n, level, METHOD)


def _known(time: ArrayLike, reached: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """Return time and `reached` of the runs that have a time."""
    t, is_reached = np.asarray(time, dtype=np.float64), np.asarray(reached, dtype=bool)
    return t[~np.isnan(t)], is_reached[~np.isnan(t)]
