"""An LSTM on the bytes of a text (Hochreiter and Schmidhuber 1997)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from suite.problems.base import choose
from suite.problems.text import BYTES, Text

if TYPE_CHECKING:
    from torch import Tensor

SIZES = {"tiny": (64, 1, 64, 128), "full": (256, 2, 128, 512)}
"""Window, layers, width of the embedding and hidden units."""


class Lstm(nn.Module):
    """Byte embedding, LSTM and a linear layer to the scores; the state is 0 at the start of each window."""

    def __init__(self, window: int, layers: int, width: int, hidden: int) -> None:
        super().__init__()
        self._window = window
        self.embedding = nn.Embedding(BYTES, width)
        self.lstm = nn.LSTM(width, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, BYTES)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the scores (n, length, 256) of bytes (n, length); the window divides the length."""
        hidden, _ = self.lstm(self.embedding(tokens.reshape(-1, self._window)))
        scores: Tensor = self.output(hidden)
        return scores.reshape(*tokens.shape, -1)


class TextLstm(Text):
    """Embedding → LSTM → linear, with PyTorch's initialisation and without dropout.

    The gradient goes through all bytes of a window. Gradients of recurrent networks can explode, so large learning rates
    need clipping.

    Options:
        size: `tiny`: windows of 64 bytes, one layer of 128 units, 148,736 parameters; `full`: windows of 256 bytes, two layers
            of 512 units, 3,580,160 parameters.
    """

    key = "text_lstm"
    summary = "an LSTM on the bytes of the Jargon File, 148,736 parameters (size = full: 3,580,160)"
    source = "Hochreiter and Schmidhuber 1997, doi 10.1162/neco.1997.9.8.1735; the Jargon File 4.4.7, public domain"

    def network(self, size: str = "tiny") -> nn.Module:  # noqa: D102 (see Problem)
        return Lstm(*choose("size", size, SIZES))
