"""A store on servers: MLflow and Optuna on a real PostgreSQL give what the files of this machine give."""

import dataclasses

import pandas as pd
import pytest
import servers

from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking.store import Store, locate
from suite.tuning import search
from suite.tuning import storage as optuna_storage

pytestmark = [pytest.mark.xdist_group("servers"), pytest.mark.usefixtures("no_figures")]

TUNE = "\n[tune]\ntrials = 3\nbatch = 2\nrepeats = 1\nobjective = 'validation/loss'\nparameters = ['lr']\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an MLflow server on PostgreSQL, and the URL of another database there."""
    with (
        servers.postgresql("mlflow", "optuna") as (backend, other),
        servers.mlflow(backend, tmp_path_factory.mktemp("artifacts")) as address,
    ):
        yield address, other


def _found(here, store, storage, path):
    """What was recorded and reported: weights and tables of the study and of the tuned study, and what was tried."""
    records = Store(locate(store, here / "out"), here / "out", create=False)
    tuned = here / "out" / "studies" / f"{path.stem}_tuned.toml"
    found = {}
    for each in (load_study(path), load_study(tuned)):
        done = records.records([trial.id for trial in plan(each)])
        found[each.name] = {trial: (record.outcome, record.weights) for trial, record in done.items()}
        table = pd.read_csv(here / "out" / "reports" / each.name / "table.csv")
        found[f"table of {each.name}"] = table[[name for name in table if "second" not in name]].to_csv()
    searches = search.make_searches(load_study(path))
    with optuna_storage.Storage(optuna_storage.locate(storage, records.root or here / "out")) as optuna:
        tried = [each for search in searches for each in optuna_storage.configurations(optuna, search)]
    plain = {"seconds": 0, "run_id": "", "recorded": 0}
    found["tried"] = [dataclasses.replace(each, **plain) for each in tried]
    kept = [dataclasses.replace(each, **plain) for each in records.configurations(path.stem)]
    assert sorted(kept, key=str) == sorted(found["tried"], key=str)
    return found


def test_a_study_and_a_tuning_on_postgresql_are_those_on_sqlite(call, write_study, here, server):
    """Same digests, tables and configurations; nothing is run twice; only Ravine's own lines are printed; and it merges."""
    address, optuna = server
    path = write_study(extra=TUNE)
    found = []
    for store, storage in (("local", None), (address, optuna)):
        options = ["--store", store, "--workers", "2"]
        status, said, told = call("run", path, *options)
        assert status == 0, told
        assert "View run" not in said + told
        status, _, told = call("tune", path, *options, *(["--storage", storage] if storage else []))
        assert status == 0, told
        found.append(_found(here, store, storage, path))
    assert found[0] == found[1]
    assert len(found[0]["toy_study"]) == 4
    assert len(found[0]["tried"]) == 6
    assert "All 4 trials are done." in call("run", path, "--store", address)[2]
    assert call("run", path, "--repeats", 3, "--store", "local")[0] == 0
    assert call("export", path, "more.zip", "--repeats", 3, "--store", "local")[0] == 0
    assert "2 trials recorded in http://127.0.0.1" in call("merge", "more.zip", "--store", address)[1]
    assert call("run", path, "--repeats", 3, "--store", address)[2].startswith("All 6 trials are done.")


def test_two_coordinators_on_one_server_leave_each_other_alone(write_study, here, server, monkeypatch):
    """One on a machine of another name: its live run is not swept, its study is held, and another study is free."""
    from mlflow import MlflowClient

    from suite.errors import UserError
    from suite.tracking import lease

    for name, value in {"BEAT": 0.5, "PATIENCE": 5.0, "SETTLE": 0.2}.items():
        monkeypatch.setattr(lease, name, value)
    address, _ = server
    study, other = load_study(write_study(name="shared")), load_study(write_study(name="another"))
    first, second = (Store(address, here / "out") for _ in range(2))
    client = MlflowClient(address)
    name = lease.socket.gethostname()
    with first.lock(study):
        run = client.create_run(first._experiment(study), tags={"ravine.owner": name, "ravine.process": "1 1 1 1 1"})
        # From here on this process is one of another machine, with a cache of its own.
        monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
        monkeypatch.setattr(lease.socket, "gethostname", lambda: "far")
        with pytest.raises(UserError, match=rf"shared: held by `.*` on {name} "), second.lock(study):
            pass
        with second.lock(other):
            assert second.delete_incomplete_runs() == 0
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        monkeypatch.setattr(lease.socket, "gethostname", lambda: name)
    with second.lock(study):
        pass
