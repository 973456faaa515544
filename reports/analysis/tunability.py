"""What tuning buys: the expected best score after k trials, and who is then the best. Of independent trials alone.

The statistics are functions on arrays whose values are better the higher they are; −∞ is a trial without a score.
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
"""The name of the method of the band."""

DEPENDENT = (
    "Expected best after k trials: not shown, since none of these trials was drawn at random. A trial of TPE depends on "
    "those before it, and those of a grid or a quasi-random sequence on each other, so the best of some of them says "
    'nothing about a search of that length. Tune with sampler = "random" for this curve.'
)


def weights(n: int) -> NDArray[np.float64]:
    """How likely each of n trials is the best of k drawn from them without replacement: C(i−1, k−1) / C(n, k).

    Args:
        n: How many trials.

    Returns:
        A row for each k = 1 to n, a column for each trial from the worst, i = 1, to the best, i = n; a row adds up to 1.
        By wₙ = k/n and wᵢ = wᵢ₊₁ · (i + 1 − k)/i, so no binomial grows large.
    """
    k, i = np.arange(1, n + 1)[:, np.newaxis], np.arange(n - 1, 0, -1)
    factors = np.maximum(i + 1 - k, 0) / i
    return np.cumprod(np.hstack([k / n, factors]), axis=1)[:, ::-1]


def expected_best(values: ArrayLike, level: float = LEVEL) -> Band:
    """The expected best of k independent trials, for k = 1 to n: Eₖ = Σᵢ C(i−1, k−1)/C(n, k) · x₍ᵢ₎.

    This is the mean of the best over all subsets of k of the n trials: unbiased, which resampling with replacement is
    not. The band is Eₖ ± t₍₁₊level₎/₂,ₙ₋₁ · s, with the jackknife's s² = (n−1)/n · Σⱼ (Eₖ₍₋ⱼ₎ − mean)².

    Args:
        values: One score per trial, the more the better, shape (n,), all finite.
        level: Between 0 and 1.

    Returns:
        Means and bounds at k = 1, ..., n. Bounds are NaN for k > n/2: there two subsets share most of their trials, and
        the band would narrow to nothing at k = n, where one subset is left. In 400 simulations each of beta,
        exponential and learning-rate-like scores with n = 20 and 40 the 95% band held the truth in 87 to 95% of cases at
        k ≤ n/4 and in 85 to 90% at k = n/2, where a percentile bootstrap over trials held it in 68 to 85%.

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
    centred = x - x[-1]  # so that equal scores have a spread of exactly 0
    less = np.vstack([weights(n - 1), np.full(n - 1, np.nan)])  # of the n − 1 trials that are left; none is best of n
    before = np.cumsum(np.hstack([np.zeros((n, 1)), less * centred[:-1]]), axis=1)  # those worse than the one left out
    after = np.cumsum(np.hstack([np.zeros((n, 1)), (less * centred[1:])[:, ::-1]]), axis=1)[:, ::-1]
    without = before + after
    spread = np.sqrt((n - 1) * without.var(axis=1))
    half = np.where(np.arange(1, n + 1) <= n / 2, stats.t.ppf((1 + level) / 2, n - 1) * spread, np.nan)
    mean = x[-1] + weights(n) @ centred
    return Band(mean, mean - half, mean + half, n, level, METHOD)


