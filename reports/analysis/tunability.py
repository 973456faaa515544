"""Tunability: the expected best score after k trials, and the probability of having the best score.

The statistics need independent trials. They are functions on arrays whose values are better the higher they are; −∞ is a trial
without a score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from reports.analysis.tuning import goodness
from reports.statistics.intervals import LEVEL, Band

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

METHOD = "jackknife t"
"""The method of the band."""

DEPENDENT = (
    "Expected best score after k trials: not shown, because no trial was drawn at random. Trials of TPE depend on earlier "
    "trials, and those of a grid or a quasi-random sequence on each other, so the best of a subset does not estimate the "
    'result of a shorter search. Tune with sampler = "random" for this curve.'
)


def weights(n: int) -> NDArray[np.float64]:
    """Return the probability C(i−1, k−1)/C(n, k) that trial i is the best of k drawn from n without replacement.

    Computed by wₙ = k/n and wᵢ = wᵢ₊₁ · (i + 1 − k)/i, so that no binomial coefficient overflows.

    Args:
        n: Number of trials.

    Returns:
        Shape (n, n): a row for each k = 1, ..., n, a column for each trial from the worst (i = 1) to the best (i = n). Each row
        adds up to 1.
    """
    k, i = np.arange(1, n + 1)[:, np.newaxis], np.arange(n - 1, 0, -1)
    factors = np.maximum(i + 1 - k, 0) / i
    return np.cumprod(np.hstack([k / n, factors]), axis=1)[:, ::-1]


def expected_best(values: ArrayLike, level: float = LEVEL) -> Band:
    """Return the expected best of k independent trials, Eₖ = Σᵢ C(i−1, k−1)/C(n, k) · x₍ᵢ₎, with a jackknife t band.

    x₍₁₎ ≤ ... ≤ x₍ₙ₎ are the sorted `values`. Eₖ is the mean of the best over all subsets of k of the n trials; it is unbiased,
    unlike resampling with replacement. The band is Eₖ ± t₍₁₊level₎/₂,ₙ₋₁ · s, with the jackknife variance
    s² = (n−1)/n · Σⱼ (Eₖ₍₋ⱼ₎ − mean)², where Eₖ₍₋ⱼ₎ omits trial j.

    Args:
        values: A score per trial, higher is better, shape (n,), all finite.
        level: Confidence level, between 0 and 1.

    Returns:
        Means and bounds for k = 1, ..., n. Bounds are NaN for k > n/2: two subsets then share most of their trials, and the
        band would have width zero at k = n. Measured coverage of the 95% band, in 400 simulations each of beta, exponential and
        learning-rate-like scores with n = 20 and 40: 87 to 95% at k ≤ n/4 and 85 to 90% at k = n/2. A percentile bootstrap
        over trials covered 68 to 85% there.

    Raises:
        ValueError: `level` is not between 0 and 1, or a value is not finite.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    if not 0 < level < 1:
        raise ValueError(f'"level" must be between 0 and 1, got {level}. Write 0.95 for 95%')
    if not np.isfinite(x).all():
        raise ValueError('"values" must be finite. Give a trial without a score the worst score')
    n = len(x)
    unknown = np.full(n, np.nan)
    if n < 2:
        return Band(x, unknown, unknown, n, level, METHOD)
    centred = x - x[-1]  # so that equal scores have a variance of exactly 0
    w = np.vstack([weights(n - 1), np.full(n - 1, np.nan)])  # of the n − 1 other trials; there is no best of n
    worse = np.cumsum(np.hstack([np.zeros((n, 1)), w * centred[:-1]]), axis=1)  # sums over trials below the omitted one
    better = np.cumsum(np.hstack([np.zeros((n, 1)), (w * centred[1:])[:, ::-1]]), axis=1)[:, ::-1]
    s = np.sqrt((n - 1) * (worse + better).var(axis=1))
    half_width = np.where(np.arange(1, n + 1) <= n / 2, stats.t.ppf((1 + level) / 2, n - 1) * s, np.nan)
    mean = x[-1] + weights(n) @ centred
    return Band(mean, mean - half_width, mean + half_width, n, level, METHOD)


