"""The records, in MLflow. The only importer of mlflow.

Each study is an experiment, each trial a flat run of it: parameters are the resolved hyperparameters with `optimizer` and
`repeat`, metrics are thinned to about a hundred points, tags that start with `ravine.` hold the whole record, the artifact
`history.parquet` the whole history. A run counts once its status says that it is complete, which is written last: what a
killed process leaves half-written is swept away by the next one and run again.
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
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from suite.errors import UserError
from suite.records import SCHEMA, STEP_LOSS, Configuration, Outcome, Point, State, TrialRecord, TrialResult
from suite.tracking import databases, history, tags
from suite.tracking.lease import has_exited, hold_lease, process
from suite.tracking.lock import file_lock
from suite.trials import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from suite.spec.study import Study

PARENT = "mlflow.parentRunId"
"""The tag that makes a run a child of another in the UI."""
OWNER, PROCESS, HOLDER = "ravine.owner", "ravine.process", "ravine.holder"
"""Tags of a run with the machine and the process that writes it, and of an experiment with who holds it on a server."""
PAGE = 1000
"""Records read at a time, at first. One takes 57 kB as MLflow's object; ten times as many are the most at a time."""
SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")
"""What a store's address begins with."""
_TUNING = "tags.`ravine.kind` = 'tuning'"


