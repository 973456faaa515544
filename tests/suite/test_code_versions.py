"""`suite.code_versions`: the files and packages that an optimizer or a problem consists of."""

import hashlib
import sys
import textwrap

import pytest

from suite import code_versions
from suite.errors import UserError
from suite.optimizers import find_optimizer
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import check_code, run_trial

MINE = "import torch, helper\nclass Mine(torch.optim.SGD):\n    pass\n"


def _write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")


def _versions(kind, folder=None):
    return code_versions.code_versions(kind, folder, find_optimizer(kind, folder))


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


METADATA = "far_away.dist-info/METADATA"


def _install(site, version):
    """Install a package with an optimizer into a folder, as an installer does it."""
    _write(site, {"faraway/__init__.py": "import torch\nclass Far(torch.optim.SGD):\n    pass\n"})
    record = f"faraway/__init__.py,,\n{METADATA},,\n"
    text = f"Metadata-Version: 2.1\nName: Far_Away\nVersion: {version}\n"
    _write(site, {METADATA: text, "far_away.dist-info/RECORD": record})


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return a folder of installed packages; modules that a test imports from it are removed from the process."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    code_versions._digest.cache_clear()
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def test_torch_and_ravine_have_no_versions(tmp_path):
    """Their versions are in the environment of a trial; so ids of their optimizers do not depend on it."""
    assert _versions("torch.optim:AdamW", tmp_path) == _versions("adam", tmp_path) == {}
    assert _versions("suite.optimizers.adam:Adam") == {}


def test_all_files_that_are_imported(tmp_path):
    """The module, what it imports at any depth, in functions and relatively; but no other file of the folder."""
    files = {
        "mine.py": "import torch\nfrom pack.sub import deep\nimport helper as h\nclass Mine(torch.optim.SGD):\n    pass\n",
        "helper.py": "def f():\n    from lazy import x\n",
        "lazy.py": "x = 1\n",
        "pack/__init__.py": "",
        "pack/sub/__init__.py": "from ..base import Base\n",
        "pack/sub/deep.py": "from . import twin\n",
        "pack/sub/twin.py": "",
        "pack/base.py": "class Base:\n    pass\n",
        "pack/unused.py": "",
        "unused.py": "",
    }
    _write(tmp_path, files)
    expected = {name: _sha256(tmp_path / name) for name in files if "unused" not in name}
    assert _versions("mine:Mine", tmp_path) == expected
    assert _versions("mine:Mine", tmp_path) == expected  # also of a module that is imported already


def test_files_that_are_read_during_the_import(tmp_path):
    """A table of numbers and a module that is imported by name count, also for another optimizer that shares the module."""
    files = {
        "mine.py": "import torch\nfrom tools import shared\nclass Mine(torch.optim.SGD):\n    pass\n",
        "other.py": "import torch\nfrom tools import shared\nclass Other(torch.optim.SGD):\n    pass\n",
        "tools/__init__.py": "",
        "tools/shared.py": """
            import importlib, pathlib
            NUMBERS = pathlib.Path(__file__).with_name("numbers.json").read_text()
            DYNAMIC = importlib.import_module("dynamic")
            pathlib.Path(__file__).with_name("log.txt").write_text("written")
        """,
        "tools/numbers.json": "[1, 2]",
        "dynamic.py": "",
    }
    _write(tmp_path, files)
    assert _versions("mine:Mine", tmp_path).keys() == files.keys() - {"other.py"}
    assert _versions("other:Other", tmp_path).keys() == files.keys() - {"mine.py"}


def test_modules_that_are_imported_by_a_literal_name(tmp_path):
    """Also in functions, which run later: the name may be relative to the package of the file."""
    files = {
        "mine.py": """
            import importlib, torch
            from importlib import import_module
            class Mine(torch.optim.SGD):
                def step(self, closure=None):
                    import_module(".late", __package__)
                    __import__("plain")
                    importlib.import_module(self.name)
        """,
        "late.py": "from pack import deep\n",
        "plain.py": "",
        "pack/__init__.py": "",
        "pack/deep.py": "import importlib\nimportlib.import_module('..twin', __package__)\n",
        "twin.py": "",
        "unused.py": "",
    }
    _write(tmp_path, files)
    assert _versions("mine:Mine", tmp_path).keys() == files.keys() - {"unused.py"}


def test_files_that_the_constructor_reads(write_study):
    """A table that a class reads when it is constructed belongs to the trial; a change gives new trials."""
    path = write_study(extra=OWN)
    code = """
        import torch
        from pathlib import Path
        class Mine(torch.optim.SGD):
            def __init__(self, params, lr):
                self.table = Path(__file__).with_name("table.txt").read_text()
                super().__init__(params, lr)
    """
    _write(path.parent, {"mine.py": code, "table.txt": "1"})
    before = plan(load_study(path))
    assert set(before[2].code) == {"mine.py", "table.txt"}
    assert run_trial(before[2], folder=path.parent).outcome is Outcome.OK
    _write(path.parent, {"table.txt": "2"})
    after = plan(load_study(path))
    assert {a.label for a, b in zip(after, before, strict=True) if a.id != b.id} == {"mine"}


