"""Add the records of an export to a store. Records that the store already has are not changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.errors import UserError
from suite.records import Outcome, Point, TrialRecord, TrialResult
from suite.tracking import serialization

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from suite.tracking.store import Store
    from suite.transfer.archive import Archive


@dataclass(frozen=True, slots=True)
class MergeResult:
    """How many records a merge added, and how many the store already had."""

    added: int
    already_present: int


def merge(archive: Archive, store: Store) -> MergeResult:
    """Record each result of an export that the store does not have; the store is locked by the caller.

    A record keeps its times and environment. A record of the store is not changed, except that a result replaces a
    failure. An interrupted merge is resumed by running it again.

    Raises:
        UserError: A trial has another result in the store, or the export has means instead of step losses. Then nothing
            is recorded.
    """
    if archive.step_losses != "all":
        problem = "it has means over windows instead of the measured step losses"
        hint = "Read it with `ravine compare`, or merge an export that was made without --step-losses"
        raise UserError(str(archive.path), problem, hint)
    known = store.records(archive.records_by_id)
    _check_agreement(archive, store, known)
    missing = [
        record
        for key, record in archive.records_by_id.items()
        if key not in known or _replaces_failure(record, known[key])
    ]
    points = dict(list(archive.points(missing).groupby("trial_id", sort=False)))
    for record in missing:
        store.write(archive.study, _result(record, points.get(record.trial.id)))
    kept = [record for key, record in known.items() if not _replaces_failure(archive.records_by_id[key], record)]
    store.tag_with_study(archive.study, kept)
    return MergeResult(added=len(missing), already_present=len(kept))


def _replaces_failure(new: TrialRecord, old: TrialRecord) -> bool:
    return new.outcome is not Outcome.FAILED and old.outcome is Outcome.FAILED


def _check_agreement(archive: Archive, store: Store, known: Mapping[str, TrialRecord]) -> None:
    pairs = [(archive.records_by_id[key], record) for key, record in known.items()]
    conflicting = [
        (theirs, ours)
        for theirs, ours in pairs
        if Outcome.FAILED not in {theirs.outcome, ours.outcome}
        and (theirs.outcome, theirs.weights) != (ours.outcome, ours.weights)
    ]
    if not conflicting:
        return
    theirs, ours = conflicting[0]
    more = f"; {len(conflicting) - 1} more trials differ" if len(conflicting) > 1 else ""
    problem = (
        f"{theirs.trial.name} ({theirs.trial.id}) has another result in {store.place}: {_describe(theirs)} in the export, "
        f"{_describe(ours)} in the store{more}"
    )
    hint = (
        "Merge into a separate store with --store and compare the two with `ravine compare`, because a trial can have only "
        "one result"
    )
    raise UserError(str(archive.path), problem, hint)


def _describe(record: TrialRecord) -> str:
    """Return the outcome and the environment of a record in short."""
    environment = record.environment
    device = environment.get("device_name") or environment.get("device") or "an unknown device"
    return f"{record.outcome}, weights {record.weights[:8]} (torch {environment.get('torch', 'unknown')}, {device})"


def _result(record: TrialRecord, points: pd.DataFrame | None) -> TrialResult:
    columns = ("metric", "epoch", "step", "value")
    rows = [] if points is None else zip(*(points[column].tolist() for column in columns), strict=True)
    return TrialResult(
        points=tuple(Point(*row) for row in rows), **serialization.from_dict(serialization.to_dict(record))
    )
