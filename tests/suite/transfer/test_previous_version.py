"""Tests of files that the previous version wrote: its export, store and kept results stay usable.

`tests/data/previous_version` has them from `ravine run digits --repeats 2 --epochs 2` of that version. Paths, host and process
in the store were replaced.
"""

import shutil
import tarfile
import zipfile
from pathlib import Path

import mlflow.store.db.utils
import pytest
import sqlalchemy

from suite.execution import runner
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking import serialization
from suite.tracking.outbox import Outbox
from suite.tracking.store import Store, locate
from suite.transfer import archive
from suite.transfer.merge import merge

DATA = Path(__file__).parents[2] / "data" / "previous_version"


@pytest.fixture
def study():
    """The study that the previous version ran."""
    return load_study("digits").override(repeats=2, epochs=2)


@pytest.fixture
def exported():
    """The export of the previous version."""
    return archive.read(DATA / "digits.zip")


@pytest.fixture
def old_store(here):
    """The store of the previous version, moved to another folder."""
    with tarfile.open(DATA / "store.tar.xz") as content:
        content.extractall(here / "old", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    folder = here / "old" / "out"
    engine = sqlalchemy.create_engine(f"sqlite:///{folder}/mlflow.db")
    mlflow.store.db.utils._upgrade_db(engine)  # a user of a newer MLflow runs `mlflow db upgrade`
    engine.dispose()
    return Store(locate(str(folder), here), here, create=False)


def test_an_export_is_merged_and_nothing_is_left_to_run(exported, store, study):
    """Every trial of the current plan is found by its id, with the result of the export."""
    trials = plan(study)
    assert [(trial.label, trial.id) for trial in exported.trials] == [(trial.label, trial.id) for trial in trials]
    assert merge(exported, store).added == len(trials) == 18
    records = store.records([trial.id for trial in trials])
    assert runner.missing(trials, records) == []
    for key, record in records.items():
        assert serialization.to_dict(record) == serialization.to_dict(exported.records_by_id[key])


def test_an_export_of_the_same_records_has_the_same_bytes(exported, store, study, here):
    """The names of study keys may change; records, measured values and the rest of the format do not."""
    merge(exported, store)
    archive.write(study, plan(study), store, here / "again.zip")
    with zipfile.ZipFile(DATA / "digits.zip") as old, zipfile.ZipFile(here / "again.zip") as new:
        assert old.namelist() == new.namelist()
        for name in (archive.RECORDS, archive.POINTS, archive.LOSSES):
            assert old.read(name) == new.read(name), name


def test_a_store_is_read_and_nothing_is_left_to_run(exported, old_store, study):
    """Records and histories are those of the export, and the store takes new records."""
    trials = plan(study)
    records = old_store.records([trial.id for trial in trials])
    assert runner.missing(trials, records) == []
    assert {record.outcome for record in records.values()} == {Outcome.OK}
    for key, record in records.items():
        assert serialization.to_dict(record) == serialization.to_dict(exported.records_by_id[key])
    keys = ["trial_id", "metric", "epoch", "step"]
    frames = [source.points(records.values())[[*keys, "value"]] for source in (old_store, exported)]
    rows = [sorted(frame.astype({"trial_id": str, "metric": str}).itertuples(index=False)) for frame in frames]
    assert rows[0] == rows[1]
    merged = merge(exported, old_store)
    assert (merged.added, merged.already_present) == (0, 18)
    assert old_store.delete_incomplete_runs() == 0
    assert old_store.studies() == ["digits"]


def test_a_kept_result_is_written(exported, store, study):
    """The previous version kept results of an unavailable store in the folder `waiting`."""
    folder = store.pending_dir.parents[1] / "waiting" / store.pending_dir.name
    folder.mkdir(parents=True)
    shutil.copy(DATA / "kept_result.json", folder / "1-1-86d94dd25cfdf523.json")
    Outbox(store, study).flush()
    assert list(folder.iterdir()) == []
    (record,) = store.records([trial.id for trial in plan(study)]).values()
    assert serialization.to_dict(record) == serialization.to_dict(exported.records_by_id[record.trial.id])
    frames = [source.points([record]) for source in (store, exported)]
    rows = [sorted(zip(f["metric"], f["epoch"], f["step"], f["value"], strict=True)) for f in frames]
    assert rows[0] == rows[1]
