"""Addition modulo 97 by a small transformer, which generalises long after it has memorised (Power et al. 2022)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.problems.base import Data, choose
from suite.problems.classification import Classification
from suite.problems.transformer import Decoder

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

P = 97
EQUALS = P
"""The token of the equals sign; the other tokens are the numbers 0 to 96."""
SIZES = {"tiny": (1, 64), "full": (2, 128)}
"""Layers and width."""


class LastPosition(nn.Module):
    """The scores of a decoder at the last position."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, tokens: Tensor) -> Tensor:
        """Return scores (n, outputs) for tokens (n, length)."""
        scores: Tensor = self.decoder(tokens)[:, -1]
        return scores


class ModularAddition(Classification):
    """The decoder-only transformer reads the tokens a, b, = and returns a score for each value of (a + b) mod 97.

    The 9,409 pairs (a, b) stand in a fixed random order. The first 7,527 (80%) are for training and the others for the
    test. Power et al. train on half of the pairs, `train_examples = 4_704`, with batches of 512; with fewer pairs, networks
    generalise later or never. No trial counts as stalled, because the loss may stay near ln 97 for hundreds of updates
    before it falls. Weights are drawn with the standard deviation 0.05.

    Options:
        size: `tiny`: one block of width 64, 62,784 parameters; `full`, as in the source: two blocks of width 128, 422,144
            parameters. Both have 4 attention heads.
    """

    key = "modular_addition"
    summary = "a transformer on a + b mod 97, 62,784 parameters (size = full: 422,144); generalises late; no data"
    source = "Power, Burda, Edwards, Babuschkin, Misra 2022, Grokking, arXiv 2201.02177"
    train_examples = 7_527
    test_examples = 1_882
    chance_loss = math.log(P)
    stalls = False

    def network(self, size: str = "tiny") -> nn.Module:  # noqa: D102 (see Problem)
        layers, width = choose("size", size, SIZES)
        return LastPosition(Decoder(P + 1, 3, layers, width, heads=4, outputs=P, std=0.05))

    def load(self, root: Path | None) -> Data:  # noqa: ARG002 (there is no file)
        """Return the pairs as bytes (n, 2) and their sums modulo 97 as int64 (n,)."""
        order = torch.randperm(P * P, generator=torch.Generator().manual_seed(P))
        pairs = torch.stack([order // P, order % P], dim=1)
        inputs, targets, n = pairs.to(torch.uint8), pairs.sum(dim=1) % P, self.train_examples
        return Data(inputs[:n], targets[:n], inputs[n:], targets[n:])

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.ones(n, 2, dtype=torch.uint8), torch.full((n,), 2)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return the tokens a, b, = as int64 (n, 3)."""
        return nn.functional.pad(inputs.long(), (0, 1), value=EQUALS)
