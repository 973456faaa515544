"""The contract of the problems of two sizes: parameters, loss at the start, one batch learnt, same bits."""

import itertools
import math
from typing import NamedTuple

import pytest
import torch

from suite.errors import UserError
from suite.optimizers import Adam
from suite.problems import PROBLEMS, Data, resolve_options
from suite.records import Outcome
from suite.spec.parts import load_study_file
from suite.spec.plan import plan
from suite.training.run_trial import _load_data, run_trial, run_trials
from suite.trials import Trial


class Rung(NamedTuple):
    """What is known of a problem: parameters of both sizes, the loss at the start, and what one batch is learnt to."""

    tiny: int
    full: int
    start: float
    """The loss of equal scores, in theory."""
    lr: float = 3e-3
    """Adam's learning rate for one batch."""
    learnt: float = 0.05
    """Adam reaches a loss below this on one batch."""
    examples: int = 64
    """The number of examples that the loss at the start is the mean over."""


def _resnet(channels, n):
    """Count by hand: convolutions without bias, two parameters a channel of each batch norm, and the linear layer."""
    total = 9 * channels * 16 + 2 * 16 + 64 * 10 + 10
    for before, width in ((16, 16), (16, 32), (32, 64)):
        total += 9 * before * width + (2 * n - 1) * 9 * width * width + 2 * n * 2 * width
    return total


def _vit(layers, d):
    """Count by hand: patches of 49 pixels with a bias, class token and 17 positions, blocks and norm, ten classes."""
    return _transformer(layers, d, 0, 18, 0) + 50 * d + 10 * (d + 1)


def _mlp(*units):
    """Count by hand: weights and biases between neighbouring layers."""
    return sum((before + 1) * after for before, after in itertools.pairwise(units))


def _lstm(layers, d, hidden):
    """Count by hand: four gates of each layer with two biases, the embedding, and the output layer with its bias."""
    gates = 4 * hidden * (d + hidden + 2) + (layers - 1) * 4 * hidden * (2 * hidden + 2)
    return 256 * d + gates + (hidden + 1) * 256


def _transformer(layers, d, tokens, positions, outputs):
    """Count by hand: embeddings; of each block two norms, attention 4d² + 4d, MLP 8d² + 5d; norm and output layer."""
    return (tokens + positions + outputs) * d + layers * (12 * d * d + 13 * d) + 2 * d


RUNGS = {
    "modular_addition": Rung(_transformer(1, 64, 98, 3, 97), _transformer(2, 128, 98, 3, 97), math.log(97)),
    "text_gpt": Rung(_transformer(2, 64, 256, 64, 0), _transformer(6, 256, 256, 256, 0), math.log(256), examples=2),
    "text_lstm": Rung(_lstm(1, 64, 128), _lstm(2, 128, 512), math.log(256), examples=2),
    "fashion_mnist_resnet": Rung(_resnet(1, 1), _resnet(1, 3), math.log(10)),
    "cifar10_resnet": Rung(_resnet(3, 1), _resnet(3, 3), math.log(10)),
    "fashion_mnist_vit": Rung(_vit(2, 64), _vit(12, 192), math.log(10)),
    "fashion_mnist_autoencoder": Rung(
        _mlp(784, 256, 64, 16, 64, 256, 784),
        _mlp(784, 1000, 500, 250, 30, 250, 500, 1000, 784),
        math.log(2),
        learnt=0.55,  # half of a mean loss of ½ nats, the entropy of pixels that are uniform in [0, 1], from ln 2
    ),
    "tabular_mlp": Rung(_mlp(10, 32, 32, 1), _mlp(10, 256, 256, 256, 1), 0.5, examples=5_000),
}
every = pytest.mark.parametrize("key", RUNGS)


def _batch(key, n=None):
    """Return n random examples of the problem's types and shapes; by default 2 passages of a text or 12 others."""
    problem = PROBLEMS[key]
    torch.manual_seed(5)
    n = n or (2 if key.startswith("text") else 12)
    inputs, targets = problem.synthetic_batch(n)
    if inputs.dtype == torch.uint8:
        inputs = torch.randint(0, 97 if key == "modular_addition" else 256, inputs.shape, dtype=torch.uint8)
    elif inputs.is_floating_point():
        inputs = torch.randn(inputs.shape)
    if targets.is_floating_point():
        targets = torch.randn(targets.shape)
        targets = (targets - targets.mean()) / targets.std(correction=0)  # the theory is for variance 1
    elif key.endswith("autoencoder"):
        targets = inputs
    else:
        targets = torch.randint(0, round(math.exp(RUNGS[key].start)), targets.shape).to(targets.dtype)
    return inputs, targets


