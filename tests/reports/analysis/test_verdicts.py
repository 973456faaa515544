"""Tests of `reports.analysis.verdicts`."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from reports.analysis import verdicts


def table(n=10, seed=0, **means) -> pd.DataFrame:
    """Normal scores with a spread of 0.01 around the means."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({label: rng.normal(mean, 0.01, n) for label, mean in means.items()})


def compare(frame, **keys):
    """With the settings of a study of test accuracy."""
    return verdicts.compare(frame, **({"score": "test/accuracy", "higher": True, "margin": 0.002} | keys))


def test_verdicts_go_both_ways() -> None:
    """The best is better than the worst, the worst worse than the best; where less is better, the other way round."""
    frame = table(good=0.9, bad=0.8)
    found = compare(frame)
    assert (found.verdict("good", "bad"), found.verdict("bad", "good")) == ("better", "worse")
    assert list(found.means) == ["good", "bad"]
    assert found.not_significantly_worse == ("good",)
    assert found.letters == {"good": "a", "bad": "b"}
    turned = compare(frame, higher=False)
    assert turned.verdict("bad", "good") == "better"
    assert list(turned.means) == ["bad", "good"]
    assert turned.pairs["superiority"].tolist() == [1.0]


def test_a_difference_inside_the_margin_is_a_tie_even_if_it_is_certain() -> None:
    """A shift of 0.001 in every repeat has p = 2/64 and an interval within ±0.002: tied; with margin 0 it is better."""
    base = np.random.default_rng(1).normal(0.9, 0.01, 6)
    frame = pd.DataFrame({"A": base + 0.001 + np.array([1, -1, 2, -2, 3, -3]) * 1e-6, "B": base})
    found = compare(frame)
    assert found.verdict("A", "B") == "tied"
    assert found.pairs["adjusted_p"].tolist() == [2 / 64]
    assert found.not_significantly_worse == ("A", "B")
    assert found.tiers == [["A", "B"]]
    assert compare(frame, margin=0.0).verdict("A", "B") == "better"


def test_below_six_repeats_there_is_no_verdict_whatever_the_difference() -> None:
    """Five repeats leave all undecided and say that six are needed; six speak."""
    frame = table(n=6, A=0.9, B=0.1)
    few, enough = compare(frame.iloc[:5]), compare(frame)
    assert few.pairs["verdict"].tolist() == ["undecided"]
    assert (few.has_verdicts, few.min_repeats) == (False, 6)
    assert compare(frame.iloc[:5], margin=10.0).pairs["verdict"].tolist() == ["undecided"]
    assert compare(frame.iloc[:5], test="holm-t").pairs["verdict"].tolist() == ["undecided"]
    assert enough.has_verdicts
    assert enough.verdict("A", "B") == "better"


def test_the_leaders_are_the_best_and_all_that_cannot_be_told_from_it() -> None:
    """Two near the top and one far below: the two lead, and the tiers say the same."""
    found = compare(table(A=0.9, B=0.901, C=0.7))
    assert set(found.not_significantly_worse) == {"A", "B"}
    assert [set(tier) for tier in found.tiers] == [{"A", "B"}, {"C"}]
    assert found.repeats_to_separate_top_two > 10
    assert found.minimum_detectable_difference == pytest.approx(found.pairs["minimum_detectable_difference"].median())


def test_pairs_are_told_apart_exactly_where_they_share_no_tier() -> None:
    """Tiers, letters and verdicts never contradict each other."""
    found = compare(table(seed=2, A=0.9, B=0.892, C=0.884, D=0.876, E=0.868))
    for one, other in itertools.combinations(found.means, 2):
        together = any(one in tier and other in tier for tier in found.tiers)
        assert together == (found.verdict(one, other) in {"tied", "undecided"})
    assert len(found.tiers) > 1


def test_an_optimizer_without_two_scores_is_left_out_by_name() -> None:
    """It gets no mean, no pair and no tier; a missing repeat of another costs its pairs one repeat."""
    frame = table(A=0.9, B=0.8, C=0.7).assign(lost=np.nan)
    frame.loc[0, "lost"] = 0.99
    frame.loc[3, "C"] = np.nan
    found = compare(frame)
    assert found.excluded == {"lost": 1}
    assert set(found.means) == {"A", "B", "C"}
    assert found.pair("C", "A")["n"] == 9
    assert found.pair("A", "B")["n"] == 10
    assert found.n == {"A": 10, "B": 10, "C": 9}


