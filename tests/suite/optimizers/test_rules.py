"""The elementwise update rules: first steps by hand, a plain reference for each, the classes of torch, and their equalities."""

import copy
import inspect
import itertools
import math
import pickle
import random
from collections import defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx  # noqa: PT013 (short in tables)

from suite.optimizers import OPTIMIZERS, Momentum
from suite.optimizers.adagrad import adagrad_update
from suite.optimizers.base import Rule
from suite.optimizers.schedule_free import average_weights
from suite.optimizers.sgd import sgd_update

RULES = [key for key, cls in OPTIMIZERS.items() if issubclass(cls, Rule) and cls.elementwise]


def walk(cls, start, gradients, **options):
    """Return the float64 positions after each step of a class, or of a key's class, under given gradients."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = OPTIMIZERS.get(cls, cls)([x], **options)
    path = []
    for g in gradients:
        x.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        path.append(x.detach().tolist())
    return path


def steps_from_zero(cls, gradients, **options):
    """Return the steps of one coordinate that starts at 0."""
    path = [x for (x,) in walk(cls, [0.0], [[g] for g in gradients], **options)]
    return [b - a for a, b in itertools.pairwise([0.0, *path])]


def assert_same_path(ours, theirs, rel=1e-12):
    """Check that two paths agree after every step, to 1e-12 of each coordinate's largest value."""
    assert len(ours) == len(theirs) > 1
    a, b = torch.tensor(ours, dtype=torch.float64), torch.tensor(theirs, dtype=torch.float64)
    for t in range(len(ours)):
        assert ((a[t] - b[t]).abs() <= rel * b.abs().amax(0)).all(), f"step {t + 1}: {a[t]} and {b[t]}"


START = [1.5, -0.25, 0.0]


def _gradients():
    draw = random.Random("gradients")
    rows = [[draw.gauss(0, 1), draw.gauss(0, 100), draw.gauss(0, 0.001)] for _ in range(60)]
    rows[0][1] = rows[1][1] = 0.0
    return rows


GRADIENTS = _gradients()
"""60 gradients of three coordinates: of scale 1, of scale 100 with two zeros first, of scale 0.001."""


# ---- First steps, worked out by hand

ROOT = math.sqrt(4.75 / 0.4375)  # √v̂ of the second step with β₂ = 0.75: v = 0.75 + 4, over 1 − 0.75²
ADADELTA = 1 - 0.5 * math.sqrt(3)
HALVES = {"lr": 0.1, "betas": (0.5, 0.75), "eps": 2.0}

