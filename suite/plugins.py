"""Loads what a study names as "package.module:name", also from the study file's own folder."""

import hashlib
import importlib
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch.optim import Optimizer

from suite.errors import UserError, did_you_mean

_IMPORTING = threading.RLock()  # sys.path and sys.modules belong to the whole process


def load_object(spec: str, folder: Path | None, *, key: str, wanted: type, example: str) -> Any:
    """What "package.module:name" names.

    Args:
        spec: the module's dotted name, a colon, the name in it.
        folder: where the module is looked up first. It gets a name of its own per folder in sys.modules, and what it
            imports from the folder beside it is its own too, so modules of one name in two folders stay apart.
        key: the study's key, with which messages begin.
        wanted: what it has to be: a subclass of torch's Optimizer, or an instance of any other class.
        example: a spec to show.

    Raises:
        UserError: the module or the name is missing, the module breaks on import, or it is something else.
    """
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", spec):
        raise UserError(f'{key}: expected "package.module:Name", got "{spec}". An example: "{example}"')
    module_name, _, name = spec.partition(":")
    module = _load_module(module_name, folder, key)
    fitting = [found for found, x in vars(module).items() if _fits(x, wanted)]
    has = f"It has: {', '.join(fitting) or 'none'}"
    if not hasattr(module, name):
        raise UserError(f'{key}: {_place(module)} has no "{name}".{did_you_mean(name, fitting)} {has}')
    found = getattr(module, name)
    if not _fits(found, wanted):
        what = "a subclass of torch.optim.Optimizer" if wanted is Optimizer else f"an instance of {wanted.__name__}"
        raise UserError(f'{key}: "{name}" in {_place(module)} is not {what}. Name one. {has}')
    return found


def digest(spec: str, folder: Path | None) -> dict[str, str]:
    """The SHA-256 of the file that `spec` is loaded from if it lies in `folder`, by the file's name; else nothing.

    It belongs to a trial's identity: who edits a rule of their own wants it run again.
    """
    name = spec.partition(":")[0]
    if ":" not in spec or folder is None or not _in_folder(name, folder):
        return {}
    path = folder.joinpath(*name.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()}


def _fits(value: object, wanted: type) -> bool:
    """Whether it is what a study can use: an optimizer's class, which is constructed for each trial, or an object."""
    if wanted is Optimizer:
        return isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
    return isinstance(value, wanted)


def _place(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__


def _load_module(name: str, folder: Path | None, key: str) -> ModuleType:
    with _IMPORTING:
        if folder is not None and _in_folder(name, folder):
            alias = _alias(folder)
            with _siblings(folder):
                return _import(f"{alias}.{name}", name, key)
        try:
            return _import(name, name, key)
        except ModuleNotFoundError as error:
            beside = f", neither installed nor in {folder}" if folder is not None else ""
            raise UserError(
                f'{key}: there is no module "{name}"{beside}. '
                f"Install it, or put {name.replace('.', '/')}.py beside the study"
            ) from error


def _import(name: str, called: str, key: str) -> ModuleType:
    """Import the module `name`, which the user called `called`; what breaks inside it is the user's to mend."""
    importlib.invalidate_caches()  # the file may be younger than the finder's listing of its folder
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise
        raise UserError(f'{key}: "{called}" cannot be imported: {error}. Install what it imports') from error
    except Exception as error:  # another's code, which may raise anything
        line = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f'{key}: "{called}" cannot be imported: {line}. Mend that module') from error


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
