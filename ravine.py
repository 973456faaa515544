"""The front door: the command line. Each command parses, calls into `suite` and `reports`, and prints."""

from __future__ import annotations

import errno
import functools
import gc
import io
import json
import math
import os
import re
import sys
import unicodedata
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from rich.console import Console

    from reports.comparison import Test
    from reports.versus import Side
    from suite.cluster import Cluster, RayTasks
    from suite.estimate import Speed
    from suite.executors import LocalProcesses
    from suite.parts import StudyFile
    from suite.problems import Problem
    from suite.records import Configuration, Trial, TrialRecord
    from suite.store import Store
    from suite.study import Study
    from suite.tuning import Search, Storage

P = ParamSpec("P")
R = TypeVar("R")

OUT = Path("out")
_FREE = "Free some space; what was recorded is kept, and the same command goes on from there"
_OTHER = "Make it writable for you, or work in another folder"
UNWRITABLE = {errno.ENOSPC: _FREE, errno.EDQUOT: _FREE, errno.EFBIG: _FREE, errno.EROFS: _OTHER, errno.EACCES: _OTHER}
"""What the system says where nothing can be written, and the mend."""
INTERRUPTED = 130
PIPED_WIDTH = 120

app = typer.Typer(
    help="Ravine benchmarks optimizers: seeded, repeated trials, recorded in MLflow, compared with confidence intervals.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: ravine run quick",
)

StudyArgument = Annotated[str, typer.Argument(help="A name of `ravine list studies`, or the path of a study file.")]
Part = Annotated[list[str] | None, typer.Option(help="Only this part of a study that has parts; may be repeated.")]
Repeats = Annotated[int | None, typer.Option(help="Run so many repeats instead of the study's.")]
Epochs = Annotated[int | None, typer.Option(help="Train every optimizer for so many epochs.")]
TrainExamples = Annotated[int | None, typer.Option(help="Train on the first so many examples only.")]
Optimizer = Annotated[list[str] | None, typer.Option(help="Only this label or kind of the study; may be repeated.")]
PrecisionOption = Annotated[str | None, typer.Option(help="float32, tf32 (CUDA only) or bfloat16.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Trials at a time. Default: one a CPU core, or one a GPU; more share a GPU.")
]


class Executors(StrEnum):
    """Where trials run."""

    LOCAL = "local"
    RAY = "ray"


