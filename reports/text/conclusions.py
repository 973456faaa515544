"""The sentences of a comparison: who cannot be told from the best, and what so many repeats can tell.

Plain text; each writer escapes it for its own format.
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
    "The family error holds for scores that spread unequally, hang together or are skewed alike. For scores that are "
    "skewed and spread unequally as well, no test of means from so few repeats keeps it (measured in docs/statistics.md)."
)

SPREAD, SKEWNESS = 3.0, 1.5
"""From here on a report says that scores look unequally spread and skewed; normal ones of one spread seldom do by chance."""

COVERAGE = (
    "How often such intervals hold the true mean, measured: 95% for normal and discrete scores; for strongly skewed ones "
    "88% to 92%, for runs of which a fifth ends far lower 82% to 93% (docs/statistics.md)."
)


def join_labels(labels: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def p_value(p: float) -> str:
    """A p as a report prints it: three decimals, or `< 0.001`."""
    if not math.isfinite(p):
        return "–"
    if p < 0.0005:
        return "< 0.001"
    digits = 3
    while float(f"{p:.{digits}f}") == 0.05 != p:  # on which side of 5% it lies is what matters
        digits += 1
    return f"{p:.{digits}f}"


def verdict(found: Comparison) -> str:
    """The answer: which cannot be told from the best; or that nothing can be told yet, and what it takes."""
    if len(found.means) + len(found.excluded) < 2:
        return ""
    return _found(found) if found.has_verdicts else _nothing_yet(found)


def _nothing_yet(found: Comparison) -> str:
    if not found.means:
        return f"No verdict yet: no optimizer has two scores, and a comparison needs at least {found.min_repeats} of each."
    if len(found.means) == 1:
        text = f"No verdict yet: a comparison needs at least {found.min_repeats} scores of two optimizers."
    else:
        repeats = notes.counted(int(found.pairs["n"].max()), "repeat")
        some = (
            f"no two optimizers have more than {repeats}"
            if found.test == "welch"
            else f"the optimizers share {repeats}"
        )
        text = f"No verdict yet: {some}, and a comparison needs at least {found.min_repeats}."
    return " ".join([text, *excluded_note(found)])


def _found(found: Comparison) -> str:
    best, *near = found.not_significantly_worse
    by, rest = f"By {title(found.score).lower()}, ", len(found.means) - len(found.not_significantly_worse)
    whole = max(found.n.values())
    if not near:
        text = f"{by}{best} is better than " + (f"{list(found.means)[1]}." if rest == 1 else f"all {rest} others.")
    elif len(found.means) == 2:
        if found.verdict(best, near[0]) == TIED:
            return " ".join([f"{by}{best} and {near[0]} are tied, within ±{found.margin:g}.", *excluded_note(found)])
        text = f"{by}{best} and {near[0]} cannot be told apart."
    elif rest == 0:
        text = f"{by}none of the others can be told from the best, {best}."
    elif len(near) > 3 and rest < 3:
        worse = [label for label in found.means if label not in found.not_significantly_worse]
        text = f"{by}none of the others can be told from the best, {best}, but for {join_labels(worse)}: worse."
    else:
        others = "the other is worse" if rest == 1 else f"the other {rest} are worse"
        text = f"{by}{join_labels(near)} cannot be told from the best, {best}; {others}."
    tied = [label for label in near if found.verdict(best, label) == TIED]
    if tied:
        text += f" Tied with it, within ±{found.margin:g}: {join_labels(tied)}."
    short = [label for label in (best, *_above(found)) if found.n[label] < whole]
    if short and found.test != "welch":
        few = short[0]
        text += (
            f" The mean of {few} is over {found.n[few]} repeats, others have up to {whole}; pairs are judged by those that "
            "both have."
        )
    return " ".join([text, *excluded_note(found)])


def _above(found: Comparison) -> list[str]:
    """Labels whose mean is better than that of the best, which was found better than one of them on the repeats of both."""
    best = next(iter(found.means))
    sign = 1.0 if found.higher else -1.0
    return [label for label, mean in found.means.items() if sign * mean > sign * found.means[best]]


def step_down_note(found: Comparison) -> str:
    """Why a pair that was told apart may have an interval that holds 0, to stand behind a sentence; empty where none does."""
    apart = found.pairs[found.pairs["verdict"].isin([BETTER, WORSE])]
    if not ((apart["simultaneous_low"] <= 0) & (apart["simultaneous_high"] >= 0)).any():
        return ""
    return (
        " The test steps down, so it can tell a pair apart of which the interval that is made for all pairs together still "
        "holds 0."
    )


def method_statement(found: Comparison) -> str:
    """Which test, of how many pairs, with what error, from how many repeats."""
    counts = sorted({int(n) for n in found.pairs["n"]})
    n = f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"
    kind = "repeats" if found.test == "welch" else "shared repeats"
    text = (
        f"{len(found.pairs)} pairs, {n} {kind}; {testing.NAMES[found.test]}; family error at most {1 - found.level:.0%}"
    )
    outside = int((found.pairs["n"] < found.min_repeats).sum()) if found.has_verdicts else 0
    if outside:
        text += f"; {notes.counted(outside, 'pair')} with fewer than {found.min_repeats} repeats outside the family"
    if found.test == "max-t":
        text += "; all flips" if found.exact else f"; {MAX_PATTERNS:,} random flips, seed {SEED}"
    return f"{text}. Tied: the interval of the difference, made for all pairs together, lies within ±{found.margin:g}."


def power_statement(found: Comparison) -> list[str]:
    """The smallest difference that this study can find, and the repeats that would part the two best."""
    if len(found.means) < 2:
        return []
    told = []
    digits = notes.decimals([found.minimum_detectable_difference])
    if found.has_verdicts and 1e-9 * max(map(abs, found.means.values())) < found.minimum_detectable_difference < math.inf:
        text = (
            f"Smallest true difference that this study finds with probability {testing.POWER:.0%}: "
            f"{notes.number(found.minimum_detectable_difference, digits)} (median over the pairs)."
        )
        if found.minimum_detectable_difference < found.margin:
            text += f" What lies within the margin, ±{found.margin:g}, is called a tie all the same."
        if found.test == "max-t" and found.pairs["n"].median() < testing.MIN_REPEATS_T_APPROXIMATION:
            text += (
                f" That is reckoned for t tests: sign flips of fewer than {testing.MIN_REPEATS_T_APPROXIMATION} repeats find less "
                "(docs/statistics.md)."
            )
        told.append(text)
    one, other = list(found.means)[:2]
    row = found.pair(one, other)
    if row["verdict"] in {BETTER, WORSE, TIED}:
        return told
    gap = notes.number(abs(float(row["difference"])), max(digits, 4))
    if 0 < found.margin >= abs(float(row["difference"])):
        told.append(
            f"{one} and {other} lie {gap} apart, within the margin of ±{found.margin:g}: more repeats would rather show a tie "
            "than part them."
        )
    elif math.isfinite(found.repeats_to_separate_top_two):
        told.append(
            f"To tell {one} from {other}, about {found.repeats_to_separate_top_two:,.0f} repeats are needed if their true difference is the "
            f"measured {gap}; from few repeats that is an order of magnitude."
        )
    elif found.repeats_to_separate_top_two == math.inf:
        told.append(f"{one} and {other} lie {gap} apart: no number of repeats that can be run would part them.")
    return told


def distribution_warning(found: Comparison) -> list[str]:
    """That these scores look like those for which the test finds too much, where they do."""
    if not (found.has_verdicts and found.sd_ratio >= SPREAD and abs(found.skewness) >= SKEWNESS):
        return []
    text = (
        "Take an adjusted p near 5% with care: the largest standard deviation here is "
        f"{notes.number(found.sd_ratio, 1)} times the smallest, and the skewness of an optimizer's scores reaches "
        f"{notes.number(found.skewness, 1)}. With such scores the test finds a difference where there is none more often than "
        "it says (measured in docs/statistics.md)."
    )
    return [text]


def success(estimates: pd.DataFrame, level: float) -> list[str]:
    """The success rate of each optimizer some of whose repeats did not end ok, with its interval, apart from the scores."""
    told = []
    for _, row in estimates[(estimates["ok"] < estimates["run"]) & (estimates["run"] > 0)].iterrows():
        found = success_interval(int(row["ok"]), int(row["run"]), level)
        told.append(f"{row['label']} {row['ok']} of {row['run']} ({found.low:.0%} to {found.high:.0%})")
    return (
        [f"Ended ok, with the {level:.0%} Clopper-Pearson interval of the success rate: {'; '.join(told)}."]
        if told
        else []
    )


def excluded_note(found: Comparison) -> list[str]:
    """Optimizers that nothing can be said about, with their scores."""
    if not found.excluded:
        return []
    counts = ", ".join(f"{label} ({n})" for label, n in found.excluded.items())
    wanted = found.min_repeats if found.has_verdicts or max(found.excluded.values()) > 1 else 2
    return [f"Not compared, with fewer than {wanted} scores: {counts}."]
