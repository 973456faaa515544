"""RMSProp."""

import itertools
import math

import pytest
import torch

from suite.optimizers import Adam, RMSProp


def naive(lr, alpha, eps, eps_inside_sqrt, bias_correction):
    """E ← α E + (1−α) g²; θ ← θ − η g / √(E + ε), E over 1−αᵗ if corrected, ε outside if switched."""

    def make():
        E = 0.0

        def step(g, t):
            nonlocal E
            E = alpha * E + (1 - alpha) * g * g
            mean = E / (1 - alpha**t) if bias_correction else E
            return lr * g / (math.sqrt(mean + eps) if eps_inside_sqrt else math.sqrt(mean) + eps)

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 2 and -4, η = 0.1, α = 0.75 and ε = 8, end where the formula says."""
    # E = 0.25·4 = 1, x = 1 − 0.2/√9; E = 0.75 + 0.25·16 = 4.75, x = that + 0.4/√12.75
    x1 = 1 - 0.2 / 3
    path = walk(RMSProp, [1.0], [[2.0], [-4.0]], lr=0.1, alpha=0.75, eps=8.0)
    assert path == [pytest.approx([x1], rel=1e-15), pytest.approx([x1 + 0.4 / math.sqrt(12.75)], rel=1e-15)]


def test_first_two_corrected_steps_by_hand(walk):
    """The note's correction divides E by 1−αᵗ before ε joins it."""
    # E = 1, Ê = 1/0.25 = 4, x = 1 − 0.2/√(4 + 5); E = 4.75, Ê = 4.75/(1 − 0.5625), x = that + 0.4/√(Ê + 5)
    x1 = 1 - 0.2 / 3
    path = walk(RMSProp, [1.0], [[2.0], [-4.0]], lr=0.1, alpha=0.75, eps=5.0, bias_correction=True)
    x2 = x1 + 0.4 / math.sqrt(4.75 / 0.4375 + 5)
    assert path == [pytest.approx([x1], rel=1e-15), pytest.approx([x2], rel=1e-15)]


@pytest.mark.parametrize(
    ("alpha", "eps", "eps_inside_sqrt", "bias_correction", "weight_decay"),
    list(itertools.product([0.0, 0.9, 0.99], [1e-8, 0.5], [True, False], [True, False], [0.0, 0.01])),
)
def test_formula(
    walk, naive_walk, assert_same_path, start, gradients, alpha, eps, eps_inside_sqrt, bias_correction, weight_decay
):
    """Sixty steps equal the formula in Python floats, for every combination of options."""
    options = {"alpha": alpha, "eps": eps, "eps_inside_sqrt": eps_inside_sqrt, "bias_correction": bias_correction}
    ours = walk(RMSProp, start, gradients, lr=0.05, weight_decay=weight_decay, **options)
    assert_same_path(ours, naive_walk(naive(0.05, **options), start, gradients, weight_decay))


def test_equals_torch(assert_same_as_torch):
    """With ε outside the root every step equals torch's RMSprop, in each group and after a resume."""
    first, second = {"lr": 0.02, "alpha": 0.9}, {"lr": 0.1, "alpha": 0.99, "eps": 0.5, "weight_decay": 0.2}
    settings = [({**options, "eps_inside_sqrt": False}, options) for options in (first, second)]
    assert_same_as_torch(RMSProp, torch.optim.RMSprop, settings)


@pytest.mark.parametrize("inside", [True, False])
def test_corrected_is_adam_without_momentum(walk, start, gradients, assert_same_path, inside):
    """With the correction it is Adam with β₁ = 0 and β₂ = α, ε on the same side."""
    ours = walk(RMSProp, start, gradients, lr=0.05, alpha=0.9, eps=0.1, bias_correction=True, eps_inside_sqrt=inside)
    adam = walk(Adam, start, gradients, lr=0.05, betas=(0.0, 0.9), eps=0.1, eps_inside_sqrt=inside)
    assert_same_path(ours, adam)


def test_corrected_is_not_adam_with_eps_on_the_other_side(walk, start, gradients):
    """With ε inside here and outside in Adam the two part: at ε = 0.1 by more than 1% of η in the first step."""
    ours = walk(RMSProp, start, gradients, lr=0.05, alpha=0.9, eps=0.1, bias_correction=True)
    adam = walk(Adam, start, gradients, lr=0.05, betas=(0.0, 0.9), eps=0.1)
    assert abs(ours[0][0] - adam[0][0]) > 0.01 * 0.05


def test_does_not_stall(walk):
    """Under a constant gradient steps approach η, where AdaGrad's shrink for ever."""
    path = [x for (x,) in walk(RMSProp, [0.0], [[3.0]] * 400, lr=0.1)]
    assert path[-1] - path[-2] == pytest.approx(-0.1, rel=1e-8)
