"""A multilayer perceptron on Fashion-MNIST (Schneider, Balles, Hennig 2019, DeepOBS, arXiv 1903.05499)."""

from __future__ import annotations

from torch import nn

from suite.problems.fashion_mnist import FashionMnist


class FashionMnistMlp(FashionMnist):
    """28×28 → 784 → 1000 → 500 → 100 → 10, ReLU between linear layers: 1,336,610 parameters.

    The layers are those of DeepOBS's fmnist_mlp, whose batch size is 128. The initialisation is PyTorch's default; in
    DeepOBS it is a truncated normal of standard deviation 0.03, with biases of 0.
    """

    key = "fashion_mnist_mlp"
    summary = "an MLP of three hidden layers on Fashion-MNIST, 1,336,610 parameters"
    source = "Schneider, Balles, Hennig 2019, DeepOBS, arXiv 1903.05499; Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"

    def network(self) -> nn.Module:  # noqa: D102 (see Problem)
        layers: list[nn.Module] = [nn.Flatten(), nn.Linear(784, 1000)]
        for width, next_width in ((1000, 500), (500, 100), (100, 10)):
            layers += [nn.ReLU(), nn.Linear(width, next_width)]
        return nn.Sequential(*layers)
