"""The claims of the source documents, each with its measurements and a verdict.

A claim has one or more sub-claims. A sub-claim is measured on each part of a study that has the optimizers for it. Within one
part a single counterexample refutes it. A claim that is supported for one part or sub-claim and refuted for another is mixed.
`reports.analysis.claim_measurements` takes the measurements; this module turns them into verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from reports.analysis import claim_measurements, verdicts
from reports.analysis.verdicts import BETTER, TIED, WORSE
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
UNDECIDED: Verdict = "undecided"
UNMEASURED: Verdict = "not measured here"

RANKS_DIFFER = "8"
"""The claim about pairs of optimizers on several problems, which is a family of its own."""

MIN_PROBLEMS = 2


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim, its sections in the sources (P, L and D, see `docs/sources.md`), and how it is measured."""

    key: str
    text: str
    source: str
    how: str


_LOSS = "training loss after the last epoch, same learning rate"

CLAIMS: tuple[Claim, ...] = (
    Claim("1", "Momentum lowers the training loss faster than mini-batch gradient descent.", "P 3.4, L, D", _LOSS),
    Claim("2", "NAG is faster than momentum.", "P 3.5", f"{_LOSS}; NAG by the corrected rule"),
    Claim("2, as printed", "NAG by the published (misprinted) rule is faster than momentum.", "P 3.5.1", _LOSS),
    Claim(
        "3",
        "AdaGrad ends below the fastest of the SGD family.",
        "P 4.1",
        f"{_LOSS}, compared with each of the family",
    ),
    Claim(
        "4",
        "Batches of 2 train about 65 times slower than batches of 256, and are far behind after one epoch.",
        "P 3.2",
        f"examples/s of this device, not of the paper's; 65 counts as met within a factor of {claim_measurements.ABOUT:g}; "
        "test accuracy after the first epoch of both, lower by any amount (30,000 and 235 updates in the paper)",
    ),
    Claim(
        "5",
        "AdaGrad's step shrinks until it stalls; RMSProp and AdaDelta do not stall.",
        "P 4.1-4.3, L, D",
        "steps on a constant gradient; on networks the ratio of the training losses in the last quarter of a run and in the "
        f"quarter before: stalled within ±{claim_measurements.STILL:.0%}",
    ),
    Claim(
        "6",
        "AdaDelta needs no learning rate.",
        "P 4.3, L, D",
        "its score with the learning rate 1 and with others, and with other ε, within the equivalence margin",
    ),
    Claim(
        "7",
        "Adam outperforms the other adaptive methods.",
        "P 4.4",
        "training loss after the last epoch and the score, compared with each of them, same learning rate (AdaDelta's is 1)",
    ),
    Claim(
        RANKS_DIFFER,
        "Optimizers rank differently on different data sets and networks.",
        "P, abstract",
        "a pair that is better on one problem and worse on another, adjusted for all pairs on all problems",
    ),
    Claim(
        "9",
        "With γ = 0.9 steps grow 10-fold along a constant gradient and shrink to 1/(1+γ) along an alternating one.",
        "L",
        "last steps on a constant gradient, and on the valley at momentum's stability bound, where the gradient alternates",
    ),
    Claim(
        "10",
        "On the valley gradient descent with η = 0.6 diverges and momentum with the same η does not.",
        "D",
        "whether f ends above its initial value, and whether each setting agrees with the stability bounds",
    ),
    Claim(
        "A",
        "On the valley with η = 0.4 RMSProp ends nearer to the minimum than AdaGrad.",
        "D",
        f"f after {claim_measurements.STEPS} steps",
    ),
    Claim(
        "B",
        "On the valley AdaGrad reaches the minimum with η = 2.",
        "D",
        f"f after {claim_measurements.STEPS} steps, below {claim_measurements.THERE:.0%} of its initial value",
    ),
    Claim("C", "NAdam gains over Adam as NAG does over momentum.", "P 4.6", f"{_LOSS}; NAdam by the corrected rule"),
    Claim("C, as printed", "NAdam by the published (misprinted) rule gains over Adam.", "P 4.6.1", _LOSS),
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement of a claim.

    Attributes:
        claim: The key of the claim.
        sub_claim: The sub-claim in words; empty if the claim has only one.
        part: The name of the part of the study.
        what: The quantity that is measured.
        n: Number of repeats; 1 if the measurement is deterministic.
        effect: Mean over repeats; for a ratio the geometric mean; the number itself if it is deterministic.
        low: Lower bound of the simultaneous interval of the family; NaN if deterministic.
        high: Upper bound.
        p: Unadjusted p-value; NaN if deterministic.
        adjusted: p-value adjusted for the family.
        verdict: The verdict on this sub-claim from this measurement alone.
        repeats_needed: Number of repeats that would decide an undecided measurement; else NaN.
        size: The effect in standard deviations of the differences, positive if it supports the claim. For a claim of no
            difference, its distance to the equivalence margin, positive inside. NaN if deterministic.
        size_low: Lower bound of `size`.
        size_high: Upper bound.
        ratio: Whether the effect is a ratio.
        exact: Whether the measurement is deterministic.
        expected: The value that the claim gives for a deterministic measurement.
        tied: Whether the difference lies within the equivalence margin.
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
    verdict: Verdict = UNDECIDED
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
    """A claim with its measurements and verdict; `repeats_needed` would decide an undecided claim (NaN if unknown)."""

    claim: Claim
    measurements: tuple[Measurement, ...]
    verdict: Verdict
    repeats_needed: float

    @property
    def sub_claims(self) -> dict[str, Verdict]:
        """Return the verdict on each sub-claim."""
        return {name: _over_parts(group) for name, group in _by_sub_claim(self.measurements).items()}


@dataclass(frozen=True, slots=True)
class Findings:
    """All claims.

    Attributes:
        claims: The claims in the order of `CLAIMS`.
        tests: Size of the family of all measurements except those of claim `RANKS_DIFFER`.
        pairs: Size of the family of that claim.
        problems: Number of problems with a pair of that family.
        level: Confidence level of each family.
        misprints: The measurements of the paragraph on misprints.
    """

    claims: tuple[Finding, ...]
    tests: int
    pairs: int
    problems: int
    level: float
    misprints: tuple[Measurement, ...]


def evaluate_claims(evidence: Sequence[PartResults], level: float = LEVEL) -> Findings:
    """Return a verdict on every claim from the results of these parts.

    The measurements of all claims but `RANKS_DIFFER` are one family; its pairs of optimizers on all problems are another.
    Each family is adjusted for multiplicity. Deterministic measurements need no test.
    """
    tests = claim_measurements.claim_tests(evidence)
    measurements = [
        *judge_measurements(tests, level),
        *map(_from_check, claim_measurements.deterministic_checks(evidence)),
    ]
    ranks_differ, pairs, problems = _ranks_differ(evidence, level)
    findings = tuple(
        ranks_differ
        if claim.key == RANKS_DIFFER
        else _finding(claim, tuple(measurement for measurement in measurements if measurement.claim == claim.key))
        for claim in CLAIMS
    )
    keys = {claim.key for claim in CLAIMS}
    misprints = tuple(measurement for measurement in measurements if measurement.claim not in keys)
    return Findings(findings, sum(map(_has_min_repeats, tests)), pairs, problems, level, misprints)


def judge_measurements(tests: Sequence[ClaimTest], level: float = LEVEL) -> list[Measurement]:
    """Return a measurement with a verdict for each test, adjusted for all tests with enough repeats.

    A test with fewer than `MIN_REPEATS` repeats is undecided and excluded from the family, because its few sign patterns
    would reduce the power for all others.
    """
    family = [test for test in tests if _has_min_repeats(test)]
    judged = iter(_judge_family(family, level) if family else ())
    return [next(judged) if _has_min_repeats(test) else _too_few(test, level) for test in tests]


def _judge_family(tests: Sequence[ClaimTest], level: float) -> list[Measurement]:
    table = pd.concat([test.by_repeat for test in tests], axis=1).sort_index().to_numpy(dtype=np.float64)
    differences = pairwise_tests.family(table, np.random.default_rng(verdicts.SEED), level=level)
    margins = np.array([test.margin for test in tests])
    directions = verdicts.judge(differences, higher=True, margin=margins, level=level, min_repeats=MIN_REPEATS)
    low, high = differences.simultaneous_interval()
    measurements = []
    for i, test in enumerate(tests):
        verdict = _verdict(test, str(directions[i]), float(low[i]), float(high[i]))
        measurements.append(replace(_measurement(test, differences, i, verdict), tied=directions[i] == TIED))
    return measurements


def combine(verdicts_: Iterable[Verdict]) -> Verdict:
    """Return one verdict from several.

    Supported if all are; mixed if one supports and another refutes; refuted if some refute and none supports; undecided if some
    support and the others are undecided.
    """
    distinct = set(verdicts_)
    if not distinct:
        return UNMEASURED
    if MIXED in distinct or {SUPPORTED, REFUTED} <= distinct:
        return MIXED
    if REFUTED in distinct:
        return REFUTED
    return SUPPORTED if distinct == {SUPPORTED} else UNDECIDED


def _by_sub_claim(measurements: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    groups: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        groups.setdefault(measurement.sub_claim, []).append(measurement)
    return groups


def _over_parts(measurements: Sequence[Measurement]) -> Verdict:
    """Return the verdict on a sub-claim; within each part one counterexample refutes it."""
    by_part: dict[str, set[Verdict]] = {}
    for measurement in measurements:
        by_part.setdefault(measurement.part, set()).add(measurement.verdict)
    return combine(REFUTED if REFUTED in in_part else combine(in_part) for in_part in by_part.values())


def _finding(claim: Claim, measurements: tuple[Measurement, ...]) -> Finding:
    verdict = combine(Finding(claim, measurements, UNMEASURED, np.nan).sub_claims.values())
    return Finding(claim, measurements, verdict, _repeats_needed(measurements, verdict))


def _repeats_needed(measurements: Iterable[Measurement], verdict: Verdict) -> float:
    """Return the repeats that decide all undecided measurements of an undecided claim; else NaN."""
    needed = [measurement.repeats_needed for measurement in measurements if measurement.verdict == UNDECIDED]
    needed = [number for number in needed if not np.isnan(number)]
    return max(needed) if needed and verdict == UNDECIDED else np.nan


def _has_min_repeats(test: ClaimTest) -> bool:
    return int(test.by_repeat.notna().sum()) >= MIN_REPEATS


def _verdict(test: ClaimTest, direction: str, low: float, high: float) -> Verdict:
    """Return the verdict on the claim; `direction` is the verdict on the mean, better meaning above 0."""
    if test.direction == "near":  # equivalence
        if direction == TIED:
            return SUPPORTED
        outside = low > test.margin or high < -test.margin
        return REFUTED if direction in {BETTER, WORSE} and outside else UNDECIDED
    if test.direction == "not below":  # non-inferiority
        return SUPPORTED if low >= -test.margin else REFUTED if high < -test.margin else UNDECIDED
    if direction == verdicts.UNDECIDED:
        return UNDECIDED
    return SUPPORTED if direction == {"above": BETTER, "below": WORSE}[test.direction] else REFUTED


def _measurement(test: ClaimTest, differences: Differences, i: int, verdict: Verdict) -> Measurement:
    low, high = (float(bounds[i]) for bounds in differences.simultaneous_interval())
    mean, sd = float(differences.mean[i]), float(differences.sd[i])
    supporting, *bounds = _towards_claim(test, mean, low, high)
    size, size_low, size_high = (value / sd if sd > 0 else np.nan for value in (supporting, *bounds))
    needed = np.nan
    if verdict == UNDECIDED:
        needed = pairwise_tests.repeats_needed(supporting, sd, differences.simultaneous_level)
    return Measurement(
        claim=test.claim,
        sub_claim=test.sub_claim,
        part=test.part,
        what=test.what,
        n=int(differences.n[i]),
        effect=test.to_display_scale(mean),
        low=test.to_display_scale(low),
        high=test.to_display_scale(high),
        p=float(differences.p[i]),
        adjusted=float(differences.adjusted[i]),
        verdict=verdict,
        repeats_needed=needed,
        size=size,
        size_low=size_low,
        size_high=size_high,
        ratio=test.ratio > 0,
    )


def _towards_claim(test: ClaimTest, mean: float, low: float, high: float) -> tuple[float, float, float]:
    """Return an effect and its bounds such that positive values support the claim."""
    if test.direction == "below":
        return -mean, -high, -low
    if test.direction == "near":  # distance to the margin, positive inside
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        return test.margin - abs(mean), test.margin - max(abs(low), abs(high)), test.margin - nearest
    shift = test.margin if test.direction == "not below" else 0.0
    return mean + shift, low + shift, high + shift


def _too_few(test: ClaimTest, level: float) -> Measurement:
    """Return an undecided measurement with its own t interval, for a test with fewer than `MIN_REPEATS` repeats."""
    interval = t_interval(test.by_repeat.dropna().to_numpy(dtype=np.float64), level)
    effect, low, high = map(test.to_display_scale, (interval.mean, interval.low, interval.high))
    measured = (test.claim, test.sub_claim, test.part, test.what, interval.n, effect, low, high)
    return Measurement(*measured, repeats_needed=float(MIN_REPEATS), ratio=test.ratio > 0)


def _from_check(check: DeterministicCheck) -> Measurement:
    measured, verdict = (
        (check.claim, check.sub_claim, check.part, check.what, 1, check.value),
        SUPPORTED if check.agrees else REFUTED,
    )
    return Measurement(*measured, verdict=verdict, exact=True, expected=check.expected)


def _ranks_differ(evidence: Sequence[PartResults], level: float) -> tuple[Finding, int, int]:
    """Return the finding on claim `RANKS_DIFFER`, the size of its family, and the number of its problems.

    Supported if a pair is better on one problem and worse on another; refuted if every pair is decided and none changes sides.
    """
    claim = next(claim for claim in CLAIMS if claim.key == RANKS_DIFFER)
    problems = [part for part in evidence if part.is_network]
    pairs = claim_measurements.pairs(problems) if len({part.problem for part in problems}) >= MIN_PROBLEMS else []
    judged = judge_measurements(pairs, level)
    by_pair = _by_sub_claim(judged).values()
    if all(len(group) < MIN_PROBLEMS for group in by_pair):
        return Finding(claim, (), UNMEASURED, np.nan), 0, 0
    best = max(by_pair, key=lambda group: _contrast(group, decided=True))
    if _contrast(best, decided=True) > -np.inf:
        verdict: Verdict = SUPPORTED
    elif all(measurement.verdict != UNDECIDED for measurement in judged):
        verdict = REFUTED
    else:
        verdict = UNDECIDED
        best = max(by_pair, key=lambda group: _contrast(group, decided=False))
    high, low = _extremes(best)
    reversed_ = replace(low, size=-low.size, size_low=-low.size_high, size_high=-low.size_low)  # supports the claim too
    if verdict != UNDECIDED:
        high, reversed_ = (replace(measurement, repeats_needed=np.nan) for measurement in (high, reversed_))
    shown = tuple(replace(measurement, sub_claim="", verdict=verdict) for measurement in (high, reversed_))
    finding = Finding(claim, shown, verdict, _repeats_needed(shown, verdict))
    return finding, sum(map(_has_min_repeats, pairs)), len({measurement.part for measurement in judged})


def _extremes(group: Sequence[Measurement]) -> tuple[Measurement, Measurement]:
    """Return the two problems on which a pair differs most: where its first is best, and where it is worst.

    If it is significantly better on some problems and worse on others, they are chosen from those. A tie is neither.
    """
    ordered = sorted(group, key=lambda measurement: (np.nan_to_num(measurement.size, nan=0.0), measurement.part))
    better = [measurement for measurement in ordered if measurement.verdict == SUPPORTED]
    worse = [measurement for measurement in ordered if measurement.verdict == REFUTED and not measurement.tied]
    return (better[-1], worse[0]) if better and worse else (ordered[-1], ordered[0])


def _contrast(group: Sequence[Measurement], *, decided: bool) -> float:
    """Return the smaller of the two sizes with which a pair changes sides; −∞ if it does not.

    With `decided`, the pair must be significantly better on one problem and worse on another; a tie is neither.
    """
    high, low = _extremes(group)
    changes = high.verdict == SUPPORTED and low.verdict == REFUTED and not low.tied
    if not (high.size > 0 > low.size) or (decided and not changes):
        return -np.inf
    return float(min(high.size, -low.size))


def rows(findings: Findings) -> pd.DataFrame:
    """Return a row per measurement, for CSV and scripts; a claim without measurements has one row."""
    table: list[Mapping[str, object]] = []
    for finding in findings.claims:
        claim = {
            "claim": finding.claim.key,
            "text": finding.claim.text,
            "source": finding.claim.source,
            "claim_verdict": finding.verdict,
            "claim_repeats_needed": finding.repeats_needed,
        }
        table += [claim | _row(measurement) for measurement in finding.measurements] or [claim]
    return pd.DataFrame(table)


def _row(measurement: Measurement) -> dict[str, object]:
    names = [name for name in measurement.__slots__ if name != "claim" and not name.startswith("size")]
    return {name: getattr(measurement, name) for name in names}
