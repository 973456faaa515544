"""Handwritten digits of 8×8 pixels, which come with scikit-learn: a problem that needs no network and hardly any time."""

from __future__ import annotations

import hashlib
import math
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.errors import UserError
from suite.problems.base import Data
from suite.problems.classification import Classification

if TYPE_CHECKING:
    from torch import Tensor

FILE = "sklearn/datasets/data/digits.csv.gz"
SHA256 = "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2"
"""Of the 1,797 rows as bytes, each the 64 pixels (0 to 16, row by row) and the digit: the array that the file holds."""


class DigitsMlp(Classification):
    """8×8 → 64 → ReLU → 10: a linear layer 64 → 64 and one 64 → 10, 4,810 parameters.

    The 1,797 images are those of `sklearn.datasets.load_digits`: scans of digits of 43 people, shrunk to 8×8, with
    values from 0 to 16, here divided by 16. Every fifth image of each class, in the file's order, is a test image: 355
    of them, and 1,442 to train on. The split is stratified and always the same. People are in both parts.
    """

    key = "digits_mlp"
    summary = "an MLP of 64 hidden units on scikit-learn's digits of 8×8 pixels, 4,810 parameters; runs at once"
    source = "Alpaydin and Kaynak 1998, Optical recognition of handwritten digits, UCI, doi 10.24432/C50P49"
    train_examples = 1_442
    test_examples = 355
    chance_loss = math.log(10)

    def digests(self) -> dict[str, str]:
        """The digest of the array that scikit-learn's file holds."""
        return {"digits.csv": SHA256}

    def network(self) -> nn.Module:  # noqa: D102 (see Problem)
        return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def load(self, root: Path | None) -> Data:  # noqa: ARG002 (they come with a library)
        """The images as bytes (n, 64), the digits as int64.

        Raises:
            UserError: scikit-learn's file is not the one of this problem.
        """
        rows = _rows()
        images, digits = rows[:, :64], rows[:, 64].long()
        # How many of the same digit come up to and with each row: 1, 2, 3, ...
        count = nn.functional.one_hot(digits, 10).cumsum(dim=0).gather(1, digits[:, None]).squeeze(1)
        test = count % 5 == 0
        return Data(images[~test], digits[~test], images[test], digits[test])

    def sample(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.full((n, 64), 8, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Bytes (n, 64) from 0 to 16 → float32 in [0, 1]."""
        return inputs.float().div_(16)


def _rows() -> Tensor:
    """The file's rows as bytes (1797, 65), verified. Read directly: `import sklearn.datasets` takes seconds."""
    import numpy as np

    path = Path(str(distribution("scikit-learn").locate_file(FILE)))
    try:
        rows = np.loadtxt(path, dtype=np.uint8, delimiter=",")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: the digits cannot be read: {error}. Install scikit-learn again") from error
    found = hashlib.sha256(rows.tobytes()).hexdigest()
    if found != SHA256:
        raise UserError(f"{path}: expected sha256 {SHA256}, found {found}. Install scikit-learn again")
    return torch.from_numpy(rows)
