"""Tests of `suite.tuning.search`: an unfair tuning is refused with its location; the objective of a result."""

import math

import pytest

from suite.errors import UserError
from suite.spec.study_file import load_study
from suite.training import run_trial as trials
from suite.tuning import search as searching

INVALID = {
    "other budgets": "epochs = 3\n[tune]\ntrials = 2",
    "too many training examples": "[tune]\ntrain_examples = 250",
    "too many validation examples": "[tune]\nvalidation_examples = 43",
    "a small last batch": "[tune]\ntrain_examples = 65",
    "an unknown parameter": '[tune]\nparameters = ["lr", "momentum"]',
}


@pytest.mark.parametrize("case", INVALID)
def test_an_unfair_or_impossible_tuning_is_refused(write_study, case, wording):
    """Budgets must be equal, the split must have enough examples, and parameters must exist."""
    with pytest.raises(UserError) as error:
        searching.make_searches(load_study(write_study(extra=f"{INVALID[case]}\n")))
    assert all(line.startswith("toy_study.toml: ") for line in str(error.value).splitlines())
    wording(error.value)


def test_a_problem_without_held_out_examples_is_refused(write_study, monkeypatch, wording):
    """Its validation split would be part of the test set."""
    study = load_study(write_study())
    assert searching.make_searches(study)
    monkeypatch.setattr(type(trials.problems.find_problem(study.problem, study.folder)), "held_out", False)
    with pytest.raises(UserError) as error:
        searching.make_searches(study)
    wording(error.value)


def test_a_problem_too_small_to_split_is_refused(write_study, monkeypatch, wording):
    """None of five training examples can be held out."""
    study = load_study(write_study(extra="[tune]\ntrain_examples = 5\nepochs = 1\n"))
    study = study.model_copy(update={"batch_size": 5, "train_examples": 5})
    monkeypatch.setattr(type(trials.problems.find_problem(study.problem, study.folder)), "train_examples", 5)
    with pytest.raises(UserError) as error:
        searching.make_searches(study)
    wording(error.value)


def test_the_name_of_a_tuned_optimizer_must_be_free_and_short(write_study, wording):
    """Both errors are reported at once."""
    extra = f'[[optimizer]]\nname = "SGD, tuned"\nkind = "sgd"\n[[optimizer]]\nname = "{"x" * 78}"\nkind = "sgd"\n'
    with pytest.raises(UserError) as error:
        searching.make_searches(load_study(write_study(extra=f"\n{extra}")))
    wording(error.value)


def test_a_grid_of_too_many_points_is_refused(write_study, wording):
    """The error names the optimizer and the number of points."""
    with pytest.raises(UserError) as error:
        searching.make_searches(load_study(write_study(extra='\n[tune]\nsampler = "grid"\npoints = 100\n')))
    wording(error.value)


def test_a_loss_above_chance_is_clipped(write_study):
    """The objective is at most the chance loss, also if the evaluation gives no number."""
    search = searching.make_searches(load_study(write_study(extra="[tune]\ntrials = 7\n")))[0]
    assert search.clip_objective(0.25) == 0.25
    assert (
        search.clip_objective(40.0)
        == search.clip_objective(math.inf)
        == search.clip_objective(math.nan)
        == search.failure_value
        == math.log(4)
    )
