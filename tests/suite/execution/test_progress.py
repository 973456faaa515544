"""`suite.execution.progress`: what is shown counts what will run, under the names by which it is expected."""

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


def _shown(expected, **how):
    out = io.StringIO()
    return ProgressDisplay(expected, 1, Console(file=out, width=100, **how)), out


def test_a_trial_is_shown_under_the_name_that_it_was_expected_by():
    """Where ids cannot be known before, the name takes the expected time with it."""
    shown, out = _shown({"Adam #0 r0": 10.0, "Adam #0 r1": 10.0})
    with shown:
        shown.on_finished(RESULT, "Adam #0 r0")
    assert "1/2 Adam #0 r0: , 10 s; 10 s left" in out.getvalue()


def test_what_need_not_run_is_not_waited_for():
    """Spared trials leave the total and the time left, once, and names that were not expected change nothing."""
    shown, _ = _shown({"a": 10.0, "b": 20.0, "c": 30.0})
    shown.on_skipped(["b", "b", "x"])
    assert (shown.total, shown.seconds_left()) == (2, 40.0)


@pytest.mark.parametrize("expected", [{}, {"a": 1.0}])
def test_a_terminal_takes_nothing_to_do_as_well(expected):
    """With nothing expected there is no bar to update."""
    shown, _ = _shown(expected, force_terminal=True)
    with shown:
        shown.on_skipped(["a"])
        shown.on_skipped([])
    assert shown.total == 0
