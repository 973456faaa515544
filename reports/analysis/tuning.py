"""What tuning chose, what it spent, and what the choice is worth on fresh repeats.

The trials of a tuning run come as a frame with a row per Optuna trial: `optimizer`, `kind`, `number`, `state`, `value`,
`objective`, `goal`, `sampler`, `is_default` (the study's own setting), `repeats`, `examples`, `seconds`, and for
each hyperparameter the columns `param.<name>`, `range.<name>` (what was searched) and `at_bound.<name>` (whether the value lies
on an edge of that), NaN where the optimizer does not have it.
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
"""How an Optuna trial ends; all but `failed` are results."""

EDGE = {True}
"""What says that a value lies on an edge; a hyperparameter that an optimizer lacks has NaN there."""

PARAM = "param."
"""What the columns of the hyperparameters begin with."""


def goodness(trials: pd.DataFrame) -> pd.Series[float]:
    """The score of each trial so that more is better, comparable for all of them.

    Returns:
        The value, its sign changed where the goal is to minimise. −∞ where a trial ended without a finite one: it
        diverged or stalled, whatever value stands beside it, so it is the worst, not missing. A pruned trial counts
        with the mean over the repeats that it had. NaN for a failed trial, which tells nothing about its setting.
    """
    value = trials["value"].to_numpy(dtype=float) * np.where(trials["goal"] == "maximise", 1.0, -1.0)
    scored = np.isfinite(value) & trials["state"].isin(["complete", "pruned"]).to_numpy()
    value = np.where(scored, value, -np.inf)
    return pd.Series(np.where(trials["state"] == "failed", np.nan, value), index=trials.index, dtype="float64")


def hyperparameters(trials: pd.DataFrame) -> list[str]:
    """The names of the tuned hyperparameters, in the order of their columns."""
    return [str(column).removeprefix(PARAM) for column in trials.columns if str(column).startswith(PARAM)]


def best(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per optimizer: the complete trial with the best objective, of equal ones the first.

    Returns:
        `label`, `number`, `score` (of the objective), `own` (that of the study's own setting, NaN where it was not
        tried to the end), `kept` (the own setting is the best), `repeats`, `complete` (trials that competed),
        `objective`, `goal`, and the hyperparameters as `param.<name>`. NaN throughout where no trial is complete.
    """
    rows = []
    params = [PARAM + name for name in hyperparameters(trials)]
    for label, group in trials.assign(goodness=goodness(trials)).groupby("optimizer", sort=False):
        whole = group[(group["state"] == "complete") & np.isfinite(group["goodness"])]
        own = whole[whole["is_default"].astype(bool)]
        row: dict[str, Any] = {
            "label": label,
            "number": np.nan,
            "score": np.nan,
            "default": float(own["value"].iloc[0]) if len(own) else np.nan,
            "kept": False,
            "repeats": 0,
            "complete": len(whole),
            "objective": group["objective"].iloc[0],
            "goal": group["goal"].iloc[0],
        } | dict.fromkeys(params, np.nan)
        if len(whole):
            first = whole.sort_values(["goodness", "number"], ascending=[False, True], kind="stable").iloc[0]
            row |= {"number": int(first["number"]), "score": float(first["value"]), "repeats": int(first["repeats"])}
            row |= {"kept": bool(first["is_default"])} | {name: float(first[name]) for name in params}
        rows.append(row)
    return pd.DataFrame(rows)


