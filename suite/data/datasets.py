"""Finds, fetches and verifies data sets.

A data set is looked for in the folder that the user gives (`--data`, or else RAVINE_DATA), in the user's cache
(RAVINE_CACHE moves it), and in the folder where Debian and Ubuntu's package puts it. Where none has it, it is fetched
into the cache. A given folder that does not hold it is an error: no other place is asked.

Nothing is read that was not verified: each unpacked file has one digest, whatever place or .gz it came from. So a copy
in the cache stands for any other whole copy, and only the cache is ever written to.
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

from suite.data.download import FetchError, by_apt, by_torchvision, by_url
from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

_CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class DataSet:
    """What a data set is, where it may lie and how it can be fetched.

    Args:
        name: The name in messages.
        files: The digest (hexadecimal) of each unpacked file, by the file's name.
        subfolder: Where the files lie below the root that a reader is given, in the cache too.
        ways: How to fetch it, by name, in order: each is called with an empty folder, and returns the
            folder with the files; it raises FetchError or OSError.
        package_folder: Where the files of its Debian package lie once that is installed; None where there is none.
        source: Where it comes from, and its licence.
        algorithm: The digests' algorithm, a name of hashlib's.
    """

    name: str
    files: Mapping[str, str]
    subfolder: str
    ways: Mapping[str, Callable[[Path], Path]]
    package_folder: Path | None
    source: str
    algorithm: str = "sha256"


@dataclass(frozen=True)
class Location:
    """A place where a data set may lie.

    Args:
        what: `--data`, `RAVINE_DATA`, `cache`, `package`, or the way by which it was fetched.
        path: The folder of the files, packed (.gz) or unpacked.
        state: `whole`, `absent`, or `not the data: ` and the reason, which names the file and both digests.
    """

    what: str
    path: Path
    state: str

    @property
    def whole(self) -> bool:
        """Whether the folder holds the whole data set."""
        return self.state == "whole"


def cache_folder() -> Path:
    """The folder that data sets are unpacked into: RAVINE_CACHE, or else the user's cache."""
    given = os.environ.get("RAVINE_CACHE")
    if given:
        return _absolute(given)
    from platformdirs import user_cache_dir

    return _absolute(user_cache_dir("ravine"))


def status(data_set: DataSet, folder: Path | None = None, *, verify: bool = True) -> list[Location]:
    """Every place of the data set, in the order in which they are asked; fetches nothing and never raises.

    With `verify=False` a place where all files lie counts as whole, whatever is in them.
    """
    return list(_places(data_set, folder, verify=verify))


def find_folder(data_set: DataSet, folder: Path | None = None, *, verify: bool = True) -> Location | None:
    """The first place that holds the whole data set, or None; fetches nothing.

    Raises:
        UserError: The folder given (or RAVINE_DATA) does not hold the data set.
    """
    for place in _places(data_set, folder, verify=verify):
        if place.whole:
            return place
        if place.what in {"--data", "RAVINE_DATA"}:
            why = place.state
            if place.state == "absent":
                why = "holds none of its files" if place.path.exists() else "there is no such folder"
            raise UserError(
                f"{place.what}: {place.path}: {why}. "
                f"Give a folder with the whole of {data_set.name} ({_listed(data_set)}), or leave {place.what} out."
            )
    return None


def fetch(data_set: DataSet, say: Callable[[str], object] | None = None) -> Location:
    """The data set in the cache, fetched there unless it is whole there already.

    Args:
        data_set: What to fetch.
        say: Is told what is being fetched, a line each time; by default the line goes to stderr.

    Raises:
        UserError: No way led to the data, or the cache cannot be written.
    """
    say = say or _to_stderr
    reasons: list[str] = []
    with _writing(), tempfile.TemporaryDirectory(prefix="ravine-", ignore_cleanup_errors=True) as scratch:
        cached = _look(data_set, "cache", cache_folder() / data_set.subfolder)
        if cached.whole:  # by another process, while this one waited
            return cached
        for way, get in data_set.ways.items():
            why = f" ({'; '.join(reasons)})" if reasons else ""
            say(f"{data_set.name}: fetching it by {way} into {cached.path}{why}")
            try:
                fetched = _look(data_set, way, get(Path(scratch, way)))
            except (FetchError, OSError) as error:
                reasons.append(f"{way}: {error}")
                continue
            if fetched.whole:
                return _install(data_set, fetched, cached, say)
            reasons.append(f"{way}: {fetched.state}")
    raise UserError(
        f"{data_set.name} was not found and could not be fetched ({'; '.join(reasons)}). "
        f"Set RAVINE_DATA to a folder with {_listed(data_set)}."
    )


