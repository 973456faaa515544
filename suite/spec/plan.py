"""Turn a study into a tuple of trials, checked against what each optimizer and the problem allow."""

from __future__ import annotations

import math
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from suite import optimizers, problems
from suite.code_versions import code_versions, watch_files
from suite.errors import UserError, did_you_mean, format_value
from suite.optimizers import wrappers
from suite.optimizers.base import Rule
from suite.problems.validation_split import validation_examples
from suite.spec.claims import METRICS
from suite.spec.parameter_groups import check_modes, members, resolve_group
from suite.spec.study_file import load_reference
from suite.trials import IMPORTED, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn
    from torch.optim import Optimizer

    from suite.problems import Problem
    from suite.spec.study import Entry, Group, Schedule, Study

CHUNK = 256
TRAINING_KEYS = ("updates_per_epoch", "accumulate", "clip", "label_smoothing", "ema")
"""Keys of a study or an entry that change the training of any optimizer."""
_SCHEDULE_KEYS = {
    "linear": ("final",),
    "cosine": ("final",),
    "exponential": ("gamma",),
    "step": ("gamma", "milestones"),
    "wsd": ("final", "decay"),
}


def plan(study: Study) -> tuple[Trial, ...]:
    """Return every trial of a study, repeat by repeat, so that a study that is stopped has all optimizers about as often.

    Raises:
        UserError: An unknown problem, optimizer or option, a value out of range, or a budget that the problem does not have.
    """
    if study.imported:
        data = {study.imported.file: study.imported.sha256}
        repeats = range(study.repeats)
        return tuple(
            _imported(study, entry, repeat, data)
            for repeat in repeats
            for entry in study.optimizer
            if repeat in entry.options.get("repeats", repeats)  # those that its file has
        )
    with _within(f"{study.place}: "):
        problem = problems.find_problem(study.problem, study.folder)
    errors: list[UserError] = []
    metrics = [metric for metric in METRICS if metric.rpartition("/")[2] in problem.metrics]
    if study.score not in metrics:
        suggestion, hint = did_you_mean(study.score, metrics), f"Choose from: {', '.join(metrics)}"
        errors.append(UserError("score", f"there is no {format_value(study.score)}", suggestion, hint))
    for number, claim in enumerate(study.claim, 1):
        for metric in (metric for statement in claim.statements for metric in statement.metric):
            if metric in METRICS and metric not in metrics:
                hint = f"Choose from: {', '.join(metrics)}"
                errors.append(UserError(f"claim[{number}].metric", f"{study.problem} has no {metric}", hint))
    if study.reference:
        with _within("", errors):
            load_reference(study.reference)
    options: dict[str, Any] = {}
    with _within("problem_options.", errors):
        options = problems.resolve_options(problem, study.problem_options)
    templates = []
    for number, entry in enumerate(study.optimizer, 1):
        with _within(f'optimizer[{number}] ("{entry.name}").', errors):
            templates.append(_template(study, entry, problem, options))
    if errors:
        raise UserError.combine(errors).within(f"{study.place}: ")
    return tuple(Trial(repeat=repeat, **template) for repeat in range(study.repeats) for template in templates)


@contextmanager
def _within(prefix: str, errors: list[UserError] | None = None) -> Iterator[None]:
    """Put a prefix before the location of a user error of the block; with a list, append the error instead of raising it."""
    try:
        yield
    except UserError as error:
        if errors is None:
            raise error.within(prefix) from None
        errors.append(error.within(prefix))


def check_runnable(study: Study) -> None:
    """Check that the trials of a study can be run.

    Raises:
        UserError: Its results are imported.
    """
    if study.imported:
        problem = f"imported from {study.imported.file}, so it cannot be run"
        raise UserError(study.place, problem, f"Run ravine report {study.file_name}")


