"""What the tags and parameters of a run say of a trial, a configuration or a study, and the record that they give back."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import asdict
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from suite.records import SCHEMA, Configuration, Outcome, Timing, TrialRecord
from suite.trials import Trial, canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.records import TrialResult
    from suite.spec.study import Study

PLANS_TAG = "ravine.plans"
"""The tag of a trial with the names of the studies, overrides included, that it is part of: `|quick|quick@repeats=1|`."""
VIEW_TAG = "ravine.view."
"""Tags of an experiment that start so have the key of a ready-made view in their name, and its report's name as value."""


def of_trial(result: TrialResult) -> dict[str, str]:
    """The tags of a trial's run: the whole record, and what the UI filters by."""
    trial, environment = result.trial, result.environment
    tags = {
        "ravine.kind": "trial",
        "ravine.schema": str(SCHEMA),
        "ravine.trial": trial.id,
        "ravine.label": trial.label,
        "ravine.optimizer": trial.optimizer,
        "ravine.repeat": str(trial.repeat),
        "ravine.stage": trial.stage,
        "ravine.outcome": result.outcome.value,
        "ravine.reason": result.reason,
        "ravine.weights": result.weights,
        "ravine.description": canonical(trial.description()),
        "ravine.timing": canonical(asdict(result.timing)),
        "ravine.environment": canonical(environment),
        "ravine.data": canonical(trial.data),
        "mlflow.source.name": "ravine",
        "mlflow.source.git.commit": environment.get("commit", ""),
    }
    tags |= {f"ravine.{key}": environment.get(key, "") for key in ("device", "device_name", "commit", "torch")}
    tags["ravine.version"] = environment.get("ravine", "")
    return {key: value for key, value in tags.items() if value}


def of_configuration(tried: Configuration) -> dict[str, str]:
    """The tags of the run of a configuration that a tuning tried."""
    tags = {
        "ravine.optuna": tried.optuna,
        "ravine.number": str(tried.number),
        "ravine.label": tried.label,
        "ravine.optimizer": tried.kind,
        "ravine.state": tried.state.value,
        "ravine.reason": tried.reason,
        "ravine.configuration": canonical(tried.description()),
        "mlflow.source.name": "ravine",
    }
    return {key: value for key, value in tags.items() if value}


def parameters(trial: Trial) -> dict[str, Any]:
    """What the UI shows as the parameters of a trial's run."""
    shown = ("problem", "batch_size", "chunk", "epochs", "train_examples", "precision", "seed", "schedule")
    params = {**trial.hyperparameters, "optimizer": trial.label, "kind": trial.optimizer, "repeat": trial.repeat}
    known = trial.description() if not trial.imported else {"problem": trial.problem, "epochs": trial.epochs}
    params |= {key: value for key in shown if (value := known.get(key)) is not None}
    params["compiled"] = trial.compiled or None
    return {key: value for key, value in params.items() if value is not None}


def of_experiment(study: Study) -> dict[str, str]:
    """The tags of a study's experiment: its description, and the view that shows exactly its trials."""
    name = study.report_name
    key = hashlib.sha256(name.encode()).hexdigest()[:12]
    view = json.loads(resources.files("suite.tracking").joinpath("mlflow_view.json").read_text(encoding="utf-8"))
    view["searchFilter"] = f"tags.`{PLANS_TAG}` LIKE '%{plan_tag_entry(study)}%'"
    how = f"imported from {study.imported.file}" if study.imported else f"batch {study.batch_size}, {study.precision}"
    note = f"""**{study.title}**

Problem `{study.problem}`, repeats: {study.repeats}, epochs: {study.epochs}, {how}.
Optimizers: {", ".join(entry.name for entry in study.optimizer)}.

Each run is a trial. `ravine ui` prints links to views that show the mean over repeats by optimizer. A run whose name
starts with `report` holds tables, figures and a page as artifacts; one like `Adam #3` is a configuration that `ravine tune`
tried, with its trials on the validation split below it. A trial that another study ran first lies in that
study's experiment, and counts here all the same.
"""
    return {
        "mlflow.note.content": note,
        "mlflow.experimentKind": "custom_model_development",  # charts of metrics first, not traces of language models
        "ravine.study": study.name,
        f"{VIEW_TAG}{key}": name,
        f"mlflow.sharedViewState.{key}": json.dumps(view),
    }


def plan_tag_entry(study: Study) -> str:
    """How `PLANS` names a study, overrides included."""
    return f"|{study.report_name}|".replace("'", "_")


def configuration(tags: Mapping[str, str], run_id: str, recorded: float) -> Configuration:
    """The configuration that the tags of its run hold."""
    return Configuration.from_description(json.loads(tags["ravine.configuration"]), run_id=run_id, recorded=recorded)


def record(tags: Mapping[str, str], run_id: str, started: float, artifacts: str) -> TrialRecord:
    """The record that the tags of a trial's run hold, with what the run itself knows.

    Raises:
        KeyError: A tag is missing.
        TypeError: A tag holds something else.
        ValueError: A tag holds something else.
    """
    return TrialRecord(
        run_id=run_id,
        trial=Trial.from_description(json.loads(tags["ravine.description"]), tags["ravine.label"]),
        outcome=Outcome(tags["ravine.outcome"]),
        reason=tags.get("ravine.reason", ""),
        weights=tags.get("ravine.weights", ""),
        timing=Timing(**json.loads(tags["ravine.timing"])),
        environment=_environment(tags["ravine.environment"]),
        started=started,
        artifacts=artifacts,
        plans=tags.get(PLANS_TAG, ""),
    )


@functools.lru_cache(maxsize=1024)
def _environment(text: str) -> Mapping[str, str]:
    """One object for all records of an environment: of a hundred thousand, it would be a good part of the memory."""
    return MappingProxyType(json.loads(text))
