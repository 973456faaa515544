"""The chosen settings of a tuning run, its budget, and the gain from tuning on new repeats.

The trials of a tuning run are a frame with a row per Optuna trial: `optimizer`, `kind`, `number`, `state`, `value`,
`objective`, `goal`, `sampler`, `is_default` (the default setting), `repeats`, `examples`, `seconds`. Each hyperparameter has
the columns `param.<name>`, `range.<name>` (the searched range) and `at_bound.<name>` (whether the value lies on a bound beyond
which the range could be extended); they are NaN if the optimizer does not have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.frames.study_frames import tuned_label
from reports.statistics.intervals import LEVEL, METHOD, Interval, t_interval

if TYPE_CHECKING:
    from collections.abc import Collection

STATES = ("complete", "pruned", "diverged", "stalled", "failed")
"""The states in which an Optuna trial ends; all but `failed` are results."""

PARAM = "param."
"""The prefix of the columns of hyperparameters."""


def goodness(trials: pd.DataFrame) -> pd.Series[float]:
    """Return the score of each trial so that higher is better, comparable between all trials.

    Returns:
        The value, with its sign reversed if the goal is to minimise. A trial that diverged or stalled, or whose value is not
        finite, is the worst and has −∞, whatever its value. A pruned trial has the mean over its repeats. A failed trial has
        NaN, because it does not evaluate its setting.
    """
    value = trials["value"].to_numpy(dtype=float) * np.where(trials["goal"] == "maximise", 1.0, -1.0)
    scored = np.isfinite(value) & trials["state"].isin(["complete", "pruned"]).to_numpy()
    value = np.where(scored, value, -np.inf)
    return pd.Series(np.where(trials["state"] == "failed", np.nan, value), index=trials.index, dtype="float64")


def hyperparameters(trials: pd.DataFrame) -> list[str]:
    """Return the names of the tuned hyperparameters in the order of their columns."""
    return [str(column).removeprefix(PARAM) for column in trials.columns if str(column).startswith(PARAM)]


def best(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the complete trial with the best objective of each optimizer, the first if several are equal.

    Returns:
        A row per optimizer: `label`, `number`, `score` (of the objective), `default` (the score of the default setting, NaN if
        it is not complete), `kept` (whether the default setting is the best), `repeats`, `complete` (number of complete
        trials), `objective`, `goal`, and the hyperparameters as `param.<name>`. All are NaN if no trial is complete.
    """
    rows = []
    params = [PARAM + name for name in hyperparameters(trials)]
    for label, group in trials.assign(goodness=goodness(trials)).groupby("optimizer", sort=False):
        complete = group[(group["state"] == "complete") & np.isfinite(group["goodness"])]
        default = complete[complete["is_default"].astype(bool)]
        row: dict[str, Any] = {
            "label": label,
            "number": np.nan,
            "score": np.nan,
            "default": float(default["value"].iloc[0]) if len(default) else np.nan,
            "kept": False,
            "repeats": 0,
            "complete": len(complete),
            "objective": group["objective"].iloc[0],
            "goal": group["goal"].iloc[0],
        } | dict.fromkeys(params, np.nan)
        if len(complete):
            first = complete.sort_values(["goodness", "number"], ascending=[False, True], kind="stable").iloc[0]
            row |= {"number": int(first["number"]), "score": float(first["value"]), "repeats": int(first["repeats"])}
            row |= {"kept": bool(first["is_default"])} | {name: float(first[name]) for name in params}
        rows.append(row)
    return pd.DataFrame(rows)


