"""Joint sign flips of whole repeats: the distribution from which families of paired differences are judged.

What is exchangeable. Let d_r be the vector of all differences of repeat r (every pair, or every position of a curve) and
δ the vector of their true means. The repeats are independent, and d_r − δ is assumed to be as likely as its mirror image
−(d_r − δ), all its components mirrored together. Then, for the components whose δ is zero, flipping the signs of whole
repeats changes nothing, whatever the correlations and however unequal the spreads, also from repeat to repeat. Scores that
are skewed alike in all optimizers have symmetric differences one by one, though not jointly; scores that are skewed and
of unequal spread have not, and there no test of means from ten repeats keeps its level (`docs/statistics.md`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MAX_PATTERNS = 4096
"""So many flips are made at most: all of them up to 13 repeats, above that as many random ones."""

_CLOSE = 1e-9  # what rounding does to a share that should be equal


def min_repeats_for_rejection(level: float) -> int:
    """The fewest repeats at which sign flips can reject at all: 2 · 2⁻ⁿ ≤ 1 − level, so 6 at 95%."""
    return math.ceil(1 - math.log2(1 - level) - _CLOSE)


def signs(n: int, rng: np.random.Generator, most: int = MAX_PATTERNS) -> Array:
    """Sign patterns over n repeats, shape (patterns, n); the first leaves all repeats as they are.

    A pattern and its opposite give the same |t|, so the first repeat keeps its sign: 2ⁿ⁻¹ patterns, all of them if these
    are no more than `most`, else the first and `most` − 1 drawn with `rng`. Either way the share of patterns that reach
    the observed value is a valid p.
    """
    if n < 1:
        raise ValueError(f'"n" must be at least 1, got {n}. Pass the number of repeats')
    if 2 ** (n - 1) <= most:
        bits = (np.arange(2 ** (n - 1))[:, np.newaxis] >> np.arange(n - 1)) & 1
        free = 1.0 - 2.0 * bits
    else:
        free = 1.0 - 2.0 * rng.integers(0, 2, size=(most, n - 1))
        free[0] = 1.0
    return np.hstack([np.ones((len(free), 1)), free])


def exact(n: int, most: int = MAX_PATTERNS) -> bool:
    """Whether `signs` enumerates all patterns."""
    return bool(2 ** (n - 1) <= most)


def test_statistic(differences: Array, patterns: Array) -> Array:
    """How surprising each difference is under each pattern of signs: a number that rises with its |t|.

    Args:
        differences: d, a row per repeat, a column per pair; NaN where a pair lacks the repeat.
        patterns: s, from `signs`; shape (patterns, repeats).

    Returns:
        Shape (patterns, pairs). With a = |Σ s d|/√Σd², between 0 and √n, is t² = (n − 1) a²/(n − a²), so a itself ranks as
        |t| does: that is given where all pairs have one n. Else −log p of the two-sided t test, on which unlike n compare.
        0 where all differences are 0.
    """
    count = np.isfinite(differences).sum(axis=0)
    a = _standardised(differences, patterns)
    return a if _one(count) else -_log_p(a, count)


def raw_p(surprises: Array) -> Array:
    """The p of each pair by itself: the share of patterns under which it is at least as surprising as observed."""
    return np.asarray((surprises >= _reach(surprises[0])).mean(axis=0), dtype=np.float64)


def step_down_p(surprises: Array) -> Array:
    """The p of each pair adjusted for the family: step-down max-|t| (Westfall and Young 1993, algorithm 2.8).

    The most surprising pair is judged by the maximum over all pairs, the next by the maximum over the rest, and so on; no p
    is below that of a pair before it. The family error holds for any set of true differences of zero, since the maximum
    over a larger set is larger (Romano and Wolf 2005).
    """
    order = np.argsort(-surprises[0], kind="stable")
    ranked = surprises[:, order]
    rest = np.maximum.accumulate(ranked[:, ::-1], axis=1)[:, ::-1]
    p = np.empty(len(order))
    p[order] = np.maximum.accumulate((rest >= _reach(ranked[0])).mean(axis=0))
    return p


def per_comparison_level(differences: Array, level: float, patterns: Array) -> float:
    """The level at which each interval is made so that all of them hold together with probability `level`.

    The flips are applied to the centred differences; from the quantile of the maximal |t| follows the level of each, which
    is `level` at least: of columns that all say the same, few patterns can put the quantile below it. One column needs no
    adjustment. Where a column has fewer than `enough` repeats there are too few patterns for a quantile: Bonferroni,
    1 − (1 − level)/m for m columns.
    """
    with np.errstate(invalid="ignore"):
        spread = np.nanstd(differences, axis=0) if len(differences) else np.zeros(differences.shape[1])
    varied = differences[:, spread > 0]
    m = varied.shape[1]
    if m <= 1:
        return level
    count = np.isfinite(varied).sum(axis=0)
    if count.min() < min_repeats_for_rejection(level):
        return float(1 - (1 - level) / m)
    centred = varied - np.nanmean(varied, axis=0)
    a = _standardised(centred, patterns)
    log_p = _log_p(a.max(axis=1), count[0]) if _one(count) else _log_p(a, count).min(axis=1)
    return max(level, 1 - math.exp(float(np.quantile(log_p, 1 - level, method="lower"))))


def _reach(observed: Array) -> Array:
    """What counts as at least as surprising: equal but for rounding, which −log p magnifies near its largest values."""
    return observed - 1e-6 * np.maximum(observed, 1e-3)


def _one(count: NDArray[np.int_]) -> bool:
    """Whether all pairs have the same number of repeats."""
    return bool(np.all(count == count[0])) if len(count) else True


def _standardised(differences: Array, patterns: Array) -> Array:
    """For each pair a = |Σ s d|/√Σd² under each pattern."""
    known = np.where(np.isfinite(differences), differences, 0.0)
    largest = np.abs(known).max(axis=0)
    known /= np.where(largest > 0, largest, 1.0)  # no square under- or overflows
    size = np.sqrt((known**2).sum(axis=0))
    return np.asarray(np.abs(patterns @ (known / np.where(size > 0, size, 1.0))), dtype=np.float64)


def _log_p(a: Array, count: Any) -> Array:
    """The log p of the two-sided one-sample t test, from a; 0 for fewer than two repeats."""
    freedom = np.maximum(count - 1, 1)
    t = a * np.sqrt(freedom / np.maximum(count - a**2, _CLOSE * np.maximum(count, 1)))
    return np.asarray(np.where(count > 1, np.log(2) + stats.t.logsf(t, freedom), 0.0), dtype=np.float64)
