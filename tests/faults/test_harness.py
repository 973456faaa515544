"""`faults.kills` itself: what a killed study must never come to is made to happen, and each time the tally says so."""

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

pytestmark = pytest.mark.xdist_group("harness")

COUNTS = ("orphans", "lost", "doubled", "unlike", "unfinished", "tracebacks")
LINES = "for line in 1 2 3 4 5 6 7; do echo $line; done; "
"""Progress enough for a kill after some of it."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Two trials and their report, made once; where they lie."""
    folder = tmp_path_factory.mktemp("harness") / "undisturbed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kills, "REPEATS", {"run": 1})
        found = Undisturbed(folder, "run")
    assert len(found.trials) == 2
    return folder, found


@pytest.fixture
def told(undisturbed, tmp_path, monkeypatch):
    """What is counted of a story of one kill, where commands are scripts and come to a copy of what nobody disturbed.

    `doctor` gets the scene and changes what it came to; `killed` and `last` are what the command does that is killed, and
    what the last one does. The signal is SIGINT.
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
        monkeypatch.setattr(kills, "PATIENCE", 1.0)
        monkeypatch.setitem(kills.REPEATS, command, 1)
        tally = Tally()
        story(tmp_path / uuid.uuid4().hex, command, expected, 1, random.Random(0), tally)
        assert sum(tally.kills.values()) == survived
        counts = {name: getattr(tally, name) for name in COUNTS}
        assert tally.faultless == (not any(counts.values()))
        return {name: count for name, count in counts.items() if count}

    return tell


def _change(scene, statement):
    """Change the store."""
    with sqlite3.connect(scene.folder / "out" / "mlflow.db") as connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


ONE = "run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'ravine.trial' LIMIT 1)"


def _edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_study_that_comes_to_the_same_is_faultless(told):
    """Nothing is counted where nothing is wrong, also where measured times are others."""

    def slower(scene):
        table = scene.folder / "out/reports/killed/table.csv"
        names, *rows = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()]
        (at, *_) = [i for i, name in enumerate(names) if "second" in name]
        rows[0][at] = "12345.0"
        table.write_text("\n".join(",".join(row) for row in (names, *rows)) + "\n", encoding="utf-8")

    assert told(slower) == {}


def test_a_worker_left_behind_is_an_orphan_and_is_ended(told, tmp_path):
    """A process that the killed command started and that outlives it, in a session of its own; no other is touched."""
    orphan = f"setsid sh -c 'echo $$ > {tmp_path}/orphan; exec sleep 61' & sleep 60"
    with subprocess.Popen(["sleep", "60"], env={"PATH": "/usr/bin:/bin"}) as stranger:
        assert told(killed=orphan) == {"orphans": 1}
        assert int((tmp_path / "orphan").read_text()) not in kills._living()
        assert stranger.poll() is None
        stranger.kill()


def test_a_traceback_at_ctrl_c_is_counted(told):
    """What the command prints as it goes."""
    killed = "trap 'echo Traceback; exit 130' INT; " + LINES + "while :; do sleep 0.1; done"
    assert told(killed=killed) == {"tracebacks": 1}


def test_a_study_that_does_not_go_on_is_unfinished(told):
    """The last command ends with an error."""
    assert told(last="exit 1") == {"unfinished": 1}


def test_a_command_that_breaks_by_itself_is_unfinished(told):
    """It ended with an error before it was killed; one that was through before is none."""
    assert told(killed="exit 1", survived=0) == {"unfinished": 1}
    assert told(killed="exit 0", survived=0) == {}


def test_a_trial_that_is_gone_is_lost(told):
    """A run that was deleted."""
    assert told(lambda scene: _change(scene, f"UPDATE runs SET lifecycle_stage = 'deleted' WHERE {ONE}")) == {"lost": 1}


def test_a_trial_without_an_end_is_lost_and_told(told):
    """A run that is said to go on although nobody is at work."""
    assert told(lambda scene: _change(scene, f"UPDATE runs SET status = 'RUNNING' WHERE {ONE}")) == {
        "lost": 1,
        "unlike": 1,
    }


def test_a_record_that_is_there_twice_is_doubled(told):
    """A copy of a trial's run, under another run id."""

    def double(scene):
        trial, *_ = plan(load_study(scene.folder / "killed.toml"))
        out = scene.folder / "out"
        known = Store(locate(str(out), out), out, create=False).records([trial.id])
        scale.copy(out / "mlflow.db", [(known[trial.id], trial)])

    assert told(double) == {"doubled": 1}


def test_a_trial_of_no_plan_makes_a_study_unlike(told):
    """A run of an id that the undisturbed study lacks."""

    def rename(scene):
        _change(scene, f"UPDATE tags SET value = 'another' WHERE key = 'ravine.trial' AND {ONE}")

    assert told(rename) == {"lost": 1, "unlike": 1}


def test_other_weights_make_a_study_unlike(told):
    """One digit of one digest, with the same table."""

    def alter(scene):
        manifest = scene.folder / "out/reports/killed/manifest.json"
        weights = json.loads(manifest.read_text(encoding="utf-8"))["trials"][-1]["weights"]
        _edit(manifest, weights, weights[:-1] + ("0" if weights[-1] != "0" else "1"))

    assert told(alter) == {"unlike": 1}


def test_another_cell_of_the_table_makes_a_study_unlike(told):
    """A number that is no measured time."""
    assert told(lambda scene: _edit(scene.folder / "out/reports/killed/table.csv", "SGD,", "SGD ,")) == {"unlike": 1}


def test_another_tuning_makes_a_study_unlike(told, undisturbed):
    """A configuration that the undisturbed tuning lacks or has alone, and a tuned study that says something else."""
    folder, expected = undisturbed
    tuned = copy.copy(expected)
    tuned.facts = expected.facts | {"tuned": "lr = 0.1"}

    def end(scene, text="lr = 0.1"):
        shutil.copytree(folder / "out/reports/killed", scene.folder / "out/reports/killed_tuned")
        (scene.folder / "out/studies").mkdir()
        (scene.folder / "out/studies/killed_tuned.toml").write_text(text, encoding="utf-8")

    assert told(end, command="tune", expected=tuned) == {}
    assert told(lambda scene: end(scene, "lr = 0.2"), command="tune", expected=tuned) == {"unlike": 1}
    tuned.tried = [("a", 0, 2, "complete", 0.5)]
    assert told(end, command="tune", expected=tuned) == {"unlike": 1}
