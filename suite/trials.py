"""A trial: the description of one training run and its id. Imports the standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

TRAINING_VERSION = 2
"""Version of the training code. Raise it when a change of the code changes what a trial computes. It is part of
`Trial.id`, so results from before and after such a change are never mixed."""

IMPORTED = "imported"
"""The optimizer of a trial that was imported instead of run (`suite.transfer.import_results`); only its file is known."""

STORED_NAMES = {"eval_every": "test_every"}
"""Fields whose stored key is an older name. Ids depend on the stored keys, so these never change."""

NEWER_FIELDS: dict[str, Any] = {
    "evaluate_examples": None,
    "code": {},
    "groups": [],
    "epoch_updates": None,
    "clip": None,
    "label_smoothing": 0.0,
    "ema": None,
    "closure": False,
    "create_graph": False,
    "wraps": [],
}
"""Fields with their defaults, at which they are omitted from the description, so that older ids stay valid."""

BatchSize = int | Literal["full"]
Stage = Literal["final", "tuning"]
EvaluateOn = Literal["test", "validation"]
Precision = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)  # without slots, so that the id, asked for again and again, is computed once
class Trial:
    """The complete description of one training run; the same description gives the same weights.

    Every field except `label` enters `id`. `data` has the digests of the data files by name, and the versions of the code of
    a user's problem (`suite.code_versions`). `code` has those of the optimizer.

    Attributes:
        label: The optimizer's name in tables and figures.
        hyperparameters: Every option of the optimizer's constructor, defaults included.
        groups: The parameter groups: their selectors `roles`, `names` and `ndim` (`suite.problems.parameter_roles.select`), and
            their `hyperparameters`. A group with a `kind` has another optimizer with all its options, and `code` as the trial.
            Another group has the options that differ from `hyperparameters`. `suite.spec.parameter_groups` writes them.
        batch_size: Examples for each update; with `"full"` an epoch is one update.
        epochs: Passes through the training examples; with `train_examples` the budget.
        train_examples: The trial uses the first N training examples.
        chunk: The examples that go through the network at a time; None for the complete batch.
        eval_every: Epochs between two evaluations; the last epoch is always evaluated.
        evaluate_on: With `"validation"`, the trial trains and is evaluated on the two parts of
            `suite.problems.validation_split` and uses no test example.
        evaluate_examples: The trial is evaluated on the first N examples; None for all.
        epoch_updates: Updates in an epoch; None if an epoch is one pass through the training examples.
        clip: Largest norm of the gradient; None for no clipping.
        label_smoothing: Share of the target distribution that is spread over all classes, in the training loss.
        ema: Decay of the average of the weights that is evaluated; None for the weights themselves.
        closure: The optimizer's step evaluates the loss itself (`suite.training.closure`).
        create_graph: Gradients have a graph, so that the optimizer can differentiate them.
        wraps: Optimizers around the optimizer, from the innermost one; each has `kind` and `hyperparameters`.
        contract: `TRAINING_VERSION` of the code that the trial is for.
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
    eval_every: int = 1
    evaluate_on: EvaluateOn = "test"
    evaluate_examples: int | None = None
    precision: Precision = "float32"
    compiled: bool = False
    problem_options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[Mapping[str, Any], ...] = ()
    epoch_updates: int | None = None
    clip: float | None = None
    label_smoothing: float = 0.0
    ema: float | None = None
    closure: bool = False
    create_graph: bool = False
    wraps: Sequence[Mapping[str, Any]] = ()
    contract: int = TRAINING_VERSION

    def description(self) -> dict[str, Any]:
        """Return everything that decides what is computed, except the label, as JSON values by stored key."""
        names = {
            STORED_NAMES.get(field.name, field.name): field.name for field in fields(self) if field.name != "label"
        }
        values = {key: plain(getattr(self, name)) for key, name in sorted(names.items())}
        for key, default in NEWER_FIELDS.items():
            if values[key] == default:
                del values[key]
        return values

    @cached_property
    def id(self) -> str:
        """Return the first 16 hexadecimal digits of the SHA-256 of the canonical description."""
        return hashlib.sha256(canonical(self.description()).encode()).hexdigest()[:16]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of all optimizers of the trial: its own, then those of groups."""
        return (self.optimizer, *(group["kind"] for group in self.groups if "kind" in group))

    @property
    def settings(self) -> dict[str, Any]:
        """Return all hyperparameters; those of groups, which are counted from 1, have names such as `group.1.lr`."""
        groups = {
            f"group.{number}.{name}": value
            for number, group in enumerate(self.groups, 1)
            for name, value in group["hyperparameters"].items()
        }
        return {**self.hyperparameters, **groups}

    def with_settings(self, settings: Mapping[str, Any]) -> Trial:
        """Return the trial with other values of its `settings`."""
        groups = (
            {
                **group,
                "hyperparameters": {name: settings[f"group.{number}.{name}"] for name in group["hyperparameters"]},
            }
            for number, group in enumerate(self.groups, 1)
        )
        hyperparameters = {name: settings[name] for name in self.hyperparameters}
        return replace(self, hyperparameters=hyperparameters, groups=tuple(groups))

    @property
    def name(self) -> str:
        """Return a short name such as `Adam r3`; repeats are counted from 0."""
        return f"{self.label} r{self.repeat}"

    @property
    def imported(self) -> bool:
        """Return whether the result was imported; then `data` has the digest of its file and a step is an epoch."""
        return self.optimizer == IMPORTED

    @property
    def updates_per_epoch(self) -> int:
        """Return the number of updates in an epoch; the last batch of a pass may be smaller than the others."""
        if self.epoch_updates is not None:
            return self.epoch_updates
        return 1 if self.batch_size == "full" else -(-self.train_examples // self.batch_size)

    @property
    def examples_per_epoch(self) -> int:
        """Return the number of examples in the batches of an epoch."""
        if self.epoch_updates is None:
            return self.train_examples
        return self.epoch_updates * (self.train_examples if self.batch_size == "full" else self.batch_size)

    @property
    def updates(self) -> int:
        """Return the number of updates of the trial."""
        return self.epochs * self.updates_per_epoch

    def tested_epochs(self) -> tuple[int, ...]:
        """Return the epochs, counted from 1, after which the trial is evaluated."""
        return tuple(
            epoch for epoch in range(1, self.epochs + 1) if epoch % self.eval_every == 0 or epoch == self.epochs
        )

    @classmethod
    def from_description(cls, description: Mapping[str, Any], label: str) -> Trial:
        """Return the trial of a description."""
        return cls(label=label, **field_values(description))


def field_values(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a description by the names of the fields of `Trial`."""
    names = {key: name for name, key in STORED_NAMES.items()}
    return {names.get(key, key): value for key, value in dict(description).items()}


def canonical(value: Any) -> str:
    """Return `value` as JSON with sorted keys and the shortest exact floats; equal values give equal text."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Return `value` with lists instead of tuples and dicts instead of mappings, as JSON gives them back."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
