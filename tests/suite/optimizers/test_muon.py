"""Muon: the orthogonalized matrix, first steps by hand, a naive reference, torch's classes, and all shapes."""

import itertools
import math

import numpy as np
import pytest
import torch
from pytest import approx  # noqa: PT013 (short in tables)

from suite.optimizers import OPTIMIZERS, Muon
from suite.optimizers.muon import newton_schulz

SHAPES = ((3, 5), (5, 3), (4, 4), (2, 1), (4, 3, 2, 2), (6, 2, 3), (4,), ())


def polynomial(x):
    """Five iterations on a singular value."""
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    return x


def normal(shape, seed=0):
    """Return normal numbers in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def train(optimizer, params, slopes, steps):
    """Take steps on the quadratic ½ Σ a (θ − 1)², with a per element, at an η that is halved every 40 steps."""
    lr = optimizer.param_groups[0]["lr"]
    for t in range(steps):
        optimizer.param_groups[0]["lr"] = lr * 0.5 ** (t // 40)
        for param, slope in zip(params, slopes, strict=True):
            param.grad = slope * (param.detach() - 1)
        optimizer.step()


# ---- The matrix


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 6)], ids=str)
def test_singular_values_pass_through_the_polynomial(shape):
    """X has the singular vectors of u, and the five times iterated polynomial of its singular values over |u|."""
    u = normal(shape)
    U, S, Vh = torch.linalg.svd(u, full_matrices=False)
    expected = U @ torch.diag(polynomial(S / u.norm())) @ Vh
    torch.testing.assert_close(newton_schulz(u, eps=1e-7, ns_dtype="float64"), expected, rtol=0, atol=1e-12)


def test_singular_values_end_near_one():
    """From 0.002 to 1, the polynomial is between 0.68 and 1.21, as the docstring states, and no narrower."""
    values = polynomial(np.linspace(0.002, 1, 100_001))
    assert (round(values.min(), 2), math.ceil(100 * values.max()) / 100) == (0.68, 1.21)
    assert polynomial(0.0005) < 0.3


def test_eps_is_the_smallest_divisor():
    """A matrix below ε is divided by ε; the type of X is the option's; u does not change."""
    u = torch.tensor([[3e-3, 4e-3]], dtype=torch.float64)
    X = newton_schulz(u, eps=0.1, ns_dtype="float32")
    assert X.dtype is torch.float32
    assert X.tolist()[0] == approx([0.6 * polynomial(0.05), 0.8 * polynomial(0.05)], rel=1e-5)
    assert u.tolist() == [[3e-3, 4e-3]]


# ---- First steps, worked out by hand


@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({}, 2.0),  # √max(1, 4/1)
        ({"scale": "match_rms_adamw"}, 0.4),  # 0.2 √4
    ],
)
def test_first_steps_by_hand(options, factor):
    """Columns have one singular value: the step is −η s p(1) u/|u|, with the look-ahead, the momentum and the decay."""
    x = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True)
    optimizer = Muon([x], lr=0.1, momentum=0.5, weight_decay=0.2, ns_dtype="float64", **options)
    step = 0.1 * factor * polynomial(1.0)
    # m = 0.5 g, u = 0.25 g + 0.5 g; |g| = 5
    x.grad = torch.tensor([[3.0], [0.0], [4.0], [0.0]], dtype=torch.float64)
    optimizer.step()
    first = [-0.6 * step, 0.0, -0.8 * step, 0.0]
    assert x.flatten().tolist() == approx(first, rel=1e-12)
    # m = 0.25 g₁ + 0.5 g₂, u = 0.125 g₁ + 0.75 g₂ = (0.375, 4.5, 0.5, 0) with g₂ = (0, 6, 0, 0)
    x.grad = torch.tensor([[0.0], [6.0], [0.0], [0.0]], dtype=torch.float64)
    optimizer.step()
    length = math.sqrt(0.375**2 + 4.5**2 + 0.5**2)
    second = [0.98 * a - step * b / length for a, b in zip(first, (0.375, 4.5, 0.5, 0.0), strict=True)]
    assert x.flatten().tolist() == approx(second, rel=1e-12)


def test_steps_without_nesterov_by_hand():
    """The step is that of m alone: m = 0.25 g₁ + 0.5 g₂ = (0.75, 3, 1, 0)."""
    x = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True)
    optimizer = Muon([x], lr=0.1, momentum=0.5, nesterov=False, ns_dtype="float64")
    for g in ([3.0, 0.0, 4.0, 0.0], [0.0, 6.0, 0.0, 0.0]):
        before = x.detach().clone()
        x.grad = torch.tensor(g, dtype=torch.float64)[:, None]
        optimizer.step()
    step, length = 0.2 * polynomial(1.0), math.sqrt(0.75**2 + 3**2 + 1)
    assert (before - x.detach()).flatten().tolist() == approx([step * a / length for a in (0.75, 3.0, 1.0, 0.0)])


# ---- A naive reference


