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

BATCH = {"cpu": 250, "cuda": 2500}
"""Examples at a time: what a CPU's cache holds, what fills a GPU."""


class Evaluation:
    """Evaluates a network on the same examples as often as it is asked.

    Args:
        problem: Gives the loss.
        network: Any module from the problem's inputs to its outputs.
        inputs: All examples, as they are stored, on the network's device.
        targets: Likewise.
        precision: `bfloat16` computes the forward pass under autocast.
        captured: Whether parameters stay where they are in memory, so that the work may be captured (`suite.training.cuda_graphs`).
    """

    def __init__(
        self,
        problem: Problem,
        network: nn.Module,
        inputs: Tensor,
        targets: Tensor,
        precision: Precision,
        *,
        captured: bool = False,
    ) -> None:
        self._problem, self._network, self._precision = problem, network, precision
        self._inputs, self._targets = inputs, targets
        self._loss = torch.zeros((), dtype=torch.float64, device=inputs.device)
        self._correct = torch.zeros((), dtype=torch.int64, device=inputs.device)
        work = partial(
            Evaluation._evaluate, proxy(self)
        )  # by proxy: a graph and its memory go as soon as the trial does
        self._work = CapturableWork(work, inputs.device, captured=captured)

    def begin(self) -> None:
        """Evaluate the network as it is; a GPU works on after this returns."""
        self._network.eval()
        with torch.no_grad():
            self._work()

    def read(self) -> tuple[float, float]:
        """Mean loss and accuracy over all examples, of the evaluation that was begun last; waits for it.

        Without an accuracy in the problem's metrics the second number is 0 and means nothing.
        """
        count = len(self._inputs)
        return self._loss.item() / count, self._correct.item() / count

    def _evaluate(self) -> None:
        self._loss.zero_()
        self._correct.zero_()
        size = BATCH.get(self._inputs.device.type, BATCH["cpu"])
        for x, y in zip(self._inputs.split(size), self._targets.split(size), strict=True):  # the last as large as it is
            with autocast(self._precision, self._inputs.device.type):
                outputs = self._network(self._problem.prepare(x))
                self._loss += self._problem.loss(outputs, y) * len(y)
            if "accuracy" in self._problem.metrics:
                self._correct += self._problem.correct(outputs, y)