@every
@pytest.mark.parametrize("size", ["tiny", "full"])
def test_the_number_of_parameters(key, size):
    """The parameters of each size, counted by hand, are those of the network, of its docstring and of its summary."""
    problem, expected = PROBLEMS[key], getattr(RUNGS[key], size)
    assert sum(p.numel() for p in problem.network(size=size).parameters()) == expected
    assert f"{expected:,}" in type(problem).__doc__
    assert f"{expected:,}" in problem.summary
    assert resolve_options(problem, {})["size"] == "tiny"


@pytest.mark.parametrize("size", ["medium", 3], ids=str)
def test_another_size_is_an_error(wording, size):
    """The error names the sizes."""
    with pytest.raises(UserError) as error:
        resolve_options(PROBLEMS["modular_addition"], {"size": size})
    wording(error.value)


@every
@pytest.mark.parametrize("size", ["tiny", "full"])
def test_the_loss_at_the_start_is_that_of_equal_scores(key, size):
    """The loss of a new network in training mode is within 5% of its theory."""
    problem, (inputs, targets) = PROBLEMS[key], _batch(key, RUNGS[key].examples)
    torch.manual_seed(0)
    network = problem.network(size=size)
    assert problem.loss(network(problem.prepare(inputs)), targets).item() == pytest.approx(RUNGS[key].start, rel=0.05)


@every
def test_one_batch_is_learnt(key):
    """Adam learns one batch of random examples by heart within 300 steps."""
    problem, (inputs, targets), rung = PROBLEMS[key], _batch(key), RUNGS[key]
    torch.manual_seed(0)
    network = problem.network()
    optimizer = Adam(network.parameters(), lr=rung.lr)
    for _ in range(300):
        optimizer.zero_grad()
        outputs = network(problem.prepare(inputs))
        loss = problem.loss(outputs, targets)
        loss.backward()
        optimizer.step()
        if loss.item() < rung.learnt:
            break
    assert loss.item() < rung.learnt
    if "accuracy" in problem.metrics:
        assert problem.correct(outputs, targets).item() == len(targets)


@every
def test_a_trial_has_the_same_bits_alone_and_packed(key, monkeypatch):
    """Two repeats that share a process have the weights of each repeat alone, twice."""
    inputs, targets = _batch(key, 3)
    monkeypatch.setattr(type(PROBLEMS[key]), "load", lambda *_: Data(inputs, targets, inputs, targets))
    trials = [
        Trial(
            label="a",
            problem=key,
            optimizer="adamw",
            hyperparameters={"lr": 1e-3, "weight_decay": 0.1},
            batch_size=2,
            epochs=1,
            train_examples=len(inputs),
            repeat=repeat,
        )
        for repeat in range(2)
    ]
    _load_data.cache_clear()
    alone = [run_trial(trial) for trial in trials]
    packed = run_trials(trials, 2)
    _load_data.cache_clear()
    assert [run.outcome for run in alone] == [Outcome.OK] * 2, alone[0].reason
    assert [run.weights for run in alone] == [run.weights for run in packed]
    assert alone[0].weights != alone[1].weights
    assert alone[0].points == packed[0].points


@pytest.mark.parametrize("key", ["text_gpt", "text_lstm", "fashion_mnist_autoencoder", "modular_addition"])
def test_a_slow_trial_is_not_stalled(key, monkeypatch):
    """A trial whose loss is above the chance loss after 210 updates ends ok, because it may still be falling."""
    inputs, targets = _batch(key, 210)
    monkeypatch.setattr(type(PROBLEMS[key]), "load", lambda *_: Data(inputs, targets, inputs[:2], targets[:2]))
    trial = Trial(
        label="a",
        problem=key,
        optimizer="sgd",
        hyperparameters={"lr": 1e-9},
        batch_size=1,
        epochs=1,
        train_examples=210,
        repeat=0,
    )
    _load_data.cache_clear()
    run = run_trial(trial)
    _load_data.cache_clear()
    assert run.outcome is Outcome.OK, run.reason
    assert next(p.value for p in run.points if p.metric == "train/loss") > 0.99 * PROBLEMS[key].chance_loss


def test_the_study_has_every_tiny_rung_at_five_learning_rates():
    """Each problem of two sizes but CIFAR-10 is a part, with five learning rates a decade apart for both optimizers."""
    parts = load_study_file("ladder").parts
    assert {part.problem for part in parts} == {*RUNGS, "noisy_quadratic"} - {"cifar10_resnet"}
    for part in parts:
        trials, rates = plan(part), {}
        for trial in trials:
            assert trial.problem_options["size"] == "tiny"
            rates.setdefault(trial.optimizer, set()).add(trial.hyperparameters["lr"])
        assert set(rates) == {"adamw", "momentum"}
        for values in rates.values():
            logs = sorted(map(math.log10, values))
            assert [b - a for a, b in itertools.pairwise(logs)] == pytest.approx([1] * 4)
        assert len(trials) == 3 * 10
        assert part.score == f"test/{PROBLEMS[part.problem].metrics[-1]}"
