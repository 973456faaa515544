"""docs/sources.md says what is so: its formulas and equalities are run, its tables are the registry's."""

import itertools
import math
import random
import re
from pathlib import Path

import pytest
import torch
from formulas import Matrix, python, walk, walk_matrix

from suite.optimizers import OPTIMIZERS, describe, find_optimizer
from suite.optimizers.base import Rule

DOCUMENT = Path(__file__).parents[2] / "docs" / "sources.md"
TEXT = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.is_file() else ""
SYMBOLS = {"η": 0.01, "γ": 0.9, "β": 0.9, "α": 0.9, "ρ": 0.9, "β₁": 0.9, "β₂": 0.999, "ε": 1e-8}
SYMBOLS |= {"λ": 0.01, "ψ": 0.004}
OPTIONS = {  # a symbol of an option, where a class has it
    "lr": SYMBOLS["η"],
    "momentum": SYMBOLS["γ"],
    "alpha": SYMBOLS["α"],
    "rho": SYMBOLS["ρ"],
    "betas": (SYMBOLS["β₁"], SYMBOLS["β₂"]),
    "eps": SYMBOLS["ε"],
}
EQUAL, CLOSE = 1e-11, 1e-5

pytestmark = pytest.mark.skipif(not TEXT, reason="the documents are missing")


def _rows(heading, columns):
    """The rows of the table below a heading."""
    part = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in part.splitlines() if line.startswith("|")]
    rows = [[cell.strip().replace(r"\|", "|") for cell in line] for line in lines[2:]]
    assert rows
    assert all(len(row) == columns for row in rows)
    return rows


def _setting(text):
    """A class and its options from `key(option=value)`, values in the page's symbols; torch's have what ours would."""
    name, _, rest = text.strip("`").partition("(")
    if name.startswith("torch.") and not hasattr(torch.optim, name.removeprefix("torch.optim.")):
        pytest.skip(f"this torch has no {name}")
    cls = getattr(torch.optim, name.removeprefix("torch.optim.")) if name.startswith("torch.") else find_optimizer(name)
    given = eval(f"dict({rest[:-1]})", {"__builtins__": {"dict": dict}}, SYMBOLS) if rest else {}
    shared = ("lr", "eps", "rho", "betas") if name.startswith("torch.") else tuple(OPTIONS)
    known = cls([torch.zeros(1, 1, requires_grad=True)]).defaults
    return cls, {name: OPTIONS[name] for name in shared if name in known} | given


@pytest.fixture
def steps():
    """A start of three coordinates and 60 gradients, none of them zero: of scale 1, of 100, of 0.1."""
    draw = random.Random("sources")
    return [1.5, -0.25, 0.5], [[draw.gauss(0, s) for s in (1, 100, 0.1)] for _ in range(60)]


@pytest.fixture
def matrices():
    """A start of three rows and two columns, and 60 gradients of scale 1."""
    draw = random.Random("matrices")
    start, *gradients = ([[draw.gauss(0, 1) for _ in range(2)] for _ in range(3)] for _ in range(61))
    return start, gradients


def _is_of_matrices(cls):
    return not getattr(cls, "elementwise", cls.__name__ != "Muon")


