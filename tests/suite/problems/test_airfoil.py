"""`suite.problems.airfoil`: data, standardisation and loss are those of the source."""

import dataclasses
import math
import statistics

import numpy as np
import pytest
import torch

from suite.errors import UserError
from suite.problems import PROBLEMS, resolve_options
from suite.records import Outcome
from suite.seeds import seed_for
from suite.spec.plan import plan
from suite.spec.study_file import load_reference, load_study
from suite.training.run_trial import run_trial

PROBLEM = PROBLEMS["airfoil_linear"]
LEAST_SQUARES = 0.241688


@pytest.fixture(scope="module")
def data(airfoil):
    """The standardised rows."""
    return PROBLEM.load(airfoil)


@pytest.fixture(scope="module")
def trials():
    """The first repeat of each optimizer of the study, by label."""
    return {trial.label: trial for trial in plan(load_study("airfoil")) if trial.repeat == 0}


def test_each_column_is_standardised_over_all_rows(airfoil, data):
    """Each column is standardised with mean and population standard deviation of all 1,503 rows, by the standard library."""
    lines = (airfoil / "airfoil" / "airfoil_self_noise.dat").read_text(encoding="ascii").splitlines()
    columns = list(zip(*(map(float, line.split()) for line in lines), strict=True))
    assert len(lines) == 1_503
    ours = torch.cat([data.train_inputs, data.train_targets[:, None]], dim=1)
    assert ours.shape == (1_500, 6)
    for column, values in zip(columns, ours.T, strict=True):
        mean, deviation = statistics.fmean(column), statistics.pstdev(column)
        expected = [(value - mean) / deviation for value in column[:1_500]]
        assert values.tolist() == pytest.approx(expected, abs=1e-6)


def test_the_test_set_is_the_training_set(data):
    """The source publishes the loss over the training rows."""
    assert torch.equal(data.train_inputs, data.test_inputs)
    assert torch.equal(data.train_targets, data.test_targets)
    assert PROBLEM.train_examples == PROBLEM.test_examples == len(data.test_targets)


def test_least_squares_reaches_its_known_loss(data):
    """The minimum, half the mean squared residual of least squares with a bias, is 0.241688; a constant has chance_loss."""
    x, y = np.column_stack([data.train_inputs.numpy(), np.ones(1_500)]), data.train_targets.double().numpy()
    weights = np.linalg.lstsq(x, y)[0]
    outputs = torch.from_numpy(x) @ torch.from_numpy(weights)
    assert PROBLEM.loss(outputs, data.train_targets.double()).item() == pytest.approx(LEAST_SQUARES, abs=1e-6)
    assert PROBLEM.chance_loss == pytest.approx(y.var() / 2, rel=1e-5)


def test_the_initialisation_is_an_option():
    """`normal` draws weights with standard deviation 0.01 and sets the bias to 0; `default` is nn.Linear's, within ±1/√5."""
    weights, defaults = [], []
    torch.manual_seed(0)
    for _ in range(200):
        layer = PROBLEM.network()[0]
        weights.append(layer.weight.detach())
        assert layer.bias.item() == 0
        layer = PROBLEM.network("default")[0]
        defaults += [*layer.weight.detach().flatten().tolist(), layer.bias.item()]
    assert torch.cat(weights).std().item() == pytest.approx(0.01, rel=0.1)
    assert max(map(abs, defaults)) == pytest.approx(1 / math.sqrt(5), rel=0.01)


@pytest.mark.parametrize("options", [{"initialization": "normal"}, {"initialisation": "zero"}], ids=str)
def test_invalid_options_are_errors(wording, options):
    """An unknown option and an invalid value are errors with what is allowed."""
    with pytest.raises(UserError) as error:
        resolve_options(PROBLEM, options)
    wording(error.value)


def test_a_trial_equals_the_loop_of_the_source(airfoil, data, trials):
    """Momentum with batches of 10 in a seeded order, written out in numpy's float64, ends at the same loss."""
    trial = trials["Momentum 0.02/0.9"]
    result = run_trial(trial, data=airfoil)
    assert result.outcome is Outcome.OK, result.reason
    seed = {name: seed_for(0, "airfoil_linear", "final", 0, name) for name in ("initialisation", "order")}
    torch.manual_seed(seed["initialisation"])
    w = np.append(PROBLEM.network()[0].weight.detach().double().numpy(), 0.0)
    x, y = np.column_stack([data.train_inputs.numpy(), np.ones(1_500)]), data.train_targets.double().numpy()
    order, v = torch.Generator().manual_seed(seed["order"]), np.zeros(6)
    for _ in range(2):
        for batch in torch.randperm(1_500, generator=order).numpy().reshape(150, 10):
            v = 0.9 * v + 0.02 * x[batch].T @ (x[batch] @ w - y[batch]) / 10
            w = w - v
    values = {point.metric: point.value for point in result.points}
    assert values["test/loss"] == pytest.approx(((x @ w - y) ** 2).mean() / 2, rel=1e-5)
    assert set(values) == {"train/step_loss", "train/loss", "test/loss"}


def test_torch_classes_have_the_default_initialisation(trials):
    """Each of the seven rules is paired with its torch class, which has PyTorch's default initialisation."""
    rules = [label for label in trials if not label.endswith("(torch)")]
    assert len(rules) == 7
    assert len(trials) == 14
    for label in rules:
        ours, theirs = trials[label], trials[f"{label} (torch)"]
        assert theirs.optimizer.startswith("torch.optim:")
        assert (ours.problem_options, theirs.problem_options) == (
            {"initialisation": "normal"},
            {"initialisation": "default"},
        )


def test_every_published_value_has_its_label(trials):
    """The reference has eleven values, each for an optimizer of the study, none below least squares."""
    published = {label: values["test/loss"] for label, values in load_reference("airfoil")["results"].items()}
    assert len(published) == 11
    assert published.keys() <= trials.keys()
    assert min(published.values()) > LEAST_SQUARES


def test_published_values_lie_in_the_range_of_ten_repeats(airfoil, trials):
    """AdaDelta's two published values, which differ by 0.02 due to ε, lie within the range of ten repeats."""
    published = load_reference("airfoil")["results"]
    for label in ("AdaDelta", "AdaDelta (torch)"):
        runs = [run_trial(dataclasses.replace(trials[label], repeat=repeat), data=airfoil) for repeat in range(10)]
        losses = [[p.value for p in run.points if p.metric == "test/loss"][-1] for run in runs]
        assert min(losses) < published[label]["test/loss"] < max(losses)
        assert min(losses) > LEAST_SQUARES
