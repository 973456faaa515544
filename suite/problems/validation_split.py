"""The validation split: a fixed sixth of the training set, on which tuning evaluates instead of the test set.

Of the 60,000 training images of Fashion-MNIST, 50,000 remain for training and 10,000 are for validation. The split depends
on the problem alone, not on the study seed or the repeat, so no validation example is in the training set of any repeat. The
split of a text is by position: its last sixth is for validation.
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
    """Return the number of validation examples: one training example in six."""
    return train_examples // SHARE


def validation_split(data: Data, problem: str, *, ordered: bool = False) -> Data:
    """Return the training examples alone, five sixths for training and one sixth instead of the test examples.

    Args:
        data: All examples of the problem; the test examples are not used.
        problem: The name of the problem, which seeds the split.
        ordered: Whether the validation examples are the last ones instead of random ones (`Problem.ordered`).
    """
    n = len(data.train_inputs)
    if ordered:
        training, validation = torch.arange(n).tensor_split([n - validation_examples(n)])
    else:
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed_for(0, problem, "tuning", 0, "split")))
        validation, training = order.tensor_split([validation_examples(n)])

    def part(values: Tensor, indices: Tensor) -> Tensor:
        return values[indices.to(values.device)]  # a copy, which shares no memory with `values`

    return Data(
        part(data.train_inputs, training),
        part(data.train_targets, training),
        part(data.train_inputs, validation),
        part(data.train_targets, validation),
    )
