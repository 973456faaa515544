"""The records of a study as one file, to move, keep, ship and compare: a zip with a manifest.

    manifest.json        format and version, study, overrides, number of records, SHA-256 of all other files
    study.toml           the study with its overrides and all defaults
    records.json         the plan in its order, the description of each trial, and of each record outcome, weights, times
                         and environment
    points.parquet       every measured value except
    step_losses.parquet  the loss of each update: all of them exactly, or means over windows on request

The same records give the same bytes. Reading trusts nothing. Each file must have its digest, each description the id that
it is filed under, and each record its complete history. Nothing is unpacked to disk, and nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
import zlib
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from suite.errors import UserError
from suite.records import SCHEMA, STEP_LOSS, Outcome, TrialRecord
from suite.spec import study_file
from suite.spec.study import Study, validate_study
from suite.spec.study_file import parse_study
from suite.tracking import serialization
from suite.trials import Trial, canonical, field_values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from suite.tracking.store import Store

M = TypeVar("M", bound=BaseModel)

FORMAT = "ravine export"
VERSION = 1
MANIFEST, STUDY, RECORDS = "manifest.json", "study.toml", "records.json"
POINTS, LOSSES = "points.parquet", "step_losses.parquet"
MIN_MEANS = 100
"""A report shows the loss by update in a hundred windows; fewer means than that would change its curves."""
MAX_BYTES = 4 << 30
MAX_ROWS = 1 << 28
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time of a zip entry: equal times give equal bytes
_COLUMNS = ["trial_id", "metric", "epoch", "step", "value"]
_HINT = "Give a file of `ravine export`"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _File(_Strict):
    sha256: str
    bytes: int = Field(ge=0)


class _Manifest(_Strict):
    format: str
    version: int
    schema_: int = Field(alias="schema")
    study: str = Field(min_length=1, max_length=200)
    part: str
    overrides: list[str]
    planned: int
    recorded: int
    step_losses: Literal["all"] | int
    data: dict[str, str]
    files: dict[str, _File]


class _Record(_Strict):
    outcome: str
    reason: str
    weights: str = Field(pattern=r"^([0-9a-f]{64})?$")
    timing: dict[str, int | float]
    environment: int
    """Index in `_Records.environments`."""
    started: int
    """Milliseconds since 1970."""


class _Records(_Strict):
    plan: list[tuple[str, str]]
    """Label and id of every planned trial, in the order of the plan."""
    trials: dict[str, dict[str, Any]]
    records: dict[str, _Record]
    environments: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Archive:
    """An export that was read and checked; a report can read it like a store.

    Attributes:
        path: The file.
        study: The study with its overrides.
        trials: Its plan.
        step_losses: `all`, or the maximum number of means that were kept of each trial's losses.
        records_by_id: The records by trial id.
        history: The points of all records.
    """

    path: Path
    study: Study
    trials: tuple[Trial, ...]
    step_losses: Literal["all"] | int
    records_by_id: Mapping[str, TrialRecord]
    history: pd.DataFrame

    def records(self, ids: Collection[str]) -> dict[str, TrialRecord]:
        """Return the records of these trials; those without one are omitted."""
        return {key: record for key, record in self.records_by_id.items() if key in ids}

    def points(self, records: Iterable[TrialRecord]) -> pd.DataFrame:
        """Return the points of these records in the order of measurement."""
        return self.history[self.history["trial_id"].isin([record.trial.id for record in records])]


def baselines() -> dict[str, Path]:
    """Return the exports that ship with Ravine, by the name of their study."""
    return {path.stem: path for path in sorted((Path(str(resources.files("studies"))) / "baselines").glob("*.zip"))}


def check_place(path: Path) -> None:
    """Check that an export may be written to `path`.

    Raises:
        UserError: A folder or another file than an export is there.
    """
    if path.is_dir() or (path.exists() and not _is_export(path)):
        raise UserError(str(path), "exists and is not an export of Ravine", "Give another file, or move it away")


def write(
    study: Study, trials: Sequence[Trial], store: Store, path: Path, step_losses: Literal["all"] | int = "all"
) -> int:
    """Write the records of a plan to a file and return their number; an older export there is replaced atomically.

    Args:
        study: The study with its overrides.
        trials: Its plan.
        store: The store of the records.
        path: The file.
        step_losses: Keep all losses exactly, or at most N means over windows of equal length from each trial. The length
            divides the windows of a report, so that its curves stay the same.

    Raises:
        UserError: Nothing is recorded, the history of a record is incomplete, or the file cannot be written.
    """
    check_place(path)
    records = store.records({trial.id for trial in trials})
    if not records:
        raise UserError("STUDY", f"nothing is recorded for {study.name} yet", f"Run `ravine run {study.name}` first")
    order = [key for key in dict.fromkeys(trial.id for trial in trials) if key in records]
    points = store.points([records[key] for key in order])[_COLUMNS].astype({"trial_id": str, "metric": str})
    _check_histories(path, records, points)
    losses = points[points["metric"] == STEP_LOSS]
    if step_losses != "all":
        losses = _means(losses, step_losses)
    files = {
        STUDY: study_file.study_to_toml(study).encode(),
        RECORDS: _json(_records(trials, [records[key] for key in order])),
        POINTS: _parquet(points[points["metric"] != STEP_LOSS], order),
        LOSSES: _parquet(losses, order),
    }
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "schema": SCHEMA,
        "study": study.name,
        "part": study.part,
        "overrides": list(study.overrides),
        "planned": len(trials),
        "recorded": len(order),
        "step_losses": step_losses,
        "data": {name: digest for trial in trials for name, digest in sorted(trial.data.items())},
        "files": {name: {"sha256": _digest(data), "bytes": len(data)} for name, data in sorted(files.items())},
    }
    _zip(path, {MANIFEST: _json(manifest), **files})
    return len(order)


def read(path: Path) -> Archive:
    """Read an export and check all of it.

    Raises:
        UserError: It is not an export, of a newer version, damaged, or inconsistent.
    """
    files = _unzip(path)
    manifest = _manifest(path, files)
    content = _parse(path, RECORDS, _Records, files[RECORDS])
    trials = {key: _trial(path, key, description) for key, description in content.trials.items()}
    for key, record in content.records.items():
        if key not in trials or not 0 <= record.environment < len(content.environments):
            raise _damaged(path, f"{RECORDS}: the record {key[:40]!r} has no trial or no environment")
    if not content.plan or any(key not in trials for _, key in content.plan):
        raise _damaged(path, f"{RECORDS}: the plan is empty or has trials without a description")
    plan = tuple(replace(trials[key], label=label) for label, key in content.plan)
    labelled = trials | {trial.id: trial for trial in reversed(plan)}
    records = {
        key: _record(path, labelled[key], record, content.environments[record.environment])
        for key, record in content.records.items()
    }
    points = pd.concat([_points(path, files, POINTS), _points(path, files, LOSSES)], ignore_index=True)
    if not set(points["trial_id"].unique()) <= records.keys():
        raise _damaged(path, "it has values of trials without a record")
    _check_histories(path, records, points, thinned=manifest.step_losses != "all")
    origin = {"name": manifest.study, "part": manifest.part, "overrides": tuple(manifest.overrides)}
    location = f"{path}: {STUDY}"
    study = validate_study(parse_study(files[STUDY], location), location=location, origin=origin)
    return Archive(path, study, plan, manifest.step_losses, records, points)


# --- writing ---------------------------------------------------------------------------------------------------------


def _records(trials: Sequence[Trial], records: Sequence[TrialRecord]) -> dict[str, Any]:
    environments = sorted({canonical(record.environment) for record in records})
    entries = {}
    for record in records:
        values = serialization.to_dict(record)
        entries[record.trial.id] = {key: values[key] for key in ("outcome", "reason", "weights", "timing")} | {
            "environment": environments.index(canonical(record.environment)),
            "started": round(record.started * 1000),
        }
    return {
        "plan": [[trial.label, trial.id] for trial in trials],
        "trials": {trial.id: trial.description() for trial in trials},
        "records": entries,
        "environments": [json.loads(environment) for environment in environments],
    }


def _means(losses: pd.DataFrame, max_means: int) -> pd.DataFrame:
    """Return at most N means of each trial's losses over windows of equal length, at the last step of each window."""
    parts = [losses.iloc[:0]]
    for _, run in losses.groupby("trial_id", sort=False):
        count = len(run)
        shown = -(-count // MIN_MEANS)
        length = next(w for w in range(1, shown + 1) if shown % w == 0 and (w == shown or -(-count // w) <= max_means))
        window = (run["step"] - 1) // length
        means = run.groupby(window, sort=False).agg({**dict.fromkeys(_COLUMNS, "last"), "value": "mean"})
        parts.append(means.assign(value=means["value"].astype("float32").astype("float64")))
    return pd.concat(parts, ignore_index=True)


def _parquet(points: pd.DataFrame, order: Sequence[str]) -> bytes:
    """Return points as Parquet, trials in this order; values have four bytes if that is exact."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    positions = {key: position for position, key in enumerate(order)}
    points = points.iloc[np.argsort(points["trial_id"].map(positions).to_numpy(dtype="int64"), kind="stable")]
    values = points["value"].to_numpy(dtype="float64")
    with np.errstate(over="ignore"):
        small = values.astype("float32")
    exact = np.array_equal(small.astype("float64"), values, equal_nan=True)
    table = pa.table(
        {
            "trial_id": pa.array(points["trial_id"], pa.string()).dictionary_encode(),
            "metric": pa.array(points["metric"], pa.string()).dictionary_encode(),
            "epoch": pa.array(points["epoch"], pa.int32()),
            "step": pa.array(points["step"], pa.int32()),
            "value": pa.array(small if exact else values, from_pandas=False),
        }
    )
    target = io.BytesIO()
    encodings = {"epoch": "DELTA_BINARY_PACKED", "step": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"}
    options = {"compression": "zstd", "compression_level": 15, "column_encoding": encodings}
    pq.write_table(table, target, use_dictionary=["trial_id", "metric"], row_group_size=MAX_ROWS, **options)
    return target.getvalue()


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _zip(path: Path, files: Mapping[str, bytes]) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(new, "w") as target:
            for name, data in files.items():
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.external_attr = 0o644 << 16
                method = zipfile.ZIP_STORED if name.endswith(".parquet") else zipfile.ZIP_DEFLATED
                target.writestr(entry, data, method, 9)
        new.replace(path)
    except OSError as error:
        raise UserError(str(path), f"cannot be written: {error.strerror}", "Give another file") from None
    finally:
        new.unlink(missing_ok=True)


# --- reading ---------------------------------------------------------------------------------------------------------


def _is_export(path: Path) -> bool:
    try:
        _manifest(path, _unzip(path, only=MANIFEST), complete=False)
    except UserError:
        return False
    return True


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(str(path), f"damaged or changed: {reason}", "Export it again from its store")


def _no_export(path: Path, reason: str = "") -> UserError:
    return UserError(str(path), f"not an export of Ravine{reason and ': '}{reason}", _HINT)


def _unzip(path: Path, only: str = "") -> dict[str, bytes]:
    """Return the files of a zip by name, in memory; refuse files that no export has."""
    try:
        with zipfile.ZipFile(path) as source:
            entries = source.infolist()
            _check_entries(path, entries)
            return {entry.filename: source.read(entry) for entry in entries if not only or entry.filename == only}
    except FileNotFoundError:
        raise UserError(str(path), "no such file", _HINT) from None
    except OSError as error:
        raise UserError(str(path), f"cannot be read: {error.strerror or error}", _HINT) from None
    except zipfile.BadZipFile as error:
        raise _no_export(path, str(error)) from None
    except (RuntimeError, NotImplementedError, EOFError, ValueError, zlib.error) as error:  # encrypted or truncated
        raise _damaged(path, str(error)) from None


def _check_entries(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if MANIFEST not in names:
        raise _no_export(path, f"it has no {MANIFEST}")
    if len(names) > len(set(names)) or not set(names) <= {MANIFEST, STUDY, RECORDS, POINTS, LOSSES}:
        raise _damaged(path, "it has files that no export has")
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise _damaged(path, f"its files are larger than {MAX_BYTES >> 30} GiB")


def _manifest(path: Path, files: Mapping[str, bytes], *, complete: bool = True) -> _Manifest:
    """Return the manifest; if `complete`, check the versions and the digests of all files."""
    try:
        values = json.loads(files[MANIFEST])
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise _no_export(path)
    for key, known in (("version", VERSION), ("schema", SCHEMA)):
        if complete and values.get(key) != known:
            problem = f"its {key} is {str(values.get(key))[:20]}, this version of Ravine reads {known}"
            raise UserError(
                str(path), problem, "Read it with the version that wrote it, or export it again with this one"
            )
    manifest = _parse(path, MANIFEST, _Manifest, files[MANIFEST])
    if not complete:
        return manifest
    if not re.fullmatch(r"[^\x00-\x1f/\\]+", manifest.study) or manifest.study.startswith("."):
        raise _damaged(path, f"{MANIFEST}: {manifest.study[:40]!r} is not a valid name of a study")
    if not set(files) - {MANIFEST} == set(manifest.files) == {STUDY, RECORDS, POINTS, LOSSES}:
        raise _damaged(path, f"its files are not those of {MANIFEST}")
    for name, file in manifest.files.items():
        if _digest(files[name]) != file.sha256:
            raise _damaged(path, f"the digest of {name} is not that of {MANIFEST}")
    return manifest


def _parse(path: Path, name: str, model: type[M], data: bytes) -> M:
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])[:80]
        raise _damaged(path, f"{name}: {key}: {first['msg'][:80]}") from None


def _trial(path: Path, key: str, description: Mapping[str, Any]) -> Trial:
    """Return the trial of a description whose hash is the id that it is filed under."""
    try:
        trial = _TRIAL.validate_json(json.dumps({"label": "-", **field_values(description)}), strict=True)
        identity = trial.id
    except (ValidationError, ValueError, TypeError):
        raise _damaged(path, f"{RECORDS}: {key[:40]!r} does not describe a trial") from None
    if identity != key or description.keys() != trial.description().keys():
        raise _damaged(path, f"{RECORDS}: the id of the description of {key[:40]!r} is {identity}")
    return trial


_TRIAL = TypeAdapter(Trial)


def _record(path: Path, trial: Trial, record: _Record, environment: Mapping[str, str]) -> TrialRecord:
    values = {**record.model_dump(), "label": trial.label, "trial": trial.description(), "environment": environment}
    values["started"] = record.started / 1000
    try:
        complete = TrialRecord(run_id="", **serialization.from_dict(values))
    except (ValueError, TypeError):
        raise _damaged(path, f"{RECORDS}: {trial.id}: unknown outcome or times") from None
    if (complete.outcome is not Outcome.FAILED and not trial.imported) != bool(record.weights):
        has = "with" if record.weights else "without"
        raise _damaged(path, f"{RECORDS}: {trial.id}: {complete.outcome}, {has} weights")
    return complete


def _points(path: Path, files: Mapping[str, bytes], name: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(files[name]))
        metadata = file.metadata
        size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        if metadata.num_rows > MAX_ROWS or size > MAX_BYTES:
            raise _damaged(path, f"{name} is larger than any study")
        types = {"trial_id": pa.string(), "metric": pa.string(), "epoch": pa.int64(), "step": pa.int64()}
        schema = pa.schema({**types, "value": pa.float64()})
        table = file.read(columns=_COLUMNS).select(_COLUMNS).cast(schema)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _damaged(path, f"{name}: {' '.join(str(error).split())[:100]}") from None
    if any(table[column].null_count for column in _COLUMNS):
        raise _damaged(path, f"{name}: values are missing")
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


# --- both ------------------------------------------------------------------------------------------------------------


def _check_histories(
    path: Path, records: Mapping[str, TrialRecord], points: pd.DataFrame, *, thinned: bool = False
) -> None:
    """Check that every record has the history that its outcome requires.

    Raises:
        UserError: A history is incomplete or has epochs beyond the trial's.
    """
    spans = points.groupby(["trial_id", "metric"], sort=False).agg(
        first_epoch=("epoch", "min"), last_epoch=("epoch", "max"), last_step=("step", "max"), count=("epoch", "size")
    )
    for key, record in records.items():
        trial = record.trial
        metrics = spans.loc[key] if key in spans.index.get_level_values(0) else spans.iloc[:0]
        outside = len(metrics) and (metrics["first_epoch"].min() < 1 or metrics["last_epoch"].max() > trial.epochs)
        losses = metrics.loc[STEP_LOSS] if STEP_LOSS in metrics.index else None
        incomplete = (record.outcome is Outcome.OK and not trial.imported) and (
            "train/loss" not in metrics.index
            or metrics.loc["train/loss", "count"] != trial.epochs
            or "test/loss" not in metrics.index
            or metrics.loc["test/loss", "count"] != len(trial.tested_epochs())
            or losses is None
            or losses["last_step"] != trial.updates
            or (not thinned and losses["count"] != trial.updates)
        )
        if outside or incomplete:
            problem = (
                f"{trial.name} ({key}): its history does not cover exactly the {trial.epochs} epochs of its record"
            )
            raise UserError(str(path), problem, "Remove the record, or run the trial again")
