"""Tests of `reports.figures.scores`."""

from reports.figures.scores import dot_plot
from reports.figures.style import assign_styles


def test_dots_have_the_best_mean_on_top(ax, estimates) -> None:
    """Sorted by the mean, for a loss the lowest on top, labels without a score at the bottom."""
    looks = assign_styles(["A", "B", "C"])
    dot_plot(estimates("test/loss", A=0.5, B=0.2, C=float("nan")), ax, looks, metric="test/loss")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["C", "A", "B"]
    assert "no score" in [text.get_text() for text in ax.texts]


def test_a_mean_far_below_the_others_is_told_at_the_edge(ax, estimates) -> None:
    """0.1 among four near 0.9 would make the rest unreadable: an arrow with its value instead, and the axis says so."""
    means = {"A": 0.9, "B": 0.89, "C": 0.88, "D": 0.885, "lost": 0.1}
    dot_plot(estimates(**means), ax, assign_styles(list(means)), metric="test/accuracy")
    assert ax.get_xlim()[0] > 0.8
    assert "◂ 0.100" in [text.get_text() for text in ax.texts]
    assert "beyond the axis" in ax.get_xlabel()


def test_the_best_mean_is_never_off_the_axis(ax, estimates) -> None:
    """However far ahead it is."""
    means = {"ahead": 0.99, "B": 0.31, "C": 0.30, "D": 0.305, "E": 0.3}
    dot_plot(estimates(**means), ax, assign_styles(list(means)), metric="test/accuracy")
    assert ax.get_xlim()[1] > 0.99
    assert "beyond" not in ax.get_xlabel()
