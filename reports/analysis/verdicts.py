"""Scores of a study become verdicts: who is better than whom, tiers, and what so many repeats can tell."""

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
"""Of the flips, where there are too many to make them all; a report states it then."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A family of optimizers, every pair of which got a verdict.

    Attributes:
        score: What was compared.
        higher: Whether more of it is better.
        test: The name of the test (`comparison.TESTS`).
        level: Of the family: any false "better" or "worse" is given with probability 1 − level at most.
        margin: What counts as no difference.
        means: Mean score by label, the best first: the one with the best mean, unless another was found better than it by the
            repeats that both have. Labels with too few scores are in `left_out` instead.
        n: Scores by label.
        pairs: A row per pair, `first` before `second` in the order of `means`: `n`, `difference` (first − second), `low`
            and `high` (of the pair by itself), `simultaneous_low` and `simultaneous_high` (all pairs together), `p`, `adjusted_p`,
            `effect` (`comparison.effect_size`), `superiority` with `superiority_low` and `superiority_high` (how often
            first is the better one), `detectable` (`comparison.detectable`), `pairing_gain`, and `verdict` on first.
        tiers: Labels that cannot be told apart, the best tier first (`tiers.tiers`).
        letters: The same as a compact letter display.
        not_significantly_worse: The best and all that it was not found better than.
        left_out: Labels that are not compared, with how many scores each has: fewer than `fewest`, where two labels have so
            many, else fewer than two.
        fewest: So many repeats are needed before anything gets a verdict.
        detectable: The smallest true difference that this study finds with probability `comparison.POWER`: the median
            over the pairs.
        needed: Repeats that would tell the first two of `means` apart, if their true difference is the measured one.
        seeded: Whether a repeat means the same random numbers in every column.
        exact: Whether p comes from all flips and not from random ones.
        spread: How many times the largest standard deviation of the labels is the smallest; NaN where one does not vary.
        skewness: The sample skewness farthest from 0 of any label's scores (adjusted for n, G₁).
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
    left_out: dict[str, int]
    fewest: int
    detectable: float
    needed: float
    seeded: bool
    exact: bool
    spread: float
    skewness: float

    @property
    def has_verdicts(self) -> bool:
        """Whether any pair has the repeats that a verdict needs."""
        return bool((self.pairs["n"] >= self.fewest).any()) if len(self.pairs) else False

    def verdict(self, one: str, other: str) -> str:
        """The verdict on `one` against `other`."""
        row = self.pair(one, other)
        turned = {BETTER: WORSE, WORSE: BETTER}
        return str(row["verdict"]) if row["first"] == one else turned.get(str(row["verdict"]), str(row["verdict"]))

    def pair(self, one: str, other: str) -> pd.Series[Any]:
        """The row of a pair, named in either order."""
        pairs = self.pairs
        found = pairs[pairs["first"].isin([one, other]) & pairs["second"].isin([one, other])]
        if one == other or len(found) != 1:
            raise KeyError((one, other))
        return found.iloc[0]


def wide(scores: pd.DataFrame, score: str, labels: Sequence[str]) -> pd.DataFrame:
    """The scores with a row per repeat and a column per label; NaN where a trial did not end ok."""
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
    """Give every pair of columns a verdict.

    - *tied*: the interval of the difference, made for all pairs together, lies inside ±margin. Equivalence goes first: a
      difference that is certain and too small to count is a tie.
    - *better*, *worse*: the adjusted p is at most 1 − level.
    - *undecided*: neither; or the pair shares fewer than `fewest` repeats.

    Labels with fewer scores than `fewest` are left out where two labels have so many: the few repeats of one would hide what
    the others show, and a mean of two is easily the best.

    Args:
        table: A row per repeat, a column per label, NaN where there is no score.
        score: Its name.
        higher: Whether more is better.
        margin: What counts as no difference, in units of the score; 0 for nothing.
        test: Which test; `welch` where repeats share no seeds.
        level: Of the family.
        rng: For random flips; by default seeded with `SEED`.
        seeded: Whether a repeat means the same random numbers in every column; else nothing can be gained by pairing.
    """
    counts = table.notna().sum()
    used, fewest = _compared({str(label): int(counts[label]) for label in table.columns}, test, level)
    sign = 1.0 if higher else -1.0
    means = {label: float(table[label].mean()) for label in used}
    order = sorted(used, key=lambda label: -sign * means[label])

    def judged(order: Sequence[str]) -> tuple[pairwise_tests.Array, Differences, NDArray[np.str_]]:
        matrix, drawn = table[list(order)].to_numpy(dtype=np.float64), rng or np.random.default_rng(SEED)
        found = pairwise_tests.compare(matrix, drawn, test=test, level=level, fewest=fewest)
        return matrix, found, judge(found, higher=higher, margin=margin, level=level, fewest=fewest)

    matrix, found, verdict = judged(order)
    best = _unbeaten(order, found, verdict)
    if best != order[:1]:
        order = [*best, *(label for label in order if label not in best)]
        matrix, found, verdict = judged(order)
    pairs = rows(order, matrix, found, verdict=verdict, sign=sign, level=level, seeded=seeded)
    apart = pairs[pairs["verdict"].isin([BETTER, WORSE])]
    told = set(zip(apart["first"], apart["second"], strict=True))
    beaten = set(pairs.loc[(pairs["verdict"] == BETTER) & (pairs["first"] == order[0]), "second"]) if order else set()
    groups = letter_display.tiers(order, told)
    top = pairs.iloc[0] if len(pairs) else None  # the first two
    spread = float(found.sd[0]) if len(pairs) else math.nan
    return Comparison(
        score=score,
        higher=higher,
        test=test,
        level=level,
        margin=margin,
        means={label: means[label] for label in order},
        n={label: int(counts[label]) for label in order},
        pairs=pairs,
        tiers=groups,
        letters=letter_display.letters(order, groups),
        not_significantly_worse=tuple(label for label in order if label not in beaten),
        left_out={str(label): int(counts[label]) for label in table.columns if str(label) not in used},
        fewest=fewest,
        detectable=float(pairs["detectable"].median()) if len(pairs) else math.nan,
        needed=max(pairwise_tests.repeats_needed(float(top["difference"]), spread, found.joint), fewest)
        if top is not None
        else math.nan,
        seeded=seeded,
        exact=found.exact,
        spread=_spread(table[list(order)]),
        skewness=_skewness(table[list(order)]),
    )


def _spread(table: pd.DataFrame) -> float:
    sd = table.std()
    return float(sd.max() / sd.min()) if len(sd) and sd.min() > 0 else math.nan


def _skewness(table: pd.DataFrame) -> float:
    found = table.skew().dropna()
    return float(found.iloc[int(found.abs().argmax())]) if len(found) else math.nan


def _compared(counts: Mapping[str, int], test: Test, level: float) -> tuple[list[str], int]:
    """The labels with the scores that a verdict takes, as many as there can be, and how many scores that is.

    Without two such labels, all that have two scores.
    """
    some = [label for label, count in counts.items() if count > 1]
    fewest = pairwise_tests.fewest_of(test, [counts[label] for label in some], lambda k: math.comb(k, 2), level)
    enough = [label for label in some if counts[label] >= fewest]
    return (enough if len(enough) > 1 else some), fewest


def _unbeaten(order: Sequence[str], found: Differences, verdict: NDArray[np.str_]) -> list[str]:
    """The first that no other was found better than; the very first where each was beaten; none of none."""
    beaten = {order[at] for at in found.first[verdict == WORSE]} | {order[at] for at in found.second[verdict == BETTER]}
    return [label for label in order if label not in beaten][:1] or list(order[:1])


def judge(
    found: Differences,
    *,
    higher: bool | NDArray[np.bool_],
    margin: float | NDArray[np.float64],
    level: float,
    fewest: int,
) -> NDArray[np.str_]:
    """The verdict on the first of each pair; see `compare`. `higher` and `margin` hold for all, or are one for each."""
    low, high = found.simultaneous_interval()
    margin = np.asarray(margin)
    better = np.where(higher, found.mean > 0, found.mean < 0)
    verdict = np.where(found.adjusted <= 1 - level, np.where(better, BETTER, WORSE), UNDECIDED)
    verdict = np.where((low >= -margin) & (high <= margin) & (margin > 0), TIED, verdict)
    return np.where(found.n < fewest, UNDECIDED, verdict)


def rows(
    order: Sequence[str],
    matrix: pairwise_tests.Array,
    found: Differences,
    *,
    verdict: NDArray[np.str_],
    sign: float,
    level: float,
    seeded: bool,
) -> pd.DataFrame:
    """A row per pair, as `Comparison.pairs` has them.

    Args:
        order: The label of each column.
        matrix: A row per repeat.
        found: The differences of the pairs.
        verdict: On the first of each.
        sign: 1 where more is better, −1 where less is.
        level: Of the interval of a pair by itself.
        seeded: Whether a repeat means the same random numbers in every column.
    """
    low, high = found.interval(level)
    simultaneous_low, simultaneous_high = found.simultaneous_interval()
    often = [
        pairwise_tests.superiority(sign * matrix[:, one], sign * matrix[:, other], paired=found.paired, level=level)
        for one, other in zip(found.first, found.second, strict=True)
    ]
    share = np.array(often).reshape(-1, 3)
    return pd.DataFrame(
        {
            "first": [order[at] for at in found.first],
            "second": [order[at] for at in found.second],
            "n": found.n,
            "difference": found.mean,
            "low": low,
            "high": high,
            "simultaneous_low": simultaneous_low,
            "simultaneous_high": simultaneous_high,
            "p": found.p,
            "adjusted_p": found.adjusted,
            "effect": found.effect,
            "superiority": share[:, 0],
            "superiority_low": share[:, 1],
            "superiority_high": share[:, 2],
            "detectable": pairwise_tests.detectable(found.sd, found.n, found.joint),
            "pairing_gain": pairwise_tests.pairing_gain(matrix, (found.first, found.second)) if seeded else math.nan,
            "verdict": verdict.astype(object),
        }
    )
