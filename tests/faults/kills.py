"""Kills `ravine run` and `ravine tune` at random moments, continues, and compares with an undisturbed run.

`tox -e faults` runs many (`tox -e faults -- --kills 100 --seed 3`) and prints the counts; the tests run some.
"""

from __future__ import annotations

import argparse
import collections
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "support" / "toy.py"
STUDY = """
title = "Two optimizers, killed now and then"
problem = "toy:QUICK_BLOBS"
repeats = {repeats}
epochs = 2
batch_size = 64

[[optimizer]]
name = "SGD"
kind = "sgd"
lr = 0.1

[[optimizer]]
name = "Adam"
kind = "adam"
lr = 0.05

[tune]
trials = 10
batch = 2
repeats = 2
"""
REPEATS = {"run": 16, "tune": 4}
STUDIES = {"run": "killed", "tune": "killed_tuned"}
"""The study whose report each command builds at its end."""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOMENTS = ("time", "progress", "journal", "artifact")
MARK = "RAVINE_KILL_TEST"
EARLY = ("SemLock._rebuild", "in _get_module_details", "<frozen site>")
TIMEOUT_SECONDS = 30.0
"""Seconds that workers have to notice that their coordinator has exited, on a busy machine."""


@dataclass
class Tally:
    """Counts over all stories."""

    kills: collections.Counter = field(default_factory=collections.Counter)
    moments: collections.Counter = field(default_factory=collections.Counter)
    orphans: int = 0
    lost: int = 0
    doubled: int = 0
    unlike: int = 0
    unfinished: int = 0
    tracebacks: int = 0
    stories: int = 0
    messages: list = field(default_factory=list)

    @property
    def faultless(self) -> bool:
        """Whether no fault was counted."""
        return not (self.orphans or self.lost or self.doubled or self.unlike or self.unfinished or self.tracebacks)

    def lines(self) -> list[str]:
        """Return the counts as lines of text."""
        by_signal = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        by_moment = ", ".join(f"{name} {count}" for name, count in sorted(self.moments.items()))
        return [
            f"kills: {sum(self.kills.values())} in {self.stories} studies ({by_signal})",
            f"moments: {by_moment}",
            f"orphans: {self.orphans}",
            f"trials lost: {self.lost}",
            f"trials recorded twice: {self.doubled}",
            f"tables that differ from the undisturbed one: {self.unlike}",
            f"studies that did not go on to their end: {self.unfinished}",
            f"tracebacks at Ctrl-C: {self.tracebacks}",
            *self.messages,
        ]


