"""The progress display of a run: a bar with the remaining time on a terminal, plain lines otherwise."""

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
    """Shows each finished trial and the remaining time.

    The remaining time is the expected time of the remaining trials, divided by the number of workers and multiplied by
    the ratio of actual to expected time of the finished trials.

    Args:
        expected: Expected seconds on one worker, by trial id, of the trials that will run.
        workers: The number of trials at a time.
        console: Where to show the progress; default: the standard error.
    """

    def __init__(self, expected: Mapping[str, float], workers: int, console: Console | None = None) -> None:
        self.expected = dict(expected)
        self.total = len(expected)
        self.workers = workers
        self.console = console or Console(stderr=True, highlight=False)
        self.done = 0
        self._expected_seconds = self._actual_seconds = 0.0  # of the finished trials
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}")
        self._bar = Progress(*columns, console=self.console) if self.console.is_terminal else None
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        if self._bar and self.total:
            self._bar.start()
            self._task = self._bar.add_task("trials", total=self.total, left=self._left())
        elif self.total:
            self._print(f"{self.total} trials on {self.workers} worker{'s' * (self.workers > 1)}, {self._left()}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def on_finished(self, result: TrialResult, name: str = "") -> None:
        """Show a trial that has ended and is recorded.

        Args:
            result: Its result.
            name: The key in `expected`, which is also shown, if its id was not known in advance.
        """
        self.done += 1
        self._expected_seconds += self.expected.pop(name or result.trial.id, 0.0)
        self._actual_seconds += result.timing.total
        text = f"{name or result.trial.name}: {describe_result(result)}, {format_duration(result.timing.total)}"
        if self._bar:
            self._bar.update(self._task, advance=1, left=self._left())
            if result.outcome is not Outcome.OK:
                self._bar.console.print(text, markup=False)
        else:
            self._print(f"{self.done}/{self.total} {text}; {self._left()}")

    def note(self, text: str) -> None:
        """Show a sentence that is not about a trial."""
        self._print(f"ravine: {text}")

    def on_skipped(self, names: Iterable[str]) -> None:
        """Remove trials that will not run."""
        skipped = [name for name in names if self.expected.pop(name, None) is not None]
        self.total -= len(skipped)
        if self._bar and skipped:
            self._bar.update(self._task, total=self.total, left=self._left())

    def seconds_left(self) -> float:
        """Return the expected seconds until the last trial ends; NaN if they are unknown."""
        ratio = self._actual_seconds / self._expected_seconds if self._expected_seconds > 0 else 1.0
        left = sum(self.expected.values()) * ratio
        if math.isnan(left) and self.done:  # no expectation: use the mean time of the finished trials
            left = self._actual_seconds / self.done * len(self.expected)
        return left / (min(self.workers, len(self.expected)) or 1)

    def _left(self) -> str:
        if self.expected:
            return f"{format_duration(self.seconds_left())} left"
        return f"took {format_duration(time.monotonic() - self._started)}"

    def _print(self, text: str) -> None:
        console = self._bar.console if self._bar else self.console
        console.print(text, markup=False, soft_wrap=True)
        sys.stderr.flush()


def describe_result(result: TrialResult) -> str:
    """Return the last metrics of a trial, or its outcome and reason if it is not ok."""
    if result.outcome is not Outcome.OK:
        return f"{result.outcome}: {result.reason}"
    last = {point.metric: point.value for point in result.points}
    formats = {
        "train/loss": "training loss {:.4f}",
        "test/accuracy": "test accuracy {:.4f}",
        "validation/loss": "validation loss {:.4f}",
        "validation/accuracy": "validation accuracy {:.4f}",
    }
    return ", ".join(text.format(last[metric]) for metric, text in formats.items() if metric in last)


def format_duration(seconds: float) -> str:
    """Return seconds as `12 s`, `3 min 20 s` or `2 h 05 min`."""
    if not math.isfinite(seconds):
        return "unknown time"
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60:02d} s"
    return f"{rounded // 3600} h {rounded % 3600 // 60:02d} min"
