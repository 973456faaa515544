"""Tests of `reports.text.conclusions`."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from reports.analysis import verdicts
from reports.text import conclusions


def compare_frame(frame, margin=0.0, **options):
    """Return the comparison of the columns of a frame of accuracies."""
    return verdicts.compare(pd.DataFrame(frame), score="test/accuracy", higher=True, margin=margin, **options)


def compare(n=10, seed=0, margin=0.002, **means):
    """Return the comparison of optimizers with these mean accuracies and a standard deviation of 0.01."""
    rng = np.random.default_rng(seed)
    return compare_frame({label: rng.normal(mean, 0.01, n) for label, mean in means.items()}, margin)


@pytest.mark.parametrize(
    ("means", "worse", "undecided"),
    [
        ({"A": 0.9, "B": 0.8}, "B", ""),
        ({"A": 0.9, "B": 0.8, "C": 0.7}, "BC", ""),
        ({"A": 0.9, "B": 0.9, "C": 0.7}, "C", "B"),
        ({"A": 0.9, "B": 0.9, "C": 0.9, "D": 0.9, "E": 0.9, "F": 0.1}, "F", "BCDE"),
        ({"A": 0.9, "B": 0.9, "C": 0.3, "D": 0.3, "E": 0.3, "F": 0.1}, "CDEF", "B"),
        ({"A": 0.9, "B": 0.9}, "", "B"),
        ({"A": 0.9, "B": 0.9, "C": 0.9}, "", "BC"),
        ({"A": 0.9, "B": 0.9, "C": 0.9, "D": 0.9, "E": 0.9}, "", "BCDE"),
    ],
)
def test_the_conclusion_separates_significantly_worse_optimizers_from_the_others(
    means, worse, undecided, wording
) -> None:
    """One winner, several undecided optimizers, or no significant difference."""
    comparison = compare(seed=1, **means)
    best, *others = comparison.means
    assert {x: comparison.verdict(best, x) for x in others} == dict.fromkeys(worse, "better") | dict.fromkeys(
        undecided, "undecided"
    )
    wording(conclusions.conclusion(comparison))
    if len(others) > 1 and undecided:
        assert conclusions.conclusion(comparison) == (
            f"{best} has the best mean test accuracy. {conclusions.conclusion(comparison, name_best=False)}"
        )


def test_a_conclusion_about_a_loss_names_the_lower_one(wording) -> None:
    """Lower is better."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"A": rng.normal(0.1, 0.01, 10), "B": rng.normal(0.9, 0.01, 10)})
    wording(conclusions.conclusion(verdicts.compare(frame, score="test/loss", higher=False, margin=0.0)))


def test_too_few_repeats_give_no_verdict(wording) -> None:
    """However large the difference is; the shared and the required repeats are given."""
    text = conclusions.conclusion(compare(n=3, A=0.9, B=0.1))
    assert "3 repeats" in text
    assert "at least 6" in text
    wording(text)


@pytest.mark.parametrize("counts", [(1, 1), (6, 1)])
def test_without_any_pair_the_required_scores_are_given(counts, wording) -> None:
    """One repeat of each, or one optimizer whose repeats mostly failed."""
    scores = {label: np.r_[np.linspace(0.7, 0.8, n), [np.nan] * (6 - n)] for label, n in zip("AB", counts, strict=True)}
    text = conclusions.conclusion(compare_frame(scores))
    assert text.endswith(": B (1).") if counts == (6, 1) else text.endswith(": A (1), B (1).")
    wording(text)


def test_independent_repeats_are_not_shared(wording) -> None:
    """Imported results have repeats, but no shared ones."""
    comparison = compare_frame({"A": [0.8, 0.9], "B": [0.5, 0.6]}, test="welch")
    wording(conclusions.conclusion(comparison))