def test_an_installed_package_has_its_version(site):
    """The name of the distribution is normalised; a new version is seen."""
    _install(site, "1.2")
    assert _versions("faraway:Far") == {"far-away": "1.2"}
    _install(site, "1.3")
    assert _versions("faraway:Far") == {"far-away": "1.3"}


def test_a_class_of_the_folder_that_uses_a_package(site, tmp_path):
    """The packages that its files import have versions, but not the standard library and NumPy."""
    _install(site, "1.2")
    study = tmp_path / "study"
    _write(study, {"mine.py": "import helper\nMine = helper.Mine\n"})
    text = "import json, numpy\nimport faraway\ntry:\n    import no_such_package\nexcept ImportError:\n    pass\n"
    _write(study, {"helper.py": f"{text}class Mine(faraway.Far):\n    pass\n"})
    assert _versions("mine:Mine", study) == {
        "far-away": "1.2",
        "helper.py": _sha256(study / "helper.py"),
        "mine.py": _sha256(study / "mine.py"),
    }


def test_a_package_without_a_distribution_has_a_digest(site):
    """So has one in development mode, whose files lie elsewhere; the version does not follow its changes."""
    _write(site, {"faraway/__init__.py": "import torch\nclass Far(torch.optim.SGD):\n    pass\n"})
    first = _versions("faraway:Far")
    assert list(first) == ["faraway"]
    assert len(first["faraway"]) == 64
    _write(site, {"faraway/more.py": "x = 1\n"})
    code_versions._digest.cache_clear()
    assert _versions("faraway:Far").keys() == {"faraway"}
    assert _versions("faraway:Far") != first


OWN = '\n[[optimizer]]\nname = "mine"\nkind = "mine:Mine"\nlr = 0.1\n'


def test_a_changed_helper_gives_new_trials(write_study):
    """A change of a file that the optimizer's file imports changes the ids of this optimizer alone."""
    path = write_study(extra=OWN)
    _write(path.parent, {"mine.py": MINE, "helper.py": "x = 1\n"})
    before = plan(load_study(path))
    assert set(before[2].code) == {"mine.py", "helper.py"}
    assert {trial.label for trial in before if trial.code} == {"mine"}
    _write(path.parent, {"helper.py": "x = 2\n"})
    after = plan(load_study(path))
    assert {a.label for a, b in zip(after, before, strict=True) if a.id != b.id} == {"mine"}


def test_a_changed_package_gives_new_trials(write_study, site):
    """Another version of an optimizer's package changes the ids of this optimizer alone."""
    _install(site, "1.2")
    path = write_study(extra=OWN.replace("mine:Mine", "faraway:Far"))
    before = plan(load_study(path))
    _install(site, "1.3")
    after = plan(load_study(path))
    assert {a.label for a, b in zip(after, before, strict=True) if a.id != b.id} == {"mine"}


def test_a_changed_problem_gives_new_trials(write_study):
    """A change of a file that the problem's file imports changes the ids of all optimizers."""
    path = write_study()
    toy = path.parent / "toy.py"
    toy.write_text("import helper\n" + toy.read_text(encoding="utf-8"), encoding="utf-8")
    _write(path.parent, {"helper.py": "x = 1\n"})
    before = {trial.id for trial in plan(load_study(path))}
    _write(path.parent, {"helper.py": "x = 2\n"})
    assert before.isdisjoint({trial.id for trial in plan(load_study(path))})


def test_code_that_changes_after_the_plan(write_study, wording):
    """A worker that would import other code than was planned reports a failed trial."""
    path = write_study(extra=OWN)
    _write(path.parent, {"mine.py": MINE, "helper.py": "x = 1\n"})
    trial = plan(load_study(path))[2]
    check_code(trial, path.parent)
    assert run_trial(trial, folder=path.parent).outcome is Outcome.OK
    _write(path.parent, {"helper.py": "x = 2\n"})
    with pytest.raises(UserError) as error:
        check_code(trial, path.parent)
    wording(error.value)
    result = run_trial(trial, folder=path.parent)
    assert (result.outcome, result.reason) == (Outcome.FAILED, str(error.value))


def test_the_commands_see_a_changed_helper(write_study, call):
    """`ravine run` runs the trials again, and `ravine verify` has nothing to compare before."""
    path = write_study(extra=OWN)
    _write(path.parent, {"mine.py": MINE, "helper.py": "x = 1\n"})
    arguments = (path.name, "--optimizer", "mine", "--device", "cpu")
    assert call("run", *arguments)[0] == 0
    assert "0 of 2 trials to run" in call("run", *arguments, "--dry-run")[1]
    _write(path.parent, {"helper.py": "x = 2\n"})
    assert "2 of 2 trials to run" in call("run", *arguments, "--dry-run")[1]
    status, _, message = call("verify", *arguments)
    assert status == 2
    assert "none of its trials is recorded" in message
