"""`suite.execution.progress`: the display counts the trials that will run, under their expected names."""

import io

import pytest
from rich.console import Console

from suite.execution.progress import ProgressDisplay
from suite.records import Outcome, Timing, TrialResult
from suite.trials import Trial

RESULT = TrialResult(
    trial=Trial(
        label="Adam",
        problem="p",
        optimizer="adam",
        hyperparameters={},
        batch_size=1,
        epochs=1,
        train_examples=1,
        repeat=0,
    ),
    outcome=Outcome.OK,
    timing=Timing(total=10.0),
)


def _display(expected, **options):
    out = io.StringIO()
    return ProgressDisplay(expected, 1, Console(file=out, width=100, **options)), out


def test_a_trial_is_shown_under_its_expected_name():
    """If ids are not known in advance, the expected time is looked up by name."""
    display, out = _display({"Adam #0 r0": 10.0, "Adam #0 r1": 10.0})
    with display:
        display.on_finished(RESULT, "Adam #0 r0")
    assert "1/2 Adam #0 r0: , 10 s; 10 s left" in out.getvalue()


def test_skipped_trials_are_not_counted():
    """Skipped trials are subtracted once from the total and the remaining time; unknown names change nothing."""
    display, _ = _display({"a": 10.0, "b": 20.0, "c": 30.0})
    display.on_skipped(["b", "b", "x"])
    assert (display.total, display.seconds_left()) == (2, 40.0)


@pytest.mark.parametrize("expected", [{}, {"a": 1.0}])
def test_a_terminal_without_trials(expected):
    """Without trials there is no bar to update."""
    display, _ = _display(expected, force_terminal=True)
    with display:
        display.on_skipped(["a"])
        display.on_skipped([])
    assert display.total == 0
