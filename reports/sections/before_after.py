"""Make the section that compares two versions of a study: did the change help?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis import verdicts
from reports.frames.scores import title
from reports.sections import FigureSpec, Section
from reports.sections.comparison import (
    ARROWS,
    EFFECTS,
    difference_cells,
    difference_columns,
    effect_cells,
    has_infinite,
    meaning_notes,
    verdict_cells,
)
from reports.text import conclusions, notes
from reports.text.tables import NO_VALUE, Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reports.analysis.before_after import BeforeAfter
    from reports.figures.style import Style


def section(comparison: BeforeAfter) -> Section:
    """Return the section: the answer, the change of each optimizer, and the differences between the two setups."""
    name, count = title(comparison.score).lower(), len(comparison.changes)

    def draw(styles: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures import pairs
        from reports.figures.style import single_panel

        if not count:
            return
        figure, ax = single_panel(height=1.3 + 0.26 * count)
        pairs.changes(comparison, ax, styles)
        kind = "Median" if comparison.test == "rank" else "Mean"
        caption = (
            f"{kind} change in {name} from {comparison.before} to {comparison.after}, with simultaneous {comparison.level:.0%} "
            "confidence intervals over all optimizers. Dashed: no significant change. Shaded: equivalence margin."
            f"{ARROWS * has_infinite(comparison.changes)}"
        )
        yield FigureSpec(figure, "changes", caption, f"Interval plot: change in {name} of {count} optimizers.")

    tables = [changes_table(comparison)] if count else []
    if len(comparison.setup_differences):
        tables.append(_setup_differences(comparison))
    return Section(
        "change",
        f"{comparison.after} against {comparison.before}",
        tuple(description(comparison)),
        tuple(tables),
        draw,
        {"changes": comparison.changes, "differs": comparison.setup_differences},
    )


def description(comparison: BeforeAfter) -> list[str]:
    """Return the answer, how repeats are compared, and what is not compared."""
    sentences = [answer(comparison)]
    if comparison.unpaired_reason:
        sentences.append(f"Repeats are treated as independent, because {comparison.unpaired_reason}.")
    else:
        sentences.append(
            "Repeats are paired. Repeat r has the same initial weights and the same batches in both versions."
        )
    if comparison.identical:
        sentences.append(f"Identical trials in both versions, so without a change: {', '.join(comparison.identical)}.")
    if comparison.excluded:
        sentences.append(f"Not compared (fewer than two runs in a version): {', '.join(comparison.excluded)}.")
    return sentences


def answer(comparison: BeforeAfter) -> str:
    """Return which optimizers are better, worse, tied or undecided after the change, in one sentence."""
    before, after = comparison.before, comparison.after
    if not len(comparison.changes):
        return (
            f"{before} and {after} have no common optimizer with two runs in each version. See the table of all pairs."
        )
    if not comparison.has_verdicts:
        repeats = notes.counted(int(comparison.changes["n"].max()), "repeat")
        return (
            f"No verdict on {after} against {before} yet, because at most {repeats} can be compared and a comparison requires "
            f"at least {comparison.min_repeats}."
        )
    meanings = {
        verdicts.BETTER: "significantly better",
        verdicts.BETTER_WORSE_MEAN: "usually better, although the mean is worse,",
        verdicts.WORSE: "significantly worse",
        verdicts.WORSE_BETTER_MEAN: "usually worse, although the mean is better,",
        verdicts.TIED: f"equivalent within ±{comparison.margin:g}",
        verdicts.UNDECIDED: "not significantly different",
    }
    parts, untested = [], "not tested"
    found = comparison.changes["verdict"].mask(comparison.changes["adjusted_p"].isna(), untested)
    for verdict, meaning in {**meanings, untested: untested}.items():
        labels = [str(label) for label in comparison.changes.loc[found == verdict, "label"]]
        if labels:
            parts.append(f"{meaning} for {notes.join_labels(labels)}")
    name = title(comparison.score).lower()
    scored = name if comparison.test == "rank" else f"mean {name}"
    return f"From {before} to {after}, the {scored} is {'; '.join(parts)}."


def changes_table(comparison: BeforeAfter) -> Table:
    """Return the table of changes: a row per optimizer of both versions."""
    changes = comparison.changes
    digits = notes.decimals((changes["high"] - changes["low"]) / 2)
    independent = not comparison.paired
    columns = (
        Column("Optimizer", "left"),
        Column("Verdict", "left"),
        Column("P(better)", rank=0),
        Column("Adjusted p"),
        *difference_columns(comparison.test, changes=True),
        Column("Before", rank=1),
        Column("After", rank=1),
        Column("n", rank=2),
        Column("Effect (g)", rank=3),
        Column("Minimum detectable change", rank=3),
    )
    rows = []
    for _, row in changes.iterrows():
        before, after = float(row["before"]), float(row["after"])
        rows.append(
            (
                Cell(str(row["label"]), str(row["label"])),
                *verdict_cells(row),
                *difference_cells(row, digits),
                Cell(notes.number(before, digits), before),
                Cell(notes.number(after, digits), after),
                Cell(f"{row['n_before']}, {row['n_after']}" if independent else f"{row['n']}", float(row["n"])),
                *effect_cells(row, digits),
            )
        )
    method = conclusions.test_name(comparison.test, paired=comparison.paired)
    better = (
        "a run of after usually beats a run of before" if comparison.test == "rank" else "the mean of after is better"
    )
    shared = "" if independent else " Means are over the repeats that ended ok in both versions."
    remarks = (
        (
            f"{notes.counted(len(changes), 'optimizer')}; {method}; family-wise error rate "
            f"(FWER) at most {1 - comparison.level:.0%}. Tied: the simultaneous interval of the change lies inside the "
            f"equivalence margin of ±{comparison.margin:g}."
        ),
        (
            f"Before: {comparison.before}. After: {comparison.after}. A change is after − before. Better: {better}.{shared}"
        ),
        *meaning_notes(comparison.level, test=comparison.test, pairs=changes, changes=True),
        EFFECTS[independent],
        "Minimum detectable change: at 80% power, computed for t tests.",
        notes.variation_note(imported=comparison.imported),
    )
    return Table("changes", f"{comparison.after} against {comparison.before}", columns, tuple(rows), remarks)


def _setup_differences(comparison: BeforeAfter) -> Table:
    columns = (Column("Setting", "left"), Column("Before", "left"), Column("After", "left"))
    rows = [
        tuple(Cell(text or NO_VALUE, text) for text in (str(row["what"]), str(row["before"]), str(row["after"])))
        for _, row in comparison.setup_differences.iterrows()
    ]
    return Table("differs", "Differences in setup and environment", columns, tuple(rows))
