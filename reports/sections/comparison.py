"""The part of the report that compares: the answer, differences and tiers, and every pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.analysis import verdicts
from reports.frames.scores import title
from reports.sections import FigureSpec, Section
from reports.text import conclusions, notes, tables
from reports.text.tables import Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reports.analysis.verdicts import Comparison
    from reports.figures.style import Style


EFFECTS = (
    (
        "Effect: Hedges' g of paired differences (g_z), in standard deviations of the differences. Better in: the share of "
        "shared repeats, ties counting half."
    ),
    (
        "Effect: Hedges' g of two independent groups, in their pooled standard deviation. Better in: the share of all "
        "combinations of a repeat of each, ties counting half."
    ),
)
"""What two columns of pairs hold: of paired repeats, and of unpaired ones."""

GAIN = "Gain of pairing: so many times the repeats would be needed without shared seeds, roughly; below 1 it cost some."


def comparison(found: Comparison, *, varied: str = notes.VARIED) -> Section:
    """Verdicts: the answer, differences from the best with tiers, the matrix of all pairs, and the table of pairs.

    Args:
        found: The verdicts.
        varied: What varies between repeats, in a sentence.
    """

    def draw(looks: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures import pairs
        from reports.figures.style import single_panel

        k, name = len(found.means), title(found.score).lower()
        figure, ax = single_panel(height=1.1 + 0.24 * k)
        pairs.differences_from_best(found, ax, looks)
        caption = (
            f"Difference in {name} from the best, with intervals that hold for all pairs together ({found.level:.0%}). "
            "Dashed: not told from it. Shaded: the margin. At the right: optimizers that share a line share a tier."
            f"{conclusions.step_down_note(found)}"
        )
        yield FigureSpec(
            figure, "differences", caption, f"Interval plot: difference in {name} of {k - 1} optimizers from the best."
        )
        side = max(3.6, 1.6 + 0.62 * k)
        figure, ax = single_panel(width=min(side + 1.0, 9.5), height=min(0.72 * side + 0.6, 8.0))
        pairs.pair_matrix(found, ax)
        caption = f"All pairs: mean {name} of the row minus that of the column, and the p adjusted for all pairs."
        yield FigureSpec(figure, "pairs", caption, f"Matrix: differences in {name} and verdicts of {k} optimizers.")

    words = [conclusions.verdict(found), *conclusions.power_statement(found)]
    return Section(
        "comparison",
        "Comparison",
        tuple(words),
        (pairs_table(found, varied),),
        draw,
        {"pairs": found.pairs},
        caution=" ".join(conclusions.distribution_warning(found)),
    )


def pairs_table(found: Comparison, varied: str = notes.VARIED) -> Table:
    """The table of pairs: a row per pair, in the order of `Comparison.means`."""
    pairs = found.pairs
    digits = notes.decimals((pairs["high"] - pairs["low"]) / 2)
    columns = (
        Column("Optimizer", "left"),
        Column("Against", "left"),
        Column("Verdict", "left"),
        Column("Difference", rank=0),
        Column("Adjusted p"),
        Column("p", rank=2),
        Column("n", rank=2),
        Column("Effect (g)", rank=1),
        Column("Better in", rank=2),
        Column("Detectable", rank=3),
        *([Column("Gain of pairing", rank=3)] if found.seeded else []),
    )
    rows = []
    for _, row in pairs.iterrows():
        gain = float(row["variance_reduction"])
        rows.append(
            (
                Cell(str(row["first"]), str(row["first"])),
                Cell(str(row["second"]), str(row["second"])),
                Cell(
                    str(row["verdict"]), str(row["verdict"]), best=row["verdict"] in {verdicts.BETTER, verdicts.WORSE}
                ),
                Cell(notes.plus_minus(row["difference"], row["low"], row["high"], digits), float(row["difference"])),
                Cell(conclusions.p_value(float(row["adjusted_p"])), float(row["adjusted_p"])),
                Cell(conclusions.p_value(float(row["p"])), float(row["p"])),
                Cell(str(row["n"]), float(row["n"])),
                Cell(notes.number(float(row["effect"]), 2), float(row["effect"])),
                Cell(_percent(float(row["superiority"])), float(row["superiority"])),
                Cell(notes.number(float(row["minimum_detectable_difference"]), digits), float(row["minimum_detectable_difference"])),
                *(
                    [Cell(f"×{notes.number(gain, 1)}" if np.isfinite(gain) else tables.NO_VALUE, gain)]
                    if found.seeded
                    else []
                ),
            )
        )
    remarks = (
        conclusions.method_statement(found),
        f"Difference: mean of the optimizer minus mean of the other, ± half of the pair's own {found.level:.0%} interval.",
        EFFECTS[found.test == "welch"],
        "Detectable: the true difference found with probability 80%, by t tests.",
        *([GAIN] if found.seeded else []),
        f"{conclusions.FWER_ASSUMPTIONS}{conclusions.step_down_note(found)}",
        varied,
    )
    return Table("pairs", "All pairs", columns, tuple(rows), remarks)


def _percent(share: float) -> str:
    return f"{share:.0%}" if np.isfinite(share) else tables.NO_VALUE