def at_bounds(trials: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """The hyperparameters whose chosen value lies on an edge of the range that was searched.

    Args:
        trials: A row per Optuna trial, with `range.<name>` and `at_bound.<name>`.
        chosen: A row per optimizer (`best`).

    Returns:
        `label`, `parameter`, `value`, `range`.
    """
    rows = []
    for _, row in chosen.iterrows():
        own = trials[(trials["optimizer"] == row["label"]) & (trials["number"] == row["number"])]
        for told in own.to_dict(orient="records"):  # one, or none
            rows += [
                (row["label"], name, float(row[PARAM + name]), told[f"range.{name}"])
                for name in hyperparameters(trials)
                if told.get(f"at_bound.{name}") in EDGE
            ]
    return pd.DataFrame(rows, columns=["label", "parameter", "value", "range"])


def budget(trials: pd.DataFrame) -> pd.DataFrame:
    """What each optimizer spent: `label`, `configurations`, a count of each state, `repeats`, `examples`, `seconds`."""
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
    """The tuned setting against the study's own on fresh repeats, paired: dᵣ = tunedᵣ − ownᵣ, d̄ ± t · s(d)/√n.

    Args:
        scores: A row per trial (`scores.final`).
        metric: Which metric.
        labels: The optimizers as the study names them; their tuned entries are found by `frame.tuned_label`.
        kept: Those whose own setting came out best: nothing differs, so there is no difference to estimate.
        level: Of the intervals.

    Returns:
        A row per label: `own`, `default_low`, `default_high`, `default_ok`, `default_run` and the same of `tuned`; `difference`, `low`,
        `high` and `n`, the pairs of which both sides ended ok; `pairs`, how many there should be; `kept`, `level`,
        `method`. No mean leaves a run out unseen: compare `n` with `pairs`.
    """
    rows = []
    for label in labels:
        row: dict[str, Any] = {"label": label}
        sides = {}
        for side, name in (("default", label), ("tuned", tuned_label(label))):
            run = scores[scores["label"] == name]
            sides[side] = run.loc[run["outcome"] == "ok"].set_index("repeat")[metric].dropna()
            row |= _columns(t_interval(sides[side].to_numpy(), level), side)
            row |= {f"{side}_ok": len(sides[side]), f"{side}_run": len(run)}
        pairs = (sides["tuned"] - sides["default"]).dropna()
        interval = t_interval(pairs.to_numpy() if label not in kept else [], level)
        row |= {"difference": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}
        repeats = [set(scores.loc[scores["label"] == name, "repeat"]) for name in (label, tuned_label(label))]
        rows.append(
            row | {"pairs": len(repeats[0] & repeats[1]), "kept": label in kept, "level": level, "method": METHOD}
        )
    return pd.DataFrame(rows)


def validation_test_gap(chosen: pd.DataFrame, scores: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """What is left of the score that a setting was chosen by: test score on fresh repeats − validation score.

    The best of many noisy scores looks better than it is (the winner's curse). The validation score enters as the number
    that it is, so the interval holds the spread of the fresh repeats alone: test ± t · s/√n, moved by it. The study's
    own setting, which was not chosen, is the yardstick: its gap shows what the other split and the other repeats do
    without any choice.

    Args:
        chosen: A row per optimizer (`best`).
        scores: A row per trial (`scores.final`), with the test metric of the objective's name.
        level: Of the intervals.

    Returns:
        A row per optimizer: `label`, `metric`, `validation`, `test`, `test_low`, `test_high`, `gap`, `low`, `high`, `n`,
        the same with `own ` in front for the study's own setting, `level`, `method`.
    """
    rows = []
    for _, row in chosen.iterrows():
        metric = str(row["objective"]).replace("validation/", "test/")
        told: dict[str, Any] = {"label": row["label"], "metric": metric}
        own, tuned = row["label"], tuned_label(row["label"])
        if row["kept"] and tuned not in set(scores["label"]):
            tuned = own
        for front, name, validation in (("", tuned, row["score"]), ("default_", own, row["default"])):
            ok = scores[(scores["label"] == name) & (scores["outcome"] == "ok")]
            test = t_interval(ok[metric].dropna().to_numpy() if metric in ok else [], level)
            told |= {f"{front}validation": validation} | _columns(test, f"{front}test")
            told |= {f"{front}gap": test.mean - validation}
            told |= {f"{front}low": test.low - validation, f"{front}high": test.high - validation, f"{front}n": test.n}
        rows.append(told | {"level": level, "method": METHOD})
    return pd.DataFrame(rows)


def _columns(interval: Interval, name: str) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
