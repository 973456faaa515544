"""The deep autoencoder of Hinton and Salakhutdinov 2006, on Fashion-MNIST."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.data.datasets import FASHION_MNIST, load_fashion_mnist
from suite.problems.base import Data, Problem, choose

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SIZES = {"tiny": (784, 256, 64, 16), "full": (784, 1000, 500, 250, 30)}
"""Units of the layers from the image to the code; the decoder has them in reverse order."""
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class FashionMnistAutoencoder(Problem):
    """Image → code → image. The hidden units are sigmoid or tanh units, and those of the code are linear.

    The loss is the cross-entropy between pixels in [0, 1] and predicted probabilities, mean over the 784 pixels, in nats.
    Equal probabilities have the loss ln 2. The loss cannot be 0, because most pixels lie between 0 and 1. The chance loss
    is that of the mean training image. A new network is far above it, so no trial counts as stalled. Hinton and
    Salakhutdinov train each layer alone before, which Ravine does not. The initial weights are those of Glorot and Bengio
    2010, uniform with variance 2/(inputs + outputs), and the biases are 0.

    Options:
        size: `tiny`: 784-256-64-16 and back, 437,664 parameters; `full`, as in the source for MNIST: 784-1000-500-250-30 and
            back, 2,837,314 parameters.
        activation: `tanh` or `sigmoid`, as in the source, which starts with a longer plateau.
    """

    key = "fashion_mnist_autoencoder"
    summary = "a deep autoencoder on Fashion-MNIST, ill-conditioned, 437,664 parameters (size = full: 2,837,314)"
    source = "Hinton and Salakhutdinov 2006, doi 10.1126/science.1127647; Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"
    train_examples = 60_000
    test_examples = 10_000
    chance_loss = 0.490209
    stalls = False
    metrics = ("loss",)
    data_set = FASHION_MNIST

    def network(self, size: str = "tiny", activation: str = "tanh") -> nn.Module:  # noqa: D102 (see Problem)
        units, unit = choose("size", size, SIZES), choose("activation", activation, ACTIVATIONS)
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise((*units, *units[-2::-1])):
            layer = nn.Linear(inputs, outputs)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
            layers += [layer] if outputs == units[-1] else [layer, unit()]
        return nn.Sequential(*layers[:-1])  # the last layer has the logits of the probabilities

    def load(self, root: Path | None) -> Data:
        """Return the images as inputs and as targets, bytes (n, 1, 28, 28)."""
        assert root is not None
        train, _, test, _ = load_fashion_mnist(root)
        return Data(train, train, test, test)

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        images = torch.full((n, 1, 28, 28), 128, dtype=torch.uint8)
        return images, images

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return bytes as float32 in [0, 1]."""
        return inputs.float().div_(255)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over images and pixels of the cross-entropy; logits (n, 784), images (n, 1, 28, 28) of bytes."""
        return nn.functional.binary_cross_entropy_with_logits(outputs, targets.flatten(1).to(outputs.dtype) / 255)
