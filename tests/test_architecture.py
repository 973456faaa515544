"""The import orders of the packages, read from the sources: a package may import what stands to its right."""

import ast
import re
from pathlib import Path

import pytest

import ravine

ROOT = Path(ravine.__file__).parents[1]
PATHS = [path for top in ("ravine", "suite", "reports") for path in sorted((ROOT / top).rglob("*.py"))]
ORDERS = {
    "suite": "tuning → execution | transfer → tracking → spec | training → problems | optimizers → data | plugins → "
    "code_versions → trials, records, seeds, errors",
    "reports": "pages → sections → figures → text → analysis → statistics | frames",
    "ravine": "__main__ → cli → commands → dry_run → context → arguments | console",
}
"""Packages separated by | do not import each other; those separated by a comma may."""
TOP = {"ravine": {"ravine", "reports", "suite"}, "reports": {"reports"}, "suite": {"suite"}}


def _module(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path):
    """Return every module that a file imports, also inside functions and for types alone."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def _package(name):
    """Return the top-level package of a module and its package below that; the latter is empty for the former itself."""
    top, _, rest = name.partition(".")
    return top, rest.partition(".")[0]


def _ranks(top):
    """Return the floor of each package of an order, from 0 at the right, and its group on that floor."""
    floors = [re.split(r" *\| *", floor) for floor in reversed(ORDERS[top].split(" → "))]
    return {
        name: (rank, group)
        for rank, floor in enumerate(floors)
        for group, names in enumerate(floor)
        for name in names.split(", ")
    }


MODULES = {_module(path) for path in PATHS}


@pytest.mark.parametrize("path", PATHS, ids=_module)
def test_a_module_imports_only_what_its_order_allows(path):
    """Within a top-level package imports follow its order; between them, ravine imports reports and suite alone."""
    top, package = _package(_module(path))
    ranks = _ranks(top)
    for name in _imports(path):
        other_top, other = _package(name)
        if other_top not in ORDERS or name == other_top:
            continue
        if f"{other_top}.{other}" not in MODULES:  # a public name of the package itself, such as ravine.Problem
            continue
        if top == "reports" and other_top == "suite":
            assert package == "frames", f"{name}: only reports.frames imports suite"
            continue
        assert other_top in TOP[top], name
        if other_top != top or package in {"", other}:
            continue
        (rank, group), (other_rank, other_group) = ranks[package], ranks[other]
        assert other_rank < rank or (other_rank, other_group) == (rank, group), f"{_module(path)} imports {name}"


@pytest.mark.parametrize("top", ORDERS)
def test_every_package_has_its_place_in_the_order(top):
    """A new package is added to the order, and the order names no package that does not exist."""
    packages = {_package(module)[1] for module in MODULES if _package(module)[0] == top}
    packages |= {"__main__"} if top == "ravine" else set()
    assert packages - {"", "templates"} == set(_ranks(top))


@pytest.mark.parametrize(
    ("library", "importers"),
    [
        ("mlflow", {"suite.tracking.store"}),
        ("ray", {"suite.execution.ray_cluster"}),
        (
            "optuna",
            {f"suite.tuning.{name}" for name in ("importance", "pruning", "sampling", "search", "storage", "tuner")},
        ),
    ],
)
def test_few_modules_import_a_library(library, importers):
    """Each of these libraries is imported by few modules."""
    users = {_module(path) for path in PATHS if library in {name.partition(".")[0] for name in _imports(path)}}
    assert users <= importers
    assert users


def test_reports_never_import_torch():
    """A report can be built on a machine without torch and without MLflow."""
    for path in PATHS:
        if _module(path).startswith("reports"):
            assert not {name.split(".")[0] for name in _imports(path)} & {"torch", "torchvision", "mlflow", "optuna"}


def test_figures_compute_no_estimate():
    """A figure gets the estimates that it draws."""
    for path in PATHS:
        if _module(path).startswith("reports.figures"):
            imports = _imports(path)
            assert not {name.split(".")[0] for name in imports} & {"scipy", "sklearn", "scikit_posthocs"}
            computing = {f"reports.statistics.{name}" for name in ("pairwise_tests", "sign_flips", "intervals")}
            assert not imports & (computing | {"reports.analysis.estimates"})


def test_no_import_cycles():
    """The modules can be sorted so that each imports only earlier ones."""
    paths = {_module(path): path for path in PATHS if path.name not in {"__init__.py", "__main__.py"}}
    left = {module: _imports(path) & paths.keys() for module, path in paths.items()}
    while left:
        free = {module for module, needed in left.items() if not needed & left.keys()}
        assert free, f"a cycle among {sorted(left)}"
        left = {module: needed for module, needed in left.items() if module not in free}
