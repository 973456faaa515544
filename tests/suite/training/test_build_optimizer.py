"""`suite.training.build_optimizer`: which parameters an optimizer gets."""

import shutil
from dataclasses import replace
from pathlib import Path

import averaging
import pytest
import torch
from recording import record
from toy import BLOBS

import suite.training.cuda_graphs
from suite.optimizers import find_optimizer
from suite.optimizers.combined import is_capturable
from suite.optimizers.schedules import factor
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.build_optimizer import build_optimizer
from suite.training.devices import deterministic_mode
from suite.training.interleaving import InterleavedRun, Seeds, run_interleaved
from suite.training.loop import train
from suite.training.run_trial import _initial_network as _initial
from suite.training.run_trial import _seed, digest, probe, run_trial

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
    path = study(kind)
    trial = plan(load_study(path))[2]
    network, cls = _initial(trial, BLOBS), find_optimizer(f"rules:{kind}", path.parent)
    _plain_loop(trial, BLOBS, network, [cls(network.parameters())])
    assert run_trial(trial, folder=path.parent).weights == digest(network)


def _plain_loop(trial, problem, network, optimizers, factor=lambda _: 1.0):
    """Train with each optimizer on its parameters, as a script would; the learning rates are multiplied by a factor."""
    data, order, updates = problem.load(None), torch.Generator().manual_seed(_seed(trial, "order")), 0
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    rates = [float(group["lr"]) for group in groups]
    with deterministic_mode(trial.precision):
        for _ in range(trial.epochs):
            network.train()
            for batch in torch.randperm(trial.train_examples, generator=order).split(trial.batch_size):
                for group, rate in zip(groups, rates, strict=True):
                    group["lr"] = rate * factor(updates)
                for optimizer in optimizers:
                    optimizer.zero_grad(set_to_none=False)  # flat gradients are views
                problem.loss(network(data.train_inputs[batch]), data.train_targets[batch]).backward()
                for optimizer in optimizers:
                    optimizer.step()
                updates += 1


MUON = """
[[optimizer]]
name = "Muon"
kind = "torch.optim:Muon"
lr = 0.02
schedule = { kind = "cosine", warmup = 0.25 }

[[optimizer.group]]
roles = ["bias", "norm"]
kind = "torch.optim:AdamW"
lr = 0.003
weight_decay = 0.0
"""

NO_DECAY = """
[[optimizer]]
name = "x"
kind = "{kind}"
lr = 0.05
weight_decay = 0.5

[[optimizer.group]]
ndim = 1
weight_decay = 0.0
lr = 0.01
"""


def _last_trial(write_study, extra):
    path = write_study(repeats=1, extra=extra)
    return plan(load_study(path))[-1], path.parent


def _split(network):
    parameters = list(network.parameters())
    return [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim == 1]


def test_muon_with_adamw_is_two_optimizers_of_torch(write_study):
    """Bit for bit the weights of a loop with two optimizers, whose learning rates follow the schedule."""
    trial, folder = _last_trial(write_study, MUON)
    network = _initial(trial, BLOBS)
    matrices, vectors = _split(network)
    loop = [torch.optim.Muon(matrices, lr=0.02), torch.optim.AdamW(vectors, lr=0.003, weight_decay=0.0)]
    _plain_loop(trial, BLOBS, network, loop, lambda t: factor(trial.schedule, t, trial.updates))
    assert run_trial(trial, folder=folder).weights == digest(network)
    constant = run_trial(replace(trial, schedule=None), folder=folder)
    assert constant.weights != digest(network)


