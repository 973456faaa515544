"""Tests of `reports.analysis.verdicts`."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from reports.analysis import verdicts
from reports.analysis.verdicts import (
    ABOVE,
    BELOW,
    BETTER,
    BETTER_WORSE_MEAN,
    OPPOSITE,
    TIED,
    UNDECIDED,
    WORSE,
    WORSE_BETTER_MEAN,
)
from reports.frames.scores import final
from reports.frames.study_frames import load
from suite.transfer import archive


def table(n=10, seed=0, **means) -> pd.DataFrame:
    """Return normal scores with a standard deviation of 0.01."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({label: rng.normal(mean, 0.01, n) for label, mean in means.items()})


def compare(frame, **keys):
    """Compare with the settings of a study of test accuracy."""
    return verdicts.compare(frame, **({"score": "test/accuracy", "higher": True, "margin": 0.002} | keys))


def test_verdicts_go_both_ways() -> None:
    """The best is better than the worst, the worst worse than the best; reversed if lower is better."""
    frame = table(good=0.9, bad=0.8)
    comparison = compare(frame)
    assert (comparison.verdict("good", "bad"), comparison.verdict("bad", "good")) == ("better", "worse")
    assert list(comparison.means) == ["good", "bad"]
    assert comparison.leaders == ("good",)
    assert comparison.letters == {"good": "a", "bad": "b"}
    turned = compare(frame, higher=False)
    assert turned.verdict("bad", "good") == "better"
    assert list(turned.means) == ["bad", "good"]
    assert turned.pairs["superiority"].tolist() == [1.0]


def test_a_significant_difference_inside_the_margin_is_a_tie() -> None:
    """Every run of A is 0.0005 to 0.0015 above every run of B: p = 2/256, but within ±0.002: tied; with margin 0 better."""
    steps = np.linspace(0.0, 0.0005, 8)
    frame = pd.DataFrame({"A": 0.901 + steps, "B": 0.9 + steps[::-1]})
    comparison = compare(frame)
    assert comparison.verdict("A", "B") == "tied"
    assert comparison.pairs["adjusted_p"].tolist() == [2 / 256]
    assert comparison.leaders == ("A", "B")
    assert comparison.tiers == [["A", "B"]]
    assert compare(frame, margin=0.0).verdict("A", "B") == "better"
    assert compare(frame, margin=0.0).leaders == ("A",)


def test_a_tie_needs_the_simultaneous_interval_inside_the_margin() -> None:
    """The smallest margin that ties is the bound of the interval that is farther from 0."""
    frame = table(n=12, A=0.9, B=0.899)
    (pair,) = compare(frame, margin=0.0).pairs.to_dict("records")
    bound = max(-pair["simultaneous_low"], pair["simultaneous_high"])
    assert bound > abs(pair["shift"])
    verdicts_at = [compare(frame, margin=bound * factor).verdict("A", "B") for factor in (1 - 1e-9, 1.0, 1 + 1e-9)]
    assert verdicts_at == [UNDECIDED, UNDECIDED, TIED]


def test_below_six_repeats_there_is_no_verdict_whatever_the_difference() -> None:
    """Five repeats are undecided and need six; six give a verdict."""
    frame = table(n=6, A=0.9, B=0.1)
    few, enough = compare(frame.iloc[:5]), compare(frame)
    assert few.pairs["verdict"].tolist() == ["undecided"]
    assert (few.has_verdicts, few.min_repeats) == (False, 6)
    assert compare(frame.iloc[:5], margin=10.0).pairs["verdict"].tolist() == ["undecided"]
    assert compare(frame.iloc[:5], paired=False).pairs["verdict"].tolist() == ["undecided"]
    assert compare(frame.iloc[:5], test="bootstrap-t").pairs["verdict"].tolist() == ["undecided"]
    assert enough.has_verdicts
    assert enough.verdict("A", "B") == "better"