def probability_of_best(values: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Return the probability that each optimizer has the best of k trials, drawn independently without replacement.

    Exact: Σᵥ P(bestᵢ = v) · P(all others < v), with ties broken at random. Ties: draw a uniform z for each value. The
    probability of winning among equal values is then ∫₀¹ ∏ⱼ (P(bestⱼ < v) + z · P(bestⱼ = v)) dz. This is a polynomial in z,
    which a Gauss-Legendre rule with enough nodes integrates exactly.

    Args:
        values: For each optimizer the scores of its trials, higher is better; −∞ is a trial without a score.

    Returns:
        A row per optimizer, a column for each k = 1, ..., up to the smallest number of trials. A column adds up to 1 minus the
        probability that no drawn trial has a score.
    """
    arrays = [np.sort(np.asarray(scores, dtype=np.float64)) for scores in values]
    max_k = min((len(scores) for scores in arrays), default=0)
    levels = np.unique(np.concatenate([scores[np.isfinite(scores)] for scores in arrays])) if arrays else np.empty(0)
    nodes, node_weights = np.polynomial.legendre.leggauss(max(1, -(-len(arrays) // 2)))
    nodes, node_weights = (nodes + 1) / 2, node_weights / 2
    cdfs = [np.hstack([np.zeros((len(s), 1)), np.cumsum(weights(len(s)), axis=1)]) if len(s) else None for s in arrays]
    result = np.zeros((len(arrays), max_k))
    for column in range(max_k):
        below, equal = np.empty((2, len(arrays), len(levels)))
        for row, (scores, cdf) in enumerate(zip(arrays, cdfs, strict=True)):
            assert cdf is not None
            below[row] = cdf[column, np.searchsorted(scores, levels, side="left")]
            equal[row] = cdf[column, np.searchsorted(scores, levels, side="right")] - below[row]
        beaten = below + nodes[:, np.newaxis, np.newaxis] * equal  # shape (nodes, optimizers, levels)
        for row in range(len(arrays)):
            all_others = np.delete(beaten, row, axis=1).prod(axis=1)
            result[row, column] = float(equal[row] @ (node_weights @ all_others))
    return result


def independent(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that were drawn at random; default settings and failed trials are excluded."""
    return trials[(trials["sampler"] == "random") & ~trials["is_default"].astype(bool) & (trials["state"] != "failed")]


def curves(trials: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Return the expected best objective after k random trials of each optimizer.

    A trial without a score (diverged, stalled), or with a score worse than `worst`, counts as `worst`. Otherwise the worst
    trials, which nobody would keep, would dominate the expectation.

    Args:
        trials: A row per Optuna trial; only independent ones count (`independent`).
        level: Confidence level of the bands.

    Returns:
        `label`, `trials` (k), `mean`, `low`, `high` in the unit of the objective; `n`; `worst` and `capped`, the number of
        trials that counted as `worst`; `level`, `method`. An optimizer without a scored trial has no rows.

    Raises:
        ValueError: No trial was drawn at random.
    """
    drawn = _drawn(trials)
    cap = worst(trials)
    tables = []
    for label, group in drawn.groupby("optimizer", sort=False):
        if not np.isfinite(group["goodness"]).any():
            continue
        band = expected_best(np.maximum(group["goodness"], cap), level)
        sign = 1.0 if group["goal"].iloc[0] == "maximise" else -1.0
        low, high = (band.low, band.high) if sign > 0 else (-band.high, -band.low)
        columns: dict[str, Any] = {"label": label, "trials": np.arange(1, band.n + 1), "mean": sign * band.mean}
        columns |= {"low": low, "high": high, "n": band.n, "worst": sign * cap}
        columns |= {"capped": int((group["goodness"] < cap).sum()), "level": level, "method": METHOD}
        tables.append(pd.DataFrame(columns))
    names = ["label", "trials", "mean", "low", "high", "n", "worst", "capped", "level", "method"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=names)


def probabilities(trials: pd.DataFrame) -> pd.DataFrame:
    """Return `probability_of_best` after k random trials of each optimizer: `label`, `trials` (k), `probability`.

    Raises:
        ValueError: No trial was drawn at random.
    """
    groups = dict(list(_drawn(trials).groupby("optimizer", sort=False)["goodness"]))
    table = probability_of_best([group.to_numpy() for group in groups.values()])
    rows = [
        {"label": label, "trials": k, "probability": float(value)}
        for label, row in zip(groups, table, strict=True)
        for k, value in enumerate(row, 1)
    ]
    return pd.DataFrame(rows, columns=["label", "trials", "probability"])


def worst(trials: pd.DataFrame) -> float:
    """Return the lower bound of the goodness of a trial in `curves`.

    It is the worst goodness of a default setting; without one, of any trial. A tuning run clips losses at that of a network
    that has learnt nothing (`suite.tuning`).
    """
    scores = goodness(trials)
    scores = scores[np.isfinite(scores)]
    default = scores[trials.loc[scores.index, "is_default"].astype(bool)]
    return float(default.min() if len(default) else scores.min())


def _drawn(trials: pd.DataFrame) -> pd.DataFrame:
    drawn = independent(trials)
    if drawn.empty:
        raise ValueError(DEPENDENT)
    return drawn.assign(goodness=goodness(drawn))
