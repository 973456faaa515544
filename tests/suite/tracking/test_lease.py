"""Tests of `suite.tracking.lease`: identities of processes, and leases of which one process at a time has one."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from suite.errors import UserError
from suite.tracking import lease
from suite.tracking.lease import has_exited, hold_lease, is_running, process
from suite.tracking.lock import command_line

HOST = socket.gethostname()


@pytest.fixture
def exited():
    """The identity of a process that has exited."""
    code = "from suite.tracking.lease import process; print(process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def fast(monkeypatch):
    """Ten heartbeats per second."""
    for name, value in {"HEARTBEAT_SECONDS": 0.1, "TIMEOUT_SECONDS": 1.0, "SETTLE_SECONDS": 0.05}.items():
        monkeypatch.setattr(lease, name, value)


class Board:
    """A lease that all processes can read and write."""

    text = ""

    def read(self):
        return self.text

    def write(self, text):
        self.text = text

    def hold(self):
        return hold_lease(self.read, self.write, "store: study")


def _replacements(text):
    """Return what varies in a message about this lease."""
    values = json.loads(text)
    pid = values["process"].partition(" ")[0]
    return {
        f"`{values['command']}`": "`<command>`",
        f"process {pid},": "process <pid>,",
        values["since"]: "<time>",
        f"on {HOST} ": "on <host> ",
    }


def test_a_process_has_exited_if_this_machine_no_longer_runs_it(exited):
    """Nothing is known about processes of another machine, host name or container."""
    assert (is_running(HOST, process()), has_exited(HOST, process())) == (True, False)
    assert (is_running(HOST, exited), has_exited(HOST, exited)) == (False, True)
    assert (is_running("another", exited), has_exited("another", exited)) == (False, False)
    assert (is_running(HOST, ""), has_exited(HOST, "")) == (False, False)
    pid, start, boot, namespace, machine = exited.split(" ")
    assert not has_exited(HOST, f"{pid} {start} {boot} pid:[1] {machine}"), "another container, processes not visible"
    assert not has_exited(HOST, f"{pid} {start} another-boot {namespace} another-machine"), "another machine, same name"


def test_a_restart_ends_all_processes_of_a_machine(monkeypatch):
    """After a boot the earlier processes have exited, if the machine can be distinguished from others of its name."""
    before = process()
    monkeypatch.setattr(lease, "_boot", lambda: "the-next-boot")
    monkeypatch.setattr(lease, "_machine", lambda: before.split(" ")[4])
    assert has_exited(HOST, before) is (before.split(" ")[4] != "-")
    monkeypatch.setattr(lease, "_machine", lambda: "-")
    assert not has_exited(HOST, before.rpartition(" ")[0] + " -")


def test_a_reused_process_id_is_another_process(exited):
    """The id of this process with another start is a process that has exited."""
    pid, start, *rest = process().split(" ")
    assert 0 < int(start) < int(exited.split(" ")[1])
    assert int(pid) == os.getpid()
    assert has_exited(HOST, " ".join([pid, str(int(start) - 1), *rest]))


def test_an_identity_of_the_previous_version_is_recognised():
    """That version read the start from /proc, in clock ticks since the boot; stores still contain its identities."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    pid, start, *_ = process().split(" ")
    assert (int(pid), start) == (os.getpid(), fields[19])


def test_a_clock_that_is_set_does_not_change_an_identity(monkeypatch):
    """The library adds the time of the boot to the start, and that time changes when the clock is set."""
    identity, boot_time, calls = process(), lease.psutil.boot_time, []

    def jumping():
        calls.append(1)
        return boot_time() + 3600 * (len(calls) == 1)

    monkeypatch.setattr(lease.psutil, "boot_time", jumping)
    assert process() == identity
    assert len(calls) > 2


def test_an_identity_that_cannot_be_read_is_not_known_to_have_exited():
    """An unknown format, another program's text or a process id out of range never frees a lease by mistake."""
    for identity in ("1", "one 2 3 4 5", "1 2 3 4 5 6", f"{process()} more"):
        assert (is_running(HOST, identity), has_exited(HOST, identity)) == (False, False)
    assert process(10**30) == ""


@pytest.mark.usefixtures("fast")
def test_a_second_process_of_a_machine_is_refused_at_once(capsys, wording):
    """The message names the holder. The lease ends with its holder, and the next process gets it."""
    board = Board()
    with board.hold():
        assert json.loads(board.text)["host"] == HOST
        assert json.loads(board.text)["command"] == command_line()[:200]
        with pytest.raises(UserError) as error, board.hold():
            pass
        wording(error.value, _replacements(board.text))
    assert capsys.readouterr().err == "", "no heartbeat had to be awaited"
    assert board.text == ""
    with board.hold():
        pass


@pytest.mark.usefixtures("fast")
def test_a_lease_of_another_machine_is_valid_as_long_as_it_is_renewed(capsys, wording):
    """A second machine waits for a heartbeat and is refused; once the first is killed, the second takes over."""
    board, stop = Board(), threading.Event()

    def renew():
        for beat in range(1000):
            if stop.wait(0.1):
                return
            board.text = json.dumps({"host": "far", "process": "1 2 3 4 5", "since": "then", "beat": str(beat)})

    first = threading.Thread(target=renew)
    first.start()
    while not board.text:
        time.sleep(0.01)
    with pytest.raises(UserError) as error, board.hold():
        pass
    wording(error.value)
    wording(capsys.readouterr().err)
    stop.set()
    first.join()
    with board.hold():
        assert json.loads(board.text)["host"] == HOST


@pytest.mark.usefixtures("fast")
def test_of_two_that_start_at_once_one_is_refused(wording):
    """Both found no lease and wrote theirs: both read the later one."""
    board, texts = Board(), []

    def write(text):
        board.text = text.replace(HOST, "far")  # the other one wrote right after
        texts.append(text)

    with pytest.raises(UserError) as error, hold_lease(board.read, write, "it"):
        pass
    wording(error.value, _replacements(texts[0]))


@pytest.mark.usefixtures("fast")
def test_a_holder_survives_an_unavailable_store():
    """Heartbeats that cannot be written are omitted, and resume when the store is available again."""
    board = Board()
    unavailable = threading.Event()

    def read():
        if unavailable.is_set():
            raise UserError("store", "unavailable")
        return board.text

    with hold_lease(read, board.write, "it"):
        unavailable.set()
        time.sleep(0.3)
        unavailable.clear()
        before = board.text
        end = time.monotonic() + 10
        while board.text == before and time.monotonic() < end:
            time.sleep(0.02)
        assert board.text != before
