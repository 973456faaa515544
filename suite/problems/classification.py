"""The base class of classification problems: cross-entropy, and the class with the highest score as the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from suite.problems.base import Problem

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Problem):
    """A problem whose network returns a score for each class, and whose targets are class indices.

    With C equally frequent classes, the loss of a constant prediction is ln C (`chance_loss`).
    """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy −ln softmax(scores)[class], mean over the batch, in nats; scores (n, C), classes (n,)."""
        return nn.functional.cross_entropy(outputs, targets)

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the number of examples whose class has the highest score."""
        return (outputs.argmax(dim=1) == targets).sum()
