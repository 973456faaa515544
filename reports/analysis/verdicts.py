"""Verdicts on all pairs of optimizers, tiers, and the power of a study."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.statistics import letter_display, pairwise_tests
from reports.statistics.intervals import LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from reports.statistics.pairwise_tests import Differences, Test

BETTER, WORSE, TIED, UNDECIDED = "better", "worse", "tied", "undecided"

SEED = 0
"""The seed of the sign patterns if there are too many to enumerate; a report then states it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A family of optimizers with a verdict on every pair.

    Attributes:
        score: The metric that is compared.
        higher: Whether a higher score is better.
        test: The test, one of `pairwise_tests.TESTS`.
        level: Confidence level of the family: any false "better" or "worse" has probability 1 − level at most.
        margin: Equivalence margin, in units of the score.
        means: Mean score by label, the best first. First is the label with the best mean, unless another label is
            significantly better than it on their shared repeats. `excluded` has the labels with too few scores.
        n: Number of scores by label.
        pairs: A row per pair, `first` before `second` in the order of `means`: `n`, `difference` (first − second), `low`
            and `high` (t interval of the pair), `simultaneous_low` and `simultaneous_high`, `p`, `adjusted_p`, `effect`
            (`pairwise_tests.effect_size`), `superiority` with `superiority_low` and `superiority_high` (probability that
            `first` is better), `minimum_detectable_difference`, `variance_reduction`, and `verdict` on `first`.
        tiers: Sets of labels that do not differ significantly, the best first (`letter_display.tiers`).
        letters: The tiers as a compact letter display.
        not_significantly_worse: The best label and all labels that are not significantly worse than it.
        excluded: Number of scores of each label that is not compared. If two labels have `min_repeats` scores, labels with
            fewer are excluded, else labels with fewer than two.
        min_repeats: The number of shared repeats that a verdict needs.
        minimum_detectable_difference: Median over the pairs of the true difference that is detected with probability
            `pairwise_tests.POWER`.
        repeats_to_separate_top_two: Number of repeats that detects the measured difference of the first two of `means`.
        seeded: Whether a repeat has the same random numbers in every column.
        exact: Whether p-values use all sign patterns.
        sd_ratio: Largest standard deviation of a label divided by the smallest; NaN if one is 0.
        skewness: Sample skewness (adjusted for n, G₁) of the label for which it is farthest from 0.
    """

    score: str
    higher: bool
    test: Test
    level: float
    margin: float
    means: dict[str, float]
    n: dict[str, int]
    pairs: pd.DataFrame
    tiers: list[list[str]]
    letters: dict[str, str]
    not_significantly_worse: tuple[str, ...]
    excluded: dict[str, int]
    min_repeats: int
    minimum_detectable_difference: float
    repeats_to_separate_top_two: float
    seeded: bool
    exact: bool
    sd_ratio: float
    skewness: float

    @property
    def has_verdicts(self) -> bool:
        """Return whether any pair has the repeats that a verdict needs."""
        return bool((self.pairs["n"] >= self.min_repeats).any()) if len(self.pairs) else False

    def verdict(self, label: str, other: str) -> str:
        """Return the verdict on `label` compared with `other`."""
        row = self.pair(label, other)
        opposite = {BETTER: WORSE, WORSE: BETTER}
        verdict = str(row["verdict"])
        return verdict if row["first"] == label else opposite.get(verdict, verdict)

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
    """Return the scores with a row per repeat and a column per label; NaN if a trial did not end ok."""
    table = scores.pivot_table(index="repeat", columns="label", values=score, aggfunc="last", dropna=False)
    return table.reindex(columns=list(labels)).astype("float64")


def compare(
    table: pd.DataFrame,
    *,
    score: str,
    higher: bool,
    margin: float,
    test: Test = "max-t",
    level: float = LEVEL,
    rng: np.random.Generator | None = None,
    seeded: bool = True,
) -> Comparison:
    """Return a verdict on every pair of columns.

    - *tied*: the simultaneous interval of the difference lies within ±margin. Equivalence takes precedence: a significant
      difference that is certainly within the margin is a tie.
    - *better*, *worse*: the adjusted p-value is at most 1 − level.
    - *undecided*: neither, or the pair shares fewer repeats than a verdict needs.

    If two labels have the scores that a verdict needs, labels with fewer are excluded: their few repeats would reduce the
    power for all pairs, and a mean of two scores is easily the best.

    Args:
        table: A row per repeat, a column per label, NaN if there is no score.
        score: The name of the score.
        higher: Whether a higher score is better.
        margin: Equivalence margin, in units of the score; with 0 no pair is tied.
        test: One of `pairwise_tests.TESTS`; `welch` if repeats share no seeds.
        level: Confidence level of the family.
        rng: Draws random sign patterns; by default seeded with `SEED`.
        seeded: Whether a repeat has the same random numbers in every column; otherwise there is no variance reduction.
    """
    counts = {str(label): int(count) for label, count in table.notna().sum().items()}
    min_repeats = pairwise_tests.min_repeats_for_verdict(level)
    used = _labels_to_compare(counts, min_repeats)
    sign = 1.0 if higher else -1.0
    means = {label: float(table[label].mean()) for label in used}
    order = sorted(used, key=lambda label: -sign * means[label])

    def test_pairs(order: Sequence[str]) -> tuple[pairwise_tests.Array, Differences, NDArray[np.str_]]:
        matrix, generator = table[list(order)].to_numpy(dtype=np.float64), rng or np.random.default_rng(SEED)
        differences = pairwise_tests.compare(matrix, generator, test=test, level=level, min_repeats=min_repeats)
        verdict = judge(differences, higher=higher, margin=margin, level=level, min_repeats=min_repeats)
        return matrix, differences, verdict

    matrix, differences, verdict = test_pairs(order)
    best = _unbeaten(order, differences, verdict)
    if best != order[:1]:
        order = [*best, *(label for label in order if label not in best)]
        matrix, differences, verdict = test_pairs(order)
    pairs = rows(order, matrix, differences, verdict=verdict, sign=sign, level=level, seeded=seeded)
    decided = pairs[pairs["verdict"].isin([BETTER, WORSE])]
    groups = letter_display.tiers(order, set(zip(decided["first"], decided["second"], strict=True)))
    worse_than_best = set(decided.loc[(decided["verdict"] == BETTER) & decided["first"].isin(order[:1]), "second"])
    detectable, needed = math.nan, math.nan
    if len(pairs):
        detectable = float(pairs["minimum_detectable_difference"].median())
        gap, sd = float(pairs["difference"].iloc[0]), float(differences.sd[0])  # of the first two labels
        needed = max(pairwise_tests.repeats_needed(gap, sd, differences.simultaneous_level), min_repeats)
    return Comparison(
        score=score,
        higher=higher,
        test=test,
        level=level,
        margin=margin,
        means={label: means[label] for label in order},
        n={label: counts[label] for label in order},
        pairs=pairs,
        tiers=groups,
        letters=letter_display.letters(order, groups),
        not_significantly_worse=tuple(label for label in order if label not in worse_than_best),
        excluded={label: count for label, count in counts.items() if label not in used},
        min_repeats=min_repeats,
        minimum_detectable_difference=detectable,
        repeats_to_separate_top_two=needed,
        seeded=seeded,
        exact=differences.exact,
        sd_ratio=_sd_ratio(table[order]),
        skewness=_skewness(table[order]),
    )


def _sd_ratio(table: pd.DataFrame) -> float:
    sd = table.std()
    return float(sd.max() / sd.min()) if len(sd) and sd.min() > 0 else math.nan


def _skewness(table: pd.DataFrame) -> float:
    values = table.skew().dropna()
    return float(values.iloc[int(values.abs().argmax())]) if len(values) else math.nan


def _labels_to_compare(counts: Mapping[str, int], min_repeats: int) -> list[str]:
    """Return the labels with at least `min_repeats` scores; if there are fewer than two, those with two scores."""
    enough = [label for label, count in counts.items() if count >= min_repeats]
    return enough if len(enough) > 1 else [label for label, count in counts.items() if count > 1]


def _unbeaten(order: Sequence[str], differences: Differences, verdict: NDArray[np.str_]) -> list[str]:
    """Return, as a list, the first label that no other is better than; the very first if there is none."""
    worse = {*differences.first[verdict == WORSE], *differences.second[verdict == BETTER]}
    return [label for column, label in enumerate(order) if column not in worse][:1] or list(order[:1])


def judge(
    differences: Differences,
    *,
    higher: bool | NDArray[np.bool_],
    margin: float | NDArray[np.float64],
    level: float,
    min_repeats: int,
) -> NDArray[np.str_]:
    """Return the verdict on the first of each pair; see `compare`.

    Args:
        differences: The tested pairs.
        higher: Whether a higher score is better, for all pairs or for each.
        margin: Equivalence margin, for all pairs or for each.
        level: Confidence level of the family.
        min_repeats: The number of repeats that a verdict needs.
    """
    low, high = differences.simultaneous_interval()
    margin = np.asarray(margin)
    better = np.where(higher, differences.mean > 0, differences.mean < 0)
    verdict = np.where(differences.adjusted <= 1 - level, np.where(better, BETTER, WORSE), UNDECIDED)
    verdict = np.where((low >= -margin) & (high <= margin) & (margin > 0), TIED, verdict)
    return np.where(differences.n < min_repeats, UNDECIDED, verdict)


def rows(
    order: Sequence[str],
    matrix: pairwise_tests.Array,
    differences: Differences,
    *,
    verdict: NDArray[np.str_],
    sign: float,
    level: float,
    seeded: bool,
) -> pd.DataFrame:
    """Return a row per pair with the columns of `Comparison.pairs`.

    Args:
        order: The label of each column of `matrix`.
        matrix: Scores, shape (repeats, optimizers).
        differences: The differences of the pairs.
        verdict: The verdict on the first of each pair.
        sign: 1 if a higher score is better, −1 if a lower one is.
        level: Confidence level of the t interval of each pair.
        seeded: Whether a repeat has the same random numbers in every column.
    """
    low, high = differences.interval(level)
    simultaneous_low, simultaneous_high = differences.simultaneous_interval()
    columns = differences.first, differences.second
    superiority = np.array(
        [
            pairwise_tests.superiority(
                sign * matrix[:, first], sign * matrix[:, second], paired=differences.paired, level=level
            )
            for first, second in zip(*columns, strict=True)
        ]
    ).reshape(-1, 3)
    return pd.DataFrame(
        {
            "first": [order[column] for column in differences.first],
            "second": [order[column] for column in differences.second],
            "n": differences.n,
            "difference": differences.mean,
            "low": low,
            "high": high,
            "simultaneous_low": simultaneous_low,
            "simultaneous_high": simultaneous_high,
            "p": differences.p,
            "adjusted_p": differences.adjusted,
            "effect": differences.effect,
            "superiority": superiority[:, 0],
            "superiority_low": superiority[:, 1],
            "superiority_high": superiority[:, 2],
            "minimum_detectable_difference": pairwise_tests.minimum_detectable_difference(
                differences.sd, differences.n, differences.simultaneous_level
            ),
            "variance_reduction": pairwise_tests.variance_reduction(matrix, columns) if seeded else math.nan,
            "verdict": verdict.astype(object),
        }
    )
