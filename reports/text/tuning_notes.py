"""Write the notes of a tuning report: on what settings were selected, what was not tuned, and which values are at a bound.

The text is plain. Each writer escapes it for its own format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis import hyperparameter_importance, lr_sensitivity, tunability
from reports.frames.scores import higher_is_better, title
from reports.frames.study_frames import TUNED, tuned_label
from reports.text.notes import join_labels, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

_SAMPLERS = {"tpe": "TPE", "random": "random search", "qmc": "a quasi-random sequence", "grid": "grid search"}


def selection_note(trials: pd.DataFrame) -> str:
    """Return on which data the settings were selected; the first sentence of the section."""
    objective = title(str(trials["objective"].iloc[0])).lower()
    if selected_on_test(trials):
        return (
            f"These settings were selected on the test set, by {objective}. Their test scores are optimistically biased and "
            "support no conclusion."
        )
    samplers = " and ".join(dict.fromkeys(_SAMPLERS.get(str(name), str(name)) for name in trials["sampler"]))
    return (
        f"No setting was selected on the test set. Each was selected by {objective} on held-out training examples, with "
        f"{samplers}. Test scores are from new repeats of the selected setting."
    )


def selected_on_test(trials: pd.DataFrame) -> bool:
    """Return whether the objective is anything but a validation score."""
    return not trials["objective"].astype(str).str.startswith("validation/").all()


def warnings(
    trials: pd.DataFrame, spent: pd.DataFrame, edges: pd.DataFrame, ranges: pd.DataFrame, labels: Sequence[str]
) -> tuple[str, ...]:
    """Return the warnings about a tuning, the most serious first.

    Args:
        trials: A row per Optuna trial.
        spent: A row per optimizer (`tuning.budget`).
        edges: Chosen values at a bound of their range (`tuning.at_bounds`).
        ranges: Ranges of good learning rates (`lr_sensitivity.ranges`).
        labels: All labels of the report.
    """
    sentences = (
        selection_note(trials) if selected_on_test(trials) else "",
        untuned(trials, labels),
        unequal_budgets(spent),
        failed_trials(spent),
        at_bounds(edges),
        open_ranges(ranges),
    )
    return tuple(sentence for sentence in sentences if sentence)


def untuned(trials: pd.DataFrame, labels: Sequence[str]) -> str:
    """Return which optimizers were not tuned, and which have no completed trial."""
    completed = set(trials.loc[trials["state"] == "complete", "optimizer"])
    compared = [label for label in labels if not (label.endswith(TUNED) and label.removesuffix(TUNED) in labels)]
    not_tuned = [label for label in compared if label not in set(trials["optimizer"])]
    without_trial = [label for label in dict.fromkeys(trials["optimizer"]) if label not in completed]
    sentences = []
    if not_tuned:
        sentences.append(f"Not tuned: {join_labels(not_tuned)}. A comparison with tuned optimizers is unfair to them.")
    if without_trial:
        sentences.append(
            f"No setting was selected for {join_labels(without_trial)}, because none of the tuning trials completed."
        )
    return " ".join(sentences)


def unequal_budgets(spent: pd.DataFrame) -> str:
    """Return the numbers of configurations if they differ between optimizers."""
    if spent["configurations"].nunique() < 2:
        return ""
    counts = ", ".join(f"{row['label']} ({row['configurations']})" for _, row in spent.iterrows())
    return f"Tuning budgets differ. Configurations: {counts}. More configurations find better settings by chance alone."


def failed_trials(spent: pd.DataFrame) -> str:
    """Return which tuning trials failed, which gives no score."""
    failed = spent[spent["failed"] > 0]
    counts = ", ".join(f"{row['label']} ({row['failed']} of {row['configurations']})" for _, row in failed.iterrows())
    return f"Failed tuning trials, which have no score: {counts}. Tune again to repeat them." if counts else ""


def at_bounds(edges: pd.DataFrame) -> str:
    """Return which selected values lie at a bound of their range."""
    if edges.empty:
        return ""
    values = "; ".join(
        f"{row['label']}: {row['parameter']} = {row['value']:.4g} in {row['range']}" for _, row in edges.iterrows()
    )
    return (
        f"Selected values at a bound of their search range. {values}. The optimum may lie outside. Widen the range in the "
        "study and tune again."
    )


def open_ranges(ranges: pd.DataFrame) -> str:
    """Return whose good learning rates include the lowest or the highest rate tried."""
    sides = {(True, False): "below", (False, True): "above", (True, True): "on both sides"}
    labels = [
        f"{row['label']} ({sides[bool(row['open_low']), bool(row['open_high'])]})"
        for _, row in ranges.dropna(subset=["score"]).iterrows()
        if row["open_low"] or row["open_high"]
    ]
    if not labels:
        return ""
    return f"The range of good learning rates is open, because no rate beyond was tried: {', '.join(labels)}."


def choices_notes(chosen: pd.DataFrame, compared: pd.DataFrame, metric: str) -> tuple[str, ...]:
    """Return the notes below the table of selected settings."""
    level, method = float(compared["level"].iloc[0]), str(compared["method"].iloc[0])
    pairs, better = format_n(n for n in compared["n"] if n), "Higher" if higher_is_better(metric) else "Lower"
    kept = [str(label) for label in chosen.loc[chosen["kept"].astype(bool), "label"]]
    incomplete = [
        f"{row['label']} ({row['n']} of {row['pairs']})"
        for _, row in compared.iterrows()
        if row["n"] < row["pairs"] and not row["kept"]
    ]
    notes = [
        (
            f"Tuned − default: mean of paired differences over new repeats ± half-width of its {level:.0%} {method} interval, "
            f"{pairs} pairs with the same seeds. {better} {title(metric).lower()} is better."
        ),
        "These intervals are not adjusted for multiplicity; about one in twenty excludes a true difference of zero.",
        (
            "Gap: test score of new repeats − validation score that the setting was selected by, in the same metric. Its "
            "interval covers the variation of the new repeats, not that of the validation score. The best of many noisy scores "
            "is optimistically biased. The gap of the default setting, which was not selected, shows the difference between "
            "the two splits alone."
        ),
    ]
    if kept:
        notes.append(
            f"The default setting had the best validation score and was kept: {', '.join(kept)}. There is no difference then."
        )
    if incomplete:
        notes.append(f"Pairs with an unsuccessful trial are excluded. Remaining pairs: {', '.join(incomplete)}.")
    return tuple(notes)


def ranges_notes(ranges: pd.DataFrame, *, lr_only: bool) -> tuple[str, ...]:
    """Return the notes below the table of learning-rate ranges.

    Args:
        ranges: `lr_sensitivity.ranges`.
        lr_only: Whether the learning rate alone was varied.
    """
    share = float(ranges["share"].iloc[0]) if len(ranges) else lr_sensitivity.SHARE
    varied = (
        "Only the learning rate varies. The score of a rate is the mean over its trials."
        if lr_only
        else "Other hyperparameters vary too. A rate is good if it was good with some setting of them."
    )
    return (
        (
            f"Good (within {share:.0%}): |score − best| ≤ {share:g} · |best|, where best is the best score of an optimizer's "
            f"completed trials, in the unit of the objective. {varied}"
        ),
        (
            "Width: at least from the lowest to the highest good rate, at most up to the next rates that were tried and not "
            "good. Open: no rate beyond was tried, so the width has no upper bound."
        ),
        "Good/tried: good rates among those tried between the lowest and the highest good rate.",
    )


def budget_notes(trials: pd.DataFrame, spent: pd.DataFrame) -> tuple[str, ...]:
    """Return the notes below the table of tuning budgets."""
    equal = spent["configurations"].nunique() < 2
    notes = [
        f"Every optimizer had {spent['configurations'].iloc[0]} configurations."
        if equal
        else "The numbers of configurations differ.",
        (
            "Pruned, diverged and stalled trials stop early and use less of the budget. A trial is pruned if its first repeats "
            "score poorly. Diverged and stalled trials count as the worst score, not as missing. Failed trials stopped with an "
            "error and give no information on their setting."
        ),
    ]
    if trials["is_default"].astype(bool).any():
        notes.append("The default setting is one of the configurations.")
    return tuple(notes)


def tunability_caption(curves: pd.DataFrame) -> str:
    """Return the caption of the curves of the expected best score."""
    first, optimizers = curves.iloc[0], curves.drop_duplicates("label")
    capped = int(optimizers["capped"].sum())
    text = (
        "Expected best validation score after k random trials: mean of the best over all subsets of k of the "
        f"{format_n(optimizers['n'])} trials, with its {first['level']:.0%} {first['method']} band. The band ends at half of "
        "the trials, because larger subsets share most of their trials. The default setting is not a random trial and is "
        "excluded."
    )
    if capped:
        text += (
            f" {capped} of {int(optimizers['n'].sum())} trials had no score or a worse one than {number(first['worst'], 3)}, "
            "and count with that value."
        )
    return text


def importances_caption(shares: pd.DataFrame) -> str:
    """Return the caption of the hyperparameter importances."""
    return (
        f"Hyperparameter importance ({hyperparameter_importance.METHOD}): how much the distribution of a hyperparameter in the "
        "best quarter of an optimizer's trials differs from that in all its trials. The shares of an optimizer add up to 100%. "
        "They are imprecise below about 30 trials and depend on the search ranges. "
        f"{format_n(shares['n'])} trials."
    )


def no_tunability_note(trials: pd.DataFrame) -> str:
    """Return why there is no tunability curve; empty if there are random trials."""
    return tunability.DEPENDENT if tunability.independent(trials).empty else ""


def no_new_repeats(chosen: pd.DataFrame, labels: Sequence[str]) -> str:
    """Return which tuned settings have not been run on new repeats."""
    missing = [
        str(row["label"]) for _, row in chosen.iterrows() if not row["kept"] and tuned_label(row["label"]) not in labels
    ]
    if not missing:
        return ""
    return f"No new repeats of the tuned setting yet: {join_labels(missing)}. Run the tuned study to get them."


def format_n(counts: Iterable[int]) -> str:
    """Return `n = 6`, or `n = 4 to 6` if the counts differ."""
    known = sorted({int(count) for count in counts}) or [0]
    return f"n = {known[0]}" if len(known) == 1 else f"n = {known[0]} to {known[-1]}"
