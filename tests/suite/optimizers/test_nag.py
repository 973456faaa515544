"""Nesterov's accelerated gradient, as derived."""

import itertools

import pytest
import torch

from suite.optimizers import NAG, SGD


def naive(lr, momentum):
    """The rule v ← γ v + η g; θ ← θ − (γ v + η g)."""

    def make():
        v = 0.0

        def step(g, t):
            nonlocal v
            v = momentum * v + lr * g
            return momentum * v + lr * g

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 2 and -4, η = 0.1 and γ = 0.5, end where the formula says."""
    # v = 0.2, x = 1 − (0.1 + 0.2) = 0.7; v = 0.1 − 0.4 = −0.3, x = 0.7 − (−0.15 − 0.4) = 1.25
    path = walk(NAG, [1.0], [[2.0], [-4.0]], lr=0.1, momentum=0.5)
    assert path == [pytest.approx([0.7], rel=1e-15), pytest.approx([1.25], rel=1e-15)]


@pytest.mark.parametrize(("momentum", "weight_decay"), list(itertools.product([0.0, 0.5, 0.9], [0.0, 0.01])))
def test_formula(walk, naive_walk, assert_same_path, start, gradients, momentum, weight_decay):
    """Sixty steps equal the formula in Python floats, for every combination of options."""
    ours = walk(NAG, start, gradients, lr=0.05, momentum=momentum, weight_decay=weight_decay)
    assert_same_path(ours, naive_walk(naive(0.05, momentum), start, gradients, weight_decay))


def test_equals_torch(assert_same_as_torch):
    """At constant η every step equals torch's SGD with nesterov=True, in each group and after a resume."""
    first, second = {"lr": 0.02, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2}
    settings = [(options, {**options, "nesterov": True}) for options in (first, second)]
    assert_same_as_torch(NAG, torch.optim.SGD, settings)


def test_is_the_change_of_variable(walk):
    """θ is the point ahead: Nesterov's two-line form on f = x², gradient taken at y − γ v, visits the same points."""
    # Two-line form: g at y − γ v; v ← γ v + η g; y ← y − v. With θ = y − γ v, θ' = θ − (γ v' + η g).
    x = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimizer = NAG([x], lr=0.1, momentum=0.9)
    y, v = 1.0, 0.0
    for _ in range(50):
        x.grad = 2 * x.detach()
        optimizer.step()
        v = 0.9 * v + 0.1 * 2 * (y - 0.9 * v)
        y = y - v
        assert x.item() == pytest.approx(y - 0.9 * v, rel=1e-11, abs=1e-14)


def test_no_momentum_is_gradient_descent(walk, start, gradients, assert_same_path):
    """With γ = 0 NAG is SGD."""
    ours = walk(NAG, start, gradients, lr=0.05, momentum=0.0)
    assert_same_path(ours, walk(SGD, start, gradients, lr=0.05))
