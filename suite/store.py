"""The records, in MLflow. The only importer of mlflow.

Each study is an experiment, each trial a flat run of it: parameters are the resolved hyperparameters with `optimizer` and
`repeat`, metrics are thinned to about a hundred points, tags that start with `ravine.` hold the whole record, the artifact
`history.parquet` the whole history. A run counts once its status says that it is complete, which is written last: what a
killed process leaves half-written is swept away by the next one and run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import socket
import sys
import tempfile
import time
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlparse

from suite.errors import UserError
from suite.records import SCHEMA, Outcome, Point, Timing, Trial, TrialRecord, TrialResult, canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from suite.study import Study

T = TypeVar("T")

HISTORY = "history.parquet"
VIEW = "ravine"
"""The key of the ready-made view: mean convergence curves, grouped by optimizer."""
EPOCH_POINTS = 20
STEP_POINTS = 20
PAGE = 1000


def locate(store: str | None, out: Path) -> str:
    """The tracking URI: of `--store`, else of MLFLOW_TRACKING_URI, else the SQLite file in `out`.

    Args:
        store: A URI that MLflow takes (`sqlite:///…`, `postgresql://…`, `http://…`), or a folder for a store of its own.
        out: The folder of generated files.
    """
    uri = store or os.environ.get("MLFLOW_TRACKING_URI") or str(out)
    return uri if "://" in uri else f"sqlite:///{Path(uri).resolve() / 'mlflow.db'}"


def exists(uri: str) -> bool:
    """Whether there is a store to open: a database file, or whatever a server has."""
    return not uri.startswith("sqlite:///") or Path(uri.removeprefix("sqlite:///")).is_file()


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
        self.file = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
        self.root = None if uri.startswith("http") else (self.file.parent if self.file else out.resolve())
        if not create and not exists(uri):
            raise UserError(f"{self.file}: no such store: nothing was recorded yet. Start with: ravine run quick")
        self._client = self._open()
        self._experiments: dict[str, str] = {}

    def _open(self) -> MlflowClient:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would look up an outside host
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        with self._told("opened"):
            if self.root:
                self.root.mkdir(parents=True, exist_ok=True)
            from filelock import FileLock
            from mlflow import MlflowClient

            for noisy in ("mlflow", "alembic"):
                logging.getLogger(noisy).setLevel(logging.WARNING)
            # A fresh database runs its migrations; several processes at once would break them.
            lock = FileLock(f"{self.file}.open") if self.file else contextlib.nullcontext()
            with lock:
                client = MlflowClient(self.uri)
                client.search_experiments(max_results=1)
            return client

    @contextlib.contextmanager
    def _told(self, done: str) -> Iterator[None]:
        """Turn what a store that is away or not writable raises into one line."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (OSError, MlflowException, SQLAlchemyError) as error:
            place = self.file or self.uri
            why = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
            mend = "Is the server up?" if self.uri.startswith("http") else "Is the folder yours, and the disk not full?"
            raise UserError(f"{place}: the store cannot be {done}: {why}. {mend} --store chooses another") from error

    # --- one holder at a time ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the store for writing; no second process of this machine gets it meanwhile.

        Raises:
            UserError: Another process holds it, which is named.
        """
        from filelock import FileLock, Timeout
        from platformdirs import user_cache_path

        key = hashlib.sha256(self.uri.encode()).hexdigest()[:16]
        path = Path(f"{self.file}.lock") if self.file else user_cache_path("ravine") / "locks" / f"{key}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = path.with_suffix(".holder")
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            who = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
            raise UserError(
                f"{self.file or self.uri}: held by {who}. Wait until it ends or stop it; "
                "ravine status and ravine report work meanwhile, --store chooses another store"
            ) from None
        try:
            since = time.strftime("%H:%M:%S")
            command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
            holder.write_text(f"`{command}` (process {os.getpid()}, since {since})", encoding="utf-8")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def sweep(self) -> int:
        """Delete the runs that a killed process of this machine left half-written; call it while the store is held."""
        swept = 0
        for run in self._runs("attributes.status = 'RUNNING'"):
            if run.data.tags.get("ravine.owner") == socket.gethostname():
                self._client.set_terminated(run.info.run_id, "KILLED")
                self._client.delete_run(run.info.run_id)
                swept += 1
        return swept

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, study: Study, result: TrialResult) -> None:
        """Record a result: everything first, and last that the record is complete."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

        with self._told("written"):
            trial, started = result.trial, int(result.started * 1000)
            run = self._client.create_run(
                self._experiment(study),
                start_time=started,
                run_name=trial.name,
                tags={"ravine.owner": socket.gethostname()},
            )
            run_id = run.info.run_id
            metrics = [Metric(p.metric, _finite(p.value), started, _mlflow_step(p)) for p in _thin(result.points)]
            metrics.append(Metric("speed/examples_per_second", _finite(result.timing.examples_per_second), started, 0))
            params = [Param(key, str(value)) for key, value in _params(trial).items()]
            tags = [RunTag(key, value) for key, value in _tags(result).items()]
            self._client.log_batch(run_id, metrics=metrics, params=params, tags=tags)
            if trial.data:
                digest = hashlib.sha256(canonical(trial.data).encode()).hexdigest()[:16]
                badge = Dataset(trial.problem, digest, "files", canonical(trial.data))
                self._client.log_inputs(run_id, [DatasetInput(badge, [InputTag("mlflow.data.context", "training")])])
            with tempfile.TemporaryDirectory() as folder:
                _write_history(Path(folder) / HISTORY, result.points)
                description = {"label": trial.label, "id": trial.id, **trial.description()}
                (Path(folder) / "trial.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
                self._client.log_artifacts(run_id, folder)
            status = "FAILED" if result.outcome is Outcome.FAILED else "FINISHED"
            self._client.set_terminated(run_id, status, end_time=started + int(result.timing.total * 1000))

    def write_report(self, study: Study, folder: Path) -> None:
        """Keep a report as the artifact of a run `report` of the study; a newer one takes the older one's place."""
        with self._told("written"):
            experiment = self._experiment(study)
            name = study.report_name
            found = self._runs(
                f"tags.`ravine.kind` = 'report' and tags.`ravine.report` = '{_quoted(name)}'", [experiment]
            )
            for run in found:
                self._client.delete_run(run.info.run_id)
            tags = {"ravine.kind": "report", "ravine.report": name, "ravine.owner": socket.gethostname()}
            tags["mlflow.note.content"] = f"The report of `{name}`: open `index.html` under *Artifacts*."
            run = self._client.create_run(experiment, run_name=f"report {name}", tags=tags)
            self._client.log_artifacts(run.info.run_id, str(folder))
            self._client.set_terminated(run.info.run_id)

    def _experiment(self, study: Study) -> str:
        """The id of the study's experiment, made where it is not there."""
        if study.name not in self._experiments:
            found = self._client.get_experiment_by_name(study.name)
            if found is None:
                place = self.root / "artifacts" / study.name if self.root else None
                identity = self._client.create_experiment(study.name, place.as_uri() if place else None)
            else:
                identity = found.experiment_id
                if found.lifecycle_stage == "deleted":
                    self._client.restore_experiment(identity)
            for key, value in _experiment_tags(study).items():
                self._client.set_experiment_tag(identity, key, value)
            self._experiments[study.name] = identity
        return self._experiments[study.name]

    # --- reading -----------------------------------------------------------------------------------------------------

    def records(self, ids: Collection[str]) -> dict[str, TrialRecord]:
        """The newest complete record of each of these trials that has one, whatever study ran it.

        Raises:
            UserError: A record was written by a newer Ravine.
        """
        wanted, found = set(ids), dict[str, TrialRecord]()
        with self._told("read"):
            for run in self._runs("tags.`ravine.kind` = 'trial' and attributes.status != 'RUNNING'"):
                identity = run.data.tags.get("ravine.trial", "")
                if identity in wanted:
                    record = _record(run)
                    if identity not in found or _preferred(record) > _preferred(found[identity]):
                        found[identity] = record
        return found

    def points(self, records: Iterable[TrialRecord]) -> pd.DataFrame:
        """The whole history of these records: columns trial_id, metric, epoch, step, value."""
        import pandas as pd

        frames = []
        for record in records:
            with self._told("read"), self._artifact(record, HISTORY) as path:
                frame = pd.read_parquet(path)
            frame.insert(0, "trial_id", record.trial.id)
            frames.append(frame)
        columns = ["trial_id", "metric", "epoch", "step", "value"]
        return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)

    def studies(self) -> list[str]:
        """The names of the studies that have records here."""
        with self._told("read"):
            found = list(_pages(self._client.search_experiments))
        return sorted(experiment.name for experiment in found if "ravine.study" in experiment.tags)

    def link(self, study: str) -> str:
        """The part of the UI's address that shows a study as mean convergence curves; the list of studies without it."""
        found = self._client.get_experiment_by_name(study)
        if found is None:
            return "#/experiments"
        view = f"workflowType=machine_learning&viewStateShareKey={VIEW}&compareRunsMode=CHART"
        return f"#/experiments/{found.experiment_id}/runs?{view}"

    @contextlib.contextmanager
    def _artifact(self, record: TrialRecord, name: str) -> Iterator[Path]:
        """A file of a record: where it lies, or a copy fetched from the server."""
        place = urlparse(record.artifacts)
        if place.scheme in {"", "file"}:
            path = Path(unquote(place.path)) / name
            if not path.exists() and self.root:  # the store was moved since: artifacts/<study>/<run>/artifacts
                path = self.root.joinpath("artifacts", *path.parts[-4:])
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            yield Path(self._client.download_artifacts(record.run_id, name, folder))

    def _runs(self, query: str, experiments: Sequence[str] | None = None) -> Iterator[Run]:
        """All active runs that fit, in pages."""
        if experiments is None:
            experiments = [found.experiment_id for found in _pages(self._client.search_experiments)]
        if experiments:
            yield from _pages(lambda **page: self._client.search_runs(list(experiments), query, **page))


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    token = None
    while True:
        page = search(max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _preferred(record: TrialRecord) -> tuple[bool, float]:
    return record.outcome is not Outcome.FAILED, record.started


def _record(run: Run) -> TrialRecord:
    tags = run.data.tags
    schema = int(tags["ravine.schema"])
    if schema > SCHEMA:
        raise UserError(
            f"run {run.info.run_id}: its record has schema {schema}, this Ravine reads up to {SCHEMA}. Update Ravine"
        )
    return TrialRecord(
        run_id=run.info.run_id,
        trial=Trial.from_description(json.loads(tags["ravine.description"]), tags["ravine.label"]),
        outcome=Outcome(tags["ravine.outcome"]),
        reason=tags.get("ravine.reason", ""),
        weights=tags.get("ravine.weights", ""),
        timing=Timing(**json.loads(tags["ravine.timing"])),
        environment=json.loads(tags["ravine.environment"]),
        started=run.info.start_time / 1000,
        artifacts=run.info.artifact_uri,
    )


def _tags(result: TrialResult) -> dict[str, str]:
    trial, environment = result.trial, result.environment
    tags = {
        "ravine.kind": "trial",
        "ravine.schema": str(SCHEMA),
        "ravine.trial": trial.id,
        "ravine.label": trial.label,
        "ravine.optimizer": trial.optimizer,
        "ravine.repeat": str(trial.repeat),
        "ravine.outcome": result.outcome.value,
        "ravine.reason": result.reason,
        "ravine.weights": result.weights,
        "ravine.description": canonical(trial.description()),
        "ravine.timing": canonical(asdict(result.timing)),
        "ravine.environment": canonical(environment),
        "ravine.data": canonical(trial.data),
        "mlflow.source.name": "ravine",
        "mlflow.source.git.commit": environment.get("commit", ""),
    }
    tags |= {f"ravine.{key}": environment.get(key, "") for key in ("device", "device_name", "commit", "torch")}
    tags["ravine.version"] = environment.get("ravine", "")
    return {key: value for key, value in tags.items() if value}


def _params(trial: Trial) -> dict[str, Any]:
    shown = ("problem", "batch_size", "chunk", "epochs", "train_examples", "precision", "seed", "schedule")
    params = {"optimizer": trial.label, "kind": trial.optimizer, "repeat": trial.repeat, **trial.hyperparameters}
    params |= {key: value for key in shown if (value := trial.description()[key]) is not None}
    return {key: value for key, value in params.items() if value is not None}


def _experiment_tags(study: Study) -> dict[str, str]:
    view = resources.files("suite").joinpath("mlflow_view.json").read_text(encoding="utf-8")
    note = f"""**{study.title}**

Problem `{study.problem}`, {study.repeats} repeats, {study.epochs} epochs, batch {study.batch_size}, {study.precision}.
Optimizers: {", ".join(entry.name for entry in study.optimizer)}.

Each run is a trial; group by the parameter `optimizer` to see means. The run named `report` holds the report with its
tables and figures as artifacts.
"""
    kind = "custom_model_development"  # the UI shows charts of metrics first, not traces of language models
    tags = {"mlflow.note.content": note, "mlflow.experimentKind": kind, "ravine.study": study.name}
    return tags | {f"mlflow.sharedViewState.{VIEW}": view}


def _thin(points: Sequence[Point]) -> list[Point]:
    """At most some points of each metric, evenly spaced, the first and the last among them."""
    series: dict[str, list[Point]] = {}
    for point in points:
        series.setdefault(point.metric, []).append(point)
    return [
        p
        for name, whole in series.items()
        for p in _spread(whole, STEP_POINTS if name == "train/step_loss" else EPOCH_POINTS)
    ]


def _spread(whole: Sequence[T], most: int) -> list[T]:
    if len(whole) <= most:
        return list(whole)
    return [whole[round(i * (len(whole) - 1) / (most - 1))] for i in range(most)]


def _mlflow_step(point: Point) -> int:
    return point.step if point.metric == "train/step_loss" else point.epoch


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan  # MLflow gives infinity back as 1.8e308


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _write_history(path: Path, points: Sequence[Point]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "metric": pa.array([p.metric for p in points], pa.string()).dictionary_encode(),
        "epoch": pa.array([p.epoch for p in points], pa.int32()),
        "step": pa.array([p.step for p in points], pa.int32()),
        "value": pa.array([p.value for p in points], pa.float64()),
    }
    pq.write_table(pa.table(columns), path)
