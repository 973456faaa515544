"""Run searches to their end, side by side: propose, train, evaluate, record, and report to Optuna."""

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
from suite.tuning.sampling import distributions, from_optuna, propose, to_optuna
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
class _Repeat:
    """A repeat that has ended."""

    value: float
    result: TrialResult | TrialRecord
    run_id: str


@dataclass(slots=True)
class _Configuration:
    """A configuration whose search is not complete."""

    number: int
    hyperparameters: dict[str, float]
    trials: tuple[Trial, ...]
    repeats: list[_Repeat] = field(default_factory=list)
    state: State | None = None
    is_running: bool = False

    @property
    def values(self) -> list[float]:
        return [repeat.value for repeat in self.repeats]

    @property
    def next_trial(self) -> Trial:
        return self.trials[len(self.repeats)]


class _SearchState:
    """A running search: its batch and its Optuna study."""

    def __init__(self, search: Search, study: Study, storage: Storage, store: Store) -> None:
        self.search, self.study, self.storage, self.store = search, study, storage, store
        self.optuna = storage.study(search)
        self.batch: list[_Configuration] = []
        self.is_blocked = False

    def open_batch(self, records: Mapping[str, TrialRecord]) -> list[str]:
        """Open the pending or next batch that has missing trials; return the names of skipped trials."""
        skipped: list[str] = []
        while not self.batch and not self.is_blocked:
            self.batch = self._pending()
            if not self.batch:
                break
            for item in self.batch:
                skipped += self._load_recorded_repeats(item, records)
            self._finish_batch()
        return skipped

    def ready(self) -> _Configuration | None:
        """Return a configuration whose next repeat can start."""
        return next((item for item in self.batch if item.state is None and not item.is_running), None)

    def add_result(
        self, item: _Configuration, result: TrialResult, run_id: str, records: Mapping[str, TrialRecord]
    ) -> list[str]:
        """Add a recorded result of a repeat; return the names of skipped trials."""
        last_values = {point.metric: point.value for point in result.points}
        item.is_running = False
        self._add_repeat(item, last_values.get(self.search.tune.objective, math.nan), result, run_id)
        skipped = self._load_recorded_repeats(item, records)
        self._finish_batch()
        return skipped + self.open_batch(records)

    def _pending(self) -> list[_Configuration]:
        """Return the pending batch of Optuna's storage; propose what a killed process had not yet proposed."""
        from optuna.trial import TrialState, create_trial

        with self.storage.store_errors("written"):
            trials = self.optuna.get_trials(deepcopy=False)
            num_finished = sum(trial.state.is_finished() for trial in trials)
            size, total = self.search.tune.batch, self.search.configurations
            for number in range(len(trials), min(total, (num_finished // size + 1) * size)):
                chosen = propose(self.search, self.optuna.get_trials(deepcopy=False), number)
                proposal = create_trial(
                    state=TrialState.RUNNING,
                    params=to_optuna(self.search, chosen),
                    distributions=distributions(self.search),
                )
                self.optuna.add_trial(proposal)  # one transaction: all of its values are stored, or none
            pending = [t for t in self.optuna.get_trials(deepcopy=False)[:total] if not t.state.is_finished()]
        return [self._configuration(trial) for trial in pending]

    def _configuration(self, trial: FrozenTrial) -> _Configuration:
        is_default = trial.number == 0
        chosen = propose(self.search, (), 0) if is_default else from_optuna(self.search, trial.params)
        return _Configuration(trial.number, chosen, self.search.trials(trial.number, chosen))

    def _load_recorded_repeats(self, item: _Configuration, records: Mapping[str, TrialRecord]) -> list[str]:
        """Add the recorded repeats of a configuration; return the names of the trials that need not run."""
        num_before = len(item.repeats)
        while (
            item.state is None and (record := records.get(item.next_trial.id)) and record.outcome is not Outcome.FAILED
        ):
            points = self.store.points([record])
            values = points.loc[points["metric"] == self.search.tune.objective, "value"].tolist()
            self._add_repeat(item, values[-1] if values else math.nan, record, record.run_id)
        names = self.search.names(item.number)
        return names[num_before : len(item.repeats) if item.state is None else None]

    def _add_repeat(
        self, item: _Configuration, measured: float, result: TrialResult | TrialRecord, run_id: str
    ) -> None:
        """Add the result of a repeat, and set the state of the configuration if it is the last one."""
        is_ok = result.outcome is Outcome.OK
        value = self.search.clip_objective(measured) if is_ok else self.search.failure_value
        item.repeats.append(_Repeat(value, result, run_id))
        if not is_ok:
            item.state = State(result.outcome.value)
        elif len(item.repeats) == len(item.trials):
            item.state = State.COMPLETE
        elif self.search.tune.prune and should_prune(self._signed(item.values), self._complete_values(item)):
            item.state = State.PRUNED

    def _complete_values(self, item: _Configuration) -> list[list[float]]:
        """Return the values of the complete configurations of earlier batches."""
        with self.storage.store_errors("read"):
            trials = self.optuna.get_trials(deepcopy=False)[: self.search.batch_of(item.number)]
        complete = [t for t in trials if CONFIGURATION in t.user_attrs and configuration(t).state is State.COMPLETE]
        return [self._signed([t.intermediate_values[r] for r in sorted(t.intermediate_values)]) for t in complete]

    def _signed(self, values: Iterable[float]) -> list[float]:
        return [self.search.sign * value for value in values]

    def _finish_batch(self) -> None:
        """If the batch is complete, record it in the order of its numbers; a failed trial blocks the search instead."""
        if not self.batch or any(item.state is None for item in self.batch):
            return
        failed = [item for item in self.batch if item.state is State.FAILED]
        if failed:
            self.is_blocked = True
            for item in failed:
                self._record(item)
            return
        for item in self.batch:
            self._report(item)
        self.batch = []

    def _record(self, item: _Configuration) -> Configuration:
        """Record a configuration as a run of the store."""
        assert item.state is not None
        search = self.search
        value: float | None = fmean(item.values)
        if item.state in {State.DIVERGED, State.STALLED}:
            value = search.failure_value
        record = Configuration(
            study=search.study,
            optuna=search.optuna,
            number=item.number,
            label=search.label,
            kind=search.base.optimizer,
            hyperparameters=item.hyperparameters,
            state=item.state,
            reason=item.repeats[-1].result.reason,
            value=None if item.state is State.FAILED else value,
            objective=search.tune.objective,
            sampler=search.tune.sampler,
            trials=tuple(trial.id for trial in item.trials[: len(item.repeats)]),
            examples=sum(repeat.result.timing.examples for repeat in item.repeats),
            seconds=sum(repeat.result.timing.total for repeat in item.repeats),
            space=search.written_space,
        )
        run_id = self.store.write_configuration(self.study, record, [repeat.run_id for repeat in item.repeats])
        return replace(record, run_id=run_id)

    def _report(self, item: _Configuration) -> None:
        """Record a configuration, then report it to Optuna; if killed in between, the next process replaces the record."""
        import optuna

        record = self._record(item)
        with self.storage.store_errors("written"):
            pending = self.optuna.get_trials(deepcopy=False)[item.number]
            trial = optuna.trial.Trial(self.optuna, pending._trial_id)  # noqa: SLF001 (no public way to a pending trial)
            for repeat, value in enumerate(item.values):
                if repeat not in pending.intermediate_values:
                    trial.report(value, repeat)
            trial.set_user_attr(RUN, record.run_id)
            trial.set_user_attr(CONFIGURATION, canonical(record.description()))
            is_pruned = record.state is State.PRUNED
            state = optuna.trial.TrialState.PRUNED if is_pruned else optuna.trial.TrialState.COMPLETE
            self.optuna.tell(item.number, None if is_pruned else record.value, state)

    def restore(self, records: Mapping[str, TrialRecord], recorded: set[tuple[str, int]]) -> None:
        """Record the configurations of Optuna that the store lacks, because it was moved or another one was used.

        The new run names its Optuna trial. That trial keeps the name of its first run, because a finished trial cannot be
        changed.
        """
        for item in configurations(self.storage, self.search):
            if (item.optuna, item.number) not in recorded:
                children = [records[trial].run_id for trial in item.trials if trial in records]
                self.store.write_configuration(self.study, item, children)


def tune(
    study: Study,
    searches: Sequence[Search],
    store: Store,
    storage: Storage,
    executor: Executor,
    on_result: Callable[[TrialResult, str], object] = lambda _result, _name: None,
    on_skipped: Callable[[list[str]], object] = lambda _names: None,
    notify: Callable[[str], object] = lambda _: None,
) -> list[TrialResult]:
    """Run searches side by side until all are complete or blocked by a failed trial; return the failed results.

    Args:
        study: The study whose experiment gets the records.
        searches: The searches of the study; see `suite.tuning.search`.
        store: The store, locked by this process.
        storage: Optuna's storage, locked by this process.
        executor: Runs the trials.
        on_result: Called with each result and its name after it was recorded.
        on_skipped: Called with the names of trials that need not run: recorded before, pruned, or after a failed repeat.
        notify: Called with a message when the store becomes unavailable, for which the search waits, and when it is
            available again.
    """
    records = store.tuning_records()
    recorded = {(item.optuna, item.number) for item in store.configurations(study.name)}
    states = [_SearchState(search, study, storage, store) for search in searches]
    for state in states:
        state.restore(records, recorded)
        on_skipped(state.open_batch(records))
    failed: list[TrialResult] = []
    outbox = Outbox(store, study, notify)
    running: dict[Future[TrialResult], tuple[_SearchState, _Configuration]] = {}
    while True:
        for state in itertools.cycle(states):
            if len(running) >= executor.workers or not any(other.ready() for other in states):
                break
            if item := state.ready():
                item.is_running = True
                running[executor.submit(item.next_trial)] = (state, item)
        if not running:
            return failed
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            state, item = running.pop(future)
            result = runner.future_result(future, item.next_trial)
            name = state.search.names(item.number)[len(item.repeats)]
            run_id = outbox.write(result, name)
            on_result(result, name)
            failed += [result] if result.outcome is Outcome.FAILED else []
            on_skipped(state.add_result(item, result, run_id, records))
