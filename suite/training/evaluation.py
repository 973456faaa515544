"""Loss and accuracy over a set of examples, in evaluation mode."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import proxy

import torch

from suite.training.cuda_graphs import CapturableWork
from suite.training.step import autocast

if TYPE_CHECKING:
    from torch import Tensor, nn

    from suite.problems import Problem
    from suite.trials import Precision

BATCH_SIZES = {"cpu": 250, "cuda": 2500}
"""Examples at a time by type of device: what fits a CPU's cache, what fills a GPU."""


class Evaluation:
    """Evaluates a network on the same examples any number of times.

    Args:
        problem: Gives the loss.
        network: Any module from the problem's inputs to its outputs.
        inputs: All examples, as they are stored, on the network's device.
        targets: Their targets, on the same device.
        precision: `bfloat16` computes the forward pass under autocast.
        capture: Whether to capture the work as a CUDA graph; parameters must then keep their addresses.
    """

    def __init__(
        self,
        problem: Problem,
        network: nn.Module,
        inputs: Tensor,
        targets: Tensor,
        precision: Precision,
        *,
        capture: bool = False,
    ) -> None:
        self._problem, self._network, self._precision = problem, network, precision
        self._inputs, self._targets = inputs, targets
        self._loss = torch.zeros((), dtype=torch.float64, device=inputs.device)
        self._correct = torch.zeros((), dtype=torch.int64, device=inputs.device)
        work = partial(Evaluation._evaluate, proxy(self))  # a proxy, so that a graph is freed as soon as the trial ends
        self._work = CapturableWork(work, inputs.device, capture=capture)

    def start(self) -> None:
        """Evaluate the network in its current state; a GPU may still be working when this returns."""
        self._network.eval()
        with torch.no_grad():
            self._work()

    def result(self) -> tuple[float, float]:
        """Return mean loss and accuracy over all examples of the evaluation that was started last; wait for it.

        The accuracy is 0 and has no meaning if the problem's metrics do not include it.
        """
        count = len(self._inputs)
        return self._loss.item() / count, self._correct.item() / count

    def _evaluate(self) -> None:
        self._loss.zero_()
        self._correct.zero_()
        size = BATCH_SIZES.get(self._inputs.device.type, BATCH_SIZES["cpu"])
        for x, y in zip(self._inputs.split(size), self._targets.split(size), strict=True):  # the last may be smaller
            with autocast(self._precision, self._inputs.device.type):
                outputs = self._network(self._problem.prepare(x))
                self._loss += self._problem.loss(outputs, y) * len(y)
            if "accuracy" in self._problem.metrics:
                self._correct += self._problem.correct(outputs, y)
