"""The sentences of a report: the answer, what the intervals mean, what went wrong, where it was measured.

Plain text; each writer escapes it for its own format.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.frames.scores import higher_is_better, title
from reports.frames.study_frames import ENVIRONMENT, MISSING, REPRODUCIBILITY_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from reports.frames.study_frames import Frames, Study

CAUTION = (
    "A highest or lowest mean describes these runs; it is no verdict. Intervals of single means that overlap prove "
    "nothing here, for or against a difference: the repeats are paired by seed. Verdicts come from the comparison of "
    "pairs."
)
ON_IMPORTED = (
    "A highest or lowest mean describes these runs; it is no verdict. Intervals of single means that overlap prove nothing "
    "here, for or against a difference. Verdicts come from the comparison of pairs."
)
"""In place of `CAUTION`, where results were imported."""
VARIED = (
    "What varies between repeats: the initial weights and the order of the data, by seed. All repeats share one "
    "training set and one test set, so no interval speaks of other data."
)
ELSEWHERE = (
    "What varies between repeats is what the imported file calls a repeat. They count as independent; whether they share a "
    "training set and a test set is not known."
)
"""In place of `VARIED`, where results were imported."""
FIXED = "Nothing varies between repeats: start, function and rule fix the path."
_REASON = 160


KEYS = {
    "device_name": "device name",
    "cpu_capability": "CPU capability",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "torch": "PyTorch",
    "packed": "trials packed into a process",
}
"""What people call the keys of an environment; others as they are."""


def varied(*, imported: bool) -> str:
    """What varies between repeats, in a sentence."""
    return ELSEWHERE if imported else VARIED


def number(value: float, digits: int) -> str:
    """A number with so many decimals, and a real minus sign; an en dash where there is none."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")


def counted(many: int, word: str) -> str:
    """`1 epoch`, `25 epochs`."""
    return f"{many:,} {word}{'s' * (many != 1)}"