def _imported(study: Study, entry: Entry, repeat: int, data: dict[str, str]) -> Trial:
    """Return a trial with an imported result; its batches and examples are not known."""
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
    """Return a trial of the tuning for each entry, with its default setting and repeat 0.

    The other trials of the tuning differ from these in hyperparameters and repeat only. All have the same budget: that of
    `[tune]`, else the study's, without the validation split.

    Raises:
        UserError: The errors of `plan`, a budget that differs between entries, or one that the split does not leave.
    """
    check_runnable(study)
    plan(study)
    with _within(f"{study.place}: "):
        return _plan_tuning(study)


def _plan_tuning(study: Study) -> tuple[Trial, ...]:
    problem, tune = problems.find_problem(study.problem, study.folder), study.tune
    if not problem.held_out:
        reason = f"{study.problem} is tested on its training examples, so settings would be selected on the test set"
        raise UserError("problem", reason, "Tune on a problem with separate test examples")
    num_validation = validation_examples(problem.train_examples)
    num_training = problem.train_examples - num_validation
    for key, requested, maximum in (
        ("train_examples", tune.train_examples, num_training),
        ("validation_examples", tune.validation_examples, num_validation),
    ):
        if maximum < max(requested or 0, 1):
            reason = f"the validation split of {study.problem} leaves {maximum:,}"
            if requested:
                raise UserError(f"tune.{key}", f"{reason}, got {requested:,}", f"Write at most {maximum:,}")
            raise UserError(f"tune.{key}", f"{reason}, too few to tune on", "Choose a problem with more examples")
    if tune.objective.rpartition("/")[2] not in problem.metrics:
        names = ", ".join(f"validation/{metric}" for metric in problem.metrics)
        raise UserError("tune.objective", f'{study.problem} has no "{tune.objective}"', f"Choose from: {names}")
    budget = {key: value for key in ("epochs", "train_examples") if (value := getattr(tune, key))}
    shared = study.model_copy(update=budget)
    trials: list[Trial] = []
    errors: list[UserError] = []
    for number, entry in enumerate(study.optimizer, 1):
        with _within(f'optimizer[{number}] ("{entry.name}").', errors):
            entry_without_budget = entry.model_copy(update=dict.fromkeys(budget))
            trials.append(_tuning_trial(shared, entry_without_budget, problem, num_training))
    for trial in trials:
        if _num_examples(trial) != _num_examples(trials[0]):
            counts = " and ".join(f'"{item.label}" on {_num_examples(item):,}' for item in (trials[0], trial))
            hint = "Write tune.epochs and tune.train_examples, the same for all"
            errors.append(UserError("tune", f"budgets differ: {counts} examples", hint))
            break
    if errors:
        raise UserError.combine(errors)
    return tuple(trials)


def _tuning_trial(study: Study, entry: Entry, problem: Problem, num_training: int) -> Trial:
    options = problems.resolve_options(problem, study.problem_options)
    trial = Trial(repeat=0, stage="tuning", evaluate_on="validation", **_template(study, entry, problem, options))
    examples = min(trial.train_examples, num_training)
    one_pass = trial.epoch_updates is None
    _check_sizes(trial.batch_size, trial.chunk, examples, problem, one_pass=one_pass)
    num_evaluated = study.tune.validation_examples
    return replace(trial, train_examples=examples, eval_every=trial.epochs, evaluate_examples=num_evaluated)


def _num_examples(trial: Trial) -> int:
    """Return the number of training examples of a complete trial, each counted once for each update that uses it."""
    return trial.epochs * trial.examples_per_epoch


