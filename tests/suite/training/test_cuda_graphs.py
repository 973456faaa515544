"""`suite.training.cuda_graphs` and the work that is captured: a recording replays operations on a CPU, as a CUDA graph does.

A recording keeps what a graph keeps: the operations, the tensors that they read and wrote, and every number from Python.
A replay runs no Python code of the work. So what would be wrong as a graph is wrong here, too.
"""

import contextlib
import dataclasses
import gc
import weakref
from types import SimpleNamespace

import pytest
import torch
from recording import Recording, record
from toy import BLOBS, DROPOUT_BLOBS

import suite.training.cuda_graphs
import suite.training.evaluation
import suite.training.step
from suite.optimizers import OPTIMIZERS
from suite.optimizers.base import Rule
from suite.optimizers.schedules import scheduler
from suite.training.cuda_graphs import WARM_UP_CALLS, CapturableWork
from suite.training.interleaving import InterleavedRun, Seeds, run_interleaved
from suite.training.loop import train
from suite.trials import Trial

TRIAL = Trial(
    label="a",
    problem="blobs",
    optimizer="sgd",
    hyperparameters={},
    batch_size=60,
    epochs=6,
    train_examples=256,
    repeat=0,
)
SCHEDULE = {"kind": "linear", "warmup": 0.1, "final": 0.0, "gamma": 0.1, "milestones": (0.5, 0.75)}


def _train(kind, problem=BLOBS, schedule=None, trial=TRIAL, capturable=True):
    torch.manual_seed(1)
    network = problem.network()
    optimizer = OPTIMIZERS[kind](network.parameters(), weight_decay=0.01)
    lr_scheduler = scheduler(schedule, optimizer, trial.updates)
    if capturable:
        optimizer.capturable()
    run = train(trial, problem, problem.load(None), network, optimizer, lr_scheduler, torch.Generator().manual_seed(2))
    (result,) = run_interleaved([InterleavedRun(run, Seeds(0, 0, 0), "cpu")], 1)
    return [p.detach().clone() for p in network.parameters()], result.points


def _equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a[0], b[0], strict=True)) and a[1] == b[1]


@pytest.mark.parametrize("kind", [kind for kind, cls in OPTIMIZERS.items() if issubclass(cls, Rule)])
def test_replayed_training_equals_plain_training(kind, monkeypatch):
    """Every rule, with a schedule, batches of two sizes and evaluations: weights and metrics are bit-for-bit identical."""
    plain = _train(kind, schedule=SCHEDULE)
    monkeypatch.setattr(suite.training.cuda_graphs, "capture_cuda_graph", record)
    assert _equal(_train(kind, schedule=SCHEDULE), plain)


@pytest.mark.parametrize(
    "trial",
    [
        dataclasses.replace(TRIAL, batch_size="full", chunk=100),
        dataclasses.replace(TRIAL, precision="bfloat16"),
        dataclasses.replace(TRIAL, batch_size=64, eval_every=4),
        dataclasses.replace(TRIAL, chunk=20, clip=0.5, label_smoothing=0.1, ema=0.9, epoch_updates=7),
    ],
    ids=["full batch in chunks", "bfloat16", "even batches", "keys that change the training"],
)
def test_replayed_training_of_other_budgets(trial, monkeypatch):
    """Other batches, precisions and keys that change the training are bit-for-bit identical."""
    plain = _train("adam", DROPOUT_BLOBS, trial=trial)
    monkeypatch.setattr(suite.training.cuda_graphs, "capture_cuda_graph", record)
    assert _equal(_train("adam", DROPOUT_BLOBS, trial=trial), plain)


def test_a_recording_shows_the_errors_of_a_graph(monkeypatch):
    """With step counts and learning rates as Python numbers, a replayed rule gives other weights: the tests above can fail."""
    plain = _train("adam", schedule=SCHEDULE, capturable=False)
    monkeypatch.setattr(suite.training.cuda_graphs, "capture_cuda_graph", record)
    assert not _equal(_train("adam", schedule=SCHEDULE, capturable=False), plain)


def test_an_optimizer_that_is_no_rule_is_never_captured(monkeypatch):
    """It may replace parameters by new tensors, which a graph would not use: training and evaluation are not captured."""

    class Replaces(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure=None):
            for param in self.param_groups[0]["params"]:
                param.data = param.data - 0.1 * param.grad

    def weights():
        torch.manual_seed(1)
        network = BLOBS.network()
        order = torch.Generator().manual_seed(2)
        for _ in train(TRIAL, BLOBS, BLOBS.load(None), network, Replaces(network.parameters()), None, order):
            pass
        return [p.detach() for p in network.parameters()]

    plain = weights()
    monkeypatch.setattr(suite.training.cuda_graphs, "capture_cuda_graph", record)
    assert all(torch.equal(x, y) for x, y in zip(weights(), plain, strict=True))


@pytest.mark.parametrize("size", [256, 60], ids=["even batches", "a smaller last batch"])
def test_a_trial_frees_its_graphs(size, monkeypatch):
    """Its graphs and their memory are freed when it ends, without a garbage collection."""
    references = []

    class Tracked(CapturableWork):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            references.append(weakref.ref(self))

    for module in (suite.training.step, suite.training.evaluation):
        monkeypatch.setattr(module, "CapturableWork", Tracked)
    gc.collect()
    gc.disable()
    try:
        _train("adam", trial=dataclasses.replace(TRIAL, batch_size=size, epochs=1))
        assert len(references) == (2 if size == 256 else 3)
        assert [reference() for reference in references] == [None] * len(references)
    finally:
        gc.enable()


@pytest.mark.parametrize("work_fails", [True, False], ids=["work", "capture"])
def test_the_error_of_a_broken_capture_is_its_cause(monkeypatch, work_fails):
    """CUDA raises another error when a broken capture ends; the error of the work is raised instead."""

    @contextlib.contextmanager
    def graph(*args, **more):
        try:
            yield
        finally:
            raise RuntimeError("capture failed due to a previous error")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", SimpleNamespace)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: None)

    def work():
        if work_fails:
            raise ValueError("the user's line")

    with pytest.raises(
        ValueError if work_fails else RuntimeError, match="the user's line" if work_fails else "a previous error"
    ):
        suite.training.cuda_graphs.capture_cuda_graph(work, SimpleNamespace(type="cuda"))


def test_a_number_read_from_a_tensor_is_an_error():
    """What would break a capture on CUDA breaks a recording."""
    work = CapturableWork(lambda: torch.ones(()).item(), torch.device("cpu"))
    with pytest.raises(AssertionError, match="a number was read"), Recording():
        work()


def test_work_is_done_once_for_each_call(monkeypatch):
    """The first calls are plain, then there is one capture, and then only replays."""
    captures, total = [], torch.zeros(())

    def capture(work, device):
        captures.append(device)
        return record(work, device)

    monkeypatch.setattr(suite.training.cuda_graphs, "capture_cuda_graph", capture)
    work = CapturableWork(lambda: total.add_(1), torch.device("cpu"))
    for count in range(1, WARM_UP_CALLS + 4):
        work()
        assert total.item() == count
        assert len(captures) == (count > WARM_UP_CALLS)
