"""The options that a study gives an optimizer are checked, and the defaults are added."""

import enum
import json
import math

import numpy as np
import pytest
import torch

from suite.errors import UserError
from suite.optimizers import OPTIMIZERS, SGD, Adam, Momentum, RMSProp, describe, resolve_options
from suite.optimizers.options import constructor_arguments, constructor_options, requires_closure
from suite.trials import canonical


class Needy(torch.optim.SGD):
    """An optimizer with an option without a default, and annotations of several kinds."""

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
        self.others = (rounds, slack, limit)
        if mode not in {"fast", "slow"}:
            raise KeyError(mode)


class Open(torch.optim.SGD):
    """An optimizer that passes on all other options."""

    def __init__(self, params, lr=0.1, **others):
        super().__init__(params, lr, **others)


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_defaults(key):
    """Without options every option has its default, and stating a default changes nothing."""
    cls, defaults = OPTIMIZERS[key], describe(key)["defaults"]
    assert resolve_options(cls, {}) == defaults
    assert resolve_options(cls, defaults) == defaults
    assert list(resolve_options(cls, {})) == list(defaults)
    cls([torch.zeros(2, requires_grad=True)], **resolve_options(cls, {"lr": 0.5}))


def test_given_options_override_defaults():
    """Given options override their defaults; the others keep theirs."""
    assert resolve_options(Adam, {"lr": 0.5, "eps_inside_sqrt": True}) == {
        "lr": 0.5,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0.0,
        "eps_inside_sqrt": True,
    }


@pytest.mark.parametrize("cls", [SGD, torch.optim.SGD, torch.optim.Rprop])
def test_one_setting_is_one_value(cls):
    """An int for a float option becomes a float, in torch's classes too, so lr = 1 and lr = 1.0 are one setting."""
    a, b = resolve_options(cls, {"lr": 1}), resolve_options(cls, {"lr": 1.0})
    assert repr(a) == repr(b)
    assert type(a["lr"]) is float


def test_torch_defaults_of_zero_are_floats():
    """Torch has float options with the default 0; stating 0.0, 0 or nothing is one setting, and 0.9 is allowed."""
    settings = [resolve_options(torch.optim.SGD, given) for given in ({}, {"momentum": 0}, {"momentum": 0.0})]
    assert len({repr(setting) for setting in settings}) == 1
    assert resolve_options(torch.optim.SGD, {"momentum": 0.9})["momentum"] == 0.9


def test_lists_become_tuples_of_floats():
    """A list of a study file becomes a tuple of floats, as the constructor expects."""
    assert repr(resolve_options(Adam, {"betas": [0, 0.99]})["betas"]) == "(0.0, 0.99)"
    assert repr(resolve_options(torch.optim.Rprop, {})["step_sizes"]) == "(1e-06, 50.0)"


def test_annotations_distinguish_ints_from_floats():
    """An int option remains an int; a number without annotation is an int if it is whole."""
    options = resolve_options(Needy, {"radius": 1, "rounds": 4.0, "slack": 0.5, "limit": 2})
    assert repr(options) == repr({"radius": 1.0, "rounds": 4, "mode": "fast", "slack": 0.5, "limit": 2.0})
    assert repr(resolve_options(Needy, {"radius": 1, "slack": 2.0})["slack"]) == "2"


class OfNetwork(torch.optim.SGD):
    """An optimizer whose constructor requires a network."""

    def __init__(self, params, lr=0.1, names=()):
        if names:
            raise ValueError("names: no such parameter")
        super().__init__(params.parameters(), lr)


def test_every_torch_optimizer_resolves():
    """Every class of torch.optim resolves with its defaults; the step of LBFGS alone requires a closure."""
    classes = {x for x in vars(torch.optim).values() if isinstance(x, type)} - {torch.optim.Optimizer}
    assert len(classes) > 10
    for cls in classes:
        assert resolve_options(cls, {})["lr"] > 0
        assert requires_closure(cls) is (cls is torch.optim.LBFGS)


