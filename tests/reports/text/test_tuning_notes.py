"""Tests of `reports.text.tuning_notes`."""

import math

import pytest

from reports.analysis import lr_sensitivity, tuning
from reports.text import tuning_notes


@pytest.fixture
def warned():
    """A function: a tuning frame to its warnings."""

    def warn(trials, labels=()):
        chosen = tuning.best(trials)
        edges, ranges = tuning.at_bounds(trials, chosen), lr_sensitivity.ranges(trials)
        return tuning_notes.warnings(trials, tuning.budget(trials), edges, ranges, labels or list(chosen["label"]))

    return warn


def test_a_fair_run_has_no_warning(made, rates, warned) -> None:
    """Same budget, all tuned, optimum inside, chosen on validation: silence."""
    trials = made({"A": rates([3.0, 1.0, 3.0]), "B": rates([3.0, 2.0, 3.0])})
    assert warned(trials, ["A", "A, tuned", "B", "B, tuned"]) == ()


def test_it_is_told_what_the_settings_were_chosen_on(made, rates) -> None:
    """The validation split, the sampler, and that test scores are of fresh repeats."""
    told = tuning_notes.chosen_on(made({"A": rates([1.0])}, sampler="tpe", objective="validation/accuracy"))
    assert told.startswith("No setting was chosen on the test set. Each was chosen by validation accuracy")
    assert "with TPE" in told


def test_a_choice_on_the_test_set_is_the_first_warning(made, rates, warned) -> None:
    """Nothing then says that the choice was clean."""
    told = warned(made({"A": rates([3.0, 1.0, 3.0])}, objective="test/loss"))
    assert told[0].startswith("These settings were chosen by test loss: on the test set.")
    assert "No setting was chosen on the test set" not in " ".join(told)


def test_an_optimizer_that_was_not_tuned_is_named(made, rates, warned) -> None:
    """Its tuned rivals are not; one whose trials all failed was tuned in vain."""
    trials = made({"A": rates([3.0, 1.0, 3.0]), "C": rates([("failed", math.nan)] * 3)})
    told = " ".join(warned(trials, ["A", "A, tuned", "B", "C"]))
    assert "Not tuned: B. Beside tuned optimizers this is no fair comparison." in told
    assert "Tuned in vain: no trial of C came to its end" in told
    assert "Trials that broke and tell nothing: C 3 of 3." in told


def test_unequal_budgets_are_told_with_their_numbers(made, rates, warned) -> None:
    """Configurations are what counts."""
    told = warned(made({"A": rates([3.0, 1.0, 3.0]), "B": rates([3.0, 1.0, 1.5, 3.0])}))
    assert told == (
        "The budgets differ: configurations tried were A 3, B 4. More trials find better settings by chance alone.",
    )


def test_an_optimum_at_the_edge_is_told_with_the_mend(made, rates, warned) -> None:
    """With the range; the chosen rate is the highest tried, too, and so the good range is open above."""
    told = warned(made({"A": rates([3.0, 2.0, 1.0], [0.01, 0.1, 0.45])}))
    assert told[0].startswith(
        "An optimum lies on the edge of its range: A lr = 0.45 in { log = [0.0001, 0.5] }. The best may"
    )
    assert told[1] == "The range of good learning rates is open: A above. No rate beyond was tried."


def test_beneath_the_choices_stand_method_level_and_n(made, rates, final) -> None:
    """And which setting was kept, and how many pairs were lost."""
    chosen = tuning.best(made({"A": rates([2.0, 1.0]), "B": rates([1.0, 2.0])}))
    scores = final({"A": [1.0, 2.0, None], "A, tuned": [1.0, 1.0, 1.0], "B": [1.0] * 3})
    told = " ".join(
        tuning_notes.choices_notes(chosen, tuning.tuned_vs_default(scores, "test/loss", ["A", "B"], ["B"]), "test/loss")
    )
    assert "half of its 95% Student t interval, n = 2 pairs" in told
    assert "Of test loss less is better." in told
    assert "own setting came out best and was kept: B." in told
    assert "A 2 of 3 pairs remain." in told


def test_fresh_repeats_that_are_not_run_yet_are_told(made, rates) -> None:
    """Not for a setting that was kept: its own repeats are fresh."""
    chosen = tuning.best(made({"A": rates([2.0, 1.0]), "B": rates([1.0, 2.0]), "C": rates([2.0, 1.0])}))
    assert tuning_notes.no_new_repeats(chosen, ["A", "B", "C", "C, tuned"]).startswith(
        "No fresh repeats of the tuned setting yet: A."
    )


def test_counts_are_told_as_one_number_or_a_span() -> None:
    """None at all is n = 0."""
    assert [tuning_notes.span(counts) for counts in ([6, 6], [4, 6, 5], [])] == ["n = 6", "n = 4 to 6", "n = 0"]
