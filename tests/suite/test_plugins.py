"""`suite.plugins`: what a study names as "package.module:name", installed or in a folder."""

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
from suite.plugins import digest

CODE = """
    import torch

    class Mine(torch.optim.SGD):
        tag = {tag!r}
"""


def write(folder, name, text):
    """Write a file of a folder, and return the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def _nothing_stays():
    """No test may leave the import path changed, or a plain name of a folder's module in sys.modules."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    assert sys.path == path
    new = {name for name in set(sys.modules) - modules if not name.startswith("ravine_folder_")}
    assert not {name for name in new if name.partition(".")[0] in {"my_opt", "helper", "pack", "broken"}}


def test_installed_class():
    """A class of an installed module is found, torch's or our own."""
    assert find_optimizer("torch.optim:AdamW") is torch.optim.AdamW
    assert find_optimizer("suite.optimizers.adam:Adam") is Adam


def test_class_in_the_folder(tmp_path):
    """A module beside the study is found, and found again as the same class."""
    write(tmp_path, "my_opt.py", CODE.format(tag="a"))
    cls = find_optimizer("my_opt:Mine", tmp_path)
    assert cls.tag == "a"
    assert find_optimizer("my_opt:Mine", tmp_path) is cls
    assert find_optimizer("torch.optim:AdamW", tmp_path) is torch.optim.AdamW


def test_two_folders_are_not_mixed_up(tmp_path):
    """Modules of one name in two folders stay apart, and so do the helpers that they import by plain name."""
    folders = {}
    for tag in ("a", "b"):
        folders[tag] = write(tmp_path / tag, "helper.py", f"TAG = {tag!r}\n")
        write(folders[tag], "my_opt.py", "import torch, helper\nclass Mine(torch.optim.SGD):\n    tag = helper.TAG\n")
    assert [find_optimizer("my_opt:Mine", folders[tag]).tag for tag in "abab"] == ["a", "b", "a", "b"]


def test_folder_wins_over_the_import_path(tmp_path, monkeypatch):
    """The study's own folder comes before the import path, so the current directory cannot replace its module."""
    monkeypatch.syspath_prepend(str(write(tmp_path / "path", "my_opt.py", CODE.format(tag="path"))))
    folder = write(tmp_path / "own", "my_opt.py", CODE.format(tag="own"))
    assert find_optimizer("my_opt:Mine", folder).tag == "own"
    monkeypatch.undo()
    sys.modules.pop("my_opt", None)


def test_package_in_the_folder(tmp_path):
    """A package beside the study works, with relative imports inside it."""
    write(tmp_path, "pack/__init__.py", "")
    write(tmp_path, "pack/base.py", "import torch\nclass Base(torch.optim.SGD):\n    tag = 'packed'\n")
    write(tmp_path, "pack/mod.py", "from .base import Base\nclass Mine(Base):\n    pass\n")
    assert find_optimizer("pack.mod:Mine", tmp_path).tag == "packed"


def test_optimizers_from_a_folder_pickle(tmp_path):
    """An optimizer of a class from a folder goes through pickle where the class was found."""
    cls = find_optimizer("my_opt:Mine", write(tmp_path, "my_opt.py", CODE.format(tag="a")))
    optimizer = cls([torch.zeros(1, requires_grad=True)], lr=0.5)
    assert type(pickle.loads(pickle.dumps(optimizer))) is cls


