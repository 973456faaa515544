"""Where a trial ran: versions, device, commit. Recorded beside every result, never part of a trial's identity."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib import metadata
from pathlib import Path


@functools.cache
def environment(device: str) -> dict[str, str]:
    """What may explain a difference between two runs of the same trial, as text.

    Keys: device, device_name, threads, cpu_capability, python, torch, torchvision, numpy, cuda, ravine, commit, platform.
    """
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else _cpu_name()
    return {
        "device": device.partition(":")[0],
        "device_name": name,
        "threads": "1",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda or "" if device.startswith("cuda") else "",
        "commit": commit(),
        "platform": platform.platform(),
        **versions("torchvision", "numpy"),
        "torch": torch.__version__,  # with the build's suffix, such as +cu132
    }


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
    for folder in (Path(__file__).resolve().parent.parent, Path.cwd()):
        if (folder / ".git").exists() and (folder / "suite" / "provenance.py").is_file():
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
