"""NAG as printed in the source paper."""

import itertools

import pytest
import torch

from suite.optimizers import NAG, SGD, Momentum, NAGPaper


def naive(lr, momentum):
    """The rule v ← γ v + η g; θ ← θ − (1+γ) v."""

    def make():
        v = 0.0

        def step(g, t):
            nonlocal v
            v = momentum * v + lr * g
            return (1 + momentum) * v

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 2 and -4, η = 0.1 and γ = 0.5, end where the listing says."""
    # v = 0.2, x = 1 − 1.5·0.2 = 0.7; v = 0.1 − 0.4 = −0.3, x = 0.7 + 1.5·0.3 = 1.15
    path = walk(NAGPaper, [1.0], [[2.0], [-4.0]], lr=0.1, momentum=0.5)
    assert path == [pytest.approx([0.7], rel=1e-15), pytest.approx([1.15], rel=1e-15)]


@pytest.mark.parametrize(("momentum", "weight_decay"), list(itertools.product([0.0, 0.5, 0.9], [0.0, 0.01])))
def test_formula(walk, naive_walk, assert_same_path, start, gradients, momentum, weight_decay):
    """Sixty steps equal the listing in Python floats, for every combination of options."""
    ours = walk(NAGPaper, start, gradients, lr=0.05, momentum=momentum, weight_decay=weight_decay)
    assert_same_path(ours, naive_walk(naive(0.05, momentum), start, gradients, weight_decay))


def test_equals_torch_momentum_at_a_larger_learning_rate(assert_same_as_torch):
    """At constant η every step equals torch's SGD with momentum γ and learning rate (1+γ) η."""
    first, second = {"lr": 0.01, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2}
    settings = [(options, {**options, "lr": (1 + options["momentum"]) * options["lr"]}) for options in (first, second)]
    assert settings[0][1]["lr"] == pytest.approx(0.019)  # what the paper compares with 0.01
    assert_same_as_torch(NAGPaper, torch.optim.SGD, settings)


def test_is_momentum_at_a_larger_learning_rate(walk, start, gradients, assert_same_path):
    """It is our momentum with (1+γ) η, and with γ = 0 it is SGD."""
    ours = walk(NAGPaper, start, gradients, lr=0.01, momentum=0.9)
    assert_same_path(ours, walk(Momentum, start, gradients, lr=0.019, momentum=0.9))
    ours = walk(NAGPaper, start, gradients, lr=0.01, momentum=0.0)
    assert_same_path(ours, walk(SGD, start, gradients, lr=0.01))


def test_differs_from_the_derivation_by_the_dropped_term(walk):
    """The printed change exceeds the derived one by γ v of the step before: (1+γ) v − (γ v + η g) = γ v₋₁."""
    # g = 2, −4; η = 0.1, γ = 0.5: v₁ = 0.2, v₀ = 0: the same first step; the second differs by 0.5·0.2 = 0.1
    printed, derived = (walk(cls, [1.0], [[2.0], [-4.0]], lr=0.1, momentum=0.5) for cls in (NAGPaper, NAG))
    assert printed[0] == pytest.approx(derived[0], rel=1e-15)
    assert derived[1][0] - printed[1][0] == pytest.approx(0.1, rel=1e-12)
