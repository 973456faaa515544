"""Proposals: the next configuration of a search, from its seed and the earlier results alone, by a sampler of Optuna."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

from suite.seeds import seed_for
from suite.tuning import ranges, search_space

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from suite.tuning.search import Search


def propose(search: Search, history: Sequence[FrozenTrial], number: int) -> dict[str, float]:
    """Return the hyperparameters of configuration `number`.

    Args:
        search: The search.
        history: Optuna's earlier trials in the order of their numbers. Results of the same batch are ignored, even if
            they exist.
        number: From 0; 0 is the default setting.
    """
    if number == 0:
        default = search_space.tunable(search.base.settings)
        return {name: default[name] for name in search.space}
    if search.tune.sampler == "grid":
        return search.grid[number - 1]
    import optuna
    from optuna.trial import TrialState, create_trial

    scratch = optuna.create_study(sampler=_sampler(search, number), direction=direction(search))
    is_sequence = search.tune.sampler == "qmc"  # it depends on the number alone
    for trial in history[:1] if is_sequence else history:
        if trial.number < search.batch_of(number):
            scratch.add_trial(trial)
        else:
            params, spaces = trial.params, trial.distributions
            scratch.add_trial(create_trial(state=TrialState.RUNNING, params=params, distributions=spaces))
    for _ in range(number - 1 if is_sequence else 0):
        scratch.ask(distributions(search))
    return from_optuna(search, scratch.ask(distributions(search)).params)


def _sampler(search: Search, number: int) -> BaseSampler:
    import optuna

    trial = search.base

    def seed(number: int) -> int:
        return seed_for(trial.seed, trial.problem, "tuning", number, f"proposal {search.label}") % 2**32

    if search.tune.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed(number))
    if search.tune.sampler == "qmc":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.QMCSampler(scramble=True, seed=seed(0), warn_independent_sampling=False)
    return optuna.samplers.TPESampler(seed=seed(number))


def direction(search: Search) -> Literal["minimize", "maximize"]:
    """Return Optuna's direction of the objective."""
    return "maximize" if search.sign < 0 else "minimize"


def distributions(search: Search) -> dict[str, BaseDistribution]:
    """Return the search space as Optuna's distributions."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    spaces: dict[str, BaseDistribution] = {}
    for name, values in search.space.items():
        form, (low, high) = ranges.bounds(values)
        if values.values:
            spaces[name] = CategoricalDistribution(values.values)
        else:
            spaces[_optuna_name(search, name)] = FloatDistribution(low, high, log=form != "uniform")
    return spaces


def _optuna_name(search: Search, name: str) -> str:
    return f"1-{name}" if search.space[name].one_minus_log else name


def to_optuna(search: Search, hyperparameters: Mapping[str, float]) -> dict[str, float]:
    """Return hyperparameters as Optuna's parameters: 1 − β instead of β if its range is one of 1 − β."""
    return {
        _optuna_name(search, name): ranges.to_search_scale(search.space[name], x) for name, x in hyperparameters.items()
    }


def from_optuna(search: Search, params: Mapping[str, float]) -> dict[str, float]:
    """Return the hyperparameters of Optuna's parameters."""
    return {
        name: ranges.from_search_scale(values, params[_optuna_name(search, name)])
        for name, values in search.space.items()
    }
