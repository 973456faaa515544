"""`ravine status`, `ui`, `list`, `data` and `doctor`: what there is and what was found."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine import arguments, console, context, dry_run
from suite.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


class Listed(StrEnum):
    """What `ravine list` lists."""

    OPTIMIZERS = "optimizers"
    PROBLEMS = "problems"
    STUDIES = "studies"


def status(
    study: arguments.Study,
    part: arguments.Part = None,
    repeats: arguments.Repeats = None,
    epochs: arguments.Epochs = None,
    train_examples: arguments.TrainExamples = None,
    optimizer: arguments.Optimizer = None,
    precision: arguments.Precision = None,
    device: Annotated[str, typer.Option(help="Where the rest would run: auto, cpu, cuda or cuda:N.")] = "auto",
    workers: arguments.Workers = None,
    store: arguments.Store = None,
    as_json: arguments.Json = False,
) -> None:
    """Tell how many trials of a study are ok, diverged, stalled, failed or missing, and the time left."""
    from suite.execution import runner
    from suite.execution.progress import duration
    from suite.records import Outcome
    from suite.spec.plan import plan
    from suite.training.devices import resolve

    chosen = context.studies(
        study,
        part,
        repeats=repeats,
        epochs=epochs,
        train_examples=train_examples,
        precision=precision,
        optimizer=optimizer,
    )
    where, records = context.Where(resolve(device), workers), context.existing_store(store)
    kinds = [*(outcome.value for outcome in Outcome), "missing"]
    told = dict[str, Any]()
    for each in chosen.parts:
        trials = plan(each)
        done = records.records([trial.id for trial in trials]) if records else {}
        todo = runner.missing(trials, done)
        counts = {entry.name: dict.fromkeys(kinds, 0) for entry in each.optimizer}
        for trial in trials:
            counts[trial.label][done[trial.id].outcome.value if trial.id in done else "missing"] += 1
        expected = dry_run.of_trials(each, todo, done, where)[0] if todo and not each.imported else {}
        left = sum(expected.values()) / where.workers
        told[each.name] = {"optimizers": counts, "seconds_left": left if math.isfinite(left) else None}
        if not as_json:
            console.table([each.part or "optimizer", *kinds], [[name, *row.values()] for name, row in counts.items()])
            count = sum(row["missing"] + row["failed"] for row in counts.values())
            print(f"{len(trials) - count} of {len(trials)} trials are done; {duration(left)} left.")
    if as_json:
        console.as_json({"study": chosen.name} | ({"parts": told} if chosen.divided else told[chosen.name]))


def ui(
    study: Annotated[str | None, typer.Argument(help="Open this study. Default: all studies of the store.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen; the next free one if taken.")] = 5000,
    host: Annotated[str, typer.Option(help="Where to listen; any other address than 127.0.0.1 lets others in.")] = (
        "127.0.0.1"
    ),
    store: arguments.Store = None,
) -> None:
    """Open the MLflow UI on the store, on 127.0.0.1 unless told otherwise, until Ctrl-C."""
    from suite.tracking.ui import is_open, serve

    records = context.open_store(store, create=False)
    names = records.studies()
    if study:
        names = [name for name in names if name == study or name.startswith(f"{study}.")]  # it, or its parts
    if study and not names:
        raise UserError(f'the store has no study "{study}". It has: {", ".join(records.studies()) or "none"}')

    def ready(address: str) -> None:
        print(f"The MLflow UI is at {address} (Ctrl-C ends it)")
        for name in names:
            for view, link in records.links(name).items():
                print(f"  {view}: {address}{link}", flush=True)

    if records.uri.startswith("http"):
        ready(records.uri.rstrip("/") + "/")
        return
    if is_open(host):
        told = "whoever can reach this machine can read and delete what is recorded: there is no password"
        console.warn(f"--host {host}: {told}. Leave it out to be alone")
    raise typer.Exit(serve(records.uri, port, ready, host))


def data(data: arguments.Data = None) -> None:
    """Find or fetch the data sets, and print where they are and whether they are whole. Status 2 where there is none."""
    from suite.data import datasets
    from suite.problems import PROBLEMS

    used, missing = [], {}
    for data_set in datasets.DATA_SETS:
        try:
            used.append(datasets.ensure(data_set, data))
        except UserError as error:
            missing[data_set.name] = str(error)
    console.table(["data set", "place", "folder", "state"], _data_rows(data))
    for folder in dict.fromkeys(used):
        print(f"Used: {folder}")
    if not used:
        raise UserError("\n".join(missing.values()))
    for name, why in missing.items():
        needed = ", ".join(key for key, each in PROBLEMS.items() if each.data_set and each.data_set.name == name)
        console.warn(f"{name} is missing, so these cannot run: {needed}. {why}")


def _data_rows(folder: Path | None) -> list[list[str]]:
    from suite.data import datasets

    return [
        [data_set.name, row.what, str(row.path), row.state]
        for data_set in datasets.DATA_SETS
        for row in datasets.status(data_set, folder)
    ]


def doctor(data: arguments.Data = None, store: arguments.Store = None) -> None:
    """Print what Ravine finds here: versions, devices, data, store. Paste it into a question."""
    import torch

    from suite.execution.local import default_workers
    from suite.training import provenance
    from suite.training.devices import has_fast_bfloat16

    packages = ("torch", "torchvision", "mlflow", "numpy", "pandas", "pydantic", "matplotlib")
    rows = [[name, value] for name, value in provenance.versions(*packages).items()]
    here = provenance.environment("cpu")
    rows += [["commit", here["commit"] or "an installed package"], ["platform", here["platform"]]]
    fast = "quick" if has_fast_bfloat16() else "emulated, slow"
    rows += [["CPU", f"{here['device_name']}, {default_workers('cpu')} cores, bfloat16 {fast}"]]
    gpus = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    rows += [["GPU", ", ".join(gpus) or "none"]]
    rows += [["data", f"{name}, {what}: {state} ({folder})"] for name, what, folder, state in _data_rows(data)]
    try:
        records = context.existing_store(store)
        found = f"{records.place}: {', '.join(records.studies()) or 'no study'}" if records else "nothing recorded yet"
    except UserError as error:
        found = str(error)
    console.table(["what", "found"], [*rows, ["store", found]])


def list_(what: Annotated[Listed, typer.Argument(help="What to list.")], as_json: arguments.Json = False) -> None:
    """List what there is, with defaults and sources."""
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
    from suite.spec.parts import load
    from suite.spec.study_file import shipped

    return [{"name": name, "title": load(path).title} for name, path in shipped().items()]
