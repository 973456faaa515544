"""Records in MLflow. This module alone imports mlflow.

Each study is an experiment and each trial a flat run of it. Parameters are the resolved hyperparameters with `optimizer` and
`repeat`. Metrics are thinned to about a hundred points. Tags that start with `ravine.` contain the complete record, and the
artifact `history.parquet` the complete history. A run counts once its status is complete, which is written last. A run that
a killed process left incomplete is deleted by the next process, and its trial runs again.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import hashlib
import json
import logging
import math
import os
import shutil
import socket
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from suite.errors import UserError
from suite.records import SCHEMA, STEP_LOSS, Outcome, State
from suite.spec.claims import claim_digest
from suite.tracking import databases, history, tags
from suite.tracking.lease import has_exited, hold_lease, process
from suite.tracking.lock import file_lock
from suite.trials import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from suite.records import Configuration, TrialRecord, TrialResult
    from suite.spec.claims import Claim
    from suite.spec.study import Study

PARENT = "mlflow.parentRunId"
"""The tag that makes a run a child of another in the UI."""
OWNER, PROCESS, HOLDER = "ravine.owner", "ravine.process", "ravine.holder"
"""Tags: the host and the process that write a run, and the lease of an experiment on a server."""
PAGE = 1000
"""Size of the first page of records; later pages have up to ten times as many. A record takes 57 kB as MLflow's object."""
SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")
"""The schemes of a store's address."""
COMPLETE = {"FINISHED", "FAILED"}
"""The statuses of a complete run."""
_TUNING = "tags.`ravine.kind` = 'tuning'"


