"""The store as tidy frames: the only door from `reports` to `suite`.

What the other modules of `reports` need of the suite's types they take from here.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from suite.data.surfaces import SURFACES, Surface
from suite.errors import UserError
from suite.records import REPRODUCIBILITY_KEYS, STEP_LOSS, Configuration, Outcome, TrialRecord
from suite.spec.parts import StudyFile
from suite.spec.study import TUNED, Range, Study, tuned_label
from suite.spec.study_file import load_reference, shipped_studies
from suite.trials import IMPORTED, Trial, canonical
from suite.tuning.importance import importances
from suite.tuning.ranges import extend_range_at_bound, format_range

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "REPRODUCIBILITY_KEYS",
    "ENVIRONMENT",
    "IMPORTED",
    "MISSING",
    "STEP_LOSS",
    "SURFACES",
    "TUNED",
    "Frames",
    "RecordStore",
    "Study",
    "StudyFile",
    "Surface",
    "Trial",
    "TrialRecord",
    "TuningStore",
    "UserError",
    "command",
    "random_stream_key",
    "importances",
    "load",
    "load_reference",
    "settings",
    "tuned_label",
    "tuning",
]

MISSING = "missing"
"""The outcome of a planned trial that has no record."""

ENVIRONMENT = (
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
    "ravine",
    "commit",
    "platform",
)
"""What a record says about where it ran; empty text where it does not."""

_POINTS = ("trial_id", "metric", "epoch", "step", "value")
_UPDATES = ("label", "repeat", "outcome", "step", "value")


class RecordStore(Protocol):
    """What a report needs of a store; `suite.tracking.store.Store` has it."""

    def records(self, ids: Collection[str]) -> Mapping[str, TrialRecord]:
        """The newest record of each of these trials that has one."""

    def points(self, records: Iterable[TrialRecord]) -> pd.DataFrame:
        """The measured values of these records: `trial_id`, `metric`, `epoch`, `step`, `value`."""


@dataclass(frozen=True, slots=True)
class Frames:
    """A plan and what is recorded of it.

    Attributes:
        trials: A row per planned trial, in the order of the plan: `label`, `kind`, `repeat`, `trial_id`, `outcome`
            (`missing` without a record), `reason`, `epochs`, `batch_size`, `train_examples`, `examples_per_second`,
            `train_seconds`, `total_seconds`, `weights`, `hyperparameters`, `problem_options`, `random_stream_key`, and the keys of `ENVIRONMENT`.
        points: A row per measured value: `label`, `repeat`, `outcome`, `trial_id`, `metric`, `epoch`, `step`, `value`.
            A trial that two labels share has its points under both.
        planned: How many trials each label has in the plan. Its order is the order of the labels.
        updates: A row per update with the loss of its own batch: `label`, `repeat`, `outcome`, `step`, `value`. Apart, since
            there are thousands of them for each other value; `label` and `outcome` are categories.
    """

    trials: pd.DataFrame
    points: pd.DataFrame
    planned: dict[str, int]
    updates: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_UPDATES)))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the plan, on which their colours depend."""
        return tuple(self.planned)

    @property
    def on_surfaces(self) -> bool:
        """Whether every trial is on a surface: start and function are fixed, so repeats are equal, and an epoch is a step."""
        return all(options.get("surface") in SURFACES for options in self.trials["problem_options"])

    @property
    def imported(self) -> bool:
        """Whether the results came from elsewhere: of steps, times and random numbers nothing is known."""
        return bool((self.trials["kind"] == IMPORTED).all())

    @property
    def recorded(self) -> int:
        """How many of the planned trials have a record."""
        return int((self.trials["outcome"] != MISSING).sum())


def load(store: RecordStore, trials: Sequence[Trial]) -> Frames:
    """What the store knows about the trials of a plan.

    Raises:
        UserError: The plan is empty.
    """
    if not trials:
        raise UserError("the plan has no trials. Give the study at least one optimizer and one repeat")
    records = store.records({trial.id for trial in trials})
    table = pd.DataFrame([_row(trial, records.get(trial.id)) for trial in trials])
    points = store.points(records.values())[list(_POINTS)] if records else pd.DataFrame(columns=list(_POINTS))
    of_updates = (points["metric"] == STEP_LOSS).to_numpy()
    updates = _updates(points, of_updates, table)
    points = points[~of_updates]
    points = points.astype({"trial_id": str, "metric": str, "epoch": "int64", "step": "int64", "value": "float64"})
    points = table[["trial_id", "label", "repeat", "outcome"]].merge(points, on="trial_id", how="inner")
    planned = {str(label): int(count) for label, count in table.groupby("label", sort=False).size().items()}
    return Frames(trials=table, points=points, planned=planned, updates=updates)


