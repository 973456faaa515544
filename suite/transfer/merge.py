"""An export goes into a store: what the store lacks is recorded, and nothing that it has is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.errors import UserError
from suite.records import Outcome, Point, TrialRecord, TrialResult

if TYPE_CHECKING:
    import pandas as pd

    from suite.tracking.store import Store
    from suite.transfer.archive import Archive


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What a merge did: how many records it added, and how many the store had."""

    added: int
    already_present: int


def merge(archive: Archive, store: Store) -> MergeResult:
    """Record what the store has no good record of; call it while the store is held.

    A record keeps its times and where it was measured. One that the store has stays as it is, times included; only a
    failed one gives way to a result. A merge that is stopped goes on when it is done again.

    Raises:
        UserError: A trial ended otherwise there than here, or the export holds means in place of step losses; nothing
            is recorded then.
    """
    if archive.step_losses != "all":
        raise UserError(
            f"{archive.path}: it has means over windows in place of the step losses, which are not what was measured. "
            "Read it with `ravine compare`, or merge an export that was made without --step-losses"
        )
    known = store.records(archive.found)
    _check_agreement(archive, store, known)
    missing = [record for key, record in archive.found.items() if key not in known or _better(record, known[key])]
    points = dict(list(archive.points(missing).groupby("trial_id", sort=False)))
    for record in missing:
        own = points.get(record.trial.id)
        store.write(archive.study, _result(record, own))
    store.tag_with_study(
        archive.study, (record for key, record in known.items() if not _better(archive.found[key], record))
    )
    return MergeResult(added=len(missing), already_present=len(archive.found) - len(missing))


def _better(one: TrialRecord, other: TrialRecord) -> bool:
    """Whether one is a result and the other is none."""
    return one.outcome is not Outcome.FAILED and other.outcome is Outcome.FAILED


def _check_agreement(archive: Archive, store: Store, known: dict[str, TrialRecord]) -> None:
    apart = [
        (archive.found[key], here)
        for key, here in known.items()
        if Outcome.FAILED not in {here.outcome, archive.found[key].outcome}
        and (here.outcome, here.weights) != (archive.found[key].outcome, archive.found[key].weights)
    ]
    if not apart:
        return
    theirs, ours = apart[0]
    more = f"; {len(apart) - 1} more" if len(apart) > 1 else ""
    raise UserError(
        f"{archive.path}: {theirs.trial.name} ({theirs.trial.id}) does not fit what {store.place} has: {_told(theirs)} "
        f"there, {_told(ours)} here{more}. One trial has one result: merge into a store of its own with --store, and "
        "set the two side by side with `ravine compare`"
    )


def _told(record: TrialRecord) -> str:
    """How a trial ended and where, short."""
    where = record.environment
    device = where.get("device_name") or where.get("device") or "an unknown device"
    return f"{record.outcome}, weights {record.weights[:8]} (torch {where.get('torch', 'unknown')}, {device})"


def _result(record: TrialRecord, points: pd.DataFrame | None) -> TrialResult:
    columns = ("metric", "epoch", "step", "value")
    rows = [] if points is None else [points[column].tolist() for column in columns]
    return TrialResult(
        trial=record.trial,
        outcome=record.outcome,
        reason=record.reason,
        points=tuple(Point(*row) for row in zip(*rows, strict=True)),
        weights=record.weights,
        timing=record.timing,
        environment=record.environment,
        started=record.started,
    )
