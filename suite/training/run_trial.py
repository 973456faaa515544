"""Run trials: seeds, network, optimizer, loop, outcome, digest of the weights."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from suite import optimizers, problems
from suite.optimizers.base import Rule
from suite.optimizers.schedules import scheduler
from suite.problems.validation_split import validation_split
from suite.records import Outcome, TrialResult
from suite.seeds import seed_for
from suite.training.devices import deterministic_mode
from suite.training.flat_parameters import flatten
from suite.training.interleaving import InterleavedRun, run_interleaved
from suite.training.loop import train
from suite.training.out_of_memory import is_out_of_memory, largest_fitting_batch
from suite.training.provenance import environment
from suite.training.step import autocast
from suite.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import nn

    from suite.problems import Data, Problem
    from suite.records import Point


def run_trial(
    trial: Trial, *, device: str = "cpu", data: Path | None = None, folder: Path | None = None
) -> TrialResult:
    """Run a trial from its description alone. The same trial gives the same weights to the bit, whatever ran before.

    Args:
        trial: What to run.
        device: `cpu`, `cuda` or `cuda:N`, as `suite.training.devices.resolve` gives it.
        data: The folder of the data set (`suite.data.datasets.ensure`); None for a problem without data.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.

    Returns:
        The result. An exception is a result too: outcome `failed`, its text in `reason`.
    """
    return run_trials([trial], 1, device=device, data=data, folder=folder)[0]


def run_trials(
    trials: Sequence[Trial],
    slots: int,
    *,
    device: str = "cpu",
    data: Path | None = None,
    folder: Path | None = None,
) -> list[TrialResult]:
    """Run trials in one process, so many at a time; each gives the same weights to the bit as alone.

    Args:
        trials: Of one precision, which is set for the whole process meanwhile.
        slots: How many at a time; the next begins when one ends.
        device: As for `run_trial`, like the other arguments.

    Returns:
        The results, in the order of the trials.

    Raises:
        ValueError: Trials of different precisions.
    """
    precision, *others = {trial.precision for trial in trials}
    if others:
        raise ValueError(f"trials: expected one precision, got {precision}, {', '.join(others)}")
    place = torch.cuda.device(device) if device.startswith("cuda") else contextlib.nullcontext()
    with deterministic_mode(precision), place:
        lanes = (InterleavedRun(_running(t, device, data, folder, slots), _seed(t, "noise"), device) for t in trials)
        return run_interleaved(lanes, slots)


def _running(
    trial: Trial, device: str, data: Path | None, folder: Path | None, slots: int
) -> Generator[None, None, TrialResult]:
    """A trial, yielding wherever it would next wait for the device."""
    started, clock = time.time(), time.perf_counter()
    where = environment(device) | ({"packed": str(slots)} if slots > 1 else {})
    result = TrialResult(trial=trial, outcome=Outcome.FAILED, environment=where, started=started)
    short = False
    try:
        result = yield from _trained(result, device, data, folder)
    except Exception as error:  # noqa: BLE001 (whatever breaks a trial is its outcome)
        result, short = replace(result, reason=_told(error)), is_out_of_memory(error)
    if short:  # outside the handler, where the exception still holds the tensors of the step
        result = replace(result, reason=f"memory ran out: {result.reason}{_what_fits(trial, device, folder)}")
    return replace(result, timing=replace(result.timing, total=time.perf_counter() - clock))


def _trained(
    result: TrialResult, device: str, data: Path | None, folder: Path | None
) -> Generator[None, None, TrialResult]:
    trial = result.trial
    problem = problems.find_problem(trial.problem, folder)
    whole = _data(problem, data, device, trial.problem if trial.evaluate_on == "validation" else None)
    examples = replace(  # views of what is judged on
        whole,
        test_inputs=whole.test_inputs[: trial.evaluate_examples],
        test_targets=whole.test_targets[: trial.evaluate_examples],
    )
    network = _network(trial, problem).to(device)
    kind = optimizers.find_optimizer(trial.optimizer, folder)
    flat = issubclass(kind, Rule)
    optimizer = kind(flatten(network.parameters()) if flat else network.parameters(), **trial.hyperparameters)
    steps = scheduler(trial.schedule, optimizer, trial.updates)
    if isinstance(optimizer, Rule):
        if trial.compiled:
            optimizer.compile()
        elif device != "cpu":
            optimizer.capturable()
    order = torch.Generator().manual_seed(_seed(trial, "order"))
    run = yield from train(trial, problem, examples, network, optimizer, steps, order)
    return replace(
        result,
        outcome=run.outcome,
        reason=run.reason,
        points=tuple(_named(point, trial) for point in run.points),
        weights=digest(network),
        timing=run.timing,
    )


def _what_fits(trial: Trial, device: str, folder: Path | None) -> str:
    """How many examples at a time a step has memory for, as a sentence; empty where that is not to be found out."""
    problem = problems.find_problem(trial.problem, folder)
    network: nn.Module | None = None

    def step(examples: int) -> None:
        nonlocal network
        network = _network(trial, problem).to(device)
        optimizer = optimizers.find_optimizer(trial.optimizer, folder)(network.parameters(), **trial.hyperparameters)
        inputs, targets = (tensor.to(device) for tensor in problem.sample(examples))
        with autocast(trial.precision, torch.device(device).type):
            loss = problem.loss(network(problem.prepare(inputs)), targets)
        loss.backward()
        optimizer.step()

    key = "chunk" if trial.batch_size == "full" else "batch_size"
    asked = trial.chunk if trial.batch_size == "full" else trial.batch_size
    most = asked if isinstance(asked, int) else trial.train_examples
    size = largest_fitting_batch(step, most)
    if size is None:
        return ""
    mend = "with nothing beside it: fewer --workers leave more" if size == most else f"here: {key} = {size}"
    return f". A step of {size} examples fits {mend}"


def _network(trial: Trial, problem: Problem) -> nn.Module:
    """The network with its initial weights, drawn on the CPU so that every device starts from the same."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_seed(trial, "initialisation"))  # of the CPU alone
        return problem.network(**trial.problem_options)


def _seed(trial: Trial, stream: str) -> int:
    return seed_for(trial.seed, trial.problem, trial.stage, trial.repeat, stream)


@functools.lru_cache(maxsize=2)
def _data(problem: Problem, folder: Path | None, device: str, split: str | None) -> Data:
    """The examples on the device; kept for the next trial of this process.

    Args:
        split: The name of the problem where its training examples are split and the test examples left behind.
    """
    data = problem.load(folder)
    data = (validation_split(data, split) if split else data).to(device)
    if device != "cpu":
        torch.cuda.synchronize(device)  # trials on other streams will read it, too
    return data


def _named(point: Point, trial: Trial) -> Point:
    """The point, its metric named after what the trial is evaluated on."""
    if not point.metric.startswith("test/"):
        return point
    return replace(point, metric=f"{trial.evaluate_on}/{point.metric.removeprefix('test/')}")


def digest(network: nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of all parameters and buffers, in the network's order."""
    total = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        total.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        total.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _told(error: Exception) -> str:
    """The exception in one line, with the place of ours or the user's where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages/torch" not in frame.filename] or frames
    place = f" ({Path(ours[-1].filename).name}, {ours[-1].name}, line {ours[-1].lineno})" if ours else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}{place}"
