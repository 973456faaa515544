"""The claims of a study, each with its measurements and a verdict.

A claim has one or more statements. A statement is measured on each part of a study that has its optimizers. Within one part a
single counterexample refutes it. A claim that is supported for one part or statement and refuted for another is mixed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.analysis import verdicts
from reports.analysis.claim_measurements import REFUTED, SUPPORTED, UNDECIDED, UNTESTED, Verdict, measure_statement
from reports.analysis.verdicts import TIED
from reports.statistics import pairwise_tests, step_down
from reports.statistics.intervals import LEVEL
from reports.statistics.step_down import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.analysis.claim_measurements import Measurement, PartResults
    from reports.frames.study_frames import Claim
    from reports.statistics.pairwise_tests import PairTests

MIXED: Verdict = "mixed"


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim with its measurements.

    Attributes:
        name: Its name in tables.
        claim: The claim.
        statements: The measurements of each statement, by its text; the text is empty if the claim has no other.
        stated: Whether it was recorded before the trials of its measurements; None if that is unknown.
    """

    name: str
    claim: Claim
    statements: Mapping[str, Sequence[Measurement]]
    stated: bool | None

    @property
    def measurements(self) -> list[Measurement]:
        """Return the measurements of all statements."""
        return [measurement for group in self.statements.values() for measurement in group]

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Return the verdict on each statement, by its text."""
        return {text: _over_parts(group) for text, group in self.statements.items()}

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on the claim."""
        return combine(self.verdicts.values())

    @property
    def repeats_needed(self) -> float:
        """Return the repeats that decide all undecided measurements of an undecided claim; else NaN."""
        needed = [m.repeats_needed for m in self.measurements if not np.isnan(m.repeats_needed)]
        return max(needed) if needed and self.verdict == UNDECIDED else np.nan


@dataclass(frozen=True, slots=True)
class Findings:
    """All claims, in the order of the file.

    Attributes:
        claims: The claims.
        tests: Size of the family of all measurements except those with `reverses`.
        pairs: Size of the families of statements with `reverses`.
        level: Confidence level of each family.
    """

    claims: tuple[Finding, ...]
    tests: int
    pairs: int
    level: float


