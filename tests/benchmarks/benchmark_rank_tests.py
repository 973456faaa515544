"""The rank tests of all pairs of a family, compared with SciPy's permutation test of the same kind, pair by pair."""

import time

import numpy as np
import pytest
from scipy import stats

from reports.statistics import sign_flips
from reports.statistics.rank_tests import paired_rank_tests, unpaired_rank_tests

REPEATS = 13
ROUNDS = 5
TESTS = {"paired": paired_rank_tests, "unpaired": unpaired_rank_tests}


@pytest.mark.parametrize("optimizers", [12, 60])
@pytest.mark.parametrize("kind", TESTS)
def benchmark_family(benchmark, kind, optimizers):
    """Measure all pairs with tests and simultaneous intervals, and the CPU time of a pair as a ratio to SciPy's.

    SciPy's test has Brunner and Munzel's statistic. It has no simultaneous intervals and no adjustment for the family. Both
    use 4,096 permutations and one thread.
    """
    scores = np.random.default_rng(1).normal(size=(REPEATS, optimizers))
    ours, others = [], []

    def family():
        started = time.process_time()
        result = TESTS[kind](scores, np.random.default_rng(0))
        ours.append((time.process_time() - started) / len(result.p))

    def scipy_pair():
        started = time.process_time()
        stats.permutation_test(
            (scores[:, 0], scores[:, 1]),
            lambda x, y, axis: stats.brunnermunzel(x, y, axis=axis).statistic,
            vectorized=True,
            n_resamples=sign_flips.MAX_PATTERNS - 1,
            permutation_type="samples" if kind == "paired" else "independent",
        )
        others.append(time.process_time() - started)

    benchmark.group = "rank tests of a family"
    benchmark.pedantic(family, setup=scipy_pair, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info |= {"who": f"{kind} rank tests", "optimizers": optimizers, "repeats": REPEATS}
    benchmark.extra_info |= {"ratio_to_scipy": min(ours[1:]) / min(others[1:])}
