"""NAdam as printed in the source paper."""

import itertools
import math

import pytest

from suite.optimizers import Adam, NAdam, NAdamPaper


def naive(lr, betas, eps):
    """θ ← θ − η (β₁ m̂ + (1−β₁) g)/(1−β₁ᵗ)/(√v̂ + ε), m̂ and v̂ as Adam's."""

    def make():
        m = v = 0.0

        def step(g, t):
            nonlocal m, v
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g * g
            mean, square = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
            return lr * (betas[0] * mean + (1 - betas[0]) * g) / (1 - betas[0] ** t) / (math.sqrt(square) + eps)

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 2 and -4, η = 0.1, β = (0.5, 0.75) and ε = 2, end where the listing says."""
    # m = 1, m̂ = 2, v̂ = 4: (0.5·2 + 0.5·2)/0.5 = 4, x = 1 − 0.1·4/4 = 0.9;
    # m = −1.5, m̂ = −2, v̂ = 4.75/0.4375: (0.5·(−2) + 0.5·(−4))/0.75 = −4
    path = walk(NAdamPaper, [1.0], [[2.0], [-4.0]], lr=0.1, betas=(0.5, 0.75), eps=2.0)
    x2 = 0.9 + 0.1 * 4 / (math.sqrt(4.75 / 0.4375) + 2)
    assert path == [pytest.approx([0.9], rel=1e-15), pytest.approx([x2], rel=1e-14)]


@pytest.mark.parametrize(
    ("betas", "eps", "weight_decay"),
    list(itertools.product([(0.9, 0.999), (0.0, 0.9), (0.5, 0.5)], [1e-8, 0.5], [0.0, 0.01])),
)
def test_formula(walk, naive_walk, assert_same_path, start, gradients, betas, eps, weight_decay):
    """Sixty steps equal the listing in Python floats, for every combination of options."""
    ours = walk(NAdamPaper, start, gradients, lr=0.05, betas=betas, eps=eps, weight_decay=weight_decay)
    assert_same_path(ours, naive_walk(naive(0.05, betas, eps), start, gradients, weight_decay))


def test_first_steps_under_a_constant_gradient(walk):
    """Under a constant gradient the first steps are 10, 5.26 and 3.69 η, and each is η/(1−β₁ᵗ)."""
    path = [x for (x,) in walk(NAdamPaper, [0.0], [[1.0]] * 60, lr=0.01)]
    steps = [(a - b) / 0.01 for a, b in itertools.pairwise([0.0, *path])]
    assert [round(step, 2) for step in steps[:3]] == [10.0, 5.26, 3.69]
    assert steps == pytest.approx([1 / (1 - 0.9**t) for t in range(1, 61)], rel=1e-7)


def test_is_adam_after_forty_steps_of_a_constant_gradient(walk):
    """Under a constant gradient step 40 is within 1.5% of Adam's, and step 200 within 1e-8: 1/(1−0.9⁴⁰) = 1.015."""
    ours, adam = ([x for (x,) in walk(cls, [0.0], [[1.0]] * 200, lr=0.01)] for cls in (NAdamPaper, Adam))
    ratio = [(a1 - a0) / (b1 - b0) for a0, a1, b0, b1 in zip(ours, ours[1:], adam, adam[1:], strict=False)]
    assert ratio[38] == pytest.approx(1.015, abs=0.0005)  # ratio[0] belongs to step 2
    assert ratio[198] == pytest.approx(1, rel=1e-8)


def test_differs_from_the_formula_by_the_second_correction(walk, start, gradients):
    """Beside the formula only β₁ m̂ is divided by 1−β₁ᵗ once more, so the two part at once and meet in the end."""
    printed, formula = (walk(cls, start, gradients * 4, lr=0.05) for cls in (NAdamPaper, NAdam))
    # step 1: (0.9 + 0.1)/0.1 = 10 against 0.9 + 0.1/0.1 = 1.9
    assert (printed[0][0] - start[0]) / (formula[0][0] - start[0]) == pytest.approx(10 / 1.9, rel=1e-12)
    last = [path[-1][0] - path[-2][0] for path in (printed, formula)]
    assert last[0] == pytest.approx(last[1], rel=1e-8)  # 0.9²⁴⁰ = 1e-11
