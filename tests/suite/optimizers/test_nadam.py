"""NAdam, as its formula has it."""

import itertools
import math

import pytest
import torch

from suite.optimizers import Adam, NAdam


def naive(lr, betas, eps):
    """θ ← θ − η/(√v̂ + ε) · (β₁ m̂ + (1−β₁) g/(1−β₁ᵗ)), m̂ and v̂ as Adam's."""

    def make():
        m = v = 0.0

        def step(g, t):
            nonlocal m, v
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g * g
            mean, square = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
            ahead = betas[0] * mean + (1 - betas[0]) * g / (1 - betas[0] ** t)
            return lr / (math.sqrt(square) + eps) * ahead

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 2 and -4, η = 0.1, β = (0.5, 0.75) and ε = 2, end where the formula says."""
    # m = 1, m̂ = 2, v̂ = 4: 0.5·2 + 0.5·2/0.5 = 3, x = 1 − 0.1·3/4 = 0.925;
    # m = −1.5, m̂ = −2, v̂ = 4.75/0.4375: 0.5·(−2) + 0.5·(−4)/0.75 = −1 − 8/3 = −11/3
    x2 = 0.925 + 0.1 * (11 / 3) / (math.sqrt(4.75 / 0.4375) + 2)
    path = walk(NAdam, [1.0], [[2.0], [-4.0]], lr=0.1, betas=(0.5, 0.75), eps=2.0)
    assert path == [pytest.approx([0.925], rel=1e-15), pytest.approx([x2], rel=1e-14)]


@pytest.mark.parametrize(
    ("betas", "eps", "weight_decay"),
    list(itertools.product([(0.9, 0.999), (0.0, 0.9), (0.5, 0.5)], [1e-8, 0.5], [0.0, 0.01])),
)
def test_formula(walk, naive_walk, assert_same_path, start, gradients, betas, eps, weight_decay):
    """Sixty steps equal the formula in Python floats, for every combination of options."""
    ours = walk(NAdam, start, gradients, lr=0.05, betas=betas, eps=eps, weight_decay=weight_decay)
    assert_same_path(ours, naive_walk(naive(0.05, betas, eps), start, gradients, weight_decay))


def test_torch_has_another_rule(walk):
    """Torch's NAdam is no oracle: with momentum_decay = 0 its first step under g = 1 is still another."""
    # ours: (β₁ + 1) η = 1.9 η
    ours, theirs = (
        walk(NAdam, [0.0], [[1.0]], lr=0.1),
        walk(torch.optim.NAdam, [0.0], [[1.0]], lr=0.1, momentum_decay=0),
    )
    assert ours == [pytest.approx([-0.19], rel=1e-7)]
    assert abs(theirs[0][0] + 0.19) > 0.001


def test_constant_gradient(walk):
    """Under a constant gradient step t is η (β₁ + (1−β₁)/(1−β₁ᵗ)): 1.9 η at first, η after many."""
    path = [x for (x,) in walk(NAdam, [0.0], [[1.0]] * 200, lr=0.1)]
    steps = [a - b for a, b in itertools.pairwise([0.0, *path])]
    assert steps == pytest.approx([0.1 * (0.9 + 0.1 / (1 - 0.9**t)) for t in range(1, 201)], rel=1e-7)


def test_no_momentum_is_adam(walk, start, gradients, assert_same_path):
    """With β₁ = 0 there is nothing to look ahead along: NAdam is Adam."""
    ours = walk(NAdam, start, gradients, lr=0.05, betas=(0.0, 0.99))
    assert_same_path(ours, walk(Adam, start, gradients, lr=0.05, betas=(0.0, 0.99)))
