"""The decision whether to skip the other repeats of a configuration.

Optuna's WilcoxonPruner does not fit the few repeats of a tuning. The smallest p-value of its one-sided test is 1/2ⁿ for n
pairs, so at level 0.1 it cannot prune before the fourth repeat. After one repeat, the variation between repeats is known
from the configurations that completed all of theirs.
"""

from __future__ import annotations

import math
from statistics import fmean, variance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DEVIATIONS = 4.0
MIN_DEGREES_OF_FREEDOM = 4
"""Nothing is pruned if the standard deviation has fewer degrees of freedom."""


def should_prune(values: Sequence[float], complete: Sequence[Sequence[float]], deviations: float = DEVIATIONS) -> bool:
    """Return whether a configuration is so much worse than the best that its other repeats can hardly change that.

    With d the mean over its r repeats of value − value of the best configuration in the same repeat, and s the standard
    deviation of such differences between a good configuration and the best, pooled over the better half of the others::

        d > deviations · s / √r

    The pairing removes the effect that the initial weights and batches of a repeat have on all configurations.

    Args:
        values: Its values by repeat, so far; lower is better.
        complete: The values of the configurations that completed all repeats, in any order.
        deviations: The number of standard deviations of d beyond which a configuration is pruned.
    """
    if not values or not complete:
        return False
    best, *others = sorted(complete, key=fmean)
    good = others[: (len(others) + 1) // 2]
    variances = [variance([a - b for a, b in zip(other, best, strict=True)]) for other in good if len(best) > 1]
    if len(variances) * (len(best) - 1) < MIN_DEGREES_OF_FREEDOM:
        return False
    difference = fmean(a - b for a, b in zip(values, best, strict=False))
    return difference > deviations * math.sqrt(fmean(variances) / len(values))
