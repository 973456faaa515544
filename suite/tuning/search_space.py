"""The search space of an optimizer: which hyperparameters are tuned, and in which ranges.

The defaults give every optimizer the same chance. Each learning rate has a range of five decades around its useful values
(AdaDelta's are a hundred times Adam's), uniform on a logarithmic scale. Each β has a range in which 1 − β is uniform on a
logarithmic scale, because the memory is 1/(1−β) steps long. A study's `[tune.space.<kind>]` or `[tune.space.<label>]`
replaces the range of each hyperparameter that it names. The other defaults stay, unless `tune.parameters` names what is
tuned. A β that is 0 in the optimizer's default setting is switched off and is not tuned.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from suite import optimizers
from suite.errors import UserError, did_you_mean, format_value
from suite.spec.study import Range
from suite.tuning import ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.spec.study import Entry, Study

LEARNING_RATES = {
    "sgd": (1e-4, 10.0),
    "momentum": (1e-5, 1.0),  # for a constant gradient its step is 1/(1−γ) = 10 times that of sgd
    "nag": (1e-5, 1.0),
    "nag_paper": (1e-5, 1.0),
    "adagrad": (1e-4, 10.0),  # its step shrinks as 1/√t
    "rmsprop": (1e-5, 1.0),
    "adadelta": (1e-3, 100.0),  # η = 1 is the rule itself
    "adam": (1e-5, 1.0),
    "adamax": (1e-5, 1.0),
    "nadam": (1e-5, 1.0),
    "nadam_paper": (1e-5, 1.0),
    "newton": (1e-4, 10.0),  # η = 1 is the rule itself
    "adamw": (1e-5, 1.0),
    "nadamw": (1e-5, 1.0),
    "lion": (1e-6, 0.1),  # its authors recommend a third to a tenth of the η of adamw
    "muon": (1e-4, 10.0),  # every direction of a matrix moves by about η
    "schedule_free_sgd": (1e-3, 100.0),  # its authors recommend 10 to 50 times the η of momentum
    "schedule_free_adamw": (1e-5, 1.0),
}
OTHER_LEARNING_RATES = (1e-5, 1.0)

Space = dict[str, Range]


def tunable(options: Mapping[str, Any]) -> dict[str, float]:
    """Return the values of all numeric hyperparameters; `betas` as `beta1`, `beta2`, and `group.1.betas` as `group.1.beta1`."""
    values: dict[str, float] = {}
    for name, value in options.items():
        if name.rpartition(".")[2] == "betas" and isinstance(value, list | tuple):
            values |= {f"{name[:-1]}{i}": float(beta) for i, beta in enumerate(value, 1) if _is_number(beta)}
        elif _is_number(value):
            values[name] = float(value)
    return values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def with_values(options: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """Return options, or the settings of a trial, with tuned hyperparameters in their places."""
    changed = dict(options)
    for name, value in values.items():
        all_betas = f"{name[:-1]}s"
        if all_betas.rpartition(".")[2] == "betas" and all_betas in options and name not in options:
            betas = list(changed[all_betas])
            betas[int(name[-1]) - 1] = value
            changed[all_betas] = tuple(betas)
        else:
            changed[name] = int(value) if type(options.get(name)) is int and value == int(value) else value
    return changed


def space(study: Study, entry: Entry, options: Mapping[str, Any]) -> Space:
    """Return the range of each tuned hyperparameter of an entry.

    Args:
        study: The study, whose `[tune]` may name parameters and ranges.
        entry: One of its optimizers.
        options: Every option of that optimizer and its groups, resolved (`Trial.settings`): the default setting, which every
            range must contain.

    Raises:
        UserError: The optimizer does not have a hyperparameter or refuses a range, a range does not contain the default
            setting, or nothing is tuned.
    """
    default = tunable(options)
    given: dict[str, tuple[str, Range]] = {}
    for key in dict.fromkeys((entry.kind, entry.name)):
        for name, values in study.tune.space.get(key, {}).items():
            given[name] = (f"{study.place}: tune.space.{key}.{name}", values)
    for name, (location, values) in given.items():
        _check(location, name, values, entry, options, study)
    ranges_by_name = _defaults(entry.kind, default) | {name: values for name, (_, values) in given.items()}
    names = study.tune.parameters
    location = f"{study.place}: tune.parameters"
    if names is not None:
        ranges_by_name = {
            name: values
            for name, values in (ranges.ON_REQUEST | ranges_by_name).items()
            if name in names and name in default
        }
        missing = [name for name in names if name in default and name not in ranges_by_name]
        if missing:
            hint = f"Write tune.space.{entry.kind}.{missing[0]} = {{ log = [a, b] }}, or another form"
            raise UserError(location, f"{missing[0]} has no default range for {entry.name}", hint)
    if not ranges_by_name:
        raise UserError(location, f'nothing to tune for "{entry.name}"', f"Choose from: {', '.join(default)}")
    return {name: ranges_by_name[name] for name in default if name in ranges_by_name}


def check_parameters(study: Study, all_options: list[Mapping[str, Any]]) -> None:
    """Check that each name in `tune.parameters` is a hyperparameter of at least one optimizer of the study."""
    known = list(dict.fromkeys(name for options in all_options for name in tunable(options)))
    for name in study.tune.parameters or ():
        if name not in known:
            problem = f"no optimizer of the study has {format_value(name)}"
            suggestion, hint = did_you_mean(name, known), f"Choose from: {', '.join(known)}"
            raise UserError(f"{study.place}: tune.parameters", problem, suggestion, hint)


def _defaults(kind: str, default: Mapping[str, float]) -> Space:
    """Return the default ranges, extended to contain the default setting."""
    space = {name: values for name, values in ranges.DEFAULTS.items() if default.get(name, 0.0) > 0}
    if "lr" in default:
        space["lr"] = Range(log=LEARNING_RATES.get(kind, OTHER_LEARNING_RATES))
    for name, values in space.items():
        form, (low, high) = ranges.bounds(values)
        x = ranges.to_search_scale(values, default[name])
        space[name] = Range.model_validate({form: (min(low, x), max(high, x))})
    return space


def _check(location: str, name: str, values: Range, entry: Entry, options: Mapping[str, Any], study: Study) -> None:
    default = tunable(options)
    if name not in default:
        suggestion, hint = did_you_mean(name, default), f"Choose from: {', '.join(default)}"
        raise UserError(location, f"{entry.name} has no such hyperparameter", suggestion, hint)
    low, high = (ranges.from_search_scale(values, bound) for bound in ranges.bounds(values)[1])
    inside = () if values.values else (low + (high - low) / math.e,)
    for value in (*(values.values or (low, high)), *inside):
        try:
            _check_value(name, value, entry, options, study)
        except UserError as error:
            if type(options.get(name)) is int and value in inside:
                problem = f"{name} of {entry.name} is a whole number, so its values must be listed"
                raise UserError(location, problem, "Write, for example, { values = [10, 20] }") from None
            raise error.within(f"{location}: ") from None
    if not ranges.contains(values, default[name]):
        problem = (
            f"{ranges.format_range(values)} does not contain {default[name]!r}, the study's {name} of {entry.name}, which "
            "is always tried first"
        )
        fix = "Add it" if values.values else "Widen the range"
        raise UserError(location, problem, f"{fix}, or change {name} in the study")


def _check_value(name: str, value: float, entry: Entry, options: Mapping[str, Any], study: Study) -> None:
    """Check that the optimizer of an entry, or of one of its groups, accepts a value; keys in `extra` of a group cannot be."""
    changed = with_values(options, {name: value})
    own = {key: item for key, item in changed.items() if key in options and not key.startswith("group.")}
    kind, extra = entry.kind, entry.extra
    if name.startswith("group."):
        prefix = f"group.{name.split('.')[1]}."
        group = entry.group[int(name.split(".")[1]) - 1]
        of_group = {key.removeprefix(prefix): item for key, item in changed.items() if key.startswith(prefix)}
        if group.kind is None:
            own |= {key: item for key, item in of_group.items() if key not in group.extra}
        else:
            own, kind, extra = of_group, group.kind, group.extra
    cls = optimizers.find_optimizer(kind, study.folder)
    optimizers.resolve_options(cls, optimizers.constructor_arguments(cls, own), extra)
