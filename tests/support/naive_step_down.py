"""The step-down maximum test by its definition, for tests."""

import numpy as np


def naive_step_down_p(statistics):
    """Return the adjusted p-values of Westfall and Young's algorithm 2.8, pair by pair.

    Args:
        statistics: |T|, shape (patterns, pairs); row 0 is observed.
    """
    remaining = list(range(statistics.shape[1]))
    p, smallest = np.empty(statistics.shape[1]), 0.0
    while remaining:
        pair = max(remaining, key=lambda at: statistics[0, at])
        reached = statistics[:, remaining].max(axis=1) >= statistics[0, pair] - 1e-6
        smallest = max(smallest, float(reached.mean()))
        p[pair] = smallest
        remaining.remove(pair)
    return p
