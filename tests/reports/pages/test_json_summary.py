"""Tests of `reports.pages.json_summary`."""

import json

import pytest

from reports.analysis.claims import CLAIMS, UNDECIDED, Finding, Findings, Measurement
from reports.pages.json_summary import claims_as_dict, summary


def test_the_summary_is_plain_json(large) -> None:
    """It has estimates, pairs, tiers and targets; NaN is null, and infinity is a text."""
    comparison = large.comparison
    values = json.loads(json.dumps(summary(large, "large"), allow_nan=False))
    assert [row["label"] for row in values["estimates"]] == list(large.estimates["label"])
    assert values["estimates"][-1]["test/accuracy"] is None
    assert len(values["pairs"]) == 55
    row = values["pairs"][0]
    assert {"p", "adjusted_p", "low", "high", "simultaneous_low", "simultaneous_high", "verdict"} <= row.keys()
    assert row["difference"] == pytest.approx(float(comparison.pairs["difference"].iloc[0]))
    assert values["tiers"] == comparison.tiers
    assert values["not_significantly_worse_than_best"] == ["AdaGrad", "AdaMax"]
    assert {row["target"] for row in values["targets"]} == {"easy", "middle", "hard"}


def test_the_keys_are_stable(small) -> None:
    """Scripts read these keys."""
    values = summary(small, "small")
    assert sorted(values) == [
        *("answer", "estimates", "has_verdicts", "higher_is_better", "left_out", "letters", "level", "margin"),
        *("min_repeats", "minimum_detectable_difference", "not_significantly_worse_than_best", "pairs"),
        *("repeats_to_separate_top_two", "report", "score", "study", "targets", "test", "test_described", "tiers"),
    ]
    assert values["has_verdicts"] is False
    assert values["min_repeats"] == 6


def test_the_keys_of_claims_are_stable() -> None:
    """Sub-claims have a verdict each; a claim without sub-claims has none."""
    measurements = (
        Measurement("1", "constant", "part", "test loss", 6, 0.1),
        Measurement("1", "", "part", "loss", 1, 2.0),
    )
    findings = Findings((Finding(CLAIMS[0], measurements, UNDECIDED, 9.0),), 2, 0, 1, 0.95, ())
    (claim,) = json.loads(json.dumps(claims_as_dict(findings), allow_nan=False))
    assert sorted(claim) == [
        "claim",
        "how",
        "measurements",
        "repeats_needed",
        "source",
        "sub_claims",
        "text",
        "verdict",
    ]
    assert claim["sub_claims"] == {"constant": UNDECIDED}
    assert sorted(claim["measurements"][0]) == [
        *("adjusted", "claim", "effect", "exact", "expected", "high", "low", "n", "p", "part", "ratio"),
        *("repeats_needed", "sub_claim", "tied", "verdict", "what"),
    ]
