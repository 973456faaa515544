"""The front door: the command line. Each command parses, calls into `suite` and `reports`, and prints."""

from __future__ import annotations

import functools
import io
import json
import math
import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from reports.comparison import Test
    from suite.cluster import Cluster, RayTasks
    from suite.estimate import Speed
    from suite.executors import LocalProcesses
    from suite.problems import Problem
    from suite.records import Configuration, Trial, TrialRecord
    from suite.store import Store
    from suite.study import Study
    from suite.tuning import Search, Storage

P = ParamSpec("P")
R = TypeVar("R")

OUT = Path("out")
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
    try:
        app()
    except UserError as error:
        for line in str(error).splitlines():
            print(f"ravine: {line}", file=sys.stderr)
        sys.exit(2)


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
    repeats: Repeats = None,
    epochs: Epochs = None,
    train_examples: TrainExamples = None,
    optimizer: Optimizer = None,
    workers: Workers = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: PrecisionOption = None,
    data: DataOption = None,
    store: StoreOption = None,
    executor: ExecutorOption = Executors.LOCAL,
    address: AddressOption = None,
    dry_run: Annotated[
        bool, typer.Option(help="Show the trials, what is done and the time it would take; run none.")
    ] = False,
) -> None:
    """Run what is missing of a study, then print its table and where the report is."""
    from reports.build import check_place
    from suite import executors
    from suite.plan import plan

    chosen = _study(study, repeats, epochs, train_examples, precision, optimizer)
    trials = plan(chosen)
    cluster = _cluster(context, executor, address)
    place = _place(chosen, device, cluster)
    if dry_run:
        _show_plan(chosen, trials, _existing(store), place, workers, cluster)
        return
    check_place(_report_folder(chosen))
    if cluster is None:
        executors.begin(place)  # it imports torch while this process imports MLflow
    records = _open(store, create=True)
    with records.held(chosen):
        records.sweep()
        failed = _train(chosen, trials, records, place, workers, data, cluster=cluster)
        _report(chosen, trials, records)
    if failed:
        raise typer.Exit(1)


@_command
def tune(
    context: typer.Context,
    study: StudyArgument,
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
    from reports.build import check_place
    from suite import executors, tuned, tuning
    from suite.plan import plan
    from suite.study import load

    chosen = _study(study, repeats, epochs, train_examples, precision, optimizer, trials)
    searches = tuning.searches(chosen)
    cluster = _cluster(context, executor, address)
    place = _place(chosen, device, cluster)
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
        final_trials = plan(final)
        failed = _train(final, final_trials, records, place, workers, data, cluster=cluster)
        _report(final, final_trials, records)
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
    repeats: Repeats = None,
    epochs: Epochs = None,
    train_examples: TrainExamples = None,
    optimizer: Optimizer = None,
    precision: PrecisionOption = None,
    store: StoreOption = None,
    test: Annotated[
        Tests, typer.Option(help="How pairs are compared: sign flips, paired t, signed ranks, or unpaired.")
    ] = Tests.MAX_T,
    as_json: Json = False,
) -> None:
    """Build tables, figures and the HTML page of a study again from the store, without training."""
    from suite.plan import plan

    chosen = _study(study, repeats, epochs, train_examples, precision, optimizer)
    trials, records = plan(chosen), _open(store, create=False)
    records.include(chosen, records.records([trial.id for trial in trials]).values())
    _report(chosen, trials, records, test.value, as_json=as_json)


