"""Theory and measurement of the optimizers on quadratics: `tox -e theory` writes the tables and figure of docs/theory.md.

All measurements use the classes of the registry in float64. They are deterministic, so their numbers differ between machines
by rounding only. `test_theory.py` measures them again and compares. The formula in a row gives its prediction.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from markdown_tables import grid, put

from suite.optimizers import OPTIMIZERS

DOCUMENT = Path(__file__).parents[2] / "docs" / "theory.md"
FIGURE = DOCUMENT.with_suffix(".png")
VALLEY = (0.2, 4.0)
"""The Hessian's eigenvalues of 0.1 x₁² + 2 x₂² (Dive into Deep Learning, 11.6)."""
CONDITIONS = (4, 20, 100, 1000)


# --- measuring -------------------------------------------------------------------------------------------------------


def descend(kind: str, curvatures: tuple[float, ...], steps: int, **options: float) -> np.ndarray:
    """Return the trajectory of an optimizer on ½ Σ h x² from (1, 1, ...): an array (steps + 1, coordinates)."""
    h = torch.tensor(curvatures, dtype=torch.float64)
    x = torch.ones_like(h, requires_grad=True)
    optimizer, path = OPTIMIZERS[kind]([x], **options), [x.tolist()]
    requires_loss_fn = getattr(optimizer, "requires_loss_fn", False)
    for _ in range(steps):
        if requires_loss_fn:
            optimizer.step(lambda x: 0.5 * (h * x**2).sum())
        else:
            x.grad = h * x.detach()
            optimizer.step()
        path.append(x.tolist())
    return np.array(path)