BY_HAND = [  # key, options, gradients, positions from 1
    # 1 − 0.1·2; 0.8 + 0.1·4
    ("sgd", {"lr": 0.1}, (2, -4), (0.8, 1.2)),
    # v = 0.1·2 = 0.2; v = 0.5·0.2 − 0.1·4 = −0.3
    ("momentum", {"lr": 0.1, "momentum": 0.5}, (2, -4), (0.8, 1.1)),
    # Averaged, v ← β v + (1−β) g, and corrected, without η: v = 1, v̂ = 1/0.5 = 2; v = 0.5 − 2 = −1.5, v̂ = −1.5/0.75 = −2
    ("momentum", {"lr": 0.1, "momentum": 0.5, "dampening": 0.5, "bias_correction": True}, (2, -4), (0.8, 1.0)),
    # v = 0.2, 1 − (0.1 + 0.2); v = 0.1 − 0.4 = −0.3, 0.7 − (−0.15 − 0.4)
    ("nag", {"lr": 0.1, "momentum": 0.5}, (2, -4), (0.7, 1.25)),
    # v = 0.2, 1 − 1.5·0.2; v = 0.1 − 0.4 = −0.3, 0.7 + 1.5·0.3
    ("nag_paper", {"lr": 0.1, "momentum": 0.5}, (2, -4), (0.7, 1.15)),
    # G = 9, 1 − 0.1·3/√25; G = 25, 0.94 + 0.1·4/√41
    ("adagrad", {"lr": 0.1, "eps": 16.0}, (3, -4), (0.94, 0.94 + 0.4 / math.sqrt(41))),
    # ε outside: 1 − 0.1·3/(3 + 16); + 0.1·4/(5 + 16)
    ("adagrad", {"lr": 0.1, "eps": 16.0, "eps_inside_sqrt": False}, (3, -4), (1 - 0.3 / 19, 1 - 0.3 / 19 + 0.4 / 21)),
    # E = 0.25·4 = 1, 1 − 0.2/√9; E = 0.75 + 0.25·16 = 4.75, + 0.4/√12.75
    ("rmsprop", {"lr": 0.1, "alpha": 0.75, "eps": 8.0}, (2, -4), (1 - 0.2 / 3, 1 - 0.2 / 3 + 0.4 / math.sqrt(12.75))),
    # Corrected: E = 1, Ê = 1/0.25 = 4, 1 − 0.2/√(4 + 5); E = 4.75, Ê = 4.75/(1 − 0.5625), + 0.4/√(Ê + 5)
    (
        "rmsprop",
        {"lr": 0.1, "alpha": 0.75, "eps": 5.0, "bias_correction": True},
        (2, -4),
        (1 - 0.2 / 3, 1 - 0.2 / 3 + 0.4 / math.sqrt(4.75 / 0.4375 + 5)),
    ),
    # E = 1, Δ = √3/√4 · 2 = √3, U = 0.25·3 = 0.75 (of Δ, not of η Δ); E = 0.75 + 4 = 4.75, Δ = √3.75/√7.75 · (−4)
    (
        "adadelta",
        {"lr": 0.5, "rho": 0.75, "eps": 3.0},
        (2, -4),
        (approx(ADADELTA, rel=1e-14), approx(ADADELTA + 2 * math.sqrt(3.75 / 7.75), rel=1e-14)),
    ),
    # m = 1, v = 1, m̂ = 1/0.5 = 2, v̂ = 1/0.25 = 4, 1 − 0.1·2/(2 + 2); m = 0.5 − 2 = −1.5, m̂ = −1.5/0.75 = −2
    ("adam", {"lr": 0.1, "betas": (0.5, 0.75), "eps": 2.0}, (2, -4), (0.95, 0.95 + 0.2 / (ROOT + 2))),
    # ε inside: 1 − 0.1·2/√(4 + 12)
    ("adam", {"lr": 0.1, "eps": 12.0, "eps_inside_sqrt": True}, (2,), (approx(0.95, rel=1e-12),)),
    # m = 2, m̂ = 4, u = max(0, 5) = 5, 1 − 0.1·4/5; m = 1 − 0.5 = 0.5, m̂ = 0.5/0.75, u = max(3.75, 2) = 3.75
    ("adamax", {"lr": 0.1, "betas": (0.5, 0.75), "eps": 1.0}, (4, -1), (0.92, 0.92 - 0.1 * 0.5 / 0.75 / 3.75)),
    # m̂ and v̂ as Adam's: 0.5·2 + 0.5·2/0.5 = 3, 1 − 0.1·3/4; 0.5·(−2) + 0.5·(−4)/0.75 = −11/3
    (
        "nadam",
        {"lr": 0.1, "betas": (0.5, 0.75), "eps": 2.0},
        (2, -4),
        (0.925, approx(0.925 + 0.1 * (11 / 3) / (ROOT + 2), rel=1e-14)),
    ),
    # m̂ and v̂ as Adam's: (0.5·2 + 0.5·2)/0.5 = 4, 1 − 0.1·4/4; (0.5·(−2) + 0.5·(−4))/0.75 = −4
    (
        "nadam_paper",
        {"lr": 0.1, "betas": (0.5, 0.75), "eps": 2.0},
        (2, -4),
        (0.9, approx(0.9 + 0.1 * 4 / (ROOT + 2), rel=1e-14)),
    ),
    # m̂ and v̂ as Adam's: 1 − 0.1·(2/4 + 0.5·1); 0.9 − 0.1·(−2/(√v̂ + 2) + 0.5·0.9)
    ("adamw", {**HALVES, "weight_decay": 0.5}, (2, -4), (approx(0.9, rel=1e-14), 0.855 + 0.2 / (ROOT + 2))),
    # n as NAdam's, 3 and −11/3: 1 − 0.1·(3/4 + 0.5·1); 0.875 − 0.1·(−11/3/(√v̂ + 2) + 0.5·0.875)
    (
        "nadamw",
        {**HALVES, "weight_decay": 0.5},
        (2, -4),
        (0.875, approx(0.875 - 0.04375 + 0.1 * (11 / 3) / (ROOT + 2), rel=1e-14)),
    ),
    # ψ = 0, so μ = μ₁ = 0.5/2: w = 0.75, w₁ = 0.9375, m = 1, n = 0.25/0.9375 + 2 = 34/15, 1 − 0.1·(34/15)/4;
    # w = 0.9375, w₁ = 0.984375, m = −1.5, n = −0.375/0.984375 − 3/0.9375
    (
        "nadamw",
        {**HALVES, "weight_decay": 0.0, "momentum_schedule": True, "momentum_decay": 0.0},
        (2, -4),
        (1 - 0.1 * 34 / 60, approx(1 - 0.1 * 34 / 60 + 0.1 * (0.375 / 0.984375 + 3.2) / (ROOT + 2), rel=1e-14)),
    ),
    # c = 1, 1 − 0.1·(1 + 0.5·1); m = 0.25·2, c = 0.25 − 2 < 0, 0.85 − 0.1·(−1 + 0.5·0.85)
    ("lion", {"lr": 0.1, "betas": (0.5, 0.75), "weight_decay": 0.5}, (2, -4), (0.85, approx(0.9075, rel=1e-14))),
    # The past prevails: m = 0.5, c = 0.9·0.5 − 0.1·1 > 0; m = 0.375 − 0.25 = 0.125, c = 0.9·0.125 − 0.1·4 < 0
    ("lion", {"lr": 0.1, "betas": (0.9, 0.75)}, (2, -1, -4), (0.9, 0.8, 0.9)),
    # z = 0.8, c = 1, x = 0.8; z = 1.2, c = 1/2, x = 1, θ = 0.6 + 0.5; z = 1, c = 1/3, x = 1, θ = 1
    ("schedule_free_sgd", {"lr": 0.1, "momentum": 0.5}, (2, -4, 2), (0.8, 1.1, approx(1.0, rel=1e-14))),
    # v̂ as Adam's: z = 1 − 0.1·(2/4 + 0.5·1) = x; z = 0.9 − 0.1·(−4/(√v̂ + 2) + 0.45), x = (0.9 + z)/2, θ = 0.75 z + 0.225
    (
        "schedule_free_adamw",
        {**HALVES, "weight_decay": 0.5},
        (2, -4),
        (0.9, approx(0.75 * (0.855 + 0.4 / (ROOT + 2)) + 0.225, rel=1e-14)),
    ),
]


@pytest.mark.parametrize(("key", "options", "gradients", "positions"), BY_HAND)
def test_first_steps_by_hand(key, options, gradients, positions):
    """The positions after the first steps from 1 are those worked out beside each case, to 1e-15 unless noted."""
    path = [x for (x,) in walk(key, [1.0], [[float(g)] for g in gradients], **options)]
    assert path == [approx(x, rel=1e-15) if isinstance(x, float) else x for x in positions]


# ---- References in Python floats: the change to subtract at step t; s is the state, which starts at zero, with s["θ"], the
# parameter, and s["θ₀"], its first value. A reference without the argument weight_decay gets g + λ θ as g.


def sgd(g, t, s, *, lr):
    """η g."""
    return lr * g


def momentum(g, t, s, *, lr, momentum, dampening, bias_correction):
    """Velocity v ← γ v + (1−d) η g; v, or v/(1−γᵗ)."""
    s["v"] = momentum * s["v"] + (1 - dampening) * lr * g
    return s["v"] / (1 - momentum**t) if bias_correction else s["v"]


def nag(g, t, s, *, lr, momentum):
    """Velocity v ← γ v + η g; γ v + η g."""
    s["v"] = momentum * s["v"] + lr * g
    return momentum * s["v"] + lr * g


