"""Tests of `reports.figures.convergence`."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from reports.figures.convergence import _apart, beyond, convergence
from reports.figures.style import assign_styles


def test_convergence_draws_the_means_and_bands_that_it_is_given(ax, curves) -> None:
    """The lines hold the means and the bands the bounds: nothing is computed on the way."""
    frame = curves(Adam=[2.0, 1.5, 1.2], SGD=[2.2, 2.0, 1.9])
    looks = assign_styles(["Adam", "SGD"])
    assert convergence(frame, ax, looks, metric="train/loss", named=False) is ax
    lines = {tuple(line.get_ydata()): line.get_color() for line in ax.get_lines() if len(line.get_xdata()) == 3}
    assert lines == {(2.0, 1.5, 1.2): looks["Adam"].color, (2.2, 2.0, 1.9): looks["SGD"].color}
    bounds = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert bounds.min() == pytest.approx(1.1)
    assert bounds.max() == pytest.approx(2.1)
    assert ax.get_xlabel() == "Epoch"
    assert ax.get_ylabel() == "Training loss"


def test_a_loss_that_spans_a_factor_of_five_gets_a_logarithmic_axis(ax, curves) -> None:
    """A smaller span does not, an accuracy never does, and ticks are plain numbers."""
    looks = assign_styles(["Adam"])
    convergence(curves(Adam=[2.0, 0.2]), ax, looks, metric="train/loss", named=False)
    assert ax.get_yscale() == "log"
    texts = [label.get_text() for label in ax.get_yticklabels()]
    assert "0.5" in texts
    for values, metric in (([2.0, 1.0], "train/loss"), ([0.1, 0.9], "test/accuracy"), ([2.0, -0.1], "train/loss")):
        other = Figure().subplots()
        convergence(curves(Adam=values), other, looks, metric=metric, named=False)
        assert other.get_yscale() == "linear"


def test_names_beside_the_lines_do_not_overlap(ax, curves) -> None:
    """Twelve lines that end at nearly one height have their names at least 9 points apart, in the order of the ends."""
    ends = {f"optimizer {at}": [0.2, 0.8 + at / 1e4] for at in range(12)}
    convergence(curves(**ends), ax, assign_styles(list(ends)), metric="test/accuracy")
    figure = ax.get_figure()
    names = sorted((text for text in ax.texts if text.get_text()), key=lambda text: text.get_position()[1])
    assert [text.get_text() for text in names] == list(ends)
    heights = [text.get_window_extent().y0 * 72 / figure.dpi for text in names]
    assert min(np.diff(heights)) >= 9


def test_places_move_as_little_as_possible() -> None:
    """Two heights 0.1 too near each other move by half of that each; a free one stays."""
    assert _apart([0.2, 0.5, 0.55], 0.15) == pytest.approx([0.2, 0.45, 0.6])
    assert _apart([0.99, 1.0], 0.2) == pytest.approx([0.8, 1.0])


def test_a_single_point_is_drawn_with_its_interval(ax, curves) -> None:
    """An entry of one epoch among longer ones is a marker with a bar, not an invisible line."""
    frame = curves(Adam=[0.5, 0.6, 0.7], short=[0.4])
    looks = assign_styles(["Adam", "short"])
    convergence(frame, ax, looks, metric="test/accuracy", named=False)
    short = [line for line in ax.get_lines() if line.get_color() == looks["short"].color and len(line.get_xdata())]
    assert any(np.allclose(line.get_ydata(), [0.3, 0.5]) for line in short)
    assert any(line.get_marker() == looks["short"].marker and list(line.get_ydata()) == [0.4] for line in short)


@pytest.mark.parametrize(
    ("metric", "ends", "once", "told"),
    [
        ("test/accuracy", (0.9, 0.89, 0.88), 0.3, ["0.300 ▾"]),
        ("test/accuracy", (0.9, 0.89, 0.88), 0.87, []),
        ("train/loss", (0.2, 0.21, 0.22), 2.0, ["2.000 ▴"]),
    ],
)
def test_a_curve_of_one_point_far_behind_is_told_at_the_edge(ax, metric, ends, once, told, curves) -> None:
    """A budget of one epoch beside others must not press their curves together; near them it is drawn where it lies."""
    frame = curves(**{name: [end - 0.01, end] for name, end in zip("ABC", ends, strict=True)}, once=[once])
    convergence(frame, ax, assign_styles([*"ABC", "once"]), metric=metric, named=False)
    assert [text.get_text() for text in ax.texts] == told
    low, high = ax.get_ylim()
    assert (low < once < high) == (not told)
    assert beyond(frame, metric) == (["once"] if told else [])
    convergence(frame, ax, assign_styles([*"ABC", "once"]), metric=metric)
    assert {text.get_text() for text in ax.texts} >= {f"once: {text}" for text in told}