ExecutorOption = Annotated[Executors, typer.Option(help="Where trials run: processes of this machine, or Ray.")]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="The Ray cluster: host:port of its head, or auto. Default: RAY_ADDRESS, else a Ray of its own here."
    ),
]
StoreOption = Annotated[
    str | None, typer.Option(help="Another MLflow store: a URI or a folder. Default: out/mlflow.db.")
]
DataOption = Annotated[
    Path | None, typer.Option(help="The folder of the data set. Default: RAVINE_DATA, else it is found.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 a trial failed, 2 a mistake of the user's, 130 stopped by Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks the letter ± shows a question mark
    gc.set_threshold(50_000)  # what torch and MLflow import stays: a report spent a tenth of its time looking it over
    os.environ["MPLBACKEND"] = "agg"  # figures go to files; matplotlib cannot be imported where this names no backend
    try:
        _check_words()
        app()
    except UserError as error:
        for line in str(error).split("\n"):
            print(f"ravine: {line}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        print(f"ravine: {error.filename or OUT}: {error.strerror}. {UNWRITABLE[error.errno]}", file=sys.stderr)
        sys.exit(2)


def _check_words() -> None:
    """Refuse control characters and ends of lines in arguments and in what the environment says to Ravine."""
    told = {f"argument {at}": word for at, word in enumerate(sys.argv[1:], 1)}
    told |= {name: os.environ.get(name, "") for name in ("RAVINE_DATA", "RAVINE_CACHE", "MLFLOW_TRACKING_URI")}
    for place, text in told.items():
        odd = next((mark for mark in text if unicodedata.category(mark) in {"Cc", "Zl", "Zp"}), None)
        if odd:
            raise UserError(f"{place}: it holds the character U+{ord(odd):04X}, which does not print. Leave it out")


def _command(function: Callable[P, R]) -> Callable[P, R]:
    """Register a command that ends with status 130 on Ctrl-C."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt:
            kept = ". What was recorded is kept; the same command goes on from there"
            print(f"\nravine: stopped{kept if function.__name__ in {'run', 'tune'} else ''}", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None

    return app.command(function.__name__.strip("_"))(wrapped)


def _version(wanted: bool) -> None:
    if wanted:
        from suite.provenance import version

        print(f"ravine {version('ravine')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@_command
def run(
    context: typer.Context,
    study: StudyArgument,
    part: Part = None,
    repeats: Repeats = None,
    epochs: Epochs = None,
    train_examples: TrainExamples = None,
    optimizer: Optimizer = None,
    workers: Workers = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: PrecisionOption = None,
    data: DataOption = None,
    store: StoreOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse to add to trials from another environment (device, versions).")
    ] = False,
    executor: ExecutorOption = Executors.LOCAL,
    address: AddressOption = None,
    dry_run: Annotated[
        bool, typer.Option(help="Show the trials, what is done and the time it would take; run none.")
    ] = False,
) -> None:
    """Run what is missing of a study, then print its table and where the report is."""
    from suite import executors
    from suite.plan import check_runnable, plan

    chosen = _studies(study, part, repeats, epochs, train_examples, precision, optimizer)
    check_runnable(chosen.parts[0])
    planned = [(each, plan(each)) for each in chosen.parts]
    cluster = _cluster(context, executor, address)
    place = _place(chosen.parts, device, cluster)
    if dry_run:
        for each, trials in planned:
            if chosen.divided:
                print(f"Part {each.part}:")
            _show_plan(each, trials, _existing(store), place, workers, cluster)
        return
    _check_places(chosen)
    if cluster is None:
        executors.begin(place)  # it imports torch while this process imports MLflow
    records = _open(store, create=True)
    failed = 0
    with records.held(*chosen.parts):
        records.sweep()
        for each, trials in planned:
            if chosen.divided:
                print(f"Part {each.part}:", file=sys.stderr)
            failed += _train(each, trials, records, place, workers, data, strict=strict, cluster=cluster)
        _report(chosen, planned, records)
    if failed:
        raise typer.Exit(1)


@_command
def tune(
    context: typer.Context,
    study: StudyArgument,
    part: Part = None,
    trials: Annotated[int | None, typer.Option(help="Try so many configurations of each optimizer.")] = None,
    repeats: Repeats = None,
    epochs: Epochs = None,
    train_examples: TrainExamples = None,
    optimizer: Optimizer = None,
    workers: Workers = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: PrecisionOption = None,
    data: DataOption = None,
    store: StoreOption = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Another Optuna storage: a URL or a SQLite file. Default: optuna.db by the store."),
    ] = None,
    executor: ExecutorOption = Executors.LOCAL,
    address: AddressOption = None,
    dry_run: Annotated[
        bool, typer.Option(help="Show what is tuned, what is done and the time it would take; run none.")
    ] = False,
) -> None:
    """Tune every optimizer of a study under one budget, then run own and tuned settings on fresh repeats."""
    from reports.writing import check_place
    from suite import executors, tuned, tuning
    from suite.parts import load
    from suite.plan import plan

    chosen = _studies(study, part, repeats, epochs, train_examples, precision, optimizer, trials).one()
    searches = tuning.searches(chosen)
    cluster = _cluster(context, executor, address)
    place = _place((chosen,), device, cluster)
    if dry_run:
        _show_searches(chosen, searches, _existing(store), place, workers, cluster)
        return
    folder = OUT / "studies"
    name = tuned.name(chosen)
    check_place(OUT / "reports" / name)
    if cluster is None:
        executors.begin(place)
    records = _open(store, create=True)
    with records.held(chosen), tuning.Storage(tuning.locate(storage, records.root or OUT)) as optuna:
        records.sweep()
        failed = _search(chosen, searches, records, optuna, place, workers, data, cluster)
        tried = {search.label: tuning.configurations(optuna, search) for search in searches}
        _show_tuned(chosen, searches, tried)
        if failed:
            print("ravine: trials failed: mend the cause, and the same command goes on from there", file=sys.stderr)
            raise typer.Exit(1)
        final = load(tuned.write(chosen, searches, tried, folder))
        print(f"Tuned study: {OUT / 'studies' / f'{name}.toml'}", flush=True)
        planned = plan(final.one())
        failed = _train(final.one(), planned, records, place, workers, data, cluster=cluster)
        _report(final, [(final.one(), planned)], records)
    if failed:
        raise typer.Exit(1)


class Tests(StrEnum):
    """How a report compares pairs of optimizers."""

    MAX_T = "max-t"
    HOLM_T = "holm-t"
    WILCOXON = "wilcoxon"
    WELCH = "welch"


@_command
def report(
    study: StudyArgument,
    part: Part = None,
    repeats: Repeats = None,
    epochs: Epochs = None,
    train_examples: TrainExamples = None,
    optimizer: Optimizer = None,
    precision: PrecisionOption = None,
    store: StoreOption = None,
    test: Annotated[
        Tests | None,
        typer.Option(
            help="How pairs are compared: sign flips, paired t, signed ranks, or unpaired. "
            "Default: sign flips; unpaired for imported results."
        ),
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Report on the run that comes with Ravine, and on yours against it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Build tables, figures and the HTML page of a study again from the store, without training."""
    from suite.plan import plan

    if baseline:
        own = _studies(study, part, repeats, epochs, train_examples, precision, optimizer)
        _baseline(own.one(), store, test.value if test else None, as_json=as_json)
        return
    chosen = _studies(study, part, repeats, epochs, train_examples, precision, optimizer)
    planned, records = [(each, plan(each)) for each in chosen.parts], _open(store, create=False)
    for each, trials in planned:
        records.include(each, records.records([trial.id for trial in trials]).values())
    _report(chosen, planned, records, test.value if test else None, as_json=as_json)


@_command
def status(
    study: StudyArgument,
    part: Part = None,
    repeats: Repeats = None,
    epochs: Epochs = None,
    train_examples: TrainExamples = None,
    optimizer: Optimizer = None,
    precision: PrecisionOption = None,
    device: Annotated[str, typer.Option(help="Where the rest would run: auto, cpu, cuda or cuda:N.")] = "auto",
    workers: Workers = None,
    store: StoreOption = None,
    as_json: Json = False,
) -> None:
    """Tell how many trials of a study are ok, diverged, stalled, failed or missing, and the time left."""
    from suite import runner
    from suite.devices import resolve
    from suite.executors import default_workers
    from suite.plan import plan
    from suite.progress import duration
    from suite.records import Outcome

    chosen = _studies(study, part, repeats, epochs, train_examples, precision, optimizer)
    place, records = resolve(device), _existing(store)
    kinds = [*(outcome.value for outcome in Outcome), "missing"]
    told = dict[str, Any]()
    for each in chosen.parts:
        trials = plan(each)
        done = records.records([trial.id for trial in trials]) if records else {}
        todo = runner.missing(trials, done)
        counts = {entry.name: dict.fromkeys(kinds, 0) for entry in each.optimizer}
        for trial in trials:
            counts[trial.label][done[trial.id].outcome.value if trial.id in done else "missing"] += 1
        expected = _expected(each, todo, done, place)[0] if todo and not each.imported else {}
        left = sum(expected.values()) / (workers or default_workers(place))
        told[each.name] = {"optimizers": counts, "seconds_left": left if math.isfinite(left) else None}
        if not as_json:
            _print_table([each.part or "optimizer", *kinds], [[name, *row.values()] for name, row in counts.items()])
            count = sum(row["missing"] + row["failed"] for row in counts.values())
            print(f"{len(trials) - count} of {len(trials)} trials are done; {duration(left)} left.")
    if as_json:
        whole = {"study": chosen.name, "parts": told} if chosen.divided else {"study": chosen.name} | told[chosen.name]
        print(json.dumps(whole, indent=1))


@_command
def verify(
    study: StudyArgument,
    part: Part = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many of its trials, spread over the optimizers. Default: all.")
    ] = None,
    repeats: Repeats = None,
    epochs: Epochs = None,
    train_examples: TrainExamples = None,
    optimizer: Optimizer = None,
    precision: PrecisionOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    workers: Workers = None,
    data: DataOption = None,
    store: StoreOption = None,
    as_json: Json = False,
) -> None:
    """Run recorded trials again, record nothing, and compare the weights by their digests."""
    from suite import verification
    from suite.plan import check_runnable, plan
    from suite.progress import Shown

    chosen = _studies(study, part, repeats, epochs, train_examples, precision, optimizer)
    check_runnable(chosen.parts[0])
    place, store_ = _place(chosen.parts, device), _open(store, create=False)
    found: list[tuple[Study, int, dict[str, TrialRecord]]] = []
    for each in chosen.parts:  # all, before any trial is run
        trials = plan(each)
        known = store_.records([trial.id for trial in trials])
        found.append((each, len(trials), {trial.id: known[trial.id] for trial in trials if trial.id in known}))
        if not verification.sample(known.values(), 1):
            raise UserError(f"{each.place}: none of its trials is recorded here. Run it first: ravine run {study}")
    told, differing = list[dict[str, Any]](), 0
    for each, planned, known in found:
        records = verification.sample(known.values(), sample)
        again = [record.trial for record in records]
        expected = _expected(each, again, known, place)[0]
        with _executor(each, place, workers, len(again), data) as executor, Shown(expected, executor.workers) as shown:
            checks = verification.verify(records, executor, shown.finished)
        wrong = sum(not check.same for check in checks)
        differing += wrong
        counts = {"study": each.name, "checked": len(checks), "differing": wrong, "planned": planned}
        told.append(counts | {"trials": [check.told() for check in checks]})
        if as_json:
            continue
        _print_table(list(verification.COLUMNS), [check.row() for check in checks])
        same, others = len(checks) - wrong, len(known) - len(checks)
        print(
            f"{same} of {len(checks)} trials came to the recorded weights."
            + (f" {others} other recorded trials were not run." if others else "")
        )
    if as_json:
        whole = {"study": chosen.name, "parts": told} if chosen.divided else told[0]
        print(json.dumps(whole, indent=1, ensure_ascii=False))
    if differing:
        raise typer.Exit(1)


@_command
def ui(
    study: Annotated[str | None, typer.Argument(help="Open this study. Default: all studies of the store.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen; the next free one if taken.")] = 5000,
    host: Annotated[str, typer.Option(help="Where to listen; any other address than 127.0.0.1 lets others in.")] = (
        "127.0.0.1"
    ),
    store: StoreOption = None,
) -> None:
    """Open the MLflow UI on the store, on 127.0.0.1 unless told otherwise, until Ctrl-C."""
    from suite.ui import is_open, serve

    records = _open(store, create=False)
    names = [study] if study else records.studies()
    if study and study not in records.studies():
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
        print(f"ravine: warning: --host {host}: {told}. Leave it out to be alone", file=sys.stderr)
    raise typer.Exit(serve(records.uri, port, ready, host))


@_command
def compare(
    before: Annotated[str, typer.Argument(help="A study, such as paper or paper@precision=bfloat16, or an export.")],
    after: Annotated[str, typer.Argument(help="Another, on which the verdicts are.")],
    test: Annotated[
        Tests | None, typer.Option(help="Default: sign flips where both drew the same random numbers, else Welch.")
    ] = None,
    store: StoreOption = None,
    as_json: Json = False,
) -> None:
    """Did the change help? Set two studies, or two versions of one, side by side."""
    import shlex

    from reports import tables, versus_page
    from reports.versus import versus

    one, two = _side(before, store), _side(after, store)
    if one.name == two.name:
        raise UserError(f"both are {one.name}. Before a change, keep what was: ravine export {one.name} before.zip")
    found = versus(one, two, test.value if test else None)
    words = ["ravine", "compare", before, after, *(["--test", test.value] if test else [])]
    built = versus_page.build(found, OUT / "reports" / f"{two.name}_against_{one.name}", shlex.join(words))
    if as_json:
        told = versus_page.summary(found) | {"report": str(built.page)}
        print(json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False))
        return
    console = _console()
    if built.sheet:
        console.print(tables.screen(built.sheet, console.width))
    console.print(built.answer, markup=False)
    console.print(f"Report: {built.page}", soft_wrap=True, markup=False)


@_command
def export(
    study: StudyArgument,
    file: Annotated[Path | None, typer.Argument(help="Where to. Default: out/exports/<study>.zip.")] = None,
    part: Part = None,
    repeats: Repeats = None,
    epochs: Epochs = None,
    train_examples: TrainExamples = None,
    optimizer: Optimizer = None,
    precision: PrecisionOption = None,
    step_losses: Annotated[
        int | None,
        typer.Option(min=100, help="Keep at most so many means of each trial's step losses. Default: all losses."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write the records of a study to one file, to be moved, kept or compared."""
    from suite import archive
    from suite.plan import plan

    chosen = _studies(study, part, repeats, epochs, train_examples, precision, optimizer).one()
    trials = plan(chosen)
    path = file or OUT / "exports" / f"{chosen.report_name}.zip"
    archive.check_place(path)
    recorded = archive.write(chosen, trials, _open(store, create=False), path, step_losses or "all")
    size = path.stat().st_size
    count = len({trial.id for trial in trials})
    print(f"{recorded} of {count} trials of {chosen.report_name} are in {path} ({size / 1000:,.0f} kB).")


@_command
def merge(
    file: Annotated[Path, typer.Argument(help="An export: a file that `ravine export` wrote.")],
    store: StoreOption = None,
) -> None:
    """Put the records of an export into the store; what is there stays as it is."""
    from suite import archive, merging

    read = archive.read(file)
    records = _open(store, create=True)
    with records.held():
        records.sweep()
        merged = merging.merge(read, records)
    print(f"{read.study.report_name}: {merged.added} trials recorded in {records.place}, {merged.known} were there.")


@_command
def _import(
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
    store: StoreOption = None,
) -> None:
    """Record results from elsewhere as a study, then print its table and where the report is."""
    from rich.console import Console
    from rich.progress import track

    from suite import importing
    from suite.plan import plan

    progress = Console(stderr=True)
    found = importing.read(file)
    chosen = importing.write_study(file, found, OUT / "studies", study, score, margin)
    planned = [(each, plan(each)) for each in chosen.parts]
    _check_places(chosen)
    records = _open(store, create=True)
    with records.held(*chosen.parts):
        records.sweep()
        for each, trials in planned:
            known = records.records([trial.id for trial in trials])
            records.include(each, known.values())
            new = [result for result in importing.results(found[0], trials) if result.trial.id not in known]
            for result in track(new, f"Recording {each.problem}", console=progress, disable=not progress.is_terminal):
                records.write(each, result)
        _report(chosen, planned, records)


class Listed(StrEnum):
    """What `ravine list` lists."""

    OPTIMIZERS = "optimizers"
    PROBLEMS = "problems"
    STUDIES = "studies"


@_command
def data(data: DataOption = None) -> None:
    """Find or fetch the data sets, and print where they are and whether they are whole. Status 2 where there is none."""
    from suite import data as datasets
    from suite.problems import PROBLEMS

    used, missing = [], {}
    for data_set in datasets.DATA_SETS:
        try:
            used.append(datasets.ensure(data_set, data))
        except UserError as error:
            missing[data_set.name] = str(error)
    _print_table(["data set", "place", "folder", "state"], _data_rows(data))
    for folder in dict.fromkeys(used):
        print(f"Used: {folder}")
    if not used:
        raise UserError("\n".join(missing.values()))
    for name, why in missing.items():
        needed = ", ".join(key for key, each in PROBLEMS.items() if each.data_set and each.data_set.name == name)
        print(f"ravine: warning: {name} is missing, so these cannot run: {needed}. {why}", file=sys.stderr)


@_command
def doctor(data: DataOption = None, store: StoreOption = None) -> None:
    """Print what Ravine finds here: versions, devices, data, store. Paste it into a question."""
    import torch

    from suite import provenance
    from suite.devices import has_fast_bfloat16
    from suite.executors import default_workers

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
        records = _existing(store)
        found = f"{records.place}: {', '.join(records.studies()) or 'no study'}" if records else "nothing recorded yet"
    except UserError as error:
        found = str(error)
    _print_table(["what", "found"], [*rows, ["store", found]])


@_command
def _list(what: Annotated[Listed, typer.Argument(help="What to list.")], as_json: Json = False) -> None:
    """List what there is, with defaults and sources."""
    rows = {"optimizers": _optimizers, "problems": _problems, "studies": _shipped}[what.value]()
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    _print_table(list(rows[0]), [list(row.values()) for row in rows])


def _optimizers() -> list[dict[str, Any]]:
    from suite import optimizers

    return [{"key": key, **optimizers.describe(key)} for key in optimizers.OPTIMIZERS]


def _problems() -> list[dict[str, str]]:
    from suite.problems import PROBLEMS

    return [{"key": key, "what": problem.summary, "source": problem.source} for key, problem in PROBLEMS.items()]


def _shipped() -> list[dict[str, str]]:
    from suite.parts import load
    from suite.study import shipped

    return [{"name": name, "title": load(path).title} for name, path in shipped().items()]


def _studies(
    name: str,
    parts: list[str] | None,
    repeats: int | None,
    epochs: int | None,
    train_examples: int | None,
    precision: str | None,
    optimizers: list[str] | None,
    trials: int | None = None,
) -> StudyFile:
    from suite.parts import load

    return (
        load(name, OUT / "studies")
        .only(parts or ())
        .override(
            repeats=repeats,
            epochs=epochs,
            train_examples=train_examples,
            precision=precision,
            trials=trials,
            optimizers=tuple(optimizers or ()),
        )
    )


def _check_places(chosen: StudyFile) -> None:
    """See that the reports of a study and its parts can be written."""
    from reports.writing import check_place

    for name in dict.fromkeys((*(each.report_name for each in chosen.parts), chosen.report_name)):
        check_place(OUT / "reports" / name)


def _cluster(context: typer.Context, executor: Executors, address: str | None) -> Cluster | None:
    """A connection to Ray until the command ends, where trials are to run there."""
    if executor is Executors.LOCAL:
        if address is not None:
            raise UserError("--address: it is that of a Ray cluster. Add --executor ray, or leave it out")
        return None
    from suite.cluster import Cluster

    return context.with_resource(Cluster(address))


def _place(studies: Iterable[Study], device: str, cluster: Cluster | None = None) -> str:
    """The device that is used, checked for what the studies want; a warning where their precision is slow there."""
    from suite.devices import check_compiler, check_precision, resolve

    place = cluster.device(device) if cluster else resolve(device)
    for precision in dict.fromkeys(study.precision for study in studies):
        warning = check_precision(precision, place)
        if warning:
            print(f"ravine: warning: {warning}", file=sys.stderr)
    if any(study.compiled for study in studies):
        check_compiler(place)
    return place


def _executor(
    study: Study, place: str, workers: int | None, most: int, data: Path | None, cluster: Cluster | None = None
) -> LocalProcesses | RayTasks:
    """Where trials run: as many at a time as asked for, or as the device wants, and as there are trials."""
    from suite import data as datasets
    from suite import problems
    from suite.executors import LocalProcesses, default_workers

    if cluster:
        return cluster.executor(workers, most, place, data, study.folder)
    data_set = problems.find(study.problem, study.folder).data_set
    folder = datasets.ensure(data_set, data) if data_set else None
    return LocalProcesses(min(workers or default_workers(place), most), place, folder, study.folder)


def _train(
    study: Study,
    trials: tuple[Trial, ...],
    store: Store,
    place: str,
    workers: int | None,
    data: Path | None,
    *,
    strict: bool = False,
    cluster: Cluster | None = None,
) -> int:
    """Run what is missing of a plan; how many trials failed."""
    from suite import provenance, runner
    from suite.outbox import Outbox
    from suite.progress import Shown
    from suite.records import Outcome

    Outbox(store, study, _note).flush()
    done = store.records([trial.id for trial in trials])
    store.include(study, done.values())
    todo = runner.missing(trials, done)
    if not todo:
        print(f"All {len(trials)} trials are done.", file=sys.stderr)
        return 0
    if strict:
        provenance.refuse_others(done.values(), provenance.environment(place))
    with _executor(study, place, workers, len(todo), data, cluster) as executor:
        expected = _expected(study, todo, done, place, cluster)[0]
        with Shown(expected, executor.workers) as shown:
            return runner.run(study, todo, store, executor, shown.finished, shown.note)[Outcome.FAILED]


def _search(
    study: Study,
    searches: tuple[Search, ...],
    store: Store,
    storage: Storage,
    place: str,
    workers: int | None,
    data: Path | None,
    cluster: Cluster | None = None,
) -> int:
    """Run what is missing of the searches; how many trials failed."""
    from suite import tuning
    from suite.outbox import Outbox
    from suite.progress import Shown

    Outbox(store, study, _note).flush()
    told = {search.label: {each.number for each in tuning.configurations(storage, search)} for search in searches}
    expected = _expected_of_searches(study, searches, told, place, cluster)[0]
    if not expected:
        print(f"All {sum(map(len, told.values()))} configurations are done.", file=sys.stderr)
    with (
        _executor(study, place, workers, max(len(expected), 1), data, cluster) as executor,
        Shown(expected, executor.workers) as shown,
    ):
        failed = tuning.tune(study, searches, store, storage, executor, shown.finished, shown.spared, shown.note)
        return len(failed)


def _note(text: str) -> None:
    print(f"ravine: {text}", file=sys.stderr, flush=True)


def _open(store: str | None, *, create: bool) -> Store:
    from suite.store import Store, locate

    return Store(locate(store, OUT), OUT, create=create)


def _existing(store: str | None) -> Store | None:
    """The store if there is one."""
    from suite.store import exists, locate

    return _open(store, create=False) if exists(locate(store, OUT)) else None


def _expected(
    study: Study,
    trials: Iterable[Trial],
    done: Mapping[str, TrialRecord],
    device: str,
    cluster: Cluster | None = None,
) -> tuple[dict[str, float], str]:
    """From trial id to expected seconds on one worker, and where the expectation comes from."""
    from suite import estimate, problems

    problem = problems.find(study.problem, study.folder)
    like = next(iter(trials))
    speed = None if cluster else estimate.recorded(done.values(), like, device, problem.test_examples)
    speed = speed or _probe(study, problem, device, cluster)
    return {trial.id: speed.seconds(trial, problem.test_examples) for trial in trials}, speed.source


def _probe(study: Study, problem: Problem, device: str, cluster: Cluster | None) -> Speed:
    """The speed of this machine; of a cluster none is known before its first trial has ended."""
    from suite import estimate

    return estimate.UNKNOWN if cluster else estimate.probe(problem, study.precision, device)


def _at_a_time(workers: int | None, device: str, cluster: Cluster | None) -> int:
    """How many trials run at a time."""
    from suite.executors import default_workers

    return workers or (cluster.workers(device) if cluster else default_workers(device))


def _show_plan(
    study: Study,
    trials: tuple[Trial, ...],
    store: Store | None,
    device: str,
    workers: int | None,
    cluster: Cluster | None = None,
) -> None:
    from suite import runner
    from suite.progress import duration

    done = store.records([trial.id for trial in trials]) if store else {}
    todo = runner.missing(trials, done)
    expected, source = _expected(study, trials, done, device, cluster)
    state = {trial.id: done[trial.id].outcome.value if trial.id in done else "missing" for trial in trials}
    rows = [[trial.name, trial.id, state[trial.id], duration(expected[trial.id])] for trial in trials]
    _print_table(["trial", "id", "state", "expected time"], rows)
    workers = _at_a_time(workers, device, cluster)
    left = sum(expected[trial.id] for trial in todo) / workers
    print(
        f"{len(todo)} of {len(trials)} trials to run on {workers} x {device}: about {duration(left)} (from {source})."
    )


def _expected_of_searches(
    study: Study,
    searches: Iterable[Search],
    told: Mapping[str, Collection[int]],
    device: str,
    cluster: Cluster | None = None,
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
    speed = _probe(study, problem, device, cluster)
    return {name: speed.seconds(search.base, search.judged_on) for search, name in names}, speed.source


def _show_searches(
    study: Study,
    searches: tuple[Search, ...],
    store: Store | None,
    device: str,
    workers: int | None,
    cluster: Cluster | None = None,
) -> None:
    from suite import spaces
    from suite.progress import duration

    known = store.configurations(study.name) if store else []
    told = {
        each.label: {tried.number for tried in known if tried.optuna == each.optuna and tried.state != "failed"}
        for each in searches
    }
    expected, source = _expected_of_searches(study, searches, told, device, cluster)
    rows = [
        [search.label, f"{name} = {spaces.show(values)}", len(told[search.label]), search.configurations]
        for search in searches
        for name, values in search.space.items()
    ]
    _print_table(["optimizer", "space", "done", "configurations"], rows)
    tune, first, workers = study.tune, searches[0], _at_a_time(workers, device, cluster)
    repeats = f"{tune.repeats} repeat{'s' * (tune.repeats > 1)}"
    print(
        f"Each optimizer: {first.configurations} configurations ({tune.sampler}), {repeats}, at most "
        f"{first.examples:,} training examples; judged by {tune.objective} on {first.judged_on:,} examples."
    )
    left = duration(sum(expected.values()) / workers)
    print(f"At most {len(expected)} trials to run on {workers} x {device}: about {left} (from {source}).")


def _show_tuned(study: Study, searches: tuple[Search, ...], tried: Mapping[str, list[Configuration]]) -> None:
    """What each search came to, and a warning where an optimum lies on the edge of its range."""
    from suite import tuned, tuning
    from suite.records import State

    rows = []
    for search in searches:
        found = tried[search.label]
        best = tuning.best(found, search)
        states = Counter(each.state for each in found)
        rows.append(
            [
                search.label,
                tuned.setting(search, best),
                f"{best.value:.4f}" if best and best.value is not None else "none",
                *(states[state] for state in (State.COMPLETE, State.PRUNED, State.DIVERGED, State.STALLED)),
                f"{sum(each.examples for each in found):,}",
            ]
        )
    columns = ["optimizer", "best setting", study.tune.objective, "complete", "pruned", "diverged", "stalled"]
    _print_table([*columns, "examples spent"], rows)
    cap = f"{searches[0].configurations} configurations, {searches[0].examples:,} examples"
    print(f"Each optimizer had at most {cap}. A score that was picked is too good: judge by the fresh repeats.")
    for line in tuned.edges(searches, tried):
        print(f"ravine: warning: {study.place}: {line}", file=sys.stderr)


def _report(
    chosen: StudyFile,
    planned: Iterable[tuple[Study, tuple[Trial, ...]]],
    store: Store,
    test: Test | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Build and keep the report of each part and, where there are several, that on the whole; print tables or numbers."""
    from reports import frame, overview, tables
    from reports.build import build
    from reports.summary import summary

    console = _console()
    reports = []
    for study, trials in planned:
        folder = OUT / "reports" / study.report_name
        built = build(study, trials, store, folder, tuning=frame.tuning(study, store), test=test)
        store.write_report(study, folder)
        reports.append((study, built))
        if not as_json:
            console.print(tables.screen(built.sheet, console.width))
            console.print(built.answer, markup=False)
            console.print(f"Report: {built.page}", soft_wrap=True, markup=False)
    whole = overview.build(chosen, reports, OUT / "reports" / chosen.report_name) if len(reports) > 1 else None
    if as_json:
        told = [summary(built, study.name) for study, built in reports]
        print(
            json.dumps(
                overview.summary(whole, told) if whole else told[0], indent=1, ensure_ascii=False, allow_nan=False
            )
        )
    elif whole:
        console.print(whole.answer, markup=False)
        console.print(f"Report on all parts: {whole.page}", soft_wrap=True, markup=False)


def _side(words: str, store: str | None) -> Side:
    """A study of the store, its overrides written as in the name of its report, or an export."""
    from reports import frame
    from reports.versus import Side
    from suite import archive
    from suite.plan import plan

    if words.endswith(".zip"):
        read = archive.read(Path(words))
        return Side(Path(words).stem, read.study, read.trials, frame.load(read, read.trials))
    whole = (
        Path(words).is_file() or (OUT / "studies" / f"{words}.toml").is_file()
    )  # tuned studies have an @ in their name
    name, _, changes = (words, "", "") if whole else words.partition("@")
    chosen = _studies(name, None, **_overrides(words, changes)).one()
    trials = plan(chosen)
    frames = frame.load(_open(store, create=False), trials)
    if not frames.recorded:
        raise UserError(f"nothing is recorded for {chosen.report_name} yet. Run it first: {frame.command(chosen)}")
    return Side(chosen.report_name, chosen, trials, frames)


def _overrides(words: str, changes: str) -> dict[str, Any]:
    """What stands after the @: `repeats=6,precision=bfloat16`."""
    keys = ("repeats", "epochs", "train_examples", "precision", "optimizer")
    given: dict[str, Any] = dict.fromkeys(keys)
    for change in re.split(rf",(?=(?:{'|'.join(keys)})=)", changes) if changes else []:
        key, _, value = change.partition("=")
        if key not in keys or not value or (key in keys[:3] and not (value.isascii() and value.isdecimal())):
            told = f'"{words}": expected changes after the @, got "{change}"'
            raise UserError(f"{told}. For example paper@repeats=6,precision=bfloat16")
        given[key] = int(value) if key in keys[:3] else value
    label = given.pop("optimizer")
    return given | {"optimizers": label.split("+") if label else None}


def _baseline(study: Study, store: str | None, test: Test | None, *, as_json: bool) -> None:
    """Report on the run of a study that comes with Ravine, and on the user's own against it where there is one."""
    from reports import frame, tables, versus_page, versus_section
    from reports.build import build
    from reports.summary import summary
    from reports.versus import Side, versus
    from suite import archive
    from suite.plan import plan

    shipped, found = archive.baselines(), None
    if study.name not in shipped:
        raise UserError(f"no run of {study.name} comes with Ravine. There are: {', '.join(shipped) or 'none'}")
    read, records = archive.read(shipped[study.name]), _existing(store)
    if records:
        trials = plan(study)
        own = frame.load(records, trials)
        if own.recorded:
            theirs = Side("shipped", read.study, read.trials, frame.load(read, read.trials))
            found = versus(theirs, Side("yours", study, trials, own), test)
    told = read.study.model_copy(update={"title": f"{read.study.title} (the run that comes with Ravine)"})
    more = [versus_section.section(found)] if found else []
    folder = OUT / "reports" / f"{study.name}@baseline"
    built = build(told, read.trials, read, folder, test=test, more=more)
    if as_json:
        numbers = summary(built, study.name) | ({"yours": versus_page.summary(found)} if found else {})
        print(json.dumps(numbers, indent=1, ensure_ascii=False, allow_nan=False))
        return
    console = _console()
    console.print(tables.screen(built.sheet, console.width))
    console.print(built.answer, markup=False)
    if found:
        if len(found.changes):
            console.print(tables.screen(versus_section.changes_sheet(found), console.width))
        console.print(versus_section.answer(found), markup=False)
    console.print(f"Report: {built.page}", soft_wrap=True, markup=False)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def _data_rows(folder: Path | None) -> list[list[str]]:
    from suite import data as datasets

    return [
        [data_set.name, row.what, str(row.path), row.state]
        for data_set in datasets.DATA_SETS
        for row in datasets.status(data_set, folder)
    ]


def _print_table(columns: list[str], rows: list[list[Any]]) -> None:
    """A table on a terminal; tab-separated lines where the output is piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        for row in [columns, *rows]:
            print(*row, sep="\t")
        return
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)


if __name__ == "__main__":
    main()
