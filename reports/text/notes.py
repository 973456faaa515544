"""Format numbers, and write the notes of a report: the best mean, what intervals mean, what failed, the environment.

The text is plain. Each writer escapes it for its own format.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.frames.scores import higher_is_better, title
from reports.frames.study_frames import ENVIRONMENT, MISSING, REPRODUCIBILITY_KEYS, training_keys
from reports.statistics.bad_runs import CUTOFF
from reports.statistics.intervals import LEVEL, success_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from reports.frames.study_frames import Frames, Study

VARIATION = (
    "Repeats differ in the seeds of the initial weights and of the data order. All repeats share one training set and one "
    "test set, so the intervals do not cover the choice of data."
)
VARIATION_IMPORTED = (
    "The imported file defines what a repeat is. Repeats are treated as independent. It is unknown whether they share a "
    "training set and a test set."
)
DETERMINISTIC = "Runs are deterministic, because function, starting point and update rule determine the trajectory."

KEYS = {
    "device_name": "device name",
    "cpu_capability": "CPU capability",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "torch": "PyTorch",
    "packed": "trials per process",
}
"""Names of environment keys in a report; other keys keep their own."""

_MAX_REASON = 160


def caution(*, imported: bool) -> str:
    """Return what the best mean does not show, and how differences are tested."""
    paired = "" if imported else ", because repeats are paired by seed"
    return (
        "The best mean is descriptive and not a test. Overlapping intervals of single means are no evidence for or against "
        f"a difference{paired}. A difference is called significant if its p value, adjusted for all pairs, is at most "
        f"{1 - LEVEL:.2g}."
    )


def variation_note(*, imported: bool) -> str:
    """Return what differs between repeats, as sentences."""
    return VARIATION_IMPORTED if imported else VARIATION


def number(value: float, digits: int) -> str:
    """Return a number with `digits` decimals and a true minus sign; an en dash if it is not finite."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")


