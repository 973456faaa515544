"""Published numbers of Dive into Deep Learning, and stability bounds, on its valley f = 0.1 x₁² + 2 x₂²."""

import pytest
import torch

from suite.optimizers import NAG, SGD, AdaGrad, Momentum, NAGPaper, RMSProp


def valley(cls, steps=20, start=(-5.0, -2.0), **options):
    """Return the point after some steps; the eigenvalues of the Hessian are 0.2 and 4."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = cls([x], **options)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.1 * x[0] ** 2 + 2 * x[1] ** 2).backward()
        optimizer.step()
    return x.detach().tolist()


@pytest.mark.parametrize(
    ("cls", "options", "x1", "x2"),
    [
        (SGD, {"lr": 0.4}, "-0.943467", "-0.000073"),
        (SGD, {"lr": 0.6}, "-0.387814", "-1673.365109"),
        (Momentum, {"lr": 0.4, "momentum": 0.5}, "-0.062843", "0.001202"),
        (AdaGrad, {"lr": 0.4, "eps": 1e-6}, "-2.382563", "-0.158591"),
    ],
)
def test_published_numbers(cls, options, x1, x2):
    """Twenty steps from (-5, -2) in float64 end at the published digits (Dive into Deep Learning, 11.6 and 11.7)."""
    assert [f"{x:.6f}" for x in valley(cls, **options)] == [x1, x2]


@pytest.mark.parametrize(
    ("cls", "options", "bound"),
    [
        (SGD, {}, 2 / 4),
        *((Momentum, {"momentum": gamma}, 2 * (1 + gamma) / 4) for gamma in (0.5, 0.9)),
        *((NAG, {"momentum": gamma}, 2 * (1 + gamma) / ((1 + 2 * gamma) * 4)) for gamma in (0.5, 0.9)),
        *((NAGPaper, {"momentum": gamma}, 2 / 4) for gamma in (0.5, 0.9)),  # momentum's, for (1+γ) η
    ],
)
def test_stability_bound(cls, options, bound):
    """With η 2% below its bound, for the larger eigenvalue 4, a rule converges; 2% above it diverges."""
    below, above = (valley(cls, steps=1500, lr=bound * factor, **options) for factor in (0.98, 1.02))
    assert max(map(abs, below)) < 1e-6
    assert abs(above[1]) > 1e6


def test_momentum_converges_at_a_rate_at_which_gradient_descent_diverges():
    """At η = 0.6 gradient descent diverges and momentum with γ = 0.5 does not: the bounds are 0.5 and 0.75."""
    assert abs(valley(SGD, steps=200, lr=0.6)[1]) > 1e6
    assert max(map(abs, valley(Momentum, steps=200, lr=0.6, momentum=0.5))) < 1e-6


def test_rmsprop_ends_nearer_to_the_minimum_than_adagrad():
    """At η = 0.4 RMSProp ends nearer to the minimum than AdaGrad, which needs η = 2 for that."""
    distance = {
        name: torch.tensor(valley(cls, **options)).norm().item()
        for name, cls, options in [
            ("rmsprop", RMSProp, {"lr": 0.4, "eps": 1e-6}),
            ("adagrad", AdaGrad, {"lr": 0.4, "eps": 1e-6}),
            ("adagrad 2", AdaGrad, {"lr": 2.0, "eps": 1e-6}),
        ]
    }
    assert distance["rmsprop"] < 0.1 * distance["adagrad"]
    assert distance["adagrad 2"] < 0.01 * distance["adagrad"]
