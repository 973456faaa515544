"""Options as a study gives them, checked and filled in."""

import pytest
import torch

from suite.errors import UserError
from suite.optimizers import OPTIMIZERS, SGD, Adam, Momentum, RMSProp, describe, resolve_options


class Needy(torch.optim.SGD):
    """An optimizer with an option without default, and hints of several kinds."""

    def __init__(
        self,
        params,
        *,
        radius: float,
        rounds: int = 3,
        mode: str = "fast",
        slack=0,
        limit: float | None = None,
    ):
        super().__init__(params, lr=radius)
        self.rest = (rounds, slack, limit)
        if mode not in {"fast", "slow"}:
            raise KeyError(mode)


class Open(torch.optim.SGD):
    """An optimizer that hands on whatever else it is given."""

    def __init__(self, params, lr=0.1, **rest):
        super().__init__(params, lr, **rest)


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_defaults(key):
    """With nothing given every option has its default, and naming a default changes nothing."""
    cls, defaults = OPTIMIZERS[key], describe(key)["defaults"]
    assert resolve_options(cls, {}) == defaults
    assert resolve_options(cls, defaults) == defaults
    assert list(resolve_options(cls, {})) == list(defaults)
    cls([torch.zeros(2, requires_grad=True)], **resolve_options(cls, {"lr": 0.5}))


def test_given_over_defaults():
    """What is given stands over the defaults and the rest stays."""
    assert resolve_options(Adam, {"lr": 0.5, "eps_inside_sqrt": True}) == {
        "lr": 0.5,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0.0,
        "eps_inside_sqrt": True,
    }


@pytest.mark.parametrize("cls", [SGD, torch.optim.SGD, torch.optim.Rprop])
def test_one_setting_is_one_value(cls):
    """An int where a float is meant becomes one, also in torch's classes, so lr = 1 and lr = 1.0 are one setting."""
    a, b = resolve_options(cls, {"lr": 1}), resolve_options(cls, {"lr": 1.0})
    assert repr(a) == repr(b)
    assert type(a["lr"]) is float


def test_torch_defaults_of_zero_are_floats():
    """Torch writes float options as 0; naming them as 0.0, 0 or not at all is one setting, and 0.9 is allowed."""
    settings = [resolve_options(torch.optim.SGD, given) for given in ({}, {"momentum": 0}, {"momentum": 0.0})]
    assert len({repr(setting) for setting in settings}) == 1
    assert resolve_options(torch.optim.SGD, {"momentum": 0.9})["momentum"] == 0.9


def test_lists_become_tuples_of_floats():
    """A list of a study file becomes a tuple of floats, as the constructor wants it."""
    assert repr(resolve_options(Adam, {"betas": [0, 0.99]})["betas"]) == "(0.0, 0.99)"
    assert repr(resolve_options(torch.optim.Rprop, {})["step_sizes"]) == "(1e-06, 50.0)"


def test_annotations_tell_ints_from_floats():
    """An int option keeps its type, a number without annotation is an int where it is whole."""
    options = resolve_options(Needy, {"radius": 1, "rounds": 4.0, "slack": 0.5, "limit": 2})
    assert repr(options) == repr({"radius": 1.0, "rounds": 4, "mode": "fast", "slack": 0.5, "limit": 2.0})
    assert repr(resolve_options(Needy, {"radius": 1, "slack": 2.0})["slack"]) == "2"


def test_every_torch_optimizer_resolves():
    """Every class of torch.optim resolves with its defaults, but LBFGS, whose step cannot do without a closure."""
    classes = {x for x in vars(torch.optim).values() if isinstance(x, type)}
    classes -= {torch.optim.Optimizer, torch.optim.LBFGS}
    assert len(classes) > 10
    for cls in classes:
        assert resolve_options(cls, {})["lr"] > 0
    with pytest.raises(UserError, match=r"^kind: LBFGS evaluates the loss many times a step, by a closure"):
        resolve_options(torch.optim.LBFGS, {})


def test_open_constructors_take_more():
    """Where a constructor hands on its **kwargs, other names go with them, checked for finiteness and by the class."""
    assert resolve_options(Open, {"momentum": 0.5}) == {"lr": 0.1, "momentum": 0.5}
    with pytest.raises(UserError, match=r"^momentun: Open refuses it: .*momentun"):
        resolve_options(Open, {"momentun": 0.5})
    with pytest.raises(UserError, match=r"^momentum: expected a finite number, got nan"):
        resolve_options(Open, {"momentum": float("nan")})


