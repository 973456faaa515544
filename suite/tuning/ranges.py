"""Ranges of hyperparameters: the default ones of the β values, and the scale on which each form of a range is uniform."""

from __future__ import annotations

import math

from suite.spec.study import Range

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


def bounds(values: Range) -> tuple[str, tuple[float, float]]:
    """The form of a range and its two ends, on the scale of its form; of a list of values the least and the greatest."""
    for form in ("log", "one_minus_log", "uniform"):
        found = getattr(values, form)
        if found:
            return form, found
    assert values.values
    return "values", (min(values.values), max(values.values))


def to_search_scale(values: Range, value: float) -> float:
    """A hyperparameter on the scale that its range is written in: 1 − β for `one_minus_log`, else itself."""
    form, (low, high) = bounds(values)
    x = 1 - value if form == "one_minus_log" else value
    for end in (low, high):  # 1 − 0.9 is 0.09999999999999998
        if math.isclose(x, end, rel_tol=1e-12):
            return end
    return x


def from_search_scale(values: Range, x: float) -> float:
    """The hyperparameter from the scale that its range is written in."""
    return 1 - x if values.one_minus_log else x


def contains(values: Range, value: float) -> bool:
    """Whether the range has this value."""
    low, high = bounds(values)[1]
    return value in values.values if values.values else low <= to_search_scale(values, value) <= high


def relative_position(values: Range, value: float) -> float:
    """Where a value lies in its range, from 0 at the low end to 1 at the high end, on the scale that is uniform."""
    form, (low, high) = bounds(values)
    x = to_search_scale(values, value)
    if low == high:
        return 0.5
    if form in {"log", "one_minus_log"}:
        return math.log(x / low) / math.log(high / low)
    return (x - low) / (high - low)


def grid(values: Range, points: int) -> tuple[float, ...]:
    """So many values, evenly spaced on the uniform scale from end to end (six digits inside); a list of values as it is."""
    if values.values:
        return values.values
    form, (low, high) = bounds(values)
    shares = [i / (points - 1) for i in range(1, points - 1)]
    between = [low * (high / low) ** t if form != "uniform" else low + (high - low) * t for t in shares]
    return tuple(from_search_scale(values, x) for x in (low, *(float(f"{x:.6g}") for x in between), high))


def extend_range_at_bound(values: Range, value: float) -> Range | None:
    """Where a value lies on the edge of its range, a range that goes on there; else None, as at a bound of the rule.

    Ten times as far on a logarithmic scale, twice as wide on a uniform one; a list of values has none.
    """
    form, (low, high) = bounds(values)
    at = relative_position(values, value)
    if form == "values" or EDGE <= at <= 1 - EDGE:
        return None
    width = high - low
    if at < EDGE:
        low = low - width if form == "uniform" else low / 10
    else:
        high = high + width if form == "uniform" else high * 10
    if form == "one_minus_log":
        high = min(high, 1.0)
    if form == "uniform" and bounds(values)[1][0] >= 0:
        low = max(low, 0.0)
    wider = Range.model_validate({form: tuple(float(f"{end:.12g}") for end in (low, high))})
    return None if wider == values else wider


def format_range(values: Range) -> str:
    """A range as a study file has it."""
    form, numbers = bounds(values)
    return f"{{ {form} = [{', '.join(map(repr, values.values or numbers))}] }}"