def nag_paper(g, t, s, *, lr, momentum):
    """Velocity v ← γ v + η g; (1+γ) v."""
    s["v"] = momentum * s["v"] + lr * g
    return (1 + momentum) * s["v"]


def divisor(square, eps, *, inside):
    """√(x + ε), or √x + ε."""
    return math.sqrt(square + eps) if inside else math.sqrt(square) + eps


def adagrad(g, t, s, *, lr, eps, eps_inside_sqrt):
    """G ← G + g²; η g/√(G + ε)."""
    s["G"] += g * g
    return lr * g / divisor(s["G"], eps, inside=eps_inside_sqrt)


def rmsprop(g, t, s, *, lr, alpha, eps, eps_inside_sqrt, bias_correction):
    """E ← α E + (1−α) g²; η g/√(E + ε), with E/(1−αᵗ) if corrected."""
    s["E"] = alpha * s["E"] + (1 - alpha) * g * g
    return lr * g / divisor(s["E"] / (1 - alpha**t) if bias_correction else s["E"], eps, inside=eps_inside_sqrt)


def adadelta(g, t, s, *, lr, rho, eps):
    """E ← ρ E + (1−ρ) g²; Δ ← √(U+ε)/√(E+ε) g; U ← ρ U + (1−ρ) Δ²; η Δ."""
    s["E"] = rho * s["E"] + (1 - rho) * g * g
    delta = math.sqrt(s["U"] + eps) / math.sqrt(s["E"] + eps) * g
    s["U"] = rho * s["U"] + (1 - rho) * delta * delta
    return lr * delta


def moments(g, t, s, betas, *, corrected=True):
    """Return m̂ and v̂, the running means of g and g² over 1 − βᵗ; m and v if not corrected."""
    s["m"] = betas[0] * s["m"] + (1 - betas[0]) * g
    s["v"] = betas[1] * s["v"] + (1 - betas[1]) * g * g
    return (s["m"] / (1 - betas[0] ** t), s["v"] / (1 - betas[1] ** t)) if corrected else (s["m"], s["v"])


def adam(g, t, s, *, lr, betas, eps, eps_inside_sqrt, corrected=True):
    """η m̂/(√v̂ + ε), or over √(v̂ + ε)."""
    mean, square = moments(g, t, s, betas, corrected=corrected)
    return lr * mean / divisor(square, eps, inside=eps_inside_sqrt)


def adamax(g, t, s, *, lr, betas, eps):
    """Moment m as in Adam; u ← max(β₂ u, |g| + ε); η m/(1−β₁ᵗ)/u."""
    s["m"] = betas[0] * s["m"] + (1 - betas[0]) * g
    s["u"] = max(betas[1] * s["u"], abs(g) + eps)
    return lr * s["m"] / (1 - betas[0] ** t) / s["u"]


def nadam(g, t, s, *, lr, betas, eps):
    """η/(√v̂ + ε) · (β₁ m̂ + (1−β₁) g/(1−β₁ᵗ))."""
    mean, square = moments(g, t, s, betas)
    return lr / (math.sqrt(square) + eps) * (betas[0] * mean + (1 - betas[0]) * g / (1 - betas[0] ** t))


def nadam_paper(g, t, s, *, lr, betas, eps):
    """η (β₁ m̂ + (1−β₁) g)/(1−β₁ᵗ)/(√v̂ + ε)."""
    mean, square = moments(g, t, s, betas)
    return lr * (betas[0] * mean + (1 - betas[0]) * g) / (1 - betas[0] ** t) / (math.sqrt(square) + eps)


def adamw(g, t, s, *, lr, betas, eps, weight_decay):
    """η m̂/(√v̂ + ε) + η λ θ."""
    mean, square = moments(g, t, s, betas)
    return lr * mean / (math.sqrt(square) + eps) + lr * weight_decay * s["θ"]


def nadamw(g, t, s, *, lr, betas, eps, weight_decay, momentum_schedule, momentum_decay):
    """NAdam's change + η λ θ; with the schedule NAdam's with the products of all μ, as Dozat prints it."""
    mean, square = moments(g, t, s, betas)
    ahead = betas[0] * mean + (1 - betas[0]) * g / (1 - betas[0] ** t)
    if momentum_schedule:
        mu = [betas[0] * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in range(1, t + 2)]
        ahead = mu[t] * s["m"] / (1 - math.prod(mu)) + (1 - mu[t - 1]) * g / (1 - math.prod(mu[:t]))
    return lr * ahead / (math.sqrt(square) + eps) + lr * weight_decay * s["θ"]


def lion(g, t, s, *, lr, betas, weight_decay):
    """η sign(β₁ m + (1−β₁) g) + η λ θ; m ← β₂ m + (1−β₂) g."""
    c = betas[0] * s["m"] + (1 - betas[0]) * g
    s["m"] = betas[1] * s["m"] + (1 - betas[1]) * g
    return lr * ((c > 0) - (c < 0)) + lr * weight_decay * s["θ"]


def averaged(s, t, beta, change):
    """Return the change of (1−β) z + β x, with z less the change and x the mean of all z, for a constant η."""
    s["z"] = (s["θ₀"] if t == 1 else s["z"]) - change
    s["sum"] += s["z"]
    return s["θ"] - ((1 - beta) * s["z"] + beta * s["sum"] / t)


def schedule_free_sgd(g, t, s, *, lr, momentum):
    """Point z ← z − η g, averaged."""
    return averaged(s, t, momentum, lr * g)


def schedule_free_adamw(g, t, s, *, lr, betas, eps, weight_decay):
    """Point z ← z − η (g/(√v̂ + ε) + λ θ), averaged."""
    _, square = moments(g, t, s, betas)
    return averaged(s, t, betas[0], lr * (g / (math.sqrt(square) + eps) + weight_decay * s["θ"]))


def reference_walk(reference, start, gradients, weight_decay=0.0, **options):
    """Return the positions of a reference after each step, with each coordinate computed by itself."""
    paths = []
    decoupled = "weight_decay" in inspect.signature(reference).parameters
    for i, first in enumerate(start):
        state, path = defaultdict(float, {"θ₀": first}), [first]
        for t, g in enumerate(gradients, 1):
            x = state["θ"] = path[-1]
            if decoupled:
                path.append(x - reference(g[i], t, state, weight_decay=weight_decay, **options))
            else:
                path.append(x - reference(g[i] + weight_decay * x, t, state, **options))
        paths.append(path[1:])
    return [list(position) for position in zip(*paths, strict=True)]


