"""What there is to do of a study or a tuning, and how long it should take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ravine import console

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ravine.context import Where
    from suite.execution.time_estimate import Speed
    from suite.problems import Problem
    from suite.records import TrialRecord
    from suite.spec.study import Study
    from suite.tracking.store import Store
    from suite.trials import Trial
    from suite.tuning.search import Search


def of_trials(
    study: Study,
    trials: Iterable[Trial],
    done: Mapping[str, TrialRecord],
    where: Where,
) -> tuple[dict[str, float], str]:
    """From trial id to expected seconds on one worker, and where the expectation comes from."""
    from suite import problems
    from suite.execution import time_estimate

    problem = problems.find(study.problem, study.folder)
    like = next(iter(trials))
    speed = None if where.cluster else time_estimate.recorded(done.values(), like, where.device, problem.test_examples)
    speed = speed or _probe(study, problem, where)
    return {trial.id: speed.seconds(trial, problem.test_examples) for trial in trials}, speed.source


def of_searches(
    study: Study,
    searches: Iterable[Search],
    told: Mapping[str, Collection[int]],
    where: Where,
) -> tuple[dict[str, float], str]:
    """From the name of each trial that the searches may still run to expected seconds, and where that comes from."""
    from suite import problems

    names = [
        (search, name)
        for search in searches
        for number in range(search.configurations)
        if number not in told[search.label]
        for name in search.names(number)
    ]
    if not names:
        return {}, "nothing: all is done"
    problem = problems.find(study.problem, study.folder)
    speed = _probe(study, problem, where)
    return {name: speed.seconds(search.base, search.judged_on) for search, name in names}, speed.source


def show_plan(study: Study, trials: tuple[Trial, ...], store: Store | None, where: Where) -> None:
    """Print the trials of a study, what is done and the time that the others would take."""
    from suite.execution import runner
    from suite.execution.progress import duration

    done = store.records([trial.id for trial in trials]) if store else {}
    todo = runner.missing(trials, done)
    expected, source = of_trials(study, trials, done, where)
    state = {trial.id: done[trial.id].outcome.value if trial.id in done else "missing" for trial in trials}
    rows = [[trial.name, trial.id, state[trial.id], duration(expected[trial.id])] for trial in trials]
    console.table(["trial", "id", "state", "expected time"], rows)
    workers = where.workers  # asked once: nodes may join a cluster meanwhile
    left = duration(sum(expected[trial.id] for trial in todo) / workers)
    print(f"{len(todo)} of {len(trials)} trials to run on {workers} x {where.device}: about {left} (from {source}).")


def show_searches(study: Study, searches: tuple[Search, ...], store: Store | None, where: Where) -> None:
    """Print what is tuned in which ranges, what is done and the time that the rest would take at most."""
    from suite.execution.progress import duration
    from suite.tuning import ranges

    known = store.configurations(study.name) if store else []
    told = {
        each.label: {tried.number for tried in known if tried.optuna == each.optuna and tried.state != "failed"}
        for each in searches
    }
    expected, source = of_searches(study, searches, told, where)
    rows = [
        [search.label, f"{name} = {ranges.show(values)}", len(told[search.label]), search.configurations]
        for search in searches
        for name, values in search.space.items()
    ]
    console.table(["optimizer", "space", "done", "configurations"], rows)
    tune, first = study.tune, searches[0]
    repeats = f"{tune.repeats} repeat{'s' * (tune.repeats > 1)}"
    print(
        f"Each optimizer: {first.configurations} configurations ({tune.sampler}), {repeats}, at most "
        f"{first.examples:,} training examples; judged by {tune.objective} on {first.judged_on:,} examples."
    )
    workers = where.workers
    left = duration(sum(expected.values()) / workers)
    print(f"At most {len(expected)} trials to run on {workers} x {where.device}: about {left} (from {source}).")


def _probe(study: Study, problem: Problem, where: Where) -> Speed:
    """The speed of this machine; of a cluster none is known before its first trial has ended."""
    from suite.execution import time_estimate

    if where.cluster:
        return time_estimate.UNKNOWN
    if where.device == "cpu":
        return time_estimate.probe(problem, study.precision, where.device)
    return time_estimate.probe_apart(study.problem, study.folder, study.precision, where.device)
