"""Ranges of hyperparameters: default ranges, and the scale on which each form of range is uniform."""

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
"""Default ranges of hyperparameters that are tuned only if `tune.parameters` names them."""
EDGE = 0.02
"""A value is at a bound of its range if its distance, as a fraction of the range, is smaller than this."""


def bounds(values: Range) -> tuple[str, tuple[float, float]]:
    """Return the form of a range and its bounds on the scale of that form; minimum and maximum of a list of values."""
    for form in ("log", "one_minus_log", "uniform"):
        if ends := getattr(values, form):
            return form, ends
    assert values.values
    return "values", (min(values.values), max(values.values))


def to_search_scale(values: Range, value: float) -> float:
    """Return a hyperparameter on the scale of its range: 1 − β for `one_minus_log`, otherwise unchanged."""
    form, ends = bounds(values)
    x = 1 - value if form == "one_minus_log" else value
    return next((end for end in ends if math.isclose(x, end, rel_tol=1e-12)), x)  # 1 − 0.9 is 0.09999999999999998


def from_search_scale(values: Range, x: float) -> float:
    """Return the hyperparameter of a value on the scale of its range."""
    return 1 - x if values.one_minus_log else x


def contains(values: Range, value: float) -> bool:
    """Return whether a range contains a value."""
    low, high = bounds(values)[1]
    return value in values.values if values.values else low <= to_search_scale(values, value) <= high


def relative_position(values: Range, value: float) -> float:
    """Return the position of a value in its range, from 0 (low) to 1 (high), on the scale on which it is uniform."""
    form, (low, high) = bounds(values)
    x = to_search_scale(values, value)
    if low == high:
        return 0.5
    if form in {"log", "one_minus_log"}:
        return math.log(x / low) / math.log(high / low)
    return (x - low) / (high - low)


def grid(values: Range, num_points: int) -> tuple[float, ...]:
    """Return N values, evenly spaced on the uniform scale; inner ones have six digits. A list of values is unchanged."""
    if values.values:
        return values.values
    form, (low, high) = bounds(values)
    shares = [i / (num_points - 1) for i in range(1, num_points - 1)]
    inner = [low * (high / low) ** t if form != "uniform" else low + (high - low) * t for t in shares]
    return tuple(from_search_scale(values, x) for x in (low, *(float(f"{x:.6g}") for x in inner), high))


def extend_range_at_bound(values: Range, value: float) -> Range | None:
    """Return a wider range if a value is at a bound of its range that can be extended, else None.

    A logarithmic range extends by a factor of ten, a uniform one by its width; a list of values cannot be extended.
    """
    form, (low, high) = bounds(values)
    position = relative_position(values, value)
    if form == "values" or EDGE <= position <= 1 - EDGE:
        return None
    width = high - low
    if position < EDGE:
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
    """Return a range as text of a study file."""
    form, ends = bounds(values)
    return f"{{ {form} = [{', '.join(map(repr, values.values or ends))}] }}"
