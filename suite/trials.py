"""A trial: the description of one training run and its id. Imports the standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

TRAINING_VERSION = 2
"""Version of the training contract. Raise it when a change to the engine changes what a trial computes: it is part of
`Trial.id`, so results of both sides of the change are never mixed."""

IMPORTED = "imported"
"""The optimizer of a trial that was not run but imported (`suite.transfer.import_results`): of what was computed, its file alone is known."""

BatchSize = int | Literal["full"]
Stage = Literal["final", "tuning"]
EvaluateOn = Literal["test", "validation"]
Precision = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)  # without slots, so that the id, asked for again and again, is computed once
class Trial:
    """One training run, described in full: the same description gives the same weights.

    Everything but `label` enters `id`. `hyperparameters` holds every option of the optimizer's constructor, defaults
    resolved; `epochs` and `train_examples` are the budget (under `batch_size="full"` an epoch is one update, made of
    `chunk` examples at a time); `test_every` counts the epochs between two evaluations (the last is always evaluated).
    Evaluated on `validation`, it trains and is judged on the two parts of `suite.problems.validation_split`; no test example is there. It is
    evaluated on the first `evaluate_examples`, default: all.
    """

    label: str
    problem: str
    optimizer: str
    hyperparameters: Mapping[str, Any]
    batch_size: BatchSize
    epochs: int
    train_examples: int
    repeat: int
    seed: int = 0
    stage: Stage = "final"
    chunk: BatchSize | None = None
    schedule: Mapping[str, Any] | None = None
    test_every: int = 1
    evaluate_on: EvaluateOn = "test"
    evaluate_examples: int | None = None
    precision: Precision = "float32"
    compiled: bool = False
    problem_options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    contract: int = TRAINING_VERSION

    def description(self) -> dict[str, Any]:
        """Everything that decides what is computed, as plain JSON values; the label is not part of it."""
        names = (each.name for each in fields(self) if each.name != "label")
        values = {name: plain(getattr(self, name)) for name in sorted(names)}
        if self.evaluate_examples is None:  # a later field, left out where it says nothing: the ids of before stand
            del values["evaluate_examples"]
        return values

    @cached_property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the canonical description (floats exact, keys sorted)."""
        return hashlib.sha256(canonical(self.description()).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """A short name for people, such as `Adam r3`; repeats count from 0."""
        return f"{self.label} r{self.repeat}"

    @property
    def imported(self) -> bool:
        """Whether its result came from elsewhere: then `data` has the digest of the file, and steps count epochs."""
        return self.optimizer == IMPORTED

    @property
    def updates_per_epoch(self) -> int:
        """How many times an epoch changes the weights; the last batch of an epoch may be smaller than the others."""
        return 1 if self.batch_size == "full" else -(-self.train_examples // self.batch_size)

    @property
    def updates(self) -> int:
        """How many times the whole trial changes the weights."""
        return self.epochs * self.updates_per_epoch

    def tested_epochs(self) -> tuple[int, ...]:
        """The epochs, counted from 1, after which the trial is evaluated."""
        return tuple(e for e in range(1, self.epochs + 1) if e % self.test_every == 0 or e == self.epochs)

    @classmethod
    def from_description(cls, description: Mapping[str, Any], label: str) -> Trial:
        """The trial that `description` came from."""
        return cls(label=label, **description)


def canonical(value: Any) -> str:
    """`value` as JSON with sorted keys and shortest exact floats: equal values give equal text."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def plain(value: Any) -> Any:
    """`value` with tuples as lists and mappings as dicts, as JSON gives them back."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
