"""The MLflow UI of a store, as a separate process."""

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
"""This machine only. The UI has no password and lets everyone delete records."""
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 (named, not bound)
TIMEOUT_SECONDS = 60.0
SERVER_HEADER = "Ravine-UI"
"""A header of each response with the server's id, because two servers that start at once may find the same free port."""


def is_open(host: str) -> bool:
    """Return whether other machines can reach a server on this address."""
    return host != "localhost" and not host.startswith("127.")


def serve(uri: str, port: int, ready: Callable[[str], object], host: str = HOST) -> int:
    """Serve the UI until it is stopped.

    Args:
        uri: The store's tracking URI, a database.
        port: The port to listen on; the next free one if it is taken.
        ready: Called with the address, such as http://127.0.0.1:5000/, when the server responds.
        host: The address of this machine to listen on.

    Returns:
        The exit status of the server.

    Raises:
        UserError: The server did not start, or `host` is not an address of this machine.
    """
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", host]
    command += ["--workers", "1"]  # enough for one reader; starts sooner and needs half the memory of MLflow's four
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # Ravine uses no jobs
    }
    server_id = uuid.uuid4().hex
    command += ["--uvicorn-opts", f"--header {SERVER_HEADER}:{server_id}"]
    while True:
        port = _free_port(port, host)
        address = f"http://{HOST if host == ALL_ADDRESSES else host}:{port}/"
        with subprocess.Popen(
            [*command, "--port", str(port)],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                if _responds(server, address, server_id):
                    ready(address)
                    server.communicate()
                    return server.returncode
            finally:
                server.terminate()


def _responds(server: subprocess.Popen[str], address: str, server_id: str) -> bool:
    """Wait for the first response of the server; return False if it exited because another server has its port."""
    end, port_taken = time.monotonic() + TIMEOUT_SECONDS, False
    while time.monotonic() < end:
        if server.poll() is not None:
            if port_taken:
                return False
            lines = (server.stderr.read() if server.stderr else "").strip().splitlines() or ["no message"]
            raise UserError(address, f"the MLflow UI exited at startup: {lines[-1]}", "Run `ravine doctor`")
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            urllib.request.urlopen(f"{address}health", timeout=2) as response,  # noqa: S310 (always http)
        ):
            if response.headers.get(SERVER_HEADER) == server_id:
                return True
            port_taken = True
        time.sleep(0.2)
    raise UserError(address, f"the MLflow UI did not respond within {TIMEOUT_SECONDS:.0f} s", "Choose another --port")


def _free_port(port: int, host: str = HOST) -> int:
    """Return the first port from `port` on that no server listens on."""
    try:
        with socket.socket() as probe:
            probe.bind((host or "nowhere.invalid", 0))  # an empty host would be all addresses
    except (OSError, UnicodeError):  # UnicodeError: a name of hundreds of letters
        problem = f"expected an IPv4 address of this machine, got {format_value(host)}"
        raise UserError("--host", problem, f"Write {HOST}, or {ALL_ADDRESSES} for all addresses") from None
    for candidate in range(port, min(port + 100, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    raise UserError("--port", f"no free port from {port} to {min(port + 99, 65535)}", "Choose another")
