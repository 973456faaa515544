"""`ravine run`, `ravine tune` and `ravine verify`: the commands that train."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine import arguments, console
from ravine.commands import report
from ravine.context import (
    OUT,
    REPORTS,
    STUDIES,
    check_report_folders,
    connect_cluster,
    execution_target,
    existing_store,
    open_store,
    takes_study,
)
from ravine.dry_run import expected_search_seconds, expected_seconds, show_plan, show_searches
from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ravine.context import ExecutionTarget
    from suite.records import Configuration, TrialRecord
    from suite.spec.parts import StudyFile
    from suite.spec.study import Study
    from suite.tracking.store import Store
    from suite.trials import Trial
    from suite.tuning.search import Search
    from suite.tuning.storage import Storage


@takes_study
def run(
    ctx: typer.Context,
    chosen: StudyFile,
    workers: arguments.Workers = None,
    device: arguments.Device = "auto",
    data: arguments.Data = None,
    store: arguments.Store = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse to add to trials of another environment (device, versions).")
    ] = False,
    executor: arguments.Executor = arguments.Executors.LOCAL,
    address: arguments.Address = None,
    dry_run: arguments.DryRun = False,
) -> None:
    """Run the missing trials of a study, then print its table and the path of its report."""
    from suite.execution import local
    from suite.spec.plan import check_runnable, plan

    check_runnable(chosen.parts[0])
    planned = [(study, plan(study)) for study in chosen.parts]
    cluster = connect_cluster(ctx, executor, address)
    target = execution_target(chosen.parts, device, workers, data, cluster)
    if dry_run:
        _check_steps(planned, existing_store(store), target)
        for study, trials in planned:
            if chosen.has_parts:
                print(f"Part {study.part}:")
            show_plan(study, trials, existing_store(store), target)
        return
    check_report_folders(chosen)
    if cluster is None:
        local.start_fork_server(target.device)  # it imports torch while this process imports MLflow
    records = open_store(store, create=True)
    _check_steps(planned, records, target)
    num_failed = 0
    with records.lock(*chosen.parts):
        records.delete_incomplete_runs()
        for study in chosen.parts:  # before the first trial of any part
            records.record_claims(study, (*chosen.claims, *study.claim))
        for study, trials in planned:
            if chosen.has_parts:
                print(f"Part {study.part}:", file=sys.stderr)
            num_failed += _train(study, trials, records, target, strict=strict)
        report.build_reports(chosen, planned, records)
    if num_failed:
        raise typer.Exit(1)


@takes_study
def tune(
    ctx: typer.Context,
    chosen: StudyFile,
    trials: arguments.Trials = None,  # noqa: ARG001 (changes the study: see takes_study)
    workers: arguments.Workers = None,
    device: arguments.Device = "auto",
    data: arguments.Data = None,
    store: arguments.Store = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Use another Optuna storage: a URL or a SQLite file. Default: optuna.db beside the store."),
    ] = None,
    executor: arguments.Executor = arguments.Executors.LOCAL,
    address: arguments.Address = None,
    dry_run: arguments.DryRun = False,
) -> None:
    """Tune every optimizer of a study under one budget, then run default and tuned settings on new repeats."""
    from reports.pages.files import check_destination
    from suite.execution import local
    from suite.spec.parts import load_study_file
    from suite.spec.plan import plan
    from suite.tuning import search, tuned_study
    from suite.tuning import storage as optuna_storage

    study = chosen.single()
    searches = search.make_searches(study)
    cluster = connect_cluster(ctx, executor, address)
    target = execution_target((study,), device, workers, data, cluster)
    bases = [(study, tuple(search.base for search in searches))]
    if dry_run:
        _check_steps(bases, None, target)
        show_searches(study, searches, existing_store(store), target)
        return
    check_destination(REPORTS / tuned_study.name(study))
    if cluster is None:
        local.start_fork_server(target.device)
    records = open_store(store, create=True)
    _check_steps(bases, None, target)
    with (
        records.lock(study),
        optuna_storage.Storage(optuna_storage.locate(storage, records.root or OUT)) as optuna,
    ):
        records.delete_incomplete_runs()
        records.record_claims(study, study.claim)
        num_failed = _search(study, searches, records, optuna, target)
        configurations = {search.label: optuna_storage.configurations(optuna, search) for search in searches}
        _show_tuned(study, searches, configurations)
        if num_failed:
            console.note(f"{num_failed} trials failed. Fix the cause and run the same command again to resume")
            raise typer.Exit(1)
        path = tuned_study.write(study, searches, configurations, STUDIES)
        final = load_study_file(path)
        records.record_claims(final.single(), final.single().claim)
        print(f"Tuned study: {path}", flush=True)
        planned = plan(final.single())
        num_failed = _train(final.single(), planned, records, target)
        report.build_reports(final, [(final.single(), planned)], records)
    if num_failed:
        raise typer.Exit(1)


@takes_study
def verify(
    chosen: StudyFile,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Verify N trials, spread over the optimizers. Default: all.")
    ] = None,
    device: arguments.Device = "auto",
    workers: arguments.Workers = None,
    data: arguments.Data = None,
    store: arguments.Store = None,
    as_json: arguments.Json = False,
) -> None:
    """Run recorded trials again, record nothing, and compare the digests of their weights."""
    from suite.execution import verification
    from suite.execution.progress import ProgressDisplay
    from suite.spec.plan import check_runnable, plan

    check_runnable(chosen.parts[0])
    target, recorded = execution_target(chosen.parts, device, workers, data), open_store(store, create=False)
    parts: list[tuple[Study, int, dict[str, TrialRecord]]] = []
    for study in chosen.parts:  # all, before any trial is run
        trials = plan(study)
        known = recorded.records([trial.id for trial in trials])
        parts.append((study, len(trials), {trial.id: known[trial.id] for trial in trials if trial.id in known}))
        if not verification.sample(known.values(), 1):
            from reports.frames.study_frames import command

            raise UserError(study.place, "none of its trials is recorded", f"Run it first: {command(study)}")
    summaries, num_differing = list[dict[str, Any]](), 0
    for study, num_planned, known in parts:
        records = verification.sample(known.values(), sample)
        repeated = [record.trial for record in records]
        seconds = expected_seconds(study, repeated, known, target)[0]
        with target.executor(study, len(repeated)) as executor, ProgressDisplay(seconds, executor.workers) as display:
            checks = verification.verify(records, executor, display.on_finished)
        differing = sum(not check.same for check in checks)
        num_differing += differing
        counts = {"study": study.name, "checked": len(checks), "differing": differing, "planned": num_planned}
        summaries.append(counts | {"trials": [check.as_dict() for check in checks]})
        if as_json:
            continue
        console.table(list(verification.COLUMNS), [check.row() for check in checks])
        others = len(known) - len(checks)
        print(
            f"{len(checks) - differing} of {len(checks)} trials reproduced the recorded weights."
            + (f" {others} other recorded trials were not run." if others else "")
        )
    if as_json:
        console.as_json({"study": chosen.name, "parts": summaries} if chosen.has_parts else summaries[0])
    if num_differing:
        raise typer.Exit(1)


def _check_steps(
    planned: Iterable[tuple[Study, tuple[Trial, ...]]], records: Store | None, target: ExecutionTarget
) -> None:
    """Check that each optimizer with missing trials can train its network; the device of a cluster's nodes is unknown.

    Raises:
        UserError: Some cannot.
    """
    from suite.execution import runner, step_probe

    probed = [(study, [trial for trial in trials if step_probe.is_probed(trial)]) for study, trials in planned]
    missing = [
        (study, runner.missing(trials, records.records([trial.id for trial in trials]) if records else {}))
        for study, trials in probed
        if trials
    ]
    errors = step_probe.probe_errors(missing, "cpu" if target.cluster else target.device)
    if errors and target.cluster and target.device != "cpu":
        for error in errors:
            console.warn(str(error))
    elif errors:
        raise UserError.combine(errors)


def _train(
    study: Study, trials: tuple[Trial, ...], store: Store, target: ExecutionTarget, *, strict: bool = False
) -> int:
    """Run the missing trials of a plan; return how many failed."""
    from suite.execution import runner
    from suite.execution.progress import ProgressDisplay
    from suite.records import Outcome
    from suite.tracking.outbox import Outbox
    from suite.training import provenance

    Outbox(store, study, console.note).flush()
    done = store.records([trial.id for trial in trials])
    store.tag_with_study(study, done.values())
    todo = runner.missing(trials, done)
    if not todo:
        print(f"All {len(trials)} trials are done.", file=sys.stderr)
        return 0
    if strict:
        provenance.check_same_environment(done.values(), provenance.environment(target.device))
    with target.executor(study, len(todo)) as executor:
        seconds = expected_seconds(study, todo, done, target)[0]
        with ProgressDisplay(seconds, executor.workers) as display:
            return runner.run(study, todo, store, executor, display.on_finished, display.note)[Outcome.FAILED]


def _search(study: Study, searches: tuple[Search, ...], store: Store, storage: Storage, target: ExecutionTarget) -> int:
    """Run the missing trials of the searches; return how many failed."""
    from suite.execution.progress import ProgressDisplay
    from suite.tracking.outbox import Outbox
    from suite.tuning import storage as optuna_storage
    from suite.tuning import tuner

    Outbox(store, study, console.note).flush()
    done = {
        search.label: {tried.number for tried in optuna_storage.configurations(storage, search)} for search in searches
    }
    seconds = expected_search_seconds(study, searches, done, target)[0]
    if not seconds:
        print(f"All {sum(map(len, done.values()))} configurations are done.", file=sys.stderr)
    with (
        target.executor(study, max(len(seconds), 1)) as executor,
        ProgressDisplay(seconds, executor.workers) as display,
    ):
        failed = tuner.tune(
            study, searches, store, storage, executor, display.on_finished, display.on_skipped, display.note
        )
        return len(failed)


def _show_tuned(study: Study, searches: tuple[Search, ...], configurations: Mapping[str, list[Configuration]]) -> None:
    """Print the result of each search, and a warning if an optimum lies at the edge of its range."""
    from suite.records import State
    from suite.tuning import search as searching
    from suite.tuning import tuned_study

    rows = []
    for search in searches:
        tried = configurations[search.label]
        best = searching.best_configuration(tried, search)
        states = Counter(configuration.state for configuration in tried)
        rows.append(
            [
                search.label,
                tuned_study.describe_setting(search, best),
                f"{best.value:.4f}" if best and best.value is not None else "none",
                *(states[state] for state in (State.COMPLETE, State.PRUNED, State.DIVERGED, State.STALLED)),
                f"{sum(configuration.examples for configuration in tried):,}",
            ]
        )
    columns = ["optimizer", "best setting", study.tune.objective, "complete", "pruned", "diverged", "stalled"]
    console.table([*columns, "examples spent"], rows)
    print(
        f"Budget of each optimizer: {searches[0].configurations} configurations and {searches[0].examples:,} training "
        "examples. The best validation score is optimistically biased. Use the new repeats for conclusions."
    )
    for warning in tuned_study.boundary_warnings(searches, configurations):
        console.warn(f"{study.place}: {warning}")