class Scene:
    """A folder with the study, in which commands are started, killed and searched.

    Args:
        folder: Made, with the study and its problem in it.
        command: `run` or `tune`.
    """

    def __init__(self, folder: Path, command: str) -> None:
        self.folder, self.command = folder, command
        folder.mkdir(parents=True)
        shutil.copy(TOY, folder)
        (folder / "killed.toml").write_text(STUDY.format(repeats=REPEATS[command]), encoding="utf-8")
        self.mark = uuid.uuid4().hex

    def start(self, workers: int = 2) -> subprocess.Popen:
        """Start the command; its output and that of its workers goes to a file."""
        environment = {k: v for k, v in os.environ.items() if k not in {"MLFLOW_TRACKING_URI", "RAVINE_DATA"}}
        with (self.folder / "said").open("w") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "ravine", self.command, "killed.toml", "--workers", str(workers)],
                cwd=self.folder,
                env=environment | {MARK: self.mark},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def said(self) -> str:
        """Return the output of the last command so far."""
        return (self.folder / "said").read_text(encoding="utf-8", errors="replace")

    def left(self) -> list[int]:
        """Return the running processes that were started here, by a mark in their environment."""
        return [pid for pid in _living() if _has(pid, f"{MARK}={self.mark}".encode())]

    def facts(self) -> dict:
        """Return the results of the study without measured times: table, outcomes and weights of all trials, tuned study."""
        report = self.folder / "out" / "reports" / STUDIES[self.command]
        with (report / "table.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        measured = [i for i, name in enumerate(rows[0]) if "second" in name]
        assert measured, rows[0]
        table = [[cell for i, cell in enumerate(row) if i not in measured] for row in rows]
        manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
        found = {"table": table, "trials": [(t["trial_id"], t["outcome"], t["weights"]) for t in manifest["trials"]]}
        if self.command == "tune":
            found["tuned"] = (self.folder / "out" / "studies" / "killed_tuned.toml").read_text(encoding="utf-8")
        return found

    def recorded(self) -> tuple[collections.Counter, list[str], list[tuple]]:
        """Return the complete records per trial, the runs without an end, and the configurations of the tuning."""
        from suite.tracking.store import Store, locate

        out = self.folder / "out"
        store = Store(locate(str(out), out), out, create=False)
        runs = list(store._runs(""))
        whole = [run for run in runs if run.info.status != "RUNNING"]
        trials = collections.Counter(r.data.tags["ravine.trial"] for r in whole if "ravine.trial" in r.data.tags)
        tried = [(c.optuna, c.number, c.trials, str(c.state), c.value) for c in store.configurations("killed")]
        return trials, [run.info.run_name for run in runs if run.info.status == "RUNNING"], tried


def _living() -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _has(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


class Undisturbed:
    """The result and the duration of a command that is not killed."""

    def __init__(self, folder: Path, command: str) -> None:
        scene = Scene(folder, command)
        started = time.monotonic()
        status = scene.start().wait(timeout=600)
        self.seconds = time.monotonic() - started
        assert status == 0, scene.said()
        self.facts = scene.facts()
        self.trials, running, self.tried = scene.recorded()
        assert set(self.trials.values()) == {1}
        assert not running


def story(folder: Path, command: str, undisturbed: Undisturbed, kills: int, draw: random.Random, tally: Tally) -> None:
    """Start a study in an empty folder, kill and resume it N times, let it end, and compare.

    Args:
        folder: Where; made.
        command: `run` or `tune`.
        undisturbed: What to compare with.
        kills: How many.
        draw: Draws moments and workers.
        tally: Where it is counted.
    """
    scene = Scene(folder, command)
    tally.stories += 1
    for number in range(kills):
        how, moment = SIGNALS[sum(tally.kills.values()) % len(SIGNALS)], draw.choice(MOMENTS)
        process = scene.start(draw.choice((1, 2)))
        _await(moment, scene, process, undisturbed, draw)
        if process.poll() is None:
            if how == signal.SIGINT:
                os.killpg(process.pid, how)  # as a terminal does
            else:
                process.send_signal(how)
            process.wait(timeout=120)
            tally.kills[how.name] += 1
            tally.moments[moment] += 1
        elif process.returncode:
            tally.unfinished += 1
            tally.messages.append(
                f"{folder.name}, kill {number}: exit status {process.returncode}: {scene.said()[-500:]}"
            )
        else:
            break  # it ended before that moment
        if how == signal.SIGINT and tracebacks(scene.said()):
            tally.tracebacks += 1
            tally.messages.append(f"{folder.name}, kill {number} ({moment}): {scene.said()[-1500:]}")
        end = time.monotonic() + TIMEOUT_SECONDS
        while (left := scene.left()) and time.monotonic() < end:
            time.sleep(0.05)
        tally.orphans += len(left)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    process = scene.start()
    if process.wait(timeout=600):
        tally.unfinished += 1
        tally.messages.append(f"{folder.name}, at last: exit status {process.returncode}: {scene.said()[-1500:]}")
        return
    trials, running, tried = scene.recorded()
    lost, doubled = set(undisturbed.trials) - set(trials), [key for key, n in trials.items() if n > 1]
    tally.lost += len(lost)
    tally.doubled += len(doubled)
    if (
        scene.facts() != undisturbed.facts
        or tried != undisturbed.tried
        or running
        or set(trials) - set(undisturbed.trials)
    ):
        tally.unlike += 1
        tally.messages.append(f"{folder.name}: another table, or runs without an end: {running}")


def tracebacks(said: str) -> list[str]:
    """Return the tracebacks in an output, without those of Python from before any code of Ravine ran.

    A worker that was being started as its coordinator went complains that the coordinator's locks are gone
    (`SemLock._rebuild`); a command that was still being looked for has nothing yet that could hear Ctrl-C
    (`_get_module_details`, `site`).
    """
    found = said.split("Traceback")[1:]
    return [each for each in found if not any(word in each for word in EARLY)]


def _await(moment: str, scene: Scene, process: subprocess.Popen, undisturbed: Undisturbed, draw: random.Random) -> None:
    """Wait for the moment of a kill: any time; after some progress; in a transaction; after the files of a trial."""
    out = scene.folder / "out"
    seen = len(list(out.rglob("history.parquet")))
    skip, late = draw.randrange(6), draw.random()
    started = time.monotonic()
    while process.poll() is None:
        if moment == "time":
            if (
                time.monotonic() - started >= late**2 * undisturbed.seconds
            ):  # early ones more often: less is left each time
                return
            time.sleep(0.01)
        elif moment == "progress":
            if scene.said().count("\n") > skip:
                time.sleep(late * 0.3)
                return
            time.sleep(0.01)
        elif moment == "journal":
            if (out / "mlflow.db-journal").exists() or (out / "optuna.db-journal").exists():
                if skip <= 0:
                    time.sleep(late * 0.005)
                    return
                skip -= 1
            time.sleep(0.001)
        else:
            if len(list(out.glob("artifacts/*/*/artifacts/history.parquet"))) > seen + skip // 2:
                time.sleep(late * 0.02)
                return
            time.sleep(0.002)


def survive(folder: Path, kills: int, seed: int, each: int = 8, commands: tuple[str, ...] = ("run", "tune")) -> Tally:
    """Kill N times, several times in each study, `run` and `tune` alternately.

    Args:
        folder: An empty one.
        kills: How many at least, as long as something goes wrong in no story.
        seed: Of what is drawn.
        each: How many in a study before it may end.
        commands: Which.
    """
    draw, tally = random.Random(seed), Tally()
    undisturbed = {command: Undisturbed(folder / f"undisturbed_{command}", command) for command in commands}
    while (left := kills - sum(tally.kills.values())) > 0 and tally.stories < kills:
        command = commands[tally.stories % len(commands)]
        place = folder / f"{command}_{tally.stories}"
        story(place, command, undisturbed[command], min(left, each), draw, tally)
        if tally.faultless:
            shutil.rmtree(place)
        print(" | ".join(tally.lines()), file=sys.stderr, flush=True)
    return tally


def main() -> None:
    """Kill, and print the counts; exit status 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ravine-kills-") as folder:
        tally = survive(Path(folder), arguments.kills, arguments.seed)
    print("\n".join(tally.lines()))
    sys.exit(0 if tally.faultless else 1)


if __name__ == "__main__":
    main()
