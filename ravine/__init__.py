"""Ravine benchmarks optimizers: seeded, repeated trials, recorded in MLflow, compared with confidence intervals.

The names below are what a user's own optimizers, problems and scripts need. Each is imported when it is first used, so
`import ravine` loads neither torch nor MLflow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suite.errors import UserError
    from suite.optimizers.base import Rule
    from suite.problems import Classification, Data, Problem
    from suite.spec.study import Study
    from suite.training.run_trial import run_trial
    from suite.trials import Trial

__all__ = ["Classification", "Data", "Problem", "Rule", "Study", "Trial", "UserError", "run_trial"]

_MODULES = {
    "Classification": "suite.problems",
    "Data": "suite.problems",
    "Problem": "suite.problems",
    "Rule": "suite.optimizers.base",
    "Study": "suite.spec.study",
    "Trial": "suite.trials",
    "UserError": "suite.errors",
    "run_trial": "suite.training.run_trial",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
