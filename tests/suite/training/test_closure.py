"""`suite.training.closure`: optimizers that evaluate the loss themselves, and those that differentiate gradients."""

import dataclasses
import gc
import random
import warnings
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from toy import BLOBS, Blobs

from suite.optimizers import OPTIMIZERS
from suite.records import Outcome
from suite.training.closure import starts_from_gradients
from suite.training.interleaving import InterleavedRun, Seeds, run_interleaved
from suite.training.loop import train
from suite.training.run_trial import digest
from suite.trials import Trial

TRIAL = Trial(
    label="a",
    problem="blobs",
    optimizer="own",
    hyperparameters={},
    batch_size=60,
    epochs=3,
    train_examples=256,
    repeat=0,
    closure=True,
)


class NoisyBlobs(Blobs):
    """A network with batch norm, dropout from torch, and noise from NumPy and `random`."""

    def network(self):
        return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), Noise(), nn.Linear(8, 4))


class Noise(nn.Module):
    """Scales its inputs by random numbers in training mode."""

    def forward(self, x):
        return x * (1 + 0.1 * np.random.rand() + 0.1 * random.random()) if self.training else x  # noqa: NPY002


NOISY = NoisyBlobs()


class Ascending(torch.optim.SGD):
    """Sharpness-aware minimization as its implementations have it: the step starts from gradients."""

    @torch.no_grad()
    def step(self, closure):
        parameters = [p for group in self.param_groups for p in group["params"]]
        before = [p.clone() for p in parameters]
        for p in parameters:
            if p.grad is not None:
                p.add_(p.grad, alpha=0.05)
        loss = closure()  # which enables gradients
        for p, value in zip(parameters, before, strict=True):
            p.copy_(value)
        super().step()
        return loss


class Both(Ascending):
    """The same, with both evaluations by the closure and a random number between them."""

    @torch.no_grad()
    def step(self, closure):
        loss = closure()
        torch.rand(())
        random.random()
        super().step(closure)
        return loss


class Silent(torch.optim.SGD):
    """Has a step that neither calls its closure nor uses gradients."""

    def step(self, closure=None):
        return None


pytestmark = pytest.mark.usefixtures("one_thread")


def _run(make, trial=TRIAL, problem=NOISY):
    """Train in the loop of the suite, and return the result, the network and the optimizer."""
    torch.manual_seed(1)
    network = problem.network()
    optimizer = make(network)
    from_gradients = trial.closure and starts_from_gradients(make, network, create_graph=trial.create_graph)
    order = torch.Generator().manual_seed(2)
    run = train(trial, problem, problem.load(None), network, optimizer, None, order, from_gradients=from_gradients)
    return run_interleaved([InterleavedRun(run, Seeds(3, 4, 5), "cpu")], 1)[0], network, optimizer


def _plain_run(make, problem=NOISY, *, after_gradients=False, with_closure=True, create_graph=False, batch=60):
    """Train in a plain loop, and return the first loss of each step, the numbers of evaluations and the network."""
    torch.manual_seed(1)
    network, data, order = problem.network(), problem.load(None), torch.Generator().manual_seed(2)
    optimizer = make(network)
    torch.manual_seed(3)
    random.seed(4)
    np.random.set_state(np.random.RandomState(np.random.MT19937(np.random.SeedSequence(5))).get_state())  # noqa: NPY002
    all_losses = []
    for _ in range(3):
        network.train()
        for indices in torch.randperm(256, generator=order).split(batch):
            losses, first = [], []

            def closure(indices=indices, losses=losses, first=first):
                now = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
                buffers = [buffer.clone() for buffer in network.buffers()]
                if losses:
                    _set(first)
                else:
                    first += now
                optimizer.zero_grad()
                with torch.enable_grad():
                    outputs = network(data.train_inputs[indices])
                    loss = nn.functional.cross_entropy(outputs, data.train_targets[indices])
                loss.backward(create_graph=create_graph)
                if losses:
                    _set(now)
                    for buffer, value in zip(network.buffers(), buffers, strict=True):
                        buffer.copy_(value)
                losses.append(loss.item())
                return loss.detach()

            if after_gradients or not with_closure:
                closure()
            optimizer.step(closure) if with_closure else optimizer.step()
            optimizer.zero_grad()
            all_losses.append(losses)
    network.eval()
    return [losses[0] for losses in all_losses], sum(map(len, all_losses)), network


def _set(states):
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])  # noqa: NPY002


def _values(run, metric):
    return [point.value for point in run.points if point.metric == metric]


def _package_class(module, name):
    return getattr(
        pytest.importorskip(module, reason=f'{module} is not installed: pip install "ravine[optimizers]"'), name
    )


def _sam(name):
    cls = _package_class("pytorch_optimizer", name)
    return lambda network: cls(network.parameters(), torch.optim.SGD, lr=0.1, rho=0.05)


