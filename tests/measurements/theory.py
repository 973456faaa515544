"""Theory and measurement of the optimizers on quadratics: `tox -e theory` writes docs/theory.md.

All measurements use the classes of the registry in float64 and are deterministic, so the numbers are the same everywhere
except for rounding. `test_theory.py` measures them again and compares. The predictions of each table are computed by the
formula that its row prints.
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
    """The path of an optimizer on ½ Σ h x² from (1, 1, ...): an array (steps + 1, coordinates)."""
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
    """The changes that an optimizer makes under given gradients of one coordinate, downwards positive."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, path = OPTIMIZERS[kind]([x], **options), [0.0]
    for g in gradients:
        x.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        path.append(x.item())
    return -np.diff(path)


def grows(path: np.ndarray) -> bool:
    """Whether any coordinate's swing is wider at the end of a path than in its middle, or has left the numbers."""
    if not np.isfinite(path).all():
        return True
    width = len(path) // 8
    middle, end = (np.abs(path[at - width : at]).max(axis=0) for at in (len(path) // 2, len(path)))
    return bool((end > middle).any())


def largest_stable(kind: str, curvatures: tuple[float, ...] = VALLEY, **options: float) -> float:
    """The largest learning rate that does not diverge, by bisection on whether the path grows; relatively to 2e-6."""
    steps = 60 if kind == "newton" else 200  # it has no velocity that would have to die away first
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
    """ρ, the factor by which a step shrinks the distance to the minimum: from the fit ln |x_t| = a + t ln ρ + p ln t.

    The power of t is there for double roots, whose distance falls as t ρᵗ.
    """
    distance = np.linalg.norm(path, axis=1)
    kept = distance > 1e-280  # above the smallest floats
    t = np.arange(len(distance))[kept][len(distance[kept]) // 2 :]
    terms = np.column_stack([np.ones(len(t)), t, np.log(t)])
    return float(np.exp(np.linalg.lstsq(terms, np.log(distance[t]), rcond=None)[0][1]))


# --- tables ----------------------------------------------------------------------------------------------------------


def cell(value: float) -> str:
    """A number with five significant digits."""
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
    """The registry's key and the options of a row."""
    if gamma is None:
        return name, {}
    kind = name.partition(",")[0]
    return kind, {"momentum": gamma, **({"dampening": gamma} if "averaged" in name else {})}


def settings(names: list[str]) -> list[tuple[str, float | None]]:
    """Each rule with the values of γ that it is measured with."""
    return [(name, y) for name in names for y in ((None,) if name in {"sgd", "newton"} else (0.5, 0.9))]


def titled(name: str, gamma: float | None) -> str:
    """A row's first cell."""
    return f"`{name.partition(',')[0]}`{', averaged' * ('averaged' in name)}{f', γ = {gamma}' * (gamma is not None)}"


def stability() -> str:
    """The largest stable learning rate on the valley."""
    rows = []
    for name, gamma in settings(list(BOUNDS)):
        formula, bound = BOUNDS[name]
        kind, options = options_of(name, gamma)
        predicted, measured = bound(gamma, VALLEY[1]), largest_stable(kind, **options)
        rows.append([titled(name, gamma), formula, cell(predicted), cell(measured)])
    return grid(["rule", "formula, λ = 4", "predicted", "measured"], rows)


def _best(kind: str, k: float) -> tuple[str, float, dict[str, float]]:
    """Formula, predicted rate and settings of a rule for curvatures 1 and κ."""
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
    """The rate of convergence against the condition number."""
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
    """The terminal step under a constant and under an alternating gradient, in units of η |g|."""
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
    """Steps 1, 2, 3 and 40 under a constant gradient of 3, of every rule that has a closed form for them."""
    rows = []
    for kind, (unit, formula, step) in FIRST.items():
        found = under(kind, [3.0] * max(STEPS), lr=0.01) / (0.03 if "g" in unit else 0.01)
        rows.append([f"`{kind}`", f"{unit} · {formula}" if formula != "1" else unit])
        rows[-1] += [f"{cell(step(t))} / {cell(found[t - 1])}" for t in STEPS]
    # AdaDelta's later steps have no closed form: U follows from its own steps. The first: √ε / √((1−ρ) g² + ε)
    first = under("adadelta", [3.0])[0] / 3
    rows.append(["`adadelta`", "first step: η g · √(ε/((1−ρ) g² + ε))"])
    rows[-1] += [f"{cell(math.sqrt(1e-6 / (0.1 * 9 + 1e-6)))} / {cell(first)}", "", "", ""]
    return grid(["rule", "step t", *(f"t = {t}" for t in STEPS)], rows)


def window() -> str:
    """What is left of a value after 1/(1−β) steps of an exponential average, in three optimizers that keep one."""
    rows = []
    for beta in (0.9, 0.99, 0.999):
        steps = round(1 / (1 - beta))
        kept = [cell(each(beta, steps)) for each in (_in_momentum, _in_rmsprop, _in_adam)]
        rows.append([str(beta), f"{steps:,}", cell(beta ** (1 / (1 - beta))), *kept, cell(math.exp(-1))])
    return grid(["β", "1/(1−β)", "β to that power", "`momentum`, v", "`rmsprop`, E", "`adam`, v", "e⁻¹"], rows)


def _in_momentum(beta: float, steps: int) -> float:
    """The averaged form's step is its v: that of the impulse, and that so many steps later."""
    found = under("momentum", [1.0] + [0.0] * steps, lr=0.01, momentum=beta, dampening=beta)
    return float(found[-1] / found[0])


def _in_rmsprop(beta: float, steps: int) -> float:
    return _in_state("rmsprop", "E", steps, alpha=beta)


def _in_adam(beta: float, steps: int) -> float:
    return _in_state("adam", "v", steps, betas=(0.9, beta))


def _in_state(kind: str, name: str, steps: int, **options: float | tuple[float, float]) -> float:
    """A state tensor so many steps after an impulse of the gradient, relatively to the impulse's own."""
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
    """The page's figure: the shrinking of the distance per step, over η on the valley and over κ at the best settings."""
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
    left.set(xlabel="learning rate η", ylabel="distance after a step / before", ylim=(0.6, 1.25))
    left.set_title("On the valley: unstable above 1; dashed the predicted bound", fontsize=10)
    left.legend(frameon=False, loc="upper left", fontsize=9)
    conditions = np.geomspace(2, 1000, 100)
    for kind in ("sgd", "nag", "momentum", "newton"):
        right.plot(conditions, [_best(kind, k)[1] for k in conditions], color=colours[kind], lw=1)
        marks = [2, 5, 20, 100, 300, 1000]
        most = 60 if kind == "newton" else 1500
        found = [rate(descend(kind, (1.0, float(k)), min(most, 40 * k + 100), **_best(kind, k)[2])) for k in marks]
        name = f"{kind}, η = ½" if kind == "newton" else kind
        right.plot(marks, found, color=colours[kind], marker="o", ls="", markersize=4, label=name)
    right.set(xscale="log", xlabel="condition number κ", ylabel="ρ, distance after a step / before", ylim=(0, 1.02))
    right.set_xticks([2, 10, 100, 1000], labels=["2", "10", "100", "1,000"])
    right.set_title("At each rule's best settings: lines predicted, points measured", fontsize=10)
    right.legend(frameon=False, loc="lower right", fontsize=9)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _shrinks(path: np.ndarray) -> float:
    """The mean factor of the widest swing per step in the second half of a path."""
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
