"""Tests of `reports.analysis.verdicts`."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from reports.analysis import verdicts


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
    assert comparison.not_significantly_worse == ("good",)
    assert comparison.letters == {"good": "a", "bad": "b"}
    turned = compare(frame, higher=False)
    assert turned.verdict("bad", "good") == "better"
    assert list(turned.means) == ["bad", "good"]
    assert turned.pairs["superiority"].tolist() == [1.0]


def test_a_significant_difference_inside_the_margin_is_a_tie() -> None:
    """A shift of 0.001 in every repeat has p = 2/64 and an interval within ±0.002: tied; with margin 0 it is better."""
    base = np.random.default_rng(1).normal(0.9, 0.01, 6)
    frame = pd.DataFrame({"A": base + 0.001 + np.array([1, -1, 2, -2, 3, -3]) * 1e-6, "B": base})
    comparison = compare(frame)
    assert comparison.verdict("A", "B") == "tied"
    assert comparison.pairs["adjusted_p"].tolist() == [2 / 64]
    assert comparison.not_significantly_worse == ("A", "B")
    assert comparison.tiers == [["A", "B"]]
    assert compare(frame, margin=0.0).verdict("A", "B") == "better"


def test_below_six_repeats_there_is_no_verdict_whatever_the_difference() -> None:
    """Five repeats are undecided and need six; six give a verdict."""
    frame = table(n=6, A=0.9, B=0.1)
    few, enough = compare(frame.iloc[:5]), compare(frame)
    assert few.pairs["verdict"].tolist() == ["undecided"]
    assert (few.has_verdicts, few.min_repeats) == (False, 6)
    assert compare(frame.iloc[:5], margin=10.0).pairs["verdict"].tolist() == ["undecided"]
    assert compare(frame.iloc[:5], test="holm-t").pairs["verdict"].tolist() == ["undecided"]
    assert enough.has_verdicts
    assert enough.verdict("A", "B") == "better"


def test_labels_that_are_not_significantly_worse_than_the_best() -> None:
    """Two labels near the top and one far below: the tiers agree."""
    comparison = compare(table(A=0.9, B=0.901, C=0.7))
    assert set(comparison.not_significantly_worse) == {"A", "B"}
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


def test_an_optimizer_without_two_scores_is_excluded() -> None:
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


def test_an_optimizer_with_few_scores_is_excluded() -> None:
    """A label with two scores of ten is excluded, and the others have the verdicts that they have without it."""
    frame = table(A=0.9, B=0.902, C=0.914)
    few = frame.assign(D=np.where(np.arange(10) < 2, [0.95, 0.9512] * 5, np.nan))
    comparison, alone = compare(few), compare(frame)
    assert comparison.excluded == {"D": 2}
    assert comparison.pairs.equals(alone.pairs)
    assert (comparison.not_significantly_worse, comparison.minimum_detectable_difference) == (
        alone.not_significantly_worse,
        alone.minimum_detectable_difference,
    )
    assert compare(few[:3]).excluded == {}


def test_a_pair_that_shares_few_repeats_is_outside_the_family() -> None:
    """It has a t interval, no adjusted p and no verdict; the other pairs keep theirs."""
    frame = table(seed=3, A=0.9, B=0.91, C=0.92)
    frame.loc[:3, "A"] = np.nan
    frame.loc[7:, "C"] = np.nan
    comparison = compare(frame)
    pair = comparison.pair("A", "C")
    assert (pair["n"], pair["verdict"]) == (3, "undecided")
    assert np.isnan([pair["adjusted_p"], pair["simultaneous_low"], pair["simultaneous_high"]]).all()
    assert np.isfinite([pair["p"], pair["low"], pair["high"]]).all()
    rest = comparison.pairs[comparison.pairs["n"] >= 6]
    assert rest["adjusted_p"].notna().all()
    assert (rest["simultaneous_low"] < rest["low"]).all()


def test_planned_repeats_without_scores_change_nothing() -> None:
    """Rows of trials that have not run change neither intervals nor sign patterns."""
    for n in (3, 10):
        frame = table(n=n, A=0.9, B=0.91, C=0.92)
        planned = pd.concat([frame, pd.DataFrame(np.nan, index=range(n, 30), columns=frame.columns)])
        pd.testing.assert_frame_equal(compare(planned).pairs, compare(frame).pairs)
        assert compare(planned).exact


def test_no_label_is_significantly_better_than_the_first() -> None:
    """A mean over other repeats may be the highest; the verdict uses the shared repeats."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.9, 0.01, 10)
    frame = pd.DataFrame({"A": base, "B": base + 0.01 + rng.normal(0, 1e-4, 10)})
    frame.loc[6:, "A"] = np.nan
    frame.loc[6:, "B"] = 0.1
    comparison = compare(frame)
    assert frame["A"].mean() > frame["B"].mean()
    assert list(comparison.means) == ["B", "A"]
    assert comparison.not_significantly_worse == ("B",)
    assert comparison.verdict("B", "A") == "better"


def test_a_family_of_one_or_none_has_no_pairs() -> None:
    """A single optimizer is the best; neither family has verdicts."""
    one, none = compare(table(A=0.9)), compare(pd.DataFrame())
    assert one.not_significantly_worse == ("A",)
    assert (len(one.pairs), one.has_verdicts, one.exact) == (0, False, True)
    assert none.not_significantly_worse == ()
    assert math.isnan(none.minimum_detectable_difference)


def test_simultaneous_intervals_are_wider() -> None:
    """Both intervals contain the difference."""
    pairs = compare(table(A=0.9, B=0.89, C=0.88, D=0.87)).pairs
    assert (pairs["simultaneous_low"] < pairs["low"]).all()
    assert (pairs["simultaneous_high"] > pairs["high"]).all()
    assert ((pairs["low"] < pairs["difference"]) & (pairs["difference"] < pairs["high"])).all()


def test_scores_have_a_column_per_label() -> None:
    """Columns are in the order of the plan; a trial that did not end ok is NaN."""
    rows = [
        {"label": label, "repeat": repeat, "test/accuracy": value}
        for label, values in {"B": [0.1, np.nan], "A": [0.3, 0.4]}.items()
        for repeat, value in enumerate(values)
    ]
    comparison = verdicts.wide(pd.DataFrame(rows), "test/accuracy", ["B", "A", "C"])
    assert list(comparison.columns) == ["B", "A", "C"]
    assert comparison["A"].tolist() == [0.3, 0.4]
    assert np.isnan(comparison["B"][1])
    assert comparison["C"].isna().all()


def test_random_sign_flips_are_reproducible() -> None:
    """20 repeats have random patterns, `exact` is False, and two calls are bit-for-bit identical."""
    frame = table(n=20, A=0.9, B=0.893, C=0.89)
    one, two = compare(frame), compare(frame)
    assert not one.exact
    assert one.pairs.equals(two.pairs)


def test_an_unknown_pair_is_an_error() -> None:
    """There is no verdict for an unknown label, or for a label and itself."""
    comparison = compare(table(A=0.9, B=0.8))
    with pytest.raises(KeyError):
        comparison.verdict("A", "C")
    with pytest.raises(KeyError):
        comparison.verdict("A", "A")
