"""Find, download and verify data sets.

A data set is looked up in the user's folder (`--data`, else RAVINE_DATA), in the user's cache (RAVINE_CACHE moves it), and
in the folder of its Debian and Ubuntu package. If none has it, it is downloaded into the cache. If the user gives a folder
without the data set, that is an error, and no other folder is read.

Every file is verified before it is read. The digest is that of the unpacked file, so copies from all sources are
interchangeable. Only the cache is written to.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import secrets
import sys
import tempfile
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from suite.data.download import DownloadError, by_apt, by_url
from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

_CHUNK = 1 << 20
"""Bytes that are read at a time."""
_COMPLETE, _ABSENT = "complete", "absent"


@dataclass(frozen=True)
class DataSet:
    """The files of a data set and its sources.

    Args:
        name: The name in messages.
        files: The digest (hexadecimal) of each unpacked file, by the file's name.
        subfolder: The folder of the files below the root that a reader gets; the cache has it as well.
        sources: Functions that download the data set, by name, in order. Each gets an empty folder, returns the folder
            with the files, and raises DownloadError or OSError.
        package_folder: The folder of the files of the installed Debian package; None if there is no package.
        citation: Authors, year, identifier and licence.
        algorithm: The algorithm of the digests, a name of hashlib.
    """

    name: str
    files: Mapping[str, str]
    subfolder: str
    sources: Mapping[str, Callable[[Path], Path]]
    package_folder: Path | None
    citation: str
    algorithm: str = "sha256"


@dataclass(frozen=True)
class Location:
    """A folder that may have a data set.

    Args:
        name: `--data`, `RAVINE_DATA`, `cache`, `package`, or the source that the files were downloaded from.
        path: The folder of the files, packed (.gz) or unpacked.
        state: `complete`, `absent`, or `invalid: ` and the reason, with the file and both digests.
    """

    name: str
    path: Path
    state: str

    @property
    def is_complete(self) -> bool:
        """Return whether the folder has the complete data set."""
        return self.state == _COMPLETE


def cache_folder() -> Path:
    """Return the folder that data sets are unpacked into: RAVINE_CACHE, else the user's cache."""
    variable = os.environ.get("RAVINE_CACHE")
    if variable:
        return _absolute(variable)
    from platformdirs import user_cache_dir

    return _absolute(user_cache_dir("ravine"))


def status(data_set: DataSet, folder: Path | None = None, *, verify: bool = True) -> list[Location]:
    """Return every location of a data set in the order of the search. This downloads nothing and never raises.

    With `verify=False` a location with all files counts as complete, whatever they contain.
    """
    return list(_locations(data_set, folder, verify=verify))


def find_folder(data_set: DataSet, folder: Path | None = None, *, verify: bool = True) -> Location | None:
    """Return the first location with the complete data set, or None. This downloads nothing.

    Raises:
        UserError: The user's folder (or RAVINE_DATA) does not have the complete data set.
    """
    for location in _locations(data_set, folder, verify=verify):
        if location.is_complete:
            return location
        if location.name in {"--data", "RAVINE_DATA"}:
            problem = location.state
            if problem == _ABSENT:
                problem = f"has no file of {data_set.name}" if location.path.exists() else "no such folder"
            hint = f"Give a folder with the files of {data_set.name} ({_file_names(data_set)}), or omit {location.name}"
            raise UserError(f"{location.name}: {location.path}", problem, hint)
    return None


def fetch(data_set: DataSet, notify: Callable[[str], object] | None = None) -> Location:
    """Return the cache with the data set, which is downloaded unless it is there already.

    Args:
        data_set: The data set.
        notify: Is called with a line about each download; by default the line goes to standard error.

    Raises:
        UserError: Every source failed, or the cache cannot be written to.
    """
    notify = notify or _to_stderr
    reasons: list[str] = []
    with _locked_cache(), tempfile.TemporaryDirectory(prefix="ravine-", ignore_cleanup_errors=True) as scratch:
        cached = _inspect(data_set, "cache", cache_folder() / data_set.subfolder)
        if cached.is_complete:  # another process downloaded it while this one waited
            return cached
        for source, download in data_set.sources.items():
            failures = f" ({'; '.join(reasons)})" if reasons else ""
            notify(f"{data_set.name}: downloading from {source} into {cached.path}{failures}")
            try:
                downloaded = _inspect(data_set, source, download(Path(scratch, source)))
            except (DownloadError, OSError) as error:
                reasons.append(f"{source}: {error}")
                continue
            if downloaded.is_complete:
                return _install(data_set, downloaded, cached, notify)
            reasons.append(f"{source}: {downloaded.state}")
    hint = f"Set RAVINE_DATA to a folder with {_file_names(data_set)}"
    raise UserError(data_set.name, f"not found, and cannot be downloaded ({'; '.join(reasons)})", hint)


