"""Searches each optimizer's hyperparameters under one budget. The only importer of optuna.

**Judged.** A configuration is trained on one or more repeats, of the stage `tuning`, so on other seeds than the final run,
and on five sixths of the training set; its value is the mean of the objective over them, on the validation split
(`suite.splits`). A loss counts as the chance loss at most: a network that is worse than a constant prediction is no worse
than useless. A repeat that diverges or stalls stops by itself, ends its configuration, and gives it the worst value there
is: the chance loss, or an accuracy of 0. A hopeless configuration is spared its other repeats (`suite.pruning`).

**Proposed.** The first configuration is the optimizer's own setting in the study. The others come in batches; a sampler is
seeded by (study's seed, optimizer, number of the configuration) and sees the results of the batches before, and what is
pending of its own. So the workers, the order in which trials end, and interruptions change nothing: an interrupted search
is the same as an undisturbed one, number for number.

**Recorded.** Trials are recorded the moment they end and found again by their id, so what one process ran the next does not
(within one process a configuration that is proposed twice is trained twice). A batch is told to Optuna when all of it is
there. What a killed process leaves pending in Optuna's storage is taken up by the next. A failed
trial holds up its optimizer's search after its batch; it is run again the next time.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
import warnings
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal, Self

from suite import plan, problems, runner, spaces
from suite.errors import UserError
from suite.holding import check_address, check_sqlite, hold, resolved, without_password
from suite.outbox import Outbox
from suite.pruning import hopeless
from suite.records import Configuration, Outcome, State, Trial, TrialRecord, TrialResult, canonical
from suite.seeds import seed_for
from suite.splits import validation_examples
from suite.study import LONGEST_LABEL, tuned_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from suite.executors import Executor
    from suite.store import Store
    from suite.study import Study, Tune

GRID_POINTS = 9
MOST_POINTS = 10_000
SQLITE = "sqlite:///"
OPTUNA_TABLES = {"studies", "trials", "trial_params", "version_info"}
CONFIGURATION, RUN, PROTOCOL = "ravine.configuration", "ravine.run", "ravine.protocol"
"""What Optuna's storage is told besides the values: a trial's whole record and its run in MLflow, a study's description."""


@dataclass(frozen=True)
class Search:
    """One optimizer's search: what is tried, and under which budget."""

    tune: Tune
    study: str
    base: Trial
    """The optimizer's own setting on repeat 0."""
    space: spaces.Space
    chance_loss: float
    judged_on: int
    """How many examples of the validation split the objective is taken over."""

    @property
    def label(self) -> str:
        """The optimizer's label in the study."""
        return self.base.label

    @property
    def configurations(self) -> int:
        """How many are tried, the own setting among them."""
        return 1 + len(self.grid) if self.tune.sampler == "grid" else self.tune.trials

    @property
    def examples(self) -> int:
        """How many training examples the search may go through at most."""
        return self.configurations * self.tune.repeats * self.base.epochs * self.base.train_examples

    @property
    def points(self) -> int:
        """How many points the grid would have."""
        each = (len(found.values or ()) or self.tune.points or GRID_POINTS for found in self.space.values())
        return math.prod(each) if self.tune.sampler == "grid" else 0

    @cached_property
    def grid(self) -> list[dict[str, float]]:
        """The points of the grid, the last hyperparameter changing fastest."""
        values = [spaces.grid(found, self.tune.points or GRID_POINTS) for found in self.space.values()]
        return [dict(zip(self.space, point, strict=True)) for point in itertools.product(*values)]

    @cached_property
    def protocol(self) -> str:
        """All that decides what is proposed and how it is judged, but for how many: other protocols do not mix."""
        tune = self.tune.model_dump(exclude={"trials", "space", "epochs", "train_examples", "parameters"})
        ranges = {name: found.model_dump(exclude_none=True) for name, found in self.space.items()}
        return canonical({"trial": self.base.description(), "tune": tune, "space": ranges})

    @property
    def optuna(self) -> str:
        """The name of its Optuna study."""
        return f"{self.study}/{self.label} {hashlib.sha256(self.protocol.encode()).hexdigest()[:8]}"

    @property
    def sign(self) -> float:
        """By which the objective is multiplied so that less is better."""
        return -1.0 if self.tune.objective.endswith("accuracy") else 1.0

    @property
    def worst(self) -> float:
        """The value of a configuration that diverged or stalled."""
        return 0.0 if self.sign < 0 else self.chance_loss

    def value(self, measured: float) -> float:
        """The objective as it counts; see the top of this file."""
        if not math.isfinite(measured):
            return self.worst
        return measured if self.sign < 0 else min(measured, self.chance_loss)

    def trials(self, number: int, hyperparameters: Mapping[str, float]) -> tuple[Trial, ...]:
        """The repeats of a configuration."""
        options = self.base.hyperparameters
        chosen = options if number == 0 else spaces.with_values(options, hyperparameters)
        return tuple(replace(self.base, hyperparameters=chosen, repeat=r) for r in range(self.tune.repeats))

    def batch_of(self, number: int) -> int:
        """The first number of the batch that a configuration belongs to."""
        return number - number % self.tune.batch

    def names(self, number: int) -> list[str]:
        """What the repeats of a configuration are called: `Adam #3 r0`."""
        return [f"{self.label} #{number} r{repeat}" for repeat in range(self.tune.repeats)]


