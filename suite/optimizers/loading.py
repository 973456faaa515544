"""Loads an optimizer class by "package.module:Class", also from a study file's own folder."""

import hashlib
import importlib
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from torch.optim import Optimizer

from suite.errors import UserError
from suite.optimizers.options import did_you_mean

_IMPORTING = threading.RLock()  # sys.path and sys.modules belong to the whole process


def load_class(kind: str, folder: Path | None = None) -> type[Optimizer]:
    """The torch Optimizer class at "package.module:Class".

    Args:
        kind: the module's dotted name, a colon, the name of the class.
        folder: where the module is looked up first. It gets a name of its own per folder in sys.modules, and what it
            imports from the folder beside it is its own too, so modules of one name in two folders stay apart.

    Raises:
        UserError: the module or the class is missing, the module breaks on import, or it is no torch Optimizer.
    """
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", kind):
        raise UserError(f'kind: expected "package.module:Class", got "{kind}". An example: "torch.optim:AdamW"')
    module_name, _, class_name = kind.partition(":")
    module = _load_module(module_name, folder)
    cls = getattr(module, class_name, None)
    if cls is None:
        raise UserError(
            f'kind: {_place(module)} has no class "{class_name}".{did_you_mean(class_name, _optimizers_in(module))} '
            f"Its optimizers: {', '.join(_optimizers_in(module)) or 'none'}"
        )
    if not (isinstance(cls, type) and issubclass(cls, Optimizer) and cls is not Optimizer):
        raise UserError(
            f'kind: "{class_name}" in {_place(module)} is no torch optimizer. '
            "Make it a subclass of torch.optim.Optimizer"
        )
    return cls


def _optimizers_in(module: ModuleType) -> list[str]:
    found = vars(module).items()
    return [name for name, x in found if isinstance(x, type) and issubclass(x, Optimizer) and x is not Optimizer]


def _place(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__


def _load_module(name: str, folder: Path | None) -> ModuleType:
    with _IMPORTING:
        if folder is not None and _in_folder(name, folder):
            alias = _alias(folder)
            with _siblings(folder):
                return _import(f"{alias}.{name}", name)
        try:
            return _import(name, name)
        except ModuleNotFoundError as error:
            beside = f", neither installed nor in {folder}" if folder is not None else ""
            raise UserError(
                f'kind: there is no module "{name}"{beside}. '
                f"Install it, or put {name.replace('.', '/')}.py beside the study"
            ) from error


def _import(name: str, called: str) -> ModuleType:
    """Import the module `name`, which the user called `called`; what breaks inside it is the user's to mend."""
    importlib.invalidate_caches()  # the file may be younger than the finder's listing of its folder
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise
        raise UserError(f'kind: "{called}" cannot be imported: {error}. Install what it imports') from error
    except Exception as error:  # another's code, which may raise anything
        line = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f'kind: "{called}" cannot be imported: {line}. Mend that module') from error


def _in_folder(name: str, folder: Path) -> bool:
    path = folder.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _alias(folder: Path) -> str:
    """A package in sys.modules that stands for the folder: the same in every process, another for every folder."""
    path = str(folder.resolve())
    alias = f"ravine_folder_{hashlib.sha256(path.encode()).hexdigest()[:16]}"
    if alias not in sys.modules:
        package = ModuleType(alias, f"Modules in {path}")
        package.__path__ = [path]
        sys.modules[alias] = package
    return alias


@contextmanager
def _siblings(folder: Path) -> Iterator[None]:
    """Let a module import those beside it by their plain names, without leaving path or names behind."""
    path = str(folder.resolve())
    before = set(sys.modules)
    known = path in sys.path
    sys.path.insert(0, path)
    try:
        yield
    finally:
        sys.path.remove(path)
        packages = {name.partition(".")[0] for name in before}
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if not known and name.partition(".")[0] not in packages and Path(file).is_relative_to(path):
                del sys.modules[name]
