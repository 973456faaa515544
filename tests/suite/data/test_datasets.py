"""suite.data.datasets: where a data set is looked for, how it is fetched, and that nothing else than the data is ever taken."""

import dataclasses
import functools
import gzip
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from suite.data import datasets, download
from suite.errors import UserError

CONTENT = {"a-images": b"images " * 40_000, "a-labels": b"labels " * 40_000, "b-images": b"test", "b-labels": b"\x00"}


def refuse(_folder):
    """A way that fails."""
    raise download.FetchError("the network is down")


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A cache of each test's own, and no folder from the outside."""
    monkeypatch.delenv("RAVINE_DATA", raising=False)
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()


@pytest.fixture
def tiny(tmp_path):
    """A data set of four tiny files, which no network has."""
    return datasets.DataSet(
        name="Tiny",
        files={name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()},
        subfolder="Tiny/raw",
        ways={
            "torchvision": refuse,
            "apt-get": functools.partial(download.by_apt, "dataset-tiny", tmp_path / "package"),
        },
        package_folder=tmp_path / "package",
        source="made here",
    )


@pytest.fixture
def raw(tmp_path):
    """The folder of the cache where the files belong."""
    return tmp_path / "cache" / "Tiny" / "raw"


@pytest.fixture
def no_programs(tmp_path, monkeypatch):
    """A PATH on which a test puts its own programs, with the shell's and no apt-get."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cp", "mkdir", "sleep", "touch"):
        (folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder, name, *lines):
    """A fake executable: a shell script."""
    (folder / name).write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    (folder / name).chmod(0o755)


def fill(folder, packed=True, **other):
    """Puts the four files there, packed or not; `other` replaces a file's bytes as they lie (None leaves it out)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        bytes_ = other.get(name.replace("-", "_"), gzip.compress(content) if packed else content)
        if bytes_ is not None:
            (folder / (f"{name}.gz" if packed else name)).write_bytes(bytes_)
    return folder


