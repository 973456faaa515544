"""`suite.data.surfaces` and the problem on them: known minima, gradients, and the paths that the source prints."""

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
    return {trial.label: trial for trial in plan(load_study_file("surfaces").only(["valley"]).single())}


def _last(result, metric):
    return [point.value for point in result.points if point.metric == metric][-1]


@every
def test_a_minimum_is_one(key):
    """At each known minimum the function has its known value and no slope, and no place of a fine grid is lower."""
    surface = SURFACES[key]
    for at in surface.minima:
        x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        height = surface.formula(x[0], x[1])
        height.backward()
        assert height.item() == pytest.approx(surface.lowest, abs=1e-12)
        assert x.grad.tolist() == pytest.approx([0, 0], abs=1e-12)
    grid = np.linspace(-4.5, 4.5, 901)
    assert surface.formula(*np.meshgrid(grid, grid)).min() >= surface.lowest - 1e-12


@every
def test_the_gradient_is_that_of_finite_differences(key):
    """Autograd's gradient at the start agrees with central differences of the plain formula."""
    network, f, (a, b), h = PROBLEM.network(key), SURFACES[key].formula, SURFACES[key].start, 1e-6
    PROBLEM.loss(network(torch.zeros(1, 1)), torch.zeros(1)).backward()
    differences = [(f(a + h, b) - f(a - h, b)) / (2 * h), (f(a, b + h) - f(a, b - h)) / (2 * h)]
    assert network.x.grad.tolist() == pytest.approx(differences, rel=1e-6, abs=1e-6)


def test_the_functions_are_the_known_ones():
    """Values by hand: the valley's and Rosenbrock's start, Beale at (0, 0) and (1, 1), the saddle's middle, |x₁| + 0.1 |x₂|."""
    at = {key: surface.formula for key, surface in SURFACES.items()}
    assert at["valley"](-5, -2) == pytest.approx(2.5 + 8)
    assert at["rosenbrock"](-1.2, 1) == pytest.approx(2.2**2 + 100 * 0.44**2)
    assert at["beale"](0, 0) == at["beale"](1, 1) == pytest.approx(1.5**2 + 2.25**2 + 2.625**2)
    assert at["saddle"](0, 0) == 0
    assert at["absolute"](-2, 30) == pytest.approx(5)
    assert at["saddle"](1, 1) == pytest.approx(0.25)


# Dive into Deep Learning, 11.6 and 11.7: where 20 steps from (−5, −2) end, to the six printed digits.
@pytest.mark.parametrize(
    ("label", "x1", "x2"),
    [
        ("GD 0.4", -0.943467, -0.000073),
        ("GD 0.6", -0.387814, -1673.365109),
        ("Momentum 0.4", -0.062843, 0.001202),
        ("AdaGrad 0.4", -2.382563, -0.158591),
    ],
)
def test_a_trial_ends_where_the_source_prints(trials, label, x1, x2):
    """The recorded path of a whole trial has 20 places, and the last is the printed one."""
    result = run_trial(trials[label])
    assert result.outcome is Outcome.OK, result.reason
    assert len([point for point in result.points if point.metric == "path/x1"]) == 20
    assert f"{_last(result, 'path/x1'):.6f}, {_last(result, 'path/x2'):.6f}" == f"{x1:.6f}, {x2:.6f}"
    height = SURFACES["valley"].formula(_last(result, "path/x1"), _last(result, "path/x2"))
    assert _last(result, "test/loss") == pytest.approx(height, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "gamma", "bound"),
    [
        ("sgd", None, 2 / 4),
        ("momentum", 0.5, 2 * 1.5 / 4),
        ("nag", 0.5, 2 * 1.5 / (2 * 4)),
    ],
)
def test_the_largest_stable_learning_rate(trials, kind, gamma, bound):
    """Just below 2/λ, 2(1+γ)/λ, 2(1+γ)/((1+2γ)λ) with λ = 4 the path comes in, just above it goes off."""
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
    """Four parts, one a surface; in each every rule has the same four learning rates, Newton's with its own step of 1."""
    study = load_study_file("surfaces")
    of_claims = {"absolute"}  # its gradient is constant: a claim is measured on it, and no path is worth a look
    assert [part.problem_options["surface"] for part in study.parts] == [
        key for key in SURFACES if key not in of_claims
    ]
    for part in study.parts:
        rates = {}
        for trial in plan(part):
            rates.setdefault(trial.optimizer, []).append(trial.hyperparameters["lr"])
        assert set(rates) == set(OPTIMIZERS)
        assert {len(own) for own in rates.values()} == {4}
        assert 1.0 in rates.pop("newton")
        assert len(set(map(tuple, rates.values()))) == 1
    assert list(trials)[:2] == ["GD 0.1", "GD 0.4"]


def test_a_path_that_leaves_the_numbers_is_told(trials):
    """η = 10 on Rosenbrock overflows: the outcome is diverged, with the update, and no exception."""
    trial = trials["GD 0.4"]
    steep = dataclasses.replace(
        trial, problem_options={"surface": "rosenbrock"}, hyperparameters={**trial.hyperparameters, "lr": 10.0}
    )
    result = run_trial(steep)
    assert result.outcome is Outcome.DIVERGED
    assert "update" in result.reason


def test_a_surface_that_does_not_exist_is_told():
    """The line names those that do."""
    with pytest.raises(
        UserError, match=r"surface: expected one of valley, saddle, beale, rosenbrock, absolute, got \"hill\""
    ):
        resolve_options(PROBLEM, {"surface": "hill"})
    assert math.isinf(PROBLEM.chance_loss)
