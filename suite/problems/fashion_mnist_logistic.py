"""Logistic regression on Fashion-MNIST: the convex problem among those on images."""

from __future__ import annotations

from torch import nn

from suite.problems.fashion_mnist import FashionMnist


class FashionMnistLogistic(FashionMnist):
    """28×28 → 784 → 10: one linear layer, 7,850 parameters. With cross-entropy this is multinomial logistic regression.

    The loss is convex in the parameters, so optimizers differ only in how fast they approach its infimum.
    """

    key = "fashion_mnist_logistic"
    summary = "logistic regression on Fashion-MNIST: convex, 7,850 parameters"
    source = "Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747; the test problem fmnist_logreg of DeepOBS, arXiv 1903.05499"

    def network(self) -> nn.Module:  # noqa: D102 (see Problem)
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
