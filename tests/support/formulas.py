"""Reads update rules as people write them, and runs them: v ← γ v + η g; v̂ = v/(1−γᵗ); θ ← θ − v̂.

What stands in a docstring or a document can so be put to the test against the class. A product needs no sign, ² and ᵗ are
powers, √x and √(...) roots, |g| an absolute value, ⁻¹ an inverse, and `X with option, else Y` is X where the option is
true.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from math import sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOKEN = re.compile(r"\s*(\*\*|[^\W\d]\w*|\d+(?:\.\d+)?(?:e-?\d+)?|[-+*/(),])")
FUNCTIONS = {"sqrt": sqrt, "max": max, "abs": abs}
SIGNS = {"−": "-", "·": "*", "²": "**2", "ᵗ": "**t", "⁻¹": "**(-1)", "\u0302": "_hat", "₁": "1", "₂": "2"}


def python(formula: str) -> str:
    """An expression in Python: `β₁ m̂ + (1−β₁) g²` is `beta…` with its signs of multiplication, powers and names."""
    choice = re.fullmatch(r"(.*) with (\w+), else (.*)", formula)
    if choice:
        return f"({python(choice[1])}) if {choice[2]} else ({python(choice[3])})"
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", unicodedata.normalize("NFD", formula))
    text = re.sub(r"√(?!\()(\w\u0302?)", r"sqrt(\1)", text).replace("√", "sqrt")
    for sign, meant in SIGNS.items():
        text = text.replace(sign, meant)
    found, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if not match:
            raise ValueError(f"{formula}: cannot read {text[at:]!r}")
        token, at = match[1], match.end()
        ends = found and (found[-1] == ")" or (re.match(r"\w", found[-1]) and found[-1] not in FUNCTIONS))
        if ends and (token == "(" or re.match(r"\w", token)):
            found.append("*")
        found.append(token)
    return " ".join(found)


def statements(rule: str) -> list[tuple[str, Any]]:
    """The lines of a rule, each as the name that it sets and its code."""
    found = []
    for line in rule.split(";"):
        name, sign, value = (part.strip() for part in re.split(r"(←|=)", line.strip(), maxsplit=1))
        assert sign, line
        found.append((python(name), compile(python(value), line, "eval")))
    return found


def walk(
    rule: str, start: Sequence[float], gradients: Sequence[Sequence[float]], symbols: Mapping[str, Any]
) -> list[list[float]]:
    """The places that a rule goes through in Python's floats, each coordinate alone; all state starts at zero.

    Args:
        rule: Lines with a semicolon between them, each `name ← formula`, or `name = formula`.
        start: Where θ starts.
        gradients: For each step g of every coordinate.
        symbols: The values of η, γ, ...; where a value is a list, its entry for the step.
    """
    lines, paths = statements(rule), []
    for i, first in enumerate(start):
        names: dict[str, Any] = defaultdict(float, {"θ": first}) | FUNCTIONS
        names["t"], path = 0, []
        for g in gradients:
            t = names["t"] + 1
            now = {python(name): value[t - 1] if isinstance(value, list) else value for name, value in symbols.items()}
            names |= {"t": t, "g": g[i]} | now
            for name, code in lines:
                names[name] = eval(code, {"__builtins__": {}}, names)
            path.append(names["θ"])
        paths.append(path)
    return [list(place) for place in zip(*paths, strict=True)]
