"""Optuna's storage of searches, locked by one process at a time."""

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
"""Attributes in the storage: a trial's complete record, its run in MLflow, and a study's protocol."""


def locate(storage: str | None, folder: Path) -> str:
    """Return the URL of Optuna's storage: from `--storage`, else the SQLite file `optuna.db`.

    Args:
        storage: A URL of a database (`sqlite:///…`, `postgresql://…`), or the path of a SQLite file.
        folder: The folder of the default file.

    Raises:
        UserError: It is empty, or an invalid address.
    """
    url = str(folder / "optuna.db") if storage is None else storage
    hint = "Write the path of a SQLite file, or one of sqlite:///…, postgresql://…, mysql://…"
    return databases.parse_address(url, ("postgresql", "mysql"), "--storage", hint)


class Storage:
    """Optuna's storage, locked by this process while the context is open.

    Args:
        url: From `locate`.

    Raises:
        UserError: Another process has locked it, it is damaged, or it is a database of another program.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.file = databases.sqlite_file(url)
        self.place = databases.place(url)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with self.store_errors("opened"), contextlib.ExitStack() as stack:
            if self.file:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            self._check_tables()
            stack.enter_context(file_lock(self.url, "Wait until it ends, stop it, or choose another with --storage"))
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)
            if self.file and not self.file.exists():
                with databases.create_atomically(self.file) as url:
                    new = optuna.storages.RDBStorage(url)
                    new.remove_session()
                    new.engine.dispose()
            self._rdb = optuna.storages.RDBStorage(self.url)
            stack.callback(self._rdb.engine.dispose)
            stack.callback(self._rdb.remove_session)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _check_tables(self) -> None:
        """Refuse another program's database, because Optuna would create its tables there."""
        import sqlalchemy

        if self.file:
            databases.check_sqlite(self.file, OPTUNA_TABLES, "Optuna", "--storage")
            return
        engine = sqlalchemy.create_engine(self.url)
        try:
            names = sqlalchemy.inspect(engine).get_table_names()
        finally:
            engine.dispose()
        databases.check_tables(self.place, names, OPTUNA_TABLES, "Optuna", "--storage")

    @contextlib.contextmanager
    def store_errors(self, done: str) -> Iterator[None]:
        """Raise the exceptions of an unavailable, damaged or read-only storage as a `UserError`."""
        from optuna.exceptions import OptunaError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except ImportError as error:
            raise UserError(self.place, str(error), databases.DRIVER) from error
        except (OSError, OptunaError, SQLAlchemyError, RuntimeError, ValueError) as error:
            cause = databases.cause(error)
            if "database is locked" in cause:
                hint = "End the process that has locked it (a backup, a viewer)"
            elif not self.file:
                hint = "Check that the server is running"
            elif os.path.isfile(self.file):  # noqa: PTH113 (never raises)
                hint = "Remove it to start anew (recorded trials are not run again)"
            else:
                hint = "Give the path of a file"
            problem = f"Optuna's storage cannot be {done}: {cause}"
            raise UserError(self.place, problem, f"{hint}, or choose another with --storage") from error

    def study(self, search: Search) -> optuna.Study:
        """Return the Optuna study of a search; create it if necessary.

        Raises:
            UserError: A study of that name has trials that Ravine did not write.
        """
        import optuna

        with self.store_errors("read"):
            study = optuna.create_study(
                storage=self._rdb,
                study_name=search.optuna,
                direction=direction(search),
                pruner=optuna.pruners.NopPruner(),
                sampler=optuna.samplers.RandomSampler(seed=0),  # never used: see `suite.tuning.sampling`
                load_if_exists=True,
            )
            trials = study.get_trials(deepcopy=False)
            if not trials and PROTOCOL not in study.user_attrs:
                study.set_user_attr(PROTOCOL, search.protocol)
            is_ours = study.user_attrs.get(PROTOCOL) == search.protocol and all(
                trial.state is optuna.trial.TrialState.RUNNING or CONFIGURATION in trial.user_attrs for trial in trials
            )
        if not is_ours:
            problem = f'the Optuna study "{search.optuna}" has trials that Ravine did not write'
            hint = "Delete it (optuna delete-study), or choose another storage with --storage"
            raise UserError(self.place, problem, hint)
        return study


def configurations(storage: Storage, search: Search) -> list[Configuration]:
    """Return the recorded configurations of a search by number, at most as many as the study requests."""
    study = storage.study(search)
    with storage.store_errors("read"):
        trials = study.get_trials(deepcopy=False)[: search.configurations]
        return [configuration(trial) for trial in trials if CONFIGURATION in trial.user_attrs]


def configuration(trial: FrozenTrial) -> Configuration:
    """Return the configuration in the attributes of an Optuna trial."""
    description = json.loads(trial.user_attrs[CONFIGURATION])
    return Configuration.from_description(description, run_id=trial.user_attrs.get(RUN, ""))
