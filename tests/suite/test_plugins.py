"""`suite.plugins`: importing what a study names as "package.module:name", installed or in a folder."""

import os
import pickle
import subprocess
import sys
import textwrap

import pytest
import torch

from suite.errors import UserError
from suite.optimizers import find_optimizer
from suite.optimizers.adam import Adam

CODE = """
    import torch

    class Mine(torch.optim.SGD):
        tag = {tag!r}
"""


def write(folder, name, text):
    """Write a file below a folder; return the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def _imports_are_restored():
    """No test may change `sys.path`, or leave a plain name of a folder's module in `sys.modules`."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    assert sys.path == path
    new = {name for name in set(sys.modules) - modules if not name.startswith("ravine_folder_")}
    assert not {name for name in new if name.partition(".")[0] in {"my_opt", "helper", "pack", "broken"}}


def test_installed_class():
    """A class of an installed module is found, of torch or of Ravine."""
    assert find_optimizer("torch.optim:AdamW") is torch.optim.AdamW
    assert find_optimizer("suite.optimizers.adam:Adam") is Adam


def test_class_in_the_folder(tmp_path):
    """A module beside the study is imported once, so that its class stays the same."""
    write(tmp_path, "my_opt.py", CODE.format(tag="a"))
    cls = find_optimizer("my_opt:Mine", tmp_path)
    assert cls.tag == "a"
    assert find_optimizer("my_opt:Mine", tmp_path) is cls
    assert find_optimizer("torch.optim:AdamW", tmp_path) is torch.optim.AdamW


def test_two_folders_are_separate(tmp_path):
    """Modules of the same name in two folders are separate, and so are the helpers that they import by plain names."""
    folders = {}
    for tag in ("a", "b"):
        folders[tag] = write(tmp_path / tag, "helper.py", f"TAG = {tag!r}\n")
        write(folders[tag], "my_opt.py", "import torch, helper\nclass Mine(torch.optim.SGD):\n    tag = helper.TAG\n")
    assert [find_optimizer("my_opt:Mine", folders[tag]).tag for tag in "abab"] == ["a", "b", "a", "b"]


def test_the_folder_comes_before_the_import_path(tmp_path, monkeypatch):
    """The study's folder comes before the import path, so the current directory cannot replace its module."""
    monkeypatch.syspath_prepend(str(write(tmp_path / "path", "my_opt.py", CODE.format(tag="path"))))
    folder = write(tmp_path / "own", "my_opt.py", CODE.format(tag="own"))
    assert find_optimizer("my_opt:Mine", folder).tag == "own"
    monkeypatch.undo()
    sys.modules.pop("my_opt", None)


def test_package_in_the_folder(tmp_path):
    """A package beside the study is imported, with relative imports inside it."""
    write(tmp_path, "pack/__init__.py", "")
    write(tmp_path, "pack/base.py", "import torch\nclass Base(torch.optim.SGD):\n    tag = 'packed'\n")
    write(tmp_path, "pack/mod.py", "from .base import Base\nclass Mine(Base):\n    pass\n")
    assert find_optimizer("pack.mod:Mine", tmp_path).tag == "packed"


def test_optimizers_from_a_folder_pickle(tmp_path):
    """An optimizer whose class is from a folder can be pickled and unpickled in the process."""
    cls = find_optimizer("my_opt:Mine", write(tmp_path, "my_opt.py", CODE.format(tag="a")))
    optimizer = cls([torch.zeros(1, requires_grad=True)], lr=0.5)
    assert type(pickle.loads(pickle.dumps(optimizer))) is cls


def test_worker_processes_import_the_class(tmp_path):
    """A process that gets only the kind and the folder imports the class; one process can use two folders."""
    folders = [write(tmp_path / tag, "my_opt.py", CODE.format(tag=tag)) for tag in ("a", "b")]
    code = (
        "import sys, pathlib; from suite.optimizers import find_optimizer; "
        "print([find_optimizer('my_opt:Mine', pathlib.Path(p)).tag for p in sys.argv[1:]])"
    )
    path = ":".join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, folders)],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['a', 'b']"


@pytest.mark.parametrize(
    "kind",
    [
        "my_opt:Mime",
        "my_opt:torch",
        "my_otp:Mine",
        "torch.optm:Adam",
        "empty:Mine",
        "torch.optim:",
        ":Adam",
        "../my_opt:Mine",
        "broken:Mine",
        "lacking:Mine",
    ],
)
def test_errors(tmp_path, wording, kind):
    """A missing module or class, a module that cannot be imported, and an object that is no optimizer: each is one line."""
    write(tmp_path, "my_opt.py", CODE.format(tag="a"))
    write(tmp_path, "broken.py", "class Mine(:\n")
    write(tmp_path, "lacking.py", "import no_such_thing\n")
    write(tmp_path, "empty.py", "Mine = 3\n")
    with pytest.raises(UserError) as error:
        find_optimizer(kind, tmp_path)
    assert "\n" not in str(error.value)
    wording(error.value)


@pytest.mark.parametrize("kind", ["torch.nn:Linear", "torch.optim:Optimizer"])
def test_a_class_that_is_no_optimizer(kind):
    """Other classes of torch are refused, and so is the base class of optimizers."""
    name = kind.partition(":")[2]
    with pytest.raises(UserError, match=f'^kind: "{name}" in .* is not a subclass of torch.optim.Optimizer'):
        find_optimizer(kind)


def test_a_fixed_module_is_imported_again(tmp_path):
    """After an error the module is imported anew, so a fix takes effect."""
    write(tmp_path, "my_opt.py", "raise RuntimeError('not yet')")
    with pytest.raises(UserError, match="not yet"):
        find_optimizer("my_opt:Mine", tmp_path)
    write(tmp_path, "my_opt.py", CODE.format(tag="it is fixed now"))
    assert find_optimizer("my_opt:Mine", tmp_path).tag == "it is fixed now"


def test_a_module_written_later_is_found(tmp_path):
    """A new module in a folder is found even if the folder's time stamp is unchanged."""
    write(tmp_path, "pack/one.py", CODE.format(tag="one"))
    folder = tmp_path / "pack"
    stamp = folder.stat().st_mtime_ns
    assert find_optimizer("one:Mine", folder).tag == "one"
    write(tmp_path, "pack/two.py", CODE.format(tag="two"))
    os.utime(folder, ns=(stamp, stamp))  # as on a file system with coarse time stamps
    assert find_optimizer("two:Mine", folder).tag == "two"


def test_a_problem_is_an_object(tmp_path, wording):
    """A problem must be an instance; the class itself is refused."""
    from suite.problems import Problem, find_problem

    write(
        tmp_path,
        "my_problem.py",
        "from suite.problems import PROBLEMS, Problem\n\nMINE = PROBLEMS['fashion_mnist_cnn']\n",
    )
    assert isinstance(find_problem("my_problem:MINE", tmp_path), Problem)
    with pytest.raises(UserError) as error:
        find_problem("my_problem:Problem", tmp_path)
    wording(error.value)
