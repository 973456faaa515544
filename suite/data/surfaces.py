"""Test functions of two variables on which the trajectories of optimizers are drawn.

The formulas accept floats, arrays and tensors, so that training and figures use the same function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Surface:
    """A test function f(x₁, x₂).

    Attributes:
        formula: f, of numbers, arrays or tensors.
        text: The formula as text.
        start: The starting point of optimizers.
        minima: The minimizers of f.
        lowest: The minimum of f.
        source: The reference of the function.
    """

    formula: Callable[[Any, Any], Any]
    text: str
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    lowest: float
    source: str


def _beale(x1: Any, x2: Any) -> Any:
    return (1.5 - x1 + x1 * x2) ** 2 + (2.25 - x1 + x1 * x2**2) ** 2 + (2.625 - x1 + x1 * x2**3) ** 2


SURFACES: dict[str, Surface] = {
    "valley": Surface(
        lambda x1, x2: 0.1 * x1**2 + 2 * x2**2,
        "0.1 x₁² + 2 x₂²",  # Hessian eigenvalues 0.2 and 4: gradient descent is stable below η = 2/4
        (-5.0, -2.0),
        ((0.0, 0.0),),
        0.0,
        "Zhang, Lipton, Li, Smola 2021, arXiv 2106.11342, 11.6",
    ),
    "saddle": Surface(
        lambda x1, x2: x1**2 / 2 + x2**4 / 4 - x2**2 / 2,
        "x₁²/2 + x₂⁴/4 − x₂²/2",  # at (0, 0) the Hessian is diag(1, −1)
        (-1.0, 0.01),
        ((0.0, 1.0), (0.0, -1.0)),
        -0.25,
        "a saddle at the origin between two minima",
    ),
    "beale": Surface(
        _beale,
        "(1.5 − x₁ + x₁x₂)² + (2.25 − x₁ + x₁x₂²)² + (2.625 − x₁ + x₁x₂³)²",
        (1.0, 1.0),
        ((3.0, 0.5),),
        0.0,
        "Beale 1958, On an iterative method for finding a local minimum of a function of more than one variable",
    ),
    "rosenbrock": Surface(
        lambda x1, x2: (1 - x1) ** 2 + 100 * (x2 - x1**2) ** 2,
        "(1 − x₁)² + 100 (x₂ − x₁²)²",
        (-1.2, 1.0),
        ((1.0, 1.0),),
        0.0,
        "Rosenbrock 1960, An automatic method for finding the greatest or least value of a function",
    ),
    "absolute": Surface(
        lambda x1, x2: abs(x1) + 0.1 * abs(x2),
        "|x₁| + 0.1 |x₂|",  # the gradient is (1, 0.1) between the start and the first axis
        (50.0, 50.0),
        ((0.0, 0.0),),
        0.0,
        "a constant gradient between the start and the axes, at which it changes its sign",
    ),
}