def searches(study: Study) -> tuple[Search, ...]:
    """The searches of a study, one an optimizer, all with one budget.

    Raises:
        UserError: A mistake in the study, with its place.
    """
    bases, problem = plan.tuning(study), problems.find(study.problem, study.folder)
    spaces.check_parameters(study, [base.hyperparameters for base in bases])
    found, mistakes = [], []
    labels = {entry.name for entry in study.optimizer}
    for entry, base in zip(study.optimizer, bases, strict=True):
        if tuned_label(entry.name) in labels:
            mistakes.append(
                f'{study.place}: "{tuned_label(entry.name)}": what the tuning of "{entry.name}" will be called. '
                "Remove that entry, or give it another name"
            )
        if len(tuned_label(entry.name)) > LONGEST_LABEL:
            mistakes.append(
                f'{study.place}: "{entry.name}": too long for "{tuned_label(entry.name)}". Shorten the name'
            )
        try:
            ranges = spaces.space(study, entry, base.hyperparameters)
            judged_on = base.evaluate_examples or validation_examples(problem.train_examples)
            found.append(Search(study.tune, study.name, base, ranges, problem.chance_loss, judged_on))
            if found[-1].points > MOST_POINTS:
                mistakes.append(
                    f'{study.place}: tune.points: the grid of "{entry.name}" has {found[-1].points:,} points, more than '
                    f'{MOST_POINTS:,}. Write fewer, or parameters = ["lr"]'
                )
        except UserError as error:
            mistakes.append(str(error))
    if mistakes:
        raise UserError("\n".join(dict.fromkeys(mistakes)))
    sizes = {search.configurations for search in found}
    if len(sizes) > 1:
        told = ", ".join(f"{search.label} {search.configurations}" for search in found)
        raise UserError(
            f"{study.place}: tune.sampler: the grids differ in size ({told}), and every optimizer gets the same budget. "
            'Write parameters = ["lr"], or as many points for each'
        )
    return tuple(found)


# --- proposals -------------------------------------------------------------------------------------------------------


def proposal(search: Search, history: Sequence[FrozenTrial], number: int) -> dict[str, float]:
    """The hyperparameters that configuration `number` tries.

    Args:
        search: Whose.
        history: Optuna's trials before it, in the order of their numbers. Of those of its own batch only what they try is
            looked at, even where the results are there.
        number: From 0; 0 is the optimizer's own setting.
    """
    if number == 0:
        own = spaces.tunable(search.base.hyperparameters)
        return {name: own[name] for name in search.space}
    if search.tune.sampler == "grid":
        return search.grid[number - 1]
    import optuna
    from optuna.trial import TrialState, create_trial

    scratch = optuna.create_study(sampler=_sampler(search, number), direction=_direction(search))
    for trial in history[:1] if search.tune.sampler == "qmc" else history:  # of a sequence, the place alone counts
        told = trial.number < search.batch_of(number)
        running = create_trial(state=TrialState.RUNNING, params=trial.params, distributions=trial.distributions)
        scratch.add_trial(trial if told else running)
    for _ in range(number - 1 if search.tune.sampler == "qmc" else 0):
        scratch.ask(_distributions(search))
    return _outer(search, scratch.ask(_distributions(search)).params)


