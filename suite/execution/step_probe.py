"""Two updates of each optimizer that is not Ravine's own, on the network of the study, before anything runs.

Some optimizers cannot train every network. Muon requires matrices, SparseAdam sparse gradients. The probe refuses them with the
message of the class itself. Some ignore a schedule of the learning rate, such as Rprop. The probe refuses this, too. It runs on
the CPU in a process of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from suite.errors import UserError
from suite.execution.local import call_in_process
from suite.optimizers import find_optimizer
from suite.trials import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from suite.spec.study import Study
    from suite.trials import Trial


def is_probed(trial: Trial) -> bool:
    """Return whether an optimizer of a trial is not one of Ravine's, which its tests cover."""
    is_own = all(":" not in kind or kind.startswith("suite.optimizers") for kind in trial.kinds)
    return not is_own or trial.closure or trial.create_graph or bool(trial.wraps)


def probe_errors(planned: Iterable[tuple[Study, Iterable[Trial]]], device: str) -> list[UserError]:
    """Return an error for each entry whose optimizer cannot train the network of its study, or ignores its schedule.

    Equal optimizers with equal options are probed once for each network. If Ravine's SGD fails on the network, too, the
    optimizer is not the cause, and there is no error.

    Args:
        planned: Studies, each with trials.
        device: The device of the trials. What fails on the CPU is tried there, too.
    """
    entries: dict[tuple[str, str], tuple[Study, Trial]] = {}
    for study, trials in planned:
        for trial in filter(is_probed, trials):
            entries.setdefault((study.name, trial.label), (study, trial))
    probes = {_key(trial): (trial, study.folder) for study, trial in entries.values()}
    failures = _failures(probes, "cpu")
    if device != "cpu":
        failures = _failures({key: probes[key] for key in failures}, f"{device}:0" if device == "cuda" else device)
    references = {key: (_reference(probes[key][0]), probes[key][1]) for key in failures}
    excused = _failures(references, "cpu")
    hints = _hints({key: probes[key] for key in failures if key not in excused})
    scheduled = {key: probe for key, probe in probes.items() if probe[0].schedule and key not in failures}
    ignored = _ignored_schedules(scheduled)
    errors = list[UserError]()
    for study, trial in entries.values():
        key = _key(trial)
        if key in failures and key not in excused:
            errors.append(_error(study, trial, failures[key], hints.get(key, "")))
        elif key in ignored:
            errors.append(_schedule_error(study, trial))
    return errors


def _failures(probes: Mapping[str, tuple[Trial, Path | None]], device: str) -> dict[str, str]:
    """Return the reasons of the probes that fail, by key."""
    if not probes:
        return {}
    results = call_in_process(_probe, [(*arguments, device) for arguments in probes.values()], device)
    reasons = {key: str(result) for key, result in zip(probes, results, strict=True)}
    return {key: reason for key, reason in reasons.items() if reason}


def _hints(probes: Mapping[str, tuple[Trial, Path | None]]) -> dict[str, str]:
    """Return the key of an entry with which a probe that fails would succeed, by key of the probe."""
    hints = dict[str, str]()
    for name in ("closure", "create_graph"):
        change: dict[str, Any] = {name: True}
        tried = {
            key: (replace(trial, **change), folder)
            for key, (trial, folder) in probes.items()
            if key not in hints and not getattr(trial, name) and not _takes_loss(trial, folder)
        }
        failing = _failures(tried, "cpu")
        hints |= {key: f"Write {name} = true" for key in tried if key not in failing}
    return hints


def _takes_loss(trial: Trial, folder: Path | None) -> bool:
    return bool(getattr(find_optimizer(trial.optimizer, folder), "requires_loss_fn", False))


def _ignored_schedules(probes: Mapping[str, tuple[Trial, Path | None]]) -> set[str]:
    """Return the keys of the trials whose optimizer ignores the learning rate of a schedule."""
    if not probes:
        return set()
    results = call_in_process(_ignores_schedule, probes.values(), "cpu")
    return {key for key, result in zip(probes, results, strict=True) if result is True}


def _ignores_schedule(trial: Trial, folder: Path | None) -> bool:
    from suite.training.run_trial import ignores_schedule

    return ignores_schedule(trial, folder)


def _probe(trial: Trial, folder: Path | None, device: str) -> str:
    from suite.training.run_trial import probe

    return probe(trial, folder, device)


def _key(trial: Trial) -> str:
    """Return what the probe of a trial depends on."""
    names = ("optimizer", "hyperparameters", "code", "schedule", "problem", "problem_options", "data", "precision")
    return canonical([getattr(trial, name) for name in (*names, "groups", "closure", "create_graph", "wraps")])


def _reference(trial: Trial) -> Trial:
    """Return the trial with Ravine's SGD."""
    sgd = replace(trial, optimizer="sgd", hyperparameters={"lr": 1e-3, "weight_decay": 0.0}, code={}, schedule=None)
    return replace(sgd, groups=(), closure=False, create_graph=False, wraps=())


def _error(study: Study, trial: Trial, reason: str, hint: str) -> UserError:
    kinds = " and ".join(dict.fromkeys(trial.kinds))
    problem = f"{kinds} cannot train the network of {trial.problem}: {reason.rstrip('.')}"
    hint = hint or "Use another optimizer, other options or another problem"
    return UserError(f"{_location(study, trial)}.kind", problem, hint)


def _schedule_error(study: Study, trial: Trial) -> UserError:
    problem = f"{trial.optimizer} ignores changes of its learning rate, so a schedule has no effect"
    return UserError(f"{_location(study, trial)}.schedule", problem, "Remove the schedule, or use another optimizer")


def _location(study: Study, trial: Trial) -> str:
    number = next(number for number, entry in enumerate(study.optimizer, 1) if entry.name == trial.label)
    return f'{study.place}: optimizer[{number}] ("{trial.label}")'
