"""The expected time of trials: from recorded trials of the same problem if there are any, else from a short probe."""

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
    """Examples per second of one worker, in training and in evaluation, and the source of these numbers."""

    train: float
    evaluate: float
    source: str

    def seconds(self, trial: Trial, test_examples: int) -> float:
        """Return the expected seconds of a trial on one worker."""
        evaluated = len(trial.tested_epochs()) * test_examples
        return trial.epochs * trial.examples_per_epoch / self.train + evaluated / self.evaluate


UNKNOWN = Speed(math.nan, math.nan, "no measurement of the cluster's nodes")
"""The speed of other machines."""

PROBE_FAILED = Speed(math.nan, math.nan, "no measurement, because the probe failed")


def recorded_speed(records: Iterable[TrialRecord], trial: Trial, device: str, test_examples: int) -> Speed | None:
    """Return the median speed of recorded trials of the same problem, precision and device name; None without any."""
    from suite.records import Outcome
    from suite.training.provenance import environment

    comparable = trial.problem, trial.precision, environment(device)["device_name"]
    train, evaluate = [], []
    for record in records:
        timing, device_name = record.timing, record.environment.get("device_name")
        if (record.trial.problem, record.trial.precision, device_name) != comparable:
            continue
        # A trial that diverged or stalled may have skipped some evaluations.
        if record.outcome is Outcome.OK and timing.train > 0 and timing.evaluate > 0:
            train.append(timing.examples_per_second)
            evaluate.append(len(record.trial.tested_epochs()) * test_examples / timing.evaluate)
    if not train:
        return None
    return Speed(statistics.median(train), statistics.median(evaluate), f"{len(train)} recorded trials")


def probe(problem: Problem, precision: Precision, device: str) -> Speed:
    """Measure a few steps on synthetic inputs, after one to warm up; about two seconds on a CPU core.

    If the steps raise, the speed is unknown (NaN); the trial will then fail and report the reason.
    """
    from suite.training.devices import deterministic_mode

    try:
        with deterministic_mode(precision):
            return _measure(problem, precision, device)
    except Exception:  # noqa: BLE001 (a user's problem may raise anything)
        return PROBE_FAILED


def probe_in_subprocess(key: str, folder: Path | None, precision: Precision, device: str) -> Speed:
    """Measure as `probe`, in another process: one that has used a GPU keeps some or all of the memory until it ends.

    Args:
        key: The problem, as `suite.problems.find_problem` takes it.
        folder: The folder of the study, likewise.
        precision: As for `probe`, like the device.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_find_and_probe, key, folder, precision, device).result()
        except Exception:  # noqa: BLE001 (see `probe`; or the process was killed)
            return PROBE_FAILED


def _find_and_probe(key: str, folder: Path | None, precision: Precision, device: str) -> Speed:
    from suite import problems

    return probe(problems.find_problem(key, folder), precision, device)


def _measure(problem: Problem, precision: Precision, device: str) -> Speed:
    from suite.training.evaluation import Evaluation
    from suite.training.step import autocast

    network = problem.network().to(device)
    inputs, targets = (tensor.to(device) for tensor in problem.synthetic_batch(PROBE_BATCH))

    def train() -> None:
        with autocast(precision, inputs.device.type):
            loss = problem.loss(network(problem.prepare(inputs)), targets)
        loss.backward()
        loss.item()  # waits for the device

    evaluation = Evaluation(problem, network, inputs, targets, precision)

    def test() -> None:
        evaluation.start()
        evaluation.result()

    return Speed(_examples_per_second(train, 2), _examples_per_second(test, 4), "a probe of two steps")


def _examples_per_second(work: Callable[[], None], times: int) -> float:
    """Return the speed of a piece of work on PROBE_BATCH examples, measured after one call to warm up."""
    work()
    started = time.perf_counter()
    for _ in range(times):
        work()
    return times * PROBE_BATCH / (time.perf_counter() - started)
