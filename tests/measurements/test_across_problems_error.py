"""A quick run of `across_problems_error.py` finds known values, and docs/statistics.md has its tables."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def measurement():
    """Return the module beside this file."""
    spec = importlib.util.spec_from_file_location(
        "across_problems_error", Path(__file__).parent / "across_problems_error.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_in_every_scenario_the_mean_of_p_is_one_half(measurement) -> None:
    """From 20,000 draws of two problems, every P(A > B) is ½ on average, within five standard errors."""
    for draw in measurement.SCENARIOS.values():
        rng = np.random.default_rng(0)
        scores = [(draw(rng, 20_000, problem), draw(rng, 20_000, problem)) for problem in range(2)]
        for first, second in ((0, 1), (0, 8), (3, 4), (7, 8)):
            shares = [((a[:, first] > b[:, second]) + (a[:, first] == b[:, second]) / 2).mean() for a, b in scores]
            assert abs(np.mean(shares) - 0.5) < 5 * 0.5 / np.sqrt(40_000)


def test_errors_and_power_are_shares(measurement) -> None:
    """Few false statements if all optimizers are equal, and full power at three standard deviations on three problems."""
    error, by_means = measurement.measure(measurement.SCENARIOS["equal normal"], 3, 0, 30)
    assert error <= 0.2
    assert by_means <= 0.2
    power, _, coverage = measurement.power(3.0, 3, 10)
    assert power > 0.95
    assert coverage >= 0.7


def test_the_tables_of_the_document_have_all_rows(measurement) -> None:
    """Each scenario and each difference has a row between the marks."""
    document = measurement.DOCUMENT.read_text(encoding="utf-8")
    table = document.partition("<!-- across -->")[2].partition("<!-- end of across -->")[0]
    assert [row.split(" | ")[0].removeprefix("| ") for row in table.strip().splitlines()[2:]] == [
        *measurement.SCENARIOS
    ]
    power = document.partition("<!-- across power -->")[2].partition("<!-- end of across power -->")[0]
    assert len(power.strip().splitlines()) == 2 + 3
