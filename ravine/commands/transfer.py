"""`ravine export`, `ravine merge` and `ravine import`: results that come and go as files."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (read by typer)
from typing import Annotated

import typer

from ravine import arguments, context
from ravine.commands import report


def export(
    study: arguments.Study,
    file: Annotated[Path | None, typer.Argument(help="Where to. Default: out/exports/<study>.zip.")] = None,
    part: arguments.Part = None,
    repeats: arguments.Repeats = None,
    epochs: arguments.Epochs = None,
    train_examples: arguments.TrainExamples = None,
    optimizer: arguments.Optimizer = None,
    precision: arguments.Precision = None,
    step_losses: Annotated[
        int | None,
        typer.Option(min=100, help="Keep at most so many means of each trial's step losses. Default: all losses."),
    ] = None,
    store: arguments.Store = None,
) -> None:
    """Write the records of a study to one file, to be moved, kept or compared."""
    from suite.spec.plan import plan
    from suite.transfer import archive

    chosen = context.studies(
        study,
        part,
        repeats=repeats,
        epochs=epochs,
        train_examples=train_examples,
        precision=precision,
        optimizer=optimizer,
    ).one()
    trials = plan(chosen)
    path = file or context.OUT / "exports" / f"{chosen.report_name}.zip"
    archive.check_place(path)
    recorded = archive.write(chosen, trials, context.open_store(store, create=False), path, step_losses or "all")
    size = path.stat().st_size
    count = len({trial.id for trial in trials})
    print(f"{recorded} of {count} trials of {chosen.report_name} are in {path} ({size / 1000:,.0f} kB).")


def merge(
    file: Annotated[Path, typer.Argument(help="An export: a file that `ravine export` wrote.")],
    store: arguments.Store = None,
) -> None:
    """Put the records of an export into the store; what is there stays as it is."""
    from suite.transfer import archive
    from suite.transfer import merge as merging

    read = archive.read(file)
    records = context.open_store(store, create=True)
    with records.held():
        records.sweep()
        merged = merging.merge(read, records)
    print(f"{read.study.report_name}: {merged.added} trials recorded in {records.place}, {merged.known} were there.")


def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV or Parquet with the columns problem, optimizer, repeat, epoch, metric, value.")
    ],
    study: Annotated[str, typer.Option(help="The name that the results get as a study.")],
    score: Annotated[
        str, typer.Option(help="Judge by this metric of the file. Default: test/accuracy, or what comes next to it.")
    ] = "",
    margin: Annotated[
        float | None, typer.Option(min=0, help="What counts as no difference. Default: 0.002 of an accuracy, else 0.")
    ] = None,
    store: arguments.Store = None,
) -> None:
    """Record results from elsewhere as a study, then print its table and where the report is."""
    from rich.console import Console
    from rich.progress import track

    from suite.spec.plan import plan
    from suite.transfer import import_results

    progress = Console(stderr=True)
    found = import_results.read(file)
    chosen = import_results.write_study(file, found, context.STUDIES, study, score, margin)
    planned = [(each, plan(each)) for each in chosen.parts]
    context.check_places(chosen)
    records = context.open_store(store, create=True)
    with records.held(*chosen.parts):
        records.sweep()
        for each, trials in planned:
            known = records.records([trial.id for trial in trials])
            records.include(each, known.values())
            new = [result for result in import_results.results(found[0], trials) if result.trial.id not in known]
            for result in track(new, f"Recording {each.problem}", console=progress, disable=not progress.is_terminal):
                records.write(each, result)
        report.make(chosen, planned, records)