def _path(cls, options, start, gradients, rates):
    """Where a class goes in float64, with η set before each step."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer, path = cls([x], **options), []
    for g, factor in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = options["lr"] * factor
        slope = torch.tensor(g, dtype=torch.float64)
        if getattr(cls, "requires_loss_fn", False):  # a function with this gradient, and curvature 2 everywhere
            at = x.detach().clone()
            optimizer.step(lambda x, at=at, slope=slope: (slope * (x - at) + (x - at) ** 2).sum())
        else:
            x.grad = slope
            optimizer.step()
        path.append(x.tolist())
    return path


def _apart(one, other):
    """The largest difference of two paths, relatively to the widest move of the coordinate."""
    a, b = (torch.tensor(path, dtype=torch.float64).flatten(1) for path in (one, other))
    return ((a - b).abs().amax(0) / (b - b[0]).abs().amax(0)).max().item()


def _holds(relation, one, other):
    apart = _apart(one, other)
    return {"=": apart <= EQUAL, "≈": EQUAL < apart <= CLOSE, "≠": apart > CLOSE}[relation]


@pytest.mark.parametrize("row", _rows("Rule by rule", 4) if TEXT else [], ids=lambda row: f"{row[0]}: {row[3]}")
def test_what_a_document_prints_is_what_the_setting_computes(row, steps, matrices):
    """The printed formula, executed in plain floats, goes where the row says that the setting goes, or parts from it."""
    _, formula, relation, setting = row
    cls, options = _setting(setting)
    start, gradients = matrices if _is_of_matrices(cls) else steps
    if cls.__name__ == "Newton" and "lr" not in setting:
        options["lr"] = 1.0  # the note's rule has no η
    symbols = SYMBOLS | {"H": 2.0, "η": options["lr"], "rows": 3, "columns": 2}
    printed = (walk_matrix if _is_of_matrices(cls) else walk)(formula.strip("`"), start, gradients, symbols)
    assert _holds(relation, printed, _path(cls, options, start, gradients, [1.0] * 60))


@pytest.fixture
def _double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # in which torch's NAdam keeps its product
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("row", _rows("Equalities", 4) if TEXT else [], ids=" ".join)
def test_an_equality_holds(row, steps, matrices):
    """Both sides take 60 steps under the same gradients, at a constant or a falling η, and end as the row says."""
    first, relation, second, rate = row
    rates = {"constant": [1.0] * 60, "halved": [0.5 ** (t // 20) for t in range(60)]}[rate]
    sides = [_setting(side) for side in (first, second)]
    start, gradients = matrices if _is_of_matrices(sides[0][0]) else steps
    one, other = (_path(*side, start, gradients, rates) for side in sides)
    assert _holds(relation, one, other)


DOCSTRING = {
    "η": "lr",
    "γ": "momentum",
    "β": "momentum",
    "d": "dampening",
    "α": "alpha",
    "ρ": "rho",
    "ε": "eps",
    "λ": "weight_decay",
    "ψ": "momentum_decay",
}


@pytest.mark.parametrize("correction", [False, True])
@pytest.mark.parametrize("key", [key for key, cls in OPTIMIZERS.items() if issubclass(cls, Rule) and cls.elementwise])
def test_the_formula_of_a_docstring_is_what_the_class_computes(key, correction, steps):
    """Executed in plain floats it gives the class's path, with defaults and with the options that it speaks of."""
    cls, (start, gradients) = OPTIMIZERS[key], steps
    defaults = describe(key)["defaults"]
    options = {"lr": 0.05, **({"bias_correction": True} if correction and "bias_correction" in defaults else {})}
    options |= {"dampening": 0.3} if "dampening" in defaults else {}
    options |= {"momentum_schedule": correction} if "momentum_schedule" in defaults else {}
    options |= {"weight_decay": 0.1} if "λ" in describe(key)["formula"] else {}
    values = defaults | options
    symbols = {symbol: values[name] for symbol, name in DOCSTRING.items() if name in values}
    symbols |= dict(zip(("β₁", "β₂"), values.get("betas", ()), strict=False))
    symbols |= {name: values.get(name, False) for name in ("bias_correction", "momentum_schedule")}
    steps_taken = walk(describe(key)["formula"], start, gradients, symbols)
    assert _apart(steps_taken, _path(cls, options, start, gradients, [1.0] * 60)) <= EQUAL


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("scale", [("original", math.sqrt(3 / 2)), ("match_rms_adamw", 0.2 * math.sqrt(3))])
def test_the_formula_of_muon_is_what_the_class_computes(nesterov, scale, matrices):
    """Executed with matrices it gives the class's path, for both scales; a changed coefficient or power does not."""
    options = {"lr": 0.05, "momentum": 0.9, "nesterov": nesterov, "eps": 0.5, "weight_decay": 0.1}
    formula = describe("muon")["formula"]
    symbols = {"η": 0.05, "γ": 0.9, "ε": 0.5, "λ": 0.1, "nesterov": nesterov, "s": scale[1]}
    options |= {"scale": scale[0], "ns_dtype": "float64"}
    path = _path(OPTIMIZERS["muon"], options, *matrices, [1.0] * 60)
    assert _apart(walk_matrix(formula, *matrices, symbols), path) <= EQUAL
    for old, new in (("2.0315 X Xᵀ X", "2.0315 X"), ("5 times", "4 times"), ("s X + λ θ", "s X"), ("u / max", "u max")):
        assert old in formula
        assert _apart(walk_matrix(formula.replace(old, new, 1), *matrices, symbols), path) > EQUAL, new


def test_a_wrong_formula_would_be_seen(steps):
    """A sign, an ε, a power: each change of Adam's docstring parts from the class, so the tests above can fail."""
    start, gradients = steps
    right = describe("adam")["formula"]
    symbols = SYMBOLS | {"η": 0.01}
    ours = _path(OPTIMIZERS["adam"], {"lr": 0.01}, start, gradients, [1.0] * 60)
    assert _apart(walk(right, start, gradients, symbols), ours) <= EQUAL
    for old, new in (("m̂ = m / (1−β₁ᵗ)", "m̂ = m"), ("√v̂ + ε", "√v̂"), ("θ − η", "θ + η"), ("g²", "g")):
        assert old in right
        wrong = right.replace(old, new) if new != "g" else right.replace("(1−β₂) g²", "(1−β₂) |g|")
        assert _apart(walk(wrong, start, gradients, symbols), ours) > EQUAL, new


