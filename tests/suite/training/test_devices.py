"""`suite.training.devices`: the device, its arithmetic, and what is refused."""

import pytest
import torch

from suite.errors import UserError
from suite.training import devices


def test_auto_is_cuda_where_there_is_one(monkeypatch):
    """`auto` takes the GPU if there is one, else the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.resolve_device("auto") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.resolve_device("auto") == "cuda"
    assert devices.resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(
        UserError, match=r'unknown device: "cuda:2". Here are: cpu, cuda, cuda:0, cuda:1; or write auto'
    ):
        devices.resolve_device("cuda:2")


@pytest.mark.parametrize(("device", "why"), [("cuda", "there is no CUDA device here"), ("tpu", "unknown device")])
def test_a_device_that_is_not_here_is_refused(monkeypatch, device, why):
    """The message says why, and what there is."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=f'--device: {why}: "{device}". Here are: cpu; or write auto'):
        devices.resolve_device(device)


def test_arithmetic_sets_and_restores():
    """Inside: one thread, deterministic, IEEE float32 on CUDA, or TF32 where asked; after it all is as before."""

    def state():
        cudnn = torch.backends.cudnn
        return (
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cuda.matmul.fp32_precision,
            cudnn.conv.fp32_precision,
            cudnn.rnn.fp32_precision,
            cudnn.benchmark,
        )

    torch.set_num_threads(2)
    before = state()
    with devices.deterministic_mode("float32"):
        assert state() == (1, True, "ieee", "ieee", "ieee", False)
    assert state() == before
    with devices.deterministic_mode("tf32"):
        assert state()[2:5] == ("tf32", "tf32", "tf32")
    with pytest.raises(ValueError, match="inside"), devices.deterministic_mode("float32"):
        raise ValueError("inside")
    assert state() == before


@pytest.mark.parametrize(
    ("text", "fast"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16\n", True),
        ("flags\t\t: fpu avx2 amx_bf16\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx2\nmodel name\t: bf16\n", False),
        ("", False),
    ],
)
def test_fast_bfloat16_is_read_from_the_cpus_flags(tmp_path, text, fast):
    """Only flags count, not a name that holds the word."""
    path = tmp_path / "cpuinfo"
    path.write_text(text, encoding="utf-8")
    assert devices.has_fast_bfloat16(path) is fast
    assert devices.has_fast_bfloat16(tmp_path / "absent") is False


def test_precisions_that_a_device_lacks():
    """tf32 off CUDA is refused; the others pass without a word where they are quick."""
    with pytest.raises(UserError, match=r'"tf32" exists on CUDA only, and this run is on cpu. Write "float32"'):
        devices.check_precision("tf32", "cpu")
    assert devices.check_precision("tf32", "cuda") is None
    assert devices.check_precision("float32", "cpu") is None
    assert devices.check_precision("bfloat16", "cuda") is None


def test_a_missing_compiler_is_told(monkeypatch, tmp_path):
    """Compiled steps without the compiler that torch would call end in one line; with it nothing is said."""
    monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
    with pytest.raises(UserError, match=r"compiled: there is no C\+\+ compiler .*no-such-compiler here. Install it"):
        devices.check_compiler("cpu")
    there = tmp_path / "compiler"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    monkeypatch.setenv("CXX", str(there))
    devices.check_compiler("cpu")
