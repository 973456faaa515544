"""Tests of `reports.pages.json_summary`."""

import json

import pytest

from reports.pages.json_summary import summary


def test_the_numbers_for_scripts_are_plain_json(large) -> None:
    """Estimates, pairs, tiers and targets; what does not exist is null and what never happens Infinity, as text."""
    report = large
    told = json.loads(json.dumps(summary(report, "large"), allow_nan=False))
    assert [row["label"] for row in told["estimates"]] == list(report.estimates["label"])
    assert told["estimates"][-1]["test/accuracy"] is None
    assert len(told["pairs"]) == 55
    row = told["pairs"][0]
    assert {"p", "adjusted_p", "low", "high", "simultaneous_low", "simultaneous_high", "verdict"} <= row.keys()
    assert row["difference"] == pytest.approx(float(report.comparison.pairs["difference"].iloc[0]))
    assert told["tiers"] == report.comparison.tiers
    assert told["not_significantly_worse_than_best"] == ["AdaGrad", "AdaMax"]
    assert {row["target"] for row in told["targets"]} == {"easy", "middle", "hard"}
