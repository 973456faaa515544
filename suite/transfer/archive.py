"""A study's records as one file, to be moved, kept, shipped and compared: a zip with a manifest.

    manifest.json        what it is: format and version, study, overrides, how much is recorded, SHA-256 of all else
    study.toml           the study with its overrides, defaults spelt out
    records.json         the plan in its order, each trial's description, and of each record outcome, weights, times, place
    points.parquet       every measured value but
    step_losses.parquet  the loss of each update: all of them, exactly, or means over windows if that was asked for

The same records give the same bytes. Reading trusts nothing: each file must have its digest, each description the id
that it is filed under, each record its whole history; nothing is unpacked to disk, and nothing in it is ever run.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
import zlib
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from suite.errors import UserError
from suite.records import SCHEMA, STEP_LOSS, Outcome, Timing, TrialRecord
from suite.spec import study_file
from suite.spec.study import Study, validate_study
from suite.spec.study_file import parse_study
from suite.trials import Trial, canonical, field_values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Protocol

    class Records(Protocol):
        """Where records come from; `suite.tracking.store.Store` is one, an `Archive` another."""

        def records(self, ids: Collection[str]) -> Mapping[str, TrialRecord]:
            """The record of each of these trials that has one."""

        def points(self, records: Iterable[TrialRecord]) -> pd.DataFrame:
            """Their measured values: `trial_id`, `metric`, `epoch`, `step`, `value`."""


M = TypeVar("M", bound=BaseModel)

FORMAT = "ravine export"
VERSION = 1
MANIFEST, STUDY, RECORDS, POINTS, LOSSES = (
    "manifest.json",
    "study.toml",
    "records.json",
    "points.parquet",
    "step_losses.parquet",
)
MIN_MEANS = 100
"""A report shows the loss by update in a hundred windows; fewer means than that would change its curves."""
MAX_BYTES = 4 << 30
MAX_ROWS = 1 << 28
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold: the same for all, so that bytes are
_COLUMNS = ["trial_id", "metric", "epoch", "step", "value"]


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
    timing: dict[str, float]
    environment: int
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
    """An export that was read and found whole; it is a store for reports.

    Attributes:
        path: Where it lies.
        study: The study, its overrides in it.
        trials: Its plan.
        step_losses: `all`, or how many means over windows were kept at most.
        found: The records by trial id.
        measured: The points of all records.
    """

    path: Path
    study: Study
    trials: tuple[Trial, ...]
    step_losses: Literal["all"] | int
    found: Mapping[str, TrialRecord]
    measured: pd.DataFrame

    def records(self, ids: Collection[str]) -> dict[str, TrialRecord]:
        """Those of `ids` that are recorded here."""
        return {key: record for key, record in self.found.items() if key in ids}

    def points(self, records: Iterable[TrialRecord]) -> pd.DataFrame:
        """Their points, in the order that they were measured in."""
        return self.measured[self.measured["trial_id"].isin([record.trial.id for record in records])]


def baselines() -> dict[str, Path]:
    """The exports that come with Ravine, by the name of their study."""
    return {path.stem: path for path in sorted((Path(str(resources.files("studies"))) / "baselines").glob("*.zip"))}


def check_place(path: Path) -> None:
    """See that an export can be written to `path`.

    Raises:
        UserError: Something that is no export of Ravine is there.
    """
    if path.is_dir() or (path.exists() and not _is_export(path)):
        raise UserError(f"{path}: something that is no export of Ravine is there. Give another file, or move it away")


def write(
    study: Study, trials: Sequence[Trial], store: Records, path: Path, step_losses: Literal["all"] | int = "all"
) -> int:
    """Write the records of a plan to a file; an older export there is replaced at once or not at all.

    Args:
        study: With its overrides.
        trials: Its plan.
        store: Where the records are.
        path: Of the file.
        step_losses: Keep them all, exactly; or at most so many means over windows of equal length from each trial. The
            length divides the windows in which a report shows them, so that its curves stay the same.

    Returns:
        How many trials are recorded in it.

    Raises:
        UserError: Nothing is recorded, a record is not whole, or the file cannot be written.
    """
    check_place(path)
    found = store.records({trial.id for trial in trials})
    if not found:
        raise UserError(f"nothing is recorded for the study {study.name} yet. Run it first: ravine run {study.name}")
    order = [key for key in dict.fromkeys(trial.id for trial in trials) if key in found]
    points = store.points([found[key] for key in order])[_COLUMNS].astype({"trial_id": str, "metric": str})
    _check_whole(path, found, points)
    losses = points[points["metric"] == STEP_LOSS]
    if step_losses != "all":
        losses = _means(losses, step_losses)
    files = {
        STUDY: study_file.study_to_toml(study).encode(),
        RECORDS: _json(_records(trials, [found[key] for key in order])),
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
        UserError: It is no export, of a newer version, damaged, or something in it does not fit together.
    """
    files = _unzip(path)
    manifest = _manifest(path, files)
    told = _parsed(path, RECORDS, _Records, files[RECORDS])
    trials = {key: _trial(path, key, description) for key, description in told.trials.items()}
    environments = told.environments
    for key, record in told.records.items():
        if key not in trials or not 0 <= record.environment < len(environments):
            raise _broken(path, f"{RECORDS}: the record {key[:40]!r} has no trial or no environment")
    missing = [key for _, key in told.plan if key not in trials]
    if missing or not told.plan:
        raise _broken(path, f"{RECORDS}: the plan names trials that are not in it")
    plan = tuple(_labelled(trials[key], label) for label, key in told.plan)
    labels = {trial.id: trial for trial in reversed(plan)}
    found = {
        key: _record(path, labels.get(key, trials[key]), record, environments[record.environment])
        for key, record in told.records.items()
    }
    points = pd.concat([_points(path, files, POINTS), _points(path, files, LOSSES)], ignore_index=True)
    if not set(points["trial_id"].unique()) <= found.keys():
        raise _broken(path, "it has values of trials that it has no record of")
    _check_whole(path, found, points, thinned=manifest.step_losses != "all")
    own = {"name": manifest.study, "part": manifest.part, "overrides": tuple(manifest.overrides)}
    place = f"{path}: {STUDY}"
    study = validate_study(parse_study(files[STUDY], place), location=place, origin=own)
    return Archive(path, study, plan, manifest.step_losses, found, points)


