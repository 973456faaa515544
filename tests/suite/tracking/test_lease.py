"""`suite.tracking.lease`: processes are known again, and two that want the same keep out of each other's way."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from suite.errors import UserError
from suite.tracking import lease
from suite.tracking.lease import has_exited, hold_lease, is_running, process
from suite.tracking.lock import own_command

HOST = socket.gethostname()


@pytest.fixture
def ended():
    """A process that has ended, as it told of itself."""
    code = "from suite.tracking.lease import process; print(process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def quick(monkeypatch):
    """Signs of life every tenth of a second."""
    for name, value in {"BEAT": 0.1, "PATIENCE": 1.0, "SETTLE": 0.05}.items():
        monkeypatch.setattr(lease, name, value)


class Board:
    """A note that all can read and write."""

    note = ""

    def read(self):
        return self.note

    def write(self, text):
        self.note = text

    def hold(self):
        return hold_lease(self.read, self.write, "here: the study")


def test_a_process_is_gone_when_it_ended_on_this_machine(ended):
    """This process is at work, an ended one is gone; of another machine, name or container nothing is known."""
    assert (is_running(HOST, process()), has_exited(HOST, process())) == (True, False)
    assert (is_running(HOST, ended), has_exited(HOST, ended)) == (False, True)
    assert (is_running("another", ended), has_exited("another", ended)) == (False, False)
    assert (is_running(HOST, ""), has_exited(HOST, "")) == (False, False)
    pid, start, boot, namespace, machine = ended.split(" ")
    assert not has_exited(HOST, f"{pid} {start} {boot} pid:[1] {machine}"), (
        "another container, whose processes are not seen"
    )
    assert not has_exited(HOST, f"{pid} {start} another-boot {namespace} another-machine"), (
        "another machine of this name"
    )


def test_a_machine_that_was_restarted_has_none_of_its_processes(monkeypatch):
    """After a boot the processes of before are gone, where the machine can be told from others of its name."""
    before = process()
    monkeypatch.setattr(lease, "_boot", lambda: "the-next-boot")
    monkeypatch.setattr(lease, "_machine", lambda: before.split(" ")[4])
    assert has_exited(HOST, before) is (before.split(" ")[4] != "-")
    monkeypatch.setattr(lease, "_machine", lambda: "-")
    assert not has_exited(HOST, before.rpartition(" ")[0] + " -")


def test_a_number_that_another_process_got_is_another_process(ended):
    """The pid of this very process with another start is a process that is gone."""
    pid, start, *rest = process().split(" ")
    assert 0 < int(start) < int(ended.split(" ")[1])
    assert int(pid) == os.getpid()
    assert has_exited(HOST, " ".join([pid, str(int(start) - 1), *rest]))


@pytest.mark.usefixtures("quick")
def test_the_second_is_told_who_holds_it(capsys):
    """On one machine at once; the note is gone when the holder ends, and the next gets it."""
    board = Board()
    with board.hold():
        assert json.loads(board.note)["host"] == HOST
        assert json.loads(board.note)["command"] == own_command()[:200]
        told = rf"here: the study: held by `.*` on {HOST} \(process {os.getpid()}, since"
        with pytest.raises(UserError, match=told), board.hold():
            pass
    assert capsys.readouterr().err == "", "nobody has to listen for a sign of life"
    assert board.note == ""
    with board.hold():
        pass


@pytest.mark.usefixtures("quick")
def test_a_holder_elsewhere_is_believed_as_long_as_it_gives_signs_of_life(monkeypatch, capsys):
    """A second machine waits for one and is refused; once the first falls silent, killed, the second takes over."""
    board, ending = Board(), threading.Event()

    def elsewhere():
        for beat in range(1000):
            if ending.wait(0.1):
                return
            board.note = json.dumps({"host": "far", "process": "1 2 3 4 5", "since": "then", "beat": str(beat)})

    first = threading.Thread(target=elsewhere)
    first.start()
    while not board.note:
        time.sleep(0.01)
    with pytest.raises(UserError, match="on far"), board.hold():
        pass
    assert "listening for a sign of life" in capsys.readouterr().err
    ending.set()
    first.join()
    with board.hold():
        assert json.loads(board.note)["host"] == HOST


@pytest.mark.usefixtures("quick")
def test_of_two_who_come_at_the_same_time_one_is_refused():
    """Both found no note and wrote theirs: both read the later one."""
    board = Board()

    def write(text):
        board.note = text
        if text:
            board.note = text.replace(HOST, "far")  # the other one wrote right after

    with pytest.raises(UserError, match=r"held by .* on far"), hold_lease(board.read, write, "it"):
        pass


@pytest.mark.usefixtures("quick")
def test_a_holder_outlives_a_store_that_is_away():
    """Signs of life that cannot be written are left out, and go on when the store is back."""
    board = Board()
    away = threading.Event()

    def read():
        if away.is_set():
            raise UserError("the store is away")
        return board.note

    with hold_lease(read, board.write, "it"):
        away.set()
        time.sleep(0.3)
        away.clear()
        before = board.note
        end = time.monotonic() + 10
        while board.note == before and time.monotonic() < end:
            time.sleep(0.02)
        assert board.note != before
