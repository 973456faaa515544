"""A residual network on CIFAR-10 (He, Zhang, Ren, Sun 2015)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from suite.data.datasets import CIFAR10, load_cifar10
from suite.problems.base import Data, choose
from suite.problems.classification import Classification
from suite.problems.resnet import SIZES, resnet

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn


class Cifar10Resnet(Classification):
    """The network of He et al. for the 50,000 training and 10,000 test images of 32×32 pixels in three colours.

    There is no augmentation. Bytes are scaled to [−½, ½]; the source subtracts the mean image instead. This problem was tested
    on a small file in the format of CIFAR-10 only, because the data could not be downloaded where Ravine was developed.

    Options:
        size: `tiny`: ResNet-8, 75,290 parameters; `full`: ResNet-20, 269,722 parameters.
    """

    key = "cifar10_resnet"
    summary = "ResNet-8 on CIFAR-10, 75,290 parameters (size = full: ResNet-20, 269,722)"
    source = "He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 4.2; Krizhevsky 2009, CIFAR-10"
    train_examples = 50_000
    test_examples = 10_000
    chance_loss = math.log(10)
    min_batch_size = 2
    data_set = CIFAR10

    def network(self, size: str = "tiny") -> nn.Module:  # noqa: D102 (see Problem)
        return resnet(3, choose("size", size, SIZES))

    def load(self, root: Path | None) -> Data:  # noqa: D102
        assert root is not None
        return Data(*load_cifar10(root))

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.full((n, 3, 32, 32), 128, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return bytes (n, 3, 32, 32) as float32 in [−½, ½]."""
        return inputs.float().div_(255).sub_(0.5)
