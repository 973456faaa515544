"""`suite.training.devices`: the device, its arithmetic, and invalid choices."""

import pytest
import torch

from suite.errors import UserError
from suite.training import devices


def test_auto_is_cuda_if_there_is_one(monkeypatch, wording):
    """`auto` takes the GPU if there is one, else the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.resolve_device("auto") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.resolve_device("auto") == "cuda"
    assert devices.resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(UserError) as error:
        devices.resolve_device("cuda:2")
    wording(error.value)


@pytest.mark.parametrize("device", ["cuda", "tpu"])
def test_a_device_that_does_not_exist_is_an_error(monkeypatch, device, wording):
    """The message has the reason and the devices of this machine."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError) as error:
        devices.resolve_device(device)
    wording(error.value)


def test_deterministic_mode_sets_and_restores():
    """Inside: one thread, deterministic algorithms, IEEE float32 on CUDA, or TF32 on request; at the end all is restored."""

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
def test_fast_bfloat16_depends_on_the_flags_of_the_cpu(tmp_path, text, fast):
    """Only flags count, not a model name that contains the word."""
    path = tmp_path / "cpuinfo"
    path.write_text(text, encoding="utf-8")
    assert devices.has_fast_bfloat16(path) is fast
    assert devices.has_fast_bfloat16(tmp_path / "absent") is False


def test_precisions_that_a_device_does_not_have(monkeypatch, wording):
    """tf32 off CUDA is an error, and emulated bfloat16 a warning; the others pass."""
    with pytest.raises(UserError) as error:
        devices.check_precision("tf32", "cpu")
    wording(error.value)
    monkeypatch.setattr(devices, "has_fast_bfloat16", lambda: False)
    wording(devices.check_precision("bfloat16", "cpu"))
    assert devices.check_precision("tf32", "cuda") is None
    assert devices.check_precision("float32", "cpu") is None
    assert devices.check_precision("bfloat16", "cuda") is None


def test_a_missing_compiler_is_an_error(monkeypatch, tmp_path, wording):
    """Compiled steps require the compiler that torch would call."""
    monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
    with pytest.raises(UserError) as error:
        devices.check_compiler("cpu")
    wording(error.value)
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    devices.check_compiler("cpu")
