"""What problems of classification share: cross-entropy, and the class with the highest score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from suite.problems.base import Problem

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Problem):
    """A problem whose network gives each class a score, and whose targets are the numbers of the classes.

    With C classes that are equally frequent, a constant prediction reaches a loss of ln C (`chance_loss`).
    """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of scores (n, C) against n classes: −ln softmax(scores)[class]; mean over the batch, in nats."""
        return nn.functional.cross_entropy(outputs, targets)

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How many of n classes have the highest score."""
        return (outputs.argmax(dim=1) == targets).sum()