def test_declared_options_are_passed_to_kwargs():
    """An option that only **kwargs takes must be declared, and is recorded and passed as it is written."""
    options = resolve_options(Open, {"momentum": 0.5, "nesterov": True}, {"momentum", "nesterov"})
    assert options == {"lr": 0.1, "momentum": 0.5, "nesterov": True}
    assert constructor_arguments(Open, options) == options


def _scale(x):
    return 2 * x


class Plain(torch.optim.SGD):
    """An optimizer with defaults of every kind that a study file can have."""

    def __init__(
        self,
        params,
        lr: float = 0.1,
        growth: float = math.inf,
        weights=(1, 2),
        layers=None,
        switch: bool | None = None,
        names=("a", "b"),
        steps: list[int] = [3, 4],  # noqa: B006
        dtype: torch.dtype = torch.float32,
        table: dict | None = None,
        text: "str | tuple[float, float]" = "mean",
        betas: "tuple[float, ...]" = (0.9,),
    ):
        super().__init__(params, lr)
        self.got = {key: value for key, value in locals().items() if key not in {"self", "params", "__class__"}}


PLAIN = {
    "lr": 0.1,
    "growth": "inf",
    "weights": (1, 2),
    "layers": None,
    "switch": None,
    "names": ("a", "b"),
    "steps": (3, 4),
    "dtype": "torch.float32",
    "table": None,
    "text": "mean",
    "betas": (0.9,),
}


class Objects(torch.optim.SGD):
    """An optimizer with defaults that are objects."""

    def __init__(
        self,
        params,
        lr=0.1,
        scale=_scale,
        inner: type[torch.optim.Optimizer] = torch.optim.SGD,
        unset: bool = object(),
        mode: int = enum.IntEnum("Mode", {"FAST": 3}).FAST,
        half=lambda x: x / 2,
        odd=math.nan,
        size=np.float64(0.5),  # noqa: B008
    ):
        super().__init__(params, lr)
        self.got = [scale, inner, unset, mode, half, odd]


def _read_back(options):
    """Return options as they are read back from a record."""
    return json.loads(canonical(options))


def test_plain_defaults_are_recorded_as_values():
    """Numbers, infinity, texts, lists, None and dtypes are JSON values that give the default again."""
    assert repr(resolve_options(Plain, {})) == repr(PLAIN)
    optimizer = Plain([torch.zeros(1)], **constructor_arguments(Plain, _read_back(PLAIN)))
    assert repr(optimizer.got) == repr(Plain([torch.zeros(1)]).got)


def test_given_values_reach_the_class_in_its_types():
    """Lists, texts, booleans, infinity and dtypes of a study file are recorded as JSON values and decoded for the class."""
    given = {
        "growth": -math.inf,
        "weights": [3, 4],
        "layers": [1, 2],
        "switch": True,
        "names": ["c"],
        "steps": [5],
        "dtype": "bfloat16",
        "table": {"a": [1, math.inf]},
        "text": [0, 1],
        "betas": [0, 0.5, 0.9],
    }
    options = resolve_options(Plain, given)
    assert resolve_options(Plain, constructor_arguments(Plain, _read_back(options))) == options
    assert options["growth"] == "-inf"
    for recorded in (options, _read_back(options)):
        got = Plain([torch.zeros(1)], **constructor_arguments(Plain, recorded)).got
        expected = {
            "lr": 0.1,
            "growth": -math.inf,
            "weights": (3, 4),
            "layers": (1.0, 2.0),
            "switch": True,
            "names": ("c",),
            "steps": [5],
            "dtype": torch.bfloat16,
            "table": {"a": (1, math.inf)},
            "text": (0.0, 1.0),
            "betas": (0.0, 0.5, 0.9),
        }
        assert repr(got) == repr(expected)


