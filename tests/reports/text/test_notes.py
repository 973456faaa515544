"""Tests of `reports.text.notes`."""

import math

import pytest

from reports.analysis.estimates import by_label
from reports.frames.scores import final
from reports.frames.study_frames import load
from reports.statistics.intervals import success_interval
from reports.text import notes
from suite.records import Outcome, Point

ACCURACY = "test/accuracy"


@pytest.fixture
def results(sample):
    """A function that returns frames and estimates of accuracies by label (text: a reason to diverge; None: missing)."""

    def make(values, score=ACCURACY, environments=()):
        study = sample.study(values, repeats=max(map(len, values.values())), epochs=1)
        trials = sample.plan(study)
        store = sample.Store()
        for at, trial in enumerate(trials):
            value = values[trial.label][trial.repeat]
            fields = {"environment": environments[at]} if environments else {}
            if isinstance(value, str):
                store.add(trial, [], Outcome.DIVERGED, reason=value, **fields)
            elif value is not None:
                store.add(trial, [Point(score, 1, 1, value)], **fields)
        frames = load(store, trials)
        return frames, by_label(frames, final(frames, [score]), [score], score)

    return make


@pytest.mark.parametrize(
    ("half_widths", "digits"),
    [
        ([0.0041], 4),  # two digits of 0.0041
        ([0.0123, 0.5, 0.0001], 3),  # the median is 0.0123
        ([12.0], 0),
        ([math.nan], 4),
        ([0.0, 0.02], 3),  # a width of 0 does not count
        ([1e-12], 6),
    ],
)
def test_a_column_has_two_digits_of_its_median_half_width(half_widths, digits) -> None:
    """The intervals determine one number of decimals for the column."""
    assert notes.decimals(half_widths) == digits


def test_a_mean_is_printed_with_its_half_width_or_with_both_bounds() -> None:
    """Symmetric: ±. Asymmetric: brackets. No interval: the mean alone. Nothing: a dash."""
    assert notes.plus_minus(0.5, 0.4, 0.6, 2) == "0.50 ± 0.10"
    assert notes.plus_minus(0.5, 0.45, 0.6, 2) == "0.50 [0.45, 0.60]"
    assert notes.plus_minus(0.5, math.nan, math.nan, 2) == "0.50"
    assert notes.plus_minus(math.nan, math.nan, math.nan, 2) == "–"
    assert notes.plus_minus(-1.5, -2.0, -1.0, 1) == "−1.5 ± 0.5"
    assert notes.plus_minus(0.981, 0.9807, 0.9813, 3) == "0.98100 ± 0.00030", "a narrow interval is not rounded to 0"
    assert notes.plus_minus(0.5, 0.5, 0.5, 2) == "0.50", "an interval of width 0 is not shown"


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (["A"], "A"),
        (["A", "B"], "A and B"),
        (["A", "B", "C"], "A, B and C"),
        (["SGD, batch 2"], "SGD, batch 2"),
        (["A", "SGD, batch 2", "C"], "A, “SGD, batch 2” and C"),
    ],
)
def test_labels_are_joined_as_in_prose(labels, text) -> None:
    """In a list, a label that contains a comma is quoted."""
    assert notes.join_labels(labels) == text


@pytest.mark.parametrize(
    ("values", "score"),
    [
        # 0.8, 0.9: mean 0.85, half-width 12.7062 · 0.0707107/√2 = 0.635
        pytest.param({"Adam": [0.8, 0.9], "MBSGD": [0.5, 0.6]}, ACCURACY, id="highest accuracy"),
        pytest.param({"Adam": [0.8, 0.9], "MBSGD": [0.5, 0.6]}, "test/loss", id="lowest loss"),
        pytest.param({"Adam": [0.8, 0.9, "not finite"]}, ACCURACY, id="one excluded"),
        pytest.param({"Adam": [0.8, 0.9, "not finite", "not finite"]}, ACCURACY, id="two excluded"),
        pytest.param({"Adam": [0.8]}, ACCURACY, id="one repeat"),
        pytest.param({"Adam": [0.8, 0.8], "MBSGD": [0.5, 0.6]}, ACCURACY, id="equal repeats"),
        pytest.param({"Adam": [0.8, 0.9], "MBSGD": [0.9, 0.8]}, ACCURACY, id="equal means"),
        pytest.param({"Adam": ["not finite", "not finite"]}, ACCURACY, id="all failed"),
    ],
)
def test_the_headline_has_the_best_mean_and_what_it_excludes(values, score, results, wording, request) -> None:
    """Interval, level, method and n are given, or the reason why there is no interval or no score."""
    _, estimates = results(values, score)
    text = notes.headline(estimates, score)
    parts = {
        "highest accuracy": ("Adam", "highest", "0.85 ± 0.64", "95% Student t", "n = 2"),
        "lowest loss": ("MBSGD", "lowest", "0.55 ± "),
        "one excluded": ("1 of its 3 repeats",),
        "two excluded": ("2 of its 4 repeats",),
        "one repeat": ("0.8000", "no interval", "n = 1"),
        "equal repeats": ("0.80 ", "no interval"),
        "equal means": ("Adam and MBSGD",),
        "all failed": ("No optimizer has a test accuracy",),
    }
    assert all(part in text for part in parts[request.node.callspec.id])
    wording(text)