def evaluate_claims(claims: Sequence[Claim], parts: Sequence[PartResults], level: float = LEVEL) -> Findings:
    """Return a verdict on every claim from the results of these parts.

    The tests of all statements are one family, except those with `reverses`. Each of these has a family of its own, with all
    its pairs on all problems. Each family is adjusted for multiplicity (`_judge`).
    """
    groups = [measure_statement(statement, parts) for claim in claims for statement in claim.statements]
    plain = [group for group in groups if not group[0].statement.reverses]
    judged, tests = _judge([measurement for group in plain for measurement in group], level)
    remaining, pairs, findings, every_group = iter(judged), 0, [], iter(groups)
    for number, claim in enumerate(claims, 1):
        statements = {}
        for position, statement in enumerate(claim.statements, 1):
            group = next(every_group)
            if statement.reverses:
                group, size = _judge(group, level)
                group, pairs = _reversal(group), pairs + size
            else:
                group = [next(remaining) for _ in group]
            statements[(statement.text or f"statement {position}") if claim.statement else ""] = group
        tested = [m for group in statements.values() for m in group if m.verdict != UNTESTED]
        stated = {measurement.part.is_stated_before(claim, measurement.labels) for measurement in tested}
        known = None if None in stated or not stated else all(stated)
        findings.append(Finding(claim.name(number), claim, statements, known))
    return Findings(tuple(findings), tests, pairs, level)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return one verdict from several.

    Supported if all are; mixed if one supports and another refutes; refuted if some refute and none supports; not tested if
    none is; undecided if some support and others are undecided or not tested.
    """
    distinct = set(verdicts)
    if distinct <= {UNTESTED}:
        return UNTESTED
    if MIXED in distinct or {SUPPORTED, REFUTED} <= distinct:
        return MIXED
    if REFUTED in distinct:
        return REFUTED
    return SUPPORTED if distinct == {SUPPORTED} else UNDECIDED


def _over_parts(measurements: Iterable[Measurement]) -> Verdict:
    """Return the verdict on a statement from the tested measurements; within each part one counterexample refutes it."""
    by_part: dict[str, set[Verdict]] = {}
    for measurement in measurements:
        if measurement.verdict != UNTESTED:
            by_part.setdefault(measurement.part_name, set()).add(measurement.verdict)
    return combine(REFUTED if REFUTED in in_part else combine(in_part) for in_part in by_part.values())


def _judge(measurements: Sequence[Measurement], level: float) -> tuple[list[Measurement], int]:
    """Return the measurements with their verdicts, tested as one family, and the size of the family.

    Pairs with few repeats have few permutations. Beside pairs with many repeats they could never be significant. So parts with
    different numbers of repeats are groups: the tests are step-down within a group, and Bonferroni's adjustment combines G
    groups. Each has the level 1 − (1 − `level`)/G, and adjusted p-values are multiplied by G. A group with too few repeats for
    a verdict does not count.

    A measurement with too few repeats is undecided and not in the family.
    """
    groups: dict[int, list[Measurement]] = {}
    for measurement in measurements:
        if measurement.first is not None and measurement.verdict != UNTESTED:
            groups.setdefault(measurement.part.study.repeats, []).append(measurement)
    num_groups = max(sum(repeats >= step_down.min_repeats_for_verdict(level) for repeats in groups), 1)
    judged: dict[int, Measurement] = {}
    size = 0
    for tested in groups.values():
        matrix = pd.concat([column for m in tested for column in (m.first, m.second)], axis=1).sort_index()
        first, rng = np.arange(0, matrix.shape[1], 2), np.random.default_rng(verdicts.SEED)
        tests = pairwise_tests.compare(
            matrix.to_numpy(dtype=np.float64),
            rng,
            paired=not tested[0].part.frames.imported,
            level=1 - (1 - level) / num_groups,
            columns=(first, first + 1),
        )
        equivalent = tests.equivalent([m.margin for m in tested])
        tests = replace(tests, adjusted_p=np.minimum(tests.adjusted_p * num_groups, 1))
        judged |= {
            id(m): _judged(m, tests, i, _verdict(m, tests, i, bool(equivalent[i]))) for i, m in enumerate(tested)
        }
        size += int(tests.in_family.sum())
    return [judged.get(id(m), m) for m in measurements], size


def _verdict(measurement: Measurement, tests: PairTests, i: int, equivalent: bool) -> Verdict:
    """Return the verdict on a statement; *tied* if it is about a ranking and the pair is equivalent within the margin.

    That one optimizer is better is refuted by equivalence within the margin, and by a significant difference in the other
    direction. The margin is that of the score, or of the statement.
    """
    statement, low, high = measurement.statement, tests.shift_low[i], tests.shift_high[i]
    inside, outside = measurement.margin * (1 - ROUNDING), measurement.margin * (1 + ROUNDING)
    if not tests.in_family[i]:
        return UNDECIDED
    if measurement.is_equivalence:
        return SUPPORTED if equivalent else REFUTED if low > outside or high < -outside else UNDECIDED
    if statement.not_worse:
        return SUPPORTED if low > -inside else REFUTED if high < -outside else UNDECIDED
    if equivalent:
        return TIED if statement.reverses else REFUTED  # type: ignore[return-value]
    return UNDECIDED if not tests.rejected[i] else SUPPORTED if tests.above[i] else REFUTED


def _judged(measurement: Measurement, tests: PairTests, i: int, verdict: Verdict) -> Measurement:
    """Return a measurement with the results of its test."""
    margin, is_equivalence = measurement.margin, measurement.is_equivalence

    def towards_claim(shift: float) -> float:
        return margin - abs(shift) if is_equivalence else shift + (margin if measurement.statement.not_worse else 0)

    shift, low, high = (float(values[i]) for values in (tests.shift, tests.shift_low, tests.shift_high))
    values: dict[str, Any] = {"n": int(tests.n[i]), "effect": measurement.in_units(shift), "verdict": verdict}
    if not tests.in_family[i]:
        return replace(measurement, repeats_needed=float(step_down.min_repeats_for_verdict(tests.level)), **values)
    if verdict == UNDECIDED:
        mean = float(tests.mean[i]) if tests.complete[i] else np.nan
        sd = float(tests.sd[i])
        needed = pairwise_tests.repeats_needed(towards_claim(mean), sd, tests.pair_level)
        values["repeats_needed"] = needed if needed > tests.n[i] else np.nan
    if not is_equivalence:
        names = ("superiority", "superiority_low", "superiority_high")
        values |= {name.replace("superiority", "probability"): float(getattr(tests, name)[i]) for name in names}
    values["low"], values["high"] = sorted(map(measurement.in_units, (low, high)))
    values["clarity"] = towards_claim(shift) / max((high - low) / 2, 1e-300)
    return replace(measurement, adjusted_p=float(tests.adjusted_p[i]), **values)


def _reversal(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return the two measurements of the pair whose ranking reverses most clearly between two problems, with one verdict.

    Supported if the first of a pair is better on one problem and worse on another, by the same metric; refuted if every pair
    is decided and none reverses. A pair that is equivalent within the margin is neither better nor worse.
    """
    groups: dict[tuple[str, ...], list[Measurement]] = {}
    for measurement in measurements:
        if measurement.verdict != UNTESTED:
            groups.setdefault((*measurement.labels, measurement.metric), []).append(measurement)
    several = [group for group in groups.values() if len({m.part.study.problem for m in group}) > 1]
    if not several:
        return [replace(measurements[0], verdict=UNTESTED, reason="it requires results on two problems", n=0)]

    opposed = [
        (better, worse)
        for better, worse in (pair for group in several for pair in permutations(group, 2))
        if better.part.study.problem != worse.part.study.problem
    ]
    reversed_ = [pair for pair in opposed if [m.verdict for m in pair] == [SUPPORTED, REFUTED]]
    is_decided = all(m.verdict != UNDECIDED for group in several for m in group)
    verdict = SUPPORTED if reversed_ else REFUTED if is_decided else UNDECIDED
    best, worst = max(reversed_ or opposed, key=lambda pair: min(pair[0].clarity, -pair[1].clarity))
    return [replace(best, verdict=verdict), replace(worst, verdict=verdict)]


def rows(finding: Finding) -> list[dict[str, Any]]:
    """Return a row per measurement of a claim, for CSV and JSON."""
    hidden = {"statement", "part", "labels", "metric", "first", "second", "margin", "sign", "ratio", "clarity"}
    return [
        {
            "statement": text,
            "part": measurement.part_name,
            **{name: getattr(measurement, name) for name in measurement.__slots__ if name not in hidden},
            "ratio": measurement.ratio > 0,
        }
        for text, group in finding.statements.items()
        for measurement in group
    ]
