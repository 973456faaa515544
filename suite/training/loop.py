"""The training loop, the only one: data resident on the device, no host synchronisation inside an epoch but for checks.

It is a generator that yields wherever it would next wait for the device, so that several trials can take turns on one
GPU (`suite.training.interleaving`); on a CPU nothing is gained by that, and nothing lost.

**Batches.** Each epoch goes through all training examples in a new order, `batch_size` at a time; the last batch holds
what is left, nothing is dropped. Under `batch_size = "full"` an epoch is one update: the gradient of the mean loss over
all examples, summed over chunks of `chunk` examples. Batch normalisation then normalises each chunk by the chunk's own
statistics, and its running statistics (momentum 0.1) move once for each chunk: with `chunk = "full"` once for each
update, so after five updates they are still 0.9⁵ = 59% of their start and the test accuracy is near chance.

**Metrics.** `train/loss` and `train/accuracy` are running values, as the source paper takes them: the mean over the
epoch's examples, each measured in training mode when its batch was trained on. The test metrics are taken in evaluation
mode over all test examples. `train/step_loss` is the loss of each update's batch. A problem whose `metrics` name no
accuracy has losses alone.

**Diverged.** A training loss that is not finite (looked at every 128 updates and at the end of each epoch), or a weight
that is not finite at the end.

**Stalled.** Judged at the end of each epoch, once 200 updates have been made since the end of the warm-up: the mean step
loss of the last 100 updates is still above 99% of the chance loss, and has been at the end of every epoch so far. The
chance loss is that of the best constant prediction (ln 10 for ten balanced classes). The test set is never looked at.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from suite.optimizers.schedules import warmup_updates
from suite.records import STEP_LOSS, Outcome, Point, Timing
from suite.training.evaluation import Evaluation
from suite.training.step import TrainingStep
from suite.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from suite.problems import Data, Problem

CHECK_EVERY = 128
STALL_AFTER = 200
STALL_WINDOW = 100
STALL_SHARE = 0.99


@dataclass(slots=True)
class Training:
    """What a training run came to."""

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
) -> Generator[None, None, Training]:
    """Train `network` for the budget of `trial`, in place.

    Args:
        trial: Batch size, chunk, epochs, number of training examples; precision and threads are set around this call.
        problem: Gives the loss.
        data: On the device of the network.
        network: Any module from the problem's inputs to its outputs.
        optimizer: Over the network's parameters, as they are or flat (`suite.training.flat_parameters`).
        scheduler: Stepped after every update; None for a constant learning rate.
        order: A CPU generator; each epoch draws one permutation of the training examples from it.

    Returns:
        What it came to, as the generator's value.
    """
    run, losses, train_seconds, evaluate_seconds, examples = Training(), list[float](), 0.0, 0.0, 0
    tested = set(trial.tested_epochs())
    stall = _StallDetector(problem.chance_loss, STALL_AFTER + warmup_updates(trial.schedule, trial.updates))
    updates = TrainingStep(trial, problem, data, network, optimizer, scheduler)
    test = data.test_inputs, data.test_targets
    evaluation = Evaluation(problem, network, *test, trial.precision, captured=updates.captured)
    for number in range(1, trial.epochs + 1):
        started = time.perf_counter()
        done = yield from train_epoch(trial, network, updates, order)
        epoch, sizes = updates.losses[:done].tolist(), updates.sizes[:done]
        accuracy = int(updates.correct) / sum(sizes)
        train_seconds += time.perf_counter() - started
        examples += sum(sizes)
        run.points += [Point(STEP_LOSS, number, len(losses) + i, loss) for i, loss in enumerate(epoch, 1)]
        losses += epoch
        run.outcome, run.reason = _diverged(losses, network, last=number == trial.epochs)
        if run.outcome is Outcome.OK:
            step, mean = len(losses), sum(map(math.prod, zip(epoch, sizes, strict=True))) / sum(sizes)
            run.points.append(Point("train/loss", number, step, mean))
            if "accuracy" in problem.metrics:
                run.points.append(Point("train/accuracy", number, step, accuracy))
            run.outcome, run.reason = stall.judge(losses)
        if run.outcome is not Outcome.OK:
            break
        if number in tested:
            started = time.perf_counter()
            evaluation.begin()
            yield
            loss, accuracy = evaluation.read()
            evaluate_seconds += time.perf_counter() - started
            run.points.append(Point("test/loss", number, step, loss))
            if "accuracy" in problem.metrics:
                run.points.append(Point("test/accuracy", number, step, accuracy))
            run.points += [Point(name, number, step, value) for name, value in problem.extra_metrics(network).items()]
    run.timing = Timing(train=train_seconds, evaluate=evaluate_seconds, examples=examples)
    return run


def train_epoch(
    trial: Trial, network: nn.Module, updates: TrainingStep, order: torch.Generator
) -> Generator[None, None, int]:
    """One pass through the training examples; ends early where a loss is not finite. Returns the number of updates."""
    network.train()
    updates.begin(torch.randperm(trial.train_examples, generator=order))
    for done in range(1, len(updates.sizes) + 1):
        updates.update(done - 1)
        if done % CHECK_EVERY == 0:
            yield
            if not torch.isfinite(updates.losses[done - CHECK_EVERY : done]).all():
                return done
    yield
    return len(updates.sizes)


def _diverged(losses: list[float], network: nn.Module, *, last: bool) -> tuple[Outcome, str]:
    bad = next((step for step, loss in enumerate(losses, 1) if not math.isfinite(loss)), None)
    if bad is not None:
        return Outcome.DIVERGED, f"the training loss was {losses[bad - 1]} at update {bad}"
    if last and not all(torch.isfinite(p).all() for p in network.parameters()):
        return Outcome.DIVERGED, f"a weight was not finite after the last update, {len(losses)}"
    return Outcome.OK, ""


@dataclass(slots=True)
class _StallDetector:
    """Whether training has ever left chance; see the top of this file for the rule."""

    chance_loss: float
    patience: int
    lowest: float = math.inf

    def judge(self, losses: list[float]) -> tuple[Outcome, str]:
        window = losses[-STALL_WINDOW:]
        self.lowest = min(self.lowest, sum(window) / len(window))
        if len(losses) < self.patience or self.lowest <= STALL_SHARE * self.chance_loss:
            return Outcome.OK, ""
        best = (
            f"the mean loss over {STALL_WINDOW} updates was {self.lowest:.4f} at best, chance is {self.chance_loss:.4f}"
        )
        return Outcome.STALLED, f"still at chance after {len(losses)} updates: {best}"