def probability_of_best(values: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """How likely each optimizer has the best trial if k are drawn for each, without replacement and independently.

    Exact: Σᵥ P(bestᵢ = v) · P(all others < v), equal bests broken by lot. A lot is a uniform z for each value: the
    chance to beat an equal one is then ∫₀¹ ∏ⱼ (P(bestⱼ < v) + z · P(bestⱼ = v)) dz, a polynomial that a Gauss-Legendre
    rule of enough nodes integrates without error.

    Args:
        values: For each optimizer the scores of its trials, the more the better; −∞ is a trial without a score.

    Returns:
        A row per optimizer, a column for each k = 1 to the smallest number of trials. A column adds up to 1, less the
        probability that no drawn trial has a score.
    """
    arrays = [np.sort(np.asarray(scores, dtype=np.float64)) for scores in values]
    longest = min((len(scores) for scores in arrays), default=0)
    levels = np.unique(np.concatenate([scores[np.isfinite(scores)] for scores in arrays])) if arrays else np.empty(0)
    nodes, shares = np.polynomial.legendre.leggauss(max(1, -(-len(arrays) // 2)))
    nodes, shares = (nodes + 1) / 2, shares / 2
    upto = [np.hstack([np.zeros((len(s), 1)), np.cumsum(weights(len(s)), axis=1)]) if len(s) else None for s in arrays]
    result = np.zeros((len(arrays), longest))
    for at in range(longest):
        below, equal = np.empty((2, len(arrays), len(levels)))
        for row, (scores, cumulative) in enumerate(zip(arrays, upto, strict=True)):
            assert cumulative is not None
            below[row] = cumulative[at, np.searchsorted(scores, levels, side="left")]
            equal[row] = cumulative[at, np.searchsorted(scores, levels, side="right")] - below[row]
        chances = below + nodes[:, np.newaxis, np.newaxis] * equal  # node, optimizer, level
        for row in range(len(arrays)):
            others = np.delete(chances, row, axis=1).prod(axis=1)
            result[row, at] = float(equal[row] @ (shares @ others))
    return result


def independent(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that were drawn at random: neither the study's own setting nor failed ones, which are no draws."""
    return trials[(trials["sampler"] == "random") & ~trials["is_default"].astype(bool) & (trials["state"] != "failed")]


def curves(trials: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """The expected best objective after k random trials of each optimizer.

    A trial without a score (diverged, stalled), or with a worse one than `worst`, counts with that: an expectation would
    otherwise be made of how bad the worst trials are, which no one who tunes keeps.

    Args:
        trials: A row per Optuna trial; only the random ones count (`independent`).
        level: Of the bands.

    Returns:
        `label`, `trials` (k), `mean`, `low`, `high` in the objective's unit; `n`; `worst`, and `capped`, how many
        trials counted with it; `level`, `method`. An optimizer without a scored trial has no rows.

    Raises:
        ValueError: None of the trials was drawn at random.
    """
    drawn = _drawn(trials)
    cap = worst(trials)
    parts = []
    for label, group in drawn.groupby("optimizer", sort=False):
        if not np.isfinite(group["goodness"]).any():
            continue
        band = expected_best(np.maximum(group["goodness"], cap), level)
        sign = 1.0 if group["goal"].iloc[0] == "maximise" else -1.0
        bounds = (band.low, band.high) if sign > 0 else (-band.high, -band.low)
        part: dict[str, Any] = {"label": label, "trials": np.arange(1, band.n + 1), "mean": sign * band.mean}
        part |= {"low": bounds[0], "high": bounds[1], "n": band.n}
        part |= {"worst": sign * cap, "capped": int((group["goodness"] < cap).sum()), "level": level, "method": METHOD}
        parts.append(pd.DataFrame(part))
    columns = ["label", "trials", "mean", "low", "high", "n", "worst", "capped", "level", "method"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def probabilities(trials: pd.DataFrame) -> pd.DataFrame:
    """`probability_of_best` after k random trials of each optimizer: `label`, `trials` (k), `probability`.

    Raises:
        ValueError: None of the trials was drawn at random.
    """
    groups = dict(list(_drawn(trials).groupby("optimizer", sort=False)["goodness"]))
    table = probability_of_best([group.to_numpy() for group in groups.values()])
    rows = [
        {"label": label, "trials": k, "probability": float(value)}
        for label, line in zip(groups, table, strict=True)
        for k, value in enumerate(line, 1)
    ]
    return pd.DataFrame(rows, columns=["label", "trials", "probability"])


def worst(trials: pd.DataFrame) -> float:
    """The goodness that a trial of `curves` counts with at least.

    The worst that the study's own settings reached; without one the worst of all. A search counts no loss above that of a
    network that learned nothing (`suite.tuning`).
    """
    scores = goodness(trials)
    scores = scores[np.isfinite(scores)]
    own = scores[trials.loc[scores.index, "is_default"].astype(bool)]
    return float(own.min() if len(own) else scores.min())


def _drawn(trials: pd.DataFrame) -> pd.DataFrame:
    drawn = independent(trials)
    if drawn.empty:
        raise ValueError(DEPENDENT)
    return drawn.assign(goodness=goodness(drawn))
