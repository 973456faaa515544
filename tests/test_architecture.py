"""Who imports whom: the rooms and directions of the project, read from the sources."""

import ast
from pathlib import Path

import pytest

import ravine

ROOT = Path(ravine.__file__).parents[1]
ROOMS = {"ravine", "suite", "studies", "reports"}
FILES = [path for room in ("ravine", "suite", "reports") for path in sorted((ROOT / room).rglob("*.py"))]

ALLOWED = {  # from a module of suite to those that it may import; all may import errors and records
    "suite.records": set(),
    "suite.errors": set(),
    "suite.seeds": set(),
    "suite.data.download": set(),
    "suite.training.provenance": set(),
    "suite.training.devices": set(),
    "suite.tracking.ui": set(),
    "suite.plugins": set(),
    "suite.execution.progress": set(),
    "suite.spec.names": set(),
    "suite.reading": set(),
    "suite.sweeps": set(),
    "suite.spec.validation_errors": set(),
    "suite.spec.study": {"suite.spec.validation_errors", "suite.spec.names", "suite.sweeps"},
    "suite.spec.study_file": {"suite.spec.validation_errors", "suite.reading", "suite.spec.study"},
    "suite.spec.parts": {"suite.spec.study", "suite.spec.study_file"},
    "suite.tracking.databases": set(),
    "suite.tracking.lock": {"suite.tracking.databases"},
    "suite.tracking.lease": {"suite.tracking.lock"},
    "suite.optimizers.schedules": set(),
    "suite.data.datasets": {"suite.data.download"},
    "suite.data.surfaces": set(),
    "suite.problems": {"suite.data.datasets", "suite.plugins", "suite.data.surfaces"},
    "suite.optimizers": {"suite.plugins"},
    "suite.problems.validation_split": {"suite.problems", "suite.seeds"},
    "suite.spec.plan": {
        "suite.plugins",
        "suite.optimizers",
        "suite.problems",
        "suite.problems.validation_split",
        "suite.spec.study",
        "suite.spec.study_file",
    },
    "suite.training.flat_parameters": set(),
    "suite.training.cuda_graphs": set(),
    "suite.training.out_of_memory": set(),
    "suite.training.interleaving": set(),
    "suite.training.step": {"suite.training.cuda_graphs", "suite.optimizers", "suite.problems"},
    "suite.training.evaluation": {"suite.training.cuda_graphs", "suite.problems", "suite.training.step"},
    "suite.training.loop": {
        "suite.training.evaluation",
        "suite.problems",
        "suite.optimizers.schedules",
        "suite.training.step",
    },
    "suite.training.run_trial": {
        "suite.training.devices",
        "suite.training.flat_parameters",
        "suite.training.out_of_memory",
        "suite.optimizers",
        "suite.training.interleaving",
        "suite.problems",
        "suite.training.provenance",
        "suite.optimizers.schedules",
        "suite.seeds",
        "suite.problems.validation_split",
        "suite.training.loop",
        "suite.training.step",
    },
    "suite.execution.local": {"suite.training.run_trial"},
    "suite.execution.ray_cluster": {
        "suite.data.datasets",
        "suite.execution.local",
        "suite.plugins",
        "suite.problems",
        "suite.training.run_trial",
    },
    "suite.execution.time_estimate": {
        "suite.training.devices",
        "suite.training.evaluation",
        "suite.problems",
        "suite.training.provenance",
        "suite.training.step",
    },
    "suite.tracking.history": set(),
    "suite.tracking.tags": {"suite.spec.study"},
    "suite.tracking.store": {
        "suite.tracking.databases",
        "suite.tracking.history",
        "suite.tracking.lock",
        "suite.tracking.lease",
        "suite.spec.study",
        "suite.tracking.tags",
    },
    "suite.tracking.outbox": {"suite.tracking.store", "suite.spec.study"},
    "suite.execution.runner": {
        "suite.execution.local",
        "suite.tracking.outbox",
        "suite.tracking.store",
        "suite.spec.study",
    },
    "suite.tuning": {
        "suite.tracking.databases",
        "suite.execution.local",
        "suite.tracking.lock",
        "suite.optimizers",
        "suite.tracking.outbox",
        "suite.spec.plan",
        "suite.problems",
        "suite.execution.runner",
        "suite.seeds",
        "suite.problems.validation_split",
        "suite.tracking.store",
        "suite.spec.study",
        "suite.spec.study_file",
    },
    "suite.transfer.import_results": {
        "suite.spec.names",
        "suite.spec.parts",
        "suite.spec.study",
        "suite.spec.study_file",
    },
    "suite.transfer.archive": {"suite.spec.study", "suite.spec.study_file"},
    "suite.transfer.merge": {"suite.transfer.archive", "suite.tracking.store"},
    "suite.execution.verification": {"suite.execution.local", "suite.training.provenance", "suite.execution.runner"},
}


