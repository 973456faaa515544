"""`suite.training.build_optimizer`: which parameters an optimizer gets."""

import pytest
import torch

from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.build_optimizer import build_optimizer
from suite.training.run_trial import run_trial

RULES = """
from suite.optimizers import Adam
from suite.optimizers.base import Rule


class NoDecay(Adam):
    def __init__(self, params, lr=0.01, weight_decay=0.5):
        params = list(params)
        groups = [{"params": [p for p in params if p.ndim > 1]}]
        groups += [{"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0}]
        super().__init__(groups, lr=lr, weight_decay=weight_decay)


class Declared(Adam):
    elementwise = True


class Heir(Declared):
    pass


def scaled_update(theta, g, *, lr):
    theta.sub_(lr * theta.norm() * g)


class Scaled(Rule):
    rule = staticmethod(scaled_update)

    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr, "weight_decay": 0.0})
"""


@pytest.fixture
def study(write_study):
    """Write a study with entries of `rules.py` beside it; return its path."""

    def write(*kinds):
        entries = "".join(f'\n[[optimizer]]\nname = "{kind}"\nkind = "rules:{kind}"\n' for kind in kinds)
        path = write_study(repeats=1, extra=entries)
        (path.parent / "rules.py").write_text(RULES, encoding="utf-8")
        return path

    return write


def _build(path, network):
    """Return the optimizers of a study's trials by label."""
    return {t.label: build_optimizer(t, network(), path.parent, "cpu")[0] for t in plan(load_study(path))}


def _shapes(optimizer):
    return [[tuple(p.shape) for p in group["params"]] for group in optimizer.param_groups]


def test_only_elementwise_rules_are_flattened(study):
    """A rule of a user gets the parameters of the network, unless it says itself that it works element by element."""
    from toy import BLOBS

    built = _build(study("NoDecay", "Declared", "Heir", "Scaled"), BLOBS.network)
    own = [tuple(p.shape) for p in BLOBS.network().parameters()]
    assert {label: len(_shapes(optimizer)[0]) for label, optimizer in built.items() if label in {"SGD", "Adam"}} == {
        "SGD": 1,
        "Adam": 1,
    }
    assert [len(shape) for shape in _shapes(built["Declared"])[0]] == [1]
    assert _shapes(built["Heir"]) == _shapes(built["Scaled"]) == [own]
    assert _shapes(built["NoDecay"]) == [[s for s in own if len(s) > 1], [s for s in own if len(s) < 2]]


@pytest.mark.parametrize("kind", ["NoDecay", "Scaled"])
def test_a_rule_that_looks_at_shapes_is_right(study, kind):
    """It gives the weights of a plain loop over the same class; all in one vector would give others."""
    from toy import BLOBS

    from suite.optimizers import find_optimizer
    from suite.training.run_trial import digest

    path = study(kind)
    trial = plan(load_study(path))[2]
    network, cls = _initial(trial, BLOBS), find_optimizer(f"rules:{kind}", path.parent)
    _plain_loop(trial, BLOBS, network, [cls(network.parameters())])
    assert run_trial(trial, folder=path.parent).weights == digest(network)


def _initial(trial, problem):
    """Return the network of a trial with its initial weights."""
    from suite.training.run_trial import _initial_network

    return _initial_network(trial, problem)


def _plain_loop(trial, problem, network, optimizers, factor=lambda _: 1.0):
    """Train with each optimizer on its parameters, as a script would; the learning rates are multiplied by a factor."""
    from suite.training.devices import deterministic_mode
    from suite.training.run_trial import _seed

    data, order, updates = problem.load(None), torch.Generator().manual_seed(_seed(trial, "order")), 0
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    rates = [float(group["lr"]) for group in groups]
    with deterministic_mode(trial.precision):
        for _ in range(trial.epochs):
            network.train()
            for batch in torch.randperm(trial.train_examples, generator=order).split(trial.batch_size):
                for group, rate in zip(groups, rates, strict=True):
                    group["lr"] = rate * factor(updates)
                network.zero_grad()
                problem.loss(network(data.train_inputs[batch]), data.train_targets[batch]).backward()
                for optimizer in optimizers:
                    optimizer.step()
                updates += 1
