"""A residual network on Fashion-MNIST (He, Zhang, Ren, Sun 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.problems.base import choose
from suite.problems.fashion_mnist import FashionMnist
from suite.problems.resnet import SIZES, resnet

if TYPE_CHECKING:
    from torch import nn


class FashionMnistResnet(FashionMnist):
    """The network of He et al. for small images, on 28×28 pixels: sides 28 → 14 → 7. There is no augmentation.

    Options:
        size: `tiny`: ResNet-8, 75,002 parameters; `full`: ResNet-20, 269,434 parameters.
    """

    key = "fashion_mnist_resnet"
    summary = "ResNet-8 on Fashion-MNIST, 75,002 parameters (size = full: ResNet-20, 269,434)"
    source = "He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 4.2; Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"
    min_batch_size = 2

    def network(self, size: str = "tiny") -> nn.Module:  # noqa: D102 (see Problem)
        return resnet(1, choose("size", size, SIZES))
