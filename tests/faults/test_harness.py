"""`kills`: each fault that a killed study must not have is caused, and is counted."""

import copy
import json
import random
import shutil
import sqlite3
import subprocess
import uuid

import kills
import pytest
import scale
from kills import Scene, Tally, Undisturbed, story

from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tracking.store import Store, locate

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("harness")]

COUNTS = ("orphans", "lost", "doubled", "unlike", "unfinished", "tracebacks")
LINES = "for line in 1 2 3 4 5 6 7; do echo $line; done; "
"""Enough progress for a kill after some of it."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Run two trials and their report once, and return the folder."""
    folder = tmp_path_factory.mktemp("harness") / "undisturbed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kills, "REPEATS", {"run": 1})
        found = Undisturbed(folder, "run")
    assert len(found.trials) == 2
    return folder, found


@pytest.fixture
def count(undisturbed, tmp_path, monkeypatch):
    """Return a function that counts the faults of a story with one kill; commands are scripts that copy a study.

    `doctor` gets the scene and changes the results; `killed` and `last` are the scripts of the killed command and of the
    last one. The signal is SIGINT.
    """
    folder, expected = undisturbed

    def tell(doctor=lambda _: None, killed="sleep 60", last="exit 0", command="run", expected=expected, survived=1):
        class Acted(Scene):
            def start(self, workers=2):
                at_last, self.started = hasattr(self, "started"), True
                if at_last:
                    shutil.copytree(folder / "out", self.folder / "out")
                    doctor(self)
                with (self.folder / "said").open("w") as said:
                    environment = {"PATH": "/usr/bin:/bin", kills.MARK: self.mark}
                    shell = ["sh", "-c", LINES + (last if at_last else killed)]
                    return subprocess.Popen(
                        shell, cwd=self.folder, env=environment, stdout=said, stderr=said, start_new_session=True
                    )

        monkeypatch.setattr(kills, "Scene", Acted)
        monkeypatch.setattr(kills, "MOMENTS", ("progress",))
        monkeypatch.setattr(kills, "SIGNALS", (kills.signal.SIGINT,))
        monkeypatch.setattr(kills, "TIMEOUT_SECONDS", 1.0)
        monkeypatch.setitem(kills.REPEATS, command, 1)
        tally = Tally()
        story(tmp_path / uuid.uuid4().hex, command, expected, 1, random.Random(0), tally)
        assert sum(tally.kills.values()) == survived
        counts = {name: getattr(tally, name) for name in COUNTS}
        assert tally.faultless == (not any(counts.values()))
        return {name: count for name, count in counts.items() if count}

    return tell


def _change(scene, statement):
    """Execute a statement on the store."""
    with sqlite3.connect(scene.folder / "out" / "mlflow.db") as connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


ONE = "run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'ravine.trial' LIMIT 1)"


def _edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_study_with_the_same_results_has_no_fault(count):
    """No fault is counted if results are equal, even if measured times differ."""

    def slower(scene):
        table = scene.folder / "out/reports/killed/table.csv"
        names, *rows = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()]
        (at, *_) = [i for i, name in enumerate(names) if "second" in name]
        rows[0][at] = "12345.0"
        table.write_text("\n".join(",".join(row) for row in (names, *rows)) + "\n", encoding="utf-8")

    assert count(slower) == {}


def test_a_worker_left_behind_is_an_orphan_and_is_ended(count, tmp_path):
    """A process of the killed command that outlives it in its own session is counted and ended; no other process is."""
    orphan = f"setsid sh -c 'echo $$ > {tmp_path}/orphan; exec sleep 61' & sleep 60"
    with subprocess.Popen(["sleep", "60"], env={"PATH": "/usr/bin:/bin"}) as stranger:
        assert count(killed=orphan) == {"orphans": 1}
        assert int((tmp_path / "orphan").read_text()) not in kills._living()
        assert stranger.poll() is None
        stranger.kill()


def test_a_traceback_at_ctrl_c_is_counted(count):
    """A traceback that the command prints at Ctrl-C is counted."""
    killed = "trap 'echo Traceback; exit 130' INT; " + LINES + "while :; do sleep 0.1; done"
    assert count(killed=killed) == {"tracebacks": 1}


def test_a_study_that_does_not_resume_is_unfinished(count):
    """The last command exits with an error."""
    assert count(last="exit 1") == {"unfinished": 1}


def test_a_command_that_fails_before_its_kill_is_unfinished(count):
    """A command that exits with an error before its kill is counted; one that completes is not."""
    assert count(killed="exit 1", survived=0) == {"unfinished": 1}
    assert count(killed="exit 0", survived=0) == {}


def test_a_deleted_record_is_a_lost_trial(count):
    """A run is deleted."""
    assert count(lambda scene: _change(scene, f"UPDATE runs SET lifecycle_stage = 'deleted' WHERE {ONE}")) == {
        "lost": 1
    }


def test_a_run_without_an_end_is_a_lost_trial(count):
    """A run has the status RUNNING although no process works on it."""
    assert count(lambda scene: _change(scene, f"UPDATE runs SET status = 'RUNNING' WHERE {ONE}")) == {
        "lost": 1,
        "unlike": 1,
    }


def test_a_copied_record_is_counted(count):
    """A run of a trial is copied under another run id."""

    def double(scene):
        trial, *_ = plan(load_study(scene.folder / "killed.toml"))
        out = scene.folder / "out"
        known = Store(locate(str(out), out), out, create=False).records([trial.id])
        scale.copy(out / "mlflow.db", [(known[trial.id], trial)])

    assert count(double) == {"doubled": 1}


def test_a_trial_of_another_id_is_a_difference(count):
    """A run has an id that the undisturbed study does not have."""

    def rename(scene):
        _change(scene, f"UPDATE tags SET value = 'another' WHERE key = 'ravine.trial' AND {ONE}")

    assert count(rename) == {"lost": 1, "unlike": 1}


def test_other_weights_are_a_difference(count):
    """One digit of a digest is changed; the table is not."""

    def alter(scene):
        manifest = scene.folder / "out/reports/killed/manifest.json"
        weights = json.loads(manifest.read_text(encoding="utf-8"))["trials"][-1]["weights"]
        _edit(manifest, weights, weights[:-1] + ("0" if weights[-1] != "0" else "1"))

    assert count(alter) == {"unlike": 1}


def test_another_table_cell_is_a_difference(count):
    """A cell that is not a measured time is changed."""
    assert count(lambda scene: _edit(scene.folder / "out/reports/killed/table.csv", "SGD,", "SGD ,")) == {"unlike": 1}


def test_another_tuning_is_a_difference(count, undisturbed):
    """A configuration is added or missing, or the tuned study differs."""
    folder, expected = undisturbed
    tuned = copy.copy(expected)
    tuned.facts = expected.facts | {"tuned": "lr = 0.1"}

    def end(scene, text="lr = 0.1"):
        shutil.copytree(folder / "out/reports/killed", scene.folder / "out/reports/killed_tuned")
        (scene.folder / "out/studies").mkdir()
        (scene.folder / "out/studies/killed_tuned.toml").write_text(text, encoding="utf-8")

    assert count(end, command="tune", expected=tuned) == {}
    assert count(lambda scene: end(scene, "lr = 0.2"), command="tune", expected=tuned) == {"unlike": 1}
    tuned.tried = [("a", 0, 2, "complete", 0.5)]
    assert count(end, command="tune", expected=tuned) == {"unlike": 1}
