"""The part of a report that settles claims: a table of verdicts, a paragraph for each claim, a figure of all effects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.analysis import claims
from reports.analysis.claims import MIXED, OPEN, REFUTED, SUPPORTED, UNMEASURED
from reports.frames.study_frames import load_reference
from reports.sections import FigureSpec, Section
from reports.statistics.pairwise_tests import MIN_REPEATS
from reports.text import conclusions, notes, tables
from reports.text.tables import Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.analysis.claims import Finding, Findings, Measurement, Verdict
    from reports.figures.style import Style

HEADING = "Claims"
_FEW = 3
"""So many measurements of a kind are named in a paragraph; the rest are counted."""


def sections(found: Findings) -> tuple[Section, Section]:
    """The claims with their verdicts, and then one by one with every measurement."""

    def draw(_: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures.claims import forest_plot

        if any(math.isfinite(each.size) for finding in found.claims for each in finding.measurements):
            figure = forest_plot(found)
            caption = (
                "Every measurement that varies between repeats: the effect in standard deviations of its paired differences, "
                f"with its interval, all of a family together ({found.level:.0%}); at the right of 0 it speaks for the claim, "
                "which is at the margin where no difference is claimed. "
                "Circle: supported; square: refuted; ring: undecided. Beyond ±1 the axis is logarithmic."
            )
            yield FigureSpec(figure, "claims", caption, f"Forest plot: the effects behind {_many(found)} claims.")

    first = Section("claims", HEADING, (answer(found),), (claims_table(found),), draw)
    words = (*(paragraph(each) for each in found.claims), misprints(found))
    second = Section(
        "claims-one-by-one",
        "Claims, one by one",
        tuple(word for word in words if word),
        (measurements_table(found),),
        data={"claims": claims.rows(found)},
    )
    return first, second


def answer(found: Findings) -> str:
    """How many of the ten claims have which verdict."""
    told = []
    for verdict in (SUPPORTED, REFUTED, MIXED, OPEN, UNMEASURED):
        own = [each.claim.key for each in found.claims if each.verdict == verdict and each.claim.key.isdigit()]
        if own:
            told.append(f"{len(own)} {verdict} ({', '.join(own)})")
    return f"Of the ten claims of the source documents: {'; '.join(told)}."


def claims_table(found: Findings) -> Table:
    """The table of claims: a row each, with the measurement that decided it."""
    columns = (
        Column("Claim", "left"),
        Column("What is claimed", "left", rank=1),
        Column("Source", "left", rank=3),
        Column("What was measured", "left", rank=2),
        Column("Effect"),
        Column("n"),
        Column("For, against, open"),
        Column("Verdict", "left"),
    )
    rows = []
    for each in found.claims:
        key = each.claim.key
        one = deciding(each)
        marks = {
            verdict: sum(m.verdict == verdict for m in each.measurements) for verdict in (SUPPORTED, REFUTED, OPEN)
        }
        rows.append(
            (
                Cell(key, key),
                Cell(each.claim.text, each.claim.text),
                Cell(each.claim.source, each.claim.source),
                Cell(f"{one.what} ({one.part})" if one else tables.NO_VALUE, one.what if one else ""),
                Cell(effect(one) if one else tables.NO_VALUE, one.effect if one else math.nan),
                Cell(str(one.n) if one else tables.NO_VALUE, float(one.n) if one else math.nan),
                Cell(" / ".join(map(str, marks.values())) if one else tables.NO_VALUE, float(len(each.measurements))),
                Cell(verdict(each), each.verdict, best=each.verdict in {SUPPORTED, REFUTED, MIXED}),
            )
        )
    return Table("claims", "Claims and verdicts", columns, tuple(rows), _remarks(found))


def measurements_table(found: Findings) -> Table:
    """The table of all measurements."""
    columns = (
        Column("Claim", "left"),
        Column("Half", "left", rank=2),
        Column("Part", "left"),
        Column("What was measured", "left", rank=1),
        Column("Effect"),
        Column("Adjusted p", rank=2),
        Column("n", rank=2),
        Column("Verdict here", "left"),
        Column("Repeats needed", rank=3),
    )
    rows = [
        (
            Cell(each.claim, each.claim),
            Cell(each.sub_claim, each.sub_claim),
            Cell(each.part, each.part),
            Cell(each.what, each.what),
            Cell(effect(each), each.effect),
            Cell(conclusions.p_value(each.adjusted), each.adjusted),
            Cell(str(each.n), float(each.n)),
            Cell(each.verdict, each.verdict, best=each.verdict != OPEN),
            Cell(_repeats(each.repeats_needed), each.repeats_needed),
        )
        for finding in found.claims
        for each in finding.measurements
    ]
    return Table("claims-measured", "Measurements of the claims", columns, tuple(rows), _remarks(found)[:2])


def deciding(finding: Finding) -> Measurement | None:
    """The measurement that says most about a verdict.

    Of a refuted claim, or one that holds partly, the clearest counterexample; of a supported one the weakest support; of an
    open one that which is furthest from a verdict.
    """
    if not finding.measurements:
        return None
    against = [each for each in finding.measurements if each.verdict == REFUTED]
    if finding.verdict in {REFUTED, MIXED} and against:
        return max(against, key=lambda each: (not each.exact, _strength(each)))
    wanted = OPEN if finding.verdict == OPEN else SUPPORTED
    own = [each for each in finding.measurements if each.verdict == wanted] or list(finding.measurements)
    return min(own, key=lambda each: (each.exact, _strength(each)))


def effect(each: Measurement) -> str:
    """A measurement's effect with its interval; where nothing varies, the number and what was claimed of it."""
    if each.exact:
        text = _plain(each.effect)
        return f"{text} (claimed: {each.expected})" if each.expected else text
    digits = notes.decimals([(each.high - each.low) / 2], fallback=3)
    ends = f"[{notes.number(each.low, digits)}, {notes.number(each.high, digits)}]" if math.isfinite(each.low) else ""
    return f"{'×' if each.ratio else ''}{notes.number(each.effect, digits)} {ends}".strip()


