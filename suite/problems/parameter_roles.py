"""The roles of the parameters of a network, by which the groups of a study select them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLES = ("bias", "norm", "embedding", "conv", "linear", "attention", "output")
SELECTORS = ("roles", "names", "ndim")


def parameter_roles(network: nn.Module) -> dict[str, set[str]]:
    """Return the roles of each parameter by its name in `network.named_parameters()`.

    - bias: its name in its module contains "bias"
    - norm: in a normalisation layer, which is a class with a name such as `LayerNorm` or `BatchNorm2d`
    - embedding: the table of `nn.Embedding` or `nn.EmbeddingBag`
    - conv: the weight of a convolution
    - linear: a weight of `nn.Linear`, `nn.Bilinear`, `nn.MultiheadAttention` or a recurrent layer
    - attention: in `nn.MultiheadAttention` or in a module whose class has a name that ends with "Attention"
    - output: the weight of the last layer with a weight of at least two dimensions

    A parameter has several roles or none. A weight that two layers share has the roles of both.
    """
    names = {parameter: name for name, parameter in network.named_parameters()}
    roles = {name: set[str]() for name in names.values()}
    last: set[str] = set()
    for module in network.modules():
        weights = set()
        for key, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            found = {"bias"} if "bias" in key else _weight_roles(module)
            roles[names[parameter]] |= found | ({"norm"} if _is_norm(module) else set())
            if "bias" not in key and parameter.ndim > 1:
                weights.add(names[parameter])
        last = weights or last
        if isinstance(module, nn.MultiheadAttention) or type(module).__name__.endswith("Attention"):
            for parameter in module.parameters():
                roles[names[parameter]].add("attention")
    for name in last:
        roles[name].add("output")
    return roles


def select(network: nn.Module, groups: tuple[Mapping[str, Any], ...], roles: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the names of the parameters of each group, then those of the rest. The first group that matches gets a parameter.

    A group matches a parameter if each of its selectors does, and a selector if one of its items does. Parameters that require
    no gradient are omitted.

    Args:
        network: The network.
        groups: Each with at least one of the selectors `roles`, `names` (patterns with `*`, `?` and `[...]`) and `ndim`.
        roles: The roles of each parameter by name; see `Problem.roles`.
    """
    selected: list[list[str]] = [[] for _ in range(len(groups) + 1)]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            matching = (number for number, group in enumerate(groups) if _matches(group, name, parameter, roles))
            selected[next(matching, len(groups))].append(name)
    return selected


def _matches(group: Mapping[str, Any], name: str, parameter: nn.Parameter, roles: Mapping[str, set[str]]) -> bool:
    given = {key: tuple(group.get(key, ())) for key in SELECTORS}
    found = {
        "roles": bool(roles.get(name, set()) & set(given["roles"])),
        "names": any(fnmatchcase(name, pattern) for pattern in given["names"]),
        "ndim": parameter.ndim in given["ndim"],
    }
    return all(found[key] for key, items in given.items() if items)


def _is_norm(module: nn.Module) -> bool:
    return re.search(r"Norm(\dd)?$", type(module).__name__) is not None


def _weight_roles(module: nn.Module) -> set[str]:
    """Return the roles of a parameter of a module that is no bias."""
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return {"embedding"}
    if isinstance(module, nn.modules.conv._ConvNd):  # noqa: SLF001 (the base class of all convolutions)
        return {"conv"}
    if isinstance(module, nn.Linear | nn.Bilinear | nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention):
        return {"linear"}
    return set()