@pytest.mark.parametrize("kind", ["torch.optim:AdamW", "adamw"])
def test_no_decay_on_vectors_is_two_groups_of_torch(write_study, kind):
    """Equal to a loop with two groups: torch's class bit for bit, Ravine's rule, which is flat, except for rounding."""
    trial, folder = _last_trial(write_study, NO_DECAY.format(kind=kind))
    network = _initial(trial, BLOBS)
    matrices, vectors = _split(network)
    groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0, "lr": 0.01}]
    loop = torch.optim.AdamW(groups, lr=0.05, weight_decay=0.5, eps=trial.hyperparameters["eps"])
    _plain_loop(trial, BLOBS, network, [loop])
    result = run_trial(trial, folder=folder)
    if kind != "adamw":
        assert result.weights == digest(network)
    trained = _initial(trial, BLOBS)
    optimizer, _ = build_optimizer(trial, trained, folder, "cpu")
    assert [len(group["params"]) for group in optimizer.param_groups] == ([1, 1] if kind == "adamw" else [2, 4])
    _plain_loop(trial, BLOBS, trained, [optimizer])
    for name in (
        "0.weight",
        "1.weight",
        "1.bias",
        "3.weight",
        "3.bias",
    ):  # batch norm leaves 0.bias no gradient but rounding
        value = trained.state_dict()[name]
        torch.testing.assert_close(value, network.state_dict()[name], rtol=1e-3, atol=1e-5)
    assert digest(trained) == result.weights


def test_a_group_has_keys_that_its_class_reads(write_study):
    """A key in `extra` is a key of the group, an option stated at its default is that default, and the rest has the entry's."""
    extra = """
[[optimizer]]
name = "x"
kind = "torch.optim:Adam"
betas = [0.5, 0.6]
[[optimizer.group]]
names = ["3.*"]
betas = [0.9, 0.999]
extra = { rank = 4 }
"""
    trial, folder = _last_trial(write_study, extra)
    optimizer, _ = build_optimizer(trial, BLOBS.network(), folder, "cpu")
    rest, group = optimizer.param_groups
    assert (rest["betas"], "rank" in rest) == ((0.5, 0.6), False)
    assert (group["betas"], group["rank"]) == ((0.9, 0.999), 4)
    assert [tuple(p.shape) for p in group["params"]] == [(4, 8), (4,)]


def test_rules_with_groups_are_captured(write_study, monkeypatch):
    """A replayed trial of two rules with three groups and a schedule has the weights of the plain one."""
    extra = """
[[optimizer]]
name = "x"
kind = "momentum"
schedule = { kind = "linear", warmup = 0.1 }
[[optimizer.group]]
roles = ["norm"]
weight_decay = 0.1
[[optimizer.group]]
roles = ["output", "bias"]
kind = "adam"
lr = 0.01
"""
    trial, folder = _last_trial(write_study, extra)
    trial = replace(trial, batch_size=60, epochs=4)

    def weights():
        network = _initial(trial, BLOBS)
        optimizer, lr_scheduler = build_optimizer(trial, network, folder, "cpu")
        assert [len(group["params"]) for group in optimizer.param_groups] == [1, 1, 1]
        for inner in optimizer.optimizers:
            inner.capturable()
        order = torch.Generator().manual_seed(2)
        run = train(trial, BLOBS, BLOBS.load(None), network, optimizer, lr_scheduler, order)
        (result,) = run_interleaved([InterleavedRun(run, Seeds(0, 0, 0), "cpu")], 1)
        return digest(network), result.points

    plain, calls = weights(), []
    monkeypatch.setattr(suite.training.cuda_graphs, "capture_cuda_graph", lambda *a: calls.append(a) or record(*a))
    assert weights() == plain
    assert len(calls) == 3  # two sizes of batches and the evaluation


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [(("momentum", "adam"), True), (("momentum", "torch.optim:Adam"), False), (("torch.optim:Adam", "adam"), False)],
)
def test_all_optimizers_decide_whether_steps_are_captured(write_study, kinds, expected):
    """Only rules are; the flat gradients of a rule keep their addresses beside other optimizers, too."""
    first, second = kinds
    entry = f'\n[[optimizer]]\nname = "x"\nkind = "{first}"\n'
    trial, folder = _last_trial(write_study, f'{entry}[[optimizer.group]]\nndim = 1\nkind = "{second}"\n')
    network = BLOBS.network()
    optimizer, _ = build_optimizer(trial, network, folder, "cpu")
    assert is_capturable(optimizer) is expected
    addresses = [p.grad.data_ptr() for p in network.parameters() if p.grad is not None]
    assert addresses
    optimizer.zero_grad(set_to_none=True)
    assert [p.grad.data_ptr() for p in network.parameters() if p.grad is not None] == addresses
    for optimizer_parameter in (p for group in optimizer.param_groups for p in group["params"]):
        assert (optimizer_parameter.grad is None) == (optimizer_parameter.ndim > 1 or optimizer_parameter.numel() < 64)


