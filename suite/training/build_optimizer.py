"""The optimizer of a trial over the parameters of its network, with its learning-rate schedule."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from suite import optimizers, problems
from suite.errors import UserError
from suite.optimizers import wrappers
from suite.optimizers.base import Rule
from suite.optimizers.combined import CombinedOptimizer, inner_optimizers
from suite.optimizers.schedules import scheduler
from suite.problems.parameter_roles import select
from suite.training.flat_parameters import flatten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import nn
    from torch.nn import Parameter
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from suite.trials import Trial


def build_optimizer(
    trial: Trial, network: nn.Module, folder: Path | None, device: str
) -> tuple[Optimizer, LRScheduler | None]:
    """Return the optimizer of a trial and its scheduler, which is None for a constant learning rate.

    The parameters of each group of an elementwise rule (`Rule.elementwise`) are moved into one flat tensor. The steps of a rule
    are compiled if the trial says so, and can be captured on a GPU. Nothing of this is done for a trial with `closure`,
    `create_graph` or `wraps`.

    Args:
        trial: Optimizer, hyperparameters, groups and schedule.
        network: On the device.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.
        device: `cpu`, `cuda` or `cuda:N`.

    Raises:
        UserError: The schedule would not reach the learning rate of an optimizer.
    """
    is_plain = not (trial.closure or trial.create_graph or trial.wraps)
    kind = optimizers.find_optimizer(trial.optimizer, folder)
    optimizer: Any
    if trial.groups:
        optimizer = _with_groups(trial, network, folder, is_plain=is_plain)
    else:
        optimizer = _construct(kind, network.parameters(), trial.hyperparameters, is_plain=is_plain)
    for number, wrapper in enumerate(trial.wraps):
        cls = wrappers.find_wrapper(wrapper["kind"], folder)
        passed = None if number else (kind, trial.hyperparameters)
        optimizer = wrappers.wrap(cls, wrapper["hyperparameters"], network, partial(_identity, optimizer), passed)
    lr_scheduler = scheduler(trial.schedule, _scheduled(optimizer) if trial.schedule else optimizer, trial.updates)
    for inner in inner_optimizers(optimizer):
        if isinstance(inner, Rule) and is_plain:
            if trial.compiled and inner.elementwise:
                inner.compile()
            elif device != "cpu":
                inner.capturable()
    return optimizer, lr_scheduler


def _identity(optimizer: Any, _: nn.Module) -> Any:
    return optimizer


def _with_groups(trial: Trial, network: nn.Module, folder: Path | None, *, is_plain: bool) -> Optimizer:
    """Return the optimizer of a trial with groups: one, or several in a `CombinedOptimizer`."""
    parameters = dict(network.named_parameters())
    roles = problems.find_problem(trial.problem, folder).roles(network)
    *selected, rest = ([parameters[name] for name in names] for names in select(network, trial.groups, roles))
    cls = optimizers.find_optimizer(trial.optimizer, folder)
    groups: list[dict[str, Any]] = [{"params": _arranged(cls, rest, is_plain=is_plain)}] if rest else []
    others = []
    for group, tensors in zip(trial.groups, selected, strict=True):
        if "kind" in group:
            kind = optimizers.find_optimizer(group["kind"], folder)
            others.append(_construct(kind, tensors, group["hyperparameters"], is_plain=is_plain))
        else:
            options = optimizers.group_options(cls, group["hyperparameters"])
            groups.append({"params": _arranged(cls, tensors, is_plain=is_plain), **options})
    constructor: Any = cls
    first = groups if len(groups) > 1 or not rest else groups[0]["params"]
    optimizer: Optimizer = constructor(first, **optimizers.constructor_arguments(cls, trial.hyperparameters))
    return CombinedOptimizer([optimizer, *others]) if others else optimizer


def _construct(
    cls: type[Optimizer], parameters: Iterable[Parameter], hyperparameters: Mapping[str, Any], *, is_plain: bool
) -> Optimizer:
    constructor: Any = cls  # its signature is not that of Optimizer
    arguments = optimizers.constructor_arguments(cls, hyperparameters)
    optimizer: Optimizer = constructor(_arranged(cls, parameters, is_plain=is_plain), **arguments)
    return optimizer


def _arranged(cls: type[Optimizer], parameters: Iterable[Parameter], *, is_plain: bool) -> Iterable[Parameter]:
    """Return the parameters as a class gets them: flat, or as they are."""
    return flatten(parameters) if issubclass(cls, Rule) and cls.elementwise and is_plain else parameters


def _scheduled(optimizer: Any) -> Optimizer:
    """Return the optimizer whose learning rates a schedule must write.

    Raises:
        UserError: A schedule would not reach the learning rate of an optimizer.
    """
    if not isinstance(optimizer, CombinedOptimizer):
        return wrappers.scheduled(optimizer)
    for inner in optimizer.optimizers:
        if wrappers.scheduled(inner) is not inner:
            problem = f"{type(inner).__name__} does not share its param_groups with the optimizers inside it"
            raise UserError("schedule", problem, "Remove it, or the groups")
    return optimizer
