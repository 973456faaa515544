"""`ravine export`, `ravine merge` and `ravine import`: results as files."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (read by typer)
from typing import TYPE_CHECKING, Annotated

import typer

from ravine import arguments, context
from ravine.commands import report

if TYPE_CHECKING:
    from suite.spec.parts import StudyFile


@context.takes_study
def export(
    chosen: StudyFile,
    file: Annotated[Path | None, typer.Argument(help="Write this file. Default: out/exports/<study>.zip.")] = None,
    step_losses: Annotated[
        int | None,
        typer.Option(min=100, help="Keep at most N means of each trial's step losses. Default: all losses."),
    ] = None,
    store: arguments.Store = None,
) -> None:
    """Write the records of a study to one file, to move, keep or compare them."""
    from suite.spec.plan import plan
    from suite.transfer import archive

    study = chosen.single()
    trials = plan(study)
    path = file or context.OUT / "exports" / f"{study.report_name}.zip"
    archive.check_place(path)
    recorded = archive.write(study, trials, context.open_store(store, create=False), path, step_losses or "all")
    size = path.stat().st_size
    count = len({trial.id for trial in trials})
    print(f"{recorded} of {count} trials of {study.report_name} are in {path} ({size / 1000:,.0f} kB).")


def merge(
    file: Annotated[Path, typer.Argument(help="Read this export, a file written by `ravine export`.")],
    store: arguments.Store = None,
) -> None:
    """Add the records of an export to the store; existing records are not changed."""
    from suite.transfer import archive
    from suite.transfer import merge as merging

    exported = archive.read(file)
    records = context.open_store(store, create=True)
    with records.lock():
        records.delete_incomplete_runs()
        merged = merging.merge(exported, records)
    print(
        f"{exported.study.report_name}: {merged.added} trials added to {records.place}, "
        f"{merged.already_present} already present."
    )


def import_(
    file: Annotated[
        Path,
        typer.Argument(help="Read CSV or Parquet with the columns problem, optimizer, repeat, epoch, metric, value."),
    ],
    study: Annotated[str, typer.Option(help="Give the results this name as a study.")],
    score: Annotated[
        str,
        typer.Option(
            help="Compare optimizers by this metric of the file. Default: test/accuracy, else the most similar."
        ),
    ] = "",
    margin: Annotated[
        float | None,
        typer.Option(min=0, help="Set the equivalence margin of the score. Default: 0.002 for an accuracy, else 0."),
    ] = None,
    store: arguments.Store = None,
) -> None:
    """Record third-party results as a study, then print its table and the path of its report."""
    from rich.console import Console
    from rich.progress import track

    from suite.spec.plan import plan
    from suite.transfer import import_results

    progress = Console(stderr=True)
    results = import_results.read(file)
    chosen = import_results.write_study(file, results, context.STUDIES, study, score, margin)
    planned = [(part, plan(part)) for part in chosen.parts]
    context.check_report_folders(chosen)
    records = context.open_store(store, create=True)
    with records.lock(*chosen.parts):
        records.delete_incomplete_runs()
        for part, trials in planned:
            known = records.records([trial.id for trial in trials])
            records.tag_with_study(part, known.values())
            new = [result for result in import_results.results(results[0], trials) if result.trial.id not in known]
            for result in track(new, f"Recording {part.problem}", console=progress, disable=not progress.is_terminal):
                records.write(part, result)
        report.build_reports(chosen, planned, records)
