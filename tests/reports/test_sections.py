"""Tests of the report's parts on comparison and on time, of their figures, and of the numbers for scripts."""

import json
import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports import (
    comparison_section,
    figures,
    frame,
    pair_figures,
    several,
    several_figures,
    target_figures,
    target_section,
    targets,
    verdicts,
)
from reports.build import build
from reports.summary import summary

LABELS = ["A", "B", "C", "D"]


@pytest.fixture
def ax():
    """Axes of a figure without a window, in the reports' style."""
    with mpl.rc_context(dict(figures.STYLE)):
        yield Figure().subplots()


@pytest.fixture(scope="module")
def found() -> verdicts.Comparison:
    """Four optimizers: A and B close, C and D behind."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {label: rng.normal(mean, 0.01, 10) for label, mean in zip(LABELS, (0.9, 0.898, 0.85, 0.8), strict=True)}
    )
    return verdicts.compare(table, score="test/accuracy", higher=True, margin=0.002)


@pytest.fixture(scope="module")
def looks():
    """A style per label."""
    return figures.styles(LABELS)


def test_the_interval_plot_draws_the_differences_from_the_best_that_it_is_given(ax, found, looks) -> None:
    """Bars are the joint intervals, turned so that the best lies at 0; the undecided one is dashed; a letter for each tier."""
    assert pair_figures.from_the_best(found, ax, looks) is ax
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(found.means)
    best, second, third, _ = found.means
    bars = {
        line.get_color(): line
        for line in ax.get_lines()
        if len(set(line.get_ydata())) == 1 and len(line.get_xdata()) == 2
    }
    row = found.pair(best, third)
    ends = sorted(bars[looks[third].color].get_xdata())
    assert ends == pytest.approx([-row["joint_high"], -row["joint_low"]])
    assert bars[looks[third].color].get_linestyle() == "-"
    assert bars[looks[second].color].get_linestyle() == "--"
    letters = [text.get_text() for text in ax.texts]
    assert letters == ["a", "b", "c"]
    assert ax.get_xlabel() == f"Test accuracy: difference from {best}"


def test_the_matrix_shows_each_pair_from_both_sides(ax, found) -> None:
    """K (k − 1) cells with a difference and a p, better above and worse below the diagonal with their colours."""
    pair_figures.matrix(found, ax)
    told = [text.get_text() for text in ax.texts]
    assert sum(text.startswith("p ") for text in told) == 12
    assert sum("▲" in text for text in told[:-1]) == sum("▼" in text for text in told[:-1]) == 5
    fills = [mpl.colors.to_hex(patch.get_facecolor()) for patch in ax.patches]
    assert fills.count(pair_figures.FILLS["better"]) == fills.count(pair_figures.FILLS["worse"]) == 5
    assert fills.count(pair_figures.FILLS["undecided"]) == 2
    difference = float(found.pair("A", "D")["difference"])
    assert f"▲ +{abs(difference):.3f}" in told


def test_an_optimizer_far_behind_is_told_at_the_edge(ax) -> None:
    """One at 0.1 among four near 0.9 leaves the others readable."""
    rng = np.random.default_rng(2)
    means = {"A": 0.9, "B": 0.89, "C": 0.88, "D": 0.885, "lost": 0.1}
    table = pd.DataFrame({label: rng.normal(mean, 0.005, 8) for label, mean in means.items()})
    found = verdicts.compare(table, score="test/accuracy", higher=True, margin=0.002)
    pair_figures.from_the_best(found, ax, figures.styles(list(means)))
    assert ax.get_xlim()[0] > -0.1
    assert any(text.get_text().startswith("◂ −0.799") for text in ax.texts)
    assert "beyond the axis" in ax.get_xlabel()


def test_labels_are_no_mathematics_here_either(looks) -> None:
    r"""`$\bad$` is printed as it is in every new figure."""
    odd = [r"$\bad$ a_b", "B", "C"]
    rng, styles = np.random.default_rng(3), figures.styles(odd)
    table = pd.DataFrame({label: rng.normal(size=6) for label in odd})
    found = verdicts.compare(table, score="x", higher=True, margin=0.0)
    ranks = several.mean_ranks(rng.normal(size=(8, 3)), higher=True)
    profiles = several.performance_profiles(rng.exponential(size=(1, 6, 3)) + 0.1, [1.0, 2.0], rng, resamples=20)
    curve = targets.survival([1.0, 2.0], [True, False])
    draws = [
        lambda ax: pair_figures.from_the_best(found, ax, styles),
        lambda ax: pair_figures.matrix(found, ax),
        lambda ax: several_figures.critical_difference(ranks, odd, ax, styles),
        lambda ax: several_figures.profiles(profiles, odd, ax, styles),
        lambda ax: target_figures.reached(
            {odd[0]: targets.survival([2.0], [False]), "B": curve}, ax, styles, unit="epoch", horizon=2
        ),
    ]
    for draw in draws:
        axes = Figure().subplots()
        draw(axes)
        axes.get_figure().draw_without_rendering()


def test_the_critical_difference_diagram_joins_those_that_lie_close(ax, looks) -> None:
    """Ranks 1, 2.1, 2.9, 4 with a critical difference of 1.2: bars over the first two, the middle two and the last two."""
    ranks = several.Ranks(np.array([2.1, 1.0, 4.0, 2.9]), np.ones((4, 4)), 1.2, 0.01, 10, 0.95)
    several_figures.critical_difference(ranks, LABELS, ax, looks)
    bars = sorted(tuple(line.get_xdata()) for line in ax.get_lines() if line.get_linewidth() == 3.2)
    assert bars == [pytest.approx(ends) for ends in [(0.96, 2.14), (2.06, 2.94), (2.86, 4.04)]]
    assert "critical difference 1.20" in [text.get_text() for text in ax.texts]


def test_profiles_are_drawn_as_they_are_given(ax, looks) -> None:
    """A step line per optimizer with its own share, and the number of cases beside."""
    costs = np.array([[[1.0, 2.0, 4.0, math.inf], [2.0, 1.0, 8.0, math.inf]]])
    found = several.performance_profiles(costs, [1.0, 2.0, 4.0, 8.0], np.random.default_rng(0), resamples=20)
    several_figures.profiles(found, LABELS, ax, looks)
    drawn = {line.get_color(): list(line.get_ydata()) for line in ax.get_lines()}
    assert drawn[looks["C"].color] == [0.0, 0.0, 0.5, 1.0]
    assert drawn[looks["D"].color] == [0.0] * 4
    assert ax.get_ylabel() == "Share of 2 cases within τ"


def test_the_curve_of_runs_that_arrived_ends_at_its_share(ax, looks) -> None:
    """Two of three runs arrived: the line ends at 2/3 with a cross; a label that never arrives is named and not drawn."""
    curves = {"A": targets.survival([1.0, 2.0, 4.0], [True, True, False]), "B": targets.survival([4.0], [False])}
    target_figures.reached(curves, ax, looks, unit="epoch", horizon=4)
    colours = {line.get_color() for line in ax.get_lines()}
    assert colours == {looks["A"].color}
    (cross,) = [line for line in ax.get_lines() if line.get_marker() == "x"]
    assert (list(cross.get_xdata()), cross.get_ydata()[0]) == ([4.0], pytest.approx(2 / 3))
    assert ax.get_xlabel() == "Epoch\nnever: B"


def test_the_table_of_pairs_holds_the_numbers_of_the_comparison(found) -> None:
    """A row per pair with verdict, difference and p, and how they came about beneath."""
    part = comparison_section.comparison(found)
    (sheet,) = part.sheets
    assert len(sheet.rows) == 6
    assert [column.title for column in sheet.columns][:5] == [
        "Optimizer",
        "Against",
        "Verdict",
        "Difference",
        "Adjusted p",
    ]
    values = [cell.value for cell in sheet.rows[0]]
    first = found.pairs.iloc[0]
    assert values[:3] == [first["first"], first["second"], first["verdict"]]
    assert values[3] == first["difference"]
    assert "family error at most 5%" in sheet.notes[0]
    assert part.data["pairs"] is found.pairs


def test_time_to_target_follows_the_score_or_else_the_training_loss(sample) -> None:
    """A score that is measured after the last epoch alone has no time; where nothing has, there is no such part."""
    _, trials, store = sample.small()
    frames = frame.load(store, trials)
    part = target_section.time_to_target(frames, "test/accuracy", list(frames.labels))
    assert part.sheets[0].columns[2].title == "Test accuracy"
    _, trials, store = sample.quick()
    late = frame.load(store, trials)
    part = target_section.time_to_target(late, "test/accuracy", list(late.labels))
    assert part.sheets[0].columns[2].title == "Training loss"
    times, table = part.data["times"], part.data["targets"]
    assert len(times) == 3 * 9 * 6
    assert len(table) == 3 * 9
    row = table[(table["target"] == "middle") & (table["label"] == "Adam")].iloc[0]
    own = times[(times["target"] == "middle") & (times["label"] == "Adam")]
    expected = targets.restricted_mean(own["epoch"], own["reached"], row["epoch horizon"])
    assert row["epoch"] == expected.value
    once = frame.Frames(late.trials, late.points[late.points["epoch"] == 4], late.planned)
    assert target_section.time_to_target(once, "test/accuracy", list(late.labels)) is None


def test_means_are_restricted_to_the_time_that_was_watched() -> None:
    """All were watched for 5 epochs: one that missed counts 5, also where those who arrived did so in 3."""
    rows = [("A", 1, True), ("A", 2, True), ("B", 3, True), ("B", 3, True), ("C", 4, True), ("C", 5, False)]
    times = pd.DataFrame(rows, columns=["label", "epoch", "reached"])
    times = times.assign(target="middle", value=0.5, **{"epoch watched": 5.0})
    table = target_section._summary(times, ["A", "B", "C"], ["epoch"]).set_index("label")
    assert table["epoch horizon"].tolist() == [5.0] * 3
    assert table["epoch"].to_dict() == {"A": 1.5, "B": 3.0, "C": 4.5}
    lost = [(label, np.inf, False) for label in "DEFG"]
    lost = pd.DataFrame(lost, columns=["label", "epoch", "reached"]).assign(
        target="middle", value=0.5, **{"epoch watched": 1.0}
    )
    more = target_section._summary(pd.concat([times, lost]), list("ABCDEFG"), ["epoch"])
    assert set(more["epoch horizon"]) == {5.0}, (
        "runs that diverged after an epoch tell nothing of how long others were watched"
    )


def test_an_optimizer_that_never_arrives_says_so_in_the_table(large) -> None:
    """No mean time stands where no run reached the target."""
    frames = large.frames
    part = target_section.time_to_target(frames, "test/accuracy", list(frames.labels))
    rows = {(row[0].text, row[1].text): [cell.text for cell in row] for row in part.sheets[0].rows}
    assert rows["SGD, lr 10", "hard"][3:] == ["0/10", "not reached", "not reached", "not reached"]
    assert rows["AdaGrad", "easy"][3] == "10/10"


def test_a_report_answers_with_the_verdict_first(large) -> None:
    """Page, Markdown and table: the tiers' sentence, the pairs, what could be found; a failed optimizer's rate and place."""
    report = large
    text = (report.folder / "report.md").read_text()
    assert report.answer.startswith("By test accuracy, AdaMax cannot be told from the best, AdaGrad; ")
    assert text.index("cannot be told from the best") < text.index("## Results")
    page = (report.folder / "index.html").read_text()
    assert '<h2 id="comparison">Comparison</h2>' in page
    assert (
        page.index('id="convergence"')
        < page.index('id="comparison"')
        < page.index('id="targets"')
        < page.index('id="each"')
    )
    assert "Not compared, with fewer than 6 scores: SGD, lr 10 (0)." in page
    assert "SGD, lr 10 0 of 10 (0% to 31%)" in (report.folder / "table.md").read_text()
    assert "this study finds with probability 80%" in (report.folder / "table.md").read_text()
    pairs = pd.read_csv(report.folder / "pairs.csv")
    assert len(pairs) == 55
    assert set(pairs["verdict"]) <= {"better", "worse", "tied", "undecided"}


@pytest.mark.usefixtures("no_figures")
def test_one_optimizer_makes_a_report_without_a_comparison(sample, tmp_path) -> None:
    """Nothing is compared, and nothing says otherwise."""
    study = sample.study(["Adam"], name="alone", train_examples=256)
    trials = sample.plan(study)
    report = build(study, trials, sample.fill(sample.Store(), trials), tmp_path / "report")
    assert 'id="comparison"' not in report.page.read_text()
    assert report.answer.startswith("Adam has the highest mean test accuracy")
    assert summary(report, "alone")["pairs"] == []


def test_the_numbers_for_scripts_are_plain_json(large) -> None:
    """Estimates, pairs, tiers and targets; what does not exist is null and what never happens Infinity, as text."""
    report = large
    told = json.loads(json.dumps(summary(report, "large"), allow_nan=False))
    assert [row["label"] for row in told["estimates"]] == list(report.estimates["label"])
    assert told["estimates"][-1]["test/accuracy"] is None
    assert len(told["pairs"]) == 55
    row = told["pairs"][0]
    assert {"p", "adjusted_p", "low", "high", "joint_low", "joint_high", "verdict"} <= row.keys()
    assert row["difference"] == pytest.approx(float(report.comparison.pairs["difference"].iloc[0]))
    assert told["tiers"] == report.comparison.tiers
    assert told["not_told_from_the_best"] == ["AdaGrad", "AdaMax"]
    assert {row["target"] for row in told["targets"]} == {"easy", "middle", "hard"}
