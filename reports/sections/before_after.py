"""The part of a report that sets two versions of a study side by side: did the change help?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.analysis import verdicts
from reports.frames.scores import title
from reports.sections import FigureSpec, Section
from reports.sections.comparison import EFFECTS
from reports.statistics import pairwise_tests
from reports.text import conclusions, notes
from reports.text.tables import Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reports.analysis.before_after import BeforeAfter
    from reports.figures.style import Style


def section(found: BeforeAfter) -> Section:
    """The answer, the change of each optimizer with its interval and verdict, and what differs between the two."""

    def draw(looks: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures import pairs
        from reports.figures.style import single_panel

        if not len(found.changes):
            return
        figure, ax = single_panel(height=1.3 + 0.26 * len(found.changes))
        pairs.changes(found, ax, looks)
        caption = (
            f"Change in {title(found.score).lower()} from {found.before} to {found.after}, with intervals that hold for all "
            f"optimizers together ({found.level:.0%}). Dashed: no change was found. Shaded: the margin."
        )
        yield FigureSpec(
            figure,
            "changes",
            caption,
            f"Interval plot: change in {title(found.score).lower()} of {len(found.changes)} optimizers.",
        )

    sheets = ((changes_table(found),) if len(found.changes) else ()) + (
        (_differs(found),) if len(found.setup_differences) else ()
    )
    data = {"changes": found.changes, "differs": found.setup_differences}
    return Section("change", f"{found.after} against {found.before}", tuple(description(found)), sheets, draw, data)


def description(found: BeforeAfter) -> list[str]:
    """The answer and what it rests on."""
    told = [answer(found)]
    if found.unpaired_reason:
        told.append(f"Repeats count as independent (Welch), since {found.unpaired_reason}.")
    elif found.test == "welch":
        told.append("Repeats count as independent (Welch), as was asked for.")
    else:
        told.append("Repeats are paired: repeat r starts from the same weights and sees the same batches in both.")
    if found.identical:
        told.append(f"The very same trials on both sides, so no change by construction: {', '.join(found.identical)}.")
    if found.excluded:
        told.append(f"Not compared, for want of two scores on each side: {', '.join(found.excluded)}.")
    return told


def answer(found: BeforeAfter) -> str:
    """One sentence: which optimizers are better, worse, tied, undecided after the change."""
    if not len(found.changes):
        return f"{found.before} and {found.after} have no optimizer of one name with two scores on each side; see all pairs."
    name = title(found.score).lower()
    if not found.has_verdicts:
        most = int(found.changes["n"].max())
        return (
            f"No verdict on {found.after} against {found.before} yet: {most} repeat{'s' * (most != 1)} "
            f"count, and a comparison needs at least {found.min_repeats}."
        )
    by = {
        verdict: [str(label) for label in found.changes.loc[found.changes["verdict"] == verdict, "label"]]
        for verdict in (verdicts.BETTER, verdicts.WORSE, verdicts.TIED, verdicts.UNDECIDED)
    }
    parts = [
        f"{conclusions.join_labels(labels)} {'are' if len(labels) > 1 else 'is'} {verdict}"
        for verdict, labels in by.items()
        if labels
    ]
    return f"From {found.before} to {found.after}, by {name}: {'; '.join(parts)}."


def changes_table(found: BeforeAfter) -> Table:
    """A row per optimizer that both have."""
    table = found.changes
    digits = notes.decimals((table["high"] - table["low"]) / 2)
    columns = (
        Column("Optimizer", "left"),
        Column("Verdict", "left"),
        Column("Change", rank=0),
        Column("Before", rank=1),
        Column("After", rank=1),
        Column("Adjusted p"),
        Column("n", rank=2),
        Column("Effect (g)", rank=2),
        Column("Better in", rank=3),
        Column("Detectable", rank=3),
    )
    rows = []
    for _, row in table.iterrows():
        often = float(row["superiority"])
        counts = f"{row['n_before']}, {row['n_after']}" if found.test == "welch" else f"{row['n']}"
        told = row["verdict"] in {verdicts.BETTER, verdicts.WORSE}
        rows.append(
            (
                Cell(str(row["label"]), str(row["label"])),
                Cell(str(row["verdict"]), str(row["verdict"]), best=told),
                Cell(notes.plus_minus(row["difference"], row["low"], row["high"], digits), float(row["difference"])),
                Cell(notes.number(float(row["before"]), digits), float(row["before"])),
                Cell(notes.number(float(row["after"]), digits), float(row["after"])),
                Cell(conclusions.p_value(float(row["adjusted_p"])), float(row["adjusted_p"])),
                Cell(counts, float(row["n"])),
                Cell(notes.number(float(row["effect"]), 2), float(row["effect"])),
                Cell(f"{often:.0%}" if np.isfinite(often) else "–", often),
                Cell(notes.number(float(row["minimum_detectable_difference"]), digits), float(row["minimum_detectable_difference"])),
            )
        )
    count = f"{len(table)} optimizer{'s' * (len(table) != 1)}, one family"
    remarks = (
        (
            f"{count}: {pairwise_tests.NAMES[found.test]}; family error at most {1 - found.level:.0%}. Tied: the interval made for "
            f"all together lies within ±{found.margin:g}."
        ),
        (
            f"Before: {found.before}. After: {found.after}. Change: after − before, ± half of its own {found.level:.0%} "
            f"interval.{'' if found.test == 'welch' else ' All three over the repeats that both have.'}"
        ),
        EFFECTS[found.test == "welch"],
        "Detectable: the true change found with probability 80%, by t tests.",
        notes.varied(imported=found.imported),
    )
    return Table("changes", f"{found.after} against {found.before}", columns, tuple(rows), remarks)


def _differs(found: BeforeAfter) -> Table:
    columns = (Column("What differs", "left"), Column("Before", "left"), Column("After", "left"))
    rows = [
        tuple(Cell(text or "–", text) for text in (str(row["what"]), str(row["before"]), str(row["after"])))
        for _, row in found.setup_differences.iterrows()
    ]
    return Table("differs", "What differs in how they were measured", columns, tuple(rows))
