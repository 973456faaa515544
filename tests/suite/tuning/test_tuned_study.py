"""Tests of `suite.tuning.tuned_study`: the tuned study is a study file with every setting, exactly."""

import math
import tomllib

import pytest

from suite.records import Configuration, State
from suite.spec.plan import plan
from suite.spec.study_file import load_study, shipped_studies
from suite.tuning import sampling, search, search_space, tuned_study

OWN = (
    '\n[[optimizer]]\nname = "Mine [x]"\nkind = "toy:Broken"\nlr = 0.3\nschedule = { kind = "cosine", warmup = 0.1 }\n'
)


@pytest.fixture
def study(write_study):
    """Three optimizers, one of them the user's, with options that are not tuned."""
    path = write_study(extra=OWN)
    text = path.read_text(encoding="utf-8").replace("lr = 0.05\n", "lr = 0.05\nbetas = [0.8, 0.99]\neps = 1e-7\n")
    path.write_text(text, encoding="utf-8")
    return load_study(path)


def _configuration(search, number, value, state=State.COMPLETE, **hyperparameters):
    default = {name: search_space.tunable(search.base.hyperparameters)[name] for name in search.space}
    return Configuration(
        study=search.study,
        optuna=search.optuna,
        number=number,
        label=search.label,
        kind=search.base.optimizer,
        hyperparameters=default | hyperparameters,
        state=state,
        value=value,
        objective="validation/loss",
        sampler="tpe",
        trials=("0" * 16,),
        examples=1,
        seconds=1.0,
    )


@pytest.fixture
def configurations(study):
    """The best of SGD is its default setting, that of Adam the third; no configuration of the user's was complete."""
    sgd, adam, mine = search.make_searches(study)
    third = {"lr": 1 / 3, "beta1": 1 - 0.1 / 3, "beta2": 2 / 3}
    return {
        "SGD": [
            _configuration(sgd, 0, 0.5),
            _configuration(sgd, 1, 0.5),
            _configuration(sgd, 2, 0.4, State.PRUNED, lr=1.0),
        ],
        "Adam": [
            _configuration(adam, 0, 0.5),
            _configuration(adam, 1, math.log(4), State.DIVERGED),
            _configuration(adam, 2, 0.1 + 0.2, **third),
        ],
        "Mine [x]": [_configuration(mine, 0, math.log(4), State.STALLED)],
    }


def test_the_tuned_study_has_default_and_tuned_settings(study, configurations, here):
    """It can be planned from its folder: each entry unchanged, and with the best setting, exactly, on new repeats."""
    searches = search.make_searches(study)
    path = tuned_study.write(study, searches, configurations, here / "out/studies")
    again = load_study("toy_study_tuned", here / "out/studies")
    assert again.path == path.resolve()
    assert [entry.name for entry in again.optimizer] == [
        "SGD", "SGD, tuned", "Adam", "Adam, tuned", "Mine [x]", "Mine [x], tuned",
    ]  # fmt: skip
    trials = {trial.label: trial for trial in plan(again) if trial.repeat == 0}
    default = {trial.label: trial for trial in plan(study) if trial.repeat == 0}
    for label, trial in default.items():
        assert trials[label].id == trial.id, "default settings are the trials of the study itself"
    assert trials["SGD, tuned"].id == default["SGD"].id
    assert trials["Mine [x], tuned"].id == default["Mine [x]"].id
    assert trials["Adam, tuned"].hyperparameters == {
        **default["Adam"].hyperparameters, "lr": 1 / 3, "betas": (1 - 0.1 / 3, 2 / 3),
    }  # fmt: skip
    assert {trial.stage for trial in trials.values()} == {"final"}
    assert {trial.evaluate_on for trial in trials.values()} == {"test"}
    assert again.tuned.study == "toy_study"
    assert again.tuned.optuna == {search.label: search.optuna for search in searches}


def test_each_value_has_its_source(study, configurations, here):
    """Comments have the Optuna study, the trial and its exact score, or why no setting was chosen."""
    text = tuned_study.write(study, search.make_searches(study), configurations, here / "out/studies").read_text(
        encoding="utf-8"
    )
    name = search.make_searches(study)[1].optuna
    lines = [
        line for line in text.splitlines() if f'Optuna study "{name}", trial 2: validation/loss {0.1 + 0.2!r}' in line
    ]
    assert [line.partition(" =")[0] for line in lines] == ["lr", "betas"]
    assert 'name = "SGD, tuned" # the default setting is the best that was tried' in text
    assert 'name = "Mine [x], tuned" # no configuration was better than chance' in text
    assert "never on the test set" in text


def test_the_tuned_study_of_overrides_has_another_name(study, configurations, here):
    """Overrides of the command line are in the file and in its name."""
    short = study.override(epochs=1, repeats=5)
    path = tuned_study.write(short, search.make_searches(short), configurations, here / "out/studies")
    assert path.name == "toy_study@repeats=5,epochs=1_tuned.toml"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    assert (values["epochs"], values["repeats"], len(values["optimizer"])) == (1, 5, 6)
    assert load_study(path.stem, here / "out/studies").repeats == 5


def test_an_optimum_at_a_bound_is_a_warning(study, configurations, wording):
    """A value within 2% of a bound gives a warning with a range that the study accepts."""
    searches = search.make_searches(study)
    configurations["Adam"].append(_configuration(searches[1], 3, 0.1, lr=0.9, beta1=0.9, beta2=0.99))
    (warning,) = tuned_study.boundary_warnings(searches, configurations)
    wording(warning)
    assert "Write lr = { log = [1e-05, 10.0] }" in warning


@pytest.mark.parametrize("name", ["lr_sweep", "quick_tuning", "tunability", "tuning"])
def test_the_shipped_tunings_can_be_searched(name):
    """Every optimizer has a space and the same budget: the nine of the paper, in quick_tuning four."""
    study = load_study(shipped_studies()[name])
    searches = search.make_searches(study)
    assert len(searches) == (9 if name != "quick_tuning" else 4)
    assert len({search.examples for search in searches}) == 1
    if name == "lr_sweep":
        assert {tuple(search.space) for search in searches} == {("lr",)}
        assert sampling.propose(searches[0], (), 5)["lr"] == 0.01
    if name == "tunability":
        assert study.tune.sampler == "random"
