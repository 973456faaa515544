"""What a study or a tuning has left to do, and how long it is expected to take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ravine import console

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ravine.context import ExecutionTarget
    from suite.execution.time_estimate import Speed
    from suite.problems import Problem
    from suite.records import TrialRecord
    from suite.spec.study import Study
    from suite.tracking.store import Store
    from suite.trials import Trial
    from suite.tuning.search import Search


def expected_seconds(
    study: Study,
    trials: Iterable[Trial],
    done: Mapping[str, TrialRecord],
    target: ExecutionTarget,
) -> tuple[dict[str, float], str]:
    """Return the expected seconds of each trial on one worker, by trial id, and the source of the estimate."""
    from suite import problems
    from suite.execution import time_estimate

    problem = problems.find_problem(study.problem, study.folder)
    first = next(iter(trials))
    speed = None
    if not target.cluster:
        speed = time_estimate.recorded_speed(done.values(), first, target.device, problem.test_examples)
    speed = speed or _probe(study, problem, target)
    return {trial.id: speed.seconds(trial, problem.test_examples) for trial in trials}, speed.source


def expected_search_seconds(
    study: Study,
    searches: Iterable[Search],
    done: Mapping[str, Collection[int]],
    target: ExecutionTarget,
) -> tuple[dict[str, float], str]:
    """Return the expected seconds of each trial that the searches may still run, by its name, and their source.

    Args:
        study: The study that is tuned.
        searches: Its searches.
        done: From label to the numbers of the configurations that are done.
        target: Where trials run.
    """
    from suite import problems

    names = [
        (search, name)
        for search in searches
        for number in range(search.configurations)
        if number not in done[search.label]
        for name in search.names(number)
    ]
    if not names:
        return {}, "nothing: all is done"
    problem = problems.find_problem(study.problem, study.folder)
    speed = _probe(study, problem, target)
    return {name: speed.seconds(search.base, search.num_validation_examples) for search, name in names}, speed.source


def show_plan(study: Study, trials: tuple[Trial, ...], store: Store | None, target: ExecutionTarget) -> None:
    """Print the trials of a study, their states, and the expected time of the missing ones."""
    from suite.execution import runner
    from suite.execution.progress import format_duration

    done = store.records([trial.id for trial in trials]) if store else {}
    todo = runner.missing(trials, done)
    seconds, source = expected_seconds(study, trials, done, target)
    state = {trial.id: done[trial.id].outcome.value if trial.id in done else "missing" for trial in trials}
    rows = [[trial.name, trial.id, state[trial.id], format_duration(seconds[trial.id])] for trial in trials]
    console.table(["trial", "id", "state", "expected time"], rows)
    _show_groups(study, trials)
    workers = target.workers  # read once: nodes may join a cluster meanwhile
    left = format_duration(sum(seconds[trial.id] for trial in todo) / workers)
    print(f"{len(todo)} of {len(trials)} trials to run on {workers} x {target.device}: about {left} (from {source}).")


def _show_groups(study: Study, trials: Iterable[Trial]) -> None:
    """Print the parameters of each group of each optimizer that has groups."""
    from suite import problems
    from suite.spec.parameter_groups import describe_groups

    problem = problems.find_problem(study.problem, study.folder)
    grouped = {trial.label: trial for trial in trials if trial.groups}
    rows = [[label, *row] for label, trial in grouped.items() for row in describe_groups(trial, problem)]
    if rows:
        console.table(["optimizer", "group", "setting", "tensors", "values", "parameters"], rows)


def show_searches(study: Study, searches: tuple[Search, ...], store: Store | None, target: ExecutionTarget) -> None:
    """Print the search spaces, what is done, and the maximum expected time of the rest."""
    from suite.execution.progress import format_duration
    from suite.tuning import ranges

    recorded = store.configurations(study.name) if store else []
    done = {
        search.label: {tried.number for tried in recorded if tried.optuna == search.optuna and tried.state != "failed"}
        for search in searches
    }
    seconds, source = expected_search_seconds(study, searches, done, target)
    rows = [
        [search.label, f"{name} = {ranges.format_range(values)}", len(done[search.label]), search.configurations]
        for search in searches
        for name, values in search.space.items()
    ]
    console.table(["optimizer", "space", "done", "configurations"], rows)
    tune, first = study.tune, searches[0]
    repeats = f"{tune.repeats} repeat{'s' * (tune.repeats > 1)}"
    print(
        f"Each optimizer: {first.configurations} configurations ({tune.sampler}), {repeats}, at most {first.examples:,} "
        f"training examples; objective {tune.objective} on {first.num_validation_examples:,} examples."
    )
    workers = target.workers
    left = format_duration(sum(seconds.values()) / workers)
    print(f"At most {len(seconds)} trials to run on {workers} x {target.device}: about {left} (from {source}).")


def _probe(study: Study, problem: Problem, target: ExecutionTarget) -> Speed:
    """Measure the speed of this machine; that of a cluster is unknown before its first trial has ended."""
    from suite.execution import time_estimate

    if target.cluster:
        return time_estimate.UNKNOWN
    if target.device == "cpu":
        return time_estimate.probe(problem, study.precision, target.device)
    return time_estimate.probe_in_subprocess(study.problem, study.folder, study.precision, target.device)
