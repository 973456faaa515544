"""Linear regression on the airfoil self-noise data, as in Dive into Deep Learning (arXiv 2106.11342, 11.6 to 11.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.data.datasets import AIRFOIL
from suite.problems.base import Data, Problem, choose

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

ROWS, FEATURES = 1_500, 5
INITIALISATIONS = {"normal": 0.01, "default": None}
"""The standard deviation of the weights; None for the initialisation of `nn.Linear`."""


class AirfoilLinear(Problem):
    """ŷ = w·x + b with five weights and a bias; the loss is ½ (ŷ − y)².

    The data set has 1,503 rows: five features x of an airfoil in a wind tunnel, and the sound pressure y. Every column,
    y included, is standardised over all rows (minus the mean, divided by the population standard deviation). The first
    1,500 rows are the training set, with batches of 10 in the source, and also the test set, because the source gives the
    training loss. So the test loss is no estimate for other data. A constant prediction reaches half the variance of y
    over these rows, 0.493244; least squares, the minimum, reaches 0.241688.

    Options:
        initialisation: `normal`: weights from N(0, 0.01²) and bias 0, as for the source's own rules; `default`: that of
            `nn.Linear`, as for the source's runs of PyTorch's classes.
    """

    key = "airfoil_linear"
    summary = "linear regression on airfoil self-noise; tested on the 1,500 rows it was trained on, as the source does"
    source = "Zhang, Lipton, Li, Smola 2021, arXiv 2106.11342, 11.6; Brooks, Pope, Marcolini 1989, doi 10.24432/C5VW2C"
    train_examples = ROWS
    test_examples = ROWS
    chance_loss = 0.493244
    metrics = ("loss",)
    held_out = False
    data_set = AIRFOIL

    def network(self, initialisation: str = "normal") -> nn.Module:
        """Return one linear layer with an output of shape (n,); see the class for its initialisation."""
        std = choose("initialisation", initialisation, INITIALISATIONS)
        layer = nn.Linear(FEATURES, 1)
        if std is not None:
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(layer, nn.Flatten(0))

    def load(self, root: Path | None) -> Data:  # noqa: D102 (see Problem)
        import numpy as np

        assert root is not None
        table = np.loadtxt(root / AIRFOIL.subfolder / next(iter(AIRFOIL.files)))
        table = (table - table.mean(axis=0)) / table.std(axis=0)
        rows = torch.from_numpy(table[:ROWS]).float()
        inputs, targets = rows[:, :FEATURES].contiguous(), rows[:, FEATURES].contiguous()
        return Data(inputs, targets, inputs, targets)

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.zeros(n, FEATURES), torch.ones(n)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return the inputs unchanged; they are already standardised."""
        return inputs

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of ½ (ŷ − y)² over the batch; ŷ and y of shape (n,)."""
        return nn.functional.mse_loss(outputs, targets) / 2
