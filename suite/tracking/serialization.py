"""Results of trials as plain values and back: the one pair of functions for tags, kept files and exports."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from suite.records import Outcome, Timing
from suite.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.records import TrialRecord, TrialResult

NEWER_TIMINGS = {"state_bytes": None, "evaluations": 1.0}
"""Fields of `Timing` with the values that older records have, at which they are omitted."""


def to_dict(result: TrialResult | TrialRecord) -> dict[str, Any]:
    """Return all of a result but its points as plain JSON values; floats are exact."""
    return {
        "label": result.trial.label,
        "trial": result.trial.description(),
        "outcome": result.outcome.value,
        "reason": result.reason,
        "weights": result.weights,
        "timing": {
            name: value for name, value in asdict(result.timing).items() if value != NEWER_TIMINGS.get(name, "")
        },
        "environment": dict(result.environment),
        "started": result.started,
    }


def from_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that `TrialResult` and `TrialRecord` share.

    Raises:
        KeyError: A key is missing.
        TypeError: A trial or timing has an unknown key.
        ValueError: The outcome is unknown.
    """
    return {
        "trial": Trial.from_description(values["trial"], values["label"]),
        "outcome": Outcome(values["outcome"]),
        "timing": Timing(**values["timing"]),
        **{key: values[key] for key in ("reason", "weights", "environment", "started")},
    }
