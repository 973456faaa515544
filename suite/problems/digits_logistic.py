"""Logistic regression on scikit-learn's digits: convex, and small enough for Newton's method."""

from __future__ import annotations

from torch import nn

from suite.problems.digits import DigitsMlp


class DigitsLogistic(DigitsMlp):
    """8×8 → 10: one linear layer, 650 parameters. With cross-entropy this is multinomial logistic regression.

    Images and split are those of `digits_mlp`. The loss is convex. Without weight decay it has no minimum: the 1,442
    training images are linearly separable, so larger weights always reduce the loss.
    """

    key = "digits_logistic"
    summary = "logistic regression on scikit-learn's digits: convex, 650 parameters; small enough for newton"

    def network(self) -> nn.Module:  # noqa: D102 (see Problem)
        return nn.Linear(64, 10)
