"""`ravine run` and `ravine tune` are killed at random moments: no trial is lost or doubled, and no process is left."""

import os

import pytest
from kills import SIGNALS, survive, tracebacks

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("RAVINE_TEST_KILLS", "10"))

STARTING = """Traceback (most recent call last):
  File "<frozen runpy>", line 189, in _run_module_as_main
  File "<frozen runpy>", line 148, in _get_module_details
KeyboardInterrupt
"""
WORKING = """Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "ravine/__main__.py", line 5, in <module>
KeyboardInterrupt
"""


def test_a_traceback_of_python_itself_is_not_counted():
    """Ctrl-C while Python starts is distinguished from Ctrl-C in the command."""
    assert tracebacks("ravine: stopped\n") == []
    assert tracebacks(STARTING) == []
    assert tracebacks(STARTING + WORKING) == [WORKING.removeprefix("Traceback")]


def test_killed_studies_resume_to_the_results_of_undisturbed_ones(here):
    """After kills by three signals at any time, even during writes, the results are byte-for-byte the undisturbed ones."""
    tally = survive(here / "kills", KILLS, seed=2, each=KILLS // 2)
    assert sum(tally.kills.values()) == KILLS
    assert len(tally.kills) == len(SIGNALS)
    assert tally.faultless, "\n".join(tally.lines())
