"""Faults of disk, server, database, clock and memory: each is caused, gives one line with a hint, and loses no result."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections import Counter

import pytest
from mlflow import MlflowClient

from suite.tracking import outbox
from suite.tracking.ui import _free_port

RAVINE = [sys.executable, "-m", "ravine"]
OUTAGE = float(os.environ.get("RAVINE_TEST_OUTAGE", "4"))
"""Seconds for which the server is unreachable; `tox -e faults` uses 30."""

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_figures")]


def _trials(uri, study="toy_study"):
    """Return the number of records of each trial, by name, and the runs without an end."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(study).experiment_id], "tags.`ravine.kind` = 'trial'")
    return Counter(run.info.run_name for run in runs), [r.info.run_name for r in runs if r.info.status == "RUNNING"]


def _scores(here):
    """Return the outcome and weights of every trial of the report."""
    manifest = json.loads((here / "out/reports/toy_study/manifest.json").read_text(encoding="utf-8"))
    return [(trial["label"], trial["repeat"], trial["outcome"], trial["weights"]) for trial in manifest["trials"]]


@pytest.fixture
def undisturbed(call, here):
    """Run a study in a separate store, and return its results."""

    def run(path):
        assert call("run", path, "--workers", 1, "--store", "undisturbed")[0] == 0
        return _scores(here)

    return run


def _one_line(err):
    """Return the only line that is not progress."""
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("ravine: ")]
    return line


def _limited(size, *arguments):
    """Run the command line with a limit on the size of files, as under a quota."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); from ravine.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_used_up_quota_ends_the_run_and_loses_nothing(call, write_study, undisturbed, here, store):
    """If the database cannot grow, the run exits with one line and status 2; with space, it resumes to the same table."""
    path = write_study(repeats=6)
    expected = undisturbed(path)
    size = (here / "out/mlflow.db").stat().st_size + 40_000
    done = _limited(size, "run", path, "--workers", 1)
    assert done.returncode == 2
    line = _one_line(done.stderr)
    assert "mlflow.db: the store cannot be written: " in line
    assert "1 pending result kept in " in line
    before, _ = _trials(store.uri)
    status, _, err = call("run", path, "--workers", 1)
    assert status == 0, err
    assert "the store is available again; 1 pending result written" in err
    names, running = _trials(store.uri)
    assert (set(names.values()), running) == ({1}, [])
    assert names > before
    assert _scores(here) == expected


@pytest.fixture
def disk(here):
    """Mount a small disk at `out` with an empty store; needs root."""
    place = here / "out"
    kept = (place / "mlflow.db").read_bytes()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={len(kept) + 40_000_000}", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk of one's own can be mounted here")
    (place / "mlflow.db").write_bytes(kept)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_ends_the_run_and_loses_nothing(call, write_study, undisturbed, disk, store, here):
    """A disk without a free block gives one line that asks for space; with space, the same table follows."""
    path = write_study(repeats=6)
    expected = undisturbed(path)  # its store is in another folder, its report here
    assert call("run", path, "--repeats", 2)[0] == 0
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
    status, _, err = call("run", path, "--workers", 1)
    assert status == 2
    assert re.search(r"(No space left|disk is full).*Free some space", _one_line(err)), err
    (disk / "filler").unlink()
    assert call("run", path, "--workers", 1)[0] == 0
    names, running = _trials(store.uri)
    assert (set(names.values()), running) == ({1}, [])
    assert _scores(here) == expected


def test_a_report_on_a_full_disk_is_one_line(call, write_study, disk):
    """If the report of a complete study does not fit, a line asks for space, and the last report stays."""
    path = write_study()
    assert call("run", path)[0] == 0
    before = (disk / "reports/toy_study/index.html").read_bytes()
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
    status, _, err = call("report", path)
    assert status == 2
    assert "Free some space" in _one_line(err)
    assert (disk / "reports/toy_study/index.html").read_bytes() == before


def test_a_read_only_store_can_be_read_and_is_not_written(write_study, disk, here):
    """`status` works; `run` exits with one line before any training, whether its report could be written or not."""
    path = write_study(repeats=1)
    (here / "other").mkdir()

    def ravine(*arguments, cwd):
        command = [*RAVINE, *map(str, arguments), "--store", disk]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
        return done.returncode, done.stdout, done.stderr

    assert ravine("run", path, cwd=here)[0] == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    status, out, err = ravine("status", path, cwd=here)
    assert status == 0, err
    assert "2 of 2 trials are done" in out
    status, out, err = ravine("run", path, "--repeats", 2, cwd=here)
    assert (status, out) == (2, "")
    assert re.search(r"out/reports: .*Read-only file system\. .*start in another folder", _one_line(err)), err
    status, out, err = ravine("run", path, "--repeats", 2, cwd=here / "other")
    assert (status, out) == (2, "")
    assert re.search(r"Read-only file system.*Make its file and folder writable", _one_line(err)), err


class Server:
    """A real MLflow server that can stop and start again on the same address."""

    def __init__(self, folder, database):
        folder.mkdir()
        shutil.copy(database, folder / "mlflow.db")
        self.address = f"http://127.0.0.1:{_free_port(5800)}"
        self.command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        self.command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        self.command += [
            "--artifacts-destination",
            str(folder / "artifacts"),
            "--port",
            self.address.rpartition(":")[2],
        ]

    def start(self):
        """Start the server, and wait until it answers."""
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.process = subprocess.Popen(
            self.command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.address}/health", timeout=1).close()
                return
            time.sleep(0.1)
        raise AssertionError("the server did not start")

    def stop(self):
        """Kill the server."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(here, migrated):
    """Start a server."""
    found = Server(here / "server", migrated)
    found.start()
    yield found
    found.stop()