def _template(study: Study, entry: Entry, problem: Problem, options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that all repeats of an entry share."""
    budget = {
        key: getattr(study, key) if getattr(entry, key) is None else getattr(entry, key)
        for key in ("batch_size", "chunk", "epochs", "train_examples", "eval_every", *TRAINING_KEYS)
    }
    if entry.chunk is None and budget["batch_size"] != "full":
        budget["chunk"] = None  # the study's chunk is for its full batches
    _check_budget(budget, problem)
    kind = optimizers.find_optimizer(entry.kind, study.folder)
    with watch_files(study.folder) if study.folder else nullcontext():  # the constructor may read files
        hyperparameters = _hyperparameters(study, entry, kind)
        groups = _groups(study, entry)
    if entry.problem_options:
        with _within("problem_options."):
            options = problems.resolve_options(problem, options | entry.problem_options)
    if groups and entry.wraps:
        raise UserError("wraps", "an optimizer with parameter groups cannot be wrapped", "Remove it, or the groups")
    if groups:
        members(problem, options, groups)
        if budget["ema"] is not None:
            check_modes(groups, study.folder)
    requires_loss_fn = getattr(kind, "requires_loss_fn", False)
    classes, wraps = _wraps(study, entry, kind, hyperparameters)
    _check_training(budget, study, entry, kind, classes, problem)
    closure = _closure(entry, (kind, *classes)[-1], requires_loss_fn=requires_loss_fn)
    if requires_loss_fn or entry.create_graph:
        _check_second_order(study, entry.kind, getattr(kind, "max_parameters", math.inf), problem, options)
    of_groups = [optimizers.find_optimizer(group.kind, study.folder) for group in entry.group if group.kind]
    is_compiled = study.compiled and any(issubclass(each, Rule) and each.elementwise for each in (kind, *of_groups))
    return {
        **budget,
        "label": entry.name,
        "problem": study.problem,
        "problem_options": options,
        "optimizer": entry.kind,
        "hyperparameters": hyperparameters,
        "schedule": _schedule(entry.schedule),
        "precision": study.precision,
        "compiled": is_compiled and not (closure or entry.create_graph or wraps),
        "closure": closure,
        "create_graph": entry.create_graph,
        "wraps": wraps,
        "seed": study.seed,
        "data": problem.digests() | code_versions(study.problem, study.folder, type(problem)),
        "code": _code(study, entry, kind, classes),
        "groups": groups,
    }


def _wraps(
    study: Study, entry: Entry, kind: type[Optimizer], hyperparameters: dict[str, object]
) -> tuple[list[type], tuple[dict[str, Any], ...]]:
    """Return the classes of an entry's wrappers and their descriptions, with every option."""
    classes, found = list[type](), list[dict[str, Any]]()
    if entry.wraps and getattr(kind, "requires_loss_fn", False):
        raise UserError("wraps", f"the step of {kind.__name__} gets the loss as a function", "Remove it")

    def make(network: nn.Module, number: int) -> Any:
        if number == 0:
            constructor: Any = kind
            return constructor(list(network.parameters()), **optimizers.constructor_arguments(kind, hyperparameters))
        options = found[number - 1]["hyperparameters"]
        inner = (kind, hyperparameters) if number == 1 else None
        return wrappers.wrap(classes[number - 1], options, network, partial(make, number=number - 1), inner)

    for number, wrap in enumerate(entry.wraps):
        with _within(f"wraps[{number + 1}]."):
            cls = wrappers.find_wrapper(wrap.kind, study.folder)
            inner = None if number else (kind, hyperparameters)
            given, construct = wrap.options | wrap.extra, partial(make, number=number)
            options = wrappers.resolve_wrapper_options(cls, given, wrap.extra, construct, inner)
        classes.append(cls)
        found.append({"kind": wrap.kind, "hyperparameters": options})
    return classes, tuple(found)


def _code(study: Study, entry: Entry, kind: type[Optimizer], classes: list[type]) -> dict[str, str]:
    """Return the versions of the code of an entry's optimizer and of its wrappers."""
    versions = code_versions(entry.kind, study.folder, kind)
    for wrap, cls in zip(entry.wraps, classes, strict=True):
        versions |= code_versions(wrap.kind, study.folder, cls)
    return versions


def _closure(entry: Entry, kind: type[Optimizer], *, requires_loss_fn: bool) -> bool:
    """Return whether the step of an entry's optimizer gets a closure."""
    is_required = optimizers.requires_closure(kind)
    if entry.closure is False and is_required:
        raise UserError("closure", f"the step of {kind.__name__} requires a closure", "Write closure = true")
    if entry.closure and requires_loss_fn:
        problem = f"{kind.__name__} has requires_loss_fn = True, so its step gets the loss as a function instead"
        raise UserError("closure", problem, "Remove it")
    closure = is_required if entry.closure is None else entry.closure
    if closure and any(group.kind for group in entry.group):
        problem = f"{kind.__name__} cannot share a closure with the optimizers of groups"
        raise UserError(
            "closure", problem, "Remove the kinds of the groups, or choose an optimizer that requires no closure"
        )
    return closure


def _groups(study: Study, entry: Entry) -> tuple[dict[str, Any], ...]:
    """Return the parameter groups of an entry as `Trial.groups` has them."""
    groups, errors = [], list[UserError]()
    for number, group in enumerate(entry.group, 1):
        with _within(f"group[{number}].", errors):
            groups.append(resolve_group(entry, group, study.folder, partial(_hyperparameters, study)))
    if errors:
        raise UserError.combine(errors)
    return tuple(groups)


def _hyperparameters(study: Study, entry: Entry | Group, kind: type[Optimizer]) -> dict[str, object]:
    """Return every option of the optimizer of an entry or a group."""
    keys = type(study).model_fields.keys() | type(entry).model_fields.keys()
    known = optimizers.constructor_options(kind)
    errors = []
    for name in entry.options.keys() & keys:
        hint = f"or, for the option of {kind.__name__}, extra = {{ {name} = VALUE }}" if name in known else ""
        errors.append(
            UserError(
                name, "an optimizer cannot override it", f"Write it above the first [[optimizer]]{hint and ', '}{hint}"
            )
        )
    for name in entry.extra.keys() & known.keys() - keys:
        problem = f"an option of {kind.__name__}, which needs no extra"
        errors.append(UserError(f"extra.{name}", problem, f"Write {name} = VALUE"))
    if errors:
        raise UserError.combine(errors)
    try:
        return optimizers.resolve_options(kind, entry.options | entry.extra, entry.extra)
    except UserError as error:
        raise UserError.combine(
            UserError(
                f"extra.{line.location}" if line.location in entry.extra else line.location, line.problem, line.hint
            )
            for line in error.lines
        ) from None


def _check_training(
    budget: dict[str, Any], study: Study, entry: Entry, kind: type[Optimizer], classes: list[type], problem: Problem
) -> None:
    """Check that the optimizer and the problem have what the keys that change the training need."""
    if budget["label_smoothing"] and type(problem).loss is not problems.Classification.loss:
        reason = f"the loss of {study.problem} is not the cross-entropy of ravine.Classification"
        raise UserError("label_smoothing", reason, "Remove it")
    if budget["clip"] and getattr(kind, "requires_loss_fn", False):
        raise UserError("clip", f"{entry.kind} computes its gradient itself, which cannot be clipped", "Remove it")
    if budget["clip"] and entry.create_graph:
        raise UserError("clip", "clipping changes gradients, but not their graph", "Remove it, or create_graph")
    for name, cls in zip((entry.kind, *(wrap.kind for wrap in entry.wraps)), (kind, *classes), strict=True):
        if budget["ema"] is not None and wrappers.mode_methods(cls):
            raise UserError("ema", f"{name} has evaluation weights of its own", "Remove it")


def _check_second_order(
    study: Study, kind: str, max_parameters: float, problem: Problem, options: dict[str, Any]
) -> None:
    """Check that an optimizer that differentiates the loss twice can train the problem."""
    if study.precision == "bfloat16":
        reason = f"{kind} differentiates the loss twice, and the precision of bfloat16 is too low for that"
        raise UserError("kind", reason, 'Write precision = "float32"')
    if max_parameters < math.inf:
        with torch.random.fork_rng(devices=[]):
            count = sum(p.numel() for p in problem.network(**options).parameters() if p.requires_grad)
        if count > max_parameters:
            reason = f"{kind} solves for at most {max_parameters:,} parameters together; {study.problem} has {count:,}"
            raise UserError("kind", reason, "Choose a smaller problem or another optimizer")


def _check_budget(budget: dict[str, Any], problem: Problem) -> None:
    """Fill in the defaults of a budget, and check that it can be trained."""
    available = problem.train_examples
    examples = budget["train_examples"] = budget["train_examples"] or available
    if examples > available:
        reason = f"{problem.key} has {available:,} training examples, got {examples:,}"
        raise UserError("train_examples", reason, "Omit it to use all")
    size, chunk, parts = budget["batch_size"], budget["chunk"], budget.pop("accumulate")
    updates = budget["epoch_updates"] = budget.pop("updates_per_epoch")
    if size == "full":
        if parts > 1:
            raise UserError("accumulate", 'not allowed with batch_size = "full"', "Write chunk = N instead")
        budget["chunk"] = chunk or min(CHUNK, examples)
    elif chunk is not None:
        raise UserError("chunk", 'allowed only with batch_size = "full"', "Remove it, or write accumulate = N")
    elif parts > size:
        raise UserError("accumulate", f"expected at most batch_size = {size}, got {parts}", "Write a smaller number")
    elif parts > 1:
        budget["chunk"] = -(-size // parts)
    _check_sizes(size, budget["chunk"], examples, problem, one_pass=updates is None)


def _check_sizes(size: int | str, chunk: int | str | None, examples: int, problem: Problem, *, one_pass: bool) -> None:
    """Check the batches of an epoch, and their parts.

    Args:
        size: Batch size.
        chunk: Examples that go through the network at a time; None for the complete batch.
        examples: Number of training examples.
        problem: Has the smallest batch.
        one_pass: Whether the last batch has the remaining examples; otherwise all have the same size.
    """
    if not isinstance(size, int):
        _check_size("chunk", chunk or size, examples, problem)
        return
    _check_size("batch_size", size, examples, problem, remainder=one_pass)
    if isinstance(chunk, int):
        for batch in {size, examples % size if one_pass else 0} - {0}:
            _check_size("accumulate", min(chunk, batch), batch, problem)


def _check_size(key: str, size: int | str, examples: int, problem: Problem, *, remainder: bool = True) -> None:
    if not isinstance(size, int):
        return
    minimum = problem.min_batch_size
    if size > examples:
        hint = f'Write at most {examples:,}, or "full"'
        raise UserError(key, f"expected at most {examples:,}, the number of training examples, got {size:,}", hint)
    if size < minimum or (remainder and 0 < examples % size < minimum):
        reason = f"leaves {examples % size} of {examples:,} examples for the last batch"
        reason = (
            f"{size} {reason if size >= minimum else 'is too small'}; the batch normalisation of {problem.key} needs"
        )
        raise UserError(key, f"{reason} {minimum}", f"Change {key}")


def _schedule(schedule: Schedule | None) -> dict[str, Any] | None:
    """Return the schedule with every value; None for a constant learning rate, however it is written."""
    if schedule is None:
        return None
    keys = ("kind", "warmup", *_SCHEDULE_KEYS.get(schedule.kind, ()))
    unused = sorted(schedule.model_fields_set - set(keys))
    if unused:
        problem = f"the schedule {schedule.kind} does not use it"
        raise UserError(f"schedule.{unused[0]}", problem, f"Remove it, or use one of its keys: {', '.join(keys)}")
    if schedule.kind == "constant" and schedule.warmup == 0:
        return None
    return schedule.model_dump(exclude=set() if schedule.kind == "wsd" else {"decay"})  # ids of the other kinds stay
