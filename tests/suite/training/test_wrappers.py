"""`suite.optimizers.wrappers`: trials with an optimizer around another one equal plain loops, to the bit."""

import pytest
import torch
from torch import nn
from toy import BLOBS

from suite.errors import UserError
from suite.records import Outcome
from suite.seeds import seed_for
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.build_optimizer import build_optimizer
from suite.training.run_trial import digest, probe, run_trial

pytestmark = pytest.mark.usefixtures("one_thread")


OWN = """
import torch

class Slow:
    '''Lookahead with two steps, as a class that is no torch Optimizer, with the methods of a Schedule-Free wrapper.'''

    def __init__(self, base, alpha=0.5, k=2):
        if not 0 < alpha <= 1:
            raise ValueError("alpha must lie in (0, 1]")
        self.base, self.alpha, self.k, self.steps, self.calls = base, alpha, k, 0, []
        self.slow = [p.detach().clone() for p in self.parameters()]

    param_groups = property(lambda self: self.base.param_groups)

    def parameters(self):
        return [p for group in self.param_groups for p in group["params"]]

    def zero_grad(self, set_to_none=True):
        self.base.zero_grad(set_to_none)

    @torch.no_grad()
    def step(self, closure=None):
        self.base.step()
        self.steps += 1
        if self.steps % self.k == 0:
            for p, slow in zip(self.parameters(), self.slow):
                slow.lerp_(p, self.alpha)
                p.copy_(slow)

    def train(self):
        self.swap("train")

    def eval(self):
        self.swap("eval")

    @torch.no_grad()
    def swap(self, name):
        if self.calls or name == "eval":
            for p, slow in zip(self.parameters(), self.slow):
                value = p.detach().clone()
                p.copy_(slow)
                slow.copy_(value)
        self.calls.append(name)


class Sharp(torch.optim.Optimizer):
    '''SAM as its first implementation has it.'''

    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def step(self, closure=None):
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        before = [p.clone() for p in parameters]
        norm = torch.stack([p.grad.norm() for p in parameters]).norm() if parameters else 1.0
        for p in parameters:
            p.add_(p.grad * self.param_groups[0]["rho"] / (norm + 1e-12))
        with torch.enable_grad():
            closure()
        for p, value in zip(parameters, before):
            p.copy_(value)
        self.base_optimizer.step()


class Copying(torch.optim.Optimizer):
    '''Has groups of its own, so what a schedule writes into them changes nothing.'''

    def __init__(self, optimizer):
        self.inner = optimizer
        super().__init__([p for group in optimizer.param_groups for p in group["params"]], {"lr": 1.0})

    def step(self, closure=None):
        self.inner.step()


class Two(Copying):
    def __init__(self, optimizer):
        super().__init__(optimizer)
        self.other = torch.optim.SGD(self.param_groups[0]["params"], lr=0.1)


class NoWrapper:
    def __init__(self, params, lr=0.1):
        pass
"""

ENTRY = '\n[[optimizer]]\nname = "it"\nkind = "torch.optim:SGD"\nlr = 0.1\n'


@pytest.fixture
def entry(write_study):
    """Return a function that plans an entry with more lines; the trial and the folder."""

    def planned(lines, extra=ENTRY):
        path = write_study(repeats=1, extra=extra + lines + "\n")
        (path.parent / "own.py").write_text(OWN, encoding="utf-8")
        return plan(load_study(path))[-1], path.parent

    return planned


