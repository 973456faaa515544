"""docs/theory.md: what it says was predicted and measured is measured again here and compared."""

import re
from pathlib import Path

import numpy as np
import pytest
import theory

DOCUMENT = Path(__file__).parents[2] / "docs" / "theory.md"
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e-?\d+)?")


def _numbers(row):
    return [float(text.replace(",", "")) for text in NUMBER.findall(row)]


def _rows(text):
    return text.splitlines()[2:]


@pytest.mark.skipif(not DOCUMENT.is_file(), reason="the documents are missing")
@pytest.mark.parametrize("name", theory.TABLES)
def test_the_document_has_what_is_measured_now_and_theory_agrees(name):
    """Each row of a table is that of a fresh measurement, to the last of its five digits, and predicted is measured."""
    text = DOCUMENT.read_text(encoding="utf-8")
    documented = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", text, re.DOTALL)[1]
    found = theory.TABLES[name]()
    assert len(_rows(documented)) == len(_rows(found)) > 2
    for row, fresh in zip(_rows(documented), _rows(found), strict=True):
        assert NUMBER.sub("", row) == NUMBER.sub("", fresh)
        assert _numbers(row) == pytest.approx(_numbers(fresh), rel=1e-4)
        for predicted, measured in _pairs(name, fresh):
            assert measured == pytest.approx(predicted, rel=5e-4), row


def _pairs(name, row):
    """The predicted and the measured numbers of a row."""
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    if name == "constant":
        return [tuple(map(float, cell.split(" / "))) for cell in cells[2:] if cell]
    if name == "window":
        return [(float(cells[2]), float(cell)) for cell in cells[3:6]]
    at = {"terminal": ((2, 3), (5, 6))}.get(name, ((2, 3),))
    return [(float(cells[i]), float(cells[j])) for i, j in at]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([0.5**t for t in range(40)], 0.5),
        ([(-0.8) ** t for t in range(40)], 0.8),
        ([(1 + t) * 0.9**t for t in range(400)], 0.9),
        ([1.1**t for t in range(40)], 1.1),
    ],
    ids=["straight", "alternating", "double root", "growing"],
)
def test_a_rate_is_found_in_paths_that_are_known(path, expected):
    """Geometric sequences, one that alternates, one with a factor t before it, and one that grows."""
    assert theory.rate(np.array(path)[:, None]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("factor", "expected"), [(0.999, False), (1.001, True), (-0.999, False), (-1.001, True)])
def test_growth_is_seen(factor, expected):
    """A swing that widens by a thousandth a step grows, beside a coordinate that falls; one that narrows does not."""
    path = np.array([[factor**t, 0.5**t] for t in range(201)])
    assert theory.grows(path) is expected
    assert theory.grows(np.array([[1.0], [np.inf]]))


def test_the_bounds_are_twice_the_inverse_of_the_alternating_step():
    """What the page says: each bound is 2/λ over the factor of an alternating gradient."""
    for name, (_, _, _, swinging) in theory.LIMITS.items():
        for gamma in (0.3, 0.5, 0.9, 0.99):
            assert theory.BOUNDS[name][1](gamma, 4.0) == pytest.approx(2 / 4 / swinging(gamma))


def test_the_best_settings_are_the_best():
    """Each rule at κ = 20 converges more slowly with an η, or a γ, that is five percent off its best either way."""
    for kind in ("sgd", "momentum", "nag"):
        _, predicted, options = theory._best(kind, 20.0)
        for name in options:
            for factor in (0.95, 1.05):
                changed = options | {name: options[name] * factor}
                assert theory.rate(theory.descend(kind, (1.0, 20.0), 400, **changed)) > predicted + 1e-3


def test_the_figure_is_drawn(tmp_path):
    """It is a picture of 1,500 pixels by 630 that is not blank; a few points suffice here."""
    import matplotlib.image

    theory.draw(tmp_path / "theory.png", points=4)
    picture = matplotlib.image.imread(tmp_path / "theory.png")
    assert picture.shape[:2] == (630, 1500)
    assert picture.std() > 0.05
