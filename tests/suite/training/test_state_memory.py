"""`suite.training.state_memory`: bytes of state per parameter."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from suite import optimizers, problems
from suite.optimizers import OPTIMIZERS, find_optimizer
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.flat_parameters import flatten
from suite.training.run_trial import run_trial
from suite.training.state_memory import state_bytes_per_parameter


def _network():
    return nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 10))


def _bytes(network, optimizer):
    network(torch.ones(3, 30)).sum().backward()
    optimizer.step()
    return state_bytes_per_parameter(optimizer, network)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sgd", 0),
        ("momentum", 4),
        ("adam", 8),
        ("adadelta", 8),
        ("lion", 4),
        ("schedule_free_sgd", 8),
        ("schedule_free_adamw", 12),
    ],
)
def test_tensors_of_float32_per_parameter(kind, expected):
    """Four bytes for each state tensor, on the network's parameters and on a flat tensor with its gaps."""
    for prepare in (list, flatten):
        network = _network()
        assert _bytes(network, OPTIMIZERS[kind](prepare(network.parameters()))) == expected


def test_matrices_and_vectors_of_muon():
    """One tensor for 800 elements of matrices, and two for 30 of vectors."""
    network = _network()
    assert _bytes(network, OPTIMIZERS["muon"](network.parameters())) == pytest.approx((800 * 4 + 30 * 8) / 830)


def test_step_counts_in_tensors_are_part_of_it():
    """Torch's Adam has a float32 count for each of the four tensors."""
    network = _network()
    optimizer = find_optimizer("torch.optim:Adam")(network.parameters())
    assert _bytes(network, optimizer) == pytest.approx(8 + 4 * 4 / 830)


class Averaging(torch.optim.Optimizer):
    """A wrapper with its own tensors in a nested list, outside `state`; the inner optimizer is an attribute."""

    def __init__(self, inner):
        super().__init__(inner.param_groups, {})
        self.inner = inner
        self.slow = {"weights": [[p.detach().clone() for p in group["params"]] for group in inner.param_groups]}
        self.again = self.slow["weights"]

    def step(self, closure=None):
        self.inner.step()


def test_a_wrapper_has_its_own_state_and_that_of_the_inner_optimizer():
    """Each tensor counts once, and parameters and gradients never, also those that are frozen."""
    network = _network()
    network[0].bias.requires_grad_(requires_grad=False)
    parameters = [p for p in network.parameters() if p.requires_grad]
    wrapper = Averaging(OPTIMIZERS["adam"](parameters))
    wrapper.everything = [list(network.parameters()), [p.grad for p in parameters]]
    assert _bytes(network, wrapper) == 12


@pytest.mark.parametrize(("kind", "expected"), [("sgd", 0), ("adam", 8), ("muon", None)])
def test_a_trial_records_it(write_study, kind, expected):
    """The result of a trial has it, whether the trial is complete or diverged. The matrices of Muon are not flattened."""
    path = write_study()
    trial = next(trial for trial in plan(load_study(path)) if trial.label == "SGD")
    if expected is None:
        shapes = [p.shape for p in problems.find_problem(trial.problem, path.parent).network().parameters()]
        sizes = [(shape.numel(), 4 if len(shape) > 1 else 8) for shape in shapes]
        expected = pytest.approx(sum(math.prod(pair) for pair in sizes) / sum(n for n, _ in sizes))
        assert expected != 8
    for lr in (0.01, 1e30):
        options = optimizers.resolve_options(OPTIMIZERS[kind], {"lr": lr})
        result = run_trial(dataclasses.replace(trial, optimizer=kind, hyperparameters=options), folder=path.parent)
        assert result.timing.state_bytes == expected, result.reason
