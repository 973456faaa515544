"""`suite.problems.parameter_roles`: roles of parameters, and the parameters that groups select."""

import pytest
import torch
from torch import nn

from suite.problems import PROBLEMS
from suite.problems.parameter_roles import ROLES, parameter_roles, select


class OwnAttention(nn.Module):
    """An attention layer of a user."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.query = nn.Linear(4, 4)


class Tied(nn.Module):
    """A language model whose output has the weights of the embedding."""

    def __init__(self):
        super().__init__()
        self.table, self.norm, self.head = nn.Embedding(5, 4), nn.LayerNorm(4), nn.Linear(4, 5, bias=False)
        self.head.weight = self.table.weight


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Linear(2, 3), {"weight": {"linear", "output"}, "bias": {"bias"}}),
        (nn.Conv2d(2, 3, 1), {"weight": {"conv", "output"}, "bias": {"bias"}}),
        (nn.ConvTranspose1d(2, 3, 1, bias=False), {"weight": {"conv", "output"}}),
        (nn.BatchNorm1d(3), {"weight": {"norm"}, "bias": {"norm", "bias"}}),
        (nn.RMSNorm(3), {"weight": {"norm"}}),
        (nn.GroupNorm(1, 3), {"weight": {"norm"}, "bias": {"norm", "bias"}}),
        (nn.Embedding(5, 4), {"weight": {"embedding", "output"}}),
        (
            nn.MultiheadAttention(4, 2),
            {
                "in_proj_weight": {"linear", "attention"},
                "in_proj_bias": {"bias", "attention"},
                "out_proj.weight": {"linear", "attention", "output"},
                "out_proj.bias": {"bias", "attention"},
            },
        ),
        (
            OwnAttention(),
            {
                "scale": {"attention"},
                "query.weight": {"linear", "attention", "output"},
                "query.bias": {"bias", "attention"},
            },
        ),
        (
            Tied(),
            {"table.weight": {"embedding", "linear", "output"}, "norm.weight": {"norm"}, "norm.bias": {"norm", "bias"}},
        ),
        (
            nn.LSTM(2, 3),
            {
                "weight_ih_l0": {"linear", "output"},
                "weight_hh_l0": {"linear", "output"},
                "bias_ih_l0": {"bias"},
                "bias_hh_l0": {"bias"},
            },
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_the_roles_come_from_the_modules(module, expected):
    """Each kind of layer; a shared weight has the roles of both layers."""
    assert parameter_roles(module) == expected
    assert set().union(*expected.values()) <= set(ROLES)


def test_the_output_is_the_last_layer_before_a_norm():
    """A norm at the end has no weight of two dimensions, so the layer before it is the output."""
    roles = parameter_roles(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4), nn.LayerNorm(4)))
    assert [name for name, found in roles.items() if "output" in found] == ["1.weight"]


@pytest.mark.parametrize("key", ["fashion_mnist_2c2d", "digits_mlp", "text_gpt", "fashion_mnist_vit"])
def test_every_parameter_of_a_shipped_network_has_a_role(key):
    """All weights have a role from their layer, and exactly one weight is the output."""
    network = PROBLEMS[key].network()
    roles = PROBLEMS[key].roles(network)
    assert roles.keys() == dict(network.named_parameters()).keys()
    assert len([name for name, found in roles.items() if "output" in found]) == 1


def test_the_first_matching_group_gets_a_parameter():
    """Selectors of one group are combined with "and", items of one selector with "or"; frozen parameters are in no group."""
    network = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 3), nn.Linear(3, 1))
    network[2].requires_grad_(requires_grad=False)
    roles = parameter_roles(network)
    groups = ({"roles": ["norm", "output"], "ndim": [1]}, {"names": ["*.bias", "nothing"]}, {"ndim": [1, 2]})
    assert select(network, groups, roles) == [
        ["1.weight", "1.bias"],
        ["0.bias", "3.bias"],
        ["0.weight", "3.weight"],
        [],
    ]
    assert select(network, groups[1:2], roles)[1] == ["0.weight", "1.weight", "3.weight"]
