"""`suite.execution.local`: worker processes are reproducible, fail alone, and never outlive their parent."""

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

from suite.execution.local import DevicePool, LocalProcesses, WorkerLostError, default_workers
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trial

pytestmark = pytest.mark.integration


def _weights(trials, workers, folder):
    with LocalProcesses(workers, "cpu", None, folder) as executor:
        return [future.result(timeout=120).weights for future in [executor.submit(trial) for trial in trials]]


def test_results_do_not_depend_on_the_number_of_workers_or_the_order(write_study):
    """One worker, two workers, the reverse order and this process give bit-for-bit identical weights."""
    path = write_study()
    trials = plan(load_study(path))
    here = [run_trial(trial, folder=path.parent).weights for trial in trials]
    assert len(set(here)) == len(trials)
    assert _weights(trials, 1, path.parent) == here
    assert _weights(trials[::-1], 2, path.parent) == here[::-1]


def test_trials_that_share_a_process_are_identical_to_trials_alone(write_study):
    """As on a GPU, but on a CPU: two processes with three slots, two precisions, and more trials than slots."""
    path = write_study()
    trials = plan(load_study(path))
    trials += tuple(dataclasses.replace(trial, precision="bfloat16") for trial in trials)
    here = [run_trial(trial, folder=path.parent).weights for trial in trials]
    pool = DevicePool(2, 3, "cpu", None, path.parent)
    try:
        results = [future.result(timeout=120) for future in [pool.submit(trial) for trial in trials]]
        assert pool.pending == 0
        assert [result.weights for result in results] == here
        assert [result.trial for result in results] == list(trials)
    finally:
        pool.stop()


def test_no_future_waits_for_a_stopped_pool(write_study):
    """The futures of waiting trials and of later ones end immediately."""
    path = write_study(repeats=1)
    trial, *_ = plan(load_study(path))
    pool = DevicePool(1, 8, "cpu", None, path.parent)
    waiting = pool.submit(trial)  # for further trials
    pool.stop()
    assert waiting.cancelled()
    futures = [pool.submit(trial) for _ in range(8)]
    assert all(isinstance(future.exception(timeout=60), RuntimeError) for future in futures)


def _trials(write_study, problem, name):
    return plan(load_study(write_study(problem, repeats=1, name=name)))


def test_a_trial_runs_again_after_its_worker_was_killed(write_study):
    """The trial of a killed process runs again in another one, and its weights are bit-for-bit identical."""
    trial, *_ = _trials(write_study, "ONCE_DEADLY_BLOBS", "once")
    folder = load_study(write_study()).folder
    with LocalProcesses(1, "cpu", None, folder) as executor:
        result = executor.submit(trial).result(timeout=120)
    tries = (folder / "tries").read_text().split()
    assert len(tries) == len(set(tries)) == 2
    assert result.outcome is Outcome.OK
    assert result.weights == run_trial(trial, folder=folder).weights


def test_a_worker_that_is_killed_twice_loses_one_trial(write_study, wording):
    """If the worker of a trial is killed twice, its future fails with the reason; the others have results."""
    good, deadly = _trials(write_study, "BLOBS", "good"), _trials(write_study, "DEADLY_BLOBS", "deadly")
    with LocalProcesses(2, "cpu", None, load_study(write_study()).folder) as executor:
        futures = [executor.submit(trial) for trial in (deadly[0], *good)]
        with pytest.raises(WorkerLostError) as error:
            futures[0].result(timeout=120)
        wording(error.value)
        assert [future.result(timeout=120).outcome for future in futures[1:]] == [Outcome.OK] * 2
        assert executor.submit(good[0]).result(timeout=120).outcome is Outcome.OK


def test_a_worker_that_exits_with_status_0_during_a_trial_is_lost(write_study, wording):
    """Exit status 0 is no result: the trial runs once more, its future has the status, and the next trial runs."""
    good, quiet = _trials(write_study, "BLOBS", "good"), _trials(write_study, "QUIET_BLOBS", "quiet")
    folder = load_study(write_study()).folder
    with LocalProcesses(1, "cpu", None, folder) as executor:
        with pytest.raises(WorkerLostError) as error:
            executor.submit(quiet[0]).result(timeout=60)
        wording(error.value)
        assert executor.submit(good[0]).result(timeout=60).outcome is Outcome.OK
    first, second = (folder / "tries").read_text().split()
    assert first != second


