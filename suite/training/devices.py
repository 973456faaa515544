"""Where a trial computes and how: the device, its arithmetic, its determinism."""

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
"""What /proc/cpuinfo calls the instructions (x86-64, and Arm's bf16) that bfloat16 is quick with."""


def resolve_device(device: str) -> str:
    """`auto`, `cpu`, `cuda` or `cuda:N` as the device that is used.

    Raises:
        UserError: No such device here.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if count else "cpu"
    known = ["cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if device not in known:
        kind = device.partition(":")[0]
        why = "there is no CUDA device here" if kind == "cuda" and not count else "unknown device"
        raise UserError(f'--device: {why}: "{device}". Here are: {", ".join(known)}; or write auto')
    return device


def check_precision(precision: str, device: str) -> str | None:
    """Refuse a precision that the device does not have; return a warning where it is slow, None where all is well.

    Raises:
        UserError: tf32 off CUDA.
    """
    if precision == "tf32" and not device.startswith("cuda"):
        raise UserError(f'precision: "tf32" exists on CUDA only, and this run is on {device}. Write "float32"')
    if precision == "bfloat16" and device == "cpu" and not has_fast_bfloat16():
        return (
            "this CPU has no bfloat16 instructions: they are emulated, about 8 times slower than float32 "
            "(54 against 427 examples/s were measured with AVX2)"
        )
    return None


def check_compiler(device: str) -> None:
    """Refuse compiled steps where there is nothing to compile them with.

    Raises:
        UserError: The compiler that torch would call for this device is not there.
    """
    language, name = ("C++", os.environ.get("CXX", "g++")) if device == "cpu" else ("C", os.environ.get("CC", "gcc"))
    if not shutil.which(name):
        raise UserError(
            f"compiled: there is no {language} compiler {name} here. Install it (apt-get install g++), or write "
            "compiled = false"
        )


def has_fast_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU has instructions for bfloat16, as far as the system tells."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = (line.partition(":") for line in text.splitlines())
    return any(BF16_FLAGS & set(flags.split()) for name, _, flags in lines if name.strip() in {"flags", "Features"})


@contextlib.contextmanager
def deterministic_mode(precision: str) -> Iterator[None]:
    """Inside: one thread, deterministic algorithms, and IEEE float32 unless `precision` is tf32. Restored at the end.

    One and two threads give different bits, so a trial always has one. CUDA's own default for convolutions is TF32.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, deterministic cuBLAS raises
    cudnn: Any = torch.backends.cudnn
    deterministic_mode: Any = torch.utils.deterministic
    backends = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    threads, fill = torch.get_num_threads(), deterministic_mode.fill_uninitialized_memory
    deterministic = torch.get_deterministic_debug_mode()
    before = [backend.fp32_precision for backend in backends]
    benchmark = cudnn.benchmark
    try:
        torch.set_num_threads(1)
        # The same as torch.use_deterministic_algorithms, which imports torch's compiler first: that takes seconds.
        torch.set_deterministic_debug_mode("error")
        deterministic_mode.fill_uninitialized_memory = False  # it costs time and changes no result
        cudnn.benchmark = False
        for backend in backends:
            backend.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value
        cudnn.benchmark = benchmark
        deterministic_mode.fill_uninitialized_memory = fill
        torch.set_deterministic_debug_mode(deterministic)
        torch.set_num_threads(threads)
