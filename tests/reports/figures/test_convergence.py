"""Tests of `reports.figures.convergence`."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from reports.figures.convergence import _spread, beyond, convergence
from reports.figures.style import assign_styles


def test_convergence_plots_the_given_means_and_bands(ax, curves) -> None:
    """The lines have the means, and the bands the bounds; the plot computes no estimate."""
    frame = curves(Adam=[2.0, 1.5, 1.2], SGD=[2.2, 2.0, 1.9])
    styles = assign_styles(["Adam", "SGD"])
    assert convergence(frame, ax, styles, metric="train/loss", named=False) is ax
    lines = {tuple(line.get_ydata()): line.get_color() for line in ax.get_lines() if len(line.get_xdata()) == 3}
    assert lines == {(2.0, 1.5, 1.2): styles["Adam"].color, (2.2, 2.0, 1.9): styles["SGD"].color}
    bounds = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert bounds.min() == pytest.approx(1.1)
    assert bounds.max() == pytest.approx(2.1)
    assert ax.get_xlabel() == "Epoch"
    assert ax.get_ylabel() == "Training loss"


def test_a_loss_that_spans_a_factor_of_five_gets_a_logarithmic_axis(ax, curves) -> None:
    """Smaller spans and accuracies get a linear axis; ticks are plain numbers."""
    styles = assign_styles(["Adam"])
    convergence(curves(Adam=[2.0, 0.2]), ax, styles, metric="train/loss", named=False)
    assert ax.get_yscale() == "log"
    texts = [label.get_text() for label in ax.get_yticklabels()]
    assert "0.5" in texts
    for values, metric in (([2.0, 1.0], "train/loss"), ([0.1, 0.9], "test/accuracy"), ([2.0, -0.1], "train/loss")):
        other = Figure().subplots()
        convergence(curves(Adam=values), other, styles, metric=metric, named=False)
        assert other.get_yscale() == "linear"


def test_labels_at_the_ends_of_lines_do_not_overlap(ax, curves) -> None:
    """Labels of twelve lines with nearly equal ends are at least 9 points apart, in the order of the ends."""
    ends = {f"optimizer {at}": [0.2, 0.8 + at / 1e4] for at in range(12)}
    convergence(curves(**ends), ax, assign_styles(list(ends)), metric="test/accuracy")
    figure = ax.get_figure()
    names = sorted((text for text in ax.texts if text.get_text()), key=lambda text: text.get_position()[1])
    assert [text.get_text() for text in names] == list(ends)
    heights = [text.get_window_extent().y0 * 72 / figure.dpi for text in names]
    assert min(np.diff(heights)) >= 9


def test_labels_move_as_little_as_possible() -> None:
    """Two heights that are 0.1 too close each move by half of that; others do not move."""
    assert _spread([0.2, 0.5, 0.55], 0.15) == pytest.approx([0.2, 0.45, 0.6])
    assert _spread([0.99, 1.0], 0.2) == pytest.approx([0.8, 1.0])


def test_a_single_point_is_drawn_with_its_interval(ax, curves) -> None:
    """An entry with one epoch is a marker with a bar, not an invisible line."""
    frame = curves(Adam=[0.5, 0.6, 0.7], short=[0.4])
    styles = assign_styles(["Adam", "short"])
    convergence(frame, ax, styles, metric="test/accuracy", named=False)
    short = [line for line in ax.get_lines() if line.get_color() == styles["short"].color and len(line.get_xdata())]
    assert any(np.allclose(line.get_ydata(), [0.3, 0.5]) for line in short)
    assert any(line.get_marker() == styles["short"].marker and list(line.get_ydata()) == [0.4] for line in short)


@pytest.mark.parametrize(
    ("metric", "ends", "once", "texts"),
    [
        ("test/accuracy", (0.9, 0.89, 0.88), 0.3, ["0.300 ▾"]),
        ("test/accuracy", (0.9, 0.89, 0.88), 0.87, []),
        ("train/loss", (0.2, 0.21, 0.22), 2.0, ["2.000 ▴"]),
    ],
)
def test_a_single_outlier_is_an_arrow_at_the_edge(ax, metric, ends, once, texts, curves) -> None:
    """An outlier with a budget of one epoch does not compress the other curves; other values are plotted."""
    frame = curves(**{name: [end - 0.01, end] for name, end in zip("ABC", ends, strict=True)}, once=[once])
    convergence(frame, ax, assign_styles([*"ABC", "once"]), metric=metric, named=False)
    assert [text.get_text() for text in ax.texts] == texts
    low, high = ax.get_ylim()
    assert (low < once < high) == (not texts)
    assert beyond(frame, metric) == (["once"] if texts else [])
    convergence(frame, ax, assign_styles([*"ABC", "once"]), metric=metric)
    assert {text.get_text() for text in ax.texts} >= {f"once: {text}" for text in texts}
