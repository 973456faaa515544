"""A vision transformer on Fashion-MNIST (Dosovitskiy et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.problems.base import choose
from suite.problems.fashion_mnist import FashionMnist
from suite.problems.transformer import Block, initialise

if TYPE_CHECKING:
    from torch import Tensor

PATCH = 7
PATCHES = (28 // PATCH) ** 2
SIZES = {"tiny": (2, 64, 4), "full": (12, 192, 3)}
"""Layers, width and attention heads."""


class VisionTransformer(nn.Module):
    """Patches → linear, with a class token in front and learnt positions → blocks → norm → linear on the class token."""

    def __init__(self, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, PATCH, stride=PATCH)
        self.class_token = nn.Embedding(1, width)
        self.position_embedding = nn.Embedding(1 + PATCHES, width)
        self.blocks = nn.Sequential(*(Block(width, heads, causal=False) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, 10)
        initialise(self, layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores (n, 10) for images (n, 1, 28, 28)."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        token = self.class_token.weight.expand(len(images), 1, -1)
        x = torch.cat([token, patches], dim=1) + self.position_embedding.weight
        scores: Tensor = self.output(self.norm(self.blocks(x)[:, 0]))
        return scores


class FashionMnistVit(FashionMnist):
    """A vision transformer on 16 patches of 7×7 pixels and a class token, without dropout, initialised as GPT-2 is.

    Options:
        size: `tiny`: 2 layers, width 64, 4 heads, 105,098 parameters; `full`: 12 layers, width 192, 3 heads, the width and
            depth of DeiT-Ti (Touvron et al. 2020, arXiv 2012.12877), 5,353,738 parameters.
    """

    key = "fashion_mnist_vit"
    summary = "a vision transformer on Fashion-MNIST, 105,098 parameters (size = full: 5,353,738)"
    source = "Dosovitskiy et al. 2020, arXiv 2010.11929; Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"

    def network(self, size: str = "tiny") -> nn.Module:  # noqa: D102 (see Problem)
        return VisionTransformer(*choose("size", size, SIZES))
