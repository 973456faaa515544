"""The sentences of a tuning report: what was chosen on what, what was not tuned, what differs, what lies at an edge.

Plain text; each writer escapes it for its own format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis import hyperparameter_importance, lr_sensitivity, tunability
from reports.frames.scores import higher_is_better, title
from reports.frames.study_frames import TUNED, tuned_label
from reports.text.notes import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

_SAMPLERS = {"tpe": "TPE", "random": "random search", "qmc": "a quasi-random sequence", "grid": "a grid"}


def chosen_on(trials: pd.DataFrame) -> str:
    """What the settings were chosen on, and so what may be believed; the first sentence of the section."""
    objective = str(trials["objective"].iloc[0])
    if tested_on_test(trials):
        return (
            f"These settings were chosen by {title(objective).lower()}: on the test set. Their test scores are those of "
            "the luckiest trial and prove nothing."
        )
    how = " and ".join(dict.fromkeys(_SAMPLERS.get(str(name), str(name)) for name in trials["sampler"]))
    return (
        f"No setting was chosen on the test set. Each was chosen by {title(objective).lower()}, on examples held out of "
        f"the training set, with {how}; test scores are those of fresh repeats of the choice, run after it was made."
    )


def tested_on_test(trials: pd.DataFrame) -> bool:
    """Whether the objective is anything but a validation score."""
    return not trials["objective"].astype(str).str.startswith("validation/").all()


def warnings(
    trials: pd.DataFrame, spent: pd.DataFrame, edges: pd.DataFrame, ranges: pd.DataFrame, labels: Sequence[str]
) -> tuple[str, ...]:
    """What nobody may overlook, worst first; empty where nothing is wrong.

    Args:
        trials: A row per Optuna trial.
        spent: A row per optimizer (`choices.budget`).
        edges: Chosen values on an edge of their range (`choices.at_bounds`).
        ranges: Ranges of good learning rates (`sensitivity.ranges`).
        labels: All labels of the report.
    """
    told = [chosen_on(trials)] if tested_on_test(trials) else []
    return tuple(
        sentence
        for sentence in (*told, untuned(trials, labels), unequal(spent), lost(spent), edge(edges), open_ranges(ranges))
        if sentence
    )


def untuned(trials: pd.DataFrame, labels: Sequence[str]) -> str:
    """The optimizers that were not tuned, or of which no trial ended: beside tuned ones they are handicapped."""
    whole = set(trials.loc[trials["state"] == "complete", "optimizer"])
    rivals = [label for label in labels if not (label.endswith(TUNED) and label.removesuffix(TUNED) in labels)]
    none = [label for label in rivals if label not in set(trials["optimizer"])]
    void = [label for label in dict.fromkeys(trials["optimizer"]) if label not in whole]
    told = []
    if none:
        told.append(f"Not tuned: {_list(none)}. Beside tuned optimizers this is no fair comparison.")
    if void:
        told.append(f"Tuned in vain: no trial of {_list(void)} came to its end, so there is no setting to choose.")
    return " ".join(told)


def unequal(spent: pd.DataFrame) -> str:
    """That the optimizers did not get the same number of configurations."""
    if spent["configurations"].nunique() < 2:
        return ""
    each = ", ".join(f"{row['label']} {row['configurations']}" for _, row in spent.iterrows())
    return f"The budgets differ: configurations tried were {each}. More trials find better settings by chance alone."


def lost(spent: pd.DataFrame) -> str:
    """That trials broke, which is no result."""
    broken = spent[spent["failed"] > 0]
    each = ", ".join(f"{row['label']} {row['failed']} of {row['configurations']}" for _, row in broken.iterrows())
    return f"Trials that broke and tell nothing: {each}. Tune again to run them." if each else ""


def edge(edges: pd.DataFrame) -> str:
    """That a chosen value lies on an edge of its range."""
    if edges.empty:
        return ""
    each = "; ".join(
        f"{row['label']} {row['parameter']} = {row['value']:.4g} in {row['range']}" for _, row in edges.iterrows()
    )
    return (
        f"An optimum lies on the edge of its range: {each}. The best may lie beyond: widen that range in the study and tune "
        "again."
    )


def open_ranges(ranges: pd.DataFrame) -> str:
    """That good learning rates reach the edge of what was tried, so their range has no known end."""
    each = [
        f"{row['label']} {'below' if row['open_low'] else 'above'}"
        if bool(row["open_low"]) != bool(row["open_high"])
        else f"{row['label']} at both ends"
        for _, row in ranges.dropna(subset=["score"]).iterrows()
        if row["open_low"] or row["open_high"]
    ]
    return f"The range of good learning rates is open: {'; '.join(each)}. No rate beyond was tried." if each else ""


def choices_notes(chosen: pd.DataFrame, compared: pd.DataFrame, metric: str) -> tuple[str, ...]:
    """The notes beneath the table of choices."""
    level, method = float(compared["level"].iloc[0]), str(compared["method"].iloc[0])
    pairs, better = span(n for n in compared["n"] if n), "more" if higher_is_better(metric) else "less"
    kept = [str(label) for label in chosen.loc[chosen["kept"].astype(bool), "label"]]
    short = [
        f"{row['label']} {row['n']} of {row['pairs']}"
        for _, row in compared.iterrows()
        if row["n"] < row["pairs"] and not row["kept"]
    ]
    told = [
        (
            f"Tuned − own: mean of paired differences over fresh repeats ± half of its {level:.0%} {method} interval, "
            f"{pairs} pairs with the same seeds. Of {title(metric).lower()} {better} is better."
        ),
        "Each interval stands for itself: of twenty true zeros about one is missed. None is adjusted for their number.",
        (
            "Gap: test score on fresh repeats − the validation score that the setting was chosen by, the same metric of both. "
            "Its interval holds the spread of the fresh repeats, not that of the validation score. The best of many noisy "
            "scores looks better than it is; the gap of the own setting, which was not chosen, shows what the other split "
            "does by itself."
        ),
    ]
    if kept:
        told.append(f"The study's own setting came out best and was kept: {_list(kept)}. Nothing differs there.")
    if short:
        told.append(f"Pairs of which a side did not end ok are left out: {', '.join(short)} pairs remain.")
    return tuple(told)


def ranges_notes(ranges: pd.DataFrame, *, line: bool) -> tuple[str, ...]:
    """The notes beneath the table of learning-rate ranges."""
    share = float(ranges["share"].iloc[0]) if len(ranges) else lr_sensitivity.SHARE
    what = (
        "The learning rate alone varies; a rate's score is the mean over its trials."
        if line
        else "The other hyperparameters vary too, so a rate counts as good if it was good with some setting of them."
    )
    return (
        (
            f"Within {share:.0%}: |score − best| ≤ {share:g} · |best|, best being the optimizer's own best score of a "
            f"complete trial in the objective's own unit. {what}"
        ),
        (
            "Width: at least from the lowest to the highest good rate, at most up to the next rates that were tried and were "
            "not good. Open: no rate beyond was tried, so the width has no upper bound."
        ),
        "Good/tried: of the rates tried between the lowest and the highest good one, how many were good.",
    )


def budget_notes(trials: pd.DataFrame, spent: pd.DataFrame) -> tuple[str, ...]:
    """The notes beneath the table of budgets."""
    same = spent["configurations"].nunique() < 2
    told = [
        f"Every optimizer got the same {spent['configurations'].iloc[0]} configurations."
        if same
        else "The numbers of configurations differ.",
        (
            "Pruned (hopeless after its first repeats), diverged and stalled trials stop early and so spend less; diverged and "
            "stalled ones count as the worst, not as missing. Failed trials broke: they tell nothing about their setting."
        ),
    ]
    if trials["is_default"].astype(bool).any():
        told.append("The study's own setting is one of the configurations.")
    return tuple(told)


def tunability_caption(curves: pd.DataFrame) -> str:
    """What the curves of the expected best are made of."""
    first = curves.iloc[0]
    each = curves.drop_duplicates("label")
    capped = int(each["capped"].sum())
    told = (
        "Expected best validation score after k random trials: the mean of the best over all subsets of k of the "
        f"{span(each['n'])} trials, with its {first['level']:.0%} {first['method']} band. The band ends at half of the "
        "trials, where subsets begin to share most of theirs. The study's own setting is no random trial and is left out."
    )
    if capped:
        told += (
            f" {capped} of {int(each['n'].sum())} trials had no score, or a worse one than {number(first['worst'], 3)}, "
            "and count with that."
        )
    return told


def importances_caption(shares: pd.DataFrame) -> str:
    """How the importances were found."""
    return (
        f"Which hyperparameter matters: {hyperparameter_importance.METHOD}, from how differently the best quarter of an optimizer's "
        "trials and all of them are spread over each hyperparameter. Shares of one optimizer add up to 100%; a share is "
        f"rough below about 30 trials, and it depends on the ranges searched. {span(shares['n'])} trials."
    )


def dependent(trials: pd.DataFrame) -> str:
    """Why there is no tunability curve; empty where there are random trials."""
    return tunability.DEPENDENT if tunability.independent(trials).empty else ""


def no_new_repeats(chosen: pd.DataFrame, labels: Sequence[str]) -> str:
    """The optimizers whose tuned setting has not been run on fresh repeats."""
    missing = [str(r["label"]) for _, r in chosen.iterrows() if not r["kept"] and tuned_label(r["label"]) not in labels]
    return (
        f"No fresh repeats of the tuned setting yet: {_list(missing)}. Run the tuned study for them." if missing else ""
    )


def span(counts: Iterable[int]) -> str:
    """`n = 6`, or `n = 4 to 6` where they differ."""
    known = sorted({int(count) for count in counts}) or [0]
    return f"n = {known[0]}" if len(known) == 1 else f"n = {known[0]} to {known[-1]}"


def _list(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
