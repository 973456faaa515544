"""What the options of a command choose: studies, the store, and where trials run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ravine import arguments, console
from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer

    from suite.execution.local import LocalProcesses
    from suite.execution.ray_cluster import Cluster, RayTasks
    from suite.spec.parts import StudyFile
    from suite.spec.study import Study
    from suite.tracking.store import Store

OUT = Path("out")
"""Where generated files go, in the current directory."""
STUDIES, REPORTS = OUT / "studies", OUT / "reports"


def studies(
    name: str, part: list[str] | None = None, *, optimizer: list[str] | None = None, **changed: Any
) -> StudyFile:
    """The study of this name or path, or these parts of it, with what the options change (see `Study.override`)."""
    from suite.spec.parts import load

    return load(name, STUDIES).only(part or ()).override(optimizers=tuple(optimizer or ()), **changed)


def check_places(chosen: StudyFile) -> None:
    """See that the reports of a study and its parts can be written."""
    from reports.pages.files import check_place

    for name in dict.fromkeys((*(each.report_name for each in chosen.parts), chosen.report_name)):
        check_place(REPORTS / name)


def open_store(store: str | None, *, create: bool) -> Store:
    """The store, the default one or another."""
    from suite.tracking.store import Store, locate

    return Store(locate(store, OUT), OUT, create=create)


def existing_store(store: str | None) -> Store | None:
    """The store if there is one."""
    from suite.tracking.store import exists, locate

    return open_store(store, create=False) if exists(locate(store, OUT)) else None


def cluster(context: typer.Context, executor: arguments.Executors, address: str | None) -> Cluster | None:
    """A connection to Ray until the command ends, where trials are to run there."""
    if executor is arguments.Executors.LOCAL:
        if address is not None:
            raise UserError("--address: it is that of a Ray cluster. Add --executor ray, or leave it out")
        return None
    from suite.execution.ray_cluster import Cluster

    return context.with_resource(Cluster(address))


@dataclass(frozen=True, slots=True)
class Where:
    """Where trials run.

    Attributes:
        device: What each trial runs on.
        wanted: How many the user wants to run at a time.
        data: The folder of the data set, if the user names it.
        cluster: If not on this machine.
    """

    device: str
    wanted: int | None
    data: Path | None = None
    cluster: Cluster | None = None

    @property
    def workers(self) -> int:
        """How many trials run at a time, if there are so many: those asked for, or as the device wants."""
        from suite.execution.local import default_workers

        if self.wanted:
            return self.wanted
        return self.cluster.workers(self.device) if self.cluster else default_workers(self.device)

    def executor(self, study: Study, most: int) -> LocalProcesses | RayTasks:
        """What runs the trials of a study, at most so many at a time, once the data is there."""
        from suite import problems
        from suite.data import datasets
        from suite.execution.local import LocalProcesses

        if self.cluster:
            return self.cluster.executor(self.wanted, most, self.device, self.data, study.folder)
        data_set = problems.find(study.problem, study.folder).data_set
        folder = datasets.ensure(data_set, self.data) if data_set else None
        return LocalProcesses(min(self.workers, most), self.device, folder, study.folder)


def where(
    studies: Iterable[Study],
    device: str,
    workers: int | None,
    data: Path | None = None,
    cluster: Cluster | None = None,
) -> Where:
    """Where the trials of these studies run, checked for what they want; a warning where their precision is slow there."""
    from suite.training.devices import check_compiler, check_precision, resolve

    studies, found = tuple(studies), cluster.device(device) if cluster else resolve(device)
    for precision in dict.fromkeys(study.precision for study in studies):
        warning = check_precision(precision, found)
        if warning:
            console.warn(warning)
    if any(study.compiled for study in studies):
        check_compiler(found)
    return Where(found, workers, data, cluster)