CASES = {  # whether the step starts from gradients, and how to make the optimizer
    "own ascending": (True, lambda: lambda network: Ascending(network.parameters(), 0.1)),
    "own both": (False, lambda: lambda network: Both(network.parameters(), 0.1)),
    "lbfgs": (False, lambda: lambda network: torch.optim.LBFGS(network.parameters(), lr=0.1, max_iter=4)),
    "wolfe": (
        False,
        lambda: lambda network: torch.optim.LBFGS(network.parameters(), max_iter=3, line_search_fn="strong_wolfe"),
    ),
    "adam of torch": (False, lambda: lambda network: torch.optim.Adam(network.parameters(), 0.01)),
    "adam of ravine": (False, lambda: lambda network: OPTIMIZERS["adam"](network.parameters(), 0.01)),
    "sam": (True, lambda: _sam("SAM")),
    "looksam": (True, lambda: _sam("LookSAM")),
    "friendly": (True, lambda: _sam("FriendlySAM")),
    "bsam": (
        True,
        lambda: lambda network: _package_class("pytorch_optimizer", "BSAM")(network.parameters(), num_data=256),
    ),
    "alig": (
        False,
        lambda: lambda network: _package_class("pytorch_optimizer", "AliG")(network.parameters(), max_lr=0.1),
    ),
    "schedule-free": (
        False,
        lambda: lambda network: _package_class("schedulefree", "SGDScheduleFreeClosure")(network.parameters(), lr=0.1),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_loop_equals_a_plain_loop_with_a_closure(case):
    """Weights, buffers and the losses of the first evaluations are those of a plain loop, to the bit; all are counted.

    The plain loop restores generators and buffers for each further evaluation, so dropout masks are the same in an update.
    """
    from_gradients, get = CASES[case]
    make = get()
    assert starts_from_gradients(make, NOISY.network()) is from_gradients
    run, network, _ = _run(make)
    losses, evaluations, plain = _plain_run(make, after_gradients=from_gradients)
    assert run.outcome is Outcome.OK
    assert _values(run, "train/step_loss") == losses
    assert digest(network) == digest(plain)
    assert run.timing.examples == 3 * 256
    if case not in {"lbfgs", "wolfe"}:  # the last batch of an epoch is smaller
        assert run.timing.evaluations == evaluations / 15
    assert run.timing.evaluations > (1 if from_gradients or case in {"lbfgs", "wolfe", "own both"} else 0)


@pytest.mark.parametrize("make", [lambda n: Ascending(n.parameters(), 0.1), lambda n: Both(n.parameters(), 0.1)])
def test_further_evaluations_change_only_the_gradients(make):
    """Buffers count one batch for each update, and the training accuracy counts each example once."""
    run, network, _ = _run(make)
    assert network[1].num_batches_tracked == 15
    assert run.timing.evaluations == 2
    assert all(0 < accuracy <= 1 for accuracy in _values(run, "train/accuracy"))
    plain, _, _ = _run(lambda n: torch.optim.SGD(n.parameters(), 0.1), dataclasses.replace(TRIAL, closure=False))
    assert _values(run, "train/step_loss")[0] == _values(plain, "train/step_loss")[0]
    assert plain.timing.evaluations == 1


def test_all_evaluations_of_an_update_have_the_same_random_numbers():
    """With a step of length zero, both evaluations have the same loss, and so the same dropout masks and noise."""
    seen = []

    class Watching(Both):
        @torch.no_grad()
        def step(self, closure):
            seen.append((closure().item(), torch.rand(()).item(), closure().item()))

    _run(lambda n: Watching(n.parameters(), 0.1))
    seen = seen[-15:]  # without those of the function that finds the convention
    assert all(first == second for first, _, second in seen)
    assert len({loss for loss, *_ in seen}) == len({number for _, number, _ in seen}) == 15  # none repeats


def test_the_chunks_of_a_full_batch_are_evaluated_together():
    """The closure goes through all chunks; a closure-taking trial has one evaluation of all examples for each call."""
    trial = dataclasses.replace(TRIAL, batch_size="full", chunk=100)
    run, _, _ = _run(lambda n: torch.optim.LBFGS(n.parameters(), lr=0.5, max_iter=4), trial, BLOBS)
    assert run.timing.examples == 3 * 256
    assert run.timing.evaluations > 1
    losses = _values(run, "train/step_loss")
    assert losses[0] > losses[1] > losses[2]


def test_a_step_without_evaluations_is_refused():
    """An optimizer that does not call its closure would train on nothing."""
    with pytest.raises(
        Exception, match=r"closure: the step of Silent did not call its closure\. Remove closure = true"
    ):
        _run(lambda n: Silent(n.parameters(), 0.1))


class Curved(torch.optim.Optimizer):
    """Divides the gradient by the diagonal of |H| v for v = 1, which needs a second derivative."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        gradients = [p.grad for p in parameters]
        curvatures = torch.autograd.grad(gradients, parameters, [torch.ones_like(g) for g in gradients])
        with torch.no_grad():
            for p, g, h in zip(parameters, gradients, curvatures, strict=True):
                p.sub_(self.param_groups[0]["lr"] * g / (h.abs() + 1))


SECOND_ORDER = {
    "own": lambda: lambda network: Curved(network.parameters()),
    "adahessian": lambda: lambda network: _package_class("pytorch_optimizer", "AdaHessian")(network.parameters()),
    "sophia": lambda: lambda network: _package_class("pytorch_optimizer", "SophiaH")(network.parameters()),
}
GRAPH = dataclasses.replace(TRIAL, closure=False, create_graph=True)


@pytest.mark.parametrize("case", SECOND_ORDER)
def test_gradients_with_a_graph_can_be_differentiated(case):
    """The loop equals a plain loop with `backward(create_graph=True)`, to the bit."""
    make = SECOND_ORDER[case]()
    run, network, _ = _run(make, GRAPH)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", r"Using backward\(\) with create_graph=True"
        )  # torch warns once for a process
        losses, _, plain = _plain_run(make, with_closure=False, create_graph=True)
    assert _values(run, "train/step_loss") == losses
    assert digest(network) == digest(plain)


def test_graphs_are_freed():
    """Neither the parameters nor their gradients are kept after a run; a graph that is kept would keep both."""
    run, network, optimizer = _run(lambda n: Curved(n.parameters()), GRAPH)
    assert run.outcome is Outcome.OK
    assert all(p.grad is None for p in network.parameters())
    references = [weakref.ref(p) for p in network.parameters()]
    del run, network, optimizer
    gc.collect()
    assert not any(reference() is not None for reference in references)
