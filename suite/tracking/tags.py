"""Tags and parameters of MLflow runs and experiments, and the records that are read from them."""

from __future__ import annotations

import functools
import hashlib
import json
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from suite.records import SCHEMA, Configuration, TrialRecord
from suite.tracking import serialization
from suite.trials import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.records import TrialResult
    from suite.spec.study import Study
    from suite.trials import Trial

PLANS_TAG = "ravine.plans"
"""The tag of a trial with the names of its studies, overrides included: `|quick|quick@repeats=1|`."""
VIEW_TAG = "ravine.view."
"""The prefix of an experiment's tags with a view's key in the name and the report's name as the value."""

CLAIM_TAG = "ravine.claim."
"""The prefix of an experiment's tags with the digest of a claim in the name and the time of its first record as the value."""


def trial_tags(result: TrialResult) -> dict[str, str]:
    """Return the tags of a trial's run: the complete record, and what the UI filters by."""
    trial, values = result.trial, serialization.to_dict(result)
    environment = values["environment"]
    tags = {
        "ravine.kind": "trial",
        "ravine.schema": str(SCHEMA),
        "ravine.trial": trial.id,
        "ravine.label": values["label"],
        "ravine.optimizer": trial.optimizer,
        "ravine.repeat": str(trial.repeat),
        "ravine.stage": trial.stage,
        "ravine.outcome": values["outcome"],
        "ravine.reason": values["reason"],
        "ravine.weights": values["weights"],
        "ravine.description": canonical(values["trial"]),
        "ravine.timing": canonical(values["timing"]),
        "ravine.environment": canonical(environment),
        "ravine.data": canonical(trial.data),
        "mlflow.source.name": "ravine",
        "mlflow.source.git.commit": environment.get("commit", ""),
    }
    tags |= {f"ravine.{key}": environment.get(key, "") for key in ("device", "device_name", "commit", "torch")}
    tags["ravine.version"] = environment.get("ravine", "")
    return {key: value for key, value in tags.items() if value}


def read_record(tags: Mapping[str, str], run_id: str, started: float, artifacts: str) -> TrialRecord:
    """Return the record of a trial's run from the tags of the run, its id, start and artifact address.

    Raises:
        KeyError: A tag is missing.
        TypeError: A tag has other content.
        ValueError: A tag has other content.
    """
    values = {
        "label": tags["ravine.label"],
        "trial": json.loads(tags["ravine.description"]),
        "outcome": tags["ravine.outcome"],
        "reason": tags.get("ravine.reason", ""),
        "weights": tags.get("ravine.weights", ""),
        "timing": json.loads(tags["ravine.timing"]),
        "environment": _environment(tags["ravine.environment"]),
        "started": started,
    }
    plans = tags.get(PLANS_TAG, "")
    return TrialRecord(run_id=run_id, artifacts=artifacts, plans=plans, **serialization.from_dict(values))


@functools.lru_cache(maxsize=1024)
def _environment(text: str) -> Mapping[str, str]:
    """Return one object for all records of an environment, which saves much memory for a hundred thousand records."""
    return MappingProxyType(json.loads(text))


def configuration_tags(configuration: Configuration) -> dict[str, str]:
    """Return the tags of the run of a configuration that a tuning tried."""
    tags = {
        "ravine.optuna": configuration.optuna,
        "ravine.number": str(configuration.number),
        "ravine.label": configuration.label,
        "ravine.optimizer": configuration.kind,
        "ravine.state": configuration.state.value,
        "ravine.reason": configuration.reason,
        "ravine.configuration": canonical(configuration.description()),
        "mlflow.source.name": "ravine",
    }
    return {key: value for key, value in tags.items() if value}


def read_configuration(tags: Mapping[str, str], run_id: str, recorded: float) -> Configuration:
    """Return the configuration from the tags of its run."""
    return Configuration.from_description(json.loads(tags["ravine.configuration"]), run_id=run_id, recorded=recorded)


def trial_parameters(trial: Trial) -> dict[str, Any]:
    """Return the parameters of a trial's run for the UI."""
    names = (
        *("problem", "batch_size", "chunk", "epochs", "train_examples", "precision", "seed", "schedule"),
        *("epoch_updates", "clip", "label_smoothing", "ema"),
    )
    values = {"problem": trial.problem, "epochs": trial.epochs} if trial.imported else trial.description()
    kinds = {f"group.{n}.kind": group["kind"] for n, group in enumerate(trial.groups, 1) if "kind" in group}
    params = {**trial.settings, **kinds, "optimizer": trial.label, "kind": trial.optimizer, "repeat": trial.repeat}
    params |= {key: value for key in names if (value := values.get(key)) is not None}
    params["compiled"] = trial.compiled or None
    params["wraps"] = canonical(trial.wraps) if trial.wraps else None
    return {key: value for key, value in params.items() if value is not None}


def experiment_tags(study: Study) -> dict[str, str]:
    """Return the tags of a study's experiment: its description, and the view of exactly its trials."""
    name = study.report_name
    key = hashlib.sha256(name.encode()).hexdigest()[:12]
    view = json.loads(resources.files("suite.tracking").joinpath("mlflow_view.json").read_text(encoding="utf-8"))
    view["searchFilter"] = f"tags.`{PLANS_TAG}` LIKE '%{plan_tag_entry(study)}%'"
    file = study.imported.file if study.imported else ""
    source = f"imported from {file}" if file else f"batch {study.batch_size}, {study.precision}"
    note = f"""**{study.title}**

Problem `{study.problem}`, repeats: {study.repeats}, epochs: {study.epochs}, {source}.
Optimizers: {", ".join(entry.name for entry in study.optimizer)}.

Each run is a trial. `ravine ui` prints links to views that show the mean over repeats by optimizer. A run whose name starts
with `report` has tables, figures and a page as artifacts. A run like `Adam #3` is a configuration that `ravine tune` tried,
with its trials on the validation split below it. A trial that another study ran first is in the experiment of that study,
and is part of this study, too.
"""
    return {
        "mlflow.note.content": note,
        "mlflow.experimentKind": "custom_model_development",  # the UI starts with metrics, not with traces of LLMs
        "ravine.study": study.name,
        f"{VIEW_TAG}{key}": name,
        f"mlflow.sharedViewState.{key}": json.dumps(view),
    }


def plan_tag_entry(study: Study) -> str:
    """Return the entry of a study with its overrides in the tag `PLANS_TAG`."""
    return f"|{study.report_name}|".replace("'", "_")
