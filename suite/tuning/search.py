"""What a tuning searches, for each optimizer of a study: its space, its budget, how it is judged."""

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
    """One optimizer's search: what is tried, and under which budget."""

    tune: Tune
    study: str
    base: Trial
    """The optimizer's own setting on repeat 0."""
    space: search_space.Space
    chance_loss: float
    num_validation_examples: int
    """How many examples of the validation split the objective is taken over."""

    @property
    def label(self) -> str:
        """The optimizer's label in the study."""
        return self.base.label

    @property
    def configurations(self) -> int:
        """How many are tried, the own setting among them."""
        return 1 + len(self.grid) if self.tune.sampler == "grid" else self.tune.trials

    @property
    def examples(self) -> int:
        """How many training examples the search may go through at most."""
        return self.configurations * self.tune.repeats * self.base.epochs * self.base.train_examples

    @property
    def points(self) -> int:
        """How many points the grid would have."""
        each = (len(found.values or ()) or self.tune.points or GRID_POINTS for found in self.space.values())
        return math.prod(each) if self.tune.sampler == "grid" else 0

    @cached_property
    def grid(self) -> list[dict[str, float]]:
        """The points of the grid, the last hyperparameter changing fastest."""
        values = [ranges.grid(found, self.tune.points or GRID_POINTS) for found in self.space.values()]
        return [dict(zip(self.space, point, strict=True)) for point in itertools.product(*values)]

    @cached_property
    def protocol(self) -> str:
        """All that decides what is proposed and how it is judged, but for how many: other protocols do not mix."""
        tune = self.tune.model_dump(exclude={"trials", "space", "epochs", "train_examples", "parameters"})
        return canonical({"trial": self.base.description(), "tune": tune, "space": self.written_space})

    @property
    def written_space(self) -> dict[str, dict[str, Any]]:
        """The space as a study file has it."""
        return {name: found.model_dump(exclude_none=True) for name, found in self.space.items()}

    @property
    def optuna(self) -> str:
        """The name of its Optuna study."""
        return f"{self.study}/{self.label} {hashlib.sha256(self.protocol.encode()).hexdigest()[:8]}"

    @property
    def sign(self) -> float:
        """By which the objective is multiplied so that less is better."""
        return -1.0 if self.tune.objective.endswith("accuracy") else 1.0

    @property
    def worst(self) -> float:
        """The value of a configuration that diverged or stalled."""
        return 0.0 if self.sign < 0 else self.chance_loss

    def value(self, measured: float) -> float:
        """The objective as it counts; see `suite.tuning`."""
        if not math.isfinite(measured):
            return self.worst
        return measured if self.sign < 0 else min(measured, self.chance_loss)

    def trials(self, number: int, hyperparameters: Mapping[str, float]) -> tuple[Trial, ...]:
        """The repeats of a configuration."""
        options = self.base.hyperparameters
        chosen = options if number == 0 else search_space.with_values(options, hyperparameters)
        return tuple(replace(self.base, hyperparameters=chosen, repeat=r) for r in range(self.tune.repeats))

    def batch_of(self, number: int) -> int:
        """The first number of the batch that a configuration belongs to."""
        return number - number % self.tune.batch

    def names(self, number: int) -> list[str]:
        """What the repeats of a configuration are called: `Adam #3 r0`."""
        return [f"{self.label} #{number} r{repeat}" for repeat in range(self.tune.repeats)]


def make_searches(study: Study) -> tuple[Search, ...]:
    """The searches of a study, one an optimizer, all with one budget.

    Raises:
        UserError: A mistake in the study, with its place.
    """
    bases, problem = plan.plan_tuning(study), problems.find_problem(study.problem, study.folder)
    search_space.check_parameters(study, [base.hyperparameters for base in bases])
    found, mistakes = [], []
    labels = {entry.name for entry in study.optimizer}
    for entry, base in zip(study.optimizer, bases, strict=True):
        if tuned_label(entry.name) in labels:
            mistakes.append(
                f'{study.place}: "{tuned_label(entry.name)}": what the tuning of "{entry.name}" will be called. '
                "Remove that entry, or give it another name"
            )
        if len(tuned_label(entry.name)) > MAX_LABEL_LENGTH:
            mistakes.append(
                f'{study.place}: "{entry.name}": too long for "{tuned_label(entry.name)}". Shorten the name'
            )
        try:
            space = search_space.space(study, entry, base.hyperparameters)
            num_validation_examples = base.evaluate_examples or validation_examples(problem.train_examples)
            found.append(Search(study.tune, study.name, base, space, problem.chance_loss, num_validation_examples))
            if found[-1].points > MAX_POINTS:
                mistakes.append(
                    f'{study.place}: tune.points: the grid of "{entry.name}" has {found[-1].points:,} points, more than '
                    f'{MAX_POINTS:,}. Write fewer, or parameters = ["lr"]'
                )
        except UserError as error:
            mistakes.append(str(error))
    if mistakes:
        raise UserError("\n".join(dict.fromkeys(mistakes)))
    sizes = {search.configurations for search in found}
    if len(sizes) > 1:
        told = ", ".join(f"{search.label} {search.configurations}" for search in found)
        raise UserError(
            f"{study.place}: tune.sampler: the grids differ in size ({told}), and every optimizer gets the same budget. "
            'Write parameters = ["lr"], or as many points for each'
        )
    return tuple(found)


def best_configuration(tried: Iterable[Configuration], search: Search) -> Configuration | None:
    """The one with the best value of those that had all their repeats, the first where several are equal."""
    whole = [each for each in tried if each.state is State.COMPLETE and each.value is not None]
    return min(whole, key=lambda each: (search.sign * (each.value or 0.0), each.number), default=None)
