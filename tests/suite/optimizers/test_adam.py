"""Adam."""

import itertools
import math

import pytest
import torch

from suite.optimizers import Adam


def naive(lr, betas, eps, eps_inside_sqrt):
    """Adam with m, v means of g, g²; m̂ = m/(1−β₁ᵗ); v̂ = v/(1−β₂ᵗ); θ ← θ − η m̂/(√v̂ + ε), or over √(v̂ + ε)."""

    def make():
        m = v = 0.0

        def step(g, t):
            nonlocal m, v
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g * g
            mean, square = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
            return lr * mean / (math.sqrt(square + eps) if eps_inside_sqrt else math.sqrt(square) + eps)

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 2 and -4, η = 0.1, β = (0.5, 0.75) and ε = 2, end where the formula says."""
    # m = 1, v = 1, m̂ = 1/0.5 = 2, v̂ = 1/0.25 = 4, x = 1 − 0.1·2/(2 + 2) = 0.95;
    # m = 0.5 − 2 = −1.5, v = 0.75 + 4 = 4.75, m̂ = −1.5/0.75 = −2, v̂ = 4.75/0.4375
    root = math.sqrt(4.75 / 0.4375)
    path = walk(Adam, [1.0], [[2.0], [-4.0]], lr=0.1, betas=(0.5, 0.75), eps=2.0)
    assert path == [pytest.approx([0.95], rel=1e-15), pytest.approx([0.95 + 0.2 / (root + 2)], rel=1e-15)]


def test_first_step_by_hand_with_eps_inside(walk):
    """The lecture notes' √(v̂ + ε) divides a first gradient of 2 with ε = 12 by √16."""
    assert walk(Adam, [1.0], [[2.0]], lr=0.1, eps=12.0, eps_inside_sqrt=True) == [pytest.approx([0.95], rel=1e-12)]


@pytest.mark.parametrize(
    ("betas", "eps", "eps_inside_sqrt", "weight_decay"),
    list(itertools.product([(0.9, 0.999), (0.0, 0.9), (0.5, 0.5)], [1e-8, 0.5], [True, False], [0.0, 0.01])),
)
def test_formula(walk, naive_walk, assert_same_path, start, gradients, betas, eps, eps_inside_sqrt, weight_decay):
    """Sixty steps equal the formula in Python floats, for every combination of options."""
    options = {"betas": betas, "eps": eps, "eps_inside_sqrt": eps_inside_sqrt}
    ours = walk(Adam, start, gradients, lr=0.05, weight_decay=weight_decay, **options)
    assert_same_path(ours, naive_walk(naive(0.05, **options), start, gradients, weight_decay))


def test_equals_torch(assert_same_as_torch):
    """Every step equals torch's Adam, in each group and after a resume."""
    first, second = {"lr": 0.02}, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 0.5, "weight_decay": 0.2}
    assert_same_as_torch(Adam, torch.optim.Adam, [(first, first), (second, second)])


def test_step_does_not_depend_on_the_scale_of_the_gradient(walk):
    """Under a constant gradient every step is η, from the first on and for any scale."""
    for scale in (1e-2, 1.0, 1e5):
        path = [x for (x,) in walk(Adam, [0.0], [[scale]] * 200, lr=0.1)]
        assert path == pytest.approx([-0.1 * t for t in range(1, 201)], rel=2e-6)  # ε/|g| = 1e-6 at the smallest


def test_correction_wears_off(walk, naive_walk, start, gradients):
    """After many steps it is m/(√v + ε) without correction: the start at zero is forgotten."""
    # with β = (0.5, 0.9) the factors after 200 steps are 1 − 0.5²⁰⁰ and 1 − 0.9²⁰⁰ = 1 − 7e-10
    rows = (gradients * 4)[:201]

    def uncorrected():
        m = v = 0.0

        def step(g, t):
            nonlocal m, v
            m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g * g
            return 0.1 * m / (math.sqrt(v) + 1e-8)

        return step

    ours = walk(Adam, start, rows, lr=0.1, betas=(0.5, 0.9))
    plain = naive_walk(uncorrected, start, rows)
    for i in range(3):
        assert ours[0][i] - start[i] != pytest.approx(plain[0][i] - start[i], rel=0.01) or rows[0][i] == 0
        assert ours[200][i] - ours[199][i] == pytest.approx(plain[200][i] - plain[199][i], rel=1e-7)