def compact(value: float) -> str:
    """A number of any size with two significant digits: `0.089`, `1.8e-5`, `34`, `5.6e6`; an en dash where there is none."""
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{float(f'{value:.2g}'):,g}".replace("-", "−")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def decimals(halves: Iterable[float], fallback: int = 4) -> int:
    """How many decimals a column of means gets: two significant digits of the median half-width of its intervals."""
    widths = sorted(half for half in halves if math.isfinite(half) and half > 0)
    if not widths:
        return fallback
    return min(6, max(0, 1 - math.floor(math.log10(widths[len(widths) // 2]))))


def column_decimals(estimates: pd.DataFrame, metric: str) -> int:
    """The decimals of one metric's column."""
    return decimals((estimates[f"{metric}_high"] - estimates[f"{metric}_low"]) / 2)


def plus_minus(mean: float, low: float, high: float, digits: int) -> str:
    """`0.8912 ± 0.0041`; the mean alone where there is no interval, or no width; both bounds where they are not alike."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(mean, digits)
    half = (high - low) / 2
    if half == 0:
        return number(mean, digits)  # repeats that are all equal show nothing of how they would vary
    if float(f"{half:.{digits}f}") == 0:
        digits = decimals([half])  # much narrower than the others of its column: ± 0.000 would be no spread
    if abs((high - mean) - half) > 1e-9 * max(abs(high), abs(low), half):
        return f"{number(mean, digits)} [{number(low, digits)}, {number(high, digits)}]"
    return f"{number(mean, digits)} ± {number(half, digits)}"


def best_labels(estimates: pd.DataFrame, score: str) -> list[str]:
    """The labels with the best mean score: one, or several that are exactly equal; none where nothing has a score."""
    best = estimates[score].max() if higher_is_better(score) else estimates[score].min()
    return [str(label) for label in estimates.loc[estimates[score] == best, "label"]]


def headline(estimates: pd.DataFrame, score: str) -> str:
    """The answer in one sentence, with its interval and what it leaves out."""
    best, name = best_labels(estimates, score), title(score).lower()
    if not best:
        return f"No optimizer has a {name}: no trial reached the end of its budget."
    row = estimates[estimates["label"] == best[0]].iloc[0]
    digits = column_decimals(estimates, score)
    value = plus_minus(row[score], row[f"{score}_low"], row[f"{score}_high"], digits)
    word = "highest" if higher_is_better(score) else "lowest"
    if len(best) > 1:
        told = f"{', '.join(best[:-1])} and {best[-1]} share the {word} mean {name}, {number(row[score], digits)}"
        return f"{told}; their intervals stand in the table."
    n = int(row["ok"])
    how = f"{row['level']:.0%} {row['method']} interval, n = {n}" if n > 1 else "no interval: 1 repeat"
    if n > 1 and row[f"{score}_low"] == row[f"{score}_high"]:
        how = f"no interval: all {n} repeats are equal"
    text = f"{best[0]} has the {word} mean {name}: {value} ({how})."
    if n < row["run"]:
        text += f" That mean leaves out {int(row['run']) - n} of its {int(row['run'])} repeats, which did not end ok."
    return text


def odd_intervals(estimates: pd.DataFrame, score: str) -> list[str]:
    """Scores that do not vary, and intervals that reach beyond what a score can be."""
    low, high = estimates[f"{score}_low"], estimates[f"{score}_high"]
    told, equal = [], estimates.loc[(estimates["ok"] > 1) & (low == high), "label"]
    if len(equal):
        told.append(
            f"No interval: all repeats have the same score, so none shows how it would vary: {', '.join(equal)}."
        )
    if score.endswith("accuracy") and ((low < 0) | (high > 1)).any():
        told.append(
            "t intervals are symmetric: near 0 or 1 they reach beyond what an accuracy can be, and figures end there."
        )
    return told


def intervals(estimates: pd.DataFrame) -> list[str]:
    """What stands behind the ± of a table: n, method, level."""
    level, method = float(estimates["level"].iloc[0]), str(estimates["method"].iloc[0])
    counts = sorted({int(n) for n in estimates["ok"] if n > 1})
    told = []
    if counts:
        n = (
            f"n = {counts[0]} repeats"
            if len(counts) == 1
            else "the n repeats that ended ok (the first number of ok/run)"
        )
        told.append(f"Mean over {n} ± half of its {level:.0%} {method} interval.")
    for few, text in ((1, "No interval: 1 repeat"), (0, "No score: no repeat ended ok")):
        labels = [str(label) for label in estimates.loc[(estimates["ok"] == few) & (estimates["run"] > 0), "label"]]
        if labels:
            whom = "each optimizer" if len(labels) == len(estimates) > 1 else ", ".join(labels)
            told.append(f"{text} ({whom}).")
    return told


def incomplete(frames: Frames) -> str:
    """`Incomplete: 30 of 54 trials recorded` with what is missing; empty where nothing is."""
    missing = frames.trials[frames.trials["outcome"] == MISSING]
    if missing.empty:
        return ""
    counts = missing.groupby("label", sort=False).size()
    whom = ", ".join(f"{label} {count}" for label, count in counts.items())
    return f"Incomplete: {frames.recorded} of {len(frames.trials)} trials recorded. Missing: {whom}."


def failures(frames: Frames) -> list[tuple[str, str, int, int, str]]:
    """Every label, outcome and reason that is not ok: label, outcome, how many of its recorded trials, of how many, why."""
    trials = frames.trials[frames.trials["outcome"] != MISSING]
    runs = trials.groupby("label", sort=False).size()
    odd = trials[trials["outcome"] != "ok"]
    odd = odd.assign(reason=[_one_line(reason) for reason in odd["reason"]])
    groups = odd.groupby(["label", "outcome", "reason"], sort=False).size().reset_index(name="count")
    return [
        (str(row["label"]), str(row["outcome"]), int(row["count"]), int(runs[row["label"]]), str(row["reason"]))
        for _, row in groups.iterrows()
    ]


def failure_lines(frames: Frames) -> list[str]:
    """`failures` as sentences, and that no mean holds these trials."""
    found = failures(frames)
    if not found:
        return []
    told = [
        f"{label}: {count} of {run} {outcome}" + (f" ({reason})" if reason else "")
        for label, outcome, count, run, reason in found
    ]
    return [f"Not ok, so not in the means: {'; '.join(told)}."]


def failed_on_surface(frames: Frames) -> str:
    """Which trials on surfaces failed, in a sentence; empty where none did."""
    told = [
        f"{label} ({reason})" if reason else label for label, how, *_, reason in failures(frames) if how == "failed"
    ]
    return f"Failed, so without a path where no other repeat ended: {'; '.join(told)}." if told else ""


def environment(frames: Frames) -> dict[str, str]:
    """Where the recorded trials ran: each key with its value, or its values with how many trials have which."""
    trials = frames.trials[frames.trials["outcome"] != MISSING]
    told = {}
    for key in ENVIRONMENT:
        counts = trials.loc[trials[key] != "", key].value_counts()
        counts = counts.sort_index().sort_values(ascending=False, kind="stable")
        if len(counts) == 1:
            told[key] = str(counts.index[0])
        elif len(counts):
            told[key] = ", ".join(f"{value} ({count} trials)" for value, count in counts.items())
    return told


def mixed(frames: Frames) -> str:
    """That the trials ran in several environments, and what these differ in; empty where one ran all."""
    trials = frames.trials[frames.trials["outcome"] != MISSING]
    places = trials[list(REPRODUCIBILITY_KEYS)].drop_duplicates()
    if len(places) < 2:
        return ""
    odd = []
    for key in REPRODUCIBILITY_KEYS:
        counts = trials[key].value_counts()
        if len(counts) > 1:
            told = ", ".join(f"{value or 'not recorded'}: {n}" for value, n in counts.items())
            odd.append(f"{KEYS.get(key, key)} ({told})")
    return (
        f"Mixed: the trials ran in {len(places)} environments, which differ in {'; '.join(odd)}. A trial can have other "
        "weights and another speed in each: repeats are not wholly paired, and ravine verify tells which trials differ."
    )


def where(frames: Frames) -> str:
    """The device, the versions and the commit in one line."""
    if frames.imported:
        return "Measured elsewhere and imported."
    known = environment(frames)
    device = known.get("device", "device not recorded")
    device += f" ({known['device_name']})" if known.get("device_name", device) != device else ""
    parts = [f"Device: {device}"]
    if "threads" in known:
        parts.append(f"{known['threads']} thread{'' if known['threads'] == '1' else 's'}")
    names = {"python": "Python", "torch": "torch", "torchvision": "torchvision", "cuda": "CUDA", "ravine": "Ravine"}
    parts += [f"{name} {known[key]}" for key, name in names.items() if key in known]
    if "commit" in known:
        more = " (+: with changes that were not committed)" if "+" in known["commit"] else ""
        parts.append(f"commit {known['commit']}{more}")
    return ", ".join(parts) + "."


def table_notes(frames: Frames, estimates: pd.DataFrame, score: str) -> tuple[str, ...]:
    """The notes beneath the table of estimates."""
    word = "highest" if higher_is_better(score) else "lowest"
    if frames.on_surfaces:
        return tuple(
            line
            for line in (incomplete(frames), mixed(frames), failed_on_surface(frames), FIXED, where(frames))
            if line
        )
    lines = [
        incomplete(frames),
        mixed(frames),
        *intervals(estimates),
        *odd_intervals(estimates, score),
        f"Sorted by mean {title(score).lower()}, {word} first.",
    ]
    lines += [*failure_lines(frames), varied(imported=frames.imported)]
    if estimates["examples_per_second"].notna().any():
        lines.append(f"Examples/s: median over the ok repeats, of training alone.{packed(frames)}")
    lines.append(where(frames))
    return tuple(line for line in lines if line)


def packed(frames: Frames) -> str:
    """That trials took turns on a device, to stand behind a sentence on speed; empty where none did."""
    most = max((int(slots) for slots in frames.trials["packed"] if slots), default=1)
    return f" Up to {most} trials took turns on the device: no speed of one by itself." if most > 1 else ""


def experimental_setup(study: Study, frames: Frames, data: Mapping[str, str]) -> list[tuple[str, str]]:
    """How it was measured, as names and values."""
    if study.imported:
        return [
            ("Problem", study.problem),
            ("Imported from", study.imported.file),
            ("Budget", counted(study.epochs, "epoch")),
            ("Repeats", f"{study.repeats}. {ELSEWHERE}"),
            ("Score", f"{title(study.score)} after the last epoch, never the best epoch"),
            ("Margin: what counts as no difference", f"{study.margin:g}"),
            ("Trials", f"{frames.recorded} recorded of {len(frames.trials)} planned"),
            *((f"Digest of {name}", digest) for name, digest in sorted(data.items())),
        ]
    size = "the whole training set" if study.batch_size == "full" else f"{study.batch_size} examples"
    budget = f"{counted(study.epochs, 'epoch')}, batches of {size}"
    budget += f", {study.train_examples:,} training examples" if study.train_examples else ", all training examples"
    budget = counted(study.epochs, "step") if frames.on_surfaces else budget
    own = [
        entry.name
        for entry in study.optimizer
        if entry.epochs or entry.batch_size or entry.train_examples or entry.schedule
    ]
    told = [
        ("Problem", study.problem),
        ("Options of the problem", ", ".join(f"{key} = {value}" for key, value in study.problem_options.items())),
        ("Budget", budget + (f"; {', '.join(own)} as in the table of settings" if own else "")),
        (
            "Repeats",
            f"{study.repeats}. {FIXED}"
            if frames.on_surfaces
            else f"{study.repeats}, the same seeds for every optimizer; root seed {study.seed}",
        ),
        ("Precision", study.precision),
        (
            "Evaluated",
            "after the last epoch" if study.test_every >= study.epochs else _every(study.test_every),
        ),
        ("Training loss and accuracy", "" if frames.on_surfaces else "running means of the epoch"),
        ("Losses", "" if frames.on_surfaces else "means per example"),
        ("Score", f"{title(study.score)} after the last epoch, never the best epoch"),
        ("Margin: what counts as no difference", f"{study.margin:g}"),
        ("Trials", f"{frames.recorded} recorded of {len(frames.trials)} planned"),
        ("Changed on the command line", ", ".join(study.overrides)),
    ]
    for key, value in environment(frames).items():
        name = KEYS.get(key, key)
        told.append((name[0].upper() + name[1:], value))
    told += [(f"Digest of {name}", digest) for name, digest in sorted(data.items())]
    return [(name, text) for name, text in told if text]


def _every(epochs: int) -> str:
    return "after every epoch" if epochs == 1 else f"every {epochs} epochs, and after the last"


def _one_line(reason: str) -> str:
    line = " ".join(reason.split()).rstrip(".")
    return line if len(line) <= _REASON else line[: _REASON - 1] + "…"
