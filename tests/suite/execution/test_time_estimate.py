"""`suite.execution.time_estimate` and `suite.execution.progress`: how long it takes, and what is left."""

import dataclasses
import io
import math

import pytest
from rich.console import Console
from toy import BLOBS, BUGGY_BLOBS

from suite.execution import time_estimate
from suite.execution.progress import ProgressDisplay, format_duration, summary
from suite.records import Outcome, Point, Timing, TrialRecord, TrialResult
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.provenance import environment


@pytest.fixture
def trials(write_study):
    """Four trials of 2 epochs and 256 examples."""
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
    """The median of this machine's records of the same problem and precision counts; others do not."""
    records = [_record(trials[0], Timing(train, 4.0, 9.0, 512)) for train in (1.0, 2.0, 400.0)]
    records.append(_record(trials[0], Timing(0.001, 4.0, 9.0, 512), environment={"device_name": "another"}))
    records.append(_record(dataclasses.replace(trials[0], precision="bfloat16"), Timing(0.001, 4.0, 9.0, 512)))
    speed = time_estimate.recorded(records, trials[1], "cpu", 100)
    assert (speed.train, speed.evaluate, speed.source) == (256, 50, "3 recorded trials")
    cut = _record(trials[0], Timing(1.0, 0.001, 9.0, 256), outcome=Outcome.DIVERGED)
    assert time_estimate.recorded([*records, cut], trials[1], "cpu", 100) == speed, "it was spared evaluations"
    assert time_estimate.recorded(records[3:], trials[1], "cpu", 100) is None


def test_a_probe_measures(trials):
    """A probe runs real steps and gives finite speeds."""
    speed = time_estimate.probe(BLOBS, "float32", "cpu")
    assert speed.train > 0
    assert speed.evaluate > 0


def test_a_probe_in_a_process_of_its_own(write_study):
    """It finds the problem beside the study and measures it; where the process dies, the time is unknown."""
    folder = write_study().parent
    found = time_estimate.probe_in_subprocess("toy:BLOBS", folder, "float32", "cpu")
    assert (found.train > 0, found.evaluate > 0, found.source) == (True, True, "a probe of two steps")
    assert math.isnan(time_estimate.probe_in_subprocess("toy:DEADLY_BLOBS", folder, "float32", "cpu").train)


def test_a_probe_that_fails_is_unknown_time(trials):
    """A bug in the problem is for its trials to tell; until one has ended the time left is unknown, then it is known."""
    speed = time_estimate.probe(BUGGY_BLOBS, "float32", "cpu")
    assert math.isnan(speed.train)
    shown = ProgressDisplay({trial.id: speed.seconds(trial, 100) for trial in trials}, 1, Console(file=io.StringIO()))
    assert format_duration(shown.seconds_left()) == "unknown time"
    shown.on_finished(TrialResult(trial=trials[0], outcome=Outcome.OK, timing=Timing(total=5.0)))
    assert shown.seconds_left() == 15


def test_the_time_left_follows_what_trials_really_took(trials):
    """Four trials of 10 expected seconds on two workers: 20 s; after one that took 30 s, three are left at 30 s each."""
    console = Console(file=io.StringIO())
    shown = ProgressDisplay({trial.id: 10.0 for trial in trials}, 2, console)
    assert shown.seconds_left() == 20
    shown.on_finished(TrialResult(trial=trials[0], outcome=Outcome.OK, timing=Timing(total=30.0)))
    assert shown.seconds_left() == 45


def test_plain_lines_where_there_is_no_terminal(trials):
    """Each trial is one line with its number, outcome, time and the time left; no control characters."""
    file = io.StringIO()
    with ProgressDisplay({trial.id: 10.0 for trial in trials}, 1, Console(file=file, width=200)) as shown:
        points = (Point("train/loss", 1, 4, 0.25), Point("test/accuracy", 1, 4, 0.5))
        shown.on_finished(TrialResult(trial=trials[0], outcome=Outcome.OK, points=points, timing=Timing(total=10.0)))
    lines = file.getvalue().splitlines()
    assert lines[0] == "4 trials on 1 worker, 40 s left"
    assert lines[1] == "1/4 SGD r0: training loss 0.2500, test accuracy 0.5000, 10 s; 30 s left"
    assert "\x1b" not in file.getvalue()


def test_a_bar_on_a_terminal(trials):
    """On a terminal a bar counts, and only what went wrong is printed."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, highlight=False)
    with ProgressDisplay({trial.id: 10.0 for trial in trials}, 1, console) as shown:
        shown.on_finished(TrialResult(trial=trials[0], outcome=Outcome.OK, timing=Timing(total=10.0)))
        shown.on_finished(
            TrialResult(trial=trials[1], outcome=Outcome.DIVERGED, reason="it [bold]grew", timing=Timing(total=1.0))
        )
    assert "2/4" in file.getvalue()
    assert "SGD r0" not in file.getvalue()
    assert "diverged: it [bold]grew" in file.getvalue()


def test_a_summary_says_how_it_ended(trials):
    """A result that is not ok shows its outcome and reason."""
    assert summary(TrialResult(trial=trials[0], outcome=Outcome.STALLED, reason="still")) == "stalled: still"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 05 min"),
        (float("inf"), "unknown time"),
    ],
)
def test_durations_in_words(seconds, words):
    """Seconds, minutes and hours, rounded."""
    assert format_duration(seconds) == words
