"""Which hyperparameters of an optimizer are tuned, and in which ranges.

The defaults give every optimizer the same chance: each learning rate has a range of five decades, placed where its useful
values are (AdaDelta's are a hundred times Adam's), uniform on a logarithmic scale, and each β one in which 1 − β is uniform
on a logarithmic scale, since the memory is 1/(1−β) steps long. A study's `[tune.space.<kind>]` or
`[tune.space.<label>]` replaces the range of each hyperparameter that it names; the rest of the defaults stands, unless
`tune.parameters` names what is tuned. A β that the optimizer's setting has at 0 is switched off and stays so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from suite import optimizers
from suite.errors import UserError, did_you_mean
from suite.spec.study import Range
from suite.tuning import ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.spec.study import Entry, Study

LEARNING_RATES = {
    "sgd": (1e-4, 10.0),
    "momentum": (1e-5, 1.0),  # a constant gradient is stepped 1/(1−γ) = 10 times as far as by sgd
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
}
OTHER_LEARNING_RATES = (1e-5, 1.0)

Space = dict[str, Range]


def tunable(options: Mapping[str, Any]) -> dict[str, float]:
    """The hyperparameters that a number can be tried for, with their values; `betas` as `beta1`, `beta2`."""
    found: dict[str, float] = {}
    for name, value in options.items():
        if name == "betas":
            found |= {f"beta{i}": float(beta) for i, beta in enumerate(value, 1)}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = float(value)
    return found


def with_values(options: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """The options of a constructor with tuned hyperparameters in their places."""
    changed = dict(options)
    for name, value in values.items():
        if name.startswith("beta") and "betas" in options and name not in options:
            betas = list(changed["betas"])
            betas[int(name.removeprefix("beta")) - 1] = value
            changed["betas"] = tuple(betas)
        else:
            changed[name] = value
    return changed


def space(study: Study, entry: Entry, options: Mapping[str, Any]) -> Space:
    """What is tuned of an entry, by name.

    Args:
        study: Whose `[tune]` may name parameters and ranges.
        entry: One of its optimizers.
        options: Every option of that optimizer, resolved: its own setting, which every range has to hold.

    Raises:
        UserError: With its place: a hyperparameter that the optimizer does not have, a range that the optimizer refuses or
            that does not hold its own setting, or nothing to tune.
    """
    own = tunable(options)
    given: dict[str, tuple[str, Range]] = {}
    for key in dict.fromkeys((entry.kind, entry.name)):
        for name, values in study.tune.space.get(key, {}).items():
            given[name] = (f"{study.place}: tune.space.{key}.{name}", values)
    for name, (place, values) in given.items():
        _check(place, name, values, entry, options, study)
    found = _defaults(entry.kind, own) | {name: values for name, (_, values) in given.items()}
    wanted = study.tune.parameters
    if wanted is not None:
        found = {name: values for name, values in (ranges.ON_REQUEST | found).items() if name in wanted and name in own}
        lacking = [name for name in wanted if name in own and name not in found]
        if lacking:
            told = f"{lacking[0]}: it has no default range for {entry.name}"
            mend = f"Write tune.space.{entry.kind}.{lacking[0]} = {{ log = [a, b] }}, or another form"
            raise UserError(f"{study.place}: tune.parameters: {told}. {mend}")
    if not found:
        raise UserError(
            f'{study.place}: tune.parameters: nothing is left to tune of "{entry.name}". It has {", ".join(own)}'
        )
    return {name: found[name] for name in own if name in found}


def check_parameters(study: Study, all_options: list[Mapping[str, Any]]) -> None:
    """Refuse a name in `tune.parameters` that no optimizer of the study has."""
    known = list(dict.fromkeys(name for options in all_options for name in tunable(options)))
    for name in study.tune.parameters or ():
        if name not in known:
            raise UserError(
                f"{study.place}: tune.parameters: no optimizer of the study has {name}.{did_you_mean(name, known)} "
                f"They have {', '.join(known)}"
            )


def _defaults(kind: str, own: Mapping[str, float]) -> Space:
    found = {name: values for name, values in ranges.DEFAULTS.items() if own.get(name, 0.0) > 0}
    if "lr" in own:
        found["lr"] = Range(log=LEARNING_RATES.get(kind, OTHER_LEARNING_RATES))
    return {name: _holding(values, own[name]) for name, values in found.items()}


def _holding(values: Range, own: float) -> Range:
    """A default range, wide enough to hold an optimizer's own setting."""
    form, (low, high) = ranges.bounds(values)
    x = ranges.to_search_scale(values, own)
    return Range.model_validate({form: (min(low, x), max(high, x))})


def _check(place: str, name: str, values: Range, entry: Entry, options: Mapping[str, Any], study: Study) -> None:
    own = tunable(options)
    if name not in own:
        raise UserError(
            f"{place}: {entry.name} has no such hyperparameter.{did_you_mean(name, own)} It has {', '.join(own)}"
        )
    kind = optimizers.find_optimizer(entry.kind, study.folder)
    extremes = values.values or tuple(ranges.from_search_scale(values, end) for end in ranges.bounds(values)[1])
    for value in extremes:
        try:
            optimizers.resolve_options(kind, with_values(options, {name: value}))
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
    if not ranges.contains(values, own[name]):
        wider = "Add it" if values.values else "Widen the range"
        raise UserError(
            f"{place}: {ranges.format_range(values)} does not hold {own[name]!r}, the study's own {name} of {entry.name}, which is "
            f"always tried first. {wider}, or change {name} in the study"
        )
