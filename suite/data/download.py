"""Download data sets: each function gets an empty folder and returns the folder of the files.

`suite.data.datasets` verifies what these functions return.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import requests

CONNECTION_TIMEOUT_SECONDS = 10.0
"""A download from a URL fails if no byte arrives for this long."""
TIMEOUT_SECONDS = 60.0
"""A download by a program fails if no byte reaches the disk for this long; a slow network may take its time."""
_MAX_REASON_LENGTH = 300


class DownloadError(Exception):
    """A source failed; the message is the reason."""


def by_url(urls: Mapping[str, str | None], folder: Path, subfolder: str = ".") -> Path:
    """Download files with pooch, and unpack zip and tar archives.

    Args:
        urls: The digest of each file by URL, with its algorithm in front, such as `md5:...`. None if it is not known.
        folder: Where the files are written.
        subfolder: The folder of the files in an archive.

    Raises:
        DownloadError: A file is out of reach, or has another digest.
    """
    import pooch

    pooch.get_logger().setLevel("ERROR")
    unpackers = {".zip": pooch.Unzip, ".tar.gz": pooch.Untar}
    hooks = {"response": _close_if_failed}
    downloader = pooch.HTTPDownloader(timeout=CONNECTION_TIMEOUT_SECONDS, hooks=hooks)
    try:
        for url, digest in urls.items():
            name = unquote(PurePosixPath(urlparse(url).path).name)
            unpack = next((kind(extract_dir=".") for end, kind in unpackers.items() if name.endswith(end)), None)
            pooch.retrieve(url, digest, fname=name, path=folder, processor=unpack, downloader=downloader)
    except (OSError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        cause: BaseException = error
        while cause.__context__:  # the system's reason is short, those around it repeat the URL
            cause = cause.__context__
        reason = " ".join(str(cause).split())
        raise DownloadError(f"{url}: {reason}"[:_MAX_REASON_LENGTH]) from error
    return folder / subfolder


def _close_if_failed(response: requests.Response, **_: object) -> None:
    """Close the connection of a response with an error status, because pooch does not."""
    if not response.ok:
        response.close()


def by_apt(package: str, package_folder: Path, folder: Path) -> Path:
    """Download and unpack a Debian package, without root and without changes to the system.

    The package lists of the system are tried first. If they are empty or out of date, new ones are downloaded into `folder`.

    Args:
        package: Its name.
        package_folder: The absolute folder of its files after an installation.
        folder: An empty folder to work in.

    Raises:
        DownloadError: apt-get or dpkg-deb does not exist or failed.
    """
    if not shutil.which("apt-get"):
        raise DownloadError("there is no apt-get on this machine")
    lists, cache, conf = folder / "lists", folder / "cache", folder / "apt.conf"
    for partial in (lists / "partial", cache / "archives" / "partial"):
        partial.mkdir(parents=True)
    # The hooks of an update (PackageKit, Docker's clean-up) would change the system, so they are cleared.
    conf.write_text(
        'Debug::NoLocking "true"; APT::Sandbox::User "root"; APT::Update::Error-Mode "any";\n'
        'Acquire::Languages "none"; Acquire::Retries "0"; Acquire::http::Timeout "10"; Acquire::https::Timeout "10";\n'
        "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
    )
    system_apt = ["apt-get", "-c", str(conf), "-o", f"Dir::Cache={cache}"]
    apt = [*system_apt, "-o", f"Dir::State::Lists={lists}"]
    try:
        _run([*system_apt, "download", package], folder)
    except DownloadError:
        update_failure = ""
        try:
            _run([*apt, "update"], folder)
        except DownloadError as error:  # one package source may be out of reach and another one have the package
            update_failure = f"; {error}"
        try:
            _run([*apt, "download", package], folder)
        except DownloadError as error:
            raise DownloadError(f"{error}{update_failure}") from error
    archive = next(folder.glob("*.deb"), None)
    if archive is None:
        raise DownloadError(f"apt-get download left no package {package}")
    _run(["dpkg-deb", "-x", str(archive), str(folder / "unpacked")], folder)
    return folder / "unpacked" / package_folder.relative_to("/")


def _run(command: list[str], folder: Path) -> None:
    """Run a command quietly in the folder, as long as the files there grow or change.

    Raises:
        DownloadError: The command does not exist, failed, or wrote nothing for `TIMEOUT_SECONDS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not shutil.which(command[0]):
        raise DownloadError(f"there is no {command[0]} on this machine")
    environment = {**os.environ, "LC_ALL": "C"}
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process:
            try:
                size, changed = -1, time.monotonic()
                while process.poll() is None:
                    if (new_size := _size(folder)) != size:
                        size, changed = new_size, time.monotonic()
                    elif time.monotonic() - changed > TIMEOUT_SECONDS:
                        raise DownloadError(f"timed out: nothing was written for {TIMEOUT_SECONDS:g} seconds")
                    time.sleep(0.05)
            finally:
                process.kill()  # does nothing if it has exited
        if process.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace").splitlines()
            lines = [" ".join(line.split()) for line in text if line.strip()] or [f"exit status {process.returncode}"]
            reasons = [line for line in lines if line.startswith("E: ")] or lines[-1:]
            raise DownloadError(" ".join(reasons)[:_MAX_REASON_LENGTH])


def _size(folder: Path) -> int:
    """Return the bytes of all files below the folder."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a partial file that was renamed meanwhile
            total += path.lstat().st_size
    return total
