"""On a CUDA device, results are bit-for-bit identical twice, alone and interleaved, for every rule and option."""

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


def _digests(results):
    assert [result.outcome for result in results] == [Outcome.OK] * len(results), [r.reason for r in results]
    return [(result.weights, result.points) for result in results]


def _trials(path, kind="adam", **changes):
    """Return the study's two trials of SGD as trials of a rule, with decay and schedule unless `changes` replace them."""
    cls = OPTIMIZERS[kind] if kind in OPTIMIZERS else optimizers.find_optimizer(kind, path.parent)
    options = {
        "optimizer": kind,
        "hyperparameters": optimizers.resolve_options(cls, {"weight_decay": 0.01}),
        "schedule": SCHEDULE,
    }
    return [
        dataclasses.replace(trial, **(options | changes)) for trial in plan(load_study(path)) if trial.label == "SGD"
    ]


@pytest.mark.parametrize("kind", [kind for kind, cls in OPTIMIZERS.items() if issubclass(cls, Rule)])
def test_every_rule_is_reproducible(write_study, kind):
    """Twice alone, and interleaved with another repeat: captured updates and evaluation, a smaller last batch."""
    path = write_study("DROPOUT_BLOBS")
    trials = _trials(path, kind, batch_size=60, epochs=4)
    alone = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]
    again = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in reversed(trials)]
    assert _digests(again[::-1]) == _digests(alone)
    assert _digests(run_trials(trials, 2, device=DEVICE, folder=path.parent)) == _digests(alone)


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_budget_is_reproducible(write_study, budget):
    """Twice alone, and interleaved."""
    path = write_study()
    trials = _trials(path, **BUDGETS[budget])
    alone = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]
    assert _digests([run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]) == _digests(alone)
    assert _digests(run_trials(trials, 2, device=DEVICE, folder=path.parent)) == _digests(alone)


@pytest.mark.parametrize("kind", ["torch.optim:AdamW", "newton"])
def test_an_optimizer_that_is_not_captured_is_reproducible(write_study, kind):
    """An optimizer of torch, and one that receives the loss."""
    path = write_study()
    trials = _trials(path, kind, batch_size=64, epochs=2)
    alone = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]
    assert _digests(run_trials(trials, 2, device=DEVICE, folder=path.parent)) == _digests(alone)


@pytest.mark.data
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_the_cnn_is_reproducible(fashion_mnist, precision):
    """Four trials alone and interleaved: two epochs of 500 images with a smaller last batch, all test images."""
    study = load_study("quick").override(repeats=1, epochs=2, train_examples=500, precision=precision)
    trials = plan(study)[:4]
    alone = [run_trial(trial, device=DEVICE, data=fashion_mnist) for trial in trials]
    assert _digests(run_trials(trials, 4, device=DEVICE, data=fashion_mnist)) == _digests(alone)


@pytest.mark.data
def test_it_trains_like_a_cpu(fashion_mnist):
    """The first loss of the CNN equals that of the CPU except for rounding."""
    (trial,) = plan(load_study("quick").override(repeats=1, epochs=1, train_examples=512, optimizers=("Adam",)))
    on_gpu, on_cpu = (run_trial(trial, device=device, data=fashion_mnist) for device in (DEVICE, "cpu"))
    assert on_gpu.points[0].value == pytest.approx(on_cpu.points[0].value, rel=1e-4)


def test_workers_give_the_results_of_this_process(write_study):
    """Worker processes are forked from a server without CUDA, and trials share one of them."""
    path = write_study()
    trials = _trials(path, batch_size=60, epochs=4)
    alone = [run_trial(trial, device=DEVICE, folder=path.parent) for trial in trials]
    with LocalProcesses(2 * torch.cuda.device_count(), "cuda", None, path.parent) as executor:
        results = [future.result(timeout=300) for future in [executor.submit(trial) for trial in trials]]
    assert _digests(results) == _digests(alone)


def test_trials_free_their_memory(write_study):
    """After thirty short trials, with a batch that is too rare to be captured, as much is free as after three."""
    path = write_study()
    allocated = []
    for trial in (_trials(path, batch_size=60, epochs=1) * 15)[:30]:
        run_trial(trial, device=DEVICE, folder=path.parent)
        allocated.append(torch.cuda.memory_allocated(DEVICE))
    assert allocated[-1] == allocated[2]


def test_float32_is_ieee():
    """A product of large matrices has the error of IEEE float32, and with TF32 a larger one."""
    from suite.training.devices import deterministic_mode

    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(512, 512, generator=generator, dtype=torch.float64).to(DEVICE) for _ in range(2))
    errors = {}
    for precision in ("float32", "tf32"):
        with deterministic_mode(precision):
            errors[precision] = float((a.float() @ b.float() - a @ b).abs().max() / 512**0.5)
    assert errors["float32"] < 1e-5 < errors["tf32"]
