"""`suite.execution.time_estimate` and `suite.execution.progress`: expected and remaining time."""

import dataclasses
import io
import math

import pytest
from rich.console import Console
from toy import BLOBS, BUGGY_BLOBS

from suite.execution import time_estimate
from suite.execution.progress import ProgressDisplay, describe_result, format_duration
from suite.records import Outcome, Point, Timing, TrialRecord, TrialResult
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.provenance import environment


@pytest.fixture
def trials(write_study):
    """Return four trials of 2 epochs and 256 examples."""
    return plan(load_study(write_study()))


def _record(trial, timing, **changes):
    values = {
        "run_id": "r",
        "outcome": Outcome.OK,
        "reason": "",
        "weights": "",
        "environment": environment("cpu"),
        "started": 0.0,
    }
    return TrialRecord(trial=trial, timing=timing, **{**values, **changes})


def test_the_expected_time_of_a_trial(trials):
    """2 epochs of 256 examples at 128 a second, and 2 evaluations of 100 at 50 a second, take 4 + 4 seconds."""
    assert time_estimate.Speed(128, 50, "").seconds(trials[0], 100) == 8


def test_recorded_trials_come_before_a_probe(trials):
    """The speed is the median over records of the same problem, precision and device; others do not count."""
    records = [_record(trials[0], Timing(train, 4.0, 9.0, 512)) for train in (1.0, 2.0, 400.0)]
    records.append(_record(trials[0], Timing(0.001, 4.0, 9.0, 512), environment={"device_name": "another"}))
    records.append(_record(dataclasses.replace(trials[0], precision="bfloat16"), Timing(0.001, 4.0, 9.0, 512)))
    speed = time_estimate.recorded_speed(records, trials[1], "cpu", 100)
    assert (speed.train, speed.evaluate, speed.source) == (256, 50, "3 recorded trials")
    diverged = _record(trials[0], Timing(1.0, 0.001, 9.0, 256), outcome=Outcome.DIVERGED)
    assert time_estimate.recorded_speed([*records, diverged], trials[1], "cpu", 100) == speed, "it skipped evaluations"
    assert time_estimate.recorded_speed(records[3:], trials[1], "cpu", 100) is None


def test_a_probe_measures(trials):
    """A probe runs real steps and returns positive speeds."""
    speed = time_estimate.probe(BLOBS, "float32", "cpu")
    assert speed.train > 0
    assert speed.evaluate > 0


def test_a_probe_in_a_subprocess(write_study):
    """It finds the problem beside the study and measures it; if the process is killed, the time is unknown."""
    folder = write_study().parent
    speed = time_estimate.probe_in_subprocess("toy:BLOBS", folder, "float32", "cpu")
    assert (speed.train > 0, speed.evaluate > 0, speed.source) == (True, True, "a probe of two steps")
    assert math.isnan(time_estimate.probe_in_subprocess("toy:DEADLY_BLOBS", folder, "float32", "cpu").train)


def test_a_failed_probe_gives_an_unknown_time(trials):
    """A bug in the problem does not raise; the remaining time is unknown until the first trial has ended."""
    speed = time_estimate.probe(BUGGY_BLOBS, "float32", "cpu")
    assert math.isnan(speed.train)
    display = ProgressDisplay({trial.id: speed.seconds(trial, 100) for trial in trials}, 1, Console(file=io.StringIO()))
    assert format_duration(display.seconds_left()) == "unknown time"
    display.on_finished(TrialResult(trial=trials[0], outcome=Outcome.OK, timing=Timing(total=5.0)))
    assert display.seconds_left() == 15


def test_the_remaining_time_follows_the_finished_trials(trials):
    """Four trials of 10 expected seconds take 20 s on two workers; after one of 30 s, the other three take 45 s."""
    console = Console(file=io.StringIO())
    display = ProgressDisplay({trial.id: 10.0 for trial in trials}, 2, console)
    assert display.seconds_left() == 20
    display.on_finished(TrialResult(trial=trials[0], outcome=Outcome.OK, timing=Timing(total=30.0)))
    assert display.seconds_left() == 45


def test_plain_lines_without_a_terminal(trials, wording):
    """Each trial is one line with its number, metrics, time and the remaining time; no control characters."""
    file = io.StringIO()
    with ProgressDisplay({trial.id: 10.0 for trial in trials}, 1, Console(file=file, width=200)) as display:
        points = (Point("train/loss", 1, 4, 0.25), Point("test/accuracy", 1, 4, 0.5))
        display.on_finished(TrialResult(trial=trials[0], outcome=Outcome.OK, points=points, timing=Timing(total=10.0)))
    wording(file.getvalue())
    assert "\x1b" not in file.getvalue()


def test_a_bar_on_a_terminal(trials):
    """On a terminal a bar counts, and only trials that are not ok are printed."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, highlight=False)
    with ProgressDisplay({trial.id: 10.0 for trial in trials}, 1, console) as display:
        display.on_finished(TrialResult(trial=trials[0], outcome=Outcome.OK, timing=Timing(total=10.0)))
        display.on_finished(
            TrialResult(trial=trials[1], outcome=Outcome.DIVERGED, reason="it [bold]grew", timing=Timing(total=1.0))
        )
    assert "2/4" in file.getvalue()
    assert "SGD r0" not in file.getvalue()
    assert "diverged: it [bold]grew" in file.getvalue()


def test_the_description_of_a_stalled_trial(trials):
    """A result that is not ok is described by its outcome and reason."""
    assert describe_result(TrialResult(trial=trials[0], outcome=Outcome.STALLED, reason="still")) == "stalled: still"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 05 min"),
        (float("inf"), "unknown time"),
    ],
)
def test_durations(seconds, text):
    """Durations are rounded and written in seconds, minutes and hours."""
    assert format_duration(seconds) == text
