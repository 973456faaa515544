"""Where a trial ran: versions, device, commit. Recorded beside every result, never part of a trial's identity."""

from __future__ import annotations

import functools
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
    """What may explain a difference between two runs of the same trial, as text.

    Keys: device, device_name, threads, cpu_capability, python, torch, torchvision, numpy, cuda, cudnn, ravine,
    commit, platform. A trial adds `packed`, how many trials took turns in its process, where these were several.
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


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What is different between two environments, those of `BITS` first; empty text where one says nothing about it."""
    keys = dict.fromkeys([*REPRODUCIBILITY_KEYS, *then, *now])
    return {key: (then.get(key, ""), now.get(key, "")) for key in keys if then.get(key, "") != now.get(key, "")}


def check_same_environment(records: Iterable[TrialRecord], here: Mapping[str, str]) -> None:
    """Refuse to add to a study that has trials from another environment: one that differs in any of `BITS`.

    Raises:
        UserError: There are such trials; says how many, what differs, and what to do.
    """
    found = list(records)
    others = [
        {key: values for key, values in changed(record.environment, here).items() if key in REPRODUCIBILITY_KEYS}
        for record in found
    ]
    others = [other for other in others if other]
    if not others:
        return
    told = dict.fromkeys(
        f"{key} {then or 'not recorded'} there, {now or 'none'} here"
        for other in others
        for key, (then, now) in other.items()
    )
    raise UserError(
        f"--strict: {len(others)} of {len(found)} recorded trials of this study are from another environment "
        f"({'; '.join(told)}). Run it there, begin anew with --store, or leave --strict away: the report then says that "
        "the study is mixed"
    )


def versions(*packages: str) -> dict[str, str]:
    """The versions of Python, of Ravine and of some packages."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("ravine", *packages)}}


def version(package: str) -> str:
    """The installed version of a package; `not installed` where it is absent."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def commit() -> str:
    """The commit of the checkout that runs, `+` where it has changes; of an installed package, the working folder's.

    Only a checkout of Ravine itself counts: empty anywhere else.
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
