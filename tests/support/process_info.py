"""Processes of this machine and the addresses at which they listen."""

import os
from contextlib import suppress

import psutil


def session_processes(session):
    """Return the live processes of a session: the command line by process id."""
    processes = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                processes[process.pid] = " ".join(process.cmdline())
    return processes


def listening_addresses(pid):
    """Return the addresses at which a process listens for TCP connections; IPv4 addresses are never written as IPv6."""
    with suppress(psutil.Error):
        connections = psutil.Process(pid).net_connections("tcp")
        return [c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN]
    return []
