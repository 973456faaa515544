"""Tests of `reports.text.conclusions`."""

import math

import numpy as np
import pandas as pd
import pytest

from reports.analysis import verdicts
from reports.statistics import pairwise_tests
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
def test_without_any_pair_the_required_runs_are_given(counts, wording) -> None:
    """One repeat of each, or one optimizer whose repeats are mostly missing."""
    scores = {label: np.r_[np.linspace(0.7, 0.8, n), [np.nan] * (6 - n)] for label, n in zip("AB", counts, strict=True)}
    text = conclusions.conclusion(compare_frame(scores))
    assert text.endswith(": B (1).") if counts == (6, 1) else text.endswith(": A (1), B (1).")
    wording(text)


def test_independent_repeats_are_not_shared(wording) -> None:
    """Imported results have repeats, but no shared ones."""
    comparison = compare_frame({"A": [0.8, 0.9], "B": [0.5, 0.6]}, paired=False)
    wording(conclusions.conclusion(comparison))


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


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("test", pairwise_tests.TESTS)
def test_every_test_has_a_question_a_name_and_error_rates(test, paired, wording) -> None:
    """The name is that of the paired or of the unpaired test. Resamples and unpaired permutations are random."""
    rng = np.random.default_rng(0)
    frame = {label: rng.normal(mean, 0.01, 8) for label, mean in (("A", 0.9), ("B", 0.8))}
    comparison = compare_frame(frame, 0.01, test=test, paired=paired)
    text = conclusions.method_statement(comparison)
    assert conclusions.test_name(test, paired=paired) in text
    assert ("independent" in text, "shared repeats" in text) == (not paired, paired)
    assert ("seed 0" in text) == (test == "bootstrap-t" or not paired)
    assert ("median difference" in text, "mean difference" in text) == (test == "rank", test != "rank")
    wording("\n".join([conclusions.QUESTIONS[test], text, conclusions.ERROR_RATES[test]]))


def test_the_tables_of_tests_are_complete() -> None:
    """No test lacks its question or its error rates, and no other test has any."""
    assert tuple(conclusions.QUESTIONS) == tuple(conclusions.ERROR_RATES) == pairwise_tests.TESTS


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
    assert "80%" in undecided[0]
    assert "repeats would separate them" in undecided[1]
    wording("\n".join(undecided))
    assert len(conclusions.power_statement(compare(A=0.9, B=0.8))) == 1
    assert conclusions.power_statement(compare(n=3, A=0.9, B=0.9)) == [], "too few repeats for any test"


def test_repeats_that_are_there_are_not_required() -> None:
    """By the t test of the formula 8 repeats suffice, but the permutation test of nine does not separate the two best."""
    rng = np.random.default_rng(74)
    rng.choice([8, 10, 12]), rng.choice([2, 3, 9])
    table = rng.integers(0, 4, size=(8, 9)) * 1.0
    table[:, 0] += rng.choice([1.0, 2.0, 1.5])
    comparison = compare_frame(dict(zip("ABCDEFGHI", table.T, strict=True)))
    assert comparison.verdict(*list(comparison.means)[:2]) == "undecided"
    assert comparison.repeats_to_separate_top_two == 8
    assert "would separate" not in " ".join(conclusions.power_statement(comparison))


def test_the_power_statement_mentions_the_margin(wording) -> None:
    """More repeats do not separate a tied pair; for a difference within the margin they would show equivalence."""
    (tied,) = conclusions.power_statement(compare(A=0.9, B=0.9, margin=0.1))
    _, within = conclusions.power_statement(compare(n=8, seed=1, A=0.9, B=0.905, margin=0.01))
    _, separable = conclusions.power_statement(compare(n=8, seed=1, A=0.9, B=0.905, margin=0.0))
    assert ["±" in text for text in (tied, within, separable)] == [True, True, False]
    wording(f"{tied}\n{within}\n{separable}")


def test_few_repeats_of_three_optimizers_have_little_power(wording) -> None:
    """It is stated for seven repeats of three optimizers, but not for eight repeats or for two optimizers."""
    *_, text = conclusions.power_statement(compare(n=7, A=0.9, B=0.8, C=0.7))
    assert "fewer than 8 repeats" in text
    wording(text)
    for comparison in (compare(n=8, A=0.9, B=0.8, C=0.7), compare(n=7, A=0.9, B=0.8)):
        assert not any("fewer than 8" in sentence for sentence in conclusions.power_statement(comparison))


