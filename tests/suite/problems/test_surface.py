"""`suite.data.surfaces` and their problem: known minima, gradients, and the published trajectories."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from suite.data.surfaces import SURFACES
from suite.errors import UserError
from suite.optimizers import OPTIMIZERS
from suite.problems import PROBLEMS, resolve_options
from suite.records import Outcome
from suite.spec.parts import load_study_file
from suite.spec.plan import plan
from suite.training.run_trial import run_trial

PROBLEM = PROBLEMS["surface"]
every = pytest.mark.parametrize("key", SURFACES)


@pytest.fixture(scope="module")
def trials():
    """The trials of the part `valley` of the study `surfaces`, by label."""
    return {trial.label: trial for trial in plan(load_study_file("surfaces").select(["valley"]).single())}


def _last(result, metric):
    return [point.value for point in result.points if point.metric == metric][-1]


@every
def test_each_known_minimum_is_a_minimum(key):
    """At each known minimum the function has its known value and gradient 0, and no point of a fine grid is lower."""
    surface = SURFACES[key]
    for point in surface.minima:
        x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
        value = surface.formula(x[0], x[1])
        value.backward()
        assert value.item() == pytest.approx(surface.lowest, abs=1e-12)
        assert x.grad.tolist() == pytest.approx([0, 0], abs=1e-12)
    grid = np.linspace(-4.5, 4.5, 901)
    assert surface.formula(*np.meshgrid(grid, grid)).min() >= surface.lowest - 1e-12


@every
def test_the_gradient_equals_finite_differences(key):
    """The gradient by autograd at the start agrees with central differences of the formula."""
    network, f, (a, b), h = PROBLEM.network(key), SURFACES[key].formula, SURFACES[key].start, 1e-6
    PROBLEM.loss(network(torch.zeros(1, 1)), torch.zeros(1)).backward()
    differences = [(f(a + h, b) - f(a - h, b)) / (2 * h), (f(a, b + h) - f(a, b - h)) / (2 * h)]
    assert network.x.grad.tolist() == pytest.approx(differences, rel=1e-6, abs=1e-6)


def test_the_functions_have_their_known_values():
    """By hand: the starts of the valley and of Rosenbrock, Beale at (0, 0) and (1, 1), the saddle, |x₁| + 0.1 |x₂|."""
    f = {key: surface.formula for key, surface in SURFACES.items()}
    assert f["valley"](-5, -2) == pytest.approx(2.5 + 8)
    assert f["rosenbrock"](-1.2, 1) == pytest.approx(2.2**2 + 100 * 0.44**2)
    assert f["beale"](0, 0) == f["beale"](1, 1) == pytest.approx(1.5**2 + 2.25**2 + 2.625**2)
    assert f["saddle"](0, 0) == 0
    assert f["absolute"](-2, 30) == pytest.approx(5)
    assert f["saddle"](1, 1) == pytest.approx(0.25)


# Dive into Deep Learning, 11.6 and 11.7: the end of 20 steps from (−5, −2), to the six published digits.
@pytest.mark.parametrize(
    ("label", "x1", "x2"),
    [
        ("GD 0.4", -0.943467, -0.000073),
        ("GD 0.6", -0.387814, -1673.365109),
        ("Momentum 0.4", -0.062843, 0.001202),
        ("AdaGrad 0.4", -2.382563, -0.158591),
    ],
)
def test_a_trial_ends_at_the_published_point(trials, label, x1, x2):
    """The recorded trajectory of a trial has 20 points, and the last is the published one."""
    result = run_trial(trials[label])
    assert result.outcome is Outcome.OK, result.reason
    assert len([point for point in result.points if point.metric == "path/x1"]) == 20
    assert f"{_last(result, 'path/x1'):.6f}, {_last(result, 'path/x2'):.6f}" == f"{x1:.6f}, {x2:.6f}"
    value = SURFACES["valley"].formula(_last(result, "path/x1"), _last(result, "path/x2"))
    assert _last(result, "test/loss") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "gamma", "bound"),
    [
        ("sgd", None, 2 / 4),
        ("momentum", 0.5, 2 * 1.5 / 4),
        ("nag", 0.5, 2 * 1.5 / (2 * 4)),
    ],
)
def test_the_largest_stable_learning_rate(trials, kind, gamma, bound):
    """Just below 2/λ, 2(1+γ)/λ, 2(1+γ)/((1+2γ)λ) with λ = 4 the trajectory converges, just above it diverges."""
    for factor, stable in ((0.98, True), (1.02, False)):
        options = trials["GD 0.4"].hyperparameters if gamma is None else trials["Momentum 0.4"].hyperparameters
        if kind == "nag":
            options = trials["NAG 0.4"].hyperparameters
        trial = dataclasses.replace(
            trials["GD 0.4"], optimizer=kind, hyperparameters={**options, "lr": factor * bound}, epochs=400
        )
        x2 = _last(run_trial(trial), "path/x2")
        assert (abs(x2) < 2) is stable, (factor, x2)


def test_the_study_has_every_optimizer_on_every_surface_at_several_rates(trials):
    """Each of four parts is a surface. Every rule except the modern ones has the same four rates, and Newton has η = 1."""
    study = load_study_file("surfaces")
    without_part = {"absolute"}  # its gradient is constant; it serves a claim only
    modern = {
        "adamw",
        "nadamw",
        "lion",
        "muon",
        "schedule_free_sgd",
        "schedule_free_adamw",
    }  # rules of no document of the study
    assert [part.problem_options["surface"] for part in study.parts] == [
        key for key in SURFACES if key not in without_part
    ]
    for part in study.parts:
        rates = {}
        for trial in plan(part):
            rates.setdefault(trial.optimizer, []).append(trial.hyperparameters["lr"])
        assert set(rates) == set(OPTIMIZERS) - modern
        assert {len(values) for values in rates.values()} == {4}
        assert 1.0 in rates.pop("newton")
        assert len(set(map(tuple, rates.values()))) == 1
    assert list(trials)[:2] == ["GD 0.1", "GD 0.4"]


def test_a_trajectory_that_overflows_diverges(trials):
    """η = 10 on Rosenbrock overflows: the outcome is diverged, the reason names the update, and nothing is raised."""
    trial = trials["GD 0.4"]
    steep = dataclasses.replace(
        trial, problem_options={"surface": "rosenbrock"}, hyperparameters={**trial.hyperparameters, "lr": 10.0}
    )
    result = run_trial(steep)
    assert result.outcome is Outcome.DIVERGED
    assert "update" in result.reason


def test_an_unknown_surface_is_an_error(wording):
    """The error lists the surfaces."""
    with pytest.raises(UserError) as error:
        resolve_options(PROBLEM, {"surface": "hill"})
    wording(error.value)
    assert math.isinf(PROBLEM.chance_loss)
