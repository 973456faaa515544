"""The scenarios of `calibration.py` have the truth that they state, and docs/statistics.md has the promised numbers."""

import math
import re
from pathlib import Path

import calibration
import numpy as np
import pytest

from reports.statistics import pairwise_tests, step_down

DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"


def test_the_truths_are_true() -> None:
    """Mean and median of 200,000 draws of each distribution lie within five standard errors of the assumed truth."""
    for draw in calibration.KINDS.values():
        scores = draw(np.random.default_rng(0), (200_000,))
        mean, median = calibration.truths(draw)
        assert abs(scores.mean() - mean) < 5 * scores.std() / math.sqrt(200_000)
        close = 5 * 0.5 / math.sqrt(200_000)
        assert (scores < median).mean() - close <= 0.5 <= (scores <= median).mean() + close


def superiority(a, b):
    """Return the share of pairs of a run of A and a run of B in which A is above, ties counting one half; both are sorted."""
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    return (np.searchsorted(b, a, "left") + np.searchsorted(b, a, "right")).mean() / (2 * len(b))


def test_every_scenario_is_centred() -> None:
    """P(A > B) is ½ for pairs that count as equal, and it and δ are what 20,000 independent runs of each optimizer show."""
    n = 20_000
    close = 5 * math.sqrt(2 / n / 12)
    for name, scenario in calibration.scenarios().items():
        a, b = (np.sort(scenario.draw(np.random.default_rng(seed), n), axis=0) for seed in (0, 1))
        shift, truth = scenario.truth(n)
        for i, j in zip(*step_down.pairs(a.shape[1]), strict=True):
            assert superiority(a[:, i], b[:, j]) == pytest.approx(truth[i, j], abs=close), (name, i, j)
            if not name.startswith(("discrete", "shipped")):
                assert superiority(a[:, i] - shift[i, j], b[:, j]) == pytest.approx(0.5, abs=close), (name, i, j)
        assert np.abs(truth[scenario.null] - 0.5).max() <= 0.02, name
        np.testing.assert_allclose(truth + truth.T, 1, atol=1e-9)
        np.testing.assert_allclose(shift, -shift.T, atol=1e-9)


def test_means_are_equal() -> None:
    """The means of 100,000 runs of each optimizer lie within five standard errors of 0, or of each other."""
    for name, draw in calibration.equal_means().items():
        scores = draw(np.random.default_rng(0), 100_000)
        error = 5 * scores.std(axis=0) / math.sqrt(len(scores))
        assert (np.abs(scores.mean(axis=0) - scores.mean()) < np.maximum(error, error.mean())).all(), name


def test_the_shipped_runs_are_resampled_by_optimizer() -> None:
    """The shipped runs are twelve optimizers with ten runs each; a resample has only runs of the same optimizer."""
    runs = calibration.paper()
    assert runs.shape == (10, 12)
    assert calibration.measured().reshape(10, 12).std(axis=0, ddof=1) == pytest.approx(np.ones(12))
    drawn = calibration.resampled_columns(runs, np.random.default_rng(0), 7)
    assert all(set(drawn[:, at]) <= set(runs[:, at]) for at in range(12))


def test_a_measured_coverage_is_that_of_the_interval() -> None:
    """The t interval covers 95% of normal means, and far fewer bimodal ones at n = 5."""
    assert abs(calibration.coverage_of_means(calibration.normal, 5, 0, 4000)[0] - 0.95) < 0.015
    assert calibration.coverage_of_means(calibration.bimodal, 5, 0, 4000)[0] < 0.88


def test_a_quick_run_of_the_tests_of_pairs_finds_known_values() -> None:
    """Errors are rare, power and ties are as in the document; an interval that excludes a true null does not cover."""
    error, shifts, shares = calibration.errors("equal normal", 8, 100)
    assert error <= 0.15
    assert shifts == shares == pytest.approx(1 - error)
    false, true = calibration.ties("equal normal", 8, 50)
    assert false <= 0.12
    assert true >= 0.95
    assert calibration.power(6, 2, 8, 50) >= 0.9
    assert calibration.power(3, 9, 6, 50) <= 0.15
    assert calibration.ties("unequal n, normal", 8, 5)[0] <= 0.4
    assert calibration.errors_of_means("1 of 9: 10% of runs end 30 SD lower, equal means", 10, 60) >= 0.15
    assert calibration.detection(20, 100)[2].startswith(("9", "100"))


