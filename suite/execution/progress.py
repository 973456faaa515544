"""What a person sees while trials run: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from suite.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from suite.records import TrialResult


class ProgressDisplay:
    """Shows each finished trial and the time left.

    The time left is the expected time of what is left, shared among the workers and scaled by how the finished trials
    compare with what was expected of them.

    Args:
        expected: From trial id to seconds on one worker, for the trials that are about to run.
        workers: How many run at a time.
        console: Where to show it; default: the standard error.
    """

    def __init__(self, expected: Mapping[str, float], workers: int, console: Console | None = None) -> None:
        self.expected = dict(expected)
        self.total = len(expected)
        self.workers = workers
        self.console = console or Console(stderr=True, highlight=False)
        self.done = 0
        self._planned = self._took = 0.0
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._bar = Progress(*columns, console=self.console) if self.console.is_terminal else None
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        if self._bar and self.total:
            self._bar.start()
            self._task = self._bar.add_task("trials", total=self.total, left=self._left())
        elif self.total:
            self._line(f"{self.total} trials on {self.workers} worker{'s' * (self.workers > 1)}, {self._left()}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def on_finished(self, result: TrialResult, name: str = "") -> None:
        """A trial has ended and is recorded.

        Args:
            result: What came of it.
            name: By which it is expected and shown, where its id could not be known before.
        """
        self.done += 1
        self._planned += self.expected.pop(name or result.trial.id, 0.0)
        self._took += result.timing.total
        text = f"{name or result.trial.name}: {summary(result)}, {format_duration(result.timing.total)}"
        if self._bar:
            self._bar.update(self._task, advance=1, left=self._left())
            if result.outcome is not Outcome.OK:
                self._bar.console.print(text, markup=False)
        else:
            self._line(f"{self.done}/{self.total} {text}; {self._left()}")

    def note(self, text: str) -> None:
        """Show a sentence that is about no trial."""
        self._line(f"ravine: {text}")

    def on_skipped(self, names: Iterable[str]) -> None:
        """These will not be run after all."""
        dropped = [name for name in names if self.expected.pop(name, None) is not None]
        self.total -= len(dropped)
        if self._bar and dropped:
            self._bar.update(self._task, total=self.total, left=self._left())

    def seconds_left(self) -> float:
        """The expected seconds until the last trial ends."""
        scale = self._took / self._planned if self._planned > 0 else 1.0
        left = sum(self.expected.values()) * scale
        running = min(self.workers, len(self.expected)) or 1
        if math.isnan(left) and self.done:  # nothing was expected: what the finished ones took is all that is known
            left = self._took / self.done * len(self.expected)
        return left / running

    def _left(self) -> str:
        return (
            f"{format_duration(self.seconds_left())} left"
            if self.expected
            else f"took {format_duration(time.monotonic() - self._started)}"
        )

    def _line(self, text: str) -> None:
        console = self._bar.console if self._bar else self.console
        console.print(text, markup=False, soft_wrap=True)
        sys.stderr.flush()


def summary(result: TrialResult) -> str:
    """How a trial ended, in a few words."""
    last = {point.metric: point.value for point in result.points}
    if result.outcome is not Outcome.OK:
        return f"{result.outcome}: {result.reason}"
    words = {
        "train/loss": "training loss {:.4f}",
        "test/accuracy": "test accuracy {:.4f}",
        "validation/loss": "validation loss {:.4f}",
        "validation/accuracy": "validation accuracy {:.4f}",
    }
    return ", ".join(text.format(last[name]) for name, text in words.items() if name in last)


def format_duration(seconds: float) -> str:
    """Seconds in words: `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if not math.isfinite(seconds):
        return "unknown time"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
