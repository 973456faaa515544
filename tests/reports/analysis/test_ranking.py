"""Tests of `reports.analysis.ranking`."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from reports.analysis import ranking


def problem(name, runs, *, metric="test/accuracy", imported=False):
    """Return the results on a problem from scores by label; a text is the outcome of a run without a score."""
    rows = [
        {"label": label, "repeat": repeat, "outcome": run if isinstance(run, str) else "ok"}
        | {metric: math.nan if isinstance(run, str) else run}
        for label, scores in runs.items()
        for repeat, run in enumerate(scores)
    ]
    scores = pd.DataFrame(rows)
    grouped = scores.groupby("label", sort=False)
    estimates = pd.DataFrame({metric: grouped[metric].mean(), "ok": grouped[metric].count(), "run": grouped.size()})
    frames = SimpleNamespace(on_surfaces=False, imported=imported, labels=tuple(runs))
    study = SimpleNamespace(score=metric, part=name)
    return ranking.ProblemResults(study, frames, scores, estimates.reset_index(), None)


def runs(seed, n=6, **means):
    """Return normal scores with these means."""
    rng = np.random.default_rng(seed)
    return {label: list(rng.normal(mean, 1.0, n)) for label, mean in means.items()}


def test_ranks_over_problems(reports):
    """P(better) by hand; the optimizer that diverged is the worst on its problem; two repeats are too few for a test."""
    result = ranking.rank_optimizers([report.results(study) for study, report in reports])
    assert result.labels == ("Adam", "AdaGrad", "MBSGD")
    # Adam against AdaGrad: all pairs of runs won on two problems; on the third 0.61 > 0.55 alone of four.
    np.testing.assert_allclose(result.pairs["superiority"], [0.75, 1, 1])
    np.testing.assert_allclose(result.table["superiority"], [0.875, 0.625, 0])
    np.testing.assert_allclose(result.table["best_superiority"], [np.nan, 0.75, 1.0])
    assert list(result.table["rank_odd"]) == [2, 1, 3]
    assert list(result.table["ok_odd"]) == [2, 2, 0]
    assert not result.tested
    assert set(result.pairs["verdict"]) == {"undecided"}


def test_two_optimizers_and_two_problems_are_ranked():
    """P(better) of the first against the second, with the direction of the metric, its verdict and its interval."""
    high = runs(0, A=0.0, B=5.0)
    low = {label: [-score for score in scores] for label, scores in high.items()}
    result = ranking.rank_optimizers([problem("one", high), problem("two", low, metric="test/loss")])
    assert result.labels == ("B", "A")
    pair = result.pairs.iloc[0]
    assert (pair["first"], pair["verdict"], pair["n"]) == ("B", "better", 6)
    assert pair["superiority_one"] == pair["superiority_two"] == pair["superiority"]
    assert 0.5 < pair["superiority_low"] < pair["superiority"] <= pair["superiority_high"] <= 1
    assert list(result.table["letters"]) == ["a", "b"]
    assert result.paired == ("one", "two")


def test_a_bad_run_moves_the_mean_but_not_the_ranking():
    """A is above B by P(better), although one run of A ends so low that B has the better mean on both problems."""
    scores = [runs(seed, n=10, A=3.0, B=0.0, C=-3.0) for seed in (1, 2)]
    for table in scores:
        table["A"][4] = -100.0
        assert np.mean(table["A"]) < np.mean(table["B"])
    result = ranking.rank_optimizers([problem(str(number), table) for number, table in enumerate(scores)])
    assert result.labels == ("A", "B", "C")
    assert result.pairs["verdict"].iloc[0] == "better"


@pytest.mark.parametrize("outcome", ["diverged", "stalled", "failed"])
def test_a_run_that_was_lost_counts_as_the_worst(outcome):
    """A has the best completed runs, but half of its runs are lost, so that B is above it."""
    table = {"A": [9.0, 9.1, outcome, outcome, outcome, outcome], "B": [5.0, 5.1, 5.2, 5.3, 5.4, 5.5]}
    result = ranking.rank_optimizers([problem("one", table), problem("two", table)])
    assert result.labels == ("B", "A")
    assert result.pairs["superiority"].tolist() == [pytest.approx(4 / 6)]
    assert result.table["ok_one"].tolist() == [6, 2]


def test_an_optimizer_without_a_run_on_a_problem_is_not_ranked():
    """A run that was not made is no result; only labels with a run on every problem are ranked."""
    one, two = runs(3, A=0.0, B=1.0, C=2.0), runs(4, A=0.0, B=1.0, C=2.0)
    two["C"] = [""] * 6
    assert ranking.rank_optimizers([problem("one", one), problem("two", two)]).labels == ("B", "A")
    del two["B"]
    assert ranking.rank_optimizers([problem("one", one), problem("two", two)]) is None
    assert ranking.rank_optimizers([problem("one", one)]) is None


def test_imported_and_unshared_repeats_are_compared_as_independent_runs():
    """A part with third-party results, or with optimizers that share fewer than three repeats, is not paired."""
    table, unshared = runs(5, n=8, A=0.0, B=4.0), runs(6, n=8, A=0.0, B=4.0)
    unshared["A"] = [*unshared["A"][:5], *[""] * 3]
    unshared["B"] = [*[""] * 3, *unshared["B"][3:]]
    result = ranking.rank_optimizers(
        [problem("own", table), problem("imported", table, imported=True), problem("unshared", unshared)]
    )
    assert result.paired == ("own",)
    assert result.pairs["n"].tolist() == [5]
    assert result.pairs["verdict"].tolist() == ["better"]


def test_unequal_numbers_of_repeats():
    """The number of a pair is the smallest over the problems; a label with two runs on a problem is not tested."""
    one, two = runs(7, n=8, A=0.0, B=9.0, C=18.0), runs(8, n=8, A=0.0, B=9.0, C=18.0)
    one["B"], two["A"] = one["B"][:6], two["A"][:3]
    result = ranking.rank_optimizers([problem("one", one), problem("two", two)])
    assert result.pairs[["first", "second", "n"]].to_numpy().tolist() == [["C", "B", 6], ["C", "A", 3], ["B", "A", 3]]
    assert set(result.pairs["verdict"]) == {"better"}
    two["A"] = two["A"][:2]
    result = ranking.rank_optimizers([problem("one", one), problem("two", two)])
    assert result.pairs["verdict"].tolist() == ["better", "undecided", "undecided"]


def test_critical_differences_need_a_request_or_ten_problems_and_three_optimizers():
    """The mean ranks are those of P(better) on each problem."""
    problems = [problem(str(seed), runs(seed, n=3, A=0.0, B=9.0, C=18.0)) for seed in range(10)]
    assert ranking.rank_optimizers(problems[:9]).critical is None
    requested = ranking.rank_optimizers(problems[:9], critical_difference=True)
    assert (requested.critical.problems, requested.critical.mean.tolist()) == (9, [1.0, 2.0, 3.0])
    ranks = ranking.rank_optimizers(problems).critical
    assert ranks.mean.tolist() == [1.0, 2.0, 3.0]
    assert ranks.problems == 10
    two = [problem(str(seed), runs(seed, n=3, A=0.0, B=9.0)) for seed in range(10)]
    assert ranking.rank_optimizers(two).critical is None


def test_profiles_count_updates_to_the_middle_target(reports):
    """The fastest optimizer of a repeat has τ = 1; a diverged one never reaches the target."""
    result = ranking.rank_optimizers([report.results(study) for study, report in reports])
    assert result.timed == 3
    # Adam is the first in both repeats of two problems; of the third, where medians 0.555 and 0.6 set 0.5775, in one of two.
    assert result.profiles.share[0][0] == pytest.approx(5 / 6)
    costs = ranking._costs([report for _, report in reports], result.labels)
    assert costs.shape == (3, 2, 3)
    assert np.isinf(costs[2, :, 2]).all()


def test_no_profiles_without_a_repeat_that_all_optimizers_ran(reports):
    """If optimizers share no repeat there are no profiles; only a part with a shared repeat is profiled."""
    unshared = []
    for study, report in reports:
        shift = report.times["label"].map({"Adam": 0, "AdaGrad": 10, "MBSGD": 20})
        times = report.times.assign(repeat=report.times["repeat"] + shift)
        unshared.append((study, dataclasses.replace(report, times=times)))
    assert ranking.rank_optimizers([report.results(study) for study, report in unshared]).profiles is None
    assert ranking.rank_optimizers([report.results(study) for study, report in [*unshared[:2], reports[2]]]).timed == 1