def _updates(points: pd.DataFrame, chosen: NDArray[np.bool_], table: pd.DataFrame) -> pd.DataFrame:
    """The losses of updates, which are the `chosen` points, under each label that has their trial."""
    of_trials = points.groupby("trial_id", sort=False, observed=True).indices
    where = {trial: own for trial, at in of_trials.items() if len(own := np.asarray(at)[chosen[at]])}
    rows = table[table["trial_id"].isin(list(where))]
    if rows.empty:
        return pd.DataFrame(columns=list(_UPDATES))
    places = [where[trial] for trial in rows["trial_id"]]
    lengths = [len(place) for place in places]
    order = np.concatenate(places)

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


class TuningStore(Protocol):
    """What a report on a tuning needs of a store; `suite.tracking.store.Store` has it."""

    def configurations(self, study: str) -> Sequence[Configuration]:
        """What the tuning of a study tried."""


def tuning(study: Study, store: TuningStore) -> pd.DataFrame:
    """What the tuning of a study tried: a row per Optuna trial.

    Args:
        study: The study that was tuned, or the tuned study that came of it, which names the very Optuna studies. Of a study
            whose `[tune]` was changed since, the newest search of each optimizer is taken.
        store: Where the records are.

    Returns:
        By optimizer, in the order of the study, and number: `optimizer` (the label), `kind`, `number` (from 0), `state`
        (`complete`, `pruned`, `diverged`, `stalled`, `failed`), `value` (the objective on the validation split, as
        `suite.tuning` counts it; NaN for a failed one), `objective`, `goal` (`minimise`, `maximise`), `sampler`, `is_default`
        (the optimizer's own setting), `repeats` (how many were run), `examples` (training examples spent), `seconds`,
        `run_id`, and for each tuned hyperparameter `param.<name>`, `range.<name>` (what was searched) and `at_bound.<name>`
        (whether the value lies on an edge beyond which the range could go on); NaN where the optimizer does not have it.
    """
    labels = list(study.tuned.optuna) if study.tuned else [entry.name for entry in study.optimizer]
    tried = store.configurations(study.tuned.study if study.tuned else study.name)
    wanted = study.tuned.optuna if study.tuned else {each.label: each.optuna for each in sorted(tried, key=_written)}
    most = study.tuned.trials if study.tuned else _most(study)
    chosen = [each for each in tried if wanted.get(each.label) == each.optuna and each.label in labels]
    chosen = [each for each in chosen if each.number < most]
    chosen.sort(key=lambda each: (labels.index(each.label), each.number))
    columns = ["optimizer", "kind", "number", "state", "value", "objective", "goal", "sampler", "is_default", "repeats"]
    return pd.DataFrame(
        [_tried(each) for each in chosen], columns=None if chosen else [*columns, "examples", "seconds"]
    )


def _written(tried: Configuration) -> float:
    return tried.recorded


def _most(study: Study) -> float:
    return float("inf") if study.tune.sampler == "grid" else study.tune.trials


def _searched(tried: Configuration) -> dict[str, Range]:
    """The range of each hyperparameter that was searched; none where the record has none, or what is no range."""
    try:
        return {name: Range.model_validate_json(canonical(tried.space[name])) for name in tried.hyperparameters}
    except (KeyError, TypeError, ValueError):
        return {}


