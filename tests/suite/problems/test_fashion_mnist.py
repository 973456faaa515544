"""The networks on Fashion-MNIST other than that of P: their sizes, and their scores computed in another way."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from suite.problems import PROBLEMS
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trial

STUDY = """
title = "t"
problem = "{problem}"
repeats = 1
epochs = 2
batch_size = 128
train_examples = 512
eval_every = 2

[[optimizer]]
name = "Adam"
kind = "adam"
lr = 0.001
"""


@pytest.mark.parametrize(
    ("key", "parameters"),
    [
        ("fashion_mnist_logistic", 784 * 10 + 10),
        ("fashion_mnist_mlp", (784 * 1000 + 1000) + (1000 * 500 + 500) + (500 * 100 + 100) + (100 * 10 + 10)),
        (
            "fashion_mnist_2c2d",
            (5 * 5 * 1 * 32 + 32) + (5 * 5 * 32 * 64 + 64) + (7 * 7 * 64 * 1024 + 1024) + (1024 * 10 + 10),
        ),
    ],
)
def test_the_number_of_parameters(key, parameters):
    """The weights and biases of the layers, counted by hand, are the number in the network and in the summary."""
    problem = PROBLEMS[key]
    assert sum(p.numel() for p in problem.network().parameters()) == parameters
    assert f"{parameters:,} parameters" in problem.summary


def test_2c2d_halves_its_sides_by_pooling_alone():
    """The sides are 28, 28, 14, 14, 7 with 32 and 64 channels, because the padding is "same"."""
    problem, shapes = PROBLEMS["fashion_mnist_2c2d"], []
    x = problem.prepare(problem.synthetic_batch(2)[0])
    for layer in problem.network():
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.Linear):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(32, 28, 28), (32, 14, 14), (64, 14, 14), (64, 7, 7), (1024,), (10,)]


def test_2c2d_equals_the_order_of_deepobs():
    """The scores equal those of the same weights with padding, ReLU and pooling written out in the order of DeepOBS."""
    torch.manual_seed(0)
    network, x = PROBLEMS["fashion_mnist_2c2d"].network().double(), torch.rand(3, 1, 28, 28, dtype=torch.float64)
    w1, b1, w2, b2, w3, b3, w4, b4 = (p.detach() for p in network.parameters())
    h = x
    for w, b in ((w1, b1), (w2, b2)):
        patches = nn.functional.unfold(nn.functional.pad(h, (2, 2, 2, 2)), 5)  # (n, channels · 25, positions)
        h = (w.flatten(1) @ patches + b[:, None]).relu().unflatten(2, h.shape[2:])
        h = h.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax(dim=(3, 5))
    scores = (h.flatten(1) @ w3.T + b3).relu() @ w4.T + b4
    torch.testing.assert_close(network(x).detach(), scores)


def test_the_mlp_and_the_logistic_regression_equal_their_formulas():
    """The scores for random weights equal matrix products and maxima in numpy's float64."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (4, 1, 28, 28), dtype=torch.uint8)
    for key in ("fashion_mnist_logistic", "fashion_mnist_mlp"):
        problem = PROBLEMS[key]
        network = problem.network()
        h = images.numpy().reshape(4, 784) / 255
        parameters = [p.detach().double().numpy() for p in network.parameters()]
        for i in range(0, len(parameters), 2):
            h = (np.maximum(h, 0) if i else h) @ parameters[i].T + parameters[i + 1]
        np.testing.assert_allclose(network(problem.prepare(images)).detach().numpy(), h, atol=2e-6)


@pytest.mark.data
@pytest.mark.parametrize("key", ["fashion_mnist_logistic", "fashion_mnist_mlp", "fashion_mnist_2c2d"])
def test_it_trains_on_the_real_images(tmp_path, fashion_mnist, key):
    """Two epochs of 512 images give an accuracy far above chance on all 10,000 test images, with reproducible weights."""
    (tmp_path / "s.toml").write_text(STUDY.format(problem=key), encoding="utf-8")
    (trial,) = plan(load_study(tmp_path / "s.toml"))
    first, second = (run_trial(dataclasses.replace(trial, eval_every=2), data=fashion_mnist) for _ in range(2))
    assert first.outcome is Outcome.OK, first.reason
    assert first.weights == second.weights
    values = {point.metric: point.value for point in first.points}
    assert values["test/accuracy"] > 0.3  # chance is 0.1
    assert round(values["test/accuracy"] * 10_000) / 10_000 == values["test/accuracy"]
