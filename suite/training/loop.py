"""The training loop, the only one: data resident on the device, no host synchronisation inside an epoch except for checks.

It is a generator that yields whenever it would next wait for the device, so that several trials can share a GPU
(`suite.training.interleaving`). On a CPU this gains nothing and costs nothing.

**Batches.** Each epoch goes through all training examples in a new order, `batch_size` at a time. The last batch has the
remaining examples; none is dropped. If a trial has `epoch_updates`, an epoch has this number of updates, all batches have
`batch_size` examples, and one pass through the examples follows another. A batch may go through the network in chunks,
whose gradients are summed (`accumulate` in a study). Under `batch_size = "full"` an epoch is one update: the gradient of
the mean loss over all examples, summed over chunks of `chunk` examples. Batch normalisation then normalises each chunk by
the chunk's own statistics, and updates its running statistics (momentum 0.1) once for each chunk. With `chunk = "full"`
that is once for each update: after five updates the running statistics are still 0.9⁵ = 59% of their initial values, and
the test accuracy is near chance.

**Metrics.** `train/loss` and `train/accuracy` are running values: the mean over the epoch's examples, each measured in
training mode when its batch is trained on. The test metrics are measured in evaluation mode over all test examples.
`train/step_loss` is the loss of each update's batch. A problem whose `metrics` include no accuracy has losses only.

**Optimizers with two sets of weights** have methods `train()` and `eval()`, which are called with those of the network
(`suite.training.modes`). The training metrics are those at the weights where the gradient is taken. The test metrics are
those of the evaluation weights, and a run ends with the evaluation weights in the network. The same holds for the average of
the weights of a trial with `ema` (`suite.training.averaged_weights`).

**Gradient clipping and label smoothing.** With `clip`, the gradient of all parameters together is scaled to this norm if it is
longer, as torch's `clip_grad_norm_` does. With `label_smoothing`, the training loss is that of smoothed targets.

**Closures.** An optimizer may evaluate the loss of an update several times (`suite.training.closure`). The training metrics are
those of the first evaluation, and `Timing.evaluations` counts all of them.

**Diverged.** A training loss is not finite (checked every 128 updates and at the end of each epoch), or a weight is not
finite at the end.

**Stalled.** Checked at the end of each epoch, once 200 updates have been made since the end of the warm-up: the mean step
loss of the last 100 updates is still above 99% of the chance loss, and was so at the end of every earlier epoch. The
chance loss is that of the best constant prediction (ln 10 for ten balanced classes). The test set is not used. A problem
with `stalls = False` has no such trials.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from suite.optimizers.schedules import warmup_updates
from suite.records import STEP_LOSS, Outcome, Point, Timing
from suite.training.evaluation import Evaluation
from suite.training.state_memory import state_bytes_per_parameter
from suite.training.step import TrainingStep

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from suite.problems import Data, Problem
    from suite.trials import Trial

CHECK_EVERY = 128
STALL_MIN_UPDATES = 200
STALL_WINDOW = 100
STALL_FRACTION = 0.99


@dataclass(slots=True)
class TrainingResult:
    """The outcome, the metrics and the timing of a training run."""

    outcome: Outcome = Outcome.OK
    reason: str = ""
    points: list[Point] = field(default_factory=list)
    timing: Timing = field(default_factory=Timing)


def train(
    trial: Trial,
    problem: Problem,
    data: Data,
    network: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    order: torch.Generator,
    *,
    from_gradients: bool = False,
) -> Generator[None, None, TrainingResult]:
    """Train `network` for the budget of `trial`, in place; the generator's value is the result.

    Network and optimizer end in evaluation mode.

    Args:
        trial: Batch size, chunk, epochs, number of training examples. The caller sets precision and threads.
        problem: Gives the loss.
        data: On the device of the network.
        network: Any module from the problem's inputs to its outputs.
        optimizer: Over the network's parameters, as they are or flat (`suite.training.flat_parameters`).
        scheduler: Stepped after every update; None for a constant learning rate.
        order: A CPU generator; each epoch draws one permutation of the training examples from it.
        from_gradients: For a trial with `closure`: the convention of the optimizer (`suite.training.closure`).
    """
    result, losses, train_seconds, evaluate_seconds, examples = TrainingResult(), list[float](), 0.0, 0.0, 0
    tested = set(trial.tested_epochs())
    chance_loss = problem.chance_loss if problem.stalls else math.inf
    stall = _StallDetector(chance_loss, STALL_MIN_UPDATES + warmup_updates(trial.schedule, trial.updates))
    step = TrainingStep(trial, problem, data, network, optimizer, scheduler, from_gradients=from_gradients)
    test = data.test_inputs, data.test_targets
    evaluation = Evaluation(problem, network, *test, trial.precision, capture=step.capturable)
    orders = epoch_orders(trial, order)
    for epoch in range(1, trial.epochs + 1):
        started = time.perf_counter()
        num_updates = yield from train_epoch(step, next(orders))
        epoch_losses, sizes = step.losses[:num_updates].tolist(), step.batch_sizes[:num_updates]
        accuracy = int(step.correct) / sum(sizes)
        train_seconds += time.perf_counter() - started
        examples += sum(sizes)
        result.points += [Point(STEP_LOSS, epoch, len(losses) + i, loss) for i, loss in enumerate(epoch_losses, 1)]
        losses += epoch_losses
        if epoch == trial.epochs:
            step.modes.eval()  # the weights of the result are checked
        result.outcome, result.reason = _check_finite(losses, network, last=epoch == trial.epochs)
        if result.outcome is Outcome.OK:
            mean = sum(map(math.prod, zip(epoch_losses, sizes, strict=True))) / sum(sizes)
            result.points.append(Point("train/loss", epoch, len(losses), mean))
            if "accuracy" in problem.metrics:
                result.points.append(Point("train/accuracy", epoch, len(losses), accuracy))
            result.outcome, result.reason = stall.check(losses)
        if result.outcome is not Outcome.OK:
            break
        if epoch in tested:
            started = time.perf_counter()
            step.modes.eval()
            evaluation.start()
            yield
            loss, accuracy = evaluation.result()
            evaluate_seconds += time.perf_counter() - started
            metrics = [("test/loss", loss)]
            if "accuracy" in problem.metrics:
                metrics.append(("test/accuracy", accuracy))
            metrics += [(f"test/{name}", factor * loss) for name, factor in problem.loss_units.items()]
            metrics += problem.extra_metrics(network).items()
            result.points += [Point(name, epoch, len(losses), value) for name, value in metrics]
    step.modes.eval()
    state_bytes = state_bytes_per_parameter(optimizer, network)
    result.timing = Timing(train=train_seconds, evaluate=evaluate_seconds, examples=examples, state_bytes=state_bytes)
    if examples:
        result.timing = replace(result.timing, evaluations=step.evaluated / examples)
    return result


def epoch_orders(trial: Trial, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield the indices of the training examples of each epoch, in the order in which they are trained on.

    Every pass through the examples is a new permutation. An epoch is one pass, or the next `epoch_updates` batches of one
    pass after another.
    """
    waiting = torch.empty(0, dtype=torch.int64)
    while True:
        while len(waiting) < trial.examples_per_epoch:
            waiting = torch.cat([waiting, torch.randperm(trial.train_examples, generator=generator)])
        order, waiting = waiting[: trial.examples_per_epoch], waiting[trial.examples_per_epoch :]
        yield order


