"""The residual networks of He et al. 2015 for small images (section 4.2): 6n + 2 layers, shortcuts without parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

SIZES = {"tiny": 1, "full": 3}
"""Blocks of each stage, n."""
CHANNELS = (16, 32, 64)


class ResidualBlock(nn.Module):
    """y = ReLU(norm(W₂ ReLU(norm(W₁ x))) + x), with convolutions 3×3 and batch norm.

    If the number of channels doubles, the first convolution has stride 2. The shortcut then takes every second pixel, and its
    new channels are 0 (option A of the source).
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self._stride, self._new_channels = (1, 0) if channels == channels_in else (2, channels - channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, self._stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output (n, channels, height / stride, width / stride)."""
        hidden = nn.functional.relu(self.norm1(self.conv1(x)))
        shortcut = x[:, :, :: self._stride, :: self._stride]
        shortcut = nn.functional.pad(shortcut, (0, 0, 0, 0, 0, self._new_channels))
        return nn.functional.relu(self.norm2(self.conv2(hidden)) + shortcut)


def resnet(channels_in: int, blocks: int) -> nn.Module:
    """Return convolution → three stages with 16, 32 and 64 channels → global average → 10.

    Convolutions are drawn from N(0, 2/(9·channels_in)), as in the source, and the linear layer from N(0, 0.01²), as by Goyal et
    al. 2017 (arXiv 1706.02677), with biases of 0.

    Args:
        channels_in: Channels of an image.
        blocks: n, the number of blocks of each stage; the network has 6n + 2 layers with weights.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, CHANNELS[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(CHANNELS[0]),
        nn.ReLU(),
    ]
    width = CHANNELS[0]
    for channels in CHANNELS:
        for _ in range(blocks):
            layers.append(ResidualBlock(width, channels))
            width = channels
    output = nn.Linear(width, 10)
    nn.init.normal_(output.weight, std=0.01)
    nn.init.zeros_(output.bias)
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), output)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network.to(memory_format=torch.channels_last)