def under(kind: str, gradients: list[float], **options: float) -> np.ndarray:
    """Return the steps of an optimizer under given gradients of one coordinate, θ before minus θ after each step."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, path = OPTIMIZERS[kind]([x], **options), [0.0]
    for g in gradients:
        x.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        path.append(x.item())
    return -np.diff(path)


def grows(path: np.ndarray) -> bool:
    """Return whether a trajectory is unstable: not finite, or larger at its end than in its middle.

    The amplitude of a coordinate is its largest absolute value in an eighth of the trajectory. The last eighth is compared with
    the eighth before the middle.
    """
    if not np.isfinite(path).all():
        return True
    width = len(path) // 8
    middle, end = (np.abs(path[at - width : at]).max(axis=0) for at in (len(path) // 2, len(path)))
    return bool((end > middle).any())


def largest_stable(kind: str, curvatures: tuple[float, ...] = VALLEY, **options: float) -> float:
    """Return the largest stable learning rate, by bisection to a relative error of 2e-6."""
    steps = 60 if kind == "newton" else 200  # Newton has no velocity that has to decay first
    high = 0.1
    while not grows(descend(kind, curvatures, steps, lr=high, **options)):
        high *= 2
    low = high / 2
    while high - low > 2e-6 * high:
        middle = (low + high) / 2
        if grows(descend(kind, curvatures, steps, lr=middle, **options)):
            high = middle
        else:
            low = middle
    return low


def rate(path: np.ndarray) -> float:
    """Return ρ, the factor by which a step multiplies the distance to the minimum: from the fit ln |x_t| = a + t ln ρ + p ln t.

    The term p ln t is for double roots, for which the distance falls as t ρᵗ.
    """
    distance = np.linalg.norm(path, axis=1)
    kept = distance > 1e-280  # above the smallest floats
    t = np.arange(len(distance))[kept][len(distance[kept]) // 2 :]
    terms = np.column_stack([np.ones(len(t)), t, np.log(t)])
    return float(np.exp(np.linalg.lstsq(terms, np.log(distance[t]), rcond=None)[0][1]))


# --- tables ----------------------------------------------------------------------------------------------------------


def cell(value: float) -> str:
    """Return a number with five significant digits."""
    return f"{value:#.5g}".rstrip(".")


BOUNDS = {
    "sgd": ("2/λ", lambda _, top: 2 / top),
    "momentum": ("2(1+γ)/λ", lambda y, top: 2 * (1 + y) / top),
    "momentum, averaged": ("2(1+γ)/((1−γ)λ)", lambda y, top: 2 * (1 + y) / ((1 - y) * top)),
    "nag": ("2(1+γ)/((1+2γ)λ)", lambda y, top: 2 * (1 + y) / ((1 + 2 * y) * top)),
    "nag_paper": ("2/λ", lambda _, top: 2 / top),
    "newton": ("2", lambda _, __: 2.0),
}


def options_of(name: str, gamma: float | None) -> tuple[str, dict[str, float]]:
    """Return the key of the registry and the options of a row."""
    if gamma is None:
        return name, {}
    kind = name.partition(",")[0]
    return kind, {"momentum": gamma, **({"dampening": gamma} if "averaged" in name else {})}


def settings(names: list[str]) -> list[tuple[str, float | None]]:
    """Return each rule with the values of γ that it is measured with."""
    return [(name, y) for name in names for y in ((None,) if name in {"sgd", "newton"} else (0.5, 0.9))]


def titled(name: str, gamma: float | None) -> str:
    """Return the first cell of a row."""
    return f"`{name.partition(',')[0]}`{', averaged' * ('averaged' in name)}{f', γ = {gamma}' * (gamma is not None)}"


def stability() -> str:
    """Return the table of the largest stable learning rates on 0.1 x₁² + 2 x₂²."""
    rows = []
    for name, gamma in settings(list(BOUNDS)):
        formula, bound = BOUNDS[name]
        kind, options = options_of(name, gamma)
        predicted, measured = bound(gamma, VALLEY[1]), largest_stable(kind, **options)
        rows.append([titled(name, gamma), formula, cell(predicted), cell(measured)])
    return grid(["rule", "formula, λ = 4", "predicted", "measured"], rows)


def _best(kind: str, k: float) -> tuple[str, float, dict[str, float]]:
    """Return formula, predicted ρ and optimal options of a rule for the curvatures 1 and κ."""
    r = math.sqrt(k)
    share = (r - 1) / (r + 1)
    if kind == "sgd":  # η = 2/(μ + L) makes 1 − ημ = ηL − 1
        return "(κ−1)/(κ+1)", (k - 1) / (k + 1), {"lr": 2 / (1 + k)}
    if kind == "momentum":  # double roots ±√γ at both ends
        return "(√κ−1)/(√κ+1)", share, {"lr": 4 / (r + 1) ** 2, "momentum": share**2}
    if kind == "nag":  # a double root at the flat end, its negative at the steep one
        w = math.sqrt(3 * k + 1)
        return "1 − 2/√(3κ+1)", 1 - 2 / w, {"lr": 4 / w**2, "momentum": (w - 2) / (w + 2)}
    return "1 − η = ½", 0.5, {"lr": 0.5}


def convergence() -> str:
    """Return the table of ρ for each condition number."""
    rows = []
    for kind in ("sgd", "momentum", "nag", "newton"):
        for k in CONDITIONS:
            formula, predicted, options = _best(kind, k)
            path = descend(kind, (1.0, float(k)), 60 if kind == "newton" else min(2000, 40 * k), **options)
            rows.append([f"`{kind}`, κ = {k:,}", formula, cell(predicted), cell(rate(path))])
    return grid(["rule", "formula", "predicted", "measured"], rows)


LIMITS = {
    "sgd": ("1", lambda _: 1.0, "1", lambda _: 1.0),
    "momentum": ("1/(1−γ)", lambda y: 1 / (1 - y), "1/(1+γ)", lambda y: 1 / (1 + y)),
    "momentum, averaged": ("1", lambda _: 1.0, "(1−γ)/(1+γ)", lambda y: (1 - y) / (1 + y)),
    "nag": ("1/(1−γ)", lambda y: 1 / (1 - y), "(1+2γ)/(1+γ)", lambda y: (1 + 2 * y) / (1 + y)),
    "nag_paper": ("(1+γ)/(1−γ)", lambda y: (1 + y) / (1 - y), "1", lambda _: 1.0),
}


def terminal() -> str:
    """Return the table of step 300 under a constant and under an alternating gradient, in units of η |g|."""
    rows = []
    for name, gamma in settings(list(LIMITS)):
        constant, steady, alternating, swinging = LIMITS[name]
        kind, options = options_of(name, gamma)
        steps = [under(kind, [3.0 * sign**t for t in range(300)], lr=0.01, **options) for sign in (1, -1)]
        ends = [abs(found[-1]) / 0.03 for found in steps]
        row = [titled(name, gamma), constant, cell(steady(gamma)), cell(ends[0])]
        rows.append([*row, alternating, cell(swinging(gamma)), cell(ends[1])])
    head = ["rule", "constant gradient", "predicted", "measured", "alternating gradient", "predicted", "measured"]
    return grid(head, rows)


FIRST = {  # from key to the unit of a step, its formula in words, and the formula; γ = α = ρ = β₁ = 0.9, β₂ = 0.999
    "sgd": ("η g", "1", lambda _: 1.0),
    "momentum": ("η g", "(1−γᵗ)/(1−γ)", lambda t: (1 - 0.9**t) / 0.1),
    "nag": ("η g", "(1−γᵗ⁺¹)/(1−γ)", lambda t: (1 - 0.9 ** (t + 1)) / 0.1),
    "nag_paper": ("η g", "(1+γ)(1−γᵗ)/(1−γ)", lambda t: 1.9 * (1 - 0.9**t) / 0.1),
    "adagrad": ("η", "1/√t", lambda t: 1 / math.sqrt(t)),
    "rmsprop": ("η", "1/√(1−αᵗ)", lambda t: 1 / math.sqrt(1 - 0.9**t)),
    "adam": ("η", "1", lambda _: 1.0),
    "adamax": ("η", "1", lambda _: 1.0),
    "nadam": ("η", "(β₁ + (1−β₁)/(1−β₁ᵗ))", lambda t: 0.9 + 0.1 / (1 - 0.9**t)),
    "nadam_paper": ("η", "1/(1−β₁ᵗ)", lambda t: 1 / (1 - 0.9**t)),
}
STEPS = (1, 2, 3, 40)


def constant() -> str:
    """Return the table of steps 1, 2, 3 and 40 under a constant gradient of 3, for every rule with a closed form."""
    rows = []
    for kind, (unit, formula, step) in FIRST.items():
        found = under(kind, [3.0] * max(STEPS), lr=0.01) / (0.03 if "g" in unit else 0.01)
        rows.append([f"`{kind}`", f"{unit} · {formula}" if formula != "1" else unit])
        rows[-1] += [f"{cell(step(t))} / {cell(found[t - 1])}" for t in STEPS]
    # AdaDelta's later steps have no closed form: U follows from its own steps. The first: √ε / √((1−ρ) g² + ε)
    first = under("adadelta", [3.0])[0] / 3
    rows.append(["`adadelta`", "first step: η g · √(ε/((1−ρ) g² + ε))"])
    rows[-1] += [f"{cell(math.sqrt(1e-6 / (0.1 * 9 + 1e-6)))} / {cell(first)}", "", "", ""]
    return grid(["rule", "formula of step t", *(f"t = {t}" for t in STEPS)], rows)


def window() -> str:
    """Return the table of the weight of a value after 1/(1−β) steps, in the exponential averages of three optimizers."""
    rows = []
    for beta in (0.9, 0.99, 0.999):
        steps = round(1 / (1 - beta))
        kept = [cell(each(beta, steps)) for each in (_in_momentum, _in_rmsprop, _in_adam)]
        rows.append([str(beta), f"{steps:,}", cell(beta ** (1 / (1 - beta))), *kept, cell(math.exp(-1))])
    return grid(["β", "1/(1−β)", "predicted, β^(1/(1−β))", "`momentum`, v", "`rmsprop`, E", "`adam`, v", "e⁻¹"], rows)


def _in_momentum(beta: float, steps: int) -> float:
    """Return v `steps` steps after an impulse of the gradient, divided by v at the impulse. A step of momentum is v."""
    found = under("momentum", [1.0] + [0.0] * steps, lr=0.01, momentum=beta, dampening=beta)
    return float(found[-1] / found[0])


def _in_rmsprop(beta: float, steps: int) -> float:
    return _in_state("rmsprop", "E", steps, alpha=beta)


def _in_adam(beta: float, steps: int) -> float:
    return _in_state("adam", "v", steps, betas=(0.9, beta))


def _in_state(kind: str, name: str, steps: int, **options: float | tuple[float, float]) -> float:
    """Return a state tensor `steps` steps after an impulse of the gradient, divided by its value at the impulse."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, kept = OPTIMIZERS[kind]([x], **options), []
    for t in range(steps + 1):
        x.grad = torch.full((1,), float(t == 0), dtype=torch.float64)
        optimizer.step()
        kept.append(optimizer.state[x][name].item())
    return float(kept[-1] / kept[0])


