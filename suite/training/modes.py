"""Training and evaluation mode of a network and its optimizer, which always change together.

Some optimizers keep two sets of weights: gradients are taken at one, and the other is the result. A Schedule-Free optimizer
evaluates an average, for example. Such an optimizer has the methods `train()` and `eval()`, which write one set or the
other into the parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from suite.optimizers import wrappers

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from suite.training.averaged_weights import AveragedWeights


class Modes:
    """Switches a network and its optimizer to training or evaluation mode.

    The optimizer's method is called only if its mode changes, because a method that exchanges two sets of weights would undo
    the exchange in a second call. An optimizer without both methods has no modes.

    Args:
        network: The network.
        optimizer: Over the network's parameters. If it has `train()` and `eval()`, they change the parameters.
        average: An average of the weights to evaluate, for an optimizer without modes.
    """

    def __init__(self, network: nn.Module, optimizer: Optimizer, average: AveragedWeights | None = None) -> None:
        self._network = network
        self._methods = wrappers.modes(average or optimizer)
        self._mode: Literal["train", "eval"] | None = None

    def train(self) -> None:
        """Switch to training mode: the parameters are the point at which the next gradient is taken."""
        self._network.train()
        self._switch("train")

    def eval(self) -> None:
        """Switch to evaluation mode: the parameters are the weights that the optimizer returns."""
        self._network.eval()
        self._switch("eval")

    def _switch(self, mode: Literal["train", "eval"]) -> None:
        if self._methods and mode != self._mode:
            owner, *names = self._methods
            name = names[mode == "eval"]
            if name == mode or self._mode or mode == "eval":  # Lookahead's backup is there only after an evaluation
                with torch.no_grad():
                    getattr(owner, name)()
        self._mode = mode
