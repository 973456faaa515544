"""Tests of `reports.frames.trajectories` and `reports.sections.trajectories`."""

import math

import numpy as np
import pandas as pd
import pytest
from surface_paths import DOWN, TRAJECTORIES, trajectory_frames

from reports.frames import trajectories
from reports.frames.study_frames import SURFACES, Frames
from reports.sections import trajectories as path_section
from reports.text import notes


@pytest.fixture
def frames():
    """Return trajectories that converge, diverge, overflow and return on the valley, one on Beale's function, and a gap."""
    return trajectory_frames(TRAJECTORIES)


@pytest.fixture
def ground(frames):
    """Return the results on the valley."""
    return path_section.surface_results(frames)[0]


def test_a_trajectory_begins_at_the_start_of_its_function(frames):
    """Step 0 is the start, and the recorded points follow with their heights; a trial without a record has none."""
    table = trajectories.trajectory_points(frames)
    assert list(table["label"].unique()) == ["GD 0.4", "GD 0.6", "GD 2", "Adam 0.4", "Far"]
    own = table[table["label"] == "GD 0.4"]
    assert own["step"].tolist() == [0, 1, 2, 3]
    assert list(zip(own["x1"], own["x2"], strict=True)) == [(-5.0, -2.0), *DOWN]
    assert own["height"].tolist() == pytest.approx([0.1 * a * a + 2 * b * b for a, b in [(-5, -2), *DOWN]])
    assert table[table["label"] == "Far"][["x1", "x2"]].to_numpy().tolist() == [[1.0, 1.0], [1.5, 0.7]]


def test_equal_repeats_are_one_trajectory(frames):
    """A second repeat of a label adds no points."""
    again = frames.points.assign(repeat=1)
    more = Frames(
        pd.concat([frames.trials, frames.trials.assign(repeat=1)]), pd.concat([frames.points, again]), frames.planned
    )
    pd.testing.assert_frame_equal(trajectories.trajectory_points(more), trajectories.trajectory_points(frames))


def test_labels_that_differ_only_in_the_learning_rate_are_one_optimizer(frames):
    """They share rule, options and function; the lowest rate comes first, and the name is what the labels have in common."""
    found = {family.name: dict(family.labels) for family in trajectories.families(frames)}
    assert found["GD"] == {0.4: "GD 0.4", 0.6: "GD 0.6", 2.0: "GD 2"}
    assert found["Adam"] == {0.4: "Adam 0.4"}
    assert [family.surface for family in trajectories.families(frames)] == ["valley", "valley", "beale", "valley"]


def test_optimizers_of_one_name_are_distinguished_by_their_options(frames):
    """Two momentums with different γ are two rows, each with its γ."""
    trials = frames.trials.copy()
    gammas = {"GD 0.4": 0.5, "GD 0.6": 0.25, "GD 2": 0.25}
    trials["hyperparameters"] = [
        {**options, "momentum": gammas.get(label, 0.0)}
        for label, options in zip(trials["label"], trials["hyperparameters"], strict=True)
    ]
    names = [family.name for family in trajectories.families(Frames(trials, frames.points, frames.planned))]
    assert names[:2] == ["GD (momentum 0.5)", "GD (momentum 0.25)"]


def test_final_points(frames):
    """Height, first step at 1% of the initial height, and divergence, which excludes a trajectory that returned."""
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


def test_a_failed_trial_has_no_trajectory_and_does_not_diverge(wording):
    """Its label is `failed` in the table; if another repeat ended, its trajectory is used."""
    broke = trajectory_frames(TRAJECTORIES | {"GD 0.4": (0.4, "valley", "failed", DOWN[:1])})
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
    again = trajectory_frames(TRAJECTORIES)
    both = Frames(
        pd.concat([broke.trials, again.trials.assign(repeat=1)], ignore_index=True),
        pd.concat([broke.points, again.points.assign(repeat=1)], ignore_index=True),
        dict.fromkeys(TRAJECTORIES, 2),
    )
    (ground, *_) = path_section.surface_results(both)
    ended = ground.ended.set_index("label").loc["GD 0.4"]
    assert (ended["steps"], ended["diverges"]) == (3, False)


