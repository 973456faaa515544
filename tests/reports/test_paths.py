"""`reports.paths`: the paths of the records, from the start of their surface on, and what a figure shows of them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from reports import build, paths, writing
from reports.figures import styles
from reports.frame import SURFACES, Frames

WAYS = {  # label: surface, outcome, places after each update
    "In": ("valley", "ok", [(-4.0, 1.0), (-2.0, 0.5), (-1.0, 0.25)]),
    "Out": ("valley", "ok", [(-4.0, 90.0), (-3.0, -900.0)]),
    "Lost": ("valley", "diverged", [(-4.0, 1e9)]),
    "Far": ("beale", "ok", [(1.5, 0.7)]),
}


@pytest.fixture
def frames():
    """Four labels, one repeat each: two on the valley, one diverged there, one on Beale's function."""
    trials, points = [], []
    for label, (surface, outcome, places) in WAYS.items():
        trials.append({"label": label, "repeat": 0, "problem_options": {"surface": surface}, "outcome": outcome})
        for step, at in enumerate(places, 1):
            common = {"label": label, "repeat": 0, "outcome": outcome, "epoch": step, "step": step}
            values = {"path/x1": at[0], "path/x2": at[1], "test/loss": 0.0}
            points += [common | {"metric": metric, "value": value} for metric, value in values.items()]
    return Frames(pd.DataFrame(trials), pd.DataFrame(points), dict.fromkeys(WAYS, 1))


def test_a_path_begins_at_the_start_of_its_surface(frames):
    """Step 0 is the start, the recorded places follow in order; a trial that diverged has no path."""
    table = paths.places(frames)
    assert list(table["label"].unique()) == ["In", "Out", "Far"]
    own = table[table["label"] == "In"]
    assert own["step"].tolist() == [0, 1, 2, 3]
    assert list(zip(own["x1"], own["x2"], strict=True)) == [(-5.0, -2.0), *WAYS["In"][2]]
    assert table[table["label"] == "Far"][["x1", "x2"]].to_numpy().tolist() == [[1.0, 1.0], [1.5, 0.7]]


def test_trials_without_a_surface_have_no_paths(frames):
    """Other problems' records give an empty frame, and their report no such figure."""
    other = Frames(
        frames.trials.assign(problem_options=[{}] * 4),
        frames.points[frames.points["metric"] == "test/loss"],
        frames.planned,
    )
    assert paths.places(other).empty
    assert list(build._paths(SimpleNamespace(frames=other, looks=styles(other.labels)))) == []


def test_the_window_holds_what_matters_and_no_path_that_runs_away(frames):
    """Start, minimum and the places near them are inside; a place 900 away does not widen the frame."""
    table = paths.places(frames)
    a, b, c, d = paths.window(SURFACES["valley"], table[table["surface"] == "valley"])
    for x1, x2 in [(-5, -2), (0, 0), *WAYS["In"][2]]:
        assert a < x1 < b
        assert c < x2 < d
    assert max(map(abs, (a, b, c, d))) < 10


def test_the_contours_are_of_the_function():
    """Every drawn line has one height, the lowest of them a thousandth of the highest, and a star marks the minimum."""
    ax = Figure().subplots()
    f = SURFACES["valley"].formula
    paths.contours(SURFACES["valley"], ax, (-6.0, 1.0, -3.0, 3.0))
    heights = []
    for line in ax.collections[0].get_paths():
        if len(line.vertices):
            heights.append(f(*line.vertices.T))
            assert np.ptp(heights[-1]) <= 0.02 * heights[-1].mean() + 1e-3
    assert np.mean(heights[-1]) / np.mean(heights[0]) == pytest.approx(10 ** (3 * (len(heights) - 1) / 11), rel=0.1)
    assert ax.lines[0].get_xydata().tolist() == [[0, 0]]


def test_small_multiples_draw_every_place_in_the_labels_colour(frames):
    """A panel per label with its whole path; one that runs away says so, and the panels of a surface share limits."""
    looks = styles(frames.labels)
    figure = paths.small_multiples(paths.places(frames), looks)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]
    assert titles == ["In", "Out", "Far"]
    panels = dict(zip(titles, figure.axes, strict=True))
    way = panels["In"].lines[1]
    assert way.get_xydata().tolist() == [[-5.0, -2.0], *map(list, WAYS["In"][2])]
    assert to_hex(way.get_color()) == looks["In"].color
    assert [text.get_text() for text in panels["Out"].texts] == ["leaves the frame"]
    assert [text.get_text() for text in panels["In"].texts] == []
    assert panels["In"].get_xlim() == panels["Out"].get_xlim() != panels["Far"].get_xlim()


def test_a_report_has_the_figure_of_the_paths(frames):
    """The report's pictures hold the paths in every format, with a text for those who cannot see them."""
    (picture,) = build._paths(SimpleNamespace(frames=frames, looks=styles(frames.labels)))
    assert picture.name == "paths"
    assert picture.files.keys() == writing.FORMATS.keys()
    assert all(picture.files.values())
    assert "In, Out, Far" in picture.alt
