"""Run one trial: seeds, network, optimizer, loop, outcome, digest of the weights."""

from __future__ import annotations

import functools
import hashlib
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from suite import optimizers, problems
from suite.devices import arithmetic
from suite.provenance import environment
from suite.records import Outcome, Trial, TrialResult
from suite.schedules import scheduler
from suite.seeds import seed_for
from suite.training import train

if TYPE_CHECKING:
    from torch import nn

    from suite.problems import Data, Problem


def run_trial(
    trial: Trial, *, device: str = "cpu", data: Path | None = None, folder: Path | None = None
) -> TrialResult:
    """Run a trial from its description alone. The same trial gives the same weights to the bit, whatever ran before.

    Args:
        trial: What to run.
        device: `cpu`, `cuda` or `cuda:N`, as `suite.devices.resolve` gives it.
        data: The folder of the data set (`suite.data.ensure`); None for a problem without data.
        folder: Where optimizers named `module:Class` are looked up besides the installed packages.

    Returns:
        The result. An exception is a result too: outcome `failed`, its text in `reason`.
    """
    started, clock = time.time(), time.perf_counter()
    result = TrialResult(trial=trial, outcome=Outcome.FAILED, environment=environment(device), started=started)
    try:
        with arithmetic(trial.precision):
            result = _run(result, device, data, folder)
    except Exception as error:  # noqa: BLE001 (whatever breaks a trial is its outcome)
        result = replace(result, reason=_told(error))
    return replace(result, timing=replace(result.timing, total=time.perf_counter() - clock))


def _run(result: TrialResult, device: str, folder: Path | None, studies: Path | None) -> TrialResult:
    trial = result.trial
    problem = problems.find(trial.problem, studies)
    data = _data(problem, folder, device)
    network = _network(trial, problem).to(device)
    kind = optimizers.find(trial.optimizer, studies)
    optimizer = kind(network.parameters(), **trial.hyperparameters)
    steps = scheduler(trial.schedule, optimizer, trial.updates)
    order = torch.Generator().manual_seed(_seed(trial, "order"))
    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        torch.manual_seed(_seed(trial, "noise"))  # dropout, or an optimizer that adds noise
        run = train(trial, problem, data, network, optimizer, steps, order)
    return replace(
        result,
        outcome=run.outcome,
        reason=run.reason,
        points=tuple(run.points),
        weights=digest(network),
        timing=run.timing,
    )


def _network(trial: Trial, problem: Problem) -> nn.Module:
    """The network with its initial weights, drawn on the CPU so that every device starts from the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(trial, "initialisation"))
        return problem.network(**trial.problem_options)


def _seed(trial: Trial, stream: str) -> int:
    return seed_for(trial.seed, trial.problem, trial.stage, trial.repeat, stream)


@functools.lru_cache(maxsize=2)
def _data(problem: Problem, folder: Path | None, device: str) -> Data:
    """The examples on the device; kept for the next trial of this process."""
    return problem.load(folder).to(device)


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
