"""Tests of `reports.text.notes`."""

import math

import pytest

from reports.analysis.estimates import by_label
from reports.frames.scores import final
from reports.frames.study_frames import load
from reports.text import notes
from suite.records import Outcome, Point


@pytest.fixture
def told(sample):
    """A function: accuracies by label (text: an outcome's reason; None: missing) to frames and estimates."""

    def tell(values, score="test/accuracy", environments=()):
        study = sample.study(values, repeats=max(map(len, values.values())), epochs=1)
        trials = sample.plan(study)
        store = sample.Store()
        for at, trial in enumerate(trials):
            value = values[trial.label][trial.repeat]
            other = {"environment": environments[at]} if environments else {}
            if isinstance(value, str):
                store.add(trial, [], Outcome.DIVERGED, reason=value, **other)
            elif value is not None:
                store.add(trial, [Point(score, 1, 1, value)], **other)
        frames = load(store, trials)
        return frames, by_label(frames, final(frames, [score]), [score], score)

    return tell


@pytest.mark.parametrize(
    ("halves", "digits"),
    [
        ([0.0041], 4),  # 0.0041 shows two digits of itself
        ([0.0123, 0.5, 0.0001], 3),  # the median 0.0123
        ([12.0], 0),
        ([math.nan], 4),
        ([0.0, 0.02], 3),  # a width of 0 tells no digits
        ([1e-12], 6),
    ],
)
def test_a_column_shows_two_digits_of_its_median_half_width(halves, digits) -> None:
    """Digits come from the intervals, one number for the whole column."""
    assert notes.decimals(halves) == digits


def test_a_mean_is_printed_with_its_half_width_or_with_both_bounds() -> None:
    """Symmetric: ±. Not symmetric: brackets. No interval: the mean alone. Nothing: a dash."""
    assert notes.plus_minus(0.5, 0.4, 0.6, 2) == "0.50 ± 0.10"
    assert notes.plus_minus(0.5, 0.45, 0.6, 2) == "0.50 [0.45, 0.60]"
    assert notes.plus_minus(0.5, math.nan, math.nan, 2) == "0.50"
    assert notes.plus_minus(math.nan, math.nan, math.nan, 2) == "–"
    assert notes.plus_minus(-1.5, -2.0, -1.0, 1) == "−1.5 ± 0.5"
    assert notes.plus_minus(0.981, 0.9807, 0.9813, 3) == "0.98100 ± 0.00030", "no spread that is there is rounded away"
    assert notes.plus_minus(0.5, 0.5, 0.5, 2) == "0.50", "no width is no interval"


def test_the_headline_names_the_highest_mean_with_its_interval(told) -> None:
    """0.8, 0.9: mean 0.85, half-width 12.7062 · 0.0707107/√2 = 0.635; the caution claims no difference."""
    _, table = told({"Adam": [0.8, 0.9], "MBSGD": [0.5, 0.6]})
    text = notes.headline(table, "test/accuracy")
    assert text == "Adam has the highest mean test accuracy: 0.85 ± 0.64 (95% Student t interval, n = 2)."


def test_the_headline_of_a_loss_names_the_lowest(told) -> None:
    """Less loss is better."""
    _, table = told({"Adam": [0.8, 0.9], "MBSGD": [0.5, 0.6]}, "test/loss")
    assert notes.headline(table, "test/loss").startswith("MBSGD has the lowest mean test loss: 0.55 ±")


def test_the_headline_tells_what_its_mean_leaves_out(told) -> None:
    """A mean over survivors says that it is one."""
    _, table = told({"Adam": [0.8, 0.9, "not finite"]})
    assert "leaves out 1 of its 3 repeats" in notes.headline(table, "test/accuracy")


def test_the_headline_of_one_repeat_has_no_interval(told) -> None:
    """It says so instead."""
    _, table = told({"Adam": [0.8]})
    expected = "Adam has the highest mean test accuracy: 0.8000 (no interval: 1 repeat)."
    assert notes.headline(table, "test/accuracy") == expected
    assert notes.intervals(table) == ["No interval: 1 repeat (Adam)."]


def test_repeats_that_are_all_equal_have_no_interval(told) -> None:
    """They show nothing of how they would vary; both the headline and the notes say so."""
    frames, table = told({"Adam": [0.8, 0.8], "MBSGD": [0.5, 0.6]})
    text = "Adam has the highest mean test accuracy: 0.80 (no interval: all 2 repeats are equal)."
    assert notes.headline(table, "test/accuracy") == text
    assert any(
        line.endswith("none shows how it would vary: Adam.")
        for line in notes.table_notes(frames, table, "test/accuracy")
    )


