"""Tests of `reports.figures.tuning`."""

import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from reports.analysis import hyperparameter_importance, lr_sensitivity, tunability, tuning
from reports.figures import style as house
from reports.figures import tuning as figures


@pytest.fixture
def ax():
    """Axes of a figure without a window, in the reports' style."""
    with mpl.rc_context(dict(house.STYLE)):
        yield Figure().subplots()


def lines(ax, **wanted):
    """The lines of some axes with these properties and at least one point."""
    return [
        line
        for line in ax.get_lines()
        if len(line.get_xdata()) and all(mpl.artist.getp(line, key) == value for key, value in wanted.items())
    ]


def panel(ax, trials, **more):
    """One optimizer's learning rates, drawn."""
    points, span = lr_sensitivity.points(trials), lr_sensitivity.ranges(trials).iloc[0]
    goal = str(trials["goal"].iloc[0])
    worst = figures.worst_shown_score(points)
    look = house.assign_styles(["A"])["A"]
    figures.sensitivity(points, span, ax, look, worst=worst, goal=goal, line=False, **more)
    return span, look


def test_the_best_rate_and_the_own_rate_are_marked(ax, made, rates) -> None:
    """The best has the large marker with an inked edge at its score; the own rate is a dashed vertical line."""
    _, look = panel(ax, made({"A": rates([3.0, 1.0, 2.0])}))
    best = lines(ax, markeredgecolor=house.INK)
    assert [(line.get_xdata()[0], line.get_ydata()[0], line.get_color()) for line in best] == [(1e-3, 1.0, look.color)]
    assert [list(line.get_xdata()) for line in lines(ax, color=house.QUIET, marker="None")] == [[1e-4, 1e-4]]
    assert ax.get_xscale() == "log"


def test_the_good_range_is_shaded_to_its_ends(ax, made, rates) -> None:
    """Dark over the good rates, light to the next ones tried."""
    panel(ax, made({"A": rates([3.0, 1.0, 1.0, 2.0])}))
    spans = sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches)
    assert spans == [pytest.approx((1e-4, 1e-1)), pytest.approx((1e-3, 1e-2))]


@pytest.mark.parametrize(("goal", "sign", "edge", "arrow"), [("minimise", 1, 0.955, "^"), ("maximise", -1, 0.045, "v")])
def test_trials_far_worse_or_without_a_score_stand_at_the_worse_edge(ax, made, rates, goal, sign, edge, arrow) -> None:
    """A loss of 1000 among losses of 1 to 3 is an arrow at the top, a diverged trial a cross; for an accuracy at the bottom."""
    values = [sign * value for value in (1.0, 1.5, 2.0, 1000.0)]
    panel(ax, made({"A": rates([*values, ("diverged", 0.0)])}, goal=goal))
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in lines(ax, marker=arrow)] == [([1e-1], [edge])]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in lines(ax, marker="x")] == [([1.0], [edge])]


def test_every_optimizer_has_its_panel_in_its_own_colour(made, rates) -> None:
    """Panels without an optimizer are empty; the title says the width."""
    trials = made({label: rates([9.0, 1.0 + at, 9.0]) for at, label in enumerate("ABCD")})
    looks = house.assign_styles(list("ABCD"))
    ranges = lr_sensitivity.ranges(trials)
    with mpl.rc_context(dict(house.STYLE)):
        figure = figures.sensitivities(
            lr_sensitivity.points(trials), ranges, looks, objective="validation/loss", goal="minimise", line=True
        )
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in shown] == list("ABCD")
    assert [ax._left_title.get_color() for ax in shown] == [looks[label].color for label in "ABCD"]
    assert {ax.get_title(loc="right") for ax in shown} == {"0.0 to 2.0 decades"}


def test_the_width_says_where_a_range_is_open(made, rates) -> None:
    """Below, above, at both ends, closed, and nothing at all."""
    rows = {
        "below": rates([1.0, 2.0, 3.0]),
        "above": rates([3.0, 2.0, 1.0]),
        "both": rates([1.0, 1.0, 1.0]),
        "closed": rates([2.0, 1.0, 1.0, 2.0]),
        "none": rates([("stalled", math.nan)]),
    }
    told = {row["label"]: figures.format_width(row) for _, row in lr_sensitivity.ranges(made(rows)).iterrows()}
    assert told == {
        "below": "at least 0.0 decades, open below",
        "above": "at least 0.0 decades, open above",
        "both": "at least 2.0 decades, open at both ends",
        "closed": "1.0 to 3.0 decades",
        "none": "no score",
    }