def ensure(
    data_set: DataSet, folder: Path | None = None, notify: Callable[[str], object] | None = None, *, verify: bool = True
) -> Path:
    """Return the root of the complete, unpacked data set; it is downloaded, or unpacked into the cache, if necessary.

    Args:
        data_set: The data set.
        folder: The user's copy: the files (.gz or unpacked), or a root with them in `data_set.subfolder`.
        notify: Is called with a line about each download; by default the line goes to standard error.
        verify: False skips the digests of files that lie in their places: for a worker, if the coordinator verified them.

    Raises:
        UserError: The user's folder does not have the data set, every source failed, or the cache cannot be written to.
    """
    location = find_folder(data_set, folder, verify=verify)
    if location is None:
        location = fetch(data_set, notify)
    elif not _is_readable(data_set, location.path):
        cached = _inspect(data_set, "cache", cache_folder() / data_set.subfolder, verify=verify)
        if not cached.is_complete:
            with _locked_cache():
                cached = _inspect(data_set, "cache", cached.path)
                if not cached.is_complete:
                    cached = _install(data_set, location, cached, notify or _to_stderr)
        location = cached
    return location.path.parents[len(Path(data_set.subfolder).parts) - 1]


def load_fashion_mnist(root: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return Fashion-MNIST as torchvision reads it from the root that `ensure` returned.

    Returns:
        Training images (60000, 1, 28, 28) as bytes, training labels (60000,) as int64, test images (10000, 1, 28, 28),
        test labels (10000,): all of them, in the order of the files.

    Raises:
        UserError: The root does not have the files, or has an old converted copy that torchvision would read instead.
    """
    from torchvision.datasets import FashionMNIST

    if (converted := root / "FashionMNIST" / "processed").exists():
        problem = "torchvision would read this converted copy, which cannot be verified"
        raise UserError(str(converted), problem, "Move it out of this folder")
    try:
        train, test = (FashionMNIST(root, train=train, download=False) for train in (True, False))
    except (RuntimeError, ValueError, OSError) as error:
        problem = f"Fashion-MNIST cannot be read: {' '.join(str(error).split()).partition('. ')[0]}"
        raise UserError(str(root), problem, "Run `ravine data` to find, download and verify it") from error
    return train.data.unsqueeze(1), train.targets, test.data.unsqueeze(1), test.targets


def load_cifar10(root: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return CIFAR-10 as torchvision reads it from the root that `ensure` returned; torchvision verifies the digests, too.

    Returns:
        Training images (50000, 3, 32, 32) as bytes, training labels (50000,) as int64, test images (10000, 3, 32, 32), test
        labels (10000,): all of them, in the order of the files.

    Raises:
        UserError: The root does not have the files.
    """
    import torch
    from torchvision.datasets import CIFAR10 as Reader  # noqa: N811 (`CIFAR10` is the data set here)

    try:
        parts = [Reader(root, train=train, download=False) for train in (True, False)]
    except (RuntimeError, ValueError, OSError) as error:
        problem = f"CIFAR-10 cannot be read: {' '.join(str(error).split()).partition('. ')[0]}"
        raise UserError(str(root), problem, "Run `ravine data` to find, download and verify it") from error
    images = [torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous() for part in parts]
    labels = [torch.tensor(part.targets) for part in parts]
    return images[0], labels[0], images[1], labels[1]


_FASHION_MNIST_PACKAGE = Path("/usr/share/datasets/fashion-mnist")
_FASHION_MNIST_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"

FASHION_MNIST = DataSet(
    name="Fashion-MNIST",
    # SHA-256 of the unpacked idx files. The .gz files differ between sources, because Debian repacks them.
    files={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    subfolder="FashionMNIST/raw",  # as torchvision reads it
    sources={
        "the Fashion-MNIST site": partial(
            by_url,
            {  # MD5 of the .gz files of this site, as torchvision has them
                f"{_FASHION_MNIST_URL}/train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                f"{_FASHION_MNIST_URL}/train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
                f"{_FASHION_MNIST_URL}/t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
                f"{_FASHION_MNIST_URL}/t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
            },
        ),
        "apt-get": partial(by_apt, "dataset-fashion-mnist", _FASHION_MNIST_PACKAGE),
    },
    package_folder=_FASHION_MNIST_PACKAGE,
    citation="Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747; MIT licence, (c) 2017 Zalando SE",
)

_AIRFOIL_SHA1 = "76e5be1548fd8222e5074cf0faae75edff8cf93f"

AIRFOIL = DataSet(
    name="Airfoil self-noise",
    # The SHA-1 that Dive into Deep Learning publishes. The line ends are CRLF.
    files={"airfoil_self_noise.dat": _AIRFOIL_SHA1},
    subfolder="airfoil",
    sources={
        # no digest of the archive is published; its content is verified
        "the UCI archive": partial(
            by_url, {"https://archive.ics.uci.edu/static/public/291/airfoil+self+noise.zip": None}
        ),
        "the mirror of Dive into Deep Learning": partial(
            by_url,
            {"https://d2l-data.s3-accelerate.amazonaws.com/airfoil_self_noise.dat": f"sha1:{_AIRFOIL_SHA1}"},
        ),
    },
    package_folder=None,
    citation="Brooks, Pope and Marcolini (1989), UCI, doi:10.24432/C5VW2C; CC BY 4.0",
    algorithm="sha1",
)

_JARGON_PACKAGE = Path("/usr/share/doc/jargon-text")

JARGON = DataSet(
    name="Jargon File",
    # the text of Debian's package jargon-text 4.4.7, 1,681,817 bytes of UTF-8
    files={"jargon.txt": "40dfb4b98191a670a09a183d5798d50f243d23fdbd1495dcc0aca2ce5895ba97"},
    subfolder="jargon",
    sources={
        "apt-get": partial(by_apt, "jargon-text", _JARGON_PACKAGE),
        # another rendering of the same edition is refused
        "the author's site": partial(by_url, {"http://www.catb.org/~esr/jargon/jargon.txt": None}),
    },
    package_folder=_JARGON_PACKAGE,
    citation="Raymond (ed., 2003), The Jargon File 4.4.7; public domain",
)

CIFAR10 = DataSet(
    name="CIFAR-10",
    # MD5 of the unpacked files, as torchvision has them
    files={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    subfolder="cifar-10-batches-py",  # as torchvision reads it
    sources={
        "the CIFAR-10 site": partial(
            by_url,
            {  # the SHA-256 of the archive that Keras has
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz": (
                    "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
                )
            },
            subfolder="cifar-10-batches-py",
        ),
    },
    package_folder=None,
    citation="Krizhevsky (2009), Learning multiple layers of features from tiny images",
    algorithm="md5",
)

DATA_SETS = (FASHION_MNIST, AIRFOIL, JARGON, CIFAR10)
"""The data sets that `ravine data` finds or downloads."""


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _absolute(path: str | Path) -> Path:
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - pathlib raises if the user of ~name does not exist


def _file_names(data_set: DataSet) -> str:
    """Return the file names as a list: `a.gz, b.gz and c.gz`."""
    *names, last = (f"{name}.gz" for name in data_set.files)
    return f"{', '.join(names)} and {last}" if names else last


def _locations(data_set: DataSet, folder: Path | None, *, verify: bool) -> Iterator[Location]:
    """Yield the locations in order; each is read only when it is asked for."""
    name = "--data"
    if folder is None and os.environ.get("RAVINE_DATA"):
        name, folder = "RAVINE_DATA", Path(os.environ["RAVINE_DATA"])
    if folder is not None:
        folder = _absolute(folder)
        location = _inspect(data_set, name, folder, verify=verify)
        if location.state == _ABSENT:
            below = _inspect(data_set, name, folder / data_set.subfolder, verify=verify)
            location = location if below.state == _ABSENT else below
        yield location
    yield _inspect(data_set, "cache", cache_folder() / data_set.subfolder, verify=verify)
    if data_set.package_folder is not None:
        yield _inspect(data_set, "package", data_set.package_folder, verify=verify)


def _inspect(data_set: DataSet, name: str, folder: Path, *, verify: bool = True) -> Location:
    """Return the location with its state. The files are read up to the first one that is wrong."""
    try:
        present = _names(folder)
    except FileNotFoundError:
        present = set()
    except OSError as error:
        return Location(name, folder, f"invalid: {folder}: cannot be read ({error.strerror})")
    if not any({file, f"{file}.gz"} & present for file in data_set.files):
        return Location(name, folder, _ABSENT)
    for file, expected in data_set.files.items():
        problem = ""
        if not {file, f"{file}.gz"} & present:
            problem = f"{folder / file}: expected {data_set.algorithm} {expected}, got no such file"
        elif verify:
            problem = _verify(data_set, file, _packed_or_not(folder, file))
        if problem:
            return Location(name, folder, f"invalid: {problem}")
    return Location(name, folder, _COMPLETE)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _packed_or_not(folder: Path, name: str) -> Path:
    """Return the unpacked file if it exists, else the .gz; torchvision leaves both."""
    return folder / (name if name in _names(folder) else f"{name}.gz")


def _is_readable(data_set: DataSet, folder: Path) -> bool:
    """Return whether the files lie as a reader needs them: unpacked, in the subfolder of a root."""
    below = Path(data_set.subfolder).parts
    return folder.parts[-len(below) :] == below and data_set.files.keys() <= _names(folder)


def _verify(data_set: DataSet, name: str, path: Path) -> str:
    """Return what is wrong with the file: its path, the expected and the computed digest; empty if it is right."""
    expected, note = data_set.files[name], ""
    try:
        try:
            computed = _digest(path, data_set.algorithm)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            computed = _digest(path, data_set.algorithm, unpack=False)
            note = f" for a file that cannot be unpacked ({error})"
    except OSError as error:
        return f"{path}: expected {data_set.algorithm} {expected}, got a file that cannot be read ({error.strerror})"
    if computed == expected and not note:
        return ""
    note += "".join(f", the digest of {other}" for other, digest in data_set.files.items() if digest == computed)
    return f"{path}: expected {data_set.algorithm} {expected}, got {computed}{note}"


def _digest(path: Path, algorithm: str, *, unpack: bool = True, copy: BinaryIO | None = None) -> str:
    """Return the digest of the file's content, unpacked if it is a .gz; the content is written to `copy`, too."""
    total = hashlib.new(algorithm, usedforsecurity=False)
    with gzip.open(path) if unpack and path.suffix == ".gz" else path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            total.update(chunk)
            if copy is not None:
                copy.write(chunk)
    return total.hexdigest()


@contextmanager
def _locked_cache() -> Iterator[None]:
    """Lock the cache for this process; an error of the file system becomes a user error."""
    from filelock import FileLock

    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / ".lock"):
            yield
    except OSError as error:
        hint = "Set RAVINE_CACHE to a writable folder with free space"
        raise UserError(str(cache), f"the data cannot be unpacked there ({error})", hint) from error


def _install(data_set: DataSet, source: Location, cached: Location, notify: Callable[[str], object]) -> Location:
    """Unpack a complete location into the locked cache; each file appears complete or not at all."""
    if cached.state != _ABSENT:
        notify(f"{data_set.name}: replacing the copy in the cache: {cached.state}")
    cached.path.mkdir(parents=True, exist_ok=True)
    for leftover in cached.path.glob(".*.part"):  # of a process that was killed
        leftover.unlink()
    for name, expected in data_set.files.items():
        path = _packed_or_not(source.path, name)
        part = cached.path / f".{name}.{secrets.token_hex(4)}.part"
        computed = ""
        try:
            with part.open("xb") as copy, suppress(gzip.BadGzipFile, EOFError, zlib.error):
                computed = _digest(path, data_set.algorithm, copy=copy)
            if computed != expected:  # not verified before, or changed since then
                location, _, problem = (_verify(data_set, name, path) or f"{path}: changed").partition(": ")
                raise UserError(location, problem, "Put the complete file there")
            part.replace(cached.path / name)
        finally:
            part.unlink(missing_ok=True)
    return Location("cache", cached.path, _COMPLETE)
