"""Claims from the study file to the report, with a real store: the mark of claims that were stated before their trials."""

import json
import re

import pytest

pytestmark = pytest.mark.integration

CLAIM = """
[[claim]]
text = "Adam is better."
better = "Adam"
than = "SGD"
metric = "train/loss"
"""


@pytest.fixture
def marks(call, write_study, no_figures):
    """Return a function that runs commands on a study with these claims, and returns the marks in its report."""

    def run(claims, *commands, extra=""):
        path = write_study(repeats=6, extra=claims + extra)
        for command in commands:
            status, _, err = call(*command.split(), path)
            assert status == 0, err
        status, out, err = call("report", path, "--json")
        assert status == 0, err
        return [claim["stated_before_trials"] for claim in json.loads(out).get("claims", [])]

    return run


def test_a_claim_in_the_file_before_the_trials(marks, store, here):
    """Its time is earlier than all trials and is not overwritten; the page has the mark."""
    assert marks(CLAIM, "run") == [True]
    times = store.claim_times("toy_study")
    assert marks(CLAIM, "run") == [True]
    assert store.claim_times("toy_study") == times
    assert len(times) == 1
    assert "The claim was stated before its trials." in (here / "out/reports/toy_study/index.html").read_text("utf-8")


def test_a_claim_that_is_added_after_the_trials(marks, store, here):
    """A report records nothing, so it has no mark; a run marks it as late, also if it replaces an earlier claim."""
    assert marks("", "run") == []
    assert marks(CLAIM) == [None]
    assert marks(CLAIM, "run") == [False]
    assert marks(CLAIM.replace("Adam is better.", "It is."), "run") == [False]
    assert len(store.claim_times("toy_study")) == 2
    assert "stated after its first trial" in (here / "out/reports/toy_study/index.html").read_text("utf-8")


def test_more_repeats_after_the_claim_do_not_make_it_earlier(marks, call, here):
    """The mark is about the first of the trials."""
    assert marks("", "run --repeats 2") == []
    assert marks(CLAIM, "run") == [False]


def test_claims_above_parts_are_recorded_before_the_first_part_runs(call, write_study, here, store, no_figures):
    """Each part's experiment has the time of every claim; the overview has the mark."""
    path = write_study(repeats=6)
    top, problem, rest = re.split(r"(problem = .*\n)", path.read_text("utf-8"), maxsplit=1)
    parts = "".join(
        f'[[part]]\nname = "{name}"\nepochs = {epochs}\n{problem}\n' for name, epochs in (("a", 1), ("b", 2))
    )
    settings, optimizers = rest.split("[[optimizer]]", 1)
    settings = re.sub(r"epochs = .*\n", "", settings)
    path.write_text(f"{top}{settings}{CLAIM}{parts}[[optimizer]]{optimizers}", encoding="utf-8")
    status, _, err = call("run", path)
    assert status == 0, err
    times = [store.claim_times(f"toy_study.{name}") for name in "ab"]
    assert times[0].keys() == times[1].keys()
    status, out, _ = call("report", path, "--json")
    (claim,) = json.loads(out)["claims"]
    assert (claim["stated_before_trials"], len(claim["measurements"])) == (True, 2)


def test_a_tuned_study_keeps_the_claims(call, write_study, here, store, no_figures):
    """`ravine tune` records the claims of the study and of its tuned study before the first trial of each."""
    path = write_study(repeats=6, extra=CLAIM)
    status, _, err = call("tune", path, "--trials", 2)
    assert status == 0, err
    names = ("toy_study", "toy_study@trials=2_tuned")
    recorded = {name: store.claim_times(name) for name in names}
    assert all(len(times) == 1 for times in recorded.values()), recorded
    assert min(record.started for record in store.tuning_records().values()) > min(recorded["toy_study"].values())
    status, out, err = call("report", "toy_study@trials=2_tuned", "--json")
    assert status == 0, err
    assert json.loads(out)["claims"][0]["stated_before_trials"] is True


def test_an_export_has_the_claims_without_their_time(call, write_study, here, no_figures):
    """They are judged from the export; when they were stated is not known there."""
    from suite.transfer import archive

    path = write_study(repeats=6, extra=CLAIM)
    call("run", path)
    status, _, err = call("export", path, "results.zip")
    assert status == 0, err
    assert [claim.text for claim in archive.read(here / "results.zip").study.claim] == ["Adam is better."]
