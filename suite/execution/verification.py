"""Runs recorded trials again, and tells whether they come to the same weights, and what differs where they do not."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.execution import runner
from suite.records import REPRODUCIBILITY_KEYS, Outcome
from suite.training import provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from suite.execution.local import Executor
    from suite.records import TrialRecord, TrialResult


COLUMNS = ("trial", "id", "recorded weights", "weights now", "verdict", "what differs")


@dataclass(frozen=True, slots=True)
class Check:
    """A recorded trial, and what came of it when it was run again."""

    record: TrialRecord
    again: TrialResult

    @property
    def same(self) -> bool:
        """Whether it ended as before with the same weights to the bit."""
        return (self.record.outcome, self.record.weights) == (self.again.outcome, self.again.weights)

    @property
    def changed(self) -> dict[str, tuple[str, str]]:
        """What is different about the place, then and now: `BITS` where the weights agree, all that is recorded else."""
        changed = provenance.changed(self.record.environment, self.again.environment)
        return {key: values for key, values in changed.items() if key in REPRODUCIBILITY_KEYS or not self.same}

    @property
    def why(self) -> str:
        """What differs, in words; empty where nothing does."""
        told = [
            f"{key} {then or 'not recorded'} → {now or 'not recorded'}" for key, (then, now) in self.changed.items()
        ]
        if self.same:
            return "; ".join(told)
        if self.again.outcome != self.record.outcome:
            reason = f" ({self.again.reason})" if self.again.reason else ""
            told.insert(0, f"outcome {self.record.outcome} → {self.again.outcome}{reason}")
        if self.record.trial.compiled:
            told.append("compiled steps, whose compiler is not recorded")
        return "; ".join(told) or "nothing that is recorded"

    def row(self) -> list[str]:
        """A row of the table, with `COLUMNS`; digests by their first twelve digits."""
        trial, weights = self.record.trial, (self.record.weights, self.again.weights)
        verdict = "same" if self.same else "differs"
        return [trial.name, trial.id, *(digest[:12] or "none" for digest in weights), verdict, self.why]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "trial": self.record.trial.name,
            "id": self.record.trial.id,
            "same": self.same,
            "recorded": {"outcome": self.record.outcome.value, "weights": self.record.weights},
            "again": {
                "outcome": self.again.outcome.value,
                "weights": self.again.weights,
                "reason": self.again.reason,
            },
            "environment": {key: {"recorded": then, "now": now} for key, (then, now) in self.changed.items()},
            "compiled": self.record.trial.compiled,
        }


def sample(records: Iterable[TrialRecord], most: int | None) -> list[TrialRecord]:
    """Some of the recorded trials, spread over the optimizers first and then over the repeats; the same ones each time.

    Args:
        records: In the order of the plan. A failed trial has no weights to compare, and is left out.
        most: How many; None for all.
    """
    by_label: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.outcome is not Outcome.FAILED:
            by_label.setdefault(record.trial.label, []).append(record)
    turned = [[*own[i % len(own) :], *own[: i % len(own)]] for i, own in enumerate(by_label.values())]
    chosen = [record for row in itertools.zip_longest(*turned) for record in row if record is not None]
    return chosen[:most]


def verify(
    records: Sequence[TrialRecord], executor: Executor, finished: Callable[[TrialResult], object] = lambda _: None
) -> list[Check]:
    """Run recorded trials again, as `runner.run` does, and record nothing.

    Args:
        records: What to compare with.
        executor: Where they run.
        finished: Told of each result.

    Returns:
        A check for each, in the order of the records.
    """
    again: dict[str, TrialResult] = {}
    for result in runner.results([record.trial for record in records], executor):
        again[result.trial.id] = result
        finished(result)
    return [Check(record, again[record.trial.id]) for record in records]
