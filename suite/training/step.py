"""One update of the weights: the gradient of a batch, then the optimizer's step, on tensors that keep their addresses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import proxy

import torch
from torch import nn
from torch.func import functional_call

from suite.optimizers.combined import is_capturable
from suite.training.averaged_weights import AveragedWeights
from suite.training.closure import ClosureStep, backward
from suite.training.cuda_graphs import CapturableWork
from suite.training.modes import Modes

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from suite.problems import Data, Problem
    from suite.trials import Precision, Trial


class TrainingStep:
    """The updates of a trial. No method waits for the device: losses and counts stay there until they are read.

    Args:
        trial: Batch size, chunk, precision, number of training examples.
        problem: Gives the loss.
        data: On the device of the network.
        network: Any module from the problem's inputs to its outputs.
        optimizer: Over the network's parameters, as they are or flat (`suite.training.flat_parameters`). If its class has
            `requires_loss_fn = True`, its `step` receives the loss of the batch as a function of the parameters.
        scheduler: Stepped after every update; None for a constant learning rate.
        from_gradients: For a trial with `closure`: the convention of the optimizer (`suite.training.closure`).

    Attributes:
        capturable: Whether parameters and gradients keep their addresses, so that work on them may be captured.
        batch_sizes: The number of examples of each update of an epoch; the last batch has the remaining examples.
        losses: The loss of each update's batch in this epoch.
        correct: The number of correct predictions in this epoch, each made when its batch is trained on.
        evaluated: The number of examples in all evaluations of the loss and its gradient until now.
        modes: Switches network and optimizer to training mode, which an update requires, or to evaluation mode.
    """

    def __init__(
        self,
        trial: Trial,
        problem: Problem,
        data: Data,
        network: nn.Module,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        *,
        from_gradients: bool = False,
    ) -> None:
        self._trial, self._problem, self._data, self._network = trial, problem, data, network
        self._optimizer, self._scheduler = optimizer, scheduler
        self._average = None if trial.ema is None else AveragedWeights(network, trial.ema)
        self.modes = Modes(network, optimizer, self._average)
        device = data.train_inputs.device
        examples = trial.examples_per_epoch
        self._batch_size = trial.train_examples if trial.batch_size == "full" else trial.batch_size
        self.capturable = is_capturable(optimizer) and not (trial.closure or trial.create_graph)
        self._closure = ClosureStep(optimizer, network, from_gradients=from_gradients) if trial.closure else None
        self.evaluated = 0
        self._names = [name for name, _ in network.named_parameters()]
        self._order = torch.zeros(examples, dtype=torch.int64, device=device)
        self._positions = torch.arange(self._batch_size, device=device)
        self._updates = torch.arange(trial.updates_per_epoch, device=device)
        self._update = torch.zeros((), dtype=torch.int64, device=device)
        self.losses = torch.zeros(trial.updates_per_epoch, device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        self.batch_sizes = [self._batch_size] * (examples // self._batch_size)
        if examples % self._batch_size:
            self.batch_sizes.append(examples % self._batch_size)
        self._work = {
            size: CapturableWork(partial(TrainingStep._run, proxy(self), size), device, capture=self.capturable)
            for size in set(self.batch_sizes)  # a proxy, so that a graph is freed as soon as the trial ends
        }

    def start_epoch(self, order: Tensor) -> None:
        """Start an epoch in training mode.

        Args:
            order: The training examples of the epoch (`suite.training.loop.epoch_orders`); the batches follow it.
        """
        self.modes.train()
        self._order.copy_(order)
        for tensor in (self._update, self.losses, self.correct):
            tensor.zero_()

    def run(self, update: int) -> None:
        """Make one update of the epoch; they are counted from 0 and made in order."""
        size = self.batch_sizes[update]
        before = self._closure.evaluations if self._closure else 0
        self._work[size]()
        self.evaluated += size * (self._closure.evaluations - before if self._closure else 1)
        if self._scheduler is not None:
            self._scheduler.step()

    def _run(self, size: int) -> None:
        """Do the work of an update of `size` examples."""
        batch = self._order.index_select(0, self._update * self._batch_size + self._positions[:size])
        step: Callable[..., object] = self._optimizer.step
        if self._closure:
            total = self._closure.run(partial(self._evaluate, batch))
        else:
            self._optimizer.zero_grad(set_to_none=not self.capturable)  # flat gradients keep their addresses
            total = self._evaluate(batch)
            if getattr(self._optimizer, "requires_loss_fn", False):
                step(partial(self._loss, batch))
            else:
                step()
        torch.where(self._updates == self._update, total, self.losses, out=self.losses)  # masked_fill_ would wait
        self._update += 1
        if self._trial.create_graph:
            self._optimizer.zero_grad()  # frees the graph
        if self._average:
            self._average.update()

    def _evaluate(self, batch: Tensor, *, is_first: bool = True) -> Tensor:
        """Add the gradients of the loss of a batch to those of the parameters, and return the loss.

        Args:
            batch: The indices of the examples.
            is_first: Whether to count the correct predictions.
        """
        data, trial = self._data, self._trial
        total = torch.zeros((), device=batch.device)
        for chunk in batch.split(_chunk_size(trial, len(batch))):
            targets = data.train_targets.index_select(0, chunk)
            with autocast(trial.precision, batch.device.type):
                outputs = self._network(self._problem.prepare(data.train_inputs.index_select(0, chunk)))
                loss = self._training_loss(outputs, targets) * (len(chunk) / len(batch))
            if trial.create_graph:
                backward(loss, create_graph=True)
            else:
                loss.backward()
            total += loss.detach()
            if is_first and "accuracy" in self._problem.metrics:
                self.correct += self._problem.correct(outputs.detach(), targets)
        if trial.clip is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), trial.clip)
        return total

    def _training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, with the label smoothing of the trial."""
        if self._trial.label_smoothing:
            return nn.functional.cross_entropy(outputs, targets, label_smoothing=self._trial.label_smoothing)
        return self._problem.loss(outputs, targets)

    def _loss(self, batch: Tensor, *theta: Tensor) -> Tensor:
        """Return the loss of a batch at parameters `theta`, given in the network's order; the buffers do not change."""
        data, trial = self._data, self._trial
        total = torch.zeros((), device=batch.device)
        for chunk in batch.split(_chunk_size(trial, len(batch))):
            values = dict(zip(self._names, theta, strict=True))
            values |= {name: buffer.clone() for name, buffer in self._network.named_buffers()}
            with autocast(trial.precision, batch.device.type):
                inputs = self._problem.prepare(data.train_inputs.index_select(0, chunk))
                outputs = functional_call(self._network, values, (inputs,))
                loss = self._training_loss(outputs, data.train_targets.index_select(0, chunk))
            total = total + loss * (len(chunk) / len(batch))
        return total


def autocast(precision: Precision, device: str) -> torch.autocast:
    """Return the context of the forward pass on a type of device: bfloat16 autocast, disabled for other precisions."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")


def _chunk_size(trial: Trial, size: int) -> int:
    """Return how many of the `size` examples of an update go through the network at a time."""
    return trial.chunk if isinstance(trial.chunk, int) else size
