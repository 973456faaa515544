"""Write the conclusions of a comparison: which optimizers differ, with which test, and what the study could detect.

The text is plain. Each writer escapes it for its own format.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.analysis.verdicts import ABOVE, BELOW, BETTER_WORSE_MEAN, SEED, TIED, WORSE_BETTER_MEAN
from reports.frames.scores import title
from reports.statistics import pairwise_tests as testing
from reports.statistics.sign_flips import MAX_PATTERNS
from reports.text import notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.analysis.verdicts import Comparison
    from reports.statistics.pairwise_tests import Test

QUESTIONS: Mapping[Test, str] = {
    "rank": (
        "Each verdict answers one question: does a run of one optimizer, with new seeds, usually end better than a run of the "
        "other? P(better) is the probability that it does. A tie counts as one half. A run that diverged, stalled or failed is "
        "worse than all others. The verdict does not depend on how far a bad run falls behind, so the risk of a bad run is a "
        "separate column of the table of scores."
    ),
    "bootstrap-t": (
        "Each verdict answers one question: is the mean score of one optimizer better than that of the other? A single bad run "
        "can change a mean, and few repeats may contain none. The test is then wrong more often than its level says. A pair "
        "with a run that diverged, stalled or failed is not tested."
    ),
}
"""The question that a verdict answers, by test."""

_METHODS: Mapping[Test, tuple[str, str]] = {
    "rank": (
        "studentised permutation test of P(better) = ½ (Konietschke and Pauly 2012), step-down over all pairs",
        "studentised permutation test of P(better) = ½, independent runs (Neubert and Brunner 2007), step-down over all pairs",
    ),
    "bootstrap-t": (
        "bootstrap-t test of equal means, paired, step-down over all pairs",
        "bootstrap-t test of equal means of independent runs, step-down over all pairs",
    ),
}
"""The names of the tests, for paired and for independent repeats."""

STEP_DOWN_BOUNDS = "If the interval of a significant difference ends at 0 or at 50%, that end point is not part of it."

ERROR_RATES: Mapping[Test, str] = {
    "rank": (
        "In simulated studies with ten repeats, this test reports a false difference with a probability of at most 5.5% for "
        "normal, skewed, heavy-tailed and discrete scores and for scores with bad runs. The probability is about 6% for very "
        "skewed scores of very unequal spread and strong correlation (docs/statistics.md)."
    ),
    "bootstrap-t": (
        "In simulated studies this test reports a false difference with a probability of at most 5% for normal, skewed and "
        "heavy-tailed scores. The probability is about 34% if one optimizer of nine fails in a tenth of its runs "
        "(docs/statistics.md)."
    ),
}

_MAX_OPPOSITE = 3

COVERAGE = (
    "In simulated studies these intervals contain the true mean with a probability of 95% for normal and discrete scores, of "
    "88–92% for strongly skewed scores, and of 82–93% if one run in five ends far below the others (docs/statistics.md)."
)


def p_value(p: float) -> str:
    """Return p with three decimals, or `< 0.001`; with more decimals if three would hide on which side of 5% it lies."""
    if not math.isfinite(p):
        return "–"
    if p < 0.0005:
        return "< 0.001"
    digits = 3
    while float(f"{p:.{digits}f}") == 0.05 != p:
        digits += 1
    return f"{p:.{digits}f}"


def conclusion(comparison: Comparison, *, name_best: bool = True) -> str:
    """Return which optimizers differ significantly, or what a verdict still requires; empty for a single optimizer.

    Args:
        comparison: The verdicts.
        name_best: Whether to state which optimizer has the best mean, if `notes.headline` does not stand before it.
    """
    if len(comparison.means) + len(comparison.excluded) < 2:
        return ""
    sentences = _differences(comparison, name_best=name_best) if comparison.has_verdicts else [_no_verdict(comparison)]
    return " ".join([*sentences, *excluded_note(comparison)])


def _no_verdict(comparison: Comparison) -> str:
    required = f"a comparison requires at least {comparison.min_repeats}"
    if not comparison.means:
        if max(comparison.excluded.values()) > 1:
            return "No verdict, because no run ended ok."
        return f"No verdict yet, because no optimizer has two runs and {required} of each."
    if len(comparison.means) == 1:
        return f"No verdict yet, because {required} runs of two optimizers."
    repeats = notes.counted(int(comparison.pairs["n"].max()), "repeat")
    if not comparison.paired:
        return f"No verdict yet, because no two optimizers have more than {repeats} and {required}."
    return f"No verdict yet, because the optimizers share {repeats} and {required}."


def _differences(comparison: Comparison, *, name_best: bool) -> list[str]:
    """Return the best optimizer, those that are significantly worse, those that are not, and those without a test."""
    best, *others = comparison.means
    verdicts = {label: comparison.verdict(best, label) for label in others}
    rows = {label: comparison.pair(best, label) for label in others}
    untested = [label for label in others if math.isnan(float(rows[label]["adjusted_p"]))]
    tied = [label for label in others if verdicts[label] == TIED]
    worse = [label for label in others if label not in {*comparison.leaders, *tied, *untested}]
    undecided = [label for label in others if label not in {*worse, *tied, *untested}]
    score, margin = _scored(comparison), f"within the margin of ±{comparison.margin:g}"
    if len(worse) == len(others) and all(verdicts[label] in ABOVE for label in worse):
        rivals = others[0] if len(others) == 1 else f"each of the other {len(others)} optimizers"
        sentences = [f"{best} is significantly better than {rivals} in {score}."]
    elif len(others) == 1:
        pair = notes.join_labels([best, others[0]])
        sentences = [
            f"{pair} are equivalent in {score}, {margin}."
            if tied
            else f"{pair} do not differ significantly in {score}."
        ] * (not untested)  # `_untested` says why
    else:
        name_best = name_best and math.isfinite(comparison.means[best])
        sentences = [f"{best} has the best mean {title(comparison.score).lower()}."] if name_best else []
        if _better_means(comparison):
            sentences = [f"No optimizer is significantly better than {best} in {score}."]
        by_best = [label for label in worse if verdicts[label] in ABOVE]
        by_other = [label for label in worse if label not in by_best]
        than, other = (
            f" than {best}" * bool(by_other),
            f"significantly worse than another optimizer, but not than {best}",
        )
        few = all(rows[label]["n"] < comparison.min_repeats for label in untested)
        missing = f"not tested against {best}" + f" (fewer than {comparison.min_repeats} shared repeats)" * few
        groups = (
            (by_best, f"is significantly worse{than}", f"are significantly worse{than}"),
            (by_other, f"is {other}", f"are {other}"),
            (undecided, f"does not differ significantly from {best}", f"do not differ significantly from {best}"),
            (tied, f"is equivalent to {best}, {margin}", f"are equivalent to {best}, {margin}"),
            (untested, f"is {missing}", f"are {missing}"),
        )
        named = 0
        for labels, one, many in groups:
            only = (
                "Only " if labels is by_best and not by_other and len(worse) < min(3, len(others) - len(worse)) else ""
            )
            if labels:
                sentences.append(f"{only}{_some(labels, len(others), named)} {one if len(labels) == 1 else many}.")
            named += len(labels)
        if any(verdict in BELOW for verdict in verdicts.values()):  # no label is unbeaten: A > B > C > A
            sentences.append(f"{best} is significantly worse than at least one other optimizer, too.")
        if len(undecided) == len(others) > 3:
            sentences[-1] = f"None of the {len(others)} others differs significantly from {best}."
    return [*sentences, *_opposite_means(comparison), *_untested(comparison), *_unequal_repeats(comparison, best)]


def _scored(comparison: Comparison) -> str:
    """Return the score in words: for a test of means, the mean of it."""
    name = title(comparison.score).lower()
    return name if comparison.test == "rank" else f"mean {name}"


def _opposite_means(comparison: Comparison) -> list[str]:
    """Return the pairs whose means differ in the other direction than their runs usually do."""
    pairs = comparison.pairs
    usually = [(row["first"], row["second"]) for _, row in pairs[pairs["verdict"] == BETTER_WORSE_MEAN].iterrows()]
    usually += [(row["second"], row["first"]) for _, row in pairs[pairs["verdict"] == WORSE_BETTER_MEAN].iterrows()]
    sentences = [
        f"A run of {better} is usually better than a run of {worse}, although the mean of {better} is worse."
        for better, worse in usually[:_MAX_OPPOSITE]
    ]
    more = len(usually) - _MAX_OPPOSITE
    return [*sentences, *([f"The same is true of {notes.counted(more, 'other pair')}."] if more > 0 else [])]


def _untested(comparison: Comparison) -> list[str]:
    """Return how many pairs have enough repeats but no mean difference that the bootstrap-t test can test."""
    pairs = comparison.pairs
    n = int((pairs["adjusted_p"].isna() & (pairs["n"] >= comparison.min_repeats)).sum())
    if not n:
        return []
    verb = "is" if n == 1 else "are"
    return [
        (
            f"{notes.counted(n, 'pair')} {verb} not tested, because a run diverged, stalled or failed, or because all "
            "differences of the pair are equal."
        )
    ]


def _unequal_repeats(comparison: Comparison, best: str) -> list[str]:
    """Return how pairs are compared if the best optimizer has fewer runs than another."""
    most = max(comparison.n.values())
    fewer = [label for label in (best, *_better_means(comparison)) if comparison.n[label] < most]
    if not (fewer and comparison.paired):
        return []
    return [
        (
            f"{fewer[0]} has {comparison.n[fewer[0]]} repeats. Other optimizers have up to {most}. Each pair is compared on "
            "the repeats that both have."
        )
    ]


def _some(labels: Sequence[str], total: int, named: int) -> str:
    """Return up to three labels as a list, more as a number of the `total`, of which `named` were named before."""
    n = len(labels)
    if n <= 3:
        return notes.join_labels(labels)
    if n + named < total:
        return f"{n} of the other {total}"
    return f"The other {n}" if named else f"All {n} others"


def _better_means(comparison: Comparison) -> list[str]:
    """Return labels whose mean is better than that of the best: on shared repeats the best was better than one of them."""
    best = next(iter(comparison.means))
    sign = 1.0 if comparison.higher else -1.0
    return [label for label, mean in comparison.means.items() if sign * mean > sign * comparison.means[best]]


def method_statement(comparison: Comparison) -> str:
    """Return the number of pairs, n, the test, its error rate and the definition of a tie."""
    counts = sorted({int(n) for n in comparison.pairs["n"]})
    n = f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"
    parts = [
        f"{notes.counted(len(comparison.pairs), 'pair')}, {n} {'shared ' * comparison.paired}repeats",
        test_name(comparison.test, paired=comparison.paired),
        f"family-wise error rate (FWER) at most {1 - comparison.level:.0%}",
    ]
    outside = int((comparison.pairs["n"] < comparison.min_repeats).sum()) if comparison.has_verdicts else 0
    if outside:
        parts.append(
            f"{notes.counted(outside, 'pair')} with fewer than {comparison.min_repeats} repeats excluded from the family"
        )
    sample = "resamples" if comparison.test == "bootstrap-t" else "random permutations"
    parts.append("all permutations" if comparison.exact else f"{MAX_PATTERNS:,} {sample}, seed {SEED}")
    if not comparison.margin:
        return f"{'; '.join(parts)}."
    shift = "median difference" if comparison.test == "rank" else "mean difference"
    return (
        f"{'; '.join(parts)}. Tied: the simultaneous interval of the {shift} lies inside the equivalence margin of "
        f"±{comparison.margin:g}."
    )


def test_name(test: Test, *, paired: bool) -> str:
    """Return the name of a test, with its source."""
    return _METHODS[test][not paired]


def power_statement(comparison: Comparison) -> list[str]:
    """Return the minimum detectable difference, and the repeats that would separate the two best optimizers."""
    if len(comparison.means) < 2:
        return []
    sentences = []
    detectable, margin = comparison.minimum_detectable_difference, comparison.margin
    digits = notes.decimals([detectable])
    if comparison.has_verdicts and 1e-9 * max(map(abs, comparison.means.values())) < detectable < math.inf:
        text = (
            f"The minimum detectable difference is {notes.number(detectable, digits)}, the median over the pairs. A true "
            f"difference of that size would be significant with a probability of {testing.POWER:.0%}."
        )
        if detectable < margin:
            text += (
                f" Differences within the equivalence margin of ±{margin:g} count as ties even if they are detectable."
            )
        sentences.append(text)
    few = comparison.has_verdicts and comparison.pairs["n"].median() < testing.RECOMMENDED_REPEATS
    if few and len(comparison.means) > 2:
        sentences.append(
            f"With fewer than {testing.RECOMMENDED_REPEATS} repeats, a comparison of three or more optimizers has little power "
            f"(docs/statistics.md). At least {testing.RECOMMENDED_REPEATS} repeats are recommended."
        )
    top_two = list(comparison.means)[:2]
    row, pair = comparison.pair(*top_two), notes.join_labels(top_two)
    measured = bool(row["complete"]) and math.isfinite(float(row["difference"]))
    if row["verdict"] in {*ABOVE, *BELOW, TIED} or not measured:
        return sentences
    difference = abs(float(row["difference"]))
    gap = notes.number(difference, max(digits, 4))
    if 0 < margin >= difference:
        sentences.append(
            f"The difference between {pair} ({gap}) is within the equivalence margin of ±{margin:g}; more "
            "repeats would more likely show equivalence than a difference."
        )
    elif math.isfinite(comparison.repeats_to_separate_top_two):
        if comparison.repeats_to_separate_top_two <= row["n"]:  # the t test of the formula would have separated them
            return sentences
        sentences.append(
            f"If the true difference between {pair} is the measured {gap}, about "
            f"{comparison.repeats_to_separate_top_two:,.0f} repeats would separate them. With few repeats this number is only "
            "an order of magnitude."
        )
    elif comparison.repeats_to_separate_top_two == math.inf:
        sentences.append(f"The difference between {pair} is {gap}; no feasible number of repeats would separate them.")
    return sentences


def excluded_note(comparison: Comparison) -> list[str]:
    """Return the optimizers with too few runs to be compared, and their numbers of runs."""
    if not comparison.excluded or (not comparison.means and max(comparison.excluded.values()) > 1):
        return []
    counts = ", ".join(f"{label} ({n})" for label, n in comparison.excluded.items())
    required = comparison.min_repeats if comparison.has_verdicts or max(comparison.excluded.values()) > 1 else 2
    return [f"Not compared (fewer than {required} runs): {counts}."]
