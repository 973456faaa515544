"""One update after the other: the gradient of a batch, then the optimizer's step, on tensors that stay where they are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import proxy

import torch
from torch.func import functional_call

from suite.optimizers.base import Rule
from suite.training.cuda_graphs import CapturableWork

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from suite.problems import Data, Problem
    from suite.trials import Precision, Trial


class TrainingStep:
    """The updates of a trial. Nothing here waits for the device: losses and counts gather there until they are read.

    Args:
        trial: Batch size, chunk, precision, number of training examples.
        problem: Gives the loss.
        data: On the device of the network.
        network: Any module from the problem's inputs to its outputs.
        optimizer: Over the network's parameters, as they are or flat (`suite.training.flat_parameters`). Where its class says
            `requires_loss_fn = True`, its `step` is handed the loss of the batch as a function of the parameters.
        scheduler: Stepped after every update; None for a constant learning rate.
    """

    def __init__(
        self,
        trial: Trial,
        problem: Problem,
        data: Data,
        network: nn.Module,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
    ) -> None:
        self._trial, self._problem, self._data, self._network = trial, problem, data, network
        self._optimizer, self._scheduler = optimizer, scheduler
        device = data.train_inputs.device
        examples, self._batch = trial.train_examples, _batch(trial)
        # A rule of ours steps within the captured work, and writes in place. Another's optimizer may put new tensors in
        # the place of parameters and gradients, or read numbers from Python: with it nothing is captured.
        self.captured = isinstance(optimizer, Rule)
        """Whether parameters and gradients stay where they are in memory, so that work on them may be captured."""
        self._names = [name for name, _ in network.named_parameters()]
        self._order = torch.zeros(examples, dtype=torch.int64, device=device)
        self._within = torch.arange(self._batch, device=device)
        self._numbers = torch.arange(trial.updates_per_epoch, device=device)
        self._number = torch.zeros((), dtype=torch.int64, device=device)
        self.losses = torch.zeros(trial.updates_per_epoch, device=device)
        """The loss of each update's batch in this epoch."""
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        """How many predictions were right in this epoch, each made when its batch was trained on."""
        self.sizes = [self._batch] * (examples // self._batch)
        """The number of examples of each update: the last batch of an epoch holds what is left."""
        if examples % self._batch:
            self.sizes.append(examples % self._batch)
        self._work = {
            size: CapturableWork(partial(TrainingStep._update, proxy(self), size), device, captured=self.captured)
            for size in set(self.sizes)  # by proxy: a graph and its memory go as soon as the trial does
        }

    def begin(self, order: Tensor) -> None:
        """Begin an epoch.

        Args:
            order: A permutation of the training examples; the batches follow it.
        """
        self._order.copy_(order)
        for gathered in (self._number, self.losses, self.correct):
            gathered.zero_()

    def update(self, number: int) -> None:
        """Do the update of this number, from 0, of the epoch; they come in order."""
        self._work[self.sizes[number]]()
        if self._scheduler is not None:
            self._scheduler.step()

    def _update(self, size: int) -> None:
        """The work of an update of `size` examples."""
        data, trial = self._data, self._trial
        self._optimizer.zero_grad(set_to_none=not self.captured)  # flat gradients stay where they are
        batch = self._order.index_select(0, self._number * self._batch + self._within[:size])
        total = torch.zeros((), device=batch.device)
        for part in batch.split(_part(trial, size)):
            targets = data.train_targets.index_select(0, part)
            with autocast(trial.precision, batch.device.type):
                outputs = self._network(self._problem.prepare(data.train_inputs.index_select(0, part)))
                loss = self._problem.loss(outputs, targets) * (len(part) / size)
            loss.backward()
            total += loss.detach()
            if "accuracy" in self._problem.metrics:
                self.correct += self._problem.correct(outputs.detach(), targets)
        torch.where(self._numbers == self._number, total, self.losses, out=self.losses)  # masked_fill_ would wait
        self._number += 1
        step: Callable[..., object] = self._optimizer.step
        if getattr(self._optimizer, "requires_loss_fn", False):
            step(partial(self._loss, batch))
        else:
            step()

    def _loss(self, batch: Tensor, *theta: Tensor) -> Tensor:
        """The loss of a batch as a function of the parameters, in the network's order; the buffers stay as they are."""
        data, trial = self._data, self._trial
        total = torch.zeros((), device=batch.device)
        for part in batch.split(_part(trial, len(batch))):
            values = dict(zip(self._names, theta, strict=True))
            values |= {name: buffer.clone() for name, buffer in self._network.named_buffers()}
            with autocast(trial.precision, batch.device.type):
                inputs = self._problem.prepare(data.train_inputs.index_select(0, part))
                outputs = functional_call(self._network, values, (inputs,))
                loss = self._problem.loss(outputs, data.train_targets.index_select(0, part))
            total = total + loss * (len(part) / len(batch))
        return total


def autocast(precision: Precision, device: str) -> torch.autocast:
    """What the forward pass runs under: bfloat16 autocast on the type of device, or nothing for the other precisions."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")


def _batch(trial: Trial) -> int:
    """How many examples an update sees."""
    return trial.train_examples if trial.batch_size == "full" else trial.batch_size


def _part(trial: Trial, size: int) -> int:
    """How many examples go through the network at a time."""
    return trial.chunk if trial.batch_size == "full" and isinstance(trial.chunk, int) else size
