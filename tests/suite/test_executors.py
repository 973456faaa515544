"""`suite.executors`: worker processes that compute the same bits, fail alone, and never outlive their parent."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from suite.executors import LocalProcesses, Place, default_workers
from suite.plan import plan
from suite.records import Outcome
from suite.study import load
from suite.trial import run_trial


def _weights(trials, workers, folder):
    with LocalProcesses(workers, "cpu", None, folder) as executor:
        return [future.result(timeout=120).weights for future in [executor.submit(trial) for trial in trials]]


def test_the_number_of_workers_and_the_order_do_not_change_the_bits(write_study):
    """One worker, two workers, the reverse order and this very process agree on every weight."""
    path = write_study()
    trials = plan(load(path))
    here = [run_trial(trial, folder=path.parent).weights for trial in trials]
    assert len(set(here)) == len(trials)
    assert _weights(trials, 1, path.parent) == here
    assert _weights(trials[::-1], 2, path.parent) == here[::-1]


def test_trials_that_take_turns_in_a_process_give_the_same_bits(write_study):
    """As on a GPU, but on a CPU: two processes of three slots, two precisions, and more trials than slots."""
    path = write_study()
    trials = plan(load(path))
    trials += tuple(dataclasses.replace(trial, precision="bfloat16") for trial in trials)
    here = [run_trial(trial, folder=path.parent).weights for trial in trials]
    place = Place(2, 3, "cpu", None, path.parent)
    try:
        results = [future.result(timeout=120) for future in [place.submit(trial) for trial in trials]]
        assert place.pending == 0
        assert [result.weights for result in results] == here
        assert [result.trial for result in results] == list(trials)
    finally:
        place.stop()


def test_nobody_waits_for_a_place_that_has_stopped(write_study):
    """What is submitted to it, and what waited for a slot, ends at once."""
    path = write_study(repeats=1)
    trial, *_ = plan(load(path))
    place = Place(1, 8, "cpu", None, path.parent)
    waiting = place.submit(trial)  # gathered
    place.stop()
    assert waiting.cancelled()
    futures = [place.submit(trial) for _ in range(8)]
    assert all(isinstance(future.exception(timeout=60), RuntimeError) for future in futures)


def test_a_killed_process_loses_the_trials_in_its_slots(write_study):
    """Trials that took turns with the deadly one are lost with it, and later ones are not."""
    path = write_study(repeats=1)
    good = plan(load(path))
    deadly = plan(load(write_study("DEADLY_BLOBS", repeats=1, name="deadly")))
    place = Place(1, 2, "cpu", None, path.parent)
    try:
        futures = [place.submit(trial) for trial in (deadly[0], good[0])]
        for future in futures:
            with pytest.raises(Exception, match=r"[Aa]bnormal"):
                future.result(timeout=120)
        assert place.submit(good[0]).result(timeout=120).outcome is Outcome.OK
    finally:
        place.stop()


def test_a_killed_worker_loses_its_own_trial_alone(write_study):
    """A process that the system kills fails one future; the others, and later ones, give results."""
    path = write_study(repeats=1)
    good = plan(load(path))
    deadly = plan(load(write_study("DEADLY_BLOBS", repeats=1, name="deadly")))
    with LocalProcesses(2, "cpu", None, path.parent) as executor:
        futures = [executor.submit(trial) for trial in (deadly[0], *good)]
        with pytest.raises(Exception, match=r"[Aa]bnormal"):
            futures[0].result(timeout=120)
        assert [future.result(timeout=120).outcome for future in futures[1:]] == [Outcome.OK] * 2
        assert executor.submit(good[0]).result(timeout=120).outcome is Outcome.OK


def test_one_worker_a_core_by_default():
    """The default counts the cores that this process may use, not those of the machine."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert default_workers("cpu") == 1
    finally:
        os.sched_setaffinity(0, before)
    assert default_workers("cpu") == len(before)


def _family(session):
    """The live processes of a session, from /proc: pid and command line."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except (OSError, ValueError, IndexError):
            continue
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_coordinator(write_study, how):
    """Two seconds after the coordinator's death, however it died, no process that it started is left."""
    path = write_study("SLOW_BLOBS", repeats=50)
    code = f"""
    from pathlib import Path
    from suite.executors import LocalProcesses
    from suite.plan import plan
    from suite.study import load
    if __name__ == "__main__":
        with LocalProcesses(2, "cpu", None, Path({str(path.parent)!r})) as executor:
            futures = [executor.submit(trial) for trial in plan(load({str(path)!r}))]
            futures[1].result()
            print("running", flush=True)
            futures[-1].result()
    """
    script = path.parent / "coordinator.py"
    script.write_text(textwrap.dedent(code), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as coordinator:
        assert coordinator.stdout.readline() == "running\n"
        assert len(_family(coordinator.pid)) >= 4  # itself, the fork server, two workers
        coordinator.send_signal(how)
        coordinator.wait(timeout=20)
        end = time.monotonic() + 20
        while _family(coordinator.pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert _family(coordinator.pid) == {}
