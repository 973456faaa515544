"""Tests of `reports.figures.tuning`."""

import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex

from reports.analysis import hyperparameter_importance, lr_sensitivity, tunability, tuning
from reports.figures import style as figure_style
from reports.figures import tuning as figures


def lines(ax, **properties):
    """Return the lines of axes with these properties and at least one point."""
    return [
        line
        for line in ax.get_lines()
        if len(line.get_xdata()) and all(mpl.artist.getp(line, key) == value for key, value in properties.items())
    ]


def panel(ax, trials, **more):
    """Plot the learning rates of one optimizer."""
    points, span = lr_sensitivity.points(trials), lr_sensitivity.ranges(trials).iloc[0]
    goal = str(trials["goal"].iloc[0])
    worst = figures.worst_shown_score(points)
    style = figure_style.assign_styles(["A"])["A"]
    figures.sensitivity(points, span, ax, style, worst=worst, goal=goal, line=False, **more)
    return span, style


def test_the_best_rate_and_the_default_rate_are_marked(ax, made, rates) -> None:
    """The best has a large marker with a dark edge at its score; the default rate is a dashed vertical line."""
    _, style = panel(ax, made({"A": rates([3.0, 1.0, 2.0])}))
    best = lines(ax, markeredgecolor=figure_style.INK)
    assert [(line.get_xdata()[0], line.get_ydata()[0], line.get_color()) for line in best] == [(1e-3, 1.0, style.color)]
    assert [list(line.get_xdata()) for line in lines(ax, color=figure_style.QUIET, marker="None")] == [[1e-4, 1e-4]]
    assert ax.get_xscale() == "log"


def test_the_range_of_good_rates_is_shaded(ax, made, rates) -> None:
    """It is dark over the good rates and light up to the next rates tried."""
    panel(ax, made({"A": rates([3.0, 1.0, 1.0, 2.0])}))
    spans = sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches)
    assert spans == [pytest.approx((1e-4, 1e-1)), pytest.approx((1e-3, 1e-2))]


@pytest.mark.parametrize(("goal", "sign", "edge", "arrow"), [("minimise", 1, 0.955, "^"), ("maximise", -1, 0.045, "v")])
def test_outliers_and_trials_without_a_score_are_at_the_worse_edge(ax, made, rates, goal, sign, edge, arrow) -> None:
    """A loss of 1000 among losses of 1 to 3 is a triangle at the top, a diverged trial a cross; accuracy: at the bottom."""
    values = [sign * value for value in (1.0, 1.5, 2.0, 1000.0)]
    panel(ax, made({"A": rates([*values, ("diverged", 0.0)])}, goal=goal))
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in lines(ax, marker=arrow)] == [([1e-1], [edge])]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in lines(ax, marker="x")] == [([1.0], [edge])]


def test_every_optimizer_has_a_panel_in_its_colour(made, rates) -> None:
    """Panels without an optimizer are empty; the title has the width."""
    trials = made({label: rates([9.0, 1.0 + at, 9.0]) for at, label in enumerate("ABCD")})
    styles = figure_style.assign_styles(list("ABCD"))
    ranges = lr_sensitivity.ranges(trials)
    with mpl.rc_context(dict(figure_style.STYLE)):
        figure = figures.sensitivities(
            lr_sensitivity.points(trials), ranges, styles, objective="validation/loss", goal="minimise", line=True
        )
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in shown] == list("ABCD")
    assert [ax._left_title.get_color() for ax in shown] == [styles[label].color for label in "ABCD"]
    assert {ax.get_title(loc="right") for ax in shown} == {"0.0 to 2.0 decades"}


def test_the_width_names_the_open_ends_of_a_range(made, rates) -> None:
    """A range is open below, above, at both ends or closed, or has no score."""
    rows = {
        "below": rates([1.0, 2.0, 3.0]),
        "above": rates([3.0, 2.0, 1.0]),
        "both": rates([1.0, 1.0, 1.0]),
        "closed": rates([2.0, 1.0, 1.0, 2.0]),
        "none": rates([("stalled", math.nan)]),
    }
    widths = {row["label"]: figures.format_width(row) for _, row in lr_sensitivity.ranges(made(rows)).iterrows()}
    assert widths == {
        "below": "at least 0.0 decades, open below",
        "above": "at least 0.0 decades, open above",
        "both": "at least 2.0 decades, open at both ends",
        "closed": "1.0 to 3.0 decades",
        "none": "no score",
    }


