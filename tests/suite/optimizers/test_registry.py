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

# Defaults of the specification: η and all else that has one.
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
}


def test_every_optimizer_has_its_defaults():
    """The keys are the specification's, and so is every default; weight decay is off in all."""
    assert {key: describe(key)["defaults"] for key in OPTIMIZERS} == {
        key: {**options, "weight_decay": 0.0} for key, options in DEFAULTS.items()
    }


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_classes_hold_what_their_constructors_say(key):
    """An optimizer's groups hold exactly its constructor's options, each with a range that is checked."""
    cls = OPTIMIZERS[key]
    defaults = cls([torch.zeros(1, requires_grad=True)]).defaults
    assert {name: value for name, value in defaults.items() if name != "differentiable"} == describe(key)["defaults"]
    assert issubclass(cls, Rule) or cls.requires_loss_fn
    assert describe(key)["defaults"].keys() <= OPTIONS.keys()


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_descriptions(key):
    """Each is described by a line, a formula for θ and a source with a year or the paper's section."""
    told = describe(key)
    assert told["key"] == key
    assert told["class"] == OPTIMIZERS[key].__name__
    assert told["summary"].endswith(".")
    assert "\n" not in told["summary"] + told["formula"] + told["source"]
    assert "θ ← θ − " in told["formula"]
    assert re.search(r"\d{4}", told["source"])
    assert ("the note" if key == "newton" else "the source paper") in told["source"].lower()


def test_description_of_one():
    """The description of AdaGrad is what its docstring says."""
    told = describe("adagrad")
    assert told["formula"] == "G ← G + g²; θ ← θ − η g / √(G + ε)"
    assert told["source"].startswith("Duchi, Hazan and Singer 2011, ")
    assert told["source"].endswith("the source paper, 4.1.")


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_docstrings_name_every_option_and_error(key):
    """The docstring has a line for each constructor argument, says what it raises, and has an example."""
    text = OPTIMIZERS[key].__doc__
    for name in ("params", *describe(key)["defaults"]):
        assert re.search(rf"^ +{name}: ", text, flags=re.MULTILINE), name
    for section in ("Args:", "Raises:", "Example:", "References:"):
        assert section in text


@pytest.mark.parametrize("module", MODULES)
def test_examples(module):
    """The examples in the docstrings give what they print."""
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_examples_are_found():
    """Doctest sees at least one example for each optimizer."""
    finder = doctest.DocTestFinder()
    for cls in OPTIMIZERS.values():
        assert any(test.examples for test in finder.find(cls)), cls


def test_find_gives_the_registered_class():
    """A key of the registry gives its class."""
    assert all(find_optimizer(key) is cls for key, cls in OPTIMIZERS.items())


@pytest.mark.parametrize(
    ("kind", "meant"), [("adma", "adam"), ("Adam", "adam"), ("nadampaper", "nadam_paper"), ("sdg", "sgd")]
)
def test_unknown_key_says_which_was_meant(kind, meant):
    """A misspelled key is refused in one line with the key that was meant and all there are."""
    with pytest.raises(UserError) as error:
        find_optimizer(kind)
    text = str(error.value)
    assert text.startswith(
        f'kind: no optimizer is called "{kind}". Did you mean "{meant}"? Write one of sgd, momentum, '
    )
    assert all(key in text for key in OPTIMIZERS)
    assert "\n" not in text


def test_unknown_key_that_resembles_none():
    """A key that resembles none is refused without a guess."""
    with pytest.raises(UserError, match=r'^kind: no optimizer is called "xyzzy"\. Write one of '):
        find_optimizer("xyzzy")
    with pytest.raises(UserError, match="no optimizer is called"):
        describe("xyzzy")
