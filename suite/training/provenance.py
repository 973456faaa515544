"""The environment of a trial: versions, device, commit. It is recorded with every result and is not part of `Trial.id`."""

from __future__ import annotations

import functools
import itertools
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from suite.errors import UserError
from suite.records import REPRODUCIBILITY_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from suite.records import TrialRecord


@functools.cache
def environment(device: str) -> dict[str, str]:
    """Return what may explain a difference between two runs of the same trial, as text.

    Keys: device, device_name, threads, cpu_capability, python, torch, torchvision, numpy, cuda, cudnn, ravine,
    commit, platform. A trial adds `packed`, the number of slots of its process, if it is more than one.
    """
    import torch

    on_cuda = device.startswith("cuda")
    return {
        "device": device.partition(":")[0],
        "device_name": torch.cuda.get_device_name(device) if on_cuda else _cpu_name(),
        "threads": "1",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda or "" if on_cuda else "",
        "cudnn": str(torch.backends.cudnn.version() or "") if on_cuda else "",
        "commit": commit(),
        "platform": platform.platform(),
        **versions("torchvision", "numpy"),
        "torch": torch.__version__,  # with the build's suffix, such as +cu132
    }


def environment_changes(recorded: Mapping[str, str], current: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the recorded and the current value of each key that differs, `REPRODUCIBILITY_KEYS` first.

    The value of a key that one environment lacks is empty.
    """
    keys = dict.fromkeys([*REPRODUCIBILITY_KEYS, *recorded, *current])
    pairs = {key: (recorded.get(key, ""), current.get(key, "")) for key in keys}
    return {key: (old, new) for key, (old, new) in pairs.items() if old != new}


def check_same_environment(records: Iterable[TrialRecord], current: Mapping[str, str]) -> None:
    """Check that all trials ran in the current environment: the same values of `REPRODUCIBILITY_KEYS`.

    Raises:
        UserError: Some did not; it has their number and the keys that differ.
    """
    trials = list(records)
    changes = [
        [
            f"{key}: {f'{old} recorded' if old else 'not recorded'}, {new or 'none'} here"
            for key, (old, new) in environment_changes(record.environment, current).items()
            if key in REPRODUCIBILITY_KEYS
        ]
        for record in trials
    ]
    if any(changes):
        raise UserError(
            "--strict",
            f"{sum(map(bool, changes))} of {len(trials)} recorded trials of this study ran in another environment "
            f"({'; '.join(dict.fromkeys(itertools.chain(*changes)))})",
            "Run it in that environment, use a new --store, or omit --strict. The report will then state that the study "
            "mixes environments",
        )


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, of Ravine and of the given packages."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("ravine", *packages)}}


def version(package: str) -> str:
    """Return the installed version of a package, or `not installed`."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def commit() -> str:
    """Return the commit of the checkout that runs, with `+` if files are changed; else that of the current directory.

    Only a checkout of Ravine itself counts; without one the result is empty.
    """
    for folder in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (folder / ".git").exists() and (folder / "suite" / "training" / "provenance.py").is_file():
            head = _git(folder, "rev-parse", "--short=12", "HEAD")
            return head + ("+" if head and _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    return ""


def _git(folder: Path, *arguments: str) -> str:
    try:
        run = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return run.stdout.strip()


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