def test_skewed_scores_of_unequal_variance_give_a_warning(wording) -> None:
    """Both conditions are required; the ratio of the standard deviations and the largest skewness are given."""
    even = np.linspace(-1, 1, 10)
    tailed = np.r_[[0.1] * 9, -0.9]
    for first, second, warns in ((even, 10 * tailed, True), (even, 5 * tailed, False), (even, 5 * even, False)):
        frame = pd.DataFrame({"A": 0.8 + 0.01 * first, "B": 0.9 + 0.01 * second})
        comparison = compare_frame(frame)
        assert comparison.sd_ratio == pytest.approx(second.std() / first.std())
        assert comparison.skewness == pytest.approx(frame.skew().iloc[1], abs=1e-9)
        assert len(conclusions.distribution_warning(comparison)) == warns
    frame = pd.DataFrame({"A": 0.8 + 0.01 * even, "B": 0.9 + 0.1 * tailed})
    (text,) = conclusions.distribution_warning(compare_frame(frame))
    assert "4.7 times" in text
    assert "−3.2" in text
    wording(text)
    assert conclusions.distribution_warning(compare_frame(frame[:5])) == []


def test_a_significant_pair_whose_simultaneous_interval_contains_zero_is_explained(wording) -> None:
    """There is no note without such a pair."""
    comparison = compare(A=0.9, B=0.8)
    assert conclusions.step_down_note(comparison) == ""
    pairs = comparison.pairs.assign(simultaneous_low=-0.001, simultaneous_high=0.2)
    wording(conclusions.step_down_note(dataclasses.replace(comparison, pairs=pairs)))
    undecided = pairs.assign(verdict=verdicts.UNDECIDED)
    assert conclusions.step_down_note(dataclasses.replace(comparison, pairs=undecided)) == ""


def test_equal_repeats_have_no_minimum_detectable_difference() -> None:
    """Without variance there is nothing to compute it from."""
    assert conclusions.power_statement(compare_frame({"A": [0.9] * 6, "B": [0.7] * 6})) == []


def test_a_tie_is_reported_with_its_margin(wording) -> None:
    """An optimizer within the margin of the best is equivalent to it, not only undecided."""
    for means in ({"A": 0.9, "B": 0.9, "C": 0.1}, {"A": 0.9, "B": 0.9}):
        text = conclusions.conclusion(compare(margin=0.1, **means))
        assert "±0.1" in text
        wording(text)


def test_one_optimizer_has_no_conclusion() -> None:
    """There is nothing to compare it with."""
    assert conclusions.conclusion(compare(A=0.9)) == ""
    assert conclusions.power_statement(compare(A=0.9)) == []


def test_the_method_has_pairs_repeats_test_and_error_rate(wording) -> None:
    """The seed of the permutations is given only if they were drawn at random."""
    text = conclusions.method_statement(compare(A=0.9, B=0.8, C=0.7))
    for part in ("3 pairs", "n = 10", "at most 5%", "±0.002"):
        assert part in text
    assert "seed" not in text
    wording(text)
    text = conclusions.method_statement(compare(n=20, A=0.9, B=0.8))
    assert "4,096 random permutations, seed 0" in text
    wording(text)