def test_other_defaults_are_recorded_by_name():
    """Functions, classes and objects are recorded by qualified name, without addresses, and the class keeps its own."""
    options = resolve_options(Objects, {})
    module = __name__
    assert list(options.values()) == [
        0.1,
        f"{module}._scale",
        "torch.optim.sgd.SGD",
        "builtins.object",
        f"{module}.Mode.FAST",
        f"{module}.Objects.<lambda>",
        "nan",
        0.5,
    ]
    defaults = [p.default for p in constructor_options(Objects).values()][1:-1]
    for recorded in (options, _read_back(options)):
        got = Objects([torch.zeros(1)], **constructor_arguments(Objects, recorded)).got
        assert all(value is default for value, default in zip(got, defaults, strict=True))
    assert resolve_options(Objects, constructor_arguments(Objects, _read_back(options))) == options


def test_every_bad_option_has_a_line():
    """All bad options of a class are errors at once."""
    with pytest.raises(UserError) as error:
        resolve_options(Adam, {"lr": "x", "eps": -1, "beta": 1, "betas": [1]})
    assert [line.location for line in error.value.lines] == ["beta", "lr", "betas"]  # the constructor checks eps later


@pytest.mark.parametrize(
    ("cls", "given"),
    [
        (Adam, {"lr": "0.1"}),
        (Adam, {"lr": "fast"}),
        (Adam, {"lr": True}),
        (Adam, {"lr": [0.1]}),
        (Adam, {"lr": 0}),
        (Adam, {"lr": -1}),
        (Adam, {"lr": float("nan")}),
        (Adam, {"lr": float("inf")}),
        (torch.optim.AdamW, {"lr": "0.1"}),
        (Momentum, {"momentum": "0.9"}),
        (Momentum, {"momentum": 1}),
        (Adam, {"betas": [0.9, 1]}),
        (Adam, {"betas": [0.9]}),
        (Adam, {"betas": [0.9, "x"]}),
        (Adam, {"betas": 0.9}),
        (Adam, {"eps": 0}),
        (RMSProp, {"bias_correction": "true"}),
        (RMSProp, {"bias_correction": 1}),
        (torch.optim.AdamW, {"foreach": "no"}),
        (torch.optim.LBFGS, {"max_iter": 2.5}),
        (Needy, {}),
        (Needy, {"radius": 1, "mode": 3}),
        (Needy, {"radius": 1, "mode": "odd"}),
        (Needy, {"radius": "1"}),
        (Needy, {"radius": 1, "limit": "x"}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": -1}),
        (torch.optim.SGD, {"lr": 0.1, "nesterov": True}),
        (torch.optim.SGD, {"fused": True, "differentiable": True}),
        (OfNetwork, {}),
        (OfNetwork, {"lr": 0.2}),
        (OfNetwork, {"names": ["x"]}),
        # names that the class does not have
        (Open, {"momentun": 0.5}),
        (Open, {"learning_rate": 0.5}),
        (Plain, {"growth": float("nan")}),
        (Plain, {"betas": [0.5, float("nan")]}),
        (Plain, {"lr": float("inf")}),
        (Plain, {"dtype": "float33"}),
        (Plain, {"dtype": "nn"}),
        (Objects, {"scale": 2.0}),
        (Objects, {"inner": "torch.optim.Adam"}),
        (Objects, {"unset": "yes"}),
        (Momentum, {"lr": 0.1, "momentun": 0.5}),
        (Adam, {"lr": 0.1, "learning_rate": 0.5}),
        (Adam, {"lr": 0.1, "beta1": 0.5}),
        (Adam, {"lr": 0.1, "epsilon": 0.5}),
        (Momentum, {"lr": 0.1, "gamma": 0.5}),
        (Adam, {"lr": 0.1, "weight_decy": 0.5}),
        (torch.optim.AdamW, {"lr": 0.1, "amsgard": 0.5}),
        (SGD, {"nonsense": 1}),
        (SGD, {"gamma": 1}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value),
)
def test_invalid_options(wording, cls, given):
    """An unknown option, or one of an invalid type or value, is an error at its name, with the value and what is allowed."""
    with pytest.raises(UserError) as error:
        resolve_options(cls, given)
    assert error.value.lines[0].location in {*given, ", ".join(given), "kind", "radius"}
    wording(error.value, {", ".join(constructor_options(cls)): "<options>"})
