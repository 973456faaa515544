"""Make the section "Tuning" of a report: all estimates, tables, figures and notes of a tuning."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.analysis import hyperparameter_importance, lr_sensitivity, tunability, tuning
from reports.figures import tuning as figures
from reports.figures.style import shared_legend, single_panel
from reports.frames import scores
from reports.sections import FigureSpec, Section
from reports.text import notes, tuning_notes
from reports.text.tables import NO_VALUE, Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd

    from reports.figures.style import Style


def tuning_section(trials: pd.DataFrame, final: pd.DataFrame, metric: str, labels: tuple[str, ...]) -> Section:
    """Return the section of a tuning.

    Args:
        trials: A row per Optuna trial (see `reports.analysis.tuning`); at least one.
        final: A row per trial of the report's plan (`scores.final`): the new repeats.
        metric: The study's score.
        labels: The labels of the report's plan.
    """
    chosen, spent, ranges = tuning.best(trials), tuning.budget(trials), lr_sensitivity.ranges(trials)
    kept = list(chosen.loc[chosen["kept"].astype(bool), "label"])
    compared = tuning.tuned_vs_default(final, metric, list(chosen["label"]), kept)
    gaps, edges = tuning.validation_test_gap(chosen, final), tuning.at_bounds(trials, chosen)
    frames = {
        "tuning": compared,
        "tuning-choices": chosen,
        "tuning-gaps": gaps,
        "tuning-budget": spent,
        "tuning-trials": trials,
        "learning-rates": ranges,
        "importances": hyperparameter_importance.by_optimizer(trials),
    }
    no_tunability = tuning_notes.no_tunability_note(trials)
    if not no_tunability:
        frames |= {"tunability": tunability.curves(trials), "tuning-best": tunability.probabilities(trials)}
    tables = [
        choices_table(
            chosen, compared, gaps, metric=metric, remarks=tuning_notes.choices_notes(chosen, compared, metric)
        ),
        budget_table(spent, tuning_notes.budget_notes(trials, spent)),
    ]
    if ranges["tried"].any():
        remarks = tuning_notes.ranges_notes(ranges, lr_only=lr_sensitivity.swept(trials))
        tables.insert(1, learning_rates_table(ranges, remarks))
    selection = tuning_notes.selection_note(trials)
    sentences = (selection, tuning_notes.no_new_repeats(chosen, labels), no_tunability)
    return Section(
        "tuning",
        "Tuning",
        description=tuple(sentence for sentence in sentences if sentence),
        tables=tuple(tables),
        draw=lambda styles: _draw(trials, frames, metric, styles),
        data=frames,
        position="results",
        warnings=tuning_notes.warnings(trials, spent, edges, ranges, labels),
        caution=selection,
    )


def format_setting(row: pd.Series) -> str:
    """Return a selected setting as `lr 0.003162, beta1 0.92`; a dash if none was selected."""
    values = {
        str(name).removeprefix(tuning.PARAM): row[name] for name in row.index if str(name).startswith(tuning.PARAM)
    }
    known = [f"{name} {_short(float(value))}" for name, value in values.items() if math.isfinite(value)]
    return ", ".join(known) or NO_VALUE


def choices_table(
    chosen: pd.DataFrame, compared: pd.DataFrame, gaps: pd.DataFrame, *, metric: str, remarks: Iterable[str] = ()
) -> Table:
    """Return the table of selected settings: a row per optimizer, with the test score of new repeats and the gap.

    Args:
        chosen: `tuning.best`.
        compared: `tuning.tuned_vs_default`, of the study's score.
        gaps: `tuning.validation_test_gap`; the rows of all three frames are in the same order.
        metric: The metric of the scores in `compared`.
        remarks: The notes below the table.
    """
    score, gap_score = scores.title(metric), scores.title(str(gaps["metric"].iloc[0]))
    columns = (
        Column("Optimizer", "left"),
        Column("Best setting", "left", rank=4),
        Column(f"{scores.title(str(chosen['objective'].iloc[0]))} (selection)", rank=2),
        Column(f"{score}, default", rank=1),
        Column(f"{score}, tuned"),
        Column("Tuned − default"),
        *([Column(f"{gap_score}, tuned", rank=3)] if gap_score != score else []),
        Column("Gap", rank=2),
        Column("Gap, default", rank=3),
    )
    default_digits, tuned_digits = (_digits(compared, f"{side}_low", f"{side}_high") for side in ("default", "tuned"))
    digits, gap_digits = _digits(compared, "low", "high"), _digits(gaps, "low", "high")
    rows = []
    for (_, best), (_, pair), (_, gap) in zip(chosen.iterrows(), compared.iterrows(), gaps.iterrows(), strict=True):
        difference = "kept" if pair["kept"] else _signed(pair["difference"], pair["low"], pair["high"], digits)
        default = notes.plus_minus(pair["default"], pair["default_low"], pair["default_high"], default_digits)
        tuned = notes.plus_minus(pair["tuned"], pair["tuned_low"], pair["tuned_high"], tuned_digits)
        test = notes.plus_minus(gap["test"], gap["test_low"], gap["test_high"], gap_digits)
        rows.append(
            (
                Cell(str(best["label"]), str(best["label"])),
                Cell(format_setting(best), format_setting(best)),
                Cell(notes.number(best["score"], gap_digits), best["score"]),
                Cell(default, pair["default"]),
                Cell(tuned, pair["tuned"]),
                Cell(difference, pair["difference"]),
                *([Cell(test, gap["test"])] if gap_score != score else []),
                Cell(_signed(gap["gap"], gap["low"], gap["high"], gap_digits), gap["gap"]),
                Cell(
                    _signed(gap["default_gap"], gap["default_low"], gap["default_high"], gap_digits), gap["default_gap"]
                ),
            )
        )
    return Table("tuning", "Tuned settings on new repeats", columns, tuple(rows), tuple(remarks))


def learning_rates_table(ranges: pd.DataFrame, remarks: Iterable[str] = ()) -> Table:
    """Return the table of `lr_sensitivity.ranges`: the best learning rate, the range of good ones and its width."""
    share = f"{lr_sensitivity.SHARE:.0%}"
    columns = (
        Column("Optimizer", "left"),
        Column("Best learning rate"),
        Column("Default", rank=1),
        Column(f"Within {share}, lowest"),
        Column(f"Within {share}, highest"),
        Column("Ratio", rank=2),
        Column("Width", "left"),
        Column("Good/tried", rank=3),
    )
    rows = []
    for _, row in ranges.iterrows():
        known = math.isfinite(row["score"])
        good = f"{row['within']}/{row['inside']}" if known else NO_VALUE
        rows.append(
            (
                Cell(str(row["label"]), str(row["label"])),
                *(Cell(_short(row[name]), float(row[name])) for name in ("lr", "default", "low", "high")),
                Cell(notes.number(row["ratio"], 1), float(row["ratio"])),
                Cell(figures.format_width(row), float(row["decades"])),
                Cell(good, row["within"] / row["inside"] if known else math.nan),
            )
        )
    return Table("learning-rates", "Learning rates", columns, tuple(rows), tuple(remarks))


def budget_table(spent: pd.DataFrame, remarks: Iterable[str] = ()) -> Table:
    """Return the table of `tuning.budget`: what each optimizer used."""
    names = ["configurations", *tuning.STATES, "repeats", "examples", "seconds"]
    titles = [{"examples": "Training examples"}.get(name, name.capitalize()) for name in names]
    columns = (Column("Optimizer", "left"), *(Column(name, rank=rank) for rank, name in enumerate(titles)))
    rows = []
    for _, row in spent.iterrows():
        values = [(float(row[name]), int(0 < row[name] < 10) if name == "seconds" else 0) for name in names]
        cells = [Cell(notes.number(value, digits), value) for value, digits in values]
        rows.append((Cell(str(row["label"]), str(row["label"])), *cells))
    return Table("tuning-budget", "Tuning budget", columns, tuple(rows), tuple(remarks))


def _draw(
    trials: pd.DataFrame, frames: Mapping[str, pd.DataFrame], metric: str, styles: Mapping[str, Style]
) -> Iterator[FigureSpec]:
    """Yield each figure with the name of the table that it stands below."""
    objective, goal = str(trials["objective"].iloc[0]), str(trials["goal"].iloc[0])
    name, line = scores.title(objective).lower(), lr_sensitivity.swept(trials)
    points, ranges = lr_sensitivity.points(trials), frames["learning-rates"]
    compared, gaps = frames["tuning"], frames["tuning-gaps"]
    if compared[["default", "tuned"]].notna().to_numpy().any():
        better = "maximise" if scores.higher_is_better(metric) else "minimise"
        figure = figures.new_repeats(compared, gaps, styles, metric=metric, goal=better)
        caption = (
            "Left: both settings on new repeats. Middle: their paired difference. Right: test score minus validation score "
            "(optimism of selection), for the tuned setting (filled) and the default setting (hollow). "
            f"Bars: {compared['level'].iloc[0]:.0%} {compared['method'].iloc[0]} intervals."
        )
        alt = "Interval plot: tuned against default setting of each optimizer."
        yield FigureSpec(figure, "tuned-against-default", caption, alt, below_table="tuning")
    if points["score"].notna().any():
        if line:
            figure, ax = single_panel(height=4.2)
            figures.sweep(points, ranges, ax, styles, objective=objective, goal=goal)
            shared_legend(figure, [str(label) for label in ranges["label"]], styles)
            caption = f"{name.capitalize()} against the learning rate. The best of each optimizer is marked."
            if ranges["default"].notna().any():
                caption += " A ring marks the default learning rate."
            alt = f"Curves: {name} of each optimizer against its learning rate."
            yield FigureSpec(figure, "learning-rates", caption, alt, below_table="learning-rates")
        figure = figures.sensitivities(points, ranges, styles, objective=objective, goal=goal, line=line)
        caption = f"{name.capitalize()} against the learning rate for each optimizer, with the width of the good range."
        alt = f"Panels: {name} of each optimizer against its learning rate."
        yield FigureSpec(figure, "learning-rate-ranges", caption, alt, below_table="learning-rates")
    curves, chances = frames.get("tunability"), frames.get("tuning-best")
    if curves is not None and chances is not None and curves["trials"].max() > 1:
        figure, ax = single_panel()
        figures.tunability(curves, ax, styles, objective=objective)
        alt = f"Curves: expected best {name} of each optimizer by number of trials."
        yield FigureSpec(
            figure, "tunability", tuning_notes.tunability_caption(curves), alt, below_table="tuning-budget"
        )
        first_half = chances[chances["trials"] <= max(2, chances["trials"].max() // 2)]
        if first_half["trials"].max() > 1:
            figure, ax = single_panel()
            figures.probability(first_half, ax, styles)
            caption = (
                "Probability that an optimizer has the best of all trials if k random trials are drawn for each: exact over "
                "all subsets, up to half of the trials. It describes these trials and has no interval."
            )
            alt = "Stacked areas: probability of the best trial by number of trials."
            yield FigureSpec(figure, "tuning-best", caption, alt, below_table="tuning-budget")
    shares = frames["importances"]
    if len(shares):
        figure, ax = single_panel(height=0.8 + 0.155 * len(shares) + 0.08 * shares["label"].nunique())
        figures.importances(shares, ax, styles)
        alt = "Bars: importance of each hyperparameter by optimizer."
        yield FigureSpec(
            figure, "importances", tuning_notes.importances_caption(shares), alt, below_table="learning-rates"
        )


def _digits(table: pd.DataFrame, low: str, high: str) -> int:
    return notes.decimals((table[high] - table[low]) / 2)


def _signed(mean: float, low: float, high: float, digits: int) -> str:
    """Return a mean with its sign and interval; a mean that rounds to 0 has no sign."""
    text = notes.plus_minus(mean, low, high, digits)
    if not set("123456789") & set(text.partition(" ")[0]):
        return text.removeprefix("−")
    return f"+{text}" if mean > 0 else text


def _short(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else NO_VALUE
