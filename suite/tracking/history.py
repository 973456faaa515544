"""The history of a trial: every measured point as a Parquet file, and the few of them that a chart needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from suite.errors import UserError
from suite.records import STEP_LOSS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from suite.records import Point, TrialRecord

T = TypeVar("T")

HISTORY = "history.parquet"
EPOCH_POINTS = 20
STEP_POINTS = 20


def write(path: Path, points: Sequence[Point]) -> None:
    """Write a history."""
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
    """A history as `write` wrote it. Parquet holds values alone: whatever lies there, nothing of it is run."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not `read_table`, which sets up a search through folders of files: half of the time for one small file.
        with pq.ParquetFile(path) as file:
            table = file.read(columns=["metric", "epoch", "step", "value"], use_threads=False)
        plain = pa.schema(
            [("metric", pa.string()), ("epoch", pa.int32()), ("step", pa.int32()), ("value", pa.float64())]
        )
        table = table.cast(plain)
    except (ValueError, pa.ArrowException) as error:
        told = f"{path}: no history of {record.trial.name}: {' '.join(str(error).split())[:200]}"
        raise UserError(f"{told}. Delete the run {record.run_id}, and run the study again") from error
    return table.set_column(0, "metric", table["metric"].dictionary_encode())


def thin(points: Sequence[Point]) -> list[Point]:
    """At most some points of each metric, evenly spaced, the first and the last among them."""
    series: dict[str, list[Point]] = {}
    for point in points:
        series.setdefault(point.metric, []).append(point)
    return [
        p for name, whole in series.items() for p in _spread(whole, STEP_POINTS if name == STEP_LOSS else EPOCH_POINTS)
    ]


def _spread(whole: Sequence[T], most: int) -> list[T]:
    if len(whole) <= most:
        return list(whole)
    return [whole[round(i * (len(whole) - 1) / (most - 1))] for i in range(most)]
