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
    from reports.statistics.pairwise_tests import Test


EFFECTS = (
    "Effect: Hedges' g of paired differences (g_z), in standard deviations of the differences.",
    "Effect: Hedges' g of two independent groups, in pooled standard deviations.",
)
"""The notes on the effect, for paired and for independent repeats."""

INFINITE = (
    " ∞ marks a difference or a bound that is infinite, because runs diverged, stalled or failed, or because the repeats are "
    "too few for a bound."
)

ARROWS = " An arrow marks an interval without a bound, or a difference that the axis does not show."

PAIRING = (
    "Variance reduction from pairing: ×2 means that unpaired runs would need about twice as many repeats for the same "
    "precision. Below 1, pairing increased the variance."
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
        kind = "Median" if compared.test == "rank" else "Mean"
        caption = (
            f"{kind} difference in {name} from the best, with simultaneous {compared.level:.0%} confidence intervals over all "
            f"pairs. Dashed: not significantly different from the best{tied}. Shaded: equivalence margin. Optimizers joined by "
            f"a line on the right are not significantly different from each other{tied}.{ARROWS * has_infinite(compared.pairs)}"
        )
        yield FigureSpec(
            figure, "differences", caption, f"Interval plot: difference in {name} of {k - 1} optimizers from the best."
        )
        side = max(3.6, 1.6 + 0.62 * k)
        figure, ax = single_panel(width=min(side + 1.8, 9.5), height=min(0.72 * side + 1.2, 8.3))
        pairs.pair_matrix(compared, ax)
        caption = (
            f"Probability that a run of the row has a better {name} than a run of the column, and the p value adjusted for all "
            "pairs."
        )
        yield FigureSpec(
            figure,
            "pairs",
            caption,
            f"Matrix: probability of a better {name}, and verdicts, for all pairs of {k} optimizers.",
        )

    return Section(
        "comparison",
        "Comparison",
        (
            conclusions.QUESTIONS[compared.test],
            conclusions.conclusion(compared),
            *conclusions.power_statement(compared),
        ),
        (pairs_table(compared, variation),),
        draw,
        {"pairs": compared.pairs},
    )


def pairs_table(compared: Comparison, variation: str = notes.VARIATION) -> Table:
    """Return the table of pairs: a row per pair, in the order of `Comparison.means`."""
    pairs = compared.pairs
    digits = notes.decimals((pairs["high"] - pairs["low"]) / 2)
    columns = (
        Column("Optimizer", "left"),
        Column("Compared with", "left"),
        Column("Verdict", "left"),
        Column("P(better)", rank=0),
        Column("Adjusted p"),
        *difference_columns(compared.test),
        Column("p", rank=3),
        Column("n", rank=2),
        Column("Effect (g)", rank=3),
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
                *verdict_cells(row),
                *difference_cells(row, digits),
                Cell(conclusions.p_value(float(row["p"])), float(row["p"])),
                Cell(str(row["n"]), float(row["n"])),
                *effect_cells(row, digits),
                *([Cell(text, factor)] if compared.seeded else []),
            )
        )
    remarks = (
        conclusions.method_statement(compared),
        *meaning_notes(compared.level, test=compared.test, pairs=pairs),
        EFFECTS[not compared.paired],
        "Minimum detectable difference: at 80% power, computed for t tests.",
        *([PAIRING] if compared.seeded else []),
        conclusions.ERROR_RATES[compared.test],
        variation,
    )
    return Table("pairs", "All pairs", columns, tuple(rows), remarks)


def difference_columns(test: Test, *, changes: bool = False) -> tuple[Column, Column]:
    """Return the columns of `difference_cells`: the difference of means, and the difference with a simultaneous interval.

    Args:
        test: The test.
        changes: Whether the differences are changes from one version of a study to the other.
    """
    mean = "Change of the mean" if changes else "Difference of means"
    median = "Median change" if changes else "Median difference"
    return Column(mean, rank=1), Column(median if test == "rank" else f"{mean}, simultaneous", rank=2)


def meaning_notes(level: float, *, test: Test, pairs: pd.DataFrame, changes: bool = False) -> tuple[str, str, str]:
    """Return the notes on P(better) and on the two differences (`difference_columns`) in a table of `pairs`."""
    mean, shift = (column.title for column in difference_columns(test, changes=changes))
    better = "after is better than a run of before" if changes else "the optimizer is better than a run of the other"
    kind = "change" if changes else "difference"
    meaning = (
        "the median of the differences between every run of "
        f"{'after and every run of before' if changes else 'one and every run of the other'}"
        if test == "rank"
        else f"the same {kind} with the interval that agrees with the verdict"
    )
    return (
        (
            f"P(better): the probability that a run of {better}, if both have new seeds. It has a simultaneous {level:.0%} "
            "interval."
        ),
        (
            f"{mean}: over runs that ended ok, ± half-width of its own {level:.0%} t interval. This interval is "
            f"not adjusted for the number of {'optimizers' if changes else 'pairs'}."
        ),
        (
            f"{shift}: {meaning}. It has a simultaneous {level:.0%} interval. {conclusions.STEP_DOWN_BOUNDS}"
            f"{INFINITE * has_infinite(pairs)}"
        ),
    )


def has_infinite(pairs: pd.DataFrame) -> bool:
    """Return whether a difference of `pairs`, or a bound of its simultaneous interval, is infinite."""
    return bool(pairs[["shift", "simultaneous_low", "simultaneous_high"]].isin([math.inf, -math.inf]).to_numpy().any())


def verdict_cells(row: pd.Series[Any]) -> tuple[Cell, Cell, Cell]:
    """Return the verdict, P(better) with its interval, and the adjusted p of a row of `Comparison.pairs`."""
    share, low, high = (float(row[f"superiority{bound}"]) for bound in ("", "_low", "_high"))
    text = f"{share:.0%}" if math.isfinite(share) else tables.NO_VALUE
    if math.isfinite(low):
        text += f" [{low:.0%}, {high:.0%}]"
    return (
        Cell(str(row["verdict"]), str(row["verdict"]), best=row["verdict"] in verdicts.ABOVE | verdicts.BELOW),
        Cell(text, share),
        Cell(conclusions.p_value(float(row["adjusted_p"])), float(row["adjusted_p"])),
    )


def difference_cells(row: pd.Series[Any], digits: int) -> tuple[Cell, Cell]:
    """Return the difference of means and the simultaneous difference of a row of `Comparison.pairs`."""
    shift, low, high = (float(row[name]) for name in ("shift", "simultaneous_low", "simultaneous_high"))
    text = notes.bound(shift, digits)
    if math.isfinite(low) or math.isfinite(high):
        text += f" [{notes.bound(low, digits)}, {notes.bound(high, digits)}]"
    return (
        Cell(notes.plus_minus(row["difference"], row["low"], row["high"], digits), float(row["difference"])),
        Cell(text, shift),
    )


def effect_cells(row: pd.Series[Any], digits: int) -> tuple[Cell, Cell]:
    """Return effect and minimum detectable difference of a row of `Comparison.pairs`."""
    effect, detectable = (float(row[name]) for name in ("effect", "minimum_detectable_difference"))
    return Cell(notes.number(effect, 2), effect), Cell(notes.number(detectable, digits), detectable)
