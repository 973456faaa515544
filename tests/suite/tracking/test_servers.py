"""Tests of a store on servers: MLflow and Optuna on a real PostgreSQL have the results of local files."""

import dataclasses

import pandas as pd
import pytest
import servers

from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking.store import Store, locate
from suite.tuning import search
from suite.tuning import storage as optuna_storage

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("servers"), pytest.mark.usefixtures("no_figures")]

TUNE = "\n[tune]\ntrials = 3\nbatch = 2\nrepeats = 1\nobjective = 'validation/loss'\nparameters = ['lr']\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an MLflow server on PostgreSQL, and the URL of another database there."""
    with (
        servers.postgresql("mlflow", "optuna") as (backend, other),
        servers.mlflow(backend, tmp_path_factory.mktemp("artifacts")) as address,
    ):
        yield address, other


def _contents(here, store, storage, path):
    """Return what was recorded and reported: weights and tables of the study and the tuned study, and configurations."""
    records = Store(locate(store, here / "out"), here / "out", create=False)
    tuned = here / "out" / "studies" / f"{path.stem}_tuned.toml"
    contents = {}
    for study in (load_study(path), load_study(tuned)):
        done = records.records([trial.id for trial in plan(study)])
        contents[study.name] = {trial: (record.outcome, record.weights) for trial, record in done.items()}
        table = pd.read_csv(here / "out" / "reports" / study.name / "table.csv")
        contents[f"table of {study.name}"] = table[[name for name in table if "second" not in name]].to_csv()
    searches = search.make_searches(load_study(path))
    varying = {"seconds": 0, "run_id": "", "recorded": 0}
    with optuna_storage.Storage(optuna_storage.locate(storage, records.root or here / "out")) as optuna:
        contents["configurations"] = [
            dataclasses.replace(configuration, **varying)
            for search in searches
            for configuration in optuna_storage.configurations(optuna, search)
        ]
    recorded = [dataclasses.replace(configuration, **varying) for configuration in records.configurations(path.stem)]
    assert sorted(recorded, key=str) == sorted(contents["configurations"], key=str)
    return contents


def test_a_study_and_a_tuning_on_postgresql_are_those_on_sqlite(call, write_study, here, server):
    """Digests, tables and configurations are equal; nothing is run twice; MLflow prints nothing; and a merge works."""
    address, optuna = server
    path = write_study(extra=TUNE)
    contents = []
    for store, storage in (("local", None), (address, optuna)):
        options = ["--store", store, "--workers", "2"]
        status, out, err = call("run", path, *options)
        assert status == 0, err
        assert "View run" not in out + err
        status, _, err = call("tune", path, *options, *(["--storage", storage] if storage else []))
        assert status == 0, err
        contents.append(_contents(here, store, storage, path))
    assert contents[0] == contents[1]
    assert len(contents[0]["toy_study"]) == 4
    assert len(contents[0]["configurations"]) == 6
    assert "All 4 trials are done." in call("run", path, "--store", address)[2]
    assert call("run", path, "--repeats", 3, "--store", "local")[0] == 0
    assert call("export", path, "more.zip", "--repeats", 3, "--store", "local")[0] == 0
    assert "2 trials added to http://127.0.0.1" in call("merge", "more.zip", "--store", address)[1]
    assert call("run", path, "--repeats", 3, "--store", address)[2].startswith("All 6 trials are done.")


def test_two_coordinators_on_one_server_do_not_disturb_each_other(write_study, here, server, monkeypatch):
    """The second is on a machine of another name: it keeps the first one's run, cannot lock its study, and locks another."""
    from mlflow import MlflowClient

    from suite.errors import UserError
    from suite.tracking import lease

    for name, value in {"HEARTBEAT_SECONDS": 0.5, "TIMEOUT_SECONDS": 5.0, "SETTLE_SECONDS": 0.2}.items():
        monkeypatch.setattr(lease, name, value)
    address, _ = server
    study, other = load_study(write_study(name="shared")), load_study(write_study(name="another"))
    first, second = (Store(address, here / "out") for _ in range(2))
    client = MlflowClient(address)
    name = lease.socket.gethostname()
    with first.lock(study):
        run = client.create_run(first._experiment(study), tags={"ravine.owner": name, "ravine.process": "1 1 1 1 1"})
        # From here on this process is on another machine, with a separate cache.
        monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
        monkeypatch.setattr(lease.socket, "gethostname", lambda: "far")
        with pytest.raises(UserError, match=rf"shared: locked by `.*` on {name} "), second.lock(study):
            pass
        with second.lock(other):
            assert second.delete_incomplete_runs() == 0
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        monkeypatch.setattr(lease.socket, "gethostname", lambda: name)
    with second.lock(study):
        pass
