"""Real servers for tests, on 127.0.0.1: PostgreSQL in a temporary folder, and MLflow on it."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest


def free_port():
    """Return a port that no server listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def postgresql(*databases):
    """Run a PostgreSQL server with these databases and yield their URLs. As root it runs as the user postgres."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    programs = versions[-1] if versions else shutil.which("initdb") and Path(shutil.which("initdb")).parent
    if not programs:
        pytest.skip("PostgreSQL is missing: apt-get install postgresql")
    pytest.importorskip("psycopg", reason='its driver is missing: pip install "ravine[postgresql]"')
    folder, port, user = Path(tempfile.mkdtemp(prefix="ravine-postgresql-")), free_port(), []
    if os.geteuid() == 0:  # initdb refuses root
        try:
            postgres = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("there is no user postgres, and PostgreSQL refuses root")
        os.chown(folder, postgres.pw_uid, postgres.pw_gid)
        user = ["runuser", "-u", "postgres", "--"]

    def do(program, *arguments):
        command = [*user, programs / program, "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    try:
        do("initdb", "--no-sync", "--auth=trust", "--username=ravine", "--encoding=UTF8", "--locale=C")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        do("pg_ctl", "--wait", "--log", folder / "log", "--options", options, "start")
        try:
            import psycopg

            with psycopg.connect(f"postgresql://ravine@127.0.0.1:{port}/postgres", autocommit=True) as connection:
                for name in databases:
                    connection.execute(f"CREATE DATABASE {name}")
            yield [f"postgresql://ravine@127.0.0.1:{port}/{name}" for name in databases]
        finally:
            do("pg_ctl", "--wait", "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def mlflow(backend, artifacts, timeout=180.0):
    """Run an MLflow server on a database, which serves the artifacts in a folder, and yield its address."""
    address = f"http://127.0.0.1:{free_port()}"
    options = ["--backend-store-uri", backend, "--artifacts-destination", artifacts, "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "server", *options, "--host", "127.0.0.1"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(
        [*command, "--port", address.rpartition(":")[2]],
        env={name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} | quiet,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            end = time.monotonic() + timeout
            while True:
                assert server.poll() is None, "the MLflow server exited at startup"
                with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{address}/health"):
                    break
                assert time.monotonic() < end, "the MLflow server does not respond"
                time.sleep(0.2)
            yield address
        finally:
            server.terminate()
