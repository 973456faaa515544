"""Tests of `suite.tuning.search_space`: default ranges, ranges of a study, and values that become options."""

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
    options = optimizers.resolve_options(kind, entry.options | entry.extra, entry.extra)
    return search_space.space(study, entry, options)


@pytest.mark.parametrize("kind", sorted(optimizers.OPTIMIZERS))
def test_every_optimizer_has_a_default_space(write_study, kind):
    """It has the learning rate over five decades and each β of the rule; all ranges contain the default setting."""
    path = write_study(extra=f'\n[[optimizer]]\nname = "x"\nkind = "{kind}"\n')
    space = _space(path, "x")
    default = search_space.tunable(optimizers.resolve_options(optimizers.OPTIMIZERS[kind], {}))
    assert set(space) == {"lr"} | (BETAS.keys() & default.keys())
    low, high = space["lr"].log
    assert math.log10(high / low) == pytest.approx(5)
    assert all(ranges.contains(values, default[name]) for name, values in space.items())
    assert all(values.one_minus_log for name, values in space.items() if name != "lr")


def test_the_range_of_adadelta_has_its_useful_rates():
    """η = 1 is close to the middle of its decades, which are a hundred times Adam's."""
    low, high = search_space.LEARNING_RATES["adadelta"]
    assert 0.4 < ranges.relative_position(Range(log=(low, high)), 1.0) < 0.7
    assert low / search_space.LEARNING_RATES["adam"][0] == pytest.approx(100)


def test_a_default_range_is_extended_to_the_default_setting(write_study):
    """An entry with lr = 50 and γ = 0.999 is tuned in ranges that contain both."""
    space = _space(write_study(extra='\n[[optimizer]]\nname = "x"\nkind = "nag"\nlr = 50\nmomentum = 0.999\n'), "x")
    assert space["lr"].log == (1e-5, 50.0)
    assert space["momentum"].one_minus_log[0] == pytest.approx(0.001)


def test_a_torch_optimizer_is_tuned_in_its_hyperparameters(write_study):
    """The momentum of SGD is 0 and not tuned; AdamW has two β values."""
    extra = (
        '\n[[optimizer]]\nname = "a"\nkind = "torch.optim:SGD"\n[[optimizer]]\nname = "b"\nkind = "torch.optim:AdamW"\n'
    )
    path = write_study(extra=extra)
    assert set(_space(path, "a")) == {"lr"}
    assert set(_space(path, "b")) == {"lr", "beta1", "beta2"}


def test_options_with_the_default_none(write_study):
    """A class whose other options are None by default can have a range, as can an option that `extra` declares."""
    extra = (
        '\n[[optimizer]]\nname = "a"\nkind = "torch.optim:Adam"\n'
        '[[optimizer]]\nname = "b"\nkind = "own:Open"\nextra = { dampening = 0.5 }\n'
        '[tune.space."torch.optim:Adam"]\nlr = { log = [1e-4, 1e-2] }\n'
        "[tune.space.b]\ndampening = { uniform = [0.0, 0.9] }\n"
    )
    path = write_study(extra=extra)
    code = "import torch\nclass Open(torch.optim.SGD):\n    def __init__(self, params, lr=0.1, **others):\n"
    (path.parent / "own.py").write_text(f"{code}        super().__init__(params, lr, **others)\n", encoding="utf-8")
    assert _space(path, "a")["lr"] == Range(log=(1e-4, 1e-2))
    assert set(_space(path, "b")) == {"lr", "dampening"}


def test_a_whole_number_has_a_list_of_values(write_study, wording):
    """A range between two bounds would give fractions, so it is refused; a list gives whole numbers."""
    extra = '\n[[optimizer]]\nname = "a"\nkind = "own:Whole"\n[tune.space.a]\nrounds = {{ {} }}\n'
    code = "import torch\nclass Whole(torch.optim.SGD):\n    def __init__(self, params, lr=0.1, rounds: int = 3):\n"
    for text in ("values = [2, 3]", "uniform = [1, 9]"):
        path = write_study(extra=extra.format(text))
        (path.parent / "own.py").write_text(f"{code}        super().__init__(params, lr)\n", encoding="utf-8")
        if "values" in text:
            assert set(_space(path, "a")) == {"lr", "rounds"}
    with pytest.raises(UserError) as error:
        _space(path, "a")
    wording(error.value)
    assert repr(search_space.with_values({"rounds": 3, "lr": 0.1}, {"rounds": 2.0, "lr": 1.0})) == repr(
        {"rounds": 2, "lr": 1.0}
    )


def test_a_study_replaces_and_adds_ranges(write_study):
    """The table of a label has priority over that of a kind, and both over the defaults; eps is added."""
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
    """Hyperparameters that `parameters` omits keep the default setting; eps has a default range if it is named."""
    space = _space(write_study(extra='\n[tune]\nparameters = ["lr", "eps"]\n'), "Adam")
    assert set(space) == {"lr", "eps"}


INVALID = {
    "a similar name": "[tune.space.adam]\nbeta3 = { log = [0.1, 1] }",
    "an unknown name": "[tune.space.adam]\nmomentum = { log = [0.1, 1] }",
    "a beta above 1": "[tune.space.adam]\nbeta1 = { uniform = [0.5, 1.5] }",
    "a negative rate": "[tune.space.Adam]\nlr = { uniform = [-1, 1] }",
    "a range without the default": "[tune.space.adam]\nlr = { log = [0.1, 1] }",
    "a list without the default": "[tune.space.adam]\nlr = { values = [0.1, 1] }",
    "nothing to tune": '[tune]\nparameters = ["beta1"]',
    "no default range": '[tune]\nparameters = ["lr", "weight_decay"]',
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_space_is_one_error_with_its_location(write_study, case, wording):
    """The location is the file and the key."""
    path = write_study(extra=f"\n{INVALID[case]}\n")
    with pytest.raises(UserError) as error:
        [_space(path, label) for label in ("SGD", "Adam")]
    assert str(error.value).startswith("toy_study.toml: tune.")
    assert "\n" not in str(error.value)
    wording(error.value)


def test_betas_are_tuned_separately():
    """A value of beta2 replaces its item of `betas`; other options are not changed."""
    options = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8}
    assert search_space.with_values(options, {"beta2": 0.5, "lr": 1.0}) == {"lr": 1.0, "betas": (0.9, 0.5), "eps": 1e-8}
    assert options["betas"] == (0.9, 0.999)