def test_excluded_optimizers_are_listed(wording) -> None:
    """With the number of runs of each; and the best has fewer repeats than others."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({label: rng.normal(mean, 0.01, 10) for label, mean in {"A": 0.9, "B": 0.8}.items()})
    frame = frame.assign(C=np.nan, D=np.where(np.arange(10) < 2, 0.95, np.nan))
    frame.loc[8:, "A"] = np.nan
    text = conclusions.conclusion(compare_frame(frame, 0.002))
    assert "8 repeats" in text
    assert text.endswith("(fewer than 6 runs): C (0), D (2).")
    wording(text)


def test_a_best_optimizer_without_the_best_mean_is_explained(wording) -> None:
    """B is better on shared repeats, A has the better mean over fewer repeats; independent repeats are all compared."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.9, 0.01, 14)
    frame = pd.DataFrame({"A": base, "B": base + 0.05 + rng.normal(0, 1e-4, 14)})
    frame.loc[9:, "A"], frame.loc[9:, "B"] = np.nan, 0.1
    text = conclusions.conclusion(compare_frame(frame))
    assert "A has 9 repeats" in text
    wording(text)
    third = frame.assign(C=base - 0.3)
    text = conclusions.conclusion(compare_frame(third))
    assert "best mean" not in text
    wording(text)
    assert "repeats" not in conclusions.conclusion(compare_frame(frame, paired=False))


def test_pairs_with_too_few_shared_repeats_have_no_verdict_and_a_third_is_excluded_for_its_own(wording) -> None:
    """Six scores each, three of them shared, beside four: the two reasons do not contradict each other."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 3)), columns=list("ABC"))
    frame.loc[6:, "A"], frame.loc[:2, "B"], frame.loc[4:, "C"] = np.nan, np.nan, np.nan
    text = conclusions.conclusion(compare_frame(frame))
    assert "share 3 repeats" in text
    assert text.endswith("(fewer than 6 runs): C (4).")
    wording(text)


def test_a_pair_without_a_test_is_not_called_undecided(wording) -> None:
    """A and B share three repeats, however far apart they are; a test of means has none of a pair with a failed run."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(14, 3)), columns=list("ABC")) + np.array([5, -50, 0])
    frame.loc[9:, "A"], frame.loc[:5, "B"] = np.nan, np.nan
    text = conclusions.conclusion(compare_frame(frame))
    assert "B is not tested against A (fewer than 6 shared repeats)." in text
    assert "B does not differ" not in text
    wording(text)
    failed = pd.DataFrame(np.random.default_rng(0).normal(size=(10, 3)), columns=list("ABC")) + np.array([5, 0, 0])
    failed.loc[3, "B"] = -math.inf
    text = conclusions.conclusion(compare_frame(failed, test="bootstrap-t"))
    assert "B is not tested against A." in text
    wording(text)
    text = conclusions.conclusion(compare_frame(failed[["A", "B"]], test="bootstrap-t"))
    assert text.startswith("1 pair is not tested")
    wording(text)


@pytest.mark.parametrize("higher", [True, False])
def test_an_opposite_mean_is_stated(higher, wording) -> None:
    """A is usually better than B and C, although one very bad run makes its mean the worst."""
    rng, sign = np.random.default_rng(0), 1 if higher else -1
    frame = sign * pd.DataFrame(
        {label: rng.normal(mean, 0.01, 12) for label, mean in zip("ABC", (0.9, 0.85, 0.84), strict=True)}
    )
    frame.loc[3, "A"] = sign * 0.1
    score = "test/accuracy" if higher else "test/loss"
    for labels in ("AB", "ABC"):
        comparison = verdicts.compare(frame[list(labels)], score=score, higher=higher, margin=0.0)
        text = conclusions.conclusion(comparison)
        for other in labels[1:]:
            assert comparison.verdict("A", other) == verdicts.BETTER_WORSE_MEAN
            assert f"A run of A is usually better than a run of {other}, although the mean of A is worse." in text
        assert "best mean" not in text, "the mean of A is not the best"
        wording(text)
    assert "although" not in conclusions.conclusion(
        verdicts.compare(frame[["B", "C"]], score=score, higher=higher, margin=0.0)
    )


