"""`tests/measurements/optimizer_packages.py`: equal is equal, and what is wrong, refused or lost is called so."""

import json
from pathlib import Path

import optimizer_packages
import pytest
import torch
from ending import behave
from optimizer_packages import DEFAULTS, SETTINGS, Result, Setting, in_processes, measure

from suite.training.modes import Modes

TORCH = optimizer_packages.exported("torch.optim")
REFUSED = {
    "torch.optim:Muon": "ValueError: Muon only supports 2D parameters",
    "torch.optim:SparseAdam": "RuntimeError: SparseAdam does not support dense gradients",
}
OWN = """
import numpy as np
import torch

class Shared(torch.optim.SGD):
    number = 0

    def step(self, closure=None):
        Shared.number += 1
        self.param_groups[0]["lr"] = 0.1 / Shared.number
        return super().step(closure)

class Noisy(torch.optim.SGD):
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.grad *= np.random.rand()
        return super().step(closure)

class Still(torch.optim.SGD):
    def step(self, closure=None):
        pass

class Late(torch.optim.SGD):
    def step(self, closure=None):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 10:
            raise ValueError("a bug in the tenth step")

class Fast(torch.optim.SGD):
    def __init__(self, params):
        super().__init__(params, lr=1e30)

class Curved(torch.optim.SGD):
    def step(self, closure=None):
        params = self.param_groups[0]["params"]
        total = sum((p.grad**2).sum() for p in params)
        with torch.no_grad():
            for p, slope in zip(params, torch.autograd.grad(total, params)):
                p -= 0.01 * (p.grad + slope)

class Often(torch.optim.Optimizer):
    def __init__(self, optimizer, times=2):
        super().__init__(optimizer.param_groups, {})
        self.optimizer, self.times = optimizer, times

    def step(self, closure=None):
        for _ in range(self.times):
            self.optimizer.step()

class Strict(torch.optim.SGD):
    def __init__(self, params, lr, momentum):
        super().__init__(params, lr, momentum)
"""


@pytest.mark.parametrize("kind", TORCH)
def test_every_optimizer_of_torch_is_equal_or_refused(kind, tmp_path):
    """A trial has the losses and the final weights of the plain loop, to the bit, or is refused with a reason."""
    result = measure(kind, SETTINGS.get(kind, DEFAULTS), tmp_path)
    assert result.verdict == ("refused" if kind in REFUSED else "equal")
    assert result.reason.startswith(REFUSED.get(kind, ""))
    assert bool(result.reason) == (kind in REFUSED)


@pytest.fixture
def own(tmp_path):
    """Return a function that measures a class of the file above."""
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    return lambda name, **options: measure(f"own:{name}", Setting(options), tmp_path)


def test_a_class_that_differs_in_its_second_run_is_different(own):
    """State that two instances share changes the trial, which runs after the plain loop."""
    result = own("Shared")
    assert (result.verdict, result.reason) == ("different", "losses of the steps, test losses, final weights differ")


def test_wrong_modes_are_different(tmp_path, monkeypatch):
    """If Ravine evaluates the training weights of a Schedule-Free method, test losses and final weights differ."""
    kind = "suite.optimizers:ScheduleFreeSGD"
    setting = Setting({"lr": 0.3})
    assert measure(kind, setting, tmp_path).verdict == "equal"
    monkeypatch.setattr(Modes, "_switch", lambda *_: None)
    result = measure(kind, setting, tmp_path)
    assert (result.verdict, result.reason) == ("different", "test losses, final weights differ")


def test_a_class_that_draws_from_numpy_is_equal(own):
    """Both runs have the same seeds of NumPy's global generator."""
    assert own("Noisy").verdict == "equal"


def test_a_class_that_differentiates_the_gradients(tmp_path):
    """It is equal with `create_graph`, and refused without it."""
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    assert measure("own:Curved", Setting(create_graph=True), tmp_path).verdict == "equal"
    assert measure("own:Curved", Setting(), tmp_path).reason.startswith(
        "RuntimeError: element 0 of tensors does not require"
    )


