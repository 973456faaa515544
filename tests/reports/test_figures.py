"""Tests of `reports.figures`."""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports import figures

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
    """A colour without the gamma of sRGB."""
    values = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(values: np.ndarray) -> np.ndarray:
    """CIELAB under D65, in which distances are about as large as they look."""
    ratio = XYZ @ np.clip(values, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.fixture
def ax():
    """Axes of a figure without a window, in the reports' style."""
    with mpl.rc_context(dict(figures.STYLE)):
        yield Figure().subplots()


def curves(**series) -> pd.DataFrame:
    """Mean curves with bounds a tenth away."""
    rows = [
        {"label": label, "epoch": at, "mean": value, "low": value - 0.1, "high": value + 0.1, "n": 3}
        for label, values in series.items()
        for at, value in enumerate(values, 1)
    ]
    return pd.DataFrame(rows)


def estimates(metric="test/accuracy", **means) -> pd.DataFrame:
    """Estimates with bounds a hundredth away."""
    table = pd.DataFrame({"label": list(means), metric: list(means.values())})
    return table.assign(**{f"{metric} low": table[metric] - 0.01, f"{metric} high": table[metric] + 0.01})


@pytest.mark.parametrize("vision", VISIONS)
def test_twelve_looks_can_be_told_apart_without_full_colour_vision(vision) -> None:
    """Any two looks with the same dash, or with the same marker, differ in hue by at least 10 in CIELAB."""
    looks = figures.styles([str(at) for at in range(12)]).values()
    assert len(set(looks)) == 12
    for one, two in itertools.combinations(looks, 2):
        if one.dash == two.dash or one.marker == two.marker:
            apart = lab(VISIONS[vision] @ linear(one.color)) - lab(VISIONS[vision] @ linear(two.color))
            assert np.linalg.norm(apart) >= 10, (one, two)


def test_every_hue_stands_out_from_white() -> None:
    """Contrast of at least 3 : 1, which WCAG asks of graphics."""
    for look in figures.styles([str(at) for at in range(12)]).values():
        assert 1.05 / (XYZ[1] @ linear(look.color) + 0.05) >= 3


def test_more_than_twelve_labels_still_differ() -> None:
    """Hues return with another dash."""
    looks = figures.styles([str(at) for at in range(30)])
    assert len(set(looks.values())) == 30


def test_convergence_draws_the_means_and_bands_that_it_is_given(ax) -> None:
    """The lines hold the means and the bands the bounds: nothing is computed on the way."""
    frame = curves(Adam=[2.0, 1.5, 1.2], SGD=[2.2, 2.0, 1.9])
    looks = figures.styles(["Adam", "SGD"])
    assert figures.convergence(frame, ax, looks, metric="train/loss", named=False) is ax
    lines = {tuple(line.get_ydata()): line.get_color() for line in ax.get_lines() if len(line.get_xdata()) == 3}
    assert lines == {(2.0, 1.5, 1.2): looks["Adam"].color, (2.2, 2.0, 1.9): looks["SGD"].color}
    bounds = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert bounds.min() == pytest.approx(1.1)
    assert bounds.max() == pytest.approx(2.1)
    assert ax.get_xlabel() == "Epoch"
    assert ax.get_ylabel() == "Training loss"


def test_a_label_has_the_same_colour_in_every_figure(ax) -> None:
    """A figure that shows a part of the labels keeps their looks."""
    looks = figures.styles(["Adam", "SGD", "AdaGrad"])
    figures.convergence(curves(AdaGrad=[0.5, 0.6]), ax, looks, metric="test/accuracy", named=False)
    assert {line.get_color() for line in ax.get_lines() if len(line.get_xdata())} == {looks["AdaGrad"].color}


def test_a_loss_that_spans_a_factor_of_five_gets_a_logarithmic_axis(ax) -> None:
    """A smaller span does not, an accuracy never does, and ticks are plain numbers."""
    looks = figures.styles(["Adam"])
    figures.convergence(curves(Adam=[2.0, 0.2]), ax, looks, metric="train/loss", named=False)
    assert ax.get_yscale() == "log"
    texts = [label.get_text() for label in ax.get_yticklabels()]
    assert "0.5" in texts
    for values, metric in (([2.0, 1.0], "train/loss"), ([0.1, 0.9], "test/accuracy"), ([2.0, -0.1], "train/loss")):
        other = Figure().subplots()
        figures.convergence(curves(Adam=values), other, looks, metric=metric, named=False)
        assert other.get_yscale() == "linear"


def test_names_beside_the_lines_do_not_overlap(ax) -> None:
    """Twelve lines that end at nearly one height have their names at least 9 points apart, in the order of the ends."""
    ends = {f"optimizer {at}": [0.2, 0.8 + at / 1e4] for at in range(12)}
    figures.convergence(curves(**ends), ax, figures.styles(list(ends)), metric="test/accuracy")
    figure = ax.get_figure()
    names = sorted((text for text in ax.texts if text.get_text()), key=lambda text: text.get_position()[1])
    assert [text.get_text() for text in names] == list(ends)
    heights = [text.get_window_extent().y0 * 72 / figure.dpi for text in names]
    assert min(np.diff(heights)) >= 9


def test_places_move_as_little_as_possible() -> None:
    """Two heights 0.1 too near each other move by half of that each; a free one stays."""
    assert figures._apart([0.2, 0.5, 0.55], 0.15) == pytest.approx([0.2, 0.45, 0.6])
    assert figures._apart([0.99, 1.0], 0.2) == pytest.approx([0.8, 1.0])


def test_a_single_point_is_drawn_with_its_interval(ax) -> None:
    """An entry of one epoch among longer ones is a marker with a bar, not an invisible line."""
    frame = curves(Adam=[0.5, 0.6, 0.7], short=[0.4])
    looks = figures.styles(["Adam", "short"])
    figures.convergence(frame, ax, looks, metric="test/accuracy", named=False)
    short = [line for line in ax.get_lines() if line.get_color() == looks["short"].color and len(line.get_xdata())]
    assert any(np.allclose(line.get_ydata(), [0.3, 0.5]) for line in short)
    assert any(line.get_marker() == looks["short"].marker and list(line.get_ydata()) == [0.4] for line in short)


def test_dots_have_the_best_mean_on_top(ax) -> None:
    """Sorted by the mean, for a loss the lowest on top, labels without a score at the bottom."""
    looks = figures.styles(["A", "B", "C"])
    figures.dots(estimates("test/loss", A=0.5, B=0.2, C=float("nan")), ax, looks, metric="test/loss")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["C", "A", "B"]
    assert "no score" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize(
    ("metric", "ends", "once", "told"),
    [
        ("test/accuracy", (0.9, 0.89, 0.88), 0.3, ["0.300 ▾"]),
        ("test/accuracy", (0.9, 0.89, 0.88), 0.87, []),
        ("train/loss", (0.2, 0.21, 0.22), 2.0, ["2.000 ▴"]),
    ],
)
def test_a_curve_of_one_point_far_behind_is_told_at_the_edge(ax, metric, ends, once, told) -> None:
    """A budget of one epoch beside others must not press their curves together; near them it is drawn where it lies."""
    frame = curves(**{name: [end - 0.01, end] for name, end in zip("ABC", ends, strict=True)}, once=[once])
    figures.convergence(frame, ax, figures.styles([*"ABC", "once"]), metric=metric, named=False)
    assert [text.get_text() for text in ax.texts] == told
    low, high = ax.get_ylim()
    assert (low < once < high) == (not told)
    assert figures.beyond(frame, metric) == (["once"] if told else [])
    figures.convergence(frame, ax, figures.styles([*"ABC", "once"]), metric=metric)
    assert {text.get_text() for text in ax.texts} >= {f"once: {text}" for text in told}


def test_a_mean_far_below_the_others_is_told_at_the_edge(ax) -> None:
    """0.1 among four near 0.9 would make the rest unreadable: an arrow with its value instead, and the axis says so."""
    means = {"A": 0.9, "B": 0.89, "C": 0.88, "D": 0.885, "lost": 0.1}
    figures.dots(estimates(**means), ax, figures.styles(list(means)), metric="test/accuracy")
    assert ax.get_xlim()[0] > 0.8
    assert "◂ 0.100" in [text.get_text() for text in ax.texts]
    assert "beyond the axis" in ax.get_xlabel()


def test_the_best_mean_is_never_off_the_axis(ax) -> None:
    """However far ahead it is."""
    means = {"ahead": 0.99, "B": 0.31, "C": 0.30, "D": 0.305, "E": 0.3}
    figures.dots(estimates(**means), ax, figures.styles(list(means)), metric="test/accuracy")
    assert ax.get_xlim()[1] > 0.99
    assert "beyond" not in ax.get_xlabel()


def test_repeats_that_did_not_end_ok_are_drawn_apart(ax) -> None:
    """A diverged repeat is a dashed grey line that ends in a cross at its last finite value."""
    points = pd.DataFrame(
        [
            {"label": "Adam", "repeat": r, "metric": "train/loss", "outcome": outcome, "epoch": e, "value": value}
            for r, outcome, values in ((0, "ok", (2.0, 1.5, 1.0)), (1, "diverged", (2.0, 3.0, float("nan"))))
            for e, value in enumerate(values, 1)
        ]
    )
    look = figures.styles(["Adam"])["Adam"]
    figures.repeats(points, curves(Adam=[2.0, 1.5, 1.0]), ax, look, label="Adam", metric="train/loss")
    crosses = [line for line in ax.get_lines() if line.get_marker() == "x"]
    assert [list(line.get_ydata()) for line in crosses] == [[3.0]]
    assert [line.get_color() for line in ax.get_lines() if list(line.get_ydata()) == [2.0, 3.0]] == [figures.QUIET]


def test_labels_are_no_mathematics(ax) -> None:
    r"""Dollars and underscores in a label are printed as they are; matplotlib would raise on `$\bad$`."""
    label = r"$\bad$ a_b"
    looks = figures.styles([label])
    figures.convergence(curves(**{label: [0.4, 0.5]}), ax, looks, metric="test/accuracy")
    figures.dots(estimates(**{label: 0.5}), Figure().subplots(), looks, metric="test/accuracy")
    ax.get_figure().draw_without_rendering()
    assert label in [text.get_text() for text in ax.texts]


def test_drawing_leaves_the_global_style_alone(ax) -> None:
    """No figure changes what the caller's own figures look like."""
    before = dict(mpl.rcParams)
    figures.convergence(curves(A=[0.1, 0.2]), ax, figures.styles(["A"]), metric="test/accuracy")
    assert dict(mpl.rcParams) == before
