"""Results and records of trials, the schema that all other modules share. Imports the standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from suite.trials import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.trials import Trial

SCHEMA = 1
"""Version of the stored record; `suite.tracking.store` refuses to read records of a newer schema."""

REPRODUCIBILITY_KEYS = ("device", "device_name", "threads", "cpu_capability", "torch", "cuda", "cudnn")
"""The keys of a record's environment that may change a result in its last bits. Everything else that may (precision,
compiled steps, data) is part of the trial's description, and so of its id."""


class Outcome(StrEnum):
    """How a trial ended. All except `FAILED` are results; a failed trial runs again the next time."""

    OK = "ok"
    """The trial used its complete budget."""
    DIVERGED = "diverged"
    """The training loss, or a weight at the end, was not finite; the trial stopped immediately."""
    STALLED = "stalled"
    """The training loss was still at chance after at least 200 updates; the trial stopped. See `suite.training.loop`."""
    FAILED = "failed"
    """An exception, for example a bug, exhausted memory or a killed worker; the reason has its text."""


STEP_LOSS = "train/step_loss"
"""The metric with the training loss of each update's batch."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value. `step` counts updates from 1; `epoch` is the epoch of the step, from 1."""

    metric: str
    epoch: int
    step: int
    value: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall-clock seconds and memory. They differ from run to run, so they are separate from what must be equal."""

    train: float = 0.0
    """Training steps only."""
    evaluate: float = 0.0
    total: float = 0.0
    """From the start of the trial to its end, including the construction of problem and network."""
    examples: int = 0
    """The number of examples that were trained on in `train` seconds."""
    state_bytes: float | None = None
    """Bytes of optimizer state per parameter (`suite.training.state_memory`); None in older records."""
    evaluations: float = 1.0
    """How often the loss and its gradient were evaluated for each of these examples: twice in each update of SAM."""

    @property
    def examples_per_second(self) -> float:
        """Training throughput; NaN if nothing was trained."""
        return self.examples / self.train if self.train > 0 else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The result of a trial."""

    trial: Trial
    outcome: Outcome
    reason: str = ""
    points: tuple[Point, ...] = ()
    weights: str = ""
    """SHA-256 of the final parameters and buffers; empty for a failed trial."""
    timing: Timing = field(default_factory=Timing)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Device, threads, versions, commit; see `suite.training.provenance`."""
    started: float = 0.0
    """Seconds since 1970, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A recorded result as read from the store; the points are read separately (`Store.points`)."""

    run_id: str
    trial: Trial
    outcome: Outcome
    reason: str
    weights: str
    timing: Timing
    environment: Mapping[str, str]
    started: float
    artifacts: str = ""
    """The location of its files, as the store names it."""
    plans: str = ""
    """The studies, with their overrides, whose plan contains the trial; see `suite.tracking.store`."""


class State(StrEnum):
    """How a configuration of a search ended."""

    COMPLETE = "complete"
    """Evaluated on all repeats."""
    PRUNED = "pruned"
    """Pruned after some repeats; the others were skipped."""
    DIVERGED = "diverged"
    """A repeat diverged; it counts with the failure value of the search."""
    STALLED = "stalled"
    """A repeat stayed at chance; it counts with the failure value of the search."""
    FAILED = "failed"
    """A repeat failed; the configuration has no value and runs again the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A finished Optuna trial: hyperparameters of an optimizer and their result."""

    study: str
    """The study of Ravine whose `[tune]` table it belongs to."""
    optuna: str
    """The name of the Optuna study."""
    number: int
    """The number of the Optuna trial, from 0; number 0 is the optimizer's default setting."""
    label: str
    kind: str
    hyperparameters: Mapping[str, float]
    """The tuned hyperparameters by name; `beta1` and `beta2` are separate."""
    state: State
    reason: str = ""
    value: float | None = None
    """The objective: the mean over the repeats that ran; None for a failed configuration. See `suite.tuning`."""
    objective: str
    sampler: str
    trials: tuple[str, ...]
    """The ids of its trials, one for each repeat."""
    examples: int
    """The number of training examples that they used."""
    seconds: float
    space: Mapping[str, Any] = field(default_factory=dict)
    """The search range of each hyperparameter, as in a study file; empty in older records."""
    run_id: str = ""
    """Its MLflow run."""
    recorded: float = 0.0
    """When it was recorded, in seconds since 1970."""

    def description(self) -> dict[str, Any]:
        """Return everything except run and time of recording, as JSON values."""
        names = (name for name in self.__slots__ if name not in {"run_id", "recorded"})
        return {name: plain(getattr(self, name)) for name in names}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], *, run_id: str, recorded: float = 0.0) -> Configuration:
        """Return the configuration with this description."""
        values = {"state": State(description["state"]), "trials": tuple(description["trials"])}
        return cls(**{**description, **values}, run_id=run_id, recorded=recorded)

    @property
    def is_default(self) -> bool:
        """Whether it is the optimizer's default setting in the study."""
        return self.number == 0

    @property
    def name(self) -> str:
        """A short name, such as `Adam #3`."""
        return f"{self.label} #{self.number}"
