"""Verdicts on all pairs of optimizers, tiers, and the power of a study."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.frames.scores import higher_is_better
from reports.statistics import letter_display, pairwise_tests, step_down
from reports.statistics.intervals import LEVEL
from reports.statistics.step_down import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from reports.statistics.pairwise_tests import PairTests, Test

BETTER, WORSE, TIED, UNDECIDED = "better", "worse", "tied", "undecided"
BETTER_WORSE_MEAN, WORSE_BETTER_MEAN = "usually better, worse mean", "usually worse, better mean"
"""Verdicts of the rank test if the means differ in the other direction, because of a few bad runs."""

ABOVE, BELOW = frozenset({BETTER, BETTER_WORSE_MEAN}), frozenset({WORSE, WORSE_BETTER_MEAN})
"""The verdicts of a significant difference."""

OPPOSITE = {BETTER: WORSE, WORSE: BETTER, BETTER_WORSE_MEAN: WORSE_BETTER_MEAN, WORSE_BETTER_MEAN: BETTER_WORSE_MEAN}

LOST = ("diverged", "stalled", "failed")
"""The outcomes of runs that are worse than all other runs and tied with each other."""

SEED = 0
"""The seed of permutations and resamples if there are too many to enumerate; a report then states it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A family of optimizers with a verdict on every pair.

    Attributes:
        score: The metric that is compared.
        higher: Whether a higher score is better.
        test: The test, one of `pairwise_tests.TESTS`.
        paired: Whether repeats are paired by seed.
        level: Confidence level of the family: any false "better" or "worse" has probability 1 − level at most.
        margin: Equivalence margin, in units of the score.
        means: Mean score over the ok runs by label, the best first. First is the label with the best mean that no other label
            is significantly better than; labels without an unsuccessful run take precedence there.
        n: Number of runs by label; runs that diverged, stalled or failed count.
        pairs: A row per pair, `first` before `second` in the order of `means`: `n`, `difference` (mean of first − mean of
            second over ok runs), `low` and `high` (its t interval, not adjusted), `shift` (the median of all differences
            between a run of each; the mean difference for `bootstrap-t`) with its simultaneous interval `simultaneous_low`,
            `simultaneous_high`, `superiority` (probability that a run of `first` is better) with the simultaneous interval
            `superiority_low`, `superiority_high`, `p`, `adjusted_p`, `effect` (`pairwise_tests.effect_size`),
            `minimum_detectable_difference`, `variance_reduction`, `complete` (whether every compared run ended ok), and
            `verdict` on `first`.
        tiers: Sets of labels that do not differ significantly, the best first (`letter_display.tiers`).
        letters: The tiers as a compact letter display.
        leaders: The labels that no other label is significantly better than, the first of `means` first.
        excluded: Number of runs of each label that is not compared, because it has fewer than `min_repeats`. If no two labels
            have that many, those with two are compared without a verdict.
        min_repeats: The number of shared repeats that a verdict needs.
        minimum_detectable_difference: Median over the pairs of the true difference that is detected with probability
            `pairwise_tests.POWER`; NaN if the repeats are too few for a family of this size.
        repeats_to_separate_top_two: Number of repeats that detects the measured difference of the first two of `means`.
        seeded: Whether a repeat has the same random numbers in every column.
        exact: Whether p-values use all permutations.
    """

    score: str
    higher: bool
    test: Test
    paired: bool
    level: float
    margin: float
    means: dict[str, float]
    n: dict[str, int]
    pairs: pd.DataFrame
    tiers: list[list[str]]
    letters: dict[str, str]
    leaders: tuple[str, ...]
    excluded: dict[str, int]
    min_repeats: int
    minimum_detectable_difference: float
    repeats_to_separate_top_two: float
    seeded: bool
    exact: bool

    @property
    def has_verdicts(self) -> bool:
        """Return whether any pair has the repeats that a verdict needs."""
        return bool((self.pairs["n"] >= self.min_repeats).any()) if len(self.pairs) else False

    def verdict(self, label: str, other: str) -> str:
        """Return the verdict on `label` compared with `other`."""
        row = self.pair(label, other)
        verdict = str(row["verdict"])
        return verdict if row["first"] == label else OPPOSITE.get(verdict, verdict)

    def pair(self, label: str, other: str) -> pd.Series[Any]:
        """Return the row of a pair in either order.

        Raises:
            KeyError: There is no such pair.
        """
        rows = self.pairs[self.pairs["first"].isin([label, other]) & self.pairs["second"].isin([label, other])]
        if label == other or len(rows) != 1:
            raise KeyError((label, other))
        return rows.iloc[0]


def wide(scores: pd.DataFrame, score: str, labels: Sequence[str]) -> pd.DataFrame:
    """Return the scores with a row per repeat and a column per label.

    Args:
        scores: A row per trial with `label`, `repeat`, `outcome` and the score (`scores.final`).
        score: The metric.
        labels: The columns.

    Returns:
        Scores in their own units. A run that diverged, stalled or failed has the worst value: −∞ if a higher score is better,
        else +∞. NaN if there is no run.
    """
    worst = -np.inf if higher_is_better(score) else np.inf
    values = scores.assign(value=scores[score].mask(scores["outcome"].isin(LOST), worst))
    table = values.pivot_table(index="repeat", columns="label", values="value", aggfunc="last", dropna=False)
    return table.reindex(columns=list(labels)).astype("float64")


def compare(
    table: pd.DataFrame,
    *,
    score: str,
    higher: bool,
    margin: float,
    test: Test = "rank",
    paired: bool = True,
    level: float = LEVEL,
    rng: np.random.Generator | None = None,
    seeded: bool = True,
) -> Comparison:
    """Return a verdict on every pair of columns; see `judge`.

    If two labels have the runs that a verdict needs, labels with fewer are excluded: their few repeats would reduce the
    power for all pairs, and a mean of two scores is easily the best.

    Args:
        table: A row per repeat, a column per label (`wide`).
        score: The name of the score.
        higher: Whether a higher score is better.
        margin: Equivalence margin, in units of the score; with 0 no pair is tied.
        test: One of `pairwise_tests.TESTS`.
        paired: Whether a row is one repeat of all labels; otherwise the runs of a column are independent of the others.
        level: Confidence level of the family.
        rng: Draws permutations and resamples; by default seeded with `SEED`.
        seeded: Whether a repeat has the same random numbers in every column; otherwise there is no variance reduction.
    """
    counts = {str(label): int(count) for label, count in table.notna().sum().items()}
    min_repeats = step_down.min_repeats_for_verdict(level)
    finite = table.where(np.isfinite(table))
    used = _labels_to_compare(counts, min_repeats) if finite.notna().to_numpy().any() else []
    sign = 1.0 if higher else -1.0
    means = {label: float(finite[label].mean()) for label in used}
    ranked = sorted(used, key=lambda label: -sign * means[label] if math.isfinite(means[label]) else math.inf)
    matrix, seed = sign * table[ranked].to_numpy(dtype=np.float64), SEED if rng is None else int(rng.integers(2**32))

    def test_pairs(order: Sequence[str]) -> tuple[PairTests, NDArray[np.str_]]:
        place, (i, j) = np.array([ranked.index(label) for label in order], dtype=np.intp), step_down.pairs(len(order))
        columns, generator = (place[i], place[j]), np.random.default_rng(seed)  # the same permutations in every order
        tests = pairwise_tests.compare(matrix, generator, test=test, paired=paired, level=level, columns=columns)
        return tests, judge(tests, margin=margin)

    order, (tests, verdict) = ranked, test_pairs(ranked)
    leaders = _leaders(ranked, tests, verdict)
    complete = [label for label in leaders if finite[label].count() == counts[label]]
    first = next(iter([*complete, *leaders]), None)
    if first and first != ranked[0]:
        order = [first, *(label for label in ranked if label != first)]
        tests, verdict = test_pairs(order)
    pairs = rows(ranked, matrix, tests, verdict=verdict, sign=sign, seeded=seeded)
    decided = pairs[pairs["verdict"].isin(ABOVE | BELOW)]
    groups = letter_display.tiers(order, set(zip(decided["first"], decided["second"], strict=True)))
    detectable, needed = math.nan, math.nan
    if len(pairs):
        finite_differences = pairs["minimum_detectable_difference"].dropna()
        detectable = float(finite_differences.median()) if len(finite_differences) else math.nan
        gap, sd = float(pairs["difference"].iloc[0]), float(tests.sd[0])  # of the first two labels
        needed = max(pairwise_tests.repeats_needed(gap, sd, tests.pair_level), min_repeats)
    return Comparison(
        score=score,
        higher=higher,
        test=test,
        paired=paired,
        level=level,
        margin=margin,
        means={label: means[label] for label in order},
        n={label: counts[label] for label in order},
        pairs=pairs,
        tiers=groups,
        letters=letter_display.letters(order, groups),
        leaders=tuple(label for label in order if label in leaders),
        excluded={label: count for label, count in counts.items() if label not in used},
        min_repeats=min_repeats,
        minimum_detectable_difference=detectable,
        repeats_to_separate_top_two=needed,
        seeded=seeded,
        exact=tests.exact,
    )


def _labels_to_compare(counts: Mapping[str, int], min_repeats: int) -> list[str]:
    """Return the labels with at least `min_repeats` runs; if there are fewer than two, those with two runs."""
    enough = [label for label, count in counts.items() if count >= min_repeats]
    return enough if len(enough) > 1 else [label for label, count in counts.items() if count > 1]


def _leaders(order: Sequence[str], tests: PairTests, verdict: NDArray[np.str_]) -> list[str]:
    """Return the labels that no other is significantly better than.

    P(A > B) is not transitive. If every label has one that is better, the first of `order` is the only leader.
    """
    above, below = np.isin(verdict, list(ABOVE)), np.isin(verdict, list(BELOW))
    beaten = {*tests.first[below].tolist(), *tests.second[above].tolist()}
    return [label for column, label in enumerate(order) if column not in beaten] or list(order[:1])


def judge(tests: PairTests, *, margin: ArrayLike) -> NDArray[np.str_]:
    """Return the verdict on the first of each pair.

    - *tied*: the simultaneous interval of the shift lies inside ±margin. Equivalence takes precedence: a significant difference
      that is certainly within the margin is a tie.
    - *better*, *worse*: the adjusted p-value is at most 1 − level, and the means do not differ in the other direction. A pair
      with a run that diverged, stalled or failed has no mean.
    - *usually better, worse mean* and *usually worse, better mean*: the adjusted p-value is at most 1 − level, and the means
      differ in the other direction.
    - *undecided*: none of these, and every pair that shares fewer repeats than a verdict needs.

    Args:
        tests: The tested pairs.
        margin: Equivalence margin, for all pairs or for each; with 0 no pair is tied.
    """
    mean = np.where(tests.complete, tests.mean, np.nan)
    zero = ROUNDING * tests.sd
    better = np.where(mean < -zero, BETTER_WORSE_MEAN, BETTER)
    worse = np.where(mean > zero, WORSE_BETTER_MEAN, WORSE)
    verdict = np.where(tests.rejected, np.where(tests.above, better, worse), UNDECIDED)
    return np.asarray(np.where(tests.equivalent(margin), TIED, verdict))


def rows(
    order: Sequence[str],
    matrix: pairwise_tests.Array,
    tests: PairTests,
    *,
    verdict: NDArray[np.str_],
    sign: float,
    seeded: bool,
) -> pd.DataFrame:
    """Return a row per pair with the columns of `Comparison.pairs`.

    Args:
        order: The label of each column of `matrix`.
        matrix: Scores, higher is better, shape (repeats, optimizers).
        tests: The tests of the pairs.
        verdict: The verdict on the first of each pair.
        sign: 1 if a higher score is better in its own units, −1 if a lower one is. Differences are in these units.
        seeded: Whether a repeat has the same random numbers in every column.
    """

    def in_units(low: pairwise_tests.Array, high: pairwise_tests.Array) -> tuple[pairwise_tests.Array, ...]:
        return (low, high) if sign > 0 else (-high, -low)

    low, high = in_units(*tests.mean_interval())
    bounds = in_units(tests.shift_low, tests.shift_high)
    simultaneous_low, simultaneous_high = (np.where(tests.in_family, bound, np.nan) for bound in bounds)
    return pd.DataFrame(
        {
            "first": [order[column] for column in tests.first],
            "second": [order[column] for column in tests.second],
            "n": tests.n,
            "difference": sign * tests.mean,
            "low": low,
            "high": high,
            "shift": sign * tests.shift,
            "simultaneous_low": simultaneous_low,
            "simultaneous_high": simultaneous_high,
            "superiority": tests.superiority,
            "superiority_low": np.where(tests.in_family, tests.superiority_low, np.nan),
            "superiority_high": np.where(tests.in_family, tests.superiority_high, np.nan),
            "p": tests.p,
            "adjusted_p": tests.adjusted_p,
            "effect": sign * tests.effect,
            "minimum_detectable_difference": pairwise_tests.minimum_detectable_difference(
                tests.sd, tests.n, tests.pair_level
            ),
            "variance_reduction": pairwise_tests.variance_reduction(matrix, (tests.first, tests.second))
            if seeded
            else math.nan,
            "complete": tests.complete,
            "verdict": verdict.astype(object),
        }
    )
