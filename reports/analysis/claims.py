"""Claims of the source documents, each with what was measured of it and a verdict.

A claim has one or more halves; a half is measured on each part of a study that has what it takes. Of one part a half says
something about every measurement: one counterexample refutes it there. Over parts, and over halves, a claim that holds here
and fails there holds *partly*. What is measured is in `reports.analysis.claim_measurements`; here measurements become verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from reports.analysis import claim_measurements, verdicts
from reports.analysis.verdicts import BETTER, TIED, UNDECIDED, WORSE
from reports.statistics import pairwise_tests
from reports.statistics.intervals import LEVEL, t_interval
from reports.statistics.pairwise_tests import MIN_REPEATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.analysis.claim_measurements import ClaimTest, DeterministicCheck, PartResults
    from reports.statistics.pairwise_tests import Differences

Verdict = Literal["supported", "refuted", "mixed", "undecided", "not measured here"]
SUPPORTED: Verdict = "supported"
REFUTED: Verdict = "refuted"
MIXED: Verdict = "mixed"
OPEN: Verdict = "undecided"
UNMEASURED: Verdict = "not measured here"

RANKS_DIFFER = "8"
"""The claim about pairs over problems, which has a family of its own."""

MIN_PROBLEMS = 2


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed, and where: P the paper, B a blog page, N a note, L lecture notes, D the course."""

    key: str
    text: str
    source: str
    how: str


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "1",
        "Momentum lowers the training loss faster than mini-batch gradient descent.",
        "P 3.4, L, D",
        "training loss after the last epoch, same learning rate",
    ),
    Claim(
        "2",
        "NAG is faster than momentum.",
        "P 3.5",
        "training loss after the last epoch, same learning rate; NAG by the true rule",
    ),
    Claim(
        "2, as printed",
        "NAG by the rule that the paper prints is faster than momentum.",
        "P 3.5.1",
        "training loss after the last epoch, same learning rate",
    ),
    Claim(
        "3",
        "AdaGrad ends below the fastest of the SGD family.",
        "P 4.1",
        "training loss after the last epoch, same learning rate, against each of the family",
    ),
    Claim(
        "4",
        "Batches of 2 train about 65 times slower than batches of 256, and are far behind after one epoch.",
        "P 3.2",
        f"examples/s of this device, which say nothing of the paper's; 65 counts as met within a factor of "
        f"{claim_measurements.ABOUT:g}; test accuracy after the first epoch of both, lower by any amount (of 30,000 and 235 "
        "updates in the paper)",
    ),
    Claim(
        "5",
        "AdaGrad's step shrinks until it stalls; RMSProp and AdaDelta do not stall.",
        "P 4.1-4.3, L, D",
        "steps on a constant gradient; on networks the loss of the updates in the last quarter of a run over that in the "
        f"quarter before: stalled within ±{claim_measurements.STILL:.0%}",
    ),
    Claim(
        "6",
        "AdaDelta needs no learning rate.",
        "P 4.3, L, D",
        "its score with the learning rate 1 against others, and with other ε, within the margin",
    ),
    Claim(
        "7",
        "Adam outperforms the other adaptive methods.",
        "P 4.4",
        "training loss after the last epoch and the score against each of them, same learning rate (AdaDelta's is 1)",
    ),
    Claim(
        RANKS_DIFFER,
        "Optimizers rank differently on different data sets and networks.",
        "P, abstract",
        "a pair that is better on one problem and worse on another, adjusted for all pairs on all problems",
    ),
    Claim(
        "9",
        "With γ = 0.9 a constant gradient is stepped 10 times as far, an alternating one is damped to 1/(1+γ).",
        "L",
        "last steps on a constant gradient; on the valley at momentum's bound of stability, where the gradient alternates",
    ),
    Claim(
        "10",
        "On the valley gradient descent with η = 0.6 diverges and momentum with the same η does not.",
        "D",
        "whether f ends above its start; and whether each setting does as the bounds of stability say",
    ),
    Claim(
        "A",
        "At η = 0.4 RMSProp comes nearer to the valley's minimum than AdaGrad.",
        "D",
        f"f after {claim_measurements.STEPS} steps",
    ),
    Claim(
        "B",
        "AdaGrad gets to the valley's minimum with η = 2.",
        "D",
        f"f after {claim_measurements.STEPS} steps, below {claim_measurements.THERE:.0%} of its start",
    ),
    Claim(
        "C",
        "NAdam gains over Adam as NAG does over momentum.",
        "P 4.6",
        "training loss after the last epoch, same learning rate; NAdam by the true rule",
    ),
    Claim(
        "C, as printed",
        "NAdam by the rule that the paper prints gains over Adam.",
        "P 4.6.1",
        "training loss after the last epoch, same learning rate",
    ),
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One thing that was measured of a claim.

    Attributes:
        claim: The claim's key.
        half: Which half of the claim, in words; empty where it is one piece.
        part: Where.
        what: What the effect is of.
        n: Repeats; 1 where nothing varies.
        effect: The mean over repeats; of a ratio the geometric mean; where nothing varies, the number.
        low: Its interval, made for all of the family together; NaN where nothing varies.
        high: See `low`.
        p: Of this measurement by itself; NaN where nothing varies.
        adjusted: Adjusted for the family.
        verdict: On this half of the claim, here.
        needed: Repeats that would decide it, where it is undecided; else NaN.
        size: The effect in standard deviations of the differences, towards the claim above 0, with its interval `size_low`,
            `size_high`; where no difference is claimed, how far it lies inside the margin. NaN where nothing varies.
        size_low: See `size`.
        size_high: See `size`.
        ratio: Whether the effect is a ratio.
        exact: Whether nothing varies; `wanted` says what the claim says then.
        wanted: See `exact`.
        tied: Whether the difference lies within the margin.
    """

    claim: str
    sub_claim: str
    part: str
    what: str
    n: int
    effect: float
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    adjusted: float = np.nan
    verdict: Verdict = OPEN
    repeats_needed: float = np.nan
    size: float = np.nan
    size_low: float = np.nan
    size_high: float = np.nan
    ratio: bool = False
    exact: bool = False
    expected: str = ""
    tied: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim, its measurements, its verdict, and the repeats that an undecided one needs (NaN where nobody knows)."""

    claim: Claim
    measurements: tuple[Measurement, ...]
    verdict: Verdict
    repeats_needed: float

    @property
    def sub_claims(self) -> dict[str, Verdict]:
        """The verdict on each half."""
        told: dict[str, list[Measurement]] = {}
        for each in self.measurements:
            told.setdefault(each.sub_claim, []).append(each)
        return {half: _over_parts(group) for half, group in told.items()}