def test_equal_repeats_and_single_repeats_have_a_note(results, wording) -> None:
    """They have no interval."""
    frames, estimates = results({"Adam": [0.8, 0.8], "MBSGD": [0.5, 0.6]})
    text, _ = notes.interval_warnings(estimates, ACCURACY)  # the interval of MBSGD exceeds 1
    assert "Adam" in text
    assert text in notes.table_notes(frames, estimates, ACCURACY)
    wording(text)
    _, estimates = results({"Adam": [0.8]})
    wording("\n".join(notes.interval_notes(estimates)))
    _, estimates = results({"Adam": [0.8, 0.9], "MBSGD": [0.5, "x"], "NAG": ["x", "x"]})
    wording("\n".join(notes.interval_notes(estimates)))


def test_an_interval_beyond_the_range_of_an_accuracy_is_explained(results, wording) -> None:
    """Student's t interval is symmetric; a loss needs no note."""
    _, estimates = results({"Adam": [0.98, 1.0]})
    (text,) = notes.interval_warnings(estimates, ACCURACY)
    wording(text)
    _, estimates = results({"Adam": [0.98, 1.0]}, "test/loss")
    assert notes.interval_warnings(estimates, "test/loss") == []


def test_reasons_are_counted_separately_and_kept_to_one_line(results, wording) -> None:
    """Two reasons, two entries; line breaks become blanks, and a long text is cut."""
    frames, _ = results({"Adam": ["one\n  two", "x" * 500, "one two", 0.5]})
    first, second = notes.failures(frames)
    assert first == ("Adam", "diverged", 2, 4, "one two")
    assert len(second[4]) == 160
    wording(notes.failure_notes(frames)[0])
    complete, _ = results({"Adam": ["not finite", "not finite"]})
    assert notes.failures(complete) == [("Adam", "diverged", 2, 2, "not finite")]


def test_missing_trials_are_listed_by_label(results, wording) -> None:
    """An incomplete study reports how many of its trials are recorded."""
    frames, _ = results({"Adam": [0.5, None, None], "MBSGD": [0.5, 0.6, None]})
    text = notes.incomplete(frames)
    assert "3 of 6" in text
    wording(text)
    complete, _ = results({"Adam": [0.5, 0.6]})
    assert notes.incomplete(complete) == ""


def test_a_study_of_several_environments_lists_their_differences(results, wording) -> None:
    """Only what can change results makes another environment; a single environment has no note."""
    old, new = {"device": "cpu", "torch": "2.11", "commit": "a"}, {"device": "cpu", "torch": "2.15", "commit": "b"}
    frames, estimates = results({"Adam": [0.5, 0.6, 0.7]}, environments=[new, old, new])
    text = notes.mixed(frames)
    assert "PyTorch (2.15: 2, 2.11: 1)" in text
    assert text in notes.table_notes(frames, estimates, ACCURACY)
    wording(text)
    same, _ = results({"Adam": [0.5, 0.6]}, environments=[old, old | {"commit": "c"}])
    assert notes.mixed(same) == ""