def locate(store: str | None, out: Path) -> str:
    """The tracking URI: of `--store`, else of MLFLOW_TRACKING_URI, else the SQLite file in `out`.

    Args:
        store: A URI that MLflow takes (`sqlite:///…`, `postgresql://…`, `http://…`), or a folder for a store of its own.
        out: The folder of generated files.

    Raises:
        UserError: It is empty, a file, or no URI of a store.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI") if store is None else store
    what = "MLFLOW_TRACKING_URI" if store is None else "--store"
    uri = str(out) if store is None and not given else (given or "")
    mend = f"Write a folder, or one of {', '.join(f'{scheme}://…' for scheme in SCHEMES)}"
    if not uri:
        raise UserError(f"{what}: it is empty. {mend}, or leave {what} out")
    if uri.startswith(databases.SQLITE) and uri != databases.SQLITE:
        return databases.whole_address(uri, what)  # MLflow takes relative ones, artifacts do not
    if "://" not in uri:
        if os.path.isfile(uri):  # noqa: PTH113 (never raises)
            raise UserError(f"{what}: {uri}: it is a file. Write sqlite:///{uri} if it is a database, or give a folder")
        return f"{databases.SQLITE}{databases.resolved(uri, what) / 'mlflow.db'}"
    databases.check_address(uri, SCHEMES[1:], what, mend)
    return uri


def exists(uri: str) -> bool:
    """Whether there is a store to open: a database file, or whatever a server has."""
    file = databases.sqlite_file(uri)
    return file is None or os.path.isfile(file)  # noqa: PTH113 (never raises)


class StoreUnavailableError(UserError):  # noqa: N818 (what happened is its name)
    """The store does not answer now and may come back: a server that is down, a database that another process locked."""


class Store:
    """The records of one MLflow store.

    Args:
        uri: As `locate` gives it.
        out: Where artifacts go if the store is a database and not a server: into `artifacts` beside a SQLite file, else of
            this folder.
        create: Make a store that does not exist; otherwise that is an error.

    Raises:
        UserError: The store cannot be opened, or does not exist.
    """

    def __init__(self, uri: str, out: Path, *, create: bool = True) -> None:
        self.uri = uri
        self.file = databases.sqlite_file(uri)
        self.place = databases.place(uri)
        self.root = None if uri.startswith("http") else (self.file.parent if self.file else out.resolve())
        self.waiting = out.resolve() / "waiting" / hashlib.sha256(uri.encode()).hexdigest()[:16]
        if not create and not exists(uri):
            raise UserError(f"{self.file}: no such store: nothing was recorded yet. Start with: ravine run quick")
        self._client = self._open()
        self._experiments: dict[str, str] = {}

    def _open(self) -> MlflowClient:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would look up an outside host
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a trial on a server
        with self._told("opened"):
            if self.file:
                databases.check_sqlite(self.file, {"experiments", "runs"}, "MLflow", "--store")
            if self.root:
                self.root.mkdir(parents=True, exist_ok=True)
            from filelock import FileLock
            from mlflow import MlflowClient

            for noisy in ("mlflow", "alembic"):
                logging.getLogger(noisy).setLevel(logging.CRITICAL)  # what they raise is told once, by us
            # A fresh database runs its migrations; several processes at once would break them.
            fresh = self.file and os.access(self.file.parent, os.W_OK)
            lock = FileLock(f"{self.file}.open") if fresh else contextlib.nullcontext()
            with lock, _few_retries():
                if self.file and not self.file.exists():
                    _make(self.file)
                client = MlflowClient(self.uri)
                client.search_experiments(max_results=1)
            return client

    @contextlib.contextmanager
    def _told(self, done: str, *, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        """Turn what a store that is away or not writable raises into one line."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except but:
            raise
        except ImportError as error:
            raise UserError(f"{self.place}: {error}. {databases.DRIVER}") from error
        except (OSError, MlflowException, SQLAlchemyError) as error:
            why = databases.cause(error)
            told = f"{self.place}: the store cannot be {done}: {why}"
            kind = StoreUnavailableError if self._may_come_back(error, why) else UserError
            raise kind(f"{told}. {self._mend(why)} --store chooses another") from error

    def _may_come_back(self, error: Exception, why: str) -> bool:
        if self.file or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            return "database is locked" in why
        status = getattr(
            error, "get_http_status_code", None
        )  # MLflow gives a refused connection 500, a lost database 503
        return status is None or status() >= HTTPStatus.INTERNAL_SERVER_ERROR

    def _mend(self, why: str) -> str:
        if "database is locked" in why:
            return "Another process holds it (a backup, a viewer?): end that."
        if "disk is full" in why or any(os.strerror(code) in why for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)):
            return "Free some space on its disk; what was recorded is kept."
        if "readonly database" in why or any(os.strerror(code) in why for code in (errno.EROFS, errno.EACCES)):
            return "Make its file and folder writable for you."
        return "Is the server up?" if self.uri.startswith("http") else "Is the folder yours, and the disk not full?"

    # --- one holder at a time ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, *studies: Study) -> Iterator[None]:
        """Hold the store for writing; no second process of this machine gets it meanwhile.

        Args:
            studies: On a server these are held against other machines, too: they may work on other studies, not on these.

        Raises:
            UserError: Another process holds it, which is named.
        """
        told = "ravine status and ravine report work meanwhile, --store chooses another store"
        with contextlib.ExitStack() as stack:
            with self._told("held"):
                stack.enter_context(file_lock(self.uri, told))
            for study in () if self.file else studies:
                with self._told("held"):
                    experiment = self._experiment(study)
                read, write = functools.partial(self._note, experiment), functools.partial(self._leave, experiment)
                stack.enter_context(hold_lease(read, write, f"{self.place}: {study.name}"))
            yield

    def _note(self, experiment: str) -> str:
        """Who holds a study on a server; see `suite.tracking.lease.keep`."""
        with self._told("read"):
            return str(self._client.get_experiment(experiment).tags.get(HOLDER, ""))

    def _leave(self, experiment: str, note: str) -> None:
        with self._told("written"):
            self._client.set_experiment_tag(experiment, HOLDER, note)

    def delete_incomplete_runs(self) -> int:
        """Delete the runs that processes left half-written which are known to have ended; others' may be at work."""
        with self._told("swept"):
            running = list(self._runs("attributes.status = 'RUNNING'"))
            left = [run for run in running if has_exited(run.data.tags.get(OWNER, ""), run.data.tags.get(PROCESS, ""))]
            for run in left:
                self._client.delete_run(run.info.run_id)
        return len(left)

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, study: Study, result: TrialResult, name: str = "") -> str:
        """Record a result: everything first, and last that the record is complete.

        Args:
            study: Whose experiment it goes to.
            result: What to record.
            name: The run's name; default: the trial's.

        Returns:
            The id of the run.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        with (
            self._told("written"),
            _few_retries(0),
        ):  # what it does not take is kept and tried again: `suite.tracking.outbox`
            trial = result.trial
            started = round(result.started * 1000)  # a record that is read comes back to the millisecond
            plans = (
                {tags.PLANS_TAG: tags.plan_tag_entry(study)} if trial.stage == "final" else {}
            )  # a view of a study shows its final trials
            run = self._client.create_run(
                self._experiment(study),
                start_time=started,
                run_name=name or trial.name,
                tags=tags.of_trial(result) | plans | _owner(),
            )
            run_id = run.info.run_id
            metrics = [
                Metric(p.metric, _finite(p.value), started, _mlflow_step(p)) for p in history.thin(result.points)
            ]
            if not trial.imported:
                speed = _finite(result.timing.examples_per_second)
                metrics.append(Metric("speed/examples_per_second", speed, started, 0))
            params = [Param(key, str(value)) for key, value in tags.parameters(trial).items()]
            self._client.log_batch(run_id, metrics=metrics, params=params)
            if trial.data:
                digest = hashlib.sha256(canonical(trial.data).encode()).hexdigest()[:16]
                badge = Dataset(trial.problem, digest, "files", canonical(trial.data))
                self._client.log_inputs(run_id, [DatasetInput(badge, [InputTag("mlflow.data.context", "training")])])
            with self._artifacts(run) as folder:
                history.write(folder / history.HISTORY, result.points)
                description = {"label": trial.label, "id": trial.id, **trial.description()}
                (folder / "trial.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
            status = "FAILED" if result.outcome is Outcome.FAILED else "FINISHED"
            self._client.set_terminated(run_id, status, end_time=started + int(result.timing.total * 1000))
        return str(run_id)

    def write_once(self, study: Study, result: TrialResult, name: str = "") -> str:
        """Record a result that the store may have taken before, in part or whole, when it went away; as `write`."""
        with self._told("written"), _few_retries(0):
            for run in list(self._runs(f"tags.`ravine.trial` = '{result.trial.id}'")):
                found = run.data.tags
                host, owner = found.get(OWNER, ""), found.get(PROCESS, "")
                if run.info.status == "RUNNING" and (has_exited(host, owner) or owner == process()):
                    self._client.delete_run(run.info.run_id)
                elif run.info.status in {"FINISHED", "FAILED"} and (
                    found["ravine.outcome"] != Outcome.FAILED or run.info.start_time == round(result.started * 1000)
                ):
                    return str(run.info.run_id)
        return self.write(study, result, name)

    def write_configuration(self, study: Study, tried: Configuration, children: Collection[str]) -> str:
        """Record a configuration of a tuning as a run `tuning`, its trials as the children; returns the run's id.

        An older record of the same Optuna trial makes room for it. A trial that another configuration ran first stays with
        that one.

        Args:
            study: The study that is tuned.
            tried: The configuration.
            children: The runs of its trials.
        """
        from mlflow.entities import Metric, Param, RunTag

        with self._told("written"):
            experiment = self._experiment(study)
            numbered = f"{_TUNING} AND tags.`ravine.number` = '{tried.number}'"
            older = [
                run for run in self._runs(numbered, [experiment]) if run.data.tags["ravine.optuna"] == tried.optuna
            ]
            run = self._client.create_run(experiment, run_name=tried.name, tags={**_owner(), "ravine.kind": "tuning"})
            run_id = str(run.info.run_id)
            params = {**tried.hyperparameters, "optimizer": tried.label, "kind": tried.kind, "number": tried.number}
            params |= {"sampler": tried.sampler, "state": tried.state.value}
            metrics = {"tuning/examples": float(tried.examples), "tuning/seconds": tried.seconds}
            metrics |= {tried.objective: tried.value} if tried.value is not None else {}
            self._client.log_batch(
                run_id,
                metrics=[Metric(key, value, run.info.start_time, 0) for key, value in metrics.items()],
                params=[Param(key, str(value)) for key, value in params.items()],
                tags=[RunTag(key, value) for key, value in tags.of_configuration(tried).items()],
            )
            for child in children:
                parent = self._client.get_run(child).data.tags.get(PARENT)
                if parent is None or parent in {run.info.run_id for run in older} or not self._is_kept(parent):
                    self._client.set_tag(child, PARENT, run_id)
            self._client.set_terminated(run_id, "FAILED" if tried.state is State.FAILED else "FINISHED")
            for run in older:
                self._client.delete_run(run.info.run_id)
        return run_id

    def _is_kept(self, run_id: str) -> bool:
        """Whether a run is there and complete."""
        info = self._client.get_run(run_id).info
        return info.lifecycle_stage == "active" and info.status != "RUNNING"

    @contextlib.contextmanager
    def _artifacts(self, run: Run) -> Iterator[Path]:
        """A folder for the files of a new run: where they are to lie, or one that is sent to the server at the end."""
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
        """Keep a report as the artifact of a run `report` of the study; a newer one takes the older one's place."""
        with self._told("written"):
            experiment = self._experiment(study)
            name = study.report_name
            reports = list(self._runs("tags.`ravine.kind` = 'report'", [experiment]))
            older = [run for run in reports if run.data.tags.get("ravine.report") == name]
            told = {"ravine.kind": "report", "ravine.report": name, **_owner()}
            told["mlflow.note.content"] = f"The report of `{name}`: open `index.html` under *Artifacts*."
            run = self._client.create_run(experiment, run_name=f"report {name}", tags=told)
            self._client.log_artifacts(run.info.run_id, str(folder))
            self._client.set_terminated(run.info.run_id)
            for run in older:
                self._client.delete_run(run.info.run_id)
                if self.root:  # a deleted run keeps its files otherwise, some megabytes for each report
                    old = self._folder(run.info.artifact_uri).resolve()
                    if old.is_relative_to((self.root / "artifacts").resolve()):  # whatever a store of others says
                        shutil.rmtree(old, ignore_errors=True)

    def _experiment(self, study: Study) -> str:
        """The id of the study's experiment, made where it is not there; its view is there from now on."""
        if study.report_name not in self._experiments:
            found = self._client.get_experiment_by_name(study.name)
            if found is None:
                folder = self.root / "artifacts" / study.name if self.root else None
                identity = self._client.create_experiment(study.name, folder.as_uri() if folder else None)
            else:
                identity = found.experiment_id
                if found.lifecycle_stage == "deleted":
                    self._client.restore_experiment(identity)
            for key, value in tags.of_experiment(study).items():
                self._client.set_experiment_tag(identity, key, value)
            self._experiments[study.report_name] = identity
        return self._experiments[study.report_name]

    def tag_with_study(self, study: Study, records: Iterable[TrialRecord]) -> None:
        """Note that recorded trials belong to this study with these overrides, too: the UI's view of it shows them."""
        with self._told("written"):
            for record in records:
                if tags.plan_tag_entry(study) not in record.plans:
                    self._client.set_tag(record.run_id, tags.PLANS_TAG, record.plans + tags.plan_tag_entry(study))

    # --- reading -----------------------------------------------------------------------------------------------------

    def records(self, ids: Collection[str]) -> dict[str, TrialRecord]:
        """The newest complete record of each of these trials that has one, whatever study ran it.

        Raises:
            UserError: A record was written by a newer Ravine.
        """
        wanted, found = set(ids), dict[str, TrialRecord]()
        with self._told("read"), _uncollected():
            for run in self._runs("tags.`ravine.kind` = 'trial'"):
                if run.data.tags.get("ravine.trial", "") in wanted:
                    _keep_best(found, run)
        return found

    def tuning_records(self) -> dict[str, TrialRecord]:
        """Every recorded trial of a tuning, whatever study ran it, by id: which ones a tuning needs it knows as it goes."""
        found = dict[str, TrialRecord]()
        with self._told("read"), _uncollected():
            for run in self._runs("tags.`ravine.kind` = 'trial' AND tags.`ravine.stage` = 'tuning'"):
                _keep_best(found, run)
        return found

    def configurations(self, study: str) -> list[Configuration]:
        """What the tuning of a study tried, of every Optuna study of it, by optimizer and number."""
        with self._told("read"):
            found = self._client.get_experiment_by_name(study)
            runs = list(self._runs(_TUNING, [found.experiment_id])) if found else []
        known = [
            tags.configuration(run.data.tags, run.info.run_id, run.info.start_time / 1000)
            for run in runs
            if run.info.status in {"FINISHED", "FAILED"}
        ]
        return sorted(known, key=lambda tried: (tried.optuna, tried.number))

    def points(self, records: Iterable[TrialRecord]) -> pd.DataFrame:
        """The whole history of these records: columns trial_id and metric (categories), epoch, step, value."""
        import numpy as np
        import pandas as pd
        import pyarrow as pa

        ids, tables = list[str](), list[pa.Table]()
        for record in records:
            with self._told("read"), self._artifact(record, history.HISTORY) as path:
                tables.append(history.read(path, record))
            ids.append(record.trial.id)
        if not tables:
            return pd.DataFrame(columns=["trial_id", "metric", "epoch", "step", "value"])
        codes = np.repeat(np.arange(len(ids)), [len(table) for table in tables])
        whole = pa.concat_tables(tables).unify_dictionaries()
        tables.clear()
        frame: pd.DataFrame = whole.to_pandas(self_destruct=True, split_blocks=True)  # a column at a time is held twice
        del whole
        pa.default_memory_pool().release_unused()
        frame.insert(0, "trial_id", pd.Series(pd.Categorical.from_codes(codes, pd.Index(ids))))
        return frame

    def studies(self) -> list[str]:
        """The names of the studies that have records here."""
        with self._told("read"):
            found = list(_pages(self._client.search_experiments))
        return sorted(experiment.name for experiment in found if "ravine.study" in experiment.tags)

    def links(self, study: str) -> dict[str, str]:
        """For a study, and for it with each set of overrides that was run: its view's part of the UI's address.

        A view shows mean convergence curves, grouped by optimizer, of exactly the trials of that plan.
        """
        with self._told("read"):
            found = self._client.get_experiment_by_name(study)
        if found is None:
            return {}
        views = {
            value: key.removeprefix(tags.VIEW_TAG) for key, value in found.tags.items() if key.startswith(tags.VIEW_TAG)
        }
        page = f"#/experiments/{found.experiment_id}/runs?workflowType=machine_learning&compareRunsMode=CHART"
        return {name: f"{page}&viewStateShareKey={views[name]}" for name in sorted(views)}

    @contextlib.contextmanager
    def _artifact(self, record: TrialRecord, name: str) -> Iterator[Path]:
        """A file of a record: where it lies, or a copy fetched from the server."""
        if urlparse(record.artifacts).scheme in {"", "file"}:
            yield self._folder(record.artifacts) / name
            return
        with tempfile.TemporaryDirectory() as folder:
            yield Path(self._client.download_artifacts(record.run_id, name, folder))

    def _folder(self, artifacts: str) -> Path:
        """Where the files of a run lie, also in a store that was moved since: artifacts/<study>/<run>/artifacts."""
        path = Path(unquote(urlparse(artifacts).path))
        if not path.exists() and self.root:
            path = self.root.joinpath("artifacts", *path.parts[-3:])
        return path

    def _runs(self, query: str, experiments: Sequence[str] | None = None) -> Iterator[Run]:
        """All active runs that fit, in pages."""
        if experiments is None:
            experiments = [found.experiment_id for found in _pages(self._client.search_experiments)]
        if experiments:
            yield from _pages(lambda **page: self._client.search_runs(list(experiments), query, **page))


