"""Results that are kept on disk while the store is unavailable, and written when it is available again.

A server that does not respond, or a database that another process has locked, stops no trial. Each result that ends
meanwhile is kept complete as a JSON file in `out/pending/<store>/`, and written in its turn. If the process ends before the
store is available again, the next process writes the files.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from suite.errors import UserError
from suite.records import Point, TrialResult
from suite.tracking import serialization
from suite.tracking.store import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from suite.spec.study import Study
    from suite.tracking.store import Store

MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.5, 15.0
"""Seconds between two attempts to reach the store: at first, then doubled each time up to the maximum."""
TIMEOUT_SECONDS = 600.0
"""Seconds to wait for the store once there is nothing else to do."""


class Outbox:
    """Writes results to a store, or keeps them on disk while it is unavailable.

    Args:
        store: The store, locked by this process.
        study: The study whose experiment the results belong to.
        notify: Called with a message when the store becomes unavailable, and when it is available again.

    Attributes:
        pending: The files of the results that are not yet written, the oldest first.
    """

    def __init__(self, store: Store, study: Study, notify: Callable[[str], object] = lambda _: None) -> None:
        self._store, self._study, self._notify = store, study, notify
        self._retry_seconds, self._next_attempt = MIN_RETRY_SECONDS, 0.0
        self.pending = self._find_pending()

    def add(self, result: TrialResult, name: str = "") -> None:
        """Write a result, or keep it for the next `add` or `flush`.

        Args:
            result: What to record.
            name: The name of the run. Default: the trial's name.

        Raises:
            UserError: The store cannot be written, and waiting does not help: the disk is full, or it is read-only.
        """
        if self.pending:
            self._keep(result, name)
            self._write_pending()
        else:
            self._write_or_keep(result, name)

    def write(self, result: TrialResult, name: str = "") -> str:
        """Write a result, wait until the store has it, and return the id of its run.

        Raises:
            UserError: The store cannot be written, or was unavailable for too long; the result is kept on disk.
        """
        return self._write_or_keep(result, name) or self.flush()

    def _write_or_keep(self, result: TrialResult, name: str) -> str:
        """Write a result and return the id of its run, or keep it and return ""."""
        try:
            return self._store.write(self._study, result, name)
        except StoreUnavailableError as error:
            self._keep(result, name)
            self._postpone(error)
            return ""
        except UserError as error:
            try:
                self._keep(result, name)
            except OSError:
                raise error from None
            raise self._kept(error) from error

    def flush(self) -> str:
        """Wait until all pending results are written; return the id of the last run.

        Raises:
            UserError: The store was unavailable for longer than `TIMEOUT_SECONDS`; the message names the kept files.
        """
        end, run_id = time.monotonic() + TIMEOUT_SECONDS, ""
        while self.pending:
            time.sleep(max(0.0, min(self._next_attempt, end) - time.monotonic()))
            run_id = self._write_pending(last_attempt=time.monotonic() >= end) or run_id
        return run_id

    def _write_pending(self, *, last_attempt: bool = False) -> str:
        """Write pending results, the oldest first, if an attempt is due; return the id of the last run written."""
        run_id = ""
        if time.monotonic() < self._next_attempt and not last_attempt:
            return run_id
        count = len(self.pending)
        while self.pending:
            file = self.pending[0]
            try:
                result, name = _read(file)
                run_id = self._store.write_once(self._study, result, name)
            except StoreUnavailableError as error:
                if last_attempt:
                    raise self._kept(error) from error
                self._postpone(error)
                return run_id
            file.unlink(missing_ok=True)
            self.pending.pop(0)
        self._retry_seconds, self._next_attempt = MIN_RETRY_SECONDS, 0.0
        self._notify(f"{self._store.place}: the store is available again; {_count(count)} written")
        return run_id

    def _postpone(self, error: StoreUnavailableError) -> None:
        if self._retry_seconds == MIN_RETRY_SECONDS:
            self._notify(f"{error}. Trials continue, their results are kept in {self._store.pending_dir}")
        self._next_attempt = time.monotonic() + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, MAX_RETRY_SECONDS)

    def _kept(self, error: UserError) -> UserError:
        """Return the error with a note about the kept results."""
        location, problem, *hints = error.args
        kept = f"{_count(len(self.pending))} kept in {self._store.pending_dir}"
        return UserError(
            location, f"{problem}; {kept}", ". ".join([*hints, "The same command then writes what was kept"])
        )

    def _keep(self, result: TrialResult, name: str) -> None:
        """Keep a result on disk; the file gets its name when it is complete."""
        folder = self._store.pending_dir
        file = folder / f"{time.time_ns()}-{os.getpid()}-{result.trial.id}.json"
        part = file.with_suffix(".part")
        folder.mkdir(parents=True, exist_ok=True)
        values = serialization.to_dict(result) | {
            "study": self._study.report_name,
            "name": name,
            "points": [[p.metric, p.epoch, p.step, p.value] for p in result.points],
        }
        with part.open("w", encoding="utf-8") as stream:
            json.dump(values, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(file)
        self.pending.append(file)

    def _find_pending(self) -> list[Path]:
        """Return the files that an earlier process left of this study, the oldest first."""
        folder = self._store.pending_dir
        previous = folder.parents[1] / "waiting" / folder.name  # its name in the version before
        for part in folder.glob("*.part"):  # incomplete: the process was killed
            part.unlink(missing_ok=True)
        files = [*sorted(previous.glob("*.json")), *sorted(folder.glob("*.json"))]
        return [file for file in files if _load(file)["study"] == self._study.report_name]


def _count(count: int) -> str:
    return f"{count} pending result{'s' * (count != 1)}"


def _load(file: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        values["study"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(str(file), "not a result that Ravine kept", "Remove it; its trial then runs again") from error
    return values


def _read(file: Path) -> tuple[TrialResult, str]:
    """Return the result in a kept file, and the name of its run."""
    values = _load(file)
    points = tuple(Point(*point) for point in values["points"])
    return TrialResult(points=points, **serialization.from_dict(values)), values["name"]
