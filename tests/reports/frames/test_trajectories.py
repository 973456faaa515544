"""`reports.frames.trajectories` and `reports.sections.trajectories`: which paths are one optimizer's, how each ended, what is said."""

import math

import numpy as np
import pandas as pd
import pytest
from surface_paths import DOWN, WAYS, of

from reports.frames import trajectories
from reports.frames.study_frames import SURFACES, Frames
from reports.sections import trajectories as path_section
from reports.text import notes


@pytest.fixture
def frames():
    """Paths that come in, run off, leave the numbers and come back on the valley, one on Beale's function, one missing."""
    return of(WAYS)


@pytest.fixture
def ground(frames):
    """What is recorded on the valley."""
    return path_section.surface_results(frames)[0]


def test_a_path_begins_at_the_start_of_its_surface(frames):
    """Step 0 is the start, the recorded places follow with their heights; a trial without a record has no path."""
    table = trajectories.trajectory_points(frames)
    assert list(table["label"].unique()) == ["GD 0.4", "GD 0.6", "GD 2", "Adam 0.4", "Far"]
    own = table[table["label"] == "GD 0.4"]
    assert own["step"].tolist() == [0, 1, 2, 3]
    assert list(zip(own["x1"], own["x2"], strict=True)) == [(-5.0, -2.0), *DOWN]
    assert own["height"].tolist() == pytest.approx([0.1 * a * a + 2 * b * b for a, b in [(-5, -2), *DOWN]])
    assert table[table["label"] == "Far"][["x1", "x2"]].to_numpy().tolist() == [[1.0, 1.0], [1.5, 0.7]]


def test_repeats_which_are_equal_are_one_path(frames):
    """A second repeat of a label adds no place."""
    again = frames.points.assign(repeat=1)
    more = Frames(
        pd.concat([frames.trials, frames.trials.assign(repeat=1)]), pd.concat([frames.points, again]), frames.planned
    )
    pd.testing.assert_frame_equal(trajectories.trajectory_points(more), trajectories.trajectory_points(frames))


def test_labels_that_differ_in_the_learning_rate_alone_are_one_optimizer(frames):
    """By rule, options and surface, the lowest rate first, named by what their labels have in common."""
    found = {family.name: dict(family.labels) for family in trajectories.families(frames)}
    assert found["GD"] == {0.4: "GD 0.4", 0.6: "GD 0.6", 2.0: "GD 2"}
    assert found["Adam"] == {0.4: "Adam 0.4"}
    assert [family.surface for family in trajectories.families(frames)] == ["valley", "valley", "beale", "valley"]


def test_optimizers_of_one_name_are_told_apart_by_their_options(frames):
    """Two momentums with different γ are two rows, each with its γ."""
    trials = frames.trials.copy()
    gammas = {"GD 0.4": 0.5, "GD 0.6": 0.25, "GD 2": 0.25}
    trials["hyperparameters"] = [
        {**options, "momentum": gammas.get(label, 0.0)}
        for label, options in zip(trials["label"], trials["hyperparameters"], strict=True)
    ]
    names = [family.name for family in trajectories.families(Frames(trials, frames.points, frames.planned))]
    assert names[:2] == ["GD (momentum 0.5)", "GD (momentum 0.25)"]


def test_how_each_path_ended(frames):
    """Its height, the first step at 1% of the first height, and whether it diverges: not where it came back down."""
    ended = trajectories.final_points(trajectories.trajectory_points(frames), frames).set_index("label")
    assert ended["diverges"].to_dict() == {
        "GD 0.4": False,
        "GD 0.6": True,
        "GD 2": True,
        "Adam 0.4": False,
        "Far": False,
    }
    assert ended.loc["GD 0.4", "height"] == pytest.approx(0.1 * 0.1**2 + 2 * 0.01**2)
    assert ended.loc["GD 0.4", "near"] == 3
    assert math.isnan(ended.loc["Adam 0.4", "near"])
    assert ended.loc["GD 2", "height"] == math.inf
    assert ended.loc["GD 0.6", "steps"] == 2


def test_a_trial_that_broke_has_no_path_and_does_not_diverge(wording):
    """Its label is `failed` in the table; where another repeat ended, that one's path is the label's."""
    broke = of(WAYS | {"GD 0.4": (0.4, "valley", "failed", DOWN[:1])})
    (ground, *_) = path_section.surface_results(broke)
    assert "GD 0.4" not in set(ground.ended["label"])
    assert path_section.answer((ground,)).endswith("2 of 3 trajectories diverge.")
    cells = {
        row[0].text: [cell.text for cell in row]
        for row in path_section.surface_table(ground, name="a", heading="b").rows
    }
    assert "failed" in cells["GD"]
    why = Frames(broke.trials.assign(reason="out of memory"), broke.points, broke.planned)
    assert "GD 0.4 (out of memory)" in notes.failed_on_surface(why)
    wording(notes.failed_on_surface(why))
    again = of(WAYS)
    both = Frames(
        pd.concat([broke.trials, again.trials.assign(repeat=1)], ignore_index=True),
        pd.concat([broke.points, again.points.assign(repeat=1)], ignore_index=True),
        dict.fromkeys(WAYS, 2),
    )
    (ground, *_) = path_section.surface_results(both)
    ended = ground.ended.set_index("label").loc["GD 0.4"]
    assert (ended["steps"], ended["diverges"]) == (3, False)


