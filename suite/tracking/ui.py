"""The MLflow UI on a store, as a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from typing import TYPE_CHECKING

from suite.errors import UserError, format_value

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
"""This machine alone. The UI asks nobody for a password, and lets everybody delete."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 (named, not bound)
TIMEOUT_SECONDS = 60.0
OWN = "Ravine-UI"
"""A header of every answer: whose it is, where two that start at once have found the same port free."""


def is_open(host: str) -> bool:
    """Whether other machines can reach what listens on this address."""
    return host != "localhost" and not host.startswith("127.")


def serve(uri: str, port: int, ready: Callable[[str], object], host: str = HOST) -> int:
    """Serve the UI until it is stopped; call `ready` with its address once it answers.

    Args:
        uri: The store's tracking URI, a database.
        port: Where to listen; the next free one where this is taken.
        ready: Told the address, such as http://127.0.0.1:5000/.
        host: The address of this machine to listen on.

    Returns:
        The exit status of the server.

    Raises:
        UserError: The server did not come up, or `host` is no address of this machine.
    """
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", host]
    command += ["--workers", "1"]  # for one reader: up sooner, and in half the memory of the four that MLflow starts
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # nothing here asks for jobs
    }
    name = uuid.uuid4().hex
    command += ["--uvicorn-opts", f"--header {OWN}:{name}"]
    while True:
        port = _free(port, host)
        address = f"http://{HOST if host == EVERYWHERE else host}:{port}/"
        with subprocess.Popen(
            [*command, "--port", str(port)],
            env=os.environ | quiet,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                if _answers(server, address, name):
                    ready(address)
                    server.communicate()
                    return server.returncode
            finally:
                server.terminate()


def _answers(server: subprocess.Popen[str], address: str, name: str) -> bool:
    """Wait for the answer of the server of this name; False where another one has its port and so it ended."""
    end, other = time.monotonic() + TIMEOUT_SECONDS, False
    while time.monotonic() < end:
        if server.poll() is not None:
            if other:
                return False
            told = (server.stderr.read() if server.stderr else "").strip().splitlines()
            raise UserError(
                f"the MLflow UI ended at once: {told[-1] if told else 'it said nothing'}. Try: ravine doctor"
            )
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            urllib.request.urlopen(f"{address}health", timeout=2) as answer,  # noqa: S310 (always http)
        ):
            if answer.headers.get(OWN) == name:
                return True
            other = True
        time.sleep(0.2)
    raise UserError(f"the MLflow UI did not answer at {address} within {TIMEOUT_SECONDS:.0f} s. Try another --port")


def _free(port: int, host: str = HOST) -> int:
    """The port, or the next one that nothing listens on."""
    try:
        with socket.socket() as probe:
            probe.bind((host or "nowhere.invalid", 0))  # an empty one would be all addresses
    except (OSError, UnicodeError):  # a name of hundreds of letters
        told = f"--host: {format_value(host)}: no IPv4 address of this machine"
        raise UserError(f"{told}. Write {HOST}, or {EVERYWHERE} for all addresses") from None
    for candidate in range(port, min(port + 100, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    raise UserError(f"--port: no free port from {port} on. Give another")
