"""How much the learning rate matters: the score against it, and how wide the range of good ones is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reports.analysis.tuning import PARAM, goodness, hyperparameters

SHARE = 0.01
"""A learning rate is good if its score is within this share of the optimizer's own best score."""


_RANGE = [
    *("label", "lr", "score", "default", "low", "high", "below", "above", "ratio", "decades", "at_most"),
    *("open_low", "open_high", "sampled_low", "sampled_high", "within", "inside", "tried", "share"),
]


def swept(trials: pd.DataFrame) -> bool:
    """Whether the learning rate alone varies, as in a grid over it: then the scores make a curve, not a cloud."""
    others = [PARAM + name for name in hyperparameters(trials) if name != "lr"]
    values = trials.groupby("optimizer")[others]
    return not others or not bool((values.min() < values.max()).to_numpy().any())


def points(trials: pd.DataFrame) -> pd.DataFrame:
    """The score at each learning rate, in the order of the optimizers and then of the rates.

    Args:
        trials: A row per Optuna trial. Failed ones are left out: they tell nothing about their setting.

    Returns:
        `label`, `lr`, `score` (NaN where there is none: diverged, stalled), `goodness` (more is better, −∞ without a
        score), `complete` and `own` (the study's own setting). In a sweep (`swept`) the mean over the trials of a rate,
        without a score if one of them has none; else a row per trial, whatever its other hyperparameters.
    """
    columns = ["label", "lr", "score", "goodness", "complete", "default"]
    if PARAM + "lr" not in trials:
        return pd.DataFrame(columns=columns)
    table = pd.DataFrame(
        {
            "label": trials["optimizer"],
            "lr": trials[PARAM + "lr"].astype("float64"),
            "goodness": goodness(trials),
            "sign": np.where(trials["goal"] == "maximise", 1.0, -1.0),
            "complete": trials["state"] == "complete",
            "default": trials["is_default"].astype(bool),
        }
    ).dropna(subset=["lr", "goodness"])
    order = {label: at for at, label in enumerate(dict.fromkeys(table["label"]))}
    if swept(trials):
        means = {"goodness": "mean", "sign": "first", "complete": "all", "default": "any"}
        table = table.groupby(["label", "lr"], sort=False, as_index=False).agg(means)
    table["score"] = (table["sign"] * table["goodness"]).where(np.isfinite(table["goodness"]))
    table = table.assign(at=table["label"].map(order)).sort_values(["at", "lr"], kind="stable")
    return table[columns].reset_index(drop=True)


def ranges(trials: pd.DataFrame, share: float = SHARE) -> pd.DataFrame:
    """For each optimizer the range of learning rates whose score is within `share` of its best score.

    Within means |score − best| ≤ share · |best|, best being the optimizer's own best score of a complete trial, in the
    objective's own unit: for `share` 0.01 a loss of at most 1.01 times the lowest, an accuracy of at least 0.99 times
    the highest. Pruned, diverged and stalled trials are never within.

    The range goes from the lowest to the highest learning rate within. Its true ends lie between these and the next
    rates that were tried and are not within: `decades` is the least that the width can be, `at_most` the most. Where no
    rate beyond was tried, the range is open there and its width has no upper bound.

    Args:
        trials: A row per Optuna trial.
        share: Greater than 0.

    Returns:
        `label`, `lr` and `score` (the best), `own` (the study's own rate), `low`, `high`, `below` and `above`
        (the next rates tried, NaN where there is none), `ratio` (high/low), `decades` (its log₁₀), `at_most` (decades; ∞
        where open), `open_low`, `open_high`, `sampled_low`, `sampled_high`, `within`,
        `inside` (rates tried between `low` and `high`: more than `within` where the range has holes), `tried`, `share`.

    Raises:
        ValueError: `share` is not greater than 0.
    """
    if not share > 0:
        raise ValueError(f'"share" must be greater than 0, got {share}. Write 0.01 for 1%')
    table = points(trials)
    rows = []
    for label in dict.fromkeys(trials["optimizer"]):
        tried = table[table["label"] == label]
        scored = tried[tried["complete"].astype(bool) & tried["score"].notna()]
        own = tried.loc[tried["default"].astype(bool), "lr"]
        row: dict[str, Any] = {
            "label": label,
            "default": float(own.iloc[0]) if len(own) else np.nan,
            "tried": len(tried),
        }
        row |= {"sampled_low": tried["lr"].min(), "sampled_high": tried["lr"].max(), "share": share}
        if len(scored):
            row |= _range(tried["lr"].to_numpy(dtype=float), scored, share)
        rows.append(row)
    frame = pd.DataFrame(rows, columns=_RANGE)
    whole = {"open_low": "boolean", "open_high": "boolean", "within": "Int64", "inside": "Int64"}
    return frame.astype(whole)


def _range(tried: np.ndarray[Any, np.dtype[np.float64]], scored: pd.DataFrame, share: float) -> dict[str, Any]:
    top = scored.iloc[int(scored["goodness"].to_numpy().argmax())]
    good = scored.loc[scored["goodness"] >= top["goodness"] - share * abs(top["goodness"]), "lr"]
    low, high = float(good.min()), float(good.max())
    below, above = tried[tried < low], tried[tried > high]
    most = float(np.log10(above.min() / below.max())) if len(below) and len(above) else np.inf
    return {
        "lr": float(top["lr"]),
        "score": float(top["score"]),
        "low": low,
        "high": high,
        "below": below.max() if len(below) else np.nan,
        "above": above.min() if len(above) else np.nan,
        "ratio": high / low,
        "decades": float(np.log10(high / low)),
        "at_most": most,
        "open_low": not len(below),
        "open_high": not len(above),
        "within": len(good),
        "inside": int(((tried >= low) & (tried <= high)).sum()),
    }
