"""Which hyperparameter matters: Optuna's importances, of recorded trials as plain numbers."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from suite.tuning import ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIN_CONFIGURATIONS = 8
"""Below so many trials there is no answer: the best quarter would be a single one."""

QUARTER = 0.25

_ONE_MINUS = {name for name, usual in ranges.DEFAULTS.items() if usual.one_minus_log}
_LOG = {"lr", *(name for name, usual in ranges.ON_REQUEST.items() if usual.log)}


def importances(settings: Sequence[Mapping[str, float]], goodness: Sequence[float]) -> dict[str, float]:
    """How much each hyperparameter decides whether a setting is among the best quarter; they add up to 1.

    PED-ANOVA (Watanabe, Bansal, Hutter 2023, arXiv 2304.10255): for each hyperparameter the Pearson divergence between
    its density among the best quarter of the trials and that among all. It looks at ranks alone, so a diverged trial is
    as bad as any bad one; a variance-based measure would tell what makes the worst trials, which is the learning rate,
    and nothing else. The densities are on the scales of the default ranges: log for the learning rate and ε, log of
    1 − x for momentum, α, ρ, β₁, β₂.

    Args:
        settings: The values of each trial's hyperparameters; all trials have the same ones.
        goodness: The score of each trial, the more the better; −∞ is a trial without one.

    Returns:
        The share of each hyperparameter that varies, in the order of the settings. Empty with fewer than `FEWEST` trials,
        where all are equally good, or where nothing varies. A single one that varies has 1: there is nothing to compare.
    """
    finite = [value for value in goodness if math.isfinite(value)]
    if len(settings) < MIN_CONFIGURATIONS or len(set(goodness)) < 2 or not finite:
        return {}
    import optuna
    from optuna.distributions import BaseDistribution, FloatDistribution
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    columns = {name: [_scaled(name, setting[name]) for setting in settings] for name in settings[0]}
    columns = {name: values for name, values in columns.items() if min(values) < max(values)}
    if not columns:
        return {}
    ranges: dict[str, BaseDistribution] = {
        name: FloatDistribution(min(values), max(values)) for name, values in columns.items()
    }
    worst = min(finite) - 1.0
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of each study that it makes
    try:
        study = optuna.create_study(direction="minimize")
        for at, value in enumerate(goodness):
            values = {name: column[at] for name, column in columns.items()}
            loss = -value if math.isfinite(value) else -worst
            study.add_trial(optuna.trial.create_trial(params=values, distributions=ranges, value=loss))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=QUARTER))
    finally:
        optuna.logging.set_verbosity(verbosity)
    return {name: float(found[name]) for name in columns}


def _scaled(name: str, value: float) -> float:
    """A hyperparameter on the scale on which it is searched."""
    if name in _ONE_MINUS and value < 1:
        return math.log10(1 - value)
    return math.log10(value) if name in _LOG and value > 0 else float(value)
