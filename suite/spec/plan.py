"""A study becomes a tuple of trials; here each optimizer's and the problem's own knowledge checks it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from suite import optimizers, problems
from suite.errors import UserError, did_you_mean
from suite.optimizers.base import Rule
from suite.plugins import digest
from suite.problems.validation_split import validation_examples
from suite.spec.study_file import load_reference
from suite.trials import IMPORTED, Trial

if TYPE_CHECKING:
    from suite.problems import Problem
    from suite.spec.study import Entry, Schedule, Study

CHUNK = 256
METRICS = ("test/accuracy", "test/loss", "train/accuracy", "train/loss")
_USED = {"linear": ("final",), "cosine": ("final",), "exponential": ("gamma",), "step": ("gamma", "milestones")}


def plan(study: Study) -> tuple[Trial, ...]:
    """Every trial of a study, all optimizers of repeat 0 first: a study that is stopped can be compared so far.

    Raises:
        UserError: An unknown problem, optimizer or option, a value out of range, a budget that the problem does not have.
    """
    if study.imported:
        data = {study.imported.file: study.imported.sha256}
        every = range(study.repeats)
        return tuple(
            _imported(study, entry, repeat, data)
            for repeat in every
            for entry in study.optimizer
            if repeat in entry.options.get("repeats", every)  # those that its file has
        )
    mistakes: list[str] = []
    templates = []
    try:
        problem = problems.find_problem(study.problem, study.folder)
    except UserError as error:
        raise UserError(f"{study.place}: {error}") from None
    metrics = [metric for metric in METRICS if metric.rpartition("/")[2] in problem.metrics]
    if study.score not in metrics:
        names = ", ".join(metrics)
        told = did_you_mean(study.score, metrics)
        mistakes.append(f'score: there is no "{study.score}".{told} Write one of {names}')
    if study.reference:
        try:
            load_reference(study.reference)
        except UserError as error:
            mistakes.append(str(error))
    options: dict[str, Any] = {}
    try:
        options = problems.resolve_options(problem, study.problem_options)
    except UserError as error:
        mistakes.append(f"problem_options.{error}")
    for number, entry in enumerate(study.optimizer, 1):
        try:
            templates.append(_template(study, entry, problem, options))
        except UserError as error:
            mistakes.append(f'optimizer[{number}] ("{entry.name}").{error}')
    if mistakes:
        raise UserError("\n".join(f"{study.place}: {mistake}" for mistake in mistakes))
    return tuple(Trial(repeat=repeat, **values) for repeat in range(study.repeats) for values in templates)


def check_runnable(study: Study) -> None:
    """See that the trials of a study, or of a part of it, can be run.

    Raises:
        UserError: Its results came from elsewhere.
    """
    if study.imported:
        told = f"{study.place}: imported from {study.imported.file}, not to be run"
        raise UserError(f"{told}. Use: ravine report {study.file_name}")


def _imported(study: Study, entry: Entry, repeat: int, data: dict[str, str]) -> Trial:
    """A trial whose result came from elsewhere; nothing is known of batches and examples."""
    return Trial(
        label=entry.name,
        problem=study.problem,
        optimizer=IMPORTED,
        hyperparameters={"optimizer": entry.name},
        batch_size="full",
        epochs=entry.epochs or study.epochs,
        train_examples=0,
        repeat=repeat,
        data=data,
    )


def plan_tuning(study: Study) -> tuple[Trial, ...]:
    """For each entry of a study its own setting as a trial of the tuning, on repeat 0.

    The other trials of the tuning differ from these in hyperparameters and repeat alone. All have one budget: that of
    `[tune]`, else the study's, less the validation split.

    Raises:
        UserError: What `plan` raises, or a budget that not all entries share or that the split does not leave.
    """
    check_runnable(study)
    plan(study)
    problem, tune = problems.find_problem(study.problem, study.folder), study.tune
    if not problem.held_out:
        raise UserError(
            f"{study.place}: problem: {study.problem} is tested on the examples it is trained on, so a tuning would choose "
            "on the test set. Tune on a problem with test examples of its own"
        )
    held = validation_examples(problem.train_examples)
    left = problem.train_examples - held
    wanted = {"train_examples": (tune.train_examples, left), "validation_examples": (tune.validation_examples, held)}
    for key, (value, most) in wanted.items():
        if most < max(value or 0, 1):
            mend = f"got {value:,}. Write no more" if value else "too few to tune on. Choose a problem with more"
            raise UserError(
                f"{study.place}: tune.{key}: the validation split of {study.problem} leaves {most:,}, {mend}"
            )
    if tune.objective.rpartition("/")[2] not in problem.metrics:
        names = ", ".join(f"validation/{metric}" for metric in problem.metrics)
        raise UserError(f'{study.place}: tune.objective: {study.problem} has no "{tune.objective}". It has: {names}')
    budget = {key: value for key in ("epochs", "train_examples") if (value := getattr(tune, key))}
    shared = study.model_copy(update=budget)
    trials, mistakes = [], []
    for number, entry in enumerate(study.optimizer, 1):
        try:
            trials.append(_tuning_trial(shared, entry.model_copy(update=dict.fromkeys(budget)), problem, left))
        except UserError as error:
            mistakes.append(f'{study.place}: optimizer[{number}] ("{entry.name}").{error}')
    for trial in trials:
        if _examples(trial) != _examples(trials[0]):
            mistakes.append(
                f'{study.place}: tune: "{trials[0].label}" would train on {_examples(trials[0]):,} examples, '
                f'"{trial.label}" on {_examples(trial):,}. Write tune.epochs and tune.train_examples, the same for all'
            )
            break
    if mistakes:
        raise UserError("\n".join(mistakes))
    return tuple(trials)


def _tuning_trial(study: Study, entry: Entry, problem: Problem, left: int) -> Trial:
    options = problems.resolve_options(problem, study.problem_options)
    trial = Trial(repeat=0, stage="tuning", evaluate_on="validation", **_template(study, entry, problem, options))
    examples = min(trial.train_examples, left)
    _check_size("batch_size" if trial.chunk is None else "chunk", trial.chunk or trial.batch_size, examples, problem)
    judged = study.tune.validation_examples
    return replace(trial, train_examples=examples, test_every=trial.epochs, evaluate_examples=judged)


def _examples(trial: Trial) -> int:
    """How many training examples a trial goes through that is trained to the end."""
    return trial.epochs * trial.train_examples


def _template(study: Study, entry: Entry, problem: Problem, options: dict[str, Any]) -> dict[str, Any]:
    """What all repeats of an entry share."""
    budget = {
        key: getattr(study, key) if getattr(entry, key) is None else getattr(entry, key)
        for key in ("batch_size", "chunk", "epochs", "train_examples", "test_every")
    }
    if entry.chunk is None and budget["batch_size"] != "full":
        budget["chunk"] = None  # the study's chunk is for its full batches
    _check_budget(budget, problem)
    unknown = [key for key in entry.options if key in type(study).model_fields]
    if unknown:
        raise UserError(f"{unknown[0]}: an optimizer cannot override it. Write it above the first [[optimizer]]")
    kind = optimizers.find_optimizer(entry.kind, study.folder)
    try:
        options = (
            problems.resolve_options(problem, options | entry.problem_options) if entry.problem_options else options
        )
    except UserError as error:
        raise UserError(f"problem_options.{error}") from None
    if getattr(kind, "requires_loss_fn", False):
        _check_second_order(study, entry.kind, getattr(kind, "max_parameters", math.inf), problem, options)
    return {
        **budget,
        "label": entry.name,
        "problem": study.problem,
        "problem_options": options,
        "optimizer": entry.kind,
        "hyperparameters": optimizers.resolve_options(kind, entry.options),
        "schedule": _schedule(entry.schedule),
        "precision": study.precision,
        "compiled": study.compiled and issubclass(kind, Rule),
        "seed": study.seed,
        "data": problem.digests() | digest(study.problem, study.folder) | digest(entry.kind, study.folder),
    }


def _check_second_order(study: Study, kind: str, most: float, problem: Problem, options: dict[str, Any]) -> None:
    """Refuse what an optimizer that differentiates the loss twice cannot train."""
    if study.precision == "bfloat16":
        raise UserError(
            f'kind: {kind} differentiates the loss twice, which bfloat16 is too coarse for. Write precision = "float32"'
        )
    if most < math.inf:
        with torch.random.fork_rng(devices=[]):
            count = sum(p.numel() for p in problem.network(**options).parameters() if p.requires_grad)
        if count > most:
            raise UserError(
                f"kind: {kind} solves for all parameters together, {most:,} at most; {study.problem} has {count:,}. "
                "Take a smaller problem, or another optimizer"
            )


def _check_budget(budget: dict[str, Any], problem: Problem) -> None:
    """Fill in the defaults of a budget and refuse what cannot be trained."""
    most = problem.train_examples
    examples = budget["train_examples"] = budget["train_examples"] or most
    if examples > most:
        raise UserError(f"train_examples: {problem.key} has {most:,}, got {examples:,}. Leave it out to use all")
    size, chunk = budget["batch_size"], budget["chunk"]
    if size != "full":
        if chunk is not None:
            raise UserError('chunk: it belongs to batch_size = "full". Remove it')
        _check_size("batch_size", size, examples, problem)
    else:
        chunk = budget["chunk"] = chunk or min(CHUNK, examples)
        _check_size("chunk", chunk, examples, problem)


def _check_size(key: str, size: int | str, examples: int, problem: Problem) -> None:
    if not isinstance(size, int):
        return
    least = problem.smallest_batch
    if size > examples:
        raise UserError(f'{key}: {size:,} is more than the {examples:,} training examples. Write less, or "full"')
    if size < least or 0 < examples % size < least:
        left = (
            f"leaves {examples % size} of {examples:,} examples for the last batch" if size >= least else "is too small"
        )
        raise UserError(
            f"{key}: {size} {left}, and the batch normalisation of {problem.key} needs {least}. Change {key}"
        )


def _schedule(schedule: Schedule | None) -> dict[str, Any] | None:
    """The schedule with every value; None for a constant learning rate, however it is written."""
    if schedule is None:
        return None
    used = ("kind", "warmup", *_USED.get(schedule.kind, ()))
    unused = sorted(schedule.model_fields_set - set(used))
    if unused:
        raise UserError(f"schedule.{unused[0]}: {schedule.kind} does not use it. It uses: {', '.join(used)}")
    return None if schedule.kind == "constant" and schedule.warmup == 0 else schedule.model_dump()
