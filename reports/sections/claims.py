"""Make the sections on claims: a table of verdicts, a figure of all probabilities, and all measurements."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from reports.analysis import claims
from reports.analysis.claim_measurements import REFUTED, SUPPORTED, UNDECIDED, UNTESTED
from reports.analysis.claims import MIXED
from reports.sections import FigureSpec, Section
from reports.text import conclusions, notes, tables
from reports.text.tables import Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reports.analysis.claim_measurements import Measurement
    from reports.analysis.claims import Finding, Findings
    from reports.figures.style import Style

STATED = {True: "stated before its trials", False: "stated after its first trial", None: ""}
_NUMBERS = (Column("Effect"), Column("P(as claimed)"), Column("n", rank=2), Column("Adjusted p", rank=2))
_REMARKS = (
    (
        "P(as claimed): probability that a run of the first optimizer is better than a run of the second. Effect: median "
        "of all differences between a run of the first and a run of the second. × marks the median of ratios. A run that "
        "diverged, stalled or failed is worse than all others. Adjusted p: of the test that this probability is 50%. "
        "Statements of equivalence, or of not being worse, are judged by the interval of the effect instead. Numbers on "
        "test functions are deterministic, so they have no interval and n = 1."
    ),
    (
        "A statement that an optimizer is better is refuted by a significant difference in the other direction. It is "
        "also refuted if the two optimizers are equivalent within the margin of the score. Equivalence is refuted if the "
        "interval lies outside the margin. One counterexample refutes the statement on that problem. Mixed: supported for "
        "one statement or problem, refuted for another."
    ),
)


def sections(findings: Findings) -> tuple[Section, Section]:
    """Return the section of verdicts, and the section with the measurements of each claim."""

    def draw(_: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures.claims import forest_plot, shown_measurements

        if shown := shown_measurements(findings):
            caption = (
                "Points: probability that a run of the first optimizer is better than a run of the second, as the statement "
                f"claims. Bars: simultaneous {findings.level:.0%} confidence intervals. At 50% neither is usually better. "
                "Circle: supported. Square: refuted. Ring: undecided. A claim about a reversed order has two points, one on "
                "each side of 50%. Statements of equivalence are in the table only."
            )
            yield FigureSpec(forest_plot(shown), "claims", caption, f"Forest plot: the tests of {len(shown)} claims.")

    data = pd.DataFrame([{"claim": f.name, **row} for f in findings.claims for row in claims.rows(f)])
    paragraphs, table = tuple(map(paragraph, findings.claims)), measurements_table(findings)
    return (
        Section("claims", "Claims", (answer(findings),), (claims_table(findings),), draw),
        Section("claims-one-by-one", "Remarks and measurements", paragraphs, (table,), data={"claims": data}),
    )


def answer(findings: Findings) -> str:
    """Return how many claims have which verdict."""
    names = {
        verdict: [finding.name for finding in findings.claims if finding.verdict == verdict]
        for verdict in (SUPPORTED, REFUTED, MIXED, UNDECIDED, UNTESTED)
    }
    counts = [f"{len(group)} {verdict} ({', '.join(group)})" for verdict, group in names.items() if group]
    return f"Verdicts on {notes.counted(len(findings.claims), 'claim')}: {'; '.join(counts)}."


def claims_table(findings: Findings) -> Table:
    """Return the table of claims: a row each, with the measurement that decided it."""
    texts = (("Claim", 0), ("Statement", 1), ("Source", 3), ("Measurement", 2))
    columns = (*(Column(title, "left", rank) for title, rank in texts), *_NUMBERS)
    columns += (Column("Supports / refutes / undecided"), Column("Stated", "left", 2), Column("Verdict", "left"))
    rows = []
    for finding in findings.claims:
        best, stated = deciding(finding), STATED[finding.stated].removeprefix("stated ")
        counts = [sum(m.verdict == each for m in finding.measurements) for each in (SUPPORTED, REFUTED, UNDECIDED)]
        words = (finding.name, finding.claim.text, finding.claim.source, f"{best.what} ({best.part_name})")
        decided = finding.verdict in {SUPPORTED, REFUTED, MIXED}
        cells = [*map(_text, words), *_numbers(best), Cell(" / ".join(map(str, counts)), float(sum(counts)))]
        rows.append((*cells, _text(stated), Cell(_verdict(finding), finding.verdict, best=decided)))
    separate = (
        f"Claims about reversed orders have their own families ({findings.pairs} tests). " if findings.pairs else ""
    )
    others = "other " * bool(separate)
    family = (
        f"{separate}All {others}claims form one family ({findings.tests} tests). The family-wise error rate is "
        f"{1 - findings.level:.0%}, and intervals are simultaneous within a family. Parts with the same number of repeats form "
        "a group. Within a group the test is step-down. Bonferroni's correction combines the groups. An infinite bound means "
        f"that the repeats are too few for a family of this size. {conclusions.STEP_DOWN_BOUNDS}"
    )
    shown = (
        "Each row shows one measurement. A refuted or mixed claim shows its clearest counterexample. An undecided claim shows "
        "the measurement furthest from a verdict. A supported claim shows its weakest support."
    )
    return Table("claims", "Claims and verdicts", columns, tuple(rows), (family, shown, *_REMARKS))


def measurements_table(findings: Findings) -> Table:
    """Return the table of all measurements."""
    texts = (("Claim", 0), ("Statement", 2), ("Part", 0), ("Measurement", 1))
    columns = (*(Column(title, "left", rank) for title, rank in texts), *_NUMBERS)
    rows = []
    for finding in findings.claims:
        for statement, m in ((statement, m) for statement, group in finding.statements.items() for m in group):
            verdict = f"{m.verdict}: {m.reason}" if m.reason else m.verdict
            needed = Cell(_repeats(m.repeats_needed), m.repeats_needed)
            decided = Cell(verdict, m.verdict, best=m.verdict in {SUPPORTED, REFUTED})
            rows.append((*map(_text, (finding.name, statement, m.part_name, m.what)), *_numbers(m), decided, needed))
    columns += (Column("Verdict", "left"), Column("Repeats for 80% power", rank=3))
    return Table("claims-measured", "All measurements", columns, tuple(rows), _REMARKS[:1])


def _text(text: str) -> Cell:
    return Cell(text or tables.NO_VALUE, text)


def _numbers(m: Measurement) -> tuple[Cell, Cell, Cell, Cell]:
    """Return the cells of effect, probability, number of repeats and adjusted p."""
    chance = f"{m.probability:.0%} [{m.probability_low:.0%}, {m.probability_high:.0%}]"
    return (
        Cell(effect(m), m.effect),
        Cell(chance if math.isfinite(m.probability) else tables.NO_VALUE, m.probability),
        Cell(str(m.n) if m.n else tables.NO_VALUE, float(m.n)),
        Cell(conclusions.p_value(m.adjusted_p), m.adjusted_p),
    )


def deciding(finding: Finding) -> Measurement:
    """Return the measurement that decides a verdict.

    For a refuted or mixed claim it is the clearest counterexample, for a supported claim the weakest support, and for an
    undecided claim the measurement that is furthest from a verdict.
    """
    against = [m for m in finding.measurements if m.verdict == REFUTED]
    if finding.verdict in {REFUTED, MIXED} and against:
        return max(against, key=lambda m: (not m.expected, abs(m.clarity)))
    verdict = UNDECIDED if finding.verdict == UNDECIDED else SUPPORTED
    tested = [m for m in finding.measurements if m.verdict != UNTESTED] or finding.measurements
    matching = [m for m in tested if m.verdict == verdict] or tested
    return min(matching, key=lambda m: (bool(m.expected), abs(m.clarity)))


def effect(m: Measurement) -> str:
    """Return an effect with its interval; for a number without a test the number and what was claimed of it."""
    if math.isnan(m.effect):
        return tables.NO_VALUE
    if m.expected:
        number = f"{m.effect:.4g}".replace("-", "−") if math.isfinite(m.effect) else "∞"
        return f"{number} (claimed: {m.expected})"
    digits = notes.decimals([(m.high - m.low) / 2], fallback=3)
    rounded = [0.0 if abs(value) < 0.5 * 10**-digits else value for value in (m.effect, m.low, m.high)]  # no "−0.000"
    value, low, high = (notes.bound(value, digits) for value in rounded)
    return f"{'×' if m.ratio else ''}{value}{'' if math.isnan(m.low) else f' [{low}, {high}]'}"


def paragraph(finding: Finding) -> str:
    """Return a claim with its source and note, the verdicts on its statements, and its counterexamples."""
    claim, stated = finding.claim, STATED[finding.stated]
    sentences = [f"{finding.name}. {claim.text}", f"Source: {claim.source}." if claim.source else "", claim.note]
    sentences += [f"Verdict: {_verdict(finding)}.", f"The claim was {stated}." if stated else ""]
    for text, group in finding.statements.items():
        sentences += [f"Statement “{text}”: {finding.verdicts[text]}."] if text else []
        reasons = dict.fromkeys(f"{m.part_name}: {m.reason}" for m in group if m.reason)
        sentences += [f"Not tested on {'; '.join(reasons)}."] if reasons else []
        against = list(dict.fromkeys(m.labels[-1] for m in group if m.verdict == REFUTED))
        if against and len({m.labels for m in group}) > 1:
            sentences.append(f"Counterexamples: {'only ' if len(against) == 1 else ''}{notes.join_labels(against)}.")
    return " ".join(filter(None, sentences))


def _verdict(finding: Finding) -> str:
    """Return the verdict, with the repeats that an undecided claim needs."""
    needed = _repeats(finding.repeats_needed)
    return finding.verdict if needed == tables.NO_VALUE else f"{finding.verdict} (n ≈ {needed} needed)"


def _repeats(needed: float) -> str:
    if math.isnan(needed):
        return tables.NO_VALUE
    return f"{needed:,.0f}" if math.isfinite(needed) else "not feasible"