def _sampler(search: Search, number: int) -> BaseSampler:
    import optuna

    trial = search.base

    def seed(number: int) -> int:
        return seed_for(trial.seed, trial.problem, "tuning", number, f"proposal {search.label}") % 2**32

    if search.tune.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed(number))
    if search.tune.sampler == "qmc":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.QMCSampler(scramble=True, seed=seed(0), warn_independent_sampling=False)
    return optuna.samplers.TPESampler(seed=seed(number))


def _direction(search: Search) -> Literal["minimize", "maximize"]:
    return "maximize" if search.sign < 0 else "minimize"


def _distributions(search: Search) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    found: dict[str, BaseDistribution] = {}
    for name, values in search.space.items():
        form, (low, high) = spaces.ends(values)
        if values.values:
            found[name] = CategoricalDistribution(values.values)
        else:
            found[_inner_name(search, name)] = FloatDistribution(low, high, log=form != "uniform")
    return found


def _inner_name(search: Search, name: str) -> str:
    return f"1-{name}" if search.space[name].one_minus_log else name


def _inner(search: Search, hyperparameters: Mapping[str, float]) -> dict[str, float]:
    """What Optuna calls these hyperparameters: 1 − β in place of β where its range is one of 1 − β."""
    return {_inner_name(search, name): spaces.inner(search.space[name], x) for name, x in hyperparameters.items()}


def _outer(search: Search, params: Mapping[str, float]) -> dict[str, float]:
    """The hyperparameters from what Optuna calls them."""
    return {name: spaces.outer(values, params[_inner_name(search, name)]) for name, values in search.space.items()}


# --- Optuna's storage ------------------------------------------------------------------------------------------------


def locate(storage: str | None, beside: Path) -> str:
    """The URL of Optuna's storage: what `--storage` names, else the SQLite file `optuna.db`.

    Args:
        storage: A URL of a database (`sqlite:///…`, `postgresql://…`), or the path of a SQLite file.
        beside: The folder of the default file.

    Raises:
        UserError: It is empty, or no such address.
    """
    url = str(beside / "optuna.db") if storage is None else storage
    mend = "Write the path of a SQLite file, or one of sqlite:///…, postgresql://…, mysql://…"
    if url in {"", SQLITE}:
        raise UserError(f"--storage: it is empty. {mend}, or leave --storage out")
    if "://" in url and not url.startswith(SQLITE):
        check_address(url, ("postgresql", "mysql"), "--storage", mend)
        return url
    return f"{SQLITE}{resolved(url.removeprefix(SQLITE), '--storage')}"


