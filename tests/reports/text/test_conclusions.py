"""Tests of `reports.text.conclusions`."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from reports.analysis import verdicts
from reports.text import conclusions


def compare(n=10, seed=0, margin=0.002, **means):
    """The comparison of optimizers with such mean accuracies and a spread of 0.01."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({label: rng.normal(mean, 0.01, n) for label, mean in means.items()})
    return verdicts.compare(frame, score="test/accuracy", higher=True, margin=margin)


@pytest.mark.parametrize(
    ("means", "sentence"),
    [
        ({"A": 0.9, "B": 0.8}, "By test accuracy, A is better than B."),
        ({"A": 0.9, "B": 0.8, "C": 0.7}, "By test accuracy, A is better than all 2 others."),
        ({"A": 0.9, "B": 0.9, "C": 0.7}, "By test accuracy, B cannot be told from the best, A; the other is worse."),
        (
            {"A": 0.9, "B": 0.9, "C": 0.9, "D": 0.9, "E": 0.9, "F": 0.1},
            "By test accuracy, none of the others can be told from the best, A, but for F: worse.",
        ),
        ({"A": 0.9, "B": 0.9}, "By test accuracy, A and B cannot be told apart."),
        ({"A": 0.9, "B": 0.9, "C": 0.9}, "By test accuracy, none of the others can be told from the best, A."),
    ],
)
def test_the_answer_names_those_that_cannot_be_told_from_the_best(means, sentence) -> None:
    """One leader, several, or all of them."""
    assert conclusions.verdict(compare(seed=1, **means)) == sentence


def test_too_few_repeats_give_no_verdict_and_say_how_many_it_takes() -> None:
    """However large the difference is."""
    told = conclusions.verdict(compare(n=3, A=0.9, B=0.1))
    assert told == "No verdict yet: the optimizers share 3 repeats, and a comparison needs at least 6."


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ((1, 1), "No verdict yet: no optimizer has two scores, and a comparison needs at least 6 of each."),
        (
            (6, 1),
            (
                "No verdict yet: a comparison needs at least 6 scores of two optimizers. Not compared, with fewer than 2 "
                "scores: B (1)."
            ),
        ),
    ],
)
def test_what_lacks_for_a_verdict_is_told_where_there_is_no_pair(counts, told) -> None:
    """One repeat of each, or one optimizer whose repeats mostly failed."""
    scores = {label: np.r_[np.linspace(0.7, 0.8, n), [np.nan] * (6 - n)] for label, n in zip("AB", counts, strict=True)}
    found = verdicts.compare(pd.DataFrame(scores), score="test/accuracy", higher=True, margin=0.0)
    assert conclusions.verdict(found) == told


def test_unpaired_optimizers_share_no_repeats() -> None:
    """Results from elsewhere have repeats, but no shared ones."""
    frame = pd.DataFrame({"A": [0.8, 0.9], "B": [0.5, 0.6]})
    found = verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.0, test="welch")
    assert conclusions.verdict(found).startswith("No verdict yet: no two optimizers have more than 2 repeats, and")


def test_scores_that_are_skewed_and_spread_unequally_come_with_a_caution() -> None:
    """Both must be so; the largest spread over the smallest and the skewness farthest from 0 are told."""
    even = np.linspace(-1, 1, 10)
    tailed = np.r_[[0.1] * 9, -0.9]
    for one, other, said in ((even, 10 * tailed, True), (even, 5 * tailed, False), (even, 5 * even, False)):
        frame = pd.DataFrame({"A": 0.8 + 0.01 * one, "B": 0.9 + 0.01 * other})
        found = verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.0)
        assert found.spread == pytest.approx(other.std() / one.std())
        assert found.skewness == pytest.approx(frame.skew().iloc[1], abs=1e-9)
        told = conclusions.distribution_warning(found)
        assert len(told) == said
    frame = pd.DataFrame({"A": 0.8 + 0.01 * even, "B": 0.9 + 0.1 * tailed})
    (told,) = conclusions.distribution_warning(verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.0))
    assert "is 4.7 times the smallest" in told
    assert "reaches −3.2" in told
    assert (
        conclusions.distribution_warning(verdicts.compare(frame[:5], score="test/accuracy", higher=True, margin=0.0))
        == []
    )


def test_a_pair_that_stepping_down_told_apart_is_explained_where_its_interval_holds_zero() -> None:
    """And only there."""
    found = compare(A=0.9, B=0.8)
    assert conclusions.step_down_note(found) == ""
    pairs = found.pairs.assign(simultaneous_low=-0.001, simultaneous_high=0.2)
    assert "steps down" in conclusions.step_down_note(dataclasses.replace(found, pairs=pairs))
    assert conclusions.step_down_note(dataclasses.replace(found, pairs=pairs.assign(verdict=verdicts.UNDECIDED))) == ""


def test_equal_repeats_promise_no_difference_that_can_be_found() -> None:
    """Without any spread there is none to reckon with."""
    frame = pd.DataFrame({"A": [0.9] * 6, "B": [0.7] * 6})
    assert conclusions.power_statement(verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.0)) == []


def test_a_tie_is_told_with_its_margin() -> None:
    """An optimizer within the margin of the best is tied with it, not merely undecided; of two, each is with the other."""
    assert conclusions.verdict(compare(A=0.9, B=0.9, C=0.1, margin=0.1)).endswith("Tied with it, within ±0.1: B.")
    assert conclusions.verdict(compare(A=0.9, B=0.9, margin=0.1)) == "By test accuracy, A and B are tied, within ±0.1."


def test_one_optimizer_has_no_verdict_at_all() -> None:
    """There is nothing to compare it with."""
    assert conclusions.verdict(compare(A=0.9)) == ""
    assert conclusions.power_statement(compare(A=0.9)) == []


