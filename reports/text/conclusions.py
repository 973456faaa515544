"""Write the conclusions of a comparison: which optimizers differ, with which test, and what the study could detect.

The text is plain. Each writer escapes it for its own format.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.analysis.verdicts import BETTER, SEED, TIED, WORSE
from reports.frames.scores import title
from reports.statistics import pairwise_tests as testing
from reports.statistics.intervals import success_interval
from reports.statistics.sign_flips import MAX_PATTERNS
from reports.text import notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from reports.analysis.verdicts import Comparison

FWER_ASSUMPTIONS = (
    "The family-wise error rate is controlled for scores with unequal variances, for correlated scores, and for scores with "
    "the same skewness. For skewed scores with unequal variances, no test of means from so few repeats controls it "
    "(measured in docs/statistics.md)."
)

SPREAD, SKEWNESS = 3.0, 1.5
"""Thresholds of `distribution_warning`; normal scores of equal variance seldom exceed both by chance."""

COVERAGE = (
    "Measured coverage of these intervals: 95% for normal and discrete scores, 88–92% for strongly skewed scores, 82–93% if "
    "one run in five ends far below the others (docs/statistics.md)."
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
        return f"No verdict yet, because no optimizer has two scores and {required} of each."
    if len(comparison.means) == 1:
        return f"No verdict yet, because {required} scores of two optimizers."
    repeats = notes.counted(int(comparison.pairs["n"].max()), "repeat")
    if comparison.test == "welch":
        return f"No verdict yet, because no two optimizers have more than {repeats} and {required}."
    return f"No verdict yet, because the optimizers share {repeats} and {required}."


def _differences(comparison: Comparison, *, name_best: bool) -> list[str]:
    """Return the best optimizer, those that are significantly worse, and those that are not."""
    best, *others = comparison.means
    verdicts = {label: comparison.verdict(best, label) for label in others}
    worse = [label for label in others if label not in comparison.not_significantly_worse]
    tied = [label for label in others if verdicts[label] == TIED]
    undecided = [label for label in others if label not in {*worse, *tied}]
    score, better_means = title(comparison.score).lower(), _better_means(comparison)
    direction, margin = "higher" if comparison.higher else "lower", f"within the margin of ±{comparison.margin:g}"
    if len(worse) == len(others):
        rivals = others[0] if len(others) == 1 else f"the other {len(others)} optimizers"
        sentences = [f"{best} has a significantly {direction} mean {score} than {rivals}."]
    elif len(others) == 1:
        pair = notes.join_labels([best, others[0]])
        sentences = [
            f"{pair} are equivalent in mean {score}, {margin}."
            if tied
            else f"{pair} do not differ significantly in mean {score}."
        ]
    else:
        sentences = [f"{best} has the best mean {score}."] if name_best else []
        if better_means:
            sentences = [f"No optimizer has a significantly better mean {score} than {best}."]
        groups = (
            (worse, "is significantly worse", "are significantly worse"),
            (undecided, f"does not differ significantly from {best}", f"do not differ significantly from {best}"),
            (tied, f"is equivalent to {best}, {margin}", f"are equivalent to {best}, {margin}"),
        )
        named = 0
        for labels, one, many in groups:
            only = "Only " if labels is worse and len(worse) < min(3, len(others) - len(worse)) else ""
            if labels:
                sentences.append(f"{only}{_some(labels, len(others), named)} {one if len(labels) == 1 else many}.")
            named += len(labels)
        if len(undecided) == len(others) > 3:
            sentences[-1] = f"None of the {len(others)} others differs significantly from {best}."
    most = max(comparison.n.values())
    fewer = [label for label in (best, *better_means) if comparison.n[label] < most]
    if fewer and comparison.test != "welch":
        sentences.append(
            f"The mean of {fewer[0]} is over {comparison.n[fewer[0]]} repeats, other means are over up to {most}. Each pair is "
            "compared on the repeats that both have."
        )
    return sentences


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


def step_down_note(comparison: Comparison) -> str:
    """Return why a significant pair has a simultaneous interval that contains 0, with a leading blank; empty if none has."""
    significant = comparison.pairs[comparison.pairs["verdict"].isin([BETTER, WORSE])]
    if not ((significant["simultaneous_low"] <= 0) & (significant["simultaneous_high"] >= 0)).any():
        return ""
    return " Because the test is step-down, a pair can be significant although its simultaneous interval contains 0."


def method_statement(comparison: Comparison) -> str:
    """Return the number of pairs, n, the test, its error rate and the definition of a tie."""
    counts = sorted({int(n) for n in comparison.pairs["n"]})
    n = f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"
    parts = [
        f"{notes.counted(len(comparison.pairs), 'pair')}, {n} {'repeats' if comparison.test == 'welch' else 'shared repeats'}",
        testing.NAMES[comparison.test],
        f"family-wise error rate (FWER) at most {1 - comparison.level:.0%}",
    ]
    outside = int((comparison.pairs["n"] < comparison.min_repeats).sum()) if comparison.has_verdicts else 0
    if outside:
        parts.append(
            f"{notes.counted(outside, 'pair')} with fewer than {comparison.min_repeats} repeats excluded from the family"
        )
    if comparison.test == "max-t":
        parts.append("all permutations" if comparison.exact else f"{MAX_PATTERNS:,} random permutations, seed {SEED}")
    if not comparison.margin:
        return f"{'; '.join(parts)}."
    return (
        f"{'; '.join(parts)}. Tied: the simultaneous interval of the difference lies within the equivalence margin of "
        f"±{comparison.margin:g}."
    )


def power_statement(comparison: Comparison) -> list[str]:
    """Return the minimum detectable difference, and the repeats that would separate the two best optimizers."""
    if len(comparison.means) < 2:
        return []
    sentences = []
    detectable, margin = comparison.minimum_detectable_difference, comparison.margin
    digits = notes.decimals([detectable])
    if comparison.has_verdicts and 1e-9 * max(map(abs, comparison.means.values())) < detectable < math.inf:
        text = (
            f"The minimum detectable difference ({testing.POWER:.0%} power) is {notes.number(detectable, digits)}, the median "
            "over the pairs."
        )
        if detectable < margin:
            text += (
                f" Differences within the equivalence margin of ±{margin:g} count as ties even if they are detectable."
            )
        if comparison.test == "max-t" and comparison.pairs["n"].median() < testing.MIN_REPEATS_T_APPROXIMATION:
            text += (
                f" This assumes t tests; with fewer than {testing.MIN_REPEATS_T_APPROXIMATION} repeats the sign-flip test has "
                "less power (docs/statistics.md)."
            )
        sentences.append(text)
    top_two = list(comparison.means)[:2]
    row, pair = comparison.pair(*top_two), notes.join_labels(top_two)
    if row["verdict"] in {BETTER, WORSE, TIED}:
        return sentences
    difference = abs(float(row["difference"]))
    gap = notes.number(difference, max(digits, 4))
    if 0 < margin >= difference:
        sentences.append(
            f"The difference between {pair} ({gap}) is within the equivalence margin of ±{margin:g}; more "
            "repeats would more likely show equivalence than a difference."
        )
    elif math.isfinite(comparison.repeats_to_separate_top_two):
        sentences.append(
            f"If the true difference between {pair} is the measured {gap}, about "
            f"{comparison.repeats_to_separate_top_two:,.0f} repeats would separate them. With few repeats this number is only "
            "an order of magnitude."
        )
    elif comparison.repeats_to_separate_top_two == math.inf:
        sentences.append(f"The difference between {pair} is {gap}; no feasible number of repeats would separate them.")
    return sentences


def distribution_warning(comparison: Comparison) -> list[str]:
    """Return a warning if the scores are skewed and of unequal variance, so that the test rejects too often."""
    skewed = comparison.sd_ratio >= SPREAD and abs(comparison.skewness) >= SKEWNESS
    if not (comparison.has_verdicts and skewed):
        return []
    return [
        (
            "Interpret adjusted p values near 0.05 with caution. The largest standard deviation of an optimizer's scores is "
            f"{notes.number(comparison.sd_ratio, 1)} times the smallest, and the sample skewness reaches "
            f"{notes.number(comparison.skewness, 1)}. For such scores the test rejects true null hypotheses more often than "
            "its nominal level (measured in docs/statistics.md)."
        )
    ]


def success_rates(estimates: pd.DataFrame, level: float) -> list[str]:
    """Return the success rate with its interval of each optimizer that has unsuccessful trials."""
    rates = []
    for _, row in estimates[(estimates["ok"] < estimates["run"]) & (estimates["run"] > 0)].iterrows():
        interval = success_interval(int(row["ok"]), int(row["run"]), level)
        rates.append(f"{row['label']}: {row['ok']} of {row['run']} ({interval.low:.0%} to {interval.high:.0%})")
    return [f"Success rate with its {level:.0%} Clopper-Pearson interval. {'; '.join(rates)}."] if rates else []


def excluded_note(comparison: Comparison) -> list[str]:
    """Return the optimizers with too few scores to be compared, and their numbers of scores."""
    if not comparison.excluded:
        return []
    counts = ", ".join(f"{label} ({n})" for label, n in comparison.excluded.items())
    required = comparison.min_repeats if comparison.has_verdicts or max(comparison.excluded.values()) > 1 else 2
    return [f"Not compared (fewer than {required} scores): {counts}."]
