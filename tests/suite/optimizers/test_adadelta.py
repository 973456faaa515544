"""AdaDelta."""

import itertools
import math

import pytest
import torch

from suite.optimizers import AdaDelta


def naive(lr, rho, eps):
    """E ← ρ E + (1−ρ) g²; Δ ← √(U+ε)/√(E+ε) g; θ ← θ − η Δ; U ← ρ U + (1−ρ) Δ²."""

    def make():
        E = U = 0.0

        def step(g, t):
            nonlocal E, U
            E = rho * E + (1 - rho) * g * g
            delta = math.sqrt(U + eps) / math.sqrt(E + eps) * g
            U = rho * U + (1 - rho) * delta * delta
            return lr * delta

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 2 and -4, η = 0.5, ρ = 0.75 and ε = 3, end where the formula says."""
    # E = 1, Δ = √3/√4 · 2 = √3, x = 1 − 0.5 √3, U = 0.25·3 = 0.75 (of Δ, not of η Δ);
    # E = 0.75 + 4 = 4.75, Δ = √3.75/√7.75 · (−4), x = that − 0.5 Δ
    x1 = 1 - 0.5 * math.sqrt(3)
    x2 = x1 + 2 * math.sqrt(3.75 / 7.75)
    path = walk(AdaDelta, [1.0], [[2.0], [-4.0]], lr=0.5, rho=0.75, eps=3.0)
    assert path == [pytest.approx([x1], rel=1e-14), pytest.approx([x2], rel=1e-14)]


@pytest.mark.parametrize(
    ("lr", "rho", "eps", "weight_decay"), list(itertools.product([1.0, 0.3], [0.0, 0.9], [1e-6, 1e-2], [0.0, 0.01]))
)
def test_formula(walk, naive_walk, assert_same_path, start, gradients, lr, rho, eps, weight_decay):
    """Sixty steps equal the formula in Python floats, for every combination of options."""
    ours = walk(AdaDelta, start, gradients, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
    assert_same_path(ours, naive_walk(naive(lr, rho, eps), start, gradients, weight_decay))


def test_equals_torch(assert_same_as_torch):
    """Every step equals torch's Adadelta, in each group and after a resume."""
    first, second = {"rho": 0.9, "eps": 1e-6}, {"lr": 0.5, "rho": 0.95, "eps": 1e-3, "weight_decay": 0.2}
    assert_same_as_torch(AdaDelta, torch.optim.Adadelta, [(first, first), (second, second)])


def test_needs_no_learning_rate():
    """η is 1 where none is given."""
    assert AdaDelta([torch.zeros(1, requires_grad=True)]).defaults["lr"] == 1.0


@pytest.mark.parametrize("eps", [1e-4, 1e-6, 1e-8])
def test_eps_sets_the_first_step(walk, eps):
    """The first step is about √(ε/(1−ρ)), whatever the gradient: exactly √ε |g| / √((1−ρ) g² + ε)."""
    for g in (10.0, -300.0):
        ((x,),) = walk(AdaDelta, [0.0], [[g]], rho=0.9, eps=eps)
        assert abs(x) == pytest.approx(math.sqrt(eps / 0.1), rel=1e-5)
        assert x * g < 0


def test_does_not_stall(walk):
    """Under a constant gradient steps grow from their small start, where AdaGrad's shrink."""
    path = [x for (x,) in walk(AdaDelta, [0.0], [[1.0]] * 500)]
    steps = [a - b for a, b in itertools.pairwise(path)]
    assert all(later > earlier for earlier, later in itertools.pairwise(steps[20:]))
