"""`ravine run`, `ravine tune` and `ravine verify`: the commands that train."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine import arguments, console
from ravine import context as choices
from ravine import dry_run as outlook
from ravine.commands import report
from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ravine.context import Where
    from suite.records import Configuration, TrialRecord
    from suite.spec.study import Study
    from suite.tracking.store import Store
    from suite.trials import Trial
    from suite.tuning.search import Search
    from suite.tuning.storage import Storage


def run(
    context: typer.Context,
    study: arguments.Study,
    part: arguments.Part = None,
    repeats: arguments.Repeats = None,
    epochs: arguments.Epochs = None,
    train_examples: arguments.TrainExamples = None,
    optimizer: arguments.Optimizer = None,
    workers: arguments.Workers = None,
    device: arguments.Device = "auto",
    precision: arguments.Precision = None,
    data: arguments.Data = None,
    store: arguments.Store = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse to add to trials from another environment (device, versions).")
    ] = False,
    executor: arguments.Executor = arguments.Executors.LOCAL,
    address: arguments.Address = None,
    dry_run: Annotated[
        bool, typer.Option(help="Show the trials, what is done and the time it would take; run none.")
    ] = False,
) -> None:
    """Run what is missing of a study, then print its table and where the report is."""
    from suite.execution import local
    from suite.spec.plan import check_runnable, plan

    chosen = choices.studies(
        study,
        part,
        repeats=repeats,
        epochs=epochs,
        train_examples=train_examples,
        precision=precision,
        optimizer=optimizer,
    )
    check_runnable(chosen.parts[0])
    planned = [(each, plan(each)) for each in chosen.parts]
    cluster = choices.cluster(context, executor, address)
    where = choices.where(chosen.parts, device, workers, data, cluster)
    if dry_run:
        for each, trials in planned:
            if chosen.divided:
                print(f"Part {each.part}:")
            outlook.show_plan(each, trials, choices.existing_store(store), where)
        return
    choices.check_places(chosen)
    if cluster is None:
        local.begin(where.device)  # it imports torch while this process imports MLflow
    records = choices.open_store(store, create=True)
    failed = 0
    with records.held(*chosen.parts):
        records.sweep()
        for each, trials in planned:
            if chosen.divided:
                print(f"Part {each.part}:", file=sys.stderr)
            failed += _train(each, trials, records, where, strict=strict)
        report.make(chosen, planned, records)
    if failed:
        raise typer.Exit(1)


def tune(
    context: typer.Context,
    study: arguments.Study,
    part: arguments.Part = None,
    trials: Annotated[int | None, typer.Option(help="Try so many configurations of each optimizer.")] = None,
    repeats: arguments.Repeats = None,
    epochs: arguments.Epochs = None,
    train_examples: arguments.TrainExamples = None,
    optimizer: arguments.Optimizer = None,
    workers: arguments.Workers = None,
    device: arguments.Device = "auto",
    precision: arguments.Precision = None,
    data: arguments.Data = None,
    store: arguments.Store = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Another Optuna storage: a URL or a SQLite file. Default: optuna.db by the store."),
    ] = None,
    executor: arguments.Executor = arguments.Executors.LOCAL,
    address: arguments.Address = None,
    dry_run: Annotated[
        bool, typer.Option(help="Show what is tuned, what is done and the time it would take; run none.")
    ] = False,
) -> None:
    """Tune every optimizer of a study under one budget, then run own and tuned settings on fresh repeats."""
    from reports.pages.files import check_place
    from suite.execution import local
    from suite.spec.parts import load
    from suite.spec.plan import plan
    from suite.tuning import search, tuned_study
    from suite.tuning import storage as optuna_storage

    chosen = choices.studies(
        study,
        part,
        repeats=repeats,
        epochs=epochs,
        train_examples=train_examples,
        precision=precision,
        optimizer=optimizer,
        trials=trials,
    ).one()
    searches = search.searches(chosen)
    cluster = choices.cluster(context, executor, address)
    where = choices.where((chosen,), device, workers, data, cluster)
    if dry_run:
        outlook.show_searches(chosen, searches, choices.existing_store(store), where)
        return
    check_place(choices.REPORTS / tuned_study.name(chosen))
    if cluster is None:
        local.begin(where.device)
    records = choices.open_store(store, create=True)
    with (
        records.held(chosen),
        optuna_storage.Storage(optuna_storage.locate(storage, records.root or choices.OUT)) as optuna,
    ):
        records.sweep()
        failed = _search(chosen, searches, records, optuna, where)
        tried = {search.label: optuna_storage.configurations(optuna, search) for search in searches}
        _show_tuned(chosen, searches, tried)
        if failed:
            console.note("trials failed: mend the cause, and the same command goes on from there")
            raise typer.Exit(1)
        path = tuned_study.write(chosen, searches, tried, choices.STUDIES)
        final = load(path)
        print(f"Tuned study: {path}", flush=True)
        planned = plan(final.one())
        failed = _train(final.one(), planned, records, where)
        report.make(final, [(final.one(), planned)], records)
    if failed:
        raise typer.Exit(1)


def verify(
    study: arguments.Study,
    part: arguments.Part = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many of its trials, spread over the optimizers. Default: all.")
    ] = None,
    repeats: arguments.Repeats = None,
    epochs: arguments.Epochs = None,
    train_examples: arguments.TrainExamples = None,
    optimizer: arguments.Optimizer = None,
    precision: arguments.Precision = None,
    device: arguments.Device = "auto",
    workers: arguments.Workers = None,
    data: arguments.Data = None,
    store: arguments.Store = None,
    as_json: arguments.Json = False,
) -> None:
    """Run recorded trials again, record nothing, and compare the weights by their digests."""
    from suite.execution import verification
    from suite.execution.progress import Shown
    from suite.spec.plan import check_runnable, plan

    chosen = choices.studies(
        study,
        part,
        repeats=repeats,
        epochs=epochs,
        train_examples=train_examples,
        precision=precision,
        optimizer=optimizer,
    )
    check_runnable(chosen.parts[0])
    where, recorded = choices.where(chosen.parts, device, workers, data), choices.open_store(store, create=False)
    found: list[tuple[Study, int, dict[str, TrialRecord]]] = []
    for each in chosen.parts:  # all, before any trial is run
        trials = plan(each)
        known = recorded.records([trial.id for trial in trials])
        found.append((each, len(trials), {trial.id: known[trial.id] for trial in trials if trial.id in known}))
        if not verification.sample(known.values(), 1):
            raise UserError(f"{each.place}: none of its trials is recorded here. Run it first: ravine run {study}")
    told, differing = list[dict[str, Any]](), 0
    for each, planned, known in found:
        records = verification.sample(known.values(), sample)
        again = [record.trial for record in records]
        expected = outlook.of_trials(each, again, known, where)[0]
        with where.executor(each, len(again)) as executor, Shown(expected, executor.workers) as shown:
            checks = verification.verify(records, executor, shown.finished)
        wrong = sum(not check.same for check in checks)
        differing += wrong
        counts = {"study": each.name, "checked": len(checks), "differing": wrong, "planned": planned}
        told.append(counts | {"trials": [check.told() for check in checks]})
        if as_json:
            continue
        console.table(list(verification.COLUMNS), [check.row() for check in checks])
        same, others = len(checks) - wrong, len(known) - len(checks)
        print(
            f"{same} of {len(checks)} trials came to the recorded weights."
            + (f" {others} other recorded trials were not run." if others else "")
        )
    if as_json:
        console.as_json({"study": chosen.name, "parts": told} if chosen.divided else told[0])
    if differing:
        raise typer.Exit(1)


def _train(study: Study, trials: tuple[Trial, ...], store: Store, where: Where, *, strict: bool = False) -> int:
    """Run what is missing of a plan; how many trials failed."""
    from suite.execution import runner
    from suite.execution.progress import Shown
    from suite.records import Outcome
    from suite.tracking.outbox import Outbox
    from suite.training import provenance

    Outbox(store, study, console.note).flush()
    done = store.records([trial.id for trial in trials])
    store.include(study, done.values())
    todo = runner.missing(trials, done)
    if not todo:
        print(f"All {len(trials)} trials are done.", file=sys.stderr)
        return 0
    if strict:
        provenance.refuse_others(done.values(), provenance.environment(where.device))
    with where.executor(study, len(todo)) as executor:
        expected = outlook.of_trials(study, todo, done, where)[0]
        with Shown(expected, executor.workers) as shown:
            return runner.run(study, todo, store, executor, shown.finished, shown.note)[Outcome.FAILED]


def _search(study: Study, searches: tuple[Search, ...], store: Store, storage: Storage, where: Where) -> int:
    """Run what is missing of the searches; how many trials failed."""
    from suite.execution.progress import Shown
    from suite.tracking.outbox import Outbox
    from suite.tuning import storage as optuna_storage
    from suite.tuning import tuner

    Outbox(store, study, console.note).flush()
    told = {
        search.label: {each.number for each in optuna_storage.configurations(storage, search)} for search in searches
    }
    expected = outlook.of_searches(study, searches, told, where)[0]
    if not expected:
        print(f"All {sum(map(len, told.values()))} configurations are done.", file=sys.stderr)
    with where.executor(study, max(len(expected), 1)) as executor, Shown(expected, executor.workers) as shown:
        failed = tuner.tune(study, searches, store, storage, executor, shown.finished, shown.spared, shown.note)
        return len(failed)


def _show_tuned(study: Study, searches: tuple[Search, ...], tried: Mapping[str, list[Configuration]]) -> None:
    """What each search came to, and a warning where an optimum lies on the edge of its range."""
    from suite.records import State
    from suite.tuning import search as searching
    from suite.tuning import tuned_study

    rows = []
    for search in searches:
        found = tried[search.label]
        best = searching.best(found, search)
        states = Counter(each.state for each in found)
        rows.append(
            [
                search.label,
                tuned_study.setting(search, best),
                f"{best.value:.4f}" if best and best.value is not None else "none",
                *(states[state] for state in (State.COMPLETE, State.PRUNED, State.DIVERGED, State.STALLED)),
                f"{sum(each.examples for each in found):,}",
            ]
        )
    columns = ["optimizer", "best setting", study.tune.objective, "complete", "pruned", "diverged", "stalled"]
    console.table([*columns, "examples spent"], rows)
    cap = f"{searches[0].configurations} configurations, {searches[0].examples:,} examples"
    print(f"Each optimizer had at most {cap}. A score that was picked is too good: judge by the fresh repeats.")
    for line in tuned_study.edges(searches, tried):
        console.warn(f"{study.place}: {line}")
