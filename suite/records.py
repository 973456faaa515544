"""Results and records of trials: the schema that all other modules share. Imports the standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from suite.trials import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.trials import Trial

SCHEMA = 1
"""Version of the stored record; one of a newer schema is refused where it is read (`suite.tracking.store`)."""

REPRODUCIBILITY_KEYS = ("device", "device_name", "threads", "cpu_capability", "torch", "cuda", "cudnn")
"""The keys of a record's environment that its bits may depend on. What else they depend on (the precision, compiled steps,
the data) is part of the trial's description, so of its id."""


class Outcome(StrEnum):
    """How a trial ended. All but `FAILED` are results; a failed trial is run again the next time."""

    OK = "ok"
    """Trained to the end of its budget."""
    DIVERGED = "diverged"
    """The training loss, or a weight at the end, was not finite: stopped at once."""
    STALLED = "stalled"
    """The training loss was still at chance after at least 200 updates: stopped. See `suite.training.loop`."""
    FAILED = "failed"
    """An exception: a bug, memory that ran out, a killed worker. The reason holds its text."""


STEP_LOSS = "train/step_loss"
"""The metric of the training loss of each update's own batch."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value. `step` counts updates from 1; `epoch` is the one that the step belongs to, from 1."""

    metric: str
    epoch: int
    step: int
    value: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall-clock seconds. They differ from run to run and are kept apart from what must be equal."""

    train: float = 0.0
    """In training steps alone."""
    evaluate: float = 0.0
    total: float = 0.0
    """From the start of the trial to its end, the building of the problem and the network included."""
    examples: int = 0
    """How many examples training went through in `train` seconds."""

    @property
    def examples_per_second(self) -> float:
        """Of training alone; NaN where nothing was trained."""
        return self.examples / self.train if self.train > 0 else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What came of a trial."""

    trial: Trial
    outcome: Outcome
    reason: str = ""
    points: tuple[Point, ...] = ()
    weights: str = ""
    """SHA-256 of the final parameters and buffers; empty for a failed trial."""
    timing: Timing = field(default_factory=Timing)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Where it ran: device, threads, versions, commit. See `suite.training.provenance`."""
    started: float = 0.0
    """Seconds since 1970, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A recorded result as the store gives it back; the points are fetched apart (`Store.points`)."""

    run_id: str
    trial: Trial
    outcome: Outcome
    reason: str
    weights: str
    timing: Timing
    environment: Mapping[str, str]
    started: float
    artifacts: str = ""
    """Where its files are, as the store names the place."""
    plans: str = ""
    """The studies, overrides included, that are known to have it in their plan; see `suite.tracking.store`."""


class State(StrEnum):
    """How a configuration of a tuning ended."""

    COMPLETE = "complete"
    """Judged on all repeats."""
    PRUNED = "pruned"
    """Hopeless after some repeats: it was spared the others."""
    DIVERGED = "diverged"
    """A repeat diverged: the worst value."""
    STALLED = "stalled"
    """A repeat stayed at chance: the worst value."""
    FAILED = "failed"
    """A repeat broke: no value. It is run again the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One Optuna trial, finished: the hyperparameters that it tried on an optimizer, and what came of them."""

    study: str
    """The study of Ravine whose `[tune]` it belongs to."""
    optuna: str
    """The name of the Optuna study."""
    number: int
    """Of the Optuna trial, from 0; the first is the optimizer's own setting in the study."""
    label: str
    kind: str
    hyperparameters: Mapping[str, float]
    """The tuned ones by name, `beta1` and `beta2` apart."""
    state: State
    reason: str = ""
    value: float | None = None
    """The objective: the mean over the repeats that were run; None for a failed one. See `suite.tuning`."""
    objective: str
    sampler: str
    trials: tuple[str, ...]
    """The ids of its trials, one a repeat."""
    examples: int
    """How many training examples they went through."""
    seconds: float
    space: Mapping[str, Any] = field(default_factory=dict)
    """From hyperparameter to the range that was searched, as a study file has it; records of before may have none."""
    run_id: str = ""
    """Its run in the store."""
    recorded: float = 0.0
    """When the store was told, in seconds since 1970."""

    def description(self) -> dict[str, Any]:
        """All but where and when it was recorded, as plain JSON values."""
        names = (name for name in self.__slots__ if name not in {"run_id", "recorded"})
        return {name: plain(getattr(self, name)) for name in names}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], *, run_id: str, recorded: float = 0.0) -> Configuration:
        """The configuration that `description` came from."""
        exact = {"state": State(description["state"]), "trials": tuple(description["trials"])}
        return cls(**{**description, **exact}, run_id=run_id, recorded=recorded)

    @property
    def is_default(self) -> bool:
        """Whether it is the optimizer's own setting in the study."""
        return self.number == 0

    @property
    def name(self) -> str:
        """A short name for people, such as `Adam #3`."""
        return f"{self.label} #{self.number}"
