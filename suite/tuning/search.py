"""The search of each optimizer of a study: its space, its budget, and its objective."""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from suite import problems
from suite.errors import UserError
from suite.problems.validation_split import validation_examples
from suite.records import Configuration, State
from suite.spec import plan
from suite.spec.study import MAX_LABEL_LENGTH, tuned_label
from suite.trials import Trial, canonical
from suite.tuning import ranges, search_space

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from suite.spec.study import Study, Tune

GRID_POINTS = 9
MAX_POINTS = 10_000


@dataclass(frozen=True)
class Search:
    """The search of one optimizer: its space and budget."""

    tune: Tune
    study: str
    base: Trial
    """Repeat 0 of the default setting."""
    space: search_space.Space
    chance_loss: float
    num_validation_examples: int
    """The number of validation examples on which the objective is evaluated."""

    @property
    def label(self) -> str:
        """Return the optimizer's label in the study."""
        return self.base.label

    @property
    def configurations(self) -> int:
        """Return the number of configurations, the default setting included."""
        return 1 + len(self.grid) if self.tune.sampler == "grid" else self.tune.trials

    @property
    def examples(self) -> int:
        """Return the maximum number of training examples of the search."""
        return self.configurations * self.tune.repeats * self.base.epochs * self.base.examples_per_epoch

    @property
    def num_grid_points(self) -> int:
        """Return the number of points of the grid; 0 for other samplers."""
        sizes = (len(values.values or ()) or self.tune.points or GRID_POINTS for values in self.space.values())
        return math.prod(sizes) if self.tune.sampler == "grid" else 0

    @cached_property
    def grid(self) -> list[dict[str, float]]:
        """Return the points of the grid; the last hyperparameter changes fastest."""
        axes = [ranges.grid(values, self.tune.points or GRID_POINTS) for values in self.space.values()]
        return [dict(zip(self.space, point, strict=True)) for point in itertools.product(*axes)]

    @cached_property
    def protocol(self) -> str:
        """Return all that decides proposals and objective, except the number of trials; results of others do not mix."""
        tune = self.tune.model_dump(exclude={"trials", "space", "epochs", "train_examples", "parameters"})
        return canonical({"trial": self.base.description(), "tune": tune, "space": self.written_space})

    @property
    def written_space(self) -> dict[str, dict[str, Any]]:
        """Return the space as in a study file."""
        return {name: values.model_dump(exclude_none=True) for name, values in self.space.items()}

    @property
    def optuna(self) -> str:
        """Return the name of its Optuna study."""
        return f"{self.study}/{self.label} {hashlib.sha256(self.protocol.encode()).hexdigest()[:8]}"

    @property
    def sign(self) -> float:
        """Return the factor of the objective with which lower is better."""
        return -1.0 if self.tune.objective.endswith("accuracy") else 1.0

    @property
    def failure_value(self) -> float:
        """Return the value of a configuration that diverged or stalled."""
        return 0.0 if self.sign < 0 else self.chance_loss

    def clip_objective(self, measured: float) -> float:
        """Return the objective, not worse than `failure_value`; see `suite.tuning`."""
        if not math.isfinite(measured):
            return self.failure_value
        return measured if self.sign < 0 else min(measured, self.chance_loss)

    def trials(self, number: int, hyperparameters: Mapping[str, float]) -> tuple[Trial, ...]:
        """Return the repeats of a configuration."""
        values = {} if number == 0 else hyperparameters
        chosen = self.base.with_settings(search_space.with_values(self.base.settings, values))
        return tuple(replace(chosen, repeat=r) for r in range(self.tune.repeats))

    def batch_of(self, number: int) -> int:
        """Return the first number in the batch of a configuration."""
        return number - number % self.tune.batch

    def names(self, number: int) -> list[str]:
        """Return the names of the repeats of a configuration, such as `Adam #3 r0`."""
        return [f"{self.label} #{number} r{repeat}" for repeat in range(self.tune.repeats)]


def make_searches(study: Study) -> tuple[Search, ...]:
    """Return the searches of a study, one per optimizer, all with one budget.

    Raises:
        UserError: The study has invalid values; all of them are reported.
    """
    bases, problem = plan.plan_tuning(study), problems.find_problem(study.problem, study.folder)
    search_space.check_parameters(study, [base.settings for base in bases])
    searches: list[Search] = []
    errors: list[UserError] = []
    labels = {entry.name for entry in study.optimizer}
    for number, (entry, base) in enumerate(zip(study.optimizer, bases, strict=True), 1):
        location = f'{study.place}: optimizer[{number}] ("{entry.name}").name'
        label = tuned_label(entry.name)
        if label in labels:
            message = f'"{label}" is the name of the tuned "{entry.name}"'
            errors.append(UserError(location, message, "Remove that entry, or give it another name"))
        if len(label) > MAX_LABEL_LENGTH:
            message = f'"{label}", the name of the tuned optimizer, has more than {MAX_LABEL_LENGTH} characters'
            errors.append(UserError(location, message, "Shorten the name"))
        try:
            space = search_space.space(study, entry, base.settings)
        except UserError as error:
            errors.append(error)
            continue
        num_validation_examples = base.evaluate_examples or validation_examples(problem.train_examples)
        search = Search(study.tune, study.name, base, space, problem.chance_loss, num_validation_examples)
        searches.append(search)
        if search.num_grid_points > MAX_POINTS:
            message = (
                f'expected at most {MAX_POINTS:,} points, the grid of "{entry.name}" has {search.num_grid_points:,}'
            )
            errors.append(UserError(f"{study.place}: tune.points", message, 'Write fewer, or parameters = ["lr"]'))
    if errors:
        raise UserError.combine(errors)
    if len({search.configurations for search in searches}) > 1:
        sizes = ", ".join(f"{search.label} {search.configurations}" for search in searches)
        message = f"the grids differ in size ({sizes}), but every optimizer must have the same budget"
        hint = 'Write parameters = ["lr"], or the same number of points for each'
        raise UserError(f"{study.place}: tune.sampler", message, hint)
    return tuple(searches)


def best_configuration(configurations: Iterable[Configuration], search: Search) -> Configuration | None:
    """Return the configuration with the best value of those that completed all repeats; the first of equal ones."""
    complete = [c for c in configurations if c.state is State.COMPLETE and c.value is not None]
    return min(complete, key=lambda c: (search.sign * (c.value or 0.0), c.number), default=None)
