"""Tiers: which optimizers cannot be told apart, as a compact letter display. Pure combinatorics on a graph."""

from __future__ import annotations

import string
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Sequence
    from typing import TypeVar

    Label = TypeVar("Label", bound=Hashable)


def tiers(order: Sequence[Label], apart: Collection[tuple[Label, Label]]) -> list[list[Label]]:
    """All largest sets of labels of which no two can be told apart: the maximal cliques of that graph.

    A label may be in several, since "cannot be told apart" is not transitive: A and B, B and C, yet A better than C.

    Args:
        order: All labels, the best first.
        apart: The pairs, in either order, that can be told apart.

    Returns:
        Each tier in the order of the labels; the tiers by their best member, then their next, and so on.
    """
    from networkx import Graph, find_cliques

    told = {frozenset(pair) for pair in apart}
    graph: Graph = Graph()
    graph.add_nodes_from(order)
    graph.add_edges_from(
        (one, other) for at, one in enumerate(order) for other in order[at + 1 :] if frozenset((one, other)) not in told
    )
    place = {label: at for at, label in enumerate(order)}
    cliques = sorted(sorted(place[label] for label in clique) for clique in find_cliques(graph))
    return [[order[at] for at in clique] for clique in cliques]


def letters(order: Sequence[Label], found: Sequence[Sequence[Label]]) -> dict[Label, str]:
    """The compact letter display: labels that share a letter cannot be told apart. After z comes aa, parted by commas."""
    names = list(names_of(len(found)))
    mark = "" if len(found) <= len(string.ascii_lowercase) else ","
    return {label: mark.join(name for name, tier in zip(names, found, strict=True) if label in tier) for label in order}


def names_of(many: int) -> Iterator[str]:
    """The letters of so many tiers, in their order."""
    length = 1
    while many > 0:
        for name in product(string.ascii_lowercase, repeat=length):
            if many <= 0:
                return
            many -= 1
            yield "".join(name)
        length += 1
