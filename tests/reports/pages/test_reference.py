"""Tests of the published values in `studies/references/`."""

import pytest

from reports.frames.study_frames import load_reference


def test_the_published_values_are_those_of_the_paper() -> None:
    """AdaGrad has the lowest training loss (0.174) and the highest test accuracy (0.891), and the sums of columns agree."""
    results = load_reference("paper")["results"]
    assert len(results) == 10
    assert results["SGD, batch 2"] == {"test/accuracy": 0.47, "examples_per_second": 200.0}
    table = {label: numbers for label, numbers in results.items() if label != "SGD, batch 2"}
    assert min(table, key=lambda label: table[label]["train/loss"]) == "AdaGrad"
    assert max(table, key=lambda label: table[label]["test/accuracy"]) == "AdaGrad"
    sums = {"train/loss": 1.899, "train/accuracy": 8.324, "test/accuracy": 7.827, "examples_per_second": 109429.2}
    for metric, total in sums.items():
        assert sum(numbers[metric] for numbers in table.values()) == pytest.approx(total), metric