def ensure(
    data_set: DataSet, folder: Path | None = None, say: Callable[[str], object] | None = None, *, verify: bool = True
) -> Path:
    """The root of the whole, unpacked data set: found, or fetched; unpacked into the cache where need be.

    Args:
        data_set: What is needed.
        folder: The user's own copy: the files (.gz or unpacked), or a root with them in `data_set.subfolder`.
        say: Is told what is being fetched, a line each time; by default the line goes to stderr.
        verify: False takes files that lie in their places at their word: for a worker, whose coordinator verified them.

    Raises:
        UserError: The folder given does not hold the data set, no way led to it, or the cache cannot be written.
    """
    found = find_folder(data_set, folder, verify=verify)
    if found is None:
        found = fetch(data_set, say)
    elif not _is_laid_out(data_set, found.path):
        cached = _look(data_set, "cache", cache_folder() / data_set.subfolder, verify=verify)
        if cached.whole:
            found = cached
        else:
            with _writing():
                cached = _look(data_set, "cache", cached.path)
                found = cached if cached.whole else _install(data_set, found, cached, say or _to_stderr)
    return found.path.parents[len(Path(data_set.subfolder).parts) - 1]


def load_fashion_mnist(root: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Fashion-MNIST, read by torchvision from the root that `ensure` returned.

    Returns:
        Training images (60000, 1, 28, 28) as bytes, training labels (60000,) as int64, test images (10000, 1, 28, 28),
        test labels (10000,): all of them, in the files' order.

    Raises:
        UserError: The root does not hold the files, or holds an old converted copy that torchvision would read instead.
    """
    from torchvision.datasets import FashionMNIST

    if (old := root / "FashionMNIST" / "processed").exists():
        raise UserError(f"{old}: torchvision would read this old copy, which cannot be verified. Move it elsewhere.")
    try:
        train, test = (FashionMNIST(root, train=train, download=False) for train in (True, False))
    except (RuntimeError, ValueError, OSError) as error:
        raise UserError(
            f"{root}: {' '.join(str(error).split())} `ravine data` finds, fetches and verifies it."
        ) from error
    return train.data.unsqueeze(1), train.targets, test.data.unsqueeze(1), test.targets


_PACKAGED = Path("/usr/share/datasets/fashion-mnist")

FASHION_MNIST = DataSet(
    name="Fashion-MNIST",
    # SHA-256 of the unpacked idx files. The .gz differ from place to place: Debian repacks them.
    files={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    subfolder="FashionMNIST/raw",  # as torchvision wants it
    ways={"torchvision": by_torchvision, "apt-get": partial(by_apt, "dataset-fashion-mnist", _PACKAGED)},
    package_folder=_PACKAGED,
    source="Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747; MIT licence, (c) 2017 Zalando SE",
)

AIRFOIL = DataSet(
    name="Airfoil self-noise",
    # SHA-1, the digest that the course publishes. The line ends are CRLF.
    files={"airfoil_self_noise.dat": "76e5be1548fd8222e5074cf0faae75edff8cf93f"},
    subfolder="airfoil",
    ways={
        "the UCI archive": partial(by_url, "https://archive.ics.uci.edu/static/public/291/airfoil+self+noise.zip"),
        "the course's mirror": partial(by_url, "https://d2l-data.s3-accelerate.amazonaws.com/airfoil_self_noise.dat"),
    },
    package_folder=None,
    source="Brooks, Pope and Marcolini (1989), UCI, doi:10.24432/C5VW2C; CC BY 4.0",
    algorithm="sha1",
)

DATA_SETS = (FASHION_MNIST, AIRFOIL)
"""All that are found or fetched."""


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _absolute(path: str | Path) -> Path:
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - pathlib's raises where ~name is nobody's


def _listed(data_set: DataSet) -> str:
    """The files in words: `a.gz, b.gz and c.gz`."""
    *most, last = (f"{name}.gz" for name in data_set.files)
    return f"{', '.join(most)} and {last}" if most else last


def _places(data_set: DataSet, folder: Path | None, *, verify: bool) -> Iterator[Location]:
    """The places in order, each looked at only when it is asked for."""
    what = "--data"
    if folder is None and os.environ.get("RAVINE_DATA"):
        what, folder = "RAVINE_DATA", Path(os.environ["RAVINE_DATA"])
    if folder is not None:
        folder = _absolute(folder)
        given = _look(data_set, what, folder, verify=verify)
        below = _look(data_set, what, folder / data_set.subfolder, verify=verify) if given.state == "absent" else given
        yield given if below.state == "absent" else below
    yield _look(data_set, "cache", cache_folder() / data_set.subfolder, verify=verify)
    if data_set.package_folder is not None:
        yield _look(data_set, "package", data_set.package_folder, verify=verify)


def _look(data_set: DataSet, what: str, folder: Path, *, verify: bool = True) -> Location:
    """What lies in the folder: reads every file that is there, up to the first that is wrong."""
    try:
        present = _names(folder)
    except FileNotFoundError:
        present = set()
    except OSError as error:
        return Location(what, folder, f"not the data: {folder}: cannot be read ({error.strerror})")
    if not any({name, f"{name}.gz"} & present for name in data_set.files):
        return Location(what, folder, "absent")
    for name in data_set.files:
        if not {name, f"{name}.gz"} & present:
            wrong = f"{folder / name}: expected {data_set.algorithm} {data_set.files[name]}, found no such file"
        elif verify:
            wrong = _wrong(data_set, name, _packed_or_not(folder, name))
        else:
            wrong = ""
        if wrong:
            return Location(what, folder, f"not the data: {wrong}")
    return Location(what, folder, "whole")


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _packed_or_not(folder: Path, name: str) -> Path:
    """The unpacked file where there is one, as torchvision leaves both."""
    return folder / (name if name in _names(folder) else f"{name}.gz")


def _is_laid_out(data_set: DataSet, folder: Path) -> bool:
    """Whether the files lie as a reader wants them: unpacked, in the right subfolder of a root."""
    below = Path(data_set.subfolder).parts
    return folder.parts[-len(below) :] == below and data_set.files.keys() <= _names(folder)


def _wrong(data_set: DataSet, name: str, path: Path) -> str:
    """What is wrong with the file: empty, or its path, the digest expected and the digest found."""
    expected, note = data_set.files[name], ""
    try:
        try:
            found = _digest(path, data_set.algorithm)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            found = _digest(path, data_set.algorithm, unpack=False)
            note = f" for a file that does not unpack ({error})"
    except OSError as error:
        return f"{path}: expected {data_set.algorithm} {expected}, found a file that cannot be read ({error.strerror})"
    if found == expected and not note:
        return ""
    note += "".join(f", which is {other}" for other, digest in data_set.files.items() if digest == found)
    return f"{path}: expected {data_set.algorithm} {expected}, found {found}{note}"


def _digest(path: Path, algorithm: str, *, unpack: bool = True, copy: BinaryIO | None = None) -> str:
    """The digest of the file's content, unpacked if it is a .gz; the content also goes to `copy`."""
    total = hashlib.new(algorithm, usedforsecurity=False)
    with gzip.open(path) if unpack and path.suffix == ".gz" else path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            total.update(chunk)
            if copy is not None:
                copy.write(chunk)
    return total.hexdigest()


@contextmanager
def _writing() -> Iterator[None]:
    """Keeps the cache to this process for a while; what cannot be written is told in one line."""
    from filelock import FileLock

    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / ".lock"):
            yield
    except OSError as error:
        raise UserError(
            f"{cache}: the data cannot be unpacked there ({error}). "
            "Set RAVINE_CACHE to a folder that can be written and has room."
        ) from error


def _install(data_set: DataSet, source: Location, cached: Location, say: Callable[[str], object]) -> Location:
    """Unpacks a whole location into the cache, which `_writing` keeps; each file appears whole or not at all."""
    if cached.state != "absent":
        say(f"{data_set.name}: replacing the copy in the cache: {cached.state}")
    cached.path.mkdir(parents=True, exist_ok=True)
    for left in cached.path.glob(".*.part"):  # by a process that was killed
        left.unlink()
    for name, expected in data_set.files.items():
        path = _packed_or_not(source.path, name)
        part = cached.path / f".{name}.{secrets.token_hex(4)}.part"
        found = ""
        try:
            with part.open("xb") as copy, suppress(gzip.BadGzipFile, EOFError, zlib.error):
                found = _digest(path, data_set.algorithm, copy=copy)
            if found != expected:  # not verified before, or changed since
                raise UserError(f"{_wrong(data_set, name, path) or f'{path}: changed'}. Put the whole file there.")
            part.replace(cached.path / name)
        finally:
            part.unlink(missing_ok=True)
    return Location("cache", cached.path, "whole")
