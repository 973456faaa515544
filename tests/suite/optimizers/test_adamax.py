"""AdaMax."""

import itertools

import pytest
import torch

from suite.optimizers import AdaMax


def naive(lr, betas, eps):
    """The rule m as Adam; u ← max(β₂ u, |g| + ε); θ ← θ − η m/(1−β₁ᵗ)/u."""

    def make():
        m = u = 0.0

        def step(g, t):
            nonlocal m, u
            m = betas[0] * m + (1 - betas[0]) * g
            u = max(betas[1] * u, abs(g) + eps)
            return lr * m / (1 - betas[0] ** t) / u

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 4 and -1, η = 0.1, β = (0.5, 0.75) and ε = 1, end where the formula says."""
    # m = 2, m̂ = 4, u = max(0, 5) = 5, x = 1 − 0.08 = 0.92; m = 1 − 0.5 = 0.5, m̂ = 0.5/0.75, u = max(3.75, 2) = 3.75
    path = walk(AdaMax, [1.0], [[4.0], [-1.0]], lr=0.1, betas=(0.5, 0.75), eps=1.0)
    assert path == [pytest.approx([0.92], rel=1e-15), pytest.approx([0.92 - 0.1 * 0.5 / 0.75 / 3.75], rel=1e-15)]


@pytest.mark.parametrize(
    ("betas", "eps", "weight_decay"),
    list(itertools.product([(0.9, 0.999), (0.0, 0.9), (0.5, 0.5)], [1e-8, 0.5], [0.0, 0.01])),
)
def test_formula(walk, naive_walk, assert_same_path, start, gradients, betas, eps, weight_decay):
    """Sixty steps equal the formula in Python floats, for every combination of options."""
    ours = walk(AdaMax, start, gradients, lr=0.05, betas=betas, eps=eps, weight_decay=weight_decay)
    assert_same_path(ours, naive_walk(naive(0.05, betas, eps), start, gradients, weight_decay))


def test_equals_torch(assert_same_as_torch):
    """Every step equals torch's Adamax, in each group and after a resume."""
    first, second = {"lr": 0.02}, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 0.5, "weight_decay": 0.2}
    assert_same_as_torch(AdaMax, torch.optim.Adamax, [(first, first), (second, second)])


def test_divisor_is_the_limit_of_the_p_norm(walk):
    """The divisor is the p-norm of the discounted past gradients for large p: max over i of β₂^(t−i) |g_i|."""
    gradients = [[3.0], [-1.0], [0.5], [2.0], [-0.1]]
    path = [x for (x,) in walk(AdaMax, [0.0], gradients, lr=1.0, betas=(0.0, 0.5), eps=1e-12)]
    discounted = [abs(g) * 0.5 ** (4 - i) for i, (g,) in enumerate(gradients)]  # seen from the last step
    p = 400.0
    norm = sum(d**p for d in discounted) ** (1 / p)
    assert norm == pytest.approx(1.0, rel=1e-6)  # from the fourth gradient, 2·0.5
    assert path[4] - path[3] == pytest.approx(0.1 / norm, rel=1e-6)  # β₁ = 0: m̂ = g = −0.1
