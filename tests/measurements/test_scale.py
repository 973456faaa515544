"""`tests/measurements/scale.py`: the records that it measures on are what the suite itself would find."""

import pandas as pd
import pytest
import scale

from reports.pages.study import build
from suite.execution import runner
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking.store import Store, locate

pytestmark = pytest.mark.integration


def test_copies_stand_for_the_trials_of_a_plan(here):
    """Thirty trials, ten of them run: all have a record of their own description, with points, and a report counts them."""
    path = scale.write_study(here, 30)
    assert scale.fill(here, path) > 0
    trials = plan(load_study(path))
    store = Store(locate(str(here), here), here, create=False)
    records = store.records([trial.id for trial in trials])
    assert runner.missing(trials, records) == []
    assert [records[trial.id].trial.id for trial in trials] == [trial.id for trial in trials]
    assert len({record.run_id for record in records.values()}) == 30
    assert set(store.points(records.values())["trial_id"]) == set(records)
    build(load_study(path), trials, store, here / "report")
    assert pd.read_csv(here / "report" / "table.csv")["ok"].tolist() == [3] * 10


def test_sizes_that_are_not_measured_keep_their_row(monkeypatch, tmp_path):
    """A second call adds its row in the order of the sizes, and replaces one of its own size."""
    monkeypatch.setattr(scale, "DOCUMENT", tmp_path / "scale.md")
    scale.DOCUMENT.write_text("<!-- scale -->\n\n<!-- end of scale -->\n", encoding="utf-8")
    row = {"record": 20.0, "plan": {"seconds": 0.5, "megabytes": 100.0}, "database": 2**20, "files": 2**21}
    monkeypatch.setattr(scale, "measure", lambda trials: row | {"trials": trials})
    for sizes in (["2000"], ["1000", "2000"]):
        monkeypatch.setattr("sys.argv", ["scale.py", *sizes])
        scale.main()
    lines = scale.DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert lines[3:5] == ["| 1,000 | 0.5 | 100 |  |  |  |  | 1 | 2 |", "| 2,000 | 0.5 | 100 |  |  |  |  | 1 | 2 |"]
