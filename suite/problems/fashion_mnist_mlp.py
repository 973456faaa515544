"""A multilayer perceptron on Fashion-MNIST (Schneider, Balles, Hennig 2019, DeepOBS, arXiv 1903.05499)."""

from __future__ import annotations

from torch import nn

from suite.problems.fashion_mnist import FashionMnist


class FashionMnistMlp(FashionMnist):
    """28×28 → 784 → 1000 → 500 → 100 → 10, ReLU between linear layers: 1,336,610 parameters.

    The layers are those of DeepOBS's fmnist_mlp, whose batch is 128. Departs from it in the initialisation, which is
    PyTorch's default here, and a truncated normal of deviation 0.03 with biases of 0 there.
    """

    key = "fashion_mnist_mlp"
    summary = "an MLP of three hidden layers on Fashion-MNIST, 1,336,610 parameters"
    source = "Schneider, Balles, Hennig 2019, DeepOBS, arXiv 1903.05499; Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"

    def network(self) -> nn.Module:  # noqa: D102 (see Problem)
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 1000),
            nn.ReLU(),
            nn.Linear(1000, 500),
            nn.ReLU(),
            nn.Linear(500, 100),
            nn.ReLU(),
            nn.Linear(100, 10),
        )
