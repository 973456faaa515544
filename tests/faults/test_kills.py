"""`ravine run` and `ravine tune` killed at random moments: nothing lost, nothing twice, nobody left behind."""

import os

from faults.kills import SIGNALS, survive

KILLS = int(os.environ.get("RAVINE_TEST_KILLS", "10"))


def test_killed_studies_go_on_to_the_tables_of_undisturbed_ones(here):
    """Kills by three signals at any time, also while the store is written: byte for byte what nobody disturbed."""
    tally = survive(here / "kills", KILLS, seed=2, each=KILLS // 2)
    assert sum(tally.kills.values()) == KILLS
    assert len(tally.kills) == len(SIGNALS)
    assert tally.faultless, "\n".join(tally.lines())
