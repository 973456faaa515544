"""Tests of `suite.tuning.ranges`: scales, grids and bounds."""

import math

import pytest

from suite.spec.study import Range
from suite.tuning import ranges


def test_one_minus_log_is_written_as_one_minus_the_value():
    """β = 0.9 is the low bound of [0.1, 0.5] of 1 − β, although 1 − 0.9 is below 0.1 in binary; √0.05 is its centre."""
    values = Range(one_minus_log=(0.1, 0.5))
    assert ranges.contains(values, 0.9)
    assert ranges.relative_position(values, 0.9) == 0
    assert ranges.relative_position(values, 1 - math.sqrt(0.05)) == pytest.approx(0.5)
    assert not ranges.contains(values, 0.91)


def test_a_grid_covers_its_range():
    """It is even on the logarithmic scale, has the bounds and round numbers, and is even in log(1 − β) for β."""
    assert ranges.grid(Range(log=(1e-4, 1.0)), 5) == (1e-4, 1e-3, 1e-2, 0.1, 1.0)
    assert ranges.grid(Range(one_minus_log=(0.001, 0.1)), 3) == pytest.approx((0.999, 0.99, 0.9))
    assert ranges.grid(Range(uniform=(0.0, 1.0)), 3) == (0.0, 0.5, 1.0)
    assert ranges.grid(Range(values=(0.3, 0.1)), 9) == (0.3, 0.1)


@pytest.mark.parametrize(
    ("values", "x", "wider"),
    [
        (Range(log=(1e-5, 1.0)), 0.9, Range(log=(1e-5, 10.0))),  # 0.99 of the decades
        (Range(log=(1e-5, 1.0)), 0.7, None),  # 0.97
        (Range(log=(1e-5, 1.0)), 1.2e-5, Range(log=(1e-6, 1.0))),  # 0.016
        (Range(one_minus_log=(0.001, 0.5)), 0.505, Range(one_minus_log=(0.001, 1.0))),
        (Range(one_minus_log=(0.001, 1.0)), 0.0, None),  # β cannot be less
        (Range(uniform=(1.0, 3.0)), 2.99, Range(uniform=(1.0, 5.0))),
        (Range(uniform=(0.0, 3.0)), 0.01, None),
        (Range(values=(1.0, 3.0)), 3.0, None),
    ],
)
def test_an_optimum_at_a_bound_extends_the_range(values, x, wider):
    """A range is extended at a bound within 2%, on its scale, unless the hyperparameter itself has that bound."""
    assert ranges.extend_range_at_bound(values, x) == wider
