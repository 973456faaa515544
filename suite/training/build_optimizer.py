"""The optimizer of a trial over the parameters of its network, with its learning-rate schedule."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from suite import optimizers
from suite.optimizers import wrappers
from suite.optimizers.base import Rule
from suite.optimizers.schedules import scheduler
from suite.training.flat_parameters import flatten

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from suite.trials import Trial


def build_optimizer(
    trial: Trial, network: nn.Module, folder: Path | None, device: str
) -> tuple[Optimizer, LRScheduler | None]:
    """Return the optimizer of a trial and its scheduler, which is None for a constant learning rate.

    The parameters of an elementwise rule (`Rule.elementwise`) are moved into one flat tensor. The steps of a rule are compiled
    if the trial says so, and can be captured on a GPU. Nothing of this is done for a trial with `closure`, `create_graph` or
    `wraps`.

    Args:
        trial: Optimizer, hyperparameters and schedule.
        network: On the device.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.
        device: `cpu`, `cuda` or `cuda:N`.
    """
    kind: Any = optimizers.find_optimizer(trial.optimizer, folder)  # its signature is not that of Optimizer
    is_plain = not (trial.closure or trial.create_graph or trial.wraps)
    is_flat = issubclass(kind, Rule) and kind.elementwise and is_plain
    parameters = flatten(network.parameters()) if is_flat else network.parameters()
    optimizer = kind(parameters, **optimizers.constructor_arguments(kind, trial.hyperparameters))
    for number, wrapper in enumerate(trial.wraps):
        cls = wrappers.find_wrapper(wrapper["kind"], folder)
        passed = None if number else (kind, trial.hyperparameters)
        optimizer = wrappers.wrap(cls, wrapper["hyperparameters"], network, partial(_identity, optimizer), passed)
    scheduled = wrappers.scheduled(optimizer) if trial.schedule else optimizer
    lr_scheduler = scheduler(trial.schedule, scheduled, trial.updates)
    if isinstance(optimizer, Rule) and is_plain:
        if trial.compiled:
            optimizer.compile()
        elif device != "cpu":
            optimizer.capturable()
    return optimizer, lr_scheduler


def _identity(optimizer: Any, _: nn.Module) -> Any:
    return optimizer