def test_an_optimizer_with_few_scores_hides_nobody_and_leads_nothing() -> None:
    """Two scores of ten, however good, are left out, and the others are judged as without them; all few are judged alike."""
    frame = table(A=0.9, B=0.902, C=0.914)
    few = frame.assign(D=np.where(np.arange(10) < 2, [0.95, 0.9512] * 5, np.nan))
    found, alone = compare(few), compare(frame)
    assert found.excluded == {"D": 2}
    assert found.pairs.equals(alone.pairs)
    assert (found.not_significantly_worse, found.minimum_detectable_difference) == (
        alone.not_significantly_worse,
        alone.minimum_detectable_difference,
    )
    assert compare(few[:3]).excluded == {}


def test_a_pair_that_shares_few_repeats_stands_outside_the_family() -> None:
    """It gets its own interval, no adjusted p and no verdict, and the other pairs the p that they have without it."""
    frame = table(seed=3, A=0.9, B=0.91, C=0.92)
    frame.loc[:3, "A"] = np.nan
    frame.loc[7:, "C"] = np.nan
    found = compare(frame)
    odd = found.pair("A", "C")
    assert (odd["n"], odd["verdict"]) == (3, "undecided")
    assert np.isnan([odd["adjusted_p"], odd["simultaneous_low"], odd["simultaneous_high"]]).all()
    assert np.isfinite([odd["p"], odd["low"], odd["high"]]).all()
    rest = found.pairs[found.pairs["n"] >= 6]
    assert rest["adjusted_p"].notna().all()
    assert (rest["simultaneous_low"] < rest["low"]).all()


def test_planned_repeats_without_scores_change_nothing() -> None:
    """Rows of trials that have not run yet are no repeats: neither of the intervals nor of the flips."""
    for n in (3, 10):
        frame = table(n=n, A=0.9, B=0.91, C=0.92)
        planned = pd.concat([frame, pd.DataFrame(np.nan, index=range(n, 30), columns=frame.columns)])
        pd.testing.assert_frame_equal(compare(planned).pairs, compare(frame).pairs)
        assert compare(planned).exact


def test_the_best_is_not_one_that_another_was_found_better_than() -> None:
    """A mean over other repeats may be the highest; the verdict is on the repeats that both have."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.9, 0.01, 10)
    frame = pd.DataFrame({"A": base, "B": base + 0.01 + rng.normal(0, 1e-4, 10)})
    frame.loc[6:, "A"] = np.nan
    frame.loc[6:, "B"] = 0.1
    found = compare(frame)
    assert frame["A"].mean() > frame["B"].mean()
    assert list(found.means) == ["B", "A"]
    assert found.not_significantly_worse == ("B",)
    assert found.verdict("B", "A") == "better"


def test_a_family_of_one_or_none_has_no_pairs() -> None:
    """A single optimizer leads; without any there is nothing; neither speaks."""
    one, none = compare(table(A=0.9)), compare(pd.DataFrame())
    assert one.not_significantly_worse == ("A",)
    assert (len(one.pairs), one.has_verdicts, one.exact) == (0, False, True)
    assert none.not_significantly_worse == ()
    assert math.isnan(none.minimum_detectable_difference)


def test_the_intervals_of_all_pairs_together_are_wider_than_their_own() -> None:
    """And hold the difference, which the interval of the pair does as well."""
    pairs = compare(table(A=0.9, B=0.89, C=0.88, D=0.87)).pairs
    assert (pairs["simultaneous_low"] < pairs["low"]).all()
    assert (pairs["simultaneous_high"] > pairs["high"]).all()
    assert ((pairs["low"] < pairs["difference"]) & (pairs["difference"] < pairs["high"])).all()


def test_the_scores_of_trials_become_a_column_per_label() -> None:
    """In the order of the plan; a trial that did not end ok is a gap."""
    rows = [
        {"label": label, "repeat": repeat, "test/accuracy": value}
        for label, values in {"B": [0.1, np.nan], "A": [0.3, 0.4]}.items()
        for repeat, value in enumerate(values)
    ]
    found = verdicts.wide(pd.DataFrame(rows), "test/accuracy", ["B", "A", "C"])
    assert list(found.columns) == ["B", "A", "C"]
    assert found["A"].tolist() == [0.3, 0.4]
    assert np.isnan(found["B"][1])
    assert found["C"].isna().all()


def test_many_repeats_are_judged_by_random_flips_that_are_the_same_each_time() -> None:
    """At 20 repeats nothing is enumerated; two calls agree to the bit, and it is told that flips were drawn."""
    frame = table(n=20, A=0.9, B=0.893, C=0.89)
    one, two = compare(frame), compare(frame)
    assert not one.exact
    assert one.pairs.equals(two.pairs)


def test_an_unknown_pair_is_an_error() -> None:
    """No verdict is made up for a label that is not there, or for one against itself."""
    found = compare(table(A=0.9, B=0.8))
    with pytest.raises(KeyError):
        found.verdict("A", "C")
    with pytest.raises(KeyError):
        found.verdict("A", "A")