def test_an_interval_beyond_what_an_accuracy_can_be_is_explained(told) -> None:
    """Student's is symmetric; of a loss nothing is said."""
    for metric, said in (("test/accuracy", True), ("test/loss", False)):
        frames, table = told({"Adam": [0.98, 1.0]}, metric)
        assert (
            any("beyond what an accuracy can be" in line for line in notes.table_notes(frames, table, metric)) is said
        )


def test_equal_means_share_the_headline(told) -> None:
    """No order is made up."""
    _, table = told({"Adam": [0.8, 0.9], "MBSGD": [0.9, 0.8]})
    assert notes.headline(table, "test/accuracy").startswith("Adam and MBSGD share the highest mean test accuracy")


def test_the_headline_of_a_study_where_all_failed_says_so(told) -> None:
    """No winner among none."""
    frames, table = told({"Adam": ["not finite", "not finite"]})
    text = notes.headline(table, "test/accuracy")
    assert text == "No optimizer has a test accuracy: no trial reached the end of its budget."
    assert notes.failures(frames) == [("Adam", "diverged", 2, 2, "not finite")]


def test_reasons_are_counted_apart_and_kept_to_one_line(told) -> None:
    """Two reasons, two lines; line breaks become blanks, and a long text is cut."""
    frames, _ = told({"Adam": ["one\n  two", "x" * 500, "one two", 0.5]})
    first, second = notes.failures(frames)
    assert first == ("Adam", "diverged", 2, 4, "one two")
    assert len(second[4]) == 160
    assert notes.failure_lines(frames)[0].startswith("Not ok, so not in the means: Adam: 2 of 4 diverged (one two); ")


def test_missing_trials_are_told_by_label(told) -> None:
    """An incomplete study says how much of it is there."""
    frames, _ = told({"Adam": [0.5, None, None], "MBSGD": [0.5, 0.6, None]})
    assert notes.incomplete(frames) == "Incomplete: 3 of 6 trials recorded. Missing: Adam 2, MBSGD 1."
    complete, _ = told({"Adam": [0.5, 0.6]})
    assert notes.incomplete(complete) == ""


def test_a_study_of_several_environments_says_what_they_differ_in(told) -> None:
    """Only what bits depend on makes another environment; one environment is not worth a line."""
    one, two = {"device": "cpu", "torch": "2.11", "commit": "a"}, {"device": "cpu", "torch": "2.15", "commit": "b"}
    frames, table = told({"Adam": [0.5, 0.6, 0.7]}, environments=[two, one, two])
    text = notes.mixed(frames)
    assert text.startswith("Mixed: the trials ran in 2 environments, which differ in PyTorch (2.15: 2, 2.11: 1). ")
    assert text in notes.table_notes(frames, table, "test/accuracy")
    same, _ = told({"Adam": [0.5, 0.6]}, environments=[one, one | {"commit": "c"}])
    assert notes.mixed(same) == ""


def test_unequal_counts_of_repeats_point_to_the_column_that_has_them(told) -> None:
    """One n for all is printed; several are not."""
    _, same = told({"Adam": [0.5, 0.6], "MBSGD": [0.5, 0.7]})
    assert notes.intervals(same) == ["Mean over n = 2 repeats ± half of its 95% Student t interval."]
    _, unlike = told({"Adam": [0.5, 0.6, "x"], "MBSGD": [0.5, 0.7, 0.8]})
    assert "the first number of ok/run" in notes.intervals(unlike)[0]


def test_several_machines_are_told_with_their_trials(told) -> None:
    """A table from two devices does not pretend to be from one."""
    one, two = {"device": "cpu", "torch": "2.11"}, {"device": "cuda", "torch": "2.11"}
    frames, _ = told({"Adam": [0.5, 0.6, 0.7]}, environments=[two, one, two])
    assert notes.where(frames) == "Device: cuda (2 trials), cpu (1 trials), torch 2.11."


def test_changes_that_were_not_committed_are_told(told) -> None:
    """A commit with a + is explained where it stands."""
    explained = " (+: with changes that were not committed)."
    frames, _ = told({"Adam": [0.5]}, environments=[{"device": "cpu", "commit": "0123456789ab+"}])
    assert notes.where(frames) == f"Device: cpu, commit 0123456789ab+{explained}"
    dirty, clean = {"device": "cpu", "commit": "0123456789ab+"}, {"device": "cpu", "commit": "cd"}
    frames, _ = told({"Adam": [0.5, 0.6, 0.7]}, environments=[dirty, dirty, clean])
    assert notes.where(frames) == f"Device: cpu, commit 0123456789ab+ (2 trials), cd (1 trials){explained}"
