"""AdaGrad."""

import itertools
import math

import pytest
import torch

from suite.optimizers import AdaGrad
from suite.optimizers.adagrad import adagrad_update


def naive(lr, eps, eps_inside_sqrt):
    """G ← G + g²; θ ← θ − η g / √(G + ε), or η g / (√G + ε)."""

    def make():
        G = 0.0

        def step(g, t):
            nonlocal G
            G = G + g * g
            return lr * g / (math.sqrt(G + eps) if eps_inside_sqrt else math.sqrt(G) + eps)

        return step

    return make


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 3 and -4, η = 0.1 and ε = 16, end where the formula says for both places of ε."""
    # inside: G = 9, x = 1 − 0.1·3/√25 = 0.94; G = 25, x = 0.94 + 0.1·4/√41
    path = walk(AdaGrad, [1.0], [[3.0], [-4.0]], lr=0.1, eps=16.0)
    assert path == [pytest.approx([0.94], rel=1e-15), pytest.approx([0.94 + 0.4 / math.sqrt(41)], rel=1e-15)]
    # outside: x = 1 − 0.1·3/(3 + 16); G = 25, x = that + 0.1·4/(5 + 16)
    path = walk(AdaGrad, [1.0], [[3.0], [-4.0]], lr=0.1, eps=16.0, eps_inside_sqrt=False)
    assert path == [pytest.approx([1 - 0.3 / 19], rel=1e-15), pytest.approx([1 - 0.3 / 19 + 0.4 / 21], rel=1e-15)]


@pytest.mark.parametrize(
    ("eps", "eps_inside_sqrt", "weight_decay"), list(itertools.product([1e-10, 1e-3, 2.0], [True, False], [0.0, 0.01]))
)
def test_formula(walk, naive_walk, assert_same_path, start, gradients, eps, eps_inside_sqrt, weight_decay):
    """Sixty steps equal the formula in Python floats, for every combination of options."""
    options = {"eps": eps, "eps_inside_sqrt": eps_inside_sqrt}
    ours = walk(AdaGrad, start, gradients, lr=0.05, weight_decay=weight_decay, **options)
    assert_same_path(ours, naive_walk(naive(0.05, **options), start, gradients, weight_decay))


def test_equals_torch(assert_same_as_torch):
    """With ε outside the root every step equals torch's Adagrad, in each group and after a resume."""
    first, second = {"lr": 0.02, "eps": 1e-10}, {"lr": 0.1, "eps": 0.5, "weight_decay": 0.2}
    settings = [({**options, "eps_inside_sqrt": False}, options) for options in (first, second)]
    assert_same_as_torch(AdaGrad, torch.optim.Adagrad, settings)


@pytest.mark.parametrize(
    ("total", "eps", "difference"),
    [
        (90.0, 1e-10, 1e-11),  # G after some 90 gradients of size 1: ε (1/√90 − 1/180) = 0.998e-11
        (0.0537, 1e-8, -5e-8),  # a mean square as RMSProp's, |g| about 0.23: ε (1/√E − 1/(2 E)) = −5.0e-8
        (1.0, 1e-10, 5e-11),  # ε/2
    ],
)
def test_places_of_eps_differ_little(total, eps, difference):
    """To first order the step with ε inside exceeds the one outside by ε/√G − ε/(2 G), relatively."""
    g, G = torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor([total, total - 1], dtype=torch.float64)
    ends = {True: torch.zeros_like(g), False: torch.zeros_like(g)}
    for flag, theta in ends.items():
        adagrad_update(theta, g, G.clone(), lr=1.0, eps=eps, eps_inside_sqrt=flag)
    inside, outside = ends[True][1].item(), ends[False][1].item()
    assert inside / outside - 1 == pytest.approx(eps / math.sqrt(total) - eps / (2 * total), rel=1e-4)
    assert inside / outside - 1 == pytest.approx(difference, rel=0.01)


def test_step_shrinks(walk):
    """Under a constant gradient of any scale step t is η/√t: AdaGrad stalls."""
    for scale in (1e-2, 1.0, 1e3):
        path = [x for (x,) in walk(AdaGrad, [0.0], [[scale]] * 100, lr=0.1)]
        steps = [b - a for a, b in itertools.pairwise([0.0, *path])]
        expected = [-0.1 / math.sqrt(t) for t in range(1, 101)]
        assert steps == pytest.approx(expected, rel=1e-5)  # ε/(2 g²) = 5e-7 at the smallest scale


def test_zero_gradient_moves_nothing(walk):
    """A coordinate that never had a gradient stays, where ε = 0 would give 0/0."""
    for flag in (True, False):
        assert walk(AdaGrad, [1.0], [[0.0]] * 3, eps_inside_sqrt=flag) == [[1.0]] * 3
