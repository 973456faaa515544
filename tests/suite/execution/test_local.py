"""`suite.execution.local`: worker processes that compute the same bits, fail alone, and never outlive their parent."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import process_info
import pytest

from suite.execution.local import DevicePool, LocalProcesses, WorkerLost, default_workers
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trial


def _weights(trials, workers, folder):
    with LocalProcesses(workers, "cpu", None, folder) as executor:
        return [future.result(timeout=120).weights for future in [executor.submit(trial) for trial in trials]]


def test_the_number_of_workers_and_the_order_do_not_change_the_bits(write_study):
    """One worker, two workers, the reverse order and this very process agree on every weight."""
    path = write_study()
    trials = plan(load_study(path))
    here = [run_trial(trial, folder=path.parent).weights for trial in trials]
    assert len(set(here)) == len(trials)
    assert _weights(trials, 1, path.parent) == here
    assert _weights(trials[::-1], 2, path.parent) == here[::-1]


def test_trials_that_take_turns_in_a_process_give_the_same_bits(write_study):
    """As on a GPU, but on a CPU: two processes of three slots, two precisions, and more trials than slots."""
    path = write_study()
    trials = plan(load_study(path))
    trials += tuple(dataclasses.replace(trial, precision="bfloat16") for trial in trials)
    here = [run_trial(trial, folder=path.parent).weights for trial in trials]
    place = DevicePool(2, 3, "cpu", None, path.parent)
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
    trial, *_ = plan(load_study(path))
    place = DevicePool(1, 8, "cpu", None, path.parent)
    waiting = place.submit(trial)  # gathered
    place.stop()
    assert waiting.cancelled()
    futures = [place.submit(trial) for _ in range(8)]
    assert all(isinstance(future.exception(timeout=60), RuntimeError) for future in futures)


def _trials(write_study, problem, name):
    return plan(load_study(write_study(problem, repeats=1, name=name)))


def test_a_killed_worker_costs_its_trial_one_retry(write_study):
    """The trial whose process the system kills runs again in another one, with the bits that it has anywhere."""
    trial, *_ = _trials(write_study, "ONCE_DEADLY_BLOBS", "once")
    folder = load_study(write_study()).folder
    with LocalProcesses(1, "cpu", None, folder) as executor:
        result = executor.submit(trial).result(timeout=120)
    tries = (folder / "tries").read_text().split()
    assert len(tries) == len(set(tries)) == 2
    assert result.outcome is Outcome.OK
    assert result.weights == run_trial(trial, folder=folder).weights


def test_a_worker_that_is_killed_twice_is_told_and_loses_no_other_trial(write_study):
    """A process that the system kills time and again fails one future, with the reason; the others give results."""
    good, deadly = _trials(write_study, "BLOBS", "good"), _trials(write_study, "DEADLY_BLOBS", "deadly")
    with LocalProcesses(2, "cpu", None, load_study(write_study()).folder) as executor:
        futures = [executor.submit(trial) for trial in (deadly[0], *good)]
        with pytest.raises(WorkerLost, match=r"killed twice \(SIGKILL\), as the system does when memory runs out"):
            futures[0].result(timeout=120)
        assert [future.result(timeout=120).outcome for future in futures[1:]] == [Outcome.OK] * 2
        assert executor.submit(good[0]).result(timeout=120).outcome is Outcome.OK


def test_a_worker_that_ends_quietly_in_the_middle_of_a_trial_is_lost(write_study):
    """Exit status 0 is no result: the trial runs once more, its future says how it ended, and the next trial runs."""
    good, quiet = _trials(write_study, "BLOBS", "good"), _trials(write_study, "QUIET_BLOBS", "quiet")
    folder = load_study(write_study()).folder
    with LocalProcesses(1, "cpu", None, folder) as executor:
        with pytest.raises(WorkerLost, match=r"it ended twice in the middle of the trial \(exit status 0\)"):
            executor.submit(quiet[0]).result(timeout=60)
        assert executor.submit(good[0]).result(timeout=60).outcome is Outcome.OK
    first, second = (folder / "tries").read_text().split()
    assert first != second


def test_the_other_trials_of_a_killed_process_are_not_lost(write_study):
    """Trials that took turns with a deadly one run again, each alone: it alone is lost."""
    good, deadly = _trials(write_study, "BLOBS", "good"), _trials(write_study, "DEADLY_BLOBS", "deadly")
    folder = load_study(write_study()).folder
    place = DevicePool(1, 3, "cpu", None, folder)
    try:
        futures = [place.submit(trial) for trial in (good[0], deadly[0], good[1])]
        with pytest.raises(WorkerLost):
            futures[1].result(timeout=120)
        weights = [futures[index].result(timeout=120).weights for index in (0, 2)]
        assert weights == [run_trial(trial, folder=folder).weights for trial in good]
        assert place.pending == 0
    finally:
        place.stop()


def test_a_process_that_is_broken_for_good_is_replaced(write_study):
    """A broken context fails all trials that shared it: each runs once more, alone in a new process, and the culprit fails."""
    good, culprit = _trials(write_study, "BLOBS", "good"), _trials(write_study, "CONTEXT_BLOBS", "culprit")
    folder = load_study(write_study()).folder
    buggy = _trials(write_study, "BUGGY_BLOBS", "buggy")
    place = DevicePool(1, 3, "cpu", None, folder)
    try:
        futures = [place.submit(trial) for trial in (culprit[0], buggy[0], good[0])]
        results = [future.result(timeout=120) for future in futures]
        assert [result.outcome for result in results] == [Outcome.FAILED, Outcome.FAILED, Outcome.OK]
        assert "an illegal memory access was encountered" in results[0].reason
        first, second = (folder / "tries").read_text().split()
        assert first != second
        assert place.submit(good[1]).result(timeout=120).outcome is Outcome.OK
    finally:
        place.stop()


def test_what_kills_idle_workers_and_the_server_that_forks_them_costs_nothing(write_study):
    """Every process but this one is killed between two trials: the next trials run in new ones."""
    trials = _trials(write_study, "BLOBS", "good")
    folder = load_study(write_study()).folder
    with LocalProcesses(2, "cpu", None, folder) as executor:
        before = [future.result(timeout=120).weights for future in [executor.submit(trial) for trial in trials]]
        for pid in _workers_of_the_pool():
            os.kill(pid, signal.SIGKILL)
        after = [future.result(timeout=120).weights for future in [executor.submit(trial) for trial in trials]]
    assert after == before


def _workers_of_the_pool():
    """The server that workers are forked from, and they."""
    from multiprocessing import forkserver

    server = forkserver._forkserver._forkserver_pid
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return [*map(int, children), server]


def test_ctrl_c_does_not_interrupt_the_server_that_workers_are_forked_from():
    """Ctrl-C reaches the whole group while the server still imports: it says nothing, and the coordinator hears it."""
    code = """
    import time
    from suite import executors
    executors.begin("cpu")
    print("begun", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("heard", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as coordinator:
        assert coordinator.stdout.readline() == "begun\n"
        time.sleep(0.5)
        os.killpg(coordinator.pid, signal.SIGINT)
        told, mistakes = coordinator.communicate(timeout=60)
    assert (told, mistakes) == ("heard\n", "")


def test_one_worker_a_core_by_default():
    """The default counts the cores that this process may use, not those of the machine."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert default_workers("cpu") == 1
    finally:
        os.sched_setaffinity(0, before)
    assert default_workers("cpu") == len(before)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_coordinator(write_study, how):
    """Two seconds after the coordinator's death, however it died, no process that it started is left."""
    path = write_study("SLOW_BLOBS", repeats=50)
    code = f"""
    from pathlib import Path
    from suite.execution.local import LocalProcesses
    from suite.spec.plan import plan
    from suite.spec.study_file import load
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
        assert len(process_info.family(coordinator.pid)) >= 4  # itself, the fork server, two workers
        coordinator.send_signal(how)
        coordinator.wait(timeout=20)
        end = time.monotonic() + 20
        while process_info.family(coordinator.pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert process_info.family(coordinator.pid) == {}
