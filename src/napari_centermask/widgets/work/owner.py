"""An object that owns others: it makes each of them on first use, and ends them with itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar


class Part(Protocol):
    """What an owner can end."""

    def end(self) -> None:
        """Stop timers, runs and connections; write what must not be lost."""


P = TypeVar("P", bound=Part)


class Owner:
    """Has at most one part of each type.

    Higher rooms add their parts themselves, so the owner does not depend on them.
    """

    def __init__(self) -> None:
        self._parts: dict[type[Part], Part] = {}

    def part(self, kind: type[P], make: Callable[[], P]) -> P:
        """The part of this type, made on first use."""
        if kind not in self._parts:
            self._parts[kind] = make()
        known = self._parts[kind]
        assert isinstance(known, kind)
        return known

    def has(self, kind: type[Part]) -> bool:
        """Whether the part of this type exists."""
        return kind in self._parts

    def end(self) -> None:
        """End all parts, the latest first, so that they can use earlier ones until then."""
        while self._parts:
            self._parts.popitem()[1].end()