def test_found_again_in_worker_processes(tmp_path):
    """A process that knows only the kind and the folder finds the class, and one process can serve two folders."""
    folders = [write(tmp_path / tag, "my_opt.py", CODE.format(tag=tag)) for tag in ("a", "b")]
    code = (
        "import sys, pathlib; from suite.optimizers import find; "
        "print([find('my_opt:Mine', pathlib.Path(p)).tag for p in sys.argv[1:]])"
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
    ("kind", "told"),
    [
        ("my_opt:Mime", r'my_opt.py has no "Mime"\. Did you mean "Mine"\? It has: Mine'),
        (
            "my_opt:torch",
            r'"torch" in .*my_opt.py is not a subclass of torch.optim.Optimizer\. Name one\. It has: Mine',
        ),
        (
            "my_otp:Mine",
            r'there is no module "my_otp", neither installed nor in .*\. Install it, or put my_otp.py beside',
        ),
        ("torch.optm:Adam", r'there is no module "torch.optm", neither'),
        ("torch.nn:Linear", r'"Linear" in .* is not a subclass of torch.optim.Optimizer'),
        ("torch.optim:Optimizer", r'"Optimizer" in .* is not a subclass of torch.optim.Optimizer'),
        ("torch.optim:", r'expected "package.module:Name", got "torch.optim:"\. An example'),
        (":Adam", r'expected "package.module:Name"'),
        ("../my_opt:Mine", r'expected "package.module:Name"'),
        ("broken:Mine", r'"broken" cannot be imported: SyntaxError: .*Mend that module'),
        ("lacking:Mine", r'"lacking" cannot be imported: No module named .no_such_thing.\. Install what it imports'),
    ],
)
def test_errors_say_the_mend(tmp_path, kind, told):
    """A missing module or class, a broken module, and what is no optimizer are each told in one line with the mend."""
    write(tmp_path, "my_opt.py", CODE.format(tag="a"))
    write(tmp_path, "broken.py", "class Mine(:\n")
    write(tmp_path, "lacking.py", "import no_such_thing\n")
    with pytest.raises(UserError, match=f"^kind: .*{told}|^kind: {told}") as error:
        find_optimizer(kind, tmp_path)
    assert "\n" not in str(error.value)


def test_a_mended_module_is_read_again(tmp_path):
    """After an error on import the module is tried anew, so mending it helps."""
    write(tmp_path, "my_opt.py", "raise RuntimeError('not yet')")
    with pytest.raises(UserError, match="not yet"):
        find_optimizer("my_opt:Mine", tmp_path)
    write(tmp_path, "my_opt.py", CODE.format(tag="now it is mended"))
    assert find_optimizer("my_opt:Mine", tmp_path).tag == "now it is mended"


def test_a_module_written_later_is_seen(tmp_path):
    """A module that joins a folder already imported from is found, even where the folder's time stamp does not tell."""
    write(tmp_path, "pack/one.py", CODE.format(tag="one"))
    folder = tmp_path / "pack"
    stamp = folder.stat().st_mtime_ns
    assert find_optimizer("one:Mine", folder).tag == "one"
    write(tmp_path, "pack/two.py", CODE.format(tag="two"))
    os.utime(folder, ns=(stamp, stamp))  # as on a file system of coarse time stamps
    assert find_optimizer("two:Mine", folder).tag == "two"


def test_a_problem_is_an_object(tmp_path):
    """Where an object is wanted, a class of the same module is not taken for it."""
    from suite.problems import Problem
    from suite.problems import find_problem as find_problem

    write(
        tmp_path,
        "my_problem.py",
        "from suite.problems import PROBLEMS, Problem\n\nMINE = PROBLEMS['fashion_mnist_cnn']\n",
    )
    assert isinstance(find_problem("my_problem:MINE", tmp_path), Problem)
    with pytest.raises(
        UserError, match=r'^problem: "Problem" in .* is not an instance of Problem. Name one. It has: MINE'
    ):
        find_problem("my_problem:Problem", tmp_path)


def test_the_digest_is_that_of_the_file_in_the_folder(tmp_path):
    """A file of one's own is part of a trial's identity; an installed module and a registered key are not."""
    import hashlib

    write(tmp_path, "my_opt.py", CODE.format(tag="a"))
    expected = {"my_opt.py": hashlib.sha256((tmp_path / "my_opt.py").read_bytes()).hexdigest()}
    assert digest("my_opt:Mine", tmp_path) == expected
    assert digest("torch.optim:AdamW", tmp_path) == digest("adam", tmp_path) == digest("my_opt:Mine", None) == {}
