"""Tidy data frames of a study, read from the store.

This package is the only importer of `suite` in `reports`. Other modules of `reports` import the types of `suite` from here.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from suite.data.surfaces import SURFACES, Surface
from suite.errors import UserError
from suite.records import REPRODUCIBILITY_KEYS, STEP_LOSS, Configuration, Outcome, TrialRecord
from suite.spec.claims import SCORE as CLAIMED_SCORE
from suite.spec.claims import Claim, Statement, claim_digest
from suite.spec.parts import StudyFile
from suite.spec.study import TUNED, Entry, Range, Study, tuned_label
from suite.spec.study_file import load_reference, shipped_studies
from suite.trials import IMPORTED, Trial, canonical
from suite.tuning.importance import importances
from suite.tuning.ranges import extend_range_at_bound, format_range

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "CLAIMED_SCORE",
    "ENVIRONMENT",
    "IMPORTED",
    "MISSING",
    "REPRODUCIBILITY_KEYS",
    "STEP_LOSS",
    "SURFACES",
    "TUNED",
    "Claim",
    "ClaimStore",
    "Frames",
    "RecordStore",
    "Statement",
    "Study",
    "StudyFile",
    "Surface",
    "Trial",
    "TrialRecord",
    "TuningStore",
    "UserError",
    "claim_digest",
    "claim_times",
    "command",
    "importances",
    "load",
    "load_reference",
    "random_stream_key",
    "settings",
    "tuned_label",
    "tuning",
]

MISSING = "missing"
"""The outcome of a planned trial that has no record."""

ENVIRONMENT = (
    *(
        "device",
        "device_name",
        "threads",
        "cpu_capability",
        "python",
        "torch",
        "torchvision",
        "cuda",
        "cudnn",
        "packed",
    ),
    *("ravine", "commit", "platform"),
)
"""The keys of a record's environment; a key that it lacks is an empty string."""

_POINTS = ["trial_id", "metric", "epoch", "step", "value"]
_UPDATES = ["label", "repeat", "outcome", "step", "value"]


class RecordStore(Protocol):
    """The part of a store that a report reads, for example `suite.tracking.store.Store`."""

    def records(self, ids: Collection[str]) -> Mapping[str, TrialRecord]:
        """Return the newest record of each of these trials that has one."""

    def points(self, records: Iterable[TrialRecord]) -> pd.DataFrame:
        """Return the measured values of these records: `trial_id`, `metric`, `epoch`, `step`, `value`."""


