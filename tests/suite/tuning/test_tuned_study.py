"""`suite.tuning.tuned_study`: the tuned study is an ordinary study file that gives back every setting to the last bit."""

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
    """Three optimizers, one of the user's own, with options that a tuning leaves alone."""
    path = write_study(extra=OWN)
    text = path.read_text(encoding="utf-8").replace("lr = 0.05\n", "lr = 0.05\nbetas = [0.8, 0.99]\neps = 1e-7\n")
    path.write_text(text, encoding="utf-8")
    return load_study(path)


def _tried(search, number, value, state=State.COMPLETE, **hyperparameters):
    own = {name: search_space.tunable(search.base.hyperparameters)[name] for name in search.space}
    return Configuration(
        study=search.study,
        optuna=search.optuna,
        number=number,
        label=search.label,
        kind=search.base.optimizer,
        hyperparameters=own | hyperparameters,
        state=state,
        value=value,
        objective="validation/loss",
        sampler="tpe",
        trials=("0" * 16,),
        examples=1,
        seconds=1.0,
    )


@pytest.fixture
def found(study):
    """SGD: its own setting is the best. Adam: the third. The user's own: nothing had all its repeats."""
    sgd, adam, mine = search.make_searches(study)
    third = {"lr": 1 / 3, "beta1": 1 - 0.1 / 3, "beta2": 2 / 3}
    return {
        "SGD": [_tried(sgd, 0, 0.5), _tried(sgd, 1, 0.5), _tried(sgd, 2, 0.4, State.PRUNED, lr=1.0)],
        "Adam": [
            _tried(adam, 0, 0.5),
            _tried(adam, 1, math.log(4), State.DIVERGED),
            _tried(adam, 2, 0.1 + 0.2, **third),
        ],
        "Mine [x]": [_tried(mine, 0, math.log(4), State.STALLED)],
    }


def test_the_tuned_study_runs_own_and_tuned_settings(study, found, here):
    """It loads and plans from its folder: each entry as it was, and beside it the best setting, exact, on fresh seeds."""
    searches = search.make_searches(study)
    path = tuned_study.write(study, searches, found, here / "out/studies")
    again = load_study("toy_study_tuned", here / "out/studies")
    assert again.path == path.resolve()
    assert [entry.name for entry in again.optimizer] == [
        "SGD", "SGD, tuned", "Adam", "Adam, tuned", "Mine [x]", "Mine [x], tuned",
    ]  # fmt: skip
    trials = {trial.label: trial for trial in plan(again) if trial.repeat == 0}
    own = {trial.label: trial for trial in plan(study) if trial.repeat == 0}
    for label, trial in own.items():
        assert trials[label].id == trial.id, "own settings are the trials of the study itself"
    assert trials["SGD, tuned"].id == own["SGD"].id
    assert trials["Mine [x], tuned"].id == own["Mine [x]"].id
    assert trials["Adam, tuned"].hyperparameters == {
        **own["Adam"].hyperparameters, "lr": 1 / 3, "betas": (1 - 0.1 / 3, 2 / 3),
    }  # fmt: skip
    assert {trial.stage for trial in trials.values()} == {"final"}
    assert {trial.evaluate_on for trial in trials.values()} == {"test"}
    assert again.tuned.study == "toy_study"
    assert again.tuned.optuna == {search.label: search.optuna for search in searches}


def test_each_value_says_where_it_came_from(study, found, here):
    """The Optuna study, the trial and its exact score stand behind every tuned value, and a reason where there is none."""
    text = tuned_study.write(study, search.make_searches(study), found, here / "out/studies").read_text(
        encoding="utf-8"
    )
    name = search.make_searches(study)[1].optuna
    lines = [
        line for line in text.splitlines() if f'Optuna study "{name}", trial 2: validation/loss {0.1 + 0.2!r}' in line
    ]
    assert [line.partition(" =")[0] for line in lines] == ["lr", "betas"]
    assert 'name = "SGD, tuned" # its own setting is the best that was tried' in text
    assert 'name = "Mine [x], tuned" # nothing that was tried was better than chance' in text
    assert "never on the test set" in text


def test_the_tuned_study_of_overrides_has_a_name_of_its_own(study, found, here):
    """What the command line changed is in the file and in its name."""
    short = study.override(epochs=1, repeats=5)
    path = tuned_study.write(short, search.make_searches(short), found, here / "out/studies")
    assert path.name == "toy_study@repeats=5,epochs=1_tuned.toml"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    assert (values["epochs"], values["repeats"], len(values["optimizer"])) == (1, 5, 6)
    assert load_study(path.stem, here / "out/studies").repeats == 5


def test_an_optimum_on_the_edge_is_told_with_the_mend(study, found):
    """A line for the value within 2% of the end of its range; what it says to write is a range that the study takes."""
    searches = search.make_searches(study)
    found["Adam"].append(_tried(searches[1], 3, 0.1, lr=0.9, beta1=0.9, beta2=0.99))
    (line,) = tuned_study.boundary_warnings(searches, found)
    assert line == (
        "tune.space.adam.lr: the best lr of Adam, 0.9, lies on the edge of its range { log = [1e-05, 1.0] }. "
        "Write lr = { log = [1e-05, 10.0] }, and tune again"
    )


@pytest.mark.parametrize("name", ["lr_sweep", "quick_tuning", "tunability", "tuning"])
def test_the_shipped_tunings_can_be_searched(name):
    """Each is whole: every optimizer has a space and the same budget; the nine of the paper, in quick_tuning at least four."""
    study = load_study(shipped_studies()[name])
    searches = search.make_searches(study)
    assert len(searches) == (9 if name != "quick_tuning" else 4)
    assert len({search.examples for search in searches}) == 1
    if name == "lr_sweep":
        assert {tuple(search.space) for search in searches} == {("lr",)}
        assert sampling.proposal(searches[0], (), 5)["lr"] == 0.01
    if name == "tunability":
        assert study.tune.sampler == "random"
