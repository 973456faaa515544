"""The device of a trial, its arithmetic and its determinism."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from suite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "avx10_1", "bf16"}
"""Names in /proc/cpuinfo of the instructions that make bfloat16 fast (x86-64, and Arm's bf16)."""


def resolve_device(device: str) -> str:
    """Return the device that `auto`, `cpu`, `cuda` or `cuda:N` stands for on this machine.

    Raises:
        UserError: There is no such device.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if count else "cpu"
    known = ["cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if device not in known:
        no_cuda = device.partition(":")[0] == "cuda" and not count
        problem = f'no CUDA device was found for "{device}"' if no_cuda else f'unknown device "{device}"'
        raise UserError("--device", problem, f"Write auto or one of: {', '.join(known)}")
    return device


def check_precision(precision: str, device: str) -> str | None:
    """Return a warning if the precision is slow on the device, else None.

    Raises:
        UserError: The device does not have the precision (tf32 off CUDA).
    """
    if precision == "tf32" and not device.startswith("cuda"):
        raise UserError("precision", f'"tf32" requires a CUDA device, and the device is {device}', 'Write "float32"')
    if precision == "bfloat16" and device == "cpu" and not has_fast_bfloat16():
        return (
            "this CPU has no bfloat16 instructions. They are emulated, about 8 times slower than float32 "
            "(measured with AVX2: 54 examples/s against 427)"
        )
    return None


def check_compiler(device: str) -> None:
    """Check that the compiler that torch would call for this device is installed.

    Raises:
        UserError: It is not.
    """
    language, name = ("C++", os.environ.get("CXX", "g++")) if device == "cpu" else ("C", os.environ.get("CC", "gcc"))
    if not shutil.which(name):
        problem = f"the {language} compiler {name} was not found"
        raise UserError("compiled", problem, "Install it (apt-get install g++), or write compiled = false")


def has_fast_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the CPU has instructions for bfloat16, as far as the system reports them."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = (line.partition(":") for line in text.splitlines())
    return any(BF16_FLAGS & set(flags.split()) for name, _, flags in lines if name.strip() in {"flags", "Features"})


@contextlib.contextmanager
def deterministic_mode(precision: str) -> Iterator[None]:
    """Use one thread, deterministic algorithms, and IEEE float32 unless `precision` is tf32; restore all at the end.

    Results with one and with two threads differ in the last bits, so a trial always has one. CUDA's own default for
    convolutions is TF32.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, deterministic cuBLAS raises
    cudnn: Any = torch.backends.cudnn
    float32 = "tf32" if precision == "tf32" else "ieee"
    settings: list[tuple[Any, str, object]] = [
        (torch.utils.deterministic, "fill_uninitialized_memory", False),  # filling costs time and changes no result
        (cudnn, "benchmark", False),
        *((backend, "fp32_precision", float32) for backend in (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)),
    ]
    before = [getattr(module, name) for module, name, _ in settings]
    threads, debug_mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    try:
        torch.set_num_threads(1)
        # The same as torch.use_deterministic_algorithms, which imports torch's compiler first: that takes seconds.
        torch.set_deterministic_debug_mode("error")
        for module, name, value in settings:
            setattr(module, name, value)
        yield
    finally:
        for (module, name, _), value in zip(settings, before, strict=True):
            setattr(module, name, value)
        torch.set_deterministic_debug_mode(debug_mode)
        torch.set_num_threads(threads)