def _plain_weights(make, *, sam=False, schedule=None, modes=("", "")):
    """Train as a trial of two epochs in batches of 64, and return the digest of the weights."""
    seeds = {name: seed_for(0, "toy:BLOBS", "final", 0, name) for name in ("initialisation", "order")}
    torch.manual_seed(seeds["initialisation"])
    network, data = BLOBS.network(), BLOBS.load(None)
    optimizer, order = make(network), torch.Generator().manual_seed(seeds["order"])
    update = 0
    for epoch in range(2):
        network.train()
        if modes[0] and epoch:
            getattr(optimizer, modes[0])()
        for indices in torch.randperm(256, generator=order).split(64):
            if schedule:
                for group in schedule(optimizer).param_groups:
                    group["lr"] = 0.1 * (1 - update / 8)

            def closure(indices=indices):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(network(data.train_inputs[indices]), data.train_targets[indices])
                loss.backward()
                return loss

            closure()
            if sam:
                buffers = [buffer.clone() for buffer in network.buffers()]
                optimizer.step(closure)
                for buffer, value in zip(network.buffers(), buffers, strict=True):
                    buffer.data.copy_(value)
            else:
                optimizer.step()
            update += 1
        if modes[1]:
            with torch.no_grad():
                getattr(optimizer, modes[1])()
    return digest(network)


def _own():
    namespace = {}
    exec(OWN, namespace)
    return namespace


SLOW = 'wraps = [{ kind = "own:Slow", alpha = 0.8 }]'
SHARP = 'closure = true\nwraps = [{ kind = "own:Sharp", rho = 0.1 }]'
LINEAR = 'schedule = { kind = "linear" }\n'


def _base(network, **options):
    return torch.optim.SGD(network.parameters(), **({"lr": 0.1} | options))


@pytest.mark.parametrize("schedule", ["", LINEAR])
def test_a_wrapper_around_an_optimizer(entry, schedule):
    """Weights, with modes and a schedule that drives the inner optimizer, are those of a plain loop."""
    trial, folder = entry(schedule + SLOW)
    assert trial.wraps == ({"kind": "own:Slow", "hyperparameters": {"alpha": 0.8, "k": 2}},)
    assert "own.py" in trial.code
    assert probe(trial, folder) == ""
    result = run_trial(trial, folder=folder)
    assert result.outcome is Outcome.OK
    assert result.timing.state_bytes > 0
    plain = _plain_weights(
        lambda n: _own()["Slow"](_base(n), 0.8),
        schedule=(lambda slow: slow.base) if schedule else None,
        modes=("train", "eval"),
    )
    assert result.weights == plain
    assert result.weights != run_trial(entry("")[0], folder=folder).weights


@pytest.mark.parametrize("schedule", ["", LINEAR])
def test_a_wrapper_that_constructs_the_inner_optimizer(entry, schedule):
    """It gets class and options of the entry, and both evaluations are of the same batch."""
    trial, folder = entry(schedule + "momentum = 0.5\n" + SHARP)
    assert trial.closure
    result = run_trial(trial, folder=folder)
    assert result.timing.evaluations == 2
    options = {"lr": 0.1, "momentum": 0.5}
    assert result.weights == _plain_weights(
        lambda n: _own()["Sharp"](n.parameters(), torch.optim.SGD, rho=0.1, **options),
        sam=True,
        schedule=(lambda sharp: sharp) if schedule else None,
    )


def test_a_schedule_drives_the_inner_optimizer(entry):
    """Groups of the wrapper's own are not what is written."""
    trials = [entry(schedule + 'wraps = [{ kind = "own:Copying" }]')[0] for schedule in ("", LINEAR)]
    folder = entry("")[1]
    inner = [entry(schedule)[0] for schedule in ("", LINEAR)]
    weights = [run_trial(trial, folder=folder).weights for trial in (*trials, *inner)]
    assert weights[:2] == weights[2:]
    assert weights[0] != weights[1]
    with pytest.raises(
        UserError, match="schedule: the learning rates of the optimizers in Two cannot be written together"
    ):
        build_optimizer(entry(LINEAR + 'wraps = [{ kind = "own:Two" }]')[0], BLOBS.network(), folder, "cpu")