def locate(store: str | None, out: Path) -> str:
    """Return the tracking URI: from `--store`, else MLFLOW_TRACKING_URI, else the SQLite file in `out`.

    Args:
        store: A URI for MLflow (`sqlite:///…`, `postgresql://…`, `http://…`), or a folder for a separate store.
        out: The folder of generated files.

    Raises:
        UserError: It is empty, a file, or not the URI of a store.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI") if store is None else store
    location = "MLFLOW_TRACKING_URI" if store is None else "--store"
    uri = str(out) if store is None and not given else (given or "")
    if uri and "://" not in uri:
        if os.path.isfile(uri):  # noqa: PTH113 (never raises)
            hint = f"Write sqlite:///{uri} if it is a database, or give a folder"
            raise UserError(location, f"expected a folder or an address, got the file {uri}", hint)
        uri = str(databases.absolute_path(uri, location) / "mlflow.db")
    hint = f"Write a folder, or one of {', '.join(f'{scheme}://…' for scheme in SCHEMES)}"
    return databases.parse_address(uri, SCHEMES[1:], location, hint)


def exists(uri: str) -> bool:
    """Return whether there is a store to open: a database file, or any server."""
    file = databases.sqlite_file(uri)
    return file is None or os.path.isfile(file)  # noqa: PTH113 (never raises)


class StoreUnavailableError(UserError):
    """The store does not respond now but may come back: a server is down, or another process has locked the database."""


class Store:
    """The records of one MLflow store.

    Args:
        uri: From `locate`.
        out: The folder for `artifacts` of a database on a server. Beside a SQLite file, that file's folder is used instead.
        create: Create a missing store instead of raising an error.

    Attributes:
        place: The store's location for messages.
        root: The folder that contains `artifacts`; None if an MLflow server keeps them.
        pending_dir: The folder for results that the store could not yet take; see `suite.tracking.outbox`.

    Raises:
        UserError: The store cannot be opened, or does not exist.
    """

    def __init__(self, uri: str, out: Path, *, create: bool = True) -> None:
        self.uri = uri
        self.file = databases.sqlite_file(uri)
        self.place = databases.place(uri)
        self.root = None if uri.startswith("http") else (self.file.parent if self.file else out.resolve())
        self.pending_dir = out.resolve() / "pending" / hashlib.sha256(uri.encode()).hexdigest()[:16]
        if not create and not exists(uri):
            raise UserError(self.place, "no such store; nothing has been recorded yet", "Run `ravine run quick` first")
        self._client = self._open()
        self._experiments: dict[str, str] = {}

    def _open(self) -> MlflowClient:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would contact an external host
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines per trial on a server
        with self._store_errors("opened"):
            if self.file:
                databases.check_sqlite(self.file, {"experiments", "runs"}, "MLflow", "--store")
            if self.root:
                self.root.mkdir(parents=True, exist_ok=True)
            from filelock import FileLock
            from mlflow import MlflowClient

            for name in ("mlflow", "alembic"):
                logging.getLogger(name).setLevel(logging.CRITICAL)  # Ravine reports their exceptions itself
            # Two processes that run the migrations of a new database at once would break it.
            writable = self.file and os.access(self.file.parent, os.W_OK)
            lock = FileLock(f"{self.file}.open") if writable else contextlib.nullcontext()
            with lock, _http_retries(2):
                if self.file and not self.file.exists():
                    _create_database(self.file)
                client = MlflowClient(self.uri)
                client.search_experiments(max_results=1)
            return client

    @contextlib.contextmanager
    def _store_errors(self, done: str) -> Iterator[None]:
        """Raise the exceptions of an unavailable or read-only store as a `UserError`."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except ImportError as error:
            raise UserError(self.place, str(error), databases.DRIVER) from error
        except (OSError, MlflowException, SQLAlchemyError) as error:
            cause = databases.cause(error)
            kind = StoreUnavailableError if self._is_temporary(error, cause) else UserError
            hint = f"{self._hint(cause)}, or choose another store with --store"
            raise kind(self.place, f"the store cannot be {done}: {cause}", hint) from error

    def _is_temporary(self, error: Exception, cause: str) -> bool:
        if self.file or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            return "database is locked" in cause
        # MLflow has status 500 for a refused connection and 503 for a lost database.
        status = getattr(error, "get_http_status_code", None)
        return status is None or status() >= HTTPStatus.INTERNAL_SERVER_ERROR

    def _hint(self, cause: str) -> str:
        if "database is locked" in cause:
            return "End the process that has locked it (a backup, a viewer)"
        if "disk is full" in cause or _names_error(cause, errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return "Free some space on its disk (recorded results are kept)"
        if "readonly database" in cause or _names_error(cause, errno.EROFS, errno.EACCES):
            return "Make its file and folder writable"
        return (
            "Check that the folder is writable and the disk has free space"
            if self.file
            else "Check that the server is running"
        )

    # --- locks -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, *studies: Study) -> Iterator[None]:
        """Lock the store for writing by this process, against all others of this machine.

        Args:
            studies: On a server, lease these against other machines, too. Those may work on other studies.

        Raises:
            UserError: Another process has locked it; the message names it.
        """
        hint = (
            "Wait until it ends, stop it, or choose another store with --store. `ravine status` and `ravine report` work "
            "meanwhile"
        )
        with contextlib.ExitStack() as stack:
            with self._store_errors("locked"):
                stack.enter_context(file_lock(self.uri, hint))
            for study in () if self.file else studies:
                with self._store_errors("locked"):
                    experiment = self._experiment(study)
                read = functools.partial(self._read_lease, experiment)
                write = functools.partial(self._write_lease, experiment)
                stack.enter_context(hold_lease(read, write, f"{self.place}: {study.name}"))
            yield

    def _read_lease(self, experiment: str) -> str:
        """Return the lease of a study on a server; see `suite.tracking.lease.hold_lease`."""
        with self._store_errors("read"):
            return str(self._client.get_experiment(experiment).tags.get(HOLDER, ""))

    def _write_lease(self, experiment: str, lease: str) -> None:
        with self._store_errors("written"):
            self._client.set_experiment_tag(experiment, HOLDER, lease)

    def delete_incomplete_runs(self) -> int:
        """Delete incomplete runs of processes that are known to have exited; return their number."""
        with self._store_errors("cleaned up"):
            running = list(self._runs("attributes.status = 'RUNNING'"))
            incomplete = [
                run for run in running if has_exited(run.data.tags.get(OWNER, ""), run.data.tags.get(PROCESS, ""))
            ]
            for run in incomplete:
                self._client.delete_run(run.info.run_id)
        return len(incomplete)

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, study: Study, result: TrialResult, name: str = "") -> str:
        """Record a result: everything first, and last that the record is complete.

        Args:
            study: The study whose experiment contains the run.
            result: The result.
            name: The name of the run. Default: the trial's name.

        Returns:
            The id of the run.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        with self._store_errors("written"), _http_retries(0):  # `suite.tracking.outbox` retries
            trial = result.trial
            started = round(result.started * 1000)  # milliseconds, as records have it
            # The view of a study shows its final trials only.
            plans = {tags.PLANS_TAG: tags.plan_tag_entry(study)} if trial.stage == "final" else {}
            run = self._client.create_run(
                self._experiment(study),
                start_time=started,
                run_name=name or trial.name,
                tags=tags.trial_tags(result) | plans | _owner_tags(),
            )
            run_id = run.info.run_id
            metrics = [
                Metric(p.metric, _finite(p.value), started, p.step if p.metric == STEP_LOSS else p.epoch)
                for p in history.thin(result.points)
            ]
            if not trial.imported:
                speed = _finite(result.timing.examples_per_second)
                metrics.append(Metric("speed/examples_per_second", speed, started, 0))
                if result.timing.evaluations != 1:
                    metrics.append(Metric("speed/evaluations_per_example", result.timing.evaluations, started, 0))
                if result.timing.state_bytes is not None:
                    metrics.append(Metric("memory/state_bytes_per_parameter", result.timing.state_bytes, started, 0))
            params = [Param(key, str(value)) for key, value in tags.trial_parameters(trial).items()]
            self._client.log_batch(run_id, metrics=metrics, params=params)
            if trial.data:
                digest = hashlib.sha256(canonical(trial.data).encode()).hexdigest()[:16]
                data_set = Dataset(trial.problem, digest, "files", canonical(trial.data))
                self._client.log_inputs(run_id, [DatasetInput(data_set, [InputTag("mlflow.data.context", "training")])])
            with self._artifacts(run) as folder:
                history.write(folder / history.HISTORY, result.points)
                description = {"label": trial.label, "id": trial.id, **trial.description()}
                (folder / "trial.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
            status = "FAILED" if result.outcome is Outcome.FAILED else "FINISHED"
            self._client.set_terminated(run_id, status, end_time=started + int(result.timing.total * 1000))
        return str(run_id)

    def write_once(self, study: Study, result: TrialResult, name: str = "") -> str:
        """Record a result that the store may already have, completely or in part; like `write`."""
        with self._store_errors("written"), _http_retries(0):
            for run in list(self._runs(f"tags.`ravine.trial` = '{result.trial.id}'")):
                run_tags = run.data.tags
                host, owner = run_tags.get(OWNER, ""), run_tags.get(PROCESS, "")
                if run.info.status == "RUNNING" and (has_exited(host, owner) or owner == process()):
                    self._client.delete_run(run.info.run_id)
                elif run.info.status in COMPLETE and (
                    run_tags["ravine.outcome"] != Outcome.FAILED or run.info.start_time == round(result.started * 1000)
                ):
                    return str(run.info.run_id)
        return self.write(study, result, name)

    def write_configuration(self, study: Study, configuration: Configuration, children: Collection[str]) -> str:
        """Record a configuration of a tuning as a run above the runs of its trials; return the run's id.

        It replaces an older record of the same Optuna trial. A trial that another configuration ran first stays below
        that one.

        Args:
            study: The study that is tuned.
            configuration: The configuration.
            children: The runs of its trials.
        """
        from mlflow.entities import Metric, Param, RunTag

        with self._store_errors("written"):
            experiment = self._experiment(study)
            query = f"{_TUNING} AND tags.`ravine.number` = '{configuration.number}'"
            older = [
                run for run in self._runs(query, [experiment]) if run.data.tags["ravine.optuna"] == configuration.optuna
            ]
            run_tags = {**_owner_tags(), "ravine.kind": "tuning"}
            run = self._client.create_run(experiment, run_name=configuration.name, tags=run_tags)
            run_id = str(run.info.run_id)
            params = {key: getattr(configuration, key) for key in ("kind", "number", "sampler", "state")}
            params |= {**configuration.hyperparameters, "optimizer": configuration.label}
            metrics = {"tuning/examples": float(configuration.examples), "tuning/seconds": configuration.seconds}
            metrics |= {configuration.objective: configuration.value} if configuration.value is not None else {}
            self._client.log_batch(
                run_id,
                metrics=[Metric(key, value, run.info.start_time, 0) for key, value in metrics.items()],
                params=[Param(key, str(value)) for key, value in params.items()],
                tags=[RunTag(key, value) for key, value in tags.configuration_tags(configuration).items()],
            )
            for child in children:
                parent = self._client.get_run(child).data.tags.get(PARENT)
                if parent is None or parent in {run.info.run_id for run in older} or not self._is_complete(parent):
                    self._client.set_tag(child, PARENT, run_id)
            self._client.set_terminated(run_id, "FAILED" if configuration.state is State.FAILED else "FINISHED")
            for run in older:
                self._client.delete_run(run.info.run_id)
        return run_id

    def _is_complete(self, run_id: str) -> bool:
        """Return whether a run is complete and not deleted."""
        info = self._client.get_run(run_id).info
        return info.lifecycle_stage == "active" and info.status != "RUNNING"

    @contextlib.contextmanager
    def _artifacts(self, run: Run) -> Iterator[Path]:
        """Yield the folder for a new run's files: the final one, or a temporary one that is sent to the server."""
        address = urlparse(run.info.artifact_uri)
        if address.scheme in {"", "file"}:
            folder = Path(unquote(address.path))
            folder.mkdir(parents=True, exist_ok=True)
            yield folder
            return
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
            self._client.log_artifacts(run.info.run_id, name)

    def write_report(self, study: Study, folder: Path) -> None:
        """Record a report as the artifact of a run `report` of the study; it replaces an older one."""
        with self._store_errors("written"):
            experiment = self._experiment(study)
            name = study.report_name
            reports = list(self._runs("tags.`ravine.kind` = 'report'", [experiment]))
            older = [run for run in reports if run.data.tags.get("ravine.report") == name]
            run_tags = {"ravine.kind": "report", "ravine.report": name, **_owner_tags()}
            run_tags["mlflow.note.content"] = f"The report of `{name}`: open `index.html` under *Artifacts*."
            run = self._client.create_run(experiment, run_name=f"report {name}", tags=run_tags)
            self._client.log_artifacts(run.info.run_id, str(folder))
            self._client.set_terminated(run.info.run_id)
            for run in older:
                self._client.delete_run(run.info.run_id)
                if self.root:  # MLflow keeps the files of a deleted run, some megabytes for each report
                    files = self._folder(run.info.artifact_uri).resolve()
                    # The store may name any folder: delete below our own only.
                    if files.is_relative_to((self.root / "artifacts").resolve()):
                        shutil.rmtree(files, ignore_errors=True)

    def _experiment(self, study: Study) -> str:
        """Return the id of the study's experiment; create it and its view if necessary."""
        if study.report_name not in self._experiments:
            experiment = self._client.get_experiment_by_name(study.name)
            if experiment is None:
                folder = self.root / "artifacts" / study.name if self.root else None
                identity = self._client.create_experiment(study.name, folder.as_uri() if folder else None)
            else:
                identity = experiment.experiment_id
                if experiment.lifecycle_stage == "deleted":
                    self._client.restore_experiment(identity)
            for key, value in tags.experiment_tags(study).items():
                self._client.set_experiment_tag(identity, key, value)
            self._experiments[study.report_name] = identity
        return self._experiments[study.report_name]

    def tag_with_study(self, study: Study, records: Iterable[TrialRecord]) -> None:
        """Add recorded trials to the UI's view of this study with these overrides."""
        with self._store_errors("written"):
            for record in records:
                if tags.plan_tag_entry(study) not in record.plans:
                    self._client.set_tag(record.run_id, tags.PLANS_TAG, record.plans + tags.plan_tag_entry(study))

    def record_claims(self, study: Study, claims: Iterable[Claim]) -> None:
        """Record now as the time at which each claim of a study was stated, unless an earlier time is recorded."""
        digests = [claim_digest(claim, study) for claim in claims]
        if not digests:
            return
        known = self.claim_times(study.name)
        with self._store_errors("written"):
            for digest in digests:
                if digest not in known:
                    tag = f"{tags.CLAIM_TAG}{digest}"
                    self._client.set_experiment_tag(self._experiment(study), tag, str(time.time()))

    # --- reading -----------------------------------------------------------------------------------------------------

    def records(self, ids: Collection[str]) -> dict[str, TrialRecord]:
        """Return the newest complete record of each of these trials that has one, whichever study ran it.

        Raises:
            UserError: A newer version of Ravine wrote a record.
        """
        return self._records("tags.`ravine.kind` = 'trial'", set(ids))

    def tuning_records(self) -> dict[str, TrialRecord]:
        """Return every recorded trial of a tuning by id, whichever study ran it: a tuning does not know its ids ahead."""
        return self._records("tags.`ravine.kind` = 'trial' AND tags.`ravine.stage` = 'tuning'")

    def _records(self, query: str, ids: Collection[str] | None = None) -> dict[str, TrialRecord]:
        """Return the best complete record of each trial: a result before a failure, then the newest."""
        records: dict[str, TrialRecord] = {}
        with self._store_errors("read"), _without_gc():
            for run in self._runs(query):
                if run.info.status in COMPLETE and (ids is None or run.data.tags.get("ravine.trial", "") in ids):
                    record = _record(run)
                    known = records.get(record.trial.id)
                    if known is None or _preference(record) > _preference(known):
                        records[record.trial.id] = record
        return records

    def configurations(self, study: str) -> list[Configuration]:
        """Return the configurations that the tuning of a study tried, by Optuna study and number."""
        with self._store_errors("read"):
            experiment = self._client.get_experiment_by_name(study)
            runs = list(self._runs(_TUNING, [experiment.experiment_id])) if experiment else []
        configurations = [
            tags.read_configuration(run.data.tags, run.info.run_id, run.info.start_time / 1000)
            for run in runs
            if run.info.status in COMPLETE
        ]
        return sorted(configurations, key=lambda configuration: (configuration.optuna, configuration.number))

    def points(self, records: Iterable[TrialRecord]) -> pd.DataFrame:
        """Return the complete history of these records.

        Returns:
            A row for each point: `trial_id` and `metric` (categories), `epoch`, `step`, `value`.
        """
        import numpy as np
        import pandas as pd
        import pyarrow as pa

        ids, tables = list[str](), list[pa.Table]()
        for record in records:
            with self._store_errors("read"), self._artifact(record, history.HISTORY) as path:
                tables.append(history.read(path, record))
            ids.append(record.trial.id)
        if not tables:
            return pd.DataFrame(columns=["trial_id", "metric", "epoch", "step", "value"])
        codes = np.repeat(np.arange(len(ids)), [len(table) for table in tables])
        table = pa.concat_tables(tables).unify_dictionaries()
        tables.clear()
        # These options keep only one column at a time in memory twice.
        frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
        del table
        pa.default_memory_pool().release_unused()
        frame.insert(0, "trial_id", pd.Series(pd.Categorical.from_codes(codes, pd.Index(ids))))
        return frame

    def claim_times(self, study: str) -> dict[str, float]:
        """Return when each claim of a study was first recorded, by its digest, in seconds since 1970."""
        with self._store_errors("read"):
            experiment = self._client.get_experiment_by_name(study)
        recorded = experiment.tags if experiment else {}
        times = {key: value for key, value in recorded.items() if key.startswith(tags.CLAIM_TAG)}
        return {key.removeprefix(tags.CLAIM_TAG): float(value) for key, value in times.items()}

    def studies(self) -> list[str]:
        """Return the names of the studies that have records here."""
        with self._store_errors("read"):
            experiments = list(_pages(self._client.search_experiments))
        return sorted(experiment.name for experiment in experiments if "ravine.study" in experiment.tags)

    def links(self, study: str) -> dict[str, str]:
        """Return the views of a study in the UI, relative to its address: for each set of overrides that was run.

        A view shows the mean curves of exactly the trials of that plan, grouped by optimizer.
        """
        with self._store_errors("read"):
            experiment = self._client.get_experiment_by_name(study)
        if experiment is None:
            return {}
        views = {
            value: key.removeprefix(tags.VIEW_TAG)
            for key, value in experiment.tags.items()
            if key.startswith(tags.VIEW_TAG)
        }
        page = f"#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning&compareRunsMode=CHART"
        return {name: f"{page}&viewStateShareKey={views[name]}" for name in sorted(views)}

    @contextlib.contextmanager
    def _artifact(self, record: TrialRecord, name: str) -> Iterator[Path]:
        """Yield the path of a record's file, or of a copy from the server."""
        if urlparse(record.artifacts).scheme in {"", "file"}:
            yield self._folder(record.artifacts) / name
            return
        with tempfile.TemporaryDirectory() as folder:
            yield Path(self._client.download_artifacts(record.run_id, name, folder))

    def _folder(self, artifacts: str) -> Path:
        """Return the folder of a run's files, artifacts/<study>/<run>/artifacts, also in a store that was moved."""
        path = Path(unquote(urlparse(artifacts).path))
        if not path.exists() and self.root:
            path = self.root.joinpath("artifacts", *path.parts[-3:])
        return path

    def _runs(self, query: str, experiments: Sequence[str] | None = None) -> Iterator[Run]:
        """Yield all active runs that match, page by page."""
        if experiments is None:
            experiments = [experiment.experiment_id for experiment in _pages(self._client.search_experiments)]
        if experiments:
            yield from _pages(lambda **page: self._client.search_runs(list(experiments), query, **page))