def test_a_sweep_has_a_line_per_optimizer_that_breaks_where_a_rate_has_no_score(ax, made, rates) -> None:
    """The line holds NaN there; the best is marked."""
    trials = made({"A": rates([2.0, 1.0, ("diverged", 0.0), 3.0]), "B": rates([3.0, 2.0, 2.5])})
    looks = house.assign_styles(["A", "B"])
    points, ranges = lr_sensitivity.points(trials), lr_sensitivity.ranges(trials)
    figures.sweep(points, ranges, ax, looks, objective="validation/loss", goal="minimise")
    curves = {line.get_color(): list(line.get_ydata()) for line in ax.get_lines() if len(line.get_xdata()) > 2}
    assert curves[looks["B"].color] == [3.0, 2.0, 2.5]
    assert np.isnan(curves[looks["A"].color]).tolist() == [False, False, True, False]
    assert sorted(line.get_ydata()[0] for line in lines(ax, markeredgecolor=house.INK)) == [1.0, 2.0]


def test_tunability_draws_the_curves_and_bands_that_it_is_given(ax, made, rates) -> None:
    """Nothing is computed on the way."""
    trials = made({"A": rates([1.0, 0.9, 0.5, 0.7, 0.6, 0.8])})
    curves = tunability.curves(trials)
    figures.tunability(curves, ax, house.assign_styles(["A"]), objective="validation/loss")
    assert [list(line.get_ydata()) for line in ax.get_lines() if len(line.get_xdata()) == 5] == [
        curves["mean"].tolist()
    ]
    bounds = ax.collections[0].get_paths()[0].vertices
    assert bounds[:, 0].max() == 2  # the band ends at half of the five trials
    assert bounds[:, 1].max() == pytest.approx(curves["high"].max())
    assert ax.get_ylabel() == "Expected best validation loss"


def test_the_probabilities_are_stacked_in_the_colours_of_the_optimizers(ax, made, rates) -> None:
    """The second band stands on the first and reaches 1."""
    trials = made({"A": rates([9.0, 1.0, 3.0]), "B": rates([9.0, 2.0, 4.0])})
    chances = tunability.probabilities(trials)
    looks = house.assign_styles(["A", "B"])
    figures.probability(chances, ax, looks)
    assert [to_hex(area.get_facecolor()[0]) for area in ax.collections] == [looks["A"].color, looks["B"].color]
    heights = [area.get_paths()[0].vertices[:, 1] for area in ax.collections]
    assert heights[0].max() == pytest.approx(chances["probability"].max())
    assert heights[1].max() == pytest.approx(1)


def test_importances_are_bars_of_their_length(ax, made) -> None:
    """One per hyperparameter, with its name and its share in numbers."""
    rng = np.random.default_rng(0)
    rows = [((x - 0.5) ** 2, {"lr": 10 ** (4 * x - 4), "momentum": 0.5 + y / 3}) for x, y in rng.random((40, 2))]
    table = hyperparameter_importance.by_optimizer(made({"A": rows}))
    figures.importances(table, ax, house.assign_styles(["A"]))
    assert [patch.get_width() for patch in ax.patches] == pytest.approx(table["importance"].tolist())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["lr", "momentum"]
    assert f"{table.loc[0, 'importance']:.0%}" in [text.get_text() for text in ax.texts]


def test_fresh_repeats_show_both_settings_the_difference_and_the_gap(made, rates, final) -> None:
    """The bar of the difference is its interval; a kept setting and one without repeats say so instead of showing 0."""
    rows = {"A": rates([1.0, 0.5]), "B": rates([0.5, 1.0]), "C": rates([1.0, 0.5])}
    chosen = tuning.best(made(rows))
    scores = final({"A": [0.9, 1.0, 1.1], "A, tuned": [0.6, 0.9, 0.8], "B": [0.5, 0.6, 0.7]})
    compared = tuning.tuned_vs_default(scores, "test/loss", list("ABC"), ["B"])
    gaps = tuning.validation_test_gap(chosen, scores)
    with mpl.rc_context(dict(house.STYLE)):
        figure = figures.new_repeats(compared, gaps, house.assign_styles(list("ABC")), metric="test/loss", goal="minimise")
    _, middle, right = figure.axes
    bar = compared.loc[0, ["low", "high"]].tolist()
    assert any(list(line.get_xdata()) == bar for line in middle.get_lines())
    assert [text.get_text() for text in middle.texts] == ["own setting kept", "no pair"]
    assert "◂ tuned better" in middle.get_xlabel()
    assert [text.get_text() for text in right.texts] == ["no fresh repeat"]
    assert any(list(line.get_xdata()) == gaps.loc[0, ["default_low", "default_high"]].tolist() for line in right.get_lines())


def test_a_tuned_entry_has_the_hue_of_its_own_setting_and_another_dash() -> None:
    """Wherever it stands in the plan; an entry that only ends like one has a hue of its own."""
    looks = house.assign_styles(["A, tuned", "B", "A", "B, tuned", "C, tuned"])
    for label in "AB":
        own, tuned = looks[label], looks[f"{label}, tuned"]
        assert (own.color, own.marker) == (tuned.color, tuned.marker)
        assert own.dash != tuned.dash
    assert len({look.color for look in looks.values()}) == 3
    assert list(looks) == ["A, tuned", "B", "A", "B, tuned", "C, tuned"]