EITHER = [True, False]
MOMENTS = {"betas": [(0.9, 0.999), (0.0, 0.9), (0.5, 0.5)], "eps": [1e-8, 0.5]}
GRIDS = {  # reference and the values of each option; by default lr is 0.05 and weight_decay 0 and 0.01
    "sgd": (sgd, {"weight_decay": [0.0, 0.3]}),
    "momentum": (
        momentum,
        {"momentum": [0.0, 0.5, 0.9], "dampening": [0.0, 0.3, 0.9], "bias_correction": EITHER},
    ),
    "nag": (nag, {"momentum": [0.0, 0.5, 0.9]}),
    "nag_paper": (nag_paper, {"momentum": [0.0, 0.5, 0.9]}),
    "adagrad": (adagrad, {"eps": [1e-10, 1e-3, 2.0], "eps_inside_sqrt": EITHER}),
    "rmsprop": (
        rmsprop,
        {"alpha": [0.0, 0.9, 0.99], "eps": [1e-8, 0.5], "eps_inside_sqrt": EITHER, "bias_correction": EITHER},
    ),
    "adadelta": (adadelta, {"lr": [1.0, 0.3], "rho": [0.0, 0.9], "eps": [1e-6, 1e-2]}),
    "adam": (adam, {**MOMENTS, "eps_inside_sqrt": EITHER}),
    "adamax": (adamax, MOMENTS),
    "nadam": (nadam, MOMENTS),
    "nadam_paper": (nadam_paper, MOMENTS),
    "adamw": (adamw, MOMENTS),
    "nadamw": (nadamw, {**MOMENTS, "momentum_schedule": EITHER, "momentum_decay": [0.004, 0.0]}),
    "lion": (lion, {"betas": [(0.9, 0.99), (0.0, 0.9), (0.5, 0.5)]}),
    "schedule_free_sgd": (schedule_free_sgd, {"momentum": [0.0, 0.5, 0.9]}),
    "schedule_free_adamw": (schedule_free_adamw, MOMENTS),
}
REFERENCE_CASES = [
    (key, dict(zip(values, combination, strict=True)))
    for key, (_, grid) in GRIDS.items()
    for values in [{"lr": [0.05], "weight_decay": [0.0, 0.01], **grid}]
    for combination in itertools.product(*values.values())
]


@pytest.mark.parametrize(("key", "options"), REFERENCE_CASES, ids=str)
def test_equals_the_reference_in_python_floats(key, options):
    """Sixty steps equal the reference, for every combination of options."""
    assert_same_path(walk(key, START, GRADIENTS, **options), reference_walk(GRIDS[key][0], START, GRADIENTS, **options))


def test_every_rule_is_in_both_tables():
    """No rule lacks steps worked out by hand or a reference."""
    assert {row[0] for row in BY_HAND} == set(GRIDS) == set(RULES)


# ---- The classes of torch

PLAIN, DECAYED = {"lr": 0.02}, {"lr": 0.1, "weight_decay": 0.2}
VELOCITY = ({**PLAIN, "momentum": 0.9}, {**DECAYED, "momentum": 0.5})
ADAM = (PLAIN, {**DECAYED, "betas": (0.5, 0.9), "eps": 0.5})
OUTSIDE = {"eps_inside_sqrt": False}
TORCH = {  # torch's class, the options of two groups, what only ours has, torch's options from the common ones
    "sgd": (torch.optim.SGD, (PLAIN, DECAYED), {}, dict),
    "momentum": (torch.optim.SGD, VELOCITY, {}, dict),
    "nag": (torch.optim.SGD, VELOCITY, {}, lambda options: {**options, "nesterov": True}),
    "nag_paper": (
        torch.optim.SGD,
        ({"lr": 0.01, "momentum": 0.9}, {**DECAYED, "momentum": 0.5}),
        {},
        lambda options: {**options, "lr": (1 + options["momentum"]) * options["lr"]},
    ),
    "adagrad": (torch.optim.Adagrad, ({**PLAIN, "eps": 1e-10}, {**DECAYED, "eps": 0.5}), OUTSIDE, dict),
    "rmsprop": (
        torch.optim.RMSprop,
        ({**PLAIN, "alpha": 0.9}, {**DECAYED, "alpha": 0.99, "eps": 0.5}),
        OUTSIDE,
        dict,
    ),
    "adadelta": (
        torch.optim.Adadelta,
        ({"rho": 0.9, "eps": 1e-6}, {"lr": 0.5, "rho": 0.95, "eps": 1e-3, "weight_decay": 0.2}),
        {},
        dict,
    ),
    "adam": (torch.optim.Adam, ADAM, {}, dict),
    "adamax": (torch.optim.Adamax, ADAM, {}, dict),
    "adamw": (torch.optim.AdamW, ADAM, {}, dict),
    "nadamw": (
        torch.optim.NAdam,
        ({**PLAIN, "weight_decay": 0.0, "momentum_decay": 0.004}, {**ADAM[1], "momentum_decay": 0.1}),
        {"momentum_schedule": True},
        lambda options: {**options, "decoupled_weight_decay": True},
    ),
}
SHAPES = ((), (2, 3), (4,), (2, 1, 3, 2))


