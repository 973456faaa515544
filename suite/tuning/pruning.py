"""When a configuration is hopeless, so that its other repeats can be spared.

Optuna's WilcoxonPruner is no help at the few repeats of a tuning: the smallest p of its one-sided test is 1/2ⁿ for n pairs,
so at its level of 0.1 it cannot act before the fourth repeat. What is known after one repeat is how much repeats scatter,
from the configurations that have all of theirs.
"""

from __future__ import annotations

import math
from statistics import fmean, variance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DEVIATIONS = 4.0
MIN_CONFIGURATIONS = 4
"""Degrees of freedom that the scatter is known by at least."""


def should_prune(values: Sequence[float], complete: Sequence[Sequence[float]], deviations: float = DEVIATIONS) -> bool:
    """Whether a configuration is so far behind the best that its other repeats can hardly bring it back.

    With d the mean over its r repeats of value − best's value in the same repeat (the pairing takes out what the weights and
    the batches of a repeat do to all), and s the standard deviation of such differences between a good configuration and
    the best, pooled over the better half of the others::

        d > deviations · s / √r

    Args:
        values: Its values so far, repeat by repeat; less is better.
        complete: The values of the configurations that had all repeats, in any order.
        deviations: How many standard deviations of d count as hopeless.
    """
    if not values or not complete:
        return False
    ranked = sorted(complete, key=fmean)
    best, others = ranked[0], ranked[1:]
    good = others[: (len(others) + 1) // 2]
    scatter = [variance([a - b for a, b in zip(other, best, strict=True)]) for other in good if len(best) > 1]
    if len(scatter) * (len(best) - 1) < MIN_CONFIGURATIONS:
        return False
    behind = fmean(a - b for a, b in zip(values, best, strict=False))
    return behind > deviations * math.sqrt(fmean(scatter) / len(values))
