"""Who is at work: processes that are known again from other machines, and notes by which they keep out of each other's way."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from suite.errors import UserError
from suite.tracking.lock import own_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEARTBEAT_SECONDS = 15.0
"""Seconds between two signs of life of a holder."""
TIMEOUT_SECONDS = 4 * HEARTBEAT_SECONDS
"""Seconds without one after which a holder on another machine counts as gone. No clocks of two machines are compared."""
SETTLE_SECONDS = 1.0
"""Seconds after which two who wrote their notes at the same time both read the later one."""


def process(pid: int | None = None) -> str:
    """A process of this machine that cannot be mistaken for another: `pid start boot namespace machine`; empty if it is gone.

    `start` is in the kernel's ticks since the boot, so a number that is given to a new process is another process.

    Args:
        pid: Default: this one.
    """
    number = os.getpid() if pid is None else pid
    try:
        # The name of the program, in brackets, may hold spaces; the start is field 22, the state field 3.
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{number} {fields[19]} {_boot()} {_namespace()} {_machine()}"


def has_exited(host: str, owner: str) -> bool:
    """Whether a process is known to have ended: one of this machine that is no more, or of this machine before its last boot.

    Args:
        host: Where it ran.
        owner: What `process` said of it there.
    """
    fields = owner.split(" ")
    if host != socket.gethostname() or len(fields) != 5 or not fields[0].isdecimal():
        return False
    pid, _, boot, namespace, machine = fields
    if boot != _boot():
        return machine not in {"", "-"} and machine == _machine()
    return namespace == _namespace() and process(int(pid)) != owner  # another container's processes cannot be seen


def is_running(host: str, owner: str) -> bool:
    """Whether a process is known to be at work on this machine."""
    pid = owner.partition(" ")[0]
    return host == socket.gethostname() and pid.isdecimal() and process(int(pid)) == owner


def _boot() -> str:
    return _first_line("/proc/sys/kernel/random/boot_id")


def _machine() -> str:
    return _first_line("/etc/machine-id")


def _first_line(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="utf-8").strip() or "-"
    return "-"


def _namespace() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/self/ns/pid").readlink().name
    return "-"


@contextlib.contextmanager
def hold_lease(read: Callable[[], str], write: Callable[[str], object], what: str) -> Iterator[None]:
    """Hold what several machines reach and none can lock: a note says who holds it, and is renewed as long as it is held.

    Args:
        read: Gives the note as it is now; empty if there is none.
        write: Replaces the note.
        what: What is held, for messages.

    Raises:
        UserError: Another process holds it, which is named.
    """
    found = read()
    if _is_alive(found) or (found and not _is_gone(found) and _shows_life(read, found, what)):
        raise _refusal(what, read() or found)
    note = _note()
    write(json.dumps(note))
    time.sleep(SETTLE_SECONDS)
    if not _is_same(found := read(), note):
        raise _refusal(what, found)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(read, write, note, ended), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join(timeout=HEARTBEAT_SECONDS)
        with contextlib.suppress(UserError):  # the store is away: the note is known as that of a process that is gone
            if _is_same(read(), note):
                write("")


def _shows_life(read: Callable[[], str], found: str, what: str) -> bool:
    """Whether the holder of a note on another machine renews it."""
    sys.stderr.write(f"{what}: {_who(found)} holds it; listening for a sign of life for {TIMEOUT_SECONDS:.0f} s\n")
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        time.sleep(HEARTBEAT_SECONDS / 5)
        if (now := read()) != found:
            return bool(now)  # an empty one was given back
    return False


def _beat(
    read: Callable[[], str], write: Callable[[str], object], note: dict[str, str], ended: threading.Event
) -> None:
    count = 0
    while not ended.wait(HEARTBEAT_SECONDS):
        count += 1
        with contextlib.suppress(UserError):  # the store is away, and may come back
            if not _is_same(read(), note):
                return  # this machine slept, and another took over
            write(json.dumps(note | {"beat": str(count)}))


def _note() -> dict[str, str]:
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return {
        "host": socket.gethostname(),
        "process": process(),
        "command": own_command()[:200],
        "since": since,
        "beat": "0",
    }


def _values(note: str) -> dict[str, str]:
    try:
        found = json.loads(note)
    except ValueError:
        found = None
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _is_same(note: str, own: dict[str, str]) -> bool:
    found = _values(note)
    return all(found.get(key) == own[key] for key in ("host", "process", "since"))


def _is_gone(note: str) -> bool:
    found = _values(note)
    return has_exited(found.get("host", ""), found.get("process", ""))


def _is_alive(note: str) -> bool:
    found = _values(note)
    return is_running(found.get("host", ""), found.get("process", ""))


def _who(note: str) -> str:
    found = _values(note)
    pid = found.get("process", "").partition(" ")[0]
    return f"`{found.get('command', '?')}` on {found.get('host', '?')} (process {pid}, since {found.get('since', '?')})"


def _refusal(what: str, note: str) -> UserError:
    return UserError(
        f"{what}: held by {_who(note)}. Wait until it ends or stop it; "
        "ravine status and ravine report work meanwhile, other studies can run"
    )
