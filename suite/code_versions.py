"""The code of an optimizer or a problem that a study names: the files in the study's folder, and the installed packages.

Whatever can change a result is part of a trial's description, so trials run again after a change of this code. The versions of
Python, torch, torchvision, NumPy and Ravine are recorded in the environment of a trial instead.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import os
import re
import sys
from collections import defaultdict
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUFFIXES = (".py", *EXTENSION_SUFFIXES)
_NOT_RECORDED = sys.stdlib_module_names | {"torch", "torchvision", "numpy", "ravine", "suite", "reports", "studies"}


def code_versions(spec: str, folder: Path | None, cls: type) -> dict[str, str]:
    """Return the version of all code that an import of `spec` uses, by file or package.

    A file in the folder has its SHA-256. These are the files of the modules that the named module imports, in functions too,
    and the files that were read during the import and the first construction. A package that these files import or that
    defines a base class has the version of its distribution. A package without a distribution, or in development mode, has the
    SHA-256 of its files.

    Args:
        spec: "package.module:name", which has been imported; a key without a colon is Ravine's own and has no versions.
        folder: The folder that is searched before the installed modules.
        cls: The class that `spec` names, or the class of the object.
    """
    if ":" not in spec:
        return {}
    root = folder.resolve() if folder else Path()
    module = spec.partition(":")[0]
    files, packages = _contributions(module, root) if folder else (set[Path](), set[str]())
    packages |= {name.partition(".")[0] for name in (module, *(base.__module__ for base in cls.__mro__))}
    packages = {name for name in packages if not (name.startswith("ravine_folder_") or (folder and _is_in(name, root)))}
    versions = {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}
    for package in sorted(packages - _NOT_RECORDED):
        versions |= _package_versions(package)
    return versions


def module_file(name: str, folder: Path) -> Path | None:
    """Return the file of a module or package in the folder."""
    path = folder.joinpath(*name.split("."))
    candidates = [*(path.with_name(path.name + suffix) for suffix in SUFFIXES), path / "__init__.py"]
    return next((file for file in candidates if file.is_file()), None)


def _is_in(name: str, folder: Path) -> bool:
    return module_file(name, folder) is not None or (folder / name).is_dir()


def _contributions(module: str, folder: Path) -> tuple[set[Path], set[str]]:
    """Return the files of a folder that a module in it consists of, and the packages outside that these files import."""
    files, packages = set[Path](), set[str]()
    waiting = [file for name in _parents(module) if (file := module_file(name, folder))]
    while waiting:
        file = waiting.pop()
        if file in files:
            continue
        files.add(file)
        for name in _imported_names(file, folder):
            imported = [found for parent in _parents(name) if (found := module_file(parent, folder))]
            waiting += imported
            if not imported:
                packages.add(name.partition(".")[0])
        waiting += [path for path in map(Path, _read_by[str(file)]) if path.is_file()]
    return files, packages


def _parents(module: str) -> list[str]:
    """Return the names of the packages of a module, from the outermost one, and its own name."""
    words = module.split(".")
    return [".".join(words[:length]) for length in range(1, len(words) + 1)]


def _imported_names(file: Path, folder: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, also in functions; a name may be that of an object in a module.

    A call such as `import_module(".helper", __package__)` counts, if its name is literal.
    """
    if file.suffix != ".py":
        return
    package = file.relative_to(folder).parent.parts
    with contextlib.suppress(SyntaxError, ValueError):  # it is then not imported, or the import has failed
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = package[: len(package) - node.level + 1] if node.level else ()
                module = ".".join((*start, *filter(None, [node.module])))
                yield from (f"{module}.{alias.name}" if module else alias.name for alias in node.names)
            elif isinstance(node, ast.Call) and (name := _literal_module(node)):
                level = len(name) - len(name.lstrip("."))
                start = package[: len(package) - level + 1] if level else ()
                yield ".".join((*start, *filter(None, [name.lstrip(".")])))


def _literal_module(call: ast.Call) -> str:
    """Return the name of the module that a call of `import_module` or `__import__` imports; empty for other calls."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    match call.args:
        case [ast.Constant(value=str(name)), *_] if function in {"import_module", "__import__"}:
            return name
    return ""


# --- files that are read during an import ------------------------------------------------------------------------------

_read_by: defaultdict[str, set[str]] = defaultdict(set)
"""From a file of a watched folder to the files of that folder that its code opened while it was watched."""
_watched: list[str] = []


@contextlib.contextmanager
def watch_files(folder: Path) -> Iterator[None]:
    """Note the files of a folder that its modules read inside the block, in which they are imported or constructed."""
    _install_hook()
    _watched.append(f"{folder.resolve()}{os.sep}")
    try:
        yield
    finally:
        _watched.pop()


@functools.cache
def _install_hook() -> None:
    sys.addaudithook(_on_event)  # it cannot be removed


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _watched:
        return
    path, mode, flags = arguments
    is_written = bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool(int(str(flags)) & os.O_ACCMODE)
    if is_written or not isinstance(path, str | bytes | os.PathLike):
        return
    folder = _watched[-1]
    name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (links are kept)
    if not name.startswith(folder):
        return
    if name.endswith(".pyc"):
        with contextlib.suppress(ValueError, NotImplementedError):
            name = importlib.util.source_from_cache(name)
    frame = sys._getframe(1)  # noqa: SLF001 (of the code that opens the file)
    while frame and not frame.f_code.co_filename.startswith(folder):
        frame = frame.f_back  # type: ignore[assignment]
    if frame:
        _read_by[frame.f_code.co_filename].add(name)


# --- packages ----------------------------------------------------------------------------------------------------------


def _package_versions(package: str) -> dict[str, str]:
    """Return the version of each distribution of a top-level package; nothing if it is not installed."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return {}
    if spec is None:
        return {}
    roots = [Path(root) for root in spec.submodule_search_locations or filter(None, [spec.origin])]
    distributions = [found for name in _distributions(package, tuple(sys.path)) if (found := _distribution(name))]
    versions = {
        re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(): found.version
        for found in distributions
        if any(root.is_relative_to(str(found.locate_file(""))) for root in roots)
    }
    return versions or {package: _digest(tuple(roots))}


def _distribution(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _distributions(package: str, path: tuple[str, ...]) -> Iterable[str]:  # noqa: ARG001 (the cache depends on it)
    """Return the names of the distributions of a top-level package; usually the names are equal."""
    found = _distribution(package)
    if found and any(file.parts[0] in {package, f"{package}.py"} for file in found.files or ()):
        return [package]
    return metadata.packages_distributions().get(package, [])


@functools.cache
def _digest(roots: tuple[Path, ...]) -> str:
    """Return the SHA-256 of the modules in folders or of single files, once for a process, which imports them once."""
    total = hashlib.sha256()
    for root in roots:
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.name.endswith(SUFFIXES) and path.is_file():
                content = path.read_bytes()
                total.update(f"{path.relative_to(root)} {len(content)}\n".encode() + content)
    return total.hexdigest()