@dataclass(frozen=True, slots=True)
class Findings:
    """All claims, the sizes of the two families, the level of each, and the measurements behind the misprints' paragraph."""

    claims: tuple[Finding, ...]
    tests: int
    pairs: int
    problems: int
    level: float
    misprints: tuple[Measurement, ...]


def evaluate_claims(evidence: Sequence[PartResults], level: float = LEVEL) -> Findings:
    """Give every claim a verdict from what these parts have measured.

    The measurements of all claims but the eighth are one family, adjusted together; all pairs of optimizers on all problems,
    from which the eighth is judged, are another. What cannot vary from repeat to repeat (a path on a surface) is told as it is.
    """
    asked, exact = claim_measurements.asked(evidence), claim_measurements.exact(evidence)
    judged = [*judge_measurements(asked, level), *map(_as_measurement, exact)]
    eighth, pairs, problems = _ranks_differ(evidence, level)
    found = []
    for claim in CLAIMS:
        if claim.key == RANKS_DIFFER:
            found.append(eighth)
            continue
        own = tuple(each for each in judged if each.claim == claim.key)
        found.append(_finding(claim, own))
    known = {claim.key for claim in CLAIMS}
    misprints = tuple(each for each in judged if each.claim not in known)
    return Findings(tuple(found), sum(_counts(each) for each in asked), pairs, problems, level, misprints)


def judge_measurements(asked: Sequence[ClaimTest], level: float = LEVEL) -> list[Measurement]:
    """Measurements with verdicts, adjusted for all of them.

    One with fewer than `FEWEST` repeats is undecided, and not of the family: its few flips would hide all others.
    """
    many = [each for each in asked if _counts(each)]
    found: dict[int, Measurement] = {id(each): _too_few(each, level) for each in asked if not _counts(each)}
    if many:
        table = pd.concat([each.by_repeat for each in many], axis=1).sort_index()
        own = pairwise_tests.family(table.to_numpy(dtype=np.float64), np.random.default_rng(verdicts.SEED), level=level)
        margins = np.array([each.margin for each in many])
        told = verdicts.judge(own, higher=True, margin=margins, level=level, min_repeats=MIN_REPEATS)
        low, high = own.simultaneous_interval()
        for at, each in enumerate(many):
            verdict = _verdict(each, str(told[at]), float(low[at]), float(high[at]))
            found[id(each)] = replace(_measurement(each, own, at, verdict), tied=told[at] == TIED)
    return [found[id(each)] for each in asked]