TABLES = {
    "stability": stability,
    "convergence": convergence,
    "terminal": terminal,
    "constant": constant,
    "window": window,
}


# --- figure ----------------------------------------------------------------------------------------------------------


def draw(path: Path, points: int = 28) -> None:
    """Draw the figure of the page: the factor of a step against η, and against κ at optimal options."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    colours = {"sgd": "#4c72b0", "momentum": "#dd8452", "nag": "#55a868", "newton": "#8172b3"}
    for kind, options in (("sgd", {}), ("momentum", {"momentum": 0.5}), ("nag", {"momentum": 0.5})):
        gamma = options.get("momentum")
        bound, called = BOUNDS[kind][1](gamma, VALLEY[1]), kind + (f", γ = {gamma}" if gamma else "")
        rates = np.linspace(0.03, 0.84, points)
        found = [_shrinks(descend(kind, VALLEY, 120, lr=float(lr), **options)) for lr in rates]
        left.plot(rates, found, color=colours[kind], marker="o", markersize=3, lw=1, label=called)
        left.axvline(bound, color=colours[kind], ls="--", lw=1)
    left.axhline(1, color="0.4", lw=0.8)
    left.set(xlabel="learning rate η", ylabel="factor of the amplitude per step", ylim=(0.6, 1.25))
    left.set_title("0.1 x₁² + 2 x₂²: unstable above 1; dashed: predicted bound", fontsize=10)
    left.legend(frameon=False, loc="upper left", fontsize=9)
    conditions = np.geomspace(2, 1000, 100)
    for kind in ("sgd", "nag", "momentum", "newton"):
        right.plot(conditions, [_best(kind, k)[1] for k in conditions], color=colours[kind], lw=1)
        marks = [2, 5, 20, 100, 300, 1000]
        most = 60 if kind == "newton" else 1500
        found = [rate(descend(kind, (1.0, float(k)), min(most, 40 * k + 100), **_best(kind, k)[2])) for k in marks]
        name = f"{kind}, η = ½" if kind == "newton" else kind
        right.plot(marks, found, color=colours[kind], marker="o", ls="", markersize=4, label=name)
    right.set(xscale="log", xlabel="condition number κ", ylabel="ρ, factor of the distance per step", ylim=(0, 1.02))
    right.set_xticks([2, 10, 100, 1000], labels=["2", "10", "100", "1,000"])
    right.set_title("Optimal settings: lines predicted, points measured", fontsize=10)
    right.legend(frameon=False, loc="lower right", fontsize=9)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _shrinks(path: np.ndarray) -> float:
    """Return the mean factor of the largest amplitude per step in the second half of a trajectory."""
    n = len(path) // 2
    early, late = (np.abs(path[at - n // 4 : at]).max() for at in (n, len(path)))
    return float((late / early) ** (1 / (len(path) - n)))


def main() -> None:
    """Measure, and write the tables and the figure."""
    for name in sys.argv[1:] or TABLES:
        found = TABLES[name]()
        DOCUMENT.write_text(put(DOCUMENT.read_text(encoding="utf-8"), name, found), encoding="utf-8")
        print(found, end="\n\n", flush=True)
    draw(FIGURE)


if __name__ == "__main__":
    main()