def at_bounds(trials: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the hyperparameters whose chosen value lies on a bound of the searched range.

    Args:
        trials: A row per Optuna trial, with `range.<name>` and `at_bound.<name>`.
        chosen: A row per optimizer (`best`).

    Returns:
        `label`, `parameter`, `value`, `range`.
    """
    rows = []
    for _, row in chosen.iterrows():
        chosen_trials = trials[(trials["optimizer"] == row["label"]) & (trials["number"] == row["number"])]
        for trial in chosen_trials.to_dict(orient="records"):  # one or none
            rows += [
                (row["label"], name, float(row[PARAM + name]), trial[f"range.{name}"])
                for name in hyperparameters(trials)
                if pd.notna(flag := trial.get(f"at_bound.{name}")) and flag  # NaN if the optimizer does not have it
            ]
    return pd.DataFrame(rows, columns=["label", "parameter", "value", "range"])


def budget(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the budget that each optimizer used.

    Returns:
        `label`, `configurations`, the number of trials in each state, `repeats`, `examples` and `seconds`.
    """
    groups = trials.groupby("optimizer", sort=False)
    table = groups.agg(
        configurations=("number", "size"),
        repeats=("repeats", "sum"),
        examples=("examples", "sum"),
        seconds=("seconds", "sum"),
    )
    for state in STATES:
        table[state] = (trials["state"] == state).groupby(trials["optimizer"], sort=False).sum()
    columns = ["configurations", *STATES, "repeats", "examples", "seconds"]
    return table[columns].rename_axis("label").reset_index()


def tuned_vs_default(
    scores: pd.DataFrame, metric: str, labels: Collection[str], kept: Collection[str] = (), level: float = LEVEL
) -> pd.DataFrame:
    """Return the paired difference of the tuned and the default setting on new repeats: d̄ ± t · s(d)/√n.

    dᵣ is the score of repeat r with the tuned setting minus that with the default setting; d̄ and s(d) are its mean and
    standard deviation over n repeats, and t is the quantile of Student's t with n − 1 degrees of freedom.

    Args:
        scores: A row per trial (`scores.final`).
        metric: The metric.
        labels: The optimizers as the study names them; `study_frames.tuned_label` gives their tuned entries.
        kept: Optimizers whose default setting is the best, so that there is no difference to estimate.
        level: Confidence level.

    Returns:
        A row per label: `default`, `default_low`, `default_high`, `default_ok`, `default_run` and the same of `tuned`;
        `difference`, `low`, `high` and `n`, the number of pairs whose trials both ended ok; `pairs`, the number of planned
        pairs; `kept`, `level`, `method`. `n` below `pairs` shows that trials are missing from the mean.
    """
    rows = []
    for label in labels:
        row: dict[str, Any] = {"label": label}
        values, repeats = [], []
        for setting, name in (("default", label), ("tuned", tuned_label(label))):
            runs = scores[scores["label"] == name]
            ok = runs.loc[runs["outcome"] == "ok"].set_index("repeat")[metric].dropna()
            row |= _columns(t_interval(ok.to_numpy(), level), setting)
            row |= {f"{setting}_ok": len(ok), f"{setting}_run": len(runs)}
            values.append(ok)
            repeats.append(set(runs["repeat"]))
        differences = (values[1] - values[0]).dropna()
        interval = t_interval(differences.to_numpy() if label not in kept else [], level)
        row |= {"difference": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}
        row |= {"pairs": len(repeats[0] & repeats[1]), "kept": label in kept, "level": level, "method": METHOD}
        rows.append(row)
    return pd.DataFrame(rows)


def validation_test_gap(chosen: pd.DataFrame, scores: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Return the optimism of selection: the test score on new repeats minus the validation score of the chosen setting.

    The best of many noisy scores is optimistically biased. The validation score is a constant here, so the interval covers the
    variation between new repeats only: it is the t interval of the test score, shifted by the validation score. The gap of the
    default setting, which was not selected, shows the effect of the other split and the other repeats alone.

    Args:
        chosen: A row per optimizer (`best`).
        scores: A row per trial (`scores.final`), with the test metric of the objective's name.
        level: Confidence level.

    Returns:
        A row per optimizer: `label`, `metric`, `validation`, `test`, `test_low`, `test_high`, `gap`, `low`, `high`, `n`,
        the same with the prefix `default_` for the default setting, `level`, `method`.
    """
    rows = []
    for _, row in chosen.iterrows():
        metric = str(row["objective"]).replace("validation/", "test/")
        default, tuned = row["label"], tuned_label(row["label"])
        if row["kept"] and tuned not in set(scores["label"]):
            tuned = default
        gaps: dict[str, Any] = {"label": default, "metric": metric}
        for prefix, name, validation in (("", tuned, row["score"]), ("default_", default, row["default"])):
            ok = scores[(scores["label"] == name) & (scores["outcome"] == "ok")]
            test = t_interval(ok[metric].dropna().to_numpy() if metric in ok else [], level)
            gaps |= {f"{prefix}validation": validation} | _columns(test, f"{prefix}test")
            gaps |= {f"{prefix}gap": test.mean - validation}
            gaps |= {f"{prefix}low": test.low - validation, f"{prefix}high": test.high - validation}
            gaps |= {f"{prefix}n": test.n}
        rows.append(gaps | {"level": level, "method": METHOD})
    return pd.DataFrame(rows)


def _columns(interval: Interval, name: str) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
