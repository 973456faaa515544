"""Tests of `reports.figures.scores`."""

from reports.figures.scores import dot_plot
from reports.figures.style import assign_styles


def test_dots_have_the_best_mean_on_top(ax, estimates) -> None:
    """For a loss the lowest mean is on top; labels without a score are at the bottom."""
    styles = assign_styles(["A", "B", "C"])
    dot_plot(estimates("test/loss", A=0.5, B=0.2, C=float("nan")), ax, styles, metric="test/loss")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["C", "A", "B"]
    assert "no score" in [text.get_text() for text in ax.texts]


def test_an_outlier_is_an_arrow_at_the_edge(ax, estimates) -> None:
    """A mean of 0.1 among four near 0.9 is an arrow with its value, and the axis title explains the arrow."""
    means = {"A": 0.9, "B": 0.89, "C": 0.88, "D": 0.885, "lost": 0.1}
    dot_plot(estimates(**means), ax, assign_styles(list(means)), metric="test/accuracy")
    assert ax.get_xlim()[0] > 0.8
    assert "◂ 0.100" in [text.get_text() for text in ax.texts]
    assert "beyond the axis" in ax.get_xlabel()


def test_the_best_mean_is_never_off_the_axis(ax, estimates) -> None:
    """An outlier that is better than the others is on the axis."""
    means = {"ahead": 0.99, "B": 0.31, "C": 0.30, "D": 0.305, "E": 0.3}
    dot_plot(estimates(**means), ax, assign_styles(list(means)), metric="test/accuracy")
    assert ax.get_xlim()[1] > 0.99
    assert "beyond" not in ax.get_xlabel()
