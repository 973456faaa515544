"""The parameter groups of an entry: options checked, and the parameters of the network that each group has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from suite import optimizers
from suite.code_versions import code_versions
from suite.errors import UserError, did_you_mean, format_value
from suite.optimizers.wrappers import mode_methods
from suite.problems.parameter_roles import ROLES, SELECTORS, select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch.optim import Optimizer

    from suite.problems import Problem
    from suite.spec.study import Entry, Group
    from suite.trials import Trial

    Hyperparameters = Callable[[Entry | Group, type[Optimizer]], dict[str, object]]


class Members(NamedTuple):
    """The parameters of a group."""

    names: tuple[str, ...]
    num_values: int


def resolve_group(entry: Entry, group: Group, folder: Path | None, hyperparameters: Hyperparameters) -> dict[str, Any]:
    """Return a group as `Trial.groups` has it.

    Args:
        entry: The entry of the group.
        group: The group.
        folder: That of the study's own classes.
        hyperparameters: Returns every option of an entry, or of a group with a kind; see `suite.spec.plan`.

    Raises:
        UserError: There is no selector, or an option is unknown, has an invalid value or cannot differ between groups.
    """
    selectors = {key: sorted(set(items)) for key in SELECTORS if (items := getattr(group, key))}
    if not selectors:
        raise UserError(
            "",
            "selects no parameters",
            f'Write {", ".join(SELECTORS[:-1])} or {SELECTORS[-1]}, for example roles = ["bias"]',
        )
    cls = optimizers.find_optimizer(group.kind or entry.kind, folder)
    if getattr(cls, "requires_loss_fn", False):
        raise UserError(
            "kind",
            f"{cls.__name__} requires all parameters in one group",
            "Remove the group, or choose another optimizer",
        )
    if group.kind is None:
        return {**selectors, "hyperparameters": _changed_options(entry, group, cls)}
    if optimizers.requires_closure(cls):
        problem = f"{cls.__name__} requires a closure, which it cannot share with another optimizer"
        raise UserError("kind", problem, "Choose another optimizer")
    resolved = {**selectors, "kind": group.kind, "hyperparameters": hyperparameters(group, cls)}
    code = code_versions(group.kind, folder, cls)
    return {**resolved, "code": code} if code else resolved


def _changed_options(entry: Entry, group: Group, cls: type[Optimizer]) -> dict[str, Any]:
    """Return the options and the other keys of a group of the entry's optimizer."""
    known = optimizers.constructor_options(cls)
    errors = []
    for name in group.extra.keys() & known.keys():
        problem = f"an option of {cls.__name__}, which needs no extra"
        errors.append(UserError(f"extra.{name}", problem, f"Write {name} = VALUE"))
    for name in group.options.keys() - known.keys() - entry.extra.keys():
        suggestion = did_you_mean(name, known)
        hint = f"If the class reads this key of its groups, write extra = {{ {name} = {format_value(group.options[name])} }}"
        errors.append(UserError(name, f"{cls.__name__} has no such option", suggestion, hint))
    if errors:
        raise UserError.combine(errors)
    given = entry.options | entry.extra | group.options
    try:
        resolved = optimizers.resolve_options(cls, given, entry.extra)
    except UserError as error:
        lines = [line for line in error.lines if line.location in group.options]
        raise UserError.combine(UserError(*line) for line in lines or error.lines) from None
    in_groups = _names_in_groups(cls, resolved)
    for name in group.options:
        if name not in in_groups:
            problem = f"{cls.__name__} has one value of it for all groups"
            errors.append(UserError(name, problem, "Write it in the entry"))
    if errors:
        raise UserError.combine(errors)
    return {name: resolved[name] for name in resolved if name in group.options} | {
        name: optimizers.record(value) for name, value in group.extra.items()
    }


def _names_in_groups(cls: type[Optimizer], options: Mapping[str, Any]) -> set[str]:
    """Return the names of the options that a class reads from its groups."""
    if cls.__module__.startswith("suite.optimizers."):  # their constructor would import the compiler
        return set(optimizers.constructor_options(cls))
    constructor: Any = cls
    made = constructor([torch.nn.Parameter(torch.zeros(1, 1))], **optimizers.constructor_arguments(cls, options))
    return set(made.defaults)


def members(problem: Problem, options: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]) -> list[Members]:
    """Return the parameters of each group of a trial, then those of the entry itself.

    Raises:
        UserError: The network cannot be built, a role is unknown, a group has no parameter, or no parameter is left for the
            optimizer of the entry.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            network = problem.network(**options)
        roles = problem.roles(network)
    except Exception as error:  # a user's code may raise anything
        text = " ".join(str(error).split())
        raise UserError(
            "group", f"the network cannot be built: {type(error).__name__}: {text}", "Fix the problem"
        ) from error
    known = list(dict.fromkeys([*ROLES, *(role for found in roles.values() for role in sorted(found))]))
    errors = [
        UserError(
            f"group[{number}].roles",
            f"there is no role {format_value(role)}",
            did_you_mean(role, known),
            f"Choose from: {', '.join(known)}",
        )
        for number, group in enumerate(groups, 1)
        for role in group.get("roles", ())
        if role not in known
    ]
    if errors:
        raise UserError.combine(errors)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    selected = select(network, tuple(groups), roles)
    for number, (group, names) in enumerate(zip(groups, selected, strict=False), 1):
        if not names:
            taken = any(select(network, (group,), roles)[0])
            reason = "earlier groups have all its parameters" if taken else "no parameter matches"
            hint = f"Remove it, or change its selectors. The parameters are: {_shorten(sizes)}"
            errors.append(UserError(f"group[{number}]", f"is empty: {reason}", hint))
    if not selected[-1] and all("kind" in group for group in groups):
        problem_text = "the groups have all parameters, and none is left for the optimizer of the entry"
        errors.append(UserError("group", problem_text, "Move the kind and the options of one group to the entry"))
    if errors:
        raise UserError.combine(errors)
    return [Members(tuple(names), sum(sizes[name] for name in names)) for names in selected]


def _shorten(names: Mapping[str, int], most: int = 12) -> str:
    shown = list(names)
    return ", ".join(shown if len(shown) <= most else [*shown[:most], f"… ({len(shown)} in all)"])


def check_modes(groups: Sequence[Mapping[str, Any]], folder: Path | None) -> None:
    """Raise UserError for the first group whose optimizer has evaluation weights of its own."""
    for number, group in enumerate(groups, 1):
        if "kind" in group and mode_methods(optimizers.find_optimizer(group["kind"], folder)):
            raise UserError("ema", f"{group['kind']} of group[{number}] has evaluation weights of its own", "Remove it")


def describe_groups(trial: Trial, problem: Problem) -> list[tuple[str, str, int, int, str]]:
    """Return a row for each group and the rest: name, setting, numbers of tensors and values, names of tensors."""
    found = members(problem, trial.problem_options, trial.groups)
    texts = [(f"group {number}", _settings(group)) for number, group in enumerate(trial.groups, 1)]
    rows = [*texts, ("other", trial.optimizer)]
    return [
        (name, text, len(each.names), each.num_values, _shorten(dict.fromkeys(each.names, 0), 4))
        for (name, text), each in zip(rows, found, strict=True)
    ]


def _settings(group: Mapping[str, Any]) -> str:
    options = ", ".join(f"{name} {value}" for name, value in group["hyperparameters"].items())
    return " ".join(filter(None, (group.get("kind", ""), options if "kind" not in group else "")))
