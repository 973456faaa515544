"""`suite.tuning.ranges`: scales, grids and edges."""

import math

import pytest

from suite.spec.study import Range
from suite.tuning import ranges


def test_one_minus_log_is_written_as_one_minus_the_value():
    """β = 0.9 lies in [0.1, 0.5] of 1 − β, at its low end, although 1 − 0.9 is below 0.1 in binary; 0.75 halves log(5)."""
    values = Range(one_minus_log=(0.1, 0.5))
    assert ranges.contains(values, 0.9)
    assert ranges.relative_position(values, 0.9) == 0
    assert ranges.relative_position(values, 1 - math.sqrt(0.05)) == pytest.approx(0.5)
    assert not ranges.contains(values, 0.91)


def test_a_grid_goes_from_end_to_end():
    """Even on the logarithmic scale, with the ends and round numbers; for β even in log(1 − β); a list as it is."""
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
def test_an_optimum_on_the_edge_asks_for_a_wider_range(values, x, wider):
    """Within 2% of an end, on the range's own scale, the range should go on there; not where the rule has its bound."""
    assert ranges.extend_range_at_bound(values, x) == wider
