"""The importance of each hyperparameter, from the trials of a tuning run."""

from __future__ import annotations

import pandas as pd

from reports.analysis.tuning import PARAM, goodness, hyperparameters
from reports.frames.study_frames import importances

METHOD = "PED-ANOVA"
"""The method (Watanabe et al. 2023); a report names it beside every number that has it."""


def by_optimizer(trials: pd.DataFrame) -> pd.DataFrame:
    """Return how much each tuned hyperparameter decides whether a trial is among the best quarter of its optimizer.

    Args:
        trials: A row per Optuna trial. Failed trials are excluded; diverged and stalled ones count as the worst. Any sampler
            is accepted, but TPE weights the regions that it samples most.

    Returns:
        `label`, `parameter`, `importance` (they add up to 1 for each optimizer), `n`, `method`. An optimizer has no rows if it
        has too few trials or only one hyperparameter that varies.
    """
    rows = []
    for label, group in trials.assign(goodness=goodness(trials)).groupby("optimizer", sort=False):
        names = [name for name in hyperparameters(trials) if group[PARAM + name].notna().any()]
        ended = group.dropna(subset=["goodness", *(PARAM + name for name in names)])
        settings = [{name: float(row[PARAM + name]) for name in names} for _, row in ended.iterrows()]
        shares = importances(settings, ended["goodness"].astype(float).tolist())
        if len(shares) > 1:
            rows += [(label, name, share, len(ended), METHOD) for name, share in shares.items()]
    return pd.DataFrame(rows, columns=["label", "parameter", "importance", "n", "method"])
