"""Tests of `reports.figures.style`, and of properties of every figure."""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports.analysis import verdicts
from reports.figures import across_problems as several_figures
from reports.figures import pairs
from reports.figures.convergence import convergence
from reports.figures.scores import dot_plot
from reports.figures.style import assign_styles
from reports.figures.time_to_target import share_reached
from reports.statistics import across_problems, time_to_target

# How red- and green-blind eyes see linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.
VISIONS = {
    "full": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # IEC 61966-2-1


def linear(color: str) -> np.ndarray:
    """Return a colour in linear RGB."""
    values = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(values: np.ndarray) -> np.ndarray:
    """Return CIELAB under D65, in which distances approximate perceived differences."""
    ratio = XYZ @ np.clip(values, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISIONS)
def test_twelve_styles_are_distinguishable_without_full_colour_vision(vision) -> None:
    """Any two styles with the same dash, or with the same marker, differ by at least 10 in CIELAB."""
    styles = assign_styles([str(at) for at in range(12)]).values()
    assert len(set(styles)) == 12
    for one, two in itertools.combinations(styles, 2):
        if one.dash == two.dash or one.marker == two.marker:
            apart = lab(VISIONS[vision] @ linear(one.color)) - lab(VISIONS[vision] @ linear(two.color))
            assert np.linalg.norm(apart) >= 10, (one, two)


def test_every_hue_stands_out_from_white() -> None:
    """The contrast is at least 3 : 1, as WCAG requires for graphics."""
    for style in assign_styles([str(at) for at in range(12)]).values():
        assert 1.05 / (XYZ[1] @ linear(style.color) + 0.05) >= 3


def test_more_than_twelve_labels_still_differ() -> None:
    """Colours repeat with another dash."""
    styles = assign_styles([str(at) for at in range(30)])
    assert len(set(styles.values())) == 30


def test_a_label_has_the_same_colour_in_every_figure(ax, curves) -> None:
    """A figure with some of the labels has the same styles."""
    styles = assign_styles(["Adam", "SGD", "AdaGrad"])
    convergence(curves(AdaGrad=[0.5, 0.6]), ax, styles, metric="test/accuracy", named=False)
    assert {line.get_color() for line in ax.get_lines() if len(line.get_xdata())} == {styles["AdaGrad"].color}


def test_labels_are_plain_text(ax, curves, estimates) -> None:
    r"""Dollar signs and underscores are drawn as they are; matplotlib would raise on `$\bad$`."""
    label = r"$\bad$ a_b"
    styles = assign_styles([label])
    convergence(curves(**{label: [0.4, 0.5]}), ax, styles, metric="test/accuracy")
    dot_plot(estimates(**{label: 0.5}), Figure().subplots(), styles, metric="test/accuracy")
    ax.get_figure().draw_without_rendering()
    assert label in [text.get_text() for text in ax.texts]


def test_drawing_leaves_the_global_style_alone(ax, curves) -> None:
    """No figure changes the settings of the caller."""
    before = dict(mpl.rcParams)
    convergence(curves(A=[0.1, 0.2]), ax, assign_styles(["A"]), metric="test/accuracy")
    assert dict(mpl.rcParams) == before


def test_labels_are_plain_text_in_plots_of_verdicts_and_ranks() -> None:
    r"""`$\bad$` is drawn as it is."""
    labels = [r"$\bad$ a_b", "B", "C"]
    rng, styles = np.random.default_rng(3), assign_styles(labels)
    table = pd.DataFrame({label: rng.normal(size=6) for label in labels})
    found = verdicts.compare(table, score="x", higher=True, margin=0.0)
    ranks = across_problems.mean_ranks(rng.normal(size=(8, 3)))
    profiles = across_problems.performance_profiles(
        rng.exponential(size=(1, 6, 3)) + 0.1, [1.0, 2.0], rng, resamples=20
    )
    curve = time_to_target.survival([1.0, 2.0], [True, False])
    draws = [
        lambda ax: pairs.differences_from_best(found, ax, styles),
        lambda ax: pairs.pair_matrix(found, ax),
        lambda ax: several_figures.critical_difference(ranks, labels, ax, styles),
        lambda ax: several_figures.performance_profiles(profiles, labels, ax, styles),
        lambda ax: share_reached(
            {labels[0]: time_to_target.survival([2.0], [False]), "B": curve}, ax, styles, unit="epoch", horizon=2
        ),
    ]
    for draw in draws:
        axes = Figure().subplots()
        draw(axes)
        axes.get_figure().draw_without_rendering()
