"""`ravine status`, `ui`, `list`, `data` and `doctor`: commands that print information."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine import arguments, console, context, dry_run
from suite.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from suite.spec.parts import StudyFile


class Listed(StrEnum):
    """The arguments of `ravine list`."""

    OPTIMIZERS = "optimizers"
    PROBLEMS = "problems"
    STUDIES = "studies"


@context.takes_study
def status(
    chosen: StudyFile,
    device: Annotated[str, typer.Option(help="Estimate the time on auto, cpu, cuda or cuda:N.")] = "auto",
    workers: arguments.Workers = None,
    store: arguments.Store = None,
    as_json: arguments.Json = False,
) -> None:
    """Print how many trials of a study are ok, diverged, stalled, failed or missing, and the time left."""
    from suite.execution import runner
    from suite.execution.progress import format_duration
    from suite.records import Outcome
    from suite.spec.plan import plan
    from suite.training.devices import resolve_device

    target, records = context.ExecutionTarget(resolve_device(device), workers), context.existing_store(store)
    kinds = [*(outcome.value for outcome in Outcome), "missing"]
    summaries = dict[str, Any]()
    for study in chosen.parts:
        trials = plan(study)
        done = records.records([trial.id for trial in trials]) if records else {}
        todo = runner.missing(trials, done)
        counts = {entry.name: dict.fromkeys(kinds, 0) for entry in study.optimizer}
        for trial in trials:
            counts[trial.label][done[trial.id].outcome.value if trial.id in done else "missing"] += 1
        seconds = {}
        if todo and not study.imported:
            seconds = dry_run.expected_seconds(study, todo, done, target)[0]
        left = sum(seconds.values()) / target.workers
        summaries[study.name] = {"optimizers": counts, "seconds_left": left if math.isfinite(left) else None}
        if not as_json:
            console.table([study.part or "optimizer", *kinds], [[name, *row.values()] for name, row in counts.items()])
            count = sum(row["missing"] + row["failed"] for row in counts.values())
            print(f"{len(trials) - count} of {len(trials)} trials are done; {format_duration(left)} left.")
    if as_json:
        console.as_json({"study": chosen.name} | ({"parts": summaries} if chosen.has_parts else summaries[chosen.name]))


def ui(
    study: Annotated[
        str | None, typer.Argument(help="Print the links of this study. Default: all studies of the store.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Listen on this port, or on the next free one.")] = 5000,
    host: Annotated[
        str, typer.Option(help="Listen on this address; any other than 127.0.0.1 admits other machines.")
    ] = ("127.0.0.1"),
    store: arguments.Store = None,
) -> None:
    """Serve the MLflow UI of the store until Ctrl-C."""
    from suite.tracking.ui import is_open, serve

    records = context.open_store(store, create=False)
    names = records.studies()
    if study:
        names = [name for name in names if name == study or name.startswith(f"{study}.")]  # it, or its parts
    if study and not names:
        known = ", ".join(records.studies())
        hint = f"Choose from: {known}" if known else "Run it first; the store is empty"
        raise UserError("STUDY", f'the store has no study "{study}"', hint)

    def ready(address: str) -> None:
        print(f"The MLflow UI is at {address} (press Ctrl-C to stop)")
        for name in names:
            for view, link in records.links(name).items():
                print(f"  {view}: {address}{link}", flush=True)

    if records.uri.startswith("http"):
        ready(records.uri.rstrip("/") + "/")
        return
    if is_open(host):
        console.warn(
            f"--host {host}: the UI has no password, so anyone who can reach this machine can read and delete records. "
            "Omit --host to restrict it to this machine"
        )
    raise typer.Exit(serve(records.uri, port, ready, host))


def data(data: arguments.Data = None) -> None:
    """Find or download the data sets, and print their folders and states. Exit status 2 if there is none."""
    from suite.data import datasets
    from suite.problems import PROBLEMS

    used, missing = [], dict[str, UserError]()
    for data_set in datasets.DATA_SETS:
        try:
            used.append(datasets.ensure(data_set, data))
        except UserError as error:
            missing[data_set.name] = error
    console.table(["data set", "place", "folder", "state"], _data_rows(data))
    for folder in dict.fromkeys(used):
        print(f"Used: {folder}")
    if not used:
        raise UserError.combine(missing.values())
    for name, reason in missing.items():
        users = [key for key, problem in PROBLEMS.items() if problem.data_set and problem.data_set.name == name]
        console.warn(f"{name} is missing, so these problems cannot run: {', '.join(users)}. {reason}")


def _data_rows(folder: Path | None) -> list[list[str]]:
    from suite.data import datasets

    return [
        [data_set.name, row.name, str(row.path), row.state]
        for data_set in datasets.DATA_SETS
        for row in datasets.status(data_set, folder)
    ]


def doctor(data: arguments.Data = None, store: arguments.Store = None) -> None:
    """Print versions, devices, data and store, for bug reports."""
    import torch

    from suite.execution.local import default_workers
    from suite.training import provenance
    from suite.training.devices import has_fast_bfloat16

    packages = ("torch", "torchvision", "mlflow", "numpy", "pandas", "pydantic", "matplotlib")
    rows = [[name, value] for name, value in provenance.versions(*packages).items()]
    here = provenance.environment("cpu")
    rows += [["commit", here["commit"] or "an installed package"], ["platform", here["platform"]]]
    bfloat16 = "native" if has_fast_bfloat16() else "emulated, slow"
    rows += [["CPU", f"{here['device_name']}, {default_workers('cpu')} cores, bfloat16 {bfloat16}"]]
    gpus = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    rows += [["GPU", ", ".join(gpus) or "none"]]
    rows += [["data", f"{name}, {what}: {state} ({folder})"] for name, what, folder, state in _data_rows(data)]
    try:
        records = context.existing_store(store)
        state = f"{records.place}: {', '.join(records.studies()) or 'no study'}" if records else "nothing recorded yet"
    except UserError as error:
        state = str(error)
    console.table(["what", "found"], [*rows, ["store", state]])


def list_(
    what: Annotated[Listed, typer.Argument(help="List optimizers, problems or studies.")],
    as_json: arguments.Json = False,
) -> None:
    """List optimizers, problems or studies, with defaults and sources."""
    rows = {"optimizers": _optimizers, "problems": _problems, "studies": _shipped}[what.value]()
    if as_json:
        console.as_json(rows)
        return
    console.table(list(rows[0]), [list(row.values()) for row in rows])


def _optimizers() -> list[dict[str, Any]]:
    from suite import optimizers

    return [optimizers.describe(key) for key in optimizers.OPTIMIZERS]


def _problems() -> list[dict[str, str]]:
    from suite.problems import PROBLEMS

    return [{"key": key, "what": problem.summary, "source": problem.source} for key, problem in PROBLEMS.items()]


def _shipped() -> list[dict[str, str]]:
    from suite.spec.parts import load_study_file
    from suite.spec.study_file import shipped_studies

    return [{"name": name, "title": load_study_file(path).title} for name, path in shipped_studies().items()]
