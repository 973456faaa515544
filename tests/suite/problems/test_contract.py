"""The contract of every problem of the registry."""

import math

import pytest
import torch
from torch import nn

from suite.problems import PROBLEMS, Classification

FIXED = {"surface"}  # has a fixed start
every = pytest.mark.parametrize("key", PROBLEMS)
classification = [key for key, problem in PROBLEMS.items() if isinstance(problem, Classification)]


@every
def test_a_problem_has_its_key_a_summary_and_a_source(key):
    """The key in the registry is the problem's, and `ravine list problems` has a summary and a source to print."""
    problem = PROBLEMS[key]
    assert problem.key == key
    assert problem.summary
    assert problem.source


@every
def test_the_weights_are_drawn_from_the_seeded_generator(key):
    """Equal seeds give equal networks, different seeds different ones unless the start is fixed; none share parameters."""
    problem, networks = PROBLEMS[key], []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        networks.append([p.detach() for p in problem.network().parameters()])
    one, same, other = networks
    assert all(torch.equal(a, b) and a.data_ptr() != b.data_ptr() for a, b in zip(one, same, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one, other, strict=True)) is (key not in FIXED)


@every
def test_a_synthetic_batch_goes_through_network_and_loss(key):
    """A synthetic batch of n examples gives one finite loss with a gradient for every parameter."""
    problem = PROBLEMS[key]
    network, (inputs, targets) = problem.network(), problem.synthetic_batch(6)
    assert len(inputs) == len(targets) == 6
    loss = problem.loss(network(problem.prepare(inputs)), targets)
    assert loss.shape == ()
    assert math.isfinite(loss.item())
    loss.backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in network.parameters())


@every
def test_the_loss_of_a_batch_is_the_mean_over_its_examples(key):
    """A batch with every example twice has the same loss."""
    problem = PROBLEMS[key]
    network, (inputs, targets) = problem.network().eval(), problem.synthetic_batch(6)
    outputs = network(problem.prepare(inputs)).detach()
    once, twice = problem.loss(outputs, targets), problem.loss(torch.cat([outputs] * 2), torch.cat([targets] * 2))
    torch.testing.assert_close(twice, once)


@every
def test_the_gradient_equals_central_differences(key):
    """In float64 the derivative along a random unit vector is (L(θ + hv) − L(θ − hv)) / 2h, in training mode."""
    problem = PROBLEMS[key]
    torch.manual_seed(4)
    network, (inputs, targets) = problem.network().double(), problem.synthetic_batch(3)
    x = problem.prepare(inputs)
    x = torch.rand_like(x, dtype=torch.float64) if x.is_floating_point() else x
    targets = targets.double() if targets.is_floating_point() else targets
    parameters, h = list(network.parameters()), 1e-6
    v = [torch.randn_like(p) for p in parameters]
    norm = math.sqrt(sum(x.square().sum().item() for x in v))

    def loss():
        return problem.loss(network(x), targets)

    def moved(step):
        with torch.no_grad():
            for p, direction in zip(parameters, v, strict=True):
                p.add_(direction, alpha=step / norm)
            return loss().item()

    loss().backward()
    derivative = sum((p.grad * direction).sum().item() for p, direction in zip(parameters, v, strict=True)) / norm
    difference = (moved(h) - moved(-2 * h)) / (2 * h)
    assert derivative == pytest.approx(difference, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("key", classification)
def test_a_constant_prediction_has_the_chance_loss(key):
    """Equal scores of C classes have the loss ln C, which is `chance_loss`, and the first class is the prediction."""
    problem = PROBLEMS[key]
    targets = torch.arange(round(math.exp(problem.chance_loss)))
    n = len(targets)
    outputs = torch.zeros(n, n)
    assert problem.loss(outputs, targets).item() == pytest.approx(math.log(n))
    assert problem.chance_loss == math.log(n)
    assert problem.correct(outputs, targets).item() == 1
    assert problem.correct(nn.functional.one_hot(targets, n), targets).item() == n


@pytest.mark.parametrize("key", classification)
def test_cross_entropy_equals_its_formula(key):
    """The loss is the mean of ln Σ exp(score) − score of the correct class, computed in float64."""
    torch.manual_seed(0)
    outputs, targets = torch.randn(7, 10, dtype=torch.float64), torch.tensor([0, 3, 9, 9, 1, 5, 7])
    rows = zip(outputs.tolist(), targets.tolist(), strict=True)
    losses = [math.log(sum(map(math.exp, row))) - row[target] for row, target in rows]
    assert PROBLEMS[key].loss(outputs, targets).item() == pytest.approx(sum(losses) / 7, rel=1e-12)
