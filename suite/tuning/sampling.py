"""What a search tries next, by one of Optuna's samplers: from the seed and what was told before, nothing else."""

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


def proposal(search: Search, history: Sequence[FrozenTrial], number: int) -> dict[str, float]:
    """The hyperparameters that configuration `number` tries.

    Args:
        search: Whose.
        history: Optuna's trials before it, in the order of their numbers. Of those of its own batch only what they try is
            looked at, even where the results are there.
        number: From 0; 0 is the optimizer's own setting.
    """
    if number == 0:
        own = search_space.tunable(search.base.hyperparameters)
        return {name: own[name] for name in search.space}
    if search.tune.sampler == "grid":
        return search.grid[number - 1]
    import optuna
    from optuna.trial import TrialState, create_trial

    scratch = optuna.create_study(sampler=_sampler(search, number), direction=direction(search))
    for trial in history[:1] if search.tune.sampler == "qmc" else history:  # of a sequence, the place alone counts
        told = trial.number < search.batch_of(number)
        running = create_trial(state=TrialState.RUNNING, params=trial.params, distributions=trial.distributions)
        scratch.add_trial(trial if told else running)
    for _ in range(number - 1 if search.tune.sampler == "qmc" else 0):
        scratch.ask(distributions(search))
    return outer(search, scratch.ask(distributions(search)).params)


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
    """What Optuna does with the objective."""
    return "maximize" if search.sign < 0 else "minimize"


def distributions(search: Search) -> dict[str, BaseDistribution]:
    """The space, as Optuna knows it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    found: dict[str, BaseDistribution] = {}
    for name, values in search.space.items():
        form, (low, high) = ranges.bounds(values)
        if values.values:
            found[name] = CategoricalDistribution(values.values)
        else:
            found[_inner_name(search, name)] = FloatDistribution(low, high, log=form != "uniform")
    return found


def _inner_name(search: Search, name: str) -> str:
    return f"1-{name}" if search.space[name].one_minus_log else name


def inner(search: Search, hyperparameters: Mapping[str, float]) -> dict[str, float]:
    """What Optuna calls these hyperparameters: 1 − β in place of β where its range is one of 1 − β."""
    return {
        _inner_name(search, name): ranges.to_search_scale(search.space[name], x) for name, x in hyperparameters.items()
    }


def outer(search: Search, params: Mapping[str, float]) -> dict[str, float]:
    """The hyperparameters from what Optuna calls them."""
    return {
        name: ranges.from_search_scale(values, params[_inner_name(search, name)])
        for name, values in search.space.items()
    }
