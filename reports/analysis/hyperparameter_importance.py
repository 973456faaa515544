"""Which hyperparameter of each optimizer matters, from the trials of a tuning run."""

from __future__ import annotations

import pandas as pd

from reports.analysis.tuning import PARAM, goodness, hyperparameters
from reports.frames.study_frames import importances

METHOD = "PED-ANOVA"
"""The name of the method, to stand beside every number that comes from here."""


def by_optimizer(trials: pd.DataFrame) -> pd.DataFrame:
    """How much each tuned hyperparameter decides whether a setting is among the best quarter of its optimizer's trials.

    Args:
        trials: A row per Optuna trial; failed ones are left out, diverged and stalled ones count as the worst. Trials of
            any sampler may be given; where TPE has looked most, its trials speak most.

    Returns:
        `label`, `parameter`, `importance` (those of an optimizer add up to 1), `n`, `method`. No rows for an optimizer
        with too few trials, or of which a single hyperparameter varies: there is nothing to compare it with.
    """
    rows = []
    for label, group in trials.assign(goodness=goodness(trials)).groupby("optimizer", sort=False):
        names = [name for name in hyperparameters(trials) if group[PARAM + name].notna().any()]
        ended = group.dropna(subset=["goodness", *(PARAM + name for name in names)])
        settings = [{name: float(row[PARAM + name]) for name in names} for _, row in ended.iterrows()]
        found = importances(settings, ended["goodness"].astype(float).tolist())
        if len(found) > 1:
            rows += [(label, name, share, len(ended), METHOD) for name, share in found.items()]
    return pd.DataFrame(rows, columns=["label", "parameter", "importance", "n", "method"])
