"""Hyperparameter importance of recorded trials, by Optuna."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from suite.tuning import ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIN_CONFIGURATIONS = 8
"""With fewer trials nothing is computed: the best quarter would be a single trial."""

QUARTER = 0.25

_ONE_MINUS = {name for name, default in ranges.DEFAULTS.items() if default.one_minus_log}
_LOG = {"lr", *(name for name, default in ranges.ON_REQUEST.items() if default.log)}


def importances(settings: Sequence[Mapping[str, float]], goodness: Sequence[float]) -> dict[str, float]:
    """Return how much each hyperparameter decides whether a setting is among the best quarter; the shares add up to 1.

    PED-ANOVA (Watanabe, Bansal, Hutter 2023, arXiv 2304.10255): for each hyperparameter the Pearson divergence between
    its density among the best quarter of the trials and its density among all trials. It uses ranks only, so a diverged
    trial counts like any other bad one. A variance-based measure would mainly show what makes the worst trials, which is
    the learning rate. The densities are on the scales of the default ranges: log for the learning rate and ε, log of 1 − x
    for momentum, α, ρ, β₁, β₂.

    Args:
        settings: The values of each trial's hyperparameters; all trials have the same hyperparameters.
        goodness: The score of each trial, higher is better; −∞ for a trial without a score.

    Returns:
        The share of each hyperparameter that varies, in the order of the settings; 1 if only one varies. Empty with fewer
        than `MIN_CONFIGURATIONS` trials, if all scores are equal, or if nothing varies.
    """
    finite = [value for value in goodness if math.isfinite(value)]
    if len(settings) < MIN_CONFIGURATIONS or len(set(goodness)) < 2 or not finite:
        return {}
    import optuna
    from optuna.distributions import BaseDistribution, FloatDistribution
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    columns = {name: [_to_log_scale(name, setting[name]) for setting in settings] for name in settings[0]}
    columns = {name: values for name, values in columns.items() if min(values) < max(values)}
    if not columns:
        return {}
    distributions: dict[str, BaseDistribution] = {
        name: FloatDistribution(min(values), max(values)) for name, values in columns.items()
    }
    worst = min(finite) - 1.0
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # no message about each new study
    try:
        study = optuna.create_study(direction="minimize")
        for number, value in enumerate(goodness):
            params = {name: column[number] for name, column in columns.items()}
            loss = -value if math.isfinite(value) else -worst
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=loss))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=QUARTER))
    finally:
        optuna.logging.set_verbosity(verbosity)
    return {name: float(shares[name]) for name in columns}


def _to_log_scale(name: str, value: float) -> float:
    if name in _ONE_MINUS and value < 1:
        return math.log10(1 - value)
    return math.log10(value) if name in _LOG and value > 0 else float(value)
