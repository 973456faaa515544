"""Synthetic studies and built reports, shared by the tests of `reports`."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SAMPLE = Path(__file__).with_name("sample.py")


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The module `sample.py` beside this file."""
    spec = importlib.util.spec_from_file_location("ravine_sample", SAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small(sample, tmp_path_factory):
    """A built report of three optimizers with three repeats each."""
    from reports.build import build

    return build(*sample.small(), tmp_path_factory.mktemp("reports") / "small")


@pytest.fixture(scope="session")
def large(sample, tmp_path_factory):
    """A built report, without figures, of twelve optimizers with ten repeats each, of which one always diverges."""
    from reports.build import build

    with pytest.MonkeyPatch.context() as patch:
        for part in ("build._draw", "writing.draw_sections"):
            patch.setattr(f"reports.{part}", lambda *_: iter(()))
        return build(*sample.large(), tmp_path_factory.mktemp("reports") / "large")
