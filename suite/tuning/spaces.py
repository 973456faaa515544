"""Which hyperparameters of an optimizer are tuned, and in which ranges.

The defaults give every optimizer the same chance: each learning rate has a range of five decades, placed where its useful
values are (AdaDelta's are a hundred times Adam's), uniform on a logarithmic scale, and each β one in which 1 − β is uniform
on a logarithmic scale, since the memory is 1/(1−β) steps long. A study's `[tune.space.<kind>]` or
`[tune.space.<label>]` replaces the range of each hyperparameter that it names; the rest of the defaults stands, unless
`tune.parameters` names what is tuned. A β that the optimizer's setting has at 0 is switched off and stays so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from suite import optimizers
from suite.errors import UserError, did_you_mean
from suite.study import Range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suite.study import Entry, Study

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
DEFAULTS = {
    "momentum": Range(one_minus_log=(0.005, 0.5)),
    "alpha": Range(one_minus_log=(0.001, 0.5)),
    "rho": Range(one_minus_log=(0.001, 0.5)),
    "beta1": Range(one_minus_log=(0.005, 0.5)),
    "beta2": Range(one_minus_log=(0.0001, 0.5)),
}
ON_REQUEST = {"eps": Range(log=(1e-10, 0.1))}
"""Tuned where `tune.parameters` names it."""
EDGE = 0.02
"""So near to an end of a range, as a share of it, an optimum lies on the edge."""

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
    ranges = _defaults(entry.kind, own) | {name: values for name, (_, values) in given.items()}
    wanted = study.tune.parameters
    if wanted is not None:
        ranges = {name: values for name, values in (ON_REQUEST | ranges).items() if name in wanted and name in own}
        lacking = [name for name in wanted if name in own and name not in ranges]
        if lacking:
            told = f"{lacking[0]}: it has no default range for {entry.name}"
            mend = f"Write tune.space.{entry.kind}.{lacking[0]} = {{ log = [a, b] }}, or another form"
            raise UserError(f"{study.place}: tune.parameters: {told}. {mend}")
    if not ranges:
        raise UserError(
            f'{study.place}: tune.parameters: nothing is left to tune of "{entry.name}". It has {", ".join(own)}'
        )
    return {name: ranges[name] for name in own if name in ranges}


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
    ranges = {name: values for name, values in DEFAULTS.items() if own.get(name, 0.0) > 0}
    if "lr" in own:
        ranges["lr"] = Range(log=LEARNING_RATES.get(kind, OTHER_LEARNING_RATES))
    return {name: _holding(values, own[name]) for name, values in ranges.items()}


def _holding(values: Range, own: float) -> Range:
    """A default range, wide enough to hold an optimizer's own setting."""
    form, (low, high) = ends(values)
    x = inner(values, own)
    return Range.model_validate({form: (min(low, x), max(high, x))})


def _check(place: str, name: str, values: Range, entry: Entry, options: Mapping[str, Any], study: Study) -> None:
    own = tunable(options)
    if name not in own:
        raise UserError(
            f"{place}: {entry.name} has no such hyperparameter.{did_you_mean(name, own)} It has {', '.join(own)}"
        )
    kind = optimizers.find(entry.kind, study.folder)
    extremes = values.values or tuple(outer(values, end) for end in ends(values)[1])
    for value in extremes:
        try:
            optimizers.resolve(kind, with_values(options, {name: value}))
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
    if not holds(values, own[name]):
        wider = "Add it" if values.values else "Widen the range"
        raise UserError(
            f"{place}: {show(values)} does not hold {own[name]!r}, the study's own {name} of {entry.name}, which is "
            f"always tried first. {wider}, or change {name} in the study"
        )


# --- ranges ----------------------------------------------------------------------------------------------------------


def ends(values: Range) -> tuple[str, tuple[float, float]]:
    """The form of a range and its two ends, on the scale of its form; of a list of values the least and the greatest."""
    for form in ("log", "one_minus_log", "uniform"):
        found = getattr(values, form)
        if found:
            return form, found
    assert values.values
    return "values", (min(values.values), max(values.values))


def inner(values: Range, value: float) -> float:
    """A hyperparameter on the scale that its range is written in: 1 − β for `one_minus_log`, else itself."""
    form, (low, high) = ends(values)
    x = 1 - value if form == "one_minus_log" else value
    for end in (low, high):  # 1 − 0.9 is 0.09999999999999998
        if math.isclose(x, end, rel_tol=1e-12):
            return end
    return x


def outer(values: Range, x: float) -> float:
    """The hyperparameter from the scale that its range is written in."""
    return 1 - x if values.one_minus_log else x


def holds(values: Range, value: float) -> bool:
    """Whether the range has this value."""
    low, high = ends(values)[1]
    return value in values.values if values.values else low <= inner(values, value) <= high


def position(values: Range, value: float) -> float:
    """Where a value lies in its range, from 0 at the low end to 1 at the high end, on the scale that is uniform."""
    form, (low, high) = ends(values)
    x = inner(values, value)
    if low == high:
        return 0.5
    if form in {"log", "one_minus_log"}:
        return math.log(x / low) / math.log(high / low)
    return (x - low) / (high - low)


def grid(values: Range, points: int) -> tuple[float, ...]:
    """So many values, evenly spaced on the uniform scale from end to end (six digits inside); a list of values as it is."""
    if values.values:
        return values.values
    form, (low, high) = ends(values)
    shares = [i / (points - 1) for i in range(1, points - 1)]
    between = [low * (high / low) ** t if form != "uniform" else low + (high - low) * t for t in shares]
    return tuple(outer(values, x) for x in (low, *(float(f"{x:.6g}") for x in between), high))


def beyond_edge(values: Range, value: float) -> Range | None:
    """Where a value lies on the edge of its range, a range that goes on there; else None, as at a bound of the rule.

    Ten times as far on a logarithmic scale, twice as wide on a uniform one; a list of values has none.
    """
    form, (low, high) = ends(values)
    at = position(values, value)
    if form == "values" or EDGE <= at <= 1 - EDGE:
        return None
    width = high - low
    if at < EDGE:
        low = low - width if form == "uniform" else low / 10
    else:
        high = high + width if form == "uniform" else high * 10
    if form == "one_minus_log":
        high = min(high, 1.0)
    if form == "uniform" and ends(values)[1][0] >= 0:
        low = max(low, 0.0)
    wider = Range.model_validate({form: tuple(float(f"{end:.12g}") for end in (low, high))})
    return None if wider == values else wider


def show(values: Range) -> str:
    """A range as a study file has it."""
    form, numbers = ends(values)
    return f"{{ {form} = [{', '.join(map(repr, values.values or numbers))}] }}"
