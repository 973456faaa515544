"""What a CUDA device has to keep: the same bits twice, packed and alone, after any other trial, for every rule and option."""

import dataclasses

import pytest
import torch

from suite import optimizers
from suite.execution.local import LocalProcesses
from suite.optimizers import OPTIMIZERS
from suite.optimizers.base import Rule
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trial, run_trials

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]

DEVICE = "cuda:0"
SCHEDULE = {"kind": "linear", "warmup": 0.1, "final": 0.0, "gamma": 0.1, "milestones": (0.5, 0.75)}
BUDGETS = {
    "a smaller last batch": {"batch_size": 60, "epochs": 4},
    "batches of 2": {"batch_size": 2, "epochs": 3},
    "full batch in chunks": {"batch_size": "full", "chunk": 100, "epochs": 6},
    "full batch at once": {"batch_size": "full", "chunk": "full", "epochs": 6},
    "bfloat16": {"batch_size": 64, "epochs": 4, "precision": "bfloat16"},
    "tf32": {"batch_size": 64, "epochs": 4, "precision": "tf32"},
    "compiled": {"batch_size": 64, "epochs": 4, "compiled": True},
}


def _bits(results):
    assert [result.outcome for result in results] == [Outcome.OK] * len(results), [r.reason for r in results]
    return [(result.weights, result.points) for result in results]


def _trials(path, kind="adam", **changes):
    """The study's two trials of SGD as trials of a rule, with decay and schedule unless `changes` say otherwise."""
    cls = OPTIMIZERS[kind] if kind in OPTIMIZERS else optimizers.find_optimizer(kind, path.parent)
    rule = {
        "optimizer": kind,
        "hyperparameters": optimizers.resolve_options(cls, {"weight_decay": 0.01}),
        "schedule": SCHEDULE,
    }
    return [dataclasses.replace(trial, **(rule | changes)) for trial in plan(load_study(path)) if trial.label == "SGD"]


@pytest.mark.parametrize("kind", [kind for kind, cls in OPTIMIZERS.items() if issubclass(cls, Rule)])
def test_every_rule_gives_the_same_bits(write_study, kind):
    """Twice alone, and packed with another repeat: captured updates, a captured evaluation, a smaller last batch."""
    path = write_study("DROPOUT_BLOBS")
    trials = _trials(path, kind, batch_size=60, epochs=4)
    alone = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]
    again = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in reversed(trials)]
    assert _bits(again[::-1]) == _bits(alone)
    assert _bits(run_trials(trials, 2, device=DEVICE, folder=path.parent)) == _bits(alone)


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_budget_gives_the_same_bits(write_study, budget):
    """Twice alone, and packed."""
    path = write_study()
    trials = _trials(path, **BUDGETS[budget])
    alone = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]
    assert _bits([run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]) == _bits(alone)
    assert _bits(run_trials(trials, 2, device=DEVICE, folder=path.parent)) == _bits(alone)


@pytest.mark.parametrize("kind", ["torch.optim:AdamW", "newton"])
def test_what_is_not_captured_gives_the_same_bits(write_study, kind):
    """Another's optimizer, and one that is handed the loss."""
    path = write_study()
    trials = _trials(path, kind, batch_size=64, epochs=2)
    alone = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]
    assert _bits(run_trials(trials, 2, device=DEVICE, folder=path.parent)) == _bits(alone)


@pytest.mark.data
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_the_papers_network_gives_the_same_bits(fashion_mnist, precision):
    """Four trials alone and packed, two epochs of 500 images with a smaller last batch, all test images."""
    study = load_study("quick").override(repeats=1, epochs=2, train_examples=500, precision=precision)
    trials = plan(study)[:4]
    alone = [run_trial(trial, device=DEVICE, data=fashion_mnist) for trial in trials]
    assert _bits(run_trials(trials, 4, device=DEVICE, data=fashion_mnist)) == _bits(alone)


@pytest.mark.data
def test_it_trains_as_a_cpu_does(fashion_mnist):
    """The first loss of the paper's network is that of the CPU but for rounding."""
    (trial,) = plan(load_study("quick").override(repeats=1, epochs=1, train_examples=512, optimizers=("Adam",)))
    here, there = (run_trial(trial, device=device, data=fashion_mnist) for device in (DEVICE, "cpu"))
    assert here.points[0].value == pytest.approx(there.points[0].value, rel=1e-4)


def test_workers_give_the_bits_of_this_process(write_study):
    """Processes that are forked from a server without CUDA, and trials that take turns in one of them."""
    path = write_study()
    trials = _trials(path, batch_size=60, epochs=4)
    alone = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]
    with LocalProcesses(2 * torch.cuda.device_count(), "cuda", None, path.parent) as executor:
        results = [future.result(timeout=300) for future in [executor.submit(trial) for trial in trials]]
    assert _bits(results) == _bits(alone)


def test_trials_leave_no_memory_behind(write_study):
    """After thirty short trials, with a batch that is too seldom to be captured, as much is free as after three."""
    path = write_study()
    held = []
    for trial in (_trials(path, batch_size=60, epochs=1) * 15)[:30]:
        run_trial(trial, device=DEVICE, folder=path.parent)
        held.append(torch.cuda.memory_allocated(DEVICE))
    assert held[-1] == held[2]


def test_float32_is_ieee():
    """A product of large matrices is as near to float64's as IEEE float32 is, and TF32 is not."""
    from suite.training.devices import deterministic_mode

    draw = torch.Generator().manual_seed(0)
    one, other = (torch.randn(512, 512, generator=draw, dtype=torch.float64).to(DEVICE) for _ in range(2))
    errors = {}
    for precision in ("float32", "tf32"):
        with deterministic_mode(precision):
            errors[precision] = float((one.float() @ other.float() - one @ other).abs().max() / 512**0.5)
    assert errors["float32"] < 1e-5 < errors["tf32"]
