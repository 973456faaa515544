"""The history of a trial: a Parquet file of all measured points, and a subset of them for charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from suite.records import Point, TrialRecord

HISTORY = "history.parquet"
MAX_POINTS = 20
"""A chart in MLflow gets at most N points of each metric."""


def write(path: Path, points: Sequence[Point]) -> None:
    """Write points to a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "metric": pa.array([p.metric for p in points], pa.string()).dictionary_encode(),
        "epoch": pa.array([p.epoch for p in points], pa.int32()),
        "step": pa.array([p.step for p in points], pa.int32()),
        "value": pa.array([p.value for p in points], pa.float64()),
    }
    pq.write_table(pa.table(columns), path)


def read(path: Path, record: TrialRecord) -> pa.Table:
    """Return the points of a record from a file of `write`. Parquet contains values only; nothing of it is executed.

    Raises:
        UserError: The file is damaged or not a history.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("metric", pa.string()), ("epoch", pa.int32()), ("step", pa.int32()), ("value", pa.float64())])
    try:
        # `read_table` first sets up a search through folders, which takes half of the time for one small file.
        with pq.ParquetFile(path) as file:
            table = file.read(columns=schema.names, use_threads=False).cast(schema)
    except (ValueError, pa.ArrowException) as error:
        problem = f"not the history of {record.trial.name}: {' '.join(str(error).split())[:200]}"
        raise UserError(str(path), problem, f"Delete the run {record.run_id} and run the study again") from error
    return table.set_column(0, "metric", table["metric"].dictionary_encode())


def thin(points: Sequence[Point]) -> list[Point]:
    """Return at most `MAX_POINTS` points of each metric, evenly spaced, with the first and the last."""
    series: dict[str, list[Point]] = {}
    for point in points:
        series.setdefault(point.metric, []).append(point)
    return [point for values in series.values() for point in _evenly_spaced(values)]


def _evenly_spaced(points: Sequence[Point]) -> Sequence[Point]:
    if len(points) <= MAX_POINTS:
        return points
    return [points[round(i * (len(points) - 1) / (MAX_POINTS - 1))] for i in range(MAX_POINTS)]