def train_epoch(step: TrainingStep, order: torch.Tensor) -> Generator[None, None, int]:
    """Train for one epoch, or until a loss is not finite; the generator's value is the number of updates.

    Args:
        step: Makes the updates.
        order: The training examples in order; see `epoch_orders`.
    """
    step.start_epoch(order)
    for num_updates in range(1, len(step.batch_sizes) + 1):
        step.run(num_updates - 1)
        if num_updates % CHECK_EVERY == 0:
            yield
            if not torch.isfinite(step.losses[num_updates - CHECK_EVERY : num_updates]).all():
                return num_updates
    yield
    return len(step.batch_sizes)


def _check_finite(losses: list[float], network: nn.Module, *, last: bool) -> tuple[Outcome, str]:
    update = next((update for update, loss in enumerate(losses, 1) if not math.isfinite(loss)), None)
    if update is not None:
        return Outcome.DIVERGED, f"the training loss was {losses[update - 1]} at update {update}"
    if last and not all(torch.isfinite(p).all() for p in network.parameters()):
        return Outcome.DIVERGED, f"a weight was not finite after the last update ({len(losses)})"
    return Outcome.OK, ""


@dataclass(slots=True)
class _StallDetector:
    """Checks whether training has ever left chance; the docstring of this module has the rule."""

    chance_loss: float
    min_updates: int
    lowest: float = math.inf

    def check(self, losses: list[float]) -> tuple[Outcome, str]:
        window = losses[-STALL_WINDOW:]
        self.lowest = min(self.lowest, sum(window) / len(window))
        if len(losses) < self.min_updates or self.lowest <= STALL_FRACTION * self.chance_loss:
            return Outcome.OK, ""
        reason = (
            f"still at chance after {len(losses)} updates: the lowest mean loss over {STALL_WINDOW} updates was "
            f"{self.lowest:.4f}, the chance loss is {self.chance_loss:.4f}"
        )
        return Outcome.STALLED, reason
