"""Two convolutions and two dense layers on Fashion-MNIST (Schneider, Balles, Hennig 2019, DeepOBS, arXiv 1903.05499)."""

from __future__ import annotations

import torch
from torch import nn

from suite.problems.fashion_mnist import FashionMnist


def _block(channels_in: int, channels_out: int) -> list[nn.Module]:
    # DeepOBS has the ReLU before the pooling: the same values (see fashion_mnist.py), with four times the work for the ReLU.
    return [nn.Conv2d(channels_in, channels_out, 5, padding=2), nn.MaxPool2d(2), nn.ReLU()]


class FashionMnist2c2d(FashionMnist):
    """28×28 → twice (convolution 5×5 with "same" padding, ReLU, 2×2 max pooling) → 3136 → 1024 → ReLU → 10.

    Channels 1 → 32 → 64, sides 28 → 14 → 7: 3,274,634 parameters. No batch norm. The batch size of DeepOBS is 128. The
    initialisation is PyTorch's default; in DeepOBS's fmnist_2c2d it is a truncated normal of standard deviation 0.05, with
    biases of 0.05.
    """

    key = "fashion_mnist_2c2d"
    summary = "DeepOBS's network on Fashion-MNIST: 2 convolutions, 2 dense layers, 3,274,634 parameters"
    source = "Schneider, Balles, Hennig 2019, DeepOBS, arXiv 1903.05499; Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"

    def network(self) -> nn.Module:  # noqa: D102 (see Problem)
        network = nn.Sequential(
            *_block(1, 32), *_block(32, 64), nn.Flatten(), nn.Linear(7 * 7 * 64, 1024), nn.ReLU(), nn.Linear(1024, 10)
        )
        return network.to(memory_format=torch.channels_last)  # with pooling first: 1.2 times as fast, on one CPU core
