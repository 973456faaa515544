"""`suite.execution.step_probe`: what cannot train the network is refused before anything runs."""

from dataclasses import replace

import pytest

from suite.data import datasets
from suite.execution import step_probe
from suite.optimizers import OPTIMIZERS, resolve_options
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import probe

CODE = """
import os
import torch

class Deadly(torch.optim.SGD):
    def step(self, closure=None):
        os._exit(3)

class Late(torch.optim.SGD):
    def step(self, closure=None):
        if self.state_dict()["state"].get(0, {}).get("momentum_buffer") is not None:
            raise ValueError("a bug in the second step.\\n  Sorry")
        return super().step()

class NeedsGradients(torch.optim.SGD):
    def step(self, closure=None):
        if not all(p.grad.any() for p in self.param_groups[0]["params"] if p.ndim > 1):
            raise ValueError("a gradient is zero")
        return super().step()

class Ascending(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        if closure is None:
            raise ValueError("a closure is needed")
        closure()
        return super().step(closure)

class Curved(torch.optim.SGD):
    def step(self, closure=None):
        parameters = [p for p in self.param_groups[0]["params"] if p.grad is not None]
        torch.autograd.grad([p.grad.sum() for p in parameters], parameters)
        return super().step()

class Fixed(torch.optim.SGD):
    def step(self, closure=None):
        self.param_groups[0]["lr"] = 0.1
        return super().step()
"""


def _entry(name, kind, options=""):
    return f'\n[[optimizer]]\nname = "{name}"\nkind = "{kind}"\n{options}\n'


GOOD = _entry("AdamW", "torch.optim:AdamW") + _entry("cosine", "torch.optim:SGD", 'schedule = { kind = "cosine" }')
BAD = (
    _entry("Muon", "torch.optim:Muon")
    + _entry("sparse", "torch.optim:SparseAdam")
    + _entry("deadly", "own:Deadly")
    + _entry("late", "own:Late", "momentum = 0.9")
)


CURVED = _entry("ascending", "own:Ascending") + _entry("curved", "own:Curved")


@pytest.fixture
def study(write_study):
    """Write a study with optimizers of torch and of its folder; return its path."""

    def write(extra, problem="BLOBS"):
        path = write_study(problem, repeats=1, extra=extra)
        (path.parent / "own.py").write_text(CODE, encoding="utf-8")
        return path

    return write


@pytest.fixture
def in_this_process(monkeypatch):
    """Run probes in this process, and return the arguments of each."""
    calls = []

    def call(function, arguments, device):
        calls.extend(arguments)
        return [function(*each) for each in arguments]

    monkeypatch.setattr(step_probe, "call_in_process", call)
    return calls


def test_a_probe_is_the_trial_in_short(study):
    """Two updates with the trial's network, options, schedule and precision pass, or fail with the message of the class."""
    path = study(GOOD + BAD)
    trials = {trial.label: trial for trial in plan(load_study(path))}
    for label in ("AdamW", "cosine"):
        assert probe(trials[label], path.parent) == ""
        assert probe(replace(trials[label], batch_size="full", chunk=64, evaluate_on="validation"), path.parent) == ""
    assert probe(trials["Muon"], path.parent).startswith("ValueError: Muon only supports 2D parameters")
    assert probe(trials["sparse"], path.parent).startswith("RuntimeError: SparseAdam does not support dense gradients")
    assert probe(trials["late"], path.parent).startswith(
        "ValueError: a bug in the second step. Sorry (own.py, step, line"
    )


def test_what_fails_on_synthetic_examples_is_tried_on_real_ones(study, monkeypatch):
    """Synthetic inputs of `BLOBS` are zero, and so is a gradient; the real ones count unless they are missing."""
    path = study(_entry("it", "own:NeedsGradients"))
    trial = plan(load_study(path))[-1]
    assert probe(trial, path.parent) == ""
    data_set = datasets.DataSet("t", {"a": "b"}, "t", {"web": pytest.fail}, None, "")
    monkeypatch.setattr("suite.problems.base.Problem.data_set", data_set)
    assert probe(trial, path.parent).startswith("ValueError: a gradient is zero (own.py, step, line")