def test_a_returning_trajectory_does_not_diverge():
    """It ends higher than it began, 19.6 after 10.5, but far below its maximum, 1801.6."""
    frames = trajectory_frames({"Adam 2": (2.0, "valley", "ok", [(-4.0, 30.0), (-4.0, 3.0)])})
    (ended,) = trajectories.final_points(trajectories.trajectory_points(frames), frames).to_dict(orient="records")
    assert ended["height"] == pytest.approx(19.6)
    assert not ended["diverges"]


def test_the_best_learning_rate_ends_lowest_and_does_not_diverge(frames, ground):
    """GD's is 0.4; an optimizer whose trajectories all diverge has none."""
    gd, adam, *_ = ground.families
    assert trajectories.best_label(gd, ground.ended) == "GD 0.4"
    assert trajectories.best_label(adam, ground.ended) == "Adam 0.4"
    lost = ground.ended.assign(diverges=True)
    assert trajectories.best_label(gd, lost) is None


def test_the_window_excludes_diverging_points(frames):
    """Start, minimum and points near them are inside; a point 900 away does not widen the window."""
    table = trajectories.trajectory_points(frames)
    a, b, c, d = shown = trajectories.window(SURFACES["valley"], table[table["surface"] == "valley"])
    for x1, x2 in [(-5, -2), (0, 0), *DOWN]:
        assert a < x1 < b
        assert c < x2 < d
    assert max(map(abs, shown)) < 15
    assert trajectories.ends_outside(table[table["label"] == "GD 0.6"], shown)
    assert not trajectories.ends_outside(table[table["label"] == "Adam 0.4"], shown)


def test_clipped_points_keep_their_direction(frames):
    """Far points move along their ray to the centre; near points are bit-for-bit identical; nothing overflows."""
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


def test_the_answer_has_the_lowest_value_and_the_number_of_divergences(ground, wording):
    """It has learning rate and height, no interval and no verdict; two of the four trajectories diverge."""
    text = path_section.answer((ground,))
    for part in ("GD at η\u00a0=\u00a00.4", "after 3 steps", "0.0012 above", "2 of 4 trajectories diverge."):
        assert part in text
    wording(text)


def test_a_function_on_which_all_diverge_has_no_best_optimizer():
    """The answer states it."""
    on = path_section.surface_results(trajectory_frames({"GD 2": TRAJECTORIES["GD 2"]}))
    assert path_section.answer(on) == "Every trajectory diverges."


def test_the_table_has_a_row_for_each_optimizer_and_a_column_for_each_rate(ground):
    """Rows are sorted by the lowest final value; the best of a row is bold; diverging ones are last."""
    sheet = path_section.surface_table(ground, name="estimates", heading="The valley")
    assert [column.title for column in sheet.columns] == ["Optimizer", "η=0.1", "η=0.4", "η=0.6", "η=2", "Steps to 1%"]
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in sheet.rows}
    assert rows["GD"] == ["–", "0.0012", "diverges", "diverges", "3"]
    assert rows["Adam"] == ["–", "0.9", "–", "–", "never"]
    assert list(rows) == ["GD", "Adam", "Gone"]
    assert [cell.best for cell in sheet.rows[0]] == [False, False, True, False, False, False]


def test_compact_numbers_have_two_digits():
    """They have an exponent below a thousandth and from ten thousand on."""
    values = [0.0, 0.0887, 1.5, 5600, 1.84e-5, 5.6e6, -2e-9, math.nan]
    assert [notes.compact(value) for value in values] == [
        "0",
        "0.089",
        "1.5",
        "5,600",
        "1.8e−5",
        "5.6e6",
        "−2.0e−9",
        "–",
    ]


def test_trials_without_a_test_function_have_no_trajectories(frames):
    """One trial without a test function is enough."""
    assert frames.on_surfaces
    some = frames.trials.assign(problem_options=[{}, *frames.trials["problem_options"][1:]])
    assert not Frames(some, frames.points, frames.planned).on_surfaces
    none = Frames(frames.trials.assign(problem_options=[{}] * len(frames.trials)), frames.points, frames.planned)
    assert trajectories.trajectory_points(none).empty
    assert path_section.surface_results(none) == ()