def test_how_it_was_tested_stands_beside_the_verdicts() -> None:
    """Pairs, repeats, the test, its error, and how the flips were made; a seed only where they were drawn."""
    told = conclusions.method_statement(compare(A=0.9, B=0.8, C=0.7))
    assert told.startswith("3 pairs, n = 10 shared repeats; step-down max-|t| over joint sign flips of whole repeats; ")
    assert "family error at most 5%; all flips. Tied: " in told
    assert "4,096 random flips, seed 0" in conclusions.method_statement(compare(n=20, A=0.9, B=0.8))


def test_what_can_be_found_and_what_it_would_take_are_told() -> None:
    """The detectable difference always; the repeats to part the two best only where they are not told apart yet."""
    close = conclusions.power_statement(compare(seed=1, A=0.9, B=0.9, C=0.7))
    assert len(close) == 2
    assert "with probability 80%" in close[0]
    assert close[1].startswith("To tell A from B, about ")
    assert len(conclusions.power_statement(compare(A=0.9, B=0.8))) == 1
    assert conclusions.power_statement(compare(n=3, A=0.9, B=0.9))[0].startswith("To tell")


def test_nothing_is_promised_about_a_tie() -> None:
    """A tied pair stays one with more repeats; a gap within the margin would rather become one."""
    assert len(conclusions.power_statement(compare(A=0.9, B=0.9, margin=0.1))) == 1
    assert (
        "within the margin of ±0.1: more repeats would rather show a tie"
        in conclusions.power_statement(compare(n=3, A=0.9, B=0.91, margin=0.1))[-1]
    )
    assert conclusions.power_statement(compare(n=3, A=0.9, B=0.91, margin=0.0))[-1].startswith("To tell")
    assert "is called a tie all the same" in conclusions.power_statement(compare(A=0.9, B=0.9, margin=0.1))[0]


def test_few_repeats_find_less_than_t_tests_promise() -> None:
    """At six repeats it is said, at eight not."""
    assert "sign flips of fewer than 8 repeats find less" in conclusions.power_statement(compare(n=6, A=0.9, B=0.8))[0]
    assert "flips" not in conclusions.power_statement(compare(n=8, A=0.9, B=0.8))[0]


def test_who_is_not_compared_is_told_with_the_answer() -> None:
    """With the number of scores of each; and where the best has fewer repeats than others."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({label: rng.normal(mean, 0.01, 10) for label, mean in {"A": 0.9, "B": 0.8}.items()})
    frame = frame.assign(C=np.nan, D=np.where(np.arange(10) < 2, 0.95, np.nan))
    frame.loc[8:, "A"] = np.nan
    told = conclusions.verdict(verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.002))
    assert told == (
        "By test accuracy, A is better than B. The mean of A is over 8 repeats, others have up to 10; pairs are judged by "
        "those that both have. Not compared, with fewer than 6 scores: C (0), D (2)."
    )


def test_a_best_without_the_best_mean_is_explained() -> None:
    """B is better on the repeats of both, A has the better mean over fewer; Welch's test judges all repeats."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.9, 0.01, 10)
    frame = pd.DataFrame({"A": base, "B": base + 0.01 + rng.normal(0, 1e-4, 10)})
    frame.loc[6:, "A"], frame.loc[6:, "B"] = np.nan, 0.1
    told = conclusions.verdict(verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.0))
    assert told.startswith(
        "By test accuracy, B is better than A. The mean of A is over 6 repeats, others have up to 10; "
    )
    welch = verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.0, test="welch")
    assert "repeats" not in conclusions.verdict(welch)


def test_those_that_share_too_few_repeats_have_no_verdict_and_a_third_is_left_out_for_its_own() -> None:
    """Six scores each of which three are shared, beside four: the two reasons do not contradict each other."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 3)), columns=list("ABC"))
    frame.loc[6:, "A"], frame.loc[:2, "B"], frame.loc[4:, "C"] = np.nan, np.nan, np.nan
    told = conclusions.verdict(verdicts.compare(frame, score="test/accuracy", higher=True, margin=0.0))
    assert told == (
        "No verdict yet: the optimizers share 3 repeats, and a comparison needs at least 6. Not compared, with fewer than 6 "
        "scores: C (4)."
    )


def test_a_success_rate_has_its_own_interval_and_only_where_something_failed() -> None:
    """8 of 10: Clopper-Pearson 44% to 97%; none of ten: 0% to 31%; ten of ten are not mentioned."""
    table = pd.DataFrame({"label": ["A", "B", "C"], "ok": [8, 0, 10], "run": [10, 10, 10]})
    (told,) = conclusions.success(table, 0.95)
    assert "A 8 of 10 (44% to 97%); B 0 of 10 (0% to 31%)." in told
    assert "C " not in told
    assert conclusions.success(table[2:], 0.95) == []


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0499, "0.0499"),
        (0.05, "0.050"),
        (205 / 4096, "0.05005"),
        (0.0501, "0.0501"),
        (0.0004, "< 0.001"),
        (0.0005, "0.001"),
        (0.25, "0.250"),
        (float("nan"), "–"),
        (1.0, "1.000"),
    ],
)
def test_a_small_p_is_never_printed_as_zero(p, text) -> None:
    """Three decimals, or a bound; more where three would hide on which side of 5% it lies."""
    assert conclusions.p_value(p) == text


def test_lists_read_like_prose() -> None:
    """One, two, three."""
    assert [conclusions.join_labels(list("ABC"[:n])) for n in (1, 2, 3)] == ["A", "A and B", "A, B and C"]