def test_an_optimizer_that_ignores_its_schedule_is_refused(study, in_this_process, wording):
    """Rprop and a class that sets its learning rate ignore it; without a schedule, or with SGD, nothing is refused."""
    cosine = 'schedule = { kind = "cosine" }'
    entries = [_entry("Rprop", "torch.optim:Rprop", cosine), _entry("fixed", "own:Fixed", cosine)]
    extra = GOOD + _entry("free", "torch.optim:Rprop") + "".join(entries)
    loaded = load_study(study(extra))
    first, second = step_probe.probe_errors([(loaded, plan(loaded))], "cpu")
    wording(first)
    assert '("fixed").schedule' in str(second)


def test_equal_probes_run_once(study, in_this_process):
    """Ravine's own kinds are not probed; equal options on one network are probed once, others each."""
    extra = GOOD + _entry("again", "torch.optim:AdamW") + _entry("other", "torch.optim:AdamW", "lr = 0.1")
    loaded = load_study(study(extra))
    assert step_probe.probe_errors([(loaded, plan(loaded)), (loaded, plan(loaded))], "cpu") == []
    probed = [(trial.optimizer, trial.hyperparameters["lr"]) for trial, *_ in in_this_process]
    scheduled = [("torch.optim:SGD", 0.001)]
    assert probed == [("torch.optim:AdamW", 0.001), *scheduled, ("torch.optim:AdamW", 0.1), *scheduled]


def test_a_hint_names_the_key_that_an_optimizer_needs(study, in_this_process, wording):
    """What runs with `closure = true` or `create_graph = true` says so, and is not refused if the entry has the key."""
    loaded = load_study(study(CURVED))
    wording("\n".join(map(str, step_probe.probe_errors([(loaded, plan(loaded))], "cpu"))))
    entries = _entry("ascending", "own:Ascending", "closure = true") + _entry(
        "curved", "own:Curved", "create_graph = true"
    )
    loaded = load_study(study(entries + '[[optimizer]]\nname = "own"\nkind = "adam"\nclosure = true\n'))
    in_this_process.clear()
    assert step_probe.probe_errors([(loaded, plan(loaded))], "cpu") == []
    assert [trial.label for trial, *_ in in_this_process] == ["ascending", "curved", "own"]


def test_ravines_own_kinds_need_no_process(study, monkeypatch):
    """A study of them alone starts no process."""
    monkeypatch.setattr(step_probe, "call_in_process", None)
    loaded = load_study(study(""))
    assert step_probe.probe_errors([(loaded, plan(loaded))], "cpu") == []


def test_a_problem_that_fails_is_no_fault_of_the_optimizer(study, in_this_process):
    """If Ravine's SGD fails on the network, too, nothing is refused; the trial will report the reason."""
    loaded = load_study(study(GOOD, "BUGGY_BLOBS"))
    assert step_probe.probe_errors([(loaded, plan(loaded))], "cpu") == []
    assert [trial.optimizer for trial, *_ in in_this_process] == ["torch.optim:AdamW", "torch.optim:SGD", "sgd", "sgd"]


def test_the_reference_has_every_option_of_sgd(study):
    """The reference trial is a complete description."""
    trial = plan(load_study(study(GOOD)))[-1]
    assert step_probe._reference(trial).hyperparameters.keys() == resolve_options(OPTIMIZERS["sgd"], {}).keys()


def test_commands_refuse_all_bad_entries_at_once(study, call, wording):
    """`run`, with `--dry-run` too, exits with status 2 before a trial runs; a process that is lost is one of the reasons."""
    path = study(GOOD + BAD)
    for options in (["--dry-run"], []):
        status, out, message = call("run", path.name, "--device", "cpu", *options)
        assert (status, out) == (2, "")
        wording(message)
    assert "missing" in call("status", path.name)[1]
    status, out, message = call("tune", path.name, "--device", "cpu", "--dry-run", "--optimizer", "Muon")
    assert (status, out) == (2, "")
    assert "Muon only supports 2D parameters" in message