@_command
def status(
    study: StudyArgument,
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

    chosen = _study(study, repeats, epochs, train_examples, precision, optimizer)
    trials, place = plan(chosen), resolve(device)
    records = _existing(store)
    done = records.records([trial.id for trial in trials]) if records else {}
    todo = runner.missing(trials, done)
    kinds = [*(outcome.value for outcome in Outcome), "missing"]
    counts = {entry.name: dict.fromkeys(kinds, 0) for entry in chosen.optimizer}
    for trial in trials:
        counts[trial.label][done[trial.id].outcome.value if trial.id in done else "missing"] += 1
    expected = _expected(chosen, todo, done, place)[0] if todo else {}
    left = sum(expected.values()) / (workers or default_workers(place))
    if as_json:
        print(
            json.dumps(
                {"study": chosen.name, "optimizers": counts, "seconds_left": left if math.isfinite(left) else None},
                indent=1,
            )
        )
        return
    _print_table(["optimizer", *kinds], [[name, *row.values()] for name, row in counts.items()])
    count = sum(row["missing"] + row["failed"] for row in counts.values())
    print(f"{len(trials) - count} of {len(trials)} trials are done; {duration(left)} left.")


@_command
def ui(
    study: Annotated[str | None, typer.Argument(help="Open this study. Default: all studies of the store.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen; the next free one if taken.")] = 5000,
    store: StoreOption = None,
) -> None:
    """Open the MLflow UI on the store, on 127.0.0.1, until Ctrl-C."""
    from suite.ui import serve

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
    raise typer.Exit(serve(records.uri, port, ready))


class Listed(StrEnum):
    """What `ravine list` lists."""

    OPTIMIZERS = "optimizers"
    PROBLEMS = "problems"
    STUDIES = "studies"


@_command
def data(data: DataOption = None) -> None:
    """Find or fetch the data sets, and print where they are and whether they are whole."""
    from suite import data as datasets

    used, mistakes = [], []
    for data_set in datasets.DATA_SETS:
        try:
            used.append(datasets.ensure(data_set, data))
        except UserError as error:
            mistakes.append(str(error))
    _print_table(["data set", "place", "folder", "state"], _data_rows(data))
    for folder in dict.fromkeys(used):
        print(f"Used: {folder}")
    if mistakes:
        raise UserError("\n".join(mistakes))


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
    records = _existing(store)
    found = f"{records.place}: {', '.join(records.studies()) or 'no study'}" if records else "nothing recorded yet"
    _print_table(["what", "found"], [*rows, ["store", found]])


@_command
def _list(what: Annotated[Listed, typer.Argument(help="What to list.")], as_json: Json = False) -> None:
    """List what there is, with defaults and sources."""
    rows = {"optimizers": _optimizers, "problems": _problems, "studies": _studies}[what.value]()
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


def _studies() -> list[dict[str, str]]:
    from suite.study import load, shipped

    return [{"name": name, "title": load(path).title} for name, path in shipped().items()]


def _study(
    name: str,
    repeats: int | None,
    epochs: int | None,
    train_examples: int | None,
    precision: str | None,
    optimizers: list[str] | None,
    trials: int | None = None,
) -> Study:
    from suite.study import load

    return load(name, OUT / "studies").override(
        repeats=repeats,
        epochs=epochs,
        train_examples=train_examples,
        precision=precision,
        trials=trials,
        optimizers=tuple(optimizers or ()),
    )


def _cluster(context: typer.Context, executor: Executors, address: str | None) -> Cluster | None:
    """A connection to Ray until the command ends, where trials are to run there."""
    if executor is Executors.LOCAL:
        if address is not None:
            raise UserError("--address: it is that of a Ray cluster. Add --executor ray, or leave it out")
        return None
    from suite.cluster import Cluster

    return context.with_resource(Cluster(address))


def _place(study: Study, device: str, cluster: Cluster | None = None) -> str:
    """The device that is used, checked for what the study wants; a warning where its precision is slow there."""
    from suite.devices import check_compiler, check_precision, resolve

    place = cluster.device(device) if cluster else resolve(device)
    warning = check_precision(study.precision, place)
    if warning:
        print(f"ravine: warning: {warning}", file=sys.stderr)
    if study.compiled:
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
    cluster: Cluster | None = None,
) -> int:
    """Run what is missing of a plan; how many trials failed."""
    from suite import runner
    from suite.progress import Shown
    from suite.records import Outcome

    done = store.records([trial.id for trial in trials])
    store.include(study, done.values())
    todo = runner.missing(trials, done)
    if not todo:
        print(f"All {len(trials)} trials are done.", file=sys.stderr)
        return 0
    with _executor(study, place, workers, len(todo), data, cluster) as executor:
        expected = _expected(study, todo, done, place, cluster)[0]
        with Shown(expected, executor.workers) as shown:
            return runner.run(study, todo, store, executor, shown.finished)[Outcome.FAILED]


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
    from suite.progress import Shown

    told = {search.label: {each.number for each in tuning.configurations(storage, search)} for search in searches}
    expected = _expected_of_searches(study, searches, told, place, cluster)[0]
    if not expected:
        print(f"All {sum(map(len, told.values()))} configurations are done.", file=sys.stderr)
    with (
        _executor(study, place, workers, max(len(expected), 1), data, cluster) as executor,
        Shown(expected, executor.workers) as shown,
    ):
        return len(tuning.tune(study, searches, store, storage, executor, shown.finished, shown.spared))


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


def _report_folder(study: Study) -> Path:
    return OUT / "reports" / study.report_name


def _report(
    study: Study, trials: tuple[Trial, ...], store: Store, test: Test = "max-t", *, as_json: bool = False
) -> None:
    """Build and keep the report, print its table and its place, or its numbers."""
    from rich.console import Console

    from reports import frame, tables
    from reports.build import build

    folder = _report_folder(study)
    built = build(study, trials, store, folder, tuning=frame.tuning(study, store), test=test)
    store.write_report(study, folder)
    if as_json:
        from reports.summary import summary

        print(json.dumps(summary(built, study.name), indent=1, ensure_ascii=False, allow_nan=False))
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    console.print(tables.screen(built.sheet, console.width))
    console.print(built.answer, markup=False)
    console.print(f"Report: {built.page}", soft_wrap=True, markup=False)


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