@pytest.fixture
def _double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # in which torch's NAdam keeps its product
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("key", TORCH)
def test_equals_torch(key):
    """Each of 100 float64 steps equals torch's, in two groups with their own options, ours resumed after the 50th.

    Gradients depend on the parameters, so a difference in one step remains in the later ones.
    """
    torch_cls, common, only_ours, translate = TORCH[key]
    generator = torch.Generator().manual_seed(1)

    def normal(shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    values = [normal(shape) for shape in SHAPES]
    slopes = [normal(shape).abs() + 0.5 for shape in SHAPES]
    ours, theirs = ([value.clone().requires_grad_() for value in values] for _ in range(2))

    def make():
        return OPTIMIZERS[key]([{"params": ours[k::2], **options, **only_ours} for k, options in enumerate(common)])

    first = make()
    second = torch_cls([{"params": theirs[k::2], **translate(options)} for k, options in enumerate(common)])
    for t in range(1, 101):
        noise = [normal(shape) for shape in SHAPES]
        for params in (ours, theirs):
            for param, slope, shift in zip(params, slopes, noise, strict=True):
                param.grad = (slope * param + shift).detach()
        first.step()
        second.step()
        for x, y in zip(ours, theirs, strict=True):
            assert (x - y).abs().max() <= 1e-12 * y.abs().max(), f"step {t}, shape {tuple(x.shape)}"
        if t == 50:
            state = pickle.loads(pickle.dumps(copy.deepcopy(first.state_dict())))
            first = make()
            first.load_state_dict(state)


QUICK = settings(max_examples=25, deadline=None, derandomize=True)
RATES, DECAYS, SEEDS = st.floats(1e-4, 1.0), st.floats(0.05, 0.999), st.integers(0, 2**31)
DRAWN = {
    "lr": RATES,
    "momentum": DECAYS,
    "alpha": DECAYS,
    "rho": DECAYS,
    "betas": st.tuples(DECAYS, DECAYS),
    "eps": st.floats(1e-8, 1.0),
    "momentum_decay": st.floats(0.0, 1.0),
    "weight_decay": st.one_of(st.just(0.0), st.floats(0.01, 0.5)),
}


def drawn_rows(seed, steps=15):
    """Return a start and gradients of four coordinates."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(4, generator=generator, dtype=torch.float64)
    return start.tolist(), torch.randn(steps, 4, generator=generator, dtype=torch.float64).tolist()


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("key", TORCH)
@QUICK
@given(data=st.data(), seed=SEEDS)
def test_equals_torch_for_any_options(key, data, seed):
    """For any options fifteen steps equal those of torch's class, to 1e-10 because some gradients are near zero."""
    torch_cls, (_, common), only_ours, translate = TORCH[key]
    options = {name: data.draw(DRAWN[name], label=name) for name in common}
    start, gradients = drawn_rows(seed)
    ours = walk(key, start, gradients, **options, **only_ours)
    for x, y in zip(ours, walk(torch_cls, start, gradients, **translate(options)), strict=True):
        assert x == approx(y, rel=1e-10, abs=1e-10)


# ---- The classes of the authors

AUTHORS = {  # module and class, options, updates of the warm-up
    "lion": ("lion_pytorch", "Lion", {"lr": 0.02, "weight_decay": 0.2, "betas": (0.5, 0.9)}, 0),
    "schedule_free_sgd": ("schedulefree", "SGDScheduleFree", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2}, 0),
    "schedule_free_adamw": ("schedulefree", "AdamWScheduleFree", {"lr": 0.1, "weight_decay": 0.2, "eps": 0.01}, 0),
    "schedule_free_sgd warm-up": ("schedulefree", "SGDScheduleFree", {"lr": 0.1}, 10),
    "schedule_free_adamw warm-up": ("schedulefree", "AdamWScheduleFree", {"lr": 0.1, "betas": (0.5, 0.9)}, 10),
}


@pytest.mark.parametrize("case", AUTHORS)
def test_equals_the_authors(case):
    """Each of 100 float64 steps equals that of the authors' class, and so do the evaluation weights after each step."""
    module, name, options, warmup = AUTHORS[case]
    package = pytest.importorskip(module, reason=f'{module} is not installed: pip install "ravine[optimizers]"')
    generator = torch.Generator().manual_seed(1)
    values, noise = (torch.randn(size, generator=generator, dtype=torch.float64) for size in ((40,), (100, 40)))
    x, y = (values.clone().requires_grad_() for _ in range(2))
    ours = OPTIMIZERS[case.partition(" ")[0]]([x], **options)
    theirs = getattr(package, name)([y], **options, **({"warmup_steps": warmup} if warmup else {}))
    has_modes = hasattr(theirs, "train")
    for t in range(100):
        ours.param_groups[0]["lr"] = options["lr"] * min(1, (t + 1) / max(1, warmup))
        for param, optimizer in ((x, ours), (y, theirs)):
            if has_modes:
                optimizer.train()
            param.grad = param.detach() + noise[t]
            optimizer.step()
        assert (x - y).abs().max() <= 1e-12 * y.abs().max(), f"step {t + 1}"
        if has_modes:
            point = x.detach().clone()
            ours.eval()
            theirs.eval()
            assert (x - y).abs().max() <= 1e-12 * y.abs().max(), f"evaluation after step {t + 1}"
            assert t == 0 or not torch.equal(x, point)


# ---- Symmetries and equalities between rules