def combine(verdicts_: Iterable[Verdict]) -> Verdict:
    """One verdict from several: supported where all are, partly where one supports and another refutes.

    What some refute and none supports is refuted; what some support and the others leave open is open.
    """
    told = set(verdicts_)
    if not told:
        return UNMEASURED
    if MIXED in told or {SUPPORTED, REFUTED} <= told:
        return MIXED
    if REFUTED in told:
        return REFUTED
    return SUPPORTED if told == {SUPPORTED} else OPEN


def _over_parts(measurements: Sequence[Measurement]) -> Verdict:
    """The verdict on a half: on each part one counterexample refutes it."""
    by_part: dict[str, set[Verdict]] = {}
    for each in measurements:
        by_part.setdefault(each.part, set()).add(each.verdict)
    return combine(
        REFUTED if REFUTED in told else SUPPORTED if told == {SUPPORTED} else OPEN for told in by_part.values()
    )


def _finding(claim: Claim, measurements: tuple[Measurement, ...]) -> Finding:
    draft = Finding(claim, measurements, UNMEASURED, np.nan)
    verdict = combine(draft.sub_claims.values())
    needs = [each.repeats_needed for each in measurements if each.verdict == OPEN and not np.isnan(each.repeats_needed)]
    return Finding(claim, measurements, verdict, max(needs) if needs and verdict == OPEN else np.nan)


def _counts(asked: ClaimTest) -> bool:
    """Whether a measurement has the repeats that a verdict needs."""
    return int(asked.by_repeat.notna().sum()) >= MIN_REPEATS


def _verdict(asked: ClaimTest, told: str, low: float, high: float) -> Verdict:
    """What a house verdict on the mean (better: above 0) says of the claim."""
    if asked.direction == "near":  # no difference that counts
        if told == TIED:
            return SUPPORTED
        outside = low > asked.margin or high < -asked.margin
        return REFUTED if told in {BETTER, WORSE} and outside else OPEN
    if asked.direction == "not below":  # not worse by more than the margin
        return SUPPORTED if low >= -asked.margin else REFUTED if high < -asked.margin else OPEN
    if told == UNDECIDED:
        return OPEN
    return SUPPORTED if told == {"above": BETTER, "below": WORSE}[asked.direction] else REFUTED


def _measurement(asked: ClaimTest, found: Differences, at: int, verdict: Verdict) -> Measurement:
    low, high = (float(ends[at]) for ends in found.simultaneous_interval())
    mean, sd = float(found.mean[at]), float(found.sd[at])
    gap, *ends = _towards(asked, mean, low, high)
    size, size_low, size_high = (each / sd if sd > 0 else np.nan for each in (gap, *ends))
    needed = pairwise_tests.repeats_needed(gap, sd, found.simultaneous_level) if verdict == OPEN else np.nan
    return Measurement(
        claim=asked.claim,
        sub_claim=asked.sub_claim,
        part=asked.part,
        what=asked.what,
        n=int(found.n[at]),
        effect=asked.to_display_scale(mean),
        low=asked.to_display_scale(low),
        high=asked.to_display_scale(high),
        p=float(found.p[at]),
        adjusted=float(found.adjusted[at]),
        verdict=verdict,
        repeats_needed=needed,
        size=size,
        size_low=size_low,
        size_high=size_high,
        ratio=asked.ratio > 0,
    )


def _towards(asked: ClaimTest, mean: float, low: float, high: float) -> tuple[float, float, float]:
    """How far an effect lies on the claim's side, with the ends of its interval; below 0 it lies on the other."""
    if asked.direction == "below":
        return -mean, -high, -low
    if asked.direction == "near":  # from the margin inwards
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        return asked.margin - abs(mean), asked.margin - max(abs(low), abs(high)), asked.margin - nearest
    shift = asked.margin if asked.direction == "not below" else 0.0
    return mean + shift, low + shift, high + shift


