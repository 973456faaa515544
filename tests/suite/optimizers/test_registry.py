"""The registry, its descriptions, and the examples in the docstrings."""

import doctest
import importlib
import pkgutil
import re

import pytest
import torch

import suite.optimizers
from suite.errors import UserError
from suite.optimizers import OPTIMIZERS, describe, find_optimizer
from suite.optimizers.base import OPTIONS, Rule

MODULES = ["suite.optimizers", *(f"suite.optimizers.{m.name}" for m in pkgutil.iter_modules(suite.optimizers.__path__))]

# The defaults of the specification.
DEFAULTS = {
    "sgd": {"lr": 0.01},
    "momentum": {"lr": 0.01, "momentum": 0.9, "dampening": 0.0, "bias_correction": False},
    "nag": {"lr": 0.01, "momentum": 0.9},
    "nag_paper": {"lr": 0.01, "momentum": 0.9},
    "adagrad": {"lr": 0.01, "eps": 1e-10, "eps_inside_sqrt": True},
    "rmsprop": {"lr": 0.01, "alpha": 0.9, "eps": 1e-8, "eps_inside_sqrt": True, "bias_correction": False},
    "adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6},
    "adam": {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "eps_inside_sqrt": False},
    "adamax": {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8},
    "nadam": {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8},
    "nadam_paper": {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8},
    "newton": {"lr": 1.0, "damping": 0.0, "indefinite": "absolute", "diagonal": False, "eps": 1e-6},
    "adamw": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01},
    "nadamw": {
        "lr": 0.001,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0.01,
        "momentum_schedule": False,
        "momentum_decay": 0.004,
    },
    "lion": {"lr": 0.0001, "betas": (0.9, 0.99)},
    "muon": {
        "lr": 0.02,
        "momentum": 0.95,
        "nesterov": True,
        "scale": "original",
        "eps": 1e-7,
        "ns_dtype": "float32",
        "adam_lr_ratio": 0.015,
        "adam_betas": (0.9, 0.95),
        "adam_eps": 1e-10,
    },
    "schedule_free_sgd": {"lr": 1.0, "momentum": 0.9},
    "schedule_free_adamw": {"lr": 0.0025, "betas": (0.9, 0.999), "eps": 1e-8},
}


def test_every_optimizer_has_its_defaults():
    """The keys and defaults are those of the specification; weight decay is 0 unless stated."""
    assert {key: describe(key)["defaults"] for key in OPTIMIZERS} == {
        key: {"weight_decay": 0.0, **options} for key, options in DEFAULTS.items()
    }


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_groups_have_the_options_of_the_constructor(key):
    """The groups of an optimizer have exactly the options of its constructor, each with a range that is checked."""
    cls = OPTIMIZERS[key]
    defaults = cls([torch.zeros(1, requires_grad=True)]).defaults
    assert {name: value for name, value in defaults.items() if name != "differentiable"} == describe(key)["defaults"]
    assert issubclass(cls, Rule) or cls.requires_loss_fn
    assert describe(key)["defaults"].keys() <= OPTIONS.keys()


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_descriptions(key):
    """Each description has a line, a formula for θ, and a source with a year and a section or an arXiv number."""
    description = describe(key)
    assert description["key"] == key
    assert description["class"] == OPTIMIZERS[key].__name__
    assert description["summary"].endswith(".")
    assert "\n" not in description["summary"] + description["formula"] + description["source"]
    assert re.search(r"θ ← (θ − |\(1−β₁?\) z \+ )", description["formula"])
    assert re.search(r"\d{4}", description["source"])
    assert re.search(
        r"\b[PN],? (listing )?\d.* in docs/sources\.md|arXiv \d{4}\.\d{5}.*; docs/sources\.md", description["source"]
    )


def test_description_of_one():
    """The description of AdaGrad is that of its docstring."""
    description = describe("adagrad")
    assert description["formula"] == "G ← G + g²; θ ← θ − η g / √(G + ε)"
    assert description["source"].startswith("Duchi, Hazan and Singer 2011, ")
    assert description["source"].endswith("P 4.1 in docs/sources.md.")


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_docstrings_name_every_option_and_error(key):
    """The docstring has a line for each argument of the constructor, and sections for errors, example and references."""
    text = OPTIMIZERS[key].__doc__
    for name in ("params", *describe(key)["defaults"]):
        assert re.search(rf"^ +{name}: ", text, flags=re.MULTILINE), name
    for section in ("Args:", "Raises:", "Example:", "References:"):
        assert section in text


@pytest.mark.parametrize("module", MODULES)
def test_examples(module):
    """The examples in the docstrings print what they state."""
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_examples_are_found():
    """Doctest finds at least one example for each optimizer."""
    finder = doctest.DocTestFinder()
    for cls in OPTIMIZERS.values():
        assert any(test.examples for test in finder.find(cls)), cls


def test_a_key_gives_its_class():
    """`find_optimizer` returns the class of each key."""
    assert all(find_optimizer(key) is cls for key, cls in OPTIMIZERS.items())


@pytest.mark.parametrize("kind", ["adma", "Adam", "nadampaper", "sdg", "xyzzy"])
def test_unknown_key(wording, kind):
    """An unknown key is an error with the most similar key, if there is one, and all keys."""
    for function in (find_optimizer, describe):
        with pytest.raises(UserError) as error:
            function(kind)
    wording(error.value)


OLD_NAMES = """
import torch

class Old(torch.optim.SGD):
    takes_loss = True
    most_parameters = 10

class New(torch.optim.SGD):
    requires_loss_fn = True
    max_parameters = 10

class Both(Old):
    requires_loss_fn = False
    max_parameters = 20
"""


def test_old_names_of_attributes_are_read_with_a_warning(tmp_path, wording):
    """A class with the old names has the new ones, too, after one warning for each; new names have precedence."""
    (tmp_path / "old_names.py").write_text(OLD_NAMES, encoding="utf-8")
    with pytest.warns(FutureWarning) as caught:
        old = find_optimizer("old_names:Old", tmp_path)
    assert (old.requires_loss_fn, old.max_parameters) == (True, 10)
    for warning in caught:
        wording(warning.message)
    assert find_optimizer("old_names:Old", tmp_path) is old  # without another warning, which would be an error
    new, both = (find_optimizer(f"old_names:{name}", tmp_path) for name in ("New", "Both"))
    assert (new.requires_loss_fn, new.max_parameters) == (True, 10)
    assert (both.requires_loss_fn, both.max_parameters) == (False, 20)
