"""The handwritten digits of 8×8 pixels in scikit-learn: a problem without a download that trains within seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.problems.base import Data
from suite.problems.classification import Classification
from suite.problems.scikit_learn import read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

FILE = "digits.csv"
SHA256 = "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2"
"""The digest of the file's array of bytes: 1,797 rows, each with 64 pixels (0 to 16, row by row) and the digit."""


class DigitsMlp(Classification):
    """8×8 → 64 → ReLU → 10: linear layers 64 → 64 and 64 → 10, 4,810 parameters.

    The 1,797 images are those of `sklearn.datasets.load_digits`: scans of digits by 43 people, reduced to 8×8, with
    values from 0 to 16, here divided by 16. Every fifth image of each class, in file order, is a test image. This fixed,
    stratified split has 1,442 training and 355 test images. Both parts have images by the same people.
    """

    key = "digits_mlp"
    summary = "an MLP of 64 hidden units on scikit-learn's digits of 8×8 pixels, 4,810 parameters; runs at once"
    source = "Alpaydin and Kaynak 1998, Optical recognition of handwritten digits, UCI, doi 10.24432/C50P49"
    train_examples = 1_442
    test_examples = 355
    chance_loss = math.log(10)

    def digests(self) -> dict[str, str]:
        """Return the digest of the array in scikit-learn's file."""
        return {FILE: SHA256}

    def network(self) -> nn.Module:  # noqa: D102 (see Problem)
        return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def load(self, root: Path | None) -> Data:  # noqa: ARG002 (the images are in a library)
        """Return the images as bytes (n, 64) and the digits as int64 (n,).

        Raises:
            UserError: The file of scikit-learn is unreadable or has another digest.
        """
        rows = torch.from_numpy(read_rows(FILE, SHA256, "uint8", ","))
        images, digits = rows[:, :64], rows[:, 64].long()
        # The number of rows with the same digit up to and including each row: 1, 2, 3, ...
        count = nn.functional.one_hot(digits, 10).cumsum(dim=0).gather(1, digits[:, None]).squeeze(1)
        test = count % 5 == 0
        return Data(images[~test], digits[~test], images[test], digits[test])

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.full((n, 64), 8, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return bytes (n, 64) from 0 to 16 as float32 in [0, 1]."""
        return inputs.float().div_(16)