OWN_STEP = """
from suite.optimizers import Adam

class OwnStep(Adam):
    elementwise = True

    def step(self, closure=None):
        return super().step(closure)
"""


def test_a_rule_with_a_step_of_its_own_is_not_captured(write_study):
    """It may count in Python, which a graph would not repeat."""
    path = write_study(repeats=1, extra='\n[[optimizer]]\nname = "x"\nkind = "own_step:OwnStep"\n')
    (path.parent / "own_step.py").write_text(OWN_STEP, encoding="utf-8")
    built = _build(path, BLOBS.network)
    assert {label: is_capturable(optimizer) for label, optimizer in built.items()} == {
        "SGD": True,
        "Adam": True,
        "x": False,
    }


WRAPPER = """
import torch

class Hidden(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
        self.inner = [torch.optim.SGD([{"params": group["params"]} for group in self.param_groups], lr=lr)]

    def step(self, closure=None):
        self.inner[0].step()

class Shared(Hidden):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.inner[0].param_groups = self.param_groups
        for group in self.param_groups:
            group.update(self.inner[0].defaults)
"""


def test_a_schedule_that_does_not_reach_an_inner_optimizer_is_refused(write_study):
    """The groups of the optimizer inside must be those that the schedule changes; without a schedule there is no condition."""
    schedule = 'schedule = { kind = "cosine" }'
    entries = "".join(
        f'\n[[optimizer]]\nname = "{name}"\nkind = "wrapper:{name}"\n{text}\n'
        for name, text in [("Hidden", schedule), ("Shared", schedule)]
    )
    path = write_study(repeats=1, extra=entries)
    (path.parent / "wrapper.py").write_text(WRAPPER, encoding="utf-8")
    *_, hidden, shared = plan(load_study(path))
    assert "schedule: the learning rates of the optimizers in Hidden" in run_trial(hidden, folder=path.parent).reason
    assert probe(hidden, path.parent)
    assert probe(replace(hidden, schedule=None), path.parent) == ""
    scheduled, constant = (run_trial(t, folder=path.parent) for t in (shared, replace(shared, schedule=None)))
    assert scheduled.outcome is constant.outcome is Outcome.OK
    assert scheduled.weights != constant.weights


def test_a_group_with_evaluation_weights_is_evaluated_at_them(write_study):
    """The modes of each optimizer of a trial follow those of the network."""
    path = write_study(
        repeats=1,
        extra='\n[[optimizer]]\nname = "x"\nkind = "sgd"\n[[optimizer.group]]\nndim = 1\nkind = "averaging:Averaged"\n',
    )
    shutil.copy(Path(averaging.__file__), path.parent)
    trial = plan(load_study(path))[-1]
    network = _initial(trial, BLOBS)
    optimizer, _ = build_optimizer(trial, network, path.parent, "cpu")
    for _ in train(trial, BLOBS, BLOBS.load(None), network, optimizer, None, torch.Generator().manual_seed(1)):
        pass
    assert optimizer.optimizers[1].calls == ["train", "eval"] * trial.epochs
    assert optimizer.state_dict()["optimizers"][1].keys() == {"state", "param_groups"}
