"""The part "Tuning" of a report: every estimate, table, figure and sentence of a tuning run, gathered once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis import hyperparameter_importance, lr_sensitivity, tunability, tuning
from reports.figures import tuning as figures
from reports.figures.style import shared_legend, single_panel
from reports.frames import scores
from reports.sections import FigureSpec, Section, tuning_tables
from reports.text import tuning_notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from reports.figures.style import Style


def tuning_section(trials: pd.DataFrame, final: pd.DataFrame, metric: str, labels: tuple[str, ...]) -> Section:
    """All that a report tells of a tuning run.

    Args:
        trials: A row per Optuna trial (see `reports.analysis.tuning`); at least one.
        final: A row per trial of the report's own plan (`scores.final`): the fresh repeats.
        metric: The study's score.
        labels: The labels of the report's plan.
    """
    chosen, spent, ranges = tuning.best(trials), tuning.budget(trials), lr_sensitivity.ranges(trials)
    kept = list(chosen.loc[chosen["kept"].astype(bool), "label"])
    compared = tuning.tuned_vs_default(final, metric, list(chosen["label"]), kept)
    gaps, edges = tuning.validation_test_gap(chosen, final), tuning.at_bounds(trials, chosen)
    line = lr_sensitivity.swept(trials)
    frames = {
        "tuning": compared,
        "tuning-choices": chosen,
        "tuning-gaps": gaps,
        "tuning-budget": spent,
        "tuning-trials": trials,
        "learning-rates": ranges,
        "importances": hyperparameter_importance.by_optimizer(trials),
    }
    if not tuning_notes.dependent(trials):
        frames |= {"tunability": tunability.curves(trials), "tuning-best": tunability.probabilities(trials)}
    below = tuning_notes.choices_notes(chosen, compared, metric)
    sheets = (
        tuning_tables.choices(chosen, compared, gaps, metric=metric, remarks=below),
        tuning_tables.ranges(ranges, tuning_notes.ranges_notes(ranges, line=line)),
        tuning_tables.budget(spent, tuning_notes.budget_notes(trials, spent)),
    )
    return Section(
        "tuning",
        "Tuning",
        description=(
            tuning_notes.chosen_on(trials),
            *(text for text in (tuning_notes.no_new_repeats(chosen, labels), tuning_notes.dependent(trials)) if text),
        ),
        tables=sheets if ranges["tried"].any() else (sheets[0], sheets[2]),
        draw=lambda looks: _draw(trials, frames, metric, looks),
        data=frames,
        position="results",
        warnings=tuning_notes.warnings(trials, spent, edges, ranges, labels),
        caution=tuning_notes.chosen_on(trials),
    )


def _draw(
    trials: pd.DataFrame, frames: Mapping[str, pd.DataFrame], metric: str, looks: Mapping[str, Style]
) -> Iterator[FigureSpec]:
    """Each figure, under its table."""
    objective, goal = str(trials["objective"].iloc[0]), str(trials["goal"].iloc[0])
    name, line = scores.title(objective).lower(), lr_sensitivity.swept(trials)
    points, ranges = lr_sensitivity.points(trials), frames["learning-rates"]
    compared, gaps = frames["tuning"], frames["tuning-gaps"]
    if compared[["default", "tuned"]].notna().to_numpy().any():
        better = "maximise" if scores.higher_is_better(metric) else "minimise"
        figure = figures.new_repeats(compared, gaps, looks, metric=metric, goal=better)
        how = f"{compared['level'].iloc[0]:.0%} {compared['method'].iloc[0]} intervals"
        caption = (
            f"Left: both settings on fresh repeats. Middle: their paired difference. Right: what the test set takes "
            f"back of the validation score, for the tuned setting (filled) and the study's own (hollow). {how}."
        )
        alt = "Interval plot: tuned against own setting of each optimizer."
        yield FigureSpec(figure, "tuned-against-own", caption, alt, below_table="tuning")
    if points["score"].notna().any():
        if line:
            figure, ax = single_panel(height=4.2)
            figures.sweep(points, ranges, ax, looks, objective=objective, goal=goal)
            shared_legend(figure, [str(label) for label in ranges["label"]], looks)
            caption = f"{name.capitalize()} against the learning rate; the best of each optimizer is marked."
            if ranges["default"].notna().any():
                caption += " A ring is the study's own rate."
            alt = f"Curves: {name} of each optimizer against its learning rate."
            yield FigureSpec(figure, "learning-rates", caption, alt, below_table="learning-rates")
        figure = figures.sensitivities(points, ranges, looks, objective=objective, goal=goal, line=line)
        caption = f"{name.capitalize()} against the learning rate, optimizer by optimizer; the width of the good range."
        alt = f"Panels: {name} of each optimizer against its learning rate."
        yield FigureSpec(figure, "learning-rate-ranges", caption, alt, below_table="learning-rates")
    curves, chances = frames.get("tunability"), frames.get("tuning-best")
    if curves is not None and chances is not None and curves["trials"].max() > 1:
        figure, ax = single_panel()
        figures.tunability(curves, ax, looks, objective=objective)
        caption = tuning_notes.tunability_caption(curves)
        alt = f"Curves: expected best {name} of each optimizer by number of trials."
        yield FigureSpec(figure, "tunability", caption, alt, below_table="tuning-budget")
        half = chances[chances["trials"] <= max(2, chances["trials"].max() // 2)]
        if half["trials"].max() > 1:
            figure, ax = single_panel()
            figures.probability(half, ax, looks)
            caption = (
                "Probability that an optimizer has the best trial of all, if k random trials are drawn for each: exact "
                "over all subsets, up to half of the trials. It describes these trials and has no interval."
            )
            alt = "Stacked areas: probability of the best trial by number of trials."
            yield FigureSpec(figure, "tuning-best", caption, alt, below_table="tuning-budget")
    shares = frames["importances"]
    if len(shares):
        figure, ax = single_panel(height=0.8 + 0.155 * len(shares) + 0.08 * shares["label"].nunique())
        figures.importances(shares, ax, looks)
        caption = tuning_notes.importances_caption(shares)
        alt = "Bars: importance of each hyperparameter by optimizer."
        yield FigureSpec(figure, "importances", caption, alt, below_table="learning-rates")
