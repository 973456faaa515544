"""The section "Tuning" of a report: every estimate, table, figure and sentence of a tuning run, gathered once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reports import figures, scores
from reports.tuning import choices, importances, notes, sensitivity, tables, tunability
from reports.tuning import figures as drawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from reports.figures import Style
    from reports.tables import Sheet


BENEATH: Mapping[str, tuple[str, ...]] = {
    "tuning": ("tuned-against-own",),
    "learning-rates": ("learning-rates", "learning-rate-ranges", "importances"),
    "tuning-budget": ("tunability", "tuning-best"),
}
"""Which figures stand beneath which table."""


@dataclass(frozen=True, slots=True)
class Section:
    """What a report tells of a tuning run.

    Attributes:
        chosen_on: What the settings were chosen on.
        warnings: What nobody may overlook.
        remarks: What is not shown, and why.
        sheets: The tables, the choices first.
        frames: The numbers behind tables and figures in full precision, by the stem of their file.
        trials: A row per Optuna trial.
        metric: The score of the fresh repeats.
        looks: A style per optimizer.
    """

    chosen_on: str
    warnings: tuple[str, ...]
    remarks: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    frames: Mapping[str, pd.DataFrame]
    trials: pd.DataFrame
    metric: str
    looks: Mapping[str, Style]
    beneath: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: BENEATH)

    def figures(self) -> Iterator[tuple[Figure, str, str, str]]:
        """Each figure with the stem of its files, its caption, and what it shows in words.

        To be drawn inside `matplotlib.style.context(figures.STYLE)`.
        """
        objective, goal = str(self.trials["objective"].iloc[0]), str(self.trials["goal"].iloc[0])
        name, line = scores.title(objective).lower(), sensitivity.swept(self.trials)
        points, ranges = sensitivity.points(self.trials), self.frames["learning-rates"]
        compared, gaps = self.frames["tuning"], self.frames["tuning-gaps"]
        if compared[["own", "tuned"]].notna().to_numpy().any():
            better = "maximise" if scores.higher_is_better(self.metric) else "minimise"
            figure = drawn.fresh(compared, gaps, self.looks, metric=self.metric, goal=better)
            how = f"{compared['level'].iloc[0]:.0%} {compared['method'].iloc[0]} intervals"
            caption = (
                f"Left: both settings on fresh repeats. Middle: their paired difference. Right: what the test set takes "
                f"back of the validation score, for the tuned setting (filled) and the study's own (hollow). {how}."
            )
            yield figure, "tuned-against-own", caption, "Interval plot: tuned against own setting of each optimizer."
        if points["score"].notna().any():
            if line:
                figure, ax = figures.single(height=4.2)
                drawn.sweep(points, ranges, ax, self.looks, objective=objective, goal=goal)
                figures.legend(figure, [str(label) for label in ranges["label"]], self.looks)
                caption = f"{name.capitalize()} against the learning rate; the best of each optimizer is marked."
                if ranges["own"].notna().any():
                    caption += " A ring is the study's own rate."
                yield figure, "learning-rates", caption, f"Curves: {name} of each optimizer against its learning rate."
            figure = drawn.sensitivities(points, ranges, self.looks, objective=objective, goal=goal, line=line)
            caption = (
                f"{name.capitalize()} against the learning rate, optimizer by optimizer; the width of the good range."
            )
            yield (
                figure,
                "learning-rate-ranges",
                caption,
                f"Panels: {name} of each optimizer against its learning rate.",
            )
        curves, chances = self.frames.get("tunability"), self.frames.get("tuning-best")
        if curves is not None and chances is not None and curves["trials"].max() > 1:
            figure, ax = figures.single()
            drawn.tunability(curves, ax, self.looks, objective=objective)
            caption = notes.tunability_caption(curves)
            yield figure, "tunability", caption, f"Curves: expected best {name} of each optimizer by number of trials."
            half = chances[chances["trials"] <= max(2, chances["trials"].max() // 2)]
            if half["trials"].max() > 1:
                figure, ax = figures.single()
                drawn.probability(half, ax, self.looks)
                caption = (
                    "Probability that an optimizer has the best trial of all, if k random trials are drawn for each: exact "
                    "over all subsets, up to half of the trials. It describes these trials and has no interval."
                )
                yield (
                    figure,
                    "tuning-best",
                    caption,
                    "Stacked areas: probability of the best trial by number of trials.",
                )
        shares = self.frames["importances"]
        if len(shares):
            figure, ax = figures.single(height=0.8 + 0.155 * len(shares) + 0.08 * shares["label"].nunique())
            drawn.importances(shares, ax, self.looks)
            caption = notes.importances_caption(shares)
            yield figure, "importances", caption, "Bars: importance of each hyperparameter by optimizer."


def tuning_section(
    trials: pd.DataFrame, final: pd.DataFrame, metric: str, looks: Mapping[str, Style], labels: tuple[str, ...]
) -> Section:
    """All that a report tells of a tuning run.

    Args:
        trials: A row per Optuna trial (see `reports.tuning.choices`); at least one.
        final: A row per trial of the report's own plan (`scores.final`): the fresh repeats.
        metric: The study's score.
        looks: A style per label, those of `trials` among them.
        labels: The labels of the report's plan.
    """
    chosen, spent, ranges = choices.best(trials), choices.budget(trials), sensitivity.ranges(trials)
    kept = list(chosen.loc[chosen["kept"].astype(bool), "label"])
    compared = choices.against_own(final, metric, list(chosen["label"]), kept)
    gaps, edges = choices.gaps(chosen, final), choices.at_edges(trials, chosen)
    line = sensitivity.swept(trials)
    frames = {
        "tuning": compared,
        "tuning-choices": chosen,
        "tuning-gaps": gaps,
        "tuning-budget": spent,
        "tuning-trials": trials,
        "learning-rates": ranges,
        "importances": importances.by_optimizer(trials),
    }
    if not notes.dependent(trials):
        frames |= {"tunability": tunability.curves(trials), "tuning-best": tunability.probabilities(trials)}
    below = notes.beneath_choices(chosen, compared, metric)
    sheets = (
        tables.choices(chosen, compared, gaps, metric=metric, remarks=below),
        tables.ranges(ranges, notes.beneath_ranges(ranges, line=line)),
        tables.budget(spent, notes.beneath_budget(trials, spent)),
    )
    return Section(
        chosen_on=notes.chosen_on(trials),
        warnings=notes.warnings(trials, spent, edges, ranges, labels),
        remarks=tuple(text for text in (notes.no_fresh(chosen, labels), notes.dependent(trials)) if text),
        sheets=sheets if ranges["tried"].any() else (sheets[0], sheets[2]),
        frames=frames,
        trials=trials,
        metric=metric,
        looks=looks,
    )
