"""An exponential moving average of the weights of a network, which is evaluated instead of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn


class AveragedWeights:
    """The average of the weights θ₁, …, θₜ after each update, with shares that decay exponentially into the past.

    ::

        c = (1 − β)/(1 − βᵗ)
        m ← m + c (θ − m)

    In m, θᵢ has the share (1 − β) β^(t−i)/(1 − βᵗ), and the initial weights have none. The bias is corrected as in Adam (Kingma
    and Ba 2015, arXiv 1412.6980, section 3). Averages of weights go back to Polyak and Juditsky 1992. Buffers, such as the
    running statistics of batch normalisation, are not averaged.

    Everything is written in place, so that the work can be captured (`suite.training.cuda_graphs`). Before the first update,
    the average is the initial weights.

    Args:
        network: Its parameters hold θ in training mode, m in evaluation mode.
        decay: β, at least 0 and below 1.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._parameters = list(network.parameters())
        self._average = [parameter.detach().clone() for parameter in self._parameters]
        self._decay = decay
        device = self._parameters[0].device
        self._power = torch.ones((), dtype=torch.float64, device=device)
        self._is_swapped = False

    @torch.no_grad()
    def update(self) -> None:
        """Include the current weights in the average."""
        self._power.mul_(self._decay)
        share = (1 - self._decay) / (1 - self._power)
        for average, parameter in zip(self._average, self._parameters, strict=True):
            average.add_((parameter - average) * share.to(average.dtype))

    def train(self) -> None:
        """Write the weights into the network."""
        if self._is_swapped:
            self._swap()

    def eval(self) -> None:
        """Write the average into the network."""
        if not self._is_swapped:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for average, parameter in zip(self._average, self._parameters, strict=True):
            before = parameter.clone()
            parameter.copy_(average)
            average.copy_(before)
        self._is_swapped = not self._is_swapped
