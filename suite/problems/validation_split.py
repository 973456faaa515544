"""The validation split: a fixed sixth of the training set, on which the tuning judges in place of the test set.

Of the 60,000 training images of Fashion-MNIST it leaves 50,000 to train on and takes 10,000 to judge on. The split is drawn
once for each problem, by a seed that neither the study nor the repeat changes: a network is never judged on an example that
another repeat was trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from suite.problems import Data
from suite.seeds import seed_for

if TYPE_CHECKING:
    from torch import Tensor

SHARE = 6


def validation_examples(train_examples: int) -> int:
    """How many of a problem's training examples are set apart: one in six."""
    return train_examples // SHARE


def validation_split(data: Data, problem: str) -> Data:
    """Data made of the training examples alone: five sixths to train on, one sixth in the place of the test examples.

    Args:
        data: All examples of the problem; its test examples are left behind.
        problem: The name of the problem, which seeds the split.
    """
    n = len(data.train_inputs)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed_for(0, problem, "tuning", 0, "split")))
    held = order[: validation_examples(n)]
    kept = order[validation_examples(n) :]

    def part(values: Tensor, indices: Tensor) -> Tensor:
        return values[indices.to(values.device)]  # a copy: it shares no memory with what it is taken from

    return Data(
        part(data.train_inputs, kept),
        part(data.train_targets, kept),
        part(data.train_inputs, held),
        part(data.train_targets, held),
    )
