"""`suite.data.datasets`: the search order, downloads, and that only verified data is ever read."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from suite.data import datasets, download
from suite.errors import UserError

CONTENT = {"a-images": b"images " * 40_000, "a-labels": b"labels " * 40_000, "b-images": b"test", "b-labels": b"\x00"}


def refuse(_folder):
    """Fail as a source that is out of reach."""
    raise download.DownloadError("the network is down")


@pytest.fixture(autouse=True)
def _environment(tmp_path, monkeypatch):
    """Give each test a separate cache, and no folder from the environment."""
    monkeypatch.delenv("RAVINE_DATA", raising=False)
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()


@pytest.fixture
def tiny(tmp_path):
    """Return a data set of four tiny files; its sources fail, unless a test provides programs for apt."""
    return datasets.DataSet(
        name="Tiny",
        files={name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()},
        subfolder="Tiny/raw",
        sources={
            "the site": refuse,
            "apt-get": functools.partial(download.by_apt, "dataset-tiny", tmp_path / "package"),
        },
        package_folder=tmp_path / "package",
        citation="written by the test",
    )


@pytest.fixture
def raw(tmp_path):
    """Return the folder of the files in the cache."""
    return tmp_path / "cache" / "Tiny" / "raw"


@pytest.fixture
def no_programs(tmp_path, monkeypatch):
    """Set PATH to a folder for a test's programs, with the shell's programs and without apt-get; return it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cp", "mkdir", "sleep", "touch"):
        (folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder, name, *lines):
    """Write an executable shell script."""
    (folder / name).write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    (folder / name).chmod(0o755)


def fill(folder, packed=True, **other):
    """Write the four files, packed or not; `other` replaces the bytes of a file (None omits it). Return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        bytes_ = other.get(name.replace("-", "_"), gzip.compress(content) if packed else content)
        if bytes_ is not None:
            (folder / (f"{name}.gz" if packed else name)).write_bytes(bytes_)
    return folder


def listing(folder):
    """Return every file below the folder except the lock."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    )