@dataclass(frozen=True, slots=True)
class Frames:
    """A plan and its records.

    Attributes:
        trials: A row per planned trial, in the order of the plan: `label`, `kind`, `repeat`, `trial_id`, `outcome`
            (`missing` without a record), `reason`, `started`, `epochs`, `batch_size`, `train_examples`, `examples_per_second`,
            `train_seconds`, `total_seconds`, `evaluations` (per training example), `seconds_per_update` (of complete trials),
            `state_bytes` (of the optimizer, per parameter), `weights`, `hyperparameters`, `settings` (hyperparameters with
            those of groups), `problem_options`, `random_stream_key`, and the keys of `ENVIRONMENT`.
        points: A row per measured value: `label`, `repeat`, `outcome`, `trial_id`, `metric`, `epoch`, `step`, `value`.
            The points of a trial that two labels share are under both labels.
        planned: The number of planned trials of each label, in the order of the labels.
        updates: A row per update with the loss of its batch: `label`, `repeat`, `outcome`, `step`, `value`. They are not in
            `points`, because there are thousands for each other value. `label` and `outcome` are categories.
    """

    trials: pd.DataFrame
    points: pd.DataFrame
    planned: dict[str, int]
    updates: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_UPDATES))

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels in the order of the plan, which determines their colours."""
        return tuple(self.planned)

    @property
    def on_surfaces(self) -> bool:
        """Return whether every trial is on a test function: its repeats are then equal, and an epoch is one step."""
        return all(options.get("surface") in SURFACES for options in self.trials["problem_options"])

    @property
    def imported(self) -> bool:
        """Return whether these are third-party results, whose steps, times and random numbers are unknown."""
        return bool((self.trials["kind"] == IMPORTED).all())

    @property
    def recorded(self) -> int:
        """Return the number of planned trials that have a record."""
        return int((self.trials["outcome"] != MISSING).sum())


def load(store: RecordStore, trials: Sequence[Trial]) -> Frames:
    """Return the frames of the trials of a plan.

    Raises:
        UserError: The plan is empty.
    """
    if not trials:
        raise UserError("study", "the plan has no trials", "Write at least one optimizer and one repeat into the study")
    records = store.records({trial.id for trial in trials})
    table = pd.DataFrame([_row(trial, records.get(trial.id)) for trial in trials])
    points = store.points(records.values())[_POINTS] if records else pd.DataFrame(columns=_POINTS)
    is_update = (points["metric"] == STEP_LOSS).to_numpy()
    updates = _updates(points, is_update, table)
    points = points[~is_update]
    points = points.astype({"trial_id": str, "metric": str, "epoch": "int64", "step": "int64", "value": "float64"})
    points = table[["trial_id", "label", "repeat", "outcome"]].merge(points, on="trial_id", how="inner")
    planned = {str(label): int(count) for label, count in table.groupby("label", sort=False).size().items()}
    return Frames(trials=table, points=points, planned=planned, updates=updates)


def _updates(points: pd.DataFrame, is_update: NDArray[np.bool_], table: pd.DataFrame) -> pd.DataFrame:
    """Return the losses of updates under each label that has their trial."""
    by_trial = points.groupby("trial_id", sort=False, observed=True).indices
    positions = {trial: kept for trial, at in by_trial.items() if len(kept := np.asarray(at)[is_update[at]])}
    rows = table[table["trial_id"].isin(list(positions))]
    if rows.empty:
        return pd.DataFrame(columns=_UPDATES)
    by_row = [positions[trial] for trial in rows["trial_id"]]
    lengths = [len(row_positions) for row_positions in by_row]
    order = np.concatenate(by_row)

    def category(name: str) -> pd.Categorical:
        return pd.Categorical(rows[name], categories=rows[name].unique()).repeat(lengths)

    return pd.DataFrame(
        {
            "label": category("label"),
            "repeat": rows["repeat"].to_numpy().repeat(lengths),
            "outcome": category("outcome"),
            "step": points["step"].to_numpy()[order].astype("int64"),
            "value": points["value"].to_numpy()[order].astype("float64", copy=False),
        },
        copy=False,  # millions of rows
    )


@runtime_checkable
class ClaimStore(Protocol):
    """A store that records when claims were stated, for example `suite.tracking.store.Store`."""

    def claim_times(self, study: str) -> Mapping[str, float]:
        """Return when each claim of a study was first recorded, by digest, in seconds since 1970."""


def claim_times(study: Study, store: object) -> Mapping[str, float]:
    """Return when each claim of a study was first recorded, by digest; empty if the store does not record it."""
    return store.claim_times(study.name) if isinstance(store, ClaimStore) else {}


class TuningStore(Protocol):
    """The part of a store that a report on a tuning run reads, for example `suite.tracking.store.Store`."""

    def configurations(self, study: str) -> Sequence[Configuration]:
        """Return the configurations that the tuning of a study evaluated."""


def tuning(study: Study, store: TuningStore) -> pd.DataFrame:
    """Return the configurations that the tuning of a study evaluated, a row per Optuna trial.

    Args:
        study: The study that was tuned, or its tuned study, which names the Optuna studies. If the `[tune]` table of a study
            was changed, the newest search of each optimizer is used.
        store: The store with the records.

    Returns:
        By optimizer, in the order of the study, and number: `optimizer` (the label), `kind`, `number` (from 0), `state`
        (`complete`, `pruned`, `diverged`, `stalled`, `failed`), `value` (the objective on the validation split as
        `suite.tuning` computes it; NaN if the trial failed), `objective`, `goal` (`minimise`, `maximise`), `sampler`,
        `is_default` (the default setting), `repeats` (number of trials run), `examples` (training examples used), `seconds`,
        `run_id`, and for each tuned hyperparameter `param.<name>`, `range.<name>` (the searched range) and `at_bound.<name>`
        (whether the value lies on a bound beyond which the range could be extended); NaN if the optimizer does not have it.
    """
    configurations = store.configurations(study.tuned.study if study.tuned else study.name)
    if study.tuned:
        labels, max_trials, optuna_studies = list(study.tuned.optuna), float(study.tuned.trials), study.tuned.optuna
    else:
        labels = [entry.name for entry in study.optimizer]
        max_trials = float("inf") if study.tune.sampler == "grid" else study.tune.trials
        optuna_studies = {c.label: c.optuna for c in sorted(configurations, key=lambda c: c.recorded)}
    chosen = [
        c
        for c in configurations
        if c.label in labels and optuna_studies.get(c.label) == c.optuna and c.number < max_trials
    ]
    chosen.sort(key=lambda c: (labels.index(c.label), c.number))
    columns = ["optimizer", "kind", "number", "state", "value", "objective", "goal", "sampler", "is_default", "repeats"]
    rows = [_configuration_row(configuration) for configuration in chosen]
    return pd.DataFrame(rows, columns=None if rows else [*columns, "examples", "seconds"])


def _searched_ranges(configuration: Configuration) -> dict[str, Range]:
    """Return the range of each hyperparameter; empty if the record has no valid ranges."""
    names = configuration.hyperparameters
    try:
        return {name: Range.model_validate_json(canonical(configuration.space[name])) for name in names}
    except (KeyError, TypeError, ValueError):
        return {}


def _configuration_row(configuration: Configuration) -> dict[str, Any]:
    values, ranges = configuration.hyperparameters, _searched_ranges(configuration)
    return {
        "optimizer": configuration.label,
        "kind": configuration.kind,
        "number": configuration.number,
        "state": str(configuration.state),
        "value": float("nan") if configuration.value is None else configuration.value,
        "objective": configuration.objective,
        "goal": "maximise" if configuration.objective.endswith("accuracy") else "minimise",
        "sampler": configuration.sampler,
        "is_default": configuration.is_default,
        "repeats": len(configuration.trials),
        "examples": configuration.examples,
        "seconds": configuration.seconds,
        "run_id": configuration.run_id,
        **{f"param.{name}": value for name, value in values.items()},
        **{f"range.{name}": format_range(searched) for name, searched in ranges.items()},
        **{
            f"at_bound.{name}": bool(extend_range_at_bound(searched, values[name])) for name, searched in ranges.items()
        },
    }


def settings(study: Study, trials: Sequence[Trial]) -> dict[str, str]:
    """Return the distinguishing settings of each label as short text, for example `lr 0.01, momentum 0.9`.

    The text has the learning rate, the momentum, every option in the study file, and the budget and problem options that the
    entry overrides. All other options have the default values of the optimizer's class.
    """
    entries = {entry.name: entry for entry in study.optimizer}
    texts: dict[str, str] = {}
    for trial in trials:
        if trial.label in texts:
            continue
        entry = entries.get(trial.label)
        written = entry.options | entry.extra if entry and trial.optimizer != IMPORTED else {}
        hyperparameters = dict(trial.hyperparameters)
        names = dict.fromkeys([*(name for name in ("lr", "momentum") if name in hyperparameters), *written])
        parts = [f"{name} {_text(hyperparameters.get(name, written.get(name)))}" for name in names]
        parts += _group_texts(entry, trial) if entry else []
        if trial.batch_size != study.batch_size:
            parts.append("full batch" if trial.batch_size == "full" else f"batch {trial.batch_size}")
        if trial.epochs != study.epochs:
            parts.append(f"{trial.epochs} epoch{'s' if trial.epochs != 1 else ''}")
        if entry and entry.train_examples and entry.train_examples != study.train_examples:
            parts.append(f"{trial.train_examples:,} examples")
        if entry:
            parts += training_keys(entry)
        if entry and entry.problem_options:
            parts += [f"{name} {_text(value)}" for name, value in entry.problem_options.items()]
        for wrapper in entry.wraps if entry else ():
            options = "".join(f", {name} {_text(value)}" for name, value in (wrapper.options | wrapper.extra).items())
            parts.append(f"in {wrapper.kind.rpartition(':')[2]}{options}")
        if trial.schedule:
            parts.append(f"{trial.schedule.get('kind', 'scheduled')} schedule")
        texts[trial.label] = ", ".join(parts)
    return texts


def _group_texts(entry: Entry, trial: Trial) -> list[str]:
    """Return each parameter group as text, for example `group bias, norm: torch.optim:AdamW lr 0.003`."""
    texts = []
    for written, group in zip(entry.group, trial.groups, strict=False):
        selectors = [*group.get("roles", ()), *group.get("names", ()), *(f"{n}-D" for n in group.get("ndim", ()))]
        names = [name for name in group["hyperparameters"] if name in written.options | written.extra]
        options = [f"{name} {_text(group['hyperparameters'][name])}" for name in names]
        texts.append(f"group {', '.join(selectors)}: {' '.join([*filter(None, [written.kind]), *options])}")
    return texts


def training_keys(table: Study | Entry) -> list[str]:
    """Return the keys of a study or an entry that change the training of any optimizer, as texts."""
    texts = {
        "updates_per_epoch": "{:,} updates per epoch",
        "accumulate": "batches in {} parts",
        "clip": "gradient norm at most {:g}",
        "label_smoothing": "label smoothing {:g}",
        "ema": "average of the weights with decay {:g}",
    }
    defaults = type(table).model_fields
    values = {key: getattr(table, key) for key in texts}
    return [texts[key].format(value) for key, value in values.items() if value != defaults[key].default]


def command(study: Study | StudyFile) -> str:
    """Return the shell command that runs a study, or all parts of a file, again; it names no folder of this machine."""
    path, name = study.path, study.file_name if isinstance(study, Study) else study.name
    if study.imported:
        return shlex.join(["ravine", "import", study.imported.file, "--study", name])
    is_shipped = path is None or path in {path.resolve() for path in shipped_studies().values()}
    is_generated = path is not None and path.parts[-3:-1] == ("out", "studies")
    words = ["ravine", "run", name if path is None or is_shipped or is_generated else path.name]
    words += ["--part", study.part] if isinstance(study, Study) and study.part else []
    for override in study.overrides:
        key, _, value = override.partition("=")
        if key == "optimizer" and isinstance(study, Study):
            words += [word for entry in study.optimizer for word in ("--optimizer", entry.name)]
        else:
            words += [f"--{key.replace('_', '-')}", value]
    return shlex.join(words)


def _row(trial: Trial, record: TrialRecord | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "label": trial.label,
        "kind": trial.optimizer,
        "repeat": trial.repeat,
        "trial_id": trial.id,
        "outcome": str(Outcome(record.outcome)) if record else MISSING,
        "reason": record.reason if record else "",
        "started": record.started if record else float("nan"),
        "epochs": trial.epochs,
        "batch_size": str(trial.batch_size),
        "train_examples": trial.train_examples,
        "examples_per_second": record.timing.examples_per_second if record else float("nan"),
        "train_seconds": record.timing.train if record else float("nan"),
        "total_seconds": record.timing.total if record else float("nan"),
        "seconds_per_update": _seconds_per_update(record) if record else float("nan"),
        "state_bytes": float("nan")
        if record is None or record.timing.state_bytes is None
        else record.timing.state_bytes,
        "evaluations": record.timing.evaluations if record else float("nan"),
        "weights": record.weights if record else "",
        "hyperparameters": dict(trial.hyperparameters),
        "settings": trial.settings,
        "problem_options": dict(trial.problem_options),
        "random_stream_key": random_stream_key(trial),
    }
    environment = record.environment if record else {}
    return row | {key: environment.get(key, "") for key in ENVIRONMENT}


def _seconds_per_update(record: TrialRecord) -> float:
    """Return the mean duration of an update; NaN for a trial that ended early, or whose updates were not timed."""
    is_timed = record.outcome == Outcome.OK and record.timing.train > 0
    return record.timing.train / record.trial.updates if is_timed else float("nan")


def random_stream_key(trial: Trial) -> str:
    """Return a text that, with the repeat, determines initial weights and batches: equal texts draw equal random numbers.

    It has the problem with its options, its data and its code, the root seed and the stage.
    """
    return canonical([trial.problem, trial.problem_options, trial.data, trial.seed, trial.stage])


def _text(value: Any) -> str:
    """Return a hyperparameter as the shortest exact text; lists have spaces after commas."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.17g}" if float(f"{value:.6g}") != value else f"{value:g}"
    if isinstance(value, list | tuple):
        return f"({', '.join(_text(item) for item in value)})"
    return str(value)
