"""`suite.tuning.search`: what cannot be tuned fairly is refused, with its place; what a result is worth."""

import math

import pytest

from suite.errors import UserError
from suite.spec.study_file import load_study
from suite.training import run_trial as trials
from suite.tuning import search as searching


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("epochs = 3\n[tune]\ntrials = 2", 'tune: "SGD" would train on 428 examples, "Adam" on 642. Write tune.epochs'),
        ("[tune]\ntrain_examples = 250", "tune.train_examples: the validation split of toy:BLOBS leaves 214, got 250"),
        (
            "[tune]\nvalidation_examples = 43",
            "tune.validation_examples: the validation split of toy:BLOBS leaves 42, got 43",
        ),
        ("[tune]\ntrain_examples = 65", "batch_size: 64 leaves 1 of 65 examples for the last batch"),
        ('[tune]\nparameters = ["lr", "momentum"]', "tune.parameters: no optimizer of the study has momentum"),
    ],
)
def test_a_tuning_that_cannot_be_fair_or_run_is_refused(write_study, extra, told):
    """Other budgets for some, more examples than the split leaves, a parameter that nobody has: told with its place."""
    with pytest.raises(UserError) as caught:
        searching.make_searches(load_study(write_study(extra=f"{extra}\n")))
    assert told in str(caught.value)
    assert all(line.startswith("toy_study.toml: ") for line in str(caught.value).splitlines())


def test_a_problem_that_is_tested_on_what_it_is_trained_on_is_refused(write_study, monkeypatch):
    """Its validation split would be a part of the test set."""
    study = load_study(write_study())
    assert searching.make_searches(study)
    monkeypatch.setattr(type(trials.problems.find(study.problem, study.folder)), "held_out", False)
    with pytest.raises(
        UserError, match=r"toy_study.toml: problem: toy:BLOBS is tested on the examples it is trained on"
    ):
        searching.make_searches(study)


def test_a_problem_too_small_to_split_is_refused(write_study, monkeypatch):
    """Of five training examples none can be held out."""
    study = load_study(write_study(extra="[tune]\ntrain_examples = 5\nepochs = 1\n"))
    study = study.model_copy(update={"batch_size": 5, "train_examples": 5})
    monkeypatch.setattr(type(trials.problems.find(study.problem, study.folder)), "train_examples", 5)
    with pytest.raises(UserError, match=r"tune.validation_examples: .* leaves 0, too few to tune on. Choose a problem"):
        searching.make_searches(study)


def test_a_loss_above_chance_is_no_worse_than_chance(write_study):
    """The objective ends at the chance loss, and at the worst where the evaluation gives no number."""
    search = searching.make_searches(load_study(write_study(extra="[tune]\ntrials = 7\n")))[0]
    assert search.value(0.25) == 0.25
    assert search.value(40.0) == search.value(math.inf) == search.value(math.nan) == search.worst == math.log(4)