def test_a_wrapper_is_measured_around_an_optimizer(tmp_path):
    """Its entry has the inner optimizer with its options; other options of the wrapper give other weights in both runs."""
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    settings = [Setting({"times": times}, inner="torch.optim:SGD", inner_options={"lr": 0.1}) for times in (2, 3)]
    assert settings[1].entry("own:Often") == [
        'kind = "torch.optim:SGD"',
        'wraps = [{ kind = "own:Often", times = 3 }]',
        "lr = 0.1",
    ]
    first, second = (measure("own:Often", setting, tmp_path) for setting in settings)
    assert (first.verdict, second.verdict) == ("equal", "equal")
    assert first.weights != second.weights


def test_what_does_not_train_is_not_equal(own):
    """Weights that never change are no success; an error after the probe is a failure, not a refusal."""
    assert (own("Still").verdict, own("Still").reason) == ("different", "the weights did not change")
    late = own("Late")
    assert (late.verdict, late.weights) == ("failed", "")
    assert late.reason.startswith("ValueError: a bug in the tenth step (own.py")


def test_a_run_that_diverges_is_compared_until_it_stops(own):
    """Its remark has the reason."""
    result = own("Fast")
    assert result.verdict == "equal"
    assert result.reason.startswith("diverged: the training loss was nan at update ")


def test_all_reasons_of_a_refusal_are_given(own):
    """A line of the message for each option, without its place."""
    result = own("Strict")
    assert result.verdict == "refused"
    assert result.reason == "lr: missing; Strict has no default for it; momentum: missing; Strict has no default for it"
    assert own("Strict", lr=0.1, momentum=0.9).verdict == "equal"


def test_an_error_that_is_no_message_is_a_traceback(own, monkeypatch):
    """An exception of Ravine itself is not taken for a refusal."""
    monkeypatch.setattr(optimizer_packages, "plan", lambda _: 1 / 0)
    result = own("Strict", lr=0.1, momentum=0.9)
    assert (result.verdict, result.reason.splitlines()[-1]) == ("traceback", "ZeroDivisionError: division by zero")


@pytest.mark.integration
def test_a_class_that_ends_or_blocks_its_process_has_no_result():
    """The classes after it have theirs."""
    results = list(in_processes(behave, ["ends", "sleeps", "works"], 5))
    assert [result.verdict for result in results] == ["no result", "no result", "equal"]
    assert [result.reason for result in results[:2]] == [
        "the process ended with exit status 3",
        "not finished after 5 seconds",
    ]


def test_a_second_call_measures_what_is_missing(here, monkeypatch):
    """Results are kept until a version changes, and an argument restricts a call; the tables have all of them."""
    measured = []
    monkeypatch.setattr(optimizer_packages, "DOCUMENT", here / "optimizers.md")
    monkeypatch.setattr(optimizer_packages, "PACKAGES", {"torch.optim": "torch"})
    monkeypatch.setattr(optimizer_packages.multiprocessing, "set_forkserver_preload", lambda _: None)
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "0")

    def in_this_process(function, kinds, seconds):
        measured.append(kinds)
        return [
            Result(kind, "refused" if kind in REFUSED else "equal", "no | yes", "w" * (kind in TORCH[:2]))
            for kind in kinds
        ]

    monkeypatch.setattr(optimizer_packages, "in_processes", in_this_process)
    optimizer_packages.DOCUMENT.write_text(
        "<!-- counts -->\n\n<!-- end of counts -->\n<!-- classes -->\n\n<!-- end of classes -->\n", encoding="utf-8"
    )
    for arguments in (["torch.optim:SGD"], [], ["torch.optim"]):
        optimizer_packages.main(arguments)
    assert measured == [["torch.optim:SGD"], [kind for kind in TORCH if kind != "torch.optim:SGD"], []]
    lines = optimizer_packages.DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert (
        f"| torch {torch.__version__.partition('+')[0]} | {len(TORCH)} | {len(TORCH) - 2} | 2 | 0 | 0 | 0 | 0 |"
        in lines
    )
    assert f"| `{TORCH[0]}` | equal |  | no \\| yes; the same weights as `{TORCH[1]}` |" in lines
    state = json.loads(Path("out/optimizer_packages.json").read_text(encoding="utf-8"))
    state["torch.optim:SGD"]["versions"]["torch"] = "1"
    Path("out/optimizer_packages.json").write_text(json.dumps(state), encoding="utf-8")
    optimizer_packages.main([])
    assert measured[-1] == ["torch.optim:SGD"]
