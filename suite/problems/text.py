"""The Jargon File as bytes: the base class of the language models. Each predicts the next byte from those before it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.data.datasets import JARGON
from suite.problems.base import Data, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

BYTES = 256
"""The number of classes: one for each value of a byte."""
PASSAGE = 256
"""The length of an example in bytes. Networks with a shorter context read an example in several windows."""


class Text(Problem):
    """The Jargon File 4.4.7, 1,681,817 bytes, in 6,569 passages of 256 bytes; the target of a byte is the next byte.

    The first 5,912 passages (90%) are for training, and the last 657 for the test. In a tuning, the last sixth of the training
    passages is for validation. The loss is the mean over all bytes in nats. `test/bits_per_byte` is the test loss divided by
    ln 2. For comparison, xz needs 2.37 bits per byte for the whole text. The chance loss is the entropy of the frequencies of
    the bytes in the training passages. A new network is far above it, at ln 256, so no trial counts as stalled.
    """

    train_examples = 5_912
    test_examples = 657
    chance_loss = 3.328492
    stalls = False
    metrics = ("loss",)
    loss_units = {"bits_per_byte": 1 / math.log(2)}  # noqa: RUF012 (annotated in the base class)
    ordered = True
    data_set = JARGON

    def load(self, root: Path | None) -> Data:
        """Return passages and their targets as bytes (n, 256)."""
        import numpy as np

        assert root is not None
        text = torch.from_numpy(np.fromfile(root / JARGON.subfolder / next(iter(JARGON.files)), dtype=np.uint8))
        length = (self.train_examples + self.test_examples) * PASSAGE
        inputs, targets = (text[start : start + length].view(-1, PASSAGE) for start in (0, 1))
        n = self.train_examples
        return Data(inputs[:n], targets[:n], inputs[n:], targets[n:])

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.full((n, PASSAGE), 101, dtype=torch.uint8), torch.full((n, PASSAGE), 32, dtype=torch.uint8)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return the bytes as int64."""
        return inputs.long()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy in nats, mean over all bytes; scores (n, 256, 256), targets (n, 256)."""
        return nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten().long())