def listing(folder):
    """Every file below the folder, apart from the lock."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    )


def whole_cache(raw):
    """Whether the cache holds the four files and nothing beside them."""
    return {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT


def refusal(data_set, folder=None):
    """The one line with which the data set is refused."""
    with pytest.raises(UserError) as error:
        datasets.ensure(data_set, folder)
    message = str(error.value)
    assert "\n" not in message
    return message


# Places


def test_order_of_the_places(tiny, tmp_path, raw, monkeypatch):
    """--data comes before RAVINE_DATA, the cache and the package; each is found as soon as those before it are gone."""
    option, variable = fill(tmp_path / "option"), fill(tmp_path / "variable")
    fill(raw, packed=False)
    fill(tiny.package_folder)
    monkeypatch.setenv("RAVINE_DATA", str(variable))
    assert (datasets.find_folder(tiny, option).what, datasets.find_folder(tiny, option).path) == ("--data", option)
    assert (datasets.find_folder(tiny).what, datasets.find_folder(tiny).path) == ("RAVINE_DATA", variable)
    monkeypatch.setenv("RAVINE_DATA", "")
    assert (datasets.find_folder(tiny).what, datasets.find_folder(tiny).path) == ("cache", raw)
    shutil.rmtree(raw)
    assert (datasets.find_folder(tiny).what, datasets.find_folder(tiny).path) == ("package", tiny.package_folder)
    shutil.rmtree(tiny.package_folder)
    assert datasets.find_folder(tiny) is None


def test_find_and_status_write_nothing(tiny, tmp_path):
    """Looking changes no folder."""
    fill(tiny.package_folder)
    before = sorted(tmp_path.rglob("*"))
    datasets.find_folder(tiny)
    datasets.status(tiny)
    assert sorted(tmp_path.rglob("*")) == before


def test_status_tells_every_place_in_order(tiny, tmp_path, raw):
    """Each place has a row with its path and state, a wrong folder given among them."""
    wrong = fill(tmp_path / "wrong", a_labels=gzip.compress(b"other"))
    fill(tiny.package_folder)
    rows = datasets.status(tiny, wrong)
    assert [(row.what, row.path) for row in rows] == [
        ("--data", wrong),
        ("cache", raw),
        ("package", tiny.package_folder),
    ]
    assert rows[0].state.startswith(f"not the data: {wrong / 'a-labels.gz'}: expected")
    assert [row.state for row in rows[1:]] == ["absent", "whole"]
    assert [row.what for row in datasets.status(tiny)] == ["cache", "package"]


@pytest.mark.parametrize("contents", ["no folder", "empty folder", "one file missing", "a file instead"])
@pytest.mark.parametrize("by", ["--data", "RAVINE_DATA"])
def test_a_given_folder_never_falls_through(tiny, tmp_path, raw, monkeypatch, contents, by):
    """A folder that was given but is wrong is refused, though the cache and the package hold the data."""
    fill(raw, packed=False)
    fill(tiny.package_folder)
    given = tmp_path / "given"
    if contents == "empty folder":
        given.mkdir()
    elif contents == "one file missing":
        fill(given, b_labels=None)
    elif contents == "a file instead":
        given.write_text("data")
    if by == "RAVINE_DATA":
        monkeypatch.setenv("RAVINE_DATA", str(given))
    message = refusal(tiny, given if by == "--data" else None)
    why = {
        "no folder": "there is no such folder",
        "empty folder": "holds none of its files",
        "one file missing": f"not the data: {given}/b-labels: expected sha256 {tiny.files['b-labels']}, found no such file",
        "a file instead": f"not the data: {given}: cannot be read (Not a directory)",
    }
    assert message.startswith(f"{by}: {given}: {why[contents]}. Give")
    assert f"or leave {by} out" in message


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", ["", "Tiny/raw"])
def test_what_a_given_folder_may_be(tiny, tmp_path, raw, packed, below):
    """The files or a root with them, packed or not, are accepted; the user's folder stays as it is."""
    fill(tmp_path / "given" / below, packed=packed)
    before = listing(tmp_path / "given")
    root = datasets.ensure(tiny, tmp_path / "given")
    assert {path.name: path.read_bytes() for path in (root / "Tiny" / "raw").iterdir()} == CONTENT
    assert listing(tmp_path / "given") == before
    if below and not packed:  # as the reader wants it: no copy is made
        assert root == tmp_path / "given"
        assert not raw.exists()
    else:
        assert root == tmp_path / "cache"


def test_the_raw_folder_of_torchvision(tiny, tmp_path):
    """The raw folder of torchvision itself may be given; the root above it is what the reader gets, without a copy."""
    fill(tmp_path / "theirs" / "Tiny" / "raw")  # torchvision leaves the packed files beside the unpacked ones
    raw = fill(tmp_path / "theirs" / "Tiny" / "raw", packed=False)
    assert datasets.ensure(tiny, raw) == tmp_path / "theirs"
    assert not (tmp_path / "cache").exists()


def test_a_relative_folder_and_the_home_sign(tiny, tmp_path, monkeypatch):
    """A relative folder and one with ~ are understood; what is found is absolute, as workers have other folders."""
    fill(tmp_path / "given")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.find_folder(tiny, Path("given")).path == tmp_path / "given"
    monkeypatch.setenv("RAVINE_DATA", "~/given")
    assert datasets.find_folder(tiny).path == tmp_path / "given"
    monkeypatch.setenv("RAVINE_DATA", "~no-such-user/given")
    assert refusal(tiny).startswith(f"RAVINE_DATA: {tmp_path}/~no-such-user/given: there is no such folder")