def bound(value: float, digits: int) -> str:
    """Return a median difference or a bound of it, which can be infinite, as a number or ∞."""
    return ("∞" if value > 0 else "−∞") if math.isinf(value) else number(value, digits)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 epoch`, `25 epochs`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def compact(value: float) -> str:
    """Return a number with two significant digits: `0.089`, `1.8e-5`, `34`, `5.6e6`; an en dash if it is not finite."""
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{float(f'{value:.2g}'):,g}".replace("-", "−")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def join_labels(labels: Sequence[str]) -> str:
    """Return `A`, `A and B` or `A, B and C`; in a list, a label that contains a comma is quoted."""
    if len(labels) == 1:
        return labels[0]
    quoted = [f"“{label}”" if "," in label else label for label in labels]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def decimals(half_widths: Iterable[float], fallback: int = 4) -> int:
    """Return the decimals for a column of means: two significant digits of the median half-width of its intervals."""
    widths = sorted(width for width in half_widths if math.isfinite(width) and width > 0)
    if not widths:
        return fallback
    return min(6, max(0, 1 - math.floor(math.log10(widths[len(widths) // 2]))))


def column_decimals(estimates: pd.DataFrame, metric: str) -> int:
    """Return the decimals for the column of one metric."""
    return decimals((estimates[f"{metric}_high"] - estimates[f"{metric}_low"]) / 2)


def plus_minus(mean: float, low: float, high: float, digits: int) -> str:
    """Return `0.8912 ± 0.0041`; both bounds if they are asymmetric; the mean alone if the interval is missing or empty."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(mean, digits)
    half_width = (high - low) / 2
    if half_width == 0:  # equal repeats do not show how they vary
        return number(mean, digits)
    if float(f"{half_width:.{digits}f}") == 0:  # much narrower than the others of its column
        digits = decimals([half_width])
    if abs((high - mean) - half_width) > 1e-9 * max(abs(high), abs(low), half_width):
        return f"{number(mean, digits)} [{number(low, digits)}, {number(high, digits)}]"
    return f"{number(mean, digits)} ± {number(half_width, digits)}"


def best_labels(estimates: pd.DataFrame, score: str) -> list[str]:
    """Return the labels with the best mean score: one, several if exactly equal, none without any score."""
    best = estimates[score].max() if higher_is_better(score) else estimates[score].min()
    return [str(label) for label in estimates.loc[estimates[score] == best, "label"]]


def headline(estimates: pd.DataFrame, score: str) -> str:
    """Return the best mean with its interval and the repeats that it excludes."""
    best, name = best_labels(estimates, score), title(score).lower()
    if not best:
        return f"No optimizer has a {name}, because no trial completed."
    row = estimates[estimates["label"] == best[0]].iloc[0]
    digits = column_decimals(estimates, score)
    extreme = "highest" if higher_is_better(score) else "lowest"
    if len(best) > 1:
        return (
            f"{join_labels(best)} have the same {extreme} mean {name}, {number(row[score], digits)}. The table has their "
            "intervals."
        )
    mean, low, high = (float(row[key]) for key in (score, f"{score}_low", f"{score}_high"))
    n, started = int(row["ok"]), int(row["run"])
    interval = f"{row['level']:.0%} {row['method']} interval, n = {n}"
    if n == 1:
        interval = "no interval, n = 1"
    elif low == high:
        interval = f"no interval, all {n} repeats are equal"
    text = f"{best[0]} has the {extreme} mean {name}, {plus_minus(mean, low, high, digits)} ({interval})."
    if n < started:
        verb = "did not complete and is" if started - n == 1 else "did not complete and are"
        text += f" {started - n} of its {started} repeats {verb} excluded."
    return text


def interval_warnings(estimates: pd.DataFrame, score: str) -> list[str]:
    """Return notes on scores that do not vary, and on intervals that exceed the range of an accuracy."""
    low, high = estimates[f"{score}_low"], estimates[f"{score}_high"]
    notes, equal = [], estimates.loc[(estimates["ok"] > 1) & (low == high), "label"]
    if len(equal):
        notes.append(f"No interval for {join_labels(list(equal))}, because all repeats have the same score.")
    if score.endswith("accuracy") and ((low < 0) | (high > 1)).any():
        notes.append("Student t intervals are symmetric and can exceed the range from 0 to 1. Figures clip them.")
    return notes


def risk_note(estimates: pd.DataFrame) -> list[str]:
    """Return what a bad run is, and what its number says; empty if no optimizer has enough repeats."""
    if not estimates["bad"].notna().any():
        return []
    level, n = float(estimates["level"].iloc[0]), int(estimates.loc[estimates["bad"].notna(), "run"].max())
    possible = success_interval(0, n, level).high
    return [
        (
            f"Bad runs: runs that end worse than the median of their optimizer by more than {CUTOFF} robust standard "
            "deviations (1.4826 times the median absolute deviation), and runs that diverged, stalled or failed. Brackets: "
            f"{level:.0%} Clopper-Pearson interval of the probability of a bad run. No bad run among {n} still allows a "
            f"probability of up to {possible:.0%}. No verdict is based on the number of bad runs."
        )
    ]


def interval_notes(estimates: pd.DataFrame) -> list[str]:
    """Return n, method and level of the ± in a table of means."""
    level, method = float(estimates["level"].iloc[0]), str(estimates["method"].iloc[0])
    counts = sorted({int(n) for n in estimates["ok"] if n > 1})
    notes = []
    if counts:
        n = f"n = {counts[0]} repeats" if len(counts) == 1 else "n = completed repeats (see completed/started)"
        notes.append(f"Mean over the repeats ± half-width of its {level:.0%} {method} interval, {n}.")
    for count, text in ((1, "No interval (1 completed repeat)"), (0, "No score (no completed repeat)")):
        labels = [str(label) for label in estimates.loc[(estimates["ok"] == count) & (estimates["run"] > 0), "label"]]
        if labels:
            notes.append(f"{text}: {'all optimizers' if len(labels) == len(estimates) > 1 else join_labels(labels)}.")
    return notes


def incomplete(frames: Frames) -> str:
    """Return `Incomplete: 30 of 54 trials recorded.` with the missing trials; empty if none is missing."""
    missing = frames.trials[frames.trials["outcome"] == MISSING]
    if missing.empty:
        return ""
    counts = missing.groupby("label", sort=False).size()
    labels = ", ".join(f"{label} ({count})" for label, count in counts.items())
    return f"Incomplete: {frames.recorded} of {len(frames.trials)} trials recorded. Missing trials: {labels}."


def failures(frames: Frames) -> list[tuple[str, str, int, int, str]]:
    """Return label, outcome, count, recorded trials of the label and reason, for every outcome other than ok."""
    trials = frames.trials[frames.trials["outcome"] != MISSING]
    recorded = trials.groupby("label", sort=False).size()
    failed = trials[trials["outcome"] != "ok"]
    failed = failed.assign(reason=[_one_line(reason) for reason in failed["reason"]])
    groups = failed.groupby(["label", "outcome", "reason"], sort=False).size().reset_index(name="count")
    return [
        (str(row["label"]), str(row["outcome"]), int(row["count"]), int(recorded[row["label"]]), str(row["reason"]))
        for _, row in groups.iterrows()
    ]


def failure_notes(frames: Frames) -> list[str]:
    """Return `failures` as a sentence."""
    groups = [
        f"{label}: {count} of {recorded} {outcome}" + (f" ({reason})" if reason else "")
        for label, outcome, count, recorded, reason in failures(frames)
    ]
    if not groups:
        return []
    return [f"Unsuccessful trials, excluded from all means and the worst in every comparison. {'; '.join(groups)}."]


def failed_on_surface(frames: Frames) -> str:
    """Return which trials on test functions failed; empty if none did."""
    failed = [
        f"{label} ({reason})" if reason else label
        for label, outcome, *_, reason in failures(frames)
        if outcome == "failed"
    ]
    return (
        f"Failed trials, without a trajectory unless another repeat completed: {'; '.join(failed)}." if failed else ""
    )


def environment(frames: Frames) -> dict[str, str]:
    """Return each environment key of the recorded trials with its value, or with its values and their trial counts."""
    trials = frames.trials[frames.trials["outcome"] != MISSING]
    values = {}
    for key in ENVIRONMENT:
        counts = trials.loc[trials[key] != "", key].value_counts()
        counts = counts.sort_index().sort_values(ascending=False, kind="stable")
        if len(counts) == 1:
            values[key] = str(counts.index[0])
        elif len(counts):
            values[key] = ", ".join(f"{value} ({counted(int(count), 'trial')})" for value, count in counts.items())
    return values


def mixed(frames: Frames) -> str:
    """Return in what the environments of the trials differ; empty if all trials ran in one."""
    trials = frames.trials[frames.trials["outcome"] != MISSING]
    environments = trials[list(REPRODUCIBILITY_KEYS)].drop_duplicates()
    if len(environments) < 2:
        return ""
    differences = []
    for key in REPRODUCIBILITY_KEYS:
        counts = trials[key].value_counts()
        if len(counts) > 1:
            values = ", ".join(f"{value or 'not recorded'}: {n}" for value, n in counts.items())
            differences.append(f"{KEYS.get(key, key)} ({values})")
    return (
        f"Mixed: the trials ran in {len(environments)} environments, which differ in {'; '.join(differences)}. The same trial "
        "may give different weights and speeds in each environment, so pairing is incomplete. `ravine verify` lists the "
        "trials that differ."
    )


def environment_line(frames: Frames) -> str:
    """Return device, versions and commit in one line."""
    if frames.imported:
        return "Imported third-party results."
    values = environment(frames)
    device = values.get("device", "device not recorded")
    device += f" ({values['device_name']})" if values.get("device_name", device) != device else ""
    parts = [f"Device: {device}"]
    if "threads" in values:
        parts.append(f"{values['threads']} thread{'' if values['threads'] == '1' else 's'}")
    names = {"python": "Python", "torch": "torch", "torchvision": "torchvision", "cuda": "CUDA", "ravine": "Ravine"}
    parts += [f"{name} {values[key]}" for key, name in names.items() if key in values]
    if "commit" in values:
        suffix = " (+: with uncommitted changes)" if "+" in values["commit"] else ""
        parts.append(f"commit {values['commit']}{suffix}")
    return ", ".join(parts) + "."


def table_notes(frames: Frames, estimates: pd.DataFrame, score: str) -> tuple[str, ...]:
    """Return the notes below the table of estimates."""
    notes = [incomplete(frames), mixed(frames)]
    if frames.on_surfaces:
        notes += [failed_on_surface(frames), DETERMINISTIC]
    else:
        order = "highest" if higher_is_better(score) else "lowest"
        notes += [
            *interval_notes(estimates),
            *interval_warnings(estimates, score),
            f"Sorted by mean {title(score).lower()}, {order} first.",
            *failure_notes(frames),
            variation_note(imported=frames.imported),
        ]
        if estimates["examples_per_second"].notna().any():
            notes.append(f"Examples/s: median over completed repeats, training only.{shared_device_note(frames)}")
        notes.append(evaluations_note(frames.trials))
    return tuple(note for note in (*notes, environment_line(frames)) if note)


def evaluations_note(trials: pd.DataFrame) -> str:
    """Return which optimizers evaluated the loss more than once for each training example; empty if none did."""
    ok = trials[trials["outcome"] == "ok"]
    groups = ok.groupby("label", sort=False)["evaluations"]
    parts = [f"{label} {values.mean():.3g} times (n = {len(values)})" for label, values in groups if (values > 1).any()]
    if not parts:
        return ""
    return (
        "The optimizers differ in the evaluations of the loss and its gradient. For each training example it was evaluated by "
        f"{', '.join(parts)}, means over completed repeats, and once by every other optimizer. Examples/s counts each training "
        "example once."
    )


def shared_device_note(frames: Frames) -> str:
    """Return that trials shared a device, with a leading blank, to follow a note on speed; empty if none did."""
    slots = max((int(count) for count in frames.trials["packed"] if count), default=1)
    return f" Up to {slots} trials shared the device, so this is not the speed of a single trial." if slots > 1 else ""


def experimental_setup(study: Study, frames: Frames, data: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the experimental setup as pairs of name and value.

    Args:
        study: The study.
        frames: Its plan and records.
        data: The digest of each data file, by name.
    """
    score = f"{title(study.score)} after the last epoch (not the best epoch)"
    trials = f"{frames.recorded} recorded of {len(frames.trials)} planned"
    digests = [(f"Digest of {name}", digest) for name, digest in sorted(data.items())]
    if study.imported:
        return [
            ("Problem", study.problem),
            ("Imported from", study.imported.file),
            ("Budget", counted(study.epochs, "epoch")),
            ("Repeats", f"{study.repeats}. {VARIATION_IMPORTED}"),
            ("Score", score),
            ("Equivalence margin", f"{study.margin:g}"),
            ("Trials", trials),
            *digests,
        ]
    if frames.on_surfaces:
        budget = counted(study.epochs, "step")
        repeats = f"{study.repeats}. {DETERMINISTIC}"
    else:
        size = "the complete training set" if study.batch_size == "full" else f"{study.batch_size} examples"
        examples = f"{study.train_examples:,}" if study.train_examples else "all"
        budget = f"{counted(study.epochs, 'epoch')}, batches of {size}, {examples} training examples"
        budget = ", ".join([budget, *training_keys(study)])
        repeats = f"{study.repeats}, the same seeds for every optimizer; root seed {study.seed}"
    exceptions = [
        entry.name
        for entry in study.optimizer
        if entry.epochs or entry.batch_size or entry.train_examples or entry.schedule
    ]
    every = study.eval_every
    rows = [
        ("Problem", study.problem),
        ("Problem options", ", ".join(f"{key} = {value}" for key, value in study.problem_options.items())),
        ("Budget", budget + (f"; for {join_labels(exceptions)} see Settings" if exceptions else "")),
        ("Repeats", repeats),
        ("Precision", study.precision),
        (
            "Evaluation",
            "after the last epoch"
            if every >= study.epochs
            else "after every epoch"
            if every == 1
            else f"every {every} epochs and after the last",
        ),
        ("Training loss and accuracy", "" if frames.on_surfaces else "running means over the epoch"),
        ("Losses", "" if frames.on_surfaces else "means per example"),
        ("Score", score),
        ("Equivalence margin", f"{study.margin:g}"),
        ("Trials", trials),
        ("Changed on the command line", ", ".join(study.overrides)),
    ]
    for key, value in environment(frames).items():
        name = KEYS.get(key, key)
        rows.append((name[0].upper() + name[1:], value))
    return [(name, value) for name, value in rows + digests if value]


def _one_line(reason: str) -> str:
    line = " ".join(reason.split()).rstrip(".")
    return line if len(line) <= _MAX_REASON else line[: _MAX_REASON - 1] + "…"
