"""How a long read or write of cells says how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
Advance = Callable[[int, int], None]
"""Called with the number of cells (or files) done, and of all."""
_STEP = 500


def silent(*_: object) -> None:
    """Say nothing."""


def part_of(advance: Advance, before: int, total: int) -> Advance:
    """For a list that is a part of all: `before` items of others are done already."""

    def further(done: int, _: int) -> None:
        advance(before + done, total)

    return further


def counting(items: Iterable[T], total: int, advance: Advance, *, before: int = 0) -> Iterator[T]:
    """The items, with `advance` called now and then, and at the end.

    Parameters
    ----------
    before
        Items of other lists that are done already and part of `total`.
    """
    n = before
    for n, item in enumerate(items, start=before + 1):
        yield item
        if n % _STEP == 0:
            advance(n, total)
    advance(n, total)
