"""Bad runs: the runs of an optimizer that end far below its other runs, and the probability of such a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.statistics.intervals import LEVEL, success_interval
from reports.statistics.step_down import check_scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

CUTOFF = 3.5
"""A run is bad if it ends this many robust standard deviations below the median."""


@dataclass(frozen=True, slots=True)
class BadRuns:
    """The bad runs of one optimizer.

    Attributes:
        count: Number of runs below `threshold`; runs that diverged, stalled or failed are among them.
        n: Number of runs.
        low: Lower Clopper-Pearson bound of the probability of a bad run; NaN if n is 0.
        high: Upper Clopper-Pearson bound.
        threshold: The score below which a run is bad (`bad_runs`); NaN without a finite score.
        level: Confidence level of the interval.
    """

    count: int
    n: int
    low: float
    high: float
    threshold: float
    level: float


def bad_runs(scores: ArrayLike, level: float = LEVEL) -> BadRuns:
    """Return the number of runs below median − 3.5 × 1.4826 × MAD, with the Clopper-Pearson interval of their probability.

    Median and MAD, the median of |x − median|, are computed from the finite scores x. For normal scores, 1.4826 MAD estimates
    the standard deviation. MAD is 0 if more than half of the scores are equal. Then 1.2533 times the mean of |x − median|
    replaces 1.4826 MAD (Iglewicz and Hoaglin 1993).

    Args:
        scores: x, shape (n,); higher is better. −inf is a run that diverged, stalled or failed; it is bad. NaN is a run that
            does not exist; it is ignored.
        level: Confidence level of the interval.

    Raises:
        ValueError: `scores` does not have one dimension or contains +inf, or `level` is not between 0 and 1.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f'"scores" must have one dimension, got {values.ndim}. Pass the scores of one optimizer')
    check_scores(values[:, np.newaxis], level)
    values = values[~np.isnan(values)]
    finite = values[np.isfinite(values)]
    threshold = math.nan
    if len(finite):
        median = float(np.median(finite))
        deviation = np.abs(finite - median)
        mad = float(np.median(deviation))
        threshold = median - CUTOFF * (1.4826 * mad if mad > 0 else 1.2533 * float(deviation.mean()))
    n, count = len(values), int((values < threshold).sum()) if len(finite) else len(values)
    rate = success_interval(count, n, level)
    return BadRuns(count, n, rate.low, rate.high, threshold, level)
