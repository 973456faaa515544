"""Results that wait on disk while the store is away, and are written as soon as it is back.

A server that does not answer, or a database that another process has locked, stops no trial: what ends meanwhile is kept as
a JSON file in `out/waiting/<store>/`, each result whole, and written in its turn. A process that ends before the store is
back leaves the files to the next one.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from suite.errors import UserError
from suite.records import Outcome, Point, Timing, TrialResult
from suite.tracking.store import StoreUnavailableError
from suite.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from suite.spec.study import Study
    from suite.tracking.store import Store

FIRST, LONGEST = 0.5, 15.0
"""Seconds between two attempts to reach the store: the first pause, doubled each time, and the longest."""
TIMEOUT_SECONDS = 600.0
"""Seconds for which results wait once there is nothing else to do."""


class Outbox:
    """Writes results to a store; those that it does not take now wait on disk.

    Args:
        store: Held by this process.
        study: Whose experiment the results go to.
        told: Told in a sentence when the store is away, and when it is back.
    """

    def __init__(self, store: Store, study: Study, told: Callable[[str], object] = lambda _: None) -> None:
        self._store, self._study, self._told = store, study, told
        self._folder = store.waiting
        self._pause, self._next = FIRST, 0.0
        self.waiting = self._left()

    def add(self, result: TrialResult, name: str = "") -> None:
        """Write a result, or keep it: the next `add` or `flush` writes it.

        Args:
            result: What to record.
            name: The run's name; default: the trial's.

        Raises:
            UserError: The store takes nothing, and will not by waiting: the disk is full, or it is read-only.
        """
        if not self.waiting:
            try:
                self._store.write(self._study, result, name)
            except StoreUnavailableError as away:
                self._keep(result, name)
                self._later(away)
            except UserError as error:
                self._keep_if_possible(result, name, error)
            return
        self._keep(result, name)
        self._try()

    def write(self, result: TrialResult, name: str = "") -> str:
        """Write a result and wait until the store has it; returns the id of its run.

        Raises:
            UserError: The store takes nothing, or was away for too long; the result waits on disk.
        """
        try:
            return self._store.write(self._study, result, name)
        except StoreUnavailableError as away:
            self._keep(result, name)
            self._later(away)
        except UserError as error:
            self._keep_if_possible(result, name, error)
        return self.flush()

    def flush(self) -> str:
        """Wait until all that was kept is written; returns the id of the last run.

        Raises:
            UserError: The store was away for longer than `PATIENCE`; says where the results wait.
        """
        end, run_id = time.monotonic() + TIMEOUT_SECONDS, ""
        while self.waiting:
            time.sleep(max(0.0, min(self._next, end) - time.monotonic()))
            run_id = self._try(last=time.monotonic() >= end) or run_id
        return run_id

    def _try(self, *, last: bool = False) -> str:
        """Write what waits, the oldest first, where it is time to; returns the id of the last run that was written."""
        run_id = ""
        if time.monotonic() < self._next and not last:
            return run_id
        count = len(self.waiting)
        while self.waiting:
            file = self.waiting[0]
            try:
                result, name = _read(file)
                run_id = self._store.write_once(self._study, result, name)
            except StoreUnavailableError as away:
                if last:
                    raise UserError(f"{away}. {self._kept()}") from away
                self._later(away)
                return run_id
            file.unlink(missing_ok=True)
            self.waiting.pop(0)
        self._pause, self._next = FIRST, 0.0
        self._told(f"the store is back: {_counted(count)} that waited {'is' if count == 1 else 'are'} written")
        return run_id

    def _later(self, away: StoreUnavailableError) -> None:
        if self._pause == FIRST:
            self._told(f"{away}. Trials go on, their results wait in {self._folder}")
        self._next = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST)

    def _kept(self) -> str:
        return f"{_counted(len(self.waiting))} kept in {self._folder}: the same command writes them when it is back"

    def _keep(self, result: TrialResult, name: str) -> None:
        """Keep a result whole: the file appears under its name when all of it is on disk."""
        file = self._folder / f"{time.time_ns()}-{os.getpid()}-{result.trial.id}.json"
        part = file.with_suffix(".part")
        self._folder.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as stream:
            json.dump(_described(result, name, self._study.report_name), stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(file)
        self.waiting.append(file)

    def _keep_if_possible(self, result: TrialResult, name: str, error: UserError) -> None:
        try:
            self._keep(result, name)
        except OSError:
            raise error from None
        raise UserError(f"{error}. {self._kept()}") from error

    def _left(self) -> list[Path]:
        """What an earlier process left of this study, the oldest first."""
        for part in self._folder.glob("*.part"):  # of a process that was killed while it kept a result
            part.unlink(missing_ok=True)
        return [file for file in sorted(self._folder.glob("*.json")) if _load(file)["study"] == self._study.report_name]


def _counted(count: int) -> str:
    return f"{count} result{'s' * (count != 1)}"


def _described(result: TrialResult, name: str, study: str) -> dict[str, Any]:
    return {
        "study": study,
        "name": name,
        "label": result.trial.label,
        "trial": result.trial.description(),
        "outcome": result.outcome.value,
        "reason": result.reason,
        "points": [[p.metric, p.epoch, p.step, p.value] for p in result.points],
        "weights": result.weights,
        "timing": asdict(result.timing),
        "environment": dict(result.environment),
        "started": result.started,
    }


def _load(file: Path) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        kept["study"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: it is no result that Ravine kept. Remove it, and its trial is run again") from error
    return kept


def _read(file: Path) -> tuple[TrialResult, str]:
    kept = _load(file)
    result = TrialResult(
        trial=Trial.from_description(kept["trial"], kept["label"]),
        outcome=Outcome(kept["outcome"]),
        reason=kept["reason"],
        points=tuple(Point(*point) for point in kept["points"]),
        weights=kept["weights"],
        timing=Timing(**kept["timing"]),
        environment=kept["environment"],
        started=kept["started"],
    )
    return result, kept["name"]