def verdict(finding: Finding) -> str:
    """The verdict, with the repeats that an open one needs."""
    needed = _repeats(finding.repeats_needed)
    return f"{finding.verdict} (n ≈ {needed} needed)" if needed != tables.NO_VALUE else str(finding.verdict)


def paragraph(finding: Finding) -> str:
    """A claim, its verdict, how it was measured, and what came out, half by half."""
    claim = finding.claim
    head = f"{claim.key}. {claim.text} ({claim.source}): {verdict(finding)}."
    if finding.verdict == UNMEASURED:
        return f"{head} It takes: {claim.how}."
    told = [head, f"Measured: {claim.how}."]
    for half in finding.sub_claims:
        own = [each for each in finding.measurements if each.sub_claim == half]
        name = f"{half[0].upper()}{half[1:]}: {finding.sub_claims[half]}. " if half else ""
        told.append(name + " ".join(_listed(own, each) for each in (SUPPORTED, REFUTED, OPEN)).strip())
    return " ".join(" ".join(told).split())


def misprints(found: Findings) -> str:
    """What the two misprints of the paper did to its numbers, from the records; empty where the printed rules were not run."""
    by_key: dict[str, list[Measurement]] = {}
    for each in found.misprints:
        by_key.setdefault(each.claim, []).append(each)
    own = {finding.claim.key: [each for each in finding.measurements if not each.exact] for finding in found.claims}
    as_printed = own["2, as printed"]
    if not as_printed and not by_key:
        return ""
    told = ["What the misprints did to the paper's numbers."]
    if as_printed:
        told.append(
            "The printed NAG drops a term of the change of variable and is momentum with the learning rate (1+γ)η, so the "
            f"paper compares η = 0.019 with 0.01: {_effects(as_printed)}."
        )
        book = load_reference("paper")["results"]
        gap = book["NAG (as printed)"]["train/loss"] - book["Momentum"]["train/loss"]
        told.append(f"The paper printed a gap of {notes.number(gap, 3)} between these two, from one run each.")
    rates, twins = (by_key.get(key, []) for key in ("momentum's two rates", "printed NAG and its twin"))
    if rates:
        told.append(f"Momentum itself with that larger rate: {_effects(rates)}.")
    most = max((max(abs(each.low), abs(each.high)) for each in twins), default=math.nan)
    if math.isfinite(most):
        told.append(
            f"The printed NAG and momentum at (1+γ)η end within {_plain(most)} of each other in training loss (intervals "
            "included)."
        )
    if own["2"]:
        told.append(f"The true NAG against momentum: {_effects(own['2'])}.")
    nadam = by_key.get("printed NAdam and true", [])
    if nadam:
        book = load_reference("paper")["results"]
        ours, adams = (book[label]["train/loss"] for label in ("NAdam (as printed)", "Adam"))
        told.append(
            f"The printed NAdam corrects the bias of its first moment twice: {_effects(nadam)}. The paper printed a training "
            f"loss of {ours:g} for it and of {adams:g} for Adam, a gap of {notes.number(ours - adams, 3)}, from one run each."
        )
    steps = by_key.get("printed NAdam's steps", [])
    if steps:
        sizes = ", ".join(notes.number(each.effect, 2) for each in steps)
        told.append(f"On a constant gradient its first steps are {sizes} times η.")
    return " ".join(told)