def test_wrappers_are_applied_from_the_innermost_one(entry):
    """Another order is another trial; a rule of Ravine can be wrapped."""
    wraps = ['{ kind = "own:Copying" }', '{ kind = "own:Slow" }']
    own = ENTRY.replace("torch.optim:SGD", "sgd")
    trials = [entry(f"wraps = [{', '.join(order)}]", own)[0] for order in (wraps, wraps[::-1])]
    assert trials[0].id != trials[1].id
    folder = entry("")[1]
    optimizer, _ = build_optimizer(trials[0], BLOBS.network(), folder, "cpu")
    assert [type(x).__name__ for x in (optimizer, optimizer.base, optimizer.base.inner)] == ["Slow", "Copying", "SGD"]
    assert run_trial(trials[0], folder=folder).outcome is Outcome.OK


@pytest.mark.parametrize(
    "lines",
    [
        'wraps = [{ kind = "own:Slow", alpa = 0.8 }]',
        'wraps = [{ kind = "own:Slow", alpha = 2.0 }]',
        'wraps = [{ kind = "own:Missing" }]',
        'wraps = [{ kind = "own:NoWrapper" }]',
        'wraps = [{ kind = "own:Slow" }, { kind = "own:Sharp" }]',
        'ema = 0.9\nwraps = [{ kind = "own:Slow" }]',
    ],
)
def test_invalid_wrappers(entry, wording, lines):
    """One line names the wrapper and its option."""
    with pytest.raises(UserError) as error:
        entry(lines)
    wording(error.value)


PACKAGES = {
    "Lookahead": ("pytorch_optimizer", "k = 3", {"k": 3}, ("clear_and_load_backup", "backup_and_load_cache")),
    "TRAC": ("pytorch_optimizer", "", {}, ("", "")),
    "OrthoGrad": ("pytorch_optimizer", "", {}, ("", "")),
    "ScheduleFreeWrapper": ("schedulefree", "momentum = 0.8", {"momentum": 0.8}, ("train", "eval")),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_wrappers_of_packages(entry, name):
    """A trial equals a plain loop with the class of the package, evaluated as its authors say."""
    module, line, options, modes = PACKAGES[name]
    package = pytest.importorskip(module, reason=f'{module} is not installed: pip install "ravine[optimizers]"')
    trial, folder = entry(f'wraps = [{{ kind = "{module}:{name}"{line and ", " + line} }}]')
    result = run_trial(trial, folder=folder)
    assert result.outcome is Outcome.OK, result.reason

    def make(network):
        optimizer = getattr(package, name)(_base(network), **options)
        if modes[0] == "train":
            optimizer.train()
        return optimizer

    assert result.weights == _plain_weights(make, modes=modes)


@pytest.mark.parametrize("name", ["SAM", "LookSAM", "FriendlySAM"])
def test_sharpness_aware_minimization_of_pytorch_optimizer(entry, name):
    """It is constructed with the class and the options of the entry."""
    package = pytest.importorskip(
        "pytorch_optimizer", reason='pytorch_optimizer is not installed: pip install "ravine[optimizers]"'
    )
    trial, folder = entry(f'closure = true\nwraps = [{{ kind = "pytorch_optimizer:{name}", rho = 0.1 }}]')
    result = run_trial(trial, folder=folder)
    assert result.timing.evaluations == 2
    make = getattr(package, name)
    assert result.weights == _plain_weights(
        lambda n: make(n.parameters(), base_optimizer=torch.optim.SGD, rho=0.1, lr=0.1), sam=True
    )


def test_wsam_gets_the_network(entry):
    """Its step makes both evaluations, so there is none before it."""
    pytest.importorskip("pytorch_optimizer", reason='it is not installed: pip install "ravine[optimizers]"')
    trial, folder = entry('closure = true\nwraps = [{ kind = "pytorch_optimizer:WSAM" }]')
    result = run_trial(trial, folder=folder)
    assert result.outcome is Outcome.OK, result.reason
    assert result.timing.evaluations == 2