def test_a_rate_without_a_score_interrupts_the_line_of_a_sweep(ax, made, rates) -> None:
    """The line has NaN there; the best rate of each optimizer has a marker."""
    trials = made({"A": rates([2.0, 1.0, ("diverged", 0.0), 3.0]), "B": rates([3.0, 2.0, 2.5])})
    styles = figure_style.assign_styles(["A", "B"])
    points, ranges = lr_sensitivity.points(trials), lr_sensitivity.ranges(trials)
    figures.sweep(points, ranges, ax, styles, objective="validation/loss", goal="minimise")
    curves = {line.get_color(): list(line.get_ydata()) for line in ax.get_lines() if len(line.get_xdata()) > 2}
    assert curves[styles["B"].color] == [3.0, 2.0, 2.5]
    assert np.isnan(curves[styles["A"].color]).tolist() == [False, False, True, False]
    assert sorted(line.get_ydata()[0] for line in lines(ax, markeredgecolor=figure_style.INK)) == [1.0, 2.0]


def test_tunability_plots_the_given_curves_and_bands(ax, made, rates) -> None:
    """The plot computes no estimate."""
    trials = made({"A": rates([1.0, 0.9, 0.5, 0.7, 0.6, 0.8])})
    curves = tunability.curves(trials)
    figures.tunability(curves, ax, figure_style.assign_styles(["A"]), objective="validation/loss")
    assert [list(line.get_ydata()) for line in ax.get_lines() if len(line.get_xdata()) == 5] == [
        curves["mean"].tolist()
    ]
    bounds = ax.collections[0].get_paths()[0].vertices
    assert bounds[:, 0].max() == 2  # the band ends at half of the five trials
    assert bounds[:, 1].max() == pytest.approx(curves["high"].max())
    assert ax.get_ylabel() == "Expected best validation loss"


def test_the_probabilities_are_stacked_in_the_colours_of_the_optimizers(ax, made, rates) -> None:
    """The second area is on top of the first and ends at 1."""
    trials = made({"A": rates([9.0, 1.0, 3.0]), "B": rates([9.0, 2.0, 4.0])})
    chances = tunability.probabilities(trials)
    styles = figure_style.assign_styles(["A", "B"])
    figures.probability(chances, ax, styles)
    assert [to_hex(area.get_facecolor()[0]) for area in ax.collections] == [styles["A"].color, styles["B"].color]
    heights = [area.get_paths()[0].vertices[:, 1] for area in ax.collections]
    assert heights[0].max() == pytest.approx(chances["probability"].max())
    assert heights[1].max() == pytest.approx(1)


def test_importances_are_bars_of_their_length(ax, made) -> None:
    """There is one per hyperparameter, with its name and its share as text."""
    rng = np.random.default_rng(0)
    rows = [((x - 0.5) ** 2, {"lr": 10 ** (4 * x - 4), "momentum": 0.5 + y / 3}) for x, y in rng.random((40, 2))]
    table = hyperparameter_importance.by_optimizer(made({"A": rows}))
    figures.importances(table, ax, figure_style.assign_styles(["A"]))
    assert [patch.get_width() for patch in ax.patches] == pytest.approx(table["importance"].tolist())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["lr", "momentum"]
    assert f"{table.loc[0, 'importance']:.0%}" in [text.get_text() for text in ax.texts]


def test_new_repeats_show_both_settings_the_difference_and_the_gap(made, rates, final) -> None:
    """The bar of the difference is its interval; a text replaces the difference of a kept setting or without repeats."""
    rows = {"A": rates([1.0, 0.5]), "B": rates([0.5, 1.0]), "C": rates([1.0, 0.5])}
    chosen = tuning.best(made(rows))
    scores = final({"A": [0.9, 1.0, 1.1], "A, tuned": [0.6, 0.9, 0.8], "B": [0.5, 0.6, 0.7]})
    compared = tuning.tuned_vs_default(scores, "test/loss", list("ABC"), ["B"])
    gaps = tuning.validation_test_gap(chosen, scores)
    with mpl.rc_context(dict(figure_style.STYLE)):
        figure = figures.new_repeats(
            compared, gaps, figure_style.assign_styles(list("ABC")), metric="test/loss", goal="minimise"
        )
    _, middle, right = figure.axes
    bar = compared.loc[0, ["low", "high"]].tolist()
    assert any(list(line.get_xdata()) == bar for line in middle.get_lines())
    assert [text.get_text() for text in middle.texts] == ["default setting kept", "no pair"]
    assert "◂ tuned better" in middle.get_xlabel()
    assert [text.get_text() for text in right.texts] == ["no new repeat"]
    assert any(
        list(line.get_xdata()) == gaps.loc[0, ["default_low", "default_high"]].tolist() for line in right.get_lines()
    )


def test_a_tuned_entry_has_the_colour_of_its_default_setting_and_another_dash() -> None:
    """Its position in the plan does not matter; a name that only ends like one has a different colour."""
    styles = figure_style.assign_styles(["A, tuned", "B", "A", "B, tuned", "C, tuned"])
    for label in "AB":
        default, tuned = styles[label], styles[f"{label}, tuned"]
        assert (default.color, default.marker) == (tuned.color, tuned.marker)
        assert default.dash != tuned.dash
    assert len({style.color for style in styles.values()}) == 3
    assert list(styles) == ["A, tuned", "B", "A", "B, tuned", "C, tuned"]
