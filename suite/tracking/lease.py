"""Identities of processes that stay unique across machines, and a lease with a heartbeat for studies on a server."""

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

import psutil

from suite.errors import UserError
from suite.tracking.lock import command_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEARTBEAT_SECONDS = 15.0
"""Seconds between two renewals of a lease."""
TIMEOUT_SECONDS = 4 * HEARTBEAT_SECONDS
"""Seconds without a renewal after which a lease of another machine expires. Clocks of two machines are never compared."""
SETTLE_SECONDS = 1.0
"""Seconds after which two processes that wrote a lease at the same time both read the later one."""


def process(pid: int | None = None) -> str:
    """Return the identity of a process of this machine, `pid start boot namespace machine`; "" if it has exited.

    `start` is in clock ticks since the boot, so a process that reuses a process id has another identity.

    Args:
        pid: Default: this process.
    """
    number = os.getpid() if pid is None else pid
    try:
        if psutil.Process(number).status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
            return ""
        return f"{number} {_start_ticks(number)} {_boot()} {_namespace()} {_machine()}"
    except psutil.Error:
        return ""


def _start_ticks(pid: int) -> int:
    """Return when a process started; psutil adds the time of the boot, which changes if the clock is set meanwhile."""
    while True:
        boot = psutil.boot_time()
        seconds = psutil.Process(pid).create_time() - boot
        if boot == psutil.boot_time():
            return round(seconds * os.sysconf("SC_CLK_TCK"))


def has_exited(host: str, identity: str) -> bool:
    """Return whether a process is known to have exited: it is gone from this machine, or this machine was restarted.

    Args:
        host: The host name of its machine.
        identity: What `process` returned there.
    """
    fields = identity.split(" ")
    if host != socket.gethostname() or len(fields) != 5 or not fields[0].isdecimal():
        return False
    pid, _, boot, namespace, machine = fields
    if boot != _boot():
        return machine not in {"", "-"} and machine == _machine()
    return namespace == _namespace() and process(int(pid)) != identity  # other containers' processes are not visible


def is_running(host: str, identity: str) -> bool:
    """Return whether a process is known to be running on this machine."""
    pid = identity.partition(" ")[0]
    return host == socket.gethostname() and pid.isdecimal() and process(int(pid)) == identity


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
def hold_lease(read: Callable[[], str], write: Callable[[str], object], location: str) -> Iterator[None]:
    """Hold a lease on something that several machines share and no file locks; a thread renews it.

    Args:
        read: Returns the current lease as text, or "".
        write: Replaces the lease.
        location: What is leased, for messages.

    Raises:
        UserError: Another process holds the lease; the message names it.
    """
    if (text := read()) and _is_held(read, text, location):
        raise _refusal(location, read() or text)
    lease = {
        "host": socket.gethostname(),
        "process": process(),
        "command": command_line()[:200],
        "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "beat": "0",
    }
    write(json.dumps(lease))
    time.sleep(SETTLE_SECONDS)
    if not _is_same(text := read(), lease):
        raise _refusal(location, text)
    stop = threading.Event()
    heartbeat = threading.Thread(target=_renew, args=(read, write, lease, stop), daemon=True)
    heartbeat.start()
    try:
        yield
    finally:
        stop.set()
        heartbeat.join(timeout=HEARTBEAT_SECONDS)
        with contextlib.suppress(UserError):  # an unavailable store keeps a lease whose process has exited
            if _is_same(read(), lease):
                write("")


def _is_held(read: Callable[[], str], text: str, location: str) -> bool:
    """Return whether the process of a lease still runs; for one of another machine, wait for its next renewal."""
    lease = _parse(text)
    if is_running(lease["host"], lease["process"]):
        return True
    if has_exited(lease["host"], lease["process"]):
        return False
    message = f"leased by {_describe(lease)}; waiting {TIMEOUT_SECONDS:.0f} s for its next heartbeat"
    sys.stderr.write(f"{location}: {message}\n")
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        time.sleep(HEARTBEAT_SECONDS / 5)
        if (current := read()) != text:
            return bool(current)  # "" if it was returned
    return False


def _renew(
    read: Callable[[], str], write: Callable[[str], object], lease: dict[str, str], stop: threading.Event
) -> None:
    count = 0
    while not stop.wait(HEARTBEAT_SECONDS):
        count += 1
        with contextlib.suppress(UserError):  # an unavailable store may come back
            if not _is_same(read(), lease):
                return  # this machine was suspended and another process took over
            write(json.dumps(lease | {"beat": str(count)}))


def _parse(text: str) -> dict[str, str]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    known = {key: str(value) for key, value in values.items()} if isinstance(values, dict) else {}
    return {"host": "", "process": "", "command": "?", "since": "?", **known}


def _is_same(text: str, lease: dict[str, str]) -> bool:
    other = _parse(text)
    return all(other[key] == lease[key] for key in ("host", "process", "since"))


def _describe(lease: dict[str, str]) -> str:
    pid = lease["process"].partition(" ")[0]
    return f"`{lease['command']}` on {lease['host'] or '?'} (process {pid}, since {lease['since']})"


def _refusal(location: str, text: str) -> UserError:
    hint = "Wait until it ends or stop it. `ravine status` and `ravine report` work meanwhile; other studies can run"
    return UserError(location, f"locked by {_describe(_parse(text))}", hint)