def _make(file: Path) -> None:
    """Make a SQLite store: all of it, or nothing."""
    from mlflow import MlflowClient

    with databases.create_atomically(file) as uri:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
        client._tracking_client.store.engine.dispose()  # noqa: SLF001 (there is no other door)


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    """All that a search finds. A database goes over all of it for each page, so pages grow with what was read already."""
    token, read = None, 0
    while True:
        page = search(max_results=min(max(PAGE, read // 10), 10 * PAGE), page_token=token)
        yield from page
        token, read = page.token, read + len(page)
        if not token:
            return


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """While many records are read, no garbage is looked for: nothing but records piles up, and each look goes over all."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _keep_best(found: dict[str, TrialRecord], run: Run) -> None:
    """Keep the record of a complete run, unless there is a better one of its trial."""
    if run.info.status in {"FINISHED", "FAILED"}:
        record = _record(run)
        known = found.get(record.trial.id)
        if known is None or _preferred(record) > _preferred(known):
            found[record.trial.id] = record


def _preferred(record: TrialRecord) -> tuple[bool, float]:
    return record.outcome is not Outcome.FAILED, record.started


def _record(run: Run) -> TrialRecord:
    """The record of a run.

    Raises:
        UserError: It was written by a newer Ravine, or not by Ravine at all.
    """
    found = run.data.tags
    try:
        schema = int(found["ravine.schema"])
        if schema <= SCHEMA:
            return tags.record(found, run.info.run_id, run.info.start_time / 1000, run.info.artifact_uri)
    except (KeyError, TypeError, ValueError) as error:
        told = f"run {run.info.run_id}: its record cannot be read ({type(error).__name__}: {str(error)[:100]})"
        raise UserError(f"{told}. Delete that run: ravine ui shows it") from error
    raise UserError(
        f"run {run.info.run_id}: its record has schema {schema}, this Ravine reads up to {SCHEMA}. Update Ravine"
    )


def _owner() -> dict[str, str]:
    return {OWNER: socket.gethostname(), PROCESS: process()}


@contextlib.contextmanager
def _few_retries(most: int = 2) -> Iterator[None]:
    """MLflow gives a server up after seconds (at once: 0) instead of minutes."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(most)
    try:
        yield
    finally:
        del os.environ[name]


def _mlflow_step(point: Point) -> int:
    return point.step if point.metric == STEP_LOSS else point.epoch


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan  # MLflow gives infinity back as 1.8e308
