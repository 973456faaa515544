"""A quick run of each measurement of `calibration.py` finds known values, and docs/statistics.md has all tables."""

import importlib.util
import math
import re
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def calibration():
    """Return the module beside this file."""
    spec = importlib.util.spec_from_file_location("ravine_calibration", HERE / "calibration.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_truths_are_true(calibration) -> None:
    """Mean and median of 200,000 draws of each distribution lie within five standard errors of the assumed truth."""
    for draw in calibration.KINDS.values():
        scores = draw(np.random.default_rng(0), (200_000,))
        mean, median = calibration.truths(draw)
        assert abs(scores.mean() - mean) < 5 * scores.std() / math.sqrt(200_000)
        close = 5 * 0.5 / math.sqrt(200_000)
        assert (scores < median).mean() - close <= 0.5 <= (scores <= median).mean() + close


def test_a_measured_coverage_is_that_of_the_interval(calibration) -> None:
    """The t interval covers 95% of normal means, and far fewer bimodal ones at n = 5."""
    assert abs(calibration.coverage_of_means(calibration.normal, 5, 0, 4000)[0] - 0.95) < 0.015
    assert calibration.coverage_of_means(calibration.bimodal, 5, 0, 4000)[0] < 0.88


def test_the_shipped_runs_vary_as_they_did(calibration) -> None:
    """The shipped runs are twelve optimizers with ten runs each, centred, and scaled to a standard deviation of one."""
    found = calibration.residuals()
    assert found.shape == (10, 12)
    assert np.abs(found.mean(axis=0)).max() < 1e-12
    assert calibration.measured().reshape(10, 12).std(axis=0, ddof=1) == pytest.approx(np.ones(12))
    drawn = calibration.each_from_itself(np.random.default_rng(0), 7)
    assert all(set(drawn[:, at]) <= set(found[:, at]) for at in range(12))


def test_intervals_of_differences_and_times_are_measured(calibration) -> None:
    """Both kinds cover normal scores; the simultaneous ones cover skewed scores with unequal variances less often."""
    alone, together = calibration.coverage_of_differences("normal", 10, 200)
    assert abs(alone - 0.95) < 0.02
    assert abs(together - 0.95) < 0.05
    assert calibration.coverage_of_differences("skewed, unequal variances (SD ratio 4)", 10, 200)[1] < 0.92
    assert abs(calibration.coverage_of_times("exponential, 39% miss", 20, 500) - 0.945) < 0.04


def test_a_table_goes_between_its_marks(calibration) -> None:
    """The table between the marks is replaced, and nothing else; a document without the marks is refused."""
    text = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n"
    assert calibration.put(text, "x", "new") == "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n"
    with pytest.raises(ValueError, match='no marks for "y"'):
        calibration.put(text, "y", "new")


@pytest.mark.skipif(not (HERE.parents[1] / "docs" / "statistics.md").is_file(), reason="the documents are missing")
def test_the_document_has_every_table_and_its_limits(calibration) -> None:
    """Each table exists; t covers 93% to 97% of normal and discrete means from n = 5 on; error rates and power hold."""
    text = (HERE.parents[1] / "docs" / "statistics.md").read_text(encoding="utf-8")
    tables = {}
    for name in calibration.TABLES:
        tables[name] = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", text, re.DOTALL)[1]
    assert all(found.count("\n") >= 3 for found in tables.values())
    rows = {name: [line.strip("| ").split(" | ") for line in found.splitlines()[2:]] for name, found in tables.items()}
    for row in rows["means"]:
        if row[0] in {"normal, Student t", "discrete, Student t"}:
            assert all(93 <= float(cell.split(" ± ")[0]) <= 97 for cell in row[2:])
    for row in rows["errors"]:
        if not row[0].startswith("violated"):
            value, error = map(float, row[1].split(" ± "))
            assert value <= 5 + 3 * error, row
    (nine, two) = (float(row[1].split(" ± ")[0]) for row in rows["promises"])
    assert nine >= 80
    assert two >= 75