def test_an_exact_null_value_has_no_tolerance() -> None:
    """A bound that excludes ½ by the smallest possible number does not contain it; another truth may be off by rounding."""
    low, high = np.array([np.nextafter(0.5, 1)]), np.array([0.9])
    assert not calibration.contain(low, high, np.array([0.5]), 0.5)
    assert calibration.contain(low, high, np.array([0.5 - 1e-12]), 0.5)
    assert not calibration.contain(low, high, np.array([0.49]), 0.5)


def test_the_interval_of_a_mean_difference_is_that_of_the_report() -> None:
    """The t intervals that are measured in one batch are those of `PairTests.mean_interval`."""
    scores = np.random.default_rng(0).exponential(size=(8, 3))
    first, second = step_down.pairs(3)
    band = calibration.intervals.t_band(scores[:, first] - scores[:, second])
    low, high = pairwise_tests.compare(scores, np.random.default_rng(0)).mean_interval()
    np.testing.assert_allclose([band.low, band.high], [low, high])
    average, worst = calibration.coverage_of_differences("skewed, spreads 1:25, equal means", 10, 2000)
    assert worst < average < 0.94


def test_times_have_a_coverage_and_a_share_without_interval() -> None:
    """Exponential times are covered; of five runs, about a third of the studies have all in the first epoch."""
    assert abs(calibration.coverage_of_times("exponential, 39% miss", 20, 500)[0] - 0.945) < 0.04
    assert abs(calibration.coverage_of_times("whole epochs, 80% in the first", 5, 500)[1] - 0.8**5) < 0.1


def test_a_table_goes_between_its_marks(tmp_path, monkeypatch, capsys) -> None:
    """A table replaces what is between its marks and nothing else; a quick run only prints."""
    text = "a\n<!-- bad runs -->\nold\n<!-- end of bad runs -->\nb\n"
    document = tmp_path / "page.md"
    document.write_text(text, encoding="utf-8")
    monkeypatch.setattr(calibration, "DOCUMENT", document)
    monkeypatch.setitem(calibration.TABLES, "bad runs", lambda factor: f"new at {factor:g}")
    for factor in ("0.5", "1"):
        monkeypatch.setattr("sys.argv", ["calibration.py", "bad runs", "--factor", factor])
        calibration.main()
        assert capsys.readouterr().out == f"new at {factor}\n\n"
        assert document.read_text(encoding="utf-8") == (text if factor == "0.5" else text.replace("old", "new at 1"))
    with pytest.raises(ValueError, match='no marks for "y"'):
        calibration.put(text, "y", "new")


@pytest.fixture(scope="module")
def rows():
    """Return the rows of each table of the document by name: the first cell, and the values of the others."""
    if not DOCUMENT.is_file():
        pytest.skip("the documents are missing")
    text = DOCUMENT.read_text(encoding="utf-8")
    tables = {}
    for name in calibration.TABLES:
        lines = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", text, re.DOTALL)[1].splitlines()[2:]
        cells = [line.strip("| ").split(" | ") for line in lines]
        tables[name] = {
            first: [float(cell.split(" ± ")[0]) if " ± " in cell else None for cell in others]
            for first, *others in cells
        }
    return tables


def test_the_document_has_every_row(rows) -> None:
    """The tables of pairs have a row per scenario."""
    assert all(len(table) >= 4 for table in rows.values())
    for name in ("errors", "coverage", "ties"):
        assert list(rows[name]) == list(calibration.scenarios())
    assert list(rows["differences"]) == list(rows["bootstrap-t"]) == list(calibration.equal_means())


def test_the_document_shows_what_is_promised(rows) -> None:
    """At n = 10: family-wise error at most 5.5%, or 6.5% in the named rows; coverage, ties and power as promised."""
    for row in ("normal, Student t", "discrete, Student t"):
        assert all(93 <= value <= 97 for value in rows["means"][row][1:])
    for name, values in rows["errors"].items():
        assert values[2] <= (6.5 if name.startswith("skewed 1:25 and shared") else 5.5), name
    for name, values in rows["coverage"].items():
        assert min(values[2], values[6]) >= 92, name
    assert all(false <= 5 for false, _ in rows["ties"].values())
    for name, (error, *coverage, false, _) in rows["unpaired"].items():
        assert error <= 5.5, name
        assert min(coverage) >= 92, name
        assert false <= 5, name
    assert rows["power"]["nine, n = 10"][1] >= 90
    assert rows["power"]["two, n = 10"][0] >= 70
