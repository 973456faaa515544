"""Sensitivity to the learning rate: the score at each learning rate, and the range of good learning rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.analysis.tuning import PARAM, goodness, hyperparameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = 0.01
"""A learning rate is good if its score is within this share of the optimizer's best score."""

_RANGE = [
    *("label", "lr", "score", "default", "low", "high", "below", "above", "ratio", "decades", "at_most"),
    *("open_low", "open_high", "sampled_low", "sampled_high", "within", "inside", "tried", "share"),
]


def swept(trials: pd.DataFrame) -> bool:
    """Return whether only the learning rate varies, as in a grid over it; the scores are then a curve."""
    others = [PARAM + name for name in hyperparameters(trials) if name != "lr"]
    values = trials.groupby("optimizer")[others]
    return not others or not bool((values.min() < values.max()).to_numpy().any())


def points(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the score at each learning rate, ordered by optimizer and learning rate.

    Args:
        trials: A row per Optuna trial. Failed trials are excluded, because they do not evaluate their setting.

    Returns:
        `label`, `lr`, `score` (NaN if diverged or stalled), `goodness` (higher is better, −∞ without a score), `complete` and
        `default` (the optimizer's default setting). In a sweep (`swept`) a row has the mean over the trials of a learning rate,
        without a score if one of them has none; otherwise there is a row per trial, whatever its other hyperparameters.
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
    order = {label: position for position, label in enumerate(dict.fromkeys(table["label"]))}
    if swept(trials):
        means = {"goodness": "mean", "sign": "first", "complete": "all", "default": "any"}
        table = table.groupby(["label", "lr"], sort=False, as_index=False).agg(means)
    table["score"] = (table["sign"] * table["goodness"]).where(np.isfinite(table["goodness"]))
    table = table.assign(order=table["label"].map(order)).sort_values(["order", "lr"], kind="stable")
    return table[columns].reset_index(drop=True)


def ranges(trials: pd.DataFrame, share: float = SHARE) -> pd.DataFrame:
    """Return for each optimizer the range of learning rates whose score is within `share` of its best score.

    A score is within if |score − best| ≤ share · |best|, in the unit of the objective; best is the optimizer's best score of a
    complete trial. For `share` 0.01 this is a loss of at most 1.01 times the lowest, or an accuracy of at least 0.99 times the
    highest. Pruned, diverged and stalled trials are never within.

    The range extends from the lowest to the highest learning rate within. Its true ends lie between these and the next
    learning rates that were tried, so its width is at least `decades` and at most `at_most`. If no rate beyond an end was
    tried, the range is open there, and its width has no upper bound.

    Args:
        trials: A row per Optuna trial.
        share: Greater than 0.

    Returns:
        `label`, `lr` and `score` (the best), `default` (the default learning rate), `low`, `high`, `below` and `above` (the
        next rates tried, NaN if there is none), `ratio` (high/low), `decades` (its log₁₀), `at_most` (decades; ∞ if open),
        `open_low`, `open_high`, `sampled_low`, `sampled_high`, `within` (number of rates within), `inside` (number of rates
        tried between `low` and `high`: more than `within` if the range has gaps), `tried`, `share`.

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
        default = tried.loc[tried["default"].astype(bool), "lr"]
        row: dict[str, Any] = {"label": label, "default": float(default.iloc[0]) if len(default) else np.nan}
        row |= {"sampled_low": tried["lr"].min(), "sampled_high": tried["lr"].max()}
        row |= {"tried": len(tried), "share": share}
        if len(scored):
            row |= _range(tried["lr"].to_numpy(dtype=float), scored, share)
        rows.append(row)
    types = {"open_low": "boolean", "open_high": "boolean", "within": "Int64", "inside": "Int64"}
    return pd.DataFrame(rows, columns=_RANGE).astype(types)


def _range(tried: NDArray[np.float64], scored: pd.DataFrame, share: float) -> dict[str, Any]:
    best = scored.iloc[int(scored["goodness"].to_numpy().argmax())]
    good = scored.loc[scored["goodness"] >= best["goodness"] - share * abs(best["goodness"]), "lr"]
    low, high = float(good.min()), float(good.max())
    below, above = tried[tried < low], tried[tried > high]
    return {
        "lr": float(best["lr"]),
        "score": float(best["score"]),
        "low": low,
        "high": high,
        "below": below.max() if len(below) else np.nan,
        "above": above.min() if len(above) else np.nan,
        "ratio": high / low,
        "decades": float(np.log10(high / low)),
        "at_most": float(np.log10(above.min() / below.max())) if len(below) and len(above) else np.inf,
        "open_low": not len(below),
        "open_high": not len(above),
        "within": len(good),
        "inside": int(((tried >= low) & (tried <= high)).sum()),
    }