def naive_muon(theta, slope, steps, *, lr, momentum, nesterov, scale, ratio, betas, eps, weight_decay):
    """Return θ after steps on the quadratic, in NumPy's float64; matrices by Muon, others by AdamW."""
    shape, (a, b, c) = theta.shape, (3.4445, -4.7750, 2.0315)
    m, v = np.zeros(shape), np.zeros(shape)
    for t in range(1, steps + 1):
        eta = lr * 0.5 ** ((t - 1) // 40)
        g = slope * (theta - 1)
        if theta.ndim < 2:
            m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
            step = (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
            theta = theta - ratio * eta * (step + weight_decay * theta)
            continue
        m = momentum * m + (1 - momentum) * g
        u = momentum * m + (1 - momentum) * g if nesterov else m
        X = u.reshape(shape[0], -1) / np.linalg.norm(u)
        for _ in range(5):
            A = X @ X.T
            X = a * X + b * (A @ X) + c * (A @ (A @ X))
        rows, columns = X.shape
        s = 0.2 * max(rows, columns) ** 0.5 if scale == "match_rms_adamw" else max(1, rows / columns) ** 0.5
        theta = theta - eta * (s * X.reshape(shape) + weight_decay * theta)
    return theta


@pytest.mark.parametrize(
    ("nesterov", "scale", "weight_decay"),
    list(itertools.product([True, False], ["original", "match_rms_adamw"], [0.0, 0.1])),
)
def test_equals_a_naive_reference(nesterov, scale, weight_decay):
    """One hundred float64 steps of matrices, kernels, vectors and scalars equal the reference to 1e-10, with a schedule."""
    starts, slopes = ([normal(shape, seed) for shape in SHAPES] for seed in (1, 2))
    slopes = [slope.abs() + 0.5 for slope in slopes]
    params = [start.clone().requires_grad_() for start in starts]
    shared = {"lr": 0.02, "momentum": 0.9, "nesterov": nesterov, "scale": scale, "weight_decay": weight_decay}
    vectors = {"adam_lr_ratio": 0.5, "adam_betas": (0.8, 0.9), "adam_eps": 1e-6}
    train(Muon(params, ns_dtype="float64", **shared, **vectors), params, slopes, 100)
    for param, start, slope in zip(params, starts, slopes, strict=True):
        expected = naive_muon(start.numpy(), slope.numpy(), 100, ratio=0.5, betas=(0.8, 0.9), eps=1e-6, **shared)
        torch.testing.assert_close(param.detach(), torch.from_numpy(np.asarray(expected)), rtol=1e-10, atol=1e-10)
        assert not torch.allclose(param.detach(), start, atol=0.01)


# ---- The classes of torch


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
@pytest.mark.parametrize("scale", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_equals_torch(scale, nesterov):
    """One hundred steps of float64 matrices, with X in bfloat16 as in torch, equal those of torch's Muon to 1e-10."""
    shapes = ((3, 5), (5, 3), (16, 16))
    starts, slopes = ([normal(shape, seed) for shape in shapes] for seed in (1, 2))
    slopes = [slope.abs() + 0.5 for slope in slopes]
    ours, theirs = ([start.clone().requires_grad_() for start in starts] for _ in range(2))
    shared = {"lr": 0.02, "momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.1}
    train(Muon(ours, scale=scale, ns_dtype="bfloat16", **shared), ours, slopes, 100)
    train(torch.optim.Muon(theirs, adjust_lr_fn=scale, **shared), theirs, slopes, 100)
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x.detach(), y.detach(), rtol=1e-10, atol=1e-10)
    other = [start.clone().requires_grad_() for start in starts]  # float32 is near, and the test above can fail
    train(Muon(other, scale=scale, **shared), other, slopes, 100)
    assert not torch.allclose(other[2], theirs[2], rtol=0, atol=1e-4)


def test_vectors_equal_adamw_of_torch():
    """Vectors and scalars move like torch's AdamW at κ η, with the schedule of η."""
    starts, slopes = ([normal(shape, seed) for shape in SHAPES[-2:]] for seed in (1, 2))
    ours, theirs = ([start.clone().requires_grad_() for start in starts] for _ in range(2))
    vectors = {"adam_lr_ratio": 0.5, "adam_betas": (0.8, 0.9), "adam_eps": 1e-6}
    train(Muon(ours, lr=0.1, weight_decay=0.1, **vectors), ours, slopes, 100)
    optimizer = torch.optim.AdamW(theirs, lr=0.05, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1)
    train(optimizer, theirs, slopes, 100)
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x.detach(), y.detach(), rtol=1e-10, atol=1e-10)


# ---- Shapes and state


def test_a_kernel_moves_like_its_matrix():
    """A kernel of a convolution moves like the matrix of its first dimension by the others."""
    start, slope = normal((4, 3, 2, 2), 1), normal((4, 3, 2, 2), 2)
    kernel, matrix = start.clone().requires_grad_(), start.flatten(1).clone().requires_grad_()
    train(Muon([kernel]), [kernel], [slope], 20)
    train(Muon([matrix]), [matrix], [slope.flatten(1)], 20)
    assert torch.equal(kernel.flatten(1), matrix)


def test_matrices_have_the_momentum_alone():
    """The state of a matrix is m, and that of a vector m and v; neither has a tensor that is not used."""
    params = [torch.ones(shape, requires_grad=True) for shape in SHAPES]
    optimizer = OPTIMIZERS["muon"](params)
    for param in params:
        param.grad = torch.ones_like(param)
    optimizer.step()
    for param in params:
        assert set(optimizer.state[param]) == ({"step", "m"} if param.ndim > 1 else {"step", "m", "v"})


def test_steps_have_the_size_of_those_of_adamw():
    """With match_rms_adamw, the root mean square of a step of a large matrix is 0.2 η within a fifth, as that of AdamW."""
    x = torch.zeros(300, 200, requires_grad=True)
    x.grad = normal((300, 200)).float()
    Muon([x], lr=1.0, scale="match_rms_adamw").step()
    assert x.square().mean().sqrt().item() == approx(0.2, rel=0.2)