def test_many_opposite_means_are_counted(wording) -> None:
    """Three pairs are written out, and the others have a number."""
    rng = np.random.default_rng(0)
    frame = {label: rng.normal(0.85 - at / 100, 0.001, 12) for at, label in enumerate("BCDEF")}
    best = rng.normal(0.9, 0.001, 12)
    best[2] = -3.0
    text = conclusions.conclusion(compare_frame({"A": best, **frame}))
    assert text.count("although") == 3
    assert "2 other pairs" in text
    wording(text)


def test_an_optimizer_that_lost_all_runs_is_worse(wording) -> None:
    """It is named as the only one that is significantly worse."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({label: rng.normal(0.9, 0.01, 10) for label in "ABC"} | {"lost": -math.inf})
    text = conclusions.conclusion(compare_frame(frame))
    assert "Only lost is significantly worse." in text
    wording(text)


def test_lost_runs_give_no_number_of_repeats() -> None:
    """A fails in 12 of 20 runs and is above B otherwise: the difference of means says nothing on how to separate them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"A": rng.normal(0.9, 0.01, 20), "B": rng.normal(0.85, 0.01, 20)})
    frame.loc[:11, "A"] = -math.inf
    for margin in (0.0, 0.1):
        comparison = compare_frame(frame, margin)
        assert comparison.verdict("A", "B") == verdicts.UNDECIDED
        assert not any("between" in text for text in conclusions.power_statement(comparison))


def test_without_an_ok_run_there_is_no_verdict(wording) -> None:
    """All runs of all optimizers are lost."""
    text = conclusions.conclusion(compare_frame({"A": [-math.inf] * 8, "B": [-math.inf] * 8}))
    assert text == "No verdict, because no run ended ok."
    assert conclusions.power_statement(compare_frame({"A": [-math.inf] * 8, "B": [-math.inf] * 8})) == []
    wording(text)


def test_an_optimizer_without_an_ok_run_has_no_best_mean() -> None:
    """Only D ended ok, but it is excluded, because it has a single run."""
    frame = pd.DataFrame({label: [-math.inf] * 6 for label in "ABC"}).assign(D=[0.9, *[np.nan] * 5])
    text = conclusions.conclusion(compare_frame(frame))
    assert "best mean" not in text
    assert text.endswith("Not compared (fewer than 6 runs): D (1).")


def test_a_cycle_is_stated(wording) -> None:
    """A is above B, B above C, and C above A: no optimizer is unbeaten."""
    rare = np.arange(100) < 38
    scores = {"B": np.where(rare, 5.0, 2.0), "C": np.random.default_rng(0).permutation(np.where(rare, 1.0, 4.0))}
    comparison = compare_frame({"A": np.full(100, 3.0), **scores})
    text = conclusions.conclusion(comparison)
    assert "C is significantly worse than B. A is significantly worse than another optimizer, but not than B." in text
    assert "B is significantly worse than at least one other optimizer, too." in text
    wording(text)


def test_pairs_that_the_test_of_means_cannot_test_are_counted(wording) -> None:
    """A failed run has no score, and constant differences have no spread; the rank test tests every pair."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.9, 0.01, 10)
    frame = pd.DataFrame({"A": base, "B": rng.normal(0.8, 0.01, 10), "C": rng.normal(0.7, 0.01, 10)})
    assert "not tested" not in conclusions.conclusion(compare_frame(frame, test="bootstrap-t"))
    frame.loc[3, "B"] = -math.inf
    text = conclusions.conclusion(compare_frame(frame, test="bootstrap-t"))
    assert "2 pairs are not tested" in text
    wording(text)
    assert "not tested" not in conclusions.conclusion(compare_frame(frame))
    constant = compare_frame({"A": base, "B": base - 0.125, "C": frame["C"]}, test="bootstrap-t")
    assert "1 pair is not tested" in conclusions.conclusion(constant)


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