def _create_database(file: Path) -> None:
    """Create a complete SQLite store, or none."""
    from mlflow import MlflowClient

    with databases.create_atomically(file) as uri:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
        client._tracking_client.store.engine.dispose()  # noqa: SLF001 (there is no public way)


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    """Yield all results of a search. Each page costs a database a complete scan, so pages grow with what was read."""
    token, read = None, 0
    while True:
        page = search(max_results=min(max(PAGE, read // 10), 10 * PAGE), page_token=token)
        yield from page
        token, read = page.token, read + len(page)
        if not token:
            return


@contextlib.contextmanager
def _without_gc() -> Iterator[None]:
    """Suspend garbage collection while many records are read: each collection would scan all of them and free nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _preference(record: TrialRecord) -> tuple[bool, float]:
    return record.outcome is not Outcome.FAILED, record.started


def _record(run: Run) -> TrialRecord:
    """Return the record of a run.

    Raises:
        UserError: A newer version of Ravine wrote it, or another program.
    """
    location = f"run {run.info.run_id}"
    try:
        schema = int(run.data.tags["ravine.schema"])
        if schema <= SCHEMA:
            return tags.read_record(run.data.tags, run.info.run_id, run.info.start_time / 1000, run.info.artifact_uri)
    except (KeyError, TypeError, ValueError) as error:
        problem = f"its record cannot be read ({type(error).__name__}: {str(error)[:100]})"
        raise UserError(location, problem, "Delete that run in the UI (`ravine ui`)") from error
    problem = f"its record has schema {schema}, this version of Ravine reads up to {SCHEMA}"
    raise UserError(location, problem, "Update Ravine")


def _owner_tags() -> dict[str, str]:
    return {OWNER: socket.gethostname(), PROCESS: process()}


@contextlib.contextmanager
def _http_retries(count: int) -> Iterator[None]:
    """Set the number of MLflow's retries, unless the user did: its default takes minutes to give up on a server."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(count)
    try:
        yield
    finally:
        del os.environ[name]


def _names_error(cause: str, *codes: int) -> bool:
    return any(os.strerror(code) in cause for code in codes)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan  # MLflow returns infinity as 1.8e308
