"""Make the sections on claims: a table of verdicts, a figure of all effects, and each claim with its measurements."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.analysis import claims
from reports.analysis.claims import MIXED, REFUTED, SUPPORTED, UNDECIDED, UNMEASURED
from reports.frames.study_frames import load_reference
from reports.sections import FigureSpec, Section
from reports.statistics.pairwise_tests import MIN_REPEATS
from reports.text import conclusions, notes, tables
from reports.text.tables import Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.analysis.claims import Finding, Findings, Measurement, Verdict
    from reports.figures.style import Style

_MAX_NAMED = 3
"""A paragraph names this many measurements with the same verdict, and counts the others."""


def sections(findings: Findings) -> tuple[Section, Section]:
    """Return the section of verdicts, and the section with the measurements of each claim."""

    def draw(_: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures.claims import forest_plot

        shown = [any(math.isfinite(m.size) for m in finding.measurements) for finding in findings.claims]
        if any(shown):
            caption = (
                "Every measurement that varies between repeats: effect in standard deviations of its paired differences, "
                f"with its simultaneous {findings.level:.0%} confidence interval. Positive values support the claim; for "
                "claims of no difference, 0 is the equivalence margin. Circle: supported. Square: refuted. Ring: "
                "undecided. Beyond ±1 the axis is logarithmic."
            )
            alt = f"Forest plot: the effects behind {sum(shown)} claims."
            yield FigureSpec(forest_plot(findings), "claims", caption, alt)

    paragraphs = (*(paragraph(finding) for finding in findings.claims), misprints(findings))
    return (
        Section("claims", "Claims", (answer(findings),), (claims_table(findings),), draw),
        Section(
            "claims-one-by-one",
            "Measurements of each claim",
            tuple(text for text in paragraphs if text),
            (measurements_table(findings),),
            data={"claims": claims.rows(findings)},
        ),
    )


def answer(findings: Findings) -> str:
    """Return how many of the ten claims have which verdict."""
    counts = []
    for verdict in (SUPPORTED, REFUTED, MIXED, UNDECIDED, UNMEASURED):
        keys = [f.claim.key for f in findings.claims if f.verdict == verdict and f.claim.key.isdigit()]
        if keys:
            counts.append(f"{len(keys)} {verdict} ({', '.join(keys)})")
    return f"Verdicts on the ten claims of the source documents: {'; '.join(counts)}."


def claims_table(findings: Findings) -> Table:
    """Return the table of claims: a row each, with the measurement that decided it."""
    columns = (
        Column("Claim", "left"),
        Column("Statement", "left", rank=1),
        Column("Source", "left", rank=3),
        Column("Measurement", "left", rank=2),
        Column("Effect"),
        Column("n"),
        Column("Supports / refutes / undecided"),
        Column("Verdict", "left"),
    )
    rows = []
    for finding in findings.claims:
        claim, best = finding.claim, deciding(finding)
        counts = [
            sum(m.verdict == verdict for m in finding.measurements) for verdict in (SUPPORTED, REFUTED, UNDECIDED)
        ]
        if best:
            cells = [
                Cell(f"{best.what} ({best.part})", best.what),
                Cell(effect(best), best.effect),
                Cell(str(best.n), float(best.n)),
                Cell(" / ".join(map(str, counts)), float(len(finding.measurements))),
            ]
        else:
            cells = [Cell(tables.NO_VALUE, value) for value in ("", math.nan, math.nan, 0.0)]
        decided = finding.verdict in {SUPPORTED, REFUTED, MIXED}
        rows.append(
            (
                Cell(claim.key, claim.key),
                Cell(claim.text, claim.text),
                Cell(claim.source, claim.source),
                *cells,
                Cell(format_verdict(finding), finding.verdict, best=decided),
            )
        )
    return Table("claims", "Claims and verdicts", columns, tuple(rows), _remarks(findings))


def measurements_table(findings: Findings) -> Table:
    """Return the table of all measurements."""
    columns = (
        Column("Claim", "left"),
        Column("Sub-claim", "left", rank=2),
        Column("Part", "left"),
        Column("Measurement", "left", rank=1),
        Column("Effect"),
        Column("Adjusted p", rank=2),
        Column("n", rank=2),
        Column("Verdict", "left"),
        Column("Repeats needed", rank=3),
    )
    rows = [
        (
            Cell(m.claim, m.claim),
            Cell(m.sub_claim, m.sub_claim),
            Cell(m.part, m.part),
            Cell(m.what, m.what),
            Cell(effect(m), m.effect),
            Cell(conclusions.p_value(m.adjusted), m.adjusted),
            Cell(str(m.n), float(m.n)),
            Cell(m.verdict, m.verdict, best=m.verdict != UNDECIDED),
            Cell(_repeats(m.repeats_needed), m.repeats_needed),
        )
        for finding in findings.claims
        for m in finding.measurements
    ]
    return Table("claims-measured", "All measurements", columns, tuple(rows), _remarks(findings)[:3])


def deciding(finding: Finding) -> Measurement | None:
    """Return the measurement that decides a verdict.

    For a refuted or mixed claim it is the clearest counterexample, for a supported claim the weakest support, and for an
    undecided claim the measurement that is furthest from a verdict.
    """
    if not finding.measurements:
        return None
    against = [m for m in finding.measurements if m.verdict == REFUTED]
    if finding.verdict in {REFUTED, MIXED} and against:
        return max(against, key=lambda m: (not m.exact, _strength(m)))
    verdict = UNDECIDED if finding.verdict == UNDECIDED else SUPPORTED
    matching = [m for m in finding.measurements if m.verdict == verdict] or list(finding.measurements)
    return min(matching, key=lambda m: (m.exact, _strength(m)))


def effect(measurement: Measurement) -> str:
    """Return an effect with its interval; for a deterministic measurement the number and what was claimed of it."""
    m = measurement
    if m.exact:
        text = _plain(m.effect)
        return f"{text} (claimed: {m.expected})" if m.expected else text
    digits = notes.decimals([(m.high - m.low) / 2], fallback=3)
    bounds = f"[{notes.number(m.low, digits)}, {notes.number(m.high, digits)}]" if math.isfinite(m.low) else ""
    return f"{'×' if m.ratio else ''}{notes.number(m.effect, digits)} {bounds}".strip()


def format_verdict(finding: Finding) -> str:
    """Return the verdict, with the repeats that an undecided claim needs."""
    needed = _repeats(finding.repeats_needed)
    return f"{finding.verdict} (n ≈ {needed} needed)" if needed != tables.NO_VALUE else str(finding.verdict)


def paragraph(finding: Finding) -> str:
    """Return a claim with its source, verdict and measurements, by sub-claim."""
    claim = finding.claim
    head = f"{claim.key}. {claim.text} Source: {claim.source}. Verdict: {format_verdict(finding)}."
    if finding.verdict == UNMEASURED:
        return f"{head} Required measurement: {claim.how}."
    sentences = [head, f"Measured: {claim.how}."]
    for sub_claim, verdict in finding.sub_claims.items():
        measurements = [m for m in finding.measurements if m.sub_claim == sub_claim]
        if sub_claim:
            sentences.append(f"Sub-claim “{sub_claim}”: {verdict}.")
        sentences += [_with_verdict(measurements, each) for each in (SUPPORTED, REFUTED, UNDECIDED)]
    return " ".join(" ".join(sentences).split())


def misprints(findings: Findings) -> str:
    """Return what two misprints in document P did to its results; empty if the published rules were not run."""
    by_key: dict[str, list[Measurement]] = {}
    for m in findings.misprints:
        by_key.setdefault(m.claim, []).append(m)
    varying = {finding.claim.key: [m for m in finding.measurements if not m.exact] for finding in findings.claims}
    published_nag = varying["2, as printed"]
    if not published_nag and not by_key:
        return ""
    sentences = ["Effect of two misprints in document P on its results."]
    if published_nag:
        results = load_reference("paper")["results"]
        gap = results["NAG (as printed)"]["train/loss"] - results["Momentum"]["train/loss"]
        sentences.append(
            "The published NAG omits a term of the change of variable and equals momentum with the learning rate (1+γ)η. So P "
            f"compares η = 0.019 with η = 0.01: {_effects(published_nag)}. P published a difference of {notes.number(gap, 3)} "
            "between the two, from one run each."
        )
    rates, twins = (by_key.get(key, []) for key in ("momentum's two rates", "printed NAG and its twin"))
    if rates:
        sentences.append(f"Momentum with that larger learning rate: {_effects(rates)}.")
    largest = max((max(abs(m.low), abs(m.high)) for m in twins), default=math.nan)
    if math.isfinite(largest):
        sentences.append(
            f"The final training losses of the published NAG and of momentum at (1+γ)η differ by at most {_plain(largest)} "
            "(intervals included)."
        )
    if varying["2"]:
        sentences.append(f"The corrected NAG against momentum: {_effects(varying['2'])}.")
    nadam = by_key.get("printed NAdam and true", [])
    if nadam:
        results = load_reference("paper")["results"]
        nadam_loss, adam_loss = (results[label]["train/loss"] for label in ("NAdam (as printed)", "Adam"))
        sentences.append(
            f"The published NAdam corrects the bias of its first moment twice: {_effects(nadam)}. P published a training "
            f"loss of {nadam_loss:g} for it and of {adam_loss:g} for Adam, a difference of "
            f"{notes.number(nadam_loss - adam_loss, 3)}, from one run each."
        )
    steps = by_key.get("printed NAdam's steps", [])
    if steps:
        sizes = ", ".join(notes.number(m.effect, 2) for m in steps)
        sentences.append(f"On a constant gradient its first steps are {sizes} times η.")
    return " ".join(sentences)


def _effects(measurements: Sequence[Measurement]) -> str:
    return "; ".join(f"{m.what} {effect(m)} ({m.part}, n = {m.n})" for m in measurements)


def _with_verdict(measurements: Sequence[Measurement], verdict: Verdict) -> str:
    """Return the strongest measurements with a verdict as a list, and the number of further ones."""
    matching = sorted((m for m in measurements if m.verdict == verdict), key=_strength, reverse=True)
    if not matching:
        return ""
    word = {SUPPORTED: "Supporting", REFUTED: "Refuting", UNDECIDED: "Undecided"}[verdict]
    more = f"; and {len(matching) - _MAX_NAMED} more" if len(matching) > _MAX_NAMED else ""
    return f"{word}: {'; '.join(_with_effect(m) for m in matching[:_MAX_NAMED])}{more}."


def _with_effect(measurement: Measurement) -> str:
    conditions = [measurement.part, "deterministic" if measurement.exact else f"n = {measurement.n}"]
    needed = _repeats(measurement.repeats_needed)
    if needed != tables.NO_VALUE:
        conditions.append(f"n ≈ {needed} needed")
    return f"{measurement.what} {effect(measurement)} ({', '.join(conditions)})"


def _strength(measurement: Measurement) -> float:
    return abs(measurement.size) if math.isfinite(measurement.size) else 0.0


def _repeats(needed: float) -> str:
    if math.isnan(needed):
        return tables.NO_VALUE
    return f"{needed:,.0f}" if math.isfinite(needed) else "not feasible"


def _plain(value: float) -> str:
    if math.isnan(value):
        return tables.NO_VALUE
    return f"{value:.4g}".replace("-", "−") if math.isfinite(value) else "∞"


def _remarks(findings: Findings) -> tuple[str, ...]:
    family = f"the {findings.tests} measurements of all claims but the eighth, and of the misprints"
    families = f"There is one family of tests, {family}."
    if findings.pairs:
        families = (
            f"There are two families of tests. One has {family}. The other has the {findings.pairs} differences of all "
            f"pairs of optimizers on {findings.problems} problems, for the eighth claim. Intervals are simultaneous within "
            "a family."
        )
    return (
        (
            f"{families} The test is step-down max-|t| with sign-flip permutations of complete repeats, at a family-wise error "
            f"rate of at most {1 - findings.level:.0%}."
        ),
        (
            "Claims of a difference are decided by the step-down test, which can be significant although the simultaneous "
            "interval contains 0. Claims of no difference are decided by the interval and the equivalence margin; their p "
            f"value is that of the test of equality. With fewer than {MIN_REPEATS} shared repeats there is no verdict, and "
            "the interval is not simultaneous."
        ),
        (
            "Within one problem a claim is refuted by a single counterexample. “Mixed”: supported for one sub-claim or problem "
            "and refuted for another. Test functions are deterministic, so their numbers have no interval and n = 1."
        ),
        (
            "Effect: the clearest counterexample if there is one; of an undecided claim, the measurement furthest from a "
            "verdict; otherwise the weakest support. Verdicts hold for these problems and settings and for other seeds, but "
            "not for other data. Each rule has the learning rate of its part, unless its name gives another."
        ),
        (
            "Sources: P, an unpublished study of eleven optimizers; B, a blog page; N, a note; L, lecture notes (all "
            "unpublished course material); D, Zhang, Lipton, Li and Smola (2021), Dive into Deep Learning, arXiv "
            "2106.11342, sections 11.6 to 11.10. See docs/sources.md."
        ),
    )