def test_a_path_that_is_coming_back_does_not_diverge():
    """It ends higher than it began, 19.6 after 10.5, but far below its greatest height, 1801.6."""
    frames = of({"Adam 2": (2.0, "valley", "ok", [(-4.0, 30.0), (-4.0, 3.0)])})
    (ended,) = trajectories.final_points(trajectories.trajectory_points(frames), frames).to_dict(orient="records")
    assert ended["height"] == pytest.approx(19.6)
    assert not ended["diverges"]


def test_the_best_learning_rate_is_that_which_ends_lowest_and_never_one_that_diverges(frames, ground):
    """GD's is 0.4; an optimizer whose paths all diverge has none."""
    gd, adam, *_ = ground.families
    assert trajectories.best_label(gd, ground.ended) == "GD 0.4"
    assert trajectories.best_label(adam, ground.ended) == "Adam 0.4"
    lost = ground.ended.assign(diverges=True)
    assert trajectories.best_label(gd, lost) is None


def test_the_window_holds_what_matters_and_no_path_that_runs_away(frames):
    """Start, minimum and the places near them are inside; a place 900 away does not widen the frame."""
    table = trajectories.trajectory_points(frames)
    a, b, c, d = shown = trajectories.window(SURFACES["valley"], table[table["surface"] == "valley"])
    for x1, x2 in [(-5, -2), (0, 0), *DOWN]:
        assert a < x1 < b
        assert c < x2 < d
    assert max(map(abs, shown)) < 15
    assert trajectories.ends_outside(table[table["label"] == "GD 0.6"], shown)
    assert not trajectories.ends_outside(table[table["label"] == "Adam 0.4"], shown)


def test_what_is_drawn_of_a_path_that_runs_away_keeps_its_direction(frames):
    """Far places come nearer along their ray from the window's middle; places inside stay to the bit; nothing overflows."""
    table = trajectories.trajectory_points(frames)
    shown = (-6.0, 2.0, -3.0, 3.0)
    drawn = trajectories.clip_far_points(table[table["label"] == "GD 2"], shown)
    assert drawn[0].tolist() == [-5.0, -2.0]
    middle = np.array([-2.0, 0.0])
    for at, true in zip(drawn[1:], [(-4.0, 1e9), (3.0, 1e200)], strict=True):
        assert np.hypot(*(at - middle)) == pytest.approx(8_000)
        ray = (np.array(true) - middle) / np.hypot(*(np.array(true) - middle))
        assert (at - middle) / 8_000 == pytest.approx(ray)
    inside = trajectories.clip_far_points(table[table["label"] == "GD 0.4"], shown)
    assert inside.tolist() == [[-5.0, -2.0], *map(list, DOWN)]


def test_the_answer_names_who_ends_lowest_and_counts_what_diverges(ground, wording):
    """With learning rate and height, no interval and no verdict; two of the four paths on the valley diverge."""
    text = path_section.answer((ground,))
    for part in ("GD at η\u00a0=\u00a00.4", "after 3 steps", "0.0012 above", "2 of 4 trajectories diverge."):
        assert part in text
    wording(text)


def test_a_surface_where_all_diverges_has_no_winner():
    """The answer says so."""
    on = path_section.surface_results(of({"GD 2": WAYS["GD 2"]}))
    assert path_section.answer(on) == "Every trajectory diverges."


def test_the_table_has_a_row_for_each_optimizer_and_a_column_for_each_rate(ground):
    """Sorted by the best end; the best of a row is bold; what diverges says so and sorts last."""
    sheet = path_section.surface_table(ground, name="estimates", heading="The valley")
    assert [column.title for column in sheet.columns] == ["Optimizer", "η=0.1", "η=0.4", "η=0.6", "η=2", "Steps to 1%"]
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in sheet.rows}
    assert rows["GD"] == ["–", "0.0012", "diverges", "diverges", "3"]
    assert rows["Adam"] == ["–", "0.9", "–", "–", "never"]
    assert list(rows) == ["GD", "Adam", "Gone"]
    assert [cell.best for cell in sheet.rows[0]] == [False, False, True, False, False, False]


def test_numbers_of_any_size_are_told_with_two_digits():
    """Plain between a thousandth and ten thousand, with an exponent beyond."""
    told = [0.0, 0.0887, 1.5, 5600, 1.84e-5, 5.6e6, -2e-9, math.nan]
    assert [notes.compact(value) for value in told] == ["0", "0.089", "1.5", "5,600", "1.8e−5", "5.6e6", "−2.0e−9", "–"]


def test_trials_without_a_surface_have_no_paths(frames):
    """Other problems' records are on no surface, and one such trial is enough."""
    assert frames.on_surfaces
    some = frames.trials.assign(problem_options=[{}, *frames.trials["problem_options"][1:]])
    assert not Frames(some, frames.points, frames.planned).on_surfaces
    none = Frames(frames.trials.assign(problem_options=[{}] * len(frames.trials)), frames.points, frames.planned)
    assert trajectories.trajectory_points(none).empty
    assert path_section.surface_results(none) == ()