def test_leaders_and_tiers_agree() -> None:
    """Two labels near the top are leaders, and one far below is none."""
    comparison = compare(table(A=0.9, B=0.901, C=0.7))
    assert set(comparison.leaders) == {"A", "B"}
    assert comparison.leaders[0] == next(iter(comparison.means))
    assert [set(tier) for tier in comparison.tiers] == [{"A", "B"}, {"C"}]
    assert comparison.repeats_to_separate_top_two > 10
    assert comparison.minimum_detectable_difference == pytest.approx(
        comparison.pairs["minimum_detectable_difference"].median()
    )


def test_pairs_differ_if_and_only_if_they_share_no_tier() -> None:
    """Tiers, letters and verdicts never contradict each other."""
    comparison = compare(table(seed=2, A=0.9, B=0.892, C=0.884, D=0.876, E=0.868))
    for one, other in itertools.combinations(comparison.means, 2):
        together = any(one in tier and other in tier for tier in comparison.tiers)
        assert together == (comparison.verdict(one, other) in {"tied", "undecided"})
    assert len(comparison.tiers) > 1


def test_an_optimizer_without_two_runs_is_excluded() -> None:
    """It has no mean, no pair and no tier; a missing repeat of another label reduces the n of its pairs."""
    frame = table(A=0.9, B=0.8, C=0.7).assign(lost=np.nan)
    frame.loc[0, "lost"] = 0.99
    frame.loc[3, "C"] = np.nan
    comparison = compare(frame)
    assert comparison.excluded == {"lost": 1}
    assert set(comparison.means) == {"A", "B", "C"}
    assert comparison.pair("C", "A")["n"] == 9
    assert comparison.pair("A", "B")["n"] == 10
    assert comparison.n == {"A": 10, "B": 10, "C": 9}


def test_an_optimizer_with_few_runs_is_excluded() -> None:
    """A label with two runs of ten is excluded, and the others have the verdicts that they have without it."""
    frame = table(A=0.9, B=0.902, C=0.914)
    few = frame.assign(D=np.where(np.arange(10) < 2, [0.95, 0.9512] * 5, np.nan))
    comparison, alone = compare(few), compare(frame)
    assert comparison.excluded == {"D": 2}
    assert comparison.pairs.equals(alone.pairs)
    assert (comparison.leaders, comparison.minimum_detectable_difference) == (
        alone.leaders,
        alone.minimum_detectable_difference,
    )
    assert compare(few[:3]).excluded == {}


def test_a_pair_that_shares_few_repeats_is_outside_the_family() -> None:
    """It has a t interval and P(better), but no p, no simultaneous interval and no verdict; the other pairs keep theirs."""
    frame = table(seed=3, A=0.9, B=0.91, C=0.92)
    frame.loc[:3, "A"] = np.nan
    frame.loc[7:, "C"] = np.nan
    comparison = compare(frame)
    pair = comparison.pair("A", "C")
    assert (pair["n"], pair["verdict"]) == (3, "undecided")
    bounds = [f"{name}_{end}" for name in ("simultaneous", "superiority") for end in ("low", "high")]
    assert pair[["p", "adjusted_p", *bounds]].isna().all()
    assert np.isfinite(pair[["difference", "low", "high", "shift", "superiority"]].to_numpy(dtype=float)).all()
    rest = comparison.pairs[comparison.pairs["n"] >= 6]
    assert np.isfinite(rest[["p", "adjusted_p", *bounds]].to_numpy(dtype=float)).all()


def test_six_repeats_can_have_an_interval_without_a_bound() -> None:
    """A is better with p = 2/64, and the runs of A rise where those of B fall: no larger shift is rejected."""
    steps = np.linspace(0.0, 0.1, 6)
    (pair,) = compare(pd.DataFrame({"A": 0.7 + steps, "B": 0.5 + steps[::-1]})).pairs.to_dict("records")
    assert (pair["adjusted_p"], pair["verdict"], pair["complete"]) == (2 / 64, BETTER, True)
    assert 0 < pair["simultaneous_low"] < pair["shift"] < pair["simultaneous_high"] == math.inf


