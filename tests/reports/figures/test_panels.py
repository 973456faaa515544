"""Tests of `reports.figures.panels`."""

import pandas as pd
import pytest

from reports.figures.panels import one_optimizer, overview

METRIC = "test/accuracy"


def test_a_panel_for_each_metric_and_one_legend_in_the_order_of_the_table(curves, estimates, styles) -> None:
    """A metric that was measured once per trial has dots; a label in no panel is not in the legend."""
    final = estimates(B=0.9, A=0.8, C=0.7)
    once = curves(A=[0.8], B=[0.9])
    scores = pd.DataFrame({"label": ["A", "B"], "repeat": 0, "outcome": "ok", METRIC: [0.8, 0.9]})
    panels = {"train/loss": curves(A=[2.0, 1.0], B=[2.0, 0.9]), METRIC: once}
    figure = overview(panels, final, scores, styles)
    assert [ax.get_title() for ax in figure.axes] == ["Training loss", "Test accuracy"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["Epoch", "After the last epoch"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["B", "A"]


@pytest.mark.parametrize(
    ("label", "settings", "texts"), [("A", "lr 0.1", ["A", "lr 0.1"]), ("A" * 70, "x" * 50, ["A" * 59 + "…"])]
)
def test_a_long_label_is_shortened_in_the_title(curves, styles, label, settings, texts) -> None:
    """Settings that do not fit beside it are omitted."""
    points = pd.DataFrame(
        {"label": label, "repeat": 0, "epoch": [1, 2], "metric": METRIC, "value": [0.5, 0.6], "outcome": "ok"}
    )
    panels = {METRIC: curves(**{label: [0.5, 0.6]})}
    figure = one_optimizer(points, panels, styles["A"], label=label, settings=settings)
    shown = [figure.get_suptitle(), *(text.get_text() for text in figure.texts if text is not figure._suptitle)]
    assert shown == texts
