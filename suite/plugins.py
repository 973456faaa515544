"""Import what a study names as "package.module:name", also from the folder of the study file."""

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

from suite.code_versions import module_file, watch_files
from suite.errors import UserError, did_you_mean

_IMPORT_LOCK = threading.RLock()  # sys.path and sys.modules belong to the process


def load_object(spec: str, folder: Path | None, *, key: str, base: type, example: str) -> Any:
    """Return the object that "package.module:name" names.

    Args:
        spec: The dotted name of the module, a colon, and a name in it.
        folder: Where the module is looked up first. In `sys.modules` it gets a name that is unique to the folder, and so
            do the modules that it imports from that folder. So modules of the same name in two folders stay separate.
        key: The key of the study, the location of errors.
        base: `torch.optim.Optimizer` for a subclass of it, else the class that the object must be an instance of.
        example: A valid spec, for the error message.

    Raises:
        UserError: The module or the name is missing, the import fails, or the object is of another type.
    """
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", spec):
        raise UserError(key, f'expected "package.module:Name", got "{spec}"', f'Write, for example, "{example}"')
    module_name, _, name = spec.partition(":")
    module = _load_module(module_name, folder, key)
    path = getattr(module, "__file__", None) or module.__name__
    suitable = [other for other, value in vars(module).items() if _is_suitable(value, base)]
    hint = f"Choose from: {', '.join(suitable)}" if suitable else "Define one there"
    if not hasattr(module, name):
        raise UserError(key, f'{path} has no "{name}"', did_you_mean(name, suitable), hint)
    value = getattr(module, name)
    if not _is_suitable(value, base):
        expected = "a subclass of torch.optim.Optimizer" if base is Optimizer else f"an instance of {base.__name__}"
        raise UserError(key, f'"{name}" in {path} is not {expected}', hint)
    return value


def _is_suitable(value: object, base: type) -> bool:
    if base is Optimizer:
        return isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
    return isinstance(value, base)


def _load_module(name: str, folder: Path | None, key: str) -> ModuleType:
    with _IMPORT_LOCK:
        if folder is not None and module_file(name, folder):
            package = _package_of(folder)
            with _importable(folder), watch_files(folder):
                return _import(f"{package}.{name}", name, key)
        try:
            return _import(name, name, key)
        except ModuleNotFoundError as error:
            folders = f", neither installed nor in {folder}" if folder is not None else ""
            hint = f"Install it, or put {name.replace('.', '/')}.py beside the study"
            raise UserError(key, f'there is no module "{name}"{folders}', hint) from error


def _import(name: str, written_name: str, key: str) -> ModuleType:
    """Import a module, which the study calls `written_name`; an error inside it becomes a user error."""
    importlib.invalidate_caches()  # the file may be newer than the finder's listing of its folder
    problem = f'"{written_name}" cannot be imported'
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise
        raise UserError(key, f"{problem}: {error}", "Install what it imports") from error
    except Exception as error:  # code of the user, which may raise anything
        message = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(key, f"{problem}: {message}", "Fix that module") from error


def _package_of(folder: Path) -> str:
    """Return the name in `sys.modules` of a package with the folder's modules: the same in every process."""
    path = str(folder.resolve())
    name = f"ravine_folder_{hashlib.sha256(path.encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        package = ModuleType(name, f"Modules in {path}")
        package.__path__ = [path]
        sys.modules[name] = package
    return name


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules of the folder import each other by plain names; `sys.path` and `sys.modules` are restored afterwards."""
    path = str(folder.resolve())
    before = set(sys.modules)
    already_on_path = path in sys.path
    sys.path.insert(0, path)
    try:
        yield
    finally:
        sys.path.remove(path)
        packages = {name.partition(".")[0] for name in before}
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if not already_on_path and name.partition(".")[0] not in packages and Path(file).is_relative_to(path):
                del sys.modules[name]
