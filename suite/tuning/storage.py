"""Optuna's storage: where searches keep what they tried, held by one process at a time."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Self

from suite.errors import UserError
from suite.records import Configuration
from suite.tracking import databases
from suite.tracking.lock import file_lock
from suite.tuning.sampling import direction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import optuna
    from optuna.trial import FrozenTrial

    from suite.tuning.search import Search

OPTUNA_TABLES = {"studies", "trials", "trial_params", "version_info"}
CONFIGURATION, RUN, PROTOCOL = "ravine.configuration", "ravine.run", "ravine.protocol"
"""What the storage is told besides the values: a trial's whole record and its run in MLflow, a study's description."""


def locate(storage: str | None, beside: Path) -> str:
    """The URL of Optuna's storage: what `--storage` names, else the SQLite file `optuna.db`.

    Args:
        storage: A URL of a database (`sqlite:///…`, `postgresql://…`), or the path of a SQLite file.
        beside: The folder of the default file.

    Raises:
        UserError: It is empty, or no such address.
    """
    url = str(beside / "optuna.db") if storage is None else storage
    mend = "Write the path of a SQLite file, or one of sqlite:///…, postgresql://…, mysql://…"
    if url in {"", databases.SQLITE}:
        raise UserError(f"--storage: it is empty. {mend}, or leave --storage out")
    if "://" in url and not url.startswith(databases.SQLITE):
        databases.check_address(url, ("postgresql", "mysql"), "--storage", mend)
        return url
    return databases.whole_address(url, "--storage")


class Storage:
    """Optuna's storage, held by this process.

    Args:
        url: As `locate` gives it.

    Raises:
        UserError: It is held by another process, broken, or a database of something else.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.file = databases.sqlite_file(url)
        self.place = databases.place(url)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with self.told("opened"), contextlib.ExitStack() as stack:
            if self.file:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            self._refuse_others()
            stack.enter_context(file_lock(self.url, "--storage chooses another"))
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)
            if self.file and not self.file.exists():
                _make(self.file)
            self._rdb = optuna.storages.RDBStorage(self.url)
            stack.callback(self._rdb.engine.dispose)
            stack.callback(self._rdb.remove_session)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _refuse_others(self) -> None:
        """Optuna would make its tables in whatever database it is given."""
        import sqlalchemy

        if self.file:
            databases.check_sqlite(self.file, OPTUNA_TABLES, "Optuna", "--storage")
            return
        engine = sqlalchemy.create_engine(self.url)
        try:
            tables = set(sqlalchemy.inspect(engine).get_table_names())
        finally:
            engine.dispose()
        if tables and not tables >= OPTUNA_TABLES:
            raise UserError(
                f"{self.place}: it is a database of something else (tables {', '.join(sorted(tables)[:3])}, ...), "
                "not of Optuna. --storage chooses another"
            )

    @contextlib.contextmanager
    def told(self, done: str) -> Iterator[None]:
        """Turn what a storage that is away, broken or not writable raises into one line."""
        from optuna.exceptions import OptunaError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except ImportError as error:
            raise UserError(f"{self.place}: {error}. {databases.DRIVER}") from error
        except (OSError, OptunaError, SQLAlchemyError, RuntimeError, ValueError) as error:
            why = databases.cause(error)
            mend = "Is the server up?"
            if self.file:
                mend = "Remove it to start anew (recorded trials are not run again)"
                mend = mend if os.path.isfile(self.file) else "Give the path of a file"  # noqa: PTH113 (never raises)
            mend = "Another process holds it (a backup, a viewer?): end that" if "database is locked" in why else mend
            raise UserError(
                f"{self.place}: Optuna's storage cannot be {done}: {why}. {mend}, or choose another with --storage"
            ) from error

    def study(self, search: Search) -> optuna.Study:
        """The Optuna study of a search, made where it is not there.

        Raises:
            UserError: There is one of that name that Ravine did not make.
        """
        import optuna

        with self.told("read"):
            found = optuna.create_study(
                storage=self._rdb,
                study_name=search.optuna,
                direction=direction(search),
                pruner=optuna.pruners.NopPruner(),
                sampler=optuna.samplers.RandomSampler(seed=0),  # never asked: proposals are made apart
                load_if_exists=True,
            )
            trials = found.get_trials(deepcopy=False)
            if not trials and PROTOCOL not in found.user_attrs:
                found.set_user_attr(PROTOCOL, search.protocol)
            ours = found.user_attrs.get(PROTOCOL) == search.protocol and all(
                trial.state is optuna.trial.TrialState.RUNNING or CONFIGURATION in trial.user_attrs for trial in trials
            )
        if not ours:
            raise UserError(
                f'{self.place}: the Optuna study "{search.optuna}" holds what Ravine did not put there. '
                "Delete it (optuna delete-study), or choose another storage with --storage"
            )
        return found


def _make(file: Path) -> None:
    """Make a storage in a SQLite file: all of it, or nothing."""
    import optuna

    with databases.create_atomically(file) as url:
        made = optuna.storages.RDBStorage(url)
        made.remove_session()
        made.engine.dispose()


def configurations(storage: Storage, search: Search) -> list[Configuration]:
    """What a search has tried so far, by number, as far as the study asks for."""
    found = storage.study(search)
    with storage.told("read"):
        trials = found.get_trials(deepcopy=False)[: search.configurations]
        return [configuration(trial) for trial in trials if CONFIGURATION in trial.user_attrs]


def configuration(trial: FrozenTrial) -> Configuration:
    """What Optuna was told of a configuration."""
    description = json.loads(trial.user_attrs[CONFIGURATION])
    return Configuration.from_description(description, run_id=trial.user_attrs.get(RUN, ""))
