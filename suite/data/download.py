"""Fetches data sets: each way downloads into an empty folder and returns where the files lie there.

Nothing here is trusted: `suite.data.datasets` verifies what was fetched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = (
    60.0  # seconds without a byte on the disk before a download is given up; a slow network may take its time
)


class FetchError(Exception):
    """One way of fetching a data set failed; the message is the reason."""


def by_torchvision(folder: Path) -> Path:
    """Downloads Fashion-MNIST with torchvision, in a process of its own: there it can be ended and kept quiet."""
    download = (
        "import socket, sys, torchvision\n"
        "socket.setdefaulttimeout(10)\n"
        "torchvision.datasets.FashionMNIST(sys.argv[1], download=True)"
    )
    _run([sys.executable, "-P", "-c", download, str(folder)], folder)
    return folder / "FashionMNIST" / "raw"


def by_url(url: str, folder: Path) -> Path:
    """Downloads a file, in a process of its own as above, and unpacks it where it is a zip archive."""
    download = (
        "import pathlib, socket, sys, urllib.parse, urllib.request, zipfile\n"
        "socket.setdefaulttimeout(10)\n"
        "path = pathlib.PurePosixPath(urllib.parse.urlparse(sys.argv[1]).path).name\n"
        "urllib.request.urlretrieve(sys.argv[1], path)\n"
        "if zipfile.is_zipfile(path):\n"
        "    zipfile.ZipFile(path).extractall()"
    )
    _run([sys.executable, "-P", "-c", download, url], folder)
    return folder


def by_apt(package: str, package_folder: Path, folder: Path) -> Path:
    """Downloads and unpacks the Debian package, without root's rights and without changing the system.

    Args:
        package: Its name.
        package_folder: Where its files lie once it is installed, from the root on.
        folder: An empty folder to work in.

    Returns:
        The folder of the files.

    Raises:
        FetchError: Why it could not be had.

    The machine's package lists are tried first; where they are empty or stale, fresh ones are fetched into `folder`.
    """
    if not shutil.which("apt-get"):
        raise FetchError("there is no apt-get on this machine")
    lists, cache, conf = folder / "lists", folder / "cache", folder / "apt.conf"
    for partial in (lists / "partial", cache / "archives" / "partial"):
        partial.mkdir(parents=True)
    # The hooks of an update act on the system (PackageKit, Docker's clean-up): this one is not the system's.
    conf.write_text(
        'Debug::NoLocking "true"; APT::Sandbox::User "root"; APT::Update::Error-Mode "any";\n'
        'Acquire::Languages "none"; Acquire::Retries "0"; Acquire::http::Timeout "10"; Acquire::https::Timeout "10";\n'
        "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
    )
    apt = ["apt-get", "-c", str(conf), "-o", f"Dir::Cache={cache}"]
    own = [*apt, "-o", f"Dir::State::Lists={lists}"]
    try:
        _run([*apt, "download", package], folder)
    except FetchError:
        update = ""
        try:
            _run([*own, "update"], folder)
        except FetchError as error:  # one source of several may be out of reach: the package may be there all the same
            update = f"; {error}"
        try:
            _run([*own, "download", package], folder)
        except FetchError as error:
            raise FetchError(f"{error}{update}") from error
    archive = next(folder.glob("*.deb"), None)
    if archive is None:
        raise FetchError(f"apt-get download left no {package} package")
    _run(["dpkg-deb", "-x", str(archive), str(folder / "unpacked")], folder)
    return folder / "unpacked" / package_folder.relative_to("/")


def _run(command: list[str], folder: Path) -> None:
    """Runs a command quietly in the folder, for as long as what lies there goes on changing.

    Raises:
        FetchError: It is not there, it ended with an error, or nothing changed for PATIENCE seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not shutil.which(command[0]):
        raise FetchError(f"there is no {command[0]} on this machine")
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process:
            try:
                size, since = -1, time.monotonic()
                while process.poll() is None:
                    now = _bytes_in(folder)
                    if now != size:
                        size, since = now, time.monotonic()
                    elif time.monotonic() - since > TIMEOUT_SECONDS:
                        raise FetchError(f"nothing came for {TIMEOUT_SECONDS:g} seconds")
                    time.sleep(0.05)
            finally:
                process.kill()  # does nothing where it ended by itself
        if process.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace").splitlines()
            lines = [" ".join(line.split()) for line in text if line.strip()] or [f"exit status {process.returncode}"]
            told = [line for line in lines if line.startswith("E: ")] or lines[-1:]
            raise FetchError(" ".join(told)[:300])


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:  # a partial file that just got its name
            continue
    return total