@pytest.mark.parametrize("key", RULES)
@QUICK
@given(seed=SEEDS)
def test_coordinates_are_independent(key, seed):
    """Every rule works element by element: a permutation of the coordinates permutes the path."""
    start, gradients = drawn_rows(seed)
    path, turned = walk(key, start, gradients), walk(key, start[::-1], [g[::-1] for g in gradients])
    for x, y in zip(path, turned, strict=True):
        assert x == approx(y[::-1], rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("key", RULES)
@QUICK
@given(seed=SEEDS)
def test_odd_symmetry(key, seed):
    """No rule depends on the sign: mirrored gradients from a mirrored start give the mirrored path."""
    start, gradients = drawn_rows(seed)
    mirrored = walk(key, [-x for x in start], [[-x for x in g] for g in gradients])
    assert walk(key, start, gradients) == [[-x for x in position] for position in mirrored]


@QUICK
@given(seed=SEEDS, lr=RATES, gamma=DECAYS)
def test_nag_paper_is_momentum_for_any_options(seed, lr, gamma):
    """For any η and γ the published listing of NAG is momentum with (1+γ) η."""
    start, gradients = drawn_rows(seed)
    paper = walk("nag_paper", start, gradients, lr=lr, momentum=gamma)
    for x, y in zip(paper, walk("momentum", start, gradients, lr=(1 + gamma) * lr, momentum=gamma), strict=True):
        assert x == approx(y, rel=1e-11, abs=1e-11)


CORRECTED = {"lr": 0.05, "alpha": 0.9, "eps": 0.1, "bias_correction": True}


@pytest.mark.parametrize(
    ("key", "options", "other", "other_options"),
    [
        # Without momentum, momentum and NAG are SGD; a correction by 1 − 0ᵗ changes nothing.
        ("momentum", {"lr": 0.05, "momentum": 0.0}, "sgd", {"lr": 0.05}),
        ("momentum", {"lr": 0.05, "momentum": 0.0, "bias_correction": True}, "sgd", {"lr": 0.05}),
        ("nag", {"lr": 0.05, "momentum": 0.0}, "sgd", {"lr": 0.05}),
        ("nag_paper", {"lr": 0.01, "momentum": 0.0}, "sgd", {"lr": 0.01}),
        # The averaged v ← γ v + (1−γ) η' g with η' = η/(1−γ) is momentum with η.
        ("momentum", {"lr": 0.05 / (1 - 0.9), "dampening": 0.9}, "momentum", {"lr": 0.05}),
        # The published listing of NAG is momentum with (1+γ) η.
        ("nag_paper", {"lr": 0.01, "momentum": 0.9}, "momentum", {"lr": 0.019, "momentum": 0.9}),
        # Corrected RMSProp is Adam with β₁ = 0 and β₂ = α, if ε is on the same side.
        *(
            (
                "rmsprop",
                {**CORRECTED, "eps_inside_sqrt": inside},
                "adam",
                {"lr": 0.05, "betas": (0.0, 0.9), "eps": 0.1, "eps_inside_sqrt": inside},
            )
            for inside in EITHER
        ),
        # With β₁ = 0 NAdam is Adam.
        ("nadam", {"lr": 0.05, "betas": (0.0, 0.99)}, "adam", {"lr": 0.05, "betas": (0.0, 0.99)}),
        # Without decay, decoupled rules are the others.
        ("adamw", {"lr": 0.05, "weight_decay": 0.0}, "adam", {"lr": 0.05}),
        ("nadamw", {"lr": 0.05, "weight_decay": 0.0}, "nadam", {"lr": 0.05}),
        # With β₁ = 0 the schedule has nothing to scale.
        (
            "nadamw",
            {"lr": 0.05, "betas": (0.0, 0.99), "momentum_schedule": True},
            "adamw",
            {"lr": 0.05, "betas": (0.0, 0.99)},
        ),
        # With β = 0 the gradient is taken at z, which is plain gradient descent, and RMSProp with a correction.
        ("schedule_free_sgd", {"lr": 0.05, "momentum": 0.0}, "sgd", {"lr": 0.05}),
        ("schedule_free_adamw", {"lr": 0.05, "betas": (0.0, 0.9)}, "adam", {"lr": 0.05, "betas": (0.0, 0.9)}),
    ],
)
def test_one_rule_is_another(key, options, other, other_options):
    """Sixty steps of the two settings are equal."""
    assert_same_path(walk(key, START, GRADIENTS, **options), walk(other, START, GRADIENTS, **other_options))


def test_corrected_rmsprop_is_not_adam_with_eps_on_the_other_side():
    """With ε = 0.1 inside in RMSProp and outside in Adam, the first steps differ by more than 1% of η."""
    ours = walk("rmsprop", START, GRADIENTS, **CORRECTED)
    adam_path = walk("adam", START, GRADIENTS, lr=0.05, betas=(0.0, 0.9), eps=0.1)
    assert abs(ours[0][0] - adam_path[0][0]) > 0.01 * 0.05


# ---- Steps under simple gradients


@pytest.mark.parametrize(
    ("key", "options", "gradient", "count", "step", "rel"),
    [
        # v_t = η (1 − γᵗ)/(1 − γ): in the limit 10 times as far as SGD; corrected, 10 times from the first step on.
        ("momentum", {"lr": 0.01}, 1.0, 400, lambda t: (1 - 0.9**t) / (1 - 0.9), 1e-12),
        ("momentum", {"lr": 0.01, "bias_correction": True}, 1.0, 400, lambda _: 10, 1e-12),
        # AdaGrad's steps shrink; ε/(2 g²) = 5e-7 at the smallest scale.
        *(("adagrad", {"lr": 0.1}, scale, 100, lambda t: 1 / math.sqrt(t), 1e-5) for scale in (1e-2, 1.0, 1e3)),
        # RMSProp's approach η.
        ("rmsprop", {"lr": 0.1}, 3.0, 400, lambda t: 1 / math.sqrt(1 - 0.9**t), 1e-8),
        # Adam's are η from the first on; ε/|g| = 1e-6 at the smallest scale.
        *(("adam", {"lr": 0.1}, scale, 200, lambda _: 1, 2e-6) for scale in (1e-2, 1.0, 1e5)),
        # NAdam's are 1.9 η at first and η in the limit; as published 10, 5.26 and 3.69 η at first.
        ("nadam", {"lr": 0.1}, 1.0, 200, lambda t: 0.9 + 0.1 / (1 - 0.9**t), 1e-7),
        ("nadam_paper", {"lr": 0.01}, 1.0, 60, lambda t: 1 / (1 - 0.9**t), 1e-7),
    ],
)
def test_steps_under_a_constant_gradient(key, options, gradient, count, step, rel):
    """Step t is −η times the factor beside each case."""
    steps = steps_from_zero(key, [gradient] * count, **options)
    assert steps == approx([-options["lr"] * step(t) for t in range(1, count + 1)], rel=rel)


def test_alternating_gradient_is_damped_by_momentum():
    """With γ = 0.9 steps under a gradient of alternating sign approach 1/(1+γ) of η g."""
    steps = steps_from_zero("momentum", [(-1.0) ** t for t in range(300)], lr=0.01, momentum=0.9)
    assert abs(steps[-1]) == approx(0.01 / 1.9, rel=1e-10)


def test_adadelta_does_not_stall():
    """Under a constant gradient AdaDelta's steps grow from their small start, while AdaGrad's shrink."""
    steps = steps_from_zero("adadelta", [1.0] * 500)
    assert all(later < earlier for earlier, later in itertools.pairwise(steps[21:]))  # they are negative


@pytest.mark.parametrize("eps", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("g", [10.0, -300.0])
def test_eps_determines_the_first_step_of_adadelta(eps, g):
    """The first step is about √(ε/(1−ρ)) for any gradient, exactly √ε |g| / √((1−ρ) g² + ε)."""
    (step,) = steps_from_zero("adadelta", [g], rho=0.9, eps=eps)
    assert abs(step) == approx(math.sqrt(eps / 0.1), rel=1e-5)
    assert step * g < 0


@pytest.mark.parametrize("inside", EITHER)
def test_adagrad_does_not_move_under_zero_gradients(inside):
    """A coordinate without any gradient stays, although ε = 0 would give 0/0."""
    assert walk("adagrad", [1.0], [[0.0]] * 3, eps_inside_sqrt=inside) == [[1.0]] * 3


# ---- One rule in particular


def test_sgd_update_changes_theta_alone():
    """The function subtracts η g from θ and leaves the gradient unchanged."""
    theta, g = torch.tensor([1.0, 1.0]), torch.tensor([1.0, -2.0])
    sgd_update(theta, g, lr=0.5)
    assert (theta.tolist(), g.tolist()) == ([0.5, 2.0], [1.0, -2.0])


def test_dampening_acts_in_the_first_step():
    """Dampening reduces the first gradient too, which torch's does not."""
    options = {"lr": 1.0, "momentum": 0.9, "dampening": 0.75}
    assert walk("momentum", [0.0], [[1.0]], **options) == [[-0.25]]
    assert walk(torch.optim.SGD, [0.0], [[1.0]], **options) == [[-1.0]]


def test_learning_rate_is_inside_the_velocity():
    """When η changes before step k, torch's steps use the new η for old gradients, ours the η of each gradient's step."""
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
        assert x.item() - y.item() - before == approx(expected, rel=1e-12, abs=1e-15)


def test_nag_is_the_change_of_variable():
    """θ is the point ahead: Nesterov's two-line form on f = x², with the gradient at y − γ v, visits the same points."""
    # Two-line form: g at y − γ v; v ← γ v + η g; y ← y − v. With θ = y − γ v, θ' = θ − (γ v' + η g).
    x = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimizer = OPTIMIZERS["nag"]([x], lr=0.1, momentum=0.9)
    y, v = 1.0, 0.0
    for _ in range(50):
        x.grad = 2 * x.detach()
        optimizer.step()
        v = 0.9 * v + 0.1 * 2 * (y - 0.9 * v)
        y = y - v
        assert x.item() == approx(y - 0.9 * v, rel=1e-11, abs=1e-14)


def test_nag_paper_differs_from_nag_by_the_omitted_term():
    """The published change exceeds the derived one by γ v of the step before: (1+γ) v − (γ v + η g) = γ v₋₁."""
    # g = 2, −4; η = 0.1, γ = 0.5: v₁ = 0.2, v₀ = 0: the same first step; the second differs by 0.5·0.2 = 0.1
    paper, derived = (walk(key, [1.0], [[2.0], [-4.0]], lr=0.1, momentum=0.5) for key in ("nag_paper", "nag"))
    assert paper[0] == approx(derived[0], rel=1e-15)
    assert derived[1][0] - paper[1][0] == approx(0.1, rel=1e-12)


@pytest.mark.parametrize(
    ("total", "eps", "difference"),
    [
        (90.0, 1e-10, 1e-11),  # G after some 90 gradients of size 1: ε (1/√90 − 1/180) = 0.998e-11
        (0.0537, 1e-8, -5e-8),  # a mean square as in RMSProp, |g| about 0.23: ε (1/√E − 1/(2 E)) = −5.0e-8
        (1.0, 1e-10, 5e-11),  # ε/2
    ],
)
def test_sides_of_eps_differ_little(total, eps, difference):
    """To first order, the step with ε inside exceeds the one with ε outside by ε/√G − ε/(2 G), relatively."""
    g, G = torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor([total, total - 1], dtype=torch.float64)
    ends = {True: torch.zeros_like(g), False: torch.zeros_like(g)}
    for flag, theta in ends.items():
        adagrad_update(theta, g, G.clone(), lr=1.0, eps=eps, eps_inside_sqrt=flag)
    ratio = ends[True][1].item() / ends[False][1].item() - 1
    assert ratio == approx(eps / math.sqrt(total) - eps / (2 * total), rel=1e-4)
    assert ratio == approx(difference, rel=0.01)


def test_bias_correction_of_adam_vanishes():
    """After 200 steps with β = (0.5, 0.9) Adam equals m/(√v + ε): the factors are 1 − 0.5²⁰⁰ and 1 − 0.9²⁰⁰ = 1 − 7e-10."""
    rows = (GRADIENTS * 4)[:201]
    options = {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-8, "eps_inside_sqrt": False}
    ours, plain = walk("adam", START, rows, **options), reference_walk(adam, START, rows, corrected=False, **options)
    for i in range(3):
        assert ours[0][i] - START[i] != approx(plain[0][i] - START[i], rel=0.01) or rows[0][i] == 0
        assert ours[200][i] - ours[199][i] == approx(plain[200][i] - plain[199][i], rel=1e-7)


def test_divisor_of_adamax_is_the_limit_of_the_p_norm():
    """The divisor is the p-norm of the discounted past gradients for large p: max over i of β₂^(t−i) |g_i|."""
    gradients = [3.0, -1.0, 0.5, 2.0, -0.1]
    steps = steps_from_zero("adamax", gradients, lr=1.0, betas=(0.0, 0.5), eps=1e-12)
    p = 400.0
    norm = sum((abs(g) * 0.5 ** (4 - i)) ** p for i, g in enumerate(gradients)) ** (1 / p)  # at the last step
    assert norm == approx(1.0, rel=1e-6)  # from the fourth gradient, 2·0.5
    assert steps[4] == approx(0.1 / norm, rel=1e-6)  # β₁ = 0: m̂ = g = −0.1


def test_nadam_of_torch_is_a_different_rule():
    """Torch's NAdam is no oracle: with momentum_decay = 0 its first step under g = 1 is not (β₁ + 1) η = 1.9 η."""
    assert steps_from_zero("nadam", [1.0], lr=0.1) == [approx(-0.19, rel=1e-7)]
    (theirs,) = steps_from_zero(torch.optim.NAdam, [1.0], lr=0.1, momentum_decay=0)
    assert abs(theirs + 0.19) > 0.001


def test_nadam_paper_is_adam_after_forty_steps_of_a_constant_gradient():
    """The first steps are 10, 5.26 and 3.69 η; step 40 is within 1.5% of Adam's (1/(1−0.9⁴⁰) = 1.015), step 200 1e-8."""
    paper, adam_steps = (steps_from_zero(key, [1.0] * 200, lr=0.01) for key in ("nadam_paper", "adam"))
    assert [round(-step / 0.01, 2) for step in paper[:3]] == [10.0, 5.26, 3.69]
    assert paper[39] / adam_steps[39] == approx(1.015, abs=0.0005)
    assert paper[199] / adam_steps[199] == approx(1, rel=1e-8)


def test_nadam_paper_differs_from_nadam_by_the_second_correction():
    """The listing divides β₁ m̂ by 1−β₁ᵗ again, so the first steps differ and the last ones are equal."""
    paper, formula = (walk(key, START, GRADIENTS * 4, lr=0.05) for key in ("nadam_paper", "nadam"))
    # step 1: (0.9 + 0.1)/0.1 = 10 against 0.9 + 0.1/0.1 = 1.9
    assert (paper[0][0] - START[0]) / (formula[0][0] - START[0]) == approx(10 / 1.9, rel=1e-12)
    last = [path[-1][0] - path[-2][0] for path in (paper, formula)]
    assert last[0] == approx(last[1], rel=1e-8)  # 0.9²⁴⁰ = 1e-11


# ---- Decoupled decay, signs and averages


@pytest.mark.parametrize("key", ["adamw", "nadamw", "lion"])
def test_decoupled_decay_has_one_rate(key):
    """Without gradients, every coordinate is multiplied by 1 − η λ in each step."""
    path = walk(key, START, [[0.0] * 3] * 20, lr=0.1, weight_decay=0.5)
    for t, position in enumerate(path, 1):
        assert position == approx([x * 0.95**t for x in START], rel=1e-14)


def test_adam_decays_a_coordinate_with_large_gradients_more_slowly():
    """With λ in the gradient, the decay is divided by √v̂: over 60 steps a coordinate of scale 100 decays less than 1%."""
    flat = [[0.0, (-1.0) ** t * 100, 0.0] for t in range(60)]
    coupled, free = (walk("adam", START, flat, lr=0.01, weight_decay=decay)[-1][1] for decay in (0.01, 0.0))
    decoupled, plain = (walk("adamw", START, flat, lr=0.01, weight_decay=decay)[-1][1] for decay in (0.5, 0.0))
    assert abs(coupled - free) < 0.01 * abs(START[1])
    assert abs(decoupled - plain) > 0.2 * abs(START[1])


def test_steps_of_lion_have_one_size():
    """Without decay every coordinate moves by η in every step, for gradients of any scale."""
    steps = torch.tensor([START, *walk("lion", START, GRADIENTS[2:], lr=0.01)], dtype=torch.float64).diff(dim=0)
    torch.testing.assert_close(steps.abs(), torch.full_like(steps, 0.01), rtol=1e-12, atol=0)


def test_weights_of_the_average():
    """Points count with the square of the largest η so far, and η = 0 at first gives the weight 0, not 0/0."""
    numbers, shares = (0.0, 0.0), []
    for lr in (0.0, 1.0, 2.0, 1.0):
        numbers = average_weights(*numbers, lr=lr)
        shares.append(numbers)
    assert shares == [(0.0, 0.0), (1.0, 1.0), (2.0, 5.0), (2.0, 9.0)]
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = OPTIMIZERS["schedule_free_sgd"]([x], momentum=0.5)
    for lr, z, mean in ((0.0, 1.0, 1.0), (1.0, 0.0, 0.0), (2.0, -2.0, -1.6), (1.0, -3.0, -1.6 - 1.4 * 4 / 9)):
        optimizer.param_groups[0]["lr"] = lr
        x.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
        assert x.item() == approx((z + mean) / 2, rel=1e-14, abs=1e-300)
        optimizer.eval()
        assert x.item() == approx(mean, rel=1e-14, abs=1e-300)
        optimizer.train()


SCHEDULE_FREE = ["schedule_free_sgd", "schedule_free_adamw"]


@pytest.mark.parametrize("key", SCHEDULE_FREE)
def test_evaluation_changes_no_step(key):
    """A run that is evaluated after every step, twice, is bit-for-bit identical to one that is never evaluated."""
    ends = []
    for evaluated in (True, False):
        x = torch.tensor(START, dtype=torch.float32, requires_grad=True)
        optimizer = OPTIMIZERS[key]([x], lr=0.05)
        optimizer.eval()
        optimizer.train()
        for g in GRADIENTS:
            x.grad = torch.tensor(g)
            optimizer.step()
            if evaluated:
                optimizer.eval()
                optimizer.eval()
                optimizer.train()
        ends.append(x.detach().clone())
    assert torch.equal(*ends)


@pytest.mark.parametrize("key", SCHEDULE_FREE)
def test_no_step_in_evaluation_mode(key):
    """A step in evaluation mode is an error, which a copy and a loaded state keep; after train() it steps again."""
    x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = OPTIMIZERS[key]([x], lr=0.05)
    x.grad = torch.ones_like(x)
    optimizer.step()
    optimizer.eval()
    loaded = OPTIMIZERS[key]([x])
    loaded.load_state_dict(optimizer.state_dict())
    mean = x.detach().clone()
    for one in (optimizer, loaded, copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        with pytest.raises(RuntimeError, match=r"is in evaluation mode\. Call train\(\) before step\(\)"):
            one.step()
    assert torch.equal(x, mean)
    optimizer.train()
    optimizer.step()
    assert not torch.equal(x, mean)