def test_the_other_trials_of_a_killed_process_are_not_lost(write_study):
    """Trials that shared a process with a deadly one run again, each alone; only the deadly one is lost."""
    good, deadly = _trials(write_study, "BLOBS", "good"), _trials(write_study, "DEADLY_BLOBS", "deadly")
    folder = load_study(write_study()).folder
    pool = DevicePool(1, 3, "cpu", None, folder)
    try:
        futures = [pool.submit(trial) for trial in (good[0], deadly[0], good[1])]
        with pytest.raises(WorkerLostError):
            futures[1].result(timeout=120)
        weights = [futures[index].result(timeout=120).weights for index in (0, 2)]
        assert weights == [run_trial(trial, folder=folder).weights for trial in good]
        assert pool.pending == 0
    finally:
        pool.stop()


def test_a_permanently_broken_process_is_replaced(write_study):
    """Trials that shared a broken context run once more, each alone in a new process; only the trials with a bug fail."""
    good, culprit = _trials(write_study, "BLOBS", "good"), _trials(write_study, "CONTEXT_BLOBS", "culprit")
    folder = load_study(write_study()).folder
    buggy = _trials(write_study, "BUGGY_BLOBS", "buggy")
    pool = DevicePool(1, 3, "cpu", None, folder)
    try:
        futures = [pool.submit(trial) for trial in (culprit[0], buggy[0], good[0])]
        results = [future.result(timeout=120) for future in futures]
        assert [result.outcome for result in results] == [Outcome.FAILED, Outcome.FAILED, Outcome.OK]
        assert "an illegal memory access was encountered" in results[0].reason
        first, second = (folder / "tries").read_text().split()
        assert first != second
        assert pool.submit(good[1]).result(timeout=120).outcome is Outcome.OK
    finally:
        pool.stop()


def test_killed_idle_workers_and_fork_server_are_replaced(write_study):
    """If all workers and the fork server are killed between two trials, the next trials run in new processes."""
    trials = _trials(write_study, "BLOBS", "good")
    folder = load_study(write_study()).folder
    with LocalProcesses(2, "cpu", None, folder) as executor:
        before = [future.result(timeout=120).weights for future in [executor.submit(trial) for trial in trials]]
        for pid in _fork_server_and_workers():
            os.kill(pid, signal.SIGKILL)
        after = [future.result(timeout=120).weights for future in [executor.submit(trial) for trial in trials]]
    assert after == before


def _fork_server_and_workers():
    """Return the process ids of the fork server and its workers."""
    from multiprocessing import forkserver

    server = forkserver._forkserver._forkserver_pid
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return [*map(int, children), server]


def test_ctrl_c_does_not_interrupt_the_fork_server():
    """Ctrl-C reaches the process group while the server imports: the server prints nothing, the coordinator gets it."""
    code = """
    import time
    from suite.execution import local
    local.start_fork_server("cpu")
    print("started", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as coordinator:
        assert coordinator.stdout.readline() == "started\n"
        time.sleep(0.5)
        os.killpg(coordinator.pid, signal.SIGINT)
        out, err = coordinator.communicate(timeout=60)
    assert (out, err) == ("interrupted\n", "")


def test_one_worker_for_each_core_by_default():
    """The default is the number of cores that this process may use, not that of the machine."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert default_workers("cpu") == 1
    finally:
        os.sched_setaffinity(0, before)
    assert default_workers("cpu") == len(before)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_coordinator(write_study, sent):
    """After the end of the coordinator, whatever the cause, no process that it started is left."""
    path = write_study("SLOW_BLOBS", repeats=50)
    code = f"""
    from pathlib import Path
    from suite.execution.local import LocalProcesses
    from suite.spec.plan import plan
    from suite.spec.study_file import load_study
    if __name__ == "__main__":
        with LocalProcesses(2, "cpu", None, Path({str(path.parent)!r})) as executor:
            futures = [executor.submit(trial) for trial in plan(load_study({str(path)!r}))]
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
        assert len(process_info.session_processes(coordinator.pid)) >= 4  # itself, the fork server, two workers
        coordinator.send_signal(sent)
        coordinator.wait(timeout=20)
        deadline = time.monotonic() + 20
        while process_info.session_processes(coordinator.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process_info.session_processes(coordinator.pid) == {}
