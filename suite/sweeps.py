"""Several learning rates in one entry of a study: `lr = [0.1, 0.4]` stands for an entry with each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Entry(Protocol):
    """What this module needs of an entry; `suite.spec.study.Entry` has it."""

    @property
    def name(self) -> str:
        """Its label."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The optimizer's own options."""

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """The entry with other values."""


E = TypeVar("E", bound=Entry)


def spread(entries: Iterable[E], longest: int) -> tuple[E, ...]:
    """The entries; each that lists learning rates as one entry for each of them, named `<name> <rate>`.

    Args:
        entries: As the study file has them.
        longest: How many characters a name may have.

    Raises:
        ValueError: A list that does not hold different numbers, or a name that becomes too long.
    """
    return tuple(one for entry in entries for one in _each(entry, longest))


def _each(entry: E, longest: int) -> Iterator[E]:
    rates = entry.options.get("lr")
    if not isinstance(rates, list | tuple):
        yield entry
        return
    names = [f"{entry.name} {rate:g}" if _is_number(rate) else "" for rate in rates]
    if not names or "" in names or len(set(names)) < len(names):
        wanted = "a number, or a list of different numbers. For example lr = [0.1, 0.01]"
        raise ValueError(f'"{entry.name}": lr: expected {wanted}')
    for rate, name in zip(rates, names, strict=True):
        if len(name) > longest:
            raise ValueError(f'"{name}": a name with its learning rate has at most {longest} characters. Shorten it')
        yield entry.model_copy(update={"name": name, "lr": float(rate)})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