def test_planned_repeats_without_scores_change_nothing() -> None:
    """Rows of trials that have not run change neither intervals nor permutations."""
    for n in (3, 10):
        frame = table(n=n, A=0.9, B=0.91, C=0.92)
        planned = pd.concat([frame, pd.DataFrame(np.nan, index=range(n, 30), columns=frame.columns)])
        pd.testing.assert_frame_equal(compare(planned).pairs, compare(frame).pairs)
        assert compare(planned).exact


def test_no_label_is_significantly_better_than_the_first() -> None:
    """A mean over other repeats may be the highest; the verdict uses the shared repeats."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.9, 0.01, 10)
    frame = pd.DataFrame({"A": base, "B": base + 0.05 + rng.normal(0, 1e-4, 10)})
    frame.loc[6:, "A"] = np.nan
    frame.loc[6:, "B"] = 0.1
    comparison = compare(frame)
    assert frame["A"].mean() > frame["B"].mean()
    assert list(comparison.means) == ["B", "A"]
    assert comparison.leaders == ("B",)
    assert comparison.verdict("B", "A") == "better"


def test_a_family_of_one_or_none_has_no_pairs() -> None:
    """A single optimizer is the best; neither family has verdicts."""
    one, none = compare(table(A=0.9)), compare(pd.DataFrame())
    assert one.leaders == ("A",)
    assert (len(one.pairs), one.has_verdicts, one.exact) == (0, False, True)
    assert none.leaders == ()
    assert math.isnan(none.minimum_detectable_difference)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("test", ["rank", "bootstrap-t"])
def test_random_permutations_and_resamples_are_reproducible(test, paired) -> None:
    """20 repeats have random patterns, `exact` is False, and two calls are bit-for-bit identical; another seed is not."""
    frame = table(n=20, A=0.9, B=0.893, C=0.89)
    one, two = compare(frame, test=test, paired=paired), compare(frame, test=test, paired=paired)
    assert not one.exact
    assert one.pairs.equals(two.pairs)
    other = compare(frame, test=test, paired=paired, rng=np.random.default_rng(1))
    assert (other.pairs["p"] != one.pairs["p"]).any()


def test_an_unknown_pair_is_an_error() -> None:
    """There is no verdict for an unknown label, or for a label and itself."""
    comparison = compare(table(A=0.9, B=0.8))
    with pytest.raises(KeyError):
        comparison.verdict("A", "C")
    with pytest.raises(KeyError):
        comparison.verdict("A", "A")


def known(comparison, one, other):
    """Return P(better), p and verdict of a pair, as seen from `one`."""
    pair = comparison.pair(one, other)
    share = pair["superiority"] if pair["first"] == one else 1 - pair["superiority"]
    return share, pair["adjusted_p"], comparison.verdict(one, other)


def test_scores_have_a_column_per_label_and_lost_runs_are_the_worst() -> None:
    """Columns are in the order of the plan; no run is NaN; a run that did not end ok is −∞, or ∞ if lower is better."""
    outcomes = {"B": ["ok", "diverged", "stalled", "failed"], "A": ["ok", "ok", "missing", "diverged"]}
    rows = [
        {"label": label, "repeat": repeat, "outcome": outcome, "test/accuracy": repeat / 10, "test/loss": repeat / 10}
        for label, all_outcomes in outcomes.items()
        for repeat, outcome in enumerate(all_outcomes)
    ]
    scores = pd.DataFrame(rows)
    scores.loc[scores["outcome"] == "missing", ["test/accuracy", "test/loss"]] = np.nan
    for score, worst in (("test/accuracy", -math.inf), ("test/loss", math.inf)):
        found = verdicts.wide(scores, score, ["B", "A", "C"])
        assert list(found.columns) == ["B", "A", "C"]
        assert found["B"].tolist() == [0.0, worst, worst, worst]
        assert found["A"].tolist()[:2] == [0.0, 0.1]
        assert math.isnan(found["A"][2])
        assert found["A"][3] == worst
        assert found["C"].isna().all()


def test_a_run_that_fails_is_worse_than_all_others() -> None:
    """A fails in 12 of 20 runs and is above B otherwise: P(A > B) = 8/20, A is not better, and B is first."""
    frame = table(n=20, A=0.9, B=0.85)
    frame.loc[:11, "A"] = -math.inf
    assert frame["A"][12:].min() > frame["B"].max()
    comparison = compare(frame)
    share, p, verdict = known(comparison, "A", "B")
    assert share == pytest.approx(0.40, abs=1e-12)
    assert p > 0.05
    assert verdict == UNDECIDED
    assert comparison.means["A"] > comparison.means["B"], "the mean is over the runs that ended ok"
    assert list(comparison.means) == ["B", "A"]
    assert comparison.n == {"A": 20, "B": 20}
    pair = comparison.pairs.iloc[0]
    assert (pair["difference"] < 0, pair["complete"]) == (True, False)
    assert pair["shift"] == math.inf
    assert pair["simultaneous_low"] < 0 < pair["simultaneous_high"]
    frame.loc[:17, "A"] = -math.inf
    assert known(compare(frame), "A", "B")[2] == WORSE, (
        "18 of 20 failed: the mean of a pair with failed runs does not count"
    )


def test_interval_and_verdict_agree() -> None:
    """Seed 28 with six repeats of three optimizers is the case in which step-down test and interval once disagreed."""
    frame = pd.DataFrame(np.random.default_rng(28).normal(size=(6, 3)), columns=list("ABC"))
    for paired in (True, False):
        _check_agreement(compare(frame, margin=0.0, paired=paired))


def _check_agreement(comparison):
    """Check that the simultaneous intervals exclude 0 and P(better) = ½ if and only if the difference is significant."""
    alpha = 1 - comparison.level
    for pair in comparison.pairs.to_dict("records"):
        significant = pair["adjusted_p"] <= alpha
        side = np.sign(pair["superiority"] - 0.5) * (1 if comparison.higher else -1)
        assert ((pair["simultaneous_low"] > 0) or (pair["simultaneous_high"] < 0)) == significant, pair
        assert ((pair["superiority_low"] > 0.5) or (pair["superiority_high"] < 0.5)) == significant, pair
        assert pair["superiority_low"] <= pair["superiority"] <= pair["superiority_high"]
        if not math.isnan(pair["shift"]):
            assert pair["simultaneous_low"] <= pair["shift"] <= pair["simultaneous_high"], pair
        if significant:
            assert (pair["simultaneous_low"] > 0) == (side > 0)
            assert pair["verdict"] in (ABOVE if pair["superiority"] > 0.5 else BELOW) | {TIED}
        else:
            assert pair["verdict"] in {TIED, UNDECIDED}


def random_study(seed):
    """Return random scores of three to five optimizers; one has a wide spread, and some have bad, failed or missing runs."""
    rng = np.random.default_rng(seed)
    k, n = int(rng.integers(3, 6)), int(rng.integers(6, 13))
    scores = rng.normal(rng.normal(0, 1.5, k), 1.0, (n, k)) + rng.normal(size=(n, 1))
    scores[:, 0] = rng.normal(rng.normal(0, 1.5), 8.0, n)
    draw = rng.random((n, k)) if seed % 2 else np.ones((n, k))
    scores = np.where(draw < 0.05, scores - 20, np.where(draw < 0.12, -np.inf, scores))
    scores[draw > 0.97 if seed % 4 == 3 else np.zeros((n, k), dtype=bool)] = np.nan
    return pd.DataFrame(scores, columns=list("ABCDE")[:k])


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("seed", range(24))
def test_no_leader_is_beaten_and_every_other_label_is(seed, paired) -> None:
    """With one optimizer of wide spread, among others: leaders, order, intervals and verdicts never contradict each other."""
    comparison = compare(random_study(seed), margin=0.0, paired=paired)
    labels = list(comparison.means)
    beaten = {one for one in labels if any(comparison.verdict(one, other) in BELOW for other in labels if other != one)}
    assert beaten != set(labels), "a cycle is improbable here"
    assert set(comparison.leaders) == set(labels) - beaten
    assert comparison.leaders[0] == labels[0]
    assert list(comparison.leaders) == [label for label in labels if label in comparison.leaders]
    assert {label for label in labels if all(label not in tier for tier in comparison.tiers)} == set()
    _check_agreement(comparison)


def cycle(n=100):
    """Return scores with P(A > B) = P(C > A) = 0.62 and P(B > C) = 0.62: A is 3; B is 5 or 2; C is 1 or 4."""
    rare = np.arange(n) < round(0.38 * n)
    return pd.DataFrame(
        {"A": 3.0, "B": np.where(rare, 5.0, 2.0), "C": np.random.default_rng(0).permutation(np.where(rare, 1.0, 4.0))}
    )


@pytest.mark.parametrize("paired", [True, False])
def test_in_a_cycle_the_best_mean_is_the_only_leader(paired) -> None:
    """A is above B, B above C, and C above A: every label is beaten, so the best mean stands for the best."""
    frame = cycle()
    comparison = compare(frame, margin=0.0, paired=paired)
    for one, other in ("AB", "BC", "CA"):
        assert known(comparison, one, other)[0] == pytest.approx(0.62, abs=0.01)
        assert comparison.verdict(one, other) in ABOVE
    assert comparison.leaders == ("B",)
    assert list(comparison.means) == ["B", "A", "C"]
    assert frame.mean().idxmax() == "B"
    assert comparison.tiers == [["B"], ["A"], ["C"]]


@pytest.mark.parametrize("bad", [1, 2])
@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("paired", [True, False])
def test_a_few_very_bad_runs_do_not_turn_the_verdict(bad, higher, paired) -> None:
    """A is above B except in one or two very bad runs, which make its mean the worse one."""
    sign = 1 if higher else -1
    frame = table(n=12, A=0.9, B=0.85)
    frame.loc[: bad - 1, "A"] = 0.1
    comparison = compare(sign * frame, higher=higher, margin=0.0, paired=paired)
    assert comparison.verdict("A", "B") == BETTER_WORSE_MEAN == "usually better, worse mean"
    assert comparison.verdict("B", "A") == WORSE_BETTER_MEAN == "usually worse, better mean"
    assert known(comparison, "A", "B")[0] == pytest.approx(1 - bad / 12)
    assert sign * comparison.means["A"] < sign * comparison.means["B"]
    assert comparison.leaders == ("A",)
    assert list(comparison.means) == ["A", "B"], "a label that is beaten is not first"
    assert comparison.tiers == [["A"], ["B"]]
    pair = comparison.pair("A", "B")
    assert (sign * pair["difference"] < 0, sign * pair["shift"] > 0) == (True, True)
    means = compare(sign * frame, higher=higher, margin=0.0, paired=paired, test="bootstrap-t")
    assert means.verdict("A", "B") in {WORSE, UNDECIDED}, "the test of means does not go against the means"


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("base", [101, 171, 281, 343])
def test_rounding_does_not_decide_which_mean_is_better(base, paired) -> None:
    """A has one image more than B in nine repeats and nine fewer in the tenth: the means are equal, whatever the rounding."""
    frame = pd.DataFrame({"A": (base + np.r_[-9, [1] * 9]) / 1000, "B": base / 1000})
    for sign in (1, -1):
        comparison = compare(sign * frame, higher=sign > 0, margin=0.0, paired=paired)
        assert comparison.verdict("A", "B") == BETTER


def test_the_test_of_means_has_no_verdict_against_the_means() -> None:
    """`bootstrap-t` tests the mean difference, which is then the shift; its intervals agree with its verdicts."""
    for seed in range(12):
        frame = random_study(2 * seed)  # without failed runs
        for paired in (True, False):
            comparison = compare(frame, margin=0.0, test="bootstrap-t", paired=paired)
            pairs = comparison.pairs
            assert pairs["shift"].to_numpy() == pytest.approx(pairs["difference"].to_numpy(), rel=1e-9)
            assert set(pairs["verdict"]) <= {BETTER, WORSE, UNDECIDED}
            excluded = (pairs["simultaneous_low"] > 0) | (pairs["simultaneous_high"] < 0)
            assert (excluded == (pairs["adjusted_p"] <= 0.05)).all()
            assert (excluded == pairs["verdict"].isin({BETTER, WORSE})).all()


def test_the_test_of_means_leaves_out_pairs_with_a_failed_run() -> None:
    """A failed run has no score, so the mean of its pairs is not tested; the other pair keeps its verdict."""
    frame = table(A=0.9, B=0.8, C=0.7)
    frame.loc[4, "B"] = -math.inf
    comparison = compare(frame, test="bootstrap-t")
    for other in "AC":
        pair = comparison.pair("B", other)
        assert pair[["p", "adjusted_p", "simultaneous_low", "simultaneous_high"]].isna().all()
        assert (pair["n"], pair["verdict"], pair["complete"]) == (10, UNDECIDED, False)
    assert comparison.verdict("A", "C") == BETTER


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("paired", [True, False])
def test_an_optimizer_that_lost_all_runs_is_worse(higher, paired) -> None:
    """It is compared, beaten by every other one, has no mean and is last; two of them are tied in rank and undecided."""
    sign = 1 if higher else -1
    frame = sign * table(A=0.9, B=0.898).assign(lost=-math.inf, gone=-math.inf)
    comparison = compare(frame, higher=higher, paired=paired)
    for label in ("lost", "gone"):
        for other in ("A", "B"):
            share, p, verdict = known(comparison, label, other)
            assert (share, verdict) == (0.0, WORSE)
            assert p <= 0.05
            pair = comparison.pair(label, other)
            assert pair["shift"] == pair["simultaneous_high" if sign > 0 else "simultaneous_low"] == sign * math.inf
            assert math.isnan(pair["difference"])
        assert math.isnan(comparison.means[label])
    assert known(comparison, "lost", "gone") == (0.5, 1.0, UNDECIDED)
    assert list(comparison.means)[2:] == ["lost", "gone"]
    assert set(comparison.leaders) == {"A", "B"}
    assert comparison.excluded == {}


def test_without_any_ok_run_nothing_is_compared() -> None:
    """All runs of all optimizers are lost: no mean, no pair, no leader."""
    comparison = compare(pd.DataFrame({"A": [-math.inf] * 8, "B": [-math.inf] * 8}))
    assert (comparison.means, comparison.leaders, len(comparison.pairs)) == ({}, (), 0)
    assert comparison.excluded == {"A": 8, "B": 8}
    assert not comparison.has_verdicts


@pytest.mark.parametrize("test", ["rank", "bootstrap-t"])
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 7])
def test_mirrored_scores_have_mirrored_results(seed, paired, test) -> None:
    """A score and its negative with the other direction: equal shares, p and verdicts; differences change their sign."""
    frame = random_study(seed)
    one = compare(frame, margin=0.5, paired=paired, test=test)
    two = compare(-frame, margin=0.5, paired=paired, test=test, higher=False)
    same = ["first", "second", "n", "superiority", "superiority_low", "superiority_high", "p", "adjusted_p"]
    same += ["minimum_detectable_difference", "variance_reduction", "complete", "verdict"]
    pd.testing.assert_frame_equal(one.pairs[same], two.pairs[same], check_exact=True)
    for column in ("difference", "shift", "effect"):
        np.testing.assert_array_equal(one.pairs[column], -two.pairs[column])
    for low, high in (("low", "high"), ("simultaneous_low", "simultaneous_high")):
        np.testing.assert_array_equal(one.pairs[low], -two.pairs[high])
        np.testing.assert_array_equal(one.pairs[high], -two.pairs[low])
    np.testing.assert_array_equal(list(one.means.values()), [-mean for mean in two.means.values()])
    assert list(one.means) == list(two.means)
    assert (one.leaders, one.tiers, one.letters, one.n) == (two.leaders, two.tiers, two.letters, two.n)


@pytest.mark.parametrize("seed", range(8))
def test_a_score_with_the_other_direction_has_the_opposite_verdicts(seed) -> None:
    """If lower is better instead, each verdict becomes its opposite; a failed run would not, because it is always the worst."""
    frame = random_study(2 * seed)
    one, two = compare(frame, margin=0.0), compare(frame, margin=0.0, higher=False)
    for label, other in itertools.combinations(frame.columns, 2):
        verdict = one.verdict(label, other)
        assert two.verdict(label, other) == OPPOSITE.get(verdict, verdict)
        assert one.pair(label, other)["adjusted_p"] == two.pair(label, other)["adjusted_p"]


def test_the_order_of_the_columns_does_not_matter() -> None:
    """The same runs in another order of the optimizers have the same verdicts, paired or not."""
    for paired in (True, False):
        frame = random_study(3)
        one, two = (compare(each, margin=0.0, paired=paired) for each in (frame, frame[frame.columns[::-1]]))
        pd.testing.assert_frame_equal(one.pairs, two.pairs, check_exact=True)


def test_every_order_of_optimizers_has_the_same_permutations() -> None:
    """The best mean has a failed run and is therefore not first: the p-values are those of the order by means."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({label: rng.normal(mean, 0.01, 12) for label, mean in (("A", 0.9), ("B", 0.895), ("C", 0.89))})
    frame.loc[0, "A"] = -math.inf
    comparison = compare(frame, margin=0.0, paired=False)
    assert frame["A"][1:].mean() > frame["B"].mean()
    assert next(iter(comparison.means)) != "A"
    tests = verdicts.pairwise_tests.compare(
        frame[["A", "B", "C"]].to_numpy(), np.random.default_rng(verdicts.SEED), paired=False
    )
    for one, other, p in zip(tests.first, tests.second, tests.adjusted_p, strict=True):
        assert comparison.pair("ABC"[one], "ABC"[other])["adjusted_p"] == p


@pytest.fixture(scope="module")
def paper():
    """Return the comparison of the shipped run of the paper's study, as its report has it."""
    shipped = archive.read(archive.baselines()["paper"])
    frames = load(shipped, shipped.trials)
    score = shipped.study.score
    wide = verdicts.wide(final(frames, [score]), score, frames.labels)
    return verdicts.compare(wide, score=score, higher=True, margin=shipped.study.margin)


def test_the_shipped_run_of_the_paper(paper) -> None:
    """Ten repeats of twelve optimizers: some known verdicts and adjusted p-values."""
    for label in ("Momentum", "NAG", "Adam", "AdaMax"):
        assert paper.verdict(label, "MBSGD") in ABOVE, label
    assert known(paper, "AdaGrad", "MBSGD")[1:] == (pytest.approx(0.0527, abs=5e-5), UNDECIDED)
    share, p, verdict = known(paper, "Adam", "NAdam (as printed)")
    assert share > 0.5
    assert p == pytest.approx(0.0391, abs=5e-5)
    assert verdict in ABOVE
    _check_agreement(paper)
