"""Tests of `suite.tuning.tuned_study`: the tuned study is a study file with every setting, exactly."""

import math
import tomllib

import pytest

from suite.errors import UserError
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
    default = {name: search_space.tunable(search.base.settings)[name] for name in search.space}
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


EXTRA_CLASS = """
import torch

class More(torch.optim.SGD):
    def __init__(self, params, lr=0.1, **kwargs):
        self.scale = kwargs.pop("scale", 1.0)
        super().__init__(params, lr=lr, momentum=kwargs.pop("inertia", 0.0))
        assert not kwargs
"""

MORE = """
[[optimizer]]
name = "More"
kind = "more:More"
extra = { scale = 2.0, inertia = 0.5 }
"""


@pytest.fixture
def tuned(write_study, here):
    """Return the search and the planned trials of an entry, and those of its tuned entry with given values."""

    def write(text, values):
        path = write_study(extra=text)
        (path.parent / "more.py").write_text(EXTRA_CLASS, encoding="utf-8")
        study = load_study(path)
        searches = search.make_searches(study)
        best = {each.label: [_configuration(each, 0, 0.5)] for each in searches}
        best[searches[-1].label].append(_configuration(searches[-1], 1, 0.1, **values))
        again = load_study(tuned_study.write(study, searches, best, here / "out/studies"))
        default, written = (
            next(t for t in plan(again) if t.label == label)
            for label in (searches[-1].label, f"{searches[-1].label}, tuned")
        )
        assert default.id == next(t for t in plan(study) if t.label == searches[-1].label).id
        tried = searches[-1].trials(1, best[searches[-1].label][-1].hyperparameters)[0]
        assert tried.settings == written.settings
        return searches[-1], default, written

    return write


def test_a_tuned_extra_option_stays_in_extra(tuned):
    """An option that only `**kwargs` takes is tuned, and written where the study has it."""
    space = '[tune.space."more:More"]\nscale = { log = [0.1, 10.0] }\n'
    found, default, written = tuned(MORE + space, {"scale": 3.5, "lr": 0.25})
    assert found.space.keys() == {"scale", "lr"}
    assert (default.hyperparameters["scale"], written.hyperparameters["scale"]) == (2.0, 3.5)
    assert (written.hyperparameters["inertia"], written.hyperparameters["lr"]) == (0.5, 0.25)


GROUPED = """
[[optimizer]]
name = "Groups"
kind = "sgd"
[[optimizer.group]]
roles = ["bias"]
lr = 0.02
extra = { rank = 2 }
[[optimizer.group]]
ndim = 1
kind = "more:More"
extra = { scale = 2.0 }
[[optimizer.group]]
roles = ["output"]
kind = "adam"
betas = [0.8, 0.9]
"""

SPACE = """
[tune.space.Groups.group.1]
lr = { log = [0.001, 1.0] }
rank = { values = [2, 4] }
[tune.space.Groups.group.2]
scale = { uniform = [1.0, 3.0] }
[tune.space.Groups]
"group.3.beta1" = { one_minus_log = [0.01, 0.5] }
"""


def test_groups_are_tuned_and_written(tuned):
    """Options of each form of group have names such as `group.1.lr`, and are written into the tables of the groups."""
    values = {"group.1.lr": 0.5, "group.1.rank": 4.0, "group.2.scale": 2.5, "group.3.beta1": 0.75, "lr": 0.3}
    found, default, written = tuned(GROUPED + SPACE, values)
    assert found.space.keys() == values.keys()
    assert written.groups[0]["hyperparameters"] == {"lr": 0.5, "rank": 4}
    assert written.groups[1]["hyperparameters"] == {"lr": 0.1, "scale": 2.5}
    assert written.groups[2]["hyperparameters"]["betas"] == (0.75, 0.9)
    assert written.hyperparameters["lr"] == 0.3
    assert [{**group, "hyperparameters": 0} for group in written.groups] == [
        {**group, "hyperparameters": 0} for group in default.groups
    ]


def test_a_range_that_a_group_refuses_names_its_key(write_study, wording):
    """A group that does not exist, an option that it does not state, and a value out of range."""
    for line in ('"group.4.lr" = { log = [0.1, 1.0] }', '"group.1.eps" = { log = [0.1, 1.0] }'):
        path = write_study(extra=f"{GROUPED}\n[tune.space.Groups]\n{line}\n")
        (path.parent / "more.py").write_text(EXTRA_CLASS, encoding="utf-8")
        with pytest.raises(UserError) as error:
            search.make_searches(load_study(path))
        wording(error.value)
    path.write_text(path.read_text("utf-8").replace(line, "group.3.beta1.uniform = [0.1, 1.0]"), encoding="utf-8")
    with pytest.raises(UserError) as error:
        search.make_searches(load_study(path))
    wording(error.value)