def test_the_cache_is_the_users_unless_moved(tmp_path, monkeypatch):
    """Without RAVINE_CACHE the cache is ravine's folder in the user's own cache folder."""
    assert datasets.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("RAVINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert datasets.cache_folder() == tmp_path / "xdg" / "ravine"


# Unpacking and verifying


def test_repacked_files_are_accepted(tiny, tmp_path, raw):
    """The content counts, not how the .gz was made: another level, another time, two members."""
    whole = CONTENT["a-images"]
    fill(
        tmp_path / "given",
        a_images=gzip.compress(whole[:1000], 1, mtime=5) + gzip.compress(whole[1000:], 9, mtime=7),
        a_labels=gzip.compress(CONTENT["a-labels"], 0, mtime=9),
    )
    datasets.ensure(tiny, tmp_path / "given")
    assert whole_cache(raw)


def sha(content):
    """The digest of bytes."""
    return hashlib.sha256(content).hexdigest()


PACKED = gzip.compress(CONTENT["a-labels"])
PAGE = b"<!DOCTYPE html><title>Sign in</title>"
WRONG = {
    "truncated": (PACKED[:-20], sha(PACKED[:-20]), "does not unpack"),
    "empty": (b"", sha(b""), ""),
    "HTML page": (PAGE, sha(PAGE), "does not unpack"),
    "damaged in the middle": (
        PACKED[:50] + b"\xff" * 50 + PACKED[100:],
        sha(PACKED[:50] + b"\xff" * 50 + PACKED[100:]),
        "",
    ),
    "another data set": (
        gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x01\x05"),
        sha(b"\x00\x00\x08\x01\x00\x00\x00\x01\x05"),
        "",
    ),
    "swapped": (gzip.compress(CONTENT["a-images"]), sha(CONTENT["a-images"]), "which is a-images"),
    "unpacked already": (CONTENT["a-labels"], sha(CONTENT["a-labels"]), "does not unpack"),
    "missing": (None, "no such file", ""),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("place", ["given", "package"])
def test_anything_else_is_refused(tiny, tmp_path, no_programs, wrong, place):
    """A line names the file, the digest expected and the one found, and the mend; no file is written anywhere."""
    bytes_, found, note = WRONG[wrong]
    folder = fill(tmp_path / "given" if place == "given" else tiny.package_folder, a_labels=bytes_)
    before = listing(tmp_path)
    if place == "given":
        message = refusal(tiny, folder)
        assert str(folder / "a-labels") in message
        assert f"expected sha256 {tiny.files['a-labels']}, found {found}" in message
        assert note in message
        assert "Give a folder with the whole of Tiny (a-images.gz, a-labels.gz, b-images.gz and b-labels.gz)" in message
    else:  # passed over, and told by status
        assert f"expected sha256 {tiny.files['a-labels']}, found {found}" in datasets.status(tiny)[-1].state
        assert "could not be fetched" in refusal(tiny)
    assert listing(tmp_path) == before


def test_a_file_that_cannot_be_read(tiny, tmp_path):
    """A folder under a file's name is refused with the system's reason."""
    fill(tmp_path / "given", a_labels=None)
    (tmp_path / "given" / "a-labels.gz").mkdir()
    message = refusal(tiny, tmp_path / "given")
    assert (
        f"a-labels.gz: expected sha256 {tiny.files['a-labels']}, found a file that cannot be read (Is a directory)"
        in message
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tiny, tmp_path):
    """A file, or a folder, that the user may not read is refused with the system's reason."""
    given = fill(tmp_path / "given")
    (given / "a-labels.gz").chmod(0)
    assert "found a file that cannot be read (Permission denied)" in refusal(tiny, given)
    given.chmod(0)
    assert "cannot be read (Permission denied)" in refusal(tiny, given)
    given.chmod(0o700)


def test_an_unpacked_file_is_preferred_and_checked(tiny, tmp_path):
    """A wrong unpacked file beside the right .gz is refused: a reader would take the unpacked one."""
    fill(tmp_path / "given")
    (tmp_path / "given" / "a-labels").write_bytes(b"other")
    assert f"{tmp_path / 'given' / 'a-labels'}: expected" in refusal(tiny, tmp_path / "given")


@pytest.mark.parametrize("blocked", ["cache", "cache/Tiny", "cache/Tiny/raw"])
def test_a_cache_that_cannot_be_written(tiny, tmp_path, blocked):
    """A file in the way of the cache is told in a line with the mend."""
    given = fill(tmp_path / "given")
    (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / blocked).write_text("in the way")
    message = refusal(tiny, given)
    assert message.startswith(f"{tmp_path / 'cache'}: the data cannot be unpacked there (")
    assert "Set RAVINE_CACHE to a folder that can be written" in message
    assert listing(tmp_path / "given") == sorted(f"{name}.gz" for name in CONTENT)


UNPACK = """
import resource, sys
from pathlib import Path
from suite import data, fetching
given, subfolder, files, largest = sys.argv[1:]
if int(largest):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
print(data.ensure(data.DataSet("Tiny", eval(files), subfolder, {}, Path("/nowhere"), ""), Path(given)))
"""


def unpacking(data_set, given, largest=0):
    """Another process that unpacks the data set; it may be allowed no file larger than so many bytes."""
    return subprocess.Popen(
        [sys.executable, "-c", UNPACK, str(given), data_set.subfolder, repr(dict(data_set.files)), str(largest)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def big(tiny, tmp_path):
    """The tiny data set with one large file, which takes a while to unpack, and the folder where it lies packed."""
    content = bytes(150_000_000)
    given = fill(tmp_path / "given", a_images=gzip.compress(content, 1))
    return dataclasses.replace(tiny, files={**tiny.files, "a-images": sha(content)}), given


def test_a_disk_that_takes_no_more_leaves_no_part(tiny, tmp_path, raw):
    """When the system refuses to write on in the middle of a file, a line says so and no part is left."""
    with unpacking(tiny, fill(tmp_path / "given"), largest=100_000) as process:
        last = process.communicate(timeout=60)[1].splitlines()[-1]
    assert (
        f"UserError: {tmp_path / 'cache'}: the data cannot be unpacked there ([Errno 27] File too large). Set" in last
    )
    assert listing(raw) == []


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_unpacking_leaves_nothing(big, raw, by):
    """Ctrl-C leaves no part behind, a kill leaves one that the next process removes; neither leaves half a file."""
    data_set, given = big
    with unpacking(data_set, given) as process:
        while not list(raw.glob(".*.part")):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.005)
        process.send_signal(by)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert len(listing(raw)) == (0 if by == signal.SIGINT else 1)
    assert datasets.status(data_set)[0].state == "absent"
    datasets.ensure(data_set, given)
    assert listing(raw) == sorted(CONTENT)
    assert datasets.find_folder(data_set).path == raw


def test_two_processes_unpack_at_once(big, tmp_path, raw):
    """Both end well with the same root, and the cache is whole."""
    data_set, given = big
    with unpacking(data_set, given) as first, unpacking(data_set, given) as second:
        told = [process.communicate(timeout=60) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), told
    assert told == [(f"{tmp_path / 'cache'}\n", "")] * 2  # the second takes what the first unpacked, and says nothing
    assert listing(raw) == sorted(CONTENT)
    assert datasets.find_folder(data_set).path == raw


def test_a_damaged_cache_is_replaced_from_the_next_place(tiny, raw):
    """A changed byte in the cache is noticed; the package's copy takes its place, and a line says so."""
    fill(raw, packed=False, a_images=b"X" + CONTENT["a-images"][1:])
    fill(tiny.package_folder)
    said = []
    datasets.ensure(tiny, say=said.append)
    assert whole_cache(raw)
    assert len(said) == 1
    assert said[0].startswith(f"Tiny: replacing the copy in the cache: not the data: {raw / 'a-images'}: expected")


def test_a_whole_cache_is_not_written_again(tiny, tmp_path, raw):
    """With the data in the cache nothing is unpacked, whatever place was found first."""
    fill(raw, packed=False)
    times = {path: path.stat().st_mtime_ns for path in raw.iterdir()}
    assert datasets.ensure(tiny, fill(tmp_path / "given")) == datasets.ensure(tiny) == tmp_path / "cache"
    assert {path: path.stat().st_mtime_ns for path in raw.iterdir()} == times


def test_without_verifying_files_are_taken_at_their_word(tiny, tmp_path, raw):
    """A worker may skip the digests, not the presence of each file."""
    fill(raw, packed=False, a_images=b"changed")
    assert datasets.ensure(tiny, verify=False) == tmp_path / "cache"
    (raw / "a-labels").unlink()
    assert datasets.find_folder(tiny, verify=False) is None


@pytest.mark.parametrize("wrong", ["truncated", "HTML page", "another data set"])
def test_unpacking_always_verifies(tiny, tmp_path, raw, wrong):
    """A file that was taken at its word is refused with both digests when it is unpacked, and leaves nothing."""
    bytes_, found, _note = WRONG[wrong]
    given = fill(tmp_path / "given", a_images=bytes_)
    with pytest.raises(
        UserError, match=f"{given}/a-images.gz: expected sha256 {tiny.files['a-images']}, found {found}"
    ):
        datasets.ensure(tiny, given, verify=False)
    assert listing(raw) == []


# Fetching


def apt(no_programs, tmp_path, *before_download):
    """Programs that act as apt-get and dpkg-deb do: one leaves a file, the other copies the package's files."""
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


def test_fetching_falls_back_to_apt(tiny, tmp_path, raw, no_programs, capsys):
    """When torchvision fails, the package is downloaded and unpacked into the cache; a line each says so on stderr."""
    calls = apt(no_programs, tmp_path)
    assert datasets.ensure(tiny) == tmp_path / "cache"
    assert whole_cache(raw)
    assert len(calls()) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"Tiny: fetching it by torchvision into {raw}",
        f"Tiny: fetching it by apt-get into {raw} (torchvision: the network is down)",
    ]
    assert listing(tmp_path / "scratch") == []


def test_apt_without_package_lists(tiny, tmp_path, raw, no_programs):
    """Where the machine's lists do not know the package, fresh ones are fetched into a folder of one's own."""
    unknown = 'echo "E: Unable to locate package dataset-tiny" >&2; exit 100'
    calls = apt(no_programs, tmp_path, f'case "$*" in *Dir::State::Lists=*) ;; *) {unknown};; esac')
    datasets.ensure(tiny, say=lambda _line: None)
    assert whole_cache(raw)
    assert [call.split()[-1] for call in calls()] == ["dataset-tiny", "update", "dataset-tiny"]
    assert all(f"Dir::State::Lists={tmp_path}/scratch/" in call for call in calls()[1:])
    assert all(f"Dir::Cache={tmp_path}/scratch/" in call for call in calls())


def test_a_failed_update_does_not_stop_the_download(tiny, tmp_path, raw, no_programs):
    """A source of packages that is out of reach does not matter where another has the package."""
    half = 'case "$*" in *update) echo "E: Failed to fetch" >&2; exit 100;; *State::Lists=*) ;; *) exit 100;; esac'
    apt(no_programs, tmp_path, half)
    datasets.ensure(tiny, say=lambda _line: None)
    assert whole_cache(raw)


def test_when_every_way_fails(tiny, tmp_path, no_programs):
    """The line names the reason of each way and the mend, and nothing is left behind."""
    program(no_programs, "apt-get", 'echo "Reading lists"; echo "E: No such package" >&2; exit 100')
    message = refusal(tiny)
    assert "torchvision: the network is down; apt-get: E: No such package" in message
    assert "Set RAVINE_DATA to a folder with a-images.gz, a-labels.gz, b-images.gz and b-labels.gz." in message
    assert listing(tmp_path / "cache") == listing(tmp_path / "scratch") == []


def test_without_apt(tiny, no_programs):
    """Where there is no apt-get the line says so, once."""
    assert refusal(tiny).count("there is no apt-get on this machine") == 1


def test_a_package_that_does_not_unpack(tiny, tmp_path, no_programs):
    """The reason of dpkg-deb is told."""
    apt(no_programs, tmp_path)
    program(no_programs, "dpkg-deb", 'echo "dpkg-deb: error: unexpected end of file" >&2; exit 2')
    assert "apt-get: dpkg-deb: error: unexpected end of file" in refusal(tiny)


def test_a_download_that_is_not_the_data(tiny, tmp_path, no_programs):
    """What was fetched is verified like any other copy, and never reaches the cache if it is wrong."""
    apt(no_programs, tmp_path)
    fill(tmp_path / "stock", a_labels=gzip.compress(b"other"))
    assert f"expected sha256 {tiny.files['a-labels']}, found {sha(b'other')}" in refusal(tiny)
    assert listing(tmp_path / "cache") == []


def test_a_download_that_stalls_is_given_up(tiny, no_programs, monkeypatch):
    """A program that hangs is ended after PATIENCE seconds without a byte."""
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    program(no_programs, "apt-get", "exec sleep 100")
    start = time.monotonic()
    assert "apt-get: nothing came for 0.3 seconds" in refusal(tiny)
    assert time.monotonic() - start < 20


def test_a_slow_download_is_waited_for(tmp_path, no_programs, monkeypatch):
    """A program that goes on writing is not ended, however long it takes."""
    monkeypatch.setattr(download, "PATIENCE", 0.6)
    program(no_programs, "slow", "for i in 1 2 3 4 5 6; do sleep 0.3; echo more >> part; done")
    start = time.monotonic()
    download._run(["slow"], tmp_path / "scratch")
    assert time.monotonic() - start > 1.2
    assert (tmp_path / "scratch" / "part").read_text() == "more\n" * 6


def test_fetching_with_the_data_in_the_cache(tiny, tmp_path, raw):
    """A process that waited for another's download takes it, and fetches nothing."""
    fill(raw, packed=False)
    said = []
    assert datasets.fetch(tiny, said.append) == datasets.Location("cache", raw, "whole")
    assert said == []


def test_torchvision_out_of_reach_is_a_reason(tmp_path, monkeypatch):
    """A download by torchvision fails within seconds on a proxy that refuses, and its reason is one line."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(download.FetchError, match="Connection refused") as error:
        download.by_torchvision(tmp_path / "scratch" / "torchvision")
    assert "\n" not in str(error.value)


# The data set itself


def test_a_data_set_without_a_package_has_one_place_less(tiny):
    """Where no system packages it, no such place is asked."""
    bare = dataclasses.replace(tiny, package_folder=None)
    assert [row.what for row in datasets.status(bare)] == ["cache"]


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_is_fetched_by_its_address(tiny, tmp_path, raw, packed):
    """A zip archive is unpacked, a plain file taken as it is; both are verified and end in the cache."""
    served, files = tmp_path / "served", {}
    served.mkdir()
    for name, content in CONTENT.items():
        files[name] = content
        if not packed:
            break
    if packed:
        with zipfile.ZipFile(served / "all+of it.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        (served / "a-images").write_bytes(files["a-images"])
    address = f"{served.as_uri()}/{'all+of%20it.zip' if packed else 'a-images'}"
    kept = {name: digest for name, digest in tiny.files.items() if name in files}
    data_set = dataclasses.replace(tiny, files=kept, ways={"address": functools.partial(download.by_url, address)})
    assert datasets.ensure(data_set) == tmp_path / "cache"
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == files


def test_an_address_out_of_reach_is_a_reason(tiny, tmp_path):
    """The line says which address could not be read, and why."""
    address = (tmp_path / "nowhere.zip").as_uri()
    line = refusal(dataclasses.replace(tiny, ways={"address": functools.partial(download.by_url, address)}))
    assert "address: " in line
    assert "No such file" in line


def test_importing_loads_neither_torch_nor_torchvision():
    """The command line stays quick."""
    code = "import sys, suite.data.datasets; print([m for m in ('torch', 'torchvision', 'numpy', 'filelock') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_loading_from_a_root_without_the_data(tmp_path):
    """The line says what to do."""
    with pytest.raises(UserError, match="`ravine data` finds, fetches and verifies it"):
        datasets.load_fashion_mnist(tmp_path)


def test_an_old_converted_copy_is_not_read(tmp_path):
    """A converted copy in `processed`, which torchvision prefers and which has no digest, is refused."""
    (tmp_path / "FashionMNIST" / "processed").mkdir(parents=True)
    with pytest.raises(UserError, match="Move it elsewhere"):
        datasets.load_fashion_mnist(tmp_path)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The root of the real data in a fresh cache: from where it is found on this machine, or else fetched."""
    found = datasets.find_folder(datasets.FASHION_MNIST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAVINE_CACHE", str(tmp_path_factory.mktemp("real")))
        return datasets.ensure(datasets.FASHION_MNIST, found and found.path)


@pytest.mark.data
def test_the_whole_way_to_the_real_data(real):
    """All 60,000 and 10,000 images are there, as bytes, with ten classes of equal size."""
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