def test_pairs_with_too_few_repeats_are_excluded_from_the_family(wording) -> None:
    """C shares 6 repeats with A and 5 with B."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(11, 3)), columns=list("ABC"))
    frame.loc[10:, "A"], frame.loc[:0, "B"], frame.loc[6:, "C"] = np.nan, np.nan, np.nan
    text = conclusions.method_statement(compare_frame(frame))
    assert "1 pair with fewer than 6 repeats" in text
    wording(text)


def test_detectable_difference_and_required_repeats_are_given(wording) -> None:
    """The minimum detectable difference always; the repeats that separate the two best only if they are undecided."""
    undecided = conclusions.power_statement(compare(seed=1, A=0.9, B=0.9, C=0.7))
    assert len(undecided) == 2
    assert "80% power" in undecided[0]
    wording("\n".join(undecided))
    assert len(conclusions.power_statement(compare(A=0.9, B=0.8))) == 1
    (few,) = conclusions.power_statement(compare(n=3, A=0.9, B=0.9))
    assert "repeats would separate them" in few


def test_the_power_statement_mentions_the_margin(wording) -> None:
    """More repeats do not separate a tied pair; for a difference within the margin they would show equivalence."""
    (tied,) = conclusions.power_statement(compare(A=0.9, B=0.9, margin=0.1))
    (within,) = conclusions.power_statement(compare(n=3, A=0.9, B=0.91, margin=0.1))
    (separable,) = conclusions.power_statement(compare(n=3, A=0.9, B=0.91, margin=0.0))
    assert ["±0.1" in text for text in (tied, within, separable)] == [True, True, False]
    wording(f"{tied}\n{within}\n{separable}")


def test_few_repeats_have_less_power_than_t_tests(wording) -> None:
    """It is stated for six repeats, not for eight."""
    (text,) = conclusions.power_statement(compare(n=6, A=0.9, B=0.8))
    assert "sign-flip" in text
    wording(text)
    assert "sign-flip" not in conclusions.power_statement(compare(n=8, A=0.9, B=0.8))[0]


def test_excluded_optimizers_are_listed(wording) -> None:
    """With the number of scores of each; and the best has fewer repeats than others."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({label: rng.normal(mean, 0.01, 10) for label, mean in {"A": 0.9, "B": 0.8}.items()})
    frame = frame.assign(C=np.nan, D=np.where(np.arange(10) < 2, 0.95, np.nan))
    frame.loc[8:, "A"] = np.nan
    text = conclusions.conclusion(compare_frame(frame, 0.002))
    assert "8 repeats" in text
    assert text.endswith("(fewer than 6 scores): C (0), D (2).")
    wording(text)


def test_a_best_optimizer_without_the_best_mean_is_explained(wording) -> None:
    """B is better on shared repeats, A has the better mean over fewer repeats; Welch's test compares all repeats."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.9, 0.01, 10)
    frame = pd.DataFrame({"A": base, "B": base + 0.01 + rng.normal(0, 1e-4, 10)})
    frame.loc[6:, "A"], frame.loc[6:, "B"] = np.nan, 0.1
    text = conclusions.conclusion(compare_frame(frame))
    assert "The mean of A is over 6 repeats" in text
    wording(text)
    third = frame.assign(C=base - 0.3)
    text = conclusions.conclusion(compare_frame(third))
    assert "best mean" not in text
    wording(text)
    assert "repeats" not in conclusions.conclusion(compare_frame(frame, test="welch"))


def test_pairs_with_too_few_shared_repeats_have_no_verdict_and_a_third_is_excluded_for_its_own(wording) -> None:
    """Six scores each, three of them shared, beside four: the two reasons do not contradict each other."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 3)), columns=list("ABC"))
    frame.loc[6:, "A"], frame.loc[:2, "B"], frame.loc[4:, "C"] = np.nan, np.nan, np.nan
    text = conclusions.conclusion(compare_frame(frame))
    assert "share 3 repeats" in text
    assert text.endswith("(fewer than 6 scores): C (4).")
    wording(text)


def test_a_success_rate_has_its_own_interval(wording) -> None:
    """8 of 10: Clopper-Pearson 44% to 97%; none of ten: 0% to 31%; ten of ten are not mentioned."""
    table = pd.DataFrame({"label": ["A", "B", "C"], "ok": [8, 0, 10], "run": [10, 10, 10]})
    (text,) = conclusions.success_rates(table, 0.95)
    assert "A: 8 of 10 (44% to 97%); B: 0 of 10 (0% to 31%)." in text
    assert "C:" not in text
    wording(text)
    assert conclusions.success_rates(table[2:], 0.95) == []


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
    """Three decimals, or a bound; more if three would hide on which side of 5% it lies."""
    assert conclusions.p_value(p) == text