def _effects(measurements: Sequence[Measurement]) -> str:
    return "; ".join(f"{each.what} {effect(each)} ({each.part}, n = {each.n})" for each in measurements)


def _listed(measurements: Sequence[Measurement], wanted: Verdict) -> str:
    own = sorted((each for each in measurements if each.verdict == wanted), key=_strength, reverse=True)
    if not own:
        return ""
    word = {SUPPORTED: "For it", REFUTED: "Against it", OPEN: "Open"}[wanted]
    more = f"; and {len(own) - _FEW} more" if len(own) > _FEW else ""
    return f"{word}: {'; '.join(_told(each) for each in own[:_FEW])}{more}."


def _told(each: Measurement) -> str:
    where = f"{each.part}, " + ("nothing varies" if each.exact else f"n = {each.n}")
    needs = _repeats(each.repeats_needed)
    more = f", n ≈ {needs} needed" if needs != tables.NO_VALUE else ""
    return f"{each.what} {effect(each)} ({where}{more})"


def _strength(each: Measurement) -> float:
    return abs(each.size) if math.isfinite(each.size) else 0.0


def _repeats(needed: float) -> str:
    if math.isnan(needed):
        return tables.NO_VALUE
    return f"{needed:,.0f}" if math.isfinite(needed) else "more than can be run"


def _plain(value: float) -> str:
    if math.isnan(value):
        return tables.NO_VALUE
    return f"{value:.4g}".replace("-", "−") if math.isfinite(value) else "∞"


def _many(found: Findings) -> int:
    return sum(any(math.isfinite(each.size) for each in finding.measurements) for finding in found.claims)


def _remarks(found: Findings) -> tuple[str, ...]:
    share = f"{1 - found.level:.0%}"
    return (
        (
            f"Two families, each with an error of at most {share}, by step-down max-|t| over joint sign flips of whole "
            f"repeats: the {found.tests} measurements of all claims but the eighth and on the misprints; and, for the eighth, "
            f"{found.pairs} differences, of all pairs of optimizers on {found.problems} problems. An interval holds together "
            "with all others of its family. Where a claim asks for a difference the test decides, which steps down and so may "
            "find one where the interval still holds none. Where it asks for none the interval decides, against the margin, "
            f"and the p of equality stands beside it. Fewer than {MIN_REPEATS} shared repeats give no verdict, and their interval "
            "stands alone."
        ),
        (
            "Of one part a claim speaks of all its measurements, and one counterexample refutes it there; partly: it holds in "
            "one half or on one part and not in another. On surfaces nothing varies, so a number has no interval and n = 1."
        ),
        (
            "Effect: the clearest counterexample where there is one, of an undecided claim what is furthest from a verdict, "
            "else the weakest support. Verdicts speak of these "
            "problems and settings, each rule at its part's learning rate unless its name says another, and of other seeds; of "
            "no other data."
        ),
        "P: the paper; B: a blog page; N: a note; L: lecture notes; D: Dive into Deep Learning, 11.6 to 11.10.",
    )
