"""Parse update rules in mathematical notation and execute them: v ← γ v + η g; v̂ = v/(1−γᵗ); θ ← θ − v̂.

Formulas in docstrings and documents are tested against the classes in this way. A product needs no sign, ² and ᵗ are powers,
√x and √(...) roots, a^x a power, |g| an absolute value, ⁻¹ an inverse, and `X with option, else Y` is X if the option is true.
A line `5 times: X ← ...` is executed five times. With matrices, a product is that of matrices, Xᵀ the transpose, and |u| the
root of the sum of squares.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TOKEN = re.compile(r"\s*(\*\*|[^\W\d]\w*|\d+(?:\.\d+)?(?:e-?\d+)?|[-+*/(),])")
FUNCTIONS = {
    "sqrt": sqrt,
    "max": max,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "transpose": lambda x: x.transpose(),
}
SIGNS = {"−": "-", "·": "*", "^": "**", "²": "**2", "ᵗ": "**t", "⁻¹": "**(-1)", "\u0302": "_hat", "₁": "1", "₂": "2"}


def python(formula: str) -> str:
    """Return a formula as a Python expression, with the signs of multiplication, powers and names of Python."""
    choice = re.fullmatch(r"(.*) with (\w+), else (.*)", formula)
    if choice:
        return f"({python(choice[1])}) if {choice[2]} else ({python(choice[3])})"
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", unicodedata.normalize("NFD", formula))
    text = re.sub(r"(\w)ᵀ", r" transpose(\1)", text)
    text = re.sub(r"√(?!\()(\w\u0302?)", r"sqrt(\1)", text).replace("√", "sqrt")
    for sign, replacement in SIGNS.items():
        text = text.replace(sign, replacement)
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = TOKEN.match(text, position)
        if not match:
            raise ValueError(f"{formula}: cannot read {text[position:]!r}")
        token, position = match[1], match.end()
        is_factor = tokens and (tokens[-1] == ")" or (re.match(r"\w", tokens[-1]) and tokens[-1] not in FUNCTIONS))
        if is_factor and (token == "(" or re.match(r"\w", token)):
            tokens.append("*")
        tokens.append(token)
    return " ".join(tokens)


def statements(rule: str) -> list[tuple[str, Any]]:
    """Return the lines of a rule, each as the name that it assigns and the code of its value."""
    lines = []
    for part in rule.split(";"):
        times, _, line = part.rpartition(" times: ")
        name, sign, value = (part.strip() for part in re.split(r"(←|=)", line.strip(), maxsplit=1))
        assert sign, line
        lines += [(python(name), compile(python(value), line, "eval"))] * int(times or 1)
    return lines


def walk(
    rule: str, start: Sequence[float], gradients: Sequence[Sequence[float]], symbols: Mapping[str, Any]
) -> list[list[float]]:
    """Return the positions of a rule after each step in Python floats, each coordinate by itself.

    The state z and x starts at θ, other state at zero.

    Args:
        rule: Lines separated by semicolons, each `name ← formula` or `name = formula`.
        start: The initial θ.
        gradients: g of every coordinate, for each step.
        symbols: The values of η, γ, ...; a list has a value for each step.
    """
    paths = [_walk(rule, first, [g[i] for g in gradients], symbols, float) for i, first in enumerate(start)]
    return [list(position) for position in zip(*paths, strict=True)]


def walk_matrix(
    rule: str, start: Sequence[Sequence[float]], gradients: Sequence[Any], symbols: Mapping[str, Any]
) -> list[list[list[float]]]:
    """Return the positions of a rule of matrices after each step; like `walk`, with θ and each g a matrix."""
    path = _walk(rule, Matrix(start), list(map(Matrix, gradients)), symbols, lambda: Matrix(start) * 0.0)
    return [position.values.tolist() for position in path]


def _walk(
    rule: str, first: Any, gradients: Sequence[Any], symbols: Mapping[str, Any], zero: Callable[[], Any]
) -> list[Any]:
    lines, path = statements(rule), []
    names: dict[str, Any] = defaultdict(zero, {"θ": first, "z": first, "x": first}) | FUNCTIONS
    for t, g in enumerate(gradients, 1):
        values = {python(name): value[t - 1] if isinstance(value, list) else value for name, value in symbols.items()}
        names |= {"t": t, "g": g} | values
        for name, code in lines:
            names[name] = eval(code, {"__builtins__": {}}, names)
        path.append(names["θ"])
    return path


class Matrix:
    """A matrix of floats whose product with another is that of matrices, and whose absolute value is its Frobenius norm."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values, dtype=np.float64)

    def transpose(self) -> Matrix:
        return Matrix(self.values.T)

    def __abs__(self) -> float:
        return float(np.sqrt((self.values**2).sum()))

    def __add__(self, other: Matrix) -> Matrix:
        return Matrix(self.values + other.values)

    def __sub__(self, other: Matrix) -> Matrix:
        return Matrix(self.values - other.values)

    def __mul__(self, other: Matrix | float) -> Matrix:
        return Matrix(self.values @ other.values if isinstance(other, Matrix) else self.values * other)

    def __rmul__(self, factor: float) -> Matrix:
        return self * factor

    def __truediv__(self, divisor: float) -> Matrix:
        return Matrix(self.values / divisor)
