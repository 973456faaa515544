"""What the options of a command select: studies, the store, and where trials run."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from ravine import arguments, console
from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import typer

    from suite.execution.local import LocalProcesses
    from suite.execution.ray_cluster import Cluster, RayTasks
    from suite.spec.parts import StudyFile
    from suite.spec.study import Study
    from suite.tracking.store import Store

OUT = Path("out")
"""The folder of all generated files, in the current directory."""
STUDIES, REPORTS = OUT / "studies", OUT / "reports"


def load_studies(
    name: str, part: list[str] | None = None, *, optimizer: list[str] | None = None, **changes: Any
) -> StudyFile:
    """Return a study by name or path, its selected parts, with the changes of the options (see `Study.override`)."""
    from suite.spec.parts import load_study_file

    file = load_study_file(name, STUDIES)
    for warning in file.warnings:
        console.warn(warning)
    return file.select(part or ()).override(optimizers=tuple(optimizer or ()), **changes)


_SELECTION = {
    "part": arguments.Part,
    "repeats": arguments.Repeats,
    "epochs": arguments.Epochs,
    "train_examples": arguments.TrainExamples,
    "optimizer": arguments.Optimizer,
    "precision": arguments.Precision,
}


def takes_study(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument STUDY and the options that select from a study and change its budget.

    Args:
        command: A function whose parameter `chosen` gets the `StudyFile` that these options describe. If it has a
            parameter `trials`, that option changes the study, too, and is not passed on.

    Returns:
        The command as Typer sees it: STUDY, the shared options, then the command's own parameters.
    """
    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True, localns={"StudyFile": Any})
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in signature.parameters.items()
        if name not in {"chosen", "trials"}
    ]
    changes = _SELECTION | ({"trials": arguments.Trials} if "trials" in signature.parameters else {})
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [inspect.Parameter("study", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=arguments.Study)]
    shared += [inspect.Parameter(name, keyword, default=None, annotation=type_) for name, type_ in changes.items()]

    @functools.wraps(command)
    def wrapped(study: str, **options: Any) -> None:
        selection = {name: options.pop(name) for name in changes}
        command(chosen=load_studies(study, **selection), **options)

    parameters = [*shared, *(parameter.replace(kind=keyword) for parameter in own)]
    vars(wrapped).pop("__wrapped__")  # typer would read the signature of the inner function
    vars(wrapped)["__signature__"] = signature.replace(parameters=parameters)
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


def check_report_folders(chosen: StudyFile) -> None:
    """Check that the reports of a study and of its parts can be written."""
    from reports.pages.files import check_destination

    for name in dict.fromkeys((*(study.report_name for study in chosen.parts), chosen.report_name)):
        check_destination(REPORTS / name)


def open_store(store: str | None, *, create: bool) -> Store:
    """Open the store that `--store` names, else the default one."""
    from suite.tracking.store import Store, locate

    return Store(locate(store, OUT), OUT, create=create)


def existing_store(store: str | None) -> Store | None:
    """Open the store if it exists."""
    from suite.tracking.store import exists, locate

    return open_store(store, create=False) if exists(locate(store, OUT)) else None


def connect_cluster(ctx: typer.Context, executor: arguments.Executors, address: str | None) -> Cluster | None:
    """Connect to Ray until the command ends, if trials run there."""
    if executor is arguments.Executors.LOCAL:
        if address is not None:
            raise UserError("--address", "needs a Ray cluster", "Add --executor ray, or omit --address")
        return None
    from suite.execution.ray_cluster import Cluster

    return ctx.with_resource(Cluster(address))


@dataclass(frozen=True, slots=True)
class ExecutionTarget:
    """Where trials run.

    Attributes:
        device: The device of each trial.
        requested_workers: How many trials run at a time, if the user says so.
        data: The folder of the data set, if the user names it.
        cluster: The Ray cluster; None for this machine.
    """

    device: str
    requested_workers: int | None
    data: Path | None = None
    cluster: Cluster | None = None

    @property
    def workers(self) -> int:
        """How many trials run at a time: the requested number, else what suits the device."""
        from suite.execution.local import default_workers

        if self.requested_workers:
            return self.requested_workers
        return self.cluster.workers(self.device) if self.cluster else default_workers(self.device)

    def executor(self, study: Study, max_workers: int) -> LocalProcesses | RayTasks:
        """Return the executor of a study's trials, with at most `max_workers` at a time; the data is fetched first."""
        from suite import problems
        from suite.data import datasets
        from suite.execution.local import LocalProcesses

        if self.cluster:
            return self.cluster.executor(self.requested_workers, max_workers, self.device, self.data, study.folder)
        data_set = problems.find_problem(study.problem, study.folder).data_set
        folder = datasets.ensure(data_set, self.data) if data_set else None
        return LocalProcesses(min(self.workers, max_workers), self.device, folder, study.folder)


def execution_target(
    studies: Iterable[Study],
    device: str,
    workers: int | None,
    data: Path | None = None,
    cluster: Cluster | None = None,
) -> ExecutionTarget:
    """Return where the trials of these studies run, and warn if their precision is slow there.

    Raises:
        UserError: The device does not exist, or lacks what the studies need.
    """
    from suite.training.devices import check_compiler, check_precision, resolve_device

    studies = tuple(studies)
    resolved = cluster.device(device) if cluster else resolve_device(device)
    for precision in dict.fromkeys(study.precision for study in studies):
        warning = check_precision(precision, resolved)
        if warning:
            console.warn(warning)
    if any(study.compiled for study in studies):
        check_compiler(resolved)
    return ExecutionTarget(resolved, workers, data, cluster)
