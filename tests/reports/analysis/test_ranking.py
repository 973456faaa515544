"""`reports.analysis.ranking`: how optimizers stand over several problems."""

import dataclasses

import numpy as np
import pytest

from reports.analysis import ranking


def test_ranks_over_problems(reports):
    """Mean ranks by hand, the diverged optimizer last on its problem; Friedman's p of these ranks; how often the best wins."""
    from scipy.stats import friedmanchisquare

    found = ranking.rank_optimizers([report.results(study) for study, report in reports])
    assert found.labels == ("Adam", "AdaGrad", "MBSGD")
    np.testing.assert_allclose(found.ranks.mean, [4 / 3, 5 / 3, 3])
    assert list(found.table["rank_odd"]) == [2, 1, 3]
    assert found.ranks.friedman == pytest.approx(friedmanchisquare([3, 3, 2], [2, 2, 3], [1, 1, 1]).pvalue)
    # Against AdaGrad: all pairs won on two problems; on the third 0.61 > 0.55 alone of four.
    np.testing.assert_allclose(found.table["probability_of_improvement"], [np.nan, (1 + 1 + 0.25) / 3, 1.0])


def test_profiles_count_updates_to_the_middle_target(reports):
    """The fastest of a repeat has τ = 1; one that diverged never reaches the target, nor does a repeat in which nobody does."""
    found = ranking.rank_optimizers([report.results(study) for study, report in reports])
    assert found.timed == 3
    # Adam is the first in both repeats of two problems; of the third, where medians 0.555 and 0.6 set 0.5775, in one of two.
    assert found.profiles.share[0][0] == pytest.approx(5 / 6)
    costs = ranking._costs([report for _, report in reports], found.labels)
    assert costs.shape == (3, 2, 3)
    assert np.isinf(costs[2, :, 2]).all()


def test_no_standing_without_two_problems_and_three_optimizers(reports):
    """One part, or two shared optimizers, give no ranks."""
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


def test_no_profiles_without_a_repeat_of_all(reports):
    """Where every optimizer has repeats of its own there is no fastest of a repeat; a part that has one is profiled alone."""
    apart = []
    for study, report in reports:
        shift = report.times["label"].map({"Adam": 0, "AdaGrad": 10, "MBSGD": 20})
        times = report.times.assign(repeat=report.times["repeat"] + shift)
        apart.append((study, dataclasses.replace(report, times=times)))
    assert ranking.rank_optimizers([report.results(study) for study, report in apart]).profiles is None
    assert ranking.rank_optimizers([report.results(study) for study, report in [*apart[:2], reports[2]]]).timed == 1