@pytest.mark.parametrize(
    ("cls", "given", "text"),
    [
        (Adam, {"lr": "0.1"}, 'lr: expected a number > 0, got "0.1". Write it without quotes: lr = 0.1'),
        (Adam, {"lr": "fast"}, 'lr: expected a number > 0, got "fast". Write, for instance, lr = 0.01'),
        (Adam, {"lr": True}, "lr: expected a number > 0, got true. Write, for instance, lr = 0.01"),
        (Adam, {"lr": [0.1]}, "lr: expected a number > 0, got [0.1]. Write, for instance, lr = 0.01"),
        (Adam, {"lr": 0}, "lr: expected a number > 0, got 0. Write, for instance, lr = 0.01"),
        (Adam, {"lr": -1}, "lr: expected a number > 0, got -1. Write, for instance, lr = 0.01"),
        (Adam, {"lr": float("nan")}, "lr: expected a number > 0, got nan. Write, for instance, lr = 0.01"),
        (Adam, {"lr": float("inf")}, "lr: expected a number > 0, got inf. Write, for instance, lr = 0.01"),
        (torch.optim.AdamW, {"lr": "0.1"}, 'lr: expected a number > 0, got "0.1". Write it without quotes: lr = 0.1'),
        (
            Momentum,
            {"momentum": "0.9"},
            'momentum: expected a number >= 0 and < 1, got "0.9". Write it without quotes: momentum = 0.9',
        ),
        (Momentum, {"momentum": 1}, "momentum: expected a number >= 0 and < 1, got 1.0. Write another value"),
        (Adam, {"betas": [0.9, 1]}, "betas: expected two numbers >= 0 and < 1, got (0.9, 1.0). Write another value"),
        (
            Adam,
            {"betas": [0.9]},
            "betas: expected 2 finite numbers, got [0.9]. Write, for instance, betas = [0.9, 0.999]",
        ),
        (
            Adam,
            {"betas": [0.9, "x"]},
            'betas: expected 2 finite numbers, got [0.9, "x"]. Write, for instance, betas = [0.9, 0.999]',
        ),
        (Adam, {"betas": 0.9}, "betas: expected 2 finite numbers, got 0.9. Write, for instance, betas = [0.9, 0.999]"),
        (Adam, {"eps": 0}, "eps: expected a number > 0, got 0.0. Write another value"),
        (
            RMSProp,
            {"bias_correction": "true"},
            'bias_correction: expected true or false, got "true". Write, for instance, bias_correction = true',
        ),
        (
            RMSProp,
            {"bias_correction": 1},
            "bias_correction: expected true or false, got 1. Write, for instance, bias_correction = true",
        ),
        (
            torch.optim.AdamW,
            {"foreach": "no"},
            'foreach: expected true or false, got "no". Write, for instance, foreach = true',
        ),
        (
            torch.optim.LBFGS,
            {"max_iter": 2.5},
            "max_iter: expected a whole number, got 2.5. Write, for instance, max_iter = 20",
        ),
        (Needy, {}, "radius: Needy has no default for it. Write radius = a value"),
        (Needy, {"radius": 1, "mode": 3}, 'mode: expected a text, got 3. Write, for instance, mode = "fast"'),
        (Needy, {"radius": 1, "mode": "odd"}, "mode: Needy refuses it: 'odd'. Write another value"),
        (Needy, {"radius": "1"}, 'radius: expected a number, got "1". Write it without quotes: radius = 1'),
        (Needy, {"radius": 1, "limit": "x"}, 'limit: expected a number, got "x". Write, for instance, limit = 0.01'),
        (
            torch.optim.SGD,
            {"lr": 0.1, "momentum": -1},
            "momentum: SGD refuses it: Invalid momentum value: -1.0. Write another value",
        ),
        (
            torch.optim.SGD,
            {"lr": 0.1, "nesterov": True},
            "nesterov: SGD refuses it: Nesterov momentum requires a momentum and zero dampening. Write another value",
        ),
        (
            torch.optim.SGD,
            {"fused": True, "differentiable": True},
            "fused, differentiable: SGD refuses it: `fused` does not support `differentiable`. Write another value",
        ),
    ],
)
def test_wrong_options(cls, given, text):
    """An option of a wrong type or value is refused in one line that starts with its name and shows the value."""
    with pytest.raises(UserError) as error:
        resolve_options(cls, given)
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("cls", "name", "meant"),
    [
        (Momentum, "momentun", "momentum"),
        (Adam, "learning_rate", "lr"),
        (Adam, "beta1", "betas"),
        (Adam, "epsilon", "eps"),
        (Momentum, "gamma", "momentum"),
        (Adam, "weight_decy", "weight_decay"),
        (torch.optim.AdamW, "amsgard", "amsgrad"),
    ],
)
def test_unknown_names_say_which_was_meant(cls, name, meant):
    """A misspelled option, or one by another library's name, is refused with the name that was meant and all there are."""
    with pytest.raises(UserError) as error:
        resolve_options(cls, {"lr": 0.1, name: 0.5})
    text = str(error.value)
    assert text.startswith(f'{name}: {cls.__name__} has no such option. Did you mean "{meant}"? It has lr, ')


def test_unknown_name_that_resembles_none():
    """A name that resembles none, or an alias of an option that this class lacks, is refused without a guess."""
    for name in ("nonsense", "gamma"):
        with pytest.raises(UserError, match=rf"^{name}: SGD has no such option\. It has lr, weight_decay$"):
            resolve_options(SGD, {name: 1})