# --- writing ---------------------------------------------------------------------------------------------------------


def _records(trials: Sequence[Trial], found: Sequence[TrialRecord]) -> dict[str, Any]:
    environments = sorted({canonical(record.environment) for record in found})
    return {
        "plan": [[trial.label, trial.id] for trial in trials],
        "trials": {trial.id: trial.description() for trial in trials},
        "records": {
            record.trial.id: {
                "outcome": record.outcome.value,
                "reason": record.reason,
                "weights": record.weights,
                "timing": asdict(record.timing),
                "environment": environments.index(canonical(record.environment)),
                "started": round(record.started * 1000),
            }
            for record in found
        },
        "environments": [json.loads(environment) for environment in environments],
    }


def _means(losses: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many step losses a trial: means over windows of equal length, each filed under its window's last step."""
    parts = [losses.iloc[:0]]
    for _, run in losses.groupby("trial_id", sort=False):
        count = len(run)
        shown = -(-count // MIN_MEANS)
        length = next(w for w in range(1, shown + 1) if shown % w == 0 and (w == shown or -(-count // w) <= most))
        block = (run["step"] - 1) // length
        kept = run.groupby(block, sort=False).agg({**dict.fromkeys(_COLUMNS, "last"), "value": "mean"})
        parts.append(kept.assign(value=kept["value"].astype("float32").astype("float64")))
    return pd.concat(parts, ignore_index=True)


def _parquet(points: pd.DataFrame, order: Sequence[str]) -> bytes:
    """Values of the trials in this order; in four bytes each where that is what they were measured with."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = {key: number for number, key in enumerate(order)}
    points = points.iloc[np.argsort(points["trial_id"].map(at).to_numpy(dtype="int64"), kind="stable")]
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
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(fresh, "w") as target:
            for name, data in files.items():
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.external_attr = 0o644 << 16
                packed = zipfile.ZIP_STORED if name.endswith(".parquet") else zipfile.ZIP_DEFLATED
                target.writestr(entry, data, packed, 9)
        fresh.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}. Give another file") from None
    finally:
        fresh.unlink(missing_ok=True)


# --- reading ---------------------------------------------------------------------------------------------------------


def _is_export(path: Path) -> bool:
    try:
        _manifest(path, _unzip(path, only=MANIFEST), version=False)
    except UserError:
        return False
    return True


def _broken(path: Path, why: str) -> UserError:
    return UserError(f"{path}: damaged or changed: {why}. Export it again where it came from")


def _unzip(path: Path, only: str = "") -> dict[str, bytes]:
    """The files of a zip by name, in memory; refuses what an export does not have."""
    mend = "Give a file that `ravine export` wrote"
    try:
        with zipfile.ZipFile(path) as source:
            entries = source.infolist()
            _check_entries(path, entries)
            return {entry.filename: source.read(entry) for entry in entries if not only or entry.filename == only}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. {mend}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}. {mend}") from None
    except zipfile.BadZipFile as error:
        raise UserError(f"{path}: no export of Ravine: {error}. {mend}") from None
    except (RuntimeError, NotImplementedError, EOFError, ValueError, zlib.error) as error:  # encrypted, cut off
        raise _broken(path, str(error)) from None


def _check_entries(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    names, known = [entry.filename for entry in entries], {MANIFEST, STUDY, RECORDS, POINTS, LOSSES}
    if MANIFEST not in names:
        raise UserError(f"{path}: no export of Ravine: it has no {MANIFEST}. Give a file that `ravine export` wrote")
    if len(names) > len(set(names)) or not set(names) <= known:
        raise _broken(path, "it has files that no export has")
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise _broken(path, f"its files are larger than {MAX_BYTES >> 30} GiB")


def _manifest(path: Path, files: Mapping[str, bytes], *, version: bool = True) -> _Manifest:
    try:
        values = json.loads(files[MANIFEST])
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UserError(f"{path}: no export of Ravine. Give a file that `ravine export` wrote")
    for key, known in (("version", VERSION), ("schema", SCHEMA)):
        if version and values.get(key) != known:
            raise UserError(
                f"{path}: its {key} is {str(values.get(key))[:20]}, this Ravine reads {known}. "
                "Read it with the Ravine that wrote it, or export it again with this one"
            )
    manifest = _parsed(path, MANIFEST, _Manifest, files[MANIFEST])
    if not version:
        return manifest
    if not re.fullmatch(r"[^\x00-\x1f/\\]+", manifest.study) or manifest.study.startswith("."):
        raise _broken(path, f"{MANIFEST}: {manifest.study[:40]!r} is no name of a study")
    if not set(files) - {MANIFEST} == set(manifest.files) == {STUDY, RECORDS, POINTS, LOSSES}:
        raise _broken(path, f"the files that are there are not those of {MANIFEST}")
    for name, said in manifest.files.items():
        if _digest(files[name]) != said.sha256:
            raise _broken(path, f"{name} has not the digest that {MANIFEST} says")
    return manifest


def _parsed(path: Path, name: str, model: type[M], data: bytes) -> M:
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:80]
        raise _broken(path, f"{name}: {place}: {first['msg'][:80]}") from None


def _trial(path: Path, key: str, description: Mapping[str, Any]) -> Trial:
    """The trial of a description, if that hashes to the id that it is filed under."""
    try:
        trial = _TRIAL.validate_json(json.dumps({"label": "-", **field_values(description)}), strict=True)
        identity = trial.id
    except (ValidationError, ValueError, TypeError):
        raise _broken(path, f"{RECORDS}: what is filed under {key[:40]!r} describes no trial") from None
    if identity != key or description.keys() != trial.description().keys():
        raise _broken(path, f"{RECORDS}: the description filed under {key[:40]!r} is that of {identity}")
    return trial


_TRIAL = TypeAdapter(Trial)


def _labelled(trial: Trial, label: str) -> Trial:
    return Trial.from_description(trial.description(), label)


def _record(path: Path, trial: Trial, record: _Record, environment: Mapping[str, str]) -> TrialRecord:
    try:
        outcome, timing = Outcome(record.outcome), Timing(**_times(record.timing))
    except (ValueError, TypeError):
        raise _broken(path, f"{RECORDS}: {trial.id}: unknown outcome or times") from None
    if (outcome is not Outcome.FAILED and not trial.imported) != bool(record.weights):
        raise _broken(path, f"{RECORDS}: {trial.id}: {outcome}, {'with' if record.weights else 'without'} weights")
    return TrialRecord(
        run_id="",
        trial=trial,
        outcome=outcome,
        reason=record.reason,
        weights=record.weights,
        timing=timing,
        environment=environment,
        started=record.started / 1000,
    )


def _times(values: Mapping[str, float]) -> dict[str, Any]:
    return {**values, "examples": int(values["examples"])} if "examples" in values else dict(values)


def _points(path: Path, files: Mapping[str, bytes], name: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(files[name]))
        told = file.metadata
        size = sum(told.row_group(at).total_byte_size for at in range(told.num_row_groups))
        if told.num_rows > MAX_ROWS or size > MAX_BYTES:
            raise _broken(path, f"{name} is larger than any study")
        kinds = {"trial_id": pa.string(), "metric": pa.string(), "epoch": pa.int64(), "step": pa.int64()}
        schema = pa.schema({**kinds, "value": pa.float64()})
        table = file.read(columns=_COLUMNS).select(_COLUMNS).cast(schema)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _broken(path, f"{name}: {' '.join(str(error).split())[:100]}") from None
    if any(table[column].null_count for column in _COLUMNS):
        raise _broken(path, f"{name}: values are missing")
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


# --- both ------------------------------------------------------------------------------------------------------------


def _check_whole(path: Path, found: Mapping[str, TrialRecord], points: pd.DataFrame, *, thinned: bool = False) -> None:
    """See that every record has the history that its outcome says.

    Raises:
        UserError: One has not: a partial run, which is not to be taken for a whole one.
    """
    spans = points.groupby(["trial_id", "metric"], sort=False).agg(
        least=("epoch", "min"), most=("epoch", "max"), last=("step", "max"), count=("epoch", "size")
    )
    for key, record in found.items():
        trial = record.trial
        own = spans.loc[key] if key in spans.index.get_level_values(0) else spans.iloc[:0]
        odd = len(own) and (own["least"].min() < 1 or own["most"].max() > trial.epochs)
        steps = own.loc[STEP_LOSS] if STEP_LOSS in own.index else None
        short = (record.outcome is Outcome.OK and not trial.imported) and (
            "train/loss" not in own.index
            or own.loc["train/loss", "count"] != trial.epochs
            or "test/loss" not in own.index
            or own.loc["test/loss", "count"] != len(trial.tested_epochs())
            or steps is None
            or steps["last"] != trial.updates
            or (not thinned and steps["count"] != trial.updates)
        )
        if odd or short:
            raise UserError(
                f"{path}: {trial.name} ({key}): a partial run: its history does not cover the {trial.epochs} epochs that "
                "its record claims. Leave it out, or run it again"
            )
