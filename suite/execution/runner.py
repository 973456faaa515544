"""Runs the missing trials of a plan and records each result immediately."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING

from suite.execution.local import WorkerLostError
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
    """Return the trials without a result, each id once; failed trials count as missing."""
    by_id = {trial.id: trial for trial in trials}
    return [t for key, t in by_id.items() if key not in records or records[key].outcome is Outcome.FAILED]


def run(
    study: Study,
    trials: Sequence[Trial],
    store: Store,
    executor: Executor,
    on_result: Callable[[TrialResult], object] = lambda _: None,
    notify: Callable[[str], object] = lambda _: None,
) -> Counter[Outcome]:
    """Run trials, record each as soon as it ends, and return the number of trials by outcome.

    The workers change neither what runs nor what is recorded.

    Args:
        study: The study in whose experiment the trials are recorded.
        trials: The missing trials; see `missing`.
        store: Locked by this process (`Store.lock`).
        executor: Where the trials run.
        on_result: Called with each result after it was recorded, or written to disk while the store is unavailable
            (`suite.tracking.outbox`).
        notify: Called with a sentence when the store becomes unavailable and when it is available again.
    """
    outcomes: Counter[Outcome] = Counter()
    outbox = Outbox(store, study, notify)
    for result in results(trials, executor):
        outbox.add(result)
        outcomes[result.outcome] += 1
        on_result(result)
    outbox.flush()
    return outcomes


def results(trials: Sequence[Trial], executor: Executor) -> Iterator[TrialResult]:
    """Run trials and yield each result when it is available."""
    waiting = list(reversed(trials))
    running: dict[Future[TrialResult], Trial] = {}
    while waiting or running:
        while waiting and len(running) < 2 * executor.workers:
            trial = waiting.pop()
            running[executor.submit(trial)] = trial
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield future_result(future, running.pop(future))


def future_result(future: Future[TrialResult], trial: Trial) -> TrialResult:
    """Return the result of a future; a failed one if the worker itself was lost twice (killed, out of memory)."""
    error = future.exception()
    if error is None:
        return future.result()
    message = str(error) if isinstance(error, WorkerLostError) else f"{type(error).__name__}: {error}"
    reason = f"the worker was lost: {' '.join(message.split())}"
    return TrialResult(trial=trial, outcome=Outcome.FAILED, reason=reason, started=time.time())
