"""How long trials will take: from recorded trials of the same problem where there are some, else from a short probe."""

from __future__ import annotations

import math
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from suite.problems import Problem
    from suite.records import TrialRecord
    from suite.trials import Precision, Trial

PROBE_BATCH = 128


@dataclass(frozen=True, slots=True)
class Speed:
    """Examples per second of one worker, in training and in evaluation, and where the numbers come from."""

    train: float
    evaluate: float
    source: str

    def seconds(self, trial: Trial, test_examples: int) -> float:
        """How long a trial should take on one worker."""
        tests = len(trial.tested_epochs()) * test_examples
        return trial.epochs * trial.train_examples / self.train + tests / self.evaluate


UNKNOWN = Speed(math.nan, math.nan, "nothing: no node was measured")
"""Of machines that are not this one."""


def recorded(records: Iterable[TrialRecord], like: Trial, device: str, test_examples: int) -> Speed | None:
    """The median speed of recorded trials of the same problem and precision on this kind of device and CPU or GPU."""
    from suite.records import Outcome
    from suite.training.provenance import environment

    here = environment(device)["device_name"]
    train, evaluate = [], []
    for record in records:
        trial, timing = record.trial, record.timing
        same = (trial.problem, trial.precision, record.environment.get("device_name")) == (
            like.problem,
            like.precision,
            here,
        )
        # One that diverged or stalled may have been spared some evaluations.
        if same and record.outcome is Outcome.OK and timing.train > 0 and timing.evaluate > 0:
            train.append(timing.examples_per_second)
            evaluate.append(len(trial.tested_epochs()) * test_examples / timing.evaluate)
    if not train:
        return None
    return Speed(statistics.median(train), statistics.median(evaluate), f"{len(train)} recorded trials")


def probe(problem: Problem, precision: Precision, device: str) -> Speed:
    """Measure a few steps on made-up inputs, after one to warm up; about two seconds on a CPU core.

    Where the steps raise, the speed is unknown (NaN): it is for the trial to fail, and to tell why.
    """
    from suite.training.devices import deterministic_mode

    try:
        with deterministic_mode(precision):
            return _measured(problem, precision, device)
    except Exception:  # noqa: BLE001 (a problem of the user's own may raise anything)
        return Speed(math.nan, math.nan, "nothing: a probe failed")


def probe_in_subprocess(key: str, folder: Path | None, precision: Precision, device: str) -> Speed:
    """As `probe`, in a process of its own: one that has used a GPU keeps some of its memory, or all of it, to its end.

    Args:
        key: Of the problem, as `suite.problems.find` takes it.
        folder: The study's, likewise.
        precision: See `probe`.
        device: See `probe`.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_find_and_probe, key, folder, precision, device).result()
        except Exception:  # noqa: BLE001 (as of `probe`; or the process was killed)
            return Speed(math.nan, math.nan, "nothing: a probe failed")


def _find_and_probe(key: str, folder: Path | None, precision: Precision, device: str) -> Speed:
    from suite import problems

    return probe(problems.find_problem(key, folder), precision, device)


def _measured(problem: Problem, precision: Precision, device: str) -> Speed:
    from suite.training.evaluation import Evaluation
    from suite.training.step import autocast

    network = problem.network().to(device)
    inputs, targets = (tensor.to(device) for tensor in problem.sample(PROBE_BATCH))

    def train() -> None:
        with autocast(precision, inputs.device.type):
            loss = problem.loss(network(problem.prepare(inputs)), targets)
        loss.backward()
        loss.item()  # waits for the device

    evaluation = Evaluation(problem, network, inputs, targets, precision)

    def test() -> None:
        evaluation.begin()
        evaluation.read()

    return Speed(_speed(train, 2), _speed(test, 4), "a probe of two steps")


def _speed(work: Callable[[], None], times: int) -> float:
    """Examples per second of a piece of work on PROBE_BATCH examples, after one to warm up."""
    work()
    started = time.perf_counter()
    for _ in range(times):
        work()
    return times * PROBE_BATCH / (time.perf_counter() - started)