def _too_few(asked: ClaimTest, level: float) -> Measurement:
    """A measurement without the repeats that a verdict needs: undecided, with its own interval."""
    own = t_interval(asked.by_repeat.dropna().to_numpy(dtype=np.float64), level)
    ends = (asked.to_display_scale(own.mean), asked.to_display_scale(own.low), asked.to_display_scale(own.high))
    return Measurement(
        asked.claim,
        asked.sub_claim,
        asked.part,
        asked.what,
        own.n,
        *ends,
        repeats_needed=float(MIN_REPEATS),
        ratio=asked.ratio > 0,
    )


def _as_measurement(exact: DeterministicCheck) -> Measurement:
    return Measurement(
        exact.claim,
        exact.sub_claim,
        exact.part,
        exact.what,
        1,
        exact.value,
        verdict=SUPPORTED if exact.agrees else REFUTED,
        exact=True,
        expected=exact.expected,
    )


def _ranks_differ(evidence: Sequence[PartResults], level: float) -> tuple[Finding, int, int]:
    """Claim 8: supported by one pair that is better here and worse there; refuted where every pair is decided and alike."""
    claim = next(each for each in CLAIMS if each.key == RANKS_DIFFER)
    problems = [each for each in evidence if each.is_network]
    pairs = claim_measurements.pairs(problems) if len({each.problem for each in problems}) >= MIN_PROBLEMS else []
    judged = judge_measurements(pairs, level)
    alike: dict[str, list[Measurement]] = {}
    for each in judged:
        alike.setdefault(each.sub_claim, []).append(each)
    if all(len(group) < MIN_PROBLEMS for group in alike.values()):
        return Finding(claim, (), UNMEASURED, np.nan), 0, 0
    best = max(alike.values(), key=lambda group: _contrast(group, decided=True))
    if _contrast(best, decided=True) > -np.inf:
        verdict: Verdict = SUPPORTED
    elif all(each.verdict != OPEN for each in judged):
        verdict = REFUTED
    else:
        verdict = OPEN
        best = max(alike.values(), key=lambda group: _contrast(group, decided=False))
    needs = [each.repeats_needed for each in _two(best) if not np.isnan(each.repeats_needed)]
    high, low = _two(best)
    turned = replace(
        low, size=-low.size, size_low=-low.size_high, size_high=-low.size_low
    )  # it speaks for the claim, too
    shown = (_told_of_pair(high, verdict), _told_of_pair(turned, verdict))
    needed = max(needs) if needs and verdict == OPEN else np.nan
    return Finding(claim, shown, verdict, needed), sum(map(_counts, pairs)), len({each.part for each in judged})


def _told_of_pair(measured: Measurement, verdict: Verdict) -> Measurement:
    """The measurement of a pair on one problem, as what it says of the whole claim."""
    return replace(
        measured, sub_claim="", verdict=verdict, repeats_needed=measured.repeats_needed if verdict == OPEN else np.nan
    )


def _two(group: Sequence[Measurement]) -> tuple[Measurement, Measurement]:
    """The two problems on which a pair differs most: where its first is best, and where it is worst.

    Where it was found better on some, and worse on others, two of those; a tie is neither.
    """
    known = sorted(group, key=lambda each: (np.nan_to_num(each.size, nan=0.0), each.part))
    better = [each for each in known if each.verdict == SUPPORTED]
    worse = [each for each in known if each.verdict == REFUTED and not each.tied]
    return (better[-1], worse[0]) if better and worse else (known[-1], known[0])


def _contrast(group: Sequence[Measurement], *, decided: bool) -> float:
    """How sure it is that a pair changes sides: the smaller of its two sizes; minus infinity if it does not.

    Decided, it has to be better on one problem and worse on another: a tie is neither.
    """
    high, low = _two(group)
    changes = high.verdict == SUPPORTED and low.verdict == REFUTED and not low.tied
    if not (high.size > 0 > low.size) or (decided and not changes):
        return -np.inf
    return float(min(high.size, -low.size))


def rows(findings: Findings) -> pd.DataFrame:
    """Every measurement as a row, for CSV and scripts; a claim without one has a row of its own."""
    told: list[Mapping[str, object]] = []
    for finding in findings.claims:
        about = {
            "claim": finding.claim.key,
            "text": finding.claim.text,
            "source": finding.claim.source,
            "claim_verdict": finding.verdict,
            "claim_repeats_needed": finding.repeats_needed,
        }
        told += [about | _row(each) for each in finding.measurements] or [about]
    return pd.DataFrame(told)


def _row(each: Measurement) -> dict[str, object]:
    return {name: getattr(each, name) for name in each.__slots__ if name != "claim" and not name.startswith("size")}
