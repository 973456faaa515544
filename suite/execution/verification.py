"""Runs recorded trials again and compares the digests of their weights; describes what differs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.execution import runner
from suite.records import REPRODUCIBILITY_KEYS, Outcome
from suite.training.provenance import environment_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from suite.execution.local import Executor
    from suite.records import TrialRecord, TrialResult


COLUMNS = ("trial", "id", "recorded weights", "weights now", "verdict", "what differs")


@dataclass(frozen=True, slots=True)
class Check:
    """A recorded trial and the result of running it again."""

    record: TrialRecord
    result: TrialResult

    @property
    def same(self) -> bool:
        """Whether it has the same outcome and bit-for-bit identical weights."""
        return (self.record.outcome, self.record.weights) == (self.result.outcome, self.result.weights)

    @property
    def environment_changes(self) -> dict[str, tuple[str, str]]:
        """The recorded and the current values that differ; of `REPRODUCIBILITY_KEYS` only, if the weights agree."""
        changes = environment_changes(self.record.environment, self.result.environment)
        return {key: values for key, values in changes.items() if key in REPRODUCIBILITY_KEYS or not self.same}

    @property
    def differences(self) -> str:
        """What differs, as text; empty if nothing does."""
        differences = [
            f"{key} {recorded or 'not recorded'} → {current or 'not recorded'}"
            for key, (recorded, current) in self.environment_changes.items()
        ]
        if self.same:
            return "; ".join(differences)
        if self.result.outcome != self.record.outcome:
            reason = f" ({self.result.reason})" if self.result.reason else ""
            differences.insert(0, f"outcome {self.record.outcome} → {self.result.outcome}{reason}")
        if self.record.trial.compiled:
            differences.append("compiled steps, whose compiler is not recorded")
        return "; ".join(differences) or "nothing that is recorded"

    def row(self) -> list[str]:
        """Return a row of the table with `COLUMNS`; of each digest the first twelve digits."""
        trial, weights = self.record.trial, (self.record.weights, self.result.weights)
        verdict = "same" if self.same else "differs"
        return [trial.name, trial.id, *(digest[:12] or "none" for digest in weights), verdict, self.differences]

    def as_dict(self) -> dict[str, Any]:
        """Return the check as JSON values."""
        return {
            "trial": self.record.trial.name,
            "id": self.record.trial.id,
            "same": self.same,
            "recorded": {"outcome": self.record.outcome.value, "weights": self.record.weights},
            "again": {
                "outcome": self.result.outcome.value,
                "weights": self.result.weights,
                "reason": self.result.reason,
            },
            "environment": {key: {"recorded": old, "now": new} for key, (old, new) in self.environment_changes.items()},
            "compiled": self.record.trial.compiled,
        }


def sample(records: Iterable[TrialRecord], max_trials: int | None) -> list[TrialRecord]:
    """Return some recorded trials, spread over the optimizers first and then over the repeats; always the same ones.

    Args:
        records: In the order of the plan. Failed trials have no weights to compare and are left out.
        max_trials: The maximum number of trials; None for all.
    """
    by_label: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.outcome is not Outcome.FAILED:
            by_label.setdefault(record.trial.label, []).append(record)
    rotated = [
        [*group[i % len(group) :], *group[: i % len(group)]] for i, group in enumerate(by_label.values())
    ]  # each optimizer begins with another repeat
    chosen = [record for row in itertools.zip_longest(*rotated) for record in row if record is not None]
    return chosen[:max_trials]


def verify(
    records: Sequence[TrialRecord], executor: Executor, on_result: Callable[[TrialResult], object] = lambda _: None
) -> list[Check]:
    """Run recorded trials again, record nothing, and return a check for each, in the order of `records`.

    Args:
        records: What to compare with.
        executor: Where the trials run.
        on_result: Called with each result.
    """
    by_id: dict[str, TrialResult] = {}
    for result in runner.results([record.trial for record in records], executor):
        by_id[result.trial.id] = result
        on_result(result)
    return [Check(record, by_id[record.trial.id]) for record in records]
