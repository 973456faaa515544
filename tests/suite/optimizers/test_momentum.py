"""Momentum, plain, averaged and corrected."""

import itertools

import pytest
import torch

from suite.optimizers import SGD, Momentum


def naive(lr, momentum, dampening, bias_correction):
    """The rule v ← γ v + (1−d) η g; θ ← θ − v, or v / (1−γᵗ)."""

    def make():
        v = 0.0

        def step(g, t):
            nonlocal v
            v = momentum * v + (1 - dampening) * lr * g
            return v / (1 - momentum**t) if bias_correction else v

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 2 and -4, η = 0.1 and γ = 0.5, end where the formula says."""
    # v = 0.1·2 = 0.2, x = 0.8; v = 0.5·0.2 − 0.1·4 = −0.3, x = 1.1
    path = walk(Momentum, [1.0], [[2.0], [-4.0]], lr=0.1, momentum=0.5)
    assert path == [pytest.approx([0.8], rel=1e-15), pytest.approx([1.1], rel=1e-15)]


def test_first_two_averaged_and_corrected_steps_by_hand(walk):
    """The note's form, v ← β v + (1−β) g with v̂ = v/(1−βᵗ), is dampening = γ with bias_correction."""
    # β = 0.5, η = 0.1, g = 2, −4: v = 1, v̂ = 1/0.5 = 2, x = 1 − 0.2 = 0.8;
    # v = 0.5 − 2 = −1.5, v̂ = −1.5/0.75 = −2, x = 0.8 + 0.2 = 1
    path = walk(Momentum, [1.0], [[2.0], [-4.0]], lr=0.1, momentum=0.5, dampening=0.5, bias_correction=True)
    assert path == [pytest.approx([0.8], rel=1e-15), pytest.approx([1.0], rel=1e-15)]


@pytest.mark.parametrize(
    ("momentum", "dampening", "bias_correction", "weight_decay"),
    list(itertools.product([0.0, 0.5, 0.9], [0.0, 0.3, 0.9], [False, True], [0.0, 0.01])),
)
def test_formula(
    walk, naive_walk, assert_same_path, start, gradients, momentum, dampening, bias_correction, weight_decay
):
    """Sixty steps equal the formula in Python floats, for every combination of options."""
    options = {"momentum": momentum, "dampening": dampening, "bias_correction": bias_correction}
    ours = walk(Momentum, start, gradients, lr=0.05, weight_decay=weight_decay, **options)
    assert_same_path(ours, naive_walk(naive(0.05, **options), start, gradients, weight_decay))


def test_equals_torch(assert_same_as_torch):
    """At constant η every step equals torch's SGD with momentum, in each group and after a resume."""
    first, second = {"lr": 0.02, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2}
    assert_same_as_torch(Momentum, torch.optim.SGD, [(first, first), (second, second)])


def test_dampens_the_first_step_too(walk):
    """Dampening takes its share of the very first gradient, which torch leaves whole."""
    ours = walk(Momentum, [0.0], [[1.0]], lr=1.0, momentum=0.9, dampening=0.75)
    theirs = walk(torch.optim.SGD, [0.0], [[1.0]], lr=1.0, momentum=0.9, dampening=0.75)
    assert ours == [[-0.25]]
    assert theirs == [[-1.0]]


def test_learning_rate_is_inside_the_velocity():
    """When η changes before step k, torch's steps use the new η for old gradients, ours the one that they came with."""
    # g = 1 always, γ = 0.5. Ours: v_t = Σ γ^(t−i) η_i. Torch: η_t Σ γ^(t−i). With η = 1 for 3 steps, then 0.1, ours goes
    # further in every step t > 3 by Σ_{i≤3} γ^(t−i) (1 − 0.1) = 0.9 γ^(t−3) (1 + γ + γ²).
    x, y = (torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours, theirs = Momentum([x], lr=1.0, momentum=0.5), torch.optim.SGD([y], lr=1.0, momentum=0.5)
    schedules = [torch.optim.lr_scheduler.MultiStepLR(o, milestones=[3], gamma=0.1) for o in (ours, theirs)]
    for t in range(1, 11):
        before = x.item() - y.item()
        x.grad = y.grad = torch.ones(1, dtype=torch.float64)
        ours.step()
        theirs.step()
        for schedule in schedules:
            schedule.step()
        expected = 0.0 if t <= 3 else -0.9 * 0.5 ** (t - 3) * (1 + 0.5 + 0.25)
        assert x.item() - y.item() - before == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_constant_gradient_goes_ten_times_as_far(walk):
    """With γ = 0.9 steps under a constant gradient approach 1/(1−γ) = 10 times η g."""
    path = [x for (x,) in walk(Momentum, [0.0], [[1.0]] * 300, lr=0.01, momentum=0.9)]
    steps = [a - b for a, b in itertools.pairwise(path)]
    assert steps[0] == pytest.approx(0.01 * 1.9, rel=1e-12)  # v₂ = (1 + γ) η
    assert steps[-1] == pytest.approx(0.01 * 10, rel=1e-10)  # v_t = η (1 − γᵗ)/(1 − γ)


def test_alternating_gradient_is_damped(walk):
    """With γ = 0.9 steps under a gradient of alternating sign approach 1/(1+γ) of η g."""
    signs = [[(-1.0) ** t] for t in range(300)]
    path = [x for (x,) in walk(Momentum, [0.0], signs, lr=0.01, momentum=0.9)]
    assert abs(path[-1] - path[-2]) == pytest.approx(0.01 / 1.9, rel=1e-10)


def test_no_momentum_is_gradient_descent(walk, start, gradients, assert_same_path):
    """With γ = 0 momentum is SGD, corrected or not, since 1 − 0ᵗ = 1."""
    plain = walk(SGD, start, gradients, lr=0.05)
    for bias_correction in (False, True):
        ours = walk(Momentum, start, gradients, lr=0.05, momentum=0.0, bias_correction=bias_correction)
        assert_same_path(ours, plain)


def test_averaged_momentum_is_momentum_with_a_larger_learning_rate(walk, start, gradients, assert_same_path):
    """The averaged v ← γ v + (1−γ) η' g with η' = η/(1−γ) is momentum with η."""
    plain = walk(Momentum, start, gradients, lr=0.05, momentum=0.9)
    averaged = walk(Momentum, start, gradients, lr=0.05 / (1 - 0.9), momentum=0.9, dampening=0.9)
    assert_same_path(averaged, plain)


def test_correction_wears_off(walk):
    """The correction is 1/(1−γ) in the first step and nothing after many."""
    plain, corrected = (
        walk(Momentum, [0.0], [[1.0]] * 400, lr=0.01, momentum=0.9, bias_correction=flag) for flag in (False, True)
    )
    assert corrected[0][0] / plain[0][0] == pytest.approx(10, rel=1e-12)
    last = [path[-1][0] - path[-2][0] for path in (plain, corrected)]
    assert last[0] == pytest.approx(last[1], rel=1e-10)