def is_complete(raw):
    """Return whether the folder has the four files and nothing else."""
    return {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT


def refusal(data_set, folder=None, **options):
    """Return the one line of the error for a data set."""
    with pytest.raises(UserError) as error:
        datasets.ensure(data_set, folder, **options)
    message = str(error.value)
    assert "\n" not in message
    return message


# The search


def test_search_order(tiny, tmp_path, raw, monkeypatch):
    """The order is --data, RAVINE_DATA, the cache, the package."""
    option, variable = fill(tmp_path / "option"), fill(tmp_path / "variable")
    fill(raw, packed=False)
    fill(tiny.package_folder)
    monkeypatch.setenv("RAVINE_DATA", str(variable))
    assert datasets.find_folder(tiny, option) == datasets.Location("--data", option, "complete")
    assert datasets.find_folder(tiny) == datasets.Location("RAVINE_DATA", variable, "complete")
    monkeypatch.setenv("RAVINE_DATA", "")
    assert datasets.find_folder(tiny) == datasets.Location("cache", raw, "complete")
    shutil.rmtree(raw)
    assert datasets.find_folder(tiny) == datasets.Location("package", tiny.package_folder, "complete")
    shutil.rmtree(tiny.package_folder)
    assert datasets.find_folder(tiny) is None


def test_find_and_status_write_nothing(tiny, tmp_path):
    """The search changes no folder."""
    fill(tiny.package_folder)
    before = sorted(tmp_path.rglob("*"))
    datasets.find_folder(tiny)
    datasets.status(tiny)
    assert sorted(tmp_path.rglob("*")) == before


def test_status_has_every_location_in_order(tiny, tmp_path, raw):
    """Each location has its path and state, also the invalid folder of the user."""
    wrong = fill(tmp_path / "wrong", a_labels=gzip.compress(b"other"))
    fill(tiny.package_folder)
    rows = datasets.status(tiny, wrong)
    assert [(row.name, row.path) for row in rows] == [
        ("--data", wrong),
        ("cache", raw),
        ("package", tiny.package_folder),
    ]
    assert rows[0].state.startswith(f"invalid: {wrong / 'a-labels.gz'}: expected")
    assert [row.state for row in rows[1:]] == ["absent", "complete"]
    assert [row.name for row in datasets.status(tiny)] == ["cache", "package"]


@pytest.mark.parametrize("contents", ["no folder", "empty folder", "one file missing", "a file instead"])
@pytest.mark.parametrize("option", ["--data", "RAVINE_DATA"])
def test_an_invalid_folder_of_the_user_is_an_error(tiny, tmp_path, raw, monkeypatch, wording, contents, option):
    """It is an error even if the cache and the package have the data."""
    fill(raw, packed=False)
    fill(tiny.package_folder)
    given = tmp_path / "given"
    if contents == "empty folder":
        given.mkdir()
    elif contents == "one file missing":
        fill(given, b_labels=None)
    elif contents == "a file instead":
        given.write_text("data")
    if option == "RAVINE_DATA":
        monkeypatch.setenv("RAVINE_DATA", str(given))
    wording(refusal(tiny, given if option == "--data" else None))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", ["", "Tiny/raw"])
def test_forms_of_a_users_folder(tiny, tmp_path, raw, packed, below):
    """The files, or a root with them, are accepted, packed or not; the user's folder is not changed."""
    fill(tmp_path / "given" / below, packed=packed)
    before = listing(tmp_path / "given")
    root = datasets.ensure(tiny, tmp_path / "given")
    assert {path.name: path.read_bytes() for path in (root / "Tiny" / "raw").iterdir()} == CONTENT
    assert listing(tmp_path / "given") == before
    if below and not packed:  # as the reader needs it: no copy is made
        assert root == tmp_path / "given"
        assert not raw.exists()
    else:
        assert root == tmp_path / "cache"


def test_the_raw_folder_of_torchvision(tiny, tmp_path):
    """For the raw folder of torchvision, the reader gets the root above it, without a copy."""
    fill(tmp_path / "torchvision" / "Tiny" / "raw")  # torchvision leaves the packed files beside the unpacked ones
    raw = fill(tmp_path / "torchvision" / "Tiny" / "raw", packed=False)
    assert datasets.ensure(tiny, raw) == tmp_path / "torchvision"
    assert not (tmp_path / "cache").exists()


def test_a_relative_folder_and_the_home_sign(tiny, tmp_path, monkeypatch):
    """A relative folder and one with ~ become absolute, because workers have other current directories."""
    fill(tmp_path / "given")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.find_folder(tiny, Path("given")).path == tmp_path / "given"
    monkeypatch.setenv("RAVINE_DATA", "~/given")
    assert datasets.find_folder(tiny).path == tmp_path / "given"
    monkeypatch.setenv("RAVINE_DATA", "~no-such-user/given")
    assert refusal(tiny).startswith(f"RAVINE_DATA: {tmp_path}/~no-such-user/given: ")


def test_the_cache_is_the_users_unless_moved(tmp_path, monkeypatch):
    """Without RAVINE_CACHE the cache is the folder `ravine` in the user's cache folder."""
    assert datasets.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("RAVINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert datasets.cache_folder() == tmp_path / "xdg" / "ravine"


# Unpacking and verifying


def test_repacked_files_are_accepted(tiny, tmp_path, raw):
    """The content is verified, not the .gz: another level, another time, two members."""
    content = CONTENT["a-images"]
    fill(
        tmp_path / "given",
        a_images=gzip.compress(content[:1000], 1, mtime=5) + gzip.compress(content[1000:], 9, mtime=7),
        a_labels=gzip.compress(CONTENT["a-labels"], 0, mtime=9),
    )
    datasets.ensure(tiny, tmp_path / "given")
    assert is_complete(raw)


def sha(content):
    """Return the digest of bytes."""
    return hashlib.sha256(content).hexdigest()


PACKED = gzip.compress(CONTENT["a-labels"])
PAGE = b"<!DOCTYPE html><title>Sign in</title>"
DAMAGED = PACKED[:50] + b"\xff" * 50 + PACKED[100:]
OTHER = b"\x00\x00\x08\x01\x00\x00\x00\x01\x05"
WRONG = {
    "truncated": (PACKED[:-20], sha(PACKED[:-20])),
    "empty": (b"", sha(b"")),
    "HTML page": (PAGE, sha(PAGE)),
    "damaged in the middle": (DAMAGED, sha(DAMAGED)),
    "another data set": (gzip.compress(OTHER), sha(OTHER)),
    "swapped": (gzip.compress(CONTENT["a-images"]), sha(CONTENT["a-images"])),
    "unpacked already": (CONTENT["a-labels"], sha(CONTENT["a-labels"])),
    "missing": (None, "no such file"),
}
"""Bytes of a wrong file, and its digest."""


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("location", ["given", "package"])
def test_a_wrong_file_is_refused(tiny, tmp_path, no_programs, wording, wrong, location):
    """The error names the file, the expected and the computed digest, and the fix; no file is written."""
    content, computed = WRONG[wrong]
    folder = fill(tmp_path / "given" if location == "given" else tiny.package_folder, a_labels=content)
    before = listing(tmp_path)
    message = refusal(tiny, folder if location == "given" else None)
    if location == "package":  # skipped, and in the status
        wording(message)
        message = datasets.status(tiny)[-1].state
    assert str(folder / "a-labels") in message
    assert f"expected sha256 {tiny.files['a-labels']}, got {computed}" in message
    wording(message, {computed: "<digest>"} if wrong != "missing" else None)
    assert listing(tmp_path) == before


def test_a_file_that_cannot_be_read(tiny, tmp_path, wording):
    """A folder with the name of a file is refused with the system's reason."""
    fill(tmp_path / "given", a_labels=None)
    (tmp_path / "given" / "a-labels.gz").mkdir()
    wording(refusal(tiny, tmp_path / "given"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_without_permission(tiny, tmp_path):
    """A file, or a folder, that the user may not read is refused with the system's reason."""
    given = fill(tmp_path / "given")
    (given / "a-labels.gz").chmod(0)
    assert "got a file that cannot be read (Permission denied)" in refusal(tiny, given)
    given.chmod(0)
    assert "cannot be read (Permission denied)" in refusal(tiny, given)
    given.chmod(0o700)


def test_an_unpacked_file_is_preferred_and_checked(tiny, tmp_path):
    """A wrong unpacked file beside the right .gz is refused, because a reader would read the unpacked one."""
    fill(tmp_path / "given")
    (tmp_path / "given" / "a-labels").write_bytes(b"other")
    assert f"{tmp_path / 'given' / 'a-labels'}: expected" in refusal(tiny, tmp_path / "given")


@pytest.mark.parametrize("blocked", ["cache", "cache/Tiny", "cache/Tiny/raw"])
def test_a_cache_that_cannot_be_written_to(tiny, tmp_path, wording, blocked):
    """If a file stands where the cache should be, the error says so, with the fix."""
    given = fill(tmp_path / "given")
    (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / blocked).write_text("in the way")
    wording(refusal(tiny, given))
    assert listing(tmp_path / "given") == sorted(f"{name}.gz" for name in CONTENT)


UNPACK = """
import resource, sys
from pathlib import Path
from suite.data import datasets
given, subfolder, files, max_bytes = sys.argv[1:]
if int(max_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(max_bytes), int(max_bytes)))
print(datasets.ensure(datasets.DataSet("Tiny", eval(files), subfolder, {}, Path("/nowhere"), ""), Path(given)))
"""


def unpacking(data_set, given, max_bytes=0):
    """Start a process that unpacks the data set; its files may have at most `max_bytes` bytes if that is not 0."""
    return subprocess.Popen(
        [sys.executable, "-c", UNPACK, str(given), data_set.subfolder, repr(dict(data_set.files)), str(max_bytes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def big(tiny, tmp_path):
    """Return the tiny data set with one large file, which takes a while to unpack, and its packed folder."""
    content = bytes(150_000_000)
    given = fill(tmp_path / "given", a_images=gzip.compress(content, 1))
    return dataclasses.replace(tiny, files={**tiny.files, "a-images": sha(content)}), given


def test_a_full_disk_leaves_no_partial_file(tiny, tmp_path, raw):
    """If the system refuses a write in the middle of a file, the error says so and no partial file is left."""
    with unpacking(tiny, fill(tmp_path / "given"), max_bytes=100_000) as process:
        last = process.communicate(timeout=60)[1].splitlines()[-1]
    assert f"UserError: {tmp_path / 'cache'}: the data cannot be unpacked there ([Errno 27] File too large). " in last
    assert listing(raw) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_unpacking_is_repeated(big, raw, number):
    """Ctrl-C leaves no partial file, a kill leaves one that the next process deletes; neither leaves an incomplete file."""
    data_set, given = big
    with unpacking(data_set, given) as process:
        while not list(raw.glob(".*.part")):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.005)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert len(listing(raw)) == (0 if number == signal.SIGINT else 1)
    assert datasets.status(data_set)[0].state == "absent"
    datasets.ensure(data_set, given)
    assert listing(raw) == sorted(CONTENT)
    assert datasets.find_folder(data_set).path == raw


def test_two_processes_unpack_at_once(big, tmp_path, raw):
    """Both succeed with the same root, and the cache is complete."""
    data_set, given = big
    with unpacking(data_set, given) as first, unpacking(data_set, given) as second:
        outputs = [process.communicate(timeout=60) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    assert outputs == [(f"{tmp_path / 'cache'}\n", "")] * 2  # the second reuses what the first unpacked, silently
    assert listing(raw) == sorted(CONTENT)
    assert datasets.find_folder(data_set).path == raw


def test_a_damaged_cache_is_replaced(tiny, raw, wording):
    """A changed byte in the cache is found; the package's copy replaces it, with a note."""
    fill(raw, packed=False, a_images=b"X" + CONTENT["a-images"][1:])
    fill(tiny.package_folder)
    notes = []
    datasets.ensure(tiny, notify=notes.append)
    assert is_complete(raw)
    assert len(notes) == 1
    wording(notes[0])


def test_a_complete_cache_is_not_written_again(tiny, tmp_path, raw):
    """If the cache has the data, nothing is unpacked, whatever location is found first."""
    fill(raw, packed=False)
    times = {path: path.stat().st_mtime_ns for path in raw.iterdir()}
    assert datasets.ensure(tiny, fill(tmp_path / "given")) == datasets.ensure(tiny) == tmp_path / "cache"
    assert {path: path.stat().st_mtime_ns for path in raw.iterdir()} == times


def test_verification_can_be_skipped(tiny, tmp_path, raw):
    """A worker may skip the digests, but every file must exist."""
    fill(raw, packed=False, a_images=b"changed")
    assert datasets.ensure(tiny, verify=False) == tmp_path / "cache"
    (raw / "a-labels").unlink()
    assert datasets.find_folder(tiny, verify=False) is None


@pytest.mark.parametrize("wrong", ["truncated", "HTML page", "another data set"])
def test_unpacking_always_verifies(tiny, tmp_path, raw, wrong):
    """A file that was not verified before is verified when it is unpacked, and a wrong one leaves nothing."""
    content, computed = WRONG[wrong]
    given = fill(tmp_path / "given", a_images=content)
    message = refusal(tiny, given, verify=False)
    assert message.startswith(f"{given}/a-images.gz: expected sha256 {tiny.files['a-images']}, got {computed}")
    assert listing(raw) == []


# Downloads


def apt(no_programs, tmp_path, *before_download):
    """Write programs that act as apt-get and dpkg-deb: one leaves a file, the other copies the package's files."""
    stock = fill(tmp_path / "stock")
    program(
        no_programs,
        "apt-get",
        f'echo "$@" >> {tmp_path}/calls',
        *before_download,
        'case "$*" in *download*) touch dataset-tiny_1_all.deb;; esac',
    )
    program(no_programs, "dpkg-deb", f'mkdir -p "$3{tmp_path}"', f'cp -r {stock} "$3{tmp_path}/package"')
    return lambda: (tmp_path / "calls").read_text().splitlines()


def test_the_next_source_is_tried(tiny, tmp_path, raw, no_programs, capsys, wording):
    """If the site fails, the package is downloaded and unpacked into the cache, with a line for each on standard error."""
    calls = apt(no_programs, tmp_path)
    assert datasets.ensure(tiny) == tmp_path / "cache"
    assert is_complete(raw)
    assert len(calls()) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 2)
    wording(err)
    assert listing(tmp_path / "scratch") == []


def test_apt_without_package_lists(tiny, tmp_path, raw, no_programs):
    """If the system's lists do not have the package, new ones are downloaded into a scratch folder."""
    unknown = 'echo "E: Unable to locate package dataset-tiny" >&2; exit 100'
    calls = apt(no_programs, tmp_path, f'case "$*" in *Dir::State::Lists=*) ;; *) {unknown};; esac')
    datasets.ensure(tiny, notify=lambda _line: None)
    assert is_complete(raw)
    assert [call.split()[-1] for call in calls()] == ["dataset-tiny", "update", "dataset-tiny"]
    assert all(f"Dir::State::Lists={tmp_path}/scratch/" in call for call in calls()[1:])
    assert all(f"Dir::Cache={tmp_path}/scratch/" in call for call in calls())


def test_a_failed_update_does_not_stop_the_download(tiny, tmp_path, raw, no_programs):
    """A package source that is out of reach does not matter if another one has the package."""
    fails = 'case "$*" in *update) echo "E: Failed to fetch" >&2; exit 100;; *State::Lists=*) ;; *) exit 100;; esac'
    apt(no_programs, tmp_path, fails)
    datasets.ensure(tiny, notify=lambda _line: None)
    assert is_complete(raw)


def test_every_source_fails(tiny, tmp_path, no_programs, wording):
    """The error has the reason of each source and the fix, and no file is left."""
    program(no_programs, "apt-get", 'echo "Reading lists"; echo "E: No such package" >&2; exit 100')
    wording(refusal(tiny))
    assert listing(tmp_path / "cache") == listing(tmp_path / "scratch") == []


def test_without_apt(tiny, no_programs):
    """If there is no apt-get, the error says so, once."""
    assert refusal(tiny).count("there is no apt-get on this machine") == 1


def test_a_package_that_cannot_be_unpacked(tiny, tmp_path, no_programs):
    """The error has the reason of dpkg-deb."""
    apt(no_programs, tmp_path)
    program(no_programs, "dpkg-deb", 'echo "dpkg-deb: error: unexpected end of file" >&2; exit 2')
    assert "apt-get: dpkg-deb: error: unexpected end of file" in refusal(tiny)


def test_a_wrong_download_is_refused(tiny, tmp_path, no_programs):
    """A download is verified like any other copy, and never reaches the cache if it is wrong."""
    apt(no_programs, tmp_path)
    fill(tmp_path / "stock", a_labels=gzip.compress(b"other"))
    assert f"expected sha256 {tiny.files['a-labels']}, got {sha(b'other')}" in refusal(tiny)
    assert listing(tmp_path / "cache") == []


def test_a_stalled_program_is_ended(tiny, no_programs, monkeypatch):
    """A program that hangs is ended after `TIMEOUT_SECONDS` without a byte."""
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.3)
    program(no_programs, "apt-get", "exec sleep 100")
    start = time.monotonic()
    assert "apt-get: timed out: nothing was written for 0.3 seconds" in refusal(tiny)
    assert time.monotonic() - start < 20


def test_a_slow_program_is_not_ended(tmp_path, no_programs, monkeypatch):
    """A program that keeps writing may take as long as it needs."""
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.6)
    program(no_programs, "slow", "for i in 1 2 3 4 5 6; do sleep 0.3; echo more >> part; done")
    start = time.monotonic()
    download._run(["slow"], tmp_path / "scratch")
    assert time.monotonic() - start > 1.2
    assert (tmp_path / "scratch" / "part").read_text() == "more\n" * 6


def test_a_download_by_another_process_is_reused(tiny, raw):
    """A process that waited for another one's download uses it, and downloads nothing."""
    fill(raw, packed=False)
    notes = []
    assert datasets.fetch(tiny, notes.append) == datasets.Location("cache", raw, "complete")
    assert notes == []


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Serve a folder by HTTP; return the folder and its address."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a log; `/stalled` sends half of what it announces, then waits."""

    def log_message(self, *_):
        """Print nothing."""

    def do_GET(self):
        """Send a file, or half of one."""
        if self.path != "/stalled":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 500)
        self.wfile.flush()
        time.sleep(3)


@pytest.mark.parametrize("packed", [True, False])
def test_a_download_from_urls(tiny, tmp_path, raw, capfd, site, packed):
    """A zip archive is unpacked, other files are used as they are; both are verified and end in the cache."""
    served, address = site
    files = CONTENT if packed else dict(list(CONTENT.items())[:2])
    if packed:
        with zipfile.ZipFile(served / "all+of it.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        urls = {f"{address}/all+of%20it.zip": None}
    else:
        for name, content in files.items():
            (served / name).write_bytes(content)
        urls = {f"{address}/{name}": f"sha256:{tiny.files[name]}" for name in files}
    digests = {name: tiny.files[name] for name in files}
    sources = {"site": functools.partial(download.by_url, urls)}
    assert datasets.ensure(dataclasses.replace(tiny, files=digests, sources=sources)) == tmp_path / "cache"
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == files
    assert len(capfd.readouterr().err.splitlines()) == 1  # pooch prints nothing


def test_a_tar_archive_is_unpacked(tiny, tmp_path, raw, site):
    """The files in a folder of a tar archive are verified and end in the cache."""
    served, address = site
    with tarfile.open(served / "tiny.tar.gz", "w:gz") as archive:
        archive.add(fill(tmp_path / "stock", packed=False), "batches")
    urls = {f"{address}/tiny.tar.gz": f"sha256:{sha((served / 'tiny.tar.gz').read_bytes())}"}
    sources = {"site": functools.partial(download.by_url, urls, subfolder="batches")}
    assert datasets.ensure(dataclasses.replace(tiny, sources=sources)) == tmp_path / "cache"
    assert is_complete(raw)


@pytest.mark.parametrize(
    ("path", "content", "digest", "reason"),
    [
        ("page.tar.gz", PAGE, None, "not a gzip file"),
        ("a-images", b"other", f"sha256:{sha(b'more')}", "does not match the known hash"),
        ("page.zip", PAGE, None, "File is not a zip file"),
        ("missing", None, None, "404 Client Error"),
        ("stalled", None, None, "timed out"),
    ],
)
def test_a_failed_download_from_a_url(tmp_path, monkeypatch, site, path, content, digest, reason):
    """The reason is one line with the URL, and no partial file is left."""
    served, address = site
    monkeypatch.setattr(download, "CONNECTION_TIMEOUT_SECONDS", 0.5)
    if content is not None:
        (served / path).write_bytes(content)
    folder = tmp_path / "scratch" / "site"
    with pytest.raises(download.DownloadError, match=reason) as error:
        download.by_url({f"{address}/{path}": digest}, folder)
    assert str(error.value).startswith(f"{address}/{path}: ")
    assert "\n" not in str(error.value)
    assert listing(folder) == ([path] if path.startswith("page.") else [])


def test_a_site_out_of_reach(tmp_path, monkeypatch):
    """A download fails within seconds on a proxy that refuses the connection, and the reason is one short line."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(download.DownloadError, match=r"^http://\S+: \[Errno 111\] Connection refused$"):
        datasets.FASHION_MNIST.sources["the Fashion-MNIST site"](tmp_path / "scratch" / "site")


# The data set itself


def test_a_data_set_without_a_package(tiny):
    """A data set without a Debian package has no such location."""
    bare = dataclasses.replace(tiny, package_folder=None)
    assert [row.name for row in datasets.status(bare)] == ["cache"]


def test_imports_are_light():
    """Importing the module loads no heavy library, so the command line starts fast."""
    heavy = ("torch", "torchvision", "numpy", "filelock", "pooch", "requests")
    code = f"import sys, suite.data.datasets; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("folder", ["FashionMNIST", "FashionMNIST/processed"])
def test_a_root_that_cannot_be_loaded(tmp_path, wording, folder):
    """A root without the files is refused, and one with a converted copy, which torchvision prefers and has no digest."""
    (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(UserError) as error:
        datasets.load_fashion_mnist(tmp_path)
    wording(error.value)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return the root of the real data in a new cache, found on this machine or downloaded."""
    location = datasets.find_folder(datasets.FASHION_MNIST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAVINE_CACHE", str(tmp_path_factory.mktemp("real")))
        return datasets.ensure(datasets.FASHION_MNIST, location and location.path)


@pytest.mark.data
def test_the_real_data(real):
    """There are 60,000 and 10,000 images, as bytes, with ten classes of equal size."""
    torch = pytest.importorskip("torch")
    images, labels, test_images, test_labels = datasets.load_fashion_mnist(real)
    assert images.shape == (60_000, 1, 28, 28)
    assert test_images.shape == (10_000, 1, 28, 28)
    assert images.dtype == test_images.dtype == torch.uint8
    assert labels.dtype == test_labels.dtype == torch.int64
    assert torch.bincount(labels).tolist() == [6_000] * 10  # Xiao, Rasul and Vollgraf (2017), section 2
    assert torch.bincount(test_labels).tolist() == [1_000] * 10
    assert (images.double().mean() / 255).item() == pytest.approx(0.2860, abs=5e-5)  # the mean that is widely published
    assert labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]  # the first labels, in the file's order


def test_the_digests_of_cifar_10_are_those_of_torchvision():
    """The files and their MD5 are those that torchvision verifies."""
    from torchvision.datasets import CIFAR10

    theirs = dict([*CIFAR10.train_list, *CIFAR10.test_list]) | {CIFAR10.meta["filename"]: CIFAR10.meta["md5"]}
    assert dict(datasets.CIFAR10.files) == theirs
    assert datasets.CIFAR10.subfolder == CIFAR10.base_folder
    assert CIFAR10.url in datasets.CIFAR10.sources["the CIFAR-10 site"].args[0]