def test_unequal_numbers_of_repeats_refer_to_their_column(results, wording) -> None:
    """One n for all is printed; several are not."""
    _, equal = results({"Adam": [0.5, 0.6], "MBSGD": [0.5, 0.7]})
    (text,) = notes.interval_notes(equal)
    assert "n = 2 repeats" in text
    wording(text)
    _, unequal = results({"Adam": [0.5, 0.6, "x"], "MBSGD": [0.5, 0.7, 0.8]})
    assert "completed/started" in notes.interval_notes(unequal)[0]
    wording(notes.interval_notes(unequal)[0])


def test_the_environment_line_has_devices_and_uncommitted_changes(results, wording) -> None:
    """Several devices have their numbers of trials; a commit with a + is explained."""
    cpu, cuda = {"device": "cpu", "torch": "2.11"}, {"device": "cuda", "torch": "2.11"}
    dirty, clean = {"device": "cpu", "commit": "0123456789ab+"}, {"device": "cpu", "commit": "cd"}
    for environments in ([cuda, cpu, cuda], [dirty], [dirty, dirty, clean]):
        frames, _ = results({"Adam": [0.5, 0.6, 0.7][: len(environments)]}, environments=environments)
        wording(notes.environment_line(frames))


def test_trials_that_shared_a_device_have_a_note(results, wording) -> None:
    """The largest number of trials is given; a trial alone on its device has no note."""
    frames, _ = results({"Adam": [0.5, 0.6]}, environments=[{"packed": "2"}, {"packed": "8"}])
    text = notes.shared_device_note(frames)
    assert "8 trials" in text
    wording(text)
    alone, _ = results({"Adam": [0.5]})
    assert notes.shared_device_note(alone) == ""


def test_bad_runs_are_explained_with_what_no_bad_run_allows(results, wording) -> None:
    """None of ten: Clopper and Pearson's upper bound is 1 − 0.025^(1/10) = 31%. Below six runs there is no note."""
    values = [0.8 + at / 100 for at in range(10)]
    _, estimates = results({"Adam": values, "NAG": [*values[:6], "x", "x", None, None]})
    assert estimates.set_index("label")["bad"].to_dict() == {"Adam": 0, "NAG": 2}
    (text,) = notes.risk_note(estimates)
    assert success_interval(0, 10).high == pytest.approx(1 - 0.025**0.1, abs=1e-12)
    assert f"{success_interval(0, 10).high:.0%}" == "31%"
    assert "No bad run among 10 still allows a probability of up to 31%." in text
    wording(text)
    _, six = results({"Adam": values[:6]})
    assert "among 6 still allows a probability of up to 46%" in notes.risk_note(six)[0]
    _, few = results({"Adam": values[:5]})
    assert notes.risk_note(few) == []


def test_a_bound_can_be_infinite() -> None:
    """Infinity has its sign; a missing bound is a dash."""
    texts = [notes.bound(value, 2) for value in (math.inf, -math.inf, -0.125, math.nan)]
    assert texts == ["∞", "−∞", "−0.12", "–"]


@pytest.mark.parametrize("imported", [False, True])
def test_imported_results_are_not_said_to_be_paired(imported, wording) -> None:
    """What differs between repeats of imported results is unknown."""
    texts = notes.caution(imported=imported), notes.variation_note(imported=imported)
    assert ["seed" in text for text in texts] == [not imported] * 2
    wording("\n".join(texts))


def test_more_evaluations_than_one_are_named(sample):
    """The note has the mean over completed repeats of each optimizer that evaluated the loss more than once."""
    study = sample.study(("SAM", "LBFGS", "SGD"), repeats=2, epochs=1)
    trials = sample.plan(study, apart=True)
    store = sample.Store()
    assert notes.evaluations_note(load(store, trials).trials) == ""
    evaluations = {"SAM": (2.0, 2.0), "LBFGS": (3.0, 4.5), "SGD": (1.0, 1.0)}
    for trial in trials:
        timing = sample.Timing(4.0, 0, 5.0, 1000, evaluations=evaluations[trial.label][trial.repeat])
        store.add(trial, [Point(ACCURACY, 1, 1, 0.9)], timing=timing)
    frames = load(store, trials)
    note = notes.evaluations_note(frames.trials)
    assert (
        "evaluated by SAM 2 times (n = 2), LBFGS 3.75 times (n = 2), means over completed repeats, and once by" in note
    )
    estimates = by_label(frames, final(frames, [ACCURACY]), [ACCURACY], ACCURACY)
    assert note in notes.table_notes(frames, estimates, ACCURACY)
