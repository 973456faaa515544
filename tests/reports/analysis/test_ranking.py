"""Tests of `reports.analysis.ranking`."""

import dataclasses

import numpy as np
import pytest

from reports.analysis import ranking


def test_ranks_over_problems(reports):
    """Mean ranks, Friedman's p and probabilities of improvement by hand; the diverged optimizer is last on its problem."""
    from scipy.stats import friedmanchisquare

    result = ranking.rank_optimizers([report.results(study) for study, report in reports])
    assert result.labels == ("Adam", "AdaGrad", "MBSGD")
    np.testing.assert_allclose(result.ranks.mean, [4 / 3, 5 / 3, 3])
    assert list(result.table["rank_odd"]) == [2, 1, 3]
    assert result.ranks.friedman == pytest.approx(friedmanchisquare([3, 3, 2], [2, 2, 3], [1, 1, 1]).pvalue)
    # Against AdaGrad: all pairs won on two problems; on the third 0.61 > 0.55 alone of four.
    np.testing.assert_allclose(result.table["probability_of_improvement"], [np.nan, (1 + 1 + 0.25) / 3, 1.0])


def test_profiles_count_updates_to_the_middle_target(reports):
    """The fastest optimizer of a repeat has τ = 1; a diverged one never reaches the target."""
    result = ranking.rank_optimizers([report.results(study) for study, report in reports])
    assert result.timed == 3
    # Adam is the first in both repeats of two problems; of the third, where medians 0.555 and 0.6 set 0.5775, in one of two.
    assert result.profiles.share[0][0] == pytest.approx(5 / 6)
    costs = ranking._costs([report for _, report in reports], result.labels)
    assert costs.shape == (3, 2, 3)
    assert np.isinf(costs[2, :, 2]).all()


def test_no_ranking_without_two_problems_and_three_optimizers(reports):
    """One part, or two shared optimizers, give no ranking."""
    assert ranking.rank_optimizers([report.results(study) for study, report in reports[:1]]) is None
    study, report = reports[0]
    fewer = report.estimates[report.estimates["label"] != "MBSGD"]
    assert (
        ranking.rank_optimizers(
            [
                report.results(study)
                for study, report in [reports[1], (study, dataclasses.replace(report, estimates=fewer))]
            ]
        )
        is None
    )


def test_no_profiles_without_a_repeat_that_all_optimizers_ran(reports):
    """If optimizers share no repeat there are no profiles; only a part with a shared repeat is profiled."""
    unshared = []
    for study, report in reports:
        shift = report.times["label"].map({"Adam": 0, "AdaGrad": 10, "MBSGD": 20})
        times = report.times.assign(repeat=report.times["repeat"] + shift)
        unshared.append((study, dataclasses.replace(report, times=times)))
    assert ranking.rank_optimizers([report.results(study) for study, report in unshared]).profiles is None
    assert ranking.rank_optimizers([report.results(study) for study, report in [*unshared[:2], reports[2]]]).timed == 1
