"""Runs what a plan has left to do, and writes each result at once."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING

from suite.execution.local import WorkerLost
from suite.records import Outcome, TrialResult
from suite.tracking.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from suite.execution.local import Executor
    from suite.records import TrialRecord
    from suite.spec.study import Study
    from suite.tracking.store import Store
    from suite.trials import Trial


def missing(trials: Sequence[Trial], records: Mapping[str, TrialRecord]) -> list[Trial]:
    """The trials that have no result yet, each id once; a failed one is run again."""
    left = {trial.id: trial for trial in trials}
    return [t for key, t in left.items() if key not in records or records[key].outcome is Outcome.FAILED]


def run(
    study: Study,
    trials: Sequence[Trial],
    store: Store,
    executor: Executor,
    finished: Callable[[TrialResult], object] = lambda _: None,
    told: Callable[[str], object] = lambda _: None,
) -> Counter[Outcome]:
    """Run these trials and record each the moment it ends. What runs and what is recorded does not depend on the workers.

    Args:
        study: Whose experiment the trials are recorded in.
        trials: What is missing; see `missing`.
        store: Held by this process (`Store.held`).
        executor: Where they run.
        finished: Told of each result after it was recorded, or kept on disk while the store is away (`suite.tracking.outbox`).
        told: Told in a sentence when the store goes away and comes back.

    Returns:
        How many trials ended how.
    """
    outcomes: Counter[Outcome] = Counter()
    box = Outbox(store, study, told)
    for result in results(trials, executor):
        box.add(result)
        outcomes[result.outcome] += 1
        finished(result)
    box.flush()
    return outcomes


def results(trials: Sequence[Trial], executor: Executor) -> Iterator[TrialResult]:
    """Run these trials; each result as it comes, a failed one where the worker was lost."""
    waiting = list(reversed(trials))
    running: dict[Future[TrialResult], Trial] = {}
    while waiting or running:
        while waiting and len(running) < 2 * executor.workers:
            trial = waiting.pop()
            running[executor.submit(trial)] = trial
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield settled(future, running.pop(future))


def settled(future: Future[TrialResult], trial: Trial) -> TrialResult:
    """The result, or a failed one where the worker itself was lost (out of memory, killed) and its second try, too."""
    error = future.exception()
    if error is None:
        return future.result()
    told = str(error) if isinstance(error, WorkerLost) else f"{type(error).__name__}: {error}"
    reason = f"the worker was lost: {' '.join(told.split())}"
    return TrialResult(trial=trial, outcome=Outcome.FAILED, reason=reason, started=time.time())
