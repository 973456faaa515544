"""`suite.problems.noisy_quadratic`: noise as stated, and the mean loss of many trials is that of the closed form."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
import torch

from suite.errors import UserError
from suite.problems import PROBLEMS, resolve_options
from suite.problems.noisy_quadratic import EXAMPLES, eigenvalues, expected_loss
from suite.records import Outcome
from suite.training.run_trial import run_trial
from suite.trials import Trial

PROBLEM = PROBLEMS["noisy_quadratic"]
TRIAL = Trial(
    label="a",
    problem="noisy_quadratic",
    optimizer="sgd",
    hyperparameters={"lr": 0.1},
    batch_size=10,
    epochs=1,
    train_examples=400,
    repeat=0,
)


@pytest.mark.parametrize(("size", "d"), [("tiny", 100), ("full", 1_000)])
def test_loss_and_gradient_are_those_of_the_formula(size, d):
    """The loss is the mean of ½ Σ θᵢ²/i + Σ zᵢ θᵢ/√i over the examples, and its gradient the mean of θᵢ/i + zᵢ/√i."""
    torch.manual_seed(1)
    network, z = PROBLEM.network(size=size), torch.randn(5, 1_000)
    loss = PROBLEM.loss(network(PROBLEM.prepare(z)), torch.zeros(5))
    loss.backward()
    theta, i = network.theta.detach().double().numpy(), np.arange(1, d + 1)
    noise = z.double().numpy()[:, :d] / np.sqrt(i)
    assert theta.shape == (d,)
    assert loss.item() == pytest.approx((theta**2 / i).sum() / 2 + (noise @ theta).mean(), rel=1e-5)
    np.testing.assert_allclose(network.theta.grad.numpy(), theta / i + noise.mean(axis=0), atol=1e-6)


def test_the_noise_is_standard_normal_and_the_test_set_has_none():
    """The mean of the stored noise is 0 and its variance 1, within 5 standard errors; the test loss is the loss itself."""
    data = PROBLEM.load(None)
    z = data.train_inputs.double()
    assert z.shape == (PROBLEM.train_examples, 1_000) == (EXAMPLES, 1_000)
    assert z.mean().item() == pytest.approx(0, abs=5 / math.sqrt(z.numel()))
    assert z.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / z.numel()))
    assert torch.equal(data.test_inputs, torch.zeros(1, 1_000))
    assert torch.equal(data.train_inputs, PROBLEM.load(None).train_inputs)


def test_the_mean_loss_at_the_start_is_half_the_sum_of_the_eigenvalues():
    """½ (1 + 1/2 + … + 1/100) = 2.59369 is the mean over 4,000 seeds, within 4 standard errors, and that of no update."""
    theory = sum(1 / i for i in range(1, 101)) / 2
    torch.manual_seed(0)
    losses = [PROBLEM.network()(torch.zeros(1, 1_000)).item() for _ in range(4_000)]
    error = statistics.stdev(losses) / math.sqrt(len(losses))
    assert statistics.fmean(losses) == pytest.approx(theory, abs=4 * error)
    assert PROBLEM.chance_loss == pytest.approx(theory)
    assert expected_loss(100, 0, 10, 0.1, 0.9) == pytest.approx(theory, rel=1e-6)


@pytest.mark.parametrize("lr", [0.01, 0.5, 1.9])
def test_the_closed_form_of_sgd_is_a_geometric_series(lr):
    """For γ = 0 the mean loss is ½ Σ h (r^t + η² (h/B) (1 − r^t)/(1 − r)) with r = (1 − ηh)²."""
    h = eigenvalues(100).double()
    r, t, batch = (1 - lr * h) ** 2, 250, 7
    theory = (h * (r**t + lr**2 * h / batch * (1 - r**t) / (1 - r))).sum() / 2
    assert expected_loss(100, t, batch, lr) == pytest.approx(theory.item(), rel=1e-9)


def test_the_closed_form_of_momentum_without_noise_is_the_deterministic_run():
    """With an endless batch, ½ Σ h θ² from θ = 1 by steps of momentum is the closed form."""
    h = eigenvalues(50).double()
    theta, v = torch.ones(50, dtype=torch.float64), torch.zeros(50, dtype=torch.float64)
    for _ in range(40):
        v = 0.9 * v + 0.3 * h * theta
        theta = theta - v
    assert expected_loss(50, 40, 10**12, 0.3, 0.9) == pytest.approx(((h * theta**2).sum() / 2).item(), rel=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("sgd", {"lr": 0.3}),
        ("sgd", {"lr": 1.5}),
        ("momentum", {"lr": 0.05, "momentum": 0.9}),
        ("momentum", {"lr": 1.0, "momentum": 0.5}),
    ],
    ids=str,
)
def test_trials_agree_with_the_closed_form(optimizer, options):
    """The mean test loss of 60 repeats is within 4 standard errors of the closed form, and that error is below 10%."""
    trial = replace(TRIAL, optimizer=optimizer, hyperparameters=options)
    runs = [run_trial(replace(trial, repeat=repeat)) for repeat in range(60)]
    assert {run.outcome for run in runs} == {Outcome.OK}
    losses = [point.value for run in runs for point in run.points if point.metric == "test/loss"]
    theory = expected_loss(100, trial.updates, 10, options["lr"], options.get("momentum", 0.0))
    error = statistics.stdev(losses) / math.sqrt(len(losses))
    assert error < 0.1 * theory
    assert statistics.fmean(losses) == pytest.approx(theory, abs=4 * error)


def test_a_slow_trial_is_not_stalled():
    """With a learning rate that moves nothing, 300 updates end ok, whatever the loss at the start."""
    run = run_trial(replace(TRIAL, hyperparameters={"lr": 1e-9}, train_examples=3_000))
    assert run.outcome is Outcome.OK, run.reason


def test_another_size_is_an_error(wording):
    """The error names the sizes."""
    with pytest.raises(UserError) as error:
        resolve_options(PROBLEM, {"size": "large"})
    wording(error.value)
