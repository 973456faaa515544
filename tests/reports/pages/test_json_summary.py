"""Tests of `reports.pages.json_summary`."""

import json
import math

import numpy as np
import pytest

from reports.pages.json_summary import plain, summary
from reports.pages.study import build


def test_the_summary_is_plain_json(large) -> None:
    """It has estimates, pairs, tiers and targets; NaN is null, and infinity is a text."""
    comparison = large.comparison
    values = json.loads(json.dumps(summary(large, "large"), allow_nan=False))
    assert [row["label"] for row in values["estimates"]] == list(large.estimates["label"])
    assert values["estimates"][-1]["test/accuracy"] is None
    assert len(values["pairs"]) == 66
    row = values["pairs"][0]
    assert list(row) == [
        *("first", "second", "n", "difference", "low", "high", "shift", "simultaneous_low", "simultaneous_high"),
        *("superiority", "superiority_low", "superiority_high", "p", "adjusted_p", "effect"),
        *("minimum_detectable_difference", "variance_reduction", "complete", "verdict"),
    ]
    assert row["difference"] == pytest.approx(float(comparison.pairs["difference"].iloc[0]))
    assert values["tiers"] == comparison.tiers
    assert values["leaders"] == list(comparison.leaders) == ["AdaGrad", "AdaMax"]
    assert (values["test"], values["paired"]) == ("rank", True)
    assert {row["target"] for row in values["targets"]} == {"easy", "middle", "hard"}


def test_the_keys_are_stable(small) -> None:
    """Scripts read these keys."""
    values = summary(small, "small")
    assert sorted(values) == [
        *(
            "answer",
            "estimates",
            "has_verdicts",
            "higher_is_better",
            "leaders",
            "left_out",
            "letters",
            "level",
            "margin",
        ),
        *("min_repeats", "minimum_detectable_difference", "paired", "pairs", "repeats_to_separate_top_two", "report"),
        *("score", "study", "targets", "test", "test_described", "tiers"),
    ]
    assert values["has_verdicts"] is False
    assert values["min_repeats"] == 6


@pytest.mark.usefixtures("no_figures")
def test_the_keys_of_claims_are_stable(sample, tmp_path) -> None:
    """A claim has its texts, its verdict and its measurements."""
    claim = {"text": "Adam is better than MBSGD.", "better": "Adam", "than": "MBSGD", "source": "this test"}
    study = sample.study(["Adam", "MBSGD"], repeats=6, epochs=1, train_examples=256, claim=[claim])
    trials = sample.plan(study)
    report = build(study, trials, sample.fill(sample.Store(), trials), tmp_path / "report")
    (found,) = json.loads(json.dumps(summary(report, "sample"), allow_nan=False))["claims"]
    assert sorted(found) == [
        *("claim", "measurements", "note", "repeats_needed", "source", "stated_before_trials", "statements", "text"),
        "verdict",
    ]
    assert (found["text"], found["source"]) == (claim["text"], claim["source"])
    (measurement,) = found["measurements"]
    assert measurement["verdict"] == found["verdict"]


@pytest.mark.usefixtures("no_figures")
def test_infinity_and_missing_numbers_are_only_where_runs_were_lost(sample, tmp_path) -> None:
    """One of three optimizers lost all runs: its mean is null, and only its median differences are "Infinity"."""
    study = sample.study(["MBSGD", "Adam", "SGD, lr 10"], repeats=8, epochs=2, batch_size=64, train_examples=256)
    trials = sample.plan(study)
    store = sample.fill(sample.Store(), trials, diverges=lambda trial: trial.label == "SGD, lr 10")
    values = json.loads(json.dumps(summary(build(study, trials, store, tmp_path / "report"), "x"), allow_nan=False))
    lost = next(row for row in values["estimates"] if row["label"] == "SGD, lr 10")
    assert [lost[f"test/accuracy{end}"] for end in ("", "_low", "_high")] == [None] * 3
    assert (lost["ok"], lost["run"], lost["bad"]) == (0, 8, 8)
    bounds = ("shift", "simultaneous_low", "simultaneous_high")
    missing = {"difference", "low", "high", "effect", "minimum_detectable_difference", "variance_reduction"}
    for pair in values["pairs"]:
        beaten = pair["second"] == "SGD, lr 10"
        assert [pair[name] == "Infinity" for name in bounds] == [beaten] * 3
        assert {name for name, value in pair.items() if value is None} == (missing if beaten else set())
        assert not [name for name, value in pair.items() if "Infinity" in str(value) and name not in bounds]
        assert pair["complete"] == (not beaten)
        assert not beaten or pair["verdict"] == "better"
    assert "SGD, lr 10" not in values["leaders"]


def test_numbers_that_json_lacks_have_a_text() -> None:
    """NaN is null; an infinite number is a text with its sign; a NumPy scalar is a number."""
    found = [
        plain(value) for value in (math.nan, math.inf, -math.inf, np.float64("-inf"), np.int64(3), np.bool_(1), "a")
    ]
    assert found == [None, "Infinity", "-Infinity", "-Infinity", 3, True, "a"]
    assert [type(value) for value in found[4:6]] == [int, bool]
