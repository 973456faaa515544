"""A decoder-only transformer on the bytes of a text (Radford et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.problems.base import choose
from suite.problems.text import BYTES, Text
from suite.problems.transformer import Decoder

if TYPE_CHECKING:
    from torch import nn

SIZES = {"tiny": (64, 2, 64, 4), "full": (256, 6, 256, 8)}
"""Context, layers, width and attention heads."""


class TextGpt(Text):
    """GPT-2 without dropout: layer norm before each branch, GELU, learnt positions; see `suite.problems.transformer`.

    Options:
        size: `tiny`: context of 64 bytes, 2 layers, width 64, 4 heads, 120,576 parameters; `full`: context of 256 bytes, 6
            layers, width 256, 8 heads, 4,870,144 parameters.
        tied: Whether the output layer has the weights of the byte embedding, as in GPT-2. Otherwise it has its own.
    """

    key = "text_gpt"
    summary = "a GPT on the bytes of the Jargon File, 120,576 parameters (size = full: 4,870,144)"
    source = "Radford, Wu, Child, Luan, Amodei, Sutskever 2019 (GPT-2); the Jargon File 4.4.7, public domain"

    def network(self, size: str = "tiny", tied: bool = True) -> nn.Module:  # noqa: D102 (see Problem)
        context, layers, width, heads = choose("size", size, SIZES)
        return Decoder(BYTES, context, layers, width, heads, outputs=BYTES, tied=tied)