class Storage:
    """Optuna's storage, held by this process.

    Args:
        url: As `locate` gives it.

    Raises:
        UserError: It is held by another process, broken, or a database of something else.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.file = Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None
        self.place = str(self.file) if self.file else without_password(url)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with self.told("opened"), contextlib.ExitStack() as stack:
            if self.file:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            self._refuse_others()
            stack.enter_context(hold(self.url, self.file, "--storage chooses another"))
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)
            if self.file and not self.file.exists():
                _make(self.file)
            self._rdb = optuna.storages.RDBStorage(self.url)
            stack.callback(self._rdb.engine.dispose)
            stack.callback(self._rdb.remove_session)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _refuse_others(self) -> None:
        """Optuna would make its tables in whatever database it is given."""
        import sqlalchemy

        if self.file:
            check_sqlite(self.file, OPTUNA_TABLES, "Optuna", "--storage")
            return
        engine = sqlalchemy.create_engine(self.url)
        try:
            tables = set(sqlalchemy.inspect(engine).get_table_names())
        finally:
            engine.dispose()
        if tables and not tables >= OPTUNA_TABLES:
            raise UserError(
                f"{self.place}: it is a database of something else (tables {', '.join(sorted(tables)[:3])}, ...), "
                "not of Optuna. --storage chooses another"
            )

    @contextlib.contextmanager
    def told(self, done: str) -> Iterator[None]:
        """Turn what a storage that is away, broken or not writable raises into one line."""
        from optuna.exceptions import OptunaError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except ImportError as error:
            mend = 'Install that database\'s driver; for PostgreSQL: pip install "ravine[postgresql]"'
            raise UserError(f"{self.place}: {error}. {mend}") from error
        except (OSError, OptunaError, SQLAlchemyError, RuntimeError, ValueError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
            why = without_password(" ".join(str(getattr(cause, "orig", None) or cause).split())[:200]).rstrip(".")
            mend = "Is the server up?"
            if self.file:
                mend = "Remove it to start anew (recorded trials are not run again)"
                mend = mend if os.path.isfile(self.file) else "Give the path of a file"  # noqa: PTH113 (never raises)
            mend = "Another process holds it (a backup, a viewer?): end that" if "database is locked" in why else mend
            raise UserError(
                f"{self.place}: Optuna's storage cannot be {done}: {why}. {mend}, or choose another with --storage"
            ) from error

    def study(self, search: Search) -> optuna.Study:
        """The Optuna study of a search, made where it is not there.

        Raises:
            UserError: There is one of that name that Ravine did not make.
        """
        import optuna

        with self.told("read"):
            found = optuna.create_study(
                storage=self._rdb,
                study_name=search.optuna,
                direction=_direction(search),
                pruner=optuna.pruners.NopPruner(),
                sampler=optuna.samplers.RandomSampler(seed=0),  # never asked: proposals are made apart
                load_if_exists=True,
            )
            trials = found.get_trials(deepcopy=False)
            if not trials and PROTOCOL not in found.user_attrs:
                found.set_user_attr(PROTOCOL, search.protocol)
            ours = found.user_attrs.get(PROTOCOL) == search.protocol and all(
                trial.state is optuna.trial.TrialState.RUNNING or CONFIGURATION in trial.user_attrs for trial in trials
            )
        if not ours:
            raise UserError(
                f'{self.place}: the Optuna study "{search.optuna}" holds what Ravine did not put there. '
                "Delete it (optuna delete-study), or choose another storage with --storage"
            )
        return found


def _make(file: Path) -> None:
    """Make a storage beside its place and move it there whole: a process killed meanwhile leaves no half."""
    import optuna

    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    made = optuna.storages.RDBStorage(f"{SQLITE}{new}")
    made.remove_session()
    made.engine.dispose()
    new.rename(file)


def configurations(storage: Storage, search: Search) -> list[Configuration]:
    """What a search has tried so far, by number, as far as the study asks for."""
    found = storage.study(search)
    with storage.told("read"):
        trials = found.get_trials(deepcopy=False)[: search.configurations]
        return [_configuration(trial) for trial in trials if CONFIGURATION in trial.user_attrs]


def _configuration(trial: FrozenTrial) -> Configuration:
    description = json.loads(trial.user_attrs[CONFIGURATION])
    return Configuration.from_description(description, run_id=trial.user_attrs.get(RUN, ""))


def best(tried: Iterable[Configuration], search: Search) -> Configuration | None:
    """The one with the best value of those that had all their repeats, the first where several are equal."""
    whole = [each for each in tried if each.state is State.COMPLETE and each.value is not None]
    return min(whole, key=lambda each: (search.sign * (each.value or 0.0), each.number), default=None)


# --- the search ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judged:
    """What came of one repeat."""

    value: float
    outcome: Outcome
    reason: str
    examples: int
    seconds: float
    run_id: str


@dataclass(slots=True)
class _Tried:
    """A configuration on its way."""

    number: int
    hyperparameters: dict[str, float]
    trials: tuple[Trial, ...]
    judged: list[_Judged] = field(default_factory=list)
    state: State | None = None
    running: bool = False

    @property
    def values(self) -> list[float]:
        return [each.value for each in self.judged]

    @property
    def next(self) -> Trial:
        return self.trials[len(self.judged)]


class _Progress:
    """One search under way: its batch, and what Optuna has been told."""

    def __init__(self, search: Search, study: Study, storage: Storage, store: Store) -> None:
        self.search, self.study, self.storage, self.store = search, study, storage, store
        self.optuna = storage.study(search)
        self.batch: list[_Tried] = []
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

    def ready(self) -> _Tried | None:
        """A configuration that waits for its next repeat."""
        return next((each for each in self.batch if each.state is None and not each.running), None)

    def finished(self, tried: _Tried, result: TrialResult, run_id: str, known: dict[str, TrialRecord]) -> list[str]:
        """A repeat has ended and is recorded; returns the names of the trials that need not run."""
        last = {point.metric: point.value for point in result.points}
        measured = last.get(self.search.tune.objective, math.nan)
        tried.running = False
        self._judge(tried, measured, result.outcome, result.reason, result.timing.examples, result.timing.total, run_id)
        spared = self._take_up(tried, known)
        self._close_batch()
        return spared + self.open_batch(known)

    def _pending(self) -> list[_Tried]:
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
                    params=_inner(self.search, chosen),
                    distributions=_distributions(self.search),
                )
                self.optuna.add_trial(pending)  # one transaction: it is there with all its values, or not at all
            pending_now = [t for t in self.optuna.get_trials(deepcopy=False)[:total] if not t.state.is_finished()]
        return [self._tried(trial) for trial in pending_now]

    def _tried(self, trial: FrozenTrial) -> _Tried:
        chosen = proposal(self.search, (), 0) if trial.number == 0 else _outer(self.search, trial.params)
        return _Tried(trial.number, chosen, self.search.trials(trial.number, chosen))

    def _take_up(self, tried: _Tried, known: dict[str, TrialRecord]) -> list[str]:
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
        self, tried: _Tried, measured: float, outcome: Outcome, reason: str, examples: int, seconds: float, run_id: str
    ) -> None:
        """Note a repeat, and whether the configuration is through."""
        value = self.search.value(measured) if outcome is Outcome.OK else self.search.worst
        tried.judged.append(_Judged(value, outcome, reason, examples, seconds, run_id))
        if outcome is not Outcome.OK:
            tried.state = State(outcome.value)
        elif len(tried.judged) == len(tried.trials):
            tried.state = State.COMPLETE
        elif self.search.tune.prune and hopeless(self._signed(tried.values), self._complete(tried)):
            tried.state = State.PRUNED

    def _complete(self, tried: _Tried) -> list[list[float]]:
        """The values of the configurations of the batches before that had all repeats."""
        with self.storage.told("read"):
            trials = self.optuna.get_trials(deepcopy=False)[: self.search.batch_of(tried.number)]
        whole = [t for t in trials if CONFIGURATION in t.user_attrs and _configuration(t).state is State.COMPLETE]
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

    def _record(self, tried: _Tried) -> Configuration:
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
        )
        run_id = self.store.write_configuration(self.study, found, [each.run_id for each in tried.judged])
        return replace(found, run_id=run_id)

    def _tell(self, tried: _Tried) -> None:
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
        wanted: The searches of the study; see `searches`.
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
    under_way = [_Progress(search, study, storage, store) for search in wanted]
    for each in under_way:
        each.restore(known, recorded)
        spared(each.open_batch(known))
    failed: list[TrialResult] = []
    box = Outbox(store, study, told)
    running: dict[Future[TrialResult], tuple[_Progress, _Tried]] = {}
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
            result = runner.settled(future, tried.next)
            name = each.search.names(tried.number)[len(tried.judged)]
            run_id = box.write(result, name)
            finished(result, name)
            failed += [result] if result.outcome is Outcome.FAILED else []
            spared(each.finished(tried, result, run_id, known))
