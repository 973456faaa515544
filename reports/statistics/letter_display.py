"""Tiers of optimizers that do not differ significantly, and their compact letter display (Piepho 2004)."""

from __future__ import annotations

import string
from itertools import count, islice, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Sequence
    from typing import TypeVar

    Label = TypeVar("Label", bound=Hashable)


def tiers(order: Sequence[Label], different: Collection[tuple[Label, Label]]) -> list[list[Label]]:
    """Return all maximal sets of labels that do not differ significantly: the maximal cliques of their graph.

    A label may be in several tiers, because "not significantly different" is not transitive.

    Args:
        order: All labels, the best first.
        different: The pairs that differ significantly, in either order.

    Returns:
        The labels of each tier in the given order; tiers are sorted by their best member, then by the next.
    """
    from networkx import Graph, find_cliques

    excluded = {frozenset(pair) for pair in different}
    graph: Graph = Graph()
    graph.add_nodes_from(order)
    graph.add_edges_from(
        (first, second)
        for position, first in enumerate(order)
        for second in order[position + 1 :]
        if frozenset((first, second)) not in excluded
    )
    rank = {label: position for position, label in enumerate(order)}
    cliques = sorted(sorted(rank[label] for label in clique) for clique in find_cliques(graph))
    return [[order[position] for position in clique] for clique in cliques]


def letters(order: Sequence[Label], groups: Sequence[Sequence[Label]]) -> dict[Label, str]:
    """Return the letters of each label: labels that share one do not differ significantly.

    Args:
        order: All labels.
        groups: From `tiers`. After 26 groups letters are doubled and separated by commas.
    """
    names = list(names_of(len(groups)))
    separator = "" if len(groups) <= len(string.ascii_lowercase) else ","
    members = [(name, set(group)) for name, group in zip(names, groups, strict=True)]
    return {label: separator.join(name for name, group in members if label in group) for label in order}


def names_of(num_groups: int) -> Iterator[str]:
    """Return the names of N groups: a, ..., z, aa, ab, ..."""
    names = (name for length in count(1) for name in product(string.ascii_lowercase, repeat=length))
    return map("".join, islice(names, num_groups))
