"""Make the section that compares all pairs of optimizers: the conclusion, two figures and the table of pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reports.analysis import verdicts
from reports.frames.scores import title
from reports.sections import FigureSpec, Section
from reports.text import conclusions, notes, tables
from reports.text.tables import Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from reports.analysis.verdicts import Comparison
    from reports.figures.style import Style


EFFECTS = (
    (
        "Effect: Hedges' g of paired differences (g_z), in standard deviations of the differences. Win rate: share of shared "
        "repeats in which the optimizer is better; ties count half."
    ),
    (
        "Effect: Hedges' g of two independent groups, in pooled standard deviations. Win rate: share of all combinations of a "
        "repeat of each in which the optimizer is better; ties count half."
    ),
)
"""The notes on effect and win rate, for paired and for independent repeats."""

PAIRING = (
    "Variance reduction from pairing: approximate factor by which the repeats would have to increase for the same precision "
    "without shared seeds. Below 1, pairing increased the variance."
)


def comparison(compared: Comparison, *, variation: str = notes.VARIATION) -> Section:
    """Return the section: the conclusion, differences from the best with tiers, the matrix and the table of pairs.

    Args:
        compared: The verdicts.
        variation: What differs between repeats (`notes.variation_note`).
    """

    def draw(styles: Mapping[str, Style]) -> Iterator[FigureSpec]:
        from reports.figures import pairs
        from reports.figures.style import single_panel

        k, name = len(compared.means), title(compared.score).lower()
        figure, ax = single_panel(height=1.1 + 0.24 * k)
        pairs.differences_from_best(compared, ax, styles)
        tied = " or tied" if (compared.pairs["verdict"] == verdicts.TIED).any() else ""
        caption = (
            f"Difference in {name} from the best, with simultaneous {compared.level:.0%} confidence intervals over all pairs. "
            f"Dashed: not significantly different from the best{tied}. Shaded: equivalence margin. Optimizers joined by a line "
            f"on the right are not significantly different from each other{tied}.{conclusions.step_down_note(compared)}"
        )
        yield FigureSpec(
            figure, "differences", caption, f"Interval plot: difference in {name} of {k - 1} optimizers from the best."
        )
        side = max(3.6, 1.6 + 0.62 * k)
        figure, ax = single_panel(width=min(side + 1.0, 9.5), height=min(0.72 * side + 0.6, 8.0))
        pairs.pair_matrix(compared, ax)
        caption = f"Mean {name} of the row minus that of the column, and the p value adjusted for all pairs."
        yield FigureSpec(figure, "pairs", caption, f"Matrix: differences in {name} and verdicts of {k} optimizers.")

    return Section(
        "comparison",
        "Comparison",
        (conclusions.conclusion(compared), *conclusions.power_statement(compared)),
        (pairs_table(compared, variation),),
        draw,
        {"pairs": compared.pairs},
        caution=" ".join(conclusions.distribution_warning(compared)),
    )


def pairs_table(compared: Comparison, variation: str = notes.VARIATION) -> Table:
    """Return the table of pairs: a row per pair, in the order of `Comparison.means`."""
    pairs = compared.pairs
    digits = notes.decimals((pairs["high"] - pairs["low"]) / 2)
    columns = (
        Column("Optimizer", "left"),
        Column("Compared with", "left"),
        Column("Verdict", "left"),
        Column("Difference", rank=0),
        Column("Adjusted p"),
        Column("p", rank=2),
        Column("n", rank=2),
        Column("Effect (g)", rank=1),
        Column("Win rate", rank=2),
        Column("Minimum detectable difference", rank=3),
        *([Column("Variance reduction from pairing", rank=3)] if compared.seeded else []),
    )
    rows = []
    for _, row in pairs.iterrows():
        factor = float(row["variance_reduction"])
        text = f"×{notes.number(factor, 1)}" if math.isfinite(factor) else tables.NO_VALUE
        rows.append(
            (
                Cell(str(row["first"]), str(row["first"])),
                Cell(str(row["second"]), str(row["second"])),
                *verdict_cells(row, digits),
                Cell(conclusions.p_value(float(row["adjusted_p"])), float(row["adjusted_p"])),
                Cell(conclusions.p_value(float(row["p"])), float(row["p"])),
                Cell(str(row["n"]), float(row["n"])),
                *effect_cells(row, digits),
                *([Cell(text, factor)] if compared.seeded else []),
            )
        )
    remarks = (
        conclusions.method_statement(compared),
        (
            f"Difference: mean of the optimizer − mean of the other, ± half-width of the pair's own {compared.level:.0%} "
            "interval (not adjusted)."
        ),
        EFFECTS[compared.test == "welch"],
        "Minimum detectable difference: at 80% power, computed for t tests.",
        *([PAIRING] if compared.seeded else []),
        f"{conclusions.FWER_ASSUMPTIONS}{conclusions.step_down_note(compared)}",
        variation,
    )
    return Table("pairs", "All pairs", columns, tuple(rows), remarks)


def verdict_cells(row: pd.Series[Any], digits: int) -> tuple[Cell, Cell]:
    """Return the verdict and the difference with its interval of a row of `Comparison.pairs`."""
    difference = notes.plus_minus(row["difference"], row["low"], row["high"], digits)
    significant = row["verdict"] in {verdicts.BETTER, verdicts.WORSE}
    return Cell(str(row["verdict"]), str(row["verdict"]), best=significant), Cell(difference, float(row["difference"]))


def effect_cells(row: pd.Series[Any], digits: int) -> tuple[Cell, Cell, Cell]:
    """Return effect, win rate and minimum detectable difference of a row of `Comparison.pairs`."""
    effect, share, detectable = (
        float(row[name]) for name in ("effect", "superiority", "minimum_detectable_difference")
    )
    win_rate = f"{share:.0%}" if math.isfinite(share) else tables.NO_VALUE
    return (
        Cell(notes.number(effect, 2), effect),
        Cell(win_rate, share),
        Cell(notes.number(detectable, digits), detectable),
    )
