"""`ravine run` and `ravine tune` killed at random moments: nothing lost, nothing twice, nobody left behind."""

import os

from kills import SIGNALS, survive, tracebacks

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


def test_a_traceback_from_before_the_command_is_pythons():
    """Ctrl-C while Python still looks for the command is told apart from one that the command does not hear."""
    assert tracebacks("ravine: stopped\n") == []
    assert tracebacks(STARTING) == []
    assert tracebacks(STARTING + WORKING) == [WORKING.removeprefix("Traceback")]


def test_killed_studies_go_on_to_the_tables_of_undisturbed_ones(here):
    """Kills by three signals at any time, also while the store is written: byte for byte what nobody disturbed."""
    tally = survive(here / "kills", KILLS, seed=2, each=KILLS // 2)
    assert sum(tally.kills.values()) == KILLS
    assert len(tally.kills) == len(SIGNALS)
    assert tally.faultless, "\n".join(tally.lines())