def test_results_are_kept_on_disk_while_the_server_is_unreachable(call, write_study, undisturbed, server, here):
    """While the server is down, training continues; afterwards every trial is recorded once, and the table is the same."""
    path = write_study("SLOW_BLOBS", repeats=10)
    expected = undisturbed(path)
    command = [*RAVINE, "run", path, "--workers", "2", "--store", server.address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("3/20 "):
                server.stop()
                back = threading.Timer(OUTAGE, server.start)
                back.start()
    back.join()
    err = "".join(lines)
    assert process.returncode == 0, err
    assert "Check that the server is running" in err
    assert re.search(r"Trials continue, their results are kept in .*out/pending/[0-9a-f]{16}", err)
    assert re.search(r"the store is available again; \d+ pending results? written", err)
    names, running = _trials(server.address)
    assert (len(names), set(names.values())) == (20, {1}), names
    assert running == []
    assert list((here / "out/pending").rglob("*.json")) == []
    assert _scores(here) == expected


@contextlib.contextmanager
def _locked(file):
    """Take an exclusive lock, as another process would."""
    other = sqlite3.connect(file, isolation_level=None, timeout=60, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def _while_locked(call, file, seconds, *arguments):
    """Run a command, and lock a database for N seconds after its second record."""

    def lock():
        while _journals(file) < 2:
            time.sleep(0.05)
        with _locked(file):
            released.wait(seconds)

    def _journals(file):
        with contextlib.suppress(Exception):
            return sum(_trials(f"sqlite:///{file}")[0].values())
        return 0

    released = threading.Event()
    other = threading.Thread(target=lock)
    other.start()
    try:
        return call(*arguments)
    finally:
        released.set()
        other.join()


def test_a_short_lock_of_the_database_is_waited_for(call, write_study, undisturbed, store, here):
    """After a lock of some seconds every trial is recorded once, and the table is the same."""
    path = write_study("SLOW_BLOBS", repeats=4)
    expected = undisturbed(path)
    status, _, err = _while_locked(call, store.file, 4, "run", path, "--workers", 2)
    assert status == 0, err
    names, running = _trials(store.uri)
    assert (len(names), set(names.values()), running) == (8, {1}, [])
    assert _scores(here) == expected


@pytest.fixture
def impatient():
    """Let SQLite time out after half a second on a locked file, instead of MLflow's 20 seconds."""
    from sqlalchemy import Engine, event

    def sooner(connection, cursor, statement, parameters, context, many):
        return statement.replace("busy_timeout = 20000", "busy_timeout = 500"), parameters

    event.listen(Engine, "before_cursor_execute", sooner, retval=True)
    yield
    event.remove(Engine, "before_cursor_execute", sooner)


@pytest.mark.usefixtures("impatient")
def test_results_are_kept_on_disk_if_the_database_stays_locked(
    call, write_study, undisturbed, store, here, monkeypatch
):
    """After a time-out the results are kept on disk, and a line says what to stop; the same command writes them afterwards."""
    monkeypatch.setattr(outbox, "TIMEOUT_SECONDS", 1.0)
    path = write_study("SLOW_BLOBS", repeats=4)
    expected = undisturbed(path)
    status, _, err = _while_locked(call, store.file, 600, "run", path, "--workers", 2)
    assert status == 2
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    kept = re.search(
        r"is locked; (\d+ pending results?) kept in .*\. End the process that .* The same command then", last
    )
    assert kept, err
    status, _, err = call("run", path, "--workers", 2)
    assert status == 0, err
    assert f"the store is available again; {kept[1]} written" in err
    assert "All 8 trials are done." in err
    names, running = _trials(store.uri)
    assert (len(names), set(names.values()), running) == (8, {1}, [])
    assert _scores(here) == expected


def test_a_locked_storage_of_optuna_is_one_line(call, write_study, here):
    """The tuning exits before any training, and the hint is not to remove the file."""
    path = write_study(repeats=1, extra="\n[tune]\ntrials = 2\nbatch = 2\nrepeats = 1\n")
    assert call("tune", path)[0] == 0
    with _locked(here / "out/optuna.db"):
        status, out, err = call("tune", path, "--trials", 3)
    assert (status, out) == (2, "")
    line = _one_line(err)
    assert "optuna.db: Optuna's storage cannot be " in line
    assert "database is locked. End the process that has locked it" in line


CLOCK = """
import time

_now, _start = time.time, time.monotonic()


def _jumping():
    # An hour back, an hour ahead, and correct, for 0.4 seconds each.
    return _now() + 3600 * (int((time.monotonic() - _start) * 2.5) % 3 - 1)


time.time = _jumping
time.time_ns = lambda: int(_jumping() * 1e9)
"""


def test_a_clock_that_jumps_changes_no_result(call, write_study, undisturbed, here, store):
    """With a clock that jumps by hours, the table is the same, and no duration contains a jump."""
    path = write_study("SLOW_BLOBS", repeats=4)
    expected = undisturbed(path)
    (here / "clock").mkdir()
    (here / "clock/sitecustomize.py").write_text(textwrap.dedent(CLOCK), encoding="utf-8")
    places = [str(here / "clock"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [*RAVINE, "run", path, "--workers", "2"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert _scores(here) == expected
    client = MlflowClient(store.uri)
    runs = client.search_runs(
        [client.get_experiment_by_name("toy_study").experiment_id], "tags.`ravine.kind` = 'trial'"
    )
    started = [run.info.start_time for run in runs]
    assert len(runs) == 8
    assert max(started) - min(started) > 1_000_000, "the clock did jump"
    assert all(0 <= json.loads(run.data.tags["ravine.timing"])["total"] < 600 for run in runs)
    assert "All 8 trials are done." in call("run", path)[2]


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("CUDA_HUNGRY_BLOBS", "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"),
        ("CPU_HUNGRY_BLOBS", "RuntimeError: .*can't allocate memory"),
        ("PYTHON_HUNGRY_BLOBS", "MemoryError: "),
    ],
)
def test_a_trial_that_runs_out_of_memory_fails_with_the_batch_that_fits(call, write_study, store, problem, message):
    """With batches of 64, a step of 16 examples fits, which is in the reason; other trials continue, and the status is 1."""
    small = '\n[[optimizer]]\nname = "Small"\nkind = "sgd"\nlr = 0.1\nbatch_size = 16\n'
    path = write_study(problem, repeats=1, extra=small)
    status, _, err = call("run", path, "--workers", 1)
    assert status == 1
    assert re.search(
        rf"SGD r0: failed: out of memory: {message}.* \(toy.py, run_out_of_memory, line \d+\)\. "
        r"A step of 16 examples fits\. Write batch_size = 16",
        err,
    ), err
    client = MlflowClient(store.uri)
    runs = client.search_runs(
        [client.get_experiment_by_name("toy_study").experiment_id], "tags.`ravine.kind` = 'trial'"
    )
    outcomes = {run.info.run_name: run.data.tags["ravine.outcome"] for run in runs}
    assert outcomes == {"SGD r0": "failed", "Adam r0": "failed", "Small r0": "ok"}
