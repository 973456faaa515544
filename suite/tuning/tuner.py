"""Runs searches to their end, side by side: proposes, trains, judges, records, tells Optuna."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING

from suite.execution import runner
from suite.records import Configuration, Outcome, State, TrialRecord, TrialResult
from suite.tracking.outbox import Outbox
from suite.trials import Trial, canonical
from suite.tuning.pruning import should_prune
from suite.tuning.sampling import distributions, inner, outer, proposal
from suite.tuning.storage import CONFIGURATION, RUN, configuration, configurations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from optuna.trial import FrozenTrial

    from suite.execution.local import Executor
    from suite.spec.study import Study
    from suite.tracking.store import Store
    from suite.tuning.search import Search
    from suite.tuning.storage import Storage


@dataclass(frozen=True, slots=True)
class _RepeatResult:
    """What came of one repeat."""

    value: float
    outcome: Outcome
    reason: str
    examples: int
    seconds: float
    run_id: str


@dataclass(slots=True)
class _Configuration:
    """A configuration on its way."""

    number: int
    hyperparameters: dict[str, float]
    trials: tuple[Trial, ...]
    judged: list[_RepeatResult] = field(default_factory=list)
    state: State | None = None
    running: bool = False

    @property
    def values(self) -> list[float]:
        return [each.value for each in self.judged]

    @property
    def next(self) -> Trial:
        return self.trials[len(self.judged)]


class _SearchState:
    """One search under way: its batch, and what Optuna has been told."""

    def __init__(self, search: Search, study: Study, storage: Storage, store: Store) -> None:
        self.search, self.study, self.storage, self.store = search, study, storage, store
        self.optuna = storage.study(search)
        self.batch: list[_Configuration] = []
        self.blocked = False

    def open_batch(self, known: dict[str, TrialRecord]) -> list[str]:
        """Take up the pending batch or propose the next, as often as its trials are all there; returns what is spared."""
        spared: list[str] = []
        while not self.batch and not self.blocked:
            self.batch = self._pending()
            if not self.batch:
                break
            for tried in self.batch:
                spared += self._take_up(tried, known)
            self._close_batch()
        return spared

    def ready(self) -> _Configuration | None:
        """A configuration that waits for its next repeat."""
        return next((each for each in self.batch if each.state is None and not each.running), None)

    def finished(
        self, tried: _Configuration, result: TrialResult, run_id: str, known: dict[str, TrialRecord]
    ) -> list[str]:
        """A repeat has ended and is recorded; returns the names of the trials that need not run."""
        last = {point.metric: point.value for point in result.points}
        measured = last.get(self.search.tune.objective, math.nan)
        tried.running = False
        self._judge(tried, measured, result.outcome, result.reason, result.timing.examples, result.timing.total, run_id)
        spared = self._take_up(tried, known)
        self._close_batch()
        return spared + self.open_batch(known)

    def _pending(self) -> list[_Configuration]:
        """The batch that Optuna's storage has pending, completed where a killed process had not proposed all of it."""
        from optuna.trial import TrialState, create_trial

        with self.storage.told("written"):
            trials = self.optuna.get_trials(deepcopy=False)
            told = sum(trial.state.is_finished() for trial in trials)
            size, total = self.search.tune.batch, self.search.configurations
            for number in range(len(trials), min(total, (told // size + 1) * size)):
                chosen = proposal(self.search, self.optuna.get_trials(deepcopy=False), number)
                pending = create_trial(
                    state=TrialState.RUNNING,
                    params=inner(self.search, chosen),
                    distributions=distributions(self.search),
                )
                self.optuna.add_trial(pending)  # one transaction: it is there with all its values, or not at all
            pending_now = [t for t in self.optuna.get_trials(deepcopy=False)[:total] if not t.state.is_finished()]
        return [self._tried(trial) for trial in pending_now]

    def _tried(self, trial: FrozenTrial) -> _Configuration:
        chosen = proposal(self.search, (), 0) if trial.number == 0 else outer(self.search, trial.params)
        return _Configuration(trial.number, chosen, self.search.trials(trial.number, chosen))

    def _take_up(self, tried: _Configuration, known: dict[str, TrialRecord]) -> list[str]:
        """Judge a configuration on the repeats that are recorded already; returns the trials that need not run."""
        before = len(tried.judged)
        while tried.state is None and (record := known.get(tried.next.id)) and record.outcome is not Outcome.FAILED:
            frame = self.store.points([record])
            values = frame.loc[frame["metric"] == self.search.tune.objective, "value"].tolist()
            measured = values[-1] if values else math.nan
            timing = record.timing
            self._judge(tried, measured, record.outcome, record.reason, timing.examples, timing.total, record.run_id)
        names = self.search.names(tried.number)
        return names[before : len(tried.judged) if tried.state is None else None]

    def _judge(
        self,
        tried: _Configuration,
        measured: float,
        outcome: Outcome,
        reason: str,
        examples: int,
        seconds: float,
        run_id: str,
    ) -> None:
        """Note a repeat, and whether the configuration is through."""
        value = self.search.value(measured) if outcome is Outcome.OK else self.search.worst
        tried.judged.append(_RepeatResult(value, outcome, reason, examples, seconds, run_id))
        if outcome is not Outcome.OK:
            tried.state = State(outcome.value)
        elif len(tried.judged) == len(tried.trials):
            tried.state = State.COMPLETE
        elif self.search.tune.prune and should_prune(self._signed(tried.values), self._complete(tried)):
            tried.state = State.PRUNED

    def _complete(self, tried: _Configuration) -> list[list[float]]:
        """The values of the configurations of the batches before that had all repeats."""
        with self.storage.told("read"):
            trials = self.optuna.get_trials(deepcopy=False)[: self.search.batch_of(tried.number)]
        whole = [t for t in trials if CONFIGURATION in t.user_attrs and configuration(t).state is State.COMPLETE]
        return [self._signed([t.intermediate_values[r] for r in sorted(t.intermediate_values)]) for t in whole]

    def _signed(self, values: Iterable[float]) -> list[float]:
        return [self.search.sign * value for value in values]

    def _close_batch(self) -> None:
        """Record and tell the batch in the order of its numbers once all of it is through, unless one failed."""
        if not self.batch or any(tried.state is None for tried in self.batch):
            return
        failed = [tried for tried in self.batch if tried.state is State.FAILED]
        if failed:
            self.blocked = True
            for tried in failed:
                self._record(tried)
            return
        for tried in self.batch:
            self._tell(tried)
        self.batch = []

    def _record(self, tried: _Configuration) -> Configuration:
        """Write the configuration as a run of the store."""
        assert tried.state is not None
        search = self.search
        value: float | None = fmean(tried.values)
        if tried.state in {State.DIVERGED, State.STALLED}:
            value = search.worst
        found = Configuration(
            study=search.study,
            optuna=search.optuna,
            number=tried.number,
            label=search.label,
            kind=search.base.optimizer,
            hyperparameters=tried.hyperparameters,
            state=tried.state,
            reason=tried.judged[-1].reason,
            value=None if tried.state is State.FAILED else value,
            objective=search.tune.objective,
            sampler=search.tune.sampler,
            trials=tuple(trial.id for trial in tried.trials[: len(tried.judged)]),
            examples=sum(each.examples for each in tried.judged),
            seconds=sum(each.seconds for each in tried.judged),
            space=search.written_space,
        )
        run_id = self.store.write_configuration(self.study, found, [each.run_id for each in tried.judged])
        return replace(found, run_id=run_id)

    def _tell(self, tried: _Configuration) -> None:
        """Record a configuration, then tell Optuna: killed in between, the next process records it in its place again."""
        import optuna

        found = self._record(tried)
        with self.storage.told("written"):
            pending = self.optuna.get_trials(deepcopy=False)[tried.number]
            trial = optuna.trial.Trial(self.optuna, pending._trial_id)  # noqa: SLF001 (a pending one has no other door)
            for repeat, value in enumerate(tried.values):
                if repeat not in pending.intermediate_values:
                    trial.report(value, repeat)
            trial.set_user_attr(RUN, found.run_id)
            trial.set_user_attr(CONFIGURATION, canonical(found.description()))
            pruned = found.state is State.PRUNED
            state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
            self.optuna.tell(tried.number, None if pruned else found.value, state)

    def restore(self, known: Mapping[str, TrialRecord], recorded: set[tuple[str, int]]) -> None:
        """Write what Optuna was told and this store has no record of: it was moved, or another one was used before.

        A run names its Optuna trial; that Optuna trial goes on naming its first run, since a finished one cannot be changed.
        """
        for found in configurations(self.storage, self.search):
            if (found.optuna, found.number) not in recorded:
                children = [known[trial].run_id for trial in found.trials if trial in known]
                self.store.write_configuration(self.study, found, children)


def tune(
    study: Study,
    wanted: Sequence[Search],
    store: Store,
    storage: Storage,
    executor: Executor,
    finished: Callable[[TrialResult, str], object] = lambda _result, _name: None,
    spared: Callable[[list[str]], object] = lambda _names: None,
    told: Callable[[str], object] = lambda _: None,
) -> list[TrialResult]:
    """Run these searches to their end, or as far as nothing fails, side by side on the executor.

    Args:
        study: Whose experiment all is recorded in.
        wanted: The searches of the study; see `suite.tuning.search`.
        store: Held by this process.
        storage: Optuna's, held by this process.
        executor: Where the trials run.
        finished: Told of each result and its name after it was recorded.
        spared: Told the names of trials that need not run: recorded before, pruned, or of a configuration that ended.
        told: Told in a sentence when the store goes away, for which the search waits, and comes back.

    Returns:
        The failed results; each holds up the search of its optimizer.
    """
    known = store.tuning_records()
    recorded = {(each.optuna, each.number) for each in store.configurations(study.name)}
    under_way = [_SearchState(search, study, storage, store) for search in wanted]
    for each in under_way:
        each.restore(known, recorded)
        spared(each.open_batch(known))
    failed: list[TrialResult] = []
    box = Outbox(store, study, told)
    running: dict[Future[TrialResult], tuple[_SearchState, _Configuration]] = {}
    while True:
        for each in itertools.cycle(under_way):
            if len(running) >= executor.workers or not any(other.ready() for other in under_way):
                break
            tried = each.ready()
            if tried:
                tried.running = True
                running[executor.submit(tried.next)] = (each, tried)
        if not running:
            return failed
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            each, tried = running.pop(future)
            result = runner.future_result(future, tried.next)
            name = each.search.names(tried.number)[len(tried.judged)]
            run_id = box.write(result, name)
            finished(result, name)
            failed += [result] if result.outcome is Outcome.FAILED else []
            spared(each.finished(tried, result, run_id, known))
