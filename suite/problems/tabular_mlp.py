"""A multilayer perceptron on a table of 442 patients, from which it predicts the progression of diabetes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.problems.base import Data, Problem, choose
from suite.problems.scikit_learn import read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

FILES = {
    "diabetes_data_raw.csv": "6b93b2556c8942c79d8374838768047adf9d1f4044510b9f948ddace62567d75",
    "diabetes_target.csv": "4911e8747aff95aa1cd523fea86dd91cfd1cd14c1a8ead274f1913b14fa853c4",
}
"""The digests of the files' arrays of float64: 442 rows of ten features, and 442 values of the target."""
SIZES = {"tiny": (32, 32), "full": (256, 256, 256)}
"""Hidden units of each layer."""


class TabularMlp(Problem):
    """10 → hidden layers with ReLU → 1, for the table of `sklearn.datasets.load_diabetes`; the loss is ½ (ŷ − y)².

    The features are age, sex, body mass index, blood pressure and six blood values of 442 patients. The target is a measure of
    the progression of the disease after a year. Every fifth patient, in file order, is in the test set: 354 are for training
    and 88 for the test. All columns are standardised with mean and population standard deviation of the training rows. The best
    constant prediction therefore has the training loss ½. The table is small, so networks overfit.

    Options:
        size: `tiny`: two hidden layers of 32 units, 1,441 parameters; `full`: three of 256 units, 134,657 parameters.
    """

    key = "tabular_mlp"
    summary = "an MLP on scikit-learn's diabetes table, a regression, 1,441 parameters (size = full: 134,657)"
    source = "Efron, Hastie, Johnstone, Tibshirani 2004, Least angle regression, doi 10.1214/009053604000000067"
    train_examples = 354
    test_examples = 88
    chance_loss = 0.5
    metrics = ("loss",)

    def digests(self) -> dict[str, str]:
        """Return the digests of the arrays in scikit-learn's files."""
        return dict(FILES)

    def network(self, size: str = "tiny") -> nn.Module:  # noqa: D102 (see Problem)
        layers: list[nn.Module] = []
        width = 10
        for hidden in choose("size", size, SIZES):
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        return nn.Sequential(*layers, nn.Linear(width, 1), nn.Flatten(0))

    def load(self, root: Path | None) -> Data:  # noqa: ARG002 (the table is in a library)
        """Return the standardised features (n, 10) and targets (n,), in float32.

        Raises:
            UserError: A file of scikit-learn is unreadable or has another digest.
        """
        features, target = (torch.from_numpy(read_rows(name, digest)) for name, digest in FILES.items())
        table = torch.cat([features, target], dim=1)
        test = torch.arange(len(table)) % 5 == 4
        train = table[~test]
        table = ((table - train.mean(dim=0)) / train.std(dim=0, correction=0)).float()
        inputs, targets = table[:, :10].contiguous(), table[:, 10].contiguous()
        return Data(inputs[~test], targets[~test], inputs[test], targets[test])

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.zeros(n, 10), torch.ones(n)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return the inputs unchanged; they are already standardised."""
        return inputs

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of ½ (ŷ − y)² over the batch; ŷ and y of shape (n,)."""
        return nn.functional.mse_loss(outputs, targets) / 2
