"""Transformers with layer norm before each branch (Radford et al. 2019): a block, and a decoder-only network on tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class Block(nn.Module):
    """x ← x + attention(norm x), then x ← x + W₂ GELU(W₁ norm x), with a hidden layer of four times the width.

    Args:
        width: The number of channels d.
        heads: Attention heads; they divide d.
        causal: Whether a position attends only to itself and the positions before it.
    """

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self._heads, self._causal = heads, causal
        self.attention_norm = nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width)  # queries, keys and values
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output (n, positions, d) for an input of this shape."""
        qkv = self.attention_in(self.attention_norm(x)).unflatten(-1, (3, self._heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (n, heads, positions, d / heads)
        attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self._causal)
        x = x + self.attention_out(attended.transpose(1, 2).flatten(2))
        hidden: Tensor = self.mlp_out(nn.functional.gelu(self.mlp_in(self.mlp_norm(x))))
        return x + hidden


class Decoder(nn.Module):
    """Token and position embeddings, causal blocks, layer norm, and a linear layer without bias to the scores.

    Weights are drawn from N(0, σ²), those of the last layer of each branch from N(0, σ²/(2·layers)), and all biases are 0, as
    in GPT-2, which has σ = 0.02.

    Args:
        tokens: The number of different tokens.
        context: The positions that attend to each other. A longer sequence is read in windows of this length.
        layers: The number of blocks.
        width: The number of channels.
        heads: Attention heads of each block.
        outputs: The number of scores for each position.
        tied: Whether the last layer has the weights of the token embedding; `outputs` is then `tokens`.
        std: σ.
    """

    def __init__(
        self,
        tokens: int,
        context: int,
        layers: int,
        width: int,
        heads: int,
        outputs: int,
        *,
        tied: bool = False,
        std: float = 0.02,
    ) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(tokens, width)
        self.position_embedding = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads, causal=True) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, outputs, bias=False)
        initialise(self, layers, std)
        if tied:
            self.output.weight = self.token_embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the scores (n, length, outputs) of tokens (n, length); the context divides the length."""
        windows = tokens.reshape(-1, self.position_embedding.num_embeddings)
        x = self.token_embedding(windows) + self.position_embedding.weight
        scores: Tensor = self.output(self.norm(self.blocks(x)))
        return scores.reshape(*tokens.shape, -1)


@torch.no_grad()
def initialise(network: nn.Module, layers: int, std: float = 0.02) -> None:
    """Draw the weights of all linear layers, convolutions and embeddings of a transformer as GPT-2 does; see `Decoder`."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            last = name.endswith(("attention_out", "mlp_out"))
            module.weight.normal_(std=std / math.sqrt(2 * layers) if last else std)
        if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
            module.bias.zero_()
