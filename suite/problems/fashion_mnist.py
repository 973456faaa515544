"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747): the base class of its problems, and the CNN of P."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.data.datasets import FASHION_MNIST, load_fashion_mnist
from suite.problems.base import Data
from suite.problems.classification import Classification

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


class FashionMnist(Classification):
    """60,000 training and 10,000 test images of 28×28 bytes in ten classes, scaled to [0, 1]; no augmentation."""

    train_examples = 60_000
    test_examples = 10_000
    chance_loss = math.log(10)
    data_set = FASHION_MNIST

    def load(self, root: Path | None) -> Data:  # noqa: D102 (see Problem)
        assert root is not None
        return Data(*load_fashion_mnist(root))

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.full((n, 1, 28, 28), 128, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return bytes (n, 1, 28, 28) as float32 in [0, 1], like torchvision's ToTensor."""
        return inputs.float().div_(255)


def _block(channels_in: int, channels_out: int) -> list[nn.Module]:
    # P pools after the ReLU. Both orders give the same values, because the ReLU is monotonic; this one needs a quarter of
    # the work for the ReLU.
    return [nn.Conv2d(channels_in, channels_out, 3), nn.BatchNorm2d(channels_out), nn.MaxPool2d(2), nn.ReLU()]


class FashionMnistCnn(FashionMnist):
    """28×28 → three times (convolution 3×3 without padding, batch norm, ReLU, 2×2 max pooling) → 128 → 84 → 10.

    Channels 1 → 72 → 256 → 128, sides 28 → 26 → 13 → 11 → 5 → 3 → 1; then linear 128 → 84, batch norm, ReLU, linear
    84 → 10: 474,670 parameters. This is the network of document P (docs/sources.md).
    """

    key = "fashion_mnist_cnn"
    summary = "the CNN of P on Fashion-MNIST: 3 convolutions with batch norm, 474,670 parameters"
    source = "P, section on the experiments, in docs/sources.md; Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"
    min_batch_size = 2

    def network(self) -> nn.Module:  # noqa: D102 (see Problem)
        network = nn.Sequential(
            *_block(1, 72),
            *_block(72, 256),
            *_block(256, 128),
            nn.Flatten(),
            nn.Linear(128, 84),
            nn.BatchNorm1d(84),
            nn.ReLU(),
            nn.Linear(84, 10),
        )
        return network.to(memory_format=torch.channels_last)  # 1.4 times as fast as channels first, on one CPU core