DOORS = {  # of the front door's modules: what each may import of the others
    "ravine": {"choices", "looking", "moving", "printing", "reporting", "running"},
    "ravine.__main__": {"main"},
    "ravine.arguments": set(),
    "ravine.console": set(),
    "ravine.context": {"options", "printing"},
    "ravine.dry_run": {"choices", "printing"},
    "ravine.commands.report": {"choices", "options", "printing"},
    "ravine.commands.transfer": {"choices", "options", "reporting"},
    "ravine.commands.info": {"choices", "options", "outlook", "printing"},
    "ravine.commands.train": {"choices", "options", "outlook", "printing", "reporting"},
}


def _module(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path):
    """Every module that a file imports, also inside functions and for types alone."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def _room(name):
    """A module of suite by its first two parts: problems and optimizers are one each."""
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_a_module_imports_only_what_lies_below_it(path):
    """Nothing in suite points back up, nothing in reports but frame knows suite, and the front door is imported by none."""
    module, imports = _module(path), _imports(path)
    ours = {_room(name) for name in imports if name.split(".")[0] in ROOMS} - {"suite", "reports"}
    ours = {
        name
        for name in ours
        if name == "ravine"
        or (ROOT / Path(*name.split("."))).with_suffix(".py").is_file()
        or (ROOT / Path(*name.split("."))).is_dir()
    }
    if module.startswith("ravine"):
        assert {name.split(".")[1] for name in imports if name.startswith("ravine.")} <= DOORS[module]
    elif module.startswith("suite"):
        allowed = ALLOWED.get(_room(module), set()) | {"suite.errors", "suite.records", _room(module)}
        assert ours <= allowed
    elif module.startswith("reports"):
        suite = {name for name in ours if name.startswith("suite")}
        assert suite <= (
            {
                "suite.tracking.store",
                "suite.spec.study",
                "suite.spec.study_file",
                "suite.spec.parts",
                "suite.records",
                "suite.errors",
                "suite.data.surfaces",
                "suite.tuning",
            }
            if module == "reports.frames.study_frames"
            else set()
        )
        assert not {name for name in ours if name.split(".")[0] == "ravine"}
        tuning = {".".join(name.split(".")[:3]) for name in imports if name.startswith("suite.tuning.")}
        assert tuning <= {"suite.tuning.importance", "suite.tuning.ranges"}, (
            "what was found is read, nothing is searched"
        )


def test_every_module_of_suite_has_its_rule():
    """A new module states what it may import."""
    modules = {_room(_module(path)) for path in FILES if _module(path).startswith("suite.")}
    assert modules == set(ALLOWED)


@pytest.mark.parametrize(
    ("library", "importers"),
    [
        ("mlflow", {"suite.tracking.store"}),
        ("optuna", {"suite.tuning"}),
        ("ray", {"suite.execution.ray_cluster"}),
    ],
)
def test_few_importers(library, importers):
    """Each of these libraries has one door, a module or a room."""
    found = {_room(_module(path)) for path in FILES if any(name.split(".")[0] == library for name in _imports(path))}
    assert found == importers


def test_reports_never_import_torch():
    """A report can be built on a machine that has no use for torch; nor does it touch mlflow."""
    for path in FILES:
        if _module(path).startswith("reports"):
            assert not {name.split(".")[0] for name in _imports(path)} & {"torch", "torchvision", "mlflow", "optuna"}


def test_figures_estimate_nothing():
    """What draws an estimate is not what computes it; a part of the page uses figures and no figure a part of the page."""
    for path in FILES:
        if _module(path).startswith("reports.figures") or _module(path) == "reports.figures.tuning":
            estimating = {f"reports.{name}" for name in ("comparison", "estimates", "flips", "intervals", "sections")}
            computing = {
                name for name in _imports(path) if name.split(".")[0] in {"scipy", "sklearn", "scikit_posthocs"}
            }
            assert not computing | ({_room(name) for name in _imports(path)} & estimating)


def test_there_are_no_circles():
    """Neither the modules, by what each really imports, nor the rules above have a way round."""
    modules = {_module(path): path for path in FILES if path.name not in {"__init__.py", "__main__.py"}}
    needs = {module: _imports(path) & modules.keys() for module, path in modules.items()}
    for rules in (needs, ALLOWED):
        left = dict(rules)
        while left:
            free = {module for module, wanted in left.items() if not wanted & left.keys()}
            assert free, f"a circle among {sorted(left)}"
            left = {module: wanted for module, wanted in left.items() if module not in free}