def _tried(tried: Configuration) -> dict[str, Any]:
    searched = _searched(tried)
    return {
        "optimizer": tried.label,
        "kind": tried.kind,
        "number": tried.number,
        "state": str(tried.state),
        "value": float("nan") if tried.value is None else tried.value,
        "objective": tried.objective,
        "goal": "maximise" if tried.objective.endswith("accuracy") else "minimise",
        "sampler": tried.sampler,
        "is_default": tried.is_default,
        "repeats": len(tried.trials),
        "examples": tried.examples,
        "seconds": tried.seconds,
        "run_id": tried.run_id,
        **{f"param.{name}": value for name, value in tried.hyperparameters.items()},
        **{f"range.{name}": format_range(found) for name, found in searched.items()},
        **{
            f"at_bound.{name}": bool(extend_range_at_bound(found, tried.hyperparameters[name]))
            for name, found in searched.items()
        },
    }


def settings(study: Study, trials: Sequence[Trial]) -> dict[str, str]:
    """What sets each label apart, as short text: `lr 0.01, momentum 0.9`.

    The learning rate and the momentum always, every option that the study file writes, and the parts of the budget and
    the options of the problem that an entry has for itself. All other options are the defaults of the optimizer's class.
    """
    entries = {entry.name: entry for entry in study.optimizer}
    told: dict[str, str] = {}
    for trial in trials:
        if trial.label in told:
            continue
        entry = entries.get(trial.label)
        written = entry.options if entry and trial.optimizer != IMPORTED else {}
        known = dict(trial.hyperparameters)
        names: list[str] = [name for name in ("lr", "momentum") if name in known]
        names += [name for name in written if name not in names]
        parts = [f"{name} {_text(known.get(name, written.get(name)))}" for name in names]
        if trial.batch_size != study.batch_size:
            parts.append("full batch" if trial.batch_size == "full" else f"batch {trial.batch_size}")
        if trial.epochs != study.epochs:
            parts.append(f"{trial.epochs} epoch{'s' if trial.epochs != 1 else ''}")
        if entry and entry.train_examples and entry.train_examples != study.train_examples:
            parts.append(f"{trial.train_examples:,} examples")
        if entry and entry.problem_options:
            parts += [f"{name} {_text(value)}" for name, value in entry.problem_options.items()]
        if trial.schedule:
            parts.append(f"{trial.schedule.get('kind', 'scheduled')} schedule")
        told[trial.label] = ", ".join(parts)
    return told


def command(study: Study | StudyFile) -> str:
    """The command line that runs a study, or all parts of a file, again, for a shell; it names no folder of this machine."""
    path, name = study.path, study.file_name if isinstance(study, Study) else study.name
    if study.imported:
        return shlex.join(["ravine", "import", study.imported.file, "--study", name])
    named = path is None or path in {path.resolve() for path in shipped_studies().values()}
    generated = path is not None and path.parts[-3:-1] == ("out", "studies")
    words = ["ravine", "run", name if path is None or named or generated else path.name]
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
        "epochs": trial.epochs,
        "batch_size": str(trial.batch_size),
        "train_examples": trial.train_examples,
        "examples_per_second": record.timing.examples_per_second if record else float("nan"),
        "train_seconds": record.timing.train if record else float("nan"),
        "total_seconds": record.timing.total if record else float("nan"),
        "weights": record.weights if record else "",
        "hyperparameters": dict(trial.hyperparameters),
        "problem_options": dict(trial.problem_options),
        "random_stream_key": random_stream_key(trial),
    }
    environment = record.environment if record else {}
    return row | {key: environment.get(key, "") for key in ENVIRONMENT}


def random_stream_key(trial: Trial) -> str:
    """What decides, beside the repeat, which weights a trial starts from and which batches it sees: equal texts, equal draws.

    Problem with its options, data, root seed, stage. The digest of the optimizer's own file is not part of it, unless the
    problem lies in the same file.
    """
    own = trial.optimizer.partition(":")[0].replace(".", "/") if ":" in trial.optimizer else ""
    shared = own == trial.problem.partition(":")[0].replace(".", "/")
    data = {
        name: digest for name, digest in trial.data.items() if shared or name not in {f"{own}.py", f"{own}/__init__.py"}
    }
    return canonical([trial.problem, trial.problem_options, data, trial.seed, trial.stage])


def _text(value: Any) -> str:
    """A hyperparameter for people: the shortest exact number, lists with spaces."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.17g}" if float(f"{value:.6g}") != value else f"{value:g}"
    if isinstance(value, list | tuple):
        return f"({', '.join(_text(item) for item in value)})"
    return str(value)