@pytest.mark.parametrize(
    ("formula", "values", "expected"),
    [
        ("(1−β₁) g²", {"beta": 0, "β1": 0.9, "g": 3}, 0.9),
        ("η/√(G + ε) · g", {"η": 2, "G": 3, "ε": 1, "g": 5}, 5),
        ("max(β₂ u, |g| + ε)", {"β2": 0.5, "u": 8, "g": -3, "ε": 2}, 5),
        ("v / (1−γᵗ) with c, else v", {"v": 3, "γ": 0.5, "t": 2, "c": True}, 4),
        ("v / (1−γᵗ) with c, else v", {"v": 3, "γ": 0.5, "t": 2, "c": False}, 3),
        ("θ − H⁻¹ g", {"θ": 1, "H": 4, "g": 2}, 0.5),
        ("√v̂ + Ê", {"v_hat": 9, "E_hat": 1}, 4),
        ("2 X Xᵀ", {"X": Matrix([[1, 2]])}, 10),
        ("|u|", {"u": Matrix([[3, 4]])}, 5),
    ],
)
def test_formulas_are_read_as_people_mean_them(formula, values, expected):
    """Products without a sign, powers, roots, absolute values, choices and hats: worked out beside each."""
    from formulas import FUNCTIONS

    value = eval(python(formula), {**FUNCTIONS, **values})
    assert (value.values.item() if isinstance(value, Matrix) else value) == pytest.approx(expected)


def test_nesterovs_own_form_is_nag_at_the_point_ahead():
    """The proof of the page, on a function: ϑ with its gradient at ϑ − γ v, seen at that point, is `nag` step by step."""
    curvature = torch.tensor([0.2, 4.0], dtype=torch.float64)
    gamma, eta = 0.9, 0.1
    plain, v = torch.tensor([-5.0, -2.0], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    x = plain.clone().requires_grad_()
    optimizer = find_optimizer("nag")([x], lr=eta, momentum=gamma)
    for _ in range(50):
        v = gamma * v + eta * curvature * (plain - gamma * v)
        plain = plain - v
        x.grad = curvature * x.detach()
        optimizer.step()
        torch.testing.assert_close(x.detach(), plain - gamma * v, rtol=1e-12, atol=1e-13)


def test_the_first_steps_of_the_printed_nadam_are_those_that_the_page_names(steps):
    """10, 5.26 and 3.69 η under a constant gradient, read from the page at each place that names them."""
    named = re.findall(r"([\d.]+), ([\d.]+)(?: and|,) ([\d.]+) η", TEXT)
    assert len(named) >= 2
    cls, options = _setting("`nadam_paper`")
    path = [0.0, *(x for (x,) in _path(cls, options, [0.0], [[2.0]] * 60, [1.0] * 60))]
    steps_taken = [(a - b) / options["lr"] for a, b in itertools.pairwise(path)]
    for numbers in named:
        assert [f"{step:.2f}".rstrip("0").rstrip(".") for step in steps_taken[:3]] == list(numbers)
    assert steps_taken[39] == pytest.approx(1, abs=0.02)


def test_the_reset_velocity_is_plain_gradient_descent(steps):
    """What the page says of the blog's momentum class: with v reset at every call the rule is `sgd`."""
    start, gradients = steps
    reset = walk("v ← γ · 0 + η g; θ ← θ − v", start, gradients, SYMBOLS)
    assert _apart(reset, _path(*_setting("`sgd`"), start, gradients, [1.0] * 60)) <= EQUAL


def test_every_rule_has_its_row_and_every_setting_of_the_page_exists():
    """Each key of the registry stands in the first table, with each of the five documents in it."""
    rows = _rows("Rule by rule", 4)
    assert {row[3].strip("`").partition("(")[0] for row in rows} == set(OPTIMIZERS)
    assert {letter for row in rows for letter in re.findall(r"\b[PBNLD]\b", row[0])} == set("PBNLD")


def test_the_registrys_table_is_the_registrys():
    """Formulas and defaults of the page are those that `ravine list optimizers` prints; `tox -e theory` writes them."""
    import optimizer_table

    assert f"<!-- registry -->\n{optimizer_table.registry()}\n<!-- end of registry -->" in TEXT


def test_the_defaults_that_the_page_states():
    """The stated ε of AdaGrad and Adam, η of AdaDelta and α of RMSProp are those of the registry."""
    of = {key: describe(key)["defaults"] for key in OPTIMIZERS}
    assert "L 1e-10 (Ravine's default)" in TEXT
    assert of["adagrad"]["eps"] == 1e-10
    assert "P gives ε = 1e-8" in TEXT
    assert of["adam"]["eps"] == 1e-8
    assert (of["adadelta"]["lr"], of["rmsprop"]["alpha"]) == (1.0, 0.9)
