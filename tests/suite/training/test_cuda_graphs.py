"""`suite.training.cuda_graphs` and what is made to be captured: a recording that plays operations again, as a CUDA graph does.

A recording keeps what a graph keeps: the operations, the tensors that they read and wrote, and every number that Python
had in its hands. Playing it runs no line of Python of the work. So what would be wrong as a graph is wrong here, too.
"""

import contextlib
import dataclasses
import gc
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from toy import BLOBS, DROPOUT_BLOBS

import suite.training.cuda_graphs
import suite.training.evaluation
import suite.training.step
from suite.optimizers import OPTIMIZERS
from suite.optimizers.base import Rule
from suite.optimizers.schedules import scheduler
from suite.training.cuda_graphs import WARM_UP, CapturableWork
from suite.training.interleaving import InterleavedRun, run_interleaved
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


class Recording(TorchDispatchMode):
    """Operations as they are done, to be done again on the same tensors."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert function is not torch.ops.aten._local_scalar_dense.default, "a number was read from a tensor"
        result = function(*args, **(kwargs or {}))
        self.operations.append((function, args, kwargs or {}, result))
        return result

    def play(self):
        with torch.no_grad():
            for function, args, kwargs, result in self.operations:
                again = function(*args, **kwargs)
                for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


def record(work, device):
    """As `suite.training.cuda_graphs.capture`: the work's operations, played. Recording does the work; the first call is that one."""
    recording = Recording()
    with recording:
        work()
    first = iter([True])
    return lambda: None if next(first, False) else recording.play()


def _end(kind, problem=BLOBS, schedule=None, trial=TRIAL, capturable=True):
    torch.manual_seed(1)
    network = problem.network()
    optimizer = OPTIMIZERS[kind](network.parameters(), weight_decay=0.01)
    steps = scheduler(schedule, optimizer, trial.updates)
    if capturable:
        optimizer.capturable()
    run = train(trial, problem, problem.load(None), network, optimizer, steps, torch.Generator().manual_seed(2))
    (end,) = run_interleaved([InterleavedRun(run, 0, "cpu")], 1)
    return [p.detach().clone() for p in network.parameters()], end.points


def _equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a[0], b[0], strict=True)) and a[1] == b[1]


@pytest.mark.parametrize("kind", [kind for kind, cls in OPTIMIZERS.items() if issubclass(cls, Rule)])
def test_played_training_is_plain_training(kind, monkeypatch):
    """Every rule, under a schedule, batches of two sizes and evaluations: the same weights and metrics to the bit."""
    plain = _end(kind, schedule=SCHEDULE)
    monkeypatch.setattr(suite.training.cuda_graphs, "capture", record)
    assert _equal(_end(kind, schedule=SCHEDULE), plain)


@pytest.mark.parametrize(
    "trial",
    [
        dataclasses.replace(TRIAL, batch_size="full", chunk=100),
        dataclasses.replace(TRIAL, precision="bfloat16"),
        dataclasses.replace(TRIAL, batch_size=64, eval_every=4),
    ],
    ids=["full batch in chunks", "bfloat16", "even batches"],
)
def test_played_training_of_other_budgets(trial, monkeypatch):
    """Full batches in chunks, autocast, and epochs without a smaller batch: the same to the bit."""
    plain = _end("adam", DROPOUT_BLOBS, trial=trial)
    monkeypatch.setattr(suite.training.cuda_graphs, "capture", record)
    assert _equal(_end("adam", DROPOUT_BLOBS, trial=trial), plain)


def test_a_recording_shows_what_a_graph_would_get_wrong(monkeypatch):
    """With step counts and learning rates as Python's numbers a played rule goes astray: the tests above can fail."""
    plain = _end("adam", schedule=SCHEDULE, capturable=False)
    monkeypatch.setattr(suite.training.cuda_graphs, "capture", record)
    assert not _equal(_end("adam", schedule=SCHEDULE, capturable=False), plain)


def test_anothers_optimizer_is_never_captured(monkeypatch):
    """It may put new tensors in the place of parameters, which a graph would not see: training and evaluation are plain."""

    class Replaces(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure=None):
            for param in self.param_groups[0]["params"]:
                param.data = param.data - 0.1 * param.grad

    def end():
        torch.manual_seed(1)
        network = BLOBS.network()
        order = torch.Generator().manual_seed(2)
        for _ in train(TRIAL, BLOBS, BLOBS.load(None), network, Replaces(network.parameters()), None, order):
            pass
        return [p.detach() for p in network.parameters()]

    plain = end()
    monkeypatch.setattr(suite.training.cuda_graphs, "capture", record)
    assert all(torch.equal(x, y) for x, y in zip(end(), plain, strict=True))


@pytest.mark.parametrize("size", [256, 60], ids=["even batches", "a smaller last batch"])
def test_a_trial_leaves_nothing_behind(size, monkeypatch):
    """Its graphs, and the memory that they hold, go with it at once, and not when garbage is next looked for."""
    made = []

    class Kept(CapturableWork):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            made.append(weakref.ref(self))

    for module in (suite.training.step, suite.training.evaluation):
        monkeypatch.setattr(module, "Repeated", Kept)
    gc.collect()
    gc.disable()
    try:
        _end("adam", trial=dataclasses.replace(TRIAL, batch_size=size, epochs=1))
        assert len(made) == (2 if size == 256 else 3)
        assert [reference() for reference in made] == [None] * len(made)
    finally:
        gc.enable()


@pytest.mark.parametrize("own", [True, False], ids=["of the work", "of the capture"])
def test_what_broke_a_capture_is_what_is_told(monkeypatch, own):
    """CUDA raises an error of its own where a broken capture ends; the user's is the one that helps."""

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
        if own:
            raise ValueError("the user's line")

    with pytest.raises(ValueError if own else RuntimeError, match="the user's line" if own else "a previous error"):
        suite.training.cuda_graphs.capture(work, SimpleNamespace(type="cuda"))


def test_a_number_read_from_a_tensor_is_told():
    """What would break a capture on CUDA breaks a recording."""
    work = CapturableWork(lambda: torch.ones(()).item(), torch.device("cpu"))
    with pytest.raises(AssertionError, match="a number was read"), Recording():
        work()


def test_work_is_done_once_a_call(monkeypatch):
    """Plain calls first, one capture, and then only plays."""
    captures, done = [], torch.zeros(())

    def capture(work, device):
        captures.append(device)
        return record(work, device)

    monkeypatch.setattr(suite.training.cuda_graphs, "capture", capture)
    repeated = CapturableWork(lambda: done.add_(1), torch.device("cpu"))
    for count in range(1, WARM_UP + 4):
        repeated()
        assert done.item() == count
        assert len(captures) == (count > WARM_UP)
