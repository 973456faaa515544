"""Tests of `reports.text.tuning_notes`."""

import math

import pytest

from reports.analysis import lr_sensitivity, tuning
from reports.text import tuning_notes


@pytest.fixture
def warnings():
    """A function that returns the warnings about a frame of tuning trials."""

    def make(trials, labels=()):
        chosen = tuning.best(trials)
        bounds, ranges = tuning.at_bounds(trials, chosen), lr_sensitivity.ranges(trials)
        return tuning_notes.warnings(trials, tuning.budget(trials), bounds, ranges, labels or list(chosen["label"]))

    return make


def test_a_fair_tuning_has_no_warning(made, rates, warnings) -> None:
    """Equal budgets, all tuned, optimum inside the range, selected on validation data."""
    trials = made({"A": rates([3.0, 1.0, 3.0]), "B": rates([3.0, 2.0, 3.0])})
    assert warnings(trials, ["A", "A, tuned", "B", "B, tuned"]) == ()


def test_the_selection_note_has_metric_data_and_sampler(made, rates, wording) -> None:
    """It states that test scores are from new repeats."""
    text = tuning_notes.selection_note(made({"A": rates([1.0])}, sampler="tpe", objective="validation/accuracy"))
    for part in ("validation accuracy", "TPE", "new repeats"):
        assert part in text
    wording(text)


def test_selection_on_the_test_set_is_the_first_warning(made, rates, warnings, wording) -> None:
    """Then no sentence states the opposite."""
    first, *others = warnings(made({"A": rates([3.0, 1.0, 3.0])}, objective="test/loss"))
    assert first.startswith("These settings were selected on the test set")
    assert "No setting was selected on the test set" not in " ".join((first, *others))
    wording(first)


def test_untuned_and_failed_optimizers_are_listed(made, rates, warnings, wording) -> None:
    """Tuned optimizers are not; if all trials of an optimizer failed, it has no setting."""
    trials = made({"A": rates([3.0, 1.0, 3.0]), "C": rates([("failed", math.nan)] * 3)})
    text = "\n".join(warnings(trials, ["A", "A, tuned", "B", "C"]))
    for part in ("Not tuned: B.", "No setting was selected for C,", ": C (3 of 3)."):
        assert part in text
    wording(text)


def test_unequal_budgets_are_reported_with_their_numbers(made, rates, warnings, wording) -> None:
    """The number of configurations counts."""
    (text,) = warnings(made({"A": rates([3.0, 1.0, 3.0]), "B": rates([3.0, 1.0, 1.5, 3.0])}))
    assert "A (3), B (4)." in text
    wording(text)


def test_a_value_at_a_bound_is_reported_with_a_fix(made, rates, warnings, wording) -> None:
    """With its range; the selected rate is also the highest that was tried, so the good range is open above."""
    at_bound, open_range = warnings(made({"A": rates([3.0, 2.0, 1.0], [0.01, 0.1, 0.45])}))
    assert "A: lr = 0.45 in { log = [0.0001, 0.5] }" in at_bound
    assert ": A (above)." in open_range
    wording(f"{at_bound}\n{open_range}")


def test_an_open_range_names_its_sides(made, rates, warnings, wording) -> None:
    """A has one rate, so its range is open on both sides; the best rate of B is the lowest."""
    (text,) = [w for w in warnings(made({"A": rates([1.0]), "B": rates([1.0, 2.0])})) if "open" in w]
    assert "A (on both sides), B (below)" in text
    wording(text)


def test_notes_on_choices_have_method_level_and_n(made, rates, final, wording) -> None:
    """And which default setting was kept, and how many pairs remain."""
    chosen = tuning.best(made({"A": rates([2.0, 1.0]), "B": rates([1.0, 2.0])}))
    scores = final({"A": [1.0, 2.0, None], "A, tuned": [1.0, 1.0, 1.0], "B": [1.0] * 3})
    compared = tuning.tuned_vs_default(scores, "test/loss", ["A", "B"], ["B"])
    text = "\n".join(tuning_notes.choices_notes(chosen, compared, "test/loss"))
    for part in (
        "95% Student t interval",
        "n = 2 pairs",
        "Lower test loss is better",
        "kept: B.",
        "Remaining pairs: A (2 of 3).",
    ):
        assert part in text
    wording(text)


@pytest.mark.parametrize("lr_only", [True, False])
def test_notes_on_learning_rates_define_good(lr_only, made, rates, wording) -> None:
    """The share is given, and whether other hyperparameters vary."""
    ranges = lr_sensitivity.ranges(made({"A": rates([3.0, 1.0, 3.0])}))
    text = "\n".join(tuning_notes.ranges_notes(ranges, lr_only=lr_only))
    assert "(within 1%)" in text
    wording(text)


def test_notes_on_budgets_and_captions(made, rates, wording) -> None:
    """Equal and unequal numbers of configurations; the caption of the expected best has its n, level and method."""
    from reports.analysis import hyperparameter_importance, tunability

    equal = made({"A": rates([3.0, 1.0, 3.0, 2.0])})
    assert "4 configurations" in tuning_notes.budget_notes(equal, tuning.budget(equal))[0]
    wording("\n".join(tuning_notes.budget_notes(equal, tuning.budget(equal))))
    unequal = made({"A": rates([3.0, 1.0, 3.0]), "B": rates([3.0])}, own=False)
    wording("\n".join(tuning_notes.budget_notes(unequal, tuning.budget(unequal))))
    wording(tuning_notes.tunability_caption(tunability.curves(equal)))
    lost = made({"A": rates([3.0, 1.0, ("diverged", math.nan), 2.0])})
    text = tuning_notes.tunability_caption(tunability.curves(lost))
    assert "1 of 3 trials had no score" in text
    wording(text)
    several = made({"A": [(1.0 + at, {"lr": 10.0**-at, "beta": 0.1 * at}) for at in range(1, 9)]})
    wording(tuning_notes.importances_caption(hyperparameter_importance.by_optimizer(several)))


def test_missing_new_repeats_are_reported(made, rates, wording) -> None:
    """A default setting that was kept needs none: its repeats are new."""
    chosen = tuning.best(made({"A": rates([2.0, 1.0]), "B": rates([1.0, 2.0]), "C": rates([2.0, 1.0])}))
    text = tuning_notes.no_new_repeats(chosen, ["A", "B", "C", "C, tuned"])
    assert ": A." in text
    wording(text)


def test_counts_are_one_number_or_a_range() -> None:
    """No count at all is n = 0."""
    assert [tuning_notes.format_n(counts) for counts in ([6, 6], [4, 6, 5], [])] == ["n = 6", "n = 4 to 6", "n = 0"]
