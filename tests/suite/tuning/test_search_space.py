"""`suite.tuning.search_space`: default ranges for every optimizer, a study's own, and values that become options."""

import math

import pytest

from suite import optimizers
from suite.errors import UserError
from suite.spec.study import Range
from suite.spec.study_file import load_study
from suite.tuning import ranges, search_space

BETAS = {"momentum": 0.9, "alpha": 0.9, "rho": 0.9, "beta1": 0.9, "beta2": 0.999}


def _space(path, label):
    study = load_study(path)
    entry = next(entry for entry in study.optimizer if entry.name == label)
    kind = optimizers.find_optimizer(entry.kind, study.folder)
    return search_space.space(study, entry, optimizers.resolve_options(kind, entry.options))


@pytest.mark.parametrize("kind", sorted(optimizers.OPTIMIZERS))
def test_every_optimizer_has_a_default_space(write_study, kind):
    """The learning rate over five decades and each β that the rule has, all of which hold the optimizer's own setting."""
    path = write_study(extra=f'\n[[optimizer]]\nname = "x"\nkind = "{kind}"\n')
    space = _space(path, "x")
    own = search_space.tunable(optimizers.resolve_options(optimizers.OPTIMIZERS[kind], {}))
    assert set(space) == {"lr"} | (BETAS.keys() & own.keys())
    low, high = space["lr"].log
    assert math.log10(high / low) == pytest.approx(5)
    assert all(ranges.contains(values, own[name]) for name, values in space.items())
    assert all(values.one_minus_log for name, values in space.items() if name != "lr")


def test_the_range_of_adadelta_lies_where_its_useful_rates_are():
    """η = 1 is the middle of its decades or near it, a hundred times Adam's."""
    low, high = search_space.LEARNING_RATES["adadelta"]
    assert 0.4 < ranges.relative_position(Range(log=(low, high)), 1.0) < 0.7
    assert low / search_space.LEARNING_RATES["adam"][0] == pytest.approx(100)


def test_a_default_range_grows_to_hold_the_own_setting(write_study):
    """An entry with lr = 50 and γ = 0.999 is tuned in ranges that reach there."""
    space = _space(write_study(extra='\n[[optimizer]]\nname = "x"\nkind = "nag"\nlr = 50\nmomentum = 0.999\n'), "x")
    assert space["lr"].log == (1e-5, 50.0)
    assert space["momentum"].one_minus_log[0] == pytest.approx(0.001)


def test_a_torch_optimizer_is_tuned_in_what_it_has(write_study):
    """SGD of torch without momentum keeps it switched off; AdamW has two β values."""
    extra = (
        '\n[[optimizer]]\nname = "a"\nkind = "torch.optim:SGD"\n[[optimizer]]\nname = "b"\nkind = "torch.optim:AdamW"\n'
    )
    path = write_study(extra=extra)
    assert set(_space(path, "a")) == {"lr"}
    assert set(_space(path, "b")) == {"lr", "beta1", "beta2"}


def test_a_study_replaces_and_adds_ranges(write_study):
    """A kind's table and, before it, a label's come in place of the default ranges that they name; eps is added."""
    extra = """
[tune.space.adam]
lr = { log = [1e-3, 1e-1] }
eps = { log = [1e-9, 1e-5] }
[tune.space.Adam]
lr = { values = [0.05, 0.1] }
"""
    space = _space(write_study(extra=extra), "Adam")
    assert space["lr"].values == (0.05, 0.1)
    assert space["eps"].log == (1e-9, 1e-5)
    assert space["beta1"] == ranges.DEFAULTS["beta1"]


def test_a_study_names_what_is_tuned(write_study):
    """`parameters` leaves the rest at the own setting; eps has a default range where it is named."""
    space = _space(write_study(extra='\n[tune]\nparameters = ["lr", "eps"]\n'), "Adam")
    assert set(space) == {"lr", "eps"}


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (
            "[tune.space.adam]\nbeta3 = { log = [0.1, 1] }",
            'tune.space.adam.beta3: Adam has no such hyperparameter. Did you mean "beta1"?',
        ),
        (
            "[tune.space.adam]\nmomentum = { log = [0.1, 1] }",
            "tune.space.adam.momentum: Adam has no such hyperparameter. It has lr, beta1",
        ),
        (
            "[tune.space.adam]\nbeta1 = { uniform = [0.5, 1.5] }",
            "tune.space.adam.beta1: betas: expected two numbers >= 0 and < 1, got",
        ),
        ("[tune.space.Adam]\nlr = { uniform = [-1, 1] }", "tune.space.Adam.lr: lr: expected a number > 0, got -1.0"),
        (
            "[tune.space.adam]\nlr = { log = [0.1, 1] }",
            "tune.space.adam.lr: { log = [0.1, 1.0] } does not hold 0.05, the study's own lr of Adam",
        ),
        (
            "[tune.space.adam]\nlr = { values = [0.1, 1] }",
            "which is always tried first. Add it, or change lr in the study",
        ),
        ('[tune]\nparameters = ["beta1"]', 'tune.parameters: nothing is left to tune of "SGD". It has lr'),
        (
            '[tune]\nparameters = ["lr", "weight_decay"]',
            "tune.parameters: weight_decay: it has no default range for SGD. Write tune.space.sgd.weight_decay",
        ),
    ],
)
def test_a_mistake_in_a_space_is_one_line_with_its_place(write_study, extra, told):
    """The line starts with the file, then the place, what is wrong and the mend."""
    path = write_study(extra=f"\n{extra}\n")
    with pytest.raises(UserError) as caught:
        [_space(path, label) for label in ("SGD", "Adam")]
    assert str(caught.value).startswith("toy_study.toml: tune.")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_betas_are_tried_one_by_one():
    """beta2 takes its place in `betas`, and what is not named stays as it is."""
    options = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8}
    assert search_space.with_values(options, {"beta2": 0.5, "lr": 1.0}) == {"lr": 1.0, "betas": (0.9, 0.5), "eps": 1e-8}
    assert options["betas"] == (0.9, 0.999)
