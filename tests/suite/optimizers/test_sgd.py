"""Gradient descent."""

import pytest
import torch

from suite.optimizers import SGD
from suite.optimizers.sgd import sgd_update


def naive():
    """The rule θ ← θ − η g with η = 0.05."""
    return lambda g, _: 0.05 * g


def test_first_two_steps_by_hand(walk):
    """Two steps from 1 with gradients 2 and -4 at η = 0.1 end where the formula says."""
    # 1 − 0.1·2 = 0.8; 0.8 + 0.1·4 = 1.2
    path = walk(SGD, [1.0], [[2.0], [-4.0]], lr=0.1)
    assert path[0] == pytest.approx([0.8], rel=1e-15)
    assert path[1] == pytest.approx([1.2], rel=1e-15)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_formula(walk, naive_walk, assert_same_path, start, gradients, weight_decay):
    """Sixty steps equal the formula in Python floats, with weight decay and without."""
    ours = walk(SGD, start, gradients, lr=0.05, weight_decay=weight_decay)
    assert_same_path(ours, naive_walk(naive, start, gradients, weight_decay))


def test_equals_torch(assert_same_as_torch):
    """Every step equals torch's SGD, with other options in each group and after a resume."""
    settings = [({"lr": 0.02}, {"lr": 0.02}), ({"lr": 0.1, "weight_decay": 0.2}, {"lr": 0.1, "weight_decay": 0.2})]
    assert_same_as_torch(SGD, torch.optim.SGD, settings)


def test_rule_moves_theta_alone():
    """The rule alone takes η g from θ and leaves the gradient as it is."""
    theta, g = torch.tensor([1.0, 1.0]), torch.tensor([1.0, -2.0])
    sgd_update(theta, g, lr=0.5)
    assert theta.tolist() == [0.5, 2.0]
    assert g.tolist() == [1.0, -2.0]
